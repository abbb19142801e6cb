//! Tag mutability of the repositories that a registry makes.

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

    pub fn takes_filters(self) -> bool {
        matches!(self, Self::MutableWithExclusion | Self::ImmutableWithExclusion)
    }
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
