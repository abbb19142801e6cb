//! A value belongs to a host: none is sent to, proven at or judged by another, whoever writes the file.
//!
//! Every run in these tests ends with a look at what each upstream was shown (see [`crate::support::Bench::send`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::quiet;
use crate::support::{self, Bench, credential, hub, lines, make_rule, scheduled, uploaded};
use local_aws::{Fault, LocalAws};
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const AT_GHCR: &str = "ecr-pullthroughcache/dockerhub@ghcr.io";
const OPS: &str = "ecr-pullthroughcache/ops";
const UPSTREAM: &str = "ecr-pull-through-sync:upstream";

fn ghcr(token: &str) -> String {
    format!("dockerhub: {{registry: ghcr.io, username: acme-bot, accessToken: {token}}}\n")
}

fn tag(key: &str, value: &str) -> Value {
    json!([{"Key": key, "Value": value}])
}

fn reason(report: &Value, registry: &str) -> String {
    report["registries"][registry]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn message(report: &Value, registry: &str) -> String {
    report["registries"][registry]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn upstream(bench: &Bench, prefix: &str) -> Option<String> {
    Some(bench.rule(prefix)?["upstreamRegistryUrl"].as_str()?.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_another_stack_is_sent_nowhere() {
    let bench = Bench::new().await;
    let arn = bench.make_secret(
        HUB,
        &credential("canary-docker-1"),
        tag("ecr-pull-through-sync:owner", "other"),
    );
    make_rule(&bench.aws, "dockerhub", "registry-1.docker.io", Some(&arn));
    let report = bench
        .follow(&format!("evil: {{registry: ghcr.io, secret: {HUB}}}\n"))
        .await;
    assert_eq!(reason(&report, "evil"), "other-owner", "{report:#}");
    assert_eq!(bench.rule("evil"), None);
}

#[tokio::test(start_paused = true)]
async fn a_referenced_secret_is_sent_only_to_the_hosts_in_its_tag() {
    let bench = Bench::new().await;
    bench.make_secret(OPS, &credential("canary-docker-1"), tag(UPSTREAM, "docker.io"));
    let file = format!("hub: {{registry: docker.io, secret: {OPS}}}\nevil: {{registry: ghcr.io, secret: {OPS}}}\n");
    let report = bench.follow(&file).await;
    assert_eq!(report["registries"]["hub"]["state"], "ready", "{report:#}");
    assert_eq!(report["warnings"], json!([]));
    assert_eq!(reason(&report, "evil"), "wrong-host");
    let line = format!("tag-resource --secret-id {OPS} --tags 'Key={UPSTREAM},Value=registry-1.docker.io ghcr.io'");
    assert!(message(&report, "evil").contains(&line), "{}", message(&report, "evil"));
    assert_eq!((bench.rule("evil"), bench.template("evil")), (None, None));
    // As it says, for whoever may tag the secret. ghcr.io is shown the token now, because its owner wants it.
    let tags = json!({"SecretId": OPS, "Tags": tag(UPSTREAM, "registry-1.docker.io ghcr.io")});
    bench.aws.call("secretsmanager", "TagResource", tags).unwrap();
    let value = credential("canary-both-1").to_string();
    bench
        .aws
        .call(
            "secretsmanager",
            "PutSecretValue",
            json!({"SecretId": OPS, "SecretString": value}),
        )
        .unwrap();
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(
        report["registries"]["evil"]["credential"], "invalid",
        "it was asked: {report:#}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_referenced_secret_without_a_tag_is_for_the_hosts_of_the_rules_that_use_it() {
    let bench = Bench::new().await;
    let arn = bench.make_secret(OPS, &credential("canary-docker-1"), json!([]));
    make_rule(&bench.aws, "theirs", "registry-1.docker.io", Some(&arn));
    let report = bench
        .follow(&format!("evil: {{registry: ghcr.io, secret: {OPS}}}\n"))
        .await;
    assert_eq!(reason(&report, "evil"), "wrong-host", "{report:#}");
    let report = bench
        .follow(&format!("hub: {{registry: docker.io, secret: {OPS}}}\n"))
        .await;
    assert_eq!(report["registries"]["hub"]["state"], "ready", "{report:#}");
    // A registry that moves to another host does not take the value there.
    bench
        .aws
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "theirs"}),
        )
        .unwrap();
    let report = bench
        .follow(&format!("hub: {{registry: ghcr.io, secret: {OPS}}}\n"))
        .await;
    assert_eq!(reason(&report, "hub"), "wrong-host", "{report:#}");
    assert_eq!(
        upstream(&bench, "hub").as_deref(),
        Some("registry-1.docker.io"),
        "what serves goes on"
    );
}

#[tokio::test(start_paused = true)]
async fn a_referenced_secret_that_nothing_binds_is_used_with_a_warning_that_says_how_to_bind_it() {
    let bench = Bench::new().await;
    bench.make_secret(OPS, &credential("canary-docker-1"), json!([]));
    let report = bench
        .follow(&format!("hub: {{registry: docker.io, secret: {OPS}}}\n"))
        .await;
    assert_eq!(report["registries"]["hub"]["state"], "ready", "{report:#}");
    assert_eq!(report["warnings"][0]["code"], "PT093");
    let warning = report["warnings"][0]["message"].as_str().unwrap();
    assert!(
        warning.contains("tag-resource") && warning.contains("Value=registry-1.docker.io"),
        "{warning}"
    );
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(
        report["warnings"],
        json!([]),
        "its rule shows by now which host it is for"
    );
}

/// Whoever may write the file has never seen the rotated value, and does not get it sent to a host of his choice.
#[tokio::test(start_paused = true)]
async fn a_rotated_value_does_not_follow_the_registry_to_another_host() {
    for rollback in [&[][..], &[("ROLLBACK_INVALID_ROTATION", "true")][..]] {
        let bench = Bench::with(local_aws::Options::default(), rollback).await;
        bench.follow(&hub("canary-docker-1")).await;
        bench.rotate(HUB, "canary-docker-2");
        bench.send(scheduled()).await.unwrap();
        let report = bench.follow(&ghcr("canary-ghcr-1")).await;
        assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{report:#}");
        assert_eq!(upstream(&bench, "dockerhub").as_deref(), Some("ghcr.io"));
        assert_eq!(bench.token(AT_GHCR, "AWSCURRENT").as_deref(), Some("canary-ghcr-1"));
        assert!(
            bench.is_going(HUB),
            "the old one is unused, and goes when the new one is proven"
        );
        // Back again: the secret of that host is restored, rotation and all.
        let report = bench.follow(&hub("canary-docker-1")).await;
        assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{report:#}");
        assert_eq!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
        assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
    }
}

#[tokio::test(start_paused = true)]
async fn a_typo_in_the_token_for_the_new_host_sends_no_token_of_the_old_one_there() {
    for rollback in [&[][..], &[("ROLLBACK_INVALID_ROTATION", "true")][..]] {
        let bench = Bench::with(local_aws::Options::default(), rollback).await;
        bench.follow(&hub("canary-docker-1")).await;
        let report = bench.follow(&ghcr("canary-ghcr-typo")).await;
        assert_eq!(report["registries"]["dockerhub"]["credential"], "invalid", "{report:#}");
        assert!(!bench.is_going(HUB), "the way back");
        let mended = bench.follow(&ghcr("canary-ghcr-1")).await;
        assert_eq!(mended["registries"]["dockerhub"]["state"], "ready", "{mended:#}");
        assert!(bench.is_going(HUB));
    }
}

/// The new token is good. Whichever call fails, no verdict of the old host rejects it.
#[tokio::test]
async fn no_verdict_of_the_old_host_counts_for_the_new_token() {
    let denied: fn() -> Fault = || Fault::on("*", "*").times(1).access_denied();
    let down: fn() -> Fault = || Fault::on("*", "*").times(5).server_error();
    let rollback: &[(&str, &str)] = &[("ROLLBACK_INVALID_ROTATION", "true")];
    for (env, fault) in [(&[][..], denied), (rollback, down)] {
        for n in 1.. {
            let bench = quiet::bench(env).await;
            bench.upload(&hub("canary-docker-1"));
            quiet::send(&bench.app, uploaded()).await.unwrap();
            let ends = support::ends::Ends::of(&bench.aws);
            bench.upload(&ghcr("canary-ghcr-1"));
            let came = Arc::new(AtomicBool::new(false));
            let comes = Arc::clone(&came);
            bench.aws.before("*", "*", n, move |aws| {
                comes.store(true, Ordering::Relaxed);
                aws.fault(fault());
            });
            // A failure that a retry can help fails the invocation.
            let _ = quiet::send(&bench.app, uploaded()).await;
            if !came.load(Ordering::Relaxed) {
                assert!(n > 20, "only {n} places were tried");
                break;
            }
            bench.aws.clear_faults();
            let report = quiet::send(&bench.app, scheduled()).await.unwrap();
            assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{n}: {report:#}");
            assert_eq!(bench.token(AT_GHCR, "AWSCURRENT").as_deref(), Some("canary-ghcr-1"));
            for secret in [HUB, AT_GHCR] {
                assert_eq!(bench.token(secret, "REJECTED"), None, "{n}");
            }
            ends.hold(&bench.aws, &format!("{n}"));
        }
    }
}

/// A run over a newer file comes between an older run's last write and its proof, and moves the rule to another host. What that
/// host says of its own token is none of the older run's secret.
#[tokio::test]
async fn a_verdict_is_on_the_secret_that_the_rule_points_to_by_then() {
    for (older, newer) in [
        ("canary-docker-2", "canary-ghcr-typo"),
        ("canary-docker-typo", "canary-ghcr-1"),
    ] {
        let bench = Bench::new().await;
        bench.follow(&hub("canary-docker-1")).await;
        bench.aws.before("ecr", "ValidatePullThroughCacheRule", 1, |aws| {
            aws.put_object(support::BUCKET, support::KEY, ghcr(newer).into_bytes());
            support::another_run(aws);
        });
        bench.follow(&hub(older)).await;
        assert_eq!(bench.token(AT_GHCR, "AWSCURRENT").as_deref(), Some(newer));
        let versions = bench.secret(HUB).unwrap()["VersionIdsToStages"].to_string();
        for verdict in ["REJECTED", "FILE_REFUSED", "PROVEN", "ROLLING_BACK"] {
            assert!(!versions.contains(verdict), "{older}: {versions}");
        }
    }
}

/// Two registries change places. At no call does a rule name one host with the other's secret.
async fn never_swap_tokens(env: &[(&str, &str)], line: fn(&str, &str) -> String) {
    let file = |a: &str, b: &str| line("aa", a) + &line("bb", b);
    let is_at_home = |aws: &LocalAws| {
        for prefix in ["aa", "bb"] {
            let _ = aws.pull(&format!("{prefix}/library/at-this-call:1"));
        }
        support::assert_tokens_stay_home(aws);
    };
    for n in 1.. {
        let bench = quiet::bench(env).await;
        for (service, host) in [("docker", "registry-1.docker.io"), ("ghcr", "ghcr.io")] {
            let name = format!("ecr-pullthroughcache/ops-{service}");
            bench.make_secret(&name, &credential(&format!("canary-{service}-1")), tag(UPSTREAM, host));
        }
        bench.upload(&file("docker", "ghcr"));
        quiet::send(&bench.app, uploaded()).await.unwrap();
        bench.upload(&file("ghcr", "docker"));
        bench.aws.clear_calls();
        let came = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&came);
        bench.aws.after("*", "*", n, move |aws| {
            seen.store(true, Ordering::Relaxed);
            is_at_home(aws);
        });
        let report = quiet::send(&bench.app, uploaded()).await.unwrap();
        for registry in ["aa", "bb"] {
            assert_eq!(report["registries"][registry]["state"], "ready", "{n}: {report:#}");
        }
        is_at_home(&bench.aws);
        if !came.load(Ordering::Relaxed) {
            assert!(n > 20, "only {n} places were tried");
            break;
        }
    }
}

fn host_of(service: &str) -> &'static str {
    if service == "docker" { "docker.io" } else { "ghcr.io" }
}

#[tokio::test(start_paused = true)]
async fn two_registries_that_swap_hosts_never_swap_tokens() {
    for env in [&[][..], &[("ROLLBACK_INVALID_ROTATION", "true")][..]] {
        never_swap_tokens(env, |name, service| {
            let host = host_of(service);
            format!("{name}: {{registry: {host}, username: acme-bot, accessToken: canary-{service}-1}}\n")
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn nor_do_two_that_refer_to_secrets() {
    never_swap_tokens(&[], |name, service| {
        format!(
            "{name}: {{registry: {}, secret: ecr-pullthroughcache/ops-{service}}}\n",
            host_of(service)
        )
    })
    .await;
}

/// Nothing shows which host its value is for: it is neither proven nor gone back to, however new it is.
#[tokio::test(start_paused = true)]
async fn an_unmarked_secret_that_no_rule_uses_is_written_anew() {
    let bench = Bench::new().await;
    bench.upload(&hub("canary-docker-1"));
    bench.make_secret(HUB, &credential("canary-ghcr-1"), json!([]));
    let report = bench.send(uploaded()).await.unwrap();
    assert_eq!(
        lines(&report)[..3],
        [
            format!("dockerhub label secret {HUB} [UNBOUND] applied"),
            format!("dockerhub adopt secret {HUB} [tags description] applied"),
            format!("dockerhub create secret_policy {HUB} [] applied"),
        ],
        "{report:#}"
    );
    assert_eq!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    // Refused from now on: what was there before is not for this host.
    bench
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    bench.follow(&hub("canary-docker-typo")).await;
    assert_ne!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-ghcr-1"));
}

/// Also where the run that bound it to its host came no further than the tag.
#[tokio::test(start_paused = true)]
async fn an_unmarked_secret_is_written_anew_after_a_run_that_died_too() {
    let bench = Bench::new().await;
    bench.make_secret(HUB, &credential("canary-ghcr-1"), json!([]));
    bench
        .aws
        .fault(Fault::on("secretsmanager", "PutSecretValue").access_denied());
    bench.follow(&hub("canary-docker-1")).await;
    assert_eq!(bench.token(HUB, "UNBOUND").as_deref(), Some("canary-ghcr-1"));
    bench.aws.clear_faults();
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["registries"]["dockerhub"]["state"], "ready", "{report:#}");
    assert_eq!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
}

/// The file's value is used, and what was there before it is not gone back to.
#[tokio::test(start_paused = true)]
async fn nor_is_what_was_there_before_a_value_that_the_file_happens_to_say() {
    let bench = Bench::new().await;
    bench.make_secret(HUB, &credential("canary-ghcr-1"), json!([]));
    bench.rotate(HUB, "canary-docker-1");
    bench
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    let report = bench.follow(&hub("canary-docker-1")).await;
    assert_eq!(reason(&report, "dockerhub"), "refused", "{report:#}");
    assert_eq!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    assert_eq!(bench.token(HUB, "UNBOUND").as_deref(), Some("canary-ghcr-1"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_somebody_elses_rule_uses_is_not_written_to() {
    for (host, token) in [
        ("registry-1.docker.io", "canary-docker-2"),
        ("ghcr.io", "canary-ghcr-1"),
    ] {
        let bench = Bench::new().await;
        let name = "ecr-pullthroughcache/shared";
        let arn = bench.make_secret(name, &credential(token), json!([]));
        make_rule(&bench.aws, "theirs", host, Some(&arn));
        let file = hub("canary-docker-1").replace("dockerhub", "shared");
        bench.aws.clear_calls();
        let report = bench.follow(&file).await;
        assert_eq!(report["registries"]["shared"]["state"], "held", "{report:#}");
        assert_eq!(reason(&report, "shared"), "other-rule");
        assert!(message(&report, "shared").contains("theirs"));
        assert_eq!(bench.writes(), Vec::<String>::new());
        // The other rule is gone, and the secret is the registry's.
        bench
            .aws
            .call(
                "ecr",
                "DeletePullThroughCacheRule",
                json!({"ecrRepositoryPrefix": "theirs"}),
            )
            .unwrap();
        let report = bench.send(scheduled()).await.unwrap();
        assert_eq!(report["registries"]["shared"]["state"], "ready", "{report:#}");
    }
}

/// A rename keeps the rotation.
#[tokio::test(start_paused = true)]
async fn a_renamed_registry_takes_its_secret_along() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    bench.rotate(HUB, "canary-docker-2");
    bench.send(scheduled()).await.unwrap();
    let arn = bench.secret(HUB).unwrap()["ARN"].clone();
    let report = bench.follow(&hub("canary-docker-1").replace("dockerhub", "hub")).await;
    assert_eq!(report["registries"]["hub"]["state"], "ready", "{report:#}");
    assert_eq!(bench.rule("hub").unwrap()["credentialArn"], arn);
    assert_eq!((bench.rule("dockerhub"), bench.template("dockerhub")), (None, None));
    assert!(!bench.is_going(HUB));
    assert_eq!(bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
    let next = bench.send(scheduled()).await.unwrap();
    assert_eq!(next["outcome"], "converged", "{next:#}");
}

/// Two arrive with host and value of one that leaves: the first by name gets its secret, the other its own.
#[tokio::test(start_paused = true)]
async fn of_two_new_names_the_first_gets_the_secret() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    let arn = bench.secret(HUB).unwrap()["ARN"].clone();
    let file =
        hub("canary-docker-1").replace("dockerhub", "hub-b") + &hub("canary-docker-1").replace("dockerhub", "hub-a");
    let report = bench.follow(&file).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(bench.rule("hub-a").unwrap()["credentialArn"], arn);
    assert_eq!(
        bench.rule("hub-b").unwrap()["credentialArn"],
        bench.secret("ecr-pullthroughcache/hub-b").unwrap()["ARN"]
    );
    assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
}
