//! How secrets come and go: CreateSecret, DescribeSecret, DeleteSecret, RestoreSecret.

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    CURRENT, Deletion, ROTATION_DAYS, Secret, Secrets, flag, invalid_parameter, invalid_request, not_found, seconds,
    tags, text, valid_name, values, with,
};
use crate::api::{Answer, ApiError, CallContext};

const DEFAULT_WINDOW_DAYS: i64 = 30;

/// The characters of an ARN's random end.
const SUFFIX: usize = 6;

impl Secrets {
    /// Without a value it makes a secret without any version.
    pub(super) fn create(&mut self, cx: &CallContext, input: &Value, events: &mut Vec<Value>) -> Answer {
        let name = valid_name(text(input, "Name").unwrap_or_default())?;
        let content = values::content(input)?;
        let token = values::token(input, content.is_some())?;
        if let Some(there) = self.secrets.get(name) {
            return there.created_before(name, token.zip(content));
        }
        let tags = tags::merged(&Default::default(), input)?;
        let resource = format!("{name}-{}", suffix());
        let kind = super::external::kind(input, content.as_ref())?;
        let mut secret = Secret {
            arn: format!(
                "arn:{}:secretsmanager:{}:{}:secret:{resource}",
                cx.partition, cx.region, cx.account
            ),
            name: name.to_owned(),
            description: text(input, "Description").map(str::to_owned),
            kms_key: values::kms_key(input),
            kind,
            created: cx.now,
            changed: cx.now,
            rotated: None,
            next_rotation: None,
            accessed: None,
            deletion: None,
            tags,
            policy: None,
            versions: Vec::new(),
        };
        let first = token.zip(content);
        let answer = with(
            secret.naming(),
            "VersionId",
            first.as_ref().map(|(token, _)| json!(token)),
        );
        if let Some((token, content)) = first {
            secret.add_version(cx, token, content);
            secret.attach(cx, CURRENT, token, events);
        }
        self.secrets.insert(name.to_owned(), secret);
        Ok(answer)
    }

    /// Makes a secret whose full ARN is given, for files that name one. On AWS the end of an ARN is random.
    pub(crate) fn seed(&mut self, cx: &CallContext, arn: &str, input: &Value, events: &mut Vec<Value>) -> Answer {
        let start = format!(
            "arn:{}:secretsmanager:{}:{}:secret:",
            cx.partition, cx.region, cx.account
        );
        let named = arn.strip_prefix(&start).and_then(|resource| resource.rsplit_once('-'));
        let (name, _) = named.filter(|(_, end)| end.len() == SUFFIX).ok_or_else(|| {
            invalid_parameter(format!(
                "{arn:?} is not the full ARN of a secret of this account and region"
            ))
        })?;
        let answer = self.create(cx, &with(input.clone(), "Name", Some(json!(name))), events)?;
        if let Some(secret) = self.secrets.get_mut(name) {
            arn.clone_into(&mut secret.arn);
        }
        Ok(with(answer, "ARN", Some(json!(arn))))
    }

    pub(super) fn describe(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let secret = self.find(cx, input)?;
        Ok(with(
            secret.described(),
            "VersionIdsToStages",
            secret.labels_by_version(),
        ))
    }

