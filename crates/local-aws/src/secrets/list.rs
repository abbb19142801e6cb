//! ListSecrets: filters, order, pages, and the lag that makes it useless for deciding whether a secret exists.

use serde_json::{Value, json};

use super::{Secret, Secrets, flag, text, with};
use crate::api::{Answer, ApiError, CallContext};

const TOKEN: &str = "local-aws-page-";

impl Secrets {
    pub(super) fn list(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let filters = filters(input)?;
        let is_settled = |time| cx.now.duration_since(time) >= self.list_lag;
        let mut shown: Vec<Secret> = Vec::new();
        for secret in self.secrets.values().filter(|secret| is_settled(secret.created)) {
            let mut secret = secret.clone();
            secret.deletion = secret.deletion.filter(|deletion| is_settled(deletion.asked));
            let hidden = secret.deletion.is_some() && !flag(input, "IncludePlannedDeletion");
            if !hidden && filters.iter().all(|filter| filter.admits(&secret)) {
                shown.push(secret);
            }
        }
        match text(input, "SortBy") {
            Some("name") => shown.sort_by(|a, b| a.name.cmp(&b.name)),
            Some("last-changed-date") => shown.sort_by_key(|secret| secret.changed),
            Some("last-accessed-date") => shown.sort_by_key(|secret| secret.accessed),
            _ => shown.sort_by_key(|secret| secret.created),
        }
        if text(input, "SortOrder") != Some("asc") {
            shown.reverse();
        }
        let entries = shown
            .iter()
            .map(|secret| with(secret.described(), "SecretVersionsToStages", secret.labels_by_version()))
            .collect();
        let (entries, next) = page(entries, input, self.page_size)?;
        Ok(with(
            json!({"SecretList": entries}),
            "NextToken",
            next.map(Value::String),
        ))
    }
}

/// Cuts the page that an input asks for, and names the next.
pub(super) fn page(
    all: Vec<Value>,
    input: &Value,
    cap: Option<usize>,
) -> Result<(Vec<Value>, Option<String>), ApiError> {
    let wanted = input
        .get("MaxResults")
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(100);
    let size = wanted.min(cap.unwrap_or(100)).max(1);
    let start = match text(input, "NextToken") {
        None => 0,
        Some(token) => token
            .strip_prefix(TOKEN)
            .and_then(|n| n.parse::<usize>().ok())
            .ok_or_else(|| ApiError::client("InvalidNextTokenException", "The NextToken value is invalid."))?,
    };
    let next = (start + size < all.len()).then(|| format!("{TOKEN}{}", start + size));
    Ok((all.into_iter().skip(start).take(size).collect(), next))
}

/// One filter: it admits what any of its values matches, and not what a value with a `!` matches.
struct Filter {
    key: String,
    values: Vec<String>,
}

fn filters(input: &Value) -> Result<Vec<Filter>, ApiError> {
    let each = input.get("Filters").and_then(Value::as_array).into_iter().flatten();
    each.map(|filter| {
        let key = text(filter, "Key").unwrap_or_default().to_owned();
        let values: Vec<String> = filter
            .get("Values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if key.is_empty() || values.is_empty() {
            return Err(super::invalid_parameter("A filter needs a key and at least one value."));
        }
        if ["primary-region", "owning-service"].contains(&key.as_str()) {
            let message = format!("local-aws does not implement the filter {key}");
            return Err(ApiError {
                code: "NotImplemented".to_owned(),
                message,
                status: 501,
            });
        }
        Ok(Filter { key, values })
    })
    .collect()
}

impl Filter {
    fn admits(&self, secret: &Secret) -> bool {
        let (not, yes): (Vec<&str>, Vec<&str>) = self
            .values
            .iter()
            .map(String::as_str)
            .partition(|value| value.starts_with('!'));
        let refused = not
            .iter()
            .filter_map(|value| value.strip_prefix('!'))
            .any(|value| self.matches(secret, value));
        !refused && (yes.is_empty() || yes.iter().any(|value| self.matches(secret, value)))
    }

    /// Names and tags match by their beginning and case; descriptions by the beginning of a word, in any case.
    fn matches(&self, secret: &Secret, value: &str) -> bool {
        let name = || secret.name.starts_with(value);
        let description = || {
            let text = secret.description.as_deref().unwrap_or_default().to_lowercase();
            let value = value.to_lowercase();
            text.starts_with(&value)
                || text
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word.starts_with(&value))
        };
        let tag_key = || secret.tags.keys().any(|key| key.starts_with(value));
        let tag_value = || secret.tags.values().any(|found| found.starts_with(value));
        match self.key.as_str() {
            "name" => name(),
            "description" => description(),
            "tag-key" => tag_key(),
            "tag-value" => tag_value(),
            _ => name() || description() || tag_key() || tag_value(),
        }
    }
}
