//! Repositories that exist already: found by pages, read, compared, previewed and written one by one, many at a time.
//!
//! ECR applies a creation template only when it makes a repository, so what was cached before a policy came keeps none
//! for ever (containers-roadmap 1758). The number of repositories is not bounded by ours, so nothing here is kept per
//! repository but its name and a byte of outcome; reports carry counts and a bounded list.

mod batch;
mod changes;
mod preview;
mod reconcile;
mod repository;
mod scope;
mod wanted;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::account::{AwsError, Pages, Reader, Repository, Writer};
use crate::cause::Cause;
use crate::home::Home;
use crate::newest::Newest;
use crate::plan::Sum;
use crate::plan::bounds::Touchable;
use crate::report::Progress;
use crate::settings::Bounds;
use crate::throttle::Throttle;
use crate::timing::{Deadline, Timing};
use config::Setting;

pub use batch::{batches, messages};
pub use changes::ChangeList;
pub use reconcile::{ExistingResult, Reconciler, give_up, hand_over};
pub use scope::PrefixOwnership;
use wanted::Wanted;

/// How many repositories are worked on at a time. Most of them wait for their turn or for a preview.
pub const AT_A_TIME: usize = 64;

/// More pages than 100,000 repositories fill, at a thousand a page.
const MOST_PAGES: usize = 500;

/// How many names DescribeRepositories takes.
const NAMES_AT_A_TIME: usize = 100;

/// What the work on existing repositories needs.
pub struct RepositoryWorker<'a> {
    reader: &'a Reader,
    /// None where only a plan is asked for.
    access: Option<WriteAccess<'a>>,
    home: &'a Home,
    bounds: &'a Bounds,
    touchable: Touchable,
    timing: &'a Timing,
    deadline: Deadline,
    throttle: Throttle,
    ownership: &'a PrefixOwnership<'a>,
    /// By registry.
    registries: BTreeMap<&'a str, RegistryWork>,
    /// A newer file has come.
    stale: AtomicBool,
    /// Where only what a plan has shown may be done: that.
    planned: Option<Planned>,
}

/// How the work on targets ended.
pub struct Settled {
    /// Whether the file was the newest to the end: if not, the rest stays open.
    pub newest: bool,
    /// What is to be done, where nothing was written.
    pub planned: Planned,
}

/// What a plan would do to repositories: enough to do that and nothing else.
#[derive(Debug, Default)]
pub struct Planned {
    by_repository: BTreeMap<String, PlannedDifference>,
}

/// How a repository differed when it was looked at for a plan.
#[derive(Debug, Clone, Default)]
struct PlannedDifference {
    sum: Sum,
    held: BTreeMap<Setting, Cause>,
}

impl Planned {
    /// All of it together.
    pub fn sum(&self) -> Sum {
        let held = |(name, differing): (&String, &PlannedDifference)| {
            let held = differing
                .held
                .keys()
                .map(|setting| Sum::of(name, *setting, None, "held"));
            held.fold(differing.sum, Sum::and)
        };
        self.by_repository.iter().map(held).fold(Sum::default(), Sum::and)
    }
}

/// A registry whose repositories are looked after.
struct RegistryWork {
    wanted: Wanted,
    /// ECR does not know a principal of its policy, however long it was waited for.
    given_up: AtomicBool,
}

#[derive(Debug)]
pub struct RepositoryTarget<'a> {
    pub name: String,
    /// Whose it is.
    pub registry: &'a str,
    /// The mutability it has, where that is to be changed.
    other_mutability: Option<Box<Value>>,
    pub outcome: RepositoryOutcome,
    /// Whether something was written to it.
    pub wrote: bool,
}

/// How a repository came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepositoryOutcome {
    /// It is not there any more.
    Gone,
    /// It is as the file says, or has been made so.
    Done,
    /// It is to be changed, in a plan.
    Planned,
    /// Some of its settings wait for a decision.
    Held,
    /// Something of it failed, and a retry gets the same answer.
    Failed,
    /// It was tried, and another try may go better.
    Stuck,
    /// There was no time for it.
    Untried,
}

impl RepositoryOutcome {
    /// Whether something is still to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Stuck | Self::Untried)
    }
}

/// What a run that may write has to write with.
pub struct WriteAccess<'a> {
    pub writer: &'a Writer,
    /// Whether the run's file is still the newest.
    pub newest: Newest<'a>,
}

impl<'a> RepositoryWorker<'a> {
    /// Prepares the work; nothing is called yet.
    pub fn new(
        reader: &'a Reader,
        access: Option<WriteAccess<'a>>,
        home: &'a Home,
        bounds: &'a Bounds,
        timing: &'a Timing,
        deadline: Deadline,
        ownership: &'a PrefixOwnership<'a>,
    ) -> Self {
        let registries = ownership.registries().filter_map(|registry| {
            let wanted = Wanted::of(registry, registry.existing_repositories.as_ref()?, home);
            Some((
                registry.name.as_str(),
                RegistryWork {
                    wanted,
                    given_up: AtomicBool::new(false),
                },
            ))
        });
        Self {
            reader,
            access,
            home,
            bounds,
            touchable: Touchable::of(bounds),
            timing,
            deadline,
            throttle: Throttle::new(timing),
            ownership,
            registries: registries.collect(),
            stale: AtomicBool::new(false),
            planned: None,
        }
    }

