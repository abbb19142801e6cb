//! The fence: the status object is written only over the one the run started from.

use super::{Condition, Failure, Look, Order, Run, snapshot};
use crate::account::ObjectError;
use crate::report::{self, Change, ChangeResult, Past, Report, markdown};

/// How often a run that lost runs again.
const TRIES: usize = 3;

/// The largest status object that is read for its history.
const STATUS_MAX: usize = 4 * 1024 * 1024;

/// The status object a run started from.
struct Base {
    condition: Condition,
    past: Past,
}

impl Run<'_> {
    /// Runs until the status could be written over the one that was read before.
    pub(super) async fn apply_fenced(&self, order: &Order) -> Result<Report, Failure> {
        // What rounds that lost have changed is part of the truth.
        let mut earlier: Vec<Change> = Vec::new();
        let mut lost = None;
        for _ in 0..=TRIES {
            let base = self.base();
            let (base, object, snapshot) = tokio::join!(base, self.load(), snapshot(&self.app.reader));
            let object = match self.opened(order, object)? {
                Ok(object) => object,
                Err(no_file) => return Ok(no_file),
            };
            let mut base = base?;
            let (mut report, transient) = match Box::pin(self.look(order, object, snapshot, &base.past)).await {
                Look::Ignored(report) => return Ok(*report),
                Look::Done { report, transient } => (*report, transient),
            };
            add_earlier(&mut report, &earlier);
            // Losing to a run over the same file costs nothing but another write of the status.
            for _ in 0..=TRIES {
                if self.write(&report, &base.condition).await? {
                    report::log(&report);
                    return if transient { Err(self.incomplete(&report, &self.status_place())) } else { Ok(report) };
                }
                base = self.base().await?;
                if base.past.config != report.config {
                    break;
                }
                self.close(&mut report, &base.past);
            }
            earlier = report.changes.iter().filter(|c| c.result == ChangeResult::Applied).cloned().collect();
            lost = Some(report);
        }
        let reason = "other runs, over other versions of the file, keep finishing first".to_owned();
        Err(Failure::Incomplete {
            outcome: lost.map_or("partial", |report| report.outcome.as_str()),
            reason,
            status: self.status_place(),
        })
    }

    async fn base(&self) -> Result<Base, Failure> {
        let (bucket, key) = (&self.app.settings.config_bucket, self.app.settings.status_key());
        match self.app.reader.object(bucket, &key, STATUS_MAX).await {
            Ok(object) => Ok(Base {
                condition: object.etag.map_or(Condition::Any, Condition::Is),
                past: Past::from_status(&object.bytes),
            }),
            Err(ObjectError::Missing(_)) => Ok(Base { condition: Condition::IsAbsent, past: Past::default() }),
            Err(error) => Err(self.status_failure("read", error.to_string())),
        }
    }

    /// Writes both forms; says whether the fence held.
    async fn write(&self, report: &Report, condition: &Condition) -> Result<bool, Failure> {
        let (bucket, key) = (&self.app.settings.config_bucket, self.app.settings.status_key());
        let json = serde_json::to_string_pretty(report).map_err(|e| self.status_failure("written", e.to_string()))?;
        let writer = &self.app.writer;
        let wrote = writer.put_object(bucket, &key, "application/json", json, condition).await;
        if !wrote.map_err(|e| self.status_failure("written", e.to_string()))? {
            return Ok(false);
        }
        let page = markdown(report);
        let key = format!("{}.md", key.strip_suffix(".json").unwrap_or(&key));
        let wrote = writer.put_object(bucket, &key, "text/markdown; charset=utf-8", page, &Condition::Any).await;
        wrote.map_err(|e| self.status_failure("written", e.to_string()))
    }

    fn status_failure(&self, verb: &'static str, error: String) -> Failure {
        let bucket = self.app.settings.config_bucket.clone();
        Failure::Status { bucket, key: self.app.settings.status_key(), verb, error }
    }

    fn status_place(&self) -> String {
        format!("s3://{}/{}", self.app.settings.config_bucket, self.app.settings.status_key())
    }
}

/// Puts the changes of rounds that lost in front, and lets them count.
fn add_earlier(report: &mut Report, earlier: &[Change]) {
    if earlier.is_empty() {
        return;
    }
    report.changes.splice(0..0, earlier.iter().cloned());
    if report.outcome == crate::report::Outcome::Converged {
        (report.outcome, report.message) = crate::report::judge(report);
    }
}
