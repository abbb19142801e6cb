//! TagResource and UntagResource.

use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{Secrets, invalid_parameter, text};
use crate::api::{Answer, ApiError, CallContext};

const MOST_TAGS: usize = 50;

impl Secrets {
    pub(super) fn tag(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let secret = self.find_active(cx, input)?;
        secret.tags = merged(&secret.tags, input)?;
        secret.changed = cx.now;
        Ok(json!({}))
    }

    pub(super) fn untag(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let secret = self.find_active(cx, input)?;
        for key in input
            .get("TagKeys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            secret.tags.remove(key);
        }
        secret.changed = cx.now;
        Ok(json!({}))
    }
}

/// The tags that there are, overwritten by those of an input.
pub(super) fn merged(there: &BTreeMap<String, String>, input: &Value) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = there.clone();
    let mut seen = Vec::new();
    for tag in input.get("Tags").and_then(Value::as_array).into_iter().flatten() {
        let Some(key) = text(tag, "Key") else {
            return Err(invalid_parameter("Tag keys must not be null."));
        };
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_parameter("Tag keys can't start with the reserved prefix aws:."));
        }
        if seen.contains(&key) {
            return Err(invalid_parameter(format!("Duplicate tag keys found: {key}.")));
        }
        seen.push(key);
        tags.insert(key.to_owned(), text(tag, "Value").unwrap_or_default().to_owned());
    }
    if tags.len() > MOST_TAGS {
        return Err(invalid_parameter(format!(
            "A secret can have at most {MOST_TAGS} tags."
        )));
    }
    Ok(tags)
}
