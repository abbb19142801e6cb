//! Whether the file that a run works from is still the newest.

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::account::{AwsError, Reader};
use crate::cause::{Cause, Reason};
use crate::report::ConfigReport;
use crate::timing::Deadline;

/// Looks at the file's identity (S3 HeadObject). Only the newest file may delete something, put a credential or move
/// a label of one.
#[derive(Debug)]
pub struct Newest<'a> {
    /// None for a local file, which nobody can replace.
    uploaded: Option<Uploaded<'a>>,
    /// When the last look began, and what it showed.
    last: Mutex<Option<(Instant, Result<bool, Cause>)>>,
}

#[derive(Debug)]
struct Uploaded<'a> {
    reader: &'a Reader,
    config: &'a ConfigReport,
    /// When to give up looking.
    deadline: &'a Deadline,
}

impl<'a> Newest<'a> {
    /// Of a file in its bucket.
    pub fn of_upload(reader: &'a Reader, config: &'a ConfigReport, deadline: &'a Deadline) -> Self {
        Self {
            uploaded: Some(Uploaded {
                reader,
                config,
                deadline,
            }),
            last: Mutex::default(),
        }
    }

    pub fn of_local_file() -> Self {
        Self {
            uploaded: None,
            last: Mutex::default(),
        }
    }

    /// Whether the file is the newest now.
    ///
    /// # Errors
    /// What kept this from being seen, or that the file was deleted.
    pub async fn is_current(&self) -> Result<bool, Cause> {
        self.is_current_since(Instant::now()).await
    }

    /// Whether the file was still the newest at some moment after `seen`. Registries that read their secrets at about
    /// the same time share one look.
    ///
    /// # Errors
    /// As [`Newest::is_current`].
    pub async fn is_current_since(&self, seen: Instant) -> Result<bool, Cause> {
        let Some(uploaded) = &self.uploaded else {
            return Ok(true);
        };
        let mut last = self.last.lock().await;
        match &*last {
            Some((begun, said)) if *begun >= seen => said.clone(),
            _ => {
                let begun = Instant::now();
                let said = uploaded.is_newest().await;
                *last = Some((begun, said.clone()));
                said
            }
        }
    }
}

impl Uploaded<'_> {
    async fn is_newest(&self) -> Result<bool, Cause> {
        let Self {
            reader,
            config,
            deadline,
        } = self;
        let look = deadline
            .bound(reader.object_identity(&config.bucket, &config.key))
            .await;
        match look.unwrap_or_else(|| Err(AwsError::out_of_time("HeadObject"))) {
            Ok(Some(newest)) => {
                let last_modified = newest.last_modified.map(|time| time.to_string());
                Ok(newest.version_id == config.version_id && last_modified == config.last_modified)
            }
            Ok(None) => Err(Cause::new(
                Reason::FILE_DELETED,
                "the file was deleted while this run was at work, and a file that is gone changes nothing",
            )),
            Err(error) => {
                let message = format!("whether the file is still the newest could not be seen: {error}");
                Err(Cause {
                    message,
                    ..Cause::from(error)
                })
            }
        }
    }
}
