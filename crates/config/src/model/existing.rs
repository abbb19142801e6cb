//! Which settings also go to repositories that exist already.

use std::collections::BTreeSet;

/// The longest name of a repository (ECR API, CreateRepository).
pub(crate) const MOST_CHARACTERS: usize = 256;

/// How many patterns a list takes. Each may be held against every repository of the account.
pub(crate) const MOST_PATTERNS: usize = 100;

/// A setting that can be applied to repositories that exist already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    LifecyclePolicy,
    /// The repository policy, which is who may pull.
    RepositoryPolicy,
    ImageTagMutability,
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

/// Whether a text is a wildcard over names of repositories.
pub fn is_repository_pattern(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/*".contains(&byte);
    !text.is_empty() && text.len() <= MOST_CHARACTERS && text.bytes().all(allowed)
}
