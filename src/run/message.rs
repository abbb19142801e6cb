//! Work on the function's own messages: repositories that an invocation before could not finish.
//!
//! What is done is the newest file's word, whatever was true when the message was written. What came of it goes into the
//! status of the run that wrote the message, as long as that is still the newest; a message of an older one is worked on
//! all the same, since it only says "look again", but has no status to go into.

use std::collections::BTreeSet;

use super::fence::TRIES;
use super::load::Unread;
use super::status::{MERGES, StatusSnapshot};
use super::{Run, RunRequest};
use crate::account::{ObjectError, Redrive, Writer, rules_and_templates};
use crate::existing::{
    ChangeList, PrefixOwnership, RepositoryTarget, RepositoryWorker, WriteAccess, give_up, progress,
};
use crate::failure::Failure;
use crate::plan::{DeletionBounds, Resource, Scope, Verdict, plan};
use crate::report::{self, Change, ChangeResult, ConfigReport, Past, Progress, Report, Results};
use crate::trigger::{Mode, WorkBatch, WorkMessage};

/// What came of a message.
struct Worked {
    config: ConfigReport,
    progress: Progress,
    changes: Vec<Change>,
}

impl Run<'_> {
    /// Works on messages, one after the other.
    ///
    /// # Errors
    /// When a message is to come again.
    pub async fn work(
        &self,
        writer: &Writer,
        request: &RunRequest,
        messages: &[WorkMessage],
    ) -> Result<Report, Failure> {
        let mut last = None;
        for message in messages {
            last = Some(match &message.batch {
                Ok(batch) => match Box::pin(self.batch(writer, request, message, batch)).await {
                    Err(failure) if self.is_last_try(writer, message).await => {
                        self.bury(writer, message, &failure.to_string()).await?;
                        self.ignored(request, format!("put among the dead letters: {failure}"))
                    }
                    result => result?,
                },
                Err(refusal) => {
                    // No number of tries makes sense of it.
                    self.bury(writer, message, &refusal.to_string()).await?;
                    self.ignored(request, format!("put among the dead letters: {refusal}"))
                }
            });
        }
        Ok(last.unwrap_or_else(|| self.ignored(request, "no message came".into())))
    }

    async fn batch(
        &self,
        writer: &Writer,
        request: &RunRequest,
        message: &WorkMessage,
        batch: &WorkBatch,
    ) -> Result<Report, Failure> {
        let mut lines = ChangeList::default();
        for _ in 0..=TRIES {
            let reads = async {
                let snapshot = rules_and_templates(self.deps.reader);
                tokio::join!(self.status(), self.object(), snapshot)
            };
            let (status, object, snapshot) = self.deadline.bound(reads).await.ok_or_else(|| self.late())?;
            let object = match object {
                Ok(object) => object,
                Err(ObjectError::Missing(what)) => return Ok(self.ignored(request, self.no_file(&what))),
                Err(error) => return Err(Failure::ConfigUnreadable(error)),
            };
            let (status, config) = (status?, self.identity(&object));
            let uploaded = object.last_modified.unwrap_or_else(self.deps.timing.now);
            let file = match self.read(object).await {
                Ok(file) => file,
                Err(Unread::Locked(reason)) => return Err(self.again(reason)),
                Err(Unread::Rejected(rejected)) => {
                    let n = rejected.errors.len();
                    let reason =
                        format!("the file has errors ({n}), and changes nothing; its repair looks at everything");
                    return Ok(self.ignored(request, reason));
                }
            };
            let observed = self.observe(&file, snapshot).await;
            let account = observed.map_err(|unseen| self.again(unseen.message))?;
            self.remember(&file, &account);
            let settings = self.deps.settings;
            // The same word as that of a whole run: what it does not touch, no message does.
            let scope = Scope {
                home: self.home,
                settings,
                uploaded,
            };
            let plan = plan(&file, &account, scope, &DeletionBounds::default());
            let verdict = plan
                .registries
                .iter()
                .find(|p| p.registry == batch.registry)
                .map(|p| &p.verdict);
            if let Some(Verdict::Refused { cause, .. }) = verdict
                && cause.transient
            {
                return Err(self.again(format!("{} could not be looked at: {cause}", batch.registry)));
            }
            let goes = verdict == Some(&Verdict::Go);
            let open = |name: &str| goes && name == batch.registry;
            let ownership = PrefixOwnership::new(&file, &account.snapshot, open);
            let access = WriteAccess {
                writer,
                newest: self.newest(&config),
            };
            let (reader, timing) = (self.deps.reader, self.deps.timing);
            let (bounds, deadline) = (&settings.bounds, self.deadline.clone());
            let existing = RepositoryWorker::new(reader, Some(access), self.home, bounds, timing, deadline, &ownership);
            let mut targets = existing
                .named(&batch.repositories)
                .await
                .map_err(|error| self.again(format!("its repositories could not be looked up: {error}")))?;
            if !existing.settle(&mut targets, &mut lines).await.newest {
                continue;
            }
            let left = self.left_open(writer, message, &mut targets, &mut lines).await;
            let progress = progress(targets.iter()).into_values().next().unwrap_or_default();
            let worked = Worked {
                config,
                progress,
                changes: std::mem::take(&mut lines).into_changes(),
            };
            let written = worked.changes.clone();
            let Some(report) = self.add_to_status(writer, request, batch, worked, status).await? else {
                written.into_iter().for_each(|change| lines.push(change));
                continue;
            };
            return match left {
                None => Ok(report),
                Some(Removal::Buried(reason)) => self.bury(writer, message, &reason).await.map(|()| report),
                Some(Removal::Again(reason)) => Err(self.again(reason)),
            };
        }
        Err(self.again("newer files keep coming".into()))
    }

    /// What becomes of repositories that are still open: the message comes again for them, or it has come too often.
    async fn left_open(
        &self,
        writer: &Writer,
        message: &WorkMessage,
        targets: &mut [RepositoryTarget<'_>],
        lines: &mut ChangeList,
    ) -> Option<Removal> {
        let open = targets.iter().filter(|target| target.outcome.is_open()).count();
        if open == 0 {
            return None;
        }
        let why = lines
            .open
            .as_ref()
            .map_or_else(|| format!("{} came first", self.deadline.what()), ToString::to_string);
        let reason = format!("{open} of {} repositories are left: {why}", targets.len());
        if !self.is_last_try(writer, message).await {
            return Some(Removal::Again(reason));
        }
        give_up(targets, lines, "given up after several tries", self.deadline);
        Some(Removal::Buried(reason))
    }

    /// Puts what came of a message into the status of the run that sent it. `None`: a newer file has been worked from in
    /// the meantime, so this one's word may stand over it, and has to be looked at again.
    async fn add_to_status(
        &self,
        writer: &Writer,
        request: &RunRequest,
        batch: &WorkBatch,
        worked: Worked,
        mut status: StatusSnapshot,
    ) -> Result<Option<Report>, Failure> {
        let Worked {
            config,
            progress,
            changes,
        } = worked;
        for _ in 0..MERGES {
            let Some(sender) = status.report.take().filter(|sender| is_part(sender, batch, &config)) else {
                // Of an older run, or of a file that is not the newest: it is nobody's part any more. Nobody else sees
                // then whether a newer file came while this one's word was written.
                if self.newest(&config).is_current().await == Ok(false) {
                    return Ok(None);
                }
                let existing = report::Existing {
                    progress,
                    ..report::Existing::default()
                };
                let results = Results {
                    changes,
                    existing_repositories: Some(existing),
                    ..Results::default()
                };
                return Ok(Some(self.response(
                    request,
                    config,
                    results.judged(Mode::Apply),
                    &Past::default(),
                )));
            };
            let results = merge(sender.into(), batch, progress, &changes);
            let report = self.report(request, config.clone(), results, &status.past);
            let put = async {
                let found = self.write_or_find(writer, &report, &status.condition).await?;
                match &found {
                    // Our own write, whose answer was lost.
                    Some(ours) if ours.past.is_of(&report) => {
                        let mut report = report.clone();
                        report.memory.pulls.clone_from(&ours.past.memory.pulls);
                        report.tell_pull_failures((self.deps.timing.now)());
                        Ok((self.write(writer, &report, &ours.condition).await?, found))
                    }
                    _ => Ok((found.is_none(), found)),
                }
            };
            let put: Result<(bool, Option<StatusSnapshot>), Failure> = put.await;
            let (written, found) =
                put.inspect_err(|failure| self.tell_unwritten(&report, &changes, &status.past, failure))?;
            if written {
                // The changes of the run that sent the message, and of other messages, have been counted.
                self.tell(&report, &changes, &status.past);
                return Ok(Some(report));
            }
            status = match found {
                Some(found) if !found.past.is_of(&report) => found,
                _ => self.status().await?,
            };
        }
        Err(self.again("others kept writing the status".into()))
    }

    /// Whether this is the last time the queue hands the message out.
    async fn is_last_try(&self, writer: &Writer, message: &WorkMessage) -> bool {
        match self.redrive(writer).await {
            Some(redrive) => message.receive_count >= redrive.max_receive_count,
            // A queue without dead letters, or one that cannot be asked: SQS itself decides.
            None => false,
        }
    }

    async fn redrive(&self, writer: &Writer) -> Option<Redrive> {
        let queue = self.deps.settings.work_queue_url.as_ref()?;
        self.deadline.at_last(writer.redrive(queue)).await?.ok().flatten()
    }

    /// Puts a message among the dead letters with its reason, which SQS's own redrive would not tell.
    ///
    /// # Errors
    /// When that fails: then the message stays in the queue, whose redrive takes it in the end.
    async fn bury(&self, writer: &Writer, message: &WorkMessage, reason: &str) -> Result<(), Failure> {
        let Some(queue) = &self.deps.settings.work_queue_url else {
            return Err(self.again(format!(
                "{reason}; there is no WORK_QUEUE_URL, and so no place for dead letters"
            )));
        };
        let bury = writer.send_to_dead_letters(queue, &message.body, reason);
        match self.deadline.at_last(bury).await {
            Some(Ok(())) => {
                tracing::warn!(reason, "a message was put among the dead letters");
                Ok(())
            }
            Some(Err(error)) => {
                Err(self.again(format!("{reason}; it could not be put among the dead letters: {error}")))
            }
            None => Err(self.again(reason.to_owned())),
        }
    }

    pub(super) fn again(&self, reason: String) -> Failure {
        Failure::Incomplete {
            outcome: "partial",
            reason,
            status: self.status_place(),
        }
    }
}

