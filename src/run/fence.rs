//! The fence: the status object is written only over the one the run started from.

use std::collections::BTreeSet;

use super::repositories::take_back;
use super::{Failure, Look, Order, Run, Source, snapshot};
use crate::account::{AwsError, Condition, Object, ObjectError, Snapshot, Writer};
use crate::report::{self, Change, ChangeResult, ConfigReport, Outcome, Past, Report, markdown};

/// How often a run that lost runs again.
pub(super) const TRIES: usize = 3;

/// The largest status object that is read.
pub const STATUS_MAX: usize = 4 * 1024 * 1024;

/// The status object a run started from.
pub(super) struct Base {
    pub condition: Condition,
    pub past: Past,
    /// All of it, where it can be read as a report.
    pub report: Option<Report>,
}

impl Run<'_> {
    /// Runs until the status could be written over the one that was read before.
    pub(super) async fn apply_fenced(&self, writer: &Writer, order: &Order) -> Result<Report, Failure> {
        // What rounds that lost have changed is part of the truth.
        let mut earlier: Vec<Change> = Vec::new();
        // Only what differs from the status before all rounds has come from outside.
        let mut before = None;
        let mut order = order.clone();
        let mut named = BTreeSet::new();
        for round in 0..=TRIES {
            let (base, object, snapshot) = self.deadline.bound(self.looks()).await.ok_or_else(|| self.late())?;
            let object = match self.opened(&order, object)? {
                Ok(object) => object,
                Err(mut no_file) => {
                    no_file.changes = earlier;
                    return Ok(no_file);
                }
            };
            let mut base = base?;
            base.past.knows(&named);
            let before = before.get_or_insert_with(|| base.past.clone());
            let (mut report, transient, portions) =
                match Box::pin(self.look(&order, object, snapshot, &base.past)).await {
                    Look::Ignored(mut report) => {
                        // What an earlier round has done stands, also where this one refuses to go on.
                        add_earlier(&mut report, &earlier);
                        return Ok(*report);
                    }
                    Look::Done {
                        report,
                        transient,
                        portions,
                    } => (*report, transient, portions),
                    Look::Stale(report) => {
                        named.extend(report.memory.named.iter().cloned());
                        earlier.extend(applied(&report));
                        order.secret = None;
                        continue;
                    }
                };
            add_earlier(&mut report, &earlier);
            // Losing to a run over the same file costs nothing but another write of the status.
            for _ in 0..=TRIES {
                let found = match self.write_or_find(writer, &report, &base.condition).await {
                    Ok(found) => found,
                    Err(failure) => {
                        self.tell_unwritten(&report, &report.changes, before, &failure);
                        return Err(failure);
                    }
                };
                let Some(found) = found else {
                    self.tell(&report, &report.changes, before);
                    if let Err(error) = self.hand_over(writer, &portions).await {
                        // The next try starts anew; nobody is to be told meanwhile that the queue has what it has not.
                        take_back(&mut report);
                        if let Ok(ours) = self.base().await
                            && ours.past.is_of(&report)
                        {
                            self.write(writer, &report, &ours.condition).await?;
                        }
                        return Err(self.not_handed_over(&error));
                    }
                    return if transient {
                        Err(self.incomplete(&report, &self.status_place()))
                    } else {
                        Ok(report)
                    };
                };
                if found.past.is_of(&report) {
                    // Our own write, whose answer was lost: its history is still the one of before.
                    base.condition = found.condition;
                    continue;
                }
                base = found;
                if !is_same_file(&base.past.config, &report.config) {
                    break;
                }
                self.close(&mut report, &base.past);
            }
            named.extend(report.memory.named.iter().cloned());
            earlier = applied(&report).collect();
            // Whatever started this run, what it did may stand over a newer file now, and must be looked at again.
            order.secret = None;
            tracing::info!(round, "lost to a run over another version of the file");
        }
        Err(Failure::Incomplete {
            outcome: "partial",
            reason: "other runs, over other versions of the file, keep finishing first".into(),
            status: self.status_place(),
        })
    }

    /// The status, and a file and an account that are no older: a run over a newer file that ends after the status was read
    /// makes this one lose. So file and account are read after the status, save where what was read beside it is as good:
    /// where the status tells of that very version, or there is none, no run over a newer one had ended yet.
    async fn looks(
        &self,
    ) -> (
        Result<Base, Failure>,
        Result<Object, ObjectError>,
        Result<Snapshot, AwsError>,
    ) {
        let account = || snapshot(self.core.reader);
        let (base, object, seen) = tokio::join!(self.base(), self.load(), account());
        let (Ok(status), Ok(file)) = (&base, &object) else {
            return (base, object, seen);
        };
        let is_as_good =
            status.condition == Condition::IsAbsent || is_same_file(&status.past.config, &self.identity(file));
        if is_as_good {
            return (base, object, seen);
        }
        let (object, seen) = tokio::join!(self.load(), account());
        (base, object, seen)
    }

    /// The history alone, for a run that writes no status: without one it is simply not known.
    pub(super) async fn past(&self) -> Past {
        if self.core.settings.config_bucket.is_empty() {
            return Past::default();
        }
        let past = self.base().await.map(|base| base.past).unwrap_or_default();
        match self.source {
            Source::Uploaded => past,
            // Another file's run: all that it needs to know is which registries are the stack's own.
            Source::AtHand { .. } => Past::of_names(past),
        }
    }

    pub(super) async fn base(&self) -> Result<Base, Failure> {
        let (bucket, key) = (&self.core.settings.config_bucket, self.core.settings.status_key());
        let read = self
            .deadline
            .at_last(self.core.reader.object(bucket, &key, STATUS_MAX))
            .await;
        match read.unwrap_or_else(|| Err(AwsError::out_of_time("GetObject").into())) {
            Ok(object) => Ok(Base {
                condition: object.etag.map_or(Condition::Any, Condition::Is),
                past: Past::from_status(&object.bytes),
                report: serde_json::from_slice(&object.bytes).ok(),
            }),
            Err(ObjectError::Missing(_)) => Ok(Base {
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
    ) -> Result<Option<Base>, Failure> {
        if self.write(writer, report, condition).await? {
            Ok(None)
        } else {
            self.base().await.map(Some)
        }
    }

    /// Writes both forms; says whether the fence held. Lambda's deadline is kept to: without an answer nobody would hear
    /// of this run at all.
    pub(super) async fn write(&self, writer: &Writer, report: &Report, condition: &Condition) -> Result<bool, Failure> {
        let (bucket, key) = (&self.core.settings.config_bucket, self.core.settings.status_key());
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

    fn not_handed_over(&self, error: &AwsError) -> Failure {
        let reason = format!("what is left of the existing repositories could not be put into the queue: {error}");
        Failure::Incomplete {
            outcome: "partial",
            reason,
            status: self.status_place(),
        }
    }

    fn status_failure(&self, verb: &'static str, error: String) -> Failure {
        let bucket = self.core.settings.config_bucket.clone();
        Failure::Status {
            bucket,
            key: self.core.settings.status_key(),
            verb,
            error,
        }
    }

    pub(super) fn status_place(&self) -> String {
        format!(
            "s3://{}/{}",
            self.core.settings.config_bucket,
            self.core.settings.status_key()
        )
    }
}

fn applied(report: &Report) -> impl Iterator<Item = Change> {
    report
        .changes
        .iter()
        .filter(|change| change.result == ChangeResult::Applied)
        .cloned()
}

/// Whether another run has worked from the very version of the file. Without versions that cannot be told: two
/// uploads may fall into one second.
fn is_same_file(theirs: &ConfigReport, ours: &ConfigReport) -> bool {
    theirs == ours && ours.version_id.is_some()
}

/// Puts the changes of rounds that lost in front, and lets them count.
fn add_earlier(report: &mut Report, earlier: &[Change]) {
    if earlier.is_empty() {
        return;
    }
    report.changes.splice(0..0, earlier.iter().cloned());
    if matches!(report.outcome, Outcome::Converged | Outcome::Changed) {
        (report.outcome, report.message) = report::judge(report);
    } else {
        let n = earlier.len();
        report.message = format!(
            "{}; before that, {n} changes were applied over an earlier version of it",
            report.message
        );
    }
}
