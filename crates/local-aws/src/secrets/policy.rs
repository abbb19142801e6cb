//! Resource policies: checked, and handed back as AWS does, which is not as they were put.

use serde_json::{Map, Value, json};

use super::{Secrets, flag, invalid_parameter, text, with};
use crate::api::{Answer, ApiError, CallContext};

/// The order in which statements come back. A map of serde_json may sort its keys, so the text is written by hand.
const STATEMENT: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Conditions that make a wildcard principal a closed circle.
const NARROWING: [&str; 10] = [
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceip",
    "aws:userid",
];

impl Secrets {
    pub(super) fn put_policy(&mut self, cx: &CallContext, input: &Value) -> Answer {
        check_policy_name(input)?;
        let secret = self.find_active(cx, input)?;
        let policy = Policy::read(text(input, "ResourcePolicy").unwrap_or_default(), cx)?;
        if flag(input, "BlockPublicPolicy") && policy.is_public() {
            let message = "The resource policy grants access to the secret to everyone; BlockPublicPolicy forbids it.";
            return Err(ApiError::client("PublicPolicyException", message));
        }
        secret.policy = Some(policy.write());
        secret.changed = cx.now;
        Ok(secret.naming())
    }

    pub(super) fn get_policy(&mut self, cx: &CallContext, input: &Value) -> Answer {
        check_policy_name(input)?;
        let secret = self.find_active(cx, input)?;
        Ok(with(
            secret.naming(),
            "ResourcePolicy",
            secret.policy.as_ref().map(|policy| json!(policy)),
        ))
    }

    pub(super) fn delete_policy(&mut self, cx: &CallContext, input: &Value) -> Answer {
        check_policy_name(input)?;
        let secret = self.find_active(cx, input)?;
        secret.policy = None;
        secret.changed = cx.now;
        Ok(secret.naming())
    }

    pub(super) fn validate_policy(&mut self, cx: &CallContext, input: &Value) -> Answer {
        if text(input, "SecretId").is_some() {
            self.find_active(cx, input)?;
        }
        let policy = Policy::read(text(input, "ResourcePolicy").unwrap_or_default(), cx)?;
        let errors = match policy.is_public() {
            true => {
                json!([{"CheckName": "ZELKOVA_PUBLIC_POLICY", "ErrorMessage": "The resource policy grants access to everyone."}])
            }
            false => json!([]),
        };
        Ok(json!({"PolicyValidationPassed": !policy.is_public(), "ValidationErrors": errors}))
    }
}

fn check_policy_name(input: &Value) -> Result<(), ApiError> {
    match text(input, "PolicyName") {
        None | Some("default") => Ok(()),
        Some(other) => Err(invalid_parameter(format!(
            "The only permitted PolicyName is default, not {other}."
        ))),
    }
}

/// A policy in AWS's normal form.
struct Policy {
    version: String,
    id: Option<String>,
    statements: Vec<Map<String, Value>>,
}

impl Policy {
    fn read(text: &str, cx: &CallContext) -> Result<Self, ApiError> {
        let Ok(Value::Object(mut policy)) = serde_json::from_str(text) else {
            return Err(malformed("This resource policy contains a syntax error."));
        };
        let version = match policy.remove("Version") {
            None => "2008-10-17".to_owned(),
            Some(Value::String(version)) if ["2008-10-17", "2012-10-17"].contains(&version.as_str()) => version,
            Some(_) => return Err(malformed("This resource policy contains an unsupported version.")),
        };
        let id = policy.remove("Id").and_then(|id| id.as_str().map(str::to_owned));
        let statements = match policy.remove("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements,
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err(malformed("This resource policy contains no statement.")),
        };
        if let Some(name) = policy.keys().next() {
            return Err(malformed(&format!(
                "This resource policy contains an unsupported element: {name}."
            )));
        }
        let statements = statements
            .into_iter()
            .map(|each| statement(each, cx))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            version,
            id,
            statements,
        })
    }

    /// Does any statement let everyone in?
    fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            let all = |value: &Value| {
                value == "*"
                    || value.get("AWS").is_some_and(|aws| {
                        aws == "*" || aws.as_array().is_some_and(|list| list.iter().any(|one| one == "*"))
                    })
            };
            let everyone = statement.get("Principal").is_some_and(all) || statement.contains_key("NotPrincipal");
            let narrowed = statement
                .get("Condition")
                .and_then(Value::as_object)
                .is_some_and(|condition| {
                    let keys = condition.values().filter_map(Value::as_object).flat_map(Map::keys);
                    keys.map(|key| key.to_ascii_lowercase())
                        .any(|key| NARROWING.contains(&key.as_str()))
                });
            statement.get("Effect").is_some_and(|effect| effect == "Allow") && everyone && !narrowed
        })
    }

    /// The text that GetResourcePolicy answers.
    fn write(&self) -> String {
        let statements: Vec<String> = self
            .statements
            .iter()
            .map(|statement| {
                let members = STATEMENT
                    .iter()
                    .filter_map(|name| statement.get(*name).map(|value| format!("{}:{value}", json!(name))));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            })
            .collect();
        let id = self
            .id
            .as_ref()
            .map(|id| format!(",\"Id\":{}", json!(id)))
            .unwrap_or_default();
        format!(
            "{{\"Version\":{}{id},\"Statement\":[{}]}}",
            json!(self.version),
            statements.join(",")
        )
    }
}

