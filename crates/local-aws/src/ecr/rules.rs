//! Pull-through cache rules.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::credential::check_kind;
use super::paging::{self, Page};
use super::upstream::{self, Takes};
use super::{Ecr, PULLS, invalid, required, seconds};
use crate::api::{Answer, ApiError, CallContext, SecretSource};

/// What `upstreamRepositoryPrefix` says when nobody set it.
const ROOT: &str = "ROOT";

/// A rule as `DescribePullThroughCacheRules` shows it.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub ecr_repository_prefix: String,
    pub upstream_registry: &'static str,
    pub upstream_registry_url: String,
    pub upstream_repository_prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_role_arn: Option<String>,
    pub created_at: f64,
    pub updated_at: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateRule {
    ecr_repository_prefix: String,
    upstream_registry_url: String,
    upstream_registry: Option<String>,
    credential_arn: Option<String>,
    custom_role_arn: Option<String>,
    upstream_repository_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateRule {
    ecr_repository_prefix: String,
    credential_arn: Option<String>,
    custom_role_arn: Option<String>,
}

impl Rule {
    /// The members of the rule that an operation's output has, and the registry.
    fn show(&self, context: &CallContext, members: &[&str]) -> Value {
        let mut shown = json!(self);
        if let Some(object) = shown.as_object_mut() {
            object.retain(|name, _| members.contains(&name.as_str()));
            object.insert("registryId".into(), context.account.as_str().into());
        }
        shown
    }
}

/// The prefix by which a rule or template is found: ECR always assumes the slash at the end.
pub(super) fn key(prefix: &str) -> &str {
    prefix.trim_end_matches('/')
}

/// The prefixes an input filters by, each known to exist; `None` for no filter.
pub(super) fn wanted(
    input: &Value,
    member: &str,
    exists: impl Fn(&str) -> Result<(), ApiError>,
) -> Result<Option<Vec<String>>, ApiError> {
    let Some(names) = input.get(member).and_then(Value::as_array) else {
        return Ok(None);
    };
    let keys = names
        .iter()
        .filter_map(Value::as_str)
        .map(|name| exists(key(name)).map(|()| key(name).to_owned()));
    keys.collect::<Result<_, _>>().map(Some)
}

/// An empty role ARN is no role.
fn role(role: Option<&str>) -> Option<&str> {
    role.filter(|role| !role.is_empty())
}

fn not_found(context: &CallContext, prefix: &str) -> ApiError {
    ApiError::client(
        "PullThroughCacheRuleNotFoundException",
        format!(
            "The pull through cache rule with prefix '{prefix}' does not exist in the registry with id '{}'. Specify a valid pull through cache rule and try again.",
            context.account
        ),
    )
}

impl CreateRule {
    /// Whether host, declared registry, credential and upstream prefix go together.
    fn check(&self, context: &CallContext) -> Result<upstream::Upstream, ApiError> {
        let url = &self.upstream_registry_url;
        let upstream = upstream::of(url).ok_or_else(|| {
            ApiError::client(
                "UnsupportedUpstreamRegistryException",
                format!(
                    "The upstream registry URL {url} is invalid. Specify a valid upstream registry URL and try again"
                ),
            )
        })?;
        if *url == format!("{}.dkr.ecr.{}.amazonaws.com", context.account, context.region) {
            return Err(invalid(
                "Upstream registry URL cannot be the same as the cache registry",
            ));
        }
        // AWS checks the declared registry of authenticated upstreams only.
        let declared = self.upstream_registry.as_deref().unwrap_or(upstream.name);
        if upstream.takes == Takes::Secret && declared != upstream.name {
            return Err(invalid(
                "Upstream registry URL and entered upstream registry do not match",
            ));
        }
        check_kind(
            upstream,
            self.credential_arn.as_deref(),
            role(self.custom_role_arn.as_deref()),
        )?;
        let mapped = self
            .upstream_repository_prefix
            .as_deref()
            .is_some_and(|prefix| prefix != ROOT);
        if mapped && self.ecr_repository_prefix == ROOT {
            return Err(invalid(
                "The upstream repository prefix can be set only when the ECR repository prefix is not ROOT",
            ));
        }
        // Documented for ECR to ECR only; AWS's own text is not known.
        if mapped && upstream.takes != Takes::Role {
            return Err(invalid(
                "The upstream repository prefix can be set only for an Amazon ECR private upstream registry",
            ));
        }
        Ok(upstream)
    }
}

impl Ecr {
    pub(super) fn create_rule(
        &mut self,
        context: &CallContext,
        secrets: &dyn SecretSource,
        input: &CreateRule,
    ) -> Answer {
        let upstream = input.check(context)?;
        let key = key(&input.ecr_repository_prefix);
        if self.rules.contains_key(key) {
            return Err(ApiError::client(
                "PullThroughCacheRuleAlreadyExistsException",
                "A pull through cache rule with these settings already exists for the private registry.",
            ));
        }
        if self.rules.len() >= self.rule_quota {
            return Err(ApiError::client(
                "LimitExceededException",
                format!(
                    "The maximum number of pull through cache rules for the registry is {}.",
                    self.rule_quota
                ),
            ));
        }
        if let Some(arn) = &input.credential_arn {
            self.check_secret(context, secrets, arn)?;
        }
        let rule = Rule {
            ecr_repository_prefix: input.ecr_repository_prefix.clone(),
            upstream_registry: upstream.name,
            upstream_registry_url: input.upstream_registry_url.clone(),
            upstream_repository_prefix: input
                .upstream_repository_prefix
                .clone()
                .unwrap_or_else(|| ROOT.to_owned()),
            credential_arn: input.credential_arn.clone(),
            custom_role_arn: role(input.custom_role_arn.as_deref()).map(str::to_owned),
            created_at: seconds(context.now),
            updated_at: seconds(context.now),
        };
        let shown = rule.show(
            context,
            &[
                "createdAt",
                "credentialArn",
                "customRoleArn",
                "ecrRepositoryPrefix",
                "upstreamRegistry",
                "upstreamRegistryUrl",
                "upstreamRepositoryPrefix",
            ],
        );
        if rule.credential_arn.is_some() {
            self.linked_roles.insert(PULLS);
        }
        self.rules.insert(key.to_owned(), rule);
        Ok(shown)
    }

    pub(super) fn update_rule(
        &mut self,
        context: &CallContext,
        secrets: &dyn SecretSource,
        input: &UpdateRule,
    ) -> Answer {
        let (credential, role) = (input.credential_arn.as_deref(), role(input.custom_role_arn.as_deref()));
        if credential.is_none() && role.is_none() {
            return Err(invalid(
                "Please set either credential arn or role arn to update the credentials",
            ));
        }
        let key = key(&input.ecr_repository_prefix);
        let rule = self
            .rules
            .get(key)
            .ok_or_else(|| not_found(context, &input.ecr_repository_prefix))?;
        if let Some(upstream) = upstream::of(&rule.upstream_registry_url) {
            check_kind(upstream, credential, role)?;
        }
        if let Some(arn) = credential {
            self.check_secret(context, secrets, arn)?;
        }
        let rule = self
            .rules
            .get_mut(key)
            .ok_or_else(|| not_found(context, &input.ecr_repository_prefix))?;
        rule.credential_arn = credential.map(str::to_owned);
        rule.custom_role_arn = role.map(str::to_owned);
        rule.updated_at = seconds(context.now);
        Ok(rule.show(
            context,
            &[
                "credentialArn",
                "customRoleArn",
                "ecrRepositoryPrefix",
                "updatedAt",
                "upstreamRepositoryPrefix",
            ],
        ))
    }

    pub(super) fn describe_rules(&self, context: &CallContext, input: &Value) -> Answer {
        let wanted = wanted(input, "ecrRepositoryPrefixes", |prefix| {
            self.rules
                .contains_key(prefix)
                .then_some(())
                .ok_or_else(|| not_found(context, prefix))
        })?;
        let asked = |key: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.iter().any(|wanted| wanted == key))
        };
        let page = paging::cut("DescribePullThroughCacheRules", input, self.page_cap, |after| {
            paging::rest(&self.rules, after).filter(|(key, _)| asked(key))
        })?;
        let every = [
            "createdAt",
            "credentialArn",
            "customRoleArn",
            "ecrRepositoryPrefix",
            "updatedAt",
            "upstreamRegistry",
            "upstreamRegistryUrl",
            "upstreamRepositoryPrefix",
        ];
        let shown: Vec<Value> = page.items.iter().map(|rule| rule.show(context, &every)).collect();
        Ok(Page::<Value>::sign(page.next, json!({"pullThroughCacheRules": shown})))
    }

    pub(super) fn delete_rule(&mut self, context: &CallContext, input: &Value) -> Answer {
        let prefix = required(input, "ecrRepositoryPrefix");
        // The repositories and images that came through the rule stay.
        let rule = self
            .rules
            .remove(key(prefix))
            .ok_or_else(|| not_found(context, prefix))?;
        Ok(rule.show(
            context,
            &[
                "createdAt",
                "credentialArn",
                "customRoleArn",
                "ecrRepositoryPrefix",
                "upstreamRegistryUrl",
                "upstreamRepositoryPrefix",
            ],
        ))
    }

    pub(super) fn validate_rule(&self, context: &CallContext, secrets: &dyn SecretSource, input: &Value) -> Answer {
        let prefix = required(input, "ecrRepositoryPrefix");
        let rule = self.rules.get(key(prefix)).ok_or_else(|| not_found(context, prefix))?;
        let proof = self.prove(context, secrets, rule);
        let mut shown = rule.show(
            context,
            &[
                "credentialArn",
                "customRoleArn",
                "ecrRepositoryPrefix",
                "upstreamRegistryUrl",
                "upstreamRepositoryPrefix",
            ],
        );
        if let Some(object) = shown.as_object_mut() {
            object.insert("isValid".into(), proof.is_ok().into());
            if let Err(failure) = proof {
                object.insert("failure".into(), failure.into());
            }
        }
        Ok(shown)
    }
}
