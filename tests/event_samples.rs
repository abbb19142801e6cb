//! Every sample under `events/`, and what it leads to: as a trigger, and sent to the handler.

use config::Code;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::stack::{self, CredentialState, LEGACY, Outcome, TestStack, scheduled};
use ecr_pull_through_sync::failure::Failure;
use ecr_pull_through_sync::trigger::Kind;
use ecr_pull_through_sync::trigger::{FunctionContext, Job, PullFailure, Refusal, SecretChange, WorkBatch, classify};
use serde_json::Value;

/// The stack the samples are made for; `make run` and `make invoke` use the same.
const PLACE: FunctionContext<'static> = FunctionContext {
    bucket: "my-registries",
    key: "registries.yaml",
    status_prefix: "status/",
    work_queue: "",
    account: "123456789012",
    region: "eu-west-1",
    partition: "aws",
};

/// File, and what it leads to: `<kind> from <source>: <job>`, or `error: <part of the message>`.
const SAMPLES: [(&str, &str); 77] = [
    // Uploads, as S3 sends them itself.
    ("s3-put-direct", "s3-upload from s3: apply"),
    ("s3-put-direct-tagged-bucket", "s3-upload from s3: apply"),
    ("s3-put-direct-encoded-key", "s3-upload from s3: apply"),
    ("s3-put-direct-several-records", "s3-upload from s3: apply"),
    ("s3-copy-direct", "s3-upload from s3: apply"),
    ("s3-multipart-upload-direct", "s3-upload from s3: apply"),
    (
        "s3-other-bucket",
        "s3-upload from s3: ignored, about the bucket somebody-elses-bucket",
    ),
    (
        "s3-other-key",
        "s3-upload from s3: ignored, about the object reports/registries.yaml",
    ),
    (
        "s3-plus-in-key-direct",
        "s3-upload from s3: ignored, about the object registries+yaml",
    ),
    ("s3-status-object", "s3-upload from s3: ignored, is a status object"),
    ("s3-delete-direct", "s3-upload from s3: ignored, is not an upload"),
    (
        "s3-delete-marker-direct",
        "s3-upload from s3: ignored, is not an upload",
    ),
    ("s3-test-event", "s3-upload from s3: ignored, test event"),
    // The same through queues and topics.
    ("s3-put-via-sqs", "s3-upload from sqs:uploads: apply"),
    ("s3-put-via-sqs-batch", "s3-upload from sqs:uploads: apply"),
    ("s3-put-via-sns", "s3-upload from sns:uploads: apply"),
    ("s3-put-via-sns-and-sqs", "s3-upload from sqs:uploads: apply"),
    ("s3-object-created-via-sqs", "s3-upload from sqs:uploads: apply"),
    (
        "s3-other-bucket-via-sqs",
        "s3-upload from sqs:uploads: ignored, about the bucket somebody-elses-bucket",
    ),
    (
        "s3-test-event-via-sqs",
        "s3-upload from sqs:uploads: ignored, test event",
    ),
    // Uploads through EventBridge, as template.yaml wires them.
    (
        "s3-object-created-eventbridge",
        "s3-upload from eventbridge:aws.s3: apply",
    ),
    (
        "s3-object-created-eventbridge-tagged-bucket",
        "s3-upload from eventbridge:aws.s3: apply",
    ),
    (
        "s3-object-created-eventbridge-other-bucket",
        "s3-upload from eventbridge:aws.s3: ignored, about the bucket",
    ),
    (
        "s3-object-created-eventbridge-other-key",
        "s3-upload from eventbridge:aws.s3: ignored, about the object",
    ),
    (
        "s3-object-created-eventbridge-percent-in-key",
        "s3-upload from eventbridge:aws.s3: ignored, object registries%2E",
    ),
    (
        "s3-object-created-eventbridge-status-object",
        "s3-upload from eventbridge:aws.s3: ignored, is a status object",
    ),
    (
        "s3-object-deleted-eventbridge",
        "s3-upload from eventbridge:aws.s3: ignored, is not an upload",
    ),
    (
        "s3-object-tags-added-eventbridge",
        "s3-upload from eventbridge:aws.s3: ignored, is not an upload",
    ),
    // Pulls through the cache.
    (
        "pull-failed-via-sqs-batch",
        "pull-failure from sqs:ecr-pull-through-sync-PullFailures-1A2B3C: nginx:1.27 UpstreamUnavailable, nginx",
    ),
    (
        "pull-failed",
        "pull-failure from eventbridge:aws.ecr: nginx:1.27 UpstreamUnavailable",
    ),
    ("pull-failed-bare", "pull-failure from eventbridge:aws.ecr: nginx"),
    (
        "pull-failed-other-account",
        "pull-failure from eventbridge:aws.ecr: ignored, than this function's: 210987654321, eu-west-1",
    ),
    (
        "pull-succeeded",
        "pull-failure from eventbridge:aws.ecr: ignored, the pull succeeded",
    ),
    // Secrets, by the native event.
    (
        "secret-label-updated",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, version",
    ),
    (
        "secret-label-updated-name-like-a-suffix",
        "secret-rotation from eventbridge:aws.secretsmanager: docker-mirror with ARN, version",
    ),
    (
        "secret-label-updated-via-sqs",
        "secret-rotation from sqs:secret-events: dockerhub with ARN, version",
    ),
    (
        "secret-label-updated-other-label",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, label CONFIGURED moved",
    ),
    (
        "secret-label-updated-other-secret",
        "secret-rotation from eventbridge:aws.secretsmanager: prod/database with ARN, version",
    ),
    (
        "secret-label-updated-other-account",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, account 210987654321",
    ),
    (
        "secret-label-updated-other-region",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, region us-east-1",
    ),
    // Secrets, by what CloudTrail saw.
    (
        "secret-rotation-succeeded",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN",
    ),
    (
        "secret-rotation-failed",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, failure",
    ),
    (
        "secret-rotation-started",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, event \"RotationStarted\"",
    ),
    (
        "secret-rotation-succeeded-other-secret",
        "secret-rotation from eventbridge:aws.secretsmanager: prod/database with ARN",
    ),
    (
        "secret-put-value-by-name",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, version",
    ),
    (
        "secret-put-value-by-arn",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, version",
    ),
    (
        "secret-put-value-by-partial-arn",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, version",
    ),
    (
        "secret-put-value-pending",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, label AWSPENDING moved",
    ),
    (
        "secret-put-value-other-secret",
        "secret-rotation from eventbridge:aws.secretsmanager: prod/database, version",
    ),
    (
        "secret-update",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, version",
    ),
    (
        "secret-update-version-stage",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN, version",
    ),
    (
        "secret-update-version-stage-other-label",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, label AWSPENDING moved",
    ),
    (
        "secret-restore",
        "secret-rotation from eventbridge:aws.secretsmanager: dockerhub with ARN",
    ),
    (
        "secret-api-call-failed",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, PutSecretValue failed (AccessDenied)",
    ),
    (
        "secret-api-call-other",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, event \"DescribeSecret\"",
    ),
    (
        "secret-delete",
        "secret-rotation from eventbridge:aws.secretsmanager: ignored, event \"DeleteSecret\"",
    ),
    // The clock, people, and the function's own queue.
    ("schedule-rule", "schedule from eventbridge:aws.events: apply"),
    ("schedule-scheduler", "schedule from eventbridge:aws.scheduler: apply"),
    ("manual-empty", "manual from invoke: plan"),
    ("manual-plan", "manual from invoke: plan"),
    ("manual-apply", "manual from invoke: apply"),
    ("manual-validate", "manual from invoke: validate"),
    (
        "manual-apply-max-deletions",
        "manual from invoke: apply, 3 deletions at most",
    ),
    (
        "manual-apply-plan-checksum",
        "manual from invoke: apply, only the plan 3f6c0b1d2e4a5968778695a4b3c2d1e0f00f1e2d3c4b5a69788796a5b4c3d2e1",
    ),
    (
        "manual-unknown-action",
        "error: unknown action \"aply\": did you mean \"apply\"?",
    ),
    (
        "manual-unknown-key",
        "error: unknown key \"max_deletion\": did you mean \"max_deletions\"?",
    ),
    (
        "manual-negative-max-deletions",
        "error: \"max_deletions\" must be a whole number, 0 or more, not -1",
    ),
    (
        "work-message",
        "work from sqs:ecr-pull-through-sync-work: 2 repositories of dockerhub",
    ),
    (
        "work-message-whole-run",
        "work from sqs:ecr-pull-through-sync-work: apply",
    ),
    // What the function does not serve.
    (
        "rotation-function-step",
        "error: this function is not a rotation function",
    ),
    (
        "rotation-function-step-with-token",
        "error: this function is not a rotation function",
    ),
    (
        "cloudformation-custom-resource",
        "error: does not serve as a CloudFormation custom resource",
    ),
    (
        "eventbridge-other-service",
        "error: an EventBridge event \"ECR Image Action\" from aws.ecr",
    ),
    ("dynamodb-stream", "error: a record from aws:dynamodb"),
    (
        "sqs-message-not-json",
        "error: the message from sqs:uploads is not JSON",
    ),
    (
        "sns-message-not-json",
        "error: the message from sns:uploads is not JSON",
    ),
    (
        "unknown",
        "error: no kind this function knows (an object with the keys key1, key2, key3)",
    ),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("events")
}

