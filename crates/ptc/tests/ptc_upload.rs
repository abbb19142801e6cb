//! `ptc upload`: the file is checked and put, and the wait is for a real run of the function over that very upload.

use harness::{begins, has, lacks};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::ptc::{Terminal, deploy, documented_policy};
use crate::stack::{BUCKET, KEY, STATUS, TestStack, app, hub};
use local_aws::{Fault, LocalAws};
use serde_json::{Value, json};

const GREEN: &str = "green-registries";

/// The usual stack, and a file that it could follow.
async fn ready(name: &str) -> Terminal {
    let terminal = Terminal::new(&format!("upload-{name}")).await;
    terminal.write(&hub("canary-docker-1"));
    terminal
}

/// Lets the function follow the newest upload right after ptc has looked at the status in vain: the first look is before the
/// upload.
fn follow_after_a_look(terminal: &Terminal) {
    terminal
        .stack
        .aws
        .after("s3", "GetObject", 2, |aws| follow(aws, BUCKET));
}

/// A run of the function that follows a bucket, by the event that the newest upload there has raised.
fn follow(aws: &LocalAws, bucket: &str) {
    let is_upload = |event: &Value| {
        event["detail-type"] == "Object Created"
            && event["detail"]["bucket"]["name"] == bucket
            && event["detail"]["object"]["key"] == KEY
    };
    let event = aws.events().into_iter().rev().find(is_upload).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let env = [("CONFIG_BUCKET", bucket)];
        let stack = TestStack {
            aws: aws.clone(),
            app: app(aws, &env).await,
        };
        stack.send(event).await.unwrap();
    });
}

const UPLOAD: [&str; 2] = ["upload", "registries.yaml"];
const WAIT: [&str; 3] = ["upload", "registries.yaml", "--wait"];

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

#[tokio::test]
async fn a_file_is_put_as_it_is_once_it_is_checked() {
    let terminal = ready("put").await;
    let object = || terminal.stack.aws.object(BUCKET, KEY);
    terminal.write("dockerhub: {registry: docker.io, usrname: acme-bot, accessToken: canary-1}\n");
    let refused = terminal.ptc().run(UPLOAD).await.ends(1);
    has(&refused.stderr, ": registries.yaml:1:34: dockerhub: unknown key");
    has(&refused.stderr, "nothing was uploaded: registries.yaml has errors");
    let json = terminal.ptc().run(with(&UPLOAD, &["--json"])).await.ends(1).json();
    assert!(json["files"][0]["errors"].is_array(), "{json:#}");
    assert_eq!(object(), None);
    // A warning is no error.
    terminal.write(&hub("canary-docker-1"));
    let put = terminal.ptc().run(UPLOAD).await.ends(0);
    assert_eq!(object().unwrap(), hub("canary-docker-1").into_bytes());
    has(&put.stderr, "dockerhub: the token is in the file");
    let place = "registries.yaml is uploaded: s3://my-registries/registries.yaml, version ";
    assert!(put.stdout.starts_with(place), "{}", put.stdout);
    let json = terminal.ptc().run(with(&UPLOAD, &["--json"])).await.ends(0).json();
    let newest = terminal.stack.aws.events().pop().unwrap();
    assert_eq!(json["version_id"], newest["detail"]["object"]["version-id"], "{json:#}");
    assert_eq!((&json["bucket"], &json["key"]), (&json!(BUCKET), &json!(KEY)));
    let piped = terminal.ptc().input("quay: {registry: quay.io}\n");
    piped.run(["upload", "-"]).await.ends(0);
    assert_eq!(object().unwrap(), b"quay: {registry: quay.io}\n");
    let endless = terminal.ptc().run(with(&UPLOAD, &["--timeout", "1"])).await.ends(1);
    assert!(endless.stderr.contains("--wait"), "{}", endless.stderr);
}