    /// The same, where only what a plan has shown may be done.
    pub fn only(self, planned: Planned) -> Self {
        Self {
            planned: Some(planned),
            ..self
        }
    }

    /// Every repository that belongs to a registry, by name.
    ///
    /// # Errors
    /// As DescribeRepositories, and when the deadline comes first.
    pub async fn find(&self) -> Result<Vec<RepositoryTarget<'a>>, AwsError> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        let mut pages = Pages::of("DescribeRepositories", MOST_PAGES);
        loop {
            let page = || self.reader.repositories_page(token.as_deref());
            let (repositories, next) = self.throttle.call("DescribeRepositories", &self.deadline, page).await?;
            for repository in repositories {
                // Many patterns over long names take their time, and nothing else runs meanwhile.
                if self.deadline.is_near() {
                    return Err(AwsError::no_turn("DescribeRepositories"));
                }
                found.extend(self.target(repository));
            }
            pages.go_on(next.as_deref())?;
            token = next;
            if token.is_none() {
                break;
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        // A page may repeat what came before it while repositories come and go.
        found.dedup_by(|a, b| a.name == b.name);
        Ok(found)
    }

    /// Those of these names that exist and still belong to a registry.
    ///
    /// # Errors
    /// As DescribeRepositories, and when the deadline comes first.
    pub async fn named(&self, names: &[String]) -> Result<Vec<RepositoryTarget<'a>>, AwsError> {
        let mut names: Vec<String> = names
            .iter()
            .filter(|name| self.ownership.of(name).is_some())
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        let mut found = Vec::new();
        let mut open: Vec<&[String]> = names.chunks(NAMES_AT_A_TIME).collect();
        while let Some(some) = open.pop() {
            let ask = || self.reader.repositories_named(some);
            match self.throttle.call("DescribeRepositories", &self.deadline, ask).await {
                Ok(repositories) => found.extend(repositories.into_iter().filter_map(|r| self.target(r))),
                // One that is gone refuses all that were asked for with it.
                Err(error) if error.is("RepositoryNotFoundException") => {
                    if some.len() > 1 {
                        let (one, other) = some.split_at(some.len() / 2);
                        open.extend([one, other]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    fn target(&self, repository: Repository) -> Option<RepositoryTarget<'a>> {
        let registry = self.ownership.of(&repository.name)?.name.as_str();
        let differs = self.registries.get(registry)?.wanted.differs_in_mutability(&repository);
        let other_mutability = differs.then(|| Box::new(Wanted::shown_mutability(&repository)));
        Some(RepositoryTarget {
            name: repository.name,
            registry,
            other_mutability,
            outcome: RepositoryOutcome::Untried,
            wrote: false,
        })
    }

    /// Works on all targets that are open.
    pub async fn settle(&self, targets: &mut [RepositoryTarget<'a>], lines: &mut ChangeList) -> Settled {
        let mut planned = Planned::default();
        let mut outcomes: Vec<(usize, RepositoryOutcome, bool)> = Vec::new();
        {
            let open = targets
                .iter()
                .enumerate()
                .filter(|(_, target)| target.outcome.is_open());
            let work = open.map(|(n, target)| async move { (n, self.one(target).await) });
            let mut work = std::pin::pin!(stream::iter(work).buffer_unordered(AT_A_TIME));
            while let Some((n, found)) = work.next().await {
                outcomes.push((n, found.outcome, found.wrote()));
                let differs = self.access.is_none() && found.differing.sum != Sum::default();
                if let Some(target) = targets.get(n).filter(|_| differs) {
                    planned
                        .by_repository
                        .insert(target.name.clone(), found.differing.clone());
                }
                lines.add(found);
            }
        }
        for (n, outcome, wrote) in outcomes {
            if let Some(target) = targets.get_mut(n) {
                (target.outcome, target.wrote) = (outcome, wrote);
            }
        }
        Settled {
            newest: !self.stale.load(Ordering::Relaxed),
            planned,
        }
    }

    /// Whether the file's settings may still be written. Asked right before every write, when its turn has come: a run of
    /// minutes must not go on writing what a newer file does not say any more.
    async fn may_write(&self, newest: &Newest<'_>) -> Result<(), AwsError> {
        if !self.stale.load(Ordering::Relaxed) {
            match newest.is_current().await {
                Ok(true) => return Ok(()),
                Ok(false) => self.stale.store(true, Ordering::Relaxed),
                Err(cause) => return Err(AwsError::not_now("HeadObject", cause.message)),
            }
        }
        Err(AwsError::not_now("HeadObject", "a newer file has come".into()))
    }
}

/// What came of some targets, by registry.
pub fn progress<'t, 'a: 't>(targets: impl Iterator<Item = &'t RepositoryTarget<'a>>) -> BTreeMap<&'a str, Progress> {
    let mut by_registry: BTreeMap<&str, Progress> = BTreeMap::new();
    for target in targets {
        let progress = by_registry.entry(target.registry).or_default();
        let count = match target.outcome {
            RepositoryOutcome::Gone => continue,
            RepositoryOutcome::Done => &mut progress.done,
            RepositoryOutcome::Held => &mut progress.held,
            RepositoryOutcome::Failed => &mut progress.failed,
            RepositoryOutcome::Planned | RepositoryOutcome::Stuck | RepositoryOutcome::Untried => &mut progress.to_do,
        };
        *count += 1;
        progress.found += 1;
        progress.changed += u64::from(target.wrote);
    }
    by_registry
}
