//! AWS on a bad day: what fails, what goes on, and when a retry is asked for.

use std::time::Duration;

use crate::stack::{self, ChangeResult, LEGACY, Outcome, State, TestStack, hub, lines, scheduled, uploaded};
use ecr_pull_through_sync::failure::Failure;
use local_aws::{Fault, Options};

/// Sends the upload's event; whichever way it ends, a calm run afterwards converges.
async fn then_calm(stack: &TestStack) {
    stack.aws.clear_faults();
    let report = stack.send(scheduled()).await.unwrap();
    assert_ne!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_throttling_storm_delays_and_fails_nothing() {
    let stack = TestStack::new().await;
    for service in ["ecr", "secretsmanager"] {
        for operation in [
            "CreatePullThroughCacheRule",
            "CreateSecret",
            "PutSecretValue",
            "DescribeSecret",
        ] {
            stack.aws.fault(Fault::on(service, operation).times(3).throttle());
        }
    }
    let report = stack.follow(LEGACY).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_error_that_stays_fails_one_registry_and_the_invocation_after_the_status() {
    let stack = TestStack::new().await;
    stack.aws.fault(
        Fault::on("ecr", "CreatePullThroughCacheRule")
            .subject_contains("gitlab")
            .times(1000)
            .server_error(),
    );
    stack.upload(LEGACY);
    let failure = stack.send(uploaded()).await.unwrap_err();
    let text = failure.to_string();
    assert!(
        matches!(failure, Failure::Incomplete { outcome: "partial", .. }),
        "{text}"
    );
    assert!(text.contains("gitlab") && text.contains(stack::STATUS), "{text}");
    let status = stack.status();
    assert_eq!(status.registries["gitlab"].state, State::Failed);
    assert_eq!(status.registries["dockerhub"].state, State::Ready);
    assert_eq!(status.registries["public-ecr"].state, State::Ready);
    then_calm(&stack).await;
}

/// The policy of a new secret is put beside its value: each of the two is told as it came out.
#[tokio::test(start_paused = true)]
async fn of_a_new_secret_whose_label_or_policy_fails_the_other_is_told_as_done() {
    for (operation, secret, policy) in [
        ("UpdateSecretVersionStage", "failed", "applied"),
        ("PutResourcePolicy", "applied", "failed"),
    ] {
        let stack = TestStack::new().await;
        stack.aws.fault(Fault::on("secretsmanager", operation).access_denied());
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(
            lines(&report),
            [
                format!("dockerhub create secret ecr-pullthroughcache/dockerhub [] {secret}"),
                format!("dockerhub create secret_policy ecr-pullthroughcache/dockerhub [] {policy}"),
                "dockerhub create template dockerhub [] skipped".into(),
                "dockerhub create rule dockerhub [] skipped".into(),
            ],
            "{operation}"
        );
        let puts = stack
            .writes()
            .into_iter()
            .filter(|write| write == "PutResourcePolicy")
            .count();
        assert_eq!(puts, 1, "{operation}: once, whichever step tells of it");
        then_calm(&stack).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_registry_denied_is_reported_and_no_retry_is_asked_for() {
    let stack = TestStack::new().await;
    stack.aws.fault(
        Fault::on("secretsmanager", "*")
            .subject_contains("gitlab")
            .times(1000)
            .access_denied(),
    );
    let report = stack.follow(LEGACY).await;
    assert_eq!(report.outcome, Outcome::Partial);
    let message = report.registries["gitlab"].message.as_deref().unwrap();
    assert!(
        message.contains("AccessDenied") && message.contains("DescribeSecret"),
        "{message}"
    );
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
    then_calm(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn a_fresh_secret_that_ecr_does_not_see_is_waited_for() {
    let hour = Duration::from_secs(3600);
    let stack = TestStack::with(
        Options {
            secret_visible_after: hour,
            ..Options::default()
        },
        &[],
    )
    .await;
    stack
        .aws
        .before("ecr", "CreatePullThroughCacheRule", 7, move |aws| aws.advance(hour));
    let report = stack.follow(LEGACY).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let missed = stack
        .aws
        .calls()
        .into_iter()
        .filter(|c| c.error.as_deref() == Some("SecretNotFoundException"));
    assert!(missed.count() > 2);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_ecr_never_sees_fails_for_a_retry() {
    let stack = TestStack::new().await;
    let never = Fault::on("ecr", "CreatePullThroughCacheRule").times(10_000);
    stack
        .aws
        .fault(never.error("SecretNotFoundException", "The secret was not found", 400));
    stack.upload(&hub("canary-docker-1"));
    stack.send(uploaded()).await.unwrap_err();
    assert!(
        stack.status().registries["dockerhub"]
            .message
            .as_deref()
            .unwrap()
            .contains("SecretNotFoundException")
    );
    then_calm(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn time_outs_and_broken_connections_are_retried_even_when_the_answer_was_lost() {
    for operation in [
        "CreateSecret",
        "PutSecretValue",
        "CreateRepositoryCreationTemplate",
        "CreatePullThroughCacheRule",
    ] {
        let stack = TestStack::new().await;
        for service in ["ecr", "secretsmanager"] {
            stack.aws.fault(Fault::on(service, operation).times(1).reset_after());
        }
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(
            report.registries["dockerhub"].state,
            State::Ready,
            "{operation}: {report:#?}"
        );
        assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged, "{operation}");
    }
    let stack = TestStack::new().await;
    stack
        .aws
        .fault(Fault::on("ecr", "DescribePullThroughCacheRules").times(1).timeout());
    stack.aws.fault(Fault::on("s3", "GetObject").times(1).reset());
    assert_eq!(stack.follow(&hub("canary-docker-1")).await.outcome, Outcome::Changed);
}

#[tokio::test(start_paused = true)]
async fn a_denied_file_fails_the_invocation_and_names_the_permission() {
    let stack = TestStack::new().await;
    stack.upload(LEGACY);
    stack.aws.fault(
        Fault::on("s3", "GetObject")
            .subject_contains(stack::KEY)
            .times(100)
            .access_denied(),
    );
    let failure = stack.send(uploaded()).await.unwrap_err().to_string();
    assert!(failure.contains("s3:GetObject"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_is_not_touched() {
    let stack = TestStack::new().await;
    stack.upload(LEGACY);
    stack.aws.fault(
        Fault::on("ecr", "DescribeRepositoryCreationTemplates")
            .times(100)
            .access_denied(),
    );
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(report.message.as_str().contains("DescribeRepositoryCreationTemplates"));
    assert_eq!(stack.writes(), Vec::<String>::new());
    stack.aws.clear_faults();
    stack.aws.fault(
        Fault::on("ecr", "DescribeRepositoryCreationTemplates")
            .times(100)
            .server_error(),
    );
    stack.send(uploaded()).await.unwrap_err();
    then_calm(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn a_clear_that_does_not_take_is_read_back_and_the_template_made_anew() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    stack.aws.with_ecr(|ecr| ecr.clears_take = false);
    let report = stack
        .follow("quay: {registry: quay.io, lifecycle_policy: none}\n")
        .await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.template("quay").unwrap().get("lifecyclePolicy"), None);
    assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_cleanly_before_the_deadline() {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = Duration::from_millis(1500);
    stack.app.timing.last_call = Duration::from_millis(200);
    stack.aws.fault(
        Fault::on("secretsmanager", "CreateSecret")
            .times(100)
            .latency(Duration::from_millis(1200)),
    );
    stack.upload(LEGACY);
    let failure = stack
        .send_within(uploaded(), Duration::from_millis(2000))
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("partial"), "{failure}");
    let status = stack.status();
    assert_eq!(status.outcome, Outcome::Partial);
    let results: Vec<_> = status.changes.iter().map(|c| &c.result).collect();
    assert!(results.contains(&&ChangeResult::Skipped), "{status:#?}");
    then_calm(&stack).await;
}

#[tokio::test(start_paused = true)]
async fn many_pages_are_all_read() {
    let stack = TestStack::with(
        Options {
            page_size: Some(2),
            ..Options::default()
        },
        &[],
    )
    .await;
    let file: String = (0..7).map(|n| format!("quay-{n}: {{registry: quay.io}}\n")).collect();
    stack.follow(&file).await;
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn registries_that_wait_for_aws_to_settle_keep_no_other_waiting() {
    let stack = TestStack::new().await;
    let unsettled = Fault::on("ecr", "CreatePullThroughCacheRule").subject_contains("slow-");
    stack
        .aws
        .fault(unsettled.error("UnableToDecryptSecretValueException", "kms", 400));
    let slow: String = (0..4).map(|n| format!("slow-{n}: {{registry: quay.io}}\n")).collect();
    let report = stack.follow(&format!("{slow}good: {{registry: quay.io}}\n")).await;
    assert_eq!(report.registries["good"].state, State::Ready, "{report:#?}");
    let calls = stack.aws.calls();
    let its_first = calls
        .iter()
        .position(|call| call.write && call.subject == "good")
        .unwrap();
    let tries = calls
        .iter()
        .filter(|call| call.operation == "CreatePullThroughCacheRule")
        .count();
    let before_it = calls[..its_first]
        .iter()
        .filter(|call| call.operation == "CreatePullThroughCacheRule")
        .count();
    assert!(
        before_it <= 4,
        "{before_it} of {tries} tries for those that wait came before its first call"
    );
}

#[tokio::test(start_paused = true)]
async fn a_template_that_has_to_be_made_anew_and_is_refused_comes_back_with_its_mark() {
    for refusals in [1, 100] {
        let stack = TestStack::new().await;
        stack.follow("quay: {registry: quay.io}\n").await;
        let before = stack.template("quay").unwrap();
        stack.aws.with_ecr(|ecr| ecr.clears_take = false);
        let refused = Fault::on("ecr", "CreateRepositoryCreationTemplate").times(refusals);
        stack.aws.fault(refused.error("ValidationException", "no", 400));
        stack.upload("quay: {registry: quay.io, lifecycle_policy: none}\n");
        let result = stack.send(uploaded()).await;
        assert_eq!(
            stack.status().registries["quay"].state,
            State::Failed,
            "{:#?}",
            stack.status()
        );
        if refusals == 1 {
            assert_eq!(
                stack.template("quay").expect("the template")["description"],
                before["description"]
            );
        } else {
            // Refused as it was before, too: only a retry can help.
            assert!(result.is_err());
        }
        then_calm(&stack).await;
        assert_eq!(stack.template("quay").unwrap()["description"], before["description"]);
    }
}
