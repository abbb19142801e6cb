//! A whole run over the repositories that exist already: as far as it comes, and how the rest goes on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Deps, Run, RunRequest, Source};
use crate::account::{AwsError, Snapshot, Writer};
use crate::cause::{Cause, Reason};
use crate::config::{File, Problem};
use crate::existing::{Existing, Lines, Outcome, Pen, Planned, Settled, Target, parcels, portions, progress};
use crate::pace::Deadline;
use crate::plan::repository::Territories;
use crate::plan::{Action, Resource};
use crate::report::{self, Base, Change, ChangeResult, ConfigReport, Part, Past, Progress, Results, Work};
use crate::trigger::{Kind, Mode, Portion};

/// How many messages SendMessageBatch takes.
const MESSAGES_AT_A_TIME: usize = 10;

/// How many batches are sent side by side.
const BATCHES: usize = 8;

/// What a run found and did about repositories that exist already.
#[derive(Debug, Default)]
pub(super) struct ExistingResult {
    /// The report's lines.
    changes: Vec<Change>,
    /// By registry whose repositories were looked after.
    progress: BTreeMap<String, Progress>,
    /// Of these, what was not left to the queue.
    settled: BTreeMap<String, Progress>,
    /// What the queue is to have.
    pub batches: Vec<Portion>,
    /// What is to be done to them, where nothing was written.
    pub planned: Planned,
    /// Why they could not even be listed.
    unlisted: Option<AwsError>,
    /// Why some are left open.
    open: Option<String>,
    /// Another try may go better, and nobody else is to make it.
    pub transient: bool,
}

/// What decides which repositories are worked on.
#[derive(Clone, Copy)]
pub(super) struct RepositoryScope<'a> {
    pub file: &'a File,
    pub snapshot: &'a Snapshot,
    /// The registries whose repositories may be touched.
    pub open: &'a BTreeSet<&'a str>,
}

impl Run<'_> {
    /// Goes through the repositories of the registries in `open`, to write or only to look; where a plan is given, only
    /// that is done.
    ///
    /// # Errors
    /// A newer file has come; what was written until then.
    pub(super) async fn existing_repositories(
        &self,
        writer: Option<&Writer>,
        request: &RunRequest,
        RepositoryScope { file, snapshot, open }: RepositoryScope<'_>,
        config: &ConfigReport,
        past: &Past,
        planned: Option<Planned>,
    ) -> Result<ExistingResult, Vec<Change>> {
        let Deps {
            reader, settings, pace, ..
        } = self.deps;
        let territories = Territories::new(file, snapshot, |name| open.contains(name));
        let names: Vec<String> = territories.registries().map(|registry| registry.name.clone()).collect();
        let mut result = ExistingResult::default();
        if names.is_empty() {
            return Ok(result);
        }
        let writes = writer.is_some();
        // Messages never make messages: Lambda ends such loops by force.
        let local = matches!(self.source, Source::Local { .. });
        // What is in the queue is the newest file's word, not that of a file at hand, nor of a plan.
        let queues = writes && !local && planned.is_none() && request.kind != Kind::Work;
        let queues = queues && settings.work_queue_url.is_some();
        let deadline = self.deadline.clone();
        let deadline = if queues {
            deadline.earlier(pace.wind_down / 2)
        } else {
            deadline
        };
        let pen = writer.map(|writer| Pen {
            writer,
            newest: self.newest(config),
        });
        let mut existing = Existing::new(reader, pen, self.home, &settings.bounds, pace, deadline, &territories);
        if let Some(planned) = planned {
            existing = existing.only(planned);
        }
        let mut targets = match existing.find().await {
            Ok(targets) => targets,
            Err(error) => {
                result.progress = names.into_iter().map(|name| (name, Progress::default())).collect();
                result.transient = error.is_transient();
                result.unlisted = Some(error);
                return Ok(result);
            }
        };
        let known = |change: &&Change| past.config == *config && open.contains(change.registry.as_str());
        let mut lines = Lines::default();
        let Settled { newest, planned } = existing.settle(&mut targets, &mut lines).await;
        if !newest {
            return Err(lines.into_changes());
        }
        result.planned = planned;
        if !writes {
            give_up(&mut targets, &mut lines, "not looked at", self.deadline);
        }
        result.settled = sums(&targets, |target| !target.outcome.is_open());
        result.progress = sums(&targets, |_| true);
        for name in names {
            result.progress.entry(name).or_default();
        }
        result.open = lines.open.as_ref().map(ToString::to_string);
        let untried = targets.iter().filter(|target| target.outcome == Outcome::Untried);
        let untried: BTreeSet<&str> = untried.map(|target| target.name.as_str()).collect();
        // What was known of the ones that were not looked at is still the newest that is known.
        let old = past
            .troubles()
            .filter(known)
            .filter(|change| untried.contains(change.id.as_str()));
        old.for_each(|change| lines.push(change.clone()));
        if targets.iter().any(|target| target.outcome.is_open()) {
            if local {
                // Nobody goes on with them by himself: each is named.
                for target in targets.iter().filter(|target| target.outcome.is_open()) {
                    let change = Change::of(target.registry, Resource::Repository, Action::Update, &target.name);
                    lines.push(change.with(ChangeResult::Skipped));
                }
            }
            if queues {
                // The request id alone would be that of Lambda's next try as well.
                let id = format!("{}-{:016x}", self.run_id, fastrand::u64(..));
                result.batches = portions(&id, &targets);
            } else {
                result.transient = true;
            }
        }
        result.changes = lines.into_changes();
        Ok(result)
    }

    /// Puts into the queue what this run could not finish. The status tells of it already: a message that comes at once
    /// finds its part there.
    pub(super) async fn hand_over(&self, writer: &Writer, portions: &[Portion]) -> Result<(), AwsError> {
        let Some(queue) = &self.deps.settings.work_queue_url else {
            return Ok(());
        };
        let parcels = parcels(portions);
        let sends = parcels
            .chunks(MESSAGES_AT_A_TIME)
            .map(|some| writer.send_messages(queue, some));
        let all = stream::iter(sends).buffer_unordered(BATCHES).try_collect::<Vec<()>>();
        self.deadline
            .at_last(all)
            .await
            .unwrap_or_else(|| Err(AwsError::out_of_time("SendMessageBatch")))
            .map(drop)
    }
}

