//! A secret that a registry's credential is copied from. It is only read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::answers::said;
use super::secrets::CURRENT;
use super::{AwsError, ErrorKind, Reader, Secret};
use crate::ownership::{OWNER_TAG, hosts_of_secret};
use config::{Credential, SecretFrom, SourceFault};

/// What a source holds now.
#[derive(Debug, Clone)]
pub struct SourceValue {
    pub name: String,
    /// The version that carries `AWSCURRENT`.
    pub version: String,
    /// What that version holds.
    pub credential: Credential,
    pub tags: BTreeMap<String, String>,
    /// By when it is to be rotated next, where its rotation is turned on.
    pub next_rotation: Option<Timestamp>,
}

/// Why there is no credential to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceTrouble {
    Missing,
    /// It can be restored, but not read.
    ScheduledForDeletion,
    /// It carries an owner's tag, so a function keeps it.
    Owned(String),
    /// Its name is one that this file's own secrets have.
    OfThisFile,
    /// Its tag names other hosts, or it has none.
    WrongHost(Vec<String>),
    Denied {
        /// What AWS said.
        error: AwsError,
        /// The customer key it is encrypted with.
        key: Option<String>,
    },
    /// Its value has no credential in it.
    Unusable(SourceFault),
    /// Anything else that AWS said.
    Other(AwsError),
}

impl SourceTrouble {
    fn of(error: AwsError, key: Option<&str>) -> Self {
        match error.kind {
            ErrorKind::Denied => Self::Denied {
                error,
                key: key.map(str::to_owned),
            },
            _ if error.is("ResourceNotFoundException") => Self::Missing,
            _ => Self::Other(error),
        }
    }
}

/// A source as it is, or why it cannot be copied from.
pub type SourceState = Result<SourceValue, SourceTrouble>;

impl Reader {
    /// Looks at a source for a registry of this host. Its value is only asked for when its tag says that it is for the host.
    pub(super) async fn source(
        &self,
        from: &SecretFrom,
        host: &str,
        is_of_file: impl Fn(&Secret) -> bool,
    ) -> SourceState {
        let secret = self.secret(&from.secret).await;
        let secret = secret
            .map_err(|error| SourceTrouble::of(error, None))?
            .ok_or(SourceTrouble::Missing)?;
        if let Some(owner) = secret.tags.get(OWNER_TAG) {
            return Err(SourceTrouble::Owned(owner.clone()));
        }
        if is_of_file(&secret) {
            return Err(SourceTrouble::OfThisFile);
        }
        if secret.scheduled_for_deletion {
            return Err(SourceTrouble::ScheduledForDeletion);
        }
        let hosts = hosts_of_secret(&secret.tags).unwrap_or_default();
        if !hosts.contains(host) {
            return Err(SourceTrouble::WrongHost(hosts.into_iter().collect()));
        }
        let (version, credential) = self
            .source_value(&secret.arn, from)
            .await
            .map_err(|trouble| match trouble {
                SourceTrouble::Denied { error, .. } => SourceTrouble::of(error, secret.customer_key.as_deref()),
                trouble => trouble,
            })?;
        Ok(SourceValue {
            name: secret.name,
            version,
            credential,
            tags: secret.tags,
            next_rotation: secret.next_rotation,
        })
    }

    /// The id of a source's current version, and the credential in it.
    ///
    /// # Errors
    /// As GetSecretValue, and what is wrong with the value.
    pub async fn source_value(&self, id: &str, from: &SecretFrom) -> Result<(String, Credential), SourceTrouble> {
        let call = self.secrets.get_secret_value().secret_id(id).version_stage(CURRENT);
        let call = call.send().await;
        let answer = call.map_err(|e| SourceTrouble::of(AwsError::new("GetSecretValue", &e), None))?;
        let text = answer.secret_string.map(Zeroizing::new);
        let version = said("GetSecretValue", answer.version_id).map_err(SourceTrouble::Other)?;
        let text = text.ok_or(SourceTrouble::Unusable(SourceFault::Binary))?;
        let credential = from.credential(&text).map_err(SourceTrouble::Unusable)?;
        Ok((version, credential))
    }
}
