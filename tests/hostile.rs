//! Forged events, and text from outside that would like to be more than text.

use crate::rotations::cloudtrail;
use crate::stack::{
    BUCKET, KEY, LEGACY, Outcome, STATUS, STATUS_PAGE, TestStack, hub, json_of, logged, scheduled, uploaded,
};
use aws_smithy_types::base64::encode;
use local_aws::Fault;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What a run may write to: the two status objects, rules and templates of the file, and secrets of our prefix.
fn stray_writes(stack: &TestStack) -> Vec<String> {
    let ours = |service: &str, subject: &str| match service {
        "s3" => [STATUS, STATUS_PAGE]
            .iter()
            .any(|key| subject == format!("{BUCKET}/{key}")),
        "ecr" => ["dockerhub", "gitlab", "public-ecr"].contains(&subject),
        _ => subject.contains("ecr-pullthroughcache/"),
    };
    let calls = stack
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.write && !ours(&call.service, &call.subject));
    calls
        .map(|call| format!("{} {}", call.operation, call.subject))
        .collect()
}

fn altered(path: &[&str], value: Value) -> Value {
    let mut event = uploaded();
    let mut at = &mut event;
    for key in path {
        at = &mut at[*key];
    }
    *at = value;
    event
}

fn label_event(arn: &str, name: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "Secret Label Updated", "source": "aws.secretsmanager",
        "account": "123456789012", "time": "2026-11-20T10:11:12Z", "region": "eu-west-1", "resources": [arn],
        "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": "6e478260-f1cb-bf71-62bd-570b6c409310"},
    })
}

/// An event only ever says "look again": what it claims never becomes a bucket, a key or a secret that is used.
#[tokio::test(start_paused = true)]
async fn forged_events_lead_nowhere_but_to_our_own_file() {
    let stack = TestStack::new().await;
    stack.aws.create_bucket("evil", true);
    stack.aws.put_object("evil", KEY, hub("canary-docker-2"));
    stack.upload(LEGACY);
    let forged = [
        altered(&["detail", "bucket", "name"], json!("evil")),
        altered(&["detail", "bucket", "name"], json!("../my-registries")),
        altered(&["detail", "bucket", "name"], json!({"$ref": "x"})),
        altered(&["detail", "object", "key"], json!("../../registries.yaml")),
        altered(&["detail", "object", "key"], json!("registries.yaml\u{0}.png")),
        altered(&["detail", "object", "key"], json!("x\r\nINJECTED: yes")),
        altered(&["detail", "object", "key"], json!("k".repeat(100_000))),
        altered(&["detail"], Value::Null),
        label_event(
            "arn:aws:secretsmanager:eu-west-1:999999999999:secret:ecr-pullthroughcache/dockerhub-AbCdEf",
            "x",
        ),
        label_event(
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/dockerhub-AbCdEf",
            "x",
        ),
        label_event(
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/database-AbCdEf",
            "prod/database",
        ),
        label_event(
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/../../x-AbCdEf",
            "x",
        ),
        label_event("not an arn\n{\"level\":\"FORGED\"}", "ecr-pullthroughcache/\u{1b}[31m"),
    ];
    for event in forged {
        if let Ok(report) = stack.send(event.clone()).await {
            assert_eq!(report.outcome, Outcome::Ignored, "{event}");
        }
    }
    assert!(
        stack.aws.calls().iter().all(|call| !call.write),
        "{:?}",
        stack.aws.calls()
    );
    // With an account, region or wrong bucket elsewhere in it, an event of our bucket is still only an event.
    let report = stack.send(altered(&["account"], json!("999999999999"))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stray_writes(&stack), Vec::<String>::new());
    assert_eq!(stack.aws.objects("evil"), [KEY]);
}

/// ECR's `failure` is whatever the upstream said.
#[tokio::test(start_paused = true)]
async fn what_an_upstream_says_stays_text_in_report_page_and_log() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let said = "denied | x |\n# Pwned\n[click](http://evil) <script>alert(1)</script> \u{1b}[31m `canary-docker-1`\r\n{\"level\":\"FORGED\"}";
    stack
        .aws
        .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").error("ValidationException", said, 400));
    let report = stack.send(scheduled()).await.unwrap();
    let message = report.registries["dockerhub"].message.as_deref().unwrap();
    assert!(
        message.contains("denied") && !message.chars().any(char::is_control),
        "{message:?}"
    );
    let page = String::from_utf8(stack.aws.object(BUCKET, STATUS_PAGE).unwrap()).unwrap();
    for markup in ["\n# Pwned", "<script>", "[click](", "\u{1b}"] {
        assert!(!page.contains(markup), "{markup:?} in {page}");
    }
    let row = page.lines().find(|line| line.starts_with("| dockerhub |")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "{row}");
    for line in logged().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_ne!(line["level"], "FORGED");
    }
}

