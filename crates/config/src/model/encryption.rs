//! Encryption of the repositories that a registry makes.

pub(crate) const WORDS: &[(&str, EncryptionKind)] = &[
    ("AES256", EncryptionKind::Aes256),
    ("KMS", EncryptionKind::Kms),
    ("KMS_DSSE", EncryptionKind::KmsDsse),
];

/// The kind of encryption ("Encryption at rest" in the ECR user guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionKind {
    /// S3-managed keys, which is also what ECR does when nothing is said.
    Aes256,
    Kms,
    /// AWS KMS, two layers.
    KmsDsse,
}

impl EncryptionKind {
    /// AWS's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "KMS",
            Self::KmsDsse => "KMS_DSSE",
        }
    }
}

/// `encryption_configuration`: EncryptionConfigurationForRepositoryCreationTemplate of the ECR API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encryption {
    pub kind: EncryptionKind,
    /// The full ARN of the key; without one, KMS uses the key `aws/ecr`.
    pub kms_key: Option<String>,
}
