//! Which repositories a registry speaks for.

use serde_json::json;

use super::{QUAY, TAGS, called, counts, of_repositories, progress, settings, team, untouched};
use crate::stack::{Outcome, State, TestStack, lines, make_rule, repository, scheduled, uploaded};

#[tokio::test(start_paused = true)]
async fn only_repositories_that_the_registry_speaks_for_are_touched() {
    let stack = TestStack::new().await;
    make_rule(&stack.aws, "quay/foreign", "quay.io", None);
    for name in [
        "quay/a",
        "quay/team/a",
        "quay/off/a",
        "quay/foreign/a",
        "quay/a-test",
        "quay-like/a",
        "quayx",
        "app",
    ] {
        repository(&stack.aws, name);
    }
    let file = "
quay: {registry: quay.io, existing_repositories: {apply: [image_tag_mutability], exclude: ['quay/*-test']}, image_tag_mutability: IMMUTABLE}
quay/team: {registry: quay.io, existing_repositories: {apply: [tags]}, tags: {a: b}}
quay/off: {registry: quay.io}
ROOT: {registry: public.ecr.aws, tags: {root: 'yes'}, existing_repositories: {include: ['app*'], apply: [tags]}}
";
    let report = stack.follow(file).await;
    assert_eq!(
        of_repositories(&report),
        [
            "ROOT update repository app [tags] applied",
            "quay update repository quay/a [image_tag_mutability] applied",
            "quay/team update repository quay/team/a [tags] applied",
        ]
    );
    let all = progress(&report);
    assert_eq!((all.found, all.done, all.changed), (3, 3, 3));
    let calls = called(&stack);
    assert!(
        !calls.contains_key("GetLifecyclePolicy") && !calls.contains_key("GetRepositoryPolicy"),
        "{calls:?}"
    );
}

/// What a registry that leaves the file spoke for is its parent's from then on, not from the run after.
#[tokio::test(start_paused = true)]
async fn what_a_longer_prefix_leaves_behind_is_reached_by_the_same_run() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/team/a");
    stack.follow(&format!("{TAGS}quay/team: {{registry: quay.io}}\n")).await;
    assert_eq!(team(&stack.aws, "quay/team/a"), None);
    let report = stack.follow(TAGS).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        report.outcome,
        Outcome::Converged,
        "the run before has said that all was applied: {:?}",
        lines(&report)
    );
}

#[tokio::test(start_paused = true)]
async fn repositories_of_a_name_that_is_somebody_elses_are_left_alone() {
    let stack = TestStack::new().await;
    // Another upstream under the name, and another owner's template.
    make_rule(&stack.aws, "quay", "public.ecr.aws", None);
    let theirs = "Pull through cache repository template for k8s artifacts (managed by ecr-pull-through-sync: other)";
    let template = json!({"prefix": "k8s", "appliedFor": ["PULL_THROUGH_CACHE"], "description": theirs});
    stack
        .aws
        .call("ecr", "CreateRepositoryCreationTemplate", template)
        .unwrap();
    for name in ["quay/a", "k8s/pause"] {
        repository(&stack.aws, name);
    }
    let report = stack
        .follow(&format!(
            "{QUAY}k8s: {{registry: registry.k8s.io, existing_repositories: true}}\n"
        ))
        .await;
    assert_eq!(of_repositories(&report), Vec::<String>::new());
    assert_eq!(report.registries["quay"].state, State::Held);
    assert_eq!(report.registries["k8s"].state, State::Failed);
    for name in ["quay/a", "k8s/pause"] {
        assert_eq!(settings(&stack.aws, name), untouched());
    }
    // Told to take over, it speaks for them.
    stack.upload(&QUAY.replace("tags:", "take_over: true, tags:"));
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(counts(&report, "quay"), "1 found, 1 done, 1 changed", "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn repositories_that_come_and_go_in_the_middle_fail_nothing() {
    let stack = TestStack::new().await;
    for name in ["quay/a", "quay/b", "quay/c"] {
        repository(&stack.aws, name);
    }
    stack.aws.after("ecr", "DescribeRepositories", 1, |aws| {
        aws.call(
            "ecr",
            "DeleteRepository",
            json!({"repositoryName": "quay/a", "force": true}),
        )
        .unwrap();
        repository(aws, "quay/d");
    });
    stack.aws.before("ecr", "SetRepositoryPolicy", 1, |aws| {
        aws.call(
            "ecr",
            "DeleteRepository",
            json!({"repositoryName": "quay/b", "force": true}),
        )
        .unwrap();
    });
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(counts(&report, "quay"), "1 found, 1 done, 1 changed");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(counts(&report, "quay"), "2 found, 2 done, 1 changed");
}
