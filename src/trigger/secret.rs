//! What Secrets Manager says: its own EventBridge event, and what CloudTrail saw.
//!
//! "Secret Label Updated" is sent for every secret without a trail (Secrets Manager user guide, "Secret event
//! notifications"). The two CloudTrail forms, of API calls and of the service's own rotations, come only in accounts with
//! a trail that logs (EventBridge user guide, "AWS service events delivered via CloudTrail"), late, and often for a
//! change the first has told of already: looking twice does no harm.
//!
//! The `cloudtrail` types of the events crate fail on rotation events (their `userIdentity` has no `type`), and CloudTrail
//! spells the fields that name the secret in several ways, so these are looked up by hand.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::secret_id::{Arn, is_full, is_secret_name, is_version_id, without_suffix};
use super::{FunctionContext, Job, Kind, UnknownEvent, shown};
use crate::mask::mask;

const LABEL_UPDATED: &str = "Secret Label Updated";
const API_CALL: &str = "AWS API Call via CloudTrail";
const SERVICE_EVENT: &str = "AWS Service Event via CloudTrail";
const CURRENT: &str = "AWSCURRENT";

/// A secret whose current value has, or may have, changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretChange {
    /// The secret's name; see [`SecretChange::refers_to`] for the one case where an ARN leaves it in doubt.
    pub name: String,
    /// Its ARN, if the event had one. API calls may name a secret by an ARN without the random suffix.
    pub arn: Option<String>,
    /// The version the event speaks of: a hint for the log, since the run looks at the current one.
    pub version_id: Option<String>,
    /// What `RotationFailed` said; `None` for every other event.
    pub failed: Option<String>,
    /// The event's own name: `Secret Label Updated`, `RotationSucceeded`, `PutSecretValue`, …
    pub event: String,
}

impl SecretChange {
    /// Whether this is about the secret with that name.
    ///
    /// An ARN may be given without its random suffix, and a name may end in a hyphen and six letters, as
    /// `ecr-pullthroughcache/docker-mirror` does. So an ARN can stand for two names: with and without its last seven
    /// characters.
    #[must_use]
    pub fn refers_to(&self, name: &str) -> bool {
        self.name == name
            || self
                .arn
                .as_deref()
                .and_then(Arn::parse)
                .is_some_and(|arn| arn.resource == name)
    }
}

/// The `detail` of the native event.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LabelUpdated {
    #[serde(default)]
    name: String,
    label_updated: String,
    #[serde(default)]
    version_id: Option<String>,
}

/// An EventBridge event from `aws.secretsmanager`.
pub(super) fn from_eventbridge(
    event: &Value,
    detail_type: &str,
    place: &FunctionContext<'_>,
) -> Result<(Kind, Job), UnknownEvent> {
    let job = match detail_type {
        LABEL_UPDATED => label_updated(event, place)?,
        API_CALL => api_call(event, place)?,
        SERVICE_EVENT => service_event(event, place)?,
        other => Job::Ignore(format!(
            "Secrets Manager's event \"{}\" does not tell of a new secret value.",
            shown(other)
        )),
    };
    Ok((Kind::SecretRotation, job))
}

/// A staging label has moved to a new version. Only `AWSCURRENT` is what pulls use.
fn label_updated(event: &Value, place: &FunctionContext<'_>) -> Result<Job, UnknownEvent> {
    let typed = EventBridgeEvent::<LabelUpdated>::deserialize(event).map_err(|error| UnknownEvent::Malformed {
        what: "a \"Secret Label Updated\" event",
        why: shown(&error.to_string()),
    })?;
    let detail = typed.detail;
    if detail.label_updated != CURRENT {
        return Ok(other_label(&detail.label_updated));
    }
    let ids = SecretIds {
        found: vec![
            typed
                .resources
                .as_deref()
                .and_then(<[String]>::first)
                .map(String::as_str),
            Some(detail.name.as_str()),
        ],
        what: "a \"Secret Label Updated\" event",
    };
    ids.change(
        place,
        event,
        About {
            event: LABEL_UPDATED,
            version_id: detail.version_id.as_deref(),
            failed: None,
        },
    )
}

