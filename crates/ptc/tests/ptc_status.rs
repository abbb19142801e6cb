//! `ptc status`: what the last run said, for people and for programs.

use crate::ptc::Ptc;
use crate::stack::{BUCKET, LEGACY, STATUS, TestStack};
use harness::{begins, has};
use jiff::{SignedDuration, Timestamp};
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

fn ptc(aws: &LocalAws) -> Ptc {
    Ptc::new(aws).env("CONFIG_BUCKET", BUCKET)
}

/// The status of a run that ended so long ago, with other values in some places.
fn put_status(aws: &LocalAws, age: SignedDuration, edits: &[(&str, Value)]) {
    let at = (Timestamp::now() - age).to_string();
    let mut status = json!({
        "run_id": "run", "started_at": at, "finished_at": at, "last_success_at": null, "outcome": "partial",
        "mode": "apply", "message": "1 registry failed", "trigger": {"kind": "schedule", "source": "rule daily"},
        "config": {"bucket": BUCKET, "key": "registries.yaml", "version_id": "v1", "last_modified": at},
        "changes": [], "registries": {}, "pull_through_cache_urls": {}, "errors": [], "warnings": [],
        "stats": {"aws_calls": 1, "duration_ms": 1},
    });
    for (pointer, value) in edits {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        status.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    aws.put_object(BUCKET, STATUS, status.to_string());
}

async fn account() -> LocalAws {
    let aws = LocalAws::start(Options::default()).await.unwrap();
    aws.create_bucket(BUCKET, true);
    aws
}

#[tokio::test]
async fn a_run_that_went_well_ends_with_status_0() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    let version = stack.status().config.version_id.as_deref().unwrap().to_owned();
    let finished = stack.status().finished_at.as_str().to_owned();
    let output = ptc(&stack.aws).run(["status"]).await.ends(0);
    let text = output
        .stdout
        .replace(&version, "<version>")
        .replace(&finished, "<time>");
    let page = "\
changed: 3 registries ready; 10 changes applied

  last run      just now, <time>
  last success  just now, <time>
  trigger       apply, s3-upload (eventbridge:aws.s3)
  file          s3://my-registries/registries.yaml, version <version>

pull from 123456789012.dkr.ecr.eu-west-1.amazonaws.com/REGISTRY/IMAGE:TAG

STATE  REGISTRY    UPSTREAM              CREDENTIAL
ready  dockerhub   registry-1.docker.io  valid
ready  gitlab      registry.gitlab.com   valid
ready  public-ecr  public.ecr.aws        none
";
    let (start, warnings) = text.split_at(page.len());
    assert_eq!(start, page);
    begins(
        warnings,
        "\nwarning[PT080]: registries.yaml:5:3: dockerhub: the token is in the file",
    );
    assert_eq!(output.stderr, "");
}

/// What is copied stays whole, however narrow the terminal is.
#[tokio::test]
async fn a_narrow_terminal_breaks_no_url() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    let shown = ptc(&stack.aws)
        .shown(60, ["status", "--color", "never"])
        .await
        .ends(0)
        .stdout;
    let host = "pull from 123456789012.dkr.ecr.eu-west-1.amazonaws.com/REGISTRY/IMAGE:TAG";
    assert!(shown.lines().any(|line| line == host), "{shown}");
    has(&shown, "\nready  dockerhub   registry-1.docker.io  valid\n");
    // Sentences are wrapped.
    let (_, warnings) = shown.split_once("\nwarning[").unwrap();
    assert!(warnings.lines().all(|line| line.chars().count() <= 60), "{shown}");
}

