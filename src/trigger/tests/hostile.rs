//! Whatever is sent, there is an answer that is fit for a log.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn hostile_text_is_bounded_and_escaped() {
    let evil = format!("a\n\u{1b}[31m\u{202e}{}", "x".repeat(10_000));
    let texts = [
        reason(&put(&evil, &evil)),
        reason(&object_created("my-registries", &evil)),
        reason(&api_call("PutSecretValue", &json!({"secretId": evil}), &Value::Null)),
        reason(&api_call(&evil, &Value::Null, &Value::Null)),
        trigger(&put("my-registries", "x")).source,
        error(&json!({"action": evil})),
        error(&json!({"action": "plan", evil.clone(): 1})),
        error(&json!({evil.clone(): 1})),
        error(&json!({"Step": evil, "SecretId": evil})),
        error(&json!({"RequestType": evil})),
        error(&json!({"source": evil, "detail-type": evil})),
        error(&json!({"Records": [{"eventSource": evil}]})),
        error(&json!({"Records": [{"eventSource": "aws:s3", "s3": evil}]})),
        error(&json!({"Records": [{"eventSource": "aws:sqs", "eventSourceARN": evil, "body": evil}]})),
    ];
    for text in texts {
        assert!(text.chars().count() < 1200, "{} characters", text.chars().count());
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

/// The words that lead into every branch, so that random JSON gets further than the first look.
fn word() -> impl Strategy<Value = String> {
    const WORDS: [&str; 40] = [
        "Records",
        "eventSource",
        "EventSource",
        "aws:s3",
        "aws:sqs",
        "aws:sns",
        "body",
        "Sns",
        "Message",
        "TopicArn",
        "s3",
        "bucket",
        "object",
        "name",
        "key",
        "eventName",
        "ObjectCreated:Put",
        "my-registries",
        "Event",
        "s3:TestEvent",
        "source",
        "detail-type",
        "detail",
        "resources",
        "aws.secretsmanager",
        "Secret Label Updated",
        "AWS API Call via CloudTrail",
        "AWS Service Event via CloudTrail",
        "PutSecretValue",
        "RotationFailed",
        "requestParameters",
        "secretId",
        "arn:aws:secretsmanager:::secret:ecr-pullthroughcache/é-aaaaaa",
        "labelUpdated",
        "AWSCURRENT",
        "action",
        "max_deletions",
        "Step",
        "work",
        "{\"Records\":[]}",
    ];
    prop_oneof![4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned), 1 => any::<String>()]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever is sent, wrapped or not, there is an answer, and no control character in it.
    #[test]
    fn no_json_makes_it_panic(event in any_json()) {
        for event in [in_queue(&event.to_string()), from_topic(&event.to_string()), event] {
            let text = match classify(&event, &CONTEXT) {
                Ok(trigger) => format!("{} {}", trigger.source, match trigger.job {
                    Job::Ignore(reason) => reason,
                    Job::Secret(change) => format!("{}{}{:?}", change.name, change.event, change.version_id),
                    Job::Run { .. } | Job::Work(_) | Job::PullFailures(_) => String::new(),
                }),
                Err(error) => error.to_string(),
            };
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }

    /// An upload of our file is seen under every spelling of its key that decodes to it.
    #[test]
    fn any_encoding_of_our_key_is_ours(plain in prop::collection::vec(any::<bool>(), 64)) {
        let encoded: String = CONTEXT.key.bytes().zip(plain).map(|(byte, plain)| match byte {
            b' ' if plain => "+".to_owned(),
            byte if plain && byte != b'+' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        }).collect();
        prop_assert_eq!(job(&put("my-registries", &encoded)), Job::APPLY);
    }
}
