//! What a run starts from: the bytes of the file and a snapshot of the account. And how the bytes become checked registries,
//! decrypted on the way if they are encrypted.

use super::Run;
use crate::account::{AwsError, Object, ObjectError, Snapshot, snapshot};
use crate::home::Home;
use crate::keyring::Keyring;
use crate::newest::Newest;
use crate::plan::bounds;
use crate::policy::{REPOSITORY_POLICY_MAX, repository_policy};
use crate::report::ConfigReport;
use crate::settings::Settings;
use config::sops::{DataKey, Metadata};
use config::{Code, Context, File, Problem, Rejected};

/// Where the file is.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In its bucket.
    Uploaded,
    /// A local file given to `ptc`. Such a run writes no status: that is the function's.
    Local {
        name: &'a str,
        /// Its content.
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

/// What one pass starts from.
pub(super) struct Input {
    pub object: Result<Object, ObjectError>,
    pub snapshot: Result<Snapshot, AwsError>,
}

impl Run<'_> {
    /// Reads file and account, side by side.
    pub(super) async fn load(&self) -> Input {
        let (object, snapshot) = tokio::join!(self.object(), snapshot(self.deps.reader));
        Input { object, snapshot }
    }

    pub(super) async fn object(&self) -> Result<Object, ObjectError> {
        match self.source {
            Source::Uploaded => self.uploaded().await,
            Source::Local { bytes, .. } => Ok(Object {
                bytes: bytes.to_vec().into(),
                ..Object::default()
            }),
        }
    }

    async fn uploaded(&self) -> Result<Object, ObjectError> {
        let settings = self.deps.settings;
        self.deps
            .reader
            .object(&settings.config_bucket, &settings.config_key, config::MAX_BYTES)
            .await
    }

    /// Whether the function goes by another file than the local one, and what follows from that. It goes back to its own
    /// with its next run; and what its own names must not be deleted for another's not naming it.
    pub(super) async fn differs_from_upload(&self) -> Option<String> {
        let Source::Local { name, bytes } = self.source else {
            return None;
        };
        let Settings {
            config_bucket,
            config_key,
            ..
        } = self.deps.settings;
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
            "{what}: its next run goes by that one; upload this one with `ptc upload {from}`"
        ))
    }

    pub(super) fn newest<'r>(&'r self, config: &'r ConfigReport) -> Newest<'r> {
        match self.source {
            Source::Uploaded => Newest::of_upload(self.deps.reader, config, self.deadline),
            Source::Local { .. } => Newest::of_local_file(),
        }
    }

    /// Checks the file. Its text holds tokens: it is wiped as soon as it has been read.
    pub(super) async fn read(&self, object: Object) -> Result<File, Unread> {
        let context = Context {
            account: Some(self.home.account.clone()),
            region: Some(self.home.region.clone()),
            partition: self.home.partition.clone(),
            template_role: self.deps.settings.template_role_arn.is_some(),
            resource_tags: self.deps.settings.resource_tags.clone(),
        };
        let metadata = config::sealed(&object.bytes);
        let is_sealed = metadata.is_some();
        let file = match metadata {
            None => bounds::plain(config::read(&object.bytes, &context), self.deps.settings)?,
            Some(metadata) => config::read_sealed(&object.bytes, &self.unlock(&metadata?).await?, &context)?,
        };
        let mut file = fits(file, self.home)?;
        file.warnings
            .extend(bounds::unchecked(&file, is_sealed, self.home, self.deps.settings));
        Ok(file)
    }

    async fn unlock(&self, metadata: &Metadata) -> Result<DataKey, Unread> {
        if let Some(key) = &self.data_key {
            return Ok(key.clone());
        }
        match self
            .deadline
            .bound(Keyring::of_function(self.deps.reader).unlock(metadata))
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

/// The last check of a file: documents that only show their length with the account's root in them.
fn fits(file: File, home: &Home) -> Result<File, Rejected> {
    let too_long = file.registries.iter().filter_map(|registry| {
        let length = repository_policy(home, &registry.read_access).chars().count();
        (length > REPOSITORY_POLICY_MAX).then(|| Problem {
            code: Code::POLICY_TOO_LONG,
            registry: Some(registry.name.clone()),
            line: Some(registry.line),
            column: Some(registry.column),
            message: format!(
                "repository_read_access_arns makes a repository policy of {length} characters, and ECR takes \
                 {REPOSITORY_POLICY_MAX}: name fewer principals, such as account roots instead of roles"
            ),
        })
    });
    let errors: Vec<Problem> = too_long.collect();
    if errors.is_empty() {
        Ok(file)
    } else {
        Err(Rejected {
            errors,
            warnings: file.warnings,
        })
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
