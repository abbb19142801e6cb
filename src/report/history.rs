//! The last status object: when the last success was, and what is old news.

use serde::Deserialize;

use super::{Change, ChangeResult, ConfigReport, Report, State};
use crate::plan::{Action, Resource};

/// What is needed of the last status. Anything it lacks, or another version of it, is simply no history.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Past {
    run_id: String,
    started_at: String,
    finished_at: String,
    /// See [`Report::last_success_at`].
    pub last_success_at: Option<String>,
    /// The file the last run worked from.
    pub config: ConfigReport,
    changes: Vec<PastChange>,
    registries: std::collections::BTreeMap<String, PastRegistry>,
}

#[derive(Debug, Clone, Deserialize)]
struct PastChange {
    registry: String,
    resource: Resource,
    action: Action,
    id: String,
    result: ChangeResult,
    error: Option<String>,
    since: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct PastRegistry {
    state: State,
    message: Option<String>,
    since: Option<String>,
}

impl Past {
    /// Reads a status object; one that cannot be read is no history.
    pub fn from_status(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// Whether this is the status of that very report.
    pub fn is_of(&self, report: &Report) -> bool {
        (&self.run_id, &self.started_at, &self.finished_at) == (&report.run_id, &report.started_at, &report.finished_at)
    }

    /// Marks what is held or failed for the same reason as last time with the first time, so that alarms ring for
    /// news.
    pub fn mark_old_news(&self, report: &mut Report) {
        for change in &mut report.changes {
            if matches!(change.result, ChangeResult::Failed | ChangeResult::Held) {
                let same = self.changes.iter().find(|past| past.is_same(change));
                change.since = same.map(|past| self.first_time(past.since.as_ref()));
            }
        }
        for (name, registry) in &mut report.registries {
            if matches!(registry.state, State::Failed | State::Held) {
                let past = self.registries.get(name);
                let same = past.filter(|past| past.state == registry.state && past.message == registry.message);
                registry.since = same.map(|past| self.first_time(past.since.as_ref()));
            }
        }
    }

    fn first_time(&self, since: Option<&String>) -> String {
        since.unwrap_or(&self.started_at).clone()
    }
}

impl PastChange {
    fn is_same(&self, change: &Change) -> bool {
        self.registry == change.registry
            && self.resource == change.resource
            && self.action == change.action
            && self.id == change.id
            && self.result == change.result
            && self.error == change.error
    }
}
