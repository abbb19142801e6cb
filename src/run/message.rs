//! Work on the function's own messages: repositories that an invocation before could not finish.
//!
//! What is done is the newest file's word, whatever was true when the message was written. What came of it goes into the
//! status of the run that wrote the message, as long as that is still the newest; a message of an older one is worked on
//! all the same, since it only says "look again", but has no status to go into.

use std::collections::BTreeSet;

use super::fence::{Base, TRIES};
use super::{Order, Run};
use crate::account::{Account, ObjectError, Redrive, rules_and_templates};
use crate::existing::{Existing, Lines, Outcome, Pen, Target, progress};
use crate::handler::Failure;
use crate::newest::Newest;
use crate::plan::repository::{Territories, may_touch};
use crate::plan::{Action, Resource};
use crate::report::{self, Change, ChangeResult, ConfigReport, Past, Progress, Report, judge};
use crate::trigger::{Mode, Portion, WorkMessage};

/// What came of a message.
struct Worked {
    config: ConfigReport,
    progress: Progress,
    lines: Lines,
}

/// How often the status is written over that of others before the next try of the message has to do it.
const MERGES: usize = 10;

impl Run<'_> {
    /// Works on messages, one after the other.
    ///
    /// # Errors
    /// When a message is to come again.
    pub async fn work(&self, order: &Order, messages: &[WorkMessage]) -> Result<Report, Failure> {
        let mut last = None;
        for message in messages {
            last = Some(match &message.portion {
                Ok(portion) => Box::pin(self.portion(order, message, portion)).await?,
                Err(refusal) => {
                    // No number of tries makes sense of it.
                    self.bury(message, &refusal.to_string()).await?;
                    self.ignored(order, format!("put among the dead letters: {refusal}"))
                }
            });
        }
        Ok(last.unwrap_or_else(|| self.ignored(order, "no message came".into())))
    }

    async fn portion(&self, order: &Order, message: &WorkMessage, portion: &Portion) -> Result<Report, Failure> {
        for _ in 0..=TRIES {
            let reads = async { tokio::join!(self.base(), self.load(), rules_and_templates(&self.app.reader)) };
            let (base, object, snapshot) = self.deadline.bound(reads).await.ok_or_else(|| self.late())?;
            let object = match object {
                Ok(object) => object,
                Err(ObjectError::Missing(what)) => return Ok(self.no_file(order, &what)),
                Err(error) => return Err(Failure::ConfigUnreadable(error)),
            };
            let (base, config) = (base?, self.identity(&object));
            let file = match self.read(object) {
                Ok(file) => file,
                Err(rejected) => {
                    let n = rejected.errors.len();
                    let reason =
                        format!("the file has errors ({n}), and changes nothing; its repair looks at everything");
                    return Ok(self.ignored(order, reason));
                }
            };
            self.remember(&file, &Account::default());
            let snapshot = match snapshot {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    return self.come_again(order, message, format!("the account could not be read: {error}")).await;
                }
            };
            let settings = &self.app.settings;
            let open = |name: &str| {
                let registry = file.registries.iter().find(|registry| registry.name == name);
                name == portion.registry && registry.is_some_and(|r| may_touch(r, &snapshot, settings).is_ok())
            };
            let territories = Territories::new(&file, &snapshot, open);
            let newest = Newest { reader: &self.app.reader, config: &config };
            let pen = Pen { writer: &self.app.writer, newest };
            let (reader, pace) = (&self.app.reader, &self.app.pace);
            let existing = Existing::new(reader, Some(pen), self.home, pace, *self.deadline, &territories);
            let mut targets = match existing.named(&portion.repositories).await {
                Ok(targets) => targets,
                Err(error) => {
                    return self
                        .come_again(order, message, format!("its repositories could not be looked up: {error}"))
                        .await;
                }
            };
            let mut lines = Lines::default();
            if !existing.settle(&mut targets, &mut lines).await {
                continue;
            }
            let left = self.left_open(message, &mut targets, &mut lines).await;
            let sum = progress(targets.iter()).into_values().next().unwrap_or_default();
            let worked = Worked { config, progress: sum, lines };
            let Some(report) = self.told(order, portion, worked, base).await? else { continue };
            return match left {
                None => Ok(report),
                Some(Left::Buried(reason)) => self.bury(message, &reason).await.map(|()| report),
                Some(Left::Again(reason)) => Err(self.again(reason)),
            };
        }
        self.come_again(order, message, "newer files keep coming".into()).await
    }

    /// What becomes of repositories that are still open: the message comes again for them, or it has come too often.
    async fn left_open(&self, message: &WorkMessage, targets: &mut [Target<'_>], lines: &mut Lines) -> Option<Left> {
        let open = targets.iter().filter(|target| target.outcome == Outcome::Open).count();
        if open == 0 {
            return None;
        }
        let why = lines.open.as_ref().map_or_else(|| "Lambda's deadline came first".to_owned(), ToString::to_string);
        let reason = format!("{open} of {} repositories are left: {why}", targets.len());
        if !self.is_last_try(message).await {
            return Some(Left::Again(reason));
        }
        for target in targets.iter_mut().filter(|target| target.outcome == Outcome::Open) {
            target.outcome = Outcome::Failed;
            let change = Change::of(target.registry, Resource::Repository, Action::Update, &target.name);
            lines.push(change.with(ChangeResult::Failed).because(format!("given up after several tries: {why}")));
        }
        Some(Left::Buried(reason))
    }

    /// Puts what came of a message into the status of the run that sent it. `None`: a newer file has been worked from in
    /// the meantime, so this one's word may stand over it, and has to be looked at again.
    async fn told(
        &self,
        order: &Order,
        portion: &Portion,
        worked: Worked,
        mut base: Base,
    ) -> Result<Option<Report>, Failure> {
        let Worked { config, progress, lines } = worked;
        let mut own = self.blank(order);
        own.config = config.clone();
        own.existing_repositories = Some(report::Existing { progress, ..report::Existing::default() });
        own.changes = lines.into_changes();
        for _ in 0..MERGES {
            let Some(mut report) = base.report.take().filter(|sender| is_part(sender, portion, &config)) else {
                // Of an older run, or of a file that is not the newest: it is nobody's part any more. Nobody else sees
                // then whether a newer file came while this one's word was written.
                if (Newest { reader: &self.app.reader, config: &config }).is_it().await == Ok(false) {
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
            if self.write(&report, &base.condition).await? {
                // The changes of the run that sent the message, and of other messages, have been counted.
                self.tell(&report, &own.changes, &base.past);
                return Ok(Some(report));
            }
            base = self.base().await?;
        }
        Err(self.again("others kept writing the status".into()))
    }

    /// Whether this is the last time the queue hands the message out.
    async fn is_last_try(&self, message: &WorkMessage) -> bool {
        match self.redrive().await {
            Some(redrive) => message.receive_count >= redrive.max_receive_count,
            // A queue without dead letters, or one that cannot be asked: SQS itself decides.
            None => false,
        }
    }

    async fn redrive(&self) -> Option<Redrive> {
        let queue = self.app.settings.work_queue_url.as_ref()?;
        self.deadline.at_last(self.app.writer.redrive(queue)).await?.ok().flatten()
    }

    /// Fails the invocation so that the queue hands the message out again, or ends a message that came too often.
    async fn come_again(&self, order: &Order, message: &WorkMessage, reason: String) -> Result<Report, Failure> {
        if !self.is_last_try(message).await {
            return Err(self.again(reason));
        }
        self.bury(message, &reason).await?;
        Ok(self.ignored(order, format!("put among the dead letters: {reason}")))
    }

    /// Puts a message among the dead letters with its reason, which SQS's own redrive would not tell.
    ///
    /// # Errors
    /// When that fails: then the message stays in the queue, whose redrive takes it in the end.
    async fn bury(&self, message: &WorkMessage, reason: &str) -> Result<(), Failure> {
        let Some(queue) = &self.app.settings.work_queue_url else {
            return Err(self.again(format!("{reason}; there is no WORK_QUEUE_URL, and so no place for dead letters")));
        };
        let bury = self.app.writer.send_to_dead_letters(queue, &message.body, reason);
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
        Failure::Incomplete { outcome: "partial", reason, status: self.status_place() }
    }
}

/// What becomes of a message some of whose repositories are left open.
enum Left {
    Again(String),
    Buried(String),
}

/// Whether a report is the one whose part this is, over the same file.
fn is_part(report: &Report, portion: &Portion, config: &ConfigReport) -> bool {
    let work = report.existing_repositories.as_ref().and_then(|existing| existing.work.as_ref());
    let part = work.filter(|work| work.id == portion.id).and_then(|work| work.parts.get(&portion.part));
    part.is_some_and(|part| part.registry == portion.registry) && report.config == *config
}

/// Writes a part over, and sums everything up anew.
fn merge(report: &mut Report, portion: &Portion, progress: Progress, changes: &[Change]) {
    let named: BTreeSet<&str> = portion.repositories.iter().map(String::as_str).collect();
    let is_old = |c: &Change| c.resource == Resource::Repository && named.contains(c.id.as_str());
    let (repositories, others): (Vec<Change>, Vec<Change>) = std::mem::take(&mut report.changes)
        .into_iter()
        .filter(|change| !is_old(change))
        .partition(|change| change.resource == Resource::Repository);
    let mut lines = Lines::default();
    repositories.into_iter().chain(changes.iter().cloned()).for_each(|change| lines.push(change));
    report.changes = others;
    report.changes.extend(lines.into_changes());
    let Some(existing) = &mut report.existing_repositories else { return };
    let Some(work) = &mut existing.work else { return };
    if let Some(part) = work.parts.get_mut(&portion.part) {
        part.progress = progress;
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
    (report.outcome, report.message) = judge(report);
}
