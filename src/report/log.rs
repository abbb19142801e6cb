//! The report in the log: a line for every change that was not applied, for every registry that is not as it should
//! be, and for the run. Applied changes have been logged when they were.

use tracing::{info, warn};

use super::{Change, ChangeResult, Existing, Progress, Report, State};
use crate::plan::Resource;

/// Logs what a run has not logged on its way.
pub fn log(report: &Report) {
    for change in report.changes.iter().filter(|change| is_told(change)) {
        let error = change.error.as_deref().unwrap_or_default();
        match change.result {
            ChangeResult::Applied => {}
            ChangeResult::Planned => info!(registry = %change.registry, resource = ?change.resource,
                action = ?change.action, id = %change.id, fields = ?change.fields, "planned"),
            result => warn!(registry = %change.registry, resource = ?change.resource, action = ?change.action,
                id = %change.id, fields = ?change.fields, result = ?result, error, "not applied"),
        }
    }
    for (name, registry) in &report.registries {
        if matches!(registry.state, State::Failed | State::Held) {
            let why = registry.message.as_deref().unwrap_or_default();
            warn!(registry = %name, state = registry.state.as_str(), credential = registry.credential.as_str(), why,
                "registry is not ready");
        }
    }
    for problem in &report.errors {
        let registry = problem.registry.as_deref().unwrap_or_default();
        let code = problem.code;
        warn!(%code, registry, line = problem.line, column = problem.column, why = %problem.message, "error in the file");
    }
    if let Some(Existing { progress, .. }) = &report.existing_repositories {
        let Progress {
            found,
            done,
            changed,
            held,
            failed,
            to_do,
        } = *progress;
        info!(found, done, changed, held, failed, to_do, "existing repositories");
    }
    info!(outcome = report.outcome.as_str(), mode = report.mode.as_str(), trigger = report.trigger.kind.as_str(),
        source = %report.trigger.source, summary = %report.message, aws_calls = report.stats.aws_calls,
        duration_ms = report.stats.duration_ms, "run finished");
}

/// Of a thousand repositories the log has what is new trouble; the report lists them.
fn is_told(change: &Change) -> bool {
    change.resource != Resource::Repository || (change.result != ChangeResult::Planned && change.since.is_none())
}
