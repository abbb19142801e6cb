//! Any event the function may be called with, read into one [`Trigger`].
//!
//! An event only ever says "look again": which object version it speaks of, in which order it came and how often
//! does not matter, since the run always reads the newest file. So what is decided here is small: is the event about
//! our file, one of our secrets or our clock ([`Job::Run`], [`Job::Secret`]), about something else ([`Job::Ignore`],
//! with the reason), or nothing this function knows ([`UnknownEvent`])?
//!
//! Each family of events has a file of its own: S3, secrets, pulls, schedules, queues and topics (which carry the
//! others), and the calls people make by hand.

mod manual;
mod pull;
mod queue;
mod s3;
mod schedule;
mod secret;
mod secret_id;
#[cfg(test)]
mod tests;
mod work;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use pull::PullFailure;
pub use secret::SecretChange;
pub use work::{Refusal, WorkBatch, WorkMessage};

/// What the function knows about itself, to tell its own events from others.
///
/// An empty `account`, `region` or `partition` is one that is not known; it then keeps no secret out.
#[derive(Debug, Clone, Copy)]
pub struct FunctionContext<'a> {
    /// `CONFIG_BUCKET`.
    pub bucket: &'a str,
    /// `CONFIG_KEY`, as it is: not encoded.
    pub key: &'a str,
    /// `STATUS_PREFIX`: objects under it are written by the function itself.
    pub status_prefix: &'a str,
    /// The name of the function's own queue, from `WORK_QUEUE_URL`; empty where there is none.
    pub work_queue: &'a str,
    /// The function's account, from its ARN.
    pub account: &'a str,
    /// The function's region, from its ARN.
    pub region: &'a str,
    /// The function's partition (`aws`, `aws-cn`, …), from its ARN.
    pub partition: &'a str,
}

/// What an event asks for, and who asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Which of the known kinds of event it was.
    pub kind: Kind,
    /// Where it came from, in a few words: `eventbridge:aws.s3`, `s3`, `sqs:<queue>`, `sns:<topic>`, `invoke`.
    /// Bounded and free of control characters.
    pub source: String,
    /// What to do about it.
    pub job: Job,
}

/// The kinds of events that belong to the job (`trigger.kind` of the report).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something happened to an object in S3.
    S3Upload,
    /// Something happened to a secret.
    SecretRotation,
    /// A pull through the cache failed.
    PullFailure,
    /// The clock.
    Schedule,
    /// A message of the function's own queue.
    Work,
    /// A person, or a pipeline, called the function.
    Manual,
}

impl Kind {
    /// The name the report uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3Upload => "s3-upload",
            Self::SecretRotation => "secret-rotation",
            Self::PullFailure => "pull-failure",
            Self::Schedule => "schedule",
            Self::Work => "work",
            Self::Manual => "manual",
        }
    }
}

/// What a trigger asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Job {
    /// A run over the whole file.
    Run {
        /// What the run may do.
        mode: Mode,
        /// The manual action's `max_deletions`; every other event leaves the limit to file and settings.
        max_deletions: Option<u32>,
        /// The manual action's `plan_checksum`: the only plan that may be applied.
        plan_checksum: Option<String>,
    },
    /// A secret has, or may have, a new current value: reapply and prove it.
    Secret(SecretChange),
    /// Pulls through the cache failed: the status is to tell of it.
    PullFailures(Vec<PullFailure>),
    /// The function's own messages: some repositories are still to be looked at.
    Work(Vec<WorkMessage>),
    /// Not ours. The sentence says why.
    Ignore(String),
}

impl Job {
    /// The run every event but a manual one asks for.
    const APPLY: Self = Self::Run {
        mode: Mode::Apply,
        max_deletions: None,
        plan_checksum: None,
    };
}

/// What a run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Make the account follow the file.
    Apply,
    /// Show what would be done; write nothing.
    Plan,
    /// Like plan, and have ECR prove every credential.
    Validate,
}

impl Mode {
    /// The name the report and the manual action use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Plan => "plan",
            Self::Validate => "validate",
        }
    }
}

/// The events the function knows, for people who sent another.
const KNOWN: &str = "it knows s3-upload (S3 notifications, direct or through SQS, SNS or EventBridge), \
     secret-rotation (\"Secret Label Updated\" and the CloudTrail events of Secrets Manager), \
     pull-failure (\"ECR Pull Through Cache Action\"), \
     schedule (EventBridge rule or Scheduler), work (messages of its own queue) and \
     manual ({\"action\": \"apply\" | \"plan\" | \"validate\", \"max_deletions\": n}; {} means plan)";

