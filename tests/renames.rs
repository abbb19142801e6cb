//! New names for registries: a secret goes with host and value, its rotation in it, whoever bore which name before.

use crate::stack::{Outcome, Report, State, TestStack, credential, scheduled, uploaded};
use local_aws::Fault;
use serde_json::json;

/// A registry's line of the file.
fn line(name: &str, service: &str, n: u8) -> String {
    let host = match service {
        "docker" => "docker.io",
        "ghcr" => "ghcr.io",
        _ => "registry.gitlab.com",
    };
    format!("{name}: {{registry: {host}, username: acme-bot, accessToken: canary-{service}-{n}}}\n")
}

fn secret_of(stack: &TestStack, registry: &str) -> String {
    stack.rule(registry).unwrap()["credentialArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// A rotation, and a run over it.
async fn rotated(stack: &TestStack, id: &str, token: &str) {
    stack.rotate(id, token);
    stack.send(scheduled()).await.unwrap();
}

fn is_ready(report: &Report, names: &[&str]) {
    for name in names {
        assert_eq!(report.registries[*name].state, State::Ready, "{report:#?}");
    }
}

/// The name that a secret bears is given to another registry. The secret stays with the rule that points to it.
#[tokio::test(start_paused = true)]
async fn a_secret_stays_with_its_registry_when_its_old_name_comes_back() {
    for again in [line("dockerhub", "ghcr", 1), line("dockerhub", "docker", 3)] {
        let stack = TestStack::new().await;
        stack.follow(&line("dockerhub", "docker", 1)).await;
        let arn = secret_of(&stack, "dockerhub");
        rotated(&stack, &arn, "canary-docker-2").await;
        stack.follow(&line("hub", "docker", 1)).await;
        let report = stack.follow(&(line("hub", "docker", 1) + &again)).await;
        is_ready(&report, &["hub", "dockerhub"]);
        assert_eq!(secret_of(&stack, "hub"), arn, "{again}");
        assert_ne!(secret_of(&stack, "dockerhub"), arn, "{again}");
        assert_eq!(stack.token(&arn, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
        assert_eq!(
            stack.send(scheduled()).await.unwrap().outcome,
            Outcome::Converged,
            "{again}"
        );
        // Without the first the second has it all to itself, and keeps what it has.
        let own = secret_of(&stack, "dockerhub");
        let report = stack.follow(&again).await;
        is_ready(&report, &["dockerhub"]);
        assert_eq!(secret_of(&stack, "dockerhub"), own, "{again}");
    }
}

/// Each time the name comes back its secrets are other registries', and it gets a new one.
#[tokio::test(start_paused = true)]
async fn a_name_that_comes_back_again_and_again_finds_a_name_for_its_secret() {
    let stack = TestStack::new().await;
    stack.follow(&line("aa", "docker", 1)).await;
    let mut file = line("bb", "docker", 1);
    for (n, other) in [(1, "cc"), (2, "dd"), (3, "ee")] {
        let report = stack.follow(&(file.clone() + &line("aa", "ghcr", n))).await;
        is_ready(&report, &["aa", "bb"]);
        let arn = secret_of(&stack, "aa");
        file += &line(other, "ghcr", n);
        let report = stack.follow(&file).await;
        is_ready(&report, &["bb", other]);
        assert_eq!(secret_of(&stack, other), arn, "{other} takes it along");
    }
    let arns: Vec<String> = ["bb", "cc", "dd", "ee"].map(|name| secret_of(&stack, name)).into();
    assert!(arns[0].contains("/aa-") && arns[1].contains("/aa@ghcr.io-"), "{arns:?}");
    assert!(
        arns[2].contains("/aa@ghcr.io@2-") && arns[3].contains("/aa@ghcr.io@3-"),
        "{arns:?}"
    );
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

const SERVICES: [&str; 3] = ["docker", "ghcr", "gitlab"];

/// The three upstreams under these names.
fn ring(names: [&str; 3]) -> String {
    let lines = names.iter().zip(SERVICES);
    lines.map(|(name, service)| line(name, service, 1)).collect()
}

/// Every upstream is served with its rotated value, by the secret it had.
fn all_rotated(stack: &TestStack, names: [&str; 3], arns: &[String; 3], told: &str) {
    for ((name, service), arn) in names.iter().zip(SERVICES).zip(arns) {
        assert_eq!(secret_of(stack, name), *arn, "{name}: {told}");
        let token = format!("canary-{service}-2");
        assert_eq!(stack.token(arn, "AWSCURRENT"), Some(token), "{name}: {told}");
    }
}

/// Three registries change names in a ring and back. Their values from the file have lapsed; the rotated ones go with them,
/// also where the first run may not make a rule from the first on, from the second on, and so on.
#[tokio::test(start_paused = true)]
async fn in_a_ring_of_renames_every_rotation_goes_with_its_host() {
    let (names, renamed) = (["aa", "bb", "cc"], ["bb", "cc", "aa"]);
    for n in 0.. {
        let stack = TestStack::new().await;
        stack.follow(&ring(names)).await;
        let arns = names.map(|name| secret_of(&stack, name));
        for (arn, service) in arns.iter().zip(SERVICES) {
            stack.rotate(arn, &format!("canary-{service}-2"));
        }
        stack.send(scheduled()).await.unwrap();
        for (host, service) in [("registry-1.docker.io", "docker"), ("ghcr.io", "ghcr")] {
            stack
                .aws
                .refuse_upstream(host, "acme-bot", &format!("canary-{service}-1"));
        }
        stack.upload(&ring(renamed));
        stack.aws.clear_calls();
        if n > 0 {
            stack.aws.fault(
                Fault::on("ecr", "CreatePullThroughCacheRule")
                    .skip(n - 1)
                    .access_denied(),
            );
        }
        // What cannot be put back either fails the invocation.
        let first = stack.send(uploaded()).await;
        stack.aws.clear_faults();
        let report = stack.send(scheduled()).await.unwrap();
        is_ready(&report, &names);
        all_rotated(&stack, renamed, &arns, &format!("{n}: {report:#?}"));
        let report = stack.follow(&ring(names)).await;
        is_ready(&report, &names);
        all_rotated(&stack, names, &arns, &format!("back, {n}: {report:#?}"));
        if n > 0 && first.is_ok_and(|report| report.outcome == Outcome::Changed) {
            assert!(n > 3, "no creation was denied");
            break;
        }
    }
}

/// A rename and a swap at once, and somebody touches the rule meanwhile: the second look knows which secret was taken along.
#[tokio::test(start_paused = true)]
async fn a_second_look_finds_the_secret_that_was_taken_along() {
    let stack = TestStack::new().await;
    stack.follow(&(line("aa", "docker", 1) + &line("bb", "ghcr", 1))).await;
    let arn = secret_of(&stack, "aa");
    rotated(&stack, &arn, "canary-docker-2").await;
    let other = stack.make_secret("ecr-pullthroughcache/ops", &credential("canary-ghcr-2"), json!([]));
    stack.aws.before("secretsmanager", "UpdateSecret", 1, move |aws| {
        let rule = json!({"ecrRepositoryPrefix": "bb", "credentialArn": other});
        aws.call("ecr", "UpdatePullThroughCacheRule", rule).unwrap();
    });
    let report = stack.follow(&line("bb", "docker", 1)).await;
    is_ready(&report, &["bb"]);
    assert_eq!(secret_of(&stack, "bb"), arn, "{report:#?}");
    assert_eq!(stack.token(&arn, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
}
