//! What a run found and did, and its outcome: one word and one sentence.

use std::collections::{BTreeMap, BTreeSet};

use super::view::count;
use super::{Change, ChangeResult, Existing, Memory, Outcome, Progress, RegistryReport, Report, State};
use crate::cause::Reason;
use crate::trigger::Mode;
use config::Problem;

/// Everything of a report but who ran, when, over which file, and at what cost. See [`Report`] for the fields.
#[derive(Debug, Clone, Default)]
pub struct Results {
    pub outcome: Outcome,
    pub message: String,
    pub changes: Vec<Change>,
    pub registries: BTreeMap<String, RegistryReport>,
    pub pull_through_cache_urls: BTreeMap<String, String>,
    pub elsewhere: BTreeSet<String>,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
    pub plan_checksum: Option<String>,
    pub existing_repositories: Option<Existing>,
    pub memory: Memory,
    pub blind: bool,
    pub warmed: bool,
}

impl From<Report> for Results {
    fn from(report: Report) -> Self {
        let Report {
            run_id: _,
            started_at: _,
            finished_at: _,
            last_success_at: _,
            outcome,
            mode: _,
            message,
            trigger: _,
            config: _,
            changes,
            registries,
            pull_through_cache_urls,
            elsewhere,
            errors,
            warnings,
            plan_checksum,
            existing_repositories,
            memory,
            stats: _,
            blind,
            warmed,
        } = report;
        Self {
            outcome,
            message,
            changes,
            registries,
            pull_through_cache_urls,
            elsewhere,
            errors,
            warnings,
            plan_checksum,
            existing_repositories,
            memory,
            blind,
            warmed,
        }
    }
}

impl Results {
    /// With the outcome and the sentence that follow from the registries and changes of a run over an accepted file.
    pub fn judged(self, mode: Mode) -> Self {
        let (outcome, message) = judge(&self, mode);
        Self {
            outcome,
            message,
            ..self
        }
    }

    /// With the changes that the same run applied in passes before, over an earlier version of the file.
    pub fn after(self, earlier: &[Change]) -> Self {
        if earlier.is_empty() {
            return self;
        }
        let changes = [earlier, &self.changes].concat();
        let results = Self { changes, ..self };
        if matches!(results.outcome, Outcome::Converged | Outcome::Changed) {
            return results.judged(Mode::Apply);
        }
        let message = format!(
            "{}; before that, {} changes were applied over an earlier version of it",
            results.message,
            earlier.len()
        );
        Self { message, ..results }
    }

    /// Without what was to go into the queue, where that failed.
    pub fn not_queued(mut self) -> Self {
        let work = self
            .existing_repositories
            .as_mut()
            .and_then(|existing| existing.work.take());
        let Some(work) = work else { return self };
        for (name, base) in &work.base {
            if let Some(registry) = self.registries.get_mut(name) {
                (registry.state, registry.message) = base.with(work.progress(name), Mode::Apply, false, None);
            }
        }
        self.judged(Mode::Apply)
    }
}

fn judge(report: &Results, mode: Mode) -> (Outcome, String) {
    let count = |state| report.registries.values().filter(|r| r.state == state).count();
    let changes = |result| {
        let counts = report
            .changes
            .iter()
            .filter(|c| c.result == result)
            .map(|c| c.more.unwrap_or(1));
        counts.fold(0, usize::saturating_add)
    };
    let existing = report
        .existing_repositories
        .as_ref()
        .map(|existing| existing.progress)
        .unwrap_or_default();
    let to_do = existing.to_do > 0 && mode == Mode::Apply;
    let (failed, held): (usize, usize) = (count(State::Failed), count(State::Held));
    let failed_changes: usize = changes(ChangeResult::Failed) + changes(ChangeResult::Skipped);
    let any_failed = failed > 0 || failed_changes > 0 || existing.failed > 0 || to_do;
    let any_held = held > 0 || changes(ChangeResult::Held) > 0 || existing.held > 0;
    let planned: usize = changes(ChangeResult::Planned);
    let applied: usize = changes(ChangeResult::Applied);
    let all = report.registries.len();
    let troubles = troubles(report, existing);
    match mode {
        Mode::Apply if any_failed || any_held => {
            let ready = count(State::Ready);
            let message = format!(
                "{ready} of {}; {}; {troubles}",
                registries(all, "ready"),
                changes_words(applied, "applied")
            );
            (Outcome::Partial, message)
        }
        Mode::Apply if applied > 0 => (
            Outcome::Changed,
            format!("{}; {}", registries(all, "ready"), changes_words(applied, "applied")),
        ),
        Mode::Apply => (
            Outcome::Converged,
            format!("{}; nothing had to change", registries(all, "ready")),
        ),
        // A plan that shows anything to do is one, whatever else stands in the way; a proof that failed is not.
        Mode::Validate if any_failed => (
            Outcome::Partial,
            format!("{}; {troubles}", changes_words(planned, "to apply")),
        ),
        Mode::Plan if any_failed && planned == 0 && !any_held => (
            Outcome::Partial,
            format!("{}; {troubles}", changes_words(planned, "to apply")),
        ),
        Mode::Plan | Mode::Validate if planned > 0 || any_held => {
            let held = if any_held || any_failed {
                format!("; {troubles}")
            } else {
                String::new()
            };
            (
                Outcome::Pending,
                format!("{}{held}", changes_words(planned, "to apply")),
            )
        }
        Mode::Plan => (Outcome::Converged, "nothing to change".into()),
        Mode::Validate => (
            Outcome::Converged,
            format!("{}; nothing to change", registries(all, "ready")),
        ),
    }
}

fn registries(n: usize, state: &str) -> String {
    format!("{} {state}", count(n, "registry"))
}

fn changes_words(n: usize, what: &str) -> String {
    match n {
        0 => format!("no change {what}"),
        n => format!("{} {what}", count(n, "change")),
    }
}

/// The names of what is not as it should be; the reasons stand beside each registry.
fn troubles(report: &Results, existing: Progress) -> String {
    let late = |registry: &RegistryReport| registry.reason == Some(Reason::DEADLINE);
    let named = |word: &str, of: &dyn Fn(&RegistryReport) -> bool| {
        let names = report
            .registries
            .iter()
            .filter(|(_, registry)| of(registry))
            .map(|(name, _)| name.as_str());
        let names: Vec<&str> = names.collect();
        (!names.is_empty()).then(|| format!("{word}: {}", names.join(", ")))
    };
    let counts = [
        (existing.failed, "failed"),
        (existing.held, "held"),
        (existing.to_do, "to do"),
    ];
    let counts = counts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"));
    let counts: Vec<String> = counts.collect();
    let repositories =
        (!counts.is_empty()).then(|| format!("of {} existing repositories {}", existing.found, counts.join(", ")));
    let skipped = report
        .changes
        .iter()
        .filter(|change| change.result == ChangeResult::Skipped)
        .count();
    let words = [
        named("failed", &|registry| registry.state == State::Failed && !late(registry)),
        named("held", &|registry| registry.state == State::Held),
        named("not finished", &|registry| {
            registry.state == State::Failed && late(registry)
        }),
        repositories,
        (skipped > 0).then(|| changes_words(skipped, "not made")),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() {
        "some changes failed or are held".into()
    } else {
        words.join("; ")
    }
}