/// An event that cannot be placed: the invocation fails with this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownEvent {
    #[error("the event is {found}, not a JSON object; {KNOWN}")]
    NotAnObject {
        /// What it was instead.
        found: &'static str,
    },
    /// An object of no known shape.
    #[error("the event is of no kind this function knows ({what}); {KNOWN}")]
    Unknown {
        /// What could be seen of it.
        what: String,
    },
    /// The right kind, but what the kind must carry is not there or not of its type.
    #[error("the event looks like {what}, but cannot be read: {why}; {KNOWN}")]
    Malformed {
        /// The shape it resembles.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// An SQS or SNS message that does not hold JSON.
    #[error("the message from {source_name} is not JSON ({why}); {KNOWN}")]
    NotJson {
        /// The queue or topic.
        source_name: String,
        /// What the parser said.
        why: String,
    },
    /// A call by hand with a mistake in it.
    #[error(
        "{0}; a manual call is {{\"action\": \"apply\" | \"plan\" | \"validate\", \"max_deletions\": n}}, and {{}} means plan"
    )]
    Manual(String),
    /// Secrets Manager called the function to rotate a secret.
    #[error(
        "this function is not a rotation function: it was called with the rotation step {step} for a secret. \
         Point the secret's rotation at a function that makes new credentials; this one follows by itself once the \
         rotation has finished"
    )]
    RotationFunction {
        /// The `Step` of the call.
        step: String,
    },
    /// CloudFormation called the function as a custom resource.
    #[error("this function does not serve as a CloudFormation custom resource (RequestType {request_type}); {KNOWN}")]
    CustomResource {
        /// The `RequestType` of the call.
        request_type: String,
    },
}

/// Reads any event.
///
/// # Errors
/// [`UnknownEvent`] for an event that belongs to no kind the function knows, naming those it does.
pub fn classify(event: &Value, place: &FunctionContext<'_>) -> Result<Trigger, UnknownEvent> {
    let Value::Object(fields) = event else {
        return Err(UnknownEvent::NotAnObject {
            found: json_type(event),
        });
    };
    if let Some(trigger) = carried(event, place, "", 0) {
        return trigger;
    }
    if let (Some(step), true) = (fields.get("Step"), fields.contains_key("SecretId")) {
        let step = shown(step.as_str().unwrap_or("?"));
        return Err(UnknownEvent::RotationFunction { step });
    }
    if let Some(request_type) = fields.get("RequestType") {
        let request_type = shown(request_type.as_str().unwrap_or("?"));
        return Err(UnknownEvent::CustomResource { request_type });
    }
    manual::read(fields)
}

/// Reads the events that come alone or inside a queue's or topic's message: `None` if it is none of them.
///
/// `via` is the queue or topic, empty for an event that came by itself; `depth` counts the wrappers.
fn carried(
    event: &Value,
    place: &FunctionContext<'_>,
    via: &str,
    depth: usize,
) -> Option<Result<Trigger, UnknownEvent>> {
    if let Some(records) = event.get("Records") {
        return Some(queue::read_records(records, place, via, depth));
    }
    if event.get("Event").and_then(Value::as_str) == Some(s3::TEST_EVENT) {
        return Some(Ok(s3::test_event(via)));
    }
    let detail_type = event.get("detail-type")?.as_str()?;
    let source = event.get("source")?.as_str()?;
    let trigger = match (source, detail_type) {
        ("aws.s3", _) => s3::from_eventbridge(event, detail_type, place),
        ("aws.ecr", pull::DETAIL_TYPE) => pull::from_eventbridge(event, place),
        ("aws.secretsmanager", _) => secret::from_eventbridge(event, detail_type, place),
        ("aws.events" | "aws.scheduler", schedule::DETAIL_TYPE) => Ok(schedule::read()),
        _ => {
            let (source, detail_type) = (shown(source), shown(detail_type));
            Err(UnknownEvent::Unknown {
                what: format!("an EventBridge event \"{detail_type}\" from {source}"),
            })
        }
    };
    Some(trigger.map(|(kind, job)| Trigger {
        kind,
        source: source_name(via, &format!("eventbridge:{source}")),
        job,
    }))
}

/// The name of a source: the wrapper an event came through, else the event's own.
fn source_name(via: &str, own: &str) -> String {
    shown(if via.is_empty() { own } else { via })
}

/// The most characters of an event that get into any text.
const SHOWN: usize = 200;

/// Text from an event, made fit for logs and reports: bounded, with control and invisible characters escaped.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for character in text.chars() {
        let escaped: String = if character.is_control() || reorders(character) {
            character.escape_unicode().collect()
        } else {
            character.to_string()
        };
        length += escaped.chars().count();
        if length >= SHOWN {
            out.push('…');
            break;
        }
        out.push_str(&escaped);
    }
    out
}

/// Line separators and the marks that change the direction of text: not control characters to Unicode, but they can
/// forge what a reader of a log sees just as well.
const fn reorders(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// The name of a JSON value's type, with its article.
const fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
