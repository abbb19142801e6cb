//! What a plan comes to, in 64 characters: the same for the same changes to the same account, whoever plans.
//!
//! An apply that is given one does that plan or nothing. No credential goes into it, nor a digest of one: it says that a
//! value is put and over which version, not which value.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Difference, Plan, RegistryPlan, Removal, Step, Verdict};
use crate::home::Home;
use config::Setting;

/// The checksum of a plan and of what it would do to repositories that exist already.
pub fn checksum(plan: &Plan, repositories: Sum, home: &Home) -> String {
    let Plan { registries, removals } = plan;
    let left = |left: &[Removal]| left.iter().map(left_in_form).collect::<Value>();
    let whole = json!({
        "account": home.account,
        "region": home.region,
        "registries": registries.iter().map(registry_in_form).collect::<Value>(),
        "left": left(&removals.left),
        "orphans": left(&removals.orphans),
        "repositories": repositories.to_string(),
    });
    hex(&digest(&whole))
}

/// Whether a text can be a checksum.
pub fn is_checksum(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn registry_in_form(plan: &RegistryPlan) -> Value {
    let RegistryPlan {
        registry,
        marked: _,
        verdict,
        steps,
        secret: _,
        first_seen: _,
        instead_of,
    } = plan;
    let instead_of = instead_of.as_ref().map(|rule| rule.prefix.as_str());
    // Reasons are for people, and AWS words some of them anew each time.
    let verdict = match verdict {
        Verdict::Go => json!("go"),
        Verdict::Held(_) => json!("held"),
        Verdict::Refused {
            resource, action, id, ..
        } => json!(["refused", resource, action, id]),
    };
    json!([
        registry,
        verdict,
        instead_of,
        steps.iter().map(step_in_form).collect::<Value>()
    ])
}

fn left_in_form(left: &Removal) -> Value {
    json!([
        left.registry,
        left.held.is_some(),
        left.steps.iter().map(step_in_form).collect::<Value>()
    ])
}

/// What is to be called follows from what is observed and what differs.
fn step_in_form(step: &Step) -> Value {
    let Step {
        resource,
        action,
        id,
        fields,
        diff,
        operation: _,
    } = step;
    json!([resource, action, id, fields, diff])
}

/// What is to be done to repositories, in whatever order they were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum(u128);

impl Sum {
    /// One setting of a repository: how it differs, and what is to become of it.
    pub fn of(repository: &str, setting: Setting, diff: Option<&Difference>, fate: &str) -> Self {
        let digest = digest(&json!([repository, setting.as_str(), diff, fate]));
        let (half, _) = digest.split_at(16);
        Self(half.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

fn digest(value: &Value) -> [u8; 32] {
    Sha256::digest(sorted(value).to_string()).into()
}

/// The order of keys is that of a feature of serde_json, which may differ between the function and a terminal.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        scalar => scalar.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_come_in_any_order_and_nothing_is_left_out() {
        let diff = Difference::new("tags", Value::Null, json!({"a": "1"}));
        let sum = |name: &str, fate: &str| Sum::of(name, Setting::Tags, Some(&diff), fate);
        let (a, b) = (sum("hub/a", "planned"), sum("hub/b", "planned"));
        assert_eq!(a.and(b), b.and(a));
        assert_ne!(a, sum("hub/a", "held"));
        assert_ne!(a, Sum::of("hub/a", Setting::Tags, None, "planned"));
        assert_ne!(a.and(a), a);
    }

    #[test]
    fn a_checksum_has_its_form() {
        assert!(is_checksum(&hex(&digest(&json!({})))));
        for bad in ["", "abc", &"A".repeat(64), &"g".repeat(64), &"a".repeat(65)] {
            assert!(!is_checksum(bad), "{bad}");
        }
    }
}
