//! What is ours, what is nobody's and what is somebody else's.
//!
//! Rules and templates cannot be tagged, so the template's description carries the mark of its owner; a secret
//! carries a tag.

use std::collections::{BTreeMap, BTreeSet};

use crate::settings::Settings;
use config::canonical_host;

/// The tag that names a secret's owner.
pub const OWNER_TAG: &str = "ecr-pull-through-sync:owner";

/// The tag that names the hosts that a secret's values are for, with spaces between them.
pub const UPSTREAM_TAG: &str = "ecr-pull-through-sync:upstream";

/// The tag that says when a secret's current value lapses.
pub const EXPIRES_TAG: &str = "ecr-pull-through-sync:expires-at";

pub use config::SECRET_PREFIX;

const MARK: &str = " (managed by ecr-pull-through-sync: ";

/// Who owns a template or a secret, as its mark or tag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Us,
    /// A former owner that `TAKE_OVER_FROM` names: ours, and the mark is to be rewritten.
    Former,
    Nobody,
    /// Another owner's, by this name.
    Other(String),
}

impl Owner {
    fn named(name: &str, settings: &Settings) -> Self {
        if name == settings.owner {
            Self::Us
        } else if settings.take_over_from.iter().any(|former| former == name) {
            Self::Former
        } else {
            Self::Other(name.to_owned())
        }
    }

    /// Reads the mark in a template's description.
    pub fn of_template(description: &str, settings: &Settings) -> Self {
        let name = description
            .split_once(MARK)
            .and_then(|(_, rest)| rest.strip_suffix(')'));
        name.map_or(Self::Nobody, |name| Self::named(name, settings))
    }

    /// Reads a secret's owner tag.
    pub fn of_secret(tags: &BTreeMap<String, String>, settings: &Settings) -> Self {
        tags.get(OWNER_TAG)
            .map_or(Self::Nobody, |name| Self::named(name, settings))
    }

    /// Ours now, or ours by `TAKE_OVER_FROM`.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Us | Self::Former)
    }
}

/// The description of a registry's template: the legacy module's sentence with our mark behind it.
pub fn template_description(registry: &str, owner: &str) -> String {
    format!("Pull through cache repository template for {registry} artifacts{MARK}{owner})")
}

/// A template's description without our mark, for a template that stays for other purposes.
pub fn unmarked_description(description: &str) -> String {
    description
        .split_once(MARK)
        .map_or(description, |(sentence, _)| sentence)
        .to_owned()
}

/// The name of the secret we make for a registry.
pub fn secret_name(registry: &str) -> String {
    format!("{SECRET_PREFIX}{registry}")
}

/// The name of the secret we make for a registry whose other one is for another host. No prefix of ECR's has an `@` in it.
pub fn secret_name_at(registry: &str, host: &str) -> String {
    format!("{SECRET_PREFIX}{registry}@{host}")
}

/// The hosts that a secret's values are for, as its tag says; `None` without one.
pub fn hosts_of_secret(tags: &BTreeMap<String, String>) -> Option<BTreeSet<String>> {
    tags.get(UPSTREAM_TAG)
        .map(|hosts| hosts.split_whitespace().map(canonical_host).collect())
}

/// The registry a secret of this name was made for: our own forms, or the legacy Terraform module's, which appends
/// the 26 hexadecimal characters of a `name_prefix`.
pub fn registry_of_secret(name: &str) -> Option<SecretNameParts<'_>> {
    let registry = name.strip_prefix(SECRET_PREFIX)?;
    let registry = registry.split_once('@').map_or(registry, |(registry, _)| registry);
    let split = registry
        .len()
        .checked_sub(26)
        .filter(|at| *at > 0 && registry.is_char_boundary(*at));
    let legacy = split.map(|at| registry.split_at(at));
    let legacy = legacy.filter(|(_, suffix)| suffix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    Some(SecretNameParts {
        registry,
        legacy_registry: legacy.map(|(registry, _)| registry),
    })
}

/// The readings of a secret's name: a registry may itself end in 26 hexadecimal characters.
#[derive(Debug, PartialEq, Eq)]
pub struct SecretNameParts<'a> {
    /// The name after the prefix.
    pub registry: &'a str,
    /// The same without the legacy suffix, where it ends in one.
    pub legacy_registry: Option<&'a str>,
}

impl SecretNameParts<'_> {
    /// Whether this is a name for `registry`'s secret.
    pub fn is_for(&self, registry: &str) -> bool {
        self.registry == registry || self.legacy_registry == Some(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let read = |name: &str| match name {
            "CONFIG_BUCKET" => Some("bucket".to_owned()),
            "OWNER" => Some("stack".to_owned()),
            "TAKE_OVER_FROM" => Some("old".to_owned()),
            _ => None,
        };
        Settings::from_lookup(read).unwrap_or_else(|e| unreachable!("{e}"))
    }

    #[test]
    fn the_mark_is_read_back_from_the_description() {
        let settings = settings();
        for (description, owner) in [
            (template_description("hub", "stack"), Owner::Us),
            (template_description("hub", "old"), Owner::Former),
            (template_description("hub", "stack2"), Owner::Other("stack2".into())),
            (
                "Pull through cache repository template for hub artifacts".into(),
                Owner::Nobody,
            ),
            (String::new(), Owner::Nobody),
        ] {
            assert_eq!(Owner::of_template(&description, &settings), owner, "{description}");
        }
    }

    #[test]
    fn the_longest_description_fits_the_api() {
        assert!(template_description(&"p".repeat(30), &"o".repeat(128)).len() <= 255);
    }

    #[test]
    fn a_legacy_secret_name_ends_in_26_hexadecimal_characters() {
        let legacy = format!("ecr-pullthroughcache/hub{}", "0123456789abcdef0123456789");
        assert!(registry_of_secret(&legacy).is_some_and(|m| m.is_for("hub")));
        assert!(registry_of_secret("ecr-pullthroughcache/hub").is_some_and(|m| m.is_for("hub")));
        assert!(registry_of_secret("ecr-pullthroughcache/hub-x").is_some_and(|m| !m.is_for("hub")));
        assert!(registry_of_secret(&secret_name_at("hub", "ghcr.io")).is_some_and(|m| m.is_for("hub")));
        assert_eq!(registry_of_secret("other/hub"), None);
    }
}