/// Tells of repositories that are open and will not be tried again by anybody that they failed.
pub(super) fn give_up(targets: &mut [Target<'_>], lines: &mut Lines, what: &str, deadline: &Deadline) {
    let why = lines.open.as_ref().map(Cause::from);
    let why = why.unwrap_or_else(|| Cause::for_now(Reason::DEADLINE, format!("{} came first", deadline.what())));
    let cause = Cause {
        message: format!("{what}: {why}"),
        transient: false,
        ..why
    };
    for target in targets.iter_mut().filter(|target| target.outcome.is_open()) {
        target.outcome = Outcome::Failed;
        let change = Change::of(target.registry, Resource::Repository, Action::Update, &target.name);
        lines.push(change.with(ChangeResult::Failed).because(&cause));
    }
}

/// The progress of some targets, by registry.
fn sums(targets: &[Target<'_>], of: impl Fn(&Target<'_>) -> bool) -> BTreeMap<String, Progress> {
    let some = progress(targets.iter().filter(|target| of(target)));
    some.into_iter()
        .map(|(registry, sum)| (registry.to_owned(), sum))
        .collect()
}

impl ExistingResult {
    /// Why some repositories were left to do. What the queue has is not told: in the status it would stand after they are
    /// done.
    pub(super) fn warning(&self) -> Option<Problem> {
        let message = format!(
            "existing repositories were left to do, the first because of {}",
            self.open.as_ref()?
        );
        if self.batches.is_empty() {
            return Some(Problem::unplaced(None, message));
        }
        tracing::warn!("{message}");
        None
    }

    /// Adds what was found to results whose registries are there.
    pub(super) fn add_to(self, mut results: Results, mode: Mode) -> Results {
        if self.progress.is_empty() {
            return results;
        }
        let id = self.batches.first().map(|batch| batch.id.clone()).unwrap_or_default();
        let mut work = Work { id, ..Work::default() };
        let mut existing = report::Existing::default();
        let unlisted = self.unlisted.as_ref().map(ToString::to_string);
        for (name, progress) in &self.progress {
            let Some(registry) = results.registries.get_mut(name) else {
                continue;
            };
            let base = Base {
                state: registry.state,
                message: registry.message.take(),
                progress: self.settled.get(name).copied().unwrap_or_default(),
            };
            let queued = !self.batches.is_empty();
            (registry.state, registry.message) = base.with(*progress, mode, queued, unlisted.clone());
            registry.existing_repositories = Some(*progress);
            existing.progress += *progress;
            work.base.insert(name.clone(), base);
        }
        for batch in self.batches {
            let many = batch.repositories.len() as u64;
            let progress = Progress {
                found: many,
                to_do: many,
                ..Progress::default()
            };
            let part = Part {
                registry: batch.registry,
                progress,
            };
            work.parts.insert(batch.part, part);
        }
        existing.work = Some(work).filter(|work| !work.parts.is_empty());
        results.existing_repositories = Some(existing);
        results.changes.extend(self.changes);
        results
    }
}

impl Past {
    /// The lines about repositories that were held or failed, those that sum up aside.
    fn troubles(&self) -> impl Iterator<Item = &Change> {
        let of_repository = self
            .changes
            .iter()
            .filter(|c| c.resource == Resource::Repository && c.more.is_none());
        of_repository.filter(|change| matches!(change.result, ChangeResult::Held | ChangeResult::Failed))
    }
}
