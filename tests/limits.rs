//! Bounds: what AWS, or whoever answers for it, may send is bounded in size and time, and must say what it means.

use std::time::{Duration, Instant};

use crate::files::misplaced;
use crate::stack::{
    self, BUCKET, CredentialState, Outcome, Report, State, TestStack, hub, json_of, lines, logged, messages, metrics,
    repository, scheduled, uploaded,
};
use ecr_pull_through_sync::failure::Failure;
use local_aws::{Fault, Options};
use serde_json::Value;

const QUAY: &str = "quay: {registry: quay.io}\n";
const HUB: &str = "ecr-pullthroughcache/dockerhub";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Whatever came of a run, in one text.
fn said(result: &Result<Report, Failure>) -> String {
    match result {
        Ok(report) => json_of(report).to_string(),
        Err(failure) => failure.to_string(),
    }
}

/// One token that comes again, two that go round, and always a new one.
#[tokio::test(start_paused = true)]
async fn pages_without_an_end_are_not_followed() {
    for tokens in [1, 2, 1_000_000] {
        for operation in ["DescribePullThroughCacheRules", "DescribeRepositoryCreationTemplates"] {
            let stack = TestStack::new().await;
            stack.follow(QUAY).await;
            stack.aws.clear_calls();
            stack.aws.fault(Fault::on("ecr", operation).endless_pages(tokens));
            let result = stack.send(scheduled()).await;
            let status = stack.status_json().to_string();
            assert!(
                result.is_err() && status.contains("EndlessPages"),
                "{operation} {tokens}: {status}"
            );
            assert_eq!(stack.writes(), Vec::<String>::new());
            let pages = stack
                .aws
                .calls()
                .iter()
                .filter(|call| call.operation == operation)
                .count();
            assert!(pages <= 101, "{operation} {tokens}: {pages}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn endless_lists_of_secrets_and_repositories_are_told_and_end() {
    for tokens in [1, 2, 1_000_000] {
        let stack = TestStack::new().await;
        stack
            .aws
            .fault(Fault::on("secretsmanager", "ListSecrets").endless_pages(tokens));
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(
            report.registries["dockerhub"].state,
            State::Ready,
            "{tokens}: {report:#?}"
        );
        assert!(
            messages(&report.warnings).contains("EndlessPages"),
            "{tokens}: {report:#?}"
        );

        stack.aws.clear_faults();
        repository(&stack.aws, "quay/a");
        stack
            .aws
            .fault(Fault::on("ecr", "DescribeRepositories").endless_pages(tokens));
        stack.upload("quay: {registry: quay.io, existing_repositories: true}\n");
        let result = stack.send(uploaded()).await;
        let status = stack.status_json().to_string();
        assert!(result.is_err() && status.contains("EndlessPages"), "{tokens}: {status}");
    }
}

/// As fast as it can be read: an answer is not read beyond what any is long.
#[tokio::test(start_paused = true)]
async fn an_answer_without_an_end_is_not_read_on() {
    for (service, operation) in [
        ("ecr", "DescribePullThroughCacheRules"),
        ("secretsmanager", "DescribeSecret"),
        ("ecr", "CreatePullThroughCacheRule"),
    ] {
        let stack = TestStack::new().await;
        stack
            .aws
            .fault(Fault::on(service, operation).endless_body(64 * 1024, Duration::ZERO));
        stack.upload(&hub("canary-docker-1"));
        let result = stack.send(uploaded()).await;
        let status = stack.status_json().to_string();
        assert!(
            result.is_err() && status.contains("BadResponse"),
            "{operation}: {status}"
        );
    }
    // The file itself: what is too long of it is not read.
    let stack = TestStack::new().await;
    stack.upload(QUAY);
    let endless = Fault::on("s3", "GetObject")
        .subject_contains(stack::KEY)
        .skip(1)
        .times(1);
    stack.aws.fault(endless.endless_body(64 * 1024, Duration::ZERO));
    _ = stack.send(scheduled()).await;
    assert!(stack.rule("quay").is_none());
}

/// A space now and then, for ever.
#[tokio::test(start_paused = true)]
async fn an_answer_that_trickles_ends_with_the_deadline() {
    for (service, operation) in [
        ("s3", "GetObject"),
        ("ecr", "DescribeRepositoryCreationTemplates"),
        ("secretsmanager", "DescribeSecret"),
        ("s3", "HeadObject"),
    ] {
        let mut stack = TestStack::new().await;
        (stack.app.timing.wind_down, stack.app.timing.last_call) = (ms(1000), ms(500));
        stack.aws.fault(Fault::on(service, operation).endless_body(1, ms(20)));
        stack.upload(&hub("canary-docker-1"));
        let begun = Instant::now();
        _ = stack.send_within(uploaded(), ms(2000)).await;
        assert!(begun.elapsed() < ms(2000), "{operation}: {:?}", begun.elapsed());
    }
}

/// Whoever waits for Lambda to end the process is never heard of: no answer, no log line, no metric.
#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_in_time_is_told_in_answer_log_and_metrics() {
    for (n, object) in [stack::STATUS, stack::STATUS_PAGE].into_iter().enumerate() {
        let owner = format!("late-status-{n}");
        let mut stack = TestStack::with(Options::default(), &[("OWNER", &owner)]).await;
        (stack.app.timing.wind_down, stack.app.timing.last_call) = (ms(1500), ms(1000));
        stack
            .aws
            .fault(Fault::on("s3", "PutObject").subject_contains(object).timeout());
        stack.upload(QUAY);
        let begun = Instant::now();
        let failure = stack.send_within(uploaded(), ms(2500)).await.unwrap_err();
        assert!(begun.elapsed() < ms(2500), "{object}: {:?}", begun.elapsed());
        assert_eq!(failure.name(), "StatusUnavailable", "{failure}");
        assert!(failure.to_string().contains("deadline"), "{failure}");
        assert!(!metrics(&owner).is_empty(), "{object}");
        assert!(
            logged()
                .lines()
                .any(|line| line.contains("run finished") && line.contains("1 registry ready; 2 changes"))
        );
        stack.aws.clear_faults();
        assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_refused_is_told_in_log_and_metrics_and_only_a_denial_names_the_permission() {
    for (n, (code, is_denied)) in [("AccessDenied", true), ("RequestTimeTooSkewed", false)]
        .into_iter()
        .enumerate()
    {
        let owner = format!("refused-status-{n}");
        let stack = TestStack::with(Options::default(), &[("OWNER", &owner)]).await;
        stack
            .aws
            .fault(Fault::on("s3", "PutObject").error(code, "what S3 says", 403));
        stack.upload(QUAY);
        let failure = stack.send(uploaded()).await.unwrap_err().to_string();
        assert!(failure.contains(code) && failure.contains("what S3 says"), "{failure}");
        assert_eq!(failure.contains("role needs s3:PutObject"), is_denied, "{failure}");
        assert!(!metrics(&owner).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_s3_refuses_only_a_denial_is_told_as_a_missing_permission() {
    for object in [stack::KEY, stack::STATUS] {
        for (code, is_denied) in [
            ("AccessDenied", true),
            ("RequestTimeTooSkewed", false),
            ("InvalidAccessKeyId", false),
            ("Odd", false),
        ] {
            let stack = TestStack::new().await;
            stack.upload(QUAY);
            let refused = Fault::on("s3", "GetObject").subject_contains(format!("{BUCKET}/{object}"));
            stack.aws.fault(refused.error(code, "what S3 says", 403));
            let failure = stack.send(uploaded()).await.unwrap_err().to_string();
            assert!(
                failure.contains(code) && failure.contains("what S3 says"),
                "{object}: {failure}"
            );
            assert_eq!(
                failure.contains("role needs s3:GetObject"),
                is_denied,
                "{object}: {failure}"
            );
        }
    }
}

/// 200 and nothing in it, whether AWS took the call or not: what was done is looked at, and told once.
#[tokio::test(start_paused = true)]
async fn an_answer_that_says_nothing_is_not_taken_for_a_deed() {
    let clean = TestStack::new().await;
    let made = lines(&clean.follow(&hub("canary-docker-1")).await);
    let changed = "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-2, image_tag_mutability: IMMUTABLE}\n";
    let updated = lines(&clean.follow(changed).await);
    for (service, operation) in [
        ("ecr", "CreatePullThroughCacheRule"),
        ("ecr", "CreateRepositoryCreationTemplate"),
        ("ecr", "UpdateRepositoryCreationTemplate"),
        ("secretsmanager", "CreateSecret"),
        ("secretsmanager", "PutSecretValue"),
        ("secretsmanager", "PutResourcePolicy"),
        ("secretsmanager", "UpdateSecretVersionStage"),
    ] {
        for fault in [Fault::hollow, Fault::hollow_after] {
            let stack = TestStack::new().await;
            stack.aws.fault(fault(Fault::on(service, operation)).times(1));
            let mut report = stack.follow(&hub("canary-docker-1")).await;
            if !operation.starts_with("Up") {
                assert!(told_once(&report, &made), "{operation}: {report:#?}");
            }
            if operation.starts_with("Up") || operation == "PutSecretValue" {
                stack.aws.clear_faults();
                stack.aws.fault(fault(Fault::on(service, operation)).times(1));
                report = stack.follow(changed).await;
                assert!(told_once(&report, &updated), "{operation}: {report:#?}");
                assert_eq!(
                    stack.token(HUB, "AWSCURRENT").as_deref(),
                    Some("canary-docker-2"),
                    "{operation}"
                );
            }
            assert_eq!(
                report.registries["dockerhub"].state,
                State::Ready,
                "{operation}: {report:#?}"
            );
            assert!(
                stack.rule("dockerhub").is_some() && stack.template("dockerhub").is_some(),
                "{operation}"
            );
            assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged, "{operation}");
        }
    }
}

/// The same resources as in a clean run are told, each as applied.
fn told_once(report: &Report, clean: &[String]) -> bool {
    let kinds = |lines: &[String]| {
        let mut kinds: Vec<String> = lines
            .iter()
            .map(|line| line.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" "))
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    let told = lines(report);
    told.iter().all(|line| line.ends_with("applied")) && kinds(&told) == kinds(clean)
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_said_to_be_made_and_is_not_there_is_not_ready() {
    let stack = TestStack::new().await;
    stack.aws.fault(Fault::on("ecr", "CreatePullThroughCacheRule").hollow());
    stack.upload(QUAY);
    stack.send(uploaded()).await.unwrap_err();
    assert_eq!(
        stack.status().registries["quay"].state,
        State::Failed,
        "{:#?}",
        stack.status()
    );
    stack.aws.clear_faults();
    assert_eq!(
        stack.send(scheduled()).await.unwrap().registries["quay"].state,
        State::Ready
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_was_perhaps_deleted_is_replaced_or_put_back() {
    for fault in [Fault::hollow, Fault::hollow_after] {
        for operation in ["DeletePullThroughCacheRule", "CreatePullThroughCacheRule"] {
            let stack = TestStack::new().await;
            stack.follow(QUAY).await;
            stack.aws.fault(fault(Fault::on("ecr", operation)).times(1));
            let report = stack.follow("quay: {registry: public.ecr.aws}\n").await;
            assert_eq!(
                report.registries["quay"].state,
                State::Ready,
                "{operation}: {report:#?}"
            );
            assert_eq!(
                stack.rule("quay").unwrap()["upstreamRegistryUrl"],
                "public.ecr.aws",
                "{operation}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_perhaps_deleted_is_a_failure_until_it_is_seen() {
    for (service, operation) in [
        ("ecr", "DeletePullThroughCacheRule"),
        ("ecr", "DeleteRepositoryCreationTemplate"),
        ("secretsmanager", "DeleteSecret"),
    ] {
        for fault in [Fault::hollow, Fault::hollow_after] {
            let stack = TestStack::new().await;
            stack.follow(&format!("{QUAY}{}", hub("canary-docker-1"))).await;
            stack.aws.fault(fault(Fault::on(service, operation)).times(1));
            stack.upload(QUAY);
            stack.send(uploaded()).await.unwrap_err();
            let told = lines(&stack.status());
            assert_eq!(
                told.iter().filter(|line| line.ends_with("failed")).count(),
                1,
                "{operation}: {told:?}"
            );
            stack.send(scheduled()).await.unwrap();
            assert!(stack.is_going(HUB) && stack.rule("dockerhub").is_none(), "{operation}");
            assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged, "{operation}");
        }
    }
}

/// `isValid` is false where the answer has no such member: that must not be a refusal, which takes a good token back.
#[tokio::test(start_paused = true)]
async fn a_proof_that_says_nothing_refuses_no_credential() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
        .aws
        .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").hollow());
    stack.upload(&hub("canary-docker-2"));
    stack.send(uploaded()).await.unwrap_err();
    assert_eq!(
        stack.status().registries["dockerhub"].credential,
        CredentialState::Unchecked,
        "{:#?}",
        stack.status()
    );
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
}

/// A file, a status or a secret that reads as nothing is not nothing.
#[tokio::test(start_paused = true)]
async fn a_read_that_says_nothing_changes_nothing() {
    for (service, operation) in [
        ("s3", "GetObject"),
        ("secretsmanager", "DescribeSecret"),
        ("secretsmanager", "GetSecretValue"),
        ("secretsmanager", "GetResourcePolicy"),
    ] {
        let stack = TestStack::new().await;
        stack.follow(&hub("canary-docker-1")).await;
        stack.rotate(HUB, "canary-docker-3");
        stack.aws.clear_calls();
        stack.aws.fault(Fault::on(service, operation).hollow());
        let result = stack.send(scheduled()).await;
        assert!(
            said(&result).contains("says nothing") || stack.status_json().to_string().contains("says nothing"),
            "{operation}"
        );
        assert_eq!(stack.writes(), Vec::<String>::new(), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_said_to_be_written_and_is_not_is_a_failure() {
    let stack = TestStack::new().await;
    stack.aws.fault(Fault::on("s3", "PutObject").hollow());
    stack.upload(QUAY);
    let failure = stack.send(uploaded()).await.unwrap_err();
    assert_eq!(failure.name(), "StatusUnavailable", "{failure}");
}

/// Before a credential changes, and before anything is deleted, the file is looked at once more.
#[tokio::test(start_paused = true)]
async fn a_look_at_the_file_that_hangs_ends_with_the_deadline() {
    let mut stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    (stack.app.timing.wind_down, stack.app.timing.last_call) = (ms(1000), ms(500));
    stack.aws.fault(Fault::on("s3", "HeadObject").timeout());
    stack.upload(QUAY);
    let begun = Instant::now();
    _ = stack.send_within(uploaded(), ms(2000)).await;
    assert!(begun.elapsed() < ms(2000), "{:?}", begun.elapsed());
    assert!(!stack.is_going(HUB));
}

/// Writes into the status what a run has not written.
fn plant(stack: &TestStack, with: impl FnOnce(&mut Value)) {
    let mut status = stack.status_json();
    with(&mut status);
    stack.aws.put_object(BUCKET, stack::STATUS, status.to_string());
}

const MARKUP: &str = "<script>x</script> \u{1b}[31m \u{202e}";

#[tokio::test(start_paused = true)]
async fn no_text_that_somebody_wrote_for_a_time_is_passed_on() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    let held = Fault::on("ecr", "CreatePullThroughCacheRule").error("InvalidParameterException", "no", 400);
    stack.aws.fault(held);
    stack.upload(&format!("{QUAY}k8s: {{registry: registry.k8s.io}}\n"));
    stack.send(uploaded()).await.unwrap();
    for field in ["started_at", "finished_at", "last_success_at", "since", "run_id"] {
        plant(&stack, |status| match field {
            "since" => {
                status["registries"]["k8s"]["since"] = MARKUP.into();
                status["changes"]
                    .as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|change| change["since"] = MARKUP.into());
            }
            field => status[field] = MARKUP.into(),
        });
        let report = stack.send(scheduled()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
        let page = String::from_utf8(stack.aws.object(BUCKET, stack::STATUS_PAGE).unwrap()).unwrap();
        for said in [json_of(&report).to_string(), page] {
            let is_planted = said.contains("script") || said.contains('\u{1b}') || said.contains('\u{202e}');
            assert!(!is_planted, "{field}: {said}");
        }
    }
    // Nor is a success believed that is yet to come.
    plant(&stack, |status| {
        status["last_success_at"] = "2999-01-01T00:00:00+01:00".into()
    });
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.last_success_at.as_ref(), Some(&report.finished_at));
}

#[tokio::test(start_paused = true)]
async fn a_token_in_another_place_of_the_file_is_in_no_report_and_in_no_log() {
    for token in misplaced::TOKENS {
        let stack = TestStack::new().await;
        for place in misplaced::PLACES {
            let report = stack.follow(&misplaced::file(place, token)).await;
            assert_eq!(report.outcome, Outcome::Rejected, "{place}");
            let page = String::from_utf8(stack.aws.object(BUCKET, stack::STATUS_PAGE).unwrap()).unwrap();
            for said in [json_of(&report).to_string(), stack.status_json().to_string(), page] {
                assert!(!misplaced::tells(&said, token), "{place}: {said}");
            }
        }
        assert!(!misplaced::tells(&logged(), token), "{token} in the log");
    }
}
