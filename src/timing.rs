//! Time: how long to wait for AWS to settle, and when to stop before Lambda does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Says what is being waited for to whoever watches, as long as the span lives. The log has none of it.
pub fn waiting(what: &str) -> tracing::Span {
    tracing::info_span!("waiting", what)
}

/// What time it is, and how patient a run is. Production uses [`Timing::default`]; tests set it.
#[derive(Debug, Clone)]
pub struct Timing {
    /// The time of day.
    pub now: fn() -> Timestamp,
    /// The first wait for something that AWS has made but does not see yet. Doubles from wait to wait.
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// How long to wait in all. ECR has been seen to miss a fresh secret for more than 10 s
    /// (entigo-infralib PR 1645).
    pub patience: Duration,
    /// How long to wait for a lifecycle preview in all. AWS's own waiter gives up after 100 s
    /// (LifecyclePolicyPreviewComplete).
    pub preview_patience: Duration,
    /// How long before Lambda's deadline no new write begins.
    pub wind_down: Duration,
    /// How long before Lambda's deadline a call under way is given up.
    pub last_call: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            now: Timestamp::now,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(8),
            patience: Duration::from_secs(60),
            preview_patience: Duration::from_secs(180),
            wind_down: Duration::from_secs(8),
            last_call: Duration::from_secs(4),
        }
    }
}

impl Timing {
    /// The waits, in order, until patience ends.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        self.waits_for(self.patience)
    }

    /// The same for a lifecycle preview.
    pub fn preview_waits(&self) -> impl Iterator<Item = Duration> + use<> {
        self.waits_for(self.preview_patience)
    }

    fn waits_for(&self, patience: Duration) -> impl Iterator<Item = Duration> + use<> {
        let Self {
            first_wait,
            longest_wait,
            ..
        } = *self;
        let mut waited = Duration::ZERO;
        let mut next = first_wait;
        std::iter::from_fn(move || {
            if waited >= patience {
                return None;
            }
            let wait = next.min(longest_wait).min(patience - waited);
            waited += wait;
            next = next.saturating_mul(2);
            Some(wait)
        })
    }
}

/// A request to stop early, such as Ctrl-C.
#[derive(Debug, Clone, Default)]
pub struct CancellationToken(Arc<Cancellation>);

#[derive(Debug, Default)]
struct Cancellation {
    asked: AtomicBool,
    heard: Notify,
}

impl CancellationToken {
    /// Asks the run to stop. Calls under way are finished, no new write begins, and nothing is waited for.
    pub fn cancel(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
        self.0.heard.notify_waiters();
    }

    fn is_cancelled(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    async fn cancelled(&self) {
        let heard = self.0.heard.notified();
        if !self.is_cancelled() {
            heard.await;
        }
    }
}

/// When this invocation must come to an end.
#[derive(Debug, Clone)]
pub struct Deadline {
    stop: CancellationToken,
    stop_writing: Instant,
    give_up: Instant,
    end: Instant,
    lambda_end: Instant,
}

impl Deadline {
    /// From the time that is left until Lambda ends the process.
    pub fn in_time(left: Duration, timing: &Timing) -> Self {
        let now = Instant::now();
        // A function with a very short timeout still gets half of it to work in.
        let stop = left.saturating_sub(timing.wind_down).max(left / 2);
        let give_up = left.saturating_sub(timing.last_call).max(stop);
        let end = left.saturating_sub(timing.last_call / 4).max(give_up);
        Self {
            stop: CancellationToken::default(),
            stop_writing: now + stop,
            give_up: now + give_up,
            end: now + end,
            lambda_end: now + left,
        }
    }

    /// The same, and no later than somebody asks for.
    #[must_use]
    pub fn or(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Whether no new write is to begin.
    pub fn is_near(&self) -> bool {
        self.stop.is_cancelled() || Instant::now() >= self.stop_writing
    }

    /// Whether somebody has asked for the end.
    pub fn is_asked_for(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// What came first, for a message.
    pub fn what(&self) -> &'static str {
        if self.is_asked_for() {
            "the end that was asked for"
        } else {
            "Lambda's deadline"
        }
    }

    /// The same with less time to write, so that some is left for telling what is not done.
    #[must_use]
    pub fn earlier(mut self, by: Duration) -> Self {
        self.stop_writing = self.stop_writing.checked_sub(by).unwrap_or(self.stop_writing);
        self
    }

    /// The same, with no new write in the time right before Lambda's deadline.
    #[must_use]
    pub fn without_last(mut self, time: Duration) -> Self {
        let stop = self.lambda_end.checked_sub(time).unwrap_or(self.stop_writing);
        self.stop_writing = self.stop_writing.min(stop);
        self
    }

    /// Waits, unless the end would come first; says whether it waited.
    pub async fn wait(&self, duration: Duration) -> bool {
        if self.is_near() || Instant::now() + duration >= self.stop_writing {
            return false;
        }
        tokio::time::timeout(duration, self.stop.cancelled()).await.is_err()
    }

    /// Runs to the end or until a second or so before Lambda's deadline: for putting back what was taken away.
    pub async fn at_last<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.end, work).await.ok()
    }

    /// Runs to the end or to the last moment.
    pub async fn bound<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.give_up, work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_secret_is_waited_for_well_past_ten_seconds() {
        let waits: Vec<Duration> = Timing::default().waits().collect();
        assert_eq!(waits.iter().sum::<Duration>(), Duration::from_secs(60));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(8)));
        assert_eq!(waits.first(), Some(&Duration::from_millis(500)));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_end_comes_before_lambdas() {
        let timing = Timing::default();
        assert!(!Deadline::in_time(Duration::from_secs(300), &timing).is_near());
        let stop = CancellationToken::default();
        let asked = Deadline::in_time(Duration::from_secs(300), &timing).or(stop.clone());
        let waits = async { tokio::join!(asked.wait(Duration::from_secs(200)), async { stop.cancel() }).0 };
        assert!(!waits.await && asked.is_near() && asked.bound(std::future::ready(1)).await == Some(1));
        let near = Deadline::in_time(Duration::ZERO, &timing);
        assert!(near.is_near() && !near.wait(Duration::from_millis(1)).await);
        assert_eq!(near.bound(std::future::pending::<()>()).await, None);
    }
}
