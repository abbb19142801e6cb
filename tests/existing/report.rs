//! What the report says of repositories, from run to run.

use local_aws::{Fault, Options};

use super::{counts, of_repositories, progress, team};
use crate::stack::{self, ChangeResult, Outcome, State, TestStack, images, repository, scheduled, uploaded};

#[tokio::test(start_paused = true)]
async fn a_report_about_thousands_of_repositories_stays_small_and_sums_up() {
    let stack = stack::TestStack::with(Options::default(), &[]).await;
    for n in 0..1100 {
        repository(&stack.aws, &format!("quay/{n:04}"));
    }
    stack.follow("quay: {registry: quay.io}\n").await;
    stack.upload("quay: {registry: quay.io, tags: {a: b}, existing_repositories: {apply: [tags]}}\n");
    let report = stack.manual("plan").await;
    assert_eq!(counts(&report, "quay"), "1100 found, 1100 to do");
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

/// A repository that is held and also cannot be finished has one line, whatever the last status had.
#[tokio::test(start_paused = true)]
async fn a_held_line_does_not_multiply_from_run_to_run() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    stack.aws.fault(Fault::on("ecr", "TagResource").server_error());
    stack.upload(
        "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags, lifecycle_policy]}}\n",
    );
    for _ in 0..4 {
        stack.send(uploaded()).await.unwrap_err();
    }
    let held: Vec<String> = of_repositories(&stack.status())
        .into_iter()
        .filter(|l| l.ends_with("held"))
        .collect();
    assert_eq!(held.len(), 1, "{held:?}");
}

/// One more repository is no news about those that are held.
#[tokio::test(start_paused = true)]
async fn a_registry_is_held_since_the_first_time_whatever_is_cached_meanwhile() {
    let stack = TestStack::new().await;
    for name in ["quay/a", "quay/b"] {
        repository(&stack.aws, name);
    }
    images(&stack.aws, "quay/a", 9);
    let first = stack
        .follow("quay: {registry: quay.io, existing_repositories: true}\n")
        .await;
    assert_eq!(first.registries["quay"].state, State::Held);
    stack.send(scheduled()).await.unwrap();
    repository(&stack.aws, "quay/c");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        report.registries["quay"].since.as_ref(),
        Some(&first.started_at),
        "{:#?}",
        report.registries
    );
}

/// `changed`: of all, those that something was written to (docs and `Progress::changed`).
#[tokio::test(start_paused = true)]
async fn a_held_repository_that_got_its_tags_counts_as_changed() {
    let stack = TestStack::new().await;
    repository(&stack.aws, "quay/a");
    images(&stack.aws, "quay/a", 9);
    let report = stack
        .follow(
            "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags, lifecycle_policy]}}\n",
        )
        .await;
    assert_eq!(team(&stack.aws, "quay/a").as_deref(), Some("web"));
    assert_eq!((progress(&report).held, progress(&report).changed), (1, 1));
}
