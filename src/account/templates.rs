//! ECR repository creation templates: what a repository gets when the first pull makes it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecr::types::{
    EncryptionConfigurationForRepositoryCreationTemplate as EncryptionConfiguration, EncryptionType,
    ImageTagMutability, ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, RctAppliedFor,
    RepositoryCreationTemplate, Tag,
};

use super::answers::{Pages, said};
use super::error::unbuilt;
use super::rules::MOST_PAGES;
use super::{AwsError, Reader, Writer};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The same as the rule's prefix.
    pub prefix: String,
    /// What it says.
    pub spec: TemplateSpec,
}

/// What a template says. Absent and empty are the same to ECR, and so they are here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateSpec {
    /// Our mark stands here.
    pub description: String,
    /// Without `PULL_THROUGH_CACHE` in it the template is silently not applied.
    pub applied_for: BTreeSet<String>,
    /// `AES256`, `KMS` or `KMS_DSSE`; ECR's own is `AES256`.
    pub encryption_type: String,
    /// The full ARN of a KMS key.
    pub kms_key: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// `imageTagMutability`.
    pub mutability: String,
    /// The wildcards of `imageTagMutabilityExclusionFilters`.
    pub exclusion_filters: BTreeSet<String>,
    /// JSON, or empty.
    pub repository_policy: String,
    /// JSON, or empty.
    pub lifecycle_policy: String,
    /// The role ECR assumes to make a repository; needed with tags or KMS, or the first pull fails (roadmap 2398).
    pub custom_role_arn: Option<String>,
}

impl From<RepositoryCreationTemplate> for Template {
    fn from(template: RepositoryCreationTemplate) -> Self {
        let encryption = template.encryption_configuration;
        let filters = template.image_tag_mutability_exclusion_filters.into_iter().flatten();
        let tags = template.resource_tags.into_iter().flatten();
        Self {
            prefix: template.prefix.unwrap_or_default(),
            spec: TemplateSpec {
                description: template.description.unwrap_or_default(),
                applied_for: template
                    .applied_for
                    .into_iter()
                    .flatten()
                    .map(|a| a.as_str().to_owned())
                    .collect(),
                encryption_type: encryption
                    .as_ref()
                    .map_or_else(|| "AES256".into(), |e| e.encryption_type.as_str().to_owned()),
                kms_key: encryption.and_then(|e| e.kms_key).filter(|key| !key.is_empty()),
                tags: tags.map(|tag| (tag.key, tag.value)).collect(),
                mutability: template
                    .image_tag_mutability
                    .map_or_else(|| "MUTABLE".into(), |m| m.as_str().to_owned()),
                exclusion_filters: filters.map(|f| f.filter).collect(),
                repository_policy: template.repository_policy.unwrap_or_default(),
                lifecycle_policy: template.lifecycle_policy.unwrap_or_default(),
                custom_role_arn: template.custom_role_arn.filter(|arn| !arn.is_empty()),
            },
        }
    }
}

impl Reader {
    /// Every template of the account in this Region.
    ///
    /// # Errors
    /// As DescribeRepositoryCreationTemplates.
    pub async fn templates(&self) -> Result<Vec<Template>, AwsError> {
        let mut answers = self
            .ecr
            .describe_repository_creation_templates()
            .into_paginator()
            .page_size(1000)
            .send();
        let mut pages = Pages::of("DescribeRepositoryCreationTemplates", MOST_PAGES);
        let mut templates = Vec::new();
        while let Some(page) = answers.next().await {
            let page = page.map_err(|e| AwsError::new("DescribeRepositoryCreationTemplates", &e))?;
            pages.go_on(page.next_token())?;
            templates.extend(
                page.repository_creation_templates
                    .into_iter()
                    .flatten()
                    .map(Template::from),
            );
        }
        Ok(templates)
    }

