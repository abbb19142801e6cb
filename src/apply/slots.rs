//! How many calls are under way at a time, by what they ask of whom. Waiting for something to settle takes no slot, and
//! one service's calls do not wait for another's.

use tokio::sync::{Semaphore, SemaphorePermit};

/// ECR documents no rate for writing rules and templates, and throttles each of its operations by itself; a few of each at a
/// time with the SDK's retries is safe.
const RULES: usize = 4;
const TEMPLATES: usize = 4;

/// Secrets Manager takes 50 calls a second of each kind; at 20 ms a call, and in a sequence of three kinds, this is near it.
const SECRETS: usize = 8;

/// What only looks is as many as there are registries at most. ECR's are the few that follow a write.
const READS: usize = 32;

/// The kind of call that a slot is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// It changes nothing.
    Read,
    Rule,
    Template,
    Secrets,
}

#[derive(Debug)]
pub struct Slots {
    reads: Semaphore,
    rules: Semaphore,
    templates: Semaphore,
    secrets: Semaphore,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            reads: Semaphore::new(READS),
            rules: Semaphore::new(RULES),
            templates: Semaphore::new(TEMPLATES),
            secrets: Semaphore::new(SECRETS),
        }
    }
}

impl Slots {
    /// Waits for a slot, which is free again when the answer is dropped.
    pub(super) async fn take(&self, slot: Slot) -> Option<SemaphorePermit<'_>> {
        let slots = match slot {
            Slot::Read => &self.reads,
            Slot::Rule => &self.rules,
            Slot::Template => &self.templates,
            Slot::Secrets => &self.secrets,
        };
        // They are never closed; if they were, a call without a slot is better than none.
        slots.acquire().await.ok()
    }
}
