//! Tags of repositories and templates.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Ecr, invalid, read, required};
use crate::api::{Answer, ApiError, CallContext};

/// A tag as ECR writes it, with upper-case members in a protocol of lower-case ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub key: String,
    pub value: String,
}

const MOST: usize = 50;

/// Refuses what the tagging rules refuse; the model has no bounds for keys and values, the service has.
pub(super) fn check(tags: &[Tag]) -> Result<(), ApiError> {
    let refuse = |why: String| Err(ApiError::client("InvalidTagParameterException", why));
    for (index, tag) in tags.iter().enumerate() {
        let key = tag.key.chars().count();
        if !(1..=128).contains(&key) || tag.value.chars().count() > 256 {
            return refuse("Tag keys have 1 to 128 characters and tag values at most 256".into());
        }
        if tag.key.to_lowercase().starts_with("aws:") {
            return refuse(format!("The tag key '{}' is reserved", tag.key));
        }
        if !tag.key.chars().chain(tag.value.chars()).all(allowed) {
            return refuse(format!("The tag '{}' has a character that is not allowed", tag.key));
        }
        if tags.iter().skip(index + 1).any(|other| other.key == tag.key) {
            return refuse(format!("Duplicate tag key '{}'", tag.key));
        }
    }
    if tags.len() > MOST {
        return Err(ApiError::client(
            "TooManyTagsException",
            format!("A resource can have at most {MOST} tags"),
        ));
    }
    Ok(())
}

fn allowed(letter: char) -> bool {
    letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-@".contains(letter)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagInput {
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UntagInput {
    tag_keys: Vec<String>,
}

impl Ecr {
    pub(super) fn tag(&mut self, context: &CallContext, input: &Value) -> Answer {
        let given: TagInput = read(input)?;
        check(&given.tags)?;
        let tags = self.tags_of(context, input)?;
        let mut merged = tags.clone();
        merged.retain(|old| given.tags.iter().all(|new| new.key != old.key));
        merged.extend(given.tags);
        check(&merged)?;
        merged.sort();
        *tags = merged;
        Ok(json!({}))
    }

    pub(super) fn untag(&mut self, context: &CallContext, input: &Value) -> Answer {
        let given: UntagInput = read(input)?;
        self.tags_of(context, input)?
            .retain(|tag| !given.tag_keys.contains(&tag.key));
        Ok(json!({}))
    }

    pub(super) fn list_tags(&mut self, context: &CallContext, input: &Value) -> Answer {
        Ok(json!({"tags": self.tags_of(context, input)?}))
    }

    fn tags_of(&mut self, context: &CallContext, input: &Value) -> Result<&mut Vec<Tag>, ApiError> {
        let arn = required(input, "resourceArn");
        let own = format!(
            "arn:{}:ecr:{}:{}:repository/",
            context.partition, context.region, context.account
        );
        let name = arn.strip_prefix(&own).ok_or_else(|| {
            invalid(format!(
                "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN {arn}'"
            ))
        })?;
        Ok(&mut self.repository_named_mut(context, name)?.tags)
    }
}
