//! What a step changes, field by field, for people to read before they say yes. No value of a secret is ever in it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field as it is, and as it is to be. `null` is nothing. Policies are compared by meaning, so they stand here in the
/// form in which they are compared: what is only written otherwise shows no difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The file's name of it.
    pub field: Cow<'static, str>,
    pub old: Value,
    pub new: Value,
}

impl Difference {
    /// Of one field.
    pub fn new(field: &'static str, old: impl Into<Value>, new: impl Into<Value>) -> Self {
        Self {
            field: Cow::Borrowed(field),
            old: old.into(),
            new: new.into(),
        }
    }
}

/// Fields by name, as two states of a resource have them.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Something that is to be made: all that it will have.
pub(super) fn made(new: Fields) -> Vec<Difference> {
    let given = new.into_iter().filter(|(_, value)| !value.is_null());
    given
        .map(|(field, value)| Difference::new(field, Value::Null, value))
        .collect()
}

/// Something that is to be changed: the fields that were found to differ.
pub(super) fn changed(fields: &[&'static str], old: &Fields, new: &Fields) -> Vec<Difference> {
    let of = |all: &Fields, field: &str| {
        all.iter()
            .find(|(name, _)| *name == field)
            .map_or(Value::Null, |(_, value)| value.clone())
    };
    fields
        .iter()
        .map(|field| Difference::new(field, of(old, field), of(new, field)))
        .collect()
}

/// A text, or nothing where it is empty.
pub(super) fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// Some items in their order, or nothing where there are none.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a String>) -> Value {
    let items: Vec<Value> = items.into_iter().map(|item| item.as_str().into()).collect();
    if items.is_empty() {
        Value::Null
    } else {
        Value::Array(items)
    }
}

/// Tags, or nothing where there are none.
pub(crate) fn tags<'a>(tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    let tags: serde_json::Map<String, Value> = tags
        .into_iter()
        .map(|(key, value)| (key.clone(), value.as_str().into()))
        .collect();
    if tags.is_empty() {
        Value::Null
    } else {
        Value::Object(tags)
    }
}