#[tokio::test]
async fn a_run_that_did_not_ends_with_status_1_and_says_since_when() {
    let aws = account().await;
    let since = (Timestamp::now() - SignedDuration::from_hours(72)).to_string();
    let registry = json!({
        "state": "held", "upstream": "ghcr.io", "url": "host/hub", "credential": "unchecked", "since": since,
        "message": "waits for somebody", "existing_repositories": {"found": 7, "done": 3},
    });
    let root = json!({"state": "ready", "upstream": "quay.io", "url": "host", "credential": "none"});
    let change = json!({
        "registry": "hub", "resource": "rule", "action": "replace", "id": "hub", "result": "held",
        "error": "not ours", "since": since,
    });
    let done = json!({"registry": "b", "resource": "rule", "action": "create", "id": "b", "result": "applied"});
    // The second one was written before there were codes.
    let old = json!({"registry": "hub", "line": 3, "column": 5, "message": "is wrong"});
    let mut problem = old.clone();
    problem["code"] = "PT017".into();
    let edits = [
        ("/registries/hub", registry),
        // Its images have no name in front.
        ("/registries/ROOT", root),
        ("/changes", json!([change, done])),
        ("/errors", json!([problem])),
        ("/warnings", json!([old])),
        ("/last_success_at", json!(since)),
        ("/existing_repositories", json!({"found": 7, "done": 3, "to_do": 4})),
    ];
    put_status(&aws, SignedDuration::from_hours(3), &edits);
    let output = ptc(&aws).run(["status"]).await.ends(1);
    for part in [
        "partial: 1 registry failed\n",
        "  last run      3 h ago, ",
        "  last success  3 days ago, ",
        "  repositories  7 found, 3 done (0 changed), 0 held, 0 failed, 4 to do\n",
        "\npull from host/REGISTRY/IMAGE:TAG\n",
        "STATE  REGISTRY  UPSTREAM  PULL URL  CREDENTIAL  REPOSITORIES  SINCE       MESSAGE\n",
        "ready  ROOT      quay.io   host      none\n",
        "held   hub       ghcr.io             unchecked   3 of 7        3 days ago  waits for somebody\n",
        "\n! hub: replace rule hub: held: not ours (since 3 days ago)\n",
        "\nerror[PT017]: registries.yaml:3:5: hub: is wrong\n",
        "\nwarning: registries.yaml:3:5: hub: is wrong\n",
    ] {
        assert!(output.stdout.contains(part), "{part}\nis not in\n{}", output.stdout);
    }
    assert!(
        !output.stdout.contains("create rule b"),
        "what went well is in the table"
    );
    let painted = ptc(&aws).run(["status", "--color", "always"]).await.ends(1);
    begins(&painted.stdout, "\u{1b}[31mpartial\u{1b}[0m: ");
    has(&painted.stdout, "\n\u{1b}[31mheld\u{1b}[0m   hub ");
}

#[tokio::test]
async fn programs_get_the_object_and_its_age() {
    let aws = account().await;
    put_status(
        &aws,
        SignedDuration::from_hours(2),
        &[("/outcome", json!("converged")), ("/added_later", json!(1))],
    );
    let output = ptc(&aws).run(["status", "--json"]).await.ends(0);
    let json = output.json();
    assert!((7200..7260).contains(&json["age_seconds"].as_i64().unwrap()), "{json}");
    assert_eq!(
        (&json["last_success_age_seconds"], &json["added_later"]),
        (&Value::Null, &json!(1))
    );
    assert_eq!(json["message"], "1 registry failed");
}

#[tokio::test]
async fn a_clock_that_is_behind_is_told_of() {
    let aws = account().await;
    put_status(&aws, SignedDuration::from_mins(-10), &[]);
    let output = ptc(&aws).run(["status"]).await.ends(1);
    has(&output.stdout, " min in the future, by this machine's clock");
}

