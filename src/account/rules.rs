//! ECR pull-through cache rules. They cannot be tagged, and a rule's upstream cannot be updated.

use aws_sdk_ecr::types::PullThroughCacheRule;

use super::answers::{Pages, said};
use super::error::{UPSTREAM_UNAVAILABLE, foreign_text};
use super::outage::reads_like_an_outage;
use super::{AwsError, ErrorKind, Reader, Writer};

const PROVE: &str = "ValidatePullThroughCacheRule";

/// More pages than rules, or templates, fill: an account has fifty of each.
pub(super) const MOST_PAGES: usize = 100;

/// A rule, as DescribePullThroughCacheRules shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `ecrRepositoryPrefix`: what people pull through.
    pub prefix: String,
    /// `upstreamRegistryUrl`: the upstream's host.
    pub upstream_url: String,
    /// `upstreamRepositoryPrefix`. ECR shows `ROOT` where none was set (pulumi-aws 5714), so `ROOT` is none here.
    pub upstream_prefix: Option<String>,
    /// `credentialArn`: the full ARN of the secret.
    pub credential_arn: Option<String>,
    /// `customRoleArn`: for an upstream that is another account's ECR.
    pub custom_role_arn: Option<String>,
}

/// What ECR said when it was asked to prove a rule's credential against the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// `isValid`.
    pub valid: bool,
    /// `failure`: free text, on one line; empty where valid.
    pub failure: String,
    /// `credentialArn`: the secret that the rule pointed to when it was asked about.
    pub secret: Option<String>,
}

impl Proof {
    /// Whether it is about this secret, as far as ECR says which.
    pub fn is_on(&self, arn: &str) -> bool {
        self.secret.as_deref().is_none_or(|secret| secret == arn)
    }
}

impl From<PullThroughCacheRule> for Rule {
    fn from(rule: PullThroughCacheRule) -> Self {
        Self {
            prefix: rule.ecr_repository_prefix.unwrap_or_default(),
            upstream_url: rule.upstream_registry_url.unwrap_or_default(),
            upstream_prefix: rule.upstream_repository_prefix.filter(|prefix| prefix != "ROOT"),
            credential_arn: rule.credential_arn.filter(|arn| !arn.is_empty()),
            custom_role_arn: rule.custom_role_arn.filter(|arn| !arn.is_empty()),
        }
    }
}

impl Reader {
    /// Every rule of the account in this Region, foreign ones included: they count against the quota.
    ///
    /// # Errors
    /// As DescribePullThroughCacheRules.
    pub async fn rules(&self) -> Result<Vec<Rule>, AwsError> {
        let mut answers = self
            .ecr
            .describe_pull_through_cache_rules()
            .into_paginator()
            .page_size(1000)
            .send();
        let mut pages = Pages::of("DescribePullThroughCacheRules", MOST_PAGES);
        let mut rules = Vec::new();
        while let Some(page) = answers.next().await {
            let page = page.map_err(|e| AwsError::new("DescribePullThroughCacheRules", &e))?;
            pages.go_on(page.next_token())?;
            rules.extend(page.pull_through_cache_rules.into_iter().flatten().map(Rule::from));
        }
        Ok(rules)
    }

