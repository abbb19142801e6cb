//! Lists of records: S3's own, and the messages of SQS and SNS that carry what others sent.
//!
//! A batch is ours if any of its records is: the run looks at everything anyway.

use aws_lambda_events::event::sqs::SqsMessage;
use serde::Deserialize;
use serde_json::Value;

use super::{FunctionContext, Job, Kind, Trigger, UnknownEvent, WorkMessage, carried, json_type, s3, shown};

/// SQS around SNS around the event is as deep as AWS itself wraps. What is deeper was made by hand.
const DEEPEST: usize = 2;

/// A record of SNS, and the same message as an SQS body.
///
/// `SnsMessage` of the events crate demands nine fields (signature, certificate, time) that neither a topic with raw
/// delivery turned half on nor a hand-made event always has, and of which the function uses none.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    #[serde(default)]
    topic_arn: String,
    message: String,
}

/// The value of `Records`.
pub(super) fn read_records(
    records: &Value,
    place: &FunctionContext<'_>,
    via: &str,
    depth: usize,
) -> Result<Trigger, UnknownEvent> {
    let malformed = |why: &str| UnknownEvent::Malformed {
        what: "a list of records",
        why: why.to_owned(),
    };
    let Value::Array(records) = records else {
        return Err(malformed(&format!("Records is {}, not a list", json_type(records))));
    };
    records
        .iter()
        .map(|record| read_record(record, place, via, depth))
        .reduce(together)
        .unwrap_or_else(|| Err(malformed("Records is empty")))
}

/// One record, by what it says it is. (SNS writes its field with a capital.)
fn read_record(record: &Value, place: &FunctionContext<'_>, via: &str, depth: usize) -> Result<Trigger, UnknownEvent> {
    let source = record.get("eventSource").or_else(|| record.get("EventSource"));
    match source.and_then(Value::as_str) {
        Some("aws:s3") => s3::from_record(record, place, via),
        Some("aws:sqs") => from_sqs(record, place, depth),
        Some("aws:sns") => match record.get("Sns") {
            Some(message) => from_sns(message, place, via, depth),
            None => Err(UnknownEvent::Malformed {
                what: "an SNS notification",
                why: "Sns is missing".to_owned(),
            }),
        },
        Some(other) => Err(UnknownEvent::Unknown {
            what: format!("a record from {}", shown(other)),
        }),
        None => Err(UnknownEvent::Unknown {
            what: "a record without an eventSource".to_owned(),
        }),
    }
}

/// A message of a queue: the function's own work, or another event in its body. What makes no sense in the own queue
/// never will: it is put among the dead letters, with the reason.
fn from_sqs(record: &Value, place: &FunctionContext<'_>, depth: usize) -> Result<Trigger, UnknownEvent> {
    let message = SqsMessage::deserialize(record).map_err(|error| UnknownEvent::Malformed {
        what: "an SQS message",
        why: shown(&error.to_string()),
    })?;
    let queue = last_part(message.event_source_arn.as_deref());
    let (via, own) = (format!("sqs:{queue}"), queue == place.work_queue);
    let work = |job| Trigger {
        kind: Kind::Work,
        source: shown(&via),
        job,
    };
    match in_sqs(&message, place, &via, depth, work) {
        Err(unplaceable) if own => {
            let message = WorkMessage::without_sense(message, &unplaceable.to_string());
            Ok(work(Job::Work(vec![message])))
        }
        trigger => trigger,
    }
}

fn in_sqs(
    message: &SqsMessage,
    place: &FunctionContext<'_>,
    via: &str,
    depth: usize,
    trigger: impl Fn(Job) -> Trigger,
) -> Result<Trigger, UnknownEvent> {
    let body = json(message.body.as_deref().unwrap_or_default(), via)?;
    if let Some(work) = body.get("work") {
        // One without any particulars asks for a look at everything, as `{}` does to a person.
        let whole = work.as_object().is_some_and(serde_json::Map::is_empty);
        return Ok(trigger(if whole {
            Job::APPLY
        } else {
            Job::Work(vec![WorkMessage::read(message.clone(), work)])
        }));
    }
    if body.get("TopicArn").is_some() && body.get("Message").is_some() {
        return from_sns(&body, place, via, depth + 1);
    }
    unwrapped(&body, place, via, depth)
}

