//! The calm day: a file becomes an account, and stays one.

use crate::stack::{
    self, CredentialState, LEGACY, Outcome, STATUS_PAGE, State, TestStack, hub, json_of, lines, scheduled, uploaded,
};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_legacy_file_becomes_three_rules_three_templates_and_two_secrets_in_one_run() {
    let stack = TestStack::new().await;
    let report = stack.follow(LEGACY).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
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
        json_of(&report)["registries"]["dockerhub"],
        json!({
            "state": "ready", "upstream": "registry-1.docker.io", "credential": "valid",
            "url": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/dockerhub",
        })
    );
    assert_eq!(report.registries["public-ecr"].credential, CredentialState::None);
    assert_eq!(
        report.pull_through_cache_urls["gitlab"],
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/gitlab/your_image:tag"
    );
    assert_eq!(
        stack.status_json(),
        json_of(&report),
        "the status object is the response"
    );
    let page = String::from_utf8(stack.aws.object(stack::BUCKET, STATUS_PAGE).unwrap()).unwrap();
    assert!(page.starts_with("# changed: "), "{page}");
    for image in [
        "dockerhub/library/nginx:1",
        "gitlab/group/image:1",
        "public-ecr/nginx/nginx:1",
    ] {
        let pulled = stack.aws.pull(image).unwrap();
        assert_eq!(pulled.template.as_deref(), image.split('/').next());
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_run_reads_little_and_writes_nothing_but_the_status() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!((report.outcome, report.changes.len()), (Outcome::Converged, 0));
    assert_eq!(stack.writes(), Vec::<String>::new());
    let mut calls: Vec<String> = stack.aws.calls().into_iter().map(|call| call.operation).collect();
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
    assert_eq!(report.stats.aws_calls, 13);
    assert_eq!(report.last_success_at.as_ref(), Some(&report.finished_at));
}

#[tokio::test(start_paused = true)]
async fn plan_and_validate_write_nothing_at_all() {
    let stack = TestStack::new().await;
    stack.upload(LEGACY);
    for action in ["plan", "validate"] {
        let report = stack.manual(action).await;
        assert_eq!(report.outcome, Outcome::Pending, "{report:#?}");
        assert_eq!(report.changes.len(), 10);
        assert_eq!(report.registries["gitlab"].state, State::Planned);
    }
    assert!(
        stack.aws.calls().iter().all(|call| !call.write),
        "{:?}",
        stack.aws.calls()
    );
    assert_eq!(stack.aws.objects(stack::BUCKET), [stack::KEY]);
    stack.manual("apply").await;
    let plan = stack.manual("plan").await;
    assert_eq!(
        (plan.outcome, plan.registries["gitlab"].credential),
        (Outcome::Converged, CredentialState::Unchecked)
    );
    let valid = stack.manual("validate").await;
    assert_eq!(
        (valid.outcome, valid.registries["gitlab"].state),
        (Outcome::Converged, State::Ready)
    );
    assert_eq!(valid.last_success_at.as_ref(), Some(&stack.status().finished_at));
}

#[tokio::test(start_paused = true)]
async fn drift_is_named_field_by_field_and_repaired() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    let secret = stack.secret("ecr-pullthroughcache/dockerhub").unwrap();
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
        stack.aws.call(service, operation, input).unwrap();
    }
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub adopt secret ecr-pullthroughcache/dockerhub [tags] applied",
            "dockerhub create secret_policy ecr-pullthroughcache/dockerhub [] applied",
            "dockerhub update template dockerhub [image_tag_mutability lifecycle_policy] applied",
            "public-ecr create rule public-ecr [] applied",
        ]
    );
    assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_file_changes_nothing_and_the_clock_still_proves_credentials() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.aws.clear_calls();
    let report = stack
        .follow("dockerhub: {registry: registry-1.docker.io, regsitry: x}\n")
        .await;
    assert_eq!(report.outcome, Outcome::Rejected);
    assert_eq!(report.errors[0].line, Some(1));
    assert_eq!(report.errors[0].registry.as_deref(), Some("dockerhub"));
    assert_eq!(stack.status().outcome, Outcome::Rejected);
    assert!(
        stack
            .aws
            .calls()
            .iter()
            .all(|call| call.operation != "ValidatePullThroughCacheRule")
    );
    assert_eq!(stack.writes(), Vec::<String>::new());

    stack
        .aws
        .refuse_upstream("registry.gitlab.com", "acme-bot", "canary-gitlab-1");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Rejected);
    assert_eq!(report.registries["gitlab"].credential, CredentialState::Invalid);
    assert_eq!(report.registries["dockerhub"].credential, CredentialState::Valid);
}

