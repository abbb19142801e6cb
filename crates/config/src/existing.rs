//! Which settings also go to repositories that exist already.

use std::collections::BTreeSet;

use super::describe::Key as _;
use super::fields::{self, Field, Shape};
use super::keys::ExistingKey;
use super::node::Entry;
use super::prefix::ROOT;
use super::problem::{Notes, one_of, shown};

const NAME: &str = "existing_repositories";

/// The longest name of a repository (ECR API, CreateRepository).
pub(crate) const MOST_CHARACTERS: usize = 256;

/// How many patterns a list takes. Each may be held against every repository of the account.
pub(crate) const MOST_PATTERNS: usize = 100;

/// A setting that can be applied to repositories that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// The lifecycle policy.
    LifecyclePolicy,
    /// The repository policy, which is who may pull.
    RepositoryPolicy,
    /// Tag mutability.
    ImageTagMutability,
    /// The tags.
    Tags,
}

impl Setting {
    pub(crate) const WORDS: &'static [(&'static str, Self)] = &[
        ("lifecycle_policy", Self::LifecyclePolicy),
        ("repository_policy", Self::RepositoryPolicy),
        ("image_tag_mutability", Self::ImageTagMutability),
        ("tags", Self::Tags),
    ];

    /// The word for it in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LifecyclePolicy => "lifecycle_policy",
            Self::RepositoryPolicy => "repository_policy",
            Self::ImageTagMutability => "image_tag_mutability",
            Self::Tags => "tags",
        }
    }
}

/// `existing_repositories`, where it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingRepositories {
    /// What is applied.
    pub apply: BTreeSet<Setting>,
    /// How many images a lifecycle policy may expire or archive at once in a repository before it is held.
    pub max_expiring_images: u32,
    /// Wildcards over repository names; empty means all under the prefix.
    pub include: Vec<String>,
    /// Wildcards over repository names that are left alone.
    pub exclude: Vec<String>,
}

impl Default for ExistingRepositories {
    /// What `true` stands for: all settings, all repositories under the prefix, no image expired.
    fn default() -> Self {
        Self {
            apply: Setting::WORDS.iter().map(|(_, setting)| *setting).collect(),
            max_expiring_images: 0,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

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
            entry.value.at,
            format!("`apply` is a list of {words}, but {} stands here", entry.value.kind()),
        );
        return None;
    };
    if items.is_empty() {
        notes.error(
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
            entry.value.at,
            format!("`{name}` has {many} patterns; at most {MOST_PATTERNS} are allowed: write fewer and wider ones"),
        );
        return Vec::new();
    }
    for (text, at) in &items {
        if !is_repository_pattern(text) {
            notes.error(
                *at,
                format!(
                    "{} matches no repository: names have lower case letters, digits and `._-/`, and `*` stands for any of them",
                    shown(text)
                ),
            );
        } else if let Some(prefix) = prefix.filter(|prefix| *prefix != ROOT && !can_match_under(text, prefix)) {
            notes.error(
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

/// Whether a text is a wildcard over names of repositories.
pub fn is_repository_pattern(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*".contains(&byte);
    !text.is_empty() && text.len() <= MOST_CHARACTERS && text.bytes().all(allowed)
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
