//! Our own secrets that nothing uses any more: they go when what serves instead is proven, and cleaning up is in
//! nobody's way.

use config::Code;
use std::time::Duration;

use crate::stack::{
    ChangeResult, CredentialState, Outcome, State, TestStack, credential, hub, lines, logged, make_rule, messages,
    scheduled, uploaded,
};
use ecr_pull_through_sync::plan::Action;
use local_aws::{Fault, Options};
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const OPS: &str = "ecr-pullthroughcache/ops";
const MOVED: &str = "dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n";

/// A registry with a secret of its own, and another secret for it to move to.
async fn about_to_move(stack: &TestStack, token: &str) {
    stack.follow(&hub("canary-docker-1")).await;
    stack.make_secret(OPS, &credential(token), json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_secret_goes_only_when_the_one_that_serves_instead_is_proven() {
    let stack = TestStack::new().await;
    about_to_move(&stack, "canary-typo").await;
    let report = stack.follow(MOVED).await;
    assert_eq!(
        report.registries["dockerhub"].credential,
        CredentialState::Invalid,
        "{report:#?}"
    );
    assert!(
        !stack.is_going(HUB),
        "it is all there is to go back to: {:?}",
        lines(&report)
    );
    stack.rotate(OPS, "canary-docker-2");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(lines(&report), [format!("dockerhub delete secret {HUB} [] applied")]);
    assert!(stack.is_going(HUB));
}

#[tokio::test(start_paused = true)]
async fn a_registry_whose_old_secret_cannot_be_deleted_is_partial_and_says_so() {
    let stack = TestStack::new().await;
    about_to_move(&stack, "canary-docker-1").await;
    stack
        .aws
        .fault(Fault::on("secretsmanager", "DeleteSecret").access_denied());
    let report = stack.follow(MOVED).await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_ne!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
    let change = &report.changes.last().unwrap().clone();
    assert_eq!((change.action, change.result), (Action::Delete, ChangeResult::Failed));
    assert!(change.error.as_deref().unwrap().contains("AccessDenied"), "{change:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_legacy_secret_that_goes_is_told_under_its_registrys_name() {
    let stack = TestStack::new().await;
    let arn = stack.make_secret(
        &format!("{HUB}20240101120000000000000001"),
        &credential("canary-docker-1"),
        json!([]),
    );
    make_rule(&stack.aws, "dockerhub", "registry-1.docker.io", Some(&arn));
    about_to_move(&stack, "canary-docker-1").await;
    stack
        .aws
        .fault(Fault::on("secretsmanager", "DeleteSecret").access_denied());
    let report = stack.follow(MOVED).await;
    assert!(
        lines(&report).iter().any(|line| line.contains("delete secret")),
        "{:?}",
        lines(&report)
    );
    assert!(
        lines(&report).iter().all(|line| line.starts_with("dockerhub ")),
        "{:?}",
        lines(&report)
    );
}

#[tokio::test(start_paused = true)]
async fn without_leave_to_list_secrets_everything_else_goes_on_with_a_warning() {
    let stack = TestStack::new().await;
    stack
        .aws
        .fault(Fault::on("secretsmanager", "ListSecrets").access_denied());
    let report = stack
        .follow(&format!("{}quay: {{registry: quay.io}}\n", hub("canary-docker-1")))
        .await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(report.registries["quay"].state, State::Ready);
    assert!(
        messages(&report.warnings).contains("could not be looked for"),
        "{report:#?}"
    );
    assert_eq!(report.warnings.last().unwrap().code, Code::SECRETS_NOT_LISTED);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_minutes_old_does_not_announce_a_deletion_that_was_done() {
    let stack = TestStack::with(
        Options {
            list_lag: Duration::from_secs(300),
            ..Options::default()
        },
        &[],
    )
    .await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.advance(Duration::from_secs(600));
    stack.make_secret(OPS, &credential("canary-docker-1"), json!([]));
    stack.follow(MOVED).await;
    assert!(stack.is_going(HUB));
    let plan = stack.manual("plan").await;
    assert_eq!(plan.outcome, Outcome::Converged, "{:?}", lines(&plan));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_could_neither_be_replaced_nor_put_back_keeps_its_secret() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
        .aws
        .fault(Fault::on("ecr", "CreatePullThroughCacheRule").server_error());
    stack.upload("dockerhub: {registry: quay.io}\n");
    let failure = stack.send(uploaded()).await.unwrap_err().to_string();
    assert!(failure.contains("partial"), "{failure}");
    assert!(!stack.is_going(HUB), "{:?}", lines(&stack.status()));
    stack.aws.clear_faults();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_went_is_in_the_log() {
    let stack = TestStack::new().await;
    stack
        .follow(&hub("canary-docker-1").replace("dockerhub", "in-the-log"))
        .await;
    stack.make_secret(OPS, &credential("canary-docker-1"), json!([]));
    stack.follow(&MOVED.replace("dockerhub", "in-the-log")).await;
    let log = logged();
    let mut lines = log
        .lines()
        .filter(|line| line.contains("ecr-pullthroughcache/in-the-log"));
    assert!(lines.any(|line| line.contains("Delete") && line.contains("applied")));
}
