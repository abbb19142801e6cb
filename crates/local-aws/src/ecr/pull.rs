//! What `docker pull` of an image through the cache does: rule, credential, repository, image.
//!
//! ECR's refusals of a first pull mislead: whatever the reason, the client reads that there is no such repository.
//! The text is kept, with the reason after it in brackets for whoever reads the output of a test.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use super::images;
use super::lifecycle::StorageClass;
use super::repositories::{Repository, not_found};
use super::rules::Rule;
use super::template::Template;
use super::{Ecr, invalid};
use crate::api::{ApiError, CallContext, SecretSource};
use crate::s3::whole_seconds;
use crate::shape::{self, Service};

/// How long ECR serves a tag without asking the upstream again ("Sync an upstream registry with an Amazon ECR private registry").
const CHECKED_AGAIN: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub repository: String,
    /// Whether the pull made the repository.
    pub created: bool,
    /// The prefix of the template the repository was made from; none if it was there, or made with defaults.
    pub template: Option<String>,
    /// Where the image comes from, host and path and tag; empty where no rule covers the repository.
    pub upstream: String,
}

impl Ecr {
    /// Pulls `prefix/path:tag` (`latest` by default) or `prefix/path@sha256:…`, and raises the event that ECR sends where the upstream
    /// was asked.
    pub fn pull(&mut self, context: &CallContext, secrets: &dyn SecretSource, image: &str) -> Result<Pulled, ApiError> {
        let mut attempt = None;
        let result = self.fetch(context, secrets, image, &mut attempt);
        self.raised.extend(attempt.map(|attempt| attempt.event(context, image)));
        result
    }

    fn fetch(
        &mut self,
        context: &CallContext,
        secrets: &dyn SecretSource,
        image: &str,
        attempt: &mut Option<Attempt>,
    ) -> Result<Pulled, ApiError> {
        let (name, reference) = split(image);
        let misled = |why: &str| {
            let mut error = not_found(context, name);
            error.message = format!("{} (local-aws: {why})", error.message);
            error
        };
        let probe = serde_json::json!({"repositoryName": name});
        shape::check(Service::Ecr, "GetRepositoryPolicy", &probe).map_err(|error| invalid(error.message))?;
        let stored = self
            .repositories
            .get(name)
            .and_then(|repository| repository.images.find(name, reference));
        if stored
            .as_ref()
            .is_some_and(|image| image.storage_class == StorageClass::Archive)
        {
            return Err(misled("the image is archived, and has to be restored first"));
        }
        let cached = stored.is_some();

        let Some((rule, path)) = self.rule_for(name) else {
            let pulled = Pulled {
                repository: name.to_owned(),
                created: false,
                template: None,
                upstream: String::new(),
            };
            return cached
                .then_some(pulled)
                .ok_or_else(|| misled("no rule covers it and no such image is stored"));
        };
        let upstream = format!(
            "{}/{path}{}{reference}",
            rule.upstream_registry_url,
            separator(reference)
        );
        let mut pulled = Pulled {
            repository: name.to_owned(),
            created: false,
            template: None,
            upstream,
        };
        if cached {
            // Whatever became of the credential: what is cached is served, which is why a dead token goes unnoticed.
            let at_upstream = format!("{path}:{reference}");
            let fresh = stored.is_some_and(|image| {
                image
                    .checked_at
                    .is_none_or(|time| context.now.duration_since(time) < CHECKED_AGAIN)
            });
            let host = &rule.upstream_registry_url;
            if !fresh
                && self.upstreams.failure(host, &at_upstream).is_none()
                && self.prove(context, secrets, rule).is_ok()
            {
                let upstream = images::pulled(image, reference, self.upstreams.moves(host, &at_upstream), context.now);
                let repository = self
                    .repositories
                    .get_mut(name)
                    .filter(|of| of.mutability.lets_move(reference));
                if let Some(repository) = repository {
                    repository.images.refresh(reference, upstream);
                }
            }
            return Ok(pulled);
        }
        let asked = |failure: Option<(&str, &str)>| {
            Some(Attempt {
                prefix: rule.ecr_repository_prefix.clone(),
                host: rule.upstream_registry_url.clone(),
                failure: failure.map(|(code, reason)| (code.to_owned(), reason.to_owned())),
            })
        };
        *attempt = asked(None);
        if let Err(failure) = self.prove(context, secrets, rule) {
            *attempt = asked(Some(("UpstreamAccessDenied", &failure)));
            return Err(misled(&format!("the upstream cannot be read: {failure}")));
        }
        if rule.upstream_registry == "docker-hub" && !path.contains('/') {
            *attempt = asked(Some(("ImageNotFound", "the upstream has no such repository")));
            return Err(misled("official images of Docker Hub are under library/"));
        }
        if separator(reference) == "@" {
            *attempt = None;
            return Err(misled("a first pull must be by tag"));
        }
        let at_upstream = format!("{path}:{reference}");
        if let Some(code) = self.upstreams.failure(&rule.upstream_registry_url, &at_upstream) {
            *attempt = asked(Some((code, "the upstream does not give the image")));
            return Err(misled(&format!("the upstream does not give it: {code}")));
        }
        let moves = self.upstreams.moves(&rule.upstream_registry_url, &at_upstream);
        if !self.repositories.contains_key(name) {
            let template = self.template_for(name);
            if template.is_some_and(Template::lacks_role) {
                *attempt = None;
                return Err(misled(
                    "the creation template has tags or a KMS key, and no customRoleArn",
                ));
            }
            pulled.created = true;
            pulled.template = template.map(|template| template.prefix.clone());
            let repository = template.map_or_else(
                || Repository::new(context),
                |template| Repository::from(context, template),
            );
            self.repositories.insert(name.to_owned(), repository);
        }
        if let Some(repository) = self.repositories.get_mut(name) {
            repository
                .images
                .extend(name, [images::pulled(image, reference, moves, context.now)]);
        }
        Ok(pulled)
    }

