//! AWS on a bad day: what fails, what goes on, and when a retry is asked for.

use std::time::Duration;

use crate::support::{self, Bench, LEGACY, hub, lines, scheduled, uploaded};
use ecr_pull_through_sync::failure::Failure;
use local_aws::{Fault, Options};
use serde_json::json;

/// Sends the upload's event; whichever way it ends, a calm run afterwards converges.
async fn then_calm(bench: &Bench) {
    bench.aws.clear_faults();
    let report = bench.send(scheduled()).await.unwrap();
    assert_ne!(report["outcome"], "partial", "{report:#}");
    assert_eq!(bench.act("plan").await["outcome"], "converged");
}

#[tokio::test(start_paused = true)]
async fn a_throttling_storm_delays_and_fails_nothing() {
    let bench = Bench::new().await;
    for service in ["ecr", "secretsmanager"] {
        for operation in [
            "CreatePullThroughCacheRule",
            "CreateSecret",
            "PutSecretValue",
            "DescribeSecret",
        ] {
            bench.aws.fault(Fault::on(service, operation).times(3).throttle());
        }
    }
    let report = bench.follow(LEGACY).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
}

#[tokio::test(start_paused = true)]
async fn a_server_error_that_stays_fails_one_registry_and_the_invocation_after_the_status() {
    let bench = Bench::new().await;
    bench.aws.fault(
        Fault::on("ecr", "CreatePullThroughCacheRule")
            .subject_contains("gitlab")
            .times(1000)
            .server_error(),
    );
    bench.upload(LEGACY);
    let failure = bench.send(uploaded()).await.unwrap_err();
    let text = failure.to_string();
    assert!(
        matches!(failure, Failure::Incomplete { outcome: "partial", .. }),
        "{text}"
    );
    assert!(text.contains("gitlab") && text.contains(support::STATUS), "{text}");
    let status = bench.status();
    assert_eq!(status["registries"]["gitlab"]["state"], "failed");
    assert_eq!(status["registries"]["dockerhub"]["state"], "ready");
    assert_eq!(status["registries"]["public-ecr"]["state"], "ready");
    then_calm(&bench).await;
}

