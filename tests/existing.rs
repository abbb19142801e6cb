//! Repositories that exist already: whose they are, what they get, and what is held back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stack::{
    self, ChangeResult, CredentialState, Outcome, Report, State, TestStack, hub, images, json_of, lines, make_rule,
    messages, repository, scheduled, uploaded,
};
use ecr_pull_through_sync::report::Progress;
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

/// A registry that keeps three images, and wants all settings applied.
const QUAY: &str = "quay: {registry: quay.io, tags: {team: web}, existing_repositories: true}\n";

/// A repository's settings, as ECR has them.
fn settings(aws: &LocalAws, name: &str) -> Value {
    let input = json!({"repositoryName": name});
    let get = |op: &str, key: &str| {
        let answer = aws.call("ecr", op, input.clone()).ok()?;
        serde_json::from_str::<Value>(answer[key].as_str()?).ok()
    };
    let described = aws
        .call("ecr", "DescribeRepositories", json!({"repositoryNames": [name]}))
        .unwrap();
    let arn = format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}");
    let tags = aws
        .call("ecr", "ListTagsForResource", json!({"resourceArn": arn}))
        .unwrap();
    let tags: BTreeMap<&str, &str> = tags["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (tag["Key"].as_str().unwrap(), tag["Value"].as_str().unwrap()))
        .collect();
    json!({
        "keeps": get("GetLifecyclePolicy", "lifecyclePolicyText").map(|policy| policy["rules"][0]["selection"]["countNumber"].clone()),
        "readers": get("GetRepositoryPolicy", "policyText").map(|policy| policy["Statement"][0]["Principal"]["AWS"].clone()),
        "mutability": described["repositories"][0]["imageTagMutability"],
        "tags": tags,
    })
}

/// As ECR makes a repository that nobody has a template for.
fn untouched() -> Value {
    json!({"keeps": null, "readers": null, "mutability": "MUTABLE", "tags": {}})
}

fn counts(report: &Report, registry: &str) -> Progress {
    report.registries[registry].existing_repositories.unwrap()
}

fn progress(found: u64, done: u64, changed: u64, held: u64, failed: u64, to_do: u64) -> Progress {
    Progress {
        found,
        done,
        changed,
        held,
        failed,
        to_do,
    }
}

/// How often each operation on repositories was called.
fn called(stack: &TestStack) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in stack.aws.calls().iter().filter(|call| call.service == "ecr") {
        *calls.entry(call.operation.clone()).or_default() += 1;
    }
    calls
}