#[tokio::test]
async fn the_wait_ends_with_the_run_over_that_very_upload() {
    let terminal = ready("wait").await;
    follow_after_a_look(&terminal);
    let waited = terminal.ptc().run(WAIT).await.ends(0);
    begins(&waited.stdout, "changed: 1 registry ready; 4 changes applied\n");
    has(&waited.stderr, "; waiting for the function's run\n");
    let version = terminal.stack.status_json()["config"]["version_id"]
        .as_str()
        .unwrap()
        .to_owned();
    has(&waited.stderr, &format!(", version {version}; "));
    assert_eq!(waited.stdout, terminal.ptc().run(["status"]).await.stdout);
    assert!(terminal.stack.rule("dockerhub").is_some());
    // The same file again is another version, of which the status that is there tells nothing.
    terminal.stack.aws.clear_calls();
    follow_after_a_look(&terminal);
    let again = terminal.ptc().run(with(&WAIT, &["--json"])).await.ends(0).json();
    assert_eq!(again["outcome"], "converged", "{again:#}");
    assert!(
        again["config"]["version_id"] != version && again["age_seconds"].is_i64(),
        "{again:#}"
    );
    let calls = terminal.stack.aws.calls();
    let looks = calls
        .iter()
        .filter(|call| call.principal == "PTC" && call.operation == "GetObject");
    assert!(looks.count() > 2, "{calls:?}");
}

#[tokio::test]
async fn a_run_over_an_older_version_is_not_waited_for_and_one_over_a_later_one_is() {
    let terminal = ready("versions").await;
    terminal.stack.follow("quay: {registry: quay.io}\n").await;
    let mut older = terminal.stack.status_json();
    // It began before the upload, and ends after it.
    older["run_id"] = json!("slower");
    terminal.stack.aws.before("s3", "GetObject", 2, move |aws| {
        aws.put_object(BUCKET, STATUS, older.to_string());
        aws.after("s3", "HeadObject", 1, |aws| follow(aws, BUCKET));
    });
    let waited = terminal.ptc().run(with(&WAIT, &["--json"])).await;
    let json = waited.json();
    assert_eq!(
        json["config"]["version_id"],
        terminal.stack.status_json()["config"]["version_id"]
    );
    assert!(
        json["registries"]["dockerhub"].is_object() && !waited.stderr.contains("later"),
        "{waited:?}"
    );

    let terminal = ready("overtaken").await;
    terminal.stack.aws.after("s3", "GetObject", 2, |aws| {
        aws.put_object(BUCKET, KEY, "quay: {registry: quay.io}\n");
        follow(aws, BUCKET);
    });
    let overtaken = terminal.ptc().run(WAIT).await.ends(0);
    has(&overtaken.stderr, "another upload came after this one");
    has(&overtaken.stdout, "quay.io");
    lacks(&overtaken.stdout, "dockerhub");
}

#[tokio::test]
async fn without_versions_it_goes_by_the_time() {
    let terminal = ready("unversioned").await;
    terminal.stack.follow("quay: {registry: quay.io}\n").await;
    terminal.stack.aws.create_bucket(BUCKET, false);
    follow_after_a_look(&terminal);
    let json = terminal
        .ptc()
        .run(with(&WAIT, &["--json", "--timeout", "20"]))
        .await
        .json();
    assert_eq!(json["config"]["version_id"], Value::Null, "{json:#}");
    assert!(json["registries"]["dockerhub"].is_object(), "{json:#}");
    terminal.stack.aws.after("s3", "GetObject", 2, |aws| {
        aws.advance(std::time::Duration::from_secs(2));
        aws.put_object(BUCKET, KEY, hub("canary-docker-2"));
        follow(aws, BUCKET);
    });
    let overtaken = terminal.ptc().run(WAIT).await.ends(0);
    has(&overtaken.stderr, "another upload came after this one");
    // It has no name but its time.
    terminal.stack.aws.fault(Fault::on("s3", "HeadObject").access_denied());
    let unseen = terminal.ptc().run(WAIT).await.ends(1);
    has(&unseen.stderr, "it takes s3:GetObject on the file");
    has(&unseen.stderr, "registries.yaml is uploaded");
}

