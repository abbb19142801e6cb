//! Credentials that are copied from another secret: a change of the source arrives, a rotation of our own secret stands, and
//! whatever is wrong with the source, what serves goes on serving.

use std::sync::{Arc, Mutex};

use crate::rotations::cloudtrail;
use crate::stack::{
    BUCKET, CredentialState, KEY, Outcome, Report, State, TestStack, another_invocation, credential, invoke, lines,
    make_rule, messages, put_current, reason, scheduled, token_id, uploaded,
};
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

const HOST: &str = "registry.gitlab.com";
const OWN: &str = "ecr-pullthroughcache/gitlab";
const SOURCE: &str = "team/gitlab";
const UPSTREAM: &str = "ecr-pull-through-sync:upstream";

/// What the stack of these tests lets be read.
const ALLOWED: &[(&str, &str)] = &[("SOURCE_SECRET_NAMES", "team/gitlab,team/other,team/hub")];

/// Copied from a secret as AWS's managed rotation of GitLab tokens writes it.
const COPIED: &str = "gitlab: {registry: registry.gitlab.com, secret_from: {secret: team/gitlab, username: acme-bot, access_token_key: token}}\n";

fn given(token: &str) -> String {
    format!("gitlab: {{registry: registry.gitlab.com, username: acme-bot, accessToken: {token}}}\n")
}

fn text(token: &str) -> String {
    json!({"token": token, "tokenId": 41, "gitlabUrl": "https://gitlab.com"}).to_string()
}

fn tags(hosts: &str) -> Value {
    json!([{"Key": UPSTREAM, "Value": hosts}])
}

/// A source as its owner makes it.
fn make_source(aws: &LocalAws, value: &str, tags: Value) -> String {
    let input = json!({"Name": SOURCE, "SecretString": value, "Tags": tags, "ClientRequestToken": token_id()});
    let made = aws.call("secretsmanager", "CreateSecret", input).unwrap();
    made["ARN"].as_str().unwrap().to_owned()
}

/// A new value of the source, made current.
fn put_source(aws: &LocalAws, value: &str) {
    let input = json!({"SecretId": SOURCE, "SecretString": value, "ClientRequestToken": token_id()});
    aws.call("secretsmanager", "PutSecretValue", input).unwrap();
}

fn rotate_source(aws: &LocalAws, token: &str) {
    put_source(aws, &text(token));
}

async fn with_source(env: &[(&str, &str)], token: &str) -> TestStack {
    let stack = TestStack::with(Options::default(), &[ALLOWED, env].concat()).await;
    make_source(&stack.aws, &text(token), tags(HOST));
    stack
}

/// The file followed, with the first token.
async fn stack() -> TestStack {
    let stack = with_source(&[], "canary-gitlab-1").await;
    let report = stack.follow(COPIED).await;
    is_ready(&report);
    stack
}

fn is_ready(report: &Report) {
    let registry = &report.registries["gitlab"];
    assert_eq!(
        (registry.state, registry.credential),
        (State::Ready, CredentialState::Valid),
        "{report:#?}"
    );
}

/// The tokens that are current and `CONFIGURED` in the registry's own secret.
fn held(stack: &TestStack) -> [String; 2] {
    ["AWSCURRENT", "CONFIGURED"].map(|label| stack.token(OWN, label).unwrap_or_default())
}

fn both(token: &str) -> [String; 2] {
    [token.to_owned(), token.to_owned()]
}

/// The calls that wrote to the source, which is only read.
fn writes_to_the_source(stack: &TestStack) -> usize {
    let calls = stack.aws.calls();
    let is_of_run = |call: &&local_aws::Call| call.write && call.subject.contains(SOURCE);
    calls.iter().filter(is_of_run).count()
}

#[tokio::test(start_paused = true)]
async fn a_credential_is_copied_labelled_and_proven_and_a_plan_shows_it_first() {
    let stack = with_source(&[], "canary-gitlab-1").await;
    stack.upload(COPIED);
    stack.aws.clear_calls();
    let plan = stack.manual("plan").await;
    assert_eq!(stack.writes(), Vec::<String>::new());
    let made = &plan.changes[0];
    let version = stack.version(SOURCE, "AWSCURRENT").unwrap();
    assert_eq!(
        made.diff.iter().find(|differs| differs.field == "value").unwrap().new,
        json!(format!("the credential of the secret team/gitlab, version {version}"))
    );
    let report = stack.send(uploaded()).await.unwrap();
    is_ready(&report);
    assert_eq!(
        lines(&report),
        [
            format!("gitlab create secret {OWN} [] applied"),
            format!("gitlab create secret_policy {OWN} [] applied"),
            "gitlab create template gitlab [] applied".to_owned(),
            "gitlab create rule gitlab [] applied".to_owned(),
        ]
    );
    assert_eq!(held(&stack), both("canary-gitlab-1"));
    let secret = stack.secret(OWN).unwrap();
    for tag in [
        json!({"Key": UPSTREAM, "Value": HOST}),
        json!({"Key": "ecr-pull-through-sync:owner", "Value": "stack"}),
    ] {
        assert!(secret["Tags"].as_array().unwrap().contains(&tag), "{secret}");
    }
    stack.aws.pull("gitlab/group/image:1").unwrap();
    stack.aws.clear_calls();
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
    assert_eq!(stack.writes(), Vec::<String>::new());
    assert_eq!(writes_to_the_source(&stack), 0);
}

