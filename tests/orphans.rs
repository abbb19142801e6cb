//! Our own secrets that nothing uses any more: they go when what serves instead is proven, and cleaning up is in
//! nobody's way.

use std::time::Duration;

use crate::support::{Bench, credential, hub, lines, logged, make_rule, scheduled, uploaded};
use local_aws::{Fault, Options};
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const OPS: &str = "ecr-pullthroughcache/ops";
const MOVED: &str = "dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n";

/// A registry with a secret of its own, and another secret for it to move to.
async fn about_to_move(bench: &Bench, token: &str) {
    bench.follow(&hub("canary-docker-1")).await;
    bench.make_secret(OPS, &credential(token), json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_secret_goes_only_when_the_one_that_serves_instead_is_proven() {
    let bench = Bench::new().await;
    about_to_move(&bench, "canary-typo").await;
    let report = bench.follow(MOVED).await;
    assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid", "{report:#}");
    assert!(
        !bench.is_going(HUB),
        "it is all there is to go back to: {:?}",
        lines(&report)
    );
    bench.rotate(OPS, "canary-docker-2");
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(lines(&report), [format!("dockerhub delete secret {HUB} [] applied")]);
    assert!(bench.is_going(HUB));
}

#[tokio::test(start_paused = true)]
async fn a_registry_whose_old_secret_cannot_be_deleted_is_partial_and_says_so() {
    let bench = Bench::new().await;
    about_to_move(&bench, "canary-docker-1").await;
    bench
        .aws
        .fault(Fault::on("secretsmanager", "DeleteSecret").access_denied());
    let report = bench.follow(MOVED).await;
    assert_eq!(report["outcome"], "partial", "{report:#}");
    assert_ne!(report["registries"]["dockerhub"]["state"], "ready", "{report:#}");
    let change = &report["changes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&change["action"], &change["result"]),
        (&json!("delete"), &json!("failed"))
    );
    assert!(change["error"].as_str().unwrap().contains("AccessDenied"), "{change}");
}

#[tokio::test(start_paused = true)]
async fn a_legacy_secret_that_goes_is_told_under_its_registrys_name() {
    let bench = Bench::new().await;
    let arn = bench.make_secret(
        &format!("{HUB}20240101120000000000000001"),
        &credential("canary-docker-1"),
        json!([]),
    );
    make_rule(&bench.aws, "dockerhub", "registry-1.docker.io", Some(&arn));
    about_to_move(&bench, "canary-docker-1").await;
    bench
        .aws
        .fault(Fault::on("secretsmanager", "DeleteSecret").access_denied());
    let report = bench.follow(MOVED).await;
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
    let bench = Bench::new().await;
    bench
        .aws
        .fault(Fault::on("secretsmanager", "ListSecrets").access_denied());
    let report = bench
        .follow(&format!("{}quay: {{registry: quay.io}}\n", hub("canary-docker-1")))
        .await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(report["registries"]["quay"]["state"], "ready");
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("could not be looked for") && warnings.contains("PT092"),
        "{report:#}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_minutes_old_does_not_announce_a_deletion_that_was_done() {
    let bench = Bench::with(
        Options {
            list_lag: Duration::from_secs(300),
            ..Options::default()
        },
        &[],
    )
    .await;
    bench.follow(&hub("canary-docker-1")).await;
    bench.aws.advance(Duration::from_secs(600));
    bench.make_secret(OPS, &credential("canary-docker-1"), json!([]));
    bench.follow(MOVED).await;
    assert!(bench.is_going(HUB));
    let plan = bench.act("plan").await;
    assert_eq!(plan["outcome"], "converged", "{:?}", lines(&plan));
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_could_neither_be_replaced_nor_put_back_keeps_its_secret() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    bench
        .aws
        .fault(Fault::on("ecr", "CreatePullThroughCacheRule").server_error());
    bench.upload("dockerhub: {registry: quay.io}\n");
    let failure = bench.send(uploaded()).await.unwrap_err().to_string();
    assert!(failure.contains("partial"), "{failure}");
    assert!(!bench.is_going(HUB), "{:?}", lines(&bench.status()));
    bench.aws.clear_faults();
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_went_is_in_the_log() {
    let bench = Bench::new().await;
    bench
        .follow(&hub("canary-docker-1").replace("dockerhub", "in-the-log"))
        .await;
    bench.make_secret(OPS, &credential("canary-docker-1"), json!([]));
    bench.follow(&MOVED.replace("dockerhub", "in-the-log")).await;
    let log = logged();
    let mut lines = log
        .lines()
        .filter(|line| line.contains("ecr-pullthroughcache/in-the-log"));
    assert!(lines.any(|line| line.contains("Delete") && line.contains("applied")));
}
