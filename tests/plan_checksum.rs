//! A plan that was looked at and is then applied: exactly that one, or nothing.

use crate::stack::{
    BUCKET, KEY, LEGACY, Outcome, Report, TestStack, hub, images, lines, make_rule, reason, repository,
};
use ecr_pull_through_sync::trigger::Mode;
use serde_json::{Value, json};

const EXISTING: &str = "quay: {registry: quay.io, existing_repositories: true}\n";

async fn plan(stack: &TestStack) -> Report {
    stack.send(json!({"action": "plan"})).await.unwrap()
}

async fn apply(stack: &TestStack, plan: &Report) -> Report {
    let event = json!({"action": "apply", "plan_checksum": plan.plan_checksum});
    stack.aws.clear_calls();
    stack.send(event).await.unwrap()
}

/// That nothing was written, not even the status.
fn assert_refused(stack: &TestStack, report: &Report) {
    assert!(
        report.message.as_str().starts_with("refused, and nothing was changed"),
        "{report:#?}"
    );
    assert_eq!(report.mode, Mode::Apply);
    let writes: Vec<_> = stack.aws.calls().into_iter().filter(|call| call.write).collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_applied_once_and_refused_when_it_is_not_the_plan_any_more() {
    let stack = TestStack::new().await;
    stack.upload(LEGACY);
    let planned = plan(&stack).await;
    let checksum = planned.plan_checksum.as_deref().unwrap();
    assert_eq!(checksum.len(), 64);
    assert_eq!(
        plan(&stack).await.plan_checksum.as_deref(),
        Some(checksum),
        "the same plan twice"
    );

    let applied = apply(&stack, &planned).await;
    assert_eq!(
        (applied.outcome, applied.plan_checksum.as_deref()),
        (Outcome::Changed, Some(checksum)),
        "{applied:#?}"
    );
    assert!(
        applied.changes.iter().all(|change| change.diff.is_empty()),
        "{applied:#?}"
    );
    let of_plan: Vec<String> = lines(&planned)
        .iter()
        .map(|line| line.replace("planned", "applied"))
        .collect();
    assert_eq!(lines(&applied), of_plan);

    let status = stack.status_json();
    let again = apply(&stack, &planned).await;
    assert_refused(&stack, &again);
    assert_eq!((again.outcome, stack.status_json()), (Outcome::Converged, status));
    assert_eq!(apply(&stack, &plan(&stack).await).await.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_drift_after_the_plan_is_not_repaired_unseen() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack
        .aws
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "public-ecr"}),
        )
        .unwrap();
    let planned = plan(&stack).await;
    let drift = json!({"prefix": "gitlab", "lifecyclePolicy": ""});
    stack
        .aws
        .call("ecr", "UpdateRepositoryCreationTemplate", drift)
        .unwrap();
    let refused = apply(&stack, &planned).await;
    assert_refused(&stack, &refused);
    assert_eq!(refused.outcome, Outcome::Pending);
    assert_eq!(lines(&refused).len(), 2, "both are shown: {refused:#?}");
    assert_eq!(
        apply(&stack, &refused).await.outcome,
        Outcome::Changed,
        "the plan that was shown is one that can be applied"
    );
}

/// The checksum knows no token: which one is put is the file's word, that one is put is the plan's.
#[tokio::test(start_paused = true)]
async fn a_rotation_after_the_plan_makes_it_another() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.upload(&hub("canary-docker-2"));
    let planned = plan(&stack).await;
    assert_eq!(
        lines(&planned),
        ["dockerhub update secret ecr-pullthroughcache/dockerhub [value] planned"]
    );
    let diff = &planned.changes[0].diff[0];
    assert_eq!(
        (diff.field.as_ref(), &diff.new),
        ("value", &json!("the credential of the file"))
    );
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-3");
    let refused = apply(&stack, &planned).await;
    assert_refused(&stack, &refused);
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_the_plan_is_carried_out_is_held() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    stack
        .aws
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "quay"}),
        )
        .unwrap();
    let planned = plan(&stack).await;
    assert_eq!(lines(&planned), ["quay create rule quay [] planned"]);
    // Somebody makes another rule of that name: without a plan it would be replaced, since the mark is ours.
    stack.aws.before("ecr", "CreatePullThroughCacheRule", 1, |aws| {
        let rule = json!({"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "public.ecr.aws"});
        aws.call("ecr", "CreatePullThroughCacheRule", rule).unwrap();
    });
    let report = apply(&stack, &planned).await;
    assert_eq!(
        lines(&report),
        ["quay replace rule quay [registry] held"],
        "{report:#?}"
    );
    assert_eq!(stack.rule("quay").unwrap()["upstreamRegistryUrl"], "public.ecr.aws");
}

/// The plan has shown a change of the same field, from another value.
#[tokio::test(start_paused = true)]
async fn a_rule_that_is_swapped_while_the_plan_is_carried_out_is_held() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    stack.upload("quay: {registry: registry.k8s.io}\n");
    let planned = plan(&stack).await;
    assert_eq!(lines(&planned), ["quay replace rule quay [registry] planned"]);
    stack.aws.before("ecr", "DescribePullThroughCacheRules", 3, |aws| {
        aws.call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "quay"}),
        )
        .unwrap();
        make_rule(aws, "quay", "public.ecr.aws", None);
    });
    let report = apply(&stack, &planned).await;
    assert_eq!(
        lines(&report),
        ["quay replace rule quay [registry] held"],
        "{report:#?}"
    );
    assert_eq!(report.changes[0].reason, reason("changed-meanwhile"));
    assert_eq!(stack.rule("quay").unwrap()["upstreamRegistryUrl"], "public.ecr.aws");
}