fn of_repositories(report: &Report) -> Vec<String> {
    lines(report)
        .into_iter()
        .filter(|line| line.contains(" repository "))
        .collect()
}

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
    assert_eq!(counts(&report, "quay"), progress(2, 2, 2, 0, 0, 0));
    assert_eq!(report.registries["quay"].state, State::Ready);
    for name in ["quay/a", "quay/b/c"] {
        let root = "arn:aws:iam::123456789012:root";
        let want = json!({"keeps": 3, "readers": root, "mutability": "MUTABLE", "tags": {"team": "web"}});
        assert_eq!(settings(&stack.aws, name), want, "{name}");
    }

    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
    assert_eq!(counts(&report, "quay"), progress(2, 2, 0, 0, 0, 0));
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
        assert_eq!(counts(&report, "quay"), progress(2, 0, 0, 1, 0, 1));
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
    assert_eq!(
        report.existing_repositories.as_ref().unwrap().progress,
        progress(3, 3, 3, 0, 0, 0)
    );
    let calls = called(&stack);
    assert!(
        !calls.contains_key("GetLifecyclePolicy") && !calls.contains_key("GetRepositoryPolicy"),
        "{calls:?}"
    );
}

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
    assert_eq!(counts(&report, "quay"), progress(2, 1, 2, 1, 0, 0));
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
    assert_eq!(counts(&report, "quay"), progress(1, 0, 1, 1, 0, 0), "{report:#?}");
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
    assert_eq!(counts(&report, "quay"), progress(2, 1, 2, 0, 1, 0), "{report:#?}");
    assert_eq!(report.registries["quay"].state, State::Failed);
    assert_eq!(settings(&stack.aws, "quay/a")["keeps"], json!(null));
    assert_eq!(
        settings(&stack.aws, "quay/a")["tags"],
        json!({"team": "web"}),
        "its other settings do not wait"
    );
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
    assert_eq!(counts(&report, "quay"), progress(1, 1, 1, 0, 0, 0));
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(counts(&report, "quay"), progress(2, 2, 1, 0, 0, 0));
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
    assert_eq!(counts(&report, "quay"), progress(1, 0, 0, 0, 1, 0));
    assert!(
        json_of(&report).to_string().contains("the repository has 50 tags"),
        "{report:#?}"
    );
    assert!(!called(&stack).contains_key("TagResource"));
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
    assert_eq!(counts(&report, "quay"), progress(1, 1, 1, 0, 0, 0), "{report:#?}");
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
    assert_eq!(counts(&report, "quay"), progress(20, 20, 20, 0, 0, 0), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_in_the_middle_has_the_last_word() {
    let stack = TestStack::new().await;
    for n in 0..5 {
        repository(&stack.aws, &format!("quay/{n}"));
    }
    let newer = QUAY.replace("web", "db");
    stack.aws.after("ecr", "TagResource", 2, move |aws| {
        aws.put_object(stack::BUCKET, stack::KEY, newer);
        stack::another_run(aws);
    });
    stack.follow(QUAY).await;
    for n in 0..5 {
        assert_eq!(
            settings(&stack.aws, &format!("quay/{n}"))["tags"],
            json!({"team": "db"}),
            "{n}"
        );
    }
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
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
    assert_eq!(counts(&report, "quay"), progress(40, 40, 40, 0, 0, 0), "{report:#?}");
    assert_eq!(report.outcome, Outcome::Changed);
}

#[tokio::test(start_paused = true)]
async fn without_a_queue_the_next_run_does_what_this_one_had_no_time_for() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(1000);
    stack.app.timing.last_call = Duration::from_millis(500);
    for n in 0..120 {
        repository(&stack.aws, &format!("quay/{n:03}"));
    }
    images(&stack.aws, "quay/000", 5);
    // Some go through, then nothing does any more.
    stack.aws.fault(Fault::on("ecr", "TagResource").skip(40).timeout());
    stack.upload(QUAY);
    let failure = stack
        .send_within(uploaded(), Duration::from_millis(8000))
        .await
        .unwrap_err()
        .to_string();
    assert!(failure.contains("to do"), "{failure}");
    let status = stack.status();
    assert_eq!(status.outcome, Outcome::Partial);
    let first = status.existing_repositories.unwrap().progress;
    assert!(first.to_do > 0 && first.done > 0, "{first:#?}");

    stack.aws.clear_faults();
    let report = stack.send(scheduled()).await.unwrap();
    let counts = counts(&report, "quay");
    assert_eq!((counts.found, counts.done, counts.held), (120, 119, 1), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_report_about_thousands_of_repositories_stays_small_and_sums_up() {
    let stack = stack::TestStack::with(Options::default(), &[]).await;
    for n in 0..1100 {
        repository(&stack.aws, &format!("quay/{n:04}"));
    }
    stack.follow("quay: {registry: quay.io}\n").await;
    stack.upload("quay: {registry: quay.io, tags: {a: b}, existing_repositories: {apply: [tags]}}\n");
    let report = stack.manual("plan").await;
    assert_eq!(counts(&report, "quay"), progress(1100, 0, 0, 0, 0, 1100));
    assert_eq!(of_repositories(&report).len(), 1001);
    let last = report.changes.last().unwrap();
    assert_eq!(
        (last.id.as_str(), last.more, last.result),
        ("quay/*", Some(100), ChangeResult::Planned)
    );
    assert_eq!(
        report.message, "1101 changes to apply",
        "the template's and those of the repositories"
    );
    assert_eq!(stack.send(uploaded()).await.unwrap().outcome, Outcome::Changed);
    let page = String::from_utf8(stack.aws.object(stack::BUCKET, stack::STATUS_PAGE).unwrap()).unwrap();
    assert!(page.contains("existing repositories: 1100 found, 1100 done (1100 changed)"));
    assert!(page.len() < 200_000, "{}", page.len());
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
