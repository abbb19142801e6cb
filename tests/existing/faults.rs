//! Refusals, throttling and server errors: the others go on.

use local_aws::Fault;
use serde_json::json;

use super::{QUAY, TAGS, arn, counts, of_repositories, team};
use crate::stack::{Outcome, State, TestStack, json_of, repositories, repository, scheduled, uploaded};

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named_and_the_other_settings_go_on() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    stack.aws.fault(Fault::on("ecr", "GetRepositoryPolicy").access_denied());
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(
        of_repositories(&report),
        [
            "quay update repository quay/a [lifecycle_policy tags] applied",
            "quay update repository quay/a [repository_policy] failed",
        ]
    );
    assert!(
        json_of(&report).to_string().contains("ecr:GetRepositoryPolicy"),
        "{report:#?}"
    );
    stack.aws.clear_faults();
    stack
        .aws
        .fault(Fault::on("ecr", "DescribeRepositories").access_denied());
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.registries["quay"].state, State::Failed);
    let message = report.registries["quay"].message.as_deref().unwrap();
    assert!(
        message.starts_with("its existing repositories could not be listed: DescribeRepositories"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_role_that_iam_does_not_know_yet_is_waited_for_once_and_not_for_each_repository() {
    let stack = TestStack::new().await;
    let role = "arn:aws:iam::444455556666:role/new";
    for n in 0..20 {
        repository(&stack.aws, &format!("quay/{n:02}"));
    }
    stack.aws.with_ecr(|ecr| ecr.unknown_principals.insert(role.into()));
    let file = format!(
        "quay: {{registry: quay.io, repository_read_access_arns: ['{role}'], existing_repositories: {{apply: [repository_policy]}}}}\n"
    );
    stack.aws.fault(
        Fault::on("ecr", "SetRepositoryPolicy")
            .error(
                "InvalidParameterException",
                "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Principal not found'",
                400,
            )
            .times(3),
    );
    stack.aws.with_ecr(|ecr| ecr.unknown_principals.clear());
    let report = stack.follow(&file).await;
    assert_eq!(counts(&report, "quay"), "20 found, 20 done, 20 changed", "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn throttling_fails_no_run() {
    let stack = TestStack::new().await;
    for n in 0..40 {
        repository(&stack.aws, &format!("quay/{n:02}"));
    }
    stack.aws.fault(Fault::on("ecr", "PutLifecyclePolicy").rate(40));
    stack
        .aws
        .fault(Fault::on("ecr", "GetRepositoryPolicy").times(30).throttle());
    let report = stack.follow(QUAY).await;
    assert_eq!(counts(&report, "quay"), "40 found, 40 done, 40 changed", "{report:#?}");
    assert_eq!(report.outcome, Outcome::Changed);
}

#[tokio::test(start_paused = true)]
async fn one_that_always_fails_does_not_keep_others_from_being_repaired_or_found() {
    let stack = TestStack::new().await;
    repositories(&stack.aws, 5);
    stack.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains("quay/004")
            .server_error(),
    );
    stack.upload(TAGS);
    stack.send(uploaded()).await.unwrap_err();
    let drift = json!({"resourceArn": arn("quay/000"), "tags": [{"Key": "team", "Value": "drift"}]});
    stack.aws.call("ecr", "TagResource", drift).unwrap();
    repository(&stack.aws, "quay/0005");
    for _ in 0..4 {
        _ = stack.send(scheduled()).await;
    }
    let teams = ["quay/000", "quay/0005"].map(|name| team(&stack.aws, name));
    assert_eq!(teams, [Some("web".to_owned()), Some("web".to_owned())]);
}

/// What could not be looked at is not as it should be.
#[tokio::test(start_paused = true)]
async fn a_plan_that_could_not_read_the_repositories_is_not_converged() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io, tags: {team: web}}\n").await;
    repositories(&stack.aws, 3);
    stack.upload(TAGS);
    stack.aws.fault(Fault::on("ecr", "ListTagsForResource").server_error());
    for action in ["plan", "validate"] {
        let report = stack.manual(action).await;
        assert_ne!(report.outcome, Outcome::Converged, "{action}: {report:#?}");
    }
}
