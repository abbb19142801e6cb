//! A repository creation template: its checks, and what an update changes.

use serde::{Deserialize, Serialize};

use super::mutability::{Encryption, ExclusionFilter, Mutability};
use super::tags::{self, Tag};
use super::{Ecr, invalid, lifecycle, policy, seconds};
use crate::api::{ApiError, CallContext};

/// A template as `DescribeRepositoryCreationTemplates` shows it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Template {
    pub prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub encryption_configuration: Encryption,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_tags: Vec<Tag>,
    #[serde(flatten)]
    pub mutability: Mutability,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_policy: Option<String>,
    pub applied_for: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_role_arn: Option<String>,
    pub created_at: f64,
    pub updated_at: f64,
}

/// The input of both Create and Update; they differ in what may be missing, which the shape check sees.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Input {
    pub prefix: String,
    description: Option<String>,
    encryption_configuration: Option<Encryption>,
    resource_tags: Option<Vec<Tag>>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
    repository_policy: Option<String>,
    lifecycle_policy: Option<String>,
    applied_for: Option<Vec<String>>,
    custom_role_arn: Option<String>,
}

impl Template {
    /// A template with ECR's own defaults.
    pub(super) fn new(context: &CallContext, prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            description: None,
            encryption_configuration: Encryption::default(),
            resource_tags: Vec::new(),
            mutability: Mutability::default(),
            repository_policy: None,
            lifecycle_policy: None,
            applied_for: Vec::new(),
            custom_role_arn: None,
            created_at: seconds(context.now),
            updated_at: seconds(context.now),
        }
    }

    /// Whether a repository of a pull-through cache may be made from it.
    pub(super) fn is_for_pulls(&self) -> bool {
        self.applied_for.iter().any(|purpose| purpose == "PULL_THROUGH_CACHE")
    }

    /// Whether repository creation fails for lack of a role: the service-linked role can neither tag nor use a key.
    /// ECR takes such a template without a word.
    pub(super) fn lacks_role(&self) -> bool {
        self.custom_role_arn.is_none() && (!self.resource_tags.is_empty() || self.encryption_configuration.uses_kms())
    }
}

/// What an update does to a text that can be cleared.
fn change(stored: &mut Option<String>, given: Option<String>, clears_take: bool) {
    match given {
        Some(text) if !text.is_empty() => *stored = Some(text),
        Some(_) if clears_take => *stored = None,
        _ => {}
    }
}

impl Ecr {
    /// Checks an input as a whole, then puts what it names over `template`; what it omits stays.
    pub(super) fn fill(
        &self,
        context: &CallContext,
        template: &mut Template,
        mut input: Input,
    ) -> Result<(), ApiError> {
        if let Some(text) = input.lifecycle_policy.as_mut().filter(|text| !text.is_empty()) {
            *text = lifecycle::parse(text)?.canonical();
        }
        if let Some(text) = input.repository_policy.as_mut().filter(|text| !text.is_empty()) {
            *text = policy::repository(context, text, &self.unknown_principals)?;
        }
        if let Some(tags) = &input.resource_tags {
            // The template operations do not model the tag errors.
            tags::check(tags).map_err(|error| invalid(error.message))?;
        }
        if input.applied_for.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid(
                "Invalid parameter at 'appliedFor' failed to satisfy constraint: 'Member must have length greater than or equal to 1'",
            ));
        }
        let mutability = Mutability::pair(input.image_tag_mutability, input.image_tag_mutability_exclusion_filters)?;
        let encryption = input.encryption_configuration.map(Encryption::checked).transpose()?;

        let clears = self.clears_take;
        change(&mut template.description, input.description, clears);
        change(&mut template.repository_policy, input.repository_policy, clears);
        change(&mut template.lifecycle_policy, input.lifecycle_policy, clears);
        change(&mut template.custom_role_arn, input.custom_role_arn, clears);
        if let Some(mut tags) = input.resource_tags.filter(|tags| clears || !tags.is_empty()) {
            tags.sort();
            template.resource_tags = tags;
        }
        if let Some(mutability) = mutability {
            template.mutability = mutability;
        }
        if let Some(encryption) = encryption {
            template.encryption_configuration = encryption;
        }
        if let Some(purposes) = input.applied_for {
            template.applied_for = purposes;
        }
        Ok(())
    }
}
