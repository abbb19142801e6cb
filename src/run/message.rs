//! Work on the function's own messages: repositories that an invocation before could not finish.
//!
//! What is done is the newest file's word, whatever was true when the message was written. What came of it goes into the
//! status of the run that wrote the message, as long as that is still the newest; a message of an older one is worked on
//! all the same, since it only says "look again", but has no status to go into.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::fence::{Base, TRIES};
use super::file::Unread;
use super::repositories::give_up;
use super::{Order, Run};
use crate::account::{ObjectError, Redrive, Writer, observe, rules_and_templates};
use crate::existing::{Existing, Lines, Pen, Target, progress};
use crate::handler::Failure;
use crate::plan::repository::Territories;
use crate::plan::{Bounds, Resource, Scope, Verdict, plan};
use crate::report::{self, Change, ChangeResult, ConfigReport, Past, Progress, Report, judge};
use crate::trigger::{Mode, Portion, WorkMessage};

/// What came of a message.
struct Worked {
    config: ConfigReport,
    progress: Progress,
    changes: Vec<Change>,
}

/// How often the status is written over that of others before the next try of the message has to do it.
const MERGES: usize = 10;

impl Run<'_> {
    /// Works on messages, one after the other.
    ///
    /// # Errors
    /// When a message is to come again.
    pub async fn work(&self, writer: &Writer, order: &Order, messages: &[WorkMessage]) -> Result<Report, Failure> {
        let mut last = None;
        for message in messages {
            last = Some(match &message.portion {
                Ok(portion) => match Box::pin(self.portion(writer, order, message, portion)).await {
                    Err(failure) if self.is_last_try(writer, message).await => {
                        self.bury(writer, message, &failure.to_string()).await?;
                        self.ignored(order, format!("put among the dead letters: {failure}"))
                    }
                    result => result?,
                },
                Err(refusal) => {
                    // No number of tries makes sense of it.
                    self.bury(writer, message, &refusal.to_string()).await?;
                    self.ignored(order, format!("put among the dead letters: {refusal}"))
                }
            });
        }
        Ok(last.unwrap_or_else(|| self.ignored(order, "no message came".into())))
    }

    async fn portion(
        &self,
        writer: &Writer,
        order: &Order,
        message: &WorkMessage,
        portion: &Portion,
    ) -> Result<Report, Failure> {
        let mut lines = Lines::default();
        for _ in 0..=TRIES {
            let reads = async { tokio::join!(self.base(), self.load(), rules_and_templates(self.core.reader)) };
            let (base, object, snapshot) = self.deadline.bound(reads).await.ok_or_else(|| self.late())?;
            let object = match object {
                Ok(object) => object,
                Err(ObjectError::Missing(what)) => return Ok(self.no_file(order, &what)),
                Err(error) => return Err(Failure::ConfigUnreadable(error)),
            };
            let (base, config) = (base?, self.identity(&object));
            let uploaded = object.last_modified.unwrap_or_else(Timestamp::now);
            let file = match self.read(object).await {
                Ok(file) => file,
                Err(Unread::Locked(reason)) => return Err(self.again(reason)),
                Err(Unread::Rejected(rejected)) => {
                    let n = rejected.errors.len();
                    let reason =
                        format!("the file has errors ({n}), and changes nothing; its repair looks at everything");
                    return Ok(self.ignored(order, reason));
                }
            };
            let snapshot = snapshot.map_err(|error| self.again(format!("the account could not be read: {error}")))?;
            let settings = self.core.settings;
            let observed = Box::pin(observe(self.core.reader, snapshot, &file, settings));
            let account = self.deadline.bound(observed).await.ok_or_else(|| self.late())?;
            self.remember(&file, &account);
            // The same word as that of a whole run: what it does not touch, no message does.
            let scope = Scope {
                home: self.home,
                settings,
                uploaded,
            };
            let plan = plan(&file, &account, scope, &Bounds::default());
            let verdict = plan
                .registries
                .iter()
                .find(|p| p.registry == portion.registry)
                .map(|p| &p.verdict);
            if let Some(Verdict::Refused { cause, .. }) = verdict
                && cause.transient
            {
                return Err(self.again(format!("{} could not be looked at: {cause}", portion.registry)));
            }
            let goes = verdict == Some(&Verdict::Go);
            let open = |name: &str| goes && name == portion.registry;
            let territories = Territories::new(&file, &account.snapshot, open);
            let pen = Pen {
                writer,
                newest: self.newest(&config),
            };
            let (reader, pace) = (self.core.reader, self.core.pace);
            let (bounds, deadline) = (&settings.bounds, self.deadline.clone());
            let existing = Existing::new(reader, Some(pen), self.home, bounds, pace, deadline, &territories);
            let mut targets = existing
                .named(&portion.repositories)
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
            let Some(report) = self.told(writer, order, portion, worked, base).await? else {
                written.into_iter().for_each(|change| lines.push(change));
                continue;
            };
            return match left {
                None => Ok(report),
                Some(Left::Buried(reason)) => self.bury(writer, message, &reason).await.map(|()| report),
                Some(Left::Again(reason)) => Err(self.again(reason)),
            };
        }
        Err(self.again("newer files keep coming".into()))
    }

    /// What becomes of repositories that are still open: the message comes again for them, or it has come too often.
    async fn left_open(
        &self,
        writer: &Writer,
        message: &WorkMessage,
        targets: &mut [Target<'_>],
        lines: &mut Lines,
    ) -> Option<Left> {
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
            return Some(Left::Again(reason));
        }
        give_up(targets, lines, "given up after several tries", self.deadline);
        Some(Left::Buried(reason))
    }

    /// Puts what came of a message into the status of the run that sent it. `None`: a newer file has been worked from in
    /// the meantime, so this one's word may stand over it, and has to be looked at again.
    async fn told(
        &self,
        writer: &Writer,
        order: &Order,
        portion: &Portion,
        worked: Worked,
        mut base: Base,
    ) -> Result<Option<Report>, Failure> {
        let Worked {
            config,
            progress,
            changes,
        } = worked;
        let mut own = self.blank(order);
        own.config = config.clone();
        own.existing_repositories = Some(report::Existing {
            progress,
            ..report::Existing::default()
        });
        own.changes = changes;
        for _ in 0..MERGES {
            let Some(mut report) = base.report.take().filter(|sender| is_part(sender, portion, &config)) else {
                // Of an older run, or of a file that is not the newest: it is nobody's part any more. Nobody else sees
                // then whether a newer file came while this one's word was written.
                if self.newest(&config).is_it().await == Ok(false) {
                    return Ok(None);
                }
                (own.outcome, own.message) = judge(&own);
                self.close(&mut own, &Past::default());
                report::log(&own);
                return Ok(Some(own));
            };
            merge(&mut report, portion, progress, &own.changes);
            report.run_id.clone_from(&own.run_id);
            report.started_at.clone_from(&own.started_at);
            report.trigger.clone_from(&own.trigger);
            self.close(&mut report, &base.past);
            let put = async {
                let found = self.write_or_find(writer, &report, &base.condition).await?;
                match &found {
                    // Our own write, whose answer was lost.
                    Some(ours) if ours.past.is_of(&report) => {
                        Ok((self.write(writer, &report, &ours.condition).await?, found))
                    }
                    _ => Ok((found.is_none(), found)),
                }
            };
            let put: Result<(bool, Option<Base>), Failure> = put.await;
            let (written, found) =
                put.inspect_err(|failure| self.tell_unwritten(&report, &own.changes, &base.past, failure))?;
            if written {
                // The changes of the run that sent the message, and of other messages, have been counted.
                self.tell(&report, &own.changes, &base.past);
                return Ok(Some(report));
            }
            base = match found {
                Some(found) if !found.past.is_of(&report) => found,
                _ => self.base().await?,
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
        let queue = self.core.settings.work_queue_url.as_ref()?;
        self.deadline.at_last(writer.redrive(queue)).await?.ok().flatten()
    }

    /// Puts a message among the dead letters with its reason, which SQS's own redrive would not tell.
    ///
    /// # Errors
    /// When that fails: then the message stays in the queue, whose redrive takes it in the end.
    async fn bury(&self, writer: &Writer, message: &WorkMessage, reason: &str) -> Result<(), Failure> {
        let Some(queue) = &self.core.settings.work_queue_url else {
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

    fn again(&self, reason: String) -> Failure {
        Failure::Incomplete {
            outcome: "partial",
            reason,
            status: self.status_place(),
        }
    }
}

/// What becomes of a message some of whose repositories are left open.
enum Left {
    Again(String),
    Buried(String),
}

/// Whether a report is the one whose part this is, over the same file.
fn is_part(report: &Report, portion: &Portion, config: &ConfigReport) -> bool {
    let work = report
        .existing_repositories
        .as_ref()
        .and_then(|existing| existing.work.as_ref());
    let part = work
        .filter(|work| work.id == portion.id)
        .and_then(|work| work.parts.get(&portion.part));
    part.is_some_and(|part| part.registry == portion.registry) && report.config == *config
}

/// Writes a part over, and sums everything up anew. What a message did before, it did: only what is held or failed is
/// told anew.
fn merge(report: &mut Report, portion: &Portion, progress: Progress, changes: &[Change]) {
    let named: BTreeSet<&str> = portion.repositories.iter().map(String::as_str).collect();
    let is_over = |c: &Change| named.contains(c.id.as_str()) && c.result != ChangeResult::Applied;
    let (mut repositories, others): (Vec<Change>, Vec<Change>) = std::mem::take(&mut report.changes)
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
    let mut lines = Lines::default();
    repositories.into_iter().for_each(|change| lines.push(change));
    report.changes = others;
    let Some(existing) = &mut report.existing_repositories else {
        return;
    };
    let Some(work) = &mut existing.work else { return };
    if let Some(part) = work.parts.get_mut(&portion.part) {
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
        if let Some(registry) = report.registries.get_mut(name) {
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
    report.changes.extend(lines.into_changes());
    (report.outcome, report.message) = judge(report);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Lines beyond the thousand that are listed are summed up once more each time the message comes.
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
        let mut report: Report = serde_json::from_value(report).unwrap_or_else(|e| unreachable!("{e}"));
        let portion = Portion {
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
            merge(&mut report, &portion, held, std::slice::from_ref(&change));
        }
        let more: Vec<Option<usize>> = report.changes.iter().map(|c| c.more).filter(Option::is_some).collect();
        assert_eq!(more, [Some(1)]);
    }
}