/// A call that may have moved `AWSCURRENT`. One that failed has moved nothing.
fn api_call(event: &Value, place: &FunctionContext<'_>) -> Result<Job, UnknownEvent> {
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let name = text(detail, "eventName").unwrap_or_default();
    let request = field(detail, "requestParameters");
    let label = match name {
        "PutSecretValue" => request.and_then(|request| not_current(field(request, "versionStages")?)),
        "UpdateSecretVersionStage" => request
            .and_then(|request| text(request, "versionStage"))
            .filter(|label| *label != CURRENT),
        "UpdateSecret" | "RestoreSecret" => None,
        other => return Ok(other_event(other)),
    };
    if let Some(code) = text(detail, "errorCode") {
        return Ok(Job::Ignore(format!(
            "The call {name} failed ({}), so it changed no secret.",
            shown(&mask(code))
        )));
    }
    if let Some(label) = label {
        return Ok(other_label(label));
    }
    let response = field(detail, "responseElements");
    let version_id = response
        .and_then(|response| text(response, "versionId"))
        .or_else(|| text(request?, "moveToVersionId"))
        .or_else(|| text(request?, "clientRequestToken"));
    SecretIds::of_cloudtrail(event, detail, "a CloudTrail event of a Secrets Manager call").change(
        place,
        event,
        About {
            event: name,
            version_id,
            failed: None,
        },
    )
}

/// A rotation has ended, well or not. Its start, its tests and the end of old versions are of no interest.
fn service_event(event: &Value, place: &FunctionContext<'_>) -> Result<Job, UnknownEvent> {
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let name = text(detail, "eventName").unwrap_or_default();
    let failed = match name {
        "RotationSucceeded" => None,
        "RotationFailed" => Some(shown(&mask(
            text(detail, "errorMessage").unwrap_or("no reason was given"),
        ))),
        other => return Ok(other_event(other)),
    };
    SecretIds::of_cloudtrail(event, detail, "a CloudTrail event of a rotation").change(
        place,
        event,
        About {
            event: name,
            version_id: None,
            failed,
        },
    )
}

/// What an event says besides which secret it is about.
struct About<'a> {
    event: &'a str,
    version_id: Option<&'a str>,
    failed: Option<String>,
}

fn other_label(label: &str) -> Job {
    Job::Ignore(format!(
        "The staging label {} moved, and only AWSCURRENT is what ECR pulls with.",
        shown(label)
    ))
}

fn other_event(name: &str) -> Job {
    Job::Ignore(format!(
        "The CloudTrail event \"{}\" does not tell of a new secret value.",
        shown(name)
    ))
}

/// The first label of a `PutSecretValue` whose labels leave `AWSCURRENT` out, as a rotation's `AWSPENDING` does. A
/// call without labels moves `AWSCURRENT`.
fn not_current(stages: &Value) -> Option<&str> {
    let labels = stages.as_array()?;
    let mut names = labels.iter().filter_map(Value::as_str);
    if names.clone().any(|label| label == CURRENT) {
        return None;
    }
    names.next()
}

/// A field of an object, whatever its letter case: CloudTrail has written `SecretId` and `secretId`, `arn`, `aRN` and
/// `ARN`. JSON `null` is an absent field.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let found = object.as_object()?.iter();
    found
        .filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null())
        .map(|(_, value)| value)
        .next()
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    field(object, name)?.as_str()
}

/// Every place an event may name its secret in, the most telling first.
struct SecretIds<'a> {
    found: Vec<Option<&'a str>>,
    what: &'static str,
}

