//! Who can get at a data key here: the function by KMS, a person by age and KMS.

use super::kms::{self, Refusal};
use super::{DataKey, Metadata};
use crate::account::Reader;
use crate::config::{Problem, Rejected};

#[cfg(feature = "cli")]
use super::age::Identities;

/// What data keys can be decrypted with.
#[derive(Debug, Clone, Copy)]
pub struct Keyring<'a> {
    kms: Option<&'a Reader>,
    #[cfg(feature = "cli")]
    age: Option<&'a Identities>,
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Function,
    #[cfg(feature = "cli")]
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
            #[cfg(feature = "cli")]
            age: None,
            owner: Owner::Function,
        }
    }

    /// A person's.
    #[cfg(feature = "cli")]
    #[must_use]
    pub fn of_person(identities: &'a Identities, reader: Option<&'a Reader>) -> Self {
        Self {
            kms: reader,
            age: Some(identities),
            owner: Owner::Person,
        }
    }

    /// Gets the data key: first what costs no call, then from one KMS key after the other until one answers.
    ///
    /// # Errors
    /// [`Locked`], with what each recipient said.
    pub async fn unlock(&self, metadata: &Metadata) -> Result<DataKey, Locked> {
        let mut refusals: Vec<Refusal> = Vec::new();
        #[cfg(feature = "cli")]
        if let Some(identities) = self.age.filter(|_| !metadata.age.is_empty()) {
            match identities.unlock(&metadata.age) {
                Ok(key) => return Ok(key),
                Err(why) => refusals.push(Refusal { why, transient: false }),
            }
        }
        if let Some(reader) = self.kms {
            for recipient in &metadata.kms {
                match kms::ask(reader, recipient, self.advice()).await {
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
        match self.owner {
            Owner::Function => {
                "the function's role needs kms:Decrypt on it; name it in the stack's parameter SopsKmsKeys, and let the key's own policy allow that"
            }
            #[cfg(feature = "cli")]
            Owner::Person => "your credentials need kms:Decrypt on it",
        }
    }

    fn no_recipient(self, metadata: &Metadata) -> String {
        let kinds = metadata.kinds();
        match self.owner {
            Owner::Function => format!(
                "its recipients are {kinds}, and the function has no key but those of KMS; add a KMS key (`.sops.yaml`, then `sops updatekeys`) and name it in the stack's parameter SopsKmsKeys, or upload the file decrypted"
            ),
            #[cfg(feature = "cli")]
            Owner::Person => format!(
                "its recipients are {kinds}, and `ptc` decrypts with age and KMS; add such a recipient (`.sops.yaml`, then `sops updatekeys`)"
            ),
        }
    }
}
