//! A stack of the version before is updated: its secrets have no tag that says which host they are for, and no version is
//! remembered as proven. What the first run does is shown line by line, and the second does nothing.

use crate::stack::{CredentialState, LEGACY, State, TestStack, hub, lines, scheduled};
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";

/// Takes away what the version before did not write.
fn as_before(stack: &TestStack, secrets: &[&str]) {
    for secret in secrets {
        let tag = json!({"SecretId": secret, "TagKeys": ["ecr-pull-through-sync:upstream"]});
        stack.aws.call("secretsmanager", "UntagResource", tag).unwrap();
        if let Some(version) = stack.version(secret, "PROVEN") {
            let off = json!({"SecretId": secret, "VersionStage": "PROVEN", "RemoveFromVersionId": version});
            stack
                .aws
                .call("secretsmanager", "UpdateSecretVersionStage", off)
                .unwrap();
        }
    }
}

/// Moves `AWSCURRENT` by hand to the version that carries a label.
fn choose(stack: &TestStack, label: &str) {
    let (from, to) = (stack.version(HUB, "AWSCURRENT"), stack.version(HUB, label));
    let input =
        json!({"SecretId": HUB, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": from, "MoveToVersionId": to});
    stack
        .aws
        .call("secretsmanager", "UpdateSecretVersionStage", input)
        .unwrap();
}

async fn then_it_is_quiet(stack: &TestStack) {
    stack.aws.clear_calls();
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn secrets_are_tagged_and_nothing_else_changes() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    as_before(&stack, &[HUB, "ecr-pullthroughcache/gitlab"]);
    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub update secret ecr-pullthroughcache/dockerhub [tags] applied",
            "gitlab update secret ecr-pullthroughcache/gitlab [tags] applied",
        ],
        "{report:#?}"
    );
    assert_eq!(stack.writes(), ["TagResource", "TagResource"]);
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
    then_it_is_quiet(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn somebodys_own_choice_of_a_version_stands() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.follow(&hub("canary-docker-2")).await;
    choose(&stack, "AWSPREVIOUS");
    as_before(&stack, &[HUB]);
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub label secret ecr-pullthroughcache/dockerhub [UNBOUND] applied",
            "dockerhub update secret ecr-pullthroughcache/dockerhub [tags] applied",
            "dockerhub label secret ecr-pullthroughcache/dockerhub [PROVEN] applied",
        ],
        "{report:#?}"
    );
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    then_it_is_quiet(&stack).await;
}

/// Also one that is made later, among versions from before the update.
#[tokio::test(start_paused = true)]
async fn so_does_a_choice_of_a_version_from_before_the_update() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    for token in ["canary-docker-2", "canary-docker-3"] {
        stack.aws.advance(std::time::Duration::from_secs(60));
        stack.rotate(HUB, token);
    }
    as_before(&stack, &[HUB]);
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.token(HUB, "UNBOUND").as_deref(), Some("canary-docker-2"));
    choose(&stack, "AWSPREVIOUS");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-2"),
        "{report:#?}"
    );
    then_it_is_quiet(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn a_rotation_stands_and_is_remembered_as_proven() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.rotate(HUB, "canary-docker-2");
    as_before(&stack, &[HUB]);
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.token(HUB, "PROVEN").as_deref(), Some("canary-docker-2"));
    assert_eq!(
        stack.token(HUB, "UNBOUND").as_deref(),
        Some("canary-docker-1"),
        "it is not gone back to"
    );
    then_it_is_quiet(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_refused_before_is_not_tried_until_it_is_uploaded_again() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.follow(&hub("canary-docker-late")).await;
    as_before(&stack, &[HUB]);
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        report.registries["dockerhub"].credential,
        CredentialState::Invalid,
        "{report:#?}"
    );
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    then_it_is_quiet(&stack).await;
    stack
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-late");
    stack.aws.advance(std::time::Duration::from_secs(60));
    let report = stack.follow(&hub("canary-docker-late")).await;
    assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-late"));
    then_it_is_quiet(&stack).await;
}
