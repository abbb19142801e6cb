//! Events about secrets: none that matters is taken for our own write or for somebody else's business.

use crate::support::{Bench, LEGACY, credential, hub, make_rule};
use local_aws::Fault;
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const GITLAB: &str = "ecr-pullthroughcache/gitlab";
const QUAY: &str = "quay: {registry: quay.io}\n";

/// A file with a credential, followed.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    bench
}

/// What CloudTrail sends about the secret of dockerhub.
pub fn cloudtrail(kind: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": format!("AWS {kind} via CloudTrail"),
        "source": "aws.secretsmanager", "account": "123456789012", "time": "2026-11-20T10:11:12Z",
        "region": "eu-west-1", "resources": [], "detail": detail,
    })
}

fn proofs(bench: &Bench) -> usize {
    bench
        .aws
        .calls()
        .iter()
        .filter(|call| call.operation == "ValidatePullThroughCacheRule")
        .count()
}

#[tokio::test(start_paused = true)]
async fn our_own_write_does_not_hide_a_rotation_that_comes_in_the_same_batch() {
    let bench = bench().await;
    let own_write = bench.newest_rotation();
    bench.rotate(HUB, "canary-wrong");
    let rotation = bench.newest_rotation();
    for events in [[&own_write, &rotation], [&rotation, &own_write]] {
        let record = |event: &Value| {
            let arn = "arn:aws:sqs:eu-west-1:123456789012:secret-events";
            json!({"eventSource": "aws:sqs", "messageId": "1", "eventSourceARN": arn, "body": event.to_string()})
        };
        let report = bench.send(json!({"Records": events.map(record)})).await.unwrap();
        assert_eq!(report["outcome"], "partial", "{report:#}");
        assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rotation_of_a_foreign_rules_secret_is_ignored() {
    let bench = Bench::new().await;
    let name = "ecr-pullthroughcache/foreign";
    let arn = bench.make_secret(name, &credential("canary-docker-1"), json!([]));
    make_rule(&bench.aws, "foreign", "registry-1.docker.io", Some(&arn));
    bench.follow(QUAY).await;
    bench.rotate(name, "canary-wrong");
    bench.aws.clear_calls();
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(report["outcome"], "ignored", "{report:#}");
    assert_eq!(proofs(&bench), 0);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_left_the_file_and_is_held_still_has_its_rotations_proven() {
    let bench = Bench::new().await;
    bench.follow(LEGACY).await;
    bench.follow(QUAY).await;
    bench.rotate(GITLAB, "canary-wrong");
    bench.aws.clear_calls();
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(report["registries"]["gitlab"]["credential"], "invalid", "{report:#}");
    assert_eq!(report["registries"]["gitlab"]["state"], "held");
    assert_eq!(
        proofs(&bench),
        3,
        "a refusal of a fresh rotation is believed when it comes three times"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restored_secret_is_proven_even_if_its_value_is_the_files() {
    let bench = bench().await;
    bench
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    let arn = bench.secret(HUB).unwrap()["ARN"].clone();
    let detail = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "RestoreSecret",
        "requestParameters": {"secretId": HUB}, "responseElements": {"arn": arn, "name": HUB},
    });
    let report = bench.send(cloudtrail("API Call", &detail)).await.unwrap();
    assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid", "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_not_ignored_because_the_secret_cannot_be_read_for_a_moment() {
    let bench = bench().await;
    // Without the rule nothing but the secret itself tells whose it is.
    bench
        .aws
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "dockerhub"}),
        )
        .unwrap();
    bench.rotate(HUB, "canary-docker-2");
    bench
        .aws
        .fault(Fault::on("secretsmanager", "DescribeSecret").server_error());
    let failure = bench.send(bench.newest_rotation()).await.unwrap_err().to_string();
    assert!(failure.contains("may go better"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_rotated_credential_that_is_refused_once_and_then_taken_is_valid() {
    let bench = bench().await;
    bench.rotate(HUB, "canary-docker-2");
    bench
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-2");
    bench.aws.after("ecr", "ValidatePullThroughCacheRule", 1, |aws| {
        aws.accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-2");
    });
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(report["registries"]["dockerhub"]["credential"], "valid", "{report:#}");
    assert_eq!(report["outcome"], "changed", "it is remembered as proven");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_that_failed_is_told_while_the_file_is_rejected_too() {
    let bench = bench().await;
    bench.upload("nonsense: 1\n");
    let arn = bench.secret(HUB).unwrap()["ARN"].clone();
    let detail = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationFailed",
        "errorMessage": "no such user", "additionalEventData": {"SecretId": arn},
    });
    let report = bench.send(cloudtrail("Service Event", &detail)).await.unwrap();
    assert_eq!(report["outcome"], "rejected");
    assert!(report["warnings"].to_string().contains("no such user"), "{report:#}");
}

/// The way out of docs/secrets.md after a bad rotation, which moves `AWSCURRENT` back to what came from the file.
#[tokio::test(start_paused = true)]
async fn who_repairs_by_hand_is_heard() {
    let bench = bench().await;
    bench.rotate(HUB, "canary-wrong");
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid", "{report:#}");
    let (good, bad) = (
        bench.version(HUB, "CONFIGURED").unwrap(),
        bench.version(HUB, "AWSCURRENT").unwrap(),
    );
    let back = json!({
        "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": good, "RemoveFromVersionId": bad,
    });
    bench
        .aws
        .call("secretsmanager", "UpdateSecretVersionStage", back.clone())
        .unwrap();
    let native = bench.newest_rotation();
    let detail = json!({
        "eventSource": "secretsmanager.amazonaws.com", "eventName": "UpdateSecretVersionStage",
        "requestParameters": {
            "secretId": HUB, "versionStage": "AWSCURRENT", "moveToVersionId": good, "removeFromVersionId": bad,
        },
    });
    for event in [native, cloudtrail("API Call", &detail)] {
        let report = bench.send(event).await.unwrap();
        assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{report:#}");
        assert_eq!(bench.status()["registries"]["dockerhub"]["credential"], "valid");
    }
}

/// `CONFIGURED` on a secret of another stack, or of nobody, is not ours.
#[tokio::test(start_paused = true)]
async fn a_label_of_ours_on_a_foreign_secret_is_no_own_write() {
    let bench = Bench::new().await;
    let name = "ecr-pullthroughcache/ops";
    bench.make_secret(name, &credential("canary-docker-1"), json!([]));
    bench
        .follow(&format!("dockerhub: {{registry: docker.io, secret: {name}}}\n"))
        .await;
    let value = credential("canary-wrong").to_string();
    let input = json!({
        "SecretId": name, "SecretString": value, "VersionStages": ["AWSCURRENT", "CONFIGURED"],
        "ClientRequestToken": crate::support::token_id(),
    });
    bench.aws.call("secretsmanager", "PutSecretValue", input).unwrap();
    let events = bench.aws.events();
    let of_current = |event: &&Value| event["detail"]["labelUpdated"] == "AWSCURRENT";
    let report = bench
        .send(events.iter().rfind(of_current).unwrap().clone())
        .await
        .unwrap();
    assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid", "{report:#}");
}