fn event(file: &str) -> Value {
    let path = directory().join(format!("{file}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a sample leads to, in the words of the table; of a reason or a message, all of it.
fn outcome(file: &str) -> String {
    match classify(&event(file), &PLACE) {
        Ok(trigger) => format!(
            "{} from {}: {}",
            trigger.kind.as_str(),
            trigger.source,
            words(&trigger.job)
        ),
        Err(error) => format!("error: {error}"),
    }
}

fn words(job: &Job) -> String {
    match job {
        Job::Run {
            mode,
            max_deletions,
            plan_checksum,
        } => {
            let most = max_deletions
                .map(|most| format!(", {most} deletions at most"))
                .unwrap_or_default();
            let only = plan_checksum
                .as_ref()
                .map(|sum| format!(", only the plan {sum}"))
                .unwrap_or_default();
            format!("{}{most}{only}", mode.as_str())
        }
        Job::Secret(change) => secret_words(change),
        Job::PullFailures(failures) => failures.iter().map(failure_words).collect::<Vec<_>>().join(", "),
        Job::Work(messages) => messages.iter().map(|message| work_words(&message.batch)).collect(),
        Job::Ignore(reason) => format!("ignored, {reason}"),
    }
}

fn failure_words(failure: &PullFailure) -> String {
    let name = failure
        .repository
        .strip_prefix("dockerhub/library/")
        .unwrap_or("another");
    let tag = failure.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let code = failure.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    format!("{name}{tag}{code}")
}

fn work_words(batch: &Result<WorkBatch, Refusal>) -> String {
    match batch {
        Ok(batch) => format!("{} repositories of {}", batch.repositories.len(), batch.registry),
        Err(refusal) => refusal.to_string(),
    }
}

fn secret_words(change: &SecretChange) -> String {
    let name = change
        .name
        .strip_prefix("ecr-pullthroughcache/")
        .unwrap_or(&change.name);
    let has = |what: &str, there: bool| if there { what.to_owned() } else { String::new() };
    let arn = has(" with ARN", change.arn.is_some());
    let version = has(", version", change.version_id.is_some());
    format!("{name}{arn}{version}{}", has(", failure", change.failed.is_some()))
}

#[test]
fn every_sample_leads_to_what_the_table_says() {
    let mut wrong = Vec::new();
    for (file, expected) in SAMPLES {
        let found = outcome(file);
        // Reasons and messages are told by their telling part, all else exactly.
        let (start, part) = match expected
            .split_once("ignored, ")
            .or_else(|| expected.split_once("error: "))
        {
            Some((start, part)) => (start, part),
            None => (expected, ""),
        };
        let right = if part.is_empty() {
            found == expected
        } else {
            found.starts_with(start) && found.contains(part)
        };
        if !right {
            wrong.push(format!("{file}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_is_in_the_table() {
    let files = std::fs::read_dir(directory()).unwrap_or_else(|error| panic!("events/: {error}"));
    let files: BTreeSet<String> = files
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    let listed: BTreeSet<String> = SAMPLES.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(files, listed);
}

/// In the order of the table, then again in the other: duplicates and disorder change nothing.
#[tokio::test(start_paused = true)]
async fn every_sample_sent_to_the_handler_ends_as_it_should_and_writes_nothing_where_nothing_is_to_do() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-2");
    assert_eq!(
        stack.send(scheduled()).await.unwrap().outcome,
        Outcome::Changed,
        "the rotated value is remembered as proven"
    );
    let mut wrong = Vec::new();
    for (file, expected) in SAMPLES.iter().chain(SAMPLES.iter().rev()) {
        let status = stack.aws.object(stack::BUCKET, stack::STATUS);
        stack.aws.clear_calls();
        let found = match stack.send(event(file)).await {
            Ok(report) => report.outcome.as_str().to_owned(),
            Err(Failure::UnknownEvent(_)) => "error".to_owned(),
            Err(other) => format!("{other}"),
        };
        let is_used = !expected.contains("docker-mirror") && !expected.contains("prod/database");
        let wanted = if expected.contains(": ignored") || !is_used {
            "ignored"
        } else if expected.starts_with("error: ") {
            "error"
        } else if expected.starts_with("pull-failure") {
            // They are more than a day old.
            "ignored"
        } else {
            "converged"
        };
        if found != wanted {
            wrong.push(format!("{file}: {found} instead of {wanted}"));
        }
        assert_eq!(stack.writes(), Vec::<String>::new(), "{file}");
        let quiet = found != "converged" || expected.ends_with(": plan") || expected.ends_with(": validate");
        if quiet {
            assert_eq!(
                stack.aws.object(stack::BUCKET, stack::STATUS),
                status,
                "{file} wrote a status"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn our_own_writes_raise_events_that_are_known_by_one_cheap_look() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    let events: Vec<Value> = stack.aws.events();
    let current = events
        .iter()
        .filter(|event| event["detail"]["labelUpdated"] == "AWSCURRENT");
    let current: Vec<&Value> = current.collect();
    assert_eq!(current.len(), 2);
    for event in current {
        stack.aws.clear_calls();
        let report = stack.send(event.clone()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Ignored, "{report:#?}");
        let calls: Vec<String> = stack.aws.calls().into_iter().map(|call| call.operation).collect();
        assert_eq!(calls, ["DescribeSecret"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_failed_is_told_with_where_to_look() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    let report = stack.send(event("secret-rotation-failed")).await.unwrap();
    let warning = report.warnings.last().unwrap();
    assert_eq!(
        (warning.code, warning.registry.as_deref()),
        (Code::ROTATION_FAILED, Some("dockerhub"))
    );
    assert!(
        warning
            .message
            .as_str()
            .contains("Look at the log of the secret's rotation function")
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotated_token_that_the_upstream_refuses_is_told_at_once() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-wrong");
    let raised = stack.newest_rotation();
    let report = stack.send(raised).await.unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(report.registries["dockerhub"].credential, CredentialState::Invalid);
    assert_eq!(report.trigger.kind, Kind::SecretRotation);
}

#[tokio::test(start_paused = true)]
async fn over_a_refused_file_a_rotation_is_proven_where_our_mark_is_and_ignored_elsewhere() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.upload("dockerhub: {}\n");
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-2");
    let raised = stack.newest_rotation();
    let report = stack.send(raised).await.unwrap();
    assert_eq!(
        (report.outcome, report.registries["dockerhub"].credential),
        (Outcome::Rejected, CredentialState::Valid)
    );
    let ignored = stack
        .send(event("secret-label-updated-name-like-a-suffix"))
        .await
        .unwrap();
    assert_eq!(ignored.outcome, Outcome::Ignored);
}
