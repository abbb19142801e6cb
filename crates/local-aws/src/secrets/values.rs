//! Values and their versions: GetSecretValue, PutSecretValue, UpdateSecret, ListSecretVersionIds.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    CURRENT, Content, Secret, Secrets, Version, flag, invalid_parameter, invalid_request, list, seconds, text, with,
};
use crate::api::{Answer, ApiError, CallContext};

/// Versions that are kept; beyond it the oldest go that have no label and are older than a day.
const MOST_VERSIONS: usize = 100;

impl Secrets {
    pub(super) fn get_value(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let secret = self.find_active(cx, input)?;
        let (id, label) = (text(input, "VersionId"), text(input, "VersionStage"));
        let version = match (id, label) {
            (Some(id), label) => {
                let version = secret.version(id).ok_or_else(|| no_such_version(id))?;
                if label.is_some_and(|label| !version.labels.iter().any(|found| found == label)) {
                    let message = "You provided a VersionStage that is not associated to the provided VersionId.";
                    return Err(invalid_request(message));
                }
                version
            }
            (None, label) => {
                let label = label.unwrap_or(CURRENT);
                secret.holder(label).ok_or_else(|| {
                    let message =
                        format!("Secrets Manager can't find the specified secret value for staging label: {label}");
                    ApiError::client("ResourceNotFoundException", message)
                })?
            }
        };
        let mut answer = Map::new();
        let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        put("ARN", json!(secret.arn));
        put("Name", json!(secret.name));
        put("VersionId", json!(version.id));
        match &version.content {
            Content::Text(text) => put("SecretString", json!(text)),
            Content::Binary(base64) => put("SecretBinary", json!(base64)),
        };
        if !version.labels.is_empty() {
            put("VersionStages", json!(version.labels));
        }
        put("CreatedDate", json!(seconds(version.created)));
        secret.accessed = Some(midnight(cx.now));
        Ok(Value::Object(answer))
    }

    pub(super) fn put_value(&mut self, cx: &CallContext, input: &Value, events: &mut Vec<Value>) -> Answer {
        let put_moves_current = self.put_moves_current;
        let secret = self.find_active(cx, input)?;
        let content =
            content(input)?.ok_or_else(|| invalid_request("You must provide either SecretString or SecretBinary."))?;
        let Some(token) = token(input, true)? else {
            return Err(no_token());
        };
        if let Some(there) = secret.version(token) {
            if there.content != content {
                return Err(secret.token_in_use(token));
            }
            // A repetition does nothing at all: labels stay where they are by now.
            return Ok(secret.put_answer(token));
        }
        let mut labels: Vec<String> = match input.get("VersionStages").and_then(Value::as_array) {
            None => vec![CURRENT.to_owned()],
            Some(labels) => labels.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        };
        let moves = put_moves_current || secret.versions.is_empty();
        if moves && !labels.iter().any(|label| label == CURRENT) {
            labels.push(CURRENT.to_owned());
        }
        secret.change(events, |next, events| {
            next.add_version(cx, token, content);
            for label in &labels {
                next.attach(cx, label, token, events);
            }
        })?;
        Ok(secret.put_answer(token))
    }

    /// UpdateSecret: description, key, and a new current value, each if given.
    pub(super) fn update(&mut self, cx: &CallContext, input: &Value, events: &mut Vec<Value>) -> Answer {
        let secret = self.find_active(cx, input)?;
        let content = content(input)?;
        let token = token(input, content.is_some())?;
        let mut answer = secret.naming();
        if let (Some(token), Some(content)) = (token, content) {
            answer = with(answer, "VersionId", Some(json!(token)));
            if secret.version(token).is_some() {
                return Err(secret.token_in_use(token));
            }
            secret.change(events, |next, events| {
                next.add_version(cx, token, content);
                next.attach(cx, CURRENT, token, events);
            })?;
        }
        if let Some(description) = text(input, "Description") {
            secret.description = Some(description.to_owned());
        }
        if input.get("KmsKeyId").is_some_and(Value::is_string) {
            secret.kms_key = kms_key(input);
        }
        secret.changed = cx.now;
        Ok(answer)
    }

