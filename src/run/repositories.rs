//! A whole run over the repositories that exist already: as far as it comes, and how the rest goes on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Order, Run};
use crate::account::{AwsError, Snapshot};
use crate::config::{File, Problem};
use crate::existing::{Existing, Lines, Outcome, Pen, Target, parcels, portions, progress};
use crate::newest::Newest;
use crate::plan::Resource;
use crate::plan::repository::Territories;
use crate::report::{self, Base, Change, ChangeResult, ConfigReport, Next, Part, Past, Progress, Report, Work};
use crate::trigger::{Kind, Mode, Portion};

/// How many messages SendMessageBatch takes.
const MESSAGES_AT_A_TIME: usize = 10;

/// How many batches are sent side by side.
const BATCHES: usize = 8;

/// What a run found and did about repositories that exist already.
#[derive(Debug, Default)]
pub(super) struct Reached {
    /// The report's lines.
    changes: Vec<Change>,
    /// By registry whose repositories were looked after.
    progress: BTreeMap<String, Progress>,
    /// Of these, what was not left to the queue.
    settled: BTreeMap<String, Progress>,
    /// What the queue is to have.
    portions: Vec<Portion>,
    next: Option<Next>,
    /// Why they could not even be listed.
    unlisted: Option<AwsError>,
    /// Why some are left open.
    open: Option<String>,
    /// Another try may go better, and nobody else is to make it.
    pub transient: bool,
}

impl Run<'_> {
    /// Goes through the repositories of the registries in `open`. `None`: a newer file has come.
    pub(super) async fn reach(
        &self,
        order: &Order,
        file: &File,
        snapshot: &Snapshot,
        open: &BTreeSet<String>,
        config: &ConfigReport,
        past: &Past,
    ) -> Option<Reached> {
        let app = self.app;
        let territories = Territories::new(file, snapshot, |name| open.contains(name));
        let names: Vec<String> = territories.registries().map(|registry| registry.name.clone()).collect();
        let mut reached = Reached::default();
        if names.is_empty() {
            return Some(reached);
        }
        let writes = order.mode == Mode::Apply;
        // Messages never make messages: Lambda ends such loops by force.
        let queues = writes && order.kind != Kind::Work && app.settings.work_queue_url.is_some();
        let deadline = if queues { self.deadline.earlier(app.pace.wind_down / 2) } else { *self.deadline };
        let pen = writes.then_some(Pen { writer: &app.writer, newest: Newest { reader: &app.reader, config } });
        let existing = Existing::new(&app.reader, pen, self.home, &app.pace, deadline, &territories);
        let mut targets = match existing.find().await {
            Ok(targets) => targets,
            Err(error) => {
                reached.progress = names.into_iter().map(|name| (name, Progress::default())).collect();
                reached.transient = error.is_transient();
                reached.unlisted = Some(error);
                return Some(reached);
            }
        };
        let mut lines = Lines::default();
        // Where the last run over this very file had to stop, and no queue took the rest, this one goes on.
        let resumed = past.resumes(config).filter(|_| writes && !queues);
        let mut passed = BTreeMap::new();
        if let Some(next) = resumed {
            targets.retain(|target| target.name >= next.repository);
            past.troubles().filter(|change| change.id < next.repository).for_each(|change| lines.push(change.clone()));
            passed = next.passed.clone();
            passed.retain(|registry, _| open.contains(registry));
        }
        let newest = existing.settle(&mut targets, &mut lines).await;
        reached.settled = sums(&passed, &targets, |target| target.outcome != Outcome::Open);
        reached.progress = sums(&passed, &targets, |_| true);
        for name in names {
            reached.progress.entry(name).or_default();
        }
        reached.open = lines.open.as_ref().map(ToString::to_string);
        let first_open =
            targets.iter().find(|target| target.outcome == Outcome::Open).map(|target| target.name.clone());
        if let Some(first) = first_open {
            // What was known of the ones that were not looked at again is still the newest that is known.
            let open: BTreeSet<&str> =
                targets.iter().filter(|t| t.outcome == Outcome::Open).map(|t| t.name.as_str()).collect();
            let known = past.troubles().filter(|change| writes && open.contains(change.id.as_str()));
            known.for_each(|change| lines.push(change.clone()));
            if queues {
                reached.portions = portions(self.run_id, &targets);
            } else {
                reached.transient = true;
                let before = |target: &Target<'_>| target.name < first;
                reached.next =
                    writes.then(|| Next { passed: sums(&passed, &targets, before), repository: first.clone() });
            }
        }
        reached.changes = lines.into_changes();
        newest.then_some(reached)
    }

    /// Puts into the queue what this run could not finish. The status tells of it already: a message that comes at once
    /// finds its part there.
    pub(super) async fn hand_over(&self, portions: &[Portion]) -> Result<(), AwsError> {
        let Some(queue) = &self.app.settings.work_queue_url else { return Ok(()) };
        let parcels = parcels(portions);
        let sends = parcels.chunks(MESSAGES_AT_A_TIME).map(|some| self.app.writer.send_messages(queue, some));
        let all = stream::iter(sends).buffer_unordered(BATCHES).try_collect::<Vec<()>>();
        self.deadline.at_last(all).await.unwrap_or_else(|| Err(AwsError::out_of_time("SendMessageBatch"))).map(drop)
    }
}