    /// ECR's code for an image that the upstream does not give.
    pub(super) fn upstream_failure(&self, name: &str, tag: &str) -> Option<String> {
        let (rule, path) = self.rule_for(name)?;
        let failure = self
            .upstreams
            .failure(&rule.upstream_registry_url, &format!("{path}:{tag}"))?;
        Some(failure.to_owned())
    }

    /// Whether a rule covers a repository.
    pub(super) fn has_rule_for(&self, name: &str) -> bool {
        self.rule_for(name).is_some()
    }

    /// The rule with the longest prefix, and the path at its upstream.
    fn rule_for(&self, name: &str) -> Option<(&Rule, String)> {
        let (key, rule) = most_specific(self.rules.iter(), name)?;
        let rest = if key == "ROOT" {
            name
        } else {
            name.get(key.len() + 1..)?
        };
        let path = match rule.upstream_repository_prefix.as_str() {
            "ROOT" => rest.to_owned(),
            prefix => format!("{}/{rest}", prefix.trim_end_matches('/')),
        };
        Some((rule, path))
    }

    /// The template a new repository is made from. The most specific one decides, also when it is not for pulls:
    /// then the repository gets the defaults. (That no wider template steps in is our reading of the documentation.)
    fn template_for(&self, name: &str) -> Option<&Template> {
        most_specific(self.templates.iter(), name)
            .map(|(_, template)| template)
            .filter(|template| template.is_for_pulls())
    }
}

/// A pull for which the upstream was asked.
struct Attempt {
    prefix: String,
    host: String,
    /// Code and reason.
    failure: Option<(String, String)>,
}

impl Attempt {
    /// ECR's event ("Event for a pull through cache action"). Which status stands for a failure is not documented, nor which
    /// codes there are: these are our reading.
    fn event(self, context: &CallContext, image: &str) -> Value {
        let (name, reference) = split(image);
        let mut detail = json!({
            "rule-version": "1",
            "sync-status": if self.failure.is_some() { "FAILURE" } else { "SUCCESS" },
            "ecr-repository-prefix": self.prefix,
            "repository-name": name,
            "upstream-registry-url": self.host,
            "image-tag": reference,
        });
        if let (Some((code, reason)), Some(fields)) = (self.failure, detail.as_object_mut()) {
            fields.insert("failure-code".to_owned(), code.into());
            fields.insert("failure-reason".to_owned(), reason.into());
        }
        let (partition, region, account) = (&context.partition, &context.region, &context.account);
        json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": "ECR Pull Through Cache Action",
            "source": "aws.ecr",
            "account": account,
            "time": whole_seconds(context.now),
            "region": region,
            "resources": [format!("arn:{partition}:ecr:{region}:{account}:repository/{name}")],
            "detail": detail,
        })
    }
}

impl Repository {
    fn from(context: &CallContext, template: &Template) -> Self {
        Self {
            mutability: template.mutability.clone(),
            encryption: template.encryption_configuration.clone(),
            tags: template.resource_tags.clone(),
            lifecycle_policy: template.lifecycle_policy.clone(),
            policy: template.repository_policy.clone(),
            ..Self::new(context)
        }
    }
}

/// The entry whose prefix is the longest that ends at a slash of `name`; `ROOT` covers what no other does.
fn most_specific<'a, T>(entries: impl Iterator<Item = (&'a String, &'a T)>, name: &str) -> Option<(&'a str, &'a T)> {
    let length = |key: &str| match key {
        "ROOT" => Some(0),
        key => name.strip_prefix(key)?.starts_with('/').then_some(key.len()),
    };
    let covering = entries.filter_map(|(key, entry)| Some((length(key)?, key.as_str(), entry)));
    covering
        .max_by_key(|(length, ..)| *length)
        .map(|(_, key, entry)| (key, entry))
}

/// Repository name, and tag or digest.
fn split(image: &str) -> (&str, &str) {
    image
        .split_once('@')
        .or_else(|| image.rsplit_once(':'))
        .unwrap_or((image, "latest"))
}

fn separator(reference: &str) -> &'static str {
    // No tag has a colon.
    if reference.contains(':') { "@" } else { ":" }
}
