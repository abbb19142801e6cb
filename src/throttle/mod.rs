//! One limiter per ECR operation, whose speed adapts to what AWS throttles.
//!
//! ECR documents no rate for the operations that are made for each of thousands of repositories; an account may allow
//! ten calls a second of one and a thousand of another, and two invocations may share them. So a limiter is unlimited
//! until AWS throttles it, then keeps to a part of what was seen to succeed, and slowly looks for more. A throttled
//! call is no failure: it waits for its turn again.

mod limiter;
#[cfg(test)]
mod simulation;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::account::AwsError;
use crate::timing::{Deadline, Timing};
use limiter::OperationLimiter;

/// How many calls of all throttle are under way at a time.
const IN_FLIGHT: usize = 16;

/// The longest time between two calls of a limiter. Slower, a run would hardly make progress.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// How often a call is made again after a transient error that is no throttling.
const RETRIES: usize = 3;

/// The throttle of an invocation, one for each operation that is called.
#[derive(Debug)]
pub struct Throttle {
    queues: Mutex<BTreeMap<&'static str, Arc<Queue>>>,
    slots: Semaphore,
    timing: Timing,
}

/// The calls of one operation that wait for their turn.
#[derive(Debug)]
struct Queue {
    /// Held by the first of them, which alone watches the limiter: calls keep their order, and no turn is given before
    /// it is known at which rate.
    head: tokio::sync::Mutex<()>,
    limiter: Mutex<OperationLimiter>,
}

impl Throttle {
    /// Throttle that know of no limit yet. `timing` says how long to wait after transient errors, and how slow a limiter gets:
    /// a call in its longest wait, or in five seconds.
    pub fn new(timing: &Timing) -> Self {
        Self {
            queues: Mutex::default(),
            slots: Semaphore::new(IN_FLIGHT),
            timing: timing.clone(),
        }
    }

    /// Makes a call of `operation` when its limiter allows, and makes it again as often as AWS throttles it, until
    /// `deadline` is near; after other transient errors, a few times. A lost answer is such an error: the call must
    /// be one that may be made twice.
    ///
    /// # Errors
    /// As the call; [`AwsError::no_turn`] when the deadline came before the call's turn, [`AwsError::out_of_time`]
    /// when it came while the call was under way.
    pub async fn call<T, F>(
        &self,
        operation: &'static str,
        deadline: &Deadline,
        call: impl Fn() -> F,
    ) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let queue = self.queue(operation);
        let mut waits = self.timing.waits().take(RETRIES);
        // What is known of a call that may have been carried out is more than that it had no further turn.
        let mut last = None;
        loop {
            let Some(slot) = self.turn(&queue, deadline).await else {
                return Err(last.unwrap_or_else(|| AwsError::no_turn(operation)));
            };
            let sent = Instant::now();
            let result = deadline
                .bound(call())
                .await
                .unwrap_or_else(|| Err(AwsError::out_of_time(operation)));
            drop(slot);
            match result {
                Err(error) if error.is_throttling() => locked(&queue.limiter).throttled(sent, Instant::now()),
                Err(error) if error.is_transient() && !error.may_go_better() => return Err(error),
                Err(error) if error.is_transient() => {
                    let waited = match waits.next() {
                        Some(wait) => deadline.wait(wait).await,
                        None => false,
                    };
                    if !waited {
                        return Err(error);
                    }
                    last = Some(error);
                }
                result => {
                    locked(&queue.limiter).taken(Instant::now());
                    return result;
                }
            }
        }
    }

    fn queue(&self, operation: &'static str) -> Arc<Queue> {
        let longest = self.timing.longest_wait.clamp(Duration::from_millis(1), LONGEST_TURN);
        let new = || {
            Arc::new(Queue {
                head: tokio::sync::Mutex::default(),
                limiter: Mutex::new(OperationLimiter::new(longest)),
            })
        };
        Arc::clone(locked(&self.queues).entry(operation).or_insert_with(new))
    }

    /// Waits for a turn, and only then for a slot: a slow limiter keeps none from the others. `None` when the deadline
    /// would come first.
    async fn turn(&self, queue: &Queue, deadline: &Deadline) -> Option<SemaphorePermit<'_>> {
        let _head = queue.head.lock().await;
        loop {
            let wait = locked(&queue.limiter).wait(Instant::now());
            if !wait.is_zero() && !deadline.wait(wait).await {
                return None;
            }
            let slot = deadline.bound(self.slots.acquire()).await?.ok()?;
            if deadline.is_near() {
                return None;
            }
            // A throttling answer may have come in the meantime.
            let mut limiter = locked(&queue.limiter);
            let now = Instant::now();
            if limiter.wait(now).is_zero() {
                limiter.start(now);
                return Some(slot);
            }
        }
    }
}

