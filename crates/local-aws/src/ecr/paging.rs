//! Pages: `maxResults`, `nextToken`, and a cap by which a test gets small pages.

use std::collections::BTreeMap;
use std::ops::Bound;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{invalid, text};
use crate::api::ApiError;

/// One page of named items, and the token of the next one.
pub(super) struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// Cuts the page that `input` asks for out of items that are sorted by their names. `items` begin after a name, so that
/// the last page of ten thousand items costs no more than the first.
pub(super) fn cut<'a, T, I: Iterator<Item = (&'a str, T)>>(
    op: &str,
    input: &Value,
    cap: Option<usize>,
    items: impl FnOnce(Option<&str>) -> I,
) -> Result<Page<T>, ApiError> {
    let asked = input
        .get("maxResults")
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(100);
    let size = cap.map_or(asked, |cap| asked.min(cap)).max(1);
    let after = text(input, "nextToken").map(|token| open(op, token)).transpose()?;
    let mut rest = items(after.as_deref());
    let mut page = Page {
        items: Vec::new(),
        next: None,
    };
    let mut last = "";
    for (name, item) in rest.by_ref().take(size) {
        last = name;
        page.items.push(item);
    }
    if rest.next().is_some() {
        page.next = Some(seal(op, last));
    }
    Ok(page)
}

/// The entries of a map that come after a name.
pub(super) fn rest<'a, T>(
    map: &'a BTreeMap<String, T>,
    after: Option<&str>,
) -> impl Iterator<Item = (&'a str, &'a T)> + use<'a, T> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    map.range::<str, _>((start, Bound::Unbounded))
        .map(|(name, item)| (name.as_str(), item))
}

impl<T> Page<T> {
    /// Adds `nextToken` to an answer, where there is one.
    pub(super) fn sign(next: Option<String>, mut answer: Value) -> Value {
        if let (Some(token), Some(object)) = (next, answer.as_object_mut()) {
            object.insert("nextToken".into(), token.into());
        }
        answer
    }
}

// A token is bound to its operation, and a client cannot make one up by counting.
fn seal(op: &str, name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("local-aws/{op}/{name}"))
}

fn open(op: &str, token: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let plain = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    plain
        .as_deref()
        .and_then(|plain| plain.strip_prefix("local-aws/")?.strip_prefix(op)?.strip_prefix('/'))
        .map(str::to_owned)
        .ok_or_else(|| invalid("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid next token'"))
}