#[tokio::test]
async fn what_others_have_written_moves_no_cursor() {
    let aws = account().await;
    let evil = "a\u{1b}[2J\u{1b}]0;title\u{7}\r\nconverged: all is well\u{202e}";
    let registry =
        json!({"state": "failed", "upstream": evil, "url": evil, "credential": "none", "message": evil, "since": evil});
    let change = json!({"registry": evil, "resource": "rule", "action": "create", "id": evil, "result": "failed", "error": evil});
    let problem = json!({"registry": evil, "line": null, "column": null, "message": evil});
    let edits = [
        ("/message", json!(evil)),
        ("/trigger/source", json!(evil)),
        ("/config/key", json!(evil)),
        ("/registries/hub", registry),
        ("/changes", json!([change])),
        ("/errors", json!([problem])),
    ];
    put_status(&aws, SignedDuration::ZERO, &edits);
    for args in [["status", "--color=never"], ["status", "--json"]] {
        let output = ptc(&aws).run(args).await.ends(1);
        let harmful = |c: char| (c.is_control() && c != '\n') || (c == '\u{202e}' && args[1] != "--json");
        assert!(!output.stdout.contains(harmful), "{}", output.stdout);
        assert!(
            !output.stdout.lines().any(|line| line.starts_with("converged")),
            "{}",
            output.stdout
        );
    }
}

#[tokio::test]
async fn without_a_status_it_says_what_is_missing() {
    let aws = account().await;
    let none = ptc(&aws).run(["status"]).await.ends(1);
    let place = "s3://my-registries/status/registries.yaml.json";
    assert_eq!(
        none.stderr,
        format!("error: there is no status at {place}: no run has finished yet, or not with these settings\n")
    );
    let bucket = Ptc::new(&aws)
        .env("CONFIG_BUCKET", "another-bucket")
        .run(["status"])
        .await
        .ends(1);
    has(&bucket.stderr, "there is no bucket another-bucket");
    aws.fault(Fault::on("s3", "GetObject").access_denied());
    let denied = ptc(&aws).run(["status"]).await.ends(1);
    has(
        &denied.stderr,
        &format!("access to {place} is denied: it takes s3:GetObject"),
    );
    let json = ptc(&aws).run(["status", "--json"]).await.ends(1);
    assert!(json.json()["error"].as_str().unwrap().contains("is denied"));
}

#[tokio::test]
async fn a_status_of_another_version_is_told_of() {
    let aws = account().await;
    for (edit, part) in [
        (("/outcome", json!("splendid")), "splendid"),
        (("/finished_at", json!("yesterday")), "\"yesterday\" is no time"),
        (("/registries", json!([])), "invalid type"),
        (("/mode", json!("a\u{1b}[2J\nb")), "a\\u{1b}[2J"),
    ] {
        put_status(&aws, SignedDuration::ZERO, &[edit]);
        let output = ptc(&aws).run(["status"]).await.ends(1);
        assert!(output.stderr.contains("is no status that ptc"), "{}", output.stderr);
        assert!(output.stderr.contains(part), "{}", output.stderr);
        has(&output.stderr, "use the ptc of the function's version");
    }
    aws.put_object(BUCKET, STATUS, "no JSON");
    ptc(&aws).run(["status"]).await.ends(1);
}

#[tokio::test]
async fn the_place_of_the_status_is_a_deployed_functions_to_say() {
    let aws = account().await;
    aws.put_object("other-bucket", "s/k.yaml.json", "");
    put_status(&aws, SignedDuration::ZERO, &[("/outcome", json!("converged"))]);
    let moved = aws.object(BUCKET, STATUS).unwrap();
    aws.put_object("other-bucket", "s/k.yaml.json", moved);
    let variables = [
        ("CONFIG_BUCKET", "other-bucket"),
        ("CONFIG_KEY", "k.yaml"),
        ("STATUS_PREFIX", "s/"),
    ];
    aws.deploy_function("sync", &variables);
    Ptc::new(&aws).run(["status", "--function", "sync"]).await.ends(0);
    let calls: Vec<String> = aws
        .calls()
        .into_iter()
        .map(|call| format!("{} {}", call.operation, call.subject))
        .collect();
    let expected = [
        "GetCallerIdentity ",
        "GetFunctionConfiguration sync",
        "GetObject other-bucket/s/k.yaml.json",
    ];
    assert_eq!(calls, expected);
}