    /// One template, read afresh; `None` when there is none. No NotFound is modelled for a filter that matches
    /// nothing, yet others have seen one: both are none.
    ///
    /// # Errors
    /// As DescribeRepositoryCreationTemplates.
    pub async fn template(&self, prefix: &str) -> Result<Option<Template>, AwsError> {
        let call = self
            .ecr
            .describe_repository_creation_templates()
            .prefixes(prefix)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("DescribeRepositoryCreationTemplates", &e)) {
            Ok(answer) => {
                let templates = answer
                    .repository_creation_templates
                    .into_iter()
                    .flatten()
                    .map(Template::from);
                Ok(templates.into_iter().find(|t| t.prefix == prefix))
            }
            Err(e) if e.is("TemplateNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Writer {
    /// Creates a template.
    ///
    /// # Errors
    /// As CreateRepositoryCreationTemplate.
    pub async fn create_template(&self, template: &Template) -> Result<(), AwsError> {
        let spec = &template.spec;
        let call = self
            .ecr
            .create_repository_creation_template()
            .prefix(&template.prefix)
            .description(&spec.description)
            .set_applied_for(Some(applied_for(spec)))
            .set_encryption_configuration(Some(encryption(spec, "CreateRepositoryCreationTemplate")?))
            .set_resource_tags(
                Some(tag_list(&spec.tags, "CreateRepositoryCreationTemplate")?).filter(|tags| !tags.is_empty()),
            )
            .image_tag_mutability(ImageTagMutability::from(spec.mutability.as_str()))
            .set_image_tag_mutability_exclusion_filters(filter_list(
                &spec.exclusion_filters,
                "CreateRepositoryCreationTemplate",
            )?)
            .set_repository_policy(Some(spec.repository_policy.clone()).filter(|text| !text.is_empty()))
            .set_lifecycle_policy(Some(spec.lifecycle_policy.clone()).filter(|text| !text.is_empty()))
            .set_custom_role_arn(spec.custom_role_arn.clone());
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("CreateRepositoryCreationTemplate", &e))?;
        said("CreateRepositoryCreationTemplate", answer.repository_creation_template).map(drop)
    }

    /// Updates a template with everything it is to say: a field left out would stay as it is. An empty text and an
    /// empty list clear; the exclusion filters alone cannot be empty, and go with the mutability.
    ///
    /// # Errors
    /// As UpdateRepositoryCreationTemplate.
    pub async fn update_template(&self, template: &Template) -> Result<(), AwsError> {
        let spec = &template.spec;
        let call = self
            .ecr
            .update_repository_creation_template()
            .prefix(&template.prefix)
            .description(&spec.description)
            .set_applied_for(Some(applied_for(spec)))
            .set_encryption_configuration(Some(encryption(spec, "UpdateRepositoryCreationTemplate")?))
            .set_resource_tags(Some(tag_list(&spec.tags, "UpdateRepositoryCreationTemplate")?))
            .image_tag_mutability(ImageTagMutability::from(spec.mutability.as_str()))
            .set_image_tag_mutability_exclusion_filters(filter_list(
                &spec.exclusion_filters,
                "UpdateRepositoryCreationTemplate",
            )?)
            .repository_policy(&spec.repository_policy)
            .lifecycle_policy(&spec.lifecycle_policy)
            .custom_role_arn(spec.custom_role_arn.clone().unwrap_or_default());
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("UpdateRepositoryCreationTemplate", &e))?;
        said("UpdateRepositoryCreationTemplate", answer.repository_creation_template).map(drop)
    }

    /// Deletes a template. Repositories made from it keep their settings.
    ///
    /// # Errors
    /// As DeleteRepositoryCreationTemplate; one that is gone already is no error.
    pub async fn delete_template(&self, prefix: &str) -> Result<(), AwsError> {
        let call = self
            .ecr
            .delete_repository_creation_template()
            .prefix(prefix)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("DeleteRepositoryCreationTemplate", &e)) {
            Ok(answer) => said("DeleteRepositoryCreationTemplate", answer.repository_creation_template).map(drop),
            Err(e) if e.is("TemplateNotFoundException") => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn applied_for(spec: &TemplateSpec) -> Vec<RctAppliedFor> {
    spec.applied_for
        .iter()
        .map(|a| RctAppliedFor::from(a.as_str()))
        .collect()
}

fn encryption(spec: &TemplateSpec, operation: &'static str) -> Result<EncryptionConfiguration, AwsError> {
    EncryptionConfiguration::builder()
        .encryption_type(EncryptionType::from(spec.encryption_type.as_str()))
        .set_kms_key(spec.kms_key.clone())
        .build()
        .map_err(unbuilt(operation))
}

/// The tags of a call of `operation`.
pub(super) fn tag_list(tags: &BTreeMap<String, String>, operation: &'static str) -> Result<Vec<Tag>, AwsError> {
    let build = |(key, value)| Tag::builder().key(key).value(value).build().map_err(unbuilt(operation));
    tags.iter().map(build).collect()
}

/// The exclusion filters of a call of `operation`, all of them wildcards. ECR refuses an empty list: none is none.
pub(super) fn filter_list(
    filters: &BTreeSet<String>,
    operation: &'static str,
) -> Result<Option<Vec<ImageTagMutabilityExclusionFilter>>, AwsError> {
    let build = |filter: &String| {
        ImageTagMutabilityExclusionFilter::builder()
            .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
            .filter(filter)
            .build()
            .map_err(unbuilt(operation))
    };
    let filters = filters.iter().map(build).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(filters).filter(|filters| !filters.is_empty()))
}
