//! A field of a change in a few words: policies and defaults in a phrase, so that a change fits a line. `diff` has it all.

use std::collections::{BTreeMap, BTreeSet};

use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::plan::Difference;
use ecr_pull_through_sync::policy::read_access;
use ecr_pull_through_sync::report::count;
use serde_json::Value;

/// A longer value is cut.
const MOST_CHARACTERS: usize = 60;

/// More names than these are counted.
const MOST_NAMES: usize = 3;

/// Our own tags say whose a secret is and for which host. Every one has them.
const OWN_TAGS: &str = "ecr-pull-through-sync:";

/// A field that is set, changed or removed.
pub fn of(difference: &Difference, home: &Home) -> String {
    let Difference { field, old, new } = difference;
    let value = |value: &Value| value_of(field, value, home);
    match (old, new) {
        // Ours is long, and always the same but for names.
        _ if field == "description" => "description".to_owned(),
        (Value::Null, new) => set(field, new, home),
        (_, Value::Null) => format!("no {field} any more"),
        (old, new) => {
            let change = match field.as_ref() {
                "tags" => tags_change(old, new),
                "repository_policy" | "policy" => policy_change(old, new, home),
                _ => None,
            };
            let (was, is) = (value(old), value(new));
            match change {
                Some(change) => format!("{field}: {change}"),
                None if old.is_object() && new.is_string() => format!("{field}: {is}"),
                None if was == is => format!("{field}: changed, {is}"),
                None => format!("{field}: {was} -> {is}"),
            }
        }
    }
}

/// A field that something new has.
fn set(field: &str, new: &Value, home: &Home) -> String {
    let value = value_of(field, new, home);
    match field {
        "registry" | "lifecycle_policy" => value,
        "image_tag_mutability" => format!("{value} tags"),
        "encryption_configuration" => format!("encryption {value}"),
        "repository_policy" => match value.strip_prefix("default, ") {
            Some(counts) => format!("default repository policy, {counts}"),
            None => format!("repository policy: {value}"),
        },
        field => format!("{field}: {value}"),
    }
}

/// Whether a field of something new says nothing that is not known: its mark, and that it is for a pull-through cache.
pub fn goes_without_saying(difference: &Difference) -> bool {
    let Difference { field, old, new } = difference;
    let is_own = |tags: &Value| {
        tags.as_object()
            .is_some_and(|tags| tags.keys().all(|key| key.starts_with(OWN_TAGS)))
    };
    old.is_null()
        && match field.as_ref() {
            // The policy of a new secret is always the same: the account may read it.
            "description" | "value" | "policy" => true,
            "applied_for" => *new == serde_json::json!(["PULL_THROUGH_CACHE"]),
            "tags" => is_own(new),
            // The one that is made beside it. One that is there already has an ARN.
            "secret" => new.as_str().is_some_and(|secret| !secret.starts_with("arn:")),
            _ => false,
        }
}

fn value_of(field: &str, value: &Value, home: &Home) -> String {
    let phrase = match field {
        "lifecycle_policy" => lifecycle(value),
        "repository_policy" | "policy" => policy(value, home),
        "encryption_configuration" => encryption(value, home),
        "tags" => Some(tags_of(value)),
        _ => None,
    };
    phrase.unwrap_or_else(|| match value {
        Value::String(text) => cut(&short(text, home)),
        Value::Array(items) => names(items.iter().map(|item| match item {
            Value::String(text) => short(text, home),
            item => item.to_string(),
        })),
        value => cut(&value.to_string()),
    })
}

/// `keep the last 3 images`.
fn lifecycle(policy: &Value) -> Option<String> {
    let rules = policy.get("rules")?.as_array()?;
    let [rule] = rules.as_slice() else {
        return Some(format!("{} lifecycle rules", rules.len()));
    };
    let selection = rule.get("selection")?;
    let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let expires = rule.get("action").and_then(|action| text(action, "type")).as_deref() == Some("expire");
    let any = text(selection, "tagStatus").as_deref() == Some("any");
    let standard = text(selection, "storageClass").is_none_or(|class| class == "standard");
    let n = selection.get("countNumber").and_then(Value::as_u64);
    let what = (text(selection, "countType"), n.filter(|_| expires && any && standard));
    Some(match what {
        (Some(by), Some(1)) if by == "imageCountMoreThan" => "keep the last image".to_owned(),
        (Some(by), Some(n)) if by == "imageCountMoreThan" => format!("keep the last {n} images"),
        (Some(by), Some(n)) if by == "sinceImagePushed" => format!("expire images {n} days after their push"),
        _ => "1 lifecycle rule".to_owned(),
    })
}

