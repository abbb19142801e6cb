//! The fence: a loop around the pass. The status object is written only over the one the pass started from; a run that lost to
//! one over another version of the file makes another pass.

use std::collections::BTreeSet;

use super::load::Input;
use super::status::{MERGES, StatusSnapshot};
use super::{Failure, Finished, Pass, Run, RunRequest, ignored};
use crate::account::{AwsError, Condition, Writer};
use crate::existing::hand_over;
use crate::report::{Change, ChangeResult, ConfigReport, Past, Report, Results};
use crate::trigger::WorkBatch;

/// How often a run that lost runs again.
pub(super) const TRIES: usize = 3;

/// What earlier passes of the same run have done, which is part of the truth.
#[derive(Default)]
struct Earlier {
    named: BTreeSet<String>,
    changes: Vec<Change>,
}

impl Run<'_> {
    /// Runs until the status could be written over the one that was read before.
    pub(super) async fn apply_fenced(&self, writer: &Writer, request: &RunRequest) -> Result<Report, Failure> {
        let mut request = request.clone();
        let mut earlier = Earlier::default();
        // Only what differs from the status before all passes has come from outside.
        let mut before = None;
        for round in 0..=TRIES {
            let (status, input) = self.deadline.bound(self.looks()).await.ok_or_else(|| self.late())?;
            let mut status = match (status, &input.object) {
                // What is wrong with the file is told first.
                (Err(_), Err(_)) => StatusSnapshot::unknown(),
                (status, _) => status?,
            };
            status.past.knows(&earlier.named);
            let before = before.get_or_insert_with(|| status.past.clone());
            match Box::pin(self.pass(&request, input, &status.past)).await? {
                Pass::Ignored(reason) => {
                    let results = ignored(reason).after(&earlier.changes);
                    return Ok(self.response(&request, self.place(), results, &Past::default()));
                }
                Pass::Refused(refused) => {
                    let Finished { config, results, .. } = *refused;
                    return Ok(self.response(&request, config, results.after(&earlier.changes), &status.past));
                }
                Pass::Stale(stale) => {
                    earlier.named.extend(stale.named);
                    earlier.changes.extend(stale.changes.into_iter().filter(is_applied));
                }
                Pass::Finished(finished) => {
                    let results = finished.results.clone().after(&earlier.changes);
                    let wrote = self
                        .write_over(writer, &request, &finished, results, status, before)
                        .await?;
                    let lost = match wrote {
                        Ok(report) if finished.transient => {
                            return Err(self.incomplete(&report));
                        }
                        Ok(report) => return Ok(report),
                        Err(lost) => lost,
                    };
                    earlier.named.extend(lost.memory.named);
                    earlier.changes = lost.changes.into_iter().filter(is_applied).collect();
                    tracing::info!(round, "lost to a run over another version of the file");
                }
            }
            // Whatever started this run, what it did may stand over a newer file now, and must be looked at again.
            request.secret = None;
        }
        Err(Failure::Incomplete {
            outcome: "partial",
            reason: "other runs, over other versions of the file, keep finishing first".into(),
            status: self.status_place(),
        })
    }

    /// Writes the status and fills the queue. Gives the results back where a run over another version of the file was faster.
    async fn write_over(
        &self,
        writer: &Writer,
        request: &RunRequest,
        finished: &Finished,
        results: Results,
        mut status: StatusSnapshot,
        before: &Past,
    ) -> Result<Result<Report, Results>, Failure> {
        let report = |past: &Past| self.report(request, finished.config.clone(), results.clone(), past);
        let mut told = report(&status.past);
        // Losing to a run over the same file, or to who only added to the status, costs nothing but another write of it.
        for _ in 0..MERGES {
            let found = match self.write_or_find(writer, &told, &status.condition).await {
                Ok(found) => found,
                Err(failure) => {
                    self.tell_unwritten(&told, &told.changes, before, &failure);
                    return Err(failure);
                }
            };
            let Some(found) = found else {
                self.tell(&told, &told.changes, before);
                if let Err(error) = self.hand_over(writer, &finished.batches).await {
                    // The next try starts anew; nobody is to be told meanwhile that the queue has what it has not.
                    if let Ok(ours) = self.status().await
                        && ours.past.is_of(&told)
                    {
                        status.past.memory.pulls = ours.past.memory.pulls;
                        let told = self.report(request, finished.config.clone(), results.not_queued(), &status.past);
                        self.write(writer, &told, &ours.condition).await?;
                    }
                    return Err(self.not_handed_over(&error));
                }
                return Ok(Ok(told));
            };
            if found.past.is_of(&told) {
                // Our own write, whose answer was lost: its history is still the one of before, but for pulls that failed since.
                status.condition = found.condition;
                status.past.memory.pulls = found.past.memory.pulls;
                told = report(&status.past);
                continue;
            }
            let only_added = found.past.is_same_run(&status.past);
            status = found;
            if !only_added && !is_same_file(&status.past.config, &finished.config) {
                break;
            }
            told = report(&status.past);
        }
        Ok(Err(results))
    }

    /// The status, and a file and an account that are no older: a run over a newer file that outcomes after the status was read
    /// makes this one lose. So file and account are read after the status, save where what was read beside it is as good:
    /// where the status tells of that very version, or there is none, no run over a newer one had ended yet.
    async fn looks(&self) -> (Result<StatusSnapshot, Failure>, Input) {
        let (status, input) = tokio::join!(self.status(), self.load());
        let (Ok(known), Ok(file)) = (&status, &input.object) else {
            return (status, input);
        };
        let is_as_good =
            known.condition == Condition::IsAbsent || is_same_file(&known.past.config, &self.identity(file));
        let input = if is_as_good { input } else { self.load().await };
        (status, input)
    }

    async fn hand_over(&self, writer: &Writer, batches: &[WorkBatch]) -> Result<(), AwsError> {
        match &self.deps.settings.work_queue_url {
            Some(queue) => hand_over(writer, queue, batches, self.deadline).await,
            None => Ok(()),
        }
    }

    fn not_handed_over(&self, error: &AwsError) -> Failure {
        let reason = format!("what is left of the existing repositories could not be put into the queue: {error}");
        Failure::Incomplete {
            outcome: "partial",
            reason,
            status: self.status_place(),
        }
    }

    fn incomplete(&self, report: &Report) -> Failure {
        Failure::Incomplete {
            outcome: report.outcome.as_str(),
            reason: report.message.clone(),
            status: self.status_place(),
        }
    }
}

fn is_applied(change: &Change) -> bool {
    change.result == ChangeResult::Applied
}

/// Whether another run has worked from the very version of the file. Without versions that cannot be told: two
/// uploads may fall into one second.
fn is_same_file(theirs: &ConfigReport, ours: &ConfigReport) -> bool {
    theirs == ours && ours.version_id.is_some()
}
