//! Calls by hand: `{"action": "apply" | "plan" | "validate", "max_deletions": n, "plan_checksum": "..."}`, where `{}`
//! means plan.
//!
//! Strict, since a person typed it: a misspelt key must not turn into a harmless plan that looks like an apply.

use config::nearest;
use serde_json::{Map, Value};

use super::{Job, Kind, Mode, Trigger, UnknownEvent, json_type, shown};
use crate::plan::is_checksum;

const ACTION: &str = "action";
const MAX_DELETIONS: &str = "max_deletions";
const PLAN_CHECKSUM: &str = "plan_checksum";
const KEYS: [&str; 3] = [ACTION, MAX_DELETIONS, PLAN_CHECKSUM];
const MODES: [Mode; 3] = [Mode::Apply, Mode::Plan, Mode::Validate];

/// An object that is no event of AWS's: a manual call, or nothing the function knows.
pub(super) fn read(fields: &Map<String, Value>) -> Result<Trigger, UnknownEvent> {
    if !resembles_a_call(fields) {
        return Err(UnknownEvent::Unknown { what: keys_of(fields) });
    }
    if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = nearest(unknown, &KEYS).map_or_else(
            || format!("the keys are {}", KEYS.join(", ")),
            |key| format!("did you mean \"{key}\"?"),
        );
        return Err(UnknownEvent::Manual(format!(
            "unknown key \"{}\": {hint}",
            shown(unknown)
        )));
    }
    let mode = fields.get(ACTION).map_or(Ok(Mode::Plan), action)?;
    let max_deletions = fields.get(MAX_DELETIONS).map(max_deletions).transpose()?;
    let plan_checksum = fields
        .get(PLAN_CHECKSUM)
        .map(|value| plan_checksum(value, mode))
        .transpose()?;
    let job = Job::Run {
        mode,
        max_deletions,
        plan_checksum,
    };
    Ok(Trigger {
        kind: Kind::Manual,
        source: "invoke".to_owned(),
        job,
    })
}

/// A call has one of the keys, spelt well or nearly so, or no key at all.
fn resembles_a_call(fields: &Map<String, Value>) -> bool {
    fields.is_empty() || fields.keys().any(|key| nearest(key, &KEYS).is_some())
}

fn action(value: &Value) -> Result<Mode, UnknownEvent> {
    let Value::String(word) = value else {
        return Err(UnknownEvent::Manual(format!(
            "\"action\" must be a string, not {}",
            json_type(value)
        )));
    };
    if let Some(mode) = MODES.into_iter().find(|mode| mode.as_str() == word) {
        return Ok(mode);
    }
    let hint = nearest(word, &MODES.map(Mode::as_str)).map_or_else(
        || "the actions are apply, plan and validate".to_owned(),
        |action| format!("did you mean \"{action}\"?"),
    );
    Err(UnknownEvent::Manual(format!(
        "unknown action \"{}\": {hint}",
        shown(word)
    )))
}

/// Not negative, not a fraction. A number too large to matter (an account has 50 rules) is as good as the largest.
fn max_deletions(value: &Value) -> Result<u32, UnknownEvent> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
            .ok_or_else(|| {
                UnknownEvent::Manual(format!(
                    "\"max_deletions\" must be a whole number, 0 or more, not {}",
                    shown(&number.to_string())
                ))
            }),
        other => Err(UnknownEvent::Manual(format!(
            "\"max_deletions\" must be a whole number, 0 or more, not {}",
            json_type(other)
        ))),
    }
}

/// 64 characters, as a plan has given them; only an apply does that plan.
fn plan_checksum(value: &Value, mode: Mode) -> Result<String, UnknownEvent> {
    if mode != Mode::Apply {
        return Err(UnknownEvent::Manual(format!(
            "\"plan_checksum\" goes with \"action\": \"apply\", not with {}: a plan gives it",
            mode.as_str()
        )));
    }
    match value {
        Value::String(text) if is_checksum(text) => Ok(text.clone()),
        _ => Err(UnknownEvent::Manual(
            "\"plan_checksum\" must be the 64 characters 0-9a-f that a plan has in its plan_checksum".to_owned(),
        )),
    }
}

/// The first few keys of an object that is no call.
fn keys_of(fields: &Map<String, Value>) -> String {
    let names: Vec<_> = fields.keys().take(5).map(String::as_str).collect();
    let more = if fields.len() > names.len() { ", …" } else { "" };
    format!("an object with the keys {}{more}", shown(&names.join(", ")))
}
