//! The report is true: what was done is in it, what is new is news, and no text of AWS's is taken at its word.

use crate::stack::{
    BUCKET, KEY, LEGACY, Outcome, Report, STATUS, State, TestStack, another_run, hub, images, json_of, lines, logged,
    reason, scheduled,
};
use local_aws::Fault;
use serde_json::json;

const QUAY: &str = "quay: {registry: quay.io}\n";

#[tokio::test(start_paused = true)]
async fn the_same_trouble_under_another_request_id_is_old_news() {
    let stack = TestStack::new().await;
    let refuse = |id: &str| {
        stack.aws.clear_faults();
        let text = format!("kms (Service: AWSKMS; Status Code: 400; Request ID: {id}b2c4-1111-4222-8333-444455556666)");
        let template = Fault::on("ecr", "CreateRepositoryCreationTemplate");
        stack.aws.fault(template.error("ValidationException", text, 400));
    };
    refuse("1f0c");
    let first = stack.follow(QUAY).await;
    assert_eq!(first.registries["quay"].since, None, "{first:#?}");
    refuse("2a9d");
    stack.follow(QUAY).await;
    assert_eq!(
        stack.status().registries["quay"].since.as_ref(),
        Some(&first.started_at),
        "{:#?}",
        stack.status()
    );
    assert_eq!(stack.status().changes[0].since.as_ref(), Some(&first.started_at));
}

/// A cache that lives has other images at every run; what decides is the kind of trouble.
#[tokio::test(start_paused = true)]
async fn the_same_trouble_with_other_numbers_is_old_news() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    let file = "quay: {registry: quay.io, existing_repositories: {apply: [lifecycle_policy]}}\n";
    images(&stack.aws, "quay/a", 9);
    let first = stack.follow(file).await;
    let told = |report: &Report| report.changes[0].error.clone().unwrap();
    assert!(told(&first).contains("expire 6 images"), "{first:#?}");
    assert_eq!(
        (&first.changes[0].reason, &first.changes[0].since),
        (&reason("would-expire"), &None)
    );
    images(&stack.aws, "quay/a", 11);
    let second = stack.send(scheduled()).await.unwrap();
    assert_ne!(told(&second), told(&first));
    assert_eq!(second.changes[0].since.as_ref(), Some(&first.started_at), "{second:#?}");
    assert_eq!(
        second.registries["quay"].since.as_ref(),
        Some(&first.started_at),
        "{second:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn another_kind_of_trouble_is_news() {
    let stack = TestStack::new().await;
    let refuse = |code: &str| {
        stack.aws.clear_faults();
        stack
            .aws
            .fault(Fault::on("ecr", "CreateRepositoryCreationTemplate").error(code, "no", 400));
    };
    refuse("ValidationException");
    let first = stack.follow(QUAY).await;
    let refused = reason("CreateRepositoryCreationTemplate:ValidationException");
    assert_eq!(first.registries["quay"].reason, refused);
    assert_eq!(first.changes[0].reason, refused);
    refuse("InvalidParameterException");
    let second = stack.follow(QUAY).await;
    assert_eq!(second.registries["quay"].since, None, "{second:#?}");
    assert_eq!(second.changes[0].since, None);
}

