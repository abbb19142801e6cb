//! Throttle against servers that allow a rate, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::limiter::OperationLimiter;
use super::{IN_FLIGHT, LONGEST_TURN};

/// What AWS allows: `rate` calls a second, and `burst` at once.
struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn allows(&mut self, now: Instant) -> bool {
        self.tokens += now.duration_since(self.filled).as_secs_f64() * self.rate;
        self.tokens = self.tokens.min(self.burst);
        self.filled = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

/// An invocation with calls to make.
struct Process {
    limiter: OperationLimiter,
    to_make: usize,
    /// By when they were sent, which is the order of their answers; and whether AWS took them.
    under_way: VecDeque<(Instant, bool)>,
    throttled: usize,
}

impl Process {
    fn new(to_make: usize) -> Self {
        Self {
            limiter: OperationLimiter::new(LONGEST_TURN),
            to_make,
            under_way: VecDeque::new(),
            throttled: 0,
        }
    }

    /// Hears the answers that are there, and makes the calls that may be made.
    fn step(&mut self, now: Instant, latency: Duration, bucket: &mut Bucket) {
        while let Some((sent, taken)) = self
            .under_way
            .front()
            .copied()
            .filter(|(sent, _)| *sent + latency <= now)
        {
            self.under_way.pop_front();
            if taken {
                self.limiter.taken(now);
            } else {
                self.throttled += 1;
                self.to_make += 1;
                self.limiter.throttled(sent, now);
            }
        }
        while self.to_make > 0 && self.under_way.len() < IN_FLIGHT && self.limiter.wait(now).is_zero() {
            self.limiter.start(now);
            self.to_make -= 1;
            self.under_way.push_back((now, bucket.allows(now)));
        }
    }
}

/// How long it takes all of them to make all of their calls, in seconds, and the share of answers that was throttling.
fn simulate(rate: f64, burst: f64, latency_ms: u64, calls: &[usize]) -> (f64, f64) {
    let start = Instant::now();
    let mut now = start;
    let mut bucket = Bucket {
        rate,
        burst,
        tokens: burst,
        filled: start,
    };
    let mut processes: Vec<Process> = calls.iter().map(|calls| Process::new(*calls)).collect();
    while processes
        .iter()
        .any(|process| process.to_make > 0 || !process.under_way.is_empty())
    {
        now += Duration::from_millis(1);
        for process in &mut processes {
            process.step(now, Duration::from_millis(latency_ms), &mut bucket);
        }
    }
    let throttled: usize = processes.iter().map(|process| process.throttled).sum();
    let made = throttled + calls.iter().sum::<usize>();
    (now.duration_since(start).as_secs_f64(), throttled as f64 / made as f64)
}

/// Ten calls a second are 300 s for 3,000.
#[track_caller]
fn ten_a_second(calls: &[usize], most_throttled: f64) {
    for (burst, latency_ms) in [(10.0, 20), (10.0, 200), (50.0, 20), (50.0, 200)] {
        let (seconds, throttled) = simulate(10.0, burst, latency_ms, calls);
        let told = format!("burst {burst}, {latency_ms} ms: {seconds} s, {throttled} of the answers throttled");
        assert!(
            (290.0..345.0).contains(&seconds) && throttled < most_throttled,
            "{told}"
        );
    }
}

#[test]
fn three_thousand_calls_take_what_the_limit_makes_them_take() {
    ten_a_second(&[3000], 0.06);
}

#[test]
fn two_or_four_who_share_a_limit_use_it_up_together() {
    ten_a_second(&[1500, 1500], 0.10);
    ten_a_second(&[750; 4], 0.15);
    // However unequal their shares of the work.
    ten_a_second(&[2500, 500], 0.10);
}

#[test]
fn a_limit_of_any_size_is_found() {
    for (rate, calls, most_throttled) in [(1.0, 300, 0.2), (3.0, 900, 0.15), (100.0, 30_000, 0.02)] {
        let (seconds, throttled) = simulate(rate, rate * 2.0, 50, &[calls]);
        assert!(
            (290.0..345.0).contains(&seconds) && throttled < most_throttled,
            "{rate}: {seconds} s, {throttled}"
        );
    }
}

#[test]
fn a_server_that_never_throttles_is_not_slowed() {
    let (seconds, throttled) = simulate(f64::INFINITY, f64::INFINITY, 50, &[3200]);
    // 200 rounds of 16 calls.
    assert!((9.9..10.3).contains(&seconds) && throttled == 0.0, "{seconds} s");
}

#[test]
fn a_long_burst_is_not_taken_for_the_limit() {
    let (seconds, throttled) = simulate(10.0, 1000.0, 15, &[3000]);
    // 1,000 at once, 200 s for the others.
    assert!(
        (190.0..230.0).contains(&seconds) && throttled < 0.06,
        "{seconds} s, {throttled}"
    );
}

#[test]
fn who_comes_late_to_a_limit_gets_a_part_of_it() {
    let start = Instant::now();
    let mut bucket = Bucket {
        rate: 10.0,
        burst: 10.0,
        tokens: 10.0,
        filled: start,
    };
    let (mut first, mut late) = (Process::new(100_000), Process::new(100_000));
    for ms in 0..180_000 {
        let (now, latency) = (start + Duration::from_millis(ms), Duration::from_millis(20));
        first.step(now, latency, &mut bucket);
        if ms > 30_000 {
            late.step(now, latency, &mut bucket);
        }
    }
    let (first, late) = (100_000 - first.to_make, 100_000 - late.to_make);
    assert!(first + late > 1700 && late > 150, "{first} and {late}");
}

#[test]
fn a_limit_that_is_no_more_is_forgotten() {
    let start = Instant::now();
    let mut bucket = Bucket {
        rate: 10.0,
        burst: 10.0,
        tokens: 10.0,
        filled: start,
    };
    let mut process = Process::new(usize::MAX / 2);
    let mut in_second = |from: u64| {
        let before = process.to_make;
        if from >= 30 {
            bucket = Bucket {
                rate: 1e9,
                burst: 1e9,
                tokens: 1e9,
                filled: start,
            };
        }
        for ms in from * 1000..(from + 1) * 1000 {
            process.step(
                start + Duration::from_millis(ms),
                Duration::from_millis(50),
                &mut bucket,
            );
        }
        before - process.to_make
    };
    let made: Vec<usize> = (0..90).map(&mut in_second).collect();
    assert!(
        made.get(20..30)
            .is_some_and(|ten| ten.iter().all(|made| (5..15).contains(made))),
        "{made:?}"
    );
    assert!(made.last().is_some_and(|made| *made >= 300), "{made:?}");
}
