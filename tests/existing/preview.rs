//! Lifecycle policies: what one would expire is previewed, and held.

use local_aws::Fault;
use serde_json::json;

use super::{QUAY, counts, of_repositories, progress, settings};
use crate::stack::{ChangeResult, Outcome, Report, State, TestStack, images, repository, scheduled};

#[tokio::test(start_paused = true)]
async fn a_repository_that_would_lose_images_is_held_until_the_file_allows_it_and_holds_nothing_else() {
    let stack = TestStack::new().await;
    for (name, n) in [("quay/a", 3), ("quay/big", 12)] {
        repository(&stack.aws, name);
        images(&stack.aws, name, n);
    }
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(report.registries["quay"].state, State::Held);
    let message = report.registries["quay"].message.as_deref().unwrap();
    assert_eq!(message, "1 existing repository held; pulling works");
    assert_eq!(counts(&report, "quay"), "2 found, 1 done, 2 changed, 1 held");
    let held = |report: &Report| {
        report
            .changes
            .iter()
            .find(|change| change.result == ChangeResult::Held)
            .unwrap()
            .clone()
    };
    let first = held(&report);
    assert_eq!(
        (first.id.as_str(), first.fields.join(" ")),
        ("quay/big", "lifecycle_policy".to_owned())
    );
    let why = first.error.as_deref().unwrap();
    assert!(
        why.contains("would expire 9 images (tags: v1, v2, v3, v4, v5, …)"),
        "{why}"
    );
    assert_eq!(first.since, None);
    assert_eq!(settings(&stack.aws, "quay/a")["keeps"], 3);
    let big = settings(&stack.aws, "quay/big");
    assert_eq!((&big["keeps"], &big["tags"]), (&json!(null), &json!({"team": "web"})));

    stack.aws.clear_calls();
    let again = stack.send(scheduled()).await.unwrap();
    assert_eq!(again.outcome, Outcome::Partial);
    assert_eq!(held(&again).since.as_ref(), Some(&report.started_at), "old news");
    assert_eq!(stack.writes(), Vec::<String>::new());

    let raised = QUAY.replace(
        "existing_repositories: true",
        "existing_repositories: {max_expiring_images: 9}",
    );
    let report = stack.follow(&raised).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(
        of_repositories(&report),
        ["quay update repository quay/big [lifecycle_policy] applied"]
    );
    let name = json!({"repositoryName": "quay/big"});
    let previewed = stack
        .aws
        .call("ecr", "GetLifecyclePolicyPreview", name.clone())
        .unwrap();
    let put = stack.aws.call("ecr", "GetLifecyclePolicy", name).unwrap();
    assert_eq!(
        previewed["lifecyclePolicyText"], put["lifecyclePolicyText"],
        "the very text that was previewed"
    );
}

#[tokio::test(start_paused = true)]
async fn what_would_be_archived_counts_too() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 200);
    let file = "
quay:
  registry: quay.io
  existing_repositories: {apply: [lifecycle_policy], max_expiring_images: 100}
  lifecycle_policy:
    rules:
      - rulePriority: 1
        selection: {tagStatus: any, countType: sinceImagePushed, countUnit: days, countNumber: 90}
        action: {type: transition, targetStorageClass: archive}
";
    let report = stack.follow(file).await;
    let line = report
        .changes
        .iter()
        .find(|change| change.result == ChangeResult::Held)
        .unwrap();
    let why = line.error.as_deref().unwrap();
    assert!(why.contains("archive 11") && why.contains("allows 100"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_preview_is_waited_for_and_never_taken_for_ours() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    stack.aws.with_ecr(|ecr| ecr.preview_polls = 3);
    let harmless = json!({"rules": [{"rulePriority": 1, "action": {"type": "expire"},
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 900}}]});
    let start = json!({"repositoryName": "quay/a", "lifecyclePolicyText": harmless.to_string()});
    // One is in progress when ours is to start, and another takes its place before ours is looked at.
    stack
        .aws
        .call("ecr", "StartLifecyclePolicyPreview", start.clone())
        .unwrap();
    stack.aws.after("ecr", "StartLifecyclePolicyPreview", 1, |aws| {
        // The others' preview ends.
        for _ in 0..3 {
            aws.call("ecr", "GetLifecyclePolicyPreview", json!({"repositoryName": "quay/a"}))
                .unwrap();
        }
    });
    stack.aws.after("ecr", "StartLifecyclePolicyPreview", 2, move |aws| {
        for _ in 0..3 {
            aws.call("ecr", "GetLifecyclePolicyPreview", json!({"repositoryName": "quay/a"}))
                .unwrap();
        }
        aws.call("ecr", "StartLifecyclePolicyPreview", start).unwrap();
    });
    let report = stack.follow(QUAY).await;
    assert_eq!(counts(&report, "quay"), "1 found, 1 changed, 1 held", "{report:#?}");
    assert_eq!(settings(&stack.aws, "quay/a")["keeps"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn a_preview_that_fails_lets_nothing_through() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    repository(&stack.aws, "quay/b");
    stack.aws.with_ecr(|ecr| ecr.failing_previews.insert("quay/a".into()));
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(
        counts(&report, "quay"),
        "2 found, 1 done, 2 changed, 1 failed",
        "{report:#?}"
    );
    assert_eq!(report.registries["quay"].state, State::Failed);
    assert_eq!(settings(&stack.aws, "quay/a")["keeps"], json!(null));
    assert_eq!(
        settings(&stack.aws, "quay/a")["tags"],
        json!({"team": "web"}),
        "its other settings do not wait"
    );
}

/// Answers that never come open the gate for nothing.
#[tokio::test(start_paused = true)]
async fn lost_answers_open_no_gate() {
    let stack = TestStack::new().await;
    for (name, n) in [("quay/a", 3), ("quay/b", 9)] {
        repository(&stack.aws, name);
        images(&stack.aws, name, n);
    }
    for operation in [
        "StartLifecyclePolicyPreview",
        "GetLifecyclePolicyPreview",
        "PutLifecyclePolicy",
    ] {
        stack.aws.fault(Fault::on("ecr", operation).times(2).reset_after());
    }
    let report = stack
        .follow("quay: {registry: quay.io, existing_repositories: {apply: [lifecycle_policy]}}\n")
        .await;
    assert_eq!((progress(&report).done, progress(&report).held), (1, 1), "{report:#?}");
    let policy = |name: &str| {
        stack
            .aws
            .call("ecr", "GetLifecyclePolicy", json!({"repositoryName": name}))
            .is_ok()
    };
    assert_eq!((policy("quay/a"), policy("quay/b")), (true, false));
}
