//! Bounds: what AWS, or whoever answers for it, may send is bounded in size and time, and must say what it means.

use std::time::{Duration, Instant};

use crate::common::misplaced;
use crate::support::{self, BUCKET, Bench, hub, lines, logged, metrics, repository, scheduled, uploaded};
use ecr_pull_through_sync::failure::Failure;
use local_aws::{Fault, Options};
use serde_json::Value;

const QUAY: &str = "quay: {registry: quay.io}\n";
const HUB: &str = "ecr-pullthroughcache/dockerhub";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Whatever came of a run, in one text.
fn said(result: &Result<Value, Failure>) -> String {
    match result {
        Ok(report) => report.to_string(),
        Err(failure) => failure.to_string(),
    }
}

/// One token that comes again, two that go round, and always a new one.
#[tokio::test(start_paused = true)]
async fn pages_without_an_end_are_not_followed() {
    for tokens in [1, 2, 1_000_000] {
        for operation in ["DescribePullThroughCacheRules", "DescribeRepositoryCreationTemplates"] {
            let bench = Bench::new().await;
            bench.follow(QUAY).await;
            bench.aws.clear_calls();
            bench.aws.fault(Fault::on("ecr", operation).endless_pages(tokens));
            let result = bench.send(scheduled()).await;
            let status = bench.status().to_string();
            assert!(
                result.is_err() && status.contains("EndlessPages"),
                "{operation} {tokens}: {status}"
            );
            assert_eq!(bench.writes(), Vec::<String>::new());
            let pages = bench
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
        let bench = Bench::new().await;
        bench
            .aws
            .fault(Fault::on("secretsmanager", "ListSecrets").endless_pages(tokens));
        let report = bench.follow(&hub("canary-docker-1")).await;
        assert_eq!(
            report["registries"]["dockerhub"]["state"], "ready",
            "{tokens}: {report:#}"
        );
        assert!(
            report["warnings"].to_string().contains("EndlessPages"),
            "{tokens}: {report:#}"
        );

        bench.aws.clear_faults();
        repository(&bench.aws, "quay/a");
        bench
            .aws
            .fault(Fault::on("ecr", "DescribeRepositories").endless_pages(tokens));
        bench.upload("quay: {registry: quay.io, existing_repositories: true}\n");
        let result = bench.send(uploaded()).await;
        let status = bench.status().to_string();
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
        let bench = Bench::new().await;
        bench
            .aws
            .fault(Fault::on(service, operation).endless_body(64 * 1024, Duration::ZERO));
        bench.upload(&hub("canary-docker-1"));
        let result = bench.send(uploaded()).await;
        let status = bench.status().to_string();
        assert!(
            result.is_err() && status.contains("BadResponse"),
            "{operation}: {status}"
        );
    }
    // The file itself: what is too long of it is not read.
    let bench = Bench::new().await;
    bench.upload(QUAY);
    let endless = Fault::on("s3", "GetObject")
        .subject_contains(support::KEY)
        .skip(1)
        .times(1);
    bench.aws.fault(endless.endless_body(64 * 1024, Duration::ZERO));
    _ = bench.send(scheduled()).await;
    assert!(bench.rule("quay").is_none());
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
        let mut bench = Bench::new().await;
        (bench.app.timing.wind_down, bench.app.timing.last_call) = (ms(1000), ms(500));
        bench.aws.fault(Fault::on(service, operation).endless_body(1, ms(20)));
        bench.upload(&hub("canary-docker-1"));
        let begun = Instant::now();
        _ = bench.send_within(uploaded(), ms(2000)).await;
        assert!(begun.elapsed() < ms(2000), "{operation}: {:?}", begun.elapsed());
    }
}

