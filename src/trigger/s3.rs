//! What S3 says: notifications in its own form and in EventBridge's, and the test event.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use aws_lambda_events::event::s3::S3Entity;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FunctionContext, Job, Kind, Trigger, UnknownEvent, shown, source_name};

/// The `Event` of the message S3 sends to a queue or topic when a notification is configured.
/// (S3 user guide, "Event message structure".)
pub(super) const TEST_EVENT: &str = "s3:TestEvent";

/// The `detail-type` of an upload. (S3 user guide, "Using EventBridge": one type for every way an object is created.)
const OBJECT_CREATED: &str = "Object Created";

/// One record of a direct notification.
///
/// `S3EventRecord` of the events crate demands `eventTime`, `userIdentity` and more that the function has no use for, so
/// the record is our own and only its `s3` part is the crate's. The version is not looked at either: S3 has gone from
/// 2.0 to 2.6 by adding fields, and the two that are used have never moved.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName", default)]
    event_name: String,
    s3: S3Entity,
}

/// The `detail` of the EventBridge form.
#[derive(Deserialize, Serialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize, Serialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize, Serialize)]
struct Object {
    key: String,
}

/// A record whose `eventSource` is `aws:s3`.
pub(super) fn from_record(record: &Value, place: &FunctionContext<'_>, via: &str) -> Result<Trigger, UnknownEvent> {
    let malformed = |why: String| UnknownEvent::Malformed {
        what: "an S3 notification",
        why,
    };
    let record = Record::deserialize(record).map_err(|error| malformed(shown(&error.to_string())))?;
    let bucket = record
        .s3
        .bucket
        .name
        .ok_or_else(|| malformed("s3.bucket.name is missing".to_owned()))?;
    let key = record
        .s3
        .object
        .key
        .ok_or_else(|| malformed("s3.object.key is missing".to_owned()))?;
    // "ObjectCreated:Put" in records, "s3:ObjectCreated:Put" in configurations and hand-made events.
    let name = record.event_name.trim_start_matches("s3:");
    let job = if name.starts_with("ObjectCreated:") {
        created(&bucket, &form_decoded(&key), place)
    } else {
        not_an_upload(name, &bucket)
    };
    Ok(Trigger {
        kind: Kind::S3Upload,
        source: source_name(via, "s3"),
        job,
    })
}

/// An EventBridge event from `aws.s3`. Its keys are plain: decoding them would corrupt a `+` or `%` in a key.
pub(super) fn from_eventbridge(
    event: &Value,
    detail_type: &str,
    place: &FunctionContext<'_>,
) -> Result<(Kind, Job), UnknownEvent> {
    if detail_type != OBJECT_CREATED {
        let bucket = event.pointer("/detail/bucket/name").and_then(Value::as_str);
        return Ok((Kind::S3Upload, not_an_upload(detail_type, bucket.unwrap_or("?"))));
    }
    let event = EventBridgeEvent::<Detail>::deserialize(event).map_err(|error| UnknownEvent::Malformed {
        what: "an S3 \"Object Created\" event",
        why: shown(&error.to_string()),
    })?;
    let Detail { bucket, object } = event.detail;
    Ok((Kind::S3Upload, created(&bucket.name, &object.key, place)))
}

/// The test event: S3 may reach the function, and that is all it says.
pub(super) fn test_event(via: &str) -> Trigger {
    Trigger {
        kind: Kind::S3Upload,
        source: source_name(via, "s3"),
        job: Job::Ignore("S3's test event: the notification is wired up, nothing was uploaded.".to_owned()),
    }
}

/// An object was created: is it our file?
fn created(bucket: &str, key: &str, place: &FunctionContext<'_>) -> Job {
    if bucket != place.bucket {
        let (theirs, ours) = (shown(bucket), shown(place.bucket));
        return Job::Ignore(format!(
            "The event is about the bucket {theirs}, and the file is in {ours}."
        ));
    }
    if key == place.key {
        return Job::APPLY;
    }
    let shown_key = shown(key);
    if !place.status_prefix.is_empty() && key.starts_with(place.status_prefix) {
        return Job::Ignore(format!(
            "{shown_key} is a status object, which this function writes itself."
        ));
    }
    Job::Ignore(format!(
        "The event is about the object {shown_key}, and the file is {}.",
        shown(place.key)
    ))
}

/// A deletion, an expiry, a restore, new tags: none of them is a new file, and a deleted file deletes nothing.
fn not_an_upload(name: &str, bucket: &str) -> Job {
    let (name, bucket) = (shown(name), shown(bucket));
    Job::Ignore(format!(
        "\"{name}\" in the bucket {bucket} is not an upload, and only an upload changes what is wanted."
    ))
}

/// A key as S3 writes it into notifications, back to what it is: `application/x-www-form-urlencoded`, so a space is a
/// `+` and a plus is `%2B`. (S3 user guide, "Event message structure".) Hand-made events write a space as `%20`, which
/// reads the same.
fn form_decoded(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
