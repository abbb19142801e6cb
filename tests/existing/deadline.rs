//! A run that has no time for all repositories, and no queue.

use std::time::Duration;

use local_aws::Fault;
use serde_json::json;

use super::{QUAY, TAGS, progress};
use crate::stack::{Outcome, TestStack, images, numbered, repositories, repository, scheduled, uploaded};

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_out_of_time_says_so() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(300);
    stack.app.timing.last_call = Duration::from_millis(100);
    stack.follow("quay: {registry: quay.io, tags: {team: web}}\n").await;
    for n in 0..220 {
        let tags = json!([{"Key": "team", "Value": "web"}]);
        stack
            .aws
            .call(
                "ecr",
                "CreateRepository",
                json!({"repositoryName": numbered(n), "tags": tags}),
            )
            .unwrap();
    }
    stack.upload(TAGS);
    stack
        .aws
        .fault(Fault::on("ecr", "ListTagsForResource").latency(Duration::from_millis(400)));
    let report = stack
        .send_within(json!({"action": "plan"}), Duration::from_millis(2500))
        .await
        .unwrap();
    assert!(progress(&report).failed > 0, "{report:#?}");
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    let message = report.registries["quay"].message.as_deref().unwrap_or_default();
    assert!(
        !message.contains("to change"),
        "what was not looked at is told as what is to change: {message}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_the_next_run_does_what_this_one_had_no_time_for() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(1000);
    stack.app.timing.last_call = Duration::from_millis(500);
    repositories(&stack.aws, 120);
    images(&stack.aws, "quay/000", 5);
    // Some go through, then nothing does any more.
    stack.aws.fault(Fault::on("ecr", "TagResource").skip(40).timeout());
    stack.upload(QUAY);
    let failure = stack
        .send_within(uploaded(), Duration::from_millis(8000))
        .await
        .unwrap_err()
        .to_string();
    assert!(failure.contains("to do"), "{failure}");
    let status = stack.status();
    assert_eq!(status.outcome, Outcome::Partial);
    let first = status.existing_repositories.unwrap().progress;
    assert!(first.to_do > 0 && first.done > 0, "{first:#?}");

    stack.aws.clear_faults();
    let report = stack.send(scheduled()).await.unwrap();
    let counts = report.registries["quay"].existing_repositories.unwrap();
    assert_eq!((counts.found, counts.done, counts.held), (120, 119, 1), "{report:#?}");
}

/// The look at the file is bounded like every other call.
#[tokio::test(start_paused = true)]
async fn a_hanging_s3_does_not_make_the_run_miss_lambdas_deadline() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(2000);
    stack.app.timing.last_call = Duration::from_millis(1000);
    repositories(&stack.aws, 10);
    stack.aws.fault(Fault::on("s3", "HeadObject").timeout());
    stack.upload(TAGS);
    let lambdas = Duration::from_secs(6);
    let run = stack.send_within(uploaded(), lambdas);
    let ended = tokio::time::timeout(lambdas, run).await;
    assert!(ended.is_ok(), "still at work when Lambda ends the process");
}

/// Two hundred patterns, each as slow to match as one can be, over names of the greatest length: what is held against what
/// blocks the one thread that there is.
#[tokio::test]
async fn the_slowest_patterns_do_not_keep_a_run_beyond_its_deadline() {
    let stack = TestStack::new().await;
    for n in 0..1500 {
        repository(&stack.aws, &format!("quay/{n:04}{}", "a".repeat(247)));
    }
    let slow: Vec<String> = (0..100).map(|n| format!("'quay/*{}b{n}'", "a".repeat(120))).collect();
    let slow = slow.join(", ");
    stack.upload(&format!(
        "quay: {{registry: quay.io, existing_repositories: {{include: [{slow}], exclude: [{slow}]}}}}\n"
    ));
    let failure = stack
        .send_within(uploaded(), Duration::from_secs(4))
        .await
        .unwrap_err()
        .to_string();
    assert!(failure.contains("failed: quay"), "{failure}");
    let why = stack.status().registries["quay"]
        .message
        .as_deref()
        .unwrap_or_default()
        .to_owned();
    assert!(why.contains("could not be listed") && why.contains("deadline"), "{why}");
}