/// Whoever waits for Lambda to end the process is never heard of: no answer, no log line, no metric.
#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_written_in_time_is_told_in_answer_log_and_metrics() {
    for (n, object) in [support::STATUS, support::STATUS_PAGE].into_iter().enumerate() {
        let owner = format!("late-status-{n}");
        let mut bench = Bench::with(Options::default(), &[("OWNER", &owner)]).await;
        (bench.app.timing.wind_down, bench.app.timing.last_call) = (ms(1500), ms(1000));
        bench
            .aws
            .fault(Fault::on("s3", "PutObject").subject_contains(object).timeout());
        bench.upload(QUAY);
        let begun = Instant::now();
        let failure = bench.send_within(uploaded(), ms(2500)).await.unwrap_err();
        assert!(begun.elapsed() < ms(2500), "{object}: {:?}", begun.elapsed());
        assert_eq!(failure.name(), "StatusUnavailable", "{failure}");
        assert!(failure.to_string().contains("deadline"), "{failure}");
        assert!(!metrics(&owner).is_empty(), "{object}");
        assert!(
            logged()
                .lines()
                .any(|line| line.contains("run finished") && line.contains("1 registry ready; 2 changes"))
        );
        bench.aws.clear_faults();
        assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_refused_is_told_in_log_and_metrics_and_only_a_denial_names_the_permission() {
    for (n, (code, is_denied)) in [("AccessDenied", true), ("RequestTimeTooSkewed", false)]
        .into_iter()
        .enumerate()
    {
        let owner = format!("refused-status-{n}");
        let bench = Bench::with(Options::default(), &[("OWNER", &owner)]).await;
        bench
            .aws
            .fault(Fault::on("s3", "PutObject").error(code, "what S3 says", 403));
        bench.upload(QUAY);
        let failure = bench.send(uploaded()).await.unwrap_err().to_string();
        assert!(failure.contains(code) && failure.contains("what S3 says"), "{failure}");
        assert_eq!(failure.contains("role needs s3:PutObject"), is_denied, "{failure}");
        assert!(!metrics(&owner).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_s3_refuses_only_a_denial_is_told_as_a_missing_permission() {
    for object in [support::KEY, support::STATUS] {
        for (code, is_denied) in [
            ("AccessDenied", true),
            ("RequestTimeTooSkewed", false),
            ("InvalidAccessKeyId", false),
            ("Odd", false),
        ] {
            let bench = Bench::new().await;
            bench.upload(QUAY);
            let refused = Fault::on("s3", "GetObject").subject_contains(format!("{BUCKET}/{object}"));
            bench.aws.fault(refused.error(code, "what S3 says", 403));
            let failure = bench.send(uploaded()).await.unwrap_err().to_string();
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
    let clean = Bench::new().await;
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
            let bench = Bench::new().await;
            bench.aws.fault(fault(Fault::on(service, operation)).times(1));
            let mut report = bench.follow(&hub("canary-docker-1")).await;
            if !operation.starts_with("Up") {
                assert!(told_once(&report, &made), "{operation}: {report:#}");
            }
            if operation.starts_with("Up") || operation == "PutSecretValue" {
                bench.aws.clear_faults();
                bench.aws.fault(fault(Fault::on(service, operation)).times(1));
                report = bench.follow(changed).await;
                assert!(told_once(&report, &updated), "{operation}: {report:#}");
                assert_eq!(
                    bench.token(HUB, "AWSCURRENT").as_deref(),
                    Some("canary-docker-2"),
                    "{operation}"
                );
            }
            assert_eq!(
                report["registries"]["dockerhub"]["state"], "ready",
                "{operation}: {report:#}"
            );
            assert!(
                bench.rule("dockerhub").is_some() && bench.template("dockerhub").is_some(),
                "{operation}"
            );
            assert_eq!(bench.act("plan").await["outcome"], "converged", "{operation}");
        }
    }
}

/// The same resources as in a clean run are told, each as applied.
fn told_once(report: &Value, clean: &[String]) -> bool {
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
    let bench = Bench::new().await;
    bench.aws.fault(Fault::on("ecr", "CreatePullThroughCacheRule").hollow());
    bench.upload(QUAY);
    bench.send(uploaded()).await.unwrap_err();
    assert_eq!(
        bench.status()["registries"]["quay"]["state"],
        "failed",
        "{:#}",
        bench.status()
    );
    bench.aws.clear_faults();
    assert_eq!(
        bench.send(scheduled()).await.unwrap()["registries"]["quay"]["state"],
        "ready"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_was_perhaps_deleted_is_replaced_or_put_back() {
    for fault in [Fault::hollow, Fault::hollow_after] {
        for operation in ["DeletePullThroughCacheRule", "CreatePullThroughCacheRule"] {
            let bench = Bench::new().await;
            bench.follow(QUAY).await;
            bench.aws.fault(fault(Fault::on("ecr", operation)).times(1));
            let report = bench.follow("quay: {registry: public.ecr.aws}\n").await;
            assert_eq!(
                report["registries"]["quay"]["state"], "ready",
                "{operation}: {report:#}"
            );
            assert_eq!(
                bench.rule("quay").unwrap()["upstreamRegistryUrl"],
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
            let bench = Bench::new().await;
            bench.follow(&format!("{QUAY}{}", hub("canary-docker-1"))).await;
            bench.aws.fault(fault(Fault::on(service, operation)).times(1));
            bench.upload(QUAY);
            bench.send(uploaded()).await.unwrap_err();
            let told = lines(&bench.status());
            assert_eq!(
                told.iter().filter(|line| line.ends_with("failed")).count(),
                1,
                "{operation}: {told:?}"
            );
            bench.send(scheduled()).await.unwrap();
            assert!(bench.is_going(HUB) && bench.rule("dockerhub").is_none(), "{operation}");
            assert_eq!(bench.act("plan").await["outcome"], "converged", "{operation}");
        }
    }
}

/// `isValid` is false where the answer has no such member: that must not be a refusal, which takes a good token back.
#[tokio::test(start_paused = true)]
async fn a_proof_that_says_nothing_refuses_no_credential() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    bench
        .aws
        .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").hollow());
    bench.upload(&hub("canary-docker-2"));
    bench.send(uploaded()).await.unwrap_err();
    assert_eq!(
        bench.status()["registries"]["dockerhub"]["credential"],
        "unchecked",
        "{:#}",
        bench.status()
    );
    assert_eq!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
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
        let bench = Bench::new().await;
        bench.follow(&hub("canary-docker-1")).await;
        bench.rotate(HUB, "canary-docker-3");
        bench.aws.clear_calls();
        bench.aws.fault(Fault::on(service, operation).hollow());
        let result = bench.send(scheduled()).await;
        assert!(
            said(&result).contains("says nothing") || bench.status().to_string().contains("says nothing"),
            "{operation}"
        );
        assert_eq!(bench.writes(), Vec::<String>::new(), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_said_to_be_written_and_is_not_is_a_failure() {
    let bench = Bench::new().await;
    bench.aws.fault(Fault::on("s3", "PutObject").hollow());
    bench.upload(QUAY);
    let failure = bench.send(uploaded()).await.unwrap_err();
    assert_eq!(failure.name(), "StatusUnavailable", "{failure}");
}

/// Before a credential changes, and before anything is deleted, the file is looked at once more.
#[tokio::test(start_paused = true)]
async fn a_look_at_the_file_that_hangs_ends_with_the_deadline() {
    let mut bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    (bench.app.timing.wind_down, bench.app.timing.last_call) = (ms(1000), ms(500));
    bench.aws.fault(Fault::on("s3", "HeadObject").timeout());
    bench.upload(QUAY);
    let begun = Instant::now();
    _ = bench.send_within(uploaded(), ms(2000)).await;
    assert!(begun.elapsed() < ms(2000), "{:?}", begun.elapsed());
    assert!(!bench.is_going(HUB));
}

/// Writes into the status what a run has not written.
fn plant(bench: &Bench, with: impl FnOnce(&mut Value)) {
    let mut status = bench.status();
    with(&mut status);
    bench
        .aws
        .put_object(BUCKET, support::STATUS, status.to_string().into_bytes());
}

const MARKUP: &str = "<script>x</script> \u{1b}[31m \u{202e}";

#[tokio::test(start_paused = true)]
async fn no_text_that_somebody_wrote_for_a_time_is_passed_on() {
    let bench = Bench::new().await;
    bench.follow(QUAY).await;
    let held = Fault::on("ecr", "CreatePullThroughCacheRule").error("InvalidParameterException", "no", 400);
    bench.aws.fault(held);
    bench.upload(&format!("{QUAY}k8s: {{registry: registry.k8s.io}}\n"));
    bench.send(uploaded()).await.unwrap();
    for field in ["started_at", "finished_at", "last_success_at", "since", "run_id"] {
        plant(&bench, |status| match field {
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
        let report = bench.send(scheduled()).await.unwrap();
        assert_eq!(report["outcome"], "partial", "{report:#}");
        let page = String::from_utf8(bench.aws.object(BUCKET, support::STATUS_PAGE).unwrap()).unwrap();
        for said in [report.to_string(), page] {
            let is_planted = said.contains("script") || said.contains('\u{1b}') || said.contains('\u{202e}');
            assert!(!is_planted, "{field}: {said}");
        }
    }
    // Nor is a success believed that is yet to come.
    plant(&bench, |status| {
        status["last_success_at"] = "2999-01-01T00:00:00+01:00".into()
    });
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["last_success_at"], report["finished_at"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_another_place_of_the_file_is_in_no_report_and_in_no_log() {
    for token in misplaced::TOKENS {
        let bench = Bench::new().await;
        for place in misplaced::PLACES {
            let report = bench.follow(&misplaced::file(place, token)).await;
            assert_eq!(report["outcome"], "rejected", "{place}");
            let page = String::from_utf8(bench.aws.object(BUCKET, support::STATUS_PAGE).unwrap()).unwrap();
            for said in [report.to_string(), bench.status().to_string(), page] {
                assert!(!misplaced::tells(&said, token), "{place}: {said}");
            }
        }
        assert!(!misplaced::tells(&logged(), token), "{token} in the log");
    }
}
