//! What each event means, in tables. The samples under `events/` have a test of their own; here are the finer cases.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod hostile;
mod secrets;

use serde_json::{Value, json};

use super::*;

const CONTEXT: FunctionContext<'static> = FunctionContext {
    bucket: "my-registries",
    key: "eu/my registries+v1.yaml",
    status_prefix: "status/",
    work_queue: "",
    account: "123456789012",
    region: "eu-west-1",
    partition: "aws",
};

fn trigger(event: &Value) -> Trigger {
    classify(event, &CONTEXT).unwrap_or_else(|error| panic!("{event}: {error}"))
}

fn job(event: &Value) -> Job {
    trigger(event).job
}

fn reason(event: &Value) -> String {
    match job(event) {
        Job::Ignore(reason) => reason,
        other => panic!("{event} was not ignored: {other:?}"),
    }
}

fn error(event: &Value) -> String {
    match classify(event, &CONTEXT) {
        Err(error) => error.to_string(),
        Ok(trigger) => panic!("{event} was placed: {trigger:?}"),
    }
}

fn change(event: &Value) -> SecretChange {
    match job(event) {
        Job::Secret(change) => change,
        other => panic!("{event} is about no secret: {other:?}"),
    }
}

fn put(bucket: &str, key: &str) -> Value {
    let object = json!({"bucket": {"name": bucket}, "object": {"key": key}});
    json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": object}]})
}

fn object_created(bucket: &str, key: &str) -> Value {
    let detail = json!({"bucket": {"name": bucket}, "object": {"key": key}});
    json!({"source": "aws.s3", "detail-type": "Object Created", "detail": detail})
}

fn in_queue(body: &str) -> Value {
    json!({"Records": [message(body)]})
}

fn message(body: &str) -> Value {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:uploads";
    json!({"eventSource": "aws:sqs", "eventSourceARN": arn, "body": body})
}

fn from_topic(message: &str) -> Value {
    let arn = "arn:aws:sns:eu-west-1:123456789012:news";
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": arn, "Message": message}}]})
}

fn api_call(name: &str, request: &Value, response: &Value) -> Value {
    let detail = json!({"eventName": name, "requestParameters": request, "responseElements": response});
    json!({
        "source": "aws.secretsmanager", "detail-type": "AWS API Call via CloudTrail", "resources": [],
        "account": "123456789012", "region": "eu-west-1", "detail": detail,
    })
}

fn arn(resource: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:{resource}")
}

fn batch(events: &[Value]) -> Value {
    let records = events
        .iter()
        .flat_map(|event| event["Records"].as_array().unwrap().clone());
    json!({"Records": records.collect::<Vec<_>>()})
}

#[test]
fn keys_are_decoded_in_the_direct_form_only() {
    for (key, ours) in [
        ("eu/my+registries%2Bv1.yaml", true),   // what S3 sends
        ("eu/my%20registries%2bv1.yaml", true), // what people write
        ("eu%2Fmy+registries%2Bv1.yaml", true),
        ("eu/my registries%2Bv1.yaml", true),
        ("eu/my registries+v1.yaml", false), // a plus is a space
        ("eu/my+registries%252Bv1.yaml", false),
        ("eu/my+registries%2Bv1.yaml%", false),
        ("eu/my+registries%ff", false),
        ("", false),
    ] {
        assert_eq!(job(&put("my-registries", key)) == Job::APPLY, ours, "{key}");
    }
    for (key, ours) in [
        ("eu/my registries+v1.yaml", true),
        ("eu/my+registries%2Bv1.yaml", false),
        ("eu/my%20registries+v1.yaml", false),
        ("Eu/my registries+v1.yaml", false),
    ] {
        assert_eq!(job(&object_created("my-registries", key)) == Job::APPLY, ours, "{key}");
    }
}

