//! What a report says to people, before it is a page: the Markdown beside the status and the pages of `ptc` are made of this.

use std::collections::BTreeSet;
use std::fmt;

use super::{Change, ChangeResult, Expires, Outcome, Progress, RegistryReport, Report, State};
use crate::plan::Action;

/// What a line says happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nothing, or nothing new.
    Same,
    Added,
    Removed,
    Changed,
    /// Somebody has to look at it.
    Attention,
}

impl Mark {
    /// As `diff` writes it, and its likes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::Added => "+",
            Self::Removed => "-",
            Self::Changed => "~",
            Self::Attention => "!",
        }
    }
}

impl From<Outcome> for Mark {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Converged | Outcome::Changed => Self::Added,
            Outcome::Pending | Outcome::Ignored => Self::Changed,
            Outcome::Partial | Outcome::Rejected => Self::Attention,
        }
    }
}

impl From<State> for Mark {
    fn from(state: State) -> Self {
        match state {
            State::Ready => Self::Added,
            State::Planned => Self::Changed,
            State::Held | State::Failed => Self::Attention,
        }
    }
}

/// `1 image`, `2 registries`.
pub fn count(n: usize, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) => format!("{n} {what}s"),
    }
}

/// How many names a sentence has.
const MOST_NAMES: usize = 5;

/// A few of many names.
pub fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The word that the JSON report uses.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

impl RegistryReport {
    /// Why it is in its state, and what became of the last pull that failed.
    pub fn message_words(&self) -> String {
        let last = self
            .last_pull_failure
            .as_ref()
            .map(|last| format!("last failed pull, {}: {}", last.at, last.words()));
        let words: Vec<String> = self.message.iter().cloned().chain(last).collect();
        words.join("; ")
    }

    /// What is known of its credential, in a few words: `valid, until 2027-05-01`.
    pub fn credential_words(&self) -> String {
        let state = self.credential.as_str();
        match &self.expires {
            None => state.to_owned(),
            Some(Expires { at, days, .. }) => {
                let day = at.get(..10).unwrap_or(at);
                let word = if *days < 0 { "lapsed" } else { "until" };
                format!("{state}, {word} {day}")
            }
        }
    }
}

impl Change {
    /// What happens to the resource.
    pub fn mark(&self) -> Mark {
        match (self.result, self.action) {
            (ChangeResult::Held | ChangeResult::Failed | ChangeResult::Skipped, _) => Mark::Attention,
            (_, Action::Create | Action::Restore) => Mark::Added,
            (_, Action::Delete) => Mark::Removed,
            _ => Mark::Changed,
        }
    }

    /// In a few words: `update template dockerhub`.
    pub fn words(&self) -> String {
        let more = self.more.map(|n| format!("{n} more: ")).unwrap_or_default();
        let (action, resource) = (word(&self.action), word(&self.resource).replace('_', " "));
        format!("{more}{action} {resource} {}", self.id)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            found,
            done,
            changed,
            held,
            failed,
            to_do,
        } = self;
        write!(
            f,
            "{found} found, {done} done ({changed} changed), {held} held, {failed} failed, {to_do} to do"
        )
    }
}

/// A reason why something failed or is held, with all that waits for it; or what was not done, which has no reason.
pub struct Blocker<'a> {
    result: &'static str,
    why: Option<&'a str>,
    pub since: Option<&'a str>,
    changes: Vec<&'a Change>,
    /// In the order of the changes.
    registries: Vec<&'a str>,
}

impl Blocker<'_> {
    /// Whether this is its reason.
    pub fn is_for(&self, why: &str) -> bool {
        self.why == Some(why)
    }

    /// Whether it stops a change, and not a registry alone.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The registries, the result and the reason, for a page that shows the changes elsewhere.
    pub fn line(&self) -> String {
        format!("{}: {}{}", self.registries.join(", "), self.result, self.because())
    }

    /// The same with its changes, each on a line of its own where there are several.
    pub fn lines(&self) -> Vec<String> {
        let told = |change: &Change| format!("{}: {}", change.registry, change.words());
        match self.changes.as_slice() {
            [] => vec![self.line()],
            [change] => vec![format!("{}: {}{}", told(change), self.result, self.because())],
            changes => {
                let first = format!("{}{}", self.result, self.because());
                std::iter::once(first)
                    .chain(changes.iter().map(|change| format!("    {}", told(change))))
                    .collect()
            }
        }
    }

    fn because(&self) -> String {
        self.why.map(|why| format!(": {why}")).unwrap_or_default()
    }
}

