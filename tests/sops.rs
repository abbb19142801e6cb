//! The function and files that are encrypted with SOPS: KMS is asked for the key, and what it says decides.

use crate::support::{Bench, app_as, hub, is_write, role, scheduled, uploaded};
use ecr_pull_through_sync::failure::Failure;
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const MINIMAL: &str = include_str!("sops/go-minimal.yaml");
const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const MATERIAL: [u8; 32] = *b"throw-away key of the tests, v1.";
const HUB: &str = "ecr-pullthroughcache/dockerhub";

/// An account with the key of the fixtures, and a stack that names it in SopsKmsKeys.
async fn bench() -> Bench {
    let mut bench = Bench::with(Options::default(), &[]).await;
    let stack = role::stack(&bench.aws, &[]).parameter("SopsKmsKeys", KEY);
    let access_key = role::access_key();
    bench.aws.enforce(&access_key, stack.policy("FunctionRole").unwrap());
    bench.app = app_as(&bench.aws, &access_key, &[]).await;
    bench.aws.import_key(KEY_ID, MATERIAL, true);
    bench
}

fn asked_kms(bench: &Bench) -> usize {
    bench.aws.calls().iter().filter(|call| call.service == "kms").count()
}

/// The only error of a rejected file, after a look that nothing was written but the status.
fn only_error(bench: &Bench, report: &Value) -> String {
    assert_eq!(report["outcome"], "rejected", "{report:#}");
    assert_eq!(bench.status()["outcome"], "rejected");
    assert_eq!(bench.aws.calls().iter().filter(|call| is_write(call)).count(), 0);
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0]["line"].is_number(), "{errors:?}");
    errors[0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_file_is_followed_as_the_plain_one_is() {
    let bench = bench().await;
    let report = bench.follow(MINIMAL).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(report["registries"]["dockerhub"]["credential"], "valid");
    assert_eq!(
        report["warnings"],
        json!([]),
        "an encrypted token is no token in plain text"
    );
    assert_eq!(bench.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-1"));
    let report = bench.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        report["outcome"], "converged",
        "the same file, decrypted, changes nothing"
    );
    let report = bench.act("plan").await;
    assert_eq!(report["outcome"], "converged");
}

#[tokio::test(start_paused = true)]
async fn kms_is_asked_once_and_only_for_an_encrypted_file() {
    let bench = bench().await;
    bench.follow(&hub("canary-docker-1")).await;
    assert_eq!(asked_kms(&bench), 0);
    bench.follow(MINIMAL).await;
    assert_eq!(asked_kms(&bench), 1);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_file_that_kms_can_open_is_opened() {
    let bench = bench().await;
    bench
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", r#"canary-"døcker": #1 \ %&"#);
    bench
        .aws
        .accept_upstream("registry.gitlab.com", "12345", "canary-gitlab-1");
    let first = bench.follow(include_str!("sops/go-kms-context.yaml")).await;
    assert_eq!(first["outcome"], "changed", "{first:#}");
    for text in [
        include_str!("sops/go-kms.yaml"),
        include_str!("sops/go-both.yaml"),
        include_str!("sops/go-mac-only.yaml"),
        include_str!("sops/python-kms.yaml"),
    ] {
        let report = bench.follow(text).await;
        assert_eq!(report["outcome"], "converged", "{report:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_names_the_permission_the_key_and_the_parameter() {
    let bench = bench().await;
    bench.aws.fault(Fault::on("kms", "Decrypt").access_denied());
    let message = only_error(&bench, &bench.follow(MINIMAL).await);
    for part in [
        KEY,
        "the function's role needs kms:Decrypt on it",
        "the stack's parameter SopsKmsKeys",
    ] {
        assert!(message.contains(part), "{message}");
    }
    bench.aws.clear_faults();
    assert_eq!(bench.act("apply").await["outcome"], "changed", "as soon as it may");
}

/// What the role in template.yaml says of a key that the parameter does not name.
#[tokio::test(start_paused = true)]
async fn without_the_parameter_no_key_may_be_used() {
    let bench = bench().await;
    let policy = role::stack(&bench.aws, &[]).policy("FunctionRole").unwrap();
    assert!(!policy.sids().iter().any(|sid| sid == "DecryptTheFile"));
    let named = role::stack(&bench.aws, &[])
        .parameter("SopsKmsKeys", KEY)
        .policy("FunctionRole")
        .unwrap();
    let grants: Vec<_> = named
        .grants()
        .into_iter()
        .filter(|(sid, ..)| sid == "DecryptTheFile")
        .collect();
    assert_eq!(
        grants,
        [("DecryptTheFile".to_owned(), "kms:Decrypt".to_owned(), KEY.to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_cannot_help_is_a_rejected_file() {
    let cut = MINIMAL.replacen("enc: ", "enc: AAAA", 1);
    let context = MINIMAL.replacen(
        "          enc:",
        "          context:\n            a: b\n          enc:",
        1,
    );
    let mac = MINIMAL.replacen("mac: ENC[AES256_GCM,data:", "mac: ENC[AES256_GCM,data:AAAA", 1);
    let version = MINIMAL.replacen("version: 3.", "version: 5.", 1);
    for (what, text, expected) in [
        ("another ciphertext", cut.as_str(), "`enc` or `context` was changed"),
        ("another context", &context, "`enc` or `context` was changed"),
        (
            "a broken MAC",
            &mac,
            "the MAC cannot be decrypted with the file's data key",
        ),
        ("an unknown version", &version, "written by SOPS `5.11.0`"),
        (
            "only age",
            include_str!("sops/go-minimal-age.yaml"),
            "its recipients are `age`, and the function has no key but those of KMS; add a KMS key",
        ),
        (
            "key groups",
            include_str!("sops/go-groups.yaml"),
            "split over several `key_groups`",
        ),
    ] {
        let bench = bench().await;
        let message = only_error(&bench, &bench.follow(text).await);
        assert!(message.contains(expected), "{what}: {message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_disabled_another_or_gone_is_told() {
    for (id, material, enabled, expected) in [
        (KEY_ID, MATERIAL, false, "DisabledException"),
        (KEY_ID, [7; 32], true, "`enc` or `context` was changed"),
    ] {
        let bench = bench().await;
        bench.aws.import_key(id, material, enabled);
        let message = only_error(&bench, &bench.follow(MINIMAL).await);
        assert!(message.contains(expected) && message.contains(KEY), "{message}");
        assert_eq!(bench.status()["errors"][0]["code"], "PT076");
    }
    let bench = bench().await;
    bench.aws.import_key("other", MATERIAL, true);
    let message = only_error(
        &bench,
        &bench
            .follow(&MINIMAL.replace(&format!("key/{KEY_ID}"), "key/other"))
            .await,
    );
    assert!(
        message.contains("the data key was not encrypted with arn:aws:kms:eu-west-1:123456789012:key/other"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_is_asked_for_in_its_own_region() {
    let bench = bench().await;
    bench.upload(&MINIMAL.replace("kms:eu-west-1", "kms:us-east-1"));
    let message = bench.send(uploaded()).await.unwrap_err().to_string();
    assert!(message.contains("arn:aws:kms:us-east-1"), "{message}");
    // The stand-in is in one Region, and refuses a call that is signed for another. A signature may hold the next time.
    let call = bench
        .aws
        .calls()
        .into_iter()
        .find(|call| call.service == "kms")
        .unwrap();
    assert_eq!(call.error.as_deref(), Some("InvalidSignatureException"));
}

#[tokio::test(start_paused = true)]
async fn one_recipient_of_several_is_enough_and_a_role_is_not_taken() {
    let bench = bench().await;
    let entry = MINIMAL
        .lines()
        .skip_while(|line| !line.contains("- arn:"))
        .take(4)
        .collect::<Vec<_>>()
        .join("\n");
    let other = entry
        .replace(&format!("key/{KEY_ID}"), "key/gone")
        .replace("created_at", "role: arn:aws:iam::1:role/x\n          created_at");
    let report = bench
        .follow(&MINIMAL.replace(&entry, &format!("{other}\n{entry}")))
        .await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(asked_kms(&bench), 2);
}

#[tokio::test(start_paused = true)]
async fn throttling_fails_the_invocation_and_changes_nothing() {
    for fault in [
        Fault::on("kms", "*").throttle(),
        Fault::on("kms", "*").server_error(),
        Fault::on("kms", "*").reset(),
    ] {
        let bench = bench().await;
        bench.aws.fault(fault);
        bench.upload(MINIMAL);
        let failure = bench.send(uploaded()).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::Incomplete { outcome: "partial", .. }),
            "{failure}"
        );
        assert!(failure.to_string().contains("could not be decrypted now"), "{failure}");
        assert_eq!(bench.status()["outcome"], "partial");
        assert_eq!(bench.writes(), Vec::<String>::new());
        bench.aws.clear_faults();
        assert_eq!(
            bench.send(uploaded()).await.unwrap()["outcome"],
            "changed",
            "the next try"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_opened_still_has_its_credentials_proven_on_schedule() {
    let bench = bench().await;
    bench.follow(MINIMAL).await;
    bench.aws.import_key(KEY_ID, MATERIAL, false);
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!(report["outcome"], "rejected");
    assert_eq!(report["registries"]["dockerhub"]["credential"], "valid", "{report:#}");
}