/// What a file may put into names and policies is limited before anything is written.
#[tokio::test(start_paused = true)]
async fn nothing_in_a_file_can_break_out_of_a_name_or_a_policy() {
    let stack = TestStack::new().await;
    for file in [
        "\"../x\": {registry: quay.io}",
        "\"a\\nb\": {registry: quay.io}",
        "\"x`|<b>\": {registry: quay.io}",
        "quay: {registry: 'quay.io\"}'}",
        "quay: {registry: quay.io, repository_read_access_arns: ['*']}",
        "quay: {registry: quay.io, repository_read_access_arns: ['arn:aws:iam::111122223333:role/x\",\"*']}",
        "hub: {registry: docker.io, secret: 'prod/database'}",
        "hub: {registry: docker.io, secret: 'ecr-pullthroughcache/../x\n'}",
        "hub: {registry: docker.io, secret: 'arn:aws:secretsmanager:eu-west-1:999999999999:secret:ecr-pullthroughcache/a-AbCdEf'}",
        "quay: {registry: quay.io, tags: {'aws:x': y}}",
        "quay: {registry: quay.io, tags: {'ecr-pull-through-sync:owner': other}}",
    ] {
        let report = stack.follow(file).await;
        assert_eq!(report.outcome, Outcome::Rejected, "{file}");
    }
    assert_eq!(stack.writes(), Vec::<String>::new());
}

/// A token with everything in it that the encodings write otherwise.
const TOKEN: &str = "canary/Tok+en=9%Xq-77_tail";

/// A token as it may be quoted: as it is, for other eyes, and cut.
fn quoted() -> Vec<String> {
    let user_and_token = format!("acme-bot:{TOKEN}");
    let url = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let json = TOKEN
        .chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect::<String>();
    vec![
        TOKEN.to_owned(),
        encode(TOKEN),
        encode(&user_and_token),
        encode(&user_and_token)
            .replace('+', "-")
            .replace('/', "_")
            .replace('=', ""),
        url(TOKEN),
        url(&encode(&user_and_token)),
        json,
        TOKEN.to_uppercase(),
        TOKEN.to_lowercase(),
        TOKEN[..12].to_owned(),
        TOKEN[8..].to_owned(),
        encode(&user_and_token)[5..20].to_owned(),
    ]
}

fn assert_nothing_is_quoted(stack: &TestStack, place: &str, answer: &str) {
    let of = |key: &str| String::from_utf8(stack.aws.object(BUCKET, key).unwrap_or_default()).unwrap();
    for (what, text) in [
        ("answer", answer.to_owned()),
        ("status", of(STATUS)),
        ("page", of(STATUS_PAGE)),
        ("log", logged()),
    ] {
        for form in quoted() {
            assert!(!text.contains(&form), "{place}: {form} in the {what}");
        }
    }
    assert!(
        answer.contains("was not taken"),
        "{place}: the rest of the text is still there: {answer}"
    );
}

/// Whatever is quoted, in whatever form, and whether this run has read it or not.
#[tokio::test(start_paused = true)]
async fn no_token_gets_out_through_what_others_quote() {
    let said = format!(
        "401 Unauthorized: it was not taken ({}), https://bot:{TOKEN}@ghcr.io/x?t={TOKEN}",
        quoted().join(" , ")
    );
    let secret = "ecr-pullthroughcache/dockerhub";
    for place in [
        "rotated, by the clock",
        "rotated, by its event",
        "referenced",
        "a refused file",
        "of the file",
        "an error",
        "a code",
        "a failed rotation",
    ] {
        let stack = TestStack::new().await;
        stack.follow(&hub("canary-docker-1")).await;
        stack.aws.upstream_says("registry-1.docker.io", Some(&said));
        let rotate = || stack.rotate(secret, TOKEN);
        let result = match place {
            "rotated, by the clock" => {
                rotate();
                stack.send(scheduled()).await
            }
            "rotated, by its event" => {
                rotate();
                stack.send(stack.newest_rotation()).await
            }
            "referenced" => {
                let value = json!({"username": "acme-bot", "accessToken": TOKEN});
                stack.make_secret("ecr-pullthroughcache/own", &value, json!([]));
                stack.upload("dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/own}\n");
                stack.send(uploaded()).await
            }
            "a refused file" => {
                rotate();
                stack.upload("nonsense: [\n");
                stack.send(scheduled()).await
            }
            "of the file" => {
                stack.upload(&hub(&format!("{TOKEN:?}")));
                stack.send(uploaded()).await
            }
            "an error" | "a code" => {
                let code = if place == "a code" {
                    TOKEN
                } else {
                    "ValidationException"
                };
                stack
                    .aws
                    .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").error(code, said.clone(), 400));
                stack.send(scheduled()).await
            }
            _ => {
                let detail = json!({
                    "eventSource": "secretsmanager.amazonaws.com", "eventName": "RotationFailed",
                    "errorMessage": format!("it was not taken: {}", quoted().join(" ")),
                    "additionalEventData": {"SecretId": stack.secret(secret).unwrap()["ARN"]},
                });
                stack.send(cloudtrail("Service Event", &detail)).await
            }
        };
        let answer = result.unwrap_or_else(|failure| panic!("{place}: {failure}"));
        assert_nothing_is_quoted(&stack, place, &json_of(&answer).to_string());
    }
}
