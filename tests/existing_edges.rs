//! The edges of what happens to repositories that exist already: bad moments, bad luck and, below, bad messages.

mod messages;

use std::time::{Duration, Instant};

use crate::stack::{
    BUCKET, ChangeResult, KEY, Outcome, Report, State, TestStack, images, invoke_as, json_of, lines, repository,
    scheduled, uploaded,
};
use crate::work_queue::{WorkQueue, name};
use local_aws::{Fault, LocalAws};
use serde_json::json;

const TAGS: &str = "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags]}}\n";
const REPOSITORIES: usize = 220;

fn arn(name: &str) -> String {
    format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}")
}

fn team(aws: &LocalAws, name: &str) -> Option<String> {
    let tags = aws
        .call("ecr", "ListTagsForResource", json!({"resourceArn": arn(name)}))
        .ok()?;
    let tags = tags["tags"].as_array()?.clone();
    let tag = tags.iter().find(|tag| tag["Key"] == "team")?;
    Some(tag["Value"].as_str()?.to_owned())
}

fn tagged(aws: &LocalAws, n: usize) -> usize {
    (0..n)
        .filter(|n| team(aws, &name(*n)).as_deref() == Some("web"))
        .count()
}

fn count(report: &Report, what: &str) -> u64 {
    json_of(report)["existing_repositories"][what].as_u64().unwrap()
}

fn about_repositories(report: &Report) -> Vec<String> {
    lines(report)
        .into_iter()
        .filter(|line| line.contains(" repository "))
        .collect()
}

/// What could not be looked at is not as it should be.
#[tokio::test(start_paused = true)]
async fn a_plan_that_could_not_read_the_repositories_is_not_converged() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io, tags: {team: web}}\n").await;
    for n in 0..3 {
        repository(&stack.aws, &name(n));
    }
    stack.upload(TAGS);
    stack.aws.fault(Fault::on("ecr", "ListTagsForResource").server_error());
    for action in ["plan", "validate"] {
        let report = stack.manual(action).await;
        assert_ne!(report.outcome, Outcome::Converged, "{action}: {report:#?}");
    }
}

/// The same, out of time.
#[tokio::test(start_paused = true)]
async fn a_plan_that_is_out_of_time_says_so() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(300);
    stack.app.timing.last_call = Duration::from_millis(100);
    stack.follow("quay: {registry: quay.io, tags: {team: web}}\n").await;
    for n in 0..REPOSITORIES {
        let tags = json!([{"Key": "team", "Value": "web"}]);
        stack
            .aws
            .call(
                "ecr",
                "CreateRepository",
                json!({"repositoryName": name(n), "tags": tags}),
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
    assert!(count(&report, "failed") > 0, "{report:#?}");
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    let message = report.registries["quay"].message.as_deref().unwrap_or_default();
    assert!(
        !message.contains("to change"),
        "what was not looked at is told as what is to change: {message}"
    );
}

/// Lambda retries an asynchronous invocation with the same request id.
#[tokio::test(start_paused = true)]
async fn messages_of_the_first_try_have_no_part_in_the_status_of_the_second() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    let stack = &queue.stack;
    // The other registry's credential cannot be proven just now: what is left is handed over, and the invocation fails.
    let hub = "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1}\n";
    stack.upload(&format!("{TAGS}{hub}"));
    for more in [60, 50] {
        stack
            .aws
            .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").server_error());
        stack.aws.fault(Fault::on("ecr", "TagResource").skip(more).timeout());
        let failed = invoke_as(&stack.app, uploaded(), Duration::from_millis(6000), "one-request").await;
        assert!(failed.is_err());
        stack.aws.clear_faults();
    }
    let mut events = Vec::new();
    while let Some(event) = stack.aws.take_work(&queue.url, 1) {
        events.push(event);
    }
    assert!(events.len() > 5, "of two tries: {}", events.len());
    // One of the repositories cannot be tagged. Standard queues keep no order: the first try's messages come last.
    stack.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains("quay/219")
            .access_denied(),
    );
    for event in events.iter().rev() {
        stack.send(event.clone()).await.unwrap();
    }
    let status = stack.status();
    let all = REPOSITORIES as u64;
    assert_eq!(status.registries["quay"].state, State::Failed, "{status:#?}");
    let counts = ["found", "done", "failed", "to_do"].map(|what| count(&status, what));
    assert_eq!(counts, [all, all - 1, 1, 0]);
}