#[tokio::test(start_paused = true)]
async fn no_file_yet_is_not_an_error_and_says_how_to_upload_one() {
    let stack = TestStack::new().await;
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored);
    assert!(
        report
            .message
            .as_str()
            .contains("aws s3 cp registries.yaml s3://my-registries/registries.yaml")
    );
    assert!(stack.aws.calls().iter().all(|call| !call.write));
}

#[tokio::test(start_paused = true)]
async fn a_credential_the_upstream_refuses_is_never_ready() {
    let stack = TestStack::new().await;
    let report = stack.follow(&hub("canary-wrong")).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(report.registries["dockerhub"].state, State::Failed);
    assert_eq!(report.registries["dockerhub"].credential, CredentialState::Invalid);
    let again = stack.send(scheduled()).await.unwrap();
    assert_eq!(again.registries["dockerhub"].since.as_ref(), Some(&report.started_at));
    let third = stack.send(uploaded()).await.unwrap();
    assert_eq!(
        third.registries["dockerhub"].since.as_ref(),
        Some(&report.started_at),
        "the first time, not the last"
    );
    let valid = stack.manual("validate").await;
    assert_eq!(valid.outcome, Outcome::Partial);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_any_upstream_is_served_and_another_part_is_another_rule() {
    let stack = TestStack::new().await;
    let file = |more: &str| hub("canary-docker-1").replace("}", &format!(", {more}}}"));
    let report = stack.follow(&file("upstream_repository_prefix: library")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let told = json_of(&report)["registries"]["dockerhub"].clone();
    assert_eq!(
        (&told["state"], &told["upstream"], &told["upstream_repository_prefix"]),
        (&json!("ready"), &json!("registry-1.docker.io"), &json!("library"))
    );
    let served = |image: &str| stack.aws.pull(image).unwrap().upstream;
    assert_eq!(served("dockerhub/nginx:1"), "registry-1.docker.io/library/nginx:1");
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);

    // It cannot be updated.
    let report = stack.follow(&file("upstream_repository_prefix: grafana")).await;
    let replaced = "dockerhub replace rule dockerhub [upstream_repository_prefix] applied";
    assert_eq!(lines(&report), [replaced]);
    assert_eq!(served("dockerhub/mimir:1"), "registry-1.docker.io/grafana/mimir:1");
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(lines(&report), [replaced]);
    assert!(
        json_of(&report)["registries"]["dockerhub"]
            .get("upstream_repository_prefix")
            .is_none()
    );

    // One that is not ours waits for somebody's word.
    let rule =
        json!({"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io", "upstreamRepositoryPrefix": "org"});
    stack.aws.call("ecr", "CreatePullThroughCacheRule", rule).unwrap();
    let file = |more: &str| format!("{}quay: {{registry: quay.io{more}}}\n", hub("canary-docker-1"));
    let report = stack.follow(&file("")).await;
    assert_eq!(report.registries["quay"].state, State::Held);
    let message = report.registries["quay"].message.clone().unwrap_or_default();
    assert!(message.contains("serves quay.io/org under this name"), "{message}");
    let report = stack.follow(&file(", upstream_repository_prefix: org")).await;
    assert_eq!(report.registries["quay"].state, State::Ready);
    let report = stack.follow(&file("")).await;
    assert_eq!(
        lines(&report),
        ["quay replace rule quay [upstream_repository_prefix] applied"]
    );
    assert_eq!(served("quay/org/image:1"), "quay.io/org/image:1");
}
