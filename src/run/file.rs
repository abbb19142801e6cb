//! The file of a run: its bytes become checked registries, decrypted on the way if they are encrypted.

use super::{Run, finish};
use crate::account::Object;
use crate::config::{self, Context, File, Rejected};
use crate::sops::{DataKey, Keyring, Metadata};

/// Why there are no registries.
pub(super) enum Unread {
    /// The file is refused.
    Rejected(Rejected),
    /// It cannot be decrypted now, for this reason; another try may.
    Locked(String),
}

impl From<Rejected> for Unread {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Run<'_> {
    /// Checks the file. Its text holds tokens: it is wiped as soon as it has been read.
    pub(super) async fn read(&self, object: Object) -> Result<File, Unread> {
        let context = Context {
            account: Some(self.home.account.clone()),
            region: Some(self.home.region.clone()),
            partition: self.home.partition.clone(),
            template_role: self.core.settings.template_role_arn.is_some(),
            resource_tags: self.core.settings.resource_tags.clone(),
        };
        let file = match config::sealed(&object.bytes) {
            None => config::read(&object.bytes, &context)?,
            Some(metadata) => config::read_sealed(&object.bytes, &self.unlock(&metadata?).await?, &context)?,
        };
        Ok(finish::fits(file, self.home)?)
    }

    async fn unlock(&self, metadata: &Metadata) -> Result<DataKey, Unread> {
        if let Some(key) = &self.data_key {
            return Ok(key.clone());
        }
        match self.deadline.bound(Keyring::of_function(self.core.reader).unlock(metadata)).await {
            None => Err(Unread::Locked(format!("{} came while KMS was asked for its key", self.deadline.what()))),
            Some(Ok(key)) => Ok(key),
            Some(Err(locked)) if locked.is_transient() => Err(Unread::Locked(locked.to_string())),
            Some(Err(locked)) => Err(Unread::Rejected(locked.into_rejected(metadata))),
        }
    }
}
