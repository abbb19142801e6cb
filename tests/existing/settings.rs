//! What repositories get: once, as ECR takes it, and nothing is taken away.

use local_aws::Puller;
use serde_json::{Value, json};

use super::{QUAY, called, counts, of_repositories, settings, untouched};
use crate::stack::{
    ChangeResult, CredentialState, Outcome, State, TestStack, hub, images, json_of, messages, repository, scheduled,
};

#[tokio::test(start_paused = true)]
async fn settings_reach_what_is_there_once_and_an_unchanged_account_costs_one_read_each() {
    let stack = TestStack::new().await;
    for name in ["quay/a", "quay/b/c"] {
        repository(&stack.aws, name);
        images(&stack.aws, name, 2);
    }
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let all = "[lifecycle_policy repository_policy tags] applied";
    assert_eq!(
        of_repositories(&report),
        [
            format!("quay update repository quay/a {all}"),
            format!("quay update repository quay/b/c {all}")
        ]
    );
    assert_eq!(counts(&report, "quay"), "2 found, 2 done, 2 changed");
    assert_eq!(report.registries["quay"].state, State::Ready);
    for name in ["quay/a", "quay/b/c"] {
        let root = "arn:aws:iam::123456789012:root";
        let want = json!({"keeps": 3, "readers": root, "mutability": "MUTABLE", "tags": {"team": "web"}});
        assert_eq!(settings(&stack.aws, name), want, "{name}");
    }

    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
    assert_eq!(counts(&report, "quay"), "2 found, 2 done");
    assert_eq!(stack.writes(), Vec::<String>::new());
    let calls = called(&stack);
    for operation in ["GetLifecyclePolicy", "GetRepositoryPolicy", "ListTagsForResource"] {
        assert_eq!(calls[operation], 2, "{operation}");
    }
    assert_eq!(calls["DescribeRepositories"], 1);
    assert!(!calls.contains_key("StartLifecyclePolicyPreview"));
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_each_repositorys_changes_and_writes_nothing() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    for (name, n) in [("quay/a", 2), ("quay/b", 5)] {
        repository(&stack.aws, name);
        images(&stack.aws, name, n);
    }
    stack.upload("quay: {registry: quay.io, image_tag_mutability: IMMUTABLE, existing_repositories: true}\n");
    stack.aws.clear_calls();
    for action in ["plan", "validate"] {
        let report = stack.manual(action).await;
        assert_eq!(report.outcome, Outcome::Pending, "{report:#?}");
        assert_eq!(
            of_repositories(&report),
            [
                "quay update repository quay/a [lifecycle_policy repository_policy image_tag_mutability] planned",
                "quay update repository quay/b [repository_policy image_tag_mutability] planned",
                "quay update repository quay/b [lifecycle_policy] held",
            ]
        );
        assert_eq!(counts(&report, "quay"), "2 found, 1 held, 1 to do");
        let held = report
            .changes
            .iter()
            .find(|change| change.result == ChangeResult::Held)
            .unwrap();
        let why = held.error.as_deref().unwrap();
        assert!(
            why.contains("would expire 2 images (tags: v1, v2), and the file allows 0"),
            "{why}"
        );
    }
    assert_eq!(stack.writes(), Vec::<String>::new());
    assert_eq!(settings(&stack.aws, "quay/a"), untouched());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ever_taken_away() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 50);
    let theirs = json!({"rules": [{"rulePriority": 1, "action": {"type": "expire"},
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 900}}]});
    let put = json!({"repositoryName": "quay/a", "lifecyclePolicyText": theirs.to_string()});
    stack.aws.call("ecr", "PutLifecyclePolicy", put).unwrap();
    let arn = "arn:aws:ecr:eu-west-1:123456789012:repository/quay/a";
    let tags = json!({"resourceArn": arn, "tags": [{"Key": "theirs", "Value": "1"}, {"Key": "team", "Value": "old"}]});
    stack.aws.call("ecr", "TagResource", tags).unwrap();
    let report = stack
        .follow("quay: {registry: quay.io, lifecycle_policy: none, tags: {team: web}, existing_repositories: true}\n")
        .await;
    assert_eq!(report.outcome, Outcome::Changed);
    let now = settings(&stack.aws, "quay/a");
    assert_eq!(now["keeps"], 900);
    assert_eq!(now["tags"], json!({"team": "web", "theirs": "1"}));
    let warnings = messages(&report.warnings);
    assert!(
        warnings.contains("keep the lifecycle policy they have"),
        "{warnings:#?}"
    );
    // Out of the file, or with the field switched off, what was put stays.
    stack
        .follow("quay: {registry: quay.io, tags: {team: web}}\nk8s: {registry: registry.k8s.io}\n")
        .await;
    stack.follow("k8s: {registry: registry.k8s.io}\n").await;
    assert_eq!(settings(&stack.aws, "quay/a"), now);
    let deleting = [
        "DeleteLifecyclePolicy",
        "DeleteRepositoryPolicy",
        "DeleteRepository",
        "UntagResource",
        "BatchDeleteImage",
    ];
    assert!(
        stack
            .writes()
            .iter()
            .all(|operation| !deleting.contains(&operation.as_str()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_policy_as_ecr_hands_it_back_is_not_written_again() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    let file = "
quay:
  registry: quay.io
  repository_read_access_arns: ['444455556666', 'arn:aws:iam::111122223333:root']
  lifecycle_policy:
    rules:
      - {rulePriority: 2, selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 3}, action: {type: expire}}
      - {rulePriority: 1, selection: {tagStatus: tagged, tagPatternList: ['v*', '*x'], countType: imageCountMoreThan, countNumber: 9}, action: {type: expire}}
  image_tag_mutability: MUTABLE_WITH_EXCLUSION
  image_tag_mutability_exclusion_filters: [b*, a*]
  existing_repositories: true
";
    assert_eq!(stack.follow(file).await.outcome, Outcome::Changed);
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn organizations_and_services_may_pull_what_is_cached_and_what_will_be() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    stack.aws.pull("quay/org/old:1").unwrap();
    let role = |account: &str, organization: Option<&str>| Puller::Role {
        arn: format!("arn:aws:iam::{account}:role/pull"),
        organization: organization.map(str::to_owned),
    };
    let service = |name: &str, account: &str| Puller::Service {
        name: name.to_owned(),
        account: account.to_owned(),
    };
    let own = "123456789012".to_owned();
    let pullers = [
        ("a role of ours", role(&own, None)),
        ("the organization", role("444455556666", Some("o-abcdefghij"))),
        ("another organization", role("444455556666", Some("o-bbbbbbbbbb"))),
        ("no organization", role("444455556666", None)),
        ("the service for us", service("omics.amazonaws.com", &own)),
        ("the service for others", service("omics.amazonaws.com", "444455556666")),
        ("another service", service("codebuild.amazonaws.com", &own)),
    ];
    let admitted = |image: &str| {
        let fits = |puller: &Puller| match stack.aws.pull_as(puller, image) {
            Ok(_) => true,
            Err(error) if error.code == "AccessDeniedException" => false,
            Err(error) => panic!("{image}: {error:?}"),
        };
        let admitted = pullers.iter().filter(|(_, puller)| fits(puller));
        admitted.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(admitted("quay/org/old:1"), ["a role of ours"]);
    let file = "quay: {registry: quay.io, repository_read_access: {organizations: [o-abcdefghij], \
                services: [omics.amazonaws.com]}, existing_repositories: {apply: [repository_policy]}}\n";
    assert_eq!(stack.follow(file).await.outcome, Outcome::Changed);
    stack.aws.pull("quay/org/new:1").unwrap();
    let named = ["a role of ours", "the organization", "the service for us"];
    for image in ["quay/org/old:1", "quay/org/new:1"] {
        assert_eq!(admitted(image), named, "{image}");
    }
    // As ECR hands it back, it is the same.
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn too_many_tags_are_told_and_not_tried() {
    let stack = TestStack::new().await;
    let tags: Vec<Value> = (0..50).map(|n| json!({"Key": format!("t{n}"), "Value": ""})).collect();
    stack
        .aws
        .call(
            "ecr",
            "CreateRepository",
            json!({"repositoryName": "quay/a", "tags": tags}),
        )
        .unwrap();
    let report = stack
        .follow("quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags]}}\n")
        .await;
    assert_eq!(counts(&report, "quay"), "1 found, 1 failed");
    assert!(
        json_of(&report).to_string().contains("the repository has 50 tags"),
        "{report:#?}"
    );
    assert!(!called(&stack).contains_key("TagResource"));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_proven_before_repositories_are_looked_at() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "dockerhub/library/nginx");
    stack
        .follow(&hub("canary-docker-1").replace("}\n", ", existing_repositories: true}\n"))
        .await;
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-2");
    stack.aws.clear_calls();
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(report.registries["dockerhub"].credential, CredentialState::Valid);
    let order: Vec<String> = stack.aws.calls().into_iter().map(|call| call.operation).collect();
    let place = |name: &str| order.iter().position(|operation| operation == name).unwrap();
    assert!(
        place("ValidatePullThroughCacheRule") < place("DescribeRepositories"),
        "{order:?}"
    );
}
