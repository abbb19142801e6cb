//! Tag mutability of the repositories that a registry makes.

use super::fields::{self, Field};
use super::node::Entry;
use super::problem::{Notes, shown};

pub(crate) const MOST_FILTERS: usize = 5;
pub(crate) const MOST_CHARACTERS: usize = 128;

/// The four values of `image_tag_mutability`, without their filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Mutable,
    Immutable,
    MutableWithExclusion,
    ImmutableWithExclusion,
}

impl Word {
    /// The value, by AWS's word for it.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("MUTABLE", Self::Mutable),
        ("IMMUTABLE", Self::Immutable),
        ("MUTABLE_WITH_EXCLUSION", Self::MutableWithExclusion),
        ("IMMUTABLE_WITH_EXCLUSION", Self::ImmutableWithExclusion),
    ];

    /// Whether filters go with it.
    pub fn takes_filters(self) -> bool {
        matches!(self, Self::MutableWithExclusion | Self::ImmutableWithExclusion)
    }
}

/// Reads `image_tag_mutability_exclusion_filters`
/// (ECR API, ImageTagMutabilityExclusionFilter: `^[0-9a-zA-Z._*-]{1,128}$`).
pub(crate) fn read_filters(entry: &Entry, notes: &mut Notes) -> Option<Field<Vec<String>>> {
    const NAME: &str = "image_tag_mutability_exclusion_filters";
    let items = fields::texts(NAME, &entry.value, notes)?;
    if items.is_empty() || items.len() > MOST_FILTERS {
        notes.error(
            entry.value.at,
            format!("`{NAME}` has {} items; ECR allows 1 to {MOST_FILTERS}", items.len()),
        );
        return None;
    }
    let mut good = true;
    for (text, at) in &items {
        if text.is_empty() || text.len() > MOST_CHARACTERS || !text.bytes().all(is_filter_byte) {
            notes.error(
                *at,
                format!(
                    "the filter {} is not allowed: 1 to {MOST_CHARACTERS} letters, digits and `._*-` are",
                    shown(text)
                ),
            );
            good = false;
        }
    }
    let value = items.into_iter().map(|(text, _)| text).collect();
    good.then_some(Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

fn is_filter_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._*-".contains(&byte)
}

/// Tag mutability as a repository creation template holds it ("Preventing image tags from being overwritten").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mutability {
    /// Tags can move.
    Mutable,
    /// Tags never move, which also stops ECR from refreshing a cached tag.
    Immutable,
    /// Tags can move, but for those that match a filter.
    MutableWithExclusion(Vec<String>),
    /// Tags never move, but for those that match a filter.
    ImmutableWithExclusion(Vec<String>),
}

impl Mutability {
    /// AWS's word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Mutable => "MUTABLE",
            Self::Immutable => "IMMUTABLE",
            Self::MutableWithExclusion(_) => "MUTABLE_WITH_EXCLUSION",
            Self::ImmutableWithExclusion(_) => "IMMUTABLE_WITH_EXCLUSION",
        }
    }

    /// The exclusion filters, all of the type `WILDCARD`; empty for the two values that take none.
    #[must_use]
    pub fn filters(&self) -> &[String] {
        match self {
            Self::Mutable | Self::Immutable => &[],
            Self::MutableWithExclusion(filters) | Self::ImmutableWithExclusion(filters) => filters,
        }
    }
}
