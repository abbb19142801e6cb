//! Tag mutability, its exclusion filters and encryption: what templates and repositories have in common.

use serde::{Deserialize, Serialize};

use super::evaluate::matches;
use super::invalid;
use crate::api::ApiError;

/// A wildcard that exempts tags from the mutability setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExclusionFilter {
    filter_type: String,
    filter: String,
}

/// Mutability and filters, known to go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mutability {
    image_tag_mutability: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
}

impl Default for Mutability {
    fn default() -> Self {
        Self {
            image_tag_mutability: "MUTABLE".into(),
            image_tag_mutability_exclusion_filters: None,
        }
    }
}

impl Mutability {
    /// Pairs the two members of an input. The `_WITH_EXCLUSION` values need filters and the others refuse them;
    /// filters alone are refused too, so an update that changes filters must say the mutability again.
    pub(super) fn pair(
        mutability: Option<String>,
        filters: Option<Vec<ExclusionFilter>>,
    ) -> Result<Option<Self>, ApiError> {
        let excludes = mutability
            .as_deref()
            .is_some_and(|value| value.ends_with("_WITH_EXCLUSION"));
        match (excludes, &filters) {
            (true, None) => Err(invalid(
                "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'Image tag mutability exclusion filters must be provided when imageTagMutability is IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION'",
            )),
            (false, Some(_)) => Err(invalid(
                "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'Image tag mutability exclusion filters can only be provided when imageTagMutability is IMMUTABLE_WITH_EXCLUSION or MUTABLE_WITH_EXCLUSION'",
            )),
            _ => Ok(mutability.map(|image_tag_mutability| Self {
                image_tag_mutability,
                image_tag_mutability_exclusion_filters: filters,
            })),
        }
    }
}

impl Mutability {
    /// Whether a tag may move to another image.
    pub(super) fn lets_move(&self, tag: &str) -> bool {
        let filters = self.image_tag_mutability_exclusion_filters.iter().flatten();
        let is_excluded = filters.into_iter().any(|filter| matches(&filter.filter, tag));
        self.image_tag_mutability.starts_with("MUTABLE") != is_excluded
    }
}

/// How images are encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Encryption {
    encryption_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kms_key: Option<String>,
}

impl Default for Encryption {
    fn default() -> Self {
        Self {
            encryption_type: "AES256".into(),
            kms_key: None,
        }
    }
}

impl Encryption {
    /// Refuses a key where the type takes none; an empty key is no key.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        self.kms_key = self.kms_key.filter(|key| !key.is_empty());
        if self.encryption_type == "AES256" && self.kms_key.is_some() {
            return Err(invalid(
                "Invalid parameter at 'encryptionConfiguration' failed to satisfy constraint: 'KMS key can not be specified for encryption type AES256'",
            ));
        }
        Ok(self)
    }

    /// Whether a KMS key is used, which only a template's role may do.
    pub(super) fn uses_kms(&self) -> bool {
        self.encryption_type != "AES256"
    }
}
