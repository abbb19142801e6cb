//! Pulls through the cache that fail: told in the status, proven, counted, and never more than that.

use std::time::Duration;

use crate::deployed::Deployed;
use crate::stack::{
    BUCKET, CredentialState, Outcome, Report, STATUS_PAGE, State, TestStack, hub, json_of, metrics, scheduled, uploaded,
};
use ecr_pull_through_sync::report::LastPullFailure;
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const HUB: &str = "registry-1.docker.io";
const QUAY: &str = "quay: {registry: quay.io}\n";

/// Docker Hub with a credential and Quay without, followed.
async fn stack(env: &[(&str, &str)]) -> TestStack {
    let mut stack = TestStack::with(Options::default(), env).await;
    // Shortly after the samples.
    stack.app.timing.now = || "2026-11-20T10:20:00Z".parse().unwrap();
    stack.follow(&format!("{}{QUAY}", hub("canary-docker-1"))).await;
    stack
}

/// The events of pulls that failed since, as the queue's batch of the stack's own rule.
fn batch(events: &[Value]) -> Value {
    let record = |event: &Value| {
        json!({"messageId": "m", "receiptHandle": "h", "body": event.to_string(), "attributes": {}, "messageAttributes": {},
            "eventSource": "aws:sqs", "awsRegion": "eu-west-1",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:stack-PullFailures-1"})
    };
    json!({"Records": events.iter().map(record).collect::<Vec<_>>()})
}

/// What the stack's rule lets through of what local-aws has raised, in the order in which it came.
fn failed(stack: &TestStack) -> Vec<Value> {
    let deployed = Deployed::plain();
    let events = stack.aws.events();
    events
        .into_iter()
        .filter(|event| deployed.woken_by(event).contains(&"PullFailuresRule"))
        .collect()
}

/// An event like ECR's, with changes of its detail.
fn event(id: &str, changes: &Value) -> Value {
    let mut event = crate::deployed::sample("pull-failed");
    event["id"] = id.into();
    for (key, value) in changes.as_object().unwrap() {
        event["detail"][key] = value.clone();
    }
    event
}

fn last<'r>(report: &'r Report, registry: &str) -> &'r LastPullFailure {
    report.registries[registry].last_pull_failure.as_ref().unwrap()
}

/// The status without what a failed pull adds.
fn rest(report: &Report) -> Value {
    let mut json = json_of(report);
    json["memory"].as_object_mut().unwrap().remove("pulls");
    for registry in json["registries"].as_object_mut().unwrap().values_mut() {
        registry.as_object_mut().unwrap().remove("last_pull_failure");
    }
    json
}