    pub(super) fn list_versions(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let cap = self.page_size;
        let secret = self.find(cx, input)?;
        let all = flag(input, "IncludeDeprecated");
        let versions: Vec<Value> = secret
            .versions
            .iter()
            .filter(|version| all || !version.labels.is_empty())
            .map(|version| {
                json!({"VersionId": version.id, "VersionStages": version.labels, "CreatedDate": seconds(version.created)})
            })
            .collect();
        let (versions, next) = list::page(versions, input, cap)?;
        let answer = with(secret.naming(), "Versions", Some(Value::Array(versions)));
        Ok(with(answer, "NextToken", next.map(Value::String)))
    }
}

impl Secret {
    /// Adds a version without labels, and lets go of what is too old.
    pub(super) fn add_version(&mut self, cx: &CallContext, id: &str, content: Content) {
        self.versions.push(Version {
            id: id.to_owned(),
            created: cx.now,
            content,
            labels: Vec::new(),
        });
        self.changed = cx.now;
        let excess = self.versions.len().saturating_sub(MOST_VERSIONS);
        let is_old = |version: &Version| {
            version.labels.is_empty() && cx.now.duration_since(version.created) > SignedDuration::from_hours(24)
        };
        let old: Vec<String> = self
            .versions
            .iter()
            .filter(|v| is_old(v))
            .take(excess)
            .map(|v| v.id.clone())
            .collect();
        self.versions.retain(|version| !old.contains(&version.id));
    }

    pub(super) fn token_in_use(&self, token: &str) -> ApiError {
        let message = format!(
            "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {}.",
            self.arn
        );
        ApiError::client("ResourceExistsException", message)
    }

    fn put_answer(&self, token: &str) -> Value {
        let answer = with(self.naming(), "VersionId", Some(json!(token)));
        let labels = self
            .version(token)
            .map(|version| &version.labels)
            .filter(|labels| !labels.is_empty());
        with(answer, "VersionStages", labels.map(|labels| json!(labels)))
    }
}

/// The value in an input, if there is one.
pub(super) fn content(input: &Value) -> Result<Option<Content>, ApiError> {
    match (text(input, "SecretString"), text(input, "SecretBinary")) {
        (Some(_), Some(_)) => Err(invalid_parameter(
            "You can't specify both a binary secret value and a string secret value in the same secret.",
        )),
        (Some(text), None) => Ok(Some(Content::Text(text.to_owned()))),
        (None, Some(base64)) => Ok(Some(Content::Binary(base64.to_owned()))),
        (None, None) => Ok(None),
    }
}

/// The token of an input, which becomes the version's id. SDKs fill it in; a bare client has to bring one with a value.
pub(super) fn token(input: &Value, needed: bool) -> Result<Option<&str>, ApiError> {
    match text(input, "ClientRequestToken") {
        None if needed => Err(no_token()),
        token => Ok(token),
    }
}

fn no_token() -> ApiError {
    invalid_request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
}

/// The customer key of an input; an empty one and AWS's own alias are the default key.
pub(super) fn kms_key(input: &Value) -> Option<String> {
    let key = text(input, "KmsKeyId")?;
    let default = key.is_empty() || key == "aws/secretsmanager" || key.ends_with("alias/aws/secretsmanager");
    (!default).then(|| key.to_owned())
}

pub(super) fn no_such_version(id: &str) -> ApiError {
    let message = format!("Secrets Manager can't find the specified secret value for VersionId: {id}");
    ApiError::client("ResourceNotFoundException", message)
}

/// AWS tells the day of the last access, not its hour.
fn midnight(time: Timestamp) -> Timestamp {
    let day = 24 * 60 * 60;
    Timestamp::from_second(time.as_second().div_euclid(day) * day).unwrap_or(time)
}
