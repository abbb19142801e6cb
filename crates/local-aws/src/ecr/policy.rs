//! Resource policies: what ECR takes, and how it hands them back.
//!
//! ECR does not keep the text. It hands back the same policy written otherwise: members in its own order, an account
//! id as the ARN of the account's root, a list of one as its only element. A client that compares texts sees drift
//! for ever, and this module makes sure that such a client is found out.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::api::{ApiError, CallContext};
use crate::shape::invalid_parameter;

/// Checks and rewrites the policy of a repository. `unknown` are principals IAM does not know.
pub(super) fn repository(context: &CallContext, text: &str, unknown: &BTreeSet<String>) -> Result<String, ApiError> {
    rewrite(context, text, Kind::Repository, unknown)
        .ok_or_else(|| invalid_parameter("PolicyText", "Invalid repository policy provided"))
}

/// Checks and rewrites the policy of the registry.
pub(super) fn registry(context: &CallContext, text: &str, unknown: &BTreeSet<String>) -> Result<String, ApiError> {
    rewrite(context, text, Kind::Registry, unknown)
        .ok_or_else(|| invalid_parameter("PolicyText", "Invalid registry policy provided"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The repository is the resource, so naming one is an error.
    Repository,
    Registry,
}

static PRINCIPAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let iam = r"arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[\w+=,.@/-]+)";
    let sts = r"arn:aws[a-z-]*:sts::[0-9]{12}:(assumed-role|federated-user)/[\w+=,.@/-]+";
    Regex::new(&format!(r"^(?-u)(\*|[0-9]{{12}}|{iam}|{sts}|A[A-Z0-9]{{15,}})$")).ok()
});
static ACTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(\*|ecr:[A-Za-z*?]+)$").ok());

/// The policy as ECR hands it back, or nothing where it refuses it.
fn rewrite(context: &CallContext, text: &str, kind: Kind, unknown: &BTreeSet<String>) -> Option<String> {
    let Value::Object(mut policy) = serde_json::from_str(text).ok()? else {
        return None;
    };
    let version = policy.remove("Version").unwrap_or_else(|| "2008-10-17".into());
    if !["2008-10-17", "2012-10-17"].contains(&version.as_str()?) {
        return None;
    }
    let id = policy
        .remove("Id")
        .map(|id| id.is_string().then_some(id))
        .unwrap_or(Some(Value::Null))?;
    let statements = match policy.remove("Statement")? {
        Value::Array(statements) if !statements.is_empty() => statements,
        one @ Value::Object(_) => vec![one],
        _ => return None,
    };
    if !policy.is_empty() {
        return None;
    }
    let mut sids = HashSet::new();
    let statements: Option<Vec<Value>> = statements
        .into_iter()
        .map(|each| statement(context, each, kind, unknown, &mut sids))
        .collect();
    let mut rewritten = json!({"Statement": statements?, "Version": version});
    if let (Some(rewritten), false) = (rewritten.as_object_mut(), id.is_null()) {
        rewritten.insert("Id".into(), id);
    }
    serde_json::to_string_pretty(&rewritten).ok()
}

fn statement(
    context: &CallContext,
    value: Value,
    kind: Kind,
    unknown: &BTreeSet<String>,
    sids: &mut HashSet<String>,
) -> Option<Value> {
    let Value::Object(mut given) = value else { return None };
    let mut kept = Map::new();

    let (name, actions) = one_of(&mut given, "Action", "NotAction")?;
    let actions = texts(&actions).filter(|actions| actions.iter().all(|action| fits(&ACTION, action)))?;
    kept.insert(name.into(), folded(actions));

    if let Some(condition) = given.remove("Condition") {
        kept.insert("Condition".into(), condition.is_object().then_some(condition)?);
    }
    let effect = given.remove("Effect")?;
    kept.insert(
        "Effect".into(),
        matches!(effect.as_str(), Some("Allow" | "Deny")).then_some(effect)?,
    );

    let (name, principal) = one_of(&mut given, "Principal", "NotPrincipal")?;
    kept.insert(name.into(), principals(context, principal, unknown)?);

    match (kind, given.remove("Resource")) {
        (Kind::Repository, None) => {}
        (Kind::Registry, Some(resource)) => {
            kept.insert("Resource".into(), folded(texts(&resource)?));
        }
        _ => return None,
    }
    if let Some(sid) = given.remove("Sid") {
        let text = sid.as_str()?.to_owned();
        if !sids.insert(text) {
            return None;
        }
        kept.insert("Sid".into(), sid);
    }
    given.is_empty().then_some(Value::Object(kept))
}

/// The one of two members that is there; both or none is an error.
fn one_of<'a>(given: &mut Map<String, Value>, one: &'a str, other: &'a str) -> Option<(&'a str, Value)> {
    match (given.remove(one), given.remove(other)) {
        (Some(value), None) => Some((one, value)),
        (None, Some(value)) => Some((other, value)),
        _ => None,
    }
}

fn principals(context: &CallContext, value: Value, unknown: &BTreeSet<String>) -> Option<Value> {
    let groups = match value {
        Value::String(everyone) if everyone == "*" => return Some(everyone.into()),
        Value::Object(groups) if !groups.is_empty() => groups,
        _ => return None,
    };
    let mut kept = Map::new();
    for (group, members) in groups {
        let mut members = texts(&members)?;
        match group.as_str() {
            "AWS" => {
                if !members
                    .iter()
                    .all(|member| fits(&PRINCIPAL, member) && !unknown.contains(member))
                {
                    return None;
                }
                for member in members
                    .iter_mut()
                    .filter(|member| member.chars().all(|letter| letter.is_ascii_digit()))
                {
                    *member = format!("arn:{}:iam::{member}:root", context.partition);
                }
            }
            "Service" | "Federated" | "CanonicalUser" => {}
            _ => return None,
        }
        kept.insert(group, folded(members));
    }
    Some(Value::Object(kept))
}

fn fits(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// A text, or a list of at least one text.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Sorted, each once, and a list of one as its only element.
fn folded(texts: Vec<String>) -> Value {
    let sorted: BTreeSet<String> = texts.into_iter().collect();
    match sorted.len() {
        1 => sorted.into_iter().next().into(),
        _ => json!(sorted),
    }
}