fn calls(stack: &TestStack) -> Vec<String> {
    stack.aws.calls().into_iter().map(|call| call.operation).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_pull_is_told_in_the_status_and_all_else_stays() {
    let stack = stack(&[("OWNER", "failed-pull")]).await;
    stack
        .aws
        .fail_upstream_image(HUB, "library/nginx:1", "UpstreamTooManyRequests");
    stack.aws.pull("dockerhub/library/nginx:1").unwrap_err();
    stack.aws.pull("dockerhub/library/redis:1").unwrap();
    let before = stack.status();
    stack.aws.clear_calls();
    let report = stack.send(batch(&failed(&stack))).await.unwrap();
    assert_eq!(
        (report.outcome, report.trigger.kind.as_str()),
        (Outcome::Converged, "pull-failure")
    );
    assert_eq!(
        calls(&stack),
        ["GetObject", "ValidatePullThroughCacheRule", "PutObject", "PutObject"]
    );
    let status = stack.status();
    let told = last(&status, "dockerhub");
    assert_eq!(
        (
            told.repository.as_str(),
            told.tag.as_deref(),
            told.code.as_deref(),
            told.count
        ),
        ("dockerhub/library/nginx", Some("1"), Some("UpstreamTooManyRequests"), 1)
    );
    assert_eq!(rest(&status), rest(&before), "the outcome, too, is the last run's");
    assert!(status.registries["quay"].last_pull_failure.is_none());
    let page = String::from_utf8(stack.aws.object(BUCKET, STATUS_PAGE).unwrap()).unwrap();
    assert!(page.contains("failed with UpstreamTooManyRequests"), "{page}");
    let counted = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        Some((
            line["Registry"].as_str().unwrap_or_default().to_owned(),
            line["PullFailures"].as_u64()?,
        ))
    };
    let counted: Vec<(String, u64)> = metrics("failed-pull").iter().filter_map(counted).collect();
    assert_eq!(counted, [(String::new(), 1), ("dockerhub".into(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_ecr_refuses_is_told_as_such() {
    let stack = stack(&[("OWNER", "refused-pull")]).await;
    stack.aws.refuse_upstream(HUB, "acme-bot", "canary-docker-1");
    let troubles = || {
        let lines = metrics("refused-pull");
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_pulls = lines.filter(|line| line["Registry"].is_null() && line["PullFailures"].is_u64());
        of_pulls
            .map(|line| (line["InvalidCredentials"].as_u64(), line["NewTroubles"].as_u64()))
            .collect::<Vec<_>>()
    };
    stack.aws.pull("dockerhub/library/nginx:1").unwrap_err();
    let report = stack.send(batch(&failed(&stack))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(
        report.message.contains("its credential is refused"),
        "{}",
        report.message
    );
    let status = stack.status();
    let registry = &status.registries["dockerhub"];
    assert_eq!(
        (registry.state, registry.credential),
        (State::Failed, CredentialState::Invalid)
    );
    assert_eq!(registry.reason.as_ref().unwrap().as_str(), "refused");
    assert_eq!((status.outcome, registry.since.as_ref()), (Outcome::Changed, None));
    // The same once more: no news, and since when.
    stack.aws.advance(Duration::from_secs(60));
    stack.aws.pull("dockerhub/library/nginx:2").unwrap_err();
    stack.send(batch(&failed(&stack))).await.unwrap();
    let status = stack.status();
    assert_eq!(last(&status, "dockerhub").count, 2);
    assert_eq!(status.registries["dockerhub"].since.as_ref(), Some(&status.started_at));
    assert_eq!(troubles(), [(Some(1), Some(1)), (Some(1), Some(0))]);
    // A run that proves it again clears it, and tells of the pull all the same.
    stack.aws.accept_upstream(HUB, "acme-bot", "canary-docker-1");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
    assert_eq!(last(&stack.status(), "dockerhub").count, 2);
}

#[tokio::test(start_paused = true)]
async fn no_answer_and_no_credential_change_nothing() {
    let stack = stack(&[]).await;
    stack
        .aws
        .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").server_error());
    let quay =
        json!({"ecr-repository-prefix": "quay", "upstream-registry-url": "quay.io", "repository-name": "quay/a"});
    let report = stack
        .send(batch(&[event("1", &json!({})), event("2", &quay)]))
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Converged);
    let status = stack.status();
    assert_eq!(status.registries["dockerhub"].credential, CredentialState::Valid);
    assert_eq!(
        (last(&status, "quay").count, status.registries["quay"].state),
        (1, State::Ready)
    );
}

#[tokio::test(start_paused = true)]
async fn events_of_others_and_forged_ones_change_nothing() {
    let stack = stack(&[]).await;
    let before = stack.status_json();
    let mut foreign = vec![
        event("1", &json!({"ecr-repository-prefix": "other"})),
        event("2", &json!({"upstream-registry-url": "quay.io"})),
        event("3", &json!({"sync-status": "SUCCESS"})),
    ];
    for (key, value) in [("account", "210987654321"), ("region", "us-east-1")] {
        let mut of_other = event("4", &json!({}));
        of_other[key] = value.into();
        foreign.push(of_other);
    }
    for event in foreign.iter().cloned().chain([batch(&foreign)]) {
        stack.aws.clear_calls();
        let report = stack.send(event).await.unwrap();
        assert_eq!(
            (report.outcome, report.trigger.kind.as_str()),
            (Outcome::Ignored, "pull-failure")
        );
        assert!(calls(&stack).iter().all(|call| call == "GetObject"));
    }
    assert_eq!(stack.status_json(), before);
    let odd = stack
        .send(event("5", &json!({"repository-name": 7})))
        .await
        .unwrap_err()
        .to_string();
    assert!(odd.contains("ECR's event about a pull"), "{odd}");
}

#[tokio::test(start_paused = true)]
async fn without_a_status_there_is_nothing_to_add_to() {
    let stack = TestStack::new().await;
    let report = stack.send(batch(&[event("1", &json!({}))])).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored);
    assert!(stack.aws.object(BUCKET, STATUS_PAGE).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_storm_costs_a_few_calls_for_each_batch_and_loses_nothing() {
    let stack = stack(&[]).await;
    let storm: Vec<Value> = (0..10_000)
        .map(|n| {
            event(
                &format!("storm-{n}"),
                &json!({"image-tag": format!("v{n}"), "failure-reason": "x".repeat(400)}),
            )
        })
        .collect();
    stack.aws.clear_calls();
    for part in storm.chunks(1000) {
        stack.send(batch(part)).await.unwrap();
    }
    assert_eq!(calls(&stack).len(), 10 * 4);
    assert_eq!(last(&stack.status(), "dockerhub").count, 10_000);
    assert!(stack.status_json().to_string().len() < 30_000);
    // A batch that is delivered twice counts once.
    let report = stack.send(batch(&storm[9_000..])).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored);
    assert_eq!(last(&stack.status(), "dockerhub").count, 10_000);
}

#[tokio::test(start_paused = true)]
async fn every_later_writer_passes_it_on_for_a_day() {
    let mut stack = stack(&[]).await;
    stack.send(batch(&[event("1", &json!({}))])).await.unwrap();
    stack.send(scheduled()).await.unwrap();
    assert_eq!(last(&stack.status(), "dockerhub").count, 1);
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-2");
    stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(last(&stack.status(), "dockerhub").count, 1);
    // A file that is refused has no registries to tell it beside, and remembers it.
    let rejected = stack.follow("dockerhub: {registry: nowhere}").await;
    assert_eq!(rejected.outcome, Outcome::Rejected);
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(last(&report, "dockerhub").at, "2026-11-20T10:11:12Z");
    stack.app.timing.now = || "2026-11-21T10:11:12Z".parse().unwrap();
    stack.send(scheduled()).await.unwrap();
    assert!(stack.status().registries["dockerhub"].last_pull_failure.is_none());
    assert!(stack.status_json()["memory"]["pulls"].is_null());
}

#[tokio::test(start_paused = true)]
async fn a_status_that_others_write_at_the_same_time_keeps_both_facts() {
    let stack = stack(&[]).await;
    // A run ends between our look and our write.
    stack.aws.before("s3", "PutObject", 1, |aws| {
        let key = crate::stack::STATUS;
        let mut status: Value = serde_json::from_slice(&aws.object(BUCKET, key).unwrap()).unwrap();
        status["run_id"] = "another".into();
        aws.put_object(BUCKET, key, status.to_string());
    });
    stack.send(batch(&[event("1", &json!({}))])).await.unwrap();
    let status = stack.status();
    assert_eq!(
        (status.run_id.as_str(), last(&status, "dockerhub").count),
        ("another", 1)
    );

    // A failure is added while a run over a newer file is at work: nobody to lose to, and its word is kept.
    stack.aws.before("s3", "PutObject", 1, |aws| {
        let key = crate::stack::STATUS;
        let mut status: Value = serde_json::from_slice(&aws.object(BUCKET, key).unwrap()).unwrap();
        status["memory"]["pulls"]["last"]["dockerhub"]["count"] = 7.into();
        aws.put_object(BUCKET, key, status.to_string());
    });
    stack.aws.clear_calls();
    let report = stack.follow(&format!("{}{QUAY}", hub("canary-docker-2"))).await;
    assert_eq!(
        (report.outcome, last(&stack.status(), "dockerhub").count),
        (Outcome::Changed, 7)
    );
    let proofs = calls(&stack)
        .iter()
        .filter(|call| *call == "ValidatePullThroughCacheRule")
        .count();
    assert_eq!(proofs, 1, "one pass");
}

/// The answer to a run's own write is lost, and a failure is added before it looks.
#[tokio::test(start_paused = true)]
async fn a_failure_that_is_added_to_a_status_whose_answer_was_lost_stays() {
    let stack = stack(&[]).await;
    stack.aws.fault(Fault::on("s3", "PutObject").times(1).reset_after());
    stack.aws.after("s3", "PutObject", 1, |aws| {
        let key = crate::stack::STATUS;
        let mut status: Value = serde_json::from_slice(&aws.object(BUCKET, key).unwrap()).unwrap();
        let failure = json!({"at": "2026-11-20T10:11:12Z", "repository": "dockerhub/a", "count": 7});
        status["memory"]["pulls"]["last"]["dockerhub"] = failure;
        aws.put_object(BUCKET, key, status.to_string());
    });
    stack.send(scheduled()).await.unwrap();
    assert_eq!(last(&stack.status(), "dockerhub").count, 7);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_counts_nothing_twice() {
    let stack = stack(&[]).await;
    stack.aws.fault(Fault::on("s3", "PutObject").times(1).reset_after());
    let ids: Vec<Value> = (0..1000).map(|n| event(&format!("id-{n}"), &json!({}))).collect();
    stack.send(batch(&ids)).await.unwrap();
    assert_eq!(last(&stack.status(), "dockerhub").count, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_brings_the_events_again() {
    let stack = stack(&[]).await;
    stack.aws.fault(Fault::on("s3", "PutObject").access_denied());
    let failure = stack.send(batch(&[event("1", &json!({}))])).await.unwrap_err();
    assert!(failure.to_string().contains("PutObject"), "{failure}");
    stack.aws.clear_faults();
    stack.send(batch(&[event("1", &json!({}))])).await.unwrap();
    assert_eq!(last(&stack.status(), "dockerhub").count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_an_event_quotes_is_masked() {
    let stack = stack(&[]).await;
    let quoted = json!({"failure-reason": "401 for acme-bot:glpat-canary0123456789abcd", "failure-code": "glpat-canary0123456789",
        "image-tag": "no tag: glpat-canary0123456789", "repository-name": "dockerhub/GLPAT glpat-canary0123456789"});
    // The test's own search for tokens is the assertion.
    let report = stack.send(batch(&[event("1", &quoted)])).await.unwrap();
    assert_eq!(report.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_an_image_that_is_told_as_not_warm_is_no_news() {
    let stack = TestStack::with(Options::default(), &[("WARM_IMAGES", "quay")]).await;
    stack.aws.fail_upstream_image("quay.io", "a:1", "UpstreamUnavailable");
    stack.follow("quay: {registry: quay.io, warm: [\"a:1\"]}").await;
    let report = stack.send(batch(&failed(&stack))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored);
    assert!(
        stack.send(uploaded()).await.unwrap().registries["quay"]
            .last_pull_failure
            .is_none()
    );
}