/// A repository that is held and also cannot be finished has one line, whatever the last status had.
#[tokio::test(start_paused = true)]
async fn a_held_line_does_not_multiply_from_run_to_run() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    stack.aws.fault(Fault::on("ecr", "TagResource").server_error());
    stack.upload(
        "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags, lifecycle_policy]}}\n",
    );
    for _ in 0..4 {
        stack.send(uploaded()).await.unwrap_err();
    }
    let held: Vec<String> = about_repositories(&stack.status())
        .into_iter()
        .filter(|l| l.ends_with("held"))
        .collect();
    assert_eq!(held.len(), 1, "{held:?}");
}

/// What is remembered of repositories that there was no time for is what this very file made of them.
#[tokio::test(start_paused = true)]
async fn what_an_older_file_held_is_not_told_of_a_newer_one_that_allows_it() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    let with = |most: u32| {
        format!(
            "quay: {{registry: quay.io, existing_repositories: {{apply: [lifecycle_policy], max_expiring_images: {most}}}}}\n"
        )
    };
    stack.follow(&with(0)).await;
    stack.aws.fault(Fault::on("ecr", "PutLifecyclePolicy").server_error());
    stack.upload(&with(9));
    stack.send(uploaded()).await.unwrap_err();
    let status = stack.status();
    assert!(
        !json_of(&status).to_string().contains("the file allows 0"),
        "{:#?}",
        status.changes
    );
}

/// Repositories wait for their turn in a slow lane; the file is looked at when the turn has come, not before.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_long_after_a_newer_file_has_come() {
    let stack = TestStack::new().await;
    for n in 0..50 {
        repository(&stack.aws, &name(n));
    }
    stack.aws.fault(Fault::on("ecr", "TagResource").rate(2));
    stack.aws.after("ecr", "TagResource", 1, |aws| {
        aws.put_object(BUCKET, KEY, "k8s: {registry: registry.k8s.io}\n");
    });
    stack.follow(TAGS).await;
    // Five seconds of memory are ten calls, and two were free.
    let written = tagged(&stack.aws, 50);
    assert!(written <= 16, "{written} of 50 got what the file does not say any more");
}

/// Where ECR is quick, a second is an age.
#[tokio::test]
async fn nothing_is_written_that_the_file_no_longer_says() {
    let stack = TestStack::new().await;
    for n in 0..REPOSITORIES {
        repository(&stack.aws, &name(n));
    }
    stack.aws.after("ecr", "TagResource", 5, |aws| {
        aws.put_object(BUCKET, KEY, "k8s: {registry: registry.k8s.io}\n");
    });
    stack.follow(TAGS).await;
    let written = tagged(&stack.aws, REPOSITORIES);
    assert!(
        written <= 5 + 64,
        "{written} of {REPOSITORIES} got what the file does not say any more"
    );
}

