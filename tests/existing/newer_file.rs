//! A newer file comes while the settings of an older one are being applied.

use ecr_pull_through_sync::existing::AT_A_TIME;
use local_aws::Fault;
use serde_json::json;

use super::{QUAY, TAGS, of_repositories, settings, tagged};
use crate::stack::{
    BUCKET, KEY, Outcome, TestStack, another_run, images, json_of, repositories, repository, scheduled, uploaded,
};

#[tokio::test(start_paused = true)]
async fn a_newer_file_in_the_middle_has_the_last_word() {
    let stack = TestStack::new().await;
    for n in 0..5 {
        repository(&stack.aws, &format!("quay/{n}"));
    }
    let newer = QUAY.replace("web", "db");
    stack.aws.after("ecr", "TagResource", 2, move |aws| {
        aws.put_object(BUCKET, KEY, newer);
        another_run(aws);
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

/// How many of so many repositories are tagged by a run during which, after some have been, a file comes that has nothing of it.
async fn tagged_of(n: usize, before: usize, fault: Option<Fault>) -> usize {
    let stack = TestStack::new().await;
    repositories(&stack.aws, n);
    fault.into_iter().for_each(|fault| stack.aws.fault(fault));
    stack.aws.after("ecr", "TagResource", before, |aws| {
        aws.put_object(BUCKET, KEY, "k8s: {registry: registry.k8s.io}\n");
    });
    stack.follow(TAGS).await;
    tagged(&stack.aws, n, "web")
}

/// What waits for its turn looks at the file when the turn has come, not before.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_long_after_a_newer_file_has_come() {
    // Two pass at once. Every further try comes later, and looks first.
    let two_a_second = Fault::on("ecr", "TagResource").rate(2);
    let written = tagged_of(50, 1, Some(two_a_second)).await;
    assert!(written <= 2, "{written} of 50 got what the file does not say any more");
}

/// By the real clock: on a stopped one all looks at the file are of one moment, and one serves for all.
#[tokio::test]
async fn nothing_is_written_that_the_file_no_longer_says() {
    // What is worked on at that moment may have looked at the file already.
    let written = tagged_of(220, 5, None).await;
    assert!(
        written <= 5 + AT_A_TIME,
        "{written} of 220 got what the file does not say any more"
    );
}

/// A run that stops for a newer file tells what it wrote until then.
#[tokio::test(start_paused = true)]
async fn what_was_written_before_a_newer_file_came_is_told() {
    let stack = TestStack::new().await;
    repositories(&stack.aws, 100);
    stack.aws.fault(Fault::on("ecr", "TagResource").rate(5));
    stack.aws.after("ecr", "TagResource", 3, |aws| {
        aws.put_object(BUCKET, KEY, "quay: {registry: quay.io, tags: {team: web}}\n");
    });
    let report = stack.follow(TAGS).await;
    let written = tagged(&stack.aws, 100, "web");
    let told = of_repositories(&report).len();
    assert!(written > 0);
    assert_eq!(told, written, "{}", report.message);
}

/// What is remembered of repositories that there was no time for is what this very file made of them.
#[tokio::test(start_paused = true)]
async fn what_an_older_file_held_is_not_told_of_a_newer_one_that_allows_it() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    let with = |most: u32| {
        format!(
            "quay: {{registry: quay.io, existing_repositories: {{apply: [lifecycle_policy], max_expiring_images: {most}}}}}\n"
        )
    };
    stack.follow(&with(0)).await;
    stack.aws.fault(Fault::on("ecr", "PutLifecyclePolicy").server_error());
    stack.upload(&with(9));
    stack.send(uploaded()).await.unwrap_err();
    let status = stack.status();
    assert!(
        !json_of(&status).to_string().contains("the file allows 0"),
        "{:#?}",
        status.changes
    );
}