#[tokio::test]
async fn what_cannot_be_decrypted_here_goes_up_as_it_is_and_the_function_judges() {
    let terminal = ready("sealed").await;
    let sealed = std::fs::read_to_string("../../tests/sops/go-minimal.yaml").unwrap();
    terminal.write(&sealed);
    follow_after_a_look(&terminal);
    let ptc = terminal.ptc().env("HOME", "/nonexistent");
    let rejected = ptc.run(WAIT).await.ends(1);
    has(&rejected.stderr, "note: registries.yaml is not checked here: ");
    assert_eq!(terminal.stack.aws.object(BUCKET, KEY).unwrap(), sealed.as_bytes());
    assert!(rejected.stdout.starts_with("rejected: "), "{}", rejected.stdout);
    assert!(rejected.stdout.contains("\nerror"), "{}", rejected.stdout);
    // One that is cut off, or larger than any file may be, is not put at all.
    let large = format!("{sealed}# {}\n", "x".repeat(1024 * 1024));
    terminal.write(&large);
    ptc.run(UPLOAD).await.ends(1);
    assert_eq!(terminal.stack.aws.object(BUCKET, KEY).unwrap(), sealed.as_bytes());
    // Where a stack takes encrypted files alone, no token comes into its bucket.
    deploy(&terminal.stack.aws, "strict", BUCKET, &[("REQUIRE_SOPS", "true")]);
    terminal.write(&hub("canary-docker-1"));
    let plain = ptc.run(with(&UPLOAD, &["--stack", "strict"])).await.ends(1);
    assert!(plain.stderr.contains("RequireSops"), "{}", plain.stderr);
    assert_eq!(terminal.stack.aws.object(BUCKET, KEY).unwrap(), sealed.as_bytes());
}

#[tokio::test]
async fn a_wait_that_runs_out_ends_with_3_and_one_that_is_interrupted_with_1() {
    let terminal = ready("runs-out").await;
    let late = terminal.ptc().run(with(&WAIT, &["--timeout", "1"])).await.ends(3);
    has(&late.stderr, "after 1 s no run over it has ended");
    assert_eq!(late.stdout, "");
    // A status that was there before is not one of it.
    terminal.stack.follow("quay: {registry: quay.io}\n").await;
    let late = terminal
        .ptc()
        .run(with(&WAIT, &["--timeout", "0", "--json"]))
        .await
        .ends(3);
    has(late.json()["error"].as_str().unwrap(), "is uploaded");

    let (pid, of_ptc) = mpsc::channel::<u32>();
    terminal.stack.aws.before("s3", "GetObject", 2, move |_| {
        let pid = of_ptc.recv().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    });
    let mut command = terminal.ptc().command(WAIT);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    pid.send(child.id()).unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    has(
        &said,
        "nobody waits for it any more, and the function follows it all the same",
    );
    assert_eq!(
        terminal.stack.aws.object(BUCKET, KEY).unwrap(),
        hub("canary-docker-1").into_bytes()
    );
}

#[tokio::test]
async fn what_is_denied_is_named() {
    let terminal = ready("denied").await;
    terminal
        .stack
        .aws
        .fault(Fault::on("s3", "PutObject").access_denied().times(1));
    let put = terminal.ptc().run(WAIT).await.ends(1);
    for part in [
        "nothing was uploaded: access to s3://my-registries/registries.yaml",
        "takes s3:PutObject on it",
    ] {
        assert!(put.stderr.contains(part), "{part}: {}", put.stderr);
    }
    // Without s3:ListBucket a status that is not there yet is denied, too: so the file goes up, and the wait goes on.
    terminal.stack.aws.fault(Fault::on("s3", "GetObject").access_denied());
    let status = terminal.ptc().run(with(&WAIT, &["--timeout", "1"])).await.ends(3);
    let denied = "access to s3://my-registries/status/registries.yaml.json is denied: it takes s3:GetObject on it";
    begins(&status.stderr, &format!("warning: {denied}"));
    has(&status.stderr, &format!("after 1 s {denied}"));
    terminal.stack.aws.clear_faults();
    // A status of another upload, of which nobody can say whether it is later.
    terminal.stack.aws.fault(Fault::on("s3", "HeadObject").access_denied());
    terminal.stack.follow("quay: {registry: quay.io}\n").await;
    let mut other = terminal.stack.status_json();
    other["run_id"] = json!("another");
    terminal.stack.aws.before("s3", "GetObject", 2, move |aws| {
        aws.put_object(BUCKET, STATUS, other.to_string());
    });
    let unseen = terminal.ptc().run(with(&WAIT, &["--timeout", "1"])).await.ends(3);
    has(&unseen.stderr, "whether that is a later one could not be seen");
    let missing = terminal.ptc().run(with(&UPLOAD, &["--stack", "prod"])).await.ends(1);
    has(&missing.stderr, "the stack prod is not deployed");
}