/// The look at the file is bounded like every other call.
#[tokio::test(start_paused = true)]
async fn a_hanging_s3_does_not_make_the_run_miss_lambdas_deadline() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(2000);
    stack.app.timing.last_call = Duration::from_millis(1000);
    for n in 0..10 {
        repository(&stack.aws, &name(n));
    }
    stack.aws.fault(Fault::on("s3", "HeadObject").timeout());
    stack.upload(TAGS);
    let begin = Instant::now();
    let run = stack.send_within(uploaded(), Duration::from_secs(6));
    let ended = tokio::time::timeout(Duration::from_secs(20), run).await;
    assert!(
        ended.is_ok() && begin.elapsed() < Duration::from_secs(6),
        "still at work after {:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_always_fails_does_not_keep_others_from_being_repaired_or_found() {
    let stack = TestStack::new().await;
    for n in 0..5 {
        repository(&stack.aws, &name(n));
    }
    stack.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains("quay/004")
            .server_error(),
    );
    stack.upload(TAGS);
    stack.send(uploaded()).await.unwrap_err();
    let drift = json!({"resourceArn": arn("quay/000"), "tags": [{"Key": "team", "Value": "drift"}]});
    stack.aws.call("ecr", "TagResource", drift).unwrap();
    repository(&stack.aws, "quay/0005");
    for _ in 0..4 {
        _ = stack.send(scheduled()).await;
    }
    let teams = ["quay/000", "quay/0005"].map(|name| team(&stack.aws, name));
    assert_eq!(teams, [Some("web".to_owned()), Some("web".to_owned())]);
}

/// When the queue is empty and everything done, nothing is left to warn of.
#[tokio::test(start_paused = true)]
async fn a_finished_status_does_not_warn_of_what_was_left() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    while queue.waiting() > 0 {
        queue.deliver().await.unwrap();
    }
    let status = queue.stack.status();
    assert_eq!(status.outcome, Outcome::Changed);
    assert_eq!(status.warnings, []);
}

/// A run that stops for a newer file tells what it wrote until then.
#[tokio::test(start_paused = true)]
async fn what_was_written_before_a_newer_file_came_is_told() {
    let stack = TestStack::new().await;
    for n in 0..100 {
        repository(&stack.aws, &name(n));
    }
    stack.aws.fault(Fault::on("ecr", "TagResource").rate(5));
    stack.aws.after("ecr", "TagResource", 3, |aws| {
        aws.put_object(BUCKET, KEY, "quay: {registry: quay.io, tags: {team: web}}\n");
    });
    let report = stack.follow(TAGS).await;
    let written = tagged(&stack.aws, 100);
    let told = about_repositories(&report).len();
    assert!(written > 0);
    assert_eq!(told, written, "{}", report.message);
}

/// One more repository is no news about those that are held.
#[tokio::test(start_paused = true)]
async fn a_registry_is_held_since_the_first_time_whatever_is_cached_meanwhile() {
    let stack = TestStack::new().await;
    for name in ["quay/a", "quay/b"] {
        repository(&stack.aws, name);
    }
    images(&stack.aws, "quay/a", 9);
    let first = stack
        .follow("quay: {registry: quay.io, existing_repositories: true}\n")
        .await;
    assert_eq!(first.registries["quay"].state, State::Held);
    stack.send(scheduled()).await.unwrap();
    repository(&stack.aws, "quay/c");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        report.registries["quay"].since.as_ref(),
        Some(&first.started_at),
        "{:#?}",
        report.registries
    );
}

/// `changed`: of all, those that something was written to (docs and `Progress::changed`).
#[tokio::test(start_paused = true)]
async fn a_held_repository_that_got_its_tags_counts_as_changed() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    let report = stack
        .follow(
            "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags, lifecycle_policy]}}\n",
        )
        .await;
    assert_eq!(team(&stack.aws, "quay/a").as_deref(), Some("web"));
    assert_eq!((count(&report, "held"), count(&report, "changed")), (1, 1));
}

/// The queue takes nothing.
#[tokio::test(start_paused = true)]
async fn a_status_does_not_say_that_the_queue_has_what_it_has_not() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue
        .stack
        .aws
        .fault(Fault::on("ecr", "TagResource").skip(60).timeout());
    queue.stack.aws.fault(Fault::on("sqs", "*").access_denied());
    queue.stack.upload(TAGS);
    queue
        .stack
        .send_within(uploaded(), Duration::from_millis(6000))
        .await
        .unwrap_err();
    queue.stack.aws.clear_faults();
    let status = queue.stack.status();
    let message = status.registries["quay"].message.as_deref().unwrap();
    assert!(!message.contains("in the queue"), "{message}");
}