/// The policy of a new secret is put beside its value: each of the two is told as it came out.
#[tokio::test(start_paused = true)]
async fn of_a_new_secret_whose_label_or_policy_fails_the_other_is_told_as_done() {
    for (operation, secret, policy) in [
        ("UpdateSecretVersionStage", "failed", "applied"),
        ("PutResourcePolicy", "applied", "failed"),
    ] {
        let bench = Bench::new().await;
        bench.aws.fault(Fault::on("secretsmanager", operation).access_denied());
        let report = bench.follow(&hub("canary-docker-1")).await;
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
        let puts = bench
            .writes()
            .into_iter()
            .filter(|write| write == "PutResourcePolicy")
            .count();
        assert_eq!(puts, 1, "{operation}: once, whichever step tells of it");
        then_calm(&bench).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_registry_denied_is_reported_and_no_retry_is_asked_for() {
    let bench = Bench::new().await;
    bench.aws.fault(
        Fault::on("secretsmanager", "*")
            .subject_contains("gitlab")
            .times(1000)
            .access_denied(),
    );
    let report = bench.follow(LEGACY).await;
    assert_eq!(report["outcome"], "partial");
    let message = report["registries"]["gitlab"]["message"].as_str().unwrap();
    assert!(
        message.contains("AccessDenied") && message.contains("DescribeSecret"),
        "{message}"
    );
    assert_eq!(report["registries"]["dockerhub"]["state"], "ready");
    then_calm(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_fresh_secret_that_ecr_does_not_see_is_waited_for() {
    let hour = Duration::from_secs(3600);
    let bench = Bench::with(
        Options {
            secret_visible_after: hour,
            ..Options::default()
        },
        &[],
    )
    .await;
    bench
        .aws
        .before("ecr", "CreatePullThroughCacheRule", 7, move |aws| aws.advance(hour));
    let report = bench.follow(LEGACY).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    let missed = bench
        .aws
        .calls()
        .into_iter()
        .filter(|c| c.error.as_deref() == Some("SecretNotFoundException"));
    assert!(missed.count() > 2);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_ecr_never_sees_fails_for_a_retry() {
    let bench = Bench::new().await;
    let never = Fault::on("ecr", "CreatePullThroughCacheRule").times(10_000);
    bench
        .aws
        .fault(never.error("SecretNotFoundException", "The secret was not found", 400));
    bench.upload(&hub("canary-docker-1"));
    bench.send(uploaded()).await.unwrap_err();
    assert!(
        bench.status()["registries"]["dockerhub"]["message"]
            .as_str()
            .unwrap()
            .contains("SecretNotFoundException")
    );
    then_calm(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn time_outs_and_broken_connections_are_retried_even_when_the_answer_was_lost() {
    for operation in [
        "CreateSecret",
        "PutSecretValue",
        "CreateRepositoryCreationTemplate",
        "CreatePullThroughCacheRule",
    ] {
        let bench = Bench::new().await;
        for service in ["ecr", "secretsmanager"] {
            bench.aws.fault(Fault::on(service, operation).times(1).reset_after());
        }
        let report = bench.follow(&hub("canary-docker-1")).await;
        assert_eq!(
            report["registries"]["dockerhub"]["state"], "ready",
            "{operation}: {report:#}"
        );
        assert_eq!(bench.act("plan").await["outcome"], "converged", "{operation}");
    }
    let bench = Bench::new().await;
    bench
        .aws
        .fault(Fault::on("ecr", "DescribePullThroughCacheRules").times(1).timeout());
    bench.aws.fault(Fault::on("s3", "GetObject").times(1).reset());
    assert_eq!(bench.follow(&hub("canary-docker-1")).await["outcome"], "changed");
}

#[tokio::test(start_paused = true)]
async fn a_denied_file_fails_the_invocation_and_names_the_permission() {
    let bench = Bench::new().await;
    bench.upload(LEGACY);
    bench.aws.fault(
        Fault::on("s3", "GetObject")
            .subject_contains(support::KEY)
            .times(100)
            .access_denied(),
    );
    let failure = bench.send(uploaded()).await.unwrap_err().to_string();
    assert!(failure.contains("s3:GetObject"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_cannot_be_read_is_not_touched() {
    let bench = Bench::new().await;
    bench.upload(LEGACY);
    bench.aws.fault(
        Fault::on("ecr", "DescribeRepositoryCreationTemplates")
            .times(100)
            .access_denied(),
    );
    let report = bench.send(uploaded()).await.unwrap();
    assert_eq!(report["outcome"], "partial");
    assert!(
        report["message"]
            .as_str()
            .unwrap()
            .contains("DescribeRepositoryCreationTemplates")
    );
    assert_eq!(bench.writes(), Vec::<String>::new());
    bench.aws.clear_faults();
    bench.aws.fault(
        Fault::on("ecr", "DescribeRepositoryCreationTemplates")
            .times(100)
            .server_error(),
    );
    bench.send(uploaded()).await.unwrap_err();
    then_calm(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_clear_that_does_not_take_is_read_back_and_the_template_made_anew() {
    let bench = Bench::new().await;
    bench.follow("quay: {registry: quay.io}\n").await;
    bench.aws.with_ecr(|ecr| ecr.clears_take = false);
    let report = bench
        .follow("quay: {registry: quay.io, lifecycle_policy: none}\n")
        .await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(bench.template("quay").unwrap().get("lifecyclePolicy"), None);
    assert_eq!(bench.act("plan").await["outcome"], "converged");
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_cleanly_before_the_deadline() {
    let mut bench = Bench::new().await;
    bench.app.timing.wind_down = Duration::from_millis(1500);
    bench.app.timing.last_call = Duration::from_millis(200);
    bench.aws.fault(
        Fault::on("secretsmanager", "CreateSecret")
            .times(100)
            .latency(Duration::from_millis(1200)),
    );
    bench.upload(LEGACY);
    let failure = bench
        .send_within(uploaded(), Duration::from_millis(2000))
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("partial"), "{failure}");
    let status = bench.status();
    assert_eq!(status["outcome"], "partial");
    let results: Vec<_> = status["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["result"])
        .collect();
    assert!(results.contains(&&json!("skipped")), "{status:#}");
    then_calm(&bench).await;
}

#[tokio::test(start_paused = true)]
async fn many_pages_are_all_read() {
    let bench = Bench::with(
        Options {
            page_size: Some(2),
            ..Options::default()
        },
        &[],
    )
    .await;
    let file: String = (0..7).map(|n| format!("quay-{n}: {{registry: quay.io}}\n")).collect();
    bench.follow(&file).await;
    assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
}

#[tokio::test(start_paused = true)]
async fn registries_that_wait_for_aws_to_settle_keep_no_other_waiting() {
    let bench = Bench::new().await;
    let unsettled = Fault::on("ecr", "CreatePullThroughCacheRule").subject_contains("slow-");
    bench
        .aws
        .fault(unsettled.error("UnableToDecryptSecretValueException", "kms", 400));
    let slow: String = (0..4).map(|n| format!("slow-{n}: {{registry: quay.io}}\n")).collect();
    let report = bench.follow(&format!("{slow}good: {{registry: quay.io}}\n")).await;
    assert_eq!(report["registries"]["good"]["state"], "ready", "{report:#}");
    let calls = bench.aws.calls();
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
        let bench = Bench::new().await;
        bench.follow("quay: {registry: quay.io}\n").await;
        let before = bench.template("quay").unwrap();
        bench.aws.with_ecr(|ecr| ecr.clears_take = false);
        let refused = Fault::on("ecr", "CreateRepositoryCreationTemplate").times(refusals);
        bench.aws.fault(refused.error("ValidationException", "no", 400));
        bench.upload("quay: {registry: quay.io, lifecycle_policy: none}\n");
        let result = bench.send(uploaded()).await;
        assert_eq!(
            bench.status()["registries"]["quay"]["state"],
            "failed",
            "{:#}",
            bench.status()
        );
        if refusals == 1 {
            assert_eq!(
                bench.template("quay").expect("the template")["description"],
                before["description"]
            );
        } else {
            // Refused as it was before, too: only a retry can help.
            assert!(result.is_err());
        }
        then_calm(&bench).await;
        assert_eq!(bench.template("quay").unwrap()["description"], before["description"]);
    }
}
