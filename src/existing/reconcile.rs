//! A whole run over the repositories that exist already: as far as it comes, and how the rest goes on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    ChangeList, Planned, PrefixOwnership, RepositoryOutcome, RepositoryTarget, RepositoryWorker, Settled, WriteAccess,
    batches, messages, progress,
};
use crate::account::{AwsError, Reader, Snapshot, Writer};
use crate::cause::{Cause, Reason};
use crate::home::Home;
use crate::plan::{Action, Resource};
use crate::report::{self, Base, Change, ChangeResult, ConfigReport, Part, Past, Progress, Results, Work};
use crate::settings::Settings;
use crate::timing::{Deadline, Timing};
use crate::trigger::{Mode, WorkBatch};
use config::{Code, File, Problem};

/// How many messages SendMessageBatch takes.
const MESSAGES_AT_A_TIME: usize = 10;

/// How many batches are sent side by side.
const BATCHES: usize = 8;

/// What a run found and did about repositories that exist already.
#[derive(Debug, Default)]
pub struct ExistingResult {
    /// The report's lines.
    changes: Vec<Change>,
    /// By registry whose repositories were looked after.
    progress: BTreeMap<String, Progress>,
    /// Of these, what was not left to the queue.
    settled: BTreeMap<String, Progress>,
    /// What the queue is to have.
    pub batches: Vec<WorkBatch>,
    /// What is to be done to them, where nothing was written.
    pub planned: Planned,
    /// Why they could not even be listed.
    unlisted: Option<AwsError>,
    /// Why some are left open.
    open: Option<String>,
    /// Another try may go better, and nobody else is to make it.
    pub transient: bool,
}

/// What a run over existing repositories needs.
#[derive(Clone, Copy)]
pub struct Reconciler<'a> {
    pub reader: &'a Reader,
    pub settings: &'a Settings,
    pub timing: &'a Timing,
    pub home: &'a Home,
    pub deadline: &'a Deadline,
    pub run_id: &'a str,
    pub config: &'a ConfigReport,
    pub past: &'a Past,
    pub file: &'a File,
    pub snapshot: &'a Snapshot,
    /// The registries whose repositories may be touched.
    pub open: &'a BTreeSet<&'a str>,
    /// Whether the file is a local one. What is left of its work is named, one by one: the queue is the uploaded file's.
    pub is_local: bool,
}

impl Reconciler<'_> {
    /// Goes through the repositories of the open registries, to write or only to look; where a plan is given, only that is
    /// done.
    ///
    /// # Errors
    /// A newer file has come; what was written until then.
    pub async fn run(
        self,
        access: Option<WriteAccess<'_>>,
        planned: Option<Planned>,
    ) -> Result<ExistingResult, Vec<Change>> {
        let Self {
            settings,
            timing,
            past,
            open,
            ..
        } = self;
        let ownership = PrefixOwnership::new(self.file, self.snapshot, |name| open.contains(name));
        let names: Vec<String> = ownership.registries().map(|registry| registry.name.clone()).collect();
        let mut result = ExistingResult::default();
        if names.is_empty() {
            return Ok(result);
        }
        let writes = access.is_some();
        // The queue works on the newest uploaded file, so nothing of a local file or a plan goes into it.
        let queues = writes && !self.is_local && planned.is_none() && settings.work_queue_url.is_some();
        let deadline = self.deadline.clone();
        let deadline = if queues {
            deadline.earlier(timing.wind_down / 2)
        } else {
            deadline
        };
        let (reader, home) = (self.reader, self.home);
        let mut existing = RepositoryWorker::new(reader, access, home, &settings.bounds, timing, deadline, &ownership);
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
        let known = |change: &&Change| past.config == *self.config && open.contains(change.registry.as_str());
        let mut lines = ChangeList::default();
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
        let untried = targets
            .iter()
            .filter(|target| target.outcome == RepositoryOutcome::Untried);
        let untried: BTreeSet<&str> = untried.map(|target| target.name.as_str()).collect();
        // What was known of the ones that were not looked at is still the newest that is known.
        let old = past
            .troubles()
            .filter(known)
            .filter(|change| untried.contains(change.id.as_str()));
        old.for_each(|change| lines.push(change.clone()));
        if targets.iter().any(|target| target.outcome.is_open()) {
            if self.is_local {
                // Nothing continues them later, so the report names each.
                for target in targets.iter().filter(|target| target.outcome.is_open()) {
                    let change = Change::of(target.registry, Resource::Repository, Action::Update, &target.name);
                    lines.push(change.with(ChangeResult::Skipped));
                }
            }
            if queues {
                // The request id alone would be that of Lambda's next try as well.
                let id = format!("{}-{:016x}", self.run_id, fastrand::u64(..));
                result.batches = batches(&id, &targets);
            } else {
                result.transient = true;
            }
        }
        result.changes = lines.into_changes();
        Ok(result)
    }
}

/// Puts into the queue what a run could not finish. The status tells of it already: a message that comes at once finds its
/// part there.
///
/// # Errors
/// As SendMessageBatch, and when the deadline comes first.
pub async fn hand_over(
    writer: &Writer,
    queue: &str,
    batches: &[WorkBatch],
    deadline: &Deadline,
) -> Result<(), AwsError> {
    let messages = messages(batches);
    let sends = messages
        .chunks(MESSAGES_AT_A_TIME)
        .map(|some| writer.send_messages(queue, some));
    let all = stream::iter(sends).buffer_unordered(BATCHES).try_collect::<Vec<()>>();
    let sent = deadline.at_last(all).await;
    sent.unwrap_or_else(|| Err(AwsError::out_of_time("SendMessageBatch")))
        .map(drop)
}

/// Reports open repositories as failed when nothing will try them again.
pub fn give_up(targets: &mut [RepositoryTarget<'_>], lines: &mut ChangeList, what: &str, deadline: &Deadline) {
    let why = lines.open.as_ref().map(Cause::from);
    let why = why.unwrap_or_else(|| Cause::for_now(Reason::DEADLINE, format!("{} came first", deadline.what())));
    let cause = Cause {
        message: format!("{what}: {why}"),
        transient: false,
        ..why
    };
    for target in targets.iter_mut().filter(|target| target.outcome.is_open()) {
        target.outcome = RepositoryOutcome::Failed;
        let change = Change::of(target.registry, Resource::Repository, Action::Update, &target.name);
        lines.push(change.with(ChangeResult::Failed).because(&cause));
    }
}

/// The progress of some targets, by registry.
fn sums(targets: &[RepositoryTarget<'_>], of: impl Fn(&RepositoryTarget<'_>) -> bool) -> BTreeMap<String, Progress> {
    let some = progress(targets.iter().filter(|target| of(target)));
    some.into_iter()
        .map(|(registry, sum)| (registry.to_owned(), sum))
        .collect()
}

impl ExistingResult {
    /// Why some repositories were left to do. What the queue has is not told: in the status it would stand after they are
    /// done.
    pub fn warning(&self) -> Option<Problem> {
        let message = format!(
            "existing repositories were left to do, the first because of {}",
            self.open.as_ref()?
        );
        if self.batches.is_empty() {
            return Some(Problem::unplaced(Code::REPOSITORIES_LEFT, None, message));
        }
        tracing::warn!("{message}");
        None
    }

    /// Adds what was found to results whose registries are there.
    pub fn add_to(self, mut results: Results, mode: Mode) -> Results {
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