#[tokio::test(start_paused = true)]
async fn settling_and_restored_secrets_are_part_of_the_plan() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let secret = json!({"SecretId": "ecr-pullthroughcache/dockerhub", "RecoveryWindowInDays": 7});
    stack.aws.call("secretsmanager", "DeleteSecret", secret).unwrap();
    stack.upload(&hub("canary-docker-2"));
    let planned = plan(&stack).await;
    assert_eq!(
        lines(&planned),
        ["dockerhub restore secret ecr-pullthroughcache/dockerhub [] planned"]
    );
    let report = apply(&stack, &planned).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(
        stack.token("ecr-pullthroughcache/dockerhub", "AWSCURRENT").as_deref(),
        Some("canary-docker-2")
    );
}

#[tokio::test(start_paused = true)]
async fn existing_repositories_are_done_as_planned_or_held() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    for name in ["quay/a", "quay/b", "quay/c"] {
        repository(&stack.aws, name);
    }
    images(&stack.aws, "quay/c", 9);
    stack.upload(EXISTING);
    let planned = plan(&stack).await;
    let diff = &planned.changes[0].diff;
    assert_eq!(
        (diff[0].field.as_ref(), &diff[0].old),
        ("lifecycle_policy", &Value::Null),
        "{planned:#?}"
    );
    assert!(diff[0].new["rules"].is_array());

    repository(&stack.aws, "quay/d");
    assert_refused(&stack, &apply(&stack, &planned).await);

    let planned = plan(&stack).await;
    let report = apply(&stack, &planned).await;
    let held: Vec<String> = lines(&report)
        .into_iter()
        .filter(|line| line.ends_with("held"))
        .collect();
    // What was held in the plan stays held.
    assert!(
        held.iter()
            .any(|line| line.starts_with("quay update repository quay/c [lifecycle_policy]")),
        "{report:#?}"
    );
    assert_eq!(report.outcome, Outcome::Partial);
    let lifecycle = |name: &str| {
        stack
            .aws
            .call("ecr", "GetLifecyclePolicy", json!({"repositoryName": name}))
    };
    assert!(lifecycle("quay/a").is_ok() && lifecycle("quay/d").is_ok() && lifecycle("quay/c").is_err());
    assert_eq!(stack.aws.object(BUCKET, KEY).unwrap(), EXISTING.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_repository_that_is_not_as_it_was_planned_is_held() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    repository(&stack.aws, "quay/a");
    stack.upload(EXISTING);
    let planned = plan(&stack).await;
    // The plan is made anew before it is applied, from the first read; the second one finds something else.
    stack.aws.before("ecr", "GetRepositoryPolicy", 2, |aws| {
        aws.call(
            "ecr",
            "SetRepositoryPolicy",
            json!({"repositoryName": "quay/a", "policyText": POLICY}),
        )
        .unwrap();
    });
    let report = apply(&stack, &planned).await;
    assert_eq!(
        lines(&report),
        ["quay update repository quay/a [lifecycle_policy repository_policy] held"]
    );
    assert!(
        report.changes[0].error.as_deref().unwrap().contains("make a new plan"),
        "{report:#?}"
    );
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Mine","Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"ecr:BatchGetImage"}]}"#;