#[tokio::test(start_paused = true)]
async fn news_stays_news_when_the_answer_to_the_writing_of_the_status_is_lost() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    let refused = Fault::on("ecr", "CreateRepositoryCreationTemplate");
    stack.aws.fault(refused.error("ValidationException", "no", 400));
    stack.aws.fault(Fault::on("s3", "PutObject").times(1).reset_after());
    let report = stack.follow(&format!("{QUAY}new: {{registry: quay.io}}\n")).await;
    assert_eq!(report.registries["new"].state, State::Failed);
    assert_eq!(report.registries["new"].since, None, "{report:#?}");
    assert_eq!(stack.status().registries["new"].since, None);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_file_is_not_said_to_have_changed_nothing_when_a_round_before_it_did() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.before("s3", "PutObject", 1, |aws| {
        aws.put_object(BUCKET, KEY, "nonsense: [\n");
        another_run(aws);
    });
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(
        (report.outcome, lines(&report).len()),
        (Outcome::Rejected, 2),
        "{report:#?}"
    );
    let message = report.message.as_str();
    assert!(!message.contains("nothing was changed"), "{message}");
    assert!(
        message.contains("2 changes were applied over an earlier version of it"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_sentence_counts_the_changes_of_all_rounds() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.before("s3", "PutObject", 1, |aws| {
        aws.put_object(BUCKET, KEY, hub("canary-docker-3"));
        let config = json!({"bucket": BUCKET, "key": KEY, "version_id": "n", "last_modified": null});
        aws.put_object(BUCKET, STATUS, json!({"config": config}).to_string());
    });
    let report = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(report.changes.len(), 4, "{report:#?}");
    assert!(report.message.as_str().contains("4 changes"), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn what_a_registry_could_not_be_read_for_names_its_secret_and_the_call() {
    let stack = TestStack::new().await;
    stack
        .aws
        .fault(Fault::on("secretsmanager", "DescribeSecret").access_denied());
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        lines(&report),
        ["dockerhub update secret ecr-pullthroughcache/dockerhub [] failed"]
    );
    assert!(
        report.changes[0].error.as_deref().unwrap().contains("DescribeSecret"),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_could_not_be_read() {
    let stack = TestStack::new().await;
    stack.upload(LEGACY);
    stack.aws.fault(
        Fault::on("secretsmanager", "DescribeSecret")
            .subject_contains("gitlab")
            .server_error(),
    );
    let plan = stack.manual("plan").await;
    assert_eq!(plan.outcome, Outcome::Pending, "{plan:#?}");
    assert!(
        plan.registries["gitlab"]
            .message
            .as_deref()
            .unwrap()
            .contains("DescribeSecret"),
        "{plan:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_that_failed_is_in_the_log_with_its_reason() {
    let stack = TestStack::new().await;
    let refused = Fault::on("ecr", "CreatePullThroughCacheRule").subject_contains("in-the-log");
    stack
        .aws
        .fault(refused.error("ValidationException", "a reason to be found", 400));
    stack.follow("in-the-log: {registry: quay.io}\n").await;
    let log = logged();
    let line = log
        .lines()
        .find(|line| line.contains("a reason to be found") && line.contains("not applied"));
    assert!(line.is_some_and(|line| line.contains("in-the-log")));
}

/// [`TestStack::follow`] searches answer, status and log for it.
#[tokio::test(start_paused = true)]
async fn a_token_that_aws_quotes_in_an_error_is_taken_out() {
    let stack = TestStack::new().await;
    let quoting = Fault::on("ecr", "ValidatePullThroughCacheRule");
    stack
        .aws
        .fault(quoting.error("ValidationException", "upstream said: bad token canary-docker-1", 400));
    let report = stack.follow(&hub("canary-docker-1")).await;
    let message = report.registries["dockerhub"].message.as_deref().unwrap();
    assert!(message.contains("bad token [redacted]"), "{message}");
}

/// Lambda takes answers of 6 MB.
#[tokio::test(start_paused = true)]
async fn the_errors_of_the_worst_file_fit_into_an_answer() {
    let stack = TestStack::new().await;
    let full = |start: &str, line: &dyn Fn(usize) -> String| {
        let mut file = start.to_owned();
        let mut lines = (0..).map(line);
        while file.len() < 1_000_000 {
            file.extend(lines.next());
        }
        file
    };
    for file in [
        full("", &|n| format!("a{n:05}: {{r: 1}}\n")),
        full("a:\n registry: quay.io\n", &|n| format!(" k{n:x}: 1\n")),
    ] {
        let report = stack.follow(&file).await;
        assert_eq!(report.outcome, Outcome::Rejected);
        assert!(
            json_of(&report).to_string().len() < 6_000_000,
            "{}",
            json_of(&report).to_string().len()
        );
    }
}
