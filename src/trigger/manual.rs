//! Calls by hand: `{"action": "apply" | "plan" | "validate", "max_deletions": n}`, where `{}` means plan.
//!
//! Strict, since a person typed it: a misspelt key must not turn into a harmless plan that looks like an apply.

use serde_json::{Map, Value};

use super::{Job, Kind, Mode, Trigger, Unplaceable, json_type, shown};

const ACTION: &str = "action";
const MAX_DELETIONS: &str = "max_deletions";
const KEYS: [&str; 2] = [ACTION, MAX_DELETIONS];
const MODES: [Mode; 3] = [Mode::Apply, Mode::Plan, Mode::Validate];

/// An object that is no event of AWS's: a manual call, or nothing the function knows.
pub(super) fn read(fields: &Map<String, Value>) -> Result<Trigger, Unplaceable> {
    if !resembles_a_call(fields) {
        return Err(Unplaceable::Unknown { what: keys_of(fields) });
    }
    if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let hint = nearest(unknown, KEYS)
            .map_or_else(|| format!("the keys are {}", KEYS.join(" and ")), |key| format!("did you mean \"{key}\"?"));
        return Err(Unplaceable::Manual(format!("unknown key \"{}\": {hint}", shown(unknown))));
    }
    Ok(Trigger {
        kind: Kind::Manual,
        source: "invoke".to_owned(),
        job: Job::Run {
            mode: fields.get(ACTION).map_or(Ok(Mode::Plan), action)?,
            max_deletions: fields.get(MAX_DELETIONS).map(max_deletions).transpose()?,
        },
    })
}

/// A call has one of the two keys, spelt well or nearly so, or no key at all.
fn resembles_a_call(fields: &Map<String, Value>) -> bool {
    fields.is_empty() || fields.keys().any(|key| nearest(key, KEYS).is_some())
}

fn action(value: &Value) -> Result<Mode, Unplaceable> {
    let Value::String(word) = value else {
        return Err(Unplaceable::Manual(format!("\"action\" must be a string, not {}", json_type(value))));
    };
    if let Some(mode) = MODES.into_iter().find(|mode| mode.as_str() == word) {
        return Ok(mode);
    }
    let hint = nearest(word, MODES.map(Mode::as_str)).map_or_else(
        || "the actions are apply, plan and validate".to_owned(),
        |action| format!("did you mean \"{action}\"?"),
    );
    Err(Unplaceable::Manual(format!("unknown action \"{}\": {hint}", shown(word))))
}

/// Not negative, not a fraction. A number too large to matter (an account has 50 rules) is as good as the largest.
fn max_deletions(value: &Value) -> Result<u32, Unplaceable> {
    match value {
        Value::Number(number) => {
            number.as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX)).ok_or_else(|| {
                Unplaceable::Manual(format!(
                    "\"max_deletions\" must be a whole number, 0 or more, not {}",
                    shown(&number.to_string())
                ))
            })
        }
        other => Err(Unplaceable::Manual(format!(
            "\"max_deletions\" must be a whole number, 0 or more, not {}",
            json_type(other)
        ))),
    }
}

/// The word that was meant, if one is near enough.
fn nearest<const N: usize>(word: &str, words: [&'static str; N]) -> Option<&'static str> {
    // Longer than any word with all the slips we forgive: spare the comparison, the caller chose the length.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    words
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).min(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The first few keys of an object that is no call.
fn keys_of(fields: &Map<String, Value>) -> String {
    let names: Vec<_> = fields.keys().take(5).map(String::as_str).collect();
    let more = if fields.len() > names.len() { ", …" } else { "" };
    format!("an object with the keys {}{more}", shown(&names.join(", ")))
}