    /// One rule, read afresh; `None` when there is none.
    ///
    /// # Errors
    /// As DescribePullThroughCacheRules.
    pub async fn rule(&self, prefix: &str) -> Result<Option<Rule>, AwsError> {
        let call = self
            .ecr
            .describe_pull_through_cache_rules()
            .ecr_repository_prefixes(prefix)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("DescribePullThroughCacheRules", &e)) {
            Ok(answer) => Ok(answer
                .pull_through_cache_rules
                .into_iter()
                .flatten()
                .next()
                .map(Rule::from)),
            Err(e) if e.is("PullThroughCacheRuleNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Asks ECR to authenticate to the upstream with the rule's credential. This writes nothing.
    ///
    /// # Errors
    /// As ValidatePullThroughCacheRule, and where ECR's text reads like an outage of the upstream: nobody has judged the
    /// credential then. A refused one is no error but a [`Proof`].
    pub async fn prove(&self, prefix: &str) -> Result<Proof, AwsError> {
        let call = self
            .ecr
            .validate_pull_through_cache_rule()
            .ecr_repository_prefix(prefix)
            .send()
            .await;
        let answer = call.map_err(|e| AwsError::new(PROVE, &e))?;
        // `isValid` is false where it is absent.
        said(PROVE, answer.ecr_repository_prefix.as_ref())?;
        let text = answer.failure.unwrap_or_default();
        let failure = foreign_text(&text);
        if !answer.is_valid && reads_like_an_outage(&text) {
            let message = format!("the upstream could not answer, which is no refusal: {failure}");
            return Err(AwsError::of(PROVE, UPSTREAM_UNAVAILABLE, message, ErrorKind::Transient));
        }
        Ok(Proof {
            valid: answer.is_valid,
            failure,
            secret: answer.credential_arn.filter(|arn| !arn.is_empty()),
        })
    }
}

impl Writer {
    /// Creates a rule. `upstreamRegistry` is left out: ECR derives it from the URL.
    ///
    /// # Errors
    /// As CreatePullThroughCacheRule.
    pub async fn create_rule(&self, rule: &Rule) -> Result<(), AwsError> {
        create(&self.ecr, rule).await
    }

    /// The same, once: at the quota the SDK would repeat it, since it takes LimitExceededException for throttling.
    ///
    /// # Errors
    /// As CreatePullThroughCacheRule.
    pub async fn create_rule_once(&self, rule: &Rule) -> Result<(), AwsError> {
        create(&self.repositories, rule).await
    }

    /// Points a rule at another secret or role; nothing else of a rule can be updated.
    ///
    /// # Errors
    /// As UpdatePullThroughCacheRule.
    pub async fn update_rule(&self, rule: &Rule) -> Result<(), AwsError> {
        let call = self
            .ecr
            .update_pull_through_cache_rule()
            .ecr_repository_prefix(&rule.prefix)
            .set_credential_arn(rule.credential_arn.clone())
            .set_custom_role_arn(rule.custom_role_arn.clone());
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("UpdatePullThroughCacheRule", &e))?;
        said("UpdatePullThroughCacheRule", answer.ecr_repository_prefix).map(drop)
    }

    /// Deletes a rule, and gives what it was. Repositories and images stay, and go on being served.
    ///
    /// # Errors
    /// As DeletePullThroughCacheRule; one that is gone already is no error.
    pub async fn delete_rule(&self, prefix: &str) -> Result<Option<Rule>, AwsError> {
        let call = self
            .ecr
            .delete_pull_through_cache_rule()
            .ecr_repository_prefix(prefix)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("DeletePullThroughCacheRule", &e)) {
            Ok(answer) => Ok(Some(Rule {
                prefix: prefix.to_owned(),
                upstream_url: said("DeletePullThroughCacheRule", answer.upstream_registry_url)?,
                upstream_prefix: answer.upstream_repository_prefix.filter(|prefix| prefix != "ROOT"),
                credential_arn: answer.credential_arn.filter(|arn| !arn.is_empty()),
                custom_role_arn: answer.custom_role_arn.filter(|arn| !arn.is_empty()),
            })),
            Err(e) if e.is("PullThroughCacheRuleNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }
}

async fn create(client: &aws_sdk_ecr::Client, rule: &Rule) -> Result<(), AwsError> {
    let call = client
        .create_pull_through_cache_rule()
        .ecr_repository_prefix(&rule.prefix)
        .upstream_registry_url(&rule.upstream_url)
        .set_upstream_repository_prefix(rule.upstream_prefix.clone())
        .set_credential_arn(rule.credential_arn.clone())
        .set_custom_role_arn(rule.custom_role_arn.clone());
    let answer = call
        .send()
        .await
        .map_err(|e| AwsError::new("CreatePullThroughCacheRule", &e))?;
    said("CreatePullThroughCacheRule", answer.ecr_repository_prefix).map(drop)
}
