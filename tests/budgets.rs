//! What a run may cost: AWS calls, and sequential round trips, which no machine makes quicker. A budget that is broken is
//! shown beside what the run took.
//!
//! Answers leave together, once nothing more is asked for: what a run can ask for side by side is one round, on a slow
//! machine as on a quick one. `make stack` shows what the same runs take in time.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::stack::{BUCKET, KEY, Outcome, ROLE, TestStack, app_through, role, scheduled};
use ecr_pull_through_sync::account;

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
async fn run(stack: &TestStack, outcome: Outcome) -> Cost {
    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.outcome, outcome, "{report:#?}");
    Cost {
        calls: stack.aws.calls().len(),
        rounds: stack.aws.rounds(),
    }
}

/// First apply, no change, and a change of one registry.
async fn measure(registries: usize) -> [Cost; 3] {
    let stack = TestStack::new().await;
    stack.aws.answer_in_rounds(Some(QUIET));
    stack.upload(&file(registries, "MUTABLE"));
    let first = run(&stack, Outcome::Changed).await;
    let nothing = run(&stack, Outcome::Converged).await;
    stack.upload(&file(registries, "IMMUTABLE"));
    [first, nothing, run(&stack, Outcome::Changed).await]
}

async fn keeps_within(registries: usize, budgets: [Cost; 3]) {
    let mut table = String::new();
    for _ in 0..TRIES {
        let took = measure(registries).await;
        table = format!(
            "{:24} {:>14} {:>14}\n",
            format!("{registries} registries"),
            "calls",
            "rounds"
        );
        for ((what, took), budget) in ["first apply", "nothing to do", "one registry changed"]
            .iter()
            .zip(took)
            .zip(budgets)
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
    keeps_within(1, [budget(16, 10), budget(11, 6), budget(17, 9)]).await;
}

#[tokio::test]
async fn ten_registries_keep_within_their_budget() {
    keeps_within(10, [budget(67, 12), budget(27, 6), budget(33, 9)]).await;
}

#[tokio::test]
async fn fifty_registries_keep_within_their_budget() {
    keeps_within(50, [budget(307, 21), budget(107, 6), budget(113, 9)]).await;
}

/// A connection is opened where none is idle, side by side with others, and kept for the next run.
#[tokio::test]
async fn a_warm_run_opens_no_connection() {
    let mut stack = TestStack::new().await;
    let client = account::http_client();
    stack.app = app_through(client, &stack.aws, &role::access_key(), &[]).await;
    stack.aws.answer_in_rounds(Some(QUIET));
    stack.upload(&file(10, "MUTABLE"));
    run(&stack, Outcome::Changed).await;
    let opened = stack.aws.connections();
    assert!(opened > 4, "the first look at the account opened {opened} connections");
    run(&stack, Outcome::Converged).await;
    assert_eq!(stack.aws.connections(), opened);
}

/// In MB, of the compiled function after runs over fifty registries: what it has allocated, since an unoptimised binary has many
/// more pages of its own. The released one's are 8 MB, and 40 is what it may take of both (`make stack`).
#[cfg(target_os = "linux")]
#[tokio::test]
async fn fifty_registries_keep_within_their_memory() {
    const MOST: usize = 14;
    let stack = TestStack::new().await;
    stack.upload(&file(50, "MUTABLE"));
    let env = [
        ("CONFIG_BUCKET", BUCKET),
        ("CONFIG_KEY", KEY),
        ("OWNER", "stack"),
        ("TEMPLATE_ROLE_ARN", ROLE),
    ];
    let lambda = stack.aws.lambda();
    let function = lambda
        .spawn(Path::new(env!("CARGO_BIN_EXE_ecr-pull-through-sync")), &env)
        .unwrap();
    role::enforce(&stack.aws, function.principal(), &env);
    for outcome in ["changed", "converged"] {
        let report = lambda
            .invoke(scheduled(), Duration::from_secs(120))
            .await
            .result
            .unwrap();
        assert_eq!(report["outcome"], outcome, "{report:#}");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", function.id())).unwrap();
    let took = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let took = took.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024;
    println!("{took} MB of {MOST}");
    assert!(took < MOST, "{took} MB of {MOST}");
}
