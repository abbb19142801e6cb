//! Managed external secrets: secrets of a partner's form, which AWS rotates by itself ("Managed external secrets" in the Secrets
//! Manager user guide). One kind is known here; others are refused.

use serde_json::Value;

use super::{Content, invalid_parameter, text};
use crate::api::ApiError;

/// GitLab's tokens: `{"token", "tokenId", "gitlabUrl"}`, all texts, and `projectId` or `groupId` with those of a project or group.
const GITLAB: &str = "GitLabAccessToken";

/// The kind that an input asks for, with a value of its form.
pub(super) fn kind(input: &Value, content: Option<&Content>) -> Result<Option<String>, ApiError> {
    let Some(kind) = text(input, "Type") else {
        return Ok(None);
    };
    if kind != GITLAB {
        return Err(ApiError {
            code: "NotImplemented".into(),
            message: format!("local-aws knows the type {GITLAB} of managed external secrets, and not {kind:?}"),
            status: 501,
        });
    }
    if let Some(content) = content {
        check(content)?;
    }
    Ok(Some(kind.to_owned()))
}

/// Whether a value has the form of its kind.
fn check(content: &Content) -> Result<(), ApiError> {
    let value: Option<Value> = match content {
        Content::Text(text) => serde_json::from_str(text).ok(),
        Content::Binary(_) => None,
    };
    let has = |key: &str| {
        value
            .as_ref()
            .and_then(|value| text(value, key))
            .is_some_and(|text| !text.is_empty())
    };
    if ["token", "tokenId", "gitlabUrl"].into_iter().all(has) {
        return Ok(());
    }
    let message = format!("The secret value of a {GITLAB} must be JSON with the texts token, tokenId and gitlabUrl.");
    Err(invalid_parameter(message))
}
