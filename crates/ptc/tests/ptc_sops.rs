//! `ptc` over files that are encrypted with SOPS: with an age identity, with KMS, and with neither.

use harness::has;
use local_aws::Fault;

use crate::ptc::Ptc;
use crate::sops_files::aws;

/// In the folder of the fixtures.
fn ptc(ptc: Ptc) -> Ptc {
    ptc.within("../../tests/sops")
}

/// With the age identity of the fixtures.
fn with_age(set_up: Ptc) -> Ptc {
    ptc(set_up).env("SOPS_AGE_KEY_FILE", "age.txt")
}

#[tokio::test]
async fn a_file_is_checked_with_age_or_kms() {
    let (aws, _) = aws().await;
    for (ptc, file) in [
        (with_age(Ptc::alone()), "go-both.yaml"),
        (ptc(Ptc::new(&aws)), "go-both.yaml"),
        (ptc(Ptc::new(&aws)), "go-kms-context.yaml"),
    ] {
        ptc.run(["check", "--deny-warnings", file]).await.ends(0);
    }
}

#[tokio::test]
async fn what_a_check_would_need_is_named() {
    let check = ["check", "--json", "go-minimal-age.yaml"];
    let without_identity = ptc(Ptc::alone()).run(check).await.ends(1).json();
    let message = without_identity["files"][0]["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("no age identity here is that of age1"), "{message}");
    let (aws, _) = aws().await;
    aws.fault(Fault::on("kms", "Decrypt").access_denied());
    let denied = ptc(Ptc::new(&aws)).run(["check", "go-minimal.yaml"]).await.ends(1);
    has(&denied.stdout, "your credentials need kms:Decrypt on it");
    let check = ptc(Ptc::alone().env("AWS_REGION", "eu-west-1"))
        .run(["check", "go-minimal.yaml"])
        .await
        .ends(1);
    has(&check.stdout, "there are no AWS credentials that can be used");
}

#[tokio::test]
async fn an_encrypted_file_is_planned_and_applied() {
    let (aws, _) = aws().await;
    aws.accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    aws.create_bucket("my-registries", true);
    let ptc = Ptc::new(&aws)
        .env("OWNER", "stack")
        .env("CONFIG_BUCKET", "my-registries");
    let ptc = with_age(ptc);
    let account = ["--account", "123456789012"];
    for (command, file, status) in [
        (&["plan"][..], "go-minimal-age.yaml", 2),
        (&["apply", "--yes"], "go-minimal-age.yaml", 0),
        (&["plan"], "go-minimal.yaml", 0),
    ] {
        ptc.run([command, &[file], &account].concat()).await.ends(status);
    }
    let without_identity = ptc.without("SOPS_AGE_KEY_FILE");
    let plan = [&["plan", "go-minimal-age.yaml"][..], &account].concat();
    let refused = without_identity.run(plan).await.ends(1);
    assert!(refused.stderr.contains("no age identity here"), "{refused:?}");
}

#[tokio::test]
async fn a_kit_is_made_of_an_encrypted_file() {
    let kit = ["kit", "go-both.yaml", "--account", "123456789012", "--only", "mapping"];
    let (aws, _) = aws().await;
    let mapping = with_age(Ptc::new(&aws)).run(kit).await.ends(0);
    assert!(mapping.stdout.contains("registry-1.docker.io"), "{mapping:?}");
}