    pub(super) fn delete(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let days = input.get("RecoveryWindowInDays").and_then(Value::as_i64);
        let force = flag(input, "ForceDeleteWithoutRecovery");
        if force && days.is_some() {
            let message = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.";
            return Err(invalid_parameter(message));
        }
        if days.is_some_and(|days| !(7..=30).contains(&days)) {
            let message = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).";
            return Err(invalid_parameter(message));
        }
        if force {
            return self.delete_at_once(cx, input);
        }
        let secret = self.find(cx, input)?;
        if secret.deletion.is_some() {
            let message = "You tried to perform the operation on a secret that's currently marked deleted.";
            return Err(invalid_request(message));
        }
        let window = SignedDuration::from_hours(24 * days.unwrap_or(DEFAULT_WINDOW_DAYS));
        let due = cx.now.checked_add(window).unwrap_or(cx.now);
        secret.deletion = Some(Deletion { asked: cx.now, due });
        secret.changed = cx.now;
        Ok(json!({"ARN": secret.arn, "Name": secret.name, "DeletionDate": seconds(due)}))
    }

    /// No error even where there is nothing to delete.
    fn delete_at_once(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let gone = match self.find(cx, input) {
            Ok(secret) => Some((secret.arn.clone(), secret.name.clone())),
            Err(error) if error == not_found() => None,
            Err(error) => return Err(error),
        };
        let id = text(input, "SecretId").unwrap_or_default();
        let (arn, name) = gone.unwrap_or_else(|| (id.to_owned(), id.to_owned()));
        self.secrets.remove(&name);
        Ok(json!({"ARN": arn, "Name": name, "DeletionDate": seconds(cx.now)}))
    }

    /// Takes a deletion back; the ARN stays. A secret that is not scheduled is left as it is.
    pub(super) fn restore(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let secret = self.find(cx, input)?;
        if secret.deletion.take().is_some() {
            secret.changed = cx.now;
        }
        Ok(secret.naming())
    }
}

impl Secret {
    /// The answer to creating a secret that is there: fine only as a repetition of the call that made it.
    fn created_before(&self, name: &str, value: Option<(&str, super::Content)>) -> Answer {
        if self.deletion.is_some() {
            let message =
                "You can't create this secret because a secret with this name is already scheduled for deletion.";
            return Err(invalid_request(message));
        }
        if let Some((token, content)) = value
            && let Some(version) = self.version(token)
        {
            if version.content == content {
                return Ok(json!({"ARN": self.arn, "Name": self.name, "VersionId": token}));
            }
            return Err(self.token_in_use(token));
        }
        let message = format!("The operation failed because the secret {name} already exists.");
        Err(ApiError::client("ResourceExistsException", message))
    }

    /// What DescribeSecret and ListSecrets have in common.
    pub(super) fn described(&self) -> Value {
        let mut answer = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                answer.insert(name.to_owned(), value);
            }
        };
        let tags: Vec<Value> = self
            .tags
            .iter()
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        put("ARN", Some(json!(self.arn)));
        put("Name", Some(json!(self.name)));
        put(
            "Description",
            self.description
                .as_ref()
                .filter(|text| !text.is_empty())
                .map(|text| json!(text)),
        );
        put("Type", self.kind.as_ref().map(|kind| json!(kind)));
        put("KmsKeyId", self.kms_key.as_ref().map(|key| json!(key)));
        put("CreatedDate", Some(json!(seconds(self.created))));
        put("LastChangedDate", Some(json!(seconds(self.changed))));
        put("LastRotatedDate", self.rotated.map(|time| json!(seconds(time))));
        if let Some(next) = self.next_rotation {
            put("RotationEnabled", Some(json!(true)));
            put("RotationRules", Some(json!({"AutomaticallyAfterDays": ROTATION_DAYS})));
            put("NextRotationDate", Some(json!(seconds(next))));
        }
        put("LastAccessedDate", self.accessed.map(|time| json!(seconds(time))));
        put(
            "DeletedDate",
            self.deletion.map(|deletion| json!(seconds(deletion.asked))),
        );
        put("Tags", (!tags.is_empty()).then_some(Value::Array(tags)));
        Value::Object(answer)
    }
}

/// The random end of an ARN: new at every creation, which is why a rule's ARN goes stale.
fn suffix() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let random = Uuid::new_v4();
    let letter = |byte: &u8| {
        LETTERS
            .get(usize::from(*byte) % LETTERS.len())
            .map(|letter| char::from(*letter))
    };
    random.as_bytes().iter().take(SUFFIX).filter_map(letter).collect()
}
