//! The calm day: a file becomes an account, and stays one.

use crate::support::{self, Bench, LEGACY, STATUS_PAGE, hub, lines, scheduled, uploaded};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_legacy_file_becomes_three_rules_three_templates_and_two_secrets_in_one_run() {
    let bench = Bench::new().await;
    let report = bench.follow(LEGACY).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(
        lines(&report),
        [
            "dockerhub create secret ecr-pullthroughcache/dockerhub [] applied",
            "dockerhub create secret_policy ecr-pullthroughcache/dockerhub [] applied",
            "dockerhub create template dockerhub [] applied",
            "dockerhub create rule dockerhub [] applied",
            "gitlab create secret ecr-pullthroughcache/gitlab [] applied",
            "gitlab create secret_policy ecr-pullthroughcache/gitlab [] applied",
            "gitlab create template gitlab [] applied",
            "gitlab create rule gitlab [] applied",
            "public-ecr create template public-ecr [] applied",
            "public-ecr create rule public-ecr [] applied",
        ]
    );
    assert_eq!(
        report["registries"]["dockerhub"],
        json!({
            "state": "ready", "upstream": "registry-1.docker.io", "credential": "valid",
            "url": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dockerhub",
        })
    );
    assert_eq!(report["registries"]["public-ecr"]["credential"], "none");
    assert_eq!(
        report["pull_through_cache_urls"]["gitlab"],
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/gitlab/your_image:tag"
    );
    assert_eq!(bench.status(), report, "the status object is the response");
    let page = String::from_utf8(bench.aws.object(support::BUCKET, STATUS_PAGE).unwrap()).unwrap();
    assert!(page.starts_with("# changed: "), "{page}");
    for image in [
        "dockerhub/library/nginx:1",
        "gitlab/group/image:1",
        "public-ecr/nginx/nginx:1",
    ] {
        let pulled = bench.aws.pull(image).unwrap();
        assert_eq!(pulled.template.as_deref(), image.split('/').next());
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_run_reads_little_and_writes_nothing_but_the_status() {
    let bench = Bench::new().await;
    bench.follow(LEGACY).await;
    bench.aws.clear_calls();
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(
        (&report["outcome"], &report["changes"]),
        (&json!("converged"), &json!([]))
    );
    assert_eq!(bench.writes(), Vec::<String>::new());
    let mut calls: Vec<String> = bench.aws.calls().into_iter().map(|call| call.operation).collect();
    calls.sort();
    // One page each, and three reads and a proof for each of the two credentials.
    assert_eq!(
        calls,
        [
            "DescribePullThroughCacheRules",
            "DescribeRepositoryCreationTemplates",
            "DescribeSecret",
            "DescribeSecret",
            "GetObject",
            "GetObject",
            "GetResourcePolicy",
            "GetResourcePolicy",
            "GetSecretValue",
            "GetSecretValue",
            "ListSecrets",
            "PutObject",
            "PutObject",
            "ValidatePullThroughCacheRule",
            "ValidatePullThroughCacheRule",
        ]
    );
    assert_eq!(report["stats"]["aws_calls"], 13);
    assert_eq!(report["last_success_at"], report["finished_at"]);
}

#[tokio::test(start_paused = true)]
async fn plan_and_validate_write_nothing_at_all() {
    let bench = Bench::new().await;
    bench.upload(LEGACY);
    for action in ["plan", "validate"] {
        let report = bench.act(action).await;
        assert_eq!(report["outcome"], "pending", "{report:#}");
        assert_eq!(report["changes"].as_array().unwrap().len(), 10);
        assert_eq!(report["registries"]["gitlab"]["state"], "planned");
    }
    assert!(
        bench.aws.calls().iter().all(|call| !call.write),
        "{:?}",
        bench.aws.calls()
    );
    assert_eq!(bench.aws.objects(support::BUCKET), [support::KEY]);
    bench.act("apply").await;
    let plan = bench.act("plan").await;
    assert_eq!(
        (&plan["outcome"], &plan["registries"]["gitlab"]["credential"]),
        (&json!("converged"), &json!("unchecked"))
    );
    let valid = bench.act("validate").await;
    assert_eq!(
        (&valid["outcome"], &valid["registries"]["gitlab"]["state"]),
        (&json!("converged"), &json!("ready"))
    );
    assert_eq!(valid["last_success_at"], bench.status()["finished_at"]);
}

#[tokio::test(start_paused = true)]
async fn drift_is_named_field_by_field_and_repaired() {
    let bench = Bench::new().await;
    bench.follow(LEGACY).await;
    let secret = bench.secret("ecr-pullthroughcache/dockerhub").unwrap();
    for (service, operation, input) in [
        (
            "ecr",
            "UpdateRepositoryCreationTemplate",
            json!({"prefix": "dockerhub", "lifecyclePolicy": "", "imageTagMutability": "MUTABLE"}),
        ),
        (
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "public-ecr"}),
        ),
        (
            "secretsmanager",
            "DeleteResourcePolicy",
            json!({"SecretId": secret["ARN"]}),
        ),
        (
            "secretsmanager",
            "UntagResource",
            json!({"SecretId": secret["ARN"], "TagKeys": ["ecr-pull-through-sync:owner"]}),
        ),
    ] {
        bench.aws.call(service, operation, input).unwrap();
    }
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub adopt secret ecr-pullthroughcache/dockerhub [tags] applied",
            "dockerhub create secret_policy ecr-pullthroughcache/dockerhub [] applied",
            "dockerhub update template dockerhub [image_tag_mutability lifecycle_policy] applied",
            "public-ecr create rule public-ecr [] applied",
        ]
    );
    assert_eq!(bench.act("plan").await["outcome"], "converged");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_file_changes_nothing_and_the_clock_still_proves_credentials() {
    let bench = Bench::new().await;
    bench.follow(LEGACY).await;
    bench.aws.clear_calls();
    let report = bench
        .follow("dockerhub: {registry: registry-1.docker.io, regsitry: x}\n")
        .await;
    assert_eq!(report["outcome"], "rejected");
    assert_eq!(report["errors"][0]["line"], 1);
    assert_eq!(report["errors"][0]["registry"], "dockerhub");
    assert_eq!(bench.status()["outcome"], "rejected");
    assert!(
        bench
            .aws
            .calls()
            .iter()
            .all(|call| call.operation != "ValidatePullThroughCacheRule")
    );
    assert_eq!(bench.writes(), Vec::<String>::new());

    bench
        .aws
        .refuse_upstream("registry.gitlab.com", "acme-bot", "canary-gitlab-1");
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["outcome"], "rejected");
    assert_eq!(report["registries"]["gitlab"]["credential"], "invalid");
    assert_eq!(report["registries"]["dockerhub"]["credential"], "valid");
}

#[tokio::test(start_paused = true)]
async fn no_file_yet_is_not_an_error_and_says_how_to_upload_one() {
    let bench = Bench::new().await;
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["outcome"], "ignored");
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .contains("aws s3 cp registries.yaml s3://my-registries/registries.yaml")
    );
    assert!(bench.aws.calls().iter().all(|call| !call.write));
}

#[tokio::test(start_paused = true)]
async fn a_credential_the_upstream_refuses_is_never_ready() {
    let bench = Bench::new().await;
    let report = bench.follow(&hub("canary-wrong")).await;
    assert_eq!(report["outcome"], "partial");
    assert_eq!(report["registries"]["dockerhub"]["state"], "failed");
    assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid");
    let again = bench.send(scheduled()).await.unwrap();
    assert_eq!(again["registries"]["dockerhub"]["since"], report["started_at"]);
    let third = bench.send(uploaded()).await.unwrap();
    assert_eq!(
        third["registries"]["dockerhub"]["since"], report["started_at"],
        "the first time, not the last"
    );
    let valid = bench.act("validate").await;
    assert_eq!(valid["outcome"], "partial");
}