/// `default, 12 actions, 3 principals`.
fn policy(policy: &Value, home: &Home) -> Option<String> {
    let (actions, principals) = (listed(policy, "Action")?, principals(policy, home)?);
    let default = match read_access(home, &policy.to_string()) {
        Some(_) => "default, ",
        None => "",
    };
    let statements = match policy.get("Statement").and_then(Value::as_array).map_or(1, Vec::len) {
        1 => String::new(),
        n => format!("{n} statements, "),
    };
    let denies = listed(policy, "Effect")?.iter().any(|effect| effect != "Allow");
    Some(format!(
        "{default}{statements}{}{}, {}",
        if denies { "with a deny, " } else { "" },
        count(actions.len(), "action"),
        count(principals.len(), "principal")
    ))
}

/// Who and what comes and goes; `None` where the difference is of another kind.
fn policy_change(old: &Value, new: &Value, home: &Home) -> Option<String> {
    let gained = |old: BTreeSet<String>, new: BTreeSet<String>, what: &str| {
        let (more, less): (Vec<_>, Vec<_>) = (new.difference(&old).collect(), old.difference(&new).collect());
        let told = |sign: &str, of: Vec<&String>| match of.len() {
            0 => None,
            n if n > MOST_NAMES => Some(format!("{sign}{}", count(n, what))),
            _ => {
                let signed: Vec<String> = of.iter().map(|name| format!("{sign}{name}")).collect();
                Some(signed.join(", "))
            }
        };
        [told("+", more), told("-", less)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    };
    // With other effects or conditions, who comes and goes is not the whole story.
    let rest = |policy: &Value| -> Option<Vec<Value>> {
        let statements = policy.get("Statement")?.as_array()?;
        let without = statements.iter().map(|statement| {
            let mut statement = statement.as_object()?.clone();
            statement.remove("Principal");
            statement.remove("Action");
            Some(Value::Object(statement))
        });
        without.collect()
    };
    let one = |policy: &Value| rest(policy).filter(|rest| rest.len() == 1);
    if one(old)? != one(new)? {
        return None;
    }
    let mut parts = gained(principals(old, home)?, principals(new, home)?, "principal");
    parts.extend(gained(listed(old, "Action")?, listed(new, "Action")?, "action"));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// What all statements have under a key.
fn listed(policy: &Value, key: &str) -> Option<BTreeSet<String>> {
    let statements = policy.get("Statement")?.as_array()?;
    let mut found = BTreeSet::new();
    for statement in statements {
        match statement.get(key) {
            Some(Value::Array(items)) => found.extend(items.iter().filter_map(Value::as_str).map(str::to_owned)),
            Some(Value::String(item)) => _ = found.insert(item.clone()),
            _ => return None,
        }
    }
    Some(found)
}

fn principals(policy: &Value, home: &Home) -> Option<BTreeSet<String>> {
    let statements = policy.get("Statement")?.as_array()?;
    let mut found = BTreeSet::new();
    for statement in statements {
        for names in statement.get("Principal")?.as_object()?.values() {
            found.extend(
                names
                    .as_array()?
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|name| short(name, home)),
            );
        }
    }
    Some(found)
}

fn encryption(value: &Value, home: &Home) -> Option<String> {
    let kind = value.get("encryption_type")?.as_str()?;
    let key = value.get("kms_key").and_then(Value::as_str);
    Some(key.map_or(kind.to_owned(), |key| format!("{kind} with {}", short(key, home))))
}

fn tags_of(value: &Value) -> String {
    let tags = tags(value);
    let all_own = tags.keys().all(|key| key.starts_with(OWN_TAGS));
    let shown = tags.iter().filter(|(key, _)| all_own || !key.starts_with(OWN_TAGS));
    names(shown.map(|(key, value)| format!("{key}={value}")))
}

fn tags(value: &Value) -> BTreeMap<&str, &str> {
    let tags = value.as_object().into_iter().flatten();
    tags.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
        .collect()
}

fn tags_change(old: &Value, new: &Value) -> Option<String> {
    let (old, new) = (tags(old), tags(new));
    let set = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let words: Vec<String> = set
        .map(|(key, value)| format!("{key}={value}"))
        .chain(gone.map(|key| format!("no {key} any more")))
        .collect();
    (!words.is_empty()).then(|| names(words.into_iter()))
}

/// An ARN without what is the same in all of the account.
fn short(text: &str, home: &Home) -> String {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", _, _, _, account, resource] = parts.as_slice() else {
        return text.to_owned();
    };
    match (*resource, *account == home.account) {
        ("root", _) => (*account).to_owned(),
        (resource, true) => resource.strip_prefix("secret:").unwrap_or(resource).to_owned(),
        (resource, false) => format!("{account}:{resource}"),
    }
}