#[test]
fn what_is_ignored_says_why() {
    let with_name = |name: &str| {
        let mut event = put("my-registries", "eu/my+registries%2Bv1.yaml");
        event["Records"][0]["eventName"] = name.into();
        event
    };
    for (event, words) in [
        (put("other", "eu/my+registries%2Bv1.yaml"), "bucket other"),
        (put("my-registries", "other.yaml"), "object other.yaml"),
        (put("my-registries", "status/x.json"), "status object"),
        (object_created("other", "x"), "bucket other"),
        (
            with_name("ObjectRemoved:Delete"),
            "\"ObjectRemoved:Delete\" in the bucket my-registries",
        ),
        (with_name("LifecycleExpiration:Delete"), "is not an upload"),
        (with_name(""), "is not an upload"),
        (json!({"Event": "s3:TestEvent"}), "test event"),
        (
            json!({"source": "aws.s3", "detail-type": "Object Deleted"}),
            "not an upload",
        ),
        (
            json!({"source": "aws.secretsmanager", "detail-type": "New Thing"}),
            "\"New Thing\"",
        ),
        (
            api_call("DeleteSecret", &json!({"secretId": "x"}), &Value::Null),
            "\"DeleteSecret\"",
        ),
        (
            api_call("PutSecretValue", &json!({"secretId": "no name"}), &Value::Null),
            "no name is no name of a secret",
        ),
    ] {
        let reason = reason(&event);
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn wrappers_are_opened_two_deep() {
    let upload = put("my-registries", "eu/my+registries%2Bv1.yaml").to_string();
    let created = object_created("my-registries", CONTEXT.key).to_string();
    let topic_message = |message: &str| json!({"TopicArn": "arn:aws:sns:a:b:news", "Message": message}).to_string();
    for (event, source) in [
        (in_queue(&upload), "sqs:uploads"),
        (in_queue(&created), "sqs:uploads"),
        (from_topic(&upload), "sns:news"),
        (from_topic(&created), "sns:news"),
        (in_queue(&topic_message(&upload)), "sqs:uploads"),
        (in_queue(&topic_message(&created)), "sqs:uploads"),
    ] {
        let trigger = trigger(&event);
        assert_eq!((trigger.source.as_str(), trigger.job), (source, Job::APPLY), "{event}");
    }
    let mut nested = upload;
    for _ in 0..5 {
        nested = in_queue(&nested).to_string();
    }
    assert!(error(&serde_json::from_str(&nested).unwrap()).contains("holds no event"));
}

#[test]
fn a_message_of_the_own_queue_is_work() {
    let whole = trigger(&in_queue(r#"{"work": {}}"#));
    assert_eq!((whole.kind, whole.job), (Kind::Work, Job::APPLY));
    let batch = r#"{"work": {"id": "r", "part": 3, "registry": "hub", "repositories": ["hub/a"]}}"#;
    let two = trigger(&json!({"Records": [message(batch), message(r#"{"work": {"after": "x"}, "more": 1}"#)]}));
    let Job::Work(messages) = two.job else {
        panic!("{two:?}")
    };
    assert_eq!(messages[0].batch.as_ref().map(|batch| batch.part), Ok(3));
    assert_eq!((messages[0].body.as_str(), messages[0].receive_count), (batch, 1));
    assert!(
        messages[1]
            .batch
            .as_ref()
            .is_err_and(|refusal| refusal.to_string().contains("`after`"))
    );
    for body in ["{}", "[]", "null", "7", r#"{"action": "apply"}"#] {
        assert!(error(&in_queue(body)).contains("no work"), "{body}");
    }
    assert!(error(&in_queue("{")).contains("sqs:uploads is not JSON"));
    assert!(error(&from_topic("hello")).contains("sns:news is not JSON"));
}

#[test]
fn a_batch_is_ours_if_any_of_its_records_is() {
    let ours = put("my-registries", "eu/my+registries%2Bv1.yaml");
    let other = put("other", "x");
    let label = |name: &str| {
        let detail = json!({"name": name, "labelUpdated": "AWSCURRENT"});
        let event = json!({"source": "aws.secretsmanager", "detail-type": "Secret Label Updated", "detail": detail});
        in_queue(&event.to_string())
    };
    let (one, two) = (label("ecr-pullthroughcache/one"), label("ecr-pullthroughcache/two"));
    let broken = in_queue("{");
    for events in [
        vec![&ours, &other],
        vec![&other, &ours],
        vec![&broken, &ours],
        vec![&one, &ours],
        vec![&one, &two],
    ] {
        let events: Vec<Value> = events.into_iter().cloned().collect();
        assert_eq!(job(&batch(&events)), Job::APPLY, "{events:?}");
    }
    assert!(matches!(
        job(&batch(&[other.clone(), one.clone(), broken.clone()])),
        Job::Secret(_)
    ));
    assert!(
        matches!(job(&batch(&[one.clone(), one])), Job::Secret(_)),
        "a duplicate is no second secret"
    );
    assert!(error(&batch(&[other.clone(), broken])).contains("not JSON"));
    assert!(matches!(job(&batch(&[other.clone(), other])), Job::Ignore(_)));
}

#[test]
fn manual_calls_are_strict() {
    let run = |mode, max_deletions| Job::Run {
        mode,
        max_deletions,
        plan_checksum: None,
    };
    let sum = "0123456789abcdef".repeat(4);
    let exact = Job::Run {
        mode: Mode::Apply,
        max_deletions: None,
        plan_checksum: Some(sum.clone()),
    };
    for (event, expected) in [
        (json!({}), run(Mode::Plan, None)),
        (json!({"max_deletions": 0}), run(Mode::Plan, Some(0))),
        (json!({"action": "plan"}), run(Mode::Plan, None)),
        (json!({"action": "validate"}), run(Mode::Validate, None)),
        (
            json!({"action": "apply", "max_deletions": 7}),
            run(Mode::Apply, Some(7)),
        ),
        (
            json!({"action": "apply", "max_deletions": u64::MAX}),
            run(Mode::Apply, Some(u32::MAX)),
        ),
        (json!({"action": "apply", "plan_checksum": sum}), exact),
    ] {
        let trigger = trigger(&event);
        assert_eq!(
            (trigger.kind, trigger.source.as_str(), trigger.job),
            (Kind::Manual, "invoke", expected),
            "{event}"
        );
    }
    for (event, words) in [
        (
            json!({"action": "aply"}),
            "unknown action \"aply\": did you mean \"apply\"?",
        ),
        (
            json!({"action": "Apply"}),
            "unknown action \"Apply\": did you mean \"apply\"?",
        ),
        (
            json!({"action": "destroy"}),
            "unknown action \"destroy\": the actions are apply, plan and validate",
        ),
        (json!({"action": null}), "\"action\" must be a string, not null"),
        (json!({"action": ["apply"]}), "\"action\" must be a string, not a list"),
        (
            json!({"acton": "apply"}),
            "unknown key \"acton\": did you mean \"action\"?",
        ),
        (
            json!({"action": "apply", "max-deletions": 1}),
            "unknown key \"max-deletions\": did you mean \"max_deletions\"?",
        ),
        (
            json!({"action": "apply", "force": true}),
            "unknown key \"force\": the keys are action, max_deletions, plan_checksum",
        ),
        (
            json!({"max_deletions": -1}),
            "must be a whole number, 0 or more, not -1",
        ),
        (
            json!({"max_deletions": 1.5}),
            "must be a whole number, 0 or more, not 1.5",
        ),
        (
            json!({"max_deletions": "3"}),
            "must be a whole number, 0 or more, not a string",
        ),
        (
            json!({"plan_checksum": sum}),
            "goes with \"action\": \"apply\", not with plan",
        ),
        (
            json!({"action": "apply", "plan_checksum": &sum[1..]}),
            "must be the 64 characters 0-9a-f",
        ),
        (
            json!({"action": "apply", "plan_checksum": 1}),
            "must be the 64 characters 0-9a-f",
        ),
        (json!({"action": "apply", "checksum": sum}), "unknown key \"checksum\""),
    ] {
        let error = error(&event);
        assert!(error.contains(words), "{error}");
        assert!(error.contains("{} means plan"), "{error}");
    }
}

#[test]
fn what_cannot_be_placed_is_told_what_can() {
    for (event, words) in [
        (Value::Null, "the event is null"),
        (json!([1]), "the event is a list"),
        (json!("x"), "the event is a string"),
        (json!({"a": 1, "b": 2}), "an object with the keys a, b"),
        (json!({"Records": []}), "Records is empty"),
        (json!({"Records": 7}), "Records is a number"),
        (json!({"Records": [7]}), "without an eventSource"),
        (
            json!({"Records": [{"eventSource": "aws:kinesis"}]}),
            "a record from aws:kinesis",
        ),
        (json!({"Records": [{"eventSource": "aws:s3"}]}), "missing field `s3`"),
        (json!({"Records": [{"EventSource": "aws:sns"}]}), "Sns is missing"),
        (
            json!({"source": "aws.s3", "detail-type": "Object Created"}),
            "missing field `detail`",
        ),
        (
            json!({"source": "aws.events", "detail-type": "Else"}),
            "\"Else\" from aws.events",
        ),
        (
            json!({"source": "aws.secretsmanager", "detail-type": "Secret Label Updated"}),
            "cannot be read",
        ),
        (
            json!({"RequestType": "Delete"}),
            "CloudFormation custom resource (RequestType Delete)",
        ),
    ] {
        let error = error(&event);
        assert!(error.contains(words), "{error}");
        for kind in ["s3-upload", "secret-rotation", "schedule", "work", "manual"] {
            assert!(error.contains(kind), "{kind} is not named: {error}");
        }
    }
    let step = json!({"Step": "finishSecret", "SecretId": "x", "ClientRequestToken": "y"});
    assert!(error(&step).contains("not a rotation function: it was called with the rotation step finishSecret"));
}

#[test]
fn kinds_and_modes_serialise_as_they_are_named() {
    for kind in [
        Kind::S3Upload,
        Kind::SecretRotation,
        Kind::Schedule,
        Kind::Work,
        Kind::Manual,
    ] {
        assert_eq!(json!(kind), json!(kind.as_str()));
    }
    for mode in [Mode::Apply, Mode::Plan, Mode::Validate] {
        assert_eq!(json!(mode), json!(mode.as_str()));
    }
}
