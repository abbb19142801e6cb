//! The report in numbers, in CloudWatch's embedded metric format: a line of JSON for every set of dimensions, which
//! CloudWatch Logs makes metrics of. No call, no permission.
//!
//! Written with serde_json alone: the report is one value, counted once. What libraries for this format bring (sinks,
//! aggregation, a recorder for the whole process) would only cost size and cold start.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::view::word;
use super::{Change, ChangeResult, CredentialState, Outcome, Past, RegistryReport, Report, State};
use crate::plan::Action;

/// The namespace of all metrics.
pub const NAMESPACE: &str = "EcrPullThroughSync";

/// The longest value of a dimension, in characters. CloudWatch takes 1024; ours are names of registries and stacks.
const LONGEST: usize = 250;

/// CloudWatch's names of units.
#[derive(Debug, Clone, Copy, Serialize)]
enum Unit {
    Count,
    Milliseconds,
    Seconds,
    None,
}

type Metric = (&'static str, Unit, i64);

/// The lines of a run whose status has been written: one of the whole, one for every credential that ECR has judged or that is
/// known to lapse, one for every action that changed something.
///
/// `own` is what this very run did, which of a message is less than the status tells. `before` is the status that the
/// run started from.
pub fn lines(report: &Report, own: &[Change], before: &Past, owner: &str) -> Vec<String> {
    let Ok(finished_at) = report.finished_at.parse::<Timestamp>() else {
        return Vec::new();
    };
    let line = |dimension: Option<(&'static str, &str)>, metrics: &[Metric]| {
        let dimensions: Vec<(&'static str, &str)> = std::iter::once(("Stack", owner)).chain(dimension).collect();
        line(finished_at, &dimensions, metrics)
    };
    let mut lines = vec![line(None, &of_run(report, own, before, finished_at))];
    for (name, registry) in &report.registries {
        let valid = match registry.credential {
            CredentialState::Valid => Some(1),
            CredentialState::Invalid => Some(0),
            CredentialState::None | CredentialState::Unchecked => None,
        };
        let valid = valid.map(|valid| ("CredentialValid", Unit::None, valid));
        let days = registry
            .expires
            .as_ref()
            .map(|expires| ("DaysToExpiry", Unit::None, expires.days));
        let metrics: Vec<Metric> = valid.into_iter().chain(days).collect();
        if !metrics.is_empty() {
            lines.push(line(Some(("Registry", name)), &metrics));
        }
    }
    let mut actions: BTreeMap<Action, u64> = BTreeMap::new();
    for change in own.iter().filter(|change| change.result == ChangeResult::Applied) {
        *actions.entry(change.action).or_default() += weight(change);
    }
    for (action, n) in actions {
        lines.push(line(
            Some(("Action", &word(&action))),
            &[("Changes", Unit::Count, number(n))],
        ));
    }
    lines
}

/// The lines of pulls that failed and were not told before: so many, by registry, and all of them. A credential that is refused since
/// then is a trouble like that of a run, and told as such at once.
pub fn pull_failures(
    by_registry: &BTreeMap<String, u64>,
    refused: usize,
    news: usize,
    owner: &str,
    now: Timestamp,
) -> Vec<String> {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let failures = |n: u64| ("PullFailures", Unit::Count, number(n));
    let all = by_registry.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
    let mut of_stack = vec![failures(all)];
    if refused > 0 {
        of_stack.extend([
            ("InvalidCredentials", Unit::Count, count(refused)),
            ("NewTroubles", Unit::Count, count(news)),
        ]);
    }
    let of_each = by_registry
        .iter()
        .map(|(name, n)| line(now, &[("Stack", owner), ("Registry", name)], &[failures(*n)]));
    std::iter::once(line(now, &[("Stack", owner)], &of_stack))
        .chain(of_each)
        .collect()
}

fn of_run(report: &Report, own: &[Change], before: &Past, finished_at: Timestamp) -> Vec<Metric> {
    let changes = |result| number(own.iter().filter(|change| change.result == result).map(weight).sum());
    let mut metrics = vec![
        ("Runs", Unit::Count, 1),
        (
            "RejectedFile",
            Unit::Count,
            i64::from(report.outcome == Outcome::Rejected),
        ),
        ("AccountUnread", Unit::Count, i64::from(report.blind)),
        ("ChangesApplied", Unit::Count, changes(ChangeResult::Applied)),
        ("ChangesFailed", Unit::Count, changes(ChangeResult::Failed)),
        ("ChangesHeld", Unit::Count, changes(ChangeResult::Held)),
        ("NewTroubles", Unit::Count, number(new_troubles(report))),
        (
            "Drift",
            Unit::Count,
            number(
                own.iter()
                    .filter(|change| is_drift(change, report, before))
                    .map(weight)
                    .sum(),
            ),
        ),
        ("Duration", Unit::Milliseconds, number(report.stats.duration_ms)),
        ("AwsCalls", Unit::Count, number(report.stats.aws_calls)),
    ];
    // Every accepted file has registries. A run that looked at none knows nothing of them, and a zero would say that all
    // is well, or that all is lost.
    if !report.registries.is_empty() {
        let count = |is: fn(&RegistryReport) -> bool| report.registries.values().map(|r| i64::from(is(r))).sum();
        metrics.extend([
            (
                "ReadyRegistries",
                Unit::Count,
                count(|registry| registry.state == State::Ready),
            ),
            (
                "NotReadyRegistries",
                Unit::Count,
                count(|registry| registry.state != State::Ready),
            ),
            (
                "InvalidCredentials",
                Unit::Count,
                count(|registry| registry.credential == CredentialState::Invalid),
            ),
        ]);
        let days = report
            .registries
            .values()
            .filter_map(|registry| Some(registry.expires.as_ref()?.days));
        if report.warmed {
            let ready = report
                .registries
                .values()
                .filter(|registry| registry.state == State::Ready);
            let missing = ready.filter_map(|registry| Some(registry.warm.as_ref()?.missing()));
            metrics.push(("WarmMissing", Unit::Count, number(missing.fold(0, u64::saturating_add))));
        }
        metrics.extend(days.min().map(|days| ("DaysToExpiry", Unit::None, days)));
        if report.outcome != Outcome::Rejected {
            let to_do = report
                .existing_repositories
                .as_ref()
                .map_or(0, |existing| existing.progress.to_do);
            metrics.push(("RepositoriesToDo", Unit::Count, number(to_do)));
        }
    }
    let last_success = report
        .last_success_at
        .as_ref()
        .and_then(|time| time.parse::<Timestamp>().ok());
    if let Some(last_success) = last_success {
        let seconds = finished_at.duration_since(last_success).as_secs();
        metrics.push(("SecondsSinceSuccess", Unit::Seconds, seconds.max(0)));
    }
    metrics
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What failed or is held, and was not or for another reason in the last status.
fn new_troubles(report: &Report) -> u64 {
    let is_trouble = |change: &&Change| matches!(change.result, ChangeResult::Failed | ChangeResult::Held);
    let changes = report
        .changes
        .iter()
        .filter(is_trouble)
        .filter(|change| change.since.is_none());
    let registries = report
        .registries
        .values()
        .filter(|r| matches!(r.state, State::Failed | State::Held));
    let registries = registries.filter(|registry| registry.since.is_none()).map(|_| 1);
    changes.map(weight).chain(registries).fold(0, u64::saturating_add)
}

/// Whether a change undoes what somebody else did: it was needed although the registry was as this very version of the
/// file says. Work that is merely continued (after a failure, or through the existing repositories) finds a
/// registry that was not ready. What leaves the account, and which version of a credential is current, is no drift: the
/// first waits for others to be proven, the second follows rotations.
fn is_drift(change: &Change, report: &Report, before: &Past) -> bool {
    let repairs = !matches!(change.action, Action::Delete | Action::Label | Action::Rollback);
    let applied = change.result == ChangeResult::Applied;
    applied && repairs && before.left_ready(&report.config, &change.registry)
}

/// How many changes a line of the report stands for.
fn weight(change: &Change) -> u64 {
    change.more.map_or(1, |more| u64::try_from(more).unwrap_or(u64::MAX))
}

fn line(time: Timestamp, dimensions: &[(&'static str, &str)], metrics: &[Metric]) -> String {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let definitions: Vec<Value> = metrics
        .iter()
        .map(|(name, unit, _)| json!({"Name": name, "Unit": unit}))
        .collect();
    let directive = json!({"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions});
    let metadata = json!({"Timestamp": time.as_millisecond(), "CloudWatchMetrics": [directive]});
    let mut line = Map::from_iter([("_aws".to_owned(), metadata)]);
    let bounded = |text: &str| text.chars().take(LONGEST).collect::<String>();
    line.extend(
        dimensions
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Value::from(bounded(text)))),
    );
    line.extend(
        metrics
            .iter()
            .map(|(name, _, value)| ((*name).to_owned(), Value::from(*value))),
    );
    Value::Object(line).to_string()
}
