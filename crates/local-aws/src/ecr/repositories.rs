//! Repositories: made by hand, or by the first pull through a rule.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::evaluate::Image;
use super::images::Images;
use super::mutability::{Encryption, ExclusionFilter, Mutability};
use super::paging::{self, Page};
use super::preview::Preview;
use super::tags::{self, Tag};
use super::{Ecr, invalid, read, required, seconds};
use crate::api::{Answer, ApiError, CallContext};

/// A repository with its settings and images.
pub(super) struct Repository {
    pub created_at: f64,
    pub mutability: Mutability,
    pub encryption: Encryption,
    pub scan_on_push: bool,
    pub tags: Vec<Tag>,
    pub lifecycle_policy: Option<String>,
    pub policy: Option<String>,
    pub images: Images,
    pub preview: Option<Preview>,
}

impl Repository {
    /// An empty repository as ECR makes it without a template.
    pub(super) fn new(context: &CallContext) -> Self {
        Self {
            created_at: seconds(context.now),
            mutability: Mutability::default(),
            encryption: Encryption::default(),
            scan_on_push: false,
            tags: Vec::new(),
            lifecycle_policy: None,
            policy: None,
            images: Images::default(),
            preview: None,
        }
    }

    fn show(&self, context: &CallContext, name: &str) -> Value {
        let suffix = if context.partition == "aws-cn" {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let mut shown = json!(self.mutability);
        let rest = json!({
            "createdAt": self.created_at,
            "encryptionConfiguration": self.encryption,
            "imageScanningConfiguration": {"scanOnPush": self.scan_on_push},
            "registryId": context.account,
            "repositoryArn": format!("arn:{}:ecr:{}:{}:repository/{name}", context.partition, context.region, context.account),
            "repositoryName": name,
            "repositoryUri": format!("{}.dkr.ecr.{}.{suffix}/{name}", context.account, context.region),
        });
        if let (Some(shown), Value::Object(rest)) = (shown.as_object_mut(), rest) {
            shown.extend(rest);
        }
        shown
    }
}

/// The refusal of a repository that is not there.
pub(super) fn not_found(context: &CallContext, name: &str) -> ApiError {
    ApiError::client(
        "RepositoryNotFoundException",
        format!(
            "The repository with name '{name}' does not exist in the registry with id '{}'",
            context.account
        ),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRepository {
    repository_name: String,
    tags: Option<Vec<Tag>>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
    image_scanning_configuration: Option<ScanOnPush>,
    encryption_configuration: Option<Encryption>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScanOnPush {
    scan_on_push: Option<bool>,
}

impl Ecr {
    /// Puts images into a repository, which is made if need be: the material of lifecycle previews.
    pub fn seed_images(&mut self, context: &CallContext, repository: &str, images: Vec<Image>) {
        self.repositories
            .entry(repository.to_owned())
            .or_insert_with(|| Repository::new(context))
            .images
            .extend(repository, images);
    }

    /// Makes repositories, each with as many tagged images: `v1`, `v2` and so on, pushed one a day, the last one now.
    /// Those that are there already stay as they are. Ten thousand cost a few megabytes, however many images they have.
    pub fn seed_repositories(
        &mut self,
        context: &CallContext,
        names: impl IntoIterator<Item = String>,
        images_each: usize,
    ) {
        for name in names {
            self.repositories.entry(name).or_insert_with(|| Repository {
                images: Images::daily(images_each, context.now),
                ..Repository::new(context)
            });
        }
    }

    /// The repository that an input names.
    pub(super) fn repository(&self, context: &CallContext, input: &Value) -> Result<&Repository, ApiError> {
        let name = required(input, "repositoryName");
        self.repositories.get(name).ok_or_else(|| not_found(context, name))
    }

    /// The repository that an input names, to be changed.
    pub(super) fn repository_mut(&mut self, context: &CallContext, input: &Value) -> Result<&mut Repository, ApiError> {
        self.repository_named_mut(context, required(input, "repositoryName"))
    }

    /// The repository of this name, to be changed.
    pub(super) fn repository_named_mut(
        &mut self,
        context: &CallContext,
        name: &str,
    ) -> Result<&mut Repository, ApiError> {
        self.repositories.get_mut(name).ok_or_else(|| not_found(context, name))
    }

    pub(super) fn create_repository(&mut self, context: &CallContext, input: CreateRepository) -> Answer {
        let name = input.repository_name;
        if self.repositories.contains_key(&name) {
            return Err(ApiError::client(
                "RepositoryAlreadyExistsException",
                format!(
                    "The repository with name '{name}' already exists in the registry with id '{}'",
                    context.account
                ),
            ));
        }
        let mut repository = Repository::new(context);
        repository.tags = input.tags.unwrap_or_default();
        tags::check(&repository.tags)?;
        repository.tags.sort();
        repository.mutability =
            Mutability::pair(input.image_tag_mutability, input.image_tag_mutability_exclusion_filters)?
                .unwrap_or_default();
        repository.encryption = input
            .encryption_configuration
            .map(Encryption::checked)
            .transpose()?
            .unwrap_or_default();
        repository.scan_on_push = input
            .image_scanning_configuration
            .and_then(|scan| scan.scan_on_push)
            .unwrap_or_default();
        let shown = json!({"repository": repository.show(context, &name)});
        self.repositories.insert(name, repository);
        Ok(shown)
    }

    pub(super) fn describe_repositories(&self, context: &CallContext, input: &Value) -> Answer {
        let names: Option<BTreeSet<String>> = match input.get("repositoryNames") {
            Some(names) if !names.is_null() => Some(read(names)?),
            _ => None,
        };
        let paged = ["nextToken", "maxResults"]
            .iter()
            .any(|name| input.get(name).is_some_and(|value| !value.is_null()));
        if names.is_some() && paged {
            return Err(invalid(
                "nextToken and maxResults cannot be used when repositoryNames is specified",
            ));
        }
        if let Some(names) = names {
            // Repositories asked for by name come in one answer, which has no pages.
            let show = |name: &String| {
                let repository = self.repositories.get(name).ok_or_else(|| not_found(context, name))?;
                Ok(repository.show(context, name))
            };
            let shown: Result<Vec<Value>, ApiError> = names.iter().map(show).collect();
            return Ok(json!({"repositories": shown?}));
        }
        let page = paging::cut("DescribeRepositories", input, self.page_cap, |after| {
            paging::rest(&self.repositories, after).map(|(name, repository)| (name, repository.show(context, name)))
        })?;
        Ok(Page::<Value>::sign(page.next, json!({"repositories": page.items})))
    }

    pub(super) fn delete_repository(&mut self, context: &CallContext, input: &Value) -> Answer {
        let name = required(input, "repositoryName");
        let repository = self.repository(context, input)?;
        let force = input.get("force").and_then(Value::as_bool).unwrap_or_default();
        if !force && !repository.images.is_empty() {
            return Err(ApiError::client(
                "RepositoryNotEmptyException",
                format!(
                    "The repository with name '{name}' in registry with id '{}' cannot be deleted because it still contains images",
                    context.account
                ),
            ));
        }
        let shown = json!({"repository": repository.show(context, name)});
        self.repositories.remove(name);
        Ok(shown)
    }
}