fn names(items: impl Iterator<Item = String>) -> String {
    some(&items.map(|item| cut(&item)).collect::<Vec<_>>(), MOST_NAMES)
}

/// A few of many names.
pub fn some(names: &[impl AsRef<str>], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ecr_pull_through_sync::policy::{policy_in_form, repository_policy};
    use serde_json::json;

    use super::*;

    fn home() -> Home {
        Home::of("123456789012", "eu-west-1")
    }

    fn phrase(field: &'static str, old: Value, new: Value) -> String {
        of(&Difference::new(field, old, new), &home())
    }

    fn readers(arns: &[&str]) -> Value {
        let arns: Vec<String> = arns.iter().map(|arn| (*arn).to_owned()).collect();
        policy_in_form(&repository_policy(&home(), &arns), "aws")
    }

    fn keep(n: u64) -> Value {
        let selection = json!({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": n});
        json!({"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]})
    }

    #[test]
    fn policies_are_a_phrase() {
        for (field, value, words) in [
            ("lifecycle_policy", keep(3), "keep the last 3 images"),
            ("lifecycle_policy", json!({"rules": [1, 2]}), "2 lifecycle rules"),
            (
                "lifecycle_policy",
                json!({"rules": [{"selection": {"tagStatus": "untagged"}}]}),
                "1 lifecycle rule",
            ),
            (
                "repository_policy",
                readers(&[]),
                "default repository policy, 12 actions, 1 principal",
            ),
            (
                "repository_policy",
                readers(&["111122223333", "444455556666"]),
                "default repository policy, 12 actions, 3 principals",
            ),
            (
                "encryption_configuration",
                json!({"encryption_type": "KMS", "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1"}),
                "encryption KMS with key/1",
            ),
            (
                "tags",
                json!({"a": "1", "b": "2", "c": "3", "d": "4"}),
                "tags: a=1, b=2, c=3 and 1 more",
            ),
            ("registry", json!("quay.io"), "quay.io"),
            (
                "secret",
                json!("arn:aws:secretsmanager:eu-west-1:123456789012:secret:hub-AbCdEf"),
                "secret: hub-AbCdEf",
            ),
        ] {
            assert_eq!(phrase(field, Value::Null, value), words);
        }
    }

    #[test]
    fn of_a_change_what_comes_and_goes_is_named() {
        for (field, old, new, words) in [
            (
                "lifecycle_policy",
                keep(5),
                keep(7),
                "lifecycle_policy: keep the last 5 images -> keep the last 7 images",
            ),
            (
                "repository_policy",
                readers(&["111122223333"]),
                readers(&["444455556666"]),
                "repository_policy: +444455556666, -111122223333",
            ),
            (
                "image_tag_mutability",
                json!("IMMUTABLE"),
                json!("MUTABLE"),
                "image_tag_mutability: IMMUTABLE -> MUTABLE",
            ),
            (
                "tags",
                json!({"a": "1", "b": "2"}),
                json!({"a": "2"}),
                "tags: a=2, no b any more",
            ),
            ("lifecycle_policy", keep(5), Value::Null, "no lifecycle_policy any more"),
        ] {
            assert_eq!(phrase(field, old, new), words);
        }
        // A policy that allows what it denied must not look like one with another reader.
        let mut denies = readers(&[]);
        denies["Statement"][0]["Effect"] = json!("Deny");
        assert_eq!(
            phrase("repository_policy", denies, readers(&["111122223333"])),
            "repository_policy: with a deny, 12 actions, 1 principal -> default, 12 actions, 2 principals"
        );
        let mut conditional = readers(&[]);
        conditional["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": ["o-1"]}});
        let mut other = conditional.clone();
        other["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": ["o-2"]}});
        assert_eq!(
            phrase("repository_policy", conditional, other),
            "repository_policy: changed, 12 actions, 1 principal"
        );
    }
}
