//! What a run may cost: AWS calls, and sequential round trips, which no machine makes quicker. A budget that is broken is
//! shown beside what the run took.
//!
//! Answers leave together, once nothing more is asked for: what a run can ask for side by side is one round, on a slow
//! machine as on a quick one. `make bench` shows what the same runs take in time.

use std::fmt::Write;
use std::time::Duration;

use crate::support::{Bench, scheduled};

/// Far longer than the function takes from one call to the next that waits for no answer.
const QUIET: Duration = Duration::from_millis(150);

/// A loaded machine can only tear a round in two, so the best of so many measurements counts.
const TRIES: usize = 3;

/// What a run may take, or took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    calls: usize,
    rounds: usize,
}

/// The same registries in every run, every second one with a credential.
fn file(registries: usize, mutability: &str) -> String {
    let mut file = String::new();
    for n in 0..registries {
        let upstream = if n % 2 == 0 {
            "registry: registry-1.docker.io, username: acme-bot, accessToken: canary-docker-1"
        } else {
            "registry: quay.io"
        };
        let mutability = if n == 0 { mutability } else { "MUTABLE" };
        writeln!(file, "team-{n:02}: {{{upstream}, image_tag_mutability: {mutability}}}").unwrap();
    }
    file
}

/// One run, and what it took.
async fn run(bench: &Bench, outcome: &str) -> Cost {
    bench.aws.clear_calls();
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["outcome"], outcome, "{report:#}");
    Cost { calls: bench.aws.calls().len(), rounds: bench.aws.rounds() }
}

/// First apply, no change, and a change of one registry.
async fn measure(registries: usize) -> [Cost; 3] {
    let bench = Bench::new().await;
    bench.aws.answer_in_rounds(Some(QUIET));
    bench.upload(&file(registries, "MUTABLE"));
    let first = run(&bench, "changed").await;
    let nothing = run(&bench, "converged").await;
    bench.upload(&file(registries, "IMMUTABLE"));
    [first, nothing, run(&bench, "changed").await]
}

async fn keeps_within(registries: usize, budgets: [Cost; 3]) {
    let mut table = String::new();
    for _ in 0..TRIES {
        let took = measure(registries).await;
        table = format!("{:24} {:>14} {:>14}\n", format!("{registries} registries"), "calls", "rounds");
        for ((what, took), budget) in
            ["first apply", "nothing to do", "one registry changed"].iter().zip(took).zip(budgets)
        {
            let of =
                |took: usize, budget: usize| format!("{took} of {budget}{}", if took > budget { " !" } else { "" });
            let (calls, rounds) = (of(took.calls, budget.calls), of(took.rounds, budget.rounds));
            writeln!(table, "{what:24} {calls:>14} {rounds:>14}").unwrap();
        }
        println!("{table}");
        if !table.contains('!') {
            return;
        }
    }
    panic!("over budget:\n{table}");
}

fn budget(calls: usize, rounds: usize) -> Cost {
    Cost { calls, rounds }
}

#[tokio::test]
async fn one_registry_keeps_within_its_budget() {
    keeps_within(1, [budget(15, 10), budget(11, 6), budget(17, 9)]).await;
}

#[tokio::test]
async fn ten_registries_keep_within_their_budget() {
    keeps_within(10, [budget(62, 14), budget(27, 6), budget(33, 9)]).await;
}

#[tokio::test]
async fn fifty_registries_keep_within_their_budget() {
    keeps_within(50, [budget(282, 24), budget(107, 6), budget(113, 9)]).await;
}