impl Report {
    /// A sentence about the registries that the file has for other stacks, where it has some.
    pub fn elsewhere_words(&self) -> Option<String> {
        let names = some(self.elsewhere.iter().map(String::as_str));
        (!names.is_empty()).then(|| format!("for other stacks (`only`): {names}"))
    }

    /// Each reason once.
    pub fn blockers(&self) -> Vec<Blocker<'_>> {
        let mut blockers: Vec<Blocker<'_>> = Vec::new();
        for change in &self.changes {
            let result = match change.result {
                ChangeResult::Failed => "failed",
                ChangeResult::Held => "held",
                ChangeResult::Skipped => "not done",
                ChangeResult::Applied | ChangeResult::Planned => continue,
            };
            let blocker = Blocker {
                result,
                why: change.error.as_deref(),
                since: change.since.as_deref(),
                changes: vec![change],
                registries: vec![&change.registry],
            };
            add(&mut blockers, blocker);
        }
        // A registry with such a change waits, or failed, for that.
        let told: BTreeSet<&str> = blockers.iter().flat_map(|of| of.registries.clone()).collect();
        for (name, registry) in self.registries.iter().filter(|(name, _)| !told.contains(name.as_str())) {
            if let (State::Held | State::Failed, Some(why)) = (registry.state, registry.message.as_deref()) {
                let blocker = Blocker {
                    result: registry.state.as_str(),
                    why: Some(why),
                    since: registry.since.as_deref(),
                    changes: Vec::new(),
                    registries: vec![name],
                };
                add(&mut blockers, blocker);
            }
        }
        blockers
    }

    /// A plan in a sentence: `2 to create, 1 to change, 1 held`.
    pub fn tally(&self) -> String {
        let count = |of: &dyn Fn(&Change) -> bool| -> usize {
            let changes = self.changes.iter().filter(|change| of(change));
            changes.map(|change| change.more.unwrap_or(1)).sum()
        };
        let planned = |mark: Mark| count(&|c| c.result == ChangeResult::Planned && c.mark() == mark);
        let counts = [
            (planned(Mark::Added), "to create"),
            (planned(Mark::Changed), "to change"),
            (planned(Mark::Removed), "to delete"),
            (count(&|c| c.result == ChangeResult::Held), "held"),
            (count(&|c| c.result == ChangeResult::Failed), "failed"),
        ];
        let counts = counts.into_iter().filter(|(n, _)| *n > 0);
        let words: Vec<String> = counts.map(|(n, what)| format!("{n} {what}")).collect();
        match self.outcome {
            _ if !words.is_empty() => words.join(", "),
            Outcome::Converged => "nothing to change".into(),
            _ => "no change could be planned".into(),
        }
    }

    /// Whether something of a plan is wrong, whatever else there is to do.
    pub fn is_wrong(&self) -> bool {
        self.registries.values().any(|registry| registry.state == State::Failed)
            || self.changes.iter().any(|change| change.result == ChangeResult::Failed)
            || !matches!(self.outcome, Outcome::Converged | Outcome::Pending)
    }
}

fn add<'a>(blockers: &mut Vec<Blocker<'a>>, new: Blocker<'a>) {
    let key = |of: &Blocker<'a>| (of.result, of.why, of.since);
    match blockers.iter_mut().find(|known| key(known) == key(&new)) {
        Some(known) => {
            known.changes.extend(new.changes);
            for name in new.registries {
                if !known.registries.contains(&name) {
                    known.registries.push(name);
                }
            }
        }
        None => blockers.push(new),
    }
}