#[tokio::test]
async fn several_stacks_get_the_file_side_by_side_or_none_does() {
    let terminal = ready("several").await;
    terminal.stack.aws.create_bucket(GREEN, true);
    deploy(&terminal.stack.aws, "green", GREEN, &[]);
    let both = ["--stack", "ecr-pull-through-sync", "--stack", "green"];
    let one_missing = with(&UPLOAD, &[&both[..], &["--stack", "prod"]].concat());
    let none = terminal.ptc().run(one_missing).await.ends(1);
    assert_eq!(
        none.stdout
            .matches("not uploaded, since others could not be opened")
            .count(),
        2,
        "{}",
        none.stdout
    );
    has(&none.stdout, "the stack prod is not deployed");
    deploy(&terminal.stack.aws, "strict", GREEN, &[("REQUIRE_SOPS", "true")]);
    let refused = terminal
        .ptc()
        .run(with(&UPLOAD, &[&both[..], &["--stack", "strict"]].concat()))
        .await
        .ends(1);
    has(
        &refused.stderr,
        "registries.yaml has errors for strict in account 123456789012, eu-west-1",
    );
    for bucket in [BUCKET, GREEN] {
        assert_eq!(terminal.stack.aws.object(bucket, KEY), None);
    }
    // Both look before they put, and each once after it: then one function runs, and later the other.
    terminal.stack.aws.after("s3", "GetObject", 4, |aws| {
        follow(aws, BUCKET);
        follow(aws, GREEN);
    });
    let waited = terminal.ptc().run(with(&WAIT, &both)).await;
    let rows: Vec<&str> = waited.stdout.lines().collect();
    assert!(rows[0].starts_with("OUTCOME"), "{}", waited.stdout);
    assert!(
        rows[1].contains("ecr-pull-through-sync  eu-west-1  just now"),
        "{}",
        waited.stdout
    );
    assert!(
        rows[2].contains("green                  eu-west-1  just now"),
        "{}",
        waited.stdout
    );
    for bucket in [BUCKET, GREEN] {
        assert_eq!(
            terminal.stack.aws.object(bucket, KEY).unwrap(),
            hub("canary-docker-1").into_bytes()
        );
    }
}

/// The permissions that docs/deploy.md gives to a pipeline are enough to upload and to wait.
#[tokio::test]
async fn the_documented_permissions_are_enough_for_an_upload() {
    let terminal = ready("permissions").await;
    let policy = documented_policy("deploy.md", "## Uploads from CI");
    terminal.stack.aws.enforce("PTC", policy);
    // The status is not there yet, and then of another upload.
    follow_after_a_look(&terminal);
    terminal.ptc().run(WAIT).await.ends(0);
    terminal.stack.aws.after("s3", "GetObject", 2, |aws| {
        aws.put_object(BUCKET, KEY, "dockerhub: {registry: docker.io, usrname: x}\n");
        follow(aws, BUCKET);
    });
    let overtaken = terminal.ptc().run(WAIT).await.ends(1);
    has(&overtaken.stderr, "another upload came after this one");
    assert_eq!(terminal.stack.aws.denied(), Vec::<String>::new());
    let read = terminal.ptc().run(["plan", "registries.yaml"]).await.ends(1);
    assert!(!read.stdout.contains("canary") && !terminal.stack.aws.denied().is_empty());
}