/// The progress of some targets, added to what earlier runs have passed.
fn sums(
    passed: &BTreeMap<String, Progress>,
    targets: &[Target<'_>],
    of: impl Fn(&Target<'_>) -> bool,
) -> BTreeMap<String, Progress> {
    let mut sums = passed.clone();
    for (registry, more) in progress(targets.iter().filter(|target| of(target))) {
        *sums.entry(registry.to_owned()).or_default() += more;
    }
    sums
}

impl Reached {
    /// Puts what was found into a report whose registries are filled in, and gives what the queue is to have.
    pub(super) fn into_report(mut self, report: &mut Report) -> Vec<Portion> {
        if self.progress.is_empty() {
            return Vec::new();
        }
        let mut work = Work { id: report.run_id.clone(), ..Work::default() };
        let mut existing = report::Existing::default();
        for (name, progress) in &self.progress {
            let Some(registry) = report.registries.get_mut(name) else { continue };
            let settled = self.settled.get(name).copied().unwrap_or_default();
            let base = Base { state: registry.state, message: registry.message.take(), progress: settled };
            let queued = !self.portions.is_empty();
            let end = base.with(*progress, report.mode, queued, self.unlisted.as_ref().map(ToString::to_string));
            (registry.state, registry.message) = end;
            registry.existing_repositories = Some(*progress);
            existing.progress += *progress;
            work.base.insert(name.clone(), base);
        }
        for portion in &self.portions {
            let many = portion.repositories.len() as u64;
            let progress = Progress { found: many, to_do: many, ..Progress::default() };
            work.parts.insert(portion.part, Part { registry: portion.registry.clone(), progress });
        }
        existing.work = Some(work).filter(|work| !work.parts.is_empty());
        existing.next = self.next.take();
        report.existing_repositories = Some(existing);
        report.changes.append(&mut self.changes);
        if let Some(reason) = self.open {
            let message = format!("existing repositories were left to do, the first because of {reason}");
            report.warnings.push(Problem { registry: None, line: None, column: None, message });
        }
        self.portions
    }
}

impl Past {
    /// The lines about repositories that were held or failed, those that sum up aside.
    fn troubles(&self) -> impl Iterator<Item = &Change> {
        let of_repository = self.changes.iter().filter(|c| c.resource == Resource::Repository && c.more.is_none());
        of_repository.filter(|change| matches!(change.result, ChangeResult::Held | ChangeResult::Failed))
    }
}
