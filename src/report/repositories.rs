//! How far the repositories that exist already are: counts, and what the queue has of them.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::State;
use super::view::count;
use crate::trigger::Mode;

/// Counts of repositories that exist already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// All that belong to the registry, or to any of the file.
    pub found: u64,
    /// As the file says.
    pub done: u64,
    /// Of all these, the ones that something was written to.
    pub changed: u64,
    /// Some of their settings wait for a decision.
    pub held: u64,
    /// Something of them failed.
    pub failed: u64,
    /// Not looked at yet; in a plan, to be changed.
    pub to_do: u64,
}

impl AddAssign for Progress {
    fn add_assign(&mut self, other: Self) {
        let Self {
            found,
            done,
            changed,
            held,
            failed,
            to_do,
        } = other;
        // The counts of a status are whatever somebody wrote there.
        self.found = self.found.saturating_add(found);
        self.done = self.done.saturating_add(done);
        self.changed = self.changed.saturating_add(changed);
        self.held = self.held.saturating_add(held);
        self.failed = self.failed.saturating_add(failed);
        self.to_do = self.to_do.saturating_add(to_do);
    }
}

/// The existing repositories of all registries together, and how their work goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// The sum over all registries.
    #[serde(flatten)]
    pub progress: Progress,
    /// What the queue has been given, where one invocation could not finish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
}

/// What was given to the queue, and what has come of it.
///
/// Every part is written over by the message that works on it, never added to: a message that comes twice, or late,
/// changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The run that gave it.
    pub id: String,
    /// What that run itself did, by registry.
    pub base: BTreeMap<String, Base>,
    /// By the number of the message.
    pub parts: BTreeMap<u32, Part>,
}

/// A registry without what is in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The registry's state, were it not for its repositories.
    pub state: State,
    /// Why it is in this state.
    pub message: Option<String>,
    /// The repositories that were not given to the queue.
    pub progress: Progress,
}

/// The repositories of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Whose they are.
    pub registry: String,
    /// How far they are.
    pub progress: Progress,
}

impl Work {
    /// How far a registry is, with all of its messages.
    pub fn progress(&self, registry: &str) -> Progress {
        let mut sum = self.base.get(registry).map(|base| base.progress).unwrap_or_default();
        for part in self.parts.values().filter(|part| part.registry == registry) {
            sum += part.progress;
        }
        sum
    }
}

impl Base {
    /// The registry's state and message with what its existing repositories do to them: it is ready when nothing of it
    /// failed, is held or is still to do.
    pub fn with(
        &self,
        progress: Progress,
        mode: Mode,
        queued: bool,
        unlisted: Option<String>,
    ) -> (State, Option<String>) {
        let Progress {
            held, failed, to_do, ..
        } = progress;
        // Without the number of all: one more that is cached meanwhile makes no news of old trouble.
        let some = |n: u64, what: &str| {
            let many = count(usize::try_from(n).unwrap_or(usize::MAX), "existing repository");
            format!("{many} {what}")
        };
        let (worse, reason) = match (unlisted, mode) {
            (Some(error), _) => (
                State::Failed,
                format!("its existing repositories could not be listed: {error}"),
            ),
            _ if failed > 0 => (State::Failed, some(failed, "failed")),
            _ if held > 0 => (State::Held, format!("{}; pulling works", some(held, "held"))),
            _ if to_do == 0 => return (self.state, self.message.clone()),
            (_, Mode::Apply) if queued => (State::Planned, some(to_do, "still to do, and in the queue")),
            (_, Mode::Apply) => (State::Planned, some(to_do, "still to do")),
            (_, Mode::Plan | Mode::Validate) => (State::Planned, some(to_do, "to change")),
        };
        match (self.state, &self.message) {
            (State::Ready, _) => (worse, Some(reason)),
            // A reason of the registry's own matters more, but hides nothing.
            (state, Some(message)) => (state, Some(format!("{message}; {reason}"))),
            (state, None) => (state, Some(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_ready_when_its_repositories_are() {
        let progress = |held, failed, to_do| Progress {
            found: 9,
            done: 9,
            changed: 0,
            held,
            failed,
            to_do,
        };
        let base = |state, message| Base {
            state,
            message,
            progress: Progress::default(),
        };
        for (state, progress, mode, end) in [
            (State::Ready, progress(0, 0, 0), Mode::Apply, State::Ready),
            (State::Ready, progress(1, 0, 1), Mode::Apply, State::Held),
            (State::Ready, progress(1, 1, 1), Mode::Apply, State::Failed),
            (State::Ready, progress(0, 0, 1), Mode::Apply, State::Planned),
            (State::Planned, progress(1, 0, 0), Mode::Plan, State::Planned),
            (State::Failed, progress(1, 0, 0), Mode::Apply, State::Failed),
        ] {
            assert_eq!(
                base(state, None).with(progress, mode, true, None).0,
                end,
                "{state:?} {progress:?}"
            );
        }
        let (_, message) = base(State::Failed, Some("x".into())).with(progress(2, 0, 0), Mode::Apply, true, None);
        assert_eq!(
            message.as_deref(),
            Some("x; 2 existing repositories held; pulling works")
        );
    }
}
