//! Tags ("Tagging your AWS resources": the limits that all services share).

use std::collections::BTreeMap;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::model::tags::{MOST_KEY, MOST_VALUE, OUR_PREFIX};
use crate::read::fields;
use crate::yaml::node::Entry;

/// Tags of one place in the file.
#[derive(Debug, Clone)]
pub(crate) struct Tags {
    pub tags: BTreeMap<String, String>,
    /// Where the key `tags` stands.
    pub key: Position,
}

/// Reads a map of tags.
pub(crate) fn read(entry: &Entry, notes: &mut Notes) -> Option<Tags> {
    let Some(entries) = entry.value.map() else {
        notes.error(
            Code::WRONG_TYPE,
            entry.value.at,
            format!(
                "`tags` is a map, but {} stands here; write `tags:` and under it lines such as `team: platform`",
                entry.value.kind()
            ),
        );
        return None;
    };
    let mut tags = BTreeMap::new();
    for tag in entries {
        if let Some(fault) = key_fault(tag.name()) {
            notes.error(Code::BAD_TAG, tag.key.at, fault);
        }
        // A null tag is an absent one, as any null field.
        if tag.value.is_null() {
            continue;
        }
        let Some(value) = fields::text(tag_name(tag.name()).as_str(), &tag.value, notes) else {
            continue;
        };
        if let Some(fault) = value_fault(&value) {
            notes.error(Code::BAD_TAG, tag.value.at, fault);
        }
        tags.insert(tag.name().to_owned(), value);
    }
    Some(Tags {
        tags,
        key: entry.key.at,
    })
}

fn tag_name(name: &str) -> String {
    format!("tags: {}", shown(name).trim_matches('`'))
}

/// What is wrong with the key of a tag.
pub(crate) fn key_fault(key: &str) -> Option<String> {
    let length = key.chars().count();
    if key.is_empty() || length > MOST_KEY {
        return Some(format!(
            "the key of a tag has 1 to {MOST_KEY} characters, this one has {length}"
        ));
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return Some(format!(
            "the tag {} begins with `aws:`, which only AWS may use; name it otherwise",
            shown(key)
        ));
    }
    if key.to_lowercase().starts_with(OUR_PREFIX) {
        return Some(format!(
            "the tag {} begins with `{OUR_PREFIX}`, which marks what this function owns; name it otherwise",
            shown(key)
        ));
    }
    bad_character(key).map(|c| {
        format!(
            "the tag {} has the character {}; {ALLOWED}",
            shown(key),
            shown(&c.to_string())
        )
    })
}

/// What is wrong with the value of a tag. The value is not repeated.
pub(crate) fn value_fault(value: &str) -> Option<String> {
    let length = value.chars().count();
    if length > MOST_VALUE {
        return Some(format!(
            "the value of a tag has at most {MOST_VALUE} characters, this one has {length}"
        ));
    }
    bad_character(value).map(|c| {
        format!(
            "the value of a tag has the character {}; {ALLOWED}",
            shown(&c.to_string())
        )
    })
}

const ALLOWED: &str = "letters, digits, spaces and `_.:/=+-@` are allowed";

fn bad_character(text: &str) -> Option<char> {
    text.chars()
        .find(|c| !(c.is_alphanumeric() || *c == ' ' || "_.:/=+-@".contains(*c)))
}

/// Tags over tags, the later ones winning.
pub(crate) fn merged<'a>(layers: impl IntoIterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for layer in layers {
        all.extend(layer.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
    all
}

/// Notes what is wrong with RESOURCE_TAGS, which is no part of the file but ends up in the same place.
pub(crate) fn check_resource_tags(tags: &BTreeMap<String, String>, notes: &mut Notes) {
    for (key, value) in tags {
        for fault in [key_fault(key), value_fault(value)].into_iter().flatten() {
            notes.error(Code::BAD_TAG, None, format!("RESOURCE_TAGS: {fault}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_have_limits() {
        for good in ["team", "cost-center", "a b", "größe", "k8s.io/x", "awsome", "é"] {
            assert_eq!(key_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "aws:x",
            "AWS:x",
            "ecr-pull-through-sync:owner",
            "a,b",
            "a\tb",
            "a#b",
            &"a".repeat(129),
        ] {
            assert!(key_fault(bad).is_some(), "{bad}");
        }
        assert_eq!(value_fault(""), None);
        assert_eq!(value_fault(&"ü".repeat(256)), None);
        assert!(value_fault(&"a".repeat(257)).is_some());
        assert!(value_fault("a\nb").is_some());
    }
}
