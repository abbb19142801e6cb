//! AWS Secrets Manager: versions and staging labels, scheduled deletion, resource policies, tags, lists, and the
//! EventBridge events of moved labels.
//!
//! Texts and rules follow the API reference and what live AWS is known to say; where AWS is not known to either, the
//! stricter reading was taken.

mod external;
mod labels;
mod lifetime;
mod list;
mod policy;
mod tags;
#[cfg(test)]
mod tests;
mod values;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

pub(crate) use crate::api::seconds;
use crate::api::{Answer, ApiError, CallContext, SecretSource, SeenSecret};
use crate::options::Options;
use crate::shape::{self, Service};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";
const PENDING: &str = "AWSPENDING";

/// How often a secret is rotated whose rotation is turned on.
const ROTATION_DAYS: i64 = 30;

/// All secrets of the account, by name.
pub(crate) struct Secrets {
    visible_after: SignedDuration,
    list_lag: SignedDuration,
    put_moves_current: bool,
    page_size: Option<usize>,
    secrets: BTreeMap<String, Secret>,
}

#[derive(Clone)]
struct Secret {
    arn: String,
    name: String,
    description: Option<String>,
    /// `None` is the default key, `aws/secretsmanager`.
    kms_key: Option<String>,
    /// What kind of managed external secret it is.
    kind: Option<String>,
    created: Timestamp,
    changed: Timestamp,
    rotated: Option<Timestamp>,
    /// Where its rotation is turned on.
    next_rotation: Option<Timestamp>,
    accessed: Option<Timestamp>,
    deletion: Option<Deletion>,
    tags: BTreeMap<String, String>,
    policy: Option<String>,
    /// Oldest first.
    versions: Vec<Version>,
}

#[derive(Clone, Copy)]
struct Deletion {
    asked: Timestamp,
    due: Timestamp,
}

#[derive(Clone)]
struct Version {
    id: String,
    created: Timestamp,
    content: Content,
    labels: Vec<String>,
}

/// No `Debug`: this is what must not end up in any output.
#[derive(Clone, PartialEq, Eq)]
enum Content {
    Text(String),
    /// As in JSON: base64.
    Binary(String),
}

impl Secrets {
    pub(crate) fn new(options: &Options) -> Self {
        let duration = |d: Duration| SignedDuration::try_from(d).unwrap_or(SignedDuration::MAX);
        Self {
            visible_after: duration(options.secret_visible_after),
            list_lag: duration(options.list_lag),
            put_moves_current: options.put_moves_current,
            page_size: options.page_size,
            secrets: BTreeMap::new(),
        }
    }

    /// Answers one operation; events of moved labels go to `events`.
    pub(crate) fn call(&mut self, cx: &CallContext, op: &str, input: &Value, events: &mut Vec<Value>) -> Answer {
        shape::check(Service::SecretsManager, op, input)?;
        refuse_unsupported(op, input)?;
        self.secrets
            .retain(|_, secret| secret.deletion.is_none_or(|deletion| deletion.due > cx.now));
        match op {
            "CreateSecret" => self.create(cx, input, events),
            "DescribeSecret" => self.describe(cx, input),
            "DeleteSecret" => self.delete(cx, input),
            "RestoreSecret" => self.restore(cx, input),
            "GetSecretValue" => self.get_value(cx, input),
            "PutSecretValue" => self.put_value(cx, input, events),
            "UpdateSecret" => self.update(cx, input, events),
            "UpdateSecretVersionStage" => self.update_stage(cx, input, events),
            "ListSecretVersionIds" => self.list_versions(cx, input),
            "ListSecrets" => self.list(cx, input),
            "TagResource" => self.tag(cx, input),
            "UntagResource" => self.untag(cx, input),
            "PutResourcePolicy" => self.put_policy(cx, input),
            "GetResourcePolicy" => self.get_policy(cx, input),
            "DeleteResourcePolicy" => self.delete_policy(cx, input),
            "ValidateResourcePolicy" => self.validate_policy(cx, input),
            other => Err(shape::unknown_operation(Service::SecretsManager, other)),
        }
    }

    /// What a rotation comes to: the rotation function puts the value under `AWSPENDING` and makes it current, and the secret
    /// is dated.
    pub(crate) fn rotate(&mut self, cx: &CallContext, id: &str, value: &str, events: &mut Vec<Value>) -> Answer {
        let version = Uuid::new_v4().to_string();
        let current = self
            .find(cx, &json!({"SecretId": id}))?
            .holder(CURRENT)
            .map(|version| version.id.clone());
        let put = json!({
            "SecretId": id, "SecretString": value, "ClientRequestToken": version, "VersionStages": [PENDING],
        });
        self.call(cx, "PutSecretValue", &put, events)?;
        let finish = json!({
            "SecretId": id, "VersionStage": CURRENT, "MoveToVersionId": version, "RemoveFromVersionId": current,
        });
        self.call(cx, "UpdateSecretVersionStage", &finish, events)?;
        let secret = self.find(cx, &json!({"SecretId": id}))?;
        secret.rotated = Some(cx.now);
        if secret.next_rotation.is_some() {
            secret.next_rotation = cx.now.checked_add(SignedDuration::from_hours(24 * ROTATION_DAYS)).ok();
        }
        Ok(json!({"ARN": secret.arn, "Name": secret.name, "VersionId": version}))
    }

    /// Turns a secret's rotation on: it is due by `next`, and from then on every 30 days.
    pub(crate) fn turn_rotation_on(&mut self, cx: &CallContext, id: &str, next: Timestamp) -> Result<(), ApiError> {
        self.find(cx, &json!({"SecretId": id}))?.next_rotation = Some(next);
        Ok(())
    }

