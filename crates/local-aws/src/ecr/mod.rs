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
    pub fn call(&mut self, cx: &CallContext, secrets: &dyn SecretSource, op: &str, input: &Value) -> Answer {
        shape::check(Service::Ecr, op, input)?;
        own_registry(cx, op, input)?;
        match op {
            "CreatePullThroughCacheRule" => self.create_rule(cx, secrets, &read(input)?),
            "UpdatePullThroughCacheRule" => self.update_rule(cx, secrets, &read(input)?),
            "DescribePullThroughCacheRules" => self.describe_rules(cx, input),
            "DeletePullThroughCacheRule" => self.delete_rule(cx, input),
            "ValidatePullThroughCacheRule" => self.validate_rule(cx, secrets, input),
            "CreateRepositoryCreationTemplate" => self.create_template(cx, read(input)?),
            "UpdateRepositoryCreationTemplate" => self.update_template(cx, read(input)?),
            "DescribeRepositoryCreationTemplates" => self.describe_templates(cx, input),
            "DeleteRepositoryCreationTemplate" => self.delete_template(cx, input),
            "CreateRepository" => self.create_repository(cx, read(input)?),
            "DescribeRepositories" => self.describe_repositories(cx, input),
            "DeleteRepository" => self.delete_repository(cx, input),
            "PutLifecyclePolicy" => self.put_lifecycle_policy(cx, input),
            "GetLifecyclePolicy" => self.get_lifecycle_policy(cx, input),
            "DeleteLifecyclePolicy" => self.delete_lifecycle_policy(cx, input),
            "StartLifecyclePolicyPreview" => self.start_preview(cx, input),
            "GetLifecyclePolicyPreview" => self.get_preview(cx, input),
            "SetRepositoryPolicy" => self.set_repository_policy(cx, input),
            "GetRepositoryPolicy" => self.get_repository_policy(cx, input),
            "DeleteRepositoryPolicy" => self.delete_repository_policy(cx, input),
            "PutImageTagMutability" => self.put_mutability(cx, input),
            "TagResource" => self.tag(cx, input),
            "UntagResource" => self.untag(cx, input),
            "ListTagsForResource" => self.list_tags(cx, input),
            "DescribeImages" => self.describe_images(cx, input),
            "BatchGetImage" => self.batch_get_image(cx, secrets, input),
            "PutRegistryPolicy" => self.put_registry_policy(cx, input),
            "GetRegistryPolicy" => self.get_registry_policy(cx),
            "DeleteRegistryPolicy" => self.delete_registry_policy(cx),
            "GetRegistryScanningConfiguration" => Ok(registry::scanning(cx)),
            "GetAuthorizationToken" => Ok(registry::authorization_token(cx)),
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

/// Whether the operation changes the configuration of the account. A lifecycle preview does not: it only looks.
pub fn is_write(op: &str) -> bool {
    let reads = [
        "Describe",
        "Get",
        "List",
        "Validate",
        "BatchGet",
        "StartLifecyclePolicyPreview",
    ];
    !reads.iter().any(|verb| op.starts_with(verb))
}

/// What the call is about, for the call log: a prefix, a repository, several of them, or nothing.
pub fn subject(op: &str, input: &Value) -> String {
    let names: &[&str] = match op {
        "DescribePullThroughCacheRules" => &["ecrRepositoryPrefixes"],
        "DescribeRepositoryCreationTemplates" => &["prefixes"],
        "DescribeRepositories" => &["repositoryNames"],
        _ => &["ecrRepositoryPrefix", "prefix", "repositoryName", "resourceArn"],
    };
    names
        .iter()
        .find_map(|name| match input.get(name)? {
            Value::String(text) => Some(
                text.rsplit_once(":repository/")
                    .map_or(text.as_str(), |(_, name)| name)
                    .to_owned(),
            ),
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            _ => None,
        })
        .unwrap_or_default()
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
fn own_registry(cx: &CallContext, op: &str, input: &Value) -> Result<(), ApiError> {
    match text(input, "registryId") {
        Some(other) if other != cx.account => {
            let message = format!(
                "User: arn:{}:iam::{}:root is not authorized to perform: ecr:{op} on resource: arn:{}:ecr:{}:{other}:* because no resource-based policy allows the ecr:{op} action",
                cx.partition, cx.account, cx.partition, cx.region
            );
            Err(ApiError::client("AccessDeniedException", message))
        }
        _ => Ok(()),
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message)
}