fn statement(statement: Value, cx: &CallContext) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(mut statement) = statement else {
        return Err(malformed("This resource policy contains a syntax error."));
    };
    if let Some(name) = statement.keys().find(|name| !STATEMENT.contains(&name.as_str())) {
        return Err(malformed(&format!(
            "This resource policy contains an unsupported element: {name}."
        )));
    }
    if !statement
        .get("Effect")
        .is_some_and(|effect| effect == "Allow" || effect == "Deny")
    {
        return Err(malformed(
            "This resource policy contains a statement without a valid Effect.",
        ));
    }
    for pair in [
        ["Principal", "NotPrincipal"],
        ["Action", "NotAction"],
        ["Resource", "NotResource"],
    ] {
        if pair.iter().filter(|name| statement.contains_key(**name)).count() != 1 {
            return Err(malformed(&format!(
                "This resource policy contains a statement without exactly one {}.",
                pair.join(" or ")
            )));
        }
    }
    for (name, value) in &mut statement {
        match name.as_str() {
            "Principal" | "NotPrincipal" => principal(value, cx)?,
            "Action" | "NotAction" => strings(value, |action| {
                let fine = action == "*"
                    || action
                        .strip_prefix("secretsmanager:")
                        .is_some_and(|rest| !rest.is_empty());
                fine.then(|| action.to_owned())
                    .ok_or_else(|| malformed("This resource policy contains an unsupported action."))
            })?,
            "Resource" | "NotResource" => strings(value, |resource| {
                let fine = resource == "*" || resource.starts_with("arn:");
                fine.then(|| resource.to_owned())
                    .ok_or_else(|| malformed("This resource policy contains an unsupported resource."))
            })?,
            "Sid" if !value.is_string() => return Err(malformed("This resource policy contains an unsupported Sid.")),
            "Condition" if !value.is_object() => {
                return Err(malformed("This resource policy contains an unsupported condition."));
            }
            _ => {}
        }
    }
    Ok(statement)
}

fn principal(value: &mut Value, cx: &CallContext) -> Result<(), ApiError> {
    let unsupported = || malformed("This resource policy contains an unsupported principal.");
    let members = match value {
        Value::String(all) if all == "*" => return Ok(()),
        Value::Object(members) if !members.is_empty() => members,
        _ => return Err(unsupported()),
    };
    for (kind, named) in members {
        match kind.as_str() {
            "AWS" => strings(named, |one| aws_principal(one, cx).ok_or_else(unsupported))?,
            "Service" => strings(named, |one| {
                one.contains('.').then(|| one.to_owned()).ok_or_else(unsupported)
            })?,
            "Federated" => strings(named, |one| Ok(one.to_owned()))?,
            _ => return Err(unsupported()),
        }
    }
    Ok(())
}

/// An account id comes back as the ARN of its root.
fn aws_principal(one: &str, cx: &CallContext) -> Option<String> {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_account(one) {
        return Some(format!("arn:{}:iam::{one}:root", cx.partition));
    }
    let parts: Vec<&str> = one.splitn(6, ':').collect();
    let fine = match parts.as_slice() {
        ["*"] => true,
        ["arn", partition, "iam", "", account, who] => {
            let known = *who == "root"
                || ["user/", "role/"]
                    .iter()
                    .any(|kind| who.len() > kind.len() && who.starts_with(kind));
            *partition == cx.partition && is_account(account) && known
        }
        ["arn", partition, "sts", "", account, who] => {
            *partition == cx.partition && is_account(account) && who.starts_with("assumed-role/")
        }
        _ => false,
    };
    fine.then(|| one.to_owned())
}

/// Checks and rewrites a text or a list of texts; a list of one comes back as the text.
fn strings(value: &mut Value, each: impl Fn(&str) -> Result<String, ApiError>) -> Result<(), ApiError> {
    let list = match value {
        Value::String(one) => vec![each(one)?],
        Value::Array(many) if !many.is_empty() => {
            let wrong = || malformed("This resource policy contains a syntax error.");
            many.iter()
                .map(|one| each(one.as_str().ok_or_else(wrong)?))
                .collect::<Result<_, _>>()?
        }
        _ => return Err(malformed("This resource policy contains a syntax error.")),
    };
    *value = match list.as_slice() {
        [one] => json!(one),
        many => json!(many),
    };
    Ok(())
}

fn malformed(message: &str) -> ApiError {
    ApiError::client("MalformedPolicyDocumentException", message)
}
