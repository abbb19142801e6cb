//! Amazon ECR as far as a pull-through cache needs it: rules, creation templates, repositories and their settings,
//! their images, lifecycle previews, and [`Ecr::pull`], which shows what a `docker pull` through a rule would do.
//!
//! Nothing here talks to a network. Which upstream credentials are good is said by the test ([`Ecr::upstreams`]);
//! which secrets exist is asked of the Secrets Manager stand-in ([`SecretSource`]). Error codes, texts and rules
//! follow AWS's service model and what was measured on live AWS; where AWS is unknown the code says so.

mod credential;
mod evaluate;
mod image_calls;
mod images;
mod lifecycle;
mod mutability;
mod paging;
mod policy;
mod preview;
mod pull;
mod registry;
mod repositories;
mod rules;
mod settings;
mod tags;
mod template;
mod templates;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use crate::api::seconds;
use crate::api::{Answer, ApiError, CallContext, SecretSource};
use crate::shape::{self, Service};

pub use evaluate::Image;
pub use lifecycle::StorageClass;
pub use pull::Pulled;
pub use upstream::Upstreams;

use repositories::Repository;
use rules::Rule;
use template::Template;

/// The service whose linked role pulls through rules with a credential.
pub(crate) const PULLS: &str = "pullthroughcache.ecr.amazonaws.com";
/// The service whose linked role makes repositories from templates.
pub(crate) const TEMPLATES: &str = "ecr.amazonaws.com";

/// One registry: what one account has of ECR in one Region.
pub struct Ecr {
    /// Whether `""` and `[]` in `UpdateRepositoryCreationTemplate` clear a field. Nobody has verified on live AWS that
    /// they do; `false` is the other possibility, where they are ignored in silence.
    pub clears_take: bool,
    /// Whether creating or updating a rule fails on a secret with a customer key, as the modelled
    /// `UnableToDecryptSecretValueException` suggests. `false` leaves the discovery to validation.
    pub decrypts_at_create: bool,
    /// How many polls of a lifecycle preview answer `IN_PROGRESS` before it is complete.
    pub preview_polls: u32,
    /// Repositories whose lifecycle previews end as `FAILED`.
    pub failing_previews: BTreeSet<String>,
    /// Principals that IAM does not know (yet): a policy that names one is refused, as for a role made a moment ago.
    pub unknown_principals: BTreeSet<String>,
    rule_quota: usize,
    page_cap: Option<usize>,
    upstreams: Upstreams,
    // Rules and templates are kept by their prefix without a trailing slash, which ECR assumes anyway.
    rules: BTreeMap<String, Rule>,
    templates: BTreeMap<String, Template>,
    repositories: BTreeMap<String, Repository>,
    registry_policy: Option<String>,
    /// The services whose linked roles the account has. They stay when what they were made for is gone.
    linked_roles: BTreeSet<&'static str>,
    /// Events that nobody has taken yet.
    raised: Vec<Value>,
}

