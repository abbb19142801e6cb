//! Events about secrets: none that matters is taken for our own write or for somebody else's business.

use crate::stack::{CredentialState, LEGACY, Outcome, State, TestStack, credential, hub, make_rule, messages};
use local_aws::Fault;
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const GITLAB: &str = "ecr-pullthroughcache/gitlab";
const QUAY: &str = "quay: {registry: quay.io}\n";

/// A file with a credential, followed.
async fn stack() -> TestStack {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
}

/// What CloudTrail sends about the secret of dockerhub.
pub fn cloudtrail(kind: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": format!("AWS {kind} via CloudTrail"),
        "source": "aws.secretsmanager", "account": "123456789012", "time": "2026-11-20T10:11:12Z",
        "region": "eu-west-1", "resources": [], "detail": detail,
    })
}

fn proofs(stack: &TestStack) -> usize {
    stack
        .aws
        .calls()
        .iter()
        .filter(|call| call.operation == "ValidatePullThroughCacheRule")
        .count()
}

#[tokio::test(start_paused = true)]
async fn our_own_write_does_not_hide_a_rotation_that_comes_in_the_same_batch() {
    let stack = stack().await;
    let own_write = stack.newest_rotation();
    stack.rotate(HUB, "canary-wrong");
    let rotation = stack.newest_rotation();
    for events in [[&own_write, &rotation], [&rotation, &own_write]] {
        let record = |event: &Value| {
            let arn = "arn:aws:sqs:eu-west-1:123456789012:secret-events";
            json!({"eventSource": "aws:sqs", "messageId": "1", "eventSourceARN": arn, "body": event.to_string()})
        };
        let report = stack.send(json!({"Records": events.map(record)})).await.unwrap();
        assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
        assert_eq!(report.registries["dockerhub"].credential, CredentialState::Invalid);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rotation_of_a_foreign_rules_secret_is_ignored() {
    let stack = TestStack::new().await;
    let name = "ecr-pullthroughcache/foreign";
    let arn = stack.make_secret(name, &credential("canary-docker-1"), json!([]));
    make_rule(&stack.aws, "foreign", "registry-1.docker.io", Some(&arn));
    stack.follow(QUAY).await;
    stack.rotate(name, "canary-wrong");
    stack.aws.clear_calls();
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored, "{report:#?}");
    assert_eq!(proofs(&stack), 0);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_left_the_file_and_is_held_still_has_its_rotations_proven() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.follow(QUAY).await;
    stack.rotate(GITLAB, "canary-wrong");
    stack.aws.clear_calls();
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(
        report.registries["gitlab"].credential,
        CredentialState::Invalid,
        "{report:#?}"
    );
    assert_eq!(report.registries["gitlab"].state, State::Held);
    assert_eq!(
        proofs(&stack),
        3,
        "a refusal of a fresh rotation is believed when it comes three times"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restored_secret_is_proven_even_if_its_value_is_the_files() {
    let stack = stack().await;
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    let arn = stack.secret(HUB).unwrap()["ARN"].clone();
    let detail = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "RestoreSecret",
        "requestParameters": {"secretId": HUB}, "responseElements": {"arn": arn, "name": HUB},
    });
    let report = stack.send(cloudtrail("API Call", &detail)).await.unwrap();
    assert_eq!(
        report.registries["dockerhub"].credential,
        CredentialState::Invalid,
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_not_ignored_because_the_secret_cannot_be_read_for_a_moment() {
    let stack = stack().await;
    // Without the rule nothing but the secret itself tells whose it is.
    stack
        .aws
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "dockerhub"}),
        )
        .unwrap();
    stack.rotate(HUB, "canary-docker-2");
    stack
        .aws
        .fault(Fault::on("secretsmanager", "DescribeSecret").server_error());
    let failure = stack.send(stack.newest_rotation()).await.unwrap_err().to_string();
    assert!(failure.contains("may go better"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_rotated_credential_that_is_refused_once_and_then_taken_is_valid() {
    let stack = stack().await;
    stack.rotate(HUB, "canary-docker-2");
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-2");
    stack.aws.after("ecr", "ValidatePullThroughCacheRule", 1, |aws| {
        aws.accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-2");
    });
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(
        report.registries["dockerhub"].credential,
        CredentialState::Valid,
        "{report:#?}"
    );
    assert_eq!(report.outcome, Outcome::Changed, "it is remembered as proven");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_failed_is_told_while_the_file_is_rejected_too() {
    let stack = stack().await;
    stack.upload("nonsense: 1\n");
    let arn = stack.secret(HUB).unwrap()["ARN"].clone();
    let detail = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationFailed",
        "errorMessage": "no such user", "additionalEventData": {"SecretId": arn},
    });
    let report = stack.send(cloudtrail("Service Event", &detail)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Rejected);
    assert!(messages(&report.warnings).contains("no such user"), "{report:#?}");
}

/// The way out of docs/secrets.md after a bad rotation, which moves `AWSCURRENT` back to what came from the file.
#[tokio::test(start_paused = true)]
async fn who_repairs_by_hand_is_heard() {
    let stack = stack().await;
    stack.rotate(HUB, "canary-wrong");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(
        report.registries["dockerhub"].credential,
        CredentialState::Invalid,
        "{report:#?}"
    );
    let (good, bad) = (
        stack.version(HUB, "CONFIGURED").unwrap(),
        stack.version(HUB, "AWSCURRENT").unwrap(),
    );
    let back = json!({
        "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": good, "RemoveFromVersionId": bad,
    });
    stack
        .aws
        .call("secretsmanager", "UpdateSecretVersionStage", back.clone())
        .unwrap();
    let native = stack.newest_rotation();
    let detail = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "UpdateSecretVersionStage",
        "requestParameters": {
            "secretId": HUB, "versionStage": "AWSCURRENT", "moveToVersionId": good, "removeFromVersionId": bad,
        },
    });
    for event in [native, cloudtrail("API Call", &detail)] {
        let report = stack.send(event).await.unwrap();
        assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
        assert_eq!(
            stack.status().registries["dockerhub"].credential,
            CredentialState::Valid
        );
    }
}

/// `CONFIGURED` on a secret of another stack, or of nobody, is not ours.
#[tokio::test(start_paused = true)]
async fn a_label_of_ours_on_a_foreign_secret_is_no_own_write() {
    let stack = TestStack::new().await;
    let name = "ecr-pullthroughcache/ops";
    stack.make_secret(name, &credential("canary-docker-1"), json!([]));
    stack
        .follow(&format!("dockerhub: {{registry: docker.io, secret: {name}}}\n"))
        .await;
    let value = credential("canary-wrong").to_string();
    let input = json!({
        "SecretId": name, "SecretString": value, "VersionStages": ["AWSCURRENT", "CONFIGURED"],
        "ClientRequestToken": crate::stack::token_id(),
    });
    stack.aws.call("secretsmanager", "PutSecretValue", input).unwrap();
    let events = stack.aws.events();
    let of_current = |event: &&Value| event["detail"]["labelUpdated"] == "AWSCURRENT";
    let report = stack
        .send(events.iter().rfind(of_current).unwrap().clone())
        .await
        .unwrap();
    assert_eq!(
        report.registries["dockerhub"].credential,
        CredentialState::Invalid,
        "{report:#?}"
    );
}