#[tokio::test(start_paused = true)]
async fn keys_a_whole_text_and_an_arn_are_forms_of_a_source() {
    for (from, value) in [
        (
            "{secret: team/gitlab}",
            json!({"username": "acme-bot", "accessToken": "canary-gitlab-1", "more": {"deep": []}}).to_string(),
        ),
        (
            "{secret: team/gitlab, username_key: user, access_token_key: pat}",
            json!({"user": "acme-bot", "pat": "canary-gitlab-1"}).to_string(),
        ),
        (
            "{secret: team/gitlab, format: text, username: acme-bot}",
            "canary-gitlab-1\n".to_owned(),
        ),
        (
            "{secret: ARN, format: text, username: acme-bot}",
            "canary-gitlab-1".to_owned(),
        ),
    ] {
        let stack = TestStack::with(Options::default(), ALLOWED).await;
        let arn = make_source(&stack.aws, &value, tags("ghcr.io registry.gitlab.com"));
        let file = format!("gitlab: {{registry: registry.gitlab.com, secret_from: {from}}}\n").replace("ARN", &arn);
        is_ready(&stack.follow(&file).await);
        assert_eq!(held(&stack), both("canary-gitlab-1"), "{from}");
        let copy = json!({"SecretId": OWN});
        let copy = stack.aws.call("secretsmanager", "GetSecretValue", copy).unwrap();
        assert_eq!(
            copy["SecretString"],
            r#"{"username":"acme-bot","accessToken":"canary-gitlab-1"}"#
        );
    }
}

