//! Reads `existing_repositories`.

use std::collections::BTreeSet;

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, one_of, shown};
use crate::keys::describe::Key as _;
use crate::keys::file::ExistingKey;
use crate::model::existing::{ExistingRepositories, MOST_PATTERNS, Setting, is_repository_pattern};
use crate::model::prefix::ROOT;
use crate::read::fields::{self, Field, Shape};
use crate::yaml::node::Entry;

const NAME: &str = "existing_repositories";

/// Reads `existing_repositories`; `Some` of `None` is off. The prefix is that of the registry, if it is one's own field.
pub(crate) fn read(
    entry: &Entry,
    prefix: Option<&str>,
    notes: &mut Notes,
) -> Option<Field<Option<ExistingRepositories>>> {
    let node = &entry.value;
    let field = |value| Field {
        value,
        at: node.at,
        key: entry.key.at,
    };
    let what = || {
        format!(
            "`true`, `false` or a map with {}",
            one_of(ExistingKey::NAMES.iter().copied())
        )
    };
    if node.scalar().is_some() {
        let on = fields::flag_or(NAME, &what(), node, notes)?;
        return Some(field(on.then(ExistingRepositories::default)));
    }
    if node.map().is_none() {
        notes.error(
            Code::WRONG_TYPE,
            node.at,
            format!("`{NAME}` is {}, but {} stands here", what(), node.kind()),
        );
        return None;
    }
    let shape = Shape {
        what: "`existing_repositories`",
        missing_at: None,
    };
    let mut value = ExistingRepositories::default();
    for (key, entry) in fields::map::<ExistingKey>(node, &shape, notes)? {
        let name = key.as_str();
        match key {
            ExistingKey::Apply => {
                if let Some(apply) = read_apply(entry, notes) {
                    value.apply = apply;
                }
            }
            ExistingKey::MaxExpiringImages => {
                if let Some(most) = fields::number(name, 0, &entry.value, notes) {
                    value.max_expiring_images = most;
                }
            }
            ExistingKey::Include => value.include = read_patterns(name, entry, prefix, notes),
            ExistingKey::Exclude => value.exclude = read_patterns(name, entry, None, notes),
        }
    }
    Some(field(Some(value)))
}

fn read_apply(entry: &Entry, notes: &mut Notes) -> Option<BTreeSet<Setting>> {
    let Some(items) = entry.value.list() else {
        let words = one_of(Setting::WORDS.iter().map(|(word, _)| *word));
        notes.error(
            Code::WRONG_TYPE,
            entry.value.at,
            format!("`apply` is a list of {words}, but {} stands here", entry.value.kind()),
        );
        return None;
    };
    if items.is_empty() {
        notes.error(
            Code::BAD_APPLY,
            entry.value.at,
            format!("`apply` is empty: nothing would be applied; remove it for all, or write `{NAME}: false`"),
        );
        return None;
    }
    let mut settings = BTreeSet::new();
    for item in items {
        if let Some(setting) = fields::word("apply", Setting::WORDS, item, notes)
            && !settings.insert(setting)
        {
            notes.error(
                Code::BAD_APPLY,
                item.at,
                format!("`{}` stands in `apply` a second time; remove it", setting.as_str()),
            );
        }
    }
    Some(settings)
}

/// Reads patterns. Those to include must be able to match something under the registry's prefix, if it has one.
fn read_patterns(name: &str, entry: &Entry, prefix: Option<&str>, notes: &mut Notes) -> Vec<String> {
    let items = fields::texts(name, &entry.value, notes).unwrap_or_default();
    if items.len() > MOST_PATTERNS {
        let many = items.len();
        notes.error(
            Code::BAD_PATTERN,
            entry.value.at,
            format!("`{name}` has {many} patterns; at most {MOST_PATTERNS} are allowed: write fewer and wider ones"),
        );
        return Vec::new();
    }
    for (text, at) in &items {
        if !is_repository_pattern(text) {
            notes.error(
                Code::BAD_PATTERN,
                *at,
                format!(
                    "{} matches no repository: names have lower case letters, digits and `._-/`, and `*` stands for any of them",
                    shown(text)
                ),
            );
        } else if let Some(prefix) = prefix.filter(|prefix| *prefix != ROOT && !can_match_under(text, prefix)) {
            notes.error(
                Code::BAD_PATTERN,
                *at,
                format!(
                    "the pattern {} matches nothing under {}: patterns are over whole names; write one that begins with {}",
                    shown(text),
                    shown(prefix),
                    shown(&format!("{prefix}/"))
                ),
            );
        }
    }
    items.into_iter().map(|(text, _)| text).collect()
}

/// Whether a pattern can match a repository under a prefix.
fn can_match_under(pattern: &str, prefix: &str) -> bool {
    let fixed = pattern.split('*').next().unwrap_or_default();
    let under = format!("{prefix}/");
    fixed.starts_with(&under) || (fixed.len() < pattern.len() && under.starts_with(fixed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_over_whole_names() {
        assert!(can_match_under("dockerhub/library/*", "dockerhub"));
        assert!(can_match_under("*", "dockerhub"));
        assert!(can_match_under("docker*", "dockerhub"));
        assert!(can_match_under("dockerhub/nginx", "dockerhub"));
        assert!(!can_match_under("library/*", "dockerhub"));
        assert!(!can_match_under("dockerhub", "dockerhub"));
        assert!(!can_match_under("dockerhub-old/*", "dockerhub"));
    }
}