impl<'a> SecretIds<'a> {
    /// The places of the CloudTrail forms. Each field is absent, or `null`, in some of them.
    /// (Secrets Manager user guide, "Logging AWS Secrets Manager events with AWS CloudTrail".)
    fn of_cloudtrail(event: &'a Value, detail: &'a Value, what: &'static str) -> Self {
        let in_part = |part: &str, name: &str| text(field(detail, part)?, name);
        Self {
            found: vec![
                event
                    .pointer("/resources/0")
                    .and_then(Value::as_str)
                    .filter(|id| Arn::parse(id).is_some()),
                in_part("additionalEventData", "secretId"),
                in_part("requestParameters", "secretId"),
                in_part("requestParameters", "name"),
                in_part("responseElements", "arn"),
                in_part("serviceEventDetails", "secretId"),
                in_part("responseElements", "name"),
            ],
            what,
        }
    }

    /// The change of the secret these name, if it is one of this place's. Outside the prefix that ECR reads from it may be one
    /// that credentials are copied from.
    fn change(self, place: &FunctionContext<'_>, event: &Value, about: About<'_>) -> Result<Job, UnknownEvent> {
        let Some(secret) = Secret::named_by(self.found.into_iter().flatten()) else {
            return Err(UnknownEvent::Malformed {
                what: self.what,
                why: "it names no secret".to_owned(),
            });
        };
        let name = shown(&secret.name);
        if !is_secret_name(&secret.name) {
            return Ok(Job::Ignore(format!("{name} is no name of a secret.")));
        }
        if let Some(elsewhere) = secret.elsewhere(place, event) {
            return Ok(Job::Ignore(format!(
                "The secret {name} is in {elsewhere}, and credentials are only used, or copied, from secrets of this \
                 account and region."
            )));
        }
        Ok(Job::Secret(SecretChange {
            name: secret.name,
            arn: secret.arn.map(str::to_owned),
            version_id: about.version_id.filter(|id| is_version_id(id)).map(str::to_owned),
            failed: about.failed,
            event: shown(about.event),
        }))
    }
}

/// A secret as an event names it.
struct Secret<'a> {
    name: String,
    arn: Option<&'a str>,
}

impl<'a> Secret<'a> {
    /// The secret that the first id names. The others only help to read that one: a plain name tells where in an ARN the
    /// random suffix begins, and a full ARN completes a name or an ARN without its suffix.
    fn named_by(ids: impl Iterator<Item = &'a str>) -> Option<Self> {
        let ids: Vec<&str> = ids.filter(|id| !id.is_empty()).collect();
        let first = *ids.first()?;
        let Some(arn) = Arn::parse(first) else {
            let full = ids
                .iter()
                .find(|id| Arn::parse(id).is_some_and(|arn| is_full(arn.resource, first)));
            return Some(Self {
                name: first.to_owned(),
                arn: full.copied(),
            });
        };
        let named = ids
            .iter()
            .find(|id| Arn::parse(id).is_none() && (arn.resource == **id || is_full(arn.resource, id)));
        let completed = ids
            .iter()
            .find(|id| Arn::parse(id).is_some_and(|other| is_full(other.resource, arn.resource)));
        let name = match (named, completed) {
            (Some(name), _) => name,
            (None, Some(_)) => arn.resource,
            (None, None) => without_suffix(arn.resource),
        };
        Some(Self {
            name: name.to_owned(),
            arn: Some(completed.copied().unwrap_or(first)),
        })
    }

    /// Where the secret is, if that is not here. Its ARN knows best; without one it is where the event comes from.
    fn elsewhere(&self, place: &FunctionContext<'_>, event: &Value) -> Option<String> {
        let of_event = |name| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let (partition, account, region) = match self.arn.and_then(Arn::parse) {
            Some(arn) => (arn.partition, arn.account, arn.region),
            None => ("", of_event("account"), of_event("region")),
        };
        let differs = |theirs: &str, ours: &str| !theirs.is_empty() && !ours.is_empty() && theirs != ours;
        (differs(partition, place.partition) || differs(account, place.account) || differs(region, place.region))
            .then(|| format!("account {}, region {}", shown(account), shown(region)))
    }
}