/// A notification of a topic, from SNS itself or out of a queue that is subscribed to it.
fn from_sns(message: &Value, place: &FunctionContext<'_>, via: &str, depth: usize) -> Result<Trigger, UnknownEvent> {
    let notification = Notification::deserialize(message).map_err(|error| UnknownEvent::Malformed {
        what: "an SNS notification",
        why: shown(&error.to_string()),
    })?;
    let topic = format!("sns:{}", last_part(Some(&notification.topic_arn)));
    let via = if via.is_empty() { topic.as_str() } else { via };
    let body = json(&notification.message, via)?;
    unwrapped(&body, place, via, depth)
}

/// The event that was inside.
fn unwrapped(body: &Value, place: &FunctionContext<'_>, via: &str, depth: usize) -> Result<Trigger, UnknownEvent> {
    let inside = if depth < DEEPEST {
        carried(body, place, via, depth + 1)
    } else {
        None
    };
    inside.unwrap_or_else(|| {
        Err(UnknownEvent::Unknown {
            what: format!(
                "a message from {} that holds no event of S3 or EventBridge and no work",
                shown(via)
            ),
        })
    })
}

fn json(text: &str, via: &str) -> Result<Value, UnknownEvent> {
    serde_json::from_str(text).map_err(|error| UnknownEvent::NotJson {
        source_name: shown(via),
        why: shown(&error.to_string()),
    })
}

/// The name of a queue or topic: what stands last in its ARN.
fn last_part(arn: Option<&str>) -> &str {
    arn.and_then(|arn| arn.rsplit(':').next())
        .filter(|name| !name.is_empty())
        .unwrap_or("?")
}

/// What two records say together. The one that asks for more wins; one that is ours wins over one that cannot be
/// placed (retrying a batch would bring that one back alone), which wins over one to be ignored.
///
/// The function's own messages are worked on one by one, and pulls that failed are told together. Two secrets, or two changes of
/// one, are more than one [`Job::Secret`] can name (the first may be our own write and the second a rotation), as is a secret
/// beside a message: they ask for a run over everything, which proves every credential.
fn together(
    first: Result<Trigger, UnknownEvent>,
    second: Result<Trigger, UnknownEvent>,
) -> Result<Trigger, UnknownEvent> {
    let (mut one, other) = match (first, second) {
        (Ok(one), Ok(other)) => (one, other),
        (first, second) if weight(&second) > weight(&first) => return second,
        (first, _) => return first,
    };
    match (&mut one.job, other.job) {
        (Job::Work(messages), Job::Work(more)) => messages.extend(more),
        (Job::PullFailures(failures), Job::PullFailures(more)) => failures.extend(more),
        (Job::Work(_), Job::Secret(_)) | (Job::Secret(_), Job::Work(_)) => one.job = Job::APPLY,
        (Job::Secret(a), Job::Secret(b)) => {
            if a.name != b.name || a.version_id != b.version_id || a.event != b.event {
                one.job = Job::APPLY;
            }
        }
        (_, job) => {
            let other = Ok(Trigger { job, ..other });
            let one = Ok(one);
            return if weight(&other) > weight(&one) { other } else { one };
        }
    }
    Ok(one)
}

const fn weight(outcome: &Result<Trigger, UnknownEvent>) -> u8 {
    match outcome {
        Ok(Trigger { job, .. }) => match job {
            Job::Run { .. } => 4,
            Job::Secret(_) | Job::Work(_) => 3,
            Job::PullFailures(_) => 2,
            Job::Ignore(_) => 0,
        },
        Err(_) => 1,
    }
}
