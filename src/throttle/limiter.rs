//! The arithmetic of one limiter: what is known about the rate that AWS allows, and when the next call may start. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What is left of the rate that was seen to succeed, when AWS throttles.
const DECREASE: f64 = 0.7;

/// A limit that has grown to so many calls a second is forgotten: the number of calls in flight limits more.
const MOST: f64 = 400.0;

/// How long the way back to the rate that was seen to succeed takes, in seconds. Meanwhile AWS's bucket fills again.
const RETURN: f64 = 2.0;

/// How much the rate grows in a second beyond what was seen to succeed: by a share of that, so that looking for more
/// costs a throttled call every few seconds, and by a share of how far beyond it is, so that a limit that is no more
/// is soon left behind. It grows with time, not with calls: of two who share AWS's limit, the slower one catches up.
const PROBE: f64 = 0.03;
const PROBE_MORE: f64 = 0.2;

/// Successes are counted over this time; where they are rarer than [`SAMPLE`] in it, over so many, back to
/// [`LONGEST`] ago.
const WINDOW: Duration = Duration::from_secs(1);
const SAMPLE: usize = 8;
const LONGEST: Duration = Duration::from_secs(20);

/// How late a call may start without making the next one late as well: timers are coarse.
const LATE: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct OperationLimiter {
    /// The least calls a second, however much AWS throttles.
    least: f64,
    /// Nothing while AWS has throttled nothing.
    limit: Option<Limit>,
    /// When the latest answers came that were no throttling.
    answers: VecDeque<Instant>,
}

#[derive(Debug)]
struct Limit {
    /// Calls a second.
    rate: f64,
    /// Calls a second that succeeded when the rate was last decreased.
    proven: f64,
    /// When that was. Answers to calls sent before speak of the rate before.
    decreased: Instant,
    /// Until when growth has been reckoned.
    grown: Instant,
    /// When the next call may start.
    next: Instant,
}

impl OperationLimiter {
    /// A limiter that AWS has not throttled. It never gets slower than a call in `longest_wait`.
    pub(super) fn new(longest_wait: Duration) -> Self {
        Self {
            least: 1.0 / longest_wait.as_secs_f64(),
            limit: None,
            answers: VecDeque::new(),
        }
    }

    /// How long it takes until the next call may start.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.limit
            .as_ref()
            .map_or(Duration::ZERO, |limit| limit.next.saturating_duration_since(now))
    }

    pub(super) fn start(&mut self, now: Instant) {
        if let Some(limit) = &mut self.limit {
            let on_time = now.checked_sub(LATE).map_or(now, |late| limit.next.max(late));
            limit.next = on_time + Duration::from_secs_f64(1.0 / limit.rate);
        }
    }

    /// AWS took a call: it carried it out, or refused it for another reason than the rate.
    pub(super) fn taken(&mut self, now: Instant) {
        self.answers.push_back(now);
        self.forget_answers(now);
        let measured = self.measured(now);
        let Some(limit) = &mut self.limit else { return };
        // As long as half the rate is not used, nothing is learnt about the whole.
        if measured * 2.0 >= limit.rate {
            limit.grow(now);
        }
        limit.grown = now;
        // Not one that begins there: a long burst succeeds at more than AWS allows.
        if limit.rate >= MOST.max(limit.proven) {
            self.limit = None;
        }
    }

    /// AWS throttled a call that was sent at `sent`. Of all calls sent at one rate, one decreases it.
    pub(super) fn throttled(&mut self, sent: Instant, now: Instant) {
        let measured = self.measured(now);
        let proven = match &self.limit {
            Some(limit) if sent < limit.decreased => return,
            // More than the rate can only have been sent before, at a higher one.
            Some(limit) => measured.min(limit.rate),
            None => measured,
        };
        let rate = (proven * DECREASE).max(self.least);
        let next = now + Duration::from_secs_f64(1.0 / rate);
        self.limit = Some(Limit {
            rate,
            proven: proven.max(self.least),
            decreased: now,
            grown: now,
            next,
        });
    }

    /// Calls that AWS took, a second.
    fn measured(&self, now: Instant) -> f64 {
        let age = |at: &Instant| now.duration_since(*at);
        let recent = self.answers.iter().rev().take_while(|at| age(at) <= WINDOW).count();
        if recent >= SAMPLE {
            return recent as f64 / WINDOW.as_secs_f64();
        }
        let sample = self
            .answers
            .iter()
            .rev()
            .take(SAMPLE)
            .take_while(|at| age(at) <= LONGEST);
        let count = sample.clone().count();
        let span = sample.last().map_or(WINDOW, age).max(WINDOW);
        count as f64 / span.as_secs_f64()
    }

    fn forget_answers(&mut self, now: Instant) {
        while let Some(oldest) = self.answers.front() {
            let age = now.duration_since(*oldest);
            if age <= WINDOW || (self.answers.len() <= SAMPLE && age <= LONGEST) {
                break;
            }
            self.answers.pop_front();
        }
    }
}

impl Limit {
    fn grow(&mut self, now: Instant) {
        // A pause between calls proves nothing, and lets nothing grow.
        let most = Duration::from_secs_f64(2.0 / self.rate);
        let seconds = now.duration_since(self.grown).min(most).as_secs_f64();
        let beyond = self.rate - self.proven;
        let growth = if beyond < 0.0 {
            self.proven * (1.0 - DECREASE) / RETURN
        } else {
            self.proven * PROBE + beyond * PROBE_MORE
        };
        self.rate += growth * seconds;
    }
}
