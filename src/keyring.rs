//! Who can get at a data key here: the function by KMS, a person by age and KMS.

use config::sops::{AgeRecipient, DataKey, KmsRecipient, Metadata};
use config::{Code, Problem, Rejected};
use zeroize::Zeroizing;

use crate::account::{AwsError, Reader};

/// Decrypts data keys that are encrypted with age. People have such identities; the function has not.
pub trait AgeIdentities {
    /// The data key, from the first recipient that can be decrypted.
    ///
    /// # Errors
    /// Why none can.
    fn unlock(&self, recipients: &[AgeRecipient]) -> Result<DataKey, String>;
}

/// What data keys can be decrypted with.
#[derive(Clone, Copy)]
pub struct Keyring<'a> {
    kms: Option<&'a Reader>,
    age: Option<&'a dyn AgeIdentities>,
    holder: KeyHolder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyHolder {
    Function,
    Person,
}

/// Why the data key of a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// Nobody here is one of its recipients, or those who are were refused: another try gets the same answer.
    #[error("the file is encrypted with SOPS and cannot be decrypted: {0}")]
    Refused(String),
    /// AWS could not answer now.
    #[error("the file is encrypted with SOPS and could not be decrypted now: {0}")]
    Unavailable(String),
}

impl Locked {
    /// Whether another try may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// As an error of the file, at its map `sops`.
    #[must_use]
    pub fn into_rejected(self, metadata: &Metadata) -> Rejected {
        let (line, column) = metadata.at;
        let error = Problem {
            code: Code::CANNOT_DECRYPT,
            registry: None,
            line: Some(line),
            column: Some(column),
            message: self.to_string(),
        };
        Rejected {
            errors: vec![error],
            warnings: Vec::new(),
        }
    }
}

impl<'a> Keyring<'a> {
    /// The function's: it has its role, and no private key of anybody.
    #[must_use]
    pub fn of_function(reader: &'a Reader) -> Self {
        Self {
            kms: Some(reader),
            age: None,
            holder: KeyHolder::Function,
        }
    }

    #[must_use]
    pub fn of_person(identities: &'a dyn AgeIdentities, reader: Option<&'a Reader>) -> Self {
        Self {
            kms: reader,
            age: Some(identities),
            holder: KeyHolder::Person,
        }
    }

    /// Gets the data key: first what costs no call, then from one KMS key after the other until one answers.
    ///
    /// # Errors
    /// [`Locked`], with what each recipient said.
    pub async fn unlock(&self, metadata: &Metadata) -> Result<DataKey, Locked> {
        let mut refusals: Vec<Refusal> = Vec::new();
        if let Some(identities) = self.age.filter(|_| !metadata.age.is_empty()) {
            match identities.unlock(&metadata.age) {
                Ok(key) => return Ok(key),
                Err(why) => refusals.push(Refusal { why, transient: false }),
            }
        }
        if let Some(reader) = self.kms {
            for recipient in &metadata.kms {
                match ask(reader, recipient, self.advice()).await {
                    Ok(key) => return Ok(key),
                    Err(refusal) => refusals.push(refusal),
                }
            }
        }
        let said = refusals
            .iter()
            .map(|refusal| refusal.why.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        Err(if refusals.iter().any(|refusal| refusal.transient) {
            Locked::Unavailable(said)
        } else if refusals.is_empty() {
            Locked::Refused(self.no_recipient(metadata))
        } else {
            Locked::Refused(said)
        })
    }

    /// What to do when KMS denies.
    fn advice(self) -> &'static str {
        match self.holder {
            KeyHolder::Function => {
                "the function's role needs kms:Decrypt on it; name it in the stack's parameter SopsKmsKeys, and let the key's own policy allow that"
            }
            KeyHolder::Person => "your credentials need kms:Decrypt on it",
        }
    }

    fn no_recipient(self, metadata: &Metadata) -> String {
        let kinds = metadata.kinds();
        match self.holder {
            KeyHolder::Function => format!(
                "its recipients are {kinds}, and the function has no key but those of KMS; add a KMS key (`.sops.yaml`, then `sops updatekeys`) and name it in the stack's parameter SopsKmsKeys, or upload the file decrypted"
            ),
            KeyHolder::Person => format!(
                "its recipients are {kinds}, and `ptc` decrypts with age and KMS; add such a recipient (`.sops.yaml`, then `sops updatekeys`)"
            ),
        }
    }
}

/// How one recipient was asked in vain.
struct Refusal {
    why: String,
    /// Whether asking again may help.
    transient: bool,
}

async fn ask(reader: &Reader, recipient: &KmsRecipient, who: &str) -> Result<DataKey, Refusal> {
    let final_refusal = |why: String| Refusal { why, transient: false };
    match reader.decrypt(recipient).await {
        Ok(plain) => {
            let plain = Zeroizing::new(plain);
            DataKey::new(&plain).ok_or_else(|| {
                final_refusal(format!(
                    "{} decrypted something that is no data key of SOPS: `enc` was changed",
                    recipient.arn
                ))
            })
        }
        Err(error) => Err(Refusal {
            transient: error.is_transient(),
            why: sentence(recipient, &error, who),
        }),
    }
}

fn sentence(recipient: &KmsRecipient, error: &AwsError, who: &str) -> String {
    let arn = &recipient.arn;
    if error.is("AccessDeniedException") {
        let role = if recipient.has_role {
            "; the `role` that the file names is not taken"
        } else {
            ""
        };
        return format!("access to {arn} is denied: {who}{role}");
    }
    match error.code.as_str() {
        "InvalidCiphertextException" => {
            format!("{arn} does not take the encrypted data key: `enc` or `context` was changed")
        }
        "IncorrectKeyException" => format!("the data key was not encrypted with {arn}: `arn` or `enc` was changed"),
        _ => format!("{arn}: {error}"),
    }
}