impl Ecr {
    /// The events of the pulls since it was asked last.
    pub(crate) fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.raised)
    }

    /// An empty registry that takes at most `rule_quota` pull-through cache rules (AWS: 50).
    pub fn new(rule_quota: usize) -> Self {
        Self {
            clears_take: true,
            decrypts_at_create: false,
            preview_polls: 2,
            failing_previews: BTreeSet::new(),
            unknown_principals: BTreeSet::new(),
            rule_quota,
            page_cap: None,
            upstreams: Upstreams::default(),
            rules: BTreeMap::new(),
            templates: BTreeMap::new(),
            repositories: BTreeMap::new(),
            registry_policy: None,
            linked_roles: BTreeSet::new(),
            raised: Vec::new(),
        }
    }

    /// Whether the account has the service-linked role of [`PULLS`] or [`TEMPLATES`].
    pub(crate) fn has_linked_role(&self, service: &str) -> bool {
        self.linked_roles.contains(service)
    }

    /// Answers one operation; `op` and `input` as they are in AWS's JSON protocol.
    pub fn call(&mut self, context: &CallContext, secrets: &dyn SecretSource, op: &str, input: &Value) -> Answer {
        shape::check(Service::Ecr, op, input)?;
        own_registry(context, op, input)?;
        match op {
            "CreatePullThroughCacheRule" => self.create_rule(context, secrets, &read(input)?),
            "UpdatePullThroughCacheRule" => self.update_rule(context, secrets, &read(input)?),
            "DescribePullThroughCacheRules" => self.describe_rules(context, input),
            "DeletePullThroughCacheRule" => self.delete_rule(context, input),
            "ValidatePullThroughCacheRule" => self.validate_rule(context, secrets, input),
            "CreateRepositoryCreationTemplate" => self.create_template(context, read(input)?),
            "UpdateRepositoryCreationTemplate" => self.update_template(context, read(input)?),
            "DescribeRepositoryCreationTemplates" => self.describe_templates(context, input),
            "DeleteRepositoryCreationTemplate" => self.delete_template(context, input),
            "CreateRepository" => self.create_repository(context, read(input)?),
            "DescribeRepositories" => self.describe_repositories(context, input),
            "DeleteRepository" => self.delete_repository(context, input),
            "PutLifecyclePolicy" => self.put_lifecycle_policy(context, input),
            "GetLifecyclePolicy" => self.get_lifecycle_policy(context, input),
            "DeleteLifecyclePolicy" => self.delete_lifecycle_policy(context, input),
            "StartLifecyclePolicyPreview" => self.start_preview(context, input),
            "GetLifecyclePolicyPreview" => self.get_preview(context, input),
            "SetRepositoryPolicy" => self.set_repository_policy(context, input),
            "GetRepositoryPolicy" => self.get_repository_policy(context, input),
            "DeleteRepositoryPolicy" => self.delete_repository_policy(context, input),
            "PutImageTagMutability" => self.put_mutability(context, input),
            "TagResource" => self.tag(context, input),
            "UntagResource" => self.untag(context, input),
            "ListTagsForResource" => self.list_tags(context, input),
            "DescribeImages" => self.describe_images(context, input),
            "BatchGetImage" => self.batch_get_image(context, secrets, input),
            "PutRegistryPolicy" => self.put_registry_policy(context, input),
            "GetRegistryPolicy" => self.get_registry_policy(context),
            "DeleteRegistryPolicy" => self.delete_registry_policy(context),
            "GetRegistryScanningConfiguration" => Ok(registry::scanning(context)),
            "GetAuthorizationToken" => Ok(registry::authorization_token(context)),
            other => Err(shape::unknown_operation(Service::Ecr, other)),
        }
    }

    /// Caps every page at so many items, whatever `maxResults` says, so that a test sees several pages.
    pub fn set_page_cap(&mut self, cap: Option<usize>) {
        self.page_cap = cap;
    }

    /// The credentials that upstream registries accept.
    pub fn upstreams(&mut self) -> &mut Upstreams {
        &mut self.upstreams
    }
}

/// Reads a checked input into the structure of its operation.
fn read<T: DeserializeOwned>(input: &Value) -> Result<T, ApiError> {
    T::deserialize(input).map_err(|error| ApiError::client("SerializationException", error.to_string()))
}

/// A member of a checked input that is a text.
fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str)
}

/// A required member; the shape check has seen that it is there.
fn required<'a>(input: &'a Value, name: &str) -> &'a str {
    text(input, name).unwrap_or_default()
}

/// Refuses a call that names another account's registry, which needs rights that nobody gave.
fn own_registry(context: &CallContext, op: &str, input: &Value) -> Result<(), ApiError> {
    match text(input, "registryId") {
        Some(other) if other != context.account => {
            let message = format!(
                "User: arn:{}:iam::{}:root is not authorized to perform: ecr:{op} on resource: arn:{}:ecr:{}:{other}:* because no resource-based policy allows the ecr:{op} action",
                context.partition, context.account, context.partition, context.region
            );
            Err(ApiError::client("AccessDeniedException", message))
        }
        _ => Ok(()),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}
