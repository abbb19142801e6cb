//! The last status object: when the last success was, and what is old news.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Change, ChangeResult, ConfigReport, Outcome, Report, State, Warm};
use crate::cause::Reason;
use crate::plan::{Action, Resource};

/// What is needed of the last status. Anything it lacks, or another version of it, is simply no history.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Past {
    run_id: String,
    started_at: String,
    finished_at: String,
    outcome: Option<Outcome>,
    /// See [`Report::last_success_at`].
    pub last_success_at: Option<String>,
    /// The file the last run worked from.
    pub config: ConfigReport,
    pub changes: Vec<Change>,
    registries: BTreeMap<String, PastRegistry>,
    pub memory: Memory,
}

/// What a status passes on to the runs after it. Nothing is deleted on its word alone: it can only make a run wait.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Registries that are this stack's own: of its files, and of those that left until they are gone.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub named: BTreeSet<String>,
    /// Registries whose rule did not work in the place of one that left the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, Refused>,
}

/// With what a registry's rule did not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub config: ConfigReport,
    pub secret_version: Option<String>,
}

impl Memory {
    /// Whether there is nothing to pass on.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What still holds of the refusals: the file is the same, and the secret's current version.
    pub fn still_refused(
        &self,
        config: &ConfigReport,
        current: impl Fn(&str) -> Option<String>,
    ) -> BTreeMap<String, Refused> {
        let same = self
            .refused
            .iter()
            .filter(|(name, refused)| refused.config.is_same_upload(config) && refused.secret_version == current(name));
        same.map(|(name, refused)| (name.clone(), refused.clone())).collect()
    }
}

#[derive(Debug, Clone, Deserialize)]
struct PastRegistry {
    state: State,
    reason: Option<Reason>,
    since: Option<String>,
    #[serde(default)]
    warm: Option<Warm>,
}

impl Past {
    /// The registries that a status has named as this stack's own; `None` where none has named any.
    pub fn known(&self) -> Option<BTreeSet<String>> {
        let of_older_release = || self.registries.keys().cloned().collect();
        let known: BTreeSet<String> = if self.memory.named.is_empty() {
            of_older_release()
        } else {
            self.memory.named.clone()
        };
        (!known.is_empty()).then_some(known)
    }

    pub fn of_names(past: Self) -> Self {
        Self {
            memory: Memory {
                named: past.known().unwrap_or_default(),
                ..Memory::default()
            },
            ..Self::default()
        }
    }

    /// What is passed on by a run that comes to nothing.
    pub fn passed_on(&self) -> Memory {
        Memory {
            named: self.known().unwrap_or_default(),
            ..self.memory.clone()
        }
    }

    /// Adds what the same run has named in a round before, whose status was not written.
    pub fn knows(&mut self, named: &BTreeSet<String>) {
        if let Some(mut known) = self.known() {
            known.extend(named.iter().cloned());
            self.memory.named = known;
        }
    }

    /// Reads a status object; one that cannot be read is no history.
    pub fn from_status(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).map(Self::believed).unwrap_or_default()
    }

    /// What can be believed of it: whoever may write the object may have. Its texts go into our own reports.
    fn believed(mut self) -> Self {
        let time = |text: Option<String>| text.and_then(|text| Some(text.parse::<Timestamp>().ok()?.to_string()));
        self.last_success_at = time(self.last_success_at);
        self.changes
            .iter_mut()
            .for_each(|change| change.since = time(change.since.take()));
        self.registries.values_mut().for_each(|registry| {
            registry.since = time(registry.since.take());
            registry.warm = registry.warm.take().map(Warm::believed);
        });
        self
    }

    /// Whether this is the status of that very report.
    pub fn is_of(&self, report: &Report) -> bool {
        (&self.run_id, &self.started_at, &self.finished_at) == (&report.run_id, &report.started_at, &report.finished_at)
    }

    /// Marks what is held or failed for the same reason as last time with the first time, so that alarms ring for
    /// news.
    pub fn mark_old_news(&self, report: &mut Report) {
        let known: HashMap<Identity<'_>, &Change> = self.changes.iter().map(|past| (identity(past), past)).collect();
        for change in &mut report.changes {
            if matches!(change.result, ChangeResult::Failed | ChangeResult::Held) {
                let same = known.get(&identity(change));
                change.since = same.and_then(|past| self.first_time(past.since.as_ref()));
            }
        }
        for (name, registry) in &mut report.registries {
            let trouble = matches!(registry.state, State::Failed | State::Held);
            let past = self.registries.get(name).filter(|_| trouble);
            let same = past.filter(|past| past.state == registry.state && past.reason == registry.reason);
            registry.since = same.and_then(|past| self.first_time(past.since.as_ref()));
        }
    }

    /// What is known of warm images, for the report of a run that does not look after them.
    pub fn hand_on_warm(&self, report: &mut Report) {
        if report.warmed {
            return;
        }
        for (name, registry) in &mut report.registries {
            let past = self.registries.get(name).and_then(|past| past.warm.as_ref());
            registry.warm = registry.warm.take().or_else(|| past.cloned());
        }
    }

    /// Whether the last run, over this very version of the file, left a registry as the file says. Without versions it
    /// goes by the time of the upload. What a run over a refused file calls ready was only proven.
    pub fn left_ready(&self, config: &ConfigReport, registry: &str) -> bool {
        let same_file = self.config.is_same_upload(config) && self.outcome != Some(Outcome::Rejected);
        same_file
            && self
                .registries
                .get(registry)
                .is_some_and(|past| past.state == State::Ready)
    }

    /// The lines about repositories that were held or failed, those that sum up aside.
    pub fn troubles(&self) -> impl Iterator<Item = &Change> {
        let of_repository = self
            .changes
            .iter()
            .filter(|c| c.resource == Resource::Repository && c.more.is_none());
        of_repository.filter(|change| matches!(change.result, ChangeResult::Held | ChangeResult::Failed))
    }

    fn first_time(&self, since: Option<&String>) -> Option<String> {
        since
            .or(Some(&self.started_at).filter(|time| time.parse::<Timestamp>().is_ok()))
            .cloned()
    }
}

/// What makes two changes the same trouble.
type Identity<'a> = (&'a str, Resource, Action, &'a str, ChangeResult, Option<&'a Reason>);

fn identity(change: &Change) -> Identity<'_> {
    let Change {
        registry,
        resource,
        action,
        id,
        result,
        reason,
        ..
    } = change;
    (registry, *resource, *action, id, *result, reason.as_ref())
}
