//! New names for registries: a secret goes with host and value, its rotation in it, whoever bore which name before.

use crate::support::{Bench, credential, scheduled, uploaded};
use local_aws::Fault;
use serde_json::{Value, json};

/// A registry's line of the file.
fn line(name: &str, service: &str, n: u8) -> String {
    let host = match service {
        "docker" => "docker.io",
        "ghcr" => "ghcr.io",
        _ => "registry.gitlab.com",
    };
    format!("{name}: {{registry: {host}, username: acme-bot, accessToken: canary-{service}-{n}}}\n")
}

fn secret_of(bench: &Bench, registry: &str) -> String {
    bench.rule(registry).unwrap()["credentialArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A rotation, and a run over it.
async fn rotated(bench: &Bench, id: &str, token: &str) {
    bench.rotate(id, token);
    bench.send(scheduled()).await.unwrap();
}

fn is_ready(report: &Value, names: &[&str]) {
    for name in names {
        assert_eq!(report["registries"][name]["state"], "ready", "{report:#}");
    }
}

/// The name that a secret bears is given to another registry. The secret stays with the rule that points to it.
#[tokio::test(start_paused = true)]
async fn a_secret_stays_with_its_registry_when_its_old_name_comes_back() {
    for again in [line("dockerhub", "ghcr", 1), line("dockerhub", "docker", 3)] {
        let bench = Bench::new().await;
        bench.follow(&line("dockerhub", "docker", 1)).await;
        let arn = secret_of(&bench, "dockerhub");
        rotated(&bench, &arn, "canary-docker-2").await;
        bench.follow(&line("hub", "docker", 1)).await;
        let report = bench.follow(&(line("hub", "docker", 1) + &again)).await;
        is_ready(&report, &["hub", "dockerhub"]);
        assert_eq!(secret_of(&bench, "hub"), arn, "{again}");
        assert_ne!(secret_of(&bench, "dockerhub"), arn, "{again}");
        assert_eq!(bench.token(&arn, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
        assert_eq!(
            bench.send(scheduled()).await.unwrap()["outcome"],
            "converged",
            "{again}"
        );
        // Without the first the second has it all to itself, and keeps what it has.
        let own = secret_of(&bench, "dockerhub");
        let report = bench.follow(&again).await;
        is_ready(&report, &["dockerhub"]);
        assert_eq!(secret_of(&bench, "dockerhub"), own, "{again}");
    }
}

/// Each time the name comes back its secrets are other registries', and it gets a new one.
#[tokio::test(start_paused = true)]
async fn a_name_that_comes_back_again_and_again_finds_a_name_for_its_secret() {
    let bench = Bench::new().await;
    bench.follow(&line("aa", "docker", 1)).await;
    let mut file = line("bb", "docker", 1);
    for (n, other) in [(1, "cc"), (2, "dd"), (3, "ee")] {
        let report = bench.follow(&(file.clone() + &line("aa", "ghcr", n))).await;
        is_ready(&report, &["aa", "bb"]);
        let arn = secret_of(&bench, "aa");
        file += &line(other, "ghcr", n);
        let report = bench.follow(&file).await;
        is_ready(&report, &["bb", other]);
        assert_eq!(secret_of(&bench, other), arn, "{other} takes it along");
    }
    let arns: Vec<String> = ["bb", "cc", "dd", "ee"].map(|name| secret_of(&bench, name)).into();
    assert!(arns[0].contains("/aa-") && arns[1].contains("/aa@ghcr.io-"), "{arns:?}");
    assert!(
        arns[2].contains("/aa@ghcr.io@2-") && arns[3].contains("/aa@ghcr.io@3-"),
        "{arns:?}"
    );
    assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
}

const SERVICES: [&str; 3] = ["docker", "ghcr", "gitlab"];

/// The three upstreams under these names.
fn ring(names: [&str; 3]) -> String {
    let lines = names.iter().zip(SERVICES);
    lines.map(|(name, service)| line(name, service, 1)).collect()
}

/// Every upstream is served with its rotated value, by the secret it had.
fn all_rotated(bench: &Bench, names: [&str; 3], arns: &[String; 3], told: &str) {
    for ((name, service), arn) in names.iter().zip(SERVICES).zip(arns) {
        assert_eq!(secret_of(bench, name), *arn, "{name}: {told}");
        let token = format!("canary-{service}-2");
        assert_eq!(bench.token(arn, "AWSCURRENT"), Some(token), "{name}: {told}");
    }
}

/// Three registries change names in a ring and back. Their values from the file have lapsed; the rotated ones go with them,
/// also where the first run may not make a rule from the first on, from the second on, and so on.
#[tokio::test(start_paused = true)]
async fn in_a_ring_of_renames_every_rotation_goes_with_its_host() {
    let (names, renamed) = (["aa", "bb", "cc"], ["bb", "cc", "aa"]);
    for n in 0.. {
        let bench = Bench::new().await;
        bench.follow(&ring(names)).await;
        let arns = names.map(|name| secret_of(&bench, name));
        for (arn, service) in arns.iter().zip(SERVICES) {
            bench.rotate(arn, &format!("canary-{service}-2"));
        }
        bench.send(scheduled()).await.unwrap();
        for (host, service) in [("registry-1.docker.io", "docker"), ("ghcr.io", "ghcr")] {
            bench
                .aws
                .refuse_upstream(host, "acme-bot", &format!("canary-{service}-1"));
        }
        bench.upload(&ring(renamed));
        bench.aws.clear_calls();
        if n > 0 {
            bench.aws.fault(
                Fault::on("ecr", "CreatePullThroughCacheRule")
                    .skip(n - 1)
                    .access_denied(),
            );
        }
        // What cannot be put back either fails the invocation.
        let first = bench.send(uploaded()).await;
        bench.aws.clear_faults();
        let report = bench.send(scheduled()).await.unwrap();
        is_ready(&report, &names);
        all_rotated(&bench, renamed, &arns, &format!("{n}: {report:#}"));
        let report = bench.follow(&ring(names)).await;
        is_ready(&report, &names);
        all_rotated(&bench, names, &arns, &format!("back, {n}: {report:#}"));
        if n > 0 && first.is_ok_and(|report| report["outcome"] == "changed") {
            assert!(n > 3, "no creation was denied");
            break;
        }
    }
}

/// A rename and a swap at once, and somebody touches the rule meanwhile: the second look knows which secret was taken along.
#[tokio::test(start_paused = true)]
async fn a_second_look_finds_the_secret_that_was_taken_along() {
    let bench = Bench::new().await;
    bench.follow(&(line("aa", "docker", 1) + &line("bb", "ghcr", 1))).await;
    let arn = secret_of(&bench, "aa");
    rotated(&bench, &arn, "canary-docker-2").await;
    let other = bench.make_secret("ecr-pullthroughcache/ops", &credential("canary-ghcr-2"), json!([]));
    bench.aws.before("secretsmanager", "UpdateSecret", 1, move |aws| {
        let rule = json!({"ecrRepositoryPrefix": "bb", "credentialArn": other});
        aws.call("ecr", "UpdatePullThroughCacheRule", rule).unwrap();
    });
    let report = bench.follow(&line("bb", "docker", 1)).await;
    is_ready(&report, &["bb"]);
    assert_eq!(secret_of(&bench, "bb"), arn, "{report:#}");
    assert_eq!(bench.token(&arn, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
}
