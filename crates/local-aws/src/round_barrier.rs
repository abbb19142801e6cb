//! Answers that leave together: how many sequential round trips a client needs, without a stopwatch.
//!
//! A latency shows what runs side by side only as long as the client sends faster than it: on a slow machine the first
//! answer is back before the last call is out. So a round has no fixed length. The barrier holds calls until none has come
//! for a while, then lets all of them go at once. What they lead to is the next round.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

use crate::lock::lock;

/// Holds the calls of one round until the round is over.
#[derive(Debug, Default)]
pub(crate) struct RoundBarrier {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    quiet: Option<Duration>,
    number: u64,
    last_call: Option<Instant>,
}

impl RoundBarrier {
    /// From now on answers leave together, once no call has come for so long; `None` ends that.
    pub(crate) fn set(&self, quiet: Option<Duration>) {
        lock(&self.inside).quiet = quiet;
    }

    /// Waits until the round of a call that comes now is over.
    pub(crate) async fn wait(&self) {
        let mine = {
            let mut inside = lock(&self.inside);
            inside.last_call = Some(Instant::now());
            inside.number
        };
        while let Some(until) = self.until(mine) {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Until when a call of this round has to wait, as far as is known; the first that finds the time over ends the round
    /// for all.
    fn until(&self, mine: u64) -> Option<Instant> {
        let mut inside = lock(&self.inside);
        let until = inside.last_call? + inside.quiet?;
        if inside.number != mine {
            return None;
        }
        if Instant::now() < until {
            return Some(until);
        }
        inside.number += 1;
        None
    }
}
