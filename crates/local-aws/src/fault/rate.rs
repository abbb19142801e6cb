//! A rate limit as AWS has it: a token bucket for each operation.
//!
//! Time is real time and comes from outside, so that a test needs no waiting. What is left over is counted in whole
//! billionths of a token: a call that comes on the very nanosecond of its token is served, whatever came before.

use std::collections::BTreeMap;
use tokio::time::Instant;

const TOKEN: u128 = 1_000_000_000;

/// The buckets of one rate limit, by service and operation: AWS throttles each operation on its own.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets(BTreeMap<String, Bucket>);

#[derive(Debug, Clone)]
struct Bucket {
    tokens: u128,
    at: Instant,
}

impl Buckets {
    /// Whether a call may pass at this instant, at so many calls a second. One second's worth may pass in a burst.
    pub(super) fn pass(&mut self, operation: &str, per_second: u32, now: Instant) -> bool {
        let full = u128::from(per_second) * TOKEN;
        let bucket = self
            .0
            .entry(operation.to_owned())
            .or_insert(Bucket { tokens: full, at: now });
        // Calls of several threads may come with instants in another order; time does not run back for the bucket.
        let refill = now.saturating_duration_since(bucket.at).as_nanos() * u128::from(per_second);
        bucket.tokens = (bucket.tokens + refill).min(full);
        bucket.at = bucket.at.max(now);
        let passes = bucket.tokens >= TOKEN;
        if passes {
            bucket.tokens -= TOKEN;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// How many of `calls` calls pass at so many milliseconds after the start.
    fn passed(buckets: &mut Buckets, start: Instant, ms: u64, calls: usize) -> usize {
        let now = start + Duration::from_millis(ms);
        (0..calls).filter(|_| buckets.pass("ecr:Put", 10, now)).count()
    }

    #[test]
    fn a_burst_is_one_second_and_then_tokens_trickle_in() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        assert_eq!(passed(&mut buckets, start, 0, 15), 10);
        assert_eq!(passed(&mut buckets, start, 99, 5), 0);
        assert_eq!(passed(&mut buckets, start, 100, 5), 1);
        assert_eq!(passed(&mut buckets, start, 150, 5), 0);
        assert_eq!(passed(&mut buckets, start, 400, 5), 3);
        assert_eq!(passed(&mut buckets, start, 60_000, 50), 10);
    }

    #[test]
    fn a_steady_caller_at_the_rate_is_never_throttled_and_loses_nothing_to_rounding() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        assert_eq!(passed(&mut buckets, start, 0, 10), 10);
        let served: usize = (1..=600).map(|n| passed(&mut buckets, start, n * 100, 2)).sum();
        assert_eq!(served, 600);
    }

    #[test]
    fn operations_have_buckets_of_their_own() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        assert!(buckets.pass("ecr:Put", 1, now) && !buckets.pass("ecr:Put", 1, now));
        assert!(buckets.pass("ecr:Get", 1, now));
        assert!(!buckets.pass("ecr:Describe", 0, now));
    }

    #[test]
    fn an_earlier_instant_after_a_later_one_refills_nothing() {
        let (mut buckets, start) = (Buckets::default(), Instant::now());
        let later = start + Duration::from_secs(1);
        assert!(buckets.pass("ecr:Put", 1, later));
        assert!(!buckets.pass("ecr:Put", 1, start));
        assert!(!buckets.pass("ecr:Put", 1, later));
    }
}