/// The service event names only the secret, and a call may name it by name alone.
fn events_of_the_source(stack: &TestStack) -> Vec<Value> {
    let arn = stack.secret(SOURCE).unwrap()["ARN"].clone();
    let call = |name: &str, request: Value| {
        cloudtrail(
            "API Call",
            &json!({"eventName": name, "requestParameters": request, "responseElements": null}),
        )
    };
    vec![
        stack.newest_rotation(),
        call("PutSecretValue", json!({"secretId": SOURCE})),
        call("UpdateSecret", json!({"secretId": arn})),
        call(
            "UpdateSecretVersionStage",
            json!({"secretId": arn, "versionStage": "AWSCURRENT"}),
        ),
        call("RestoreSecret", json!({"secretId": SOURCE})),
        cloudtrail(
            "Service Event",
            &json!({"eventName": "RotationSucceeded", "additionalEventData": {"SecretId": arn}}),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_source_is_copied_and_proven_within_its_run() {
    let stack = stack().await;
    let events = events_of_the_source(&stack).len();
    for n in 0..events {
        let token = ["canary-gitlab-2", "canary-gitlab-3"][n % 2];
        rotate_source(&stack.aws, token);
        let event = events_of_the_source(&stack).swap_remove(n);
        let report = stack.send(event.clone()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Changed, "{event}: {report:#?}");
        is_ready(&report);
        assert_eq!(json!(report.trigger.kind), "secret-rotation");
        assert_eq!(held(&stack), both(token), "{event}");
        let version = stack.version(SOURCE, "AWSCURRENT").unwrap();
        let begins = format!("{SOURCE}, version {version} (");
        assert!(report.message.starts_with(&begins), "{}", report.message);
        assert!(report.message.contains("): valid; "), "{}", report.message);
    }
    // The same news once more, and that of our own write.
    rotate_source(&stack.aws, "canary-gitlab-1");
    let change = stack.newest_rotation();
    stack.send(change.clone()).await.unwrap();
    let own_write = stack.newest_rotation();
    assert_eq!(own_write["detail"]["name"], OWN);
    assert_eq!(stack.send(own_write).await.unwrap().outcome, Outcome::Ignored);
    assert_eq!(stack.send(change).await.unwrap().outcome, Outcome::Converged);
    assert_eq!(writes_to_the_source(&stack), 0);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_no_registry_copies_from_is_ignored() {
    let stack = stack().await;
    let other = json!({"Name": "team/other", "SecretString": "canary-other", "Tags": tags(HOST)});
    stack.aws.call("secretsmanager", "CreateSecret", other).unwrap();
    let event = stack.newest_rotation();
    assert_eq!(event["detail"]["name"], "team/other");
    stack.aws.clear_calls();
    let report = stack.send(event).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored, "{report:#?}");
    assert_eq!(report.message, "no registry uses the secret team/other");
    // It is seen from the file alone.
    assert!(stack.aws.calls().iter().all(|call| call.operation != "DescribeSecret"));
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_gives_way_until_the_source_changes_or_the_file_is_uploaded_again() {
    let stack = stack().await;
    rotate_source(&stack.aws, "canary-gitlab-wrong");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    let version = stack.version(SOURCE, "AWSCURRENT").unwrap();
    assert!(
        report.message.starts_with(&format!(
            "{SOURCE}, version {version} (Secret Label Updated): invalid; "
        )),
        "{}",
        report.message
    );
    let was_refused = |report: &Report| {
        let registry = &report.registries["gitlab"];
        assert_eq!(
            (registry.state, registry.credential, registry.reason.clone()),
            (State::Failed, CredentialState::Invalid, reason("refused")),
            "{report:#?}"
        );
        let message = registry.message.as_deref().unwrap();
        assert!(
            message.contains(&format!("the credential of the secret {SOURCE}, version {version}")),
            "{message}"
        );
        assert_eq!(report.outcome, Outcome::Partial);
    };
    was_refused(&report);
    assert_eq!(held(&stack), ["canary-gitlab-1", "canary-gitlab-wrong"]);
    stack.aws.pull("gitlab/group/image:1").unwrap();
    // Each run says so, and none tries it again.
    stack.aws.clear_calls();
    was_refused(&stack.send(scheduled()).await.unwrap());
    assert_eq!(stack.writes(), Vec::<String>::new());
    // Once more with the same file: it is tried once.
    stack.upload(COPIED);
    was_refused(&stack.send(uploaded()).await.unwrap());
    assert!(
        stack.writes().contains(&"PutSecretValue".to_owned()),
        "{:?}",
        stack.writes()
    );
    stack.aws.clear_calls();
    was_refused(&stack.send(uploaded()).await.unwrap());
    assert_eq!(stack.writes(), Vec::<String>::new());
    // A good one.
    rotate_source(&stack.aws, "canary-gitlab-2");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    is_ready(&report);
    assert_eq!(held(&stack), both("canary-gitlab-2"));
    // And back to one that served before.
    rotate_source(&stack.aws, "canary-gitlab-1");
    is_ready(&stack.send(stack.newest_rotation()).await.unwrap());
    assert_eq!(held(&stack), both("canary-gitlab-1"));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_of_our_own_secret_stands_until_the_source_changes() {
    let stack = stack().await;
    stack.rotate(OWN, "canary-gitlab-2");
    is_ready(&stack.send(stack.newest_rotation()).await.unwrap());
    for _ in 0..2 {
        stack.aws.clear_calls();
        stack.upload(COPIED);
        is_ready(&stack.send(uploaded()).await.unwrap());
        assert_eq!(stack.writes(), Vec::<String>::new());
    }
    assert_eq!(held(&stack), ["canary-gitlab-2", "canary-gitlab-1"]);
    // In the same moment even: the source speaks as of the run that sees it.
    stack.rotate(OWN, "canary-gitlab-1");
    rotate_source(&stack.aws, "canary-gitlab-3");
    is_ready(&stack.send(stack.newest_rotation()).await.unwrap());
    assert_eq!(held(&stack), both("canary-gitlab-3"));
}

/// Somebody rotates our own secret while a run copies: that came later than what the run has seen.
#[tokio::test(start_paused = true)]
async fn a_rotation_of_our_own_secret_while_the_source_is_copied_stands() {
    for (operation, n) in [
        ("GetResourcePolicy", 1),
        ("PutSecretValue", 1),
        ("UpdateSecretVersionStage", 1),
        ("UpdateSecretVersionStage", 2),
    ] {
        let stack = stack().await;
        rotate_source(&stack.aws, "canary-gitlab-2");
        let event = stack.newest_rotation();
        stack.aws.before("secretsmanager", operation, n, |aws| {
            put_current(aws, OWN, "canary-gitlab-3")
        });
        let report = stack.send(event).await.unwrap();
        is_ready(&report);
        assert_eq!(
            held(&stack),
            ["canary-gitlab-3", "canary-gitlab-2"],
            "{operation} {n}: {report:#?}"
        );
        let says = report.message.contains("kept beside a value that somebody put later");
        assert!(says || n == 2, "{}", report.message);
        // It stands in the runs after this one, too.
        assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
        assert_eq!(held(&stack), ["canary-gitlab-3", "canary-gitlab-2"], "{operation} {n}");
    }
}

/// The calls of Secrets Manager that a run makes which copies a new value.
const CALLS: [(&str, usize); 5] = [
    ("DescribeSecret", 4),
    ("GetSecretValue", 4),
    ("GetResourcePolicy", 1),
    ("PutSecretValue", 1),
    ("UpdateSecretVersionStage", 5),
];

/// The source rotates during the run, at each of its calls: before it and after it, by itself, and followed by another run
/// that copies the newer value: after that the older one is never made current. Nor is it when the runs of all events are over.
#[tokio::test(start_paused = true)]
async fn an_older_value_of_the_source_never_goes_over_a_newer_one() {
    fn then(aws: &LocalAws, with_run: bool, copied: &Mutex<usize>) {
        rotate_source(aws, "canary-gitlab-3");
        if with_run {
            another_invocation(aws, ALLOWED, scheduled()).unwrap();
        }
        *copied.lock().unwrap() = aws.events().len();
    }
    for (operation, most) in CALLS {
        for n in 1..=most {
            for (with_run, is_after) in [(false, false), (false, true), (true, false), (true, true)] {
                let stack = stack().await;
                rotate_source(&stack.aws, "canary-gitlab-2");
                let event = stack.newest_rotation();
                let copied = Arc::new(Mutex::new(0));
                let begun = Arc::clone(&copied);
                let hook = move |aws: &LocalAws| then(aws, with_run, &begun);
                if is_after {
                    stack.aws.after("secretsmanager", operation, n, hook);
                } else {
                    stack.aws.before("secretsmanager", operation, n, hook);
                }
                let report = stack.send(event).await.unwrap();
                let told = format!("{operation} {n}, run {with_run}, after {is_after}: {report:#?}");
                let copied = *copied.lock().unwrap();
                // Not every run makes as many calls.
                if copied == 0 {
                    continue;
                }
                if with_run {
                    assert_eq!(held(&stack), both("canary-gitlab-3"), "{told}");
                    let tokens = made_current(&stack, copied);
                    assert!(!tokens.contains(&"canary-gitlab-2".to_owned()), "{tokens:?}: {told}");
                }
                let newest = stack.newest_rotation();
                stack.send(newest).await.unwrap();
                let report = stack.send(scheduled()).await.unwrap();
                is_ready(&report);
                assert_eq!(held(&stack), both("canary-gitlab-3"), "{told}");
                assert_eq!(stack.token(OWN, "FILE_PENDING"), None, "{told}");
            }
        }
    }
}

/// The tokens that were made current in the registry's own secret since an event.
fn made_current(stack: &TestStack, since: usize) -> Vec<String> {
    let events = stack.aws.events().split_off(since);
    let own = events.iter().map(|event| &event["detail"]);
    let own = own.filter(|detail| detail["name"] == OWN && detail["labelUpdated"] == "AWSCURRENT");
    let token = |detail: &Value| {
        let input = json!({"SecretId": OWN, "VersionId": detail["versionId"]});
        let value = stack.aws.call("secretsmanager", "GetSecretValue", input).ok()?;
        let value: Value = serde_json::from_str(value["SecretString"].as_str()?).ok()?;
        Some(value["accessToken"].as_str()?.to_owned())
    };
    own.filter_map(token).collect()
}

/// Just as the value before it is to become current the source goes back to what served before, and another run finds nothing
/// to do but to take a label off; or it goes on from there.
#[tokio::test(start_paused = true)]
async fn a_source_that_rotates_twice_while_it_is_copied_arrives() {
    for last in ["canary-gitlab-1", "canary-gitlab-3"] {
        let stack = stack().await;
        rotate_source(&stack.aws, "canary-gitlab-2");
        let first = stack.newest_rotation();
        stack
            .aws
            .before("secretsmanager", "UpdateSecretVersionStage", 1, move |aws| {
                rotate_source(aws, "canary-gitlab-1");
                another_invocation(aws, ALLOWED, scheduled()).unwrap();
                if last != "canary-gitlab-1" {
                    rotate_source(aws, last);
                }
            });
        let report = stack.send(first).await.unwrap();
        is_ready(&report);
        assert_eq!(held(&stack), both(last), "{report:#?}");
        assert_eq!(stack.token(OWN, "FILE_PENDING"), None);
        let version = stack.version(SOURCE, "AWSCURRENT").unwrap();
        assert!(
            report.message.starts_with(&format!("{SOURCE}, version {version} (")),
            "{}",
            report.message
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_goes_from_its_own_value_to_a_source_and_back() {
    let stack = with_source(&[], "canary-gitlab-2").await;
    stack.follow(&given("canary-gitlab-1")).await;
    let arn = stack.secret(OWN).unwrap()["ARN"].clone();
    stack.rotate(OWN, "canary-gitlab-3");
    is_ready(&stack.follow(COPIED).await);
    assert_eq!(held(&stack), both("canary-gitlab-2"));
    is_ready(&stack.follow(&given("canary-gitlab-1")).await);
    assert_eq!(held(&stack), both("canary-gitlab-1"));
    // The same value from elsewhere is no news: a rotation stands.
    stack.rotate(OWN, "canary-gitlab-3");
    rotate_source(&stack.aws, "canary-gitlab-1");
    stack.aws.clear_calls();
    is_ready(&stack.follow(COPIED).await);
    assert_eq!(held(&stack), ["canary-gitlab-3", "canary-gitlab-1"]);
    assert_eq!(stack.secret(OWN).unwrap()["ARN"], arn);
}

#[tokio::test(start_paused = true)]
async fn the_file_goes_from_a_source_to_a_secret_and_back() {
    let stack = stack().await;
    let name = "ecr-pullthroughcache/shared";
    let shared = stack.make_secret(name, &credential("canary-gitlab-2"), tags(HOST));
    let file = format!("gitlab: {{registry: registry.gitlab.com, secret: {name}}}\n");
    is_ready(&stack.follow(&file).await);
    assert_eq!(stack.rule("gitlab").unwrap()["credentialArn"], shared);
    assert!(stack.is_going(OWN));
    is_ready(&stack.follow(COPIED).await);
    assert_eq!(
        stack.rule("gitlab").unwrap()["credentialArn"],
        stack.secret(OWN).unwrap()["ARN"]
    );
    assert_eq!(held(&stack), both("canary-gitlab-1"));
    // What it had referred to may be the source. It stays somebody else's.
    let file = format!("gitlab: {{registry: registry.gitlab.com, secret_from: {{secret: {name}}}}}\n");
    is_ready(&stack.follow(&file).await);
    assert_eq!(held(&stack), both("canary-gitlab-2"));
    assert!(!stack.is_going(name));
}

#[tokio::test(start_paused = true)]
async fn another_host_gets_a_copy_of_its_own_from_a_source_that_is_for_it() {
    let stack = stack().await;
    let moved = COPIED.replace(HOST, "ghcr.io");
    let report = stack.follow(&moved).await;
    let registry = &report.registries["gitlab"];
    assert_eq!(
        (registry.state, registry.reason.clone()),
        (State::Failed, reason("wrong-host")),
        "{report:#?}"
    );
    let message = registry.message.as_deref().unwrap();
    let line = "`aws secretsmanager tag-resource --secret-id team/gitlab --tags \
                'Key=ecr-pull-through-sync:upstream,Value=registry.gitlab.com ghcr.io'`";
    assert!(message.contains(line), "{message}");
    assert_eq!(registry.credential, CredentialState::Valid, "what serves is proven");
    assert_eq!(stack.rule("gitlab").unwrap()["upstreamRegistryUrl"], HOST);
    // The same person says it is for both, and puts the other's token.
    let input = json!({"SecretId": SOURCE, "Tags": tags("registry.gitlab.com ghcr.io")});
    stack.aws.call("secretsmanager", "TagResource", input).unwrap();
    rotate_source(&stack.aws, "canary-ghcr-1");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    is_ready(&report);
    assert_eq!(stack.rule("gitlab").unwrap()["upstreamRegistryUrl"], "ghcr.io");
    let at_host = format!("{OWN}@ghcr.io");
    assert_eq!(stack.token(&at_host, "AWSCURRENT").as_deref(), Some("canary-ghcr-1"));
    assert_eq!(
        stack.token(OWN, "AWSCURRENT"),
        None,
        "the way back is scheduled for deletion"
    );
}

/// What people do to a source, the reason, and what the message says.
type Trouble = (&'static str, fn(&LocalAws), &'static str, &'static str);

fn call(aws: &LocalAws, operation: &str, input: Value) {
    aws.call("secretsmanager", operation, input).unwrap();
}

fn untag(aws: &LocalAws) {
    call(aws, "UntagResource", json!({"SecretId": SOURCE, "TagKeys": [UPSTREAM]}));
}

fn tag(aws: &LocalAws, key: &str, value: &str) {
    call(
        aws,
        "TagResource",
        json!({"SecretId": SOURCE, "Tags": [{"Key": key, "Value": value}]}),
    );
}

fn delete(aws: &LocalAws, now: bool) {
    let input = if now {
        json!({"SecretId": SOURCE, "ForceDeleteWithoutRecovery": true})
    } else {
        json!({"SecretId": SOURCE, "RecoveryWindowInDays": 7})
    };
    call(aws, "DeleteSecret", input);
}

const TROUBLES: [Trouble; 16] = [
    (
        "untagged",
        untag,
        "wrong-host",
        "has no tag that says which host it is for",
    ),
    (
        "tagged for another",
        |aws| tag(aws, UPSTREAM, "ghcr.io"),
        "wrong-host",
        "is for ghcr.io",
    ),
    (
        "an owner's",
        |aws| tag(aws, "ecr-pull-through-sync:owner", "other"),
        "source",
        "the tag of an owner, \"other\"",
    ),
    (
        "ours",
        |aws| tag(aws, "ecr-pull-through-sync:owner", "stack"),
        "source",
        "the tag of an owner, \"stack\"",
    ),
    (
        "gone",
        |aws| delete(aws, true),
        "source",
        "is not there in this account and Region",
    ),
    (
        "on its way out",
        |aws| delete(aws, false),
        "source",
        "restore-secret --secret-id team/gitlab",
    ),
    (
        "no JSON",
        |aws| put_source(aws, "canary-plain"),
        "source",
        "is not JSON with keys and values",
    ),
    (
        "a list",
        |aws| put_source(aws, r#"["canary"]"#),
        "source",
        "is not JSON with keys and values",
    ),
    (
        "without the key",
        |aws| put_source(aws, r#"{"accessToken":"canary"}"#),
        "source",
        "has no key \"token\"",
    ),
    (
        "the key twice",
        |aws| put_source(aws, r#"{"token":"canary","token":"b"}"#),
        "source",
        "the key \"token\" twice",
    ),
    (
        "no text",
        |aws| put_source(aws, r#"{"token":{"canary":1}}"#),
        "source",
        "its key \"token\" holds no text",
    ),
    (
        "an empty text",
        |aws| put_source(aws, r#"{"token":""}"#),
        "source",
        "its key \"token\" is empty",
    ),
    (
        "a line",
        |aws| put_source(aws, "{\"token\":\"canary\\n\"}"),
        "source",
        "begins or ends with a space or a line break",
    ),
    (
        "64 KB",
        |aws| put_source(aws, &json!({"token": "canary-x".repeat(8100)}).to_string()),
        "source",
        "longer than a copy of it could be",
    ),
    (
        "binary",
        |aws| {
            call(
                aws,
                "PutSecretValue",
                json!({"SecretId": SOURCE, "SecretBinary": "Y2FuYXJ5", "ClientRequestToken": token_id()}),
            )
        },
        "source",
        "its value is binary",
    ),
    (
        "deep",
        |aws| {
            put_source(
                aws,
                &format!("{{\"token\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000)),
            )
        },
        "source",
        "its key \"token\" holds no text",
    ),
];

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_a_source_what_serves_goes_on_serving_and_is_proven() {
    for (what, happens, word, says) in TROUBLES {
        let stack = stack().await;
        happens(&stack.aws);
        stack.aws.clear_calls();
        let report = stack.send(scheduled()).await.unwrap();
        let registry = &report.registries["gitlab"];
        let message = registry.message.clone().unwrap_or_default();
        assert_eq!(
            (
                registry.state,
                registry.credential,
                registry.reason.clone(),
                report.outcome
            ),
            (State::Failed, CredentialState::Valid, reason(word), Outcome::Partial),
            "{what}: {report:#?}"
        );
        assert!(message.contains(says) && message.contains(SOURCE), "{what}: {message}");
        assert_eq!(stack.writes(), Vec::<String>::new(), "{what}");
        assert_eq!(held(&stack), both("canary-gitlab-1"), "{what}");
        stack.aws.pull("gitlab/group/image:1").unwrap();
        let plan = stack.manual("plan").await;
        assert_eq!(plan.registries["gitlab"].reason, reason(word), "{what}");
        // Before there is anything that serves, nothing is made.
        let fresh = with_source(&[], "canary-gitlab-1").await;
        happens(&fresh.aws);
        fresh.aws.clear_calls();
        let report = fresh.follow(COPIED).await;
        let registry = &report.registries["gitlab"];
        assert_eq!(
            (registry.state, registry.reason.clone()),
            (State::Failed, reason(word)),
            "{what}"
        );
        assert_eq!(fresh.writes(), Vec::<String>::new(), "{what}");
    }
}

/// A tag that is withdrawn stops the copying, and nothing else.
#[tokio::test(start_paused = true)]
async fn a_source_whose_tag_comes_back_is_followed_again() {
    let stack = stack().await;
    untag(&stack.aws);
    rotate_source(&stack.aws, "canary-gitlab-2");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    let version = stack.version(SOURCE, "AWSCURRENT").unwrap();
    let begins = format!("{SOURCE}, version {version} (Secret Label Updated): not copied; ");
    assert!(report.message.starts_with(&begins), "{}", report.message);
    assert_eq!(held(&stack), both("canary-gitlab-1"));
    tag(&stack.aws, UPSTREAM, HOST);
    is_ready(&stack.send(scheduled()).await.unwrap());
    assert_eq!(held(&stack), both("canary-gitlab-2"));
}

#[tokio::test(start_paused = true)]
async fn a_denied_source_names_the_parameter() {
    let stack = stack().await;
    let deny = |operation: &str, message: &str| {
        let denied = Fault::on("secretsmanager", operation).subject_contains(SOURCE);
        stack
            .aws
            .fault(denied.times(1).error("AccessDeniedException", message, 400));
    };
    let said = "User: x is not authorized to perform: secretsmanager:GetSecretValue";
    for (denies, says) in [
        (
            Some("DescribeSecret"),
            "names team/gitlab in its parameter SourceSecretNames",
        ),
        (
            Some("GetSecretValue"),
            "names team/gitlab in its parameter SourceSecretNames",
        ),
        // Here it is the role that may not use the key.
        (None, "the key alias/team in its parameter SourceKmsKeys"),
    ] {
        match denies {
            Some(operation) => deny(operation, said),
            None => call(
                &stack.aws,
                "UpdateSecret",
                json!({"SecretId": SOURCE, "KmsKeyId": "alias/team"}),
            ),
        }
        // The role lacks what the parameters would give, so what is denied is not looked at here.
        let report = invoke(&stack.app, scheduled()).await.unwrap();
        let registry = &report.registries["gitlab"];
        assert_eq!(
            (registry.state, registry.credential, registry.reason.clone()),
            (State::Failed, CredentialState::Valid, reason("source")),
            "{report:#?}"
        );
        let message = registry.message.as_deref().unwrap();
        assert!(message.contains(says), "{message}");
    }
}

/// What a retry can help fails the invocation, and what serves is proven meanwhile.
#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_read_now_is_tried_again() {
    let stack = stack().await;
    let throttled = Fault::on("secretsmanager", "GetSecretValue").subject_contains(SOURCE);
    stack
        .aws
        .fault(throttled.times(20).error("ThrottlingException", "Rate exceeded", 400));
    let failure = stack.send(scheduled()).await.unwrap_err();
    assert!(failure.to_string().contains("partial"), "{failure}");
    let registry = stack.status().registries["gitlab"].clone();
    assert_eq!(
        (registry.state, registry.credential, registry.reason),
        (
            State::Failed,
            CredentialState::Valid,
            reason("GetSecretValue:ThrottlingException")
        )
    );
    assert_eq!(held(&stack), both("canary-gitlab-1"));
}

/// A secret that the Terraform module made, and that the rule of another registry uses, has the name of one that this file
/// writes.
#[tokio::test(start_paused = true)]
async fn a_secret_that_this_file_writes_is_no_source() {
    let stack = TestStack::with(Options::default(), ALLOWED).await;
    let legacy = "ecr-pullthroughcache/dockerhub2024010112000000000000000a";
    let arn = stack.make_secret(
        legacy,
        &credential("canary-docker-1"),
        tags("registry-1.docker.io registry.gitlab.com"),
    );
    make_rule(&stack.aws, "dockerhub", "registry-1.docker.io", Some(&arn));
    let file = format!(
        "{}gitlab: {{registry: registry.gitlab.com, secret_from: {{secret: {legacy}}}}}\n",
        crate::stack::hub("canary-docker-1")
    );
    let report = stack.follow(&file).await;
    assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
    let gitlab = &report.registries["gitlab"];
    assert_eq!(
        (gitlab.state, gitlab.reason.clone()),
        (State::Failed, reason("source")),
        "{report:#?}"
    );
    assert!(
        gitlab
            .message
            .as_deref()
            .unwrap()
            .contains("a secret that this file writes")
    );
    // In the runs after, it carries our tag.
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.registries["gitlab"].reason, reason("source"), "{report:#?}");
    assert_eq!(stack.rule("gitlab"), None);
}

/// A registry leaves the file whose own secret another one names as its source. It cannot be copied from; nor is it deleted.
#[tokio::test(start_paused = true)]
async fn what_the_file_names_as_a_source_is_not_deleted() {
    let stack = TestStack::with(Options::default(), ALLOWED).await;
    stack
        .follow(&(given("canary-gitlab-1") + "quay: {registry: quay.io}\n"))
        .await;
    let file = format!(
        "quay: {{registry: quay.io}}\nlab: {{registry: registry.gitlab.com, secret_from: {{secret: {OWN}}}}}\n"
    );
    for _ in 0..2 {
        let report = stack.follow(&file).await;
        assert_eq!(report.registries["lab"].reason, reason("source"), "{report:#?}");
        assert!(!stack.is_going(OWN), "{report:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_file_is_rejected_nothing_is_copied_and_the_report_says_so() {
    let stack = stack().await;
    stack.upload("gitlab: {registry: nowhere}\n");
    rotate_source(&stack.aws, "canary-gitlab-2");
    stack.aws.clear_calls();
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Rejected);
    assert!(
        report.message.contains("the secret team/gitlab is not copied"),
        "{}",
        report.message
    );
    assert_eq!(report.registries["gitlab"].credential, CredentialState::Valid);
    assert_eq!(stack.writes(), Vec::<String>::new());
    is_ready(&stack.follow(COPIED).await);
    assert_eq!(held(&stack), both("canary-gitlab-2"));
}

/// A new name for a registry takes its secret along, where the source still holds what is `CONFIGURED` in it.
#[tokio::test(start_paused = true)]
async fn a_new_name_takes_the_copy_along() {
    let stack = stack().await;
    let arn = stack.secret(OWN).unwrap()["ARN"].clone();
    stack.rotate(OWN, "canary-gitlab-2");
    stack.send(scheduled()).await.unwrap();
    let report = stack.follow(&COPIED.replacen("gitlab", "lab", 1)).await;
    assert_eq!(report.registries["lab"].state, State::Ready, "{report:#?}");
    assert_eq!(stack.rule("lab").unwrap()["credentialArn"], arn);
    assert_eq!(held(&stack), ["canary-gitlab-2", "canary-gitlab-1"]);
    assert_eq!(stack.rule("gitlab"), None);
}

#[tokio::test(start_paused = true)]
async fn of_several_registries_the_worst_verdict_is_told() {
    let stack = with_source(&[], "canary-both-1").await;
    tag(&stack.aws, UPSTREAM, "registry.gitlab.com ghcr.io");
    for (host, token) in [(HOST, 1), ("ghcr.io", 1), (HOST, 2), ("ghcr.io", 2), (HOST, 3)] {
        stack
            .aws
            .accept_upstream(host, "acme-bot", &format!("canary-both-{token}"));
    }
    let file = format!(
        "{COPIED}{}",
        COPIED.replacen("gitlab", "ghcr", 1).replace(HOST, "ghcr.io")
    );
    is_ready(&stack.follow(&file).await);
    for (says, token) in [("valid", "canary-both-2"), ("invalid", "canary-both-3")] {
        rotate_source(&stack.aws, token);
        let report = stack.send(stack.newest_rotation()).await.unwrap();
        let says = format!(" (Secret Label Updated): {says}; ");
        assert!(
            report.message.starts_with(SOURCE) && report.message.contains(&says),
            "{}",
            report.message
        );
        is_ready(&report);
    }
}

/// A JSON Web Token that lapses on 2027-03-01. The test's clock stands at 2027-02-01.
const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDM4NTkyMDB9.canary-gitlab-jwt";

#[tokio::test(start_paused = true)]
async fn when_a_copy_lapses_is_told_by_the_token_and_the_sources_tag_while_its_value_is_current() {
    let mut stack = stack().await;
    stack.app.timing.now = || "2027-02-01T12:00:00Z".parse().unwrap();
    stack.aws.accept_upstream(HOST, "acme-bot", JWT);
    let told = |report: &Report| {
        let expires = report.registries["gitlab"].expires.as_ref();
        expires.map(|expires| format!("{} {}", json!(expires.from).as_str().unwrap(), expires.at))
    };
    let expires_at = "ecr-pull-through-sync:expires-at";
    tag(&stack.aws, expires_at, "2027-05-01");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(told(&report).as_deref(), Some("tag 2027-05-01T00:00:00Z"));
    rotate_source(&stack.aws, JWT);
    assert_eq!(
        told(&stack.manual("plan").await).as_deref(),
        Some("token 2027-03-01T00:00:00Z")
    );
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(told(&report).as_deref(), Some("token 2027-03-01T00:00:00Z"));
    assert!(
        messages(&report.warnings).contains("lapses on 2027-03-01"),
        "{:?}",
        report.warnings
    );
    // Somebody's rotation of our own secret: what the source says is not of that.
    stack.rotate(OWN, "canary-gitlab-2");
    assert_eq!(told(&stack.send(stack.newest_rotation()).await.unwrap()), None);
    let own = json!({"SecretId": OWN, "Tags": [{"Key": expires_at, "Value": "2027-06-01"}]});
    call(&stack.aws, "TagResource", own);
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(told(&report).as_deref(), Some("tag 2027-06-01T00:00:00Z"));
    tag(&stack.aws, expires_at, "soon");
    let report = stack.send(scheduled()).await.unwrap();
    let warned = messages(&report.warnings);
    assert!(warned.contains("of the secret team/gitlab is no date"), "{warned}");
}

/// The upstream quotes what it was given, and so does AWS.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_quoted_is_not_repeated() {
    let stack = stack().await;
    rotate_source(&stack.aws, "canary-gitlab-2");
    stack
        .aws
        .upstream_says(HOST, Some("denied: acme-bot may not use canary-gitlab-2"));
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
}

/// A plan that was looked at is that of one version of the source.
#[tokio::test(start_paused = true)]
async fn the_checksum_of_a_plan_holds_for_the_version_that_it_shows() {
    let stack = stack().await;
    rotate_source(&stack.aws, "canary-gitlab-2");
    let sum = stack.manual("plan").await.plan_checksum.unwrap();
    rotate_source(&stack.aws, "canary-gitlab-3");
    let apply = |sum: &str| json!({"action": "apply", "plan_checksum": sum});
    stack.aws.clear_calls();
    let report = stack.send(apply(&sum)).await.unwrap();
    assert!(report.message.starts_with("refused"), "{}", report.message);
    assert_eq!(stack.writes(), Vec::<String>::new());
    let sum = report.plan_checksum.unwrap();
    is_ready(&stack.send(apply(&sum)).await.unwrap());
    assert_eq!(held(&stack), both("canary-gitlab-3"));
}

/// A newer file stops the run, be it from a source to a value or back.
#[tokio::test(start_paused = true)]
async fn a_newer_file_wins_over_a_copy_under_way() {
    for (operation, n) in CALLS
        .into_iter()
        .flat_map(|(operation, most)| (1..=most).map(move |n| (operation, n)))
    {
        let stack = stack().await;
        rotate_source(&stack.aws, "canary-gitlab-2");
        let event = stack.newest_rotation();
        stack.aws.before("secretsmanager", operation, n, |aws| {
            aws.advance(std::time::Duration::from_secs(1));
            aws.put_object(BUCKET, KEY, given("canary-gitlab-3"));
            another_invocation(aws, ALLOWED, uploaded()).unwrap();
        });
        let report = stack.send(event).await.unwrap();
        let file = stack.aws.object(BUCKET, KEY).unwrap();
        if file == given("canary-gitlab-3").into_bytes() {
            assert_eq!(held(&stack), both("canary-gitlab-3"), "{operation} {n}: {report:#?}");
        }
    }
}

/// At the quota a new name whose copy was refused waits for news, and another value of the source is news.
#[tokio::test(start_paused = true)]
async fn at_the_quota_a_refused_copy_is_tried_again_when_the_source_changes() {
    let stack = with_source(&[], "canary-gitlab-wrong").await;
    stack.follow(&given("canary-gitlab-1")).await;
    crate::quota::fill(&stack.aws);
    let report = stack.follow(&COPIED.replacen("gitlab", "lab", 1)).await;
    assert_eq!(report.registries["lab"].reason, reason("refused"), "{report:#?}");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        (report.registries["lab"].state, report.registries["lab"].reason.clone()),
        (State::Held, reason("quota")),
        "{report:#?}"
    );
    stack.aws.pull("gitlab/group/image:1").unwrap();
    rotate_source(&stack.aws, "canary-gitlab-2");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(report.registries["lab"].state, State::Ready, "{report:#?}");
    assert_eq!(stack.rule("gitlab"), None);
}

/// A copy that was put back, and then a source that cannot be copied: what is said of the credential is of what serves.
#[tokio::test(start_paused = true)]
async fn after_a_refusal_a_source_in_trouble_says_its_own_reason() {
    let stack = stack().await;
    rotate_source(&stack.aws, "canary-gitlab-wrong");
    stack.send(stack.newest_rotation()).await.unwrap();
    untag(&stack.aws);
    let report = stack.send(scheduled()).await.unwrap();
    let registry = &report.registries["gitlab"];
    assert_eq!(
        (registry.credential, registry.reason.clone()),
        (CredentialState::Valid, reason("wrong-host")),
        "{report:#?}"
    );
}

/// A rotation function that fails leaves the source as it was.
#[tokio::test(start_paused = true)]
async fn a_failed_rotation_of_the_source_is_told() {
    let stack = stack().await;
    let detail = json!({
        "eventName": "RotationFailed", "errorMessage": "the rotation function timed out",
        "additionalEventData": {"SecretId": SOURCE},
    });
    let report = stack.send(cloudtrail("Service Event", &detail)).await.unwrap();
    assert!(
        report.message.starts_with(&format!("{SOURCE}, version ")),
        "{}",
        report.message
    );
    let warning = report
        .warnings
        .iter()
        .find(|warning| warning.code == config::Code::ROTATION_FAILED);
    assert_eq!(warning.unwrap().registry.as_deref(), Some("gitlab"), "{report:#?}");
}

/// A source under a customer key is read where the stack names the key.
#[tokio::test(start_paused = true)]
async fn a_source_under_a_customer_key_that_the_stack_names_is_copied() {
    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let stack = with_source(&[("SOURCE_KMS_KEYS", KEY)], "canary-gitlab-1").await;
    call(&stack.aws, "UpdateSecret", json!({"SecretId": SOURCE, "KmsKeyId": KEY}));
    let report = stack.follow(COPIED).await;
    assert_eq!(
        report.registries["gitlab"].credential,
        CredentialState::Valid,
        "{report:#?}"
    );
    assert_eq!(stack.token(OWN, "AWSCURRENT").as_deref(), Some("canary-gitlab-1"));
}