/// A lost answer to the status of a message: what it writes again finds its own lines there.
#[tokio::test(start_paused = true)]
async fn trouble_that_a_message_finds_is_news_even_if_the_status_is_written_twice() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    queue.stack.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains("quay/219")
            .access_denied(),
    );
    while queue.waiting() > 1 {
        queue.deliver().await.unwrap();
    }
    queue
        .stack
        .aws
        .fault(Fault::on("s3", "PutObject").times(1).reset_after());
    queue.deliver().await.unwrap();
    let status = queue.stack.status();
    let failed = status
        .changes
        .iter()
        .find(|c| c.result == ChangeResult::Failed)
        .unwrap()
        .clone();
    assert_eq!(failed.id, "quay/219");
    assert!(failed.since.is_none(), "{failed:#?}");
}

/// What a registry that leaves the file spoke for is its parent's from then on, not from the run after.
#[tokio::test(start_paused = true)]
async fn what_a_longer_prefix_leaves_behind_is_reached_by_the_same_run() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/team/a");
    stack.follow(&format!("{TAGS}quay/team: {{registry: quay.io}}\n")).await;
    assert_eq!(team(&stack.aws, "quay/team/a"), None);
    let report = stack.follow(TAGS).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        report.outcome,
        Outcome::Converged,
        "the run before has said that all was applied: {:?}",
        lines(&report)
    );
}

/// Answers that never come open the gate for nothing.
#[tokio::test(start_paused = true)]
async fn lost_answers_open_no_gate() {
    let stack = TestStack::new().await;
    for (name, n) in [("quay/a", 3), ("quay/b", 9)] {
        repository(&stack.aws, name);
        images(&stack.aws, name, n);
    }
    for operation in [
        "StartLifecyclePolicyPreview",
        "GetLifecyclePolicyPreview",
        "PutLifecyclePolicy",
    ] {
        stack.aws.fault(Fault::on("ecr", operation).times(2).reset_after());
    }
    let report = stack
        .follow("quay: {registry: quay.io, existing_repositories: {apply: [lifecycle_policy]}}\n")
        .await;
    assert_eq!((count(&report, "done"), count(&report, "held")), (1, 1), "{report:#?}");
    let policy = |name: &str| {
        stack
            .aws
            .call("ecr", "GetLifecyclePolicy", json!({"repositoryName": name}))
            .is_ok()
    };
    assert_eq!((policy("quay/a"), policy("quay/b")), (true, false));
}

/// `since` is for trouble.
#[tokio::test(start_paused = true)]
async fn a_registry_that_is_ready_again_is_not_failing_since() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let mut events = Vec::new();
    while let Some(event) = queue.stack.aws.take_work(&queue.url, 1) {
        events.push(event);
    }
    // Nothing may be tagged for a while; the first message comes twice, as SQS's may, and then once more when it may be.
    queue.stack.aws.fault(Fault::on("ecr", "TagResource").access_denied());
    for event in [&events[0], &events[0]] {
        queue.stack.send(event.clone()).await.unwrap();
    }
    queue.stack.aws.clear_faults();
    for event in &events {
        queue.stack.send(event.clone()).await.unwrap();
    }
    let quay = queue.stack.status().registries["quay"].clone();
    assert_eq!(quay.state, State::Ready);
    assert!(quay.since.is_none(), "{quay:#?}");
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
    let begun = Instant::now();
    let failure = stack
        .send_within(uploaded(), Duration::from_secs(4))
        .await
        .unwrap_err()
        .to_string();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(failure.contains("failed: quay"), "{failure}");
    let why = stack.status().registries["quay"]
        .message
        .as_deref()
        .unwrap_or_default()
        .to_owned();
    assert!(why.contains("could not be listed") && why.contains("deadline"), "{why}");
}
