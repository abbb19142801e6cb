//! The file of a run: where it is, and how its bytes become checked registries, decrypted on the way if they are encrypted.

use super::{Run, finish};
use crate::account::{Object, ObjectError};
use crate::config::{self, Context, File, Rejected};
use crate::newest::Newest;
use crate::plan::bounds;
use crate::report::ConfigReport;
use crate::settings::Settings;
use crate::sops::{DataKey, Keyring, Metadata};

/// Where the file is.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In its bucket.
    Uploaded,
    /// On somebody's desk. Such a run writes no status: that is the function's.
    AtHand {
        /// Its name.
        name: &'a str,
        /// All of it.
        bytes: &'a [u8],
    },
}

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
    pub(super) async fn load(&self) -> Result<Object, ObjectError> {
        match self.source {
            Source::Uploaded => self.uploaded().await,
            Source::AtHand { bytes, .. } => Ok(Object {
                bytes: bytes.to_vec().into(),
                ..Object::default()
            }),
        }
    }

    async fn uploaded(&self) -> Result<Object, ObjectError> {
        let settings = self.core.settings;
        self.core
            .reader
            .object(&settings.config_bucket, &settings.config_key, config::MAX_BYTES)
            .await
    }

    /// Whether the function goes by another file than the one at hand, and what follows from that. It goes back to its own
    /// with its next run; and what its own names must not be deleted for another's not naming it.
    pub(super) async fn differs_from_upload(&self) -> Option<String> {
        let Source::AtHand { name, bytes } = self.source else {
            return None;
        };
        let Settings {
            config_bucket,
            config_key,
            ..
        } = self.core.settings;
        if config_bucket.is_empty() {
            return None;
        }
        let place = format!("s3://{config_bucket}/{config_key}");
        let what = match self.uploaded().await {
            Ok(object) if *object.bytes == *bytes => return None,
            Ok(_) => format!("{place}, which the function follows, is another file"),
            Err(ObjectError::Missing(_)) => format!("{place}, which the function follows, is not there yet"),
            Err(error) => format!("{place}, which the function follows, could not be compared: {error}"),
        };
        let from = if name.starts_with('<') {
            "-".into()
        } else {
            quoted(name)
        };
        Some(format!(
            "{what}: its next run goes by that one; upload this one with `aws s3 cp {from} {place}`"
        ))
    }

    pub(super) fn newest<'r>(&'r self, config: &'r ConfigReport) -> Newest<'r> {
        match self.source {
            Source::Uploaded => Newest::of_upload(self.core.reader, config, self.deadline),
            Source::AtHand { .. } => Newest::of_local_file(),
        }
    }

    /// Checks the file. Its text holds tokens: it is wiped as soon as it has been read.
    pub(super) async fn read(&self, object: Object) -> Result<File, Unread> {
        let context = Context {
            account: Some(self.home.account.clone()),
            region: Some(self.home.region.clone()),
            partition: self.home.partition.clone(),
            template_role: self.core.settings.template_role_arn.is_some(),
            resource_tags: self.core.settings.resource_tags.clone(),
        };
        let metadata = config::sealed(&object.bytes);
        let is_sealed = metadata.is_some();
        let file = match metadata {
            None => bounds::plain(config::read(&object.bytes, &context), self.core.settings)?,
            Some(metadata) => config::read_sealed(&object.bytes, &self.unlock(&metadata?).await?, &context)?,
        };
        let mut file = finish::fits(file, self.home)?;
        file.warnings
            .extend(bounds::unchecked(&file, is_sealed, self.home, self.core.settings));
        Ok(file)
    }

    async fn unlock(&self, metadata: &Metadata) -> Result<DataKey, Unread> {
        if let Some(key) = &self.data_key {
            return Ok(key.clone());
        }
        match self
            .deadline
            .bound(Keyring::of_function(self.core.reader).unlock(metadata))
            .await
        {
            None => Err(Unread::Locked(format!(
                "{} came while KMS was asked for its key",
                self.deadline.what()
            ))),
            Some(Ok(key)) => Ok(key),
            Some(Err(locked)) if locked.is_transient() => Err(Unread::Locked(locked.to_string())),
            Some(Err(locked)) => Err(Unread::Rejected(locked.into_rejected(metadata))),
        }
    }
}

/// A path as a shell takes it for one word.
fn quoted(path: &str) -> String {
    let plain = !path.starts_with('-') && path.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    if plain {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}
