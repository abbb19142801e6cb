//! The status object: read, and written over the one that was read.

use super::{Run, Source};
use crate::account::{AwsError, Condition, ObjectError, Writer};
use crate::failure::Failure;
use crate::report::{Past, Report, markdown};

/// The largest status object that is read.
pub const STATUS_MAX: usize = 4 * 1024 * 1024;

/// How often a status is written over those that others wrote meanwhile, before the next invocation has to do it.
pub(super) const MERGES: usize = 10;

/// The status object a run started from.
pub(super) struct StatusSnapshot {
    /// What has to be so when the next one is written.
    pub condition: Condition,
    pub past: Past,
    /// All of it, where it can be read as a report.
    pub report: Option<Report>,
}

impl StatusSnapshot {
    /// Where nothing is known.
    pub fn unknown() -> Self {
        Self {
            condition: Condition::Any,
            past: Past::default(),
            report: None,
        }
    }
}

impl Run<'_> {
    /// The history alone, for a run that writes no status: without one it is simply not known.
    pub(super) async fn past(&self) -> Past {
        if self.deps.settings.config_bucket.is_empty() {
            return Past::default();
        }
        let past = self.status().await.map(|status| status.past).unwrap_or_default();
        match self.source {
            Source::Uploaded => past,
            // Another file's run: all that it needs to know is which registries are the stack's own.
            Source::Local { .. } => Past::of_names(past),
        }
    }

    pub(super) async fn status(&self) -> Result<StatusSnapshot, Failure> {
        let (bucket, key) = (&self.deps.settings.config_bucket, self.deps.settings.status_key());
        let read = self
            .deadline
            .at_last(self.deps.reader.object(bucket, &key, STATUS_MAX))
            .await;
        match read.unwrap_or_else(|| Err(AwsError::out_of_time("GetObject").into())) {
            Ok(object) => Ok(StatusSnapshot {
                condition: object.etag.map_or(Condition::Any, Condition::Is),
                past: Past::from_status(&object.bytes),
                report: serde_json::from_slice(&object.bytes).ok(),
            }),
            Err(ObjectError::Missing(_)) => Ok(StatusSnapshot {
                condition: Condition::IsAbsent,
                past: Past::default(),
                report: None,
            }),
            Err(error) => Err(self.status_failure("read", error.to_string())),
        }
    }

    /// Writes both forms, or gives the status of whoever was faster.
    pub(super) async fn write_or_find(
        &self,
        writer: &Writer,
        report: &Report,
        condition: &Condition,
    ) -> Result<Option<StatusSnapshot>, Failure> {
        if self.write(writer, report, condition).await? {
            Ok(None)
        } else {
            self.status().await.map(Some)
        }
    }

    /// Writes both forms; says whether the fence held. Lambda's deadline is kept to: without an answer nobody would hear
    /// of this run at all.
    pub(super) async fn write(&self, writer: &Writer, report: &Report, condition: &Condition) -> Result<bool, Failure> {
        let (bucket, key) = (&self.deps.settings.config_bucket, self.deps.settings.status_key());
        let json = serde_json::to_string_pretty(report).map_err(|e| self.status_failure("written", e.to_string()))?;
        let in_time = |wrote: Option<Result<bool, ObjectError>>| {
            let wrote = wrote.unwrap_or_else(|| Err(AwsError::out_of_time("PutObject").into()));
            wrote.map_err(|e| self.status_failure("written", e.to_string()))
        };
        let wrote = writer.put_object(bucket, &key, "application/json", json, condition);
        if !in_time(self.deadline.at_last(wrote).await)? {
            return Ok(false);
        }
        let page = markdown(report);
        let key = format!("{}.md", key.strip_suffix(".json").unwrap_or(&key));
        let wrote = writer.put_object(bucket, &key, "text/markdown; charset=utf-8", page, &Condition::Any);
        in_time(self.deadline.at_last(wrote).await)
    }

    fn status_failure(&self, verb: &'static str, error: String) -> Failure {
        let bucket = self.deps.settings.config_bucket.clone();
        Failure::Status {
            bucket,
            key: self.deps.settings.status_key(),
            verb,
            error,
        }
    }

    pub(super) fn status_place(&self) -> String {
        format!(
            "s3://{}/{}",
            self.deps.settings.config_bucket,
            self.deps.settings.status_key()
        )
    }
}
