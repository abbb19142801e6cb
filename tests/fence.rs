//! Two runs at once: the last one to finish has seen the latest file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stack::invariants::Invariants;
use crate::stack::{BUCKET, KEY, Outcome, STATUS, TestStack, another_run, hub, json_of, lines, scheduled, uploaded};
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";

/// Puts the status that another run, over another version of the file, would have written.
fn another_run_finished(aws: &local_aws::LocalAws, version: &str) {
    let status = json!({"config": {"bucket": BUCKET, "key": KEY, "version_id": version, "last_modified": null}});
    aws.put_object(BUCKET, STATUS, status.to_string());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_to_another_version_of_the_file_runs_again_from_the_newest() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    // While this run is at work, a newer file is uploaded, and the run over it finishes first.
    stack.aws.before("s3", "PutObject", 1, |aws| {
        aws.put_object(BUCKET, KEY, hub("canary-docker-3"));
        another_run_finished(aws, "the newer one");
    });
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-3"));
    assert_eq!(
        lines(&report).iter().filter(|line| line.contains("[value]")).count(),
        2,
        "both rounds' changes are told: {report:#?}"
    );
    assert_eq!(stack.status_json(), json_of(&report));
}

#[tokio::test(start_paused = true)]
async fn losing_to_a_run_over_the_same_file_costs_one_more_write_of_the_status() {
    let stack = TestStack::new().await;
    let first = stack.follow(&hub("canary-docker-1")).await;
    let status = json_of(&first).to_string();
    stack.aws.before("s3", "PutObject", 1, move |aws| {
        aws.put_object(BUCKET, STATUS, status);
    });
    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    let calls = stack.aws.calls();
    let count = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    assert_eq!((count("DescribePullThroughCacheRules"), count("PutObject")), (1, 3));
    assert_eq!(stack.status_json(), json_of(&report));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_always_loses_gives_up_for_a_retry() {
    let stack = TestStack::new().await;
    for n in 1..40 {
        stack.aws.before("s3", "PutObject", n, move |aws| {
            another_run_finished(aws, &format!("version {n}"))
        });
    }
    stack.upload(&hub("canary-docker-1"));
    let failure = stack.send(uploaded()).await.unwrap_err().to_string();
    assert!(failure.contains("keep finishing first"), "{failure}");
}

/// Whatever call of a run the newer file and the whole run over it come before: the newest file wins.
#[tokio::test(start_paused = true)]
async fn a_whole_run_over_a_newer_file_between_any_two_calls_of_a_run_wins() {
    for n in 1.. {
        let stack = TestStack::new().await;
        stack.follow(&hub("canary-docker-1")).await;
        let invariants = Invariants::of(&stack.aws);
        stack.aws.clear_calls();
        stack.upload(&hub("canary-docker-2"));
        let came = Arc::new(AtomicBool::new(false));
        let comes = Arc::clone(&came);
        stack.aws.before("*", "*", n, move |aws| {
            comes.store(true, Ordering::Relaxed);
            aws.put_object(BUCKET, KEY, hub("canary-docker-3"));
            another_run(aws);
        });
        let report = stack.send(uploaded()).await.unwrap();
        if !came.load(Ordering::Relaxed) {
            assert!(n > 12, "only {n} places were tried");
            break;
        }
        for label in ["AWSCURRENT", "CONFIGURED"] {
            assert_eq!(
                stack.token(HUB, label).as_deref(),
                Some("canary-docker-3"),
                "before call {n}: {report:#?}"
            );
        }
        assert_eq!(stack.token(HUB, "FILE_PENDING"), None, "before call {n}");
        assert_eq!(
            stack.manual("plan").await.outcome,
            Outcome::Converged,
            "before call {n}"
        );
        invariants.hold(&stack.aws, &format!("before call {n}"));
    }
}