    /// The full ARN of a secret, named by its name, its full ARN, or its ARN without the random suffix.
    pub(crate) fn arn_of(&self, cx: &CallContext, id: &str) -> Option<String> {
        let name = if id.starts_with("arn:") {
            self.name_of_arn(cx, id).ok()??
        } else {
            id.to_owned()
        };
        self.secrets.get(&name).map(|secret| secret.arn.clone())
    }

    /// The customer key that a secret is encrypted with, if it is not the default key.
    pub(crate) fn customer_key(&self, arn: &str) -> Option<&str> {
        self.secrets
            .values()
            .find(|secret| secret.arn == arn)?
            .kms_key
            .as_deref()
    }

    /// The tags of a secret, scheduled for deletion or not.
    pub(crate) fn tags_of(&self, arn: &str) -> Option<&BTreeMap<String, String>> {
        self.secrets
            .values()
            .find(|secret| secret.arn == arn)
            .map(|secret| &secret.tags)
    }

    /// Finds a secret by name, full ARN, or ARN without its random suffix.
    fn find(&mut self, cx: &CallContext, input: &Value) -> Result<&mut Secret, ApiError> {
        let id = text(input, "SecretId").unwrap_or_default();
        let name = if id.starts_with("arn:") {
            self.name_of_arn(cx, id)?
        } else {
            Some(valid_name(id)?.to_owned())
        };
        name.and_then(|name| self.secrets.get_mut(&name)).ok_or_else(not_found)
    }

    /// Like [`Secrets::find`], for the operations that a scheduled deletion blocks.
    fn find_active(&mut self, cx: &CallContext, input: &Value) -> Result<&mut Secret, ApiError> {
        let secret = self.find(cx, input)?;
        if secret.deletion.is_some() {
            let message = "You can't perform this operation on the secret because it was marked for deletion.";
            return Err(invalid_request(message));
        }
        Ok(secret)
    }

    fn name_of_arn(&self, cx: &CallContext, arn: &str) -> Result<Option<String>, ApiError> {
        let parts: Vec<&str> = arn.splitn(7, ':').collect();
        let &[_, partition, "secretsmanager", region, account, "secret", resource] = parts.as_slice() else {
            return Err(invalid_name());
        };
        if account != cx.account {
            let message = "User is not authorized to perform this operation on the resource because no resource-based policy allows it";
            return Err(ApiError::client("AccessDeniedException", message));
        }
        if partition != cx.partition || region != cx.region {
            return Ok(None);
        }
        // What ends like a suffix is taken for a full ARN, so a *name* that ends like one cannot be found by a partial ARN.
        let looks_full = resource
            .rsplit_once('-')
            .is_some_and(|(_, end)| end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if looks_full {
            return Ok(self
                .secrets
                .values()
                .find(|secret| secret.arn == arn)
                .map(|secret| secret.name.clone()));
        }
        Ok(Some(resource.to_owned()))
    }
}

impl SecretSource for Secrets {
    fn secret(&self, arn: &str, now: Timestamp) -> Option<SeenSecret> {
        let secret = self.secrets.values().find(|secret| secret.arn == arn)?;
        let gone = secret.deletion.is_some_and(|deletion| deletion.due <= now);
        if gone || now.duration_since(secret.created) < self.visible_after {
            return None;
        }
        let current = secret.holder(CURRENT).map(|version| &version.content);
        Some(SeenSecret {
            deleted: secret.deletion.is_some(),
            current: match current {
                Some(Content::Text(text)) => Some(text.clone()),
                _ => None,
            },
            customer_key: secret.kms_key.is_some(),
        })
    }
}

impl Secret {
    /// The answer of most writes.
    fn naming(&self) -> Value {
        json!({"ARN": self.arn, "Name": self.name})
    }
}

/// Members that are in the model but do nothing here.
fn refuse_unsupported(op: &str, input: &Value) -> Result<(), ApiError> {
    let unsupported = [
        "AddReplicaRegions",
        "CrossAccountPrimaryARN",
        "ForceOverwriteReplicaSecret",
        "RotationToken",
    ];
    // A secret keeps the type that it was made with.
    let changes_type = (op != "CreateSecret").then_some("Type");
    match unsupported
        .iter()
        .copied()
        .chain(changes_type)
        .find(|name| input.get(*name).is_some_and(|value| !value.is_null()))
    {
        None => Ok(()),
        Some(name) => Err(ApiError {
            code: "NotImplemented".to_owned(),
            message: format!("local-aws does not implement {name} of {op}"),
            status: 501,
        }),
    }
}

fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str)
}

/// An answer with one more member, where there is something to add.
fn with(mut answer: Value, name: &str, value: Option<Value>) -> Value {
    if let (Some(members), Some(value)) = (answer.as_object_mut(), value) {
        members.insert(name.to_owned(), value);
    }
    answer
}

fn flag(input: &Value, name: &str) -> bool {
    input.get(name).and_then(Value::as_bool).unwrap_or_default()
}

fn valid_name(name: &str) -> Result<&str, ApiError> {
    let fine = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte));
    if fine { Ok(name) } else { Err(invalid_name()) }
}

fn invalid_name() -> ApiError {
    let message =
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    ApiError::client("ValidationException", message)
}

fn not_found() -> ApiError {
    ApiError::client(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )
}

fn invalid_request(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidRequestException", message)
}

fn invalid_parameter(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}