/// A panic while one of these is held would leave it as it was before: nothing in between is ever seen.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;

    use super::*;
    use crate::account::ErrorKind;

    const OPERATION: &str = "PutLifecyclePolicy";

    fn timing() -> Timing {
        Timing {
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(500),
            ..Timing::default()
        }
    }

    fn in_seconds(seconds: u64) -> Deadline {
        Deadline::in_time(Duration::from_secs(seconds), &timing())
    }

    fn error(code: &str) -> AwsError {
        AwsError::of(OPERATION, code, String::new(), ErrorKind::Transient)
    }

    /// Answers the first `failures` calls with an error; gives the result and how often it was called.
    async fn calls(failures: u32, code: &str, deadline: &Deadline) -> (Result<(), AwsError>, u32) {
        let made = Cell::new(0);
        let result = Throttle::new(&timing())
            .call(OPERATION, deadline, async || {
                made.set(made.get() + 1);
                if made.get() > failures {
                    Ok(())
                } else {
                    Err(error(code))
                }
            })
            .await;
        (result, made.get())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_throttled_call_waits_its_turn_until_the_deadline() {
        assert_eq!(calls(1, "ThrottlingException", &in_seconds(60)).await, (Ok(()), 2));
        // Nothing ever succeeded: the next turn is half a second away, and the deadline is not.
        let near = Deadline::in_time(Duration::from_millis(200), &timing());
        let (result, made) = calls(9, "ThrottlingException", &near).await;
        assert_eq!((result, made), (Err(AwsError::no_turn(OPERATION)), 1));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn no_call_is_made_when_the_deadline_is_near() {
        assert_eq!(
            calls(0, "", &in_seconds(0)).await,
            (Err(AwsError::no_turn(OPERATION)), 0)
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_transient_error_is_met_a_few_times() {
        assert_eq!(calls(3, "ServerException", &in_seconds(60)).await, (Ok(()), 4));
        assert_eq!(
            calls(9, "ServerException", &in_seconds(60)).await,
            (Err(error("ServerException")), 4)
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_slow_lane_holds_up_no_other_and_no_more_calls_are_under_way_than_there_are_slots() {
        let (throttle, deadline) = (Throttle::new(&timing()), in_seconds(6));
        let (slow_made, under_way, most) = (Cell::new(0), Cell::new(0), Cell::new(0));
        let slow = (0..50).map(|_| {
            throttle.call("Slow", &deadline, async || {
                slow_made.set(slow_made.get() + 1);
                Err::<(), _>(error("ThrottlingException"))
            })
        });
        let quick = (0..500).map(|_| {
            throttle.call("Quick", &deadline, async || {
                under_way.set(under_way.get() + 1);
                most.set(most.get().max(under_way.get()));
                tokio::time::sleep(Duration::from_millis(1)).await;
                under_way.set(under_way.get() - 1);
                Ok(())
            })
        });
        let (slow, quick) = tokio::join!(join_all(slow), join_all(quick));
        assert!(quick.iter().all(Result::is_ok));
        assert_eq!(most.get(), IN_FLIGHT);
        // Some at first, then one each half second, up to the third.
        assert!((2..=IN_FLIGHT + 6).contains(&slow_made.get()), "{}", slow_made.get());
        assert!(slow.iter().all(|result| *result == Err(AwsError::no_turn("Slow"))));
    }
}