/// What becomes of a message some of whose repositories are left open.
enum Removal {
    Again(String),
    Buried(String),
}

/// Whether a report is the one whose part this is, over the same file.
fn is_part(report: &Report, batch: &WorkBatch, config: &ConfigReport) -> bool {
    let work = report
        .existing_repositories
        .as_ref()
        .and_then(|existing| existing.work.as_ref());
    let part = work
        .filter(|work| work.id == batch.id)
        .and_then(|work| work.parts.get(&batch.part));
    part.is_some_and(|part| part.registry == batch.registry) && report.config == *config
}

/// Writes a part over, and sums everything up anew. What a message did before, it did: only what is held or failed is
/// told anew.
fn merge(mut results: Results, batch: &WorkBatch, progress: Progress, changes: &[Change]) -> Results {
    let named: BTreeSet<&str> = batch.repositories.iter().map(String::as_str).collect();
    let is_over = |c: &Change| named.contains(c.id.as_str()) && c.result != ChangeResult::Applied;
    let (mut repositories, others): (Vec<Change>, Vec<Change>) = std::mem::take(&mut results.changes)
        .into_iter()
        .partition(|change| change.resource == Resource::Repository);
    repositories.retain(|change| !is_over(change));
    for change in changes {
        let same = |old: &&mut Change| old.id == change.id && old.result == change.result && old.error == change.error;
        match repositories.iter_mut().find(same) {
            Some(old) => old.fields.extend(
                change
                    .fields
                    .iter()
                    .filter(|f| !old.fields.contains(f))
                    .cloned()
                    .collect::<Vec<_>>(),
            ),
            None => repositories.push(change.clone()),
        }
    }
    let mut lines = ChangeList::default();
    repositories.into_iter().for_each(|change| lines.push(change));
    results.changes = others;
    let Some(existing) = &mut results.existing_repositories else {
        return results;
    };
    let Some(work) = &mut existing.work else { return results };
    if let Some(part) = work.parts.get_mut(&batch.part) {
        let changed = part
            .progress
            .changed
            .saturating_add(progress.changed)
            .min(progress.found);
        part.progress = Progress { changed, ..progress };
    }
    existing.progress = Progress::default();
    for (name, base) in &work.base {
        let progress = work.progress(name);
        existing.progress += progress;
        if let Some(registry) = results.registries.get_mut(name) {
            (registry.state, registry.message) = base.with(progress, Mode::Apply, true, None);
            registry.existing_repositories = Some(progress);
        }
    }
    lines.recount(|registry, result| {
        let Progress {
            changed, held, failed, ..
        } = work.progress(registry);
        match result {
            ChangeResult::Applied => changed,
            ChangeResult::Held => held,
            _ => failed,
        }
    });
    results.changes.extend(lines.into_changes());
    results.judged(Mode::Apply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// ChangeList beyond the thousand that are listed are summed up once more each time the message comes.
    #[test]
    fn a_message_that_comes_twice_is_summed_up_once() {
        let line = |n: usize| {
            json!({"registry": "hub", "resource": "repository", "action": "update", "id": format!("hub/{n:05}"),
                "fields": ["lifecycle_policy"], "result": "held", "error": "x"})
        };
        let counts = |found: u64, held: u64, to_do: u64| json!({"found": found, "done": 0, "changed": 0, "held": held, "failed": 0, "to_do": to_do});
        let report = json!({
            "run_id": "r", "started_at": "", "finished_at": "", "last_success_at": null, "outcome": "partial",
            "mode": "apply", "message": "", "trigger": {"kind": "schedule", "source": "x"}, "config": {},
            "changes": (0..1000).map(line).collect::<Vec<_>>(), "registries": {}, "pull_through_cache_urls": {},
            "errors": [], "warnings": [], "stats": {"aws_calls": 0, "duration_ms": 0},
            "existing_repositories": {"found": 1001, "done": 0, "changed": 0, "held": 1000, "failed": 0, "to_do": 1,
                "work": {"id": "r", "base": {"hub": {"state": "ready", "message": null, "progress": counts(1000, 1000, 0)}},
                    "parts": {"0": {"registry": "hub", "progress": counts(1, 0, 1)}}}},
        });
        let report: Report = serde_json::from_value(report).unwrap_or_else(|e| unreachable!("{e}"));
        let mut results = Results::from(report);
        let batch = WorkBatch {
            id: "r".into(),
            part: 0,
            registry: "hub".into(),
            repositories: vec!["hub/01000".into()],
        };
        let change: Change = serde_json::from_value(line(1000)).unwrap_or_else(|e| unreachable!("{e}"));
        let held = Progress {
            found: 1,
            held: 1,
            ..Progress::default()
        };
        for _ in 0..3 {
            results = merge(results, &batch, held, std::slice::from_ref(&change));
        }
        let more: Vec<Option<usize>> = results.changes.iter().map(|c| c.more).filter(Option::is_some).collect();
        assert_eq!(more, [Some(1)]);
    }
}
