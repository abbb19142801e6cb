//! The calls that nothing else here makes: the registry's policy, an image of the cache, what IAM says of a role, and, where it is
//! asked for, a pull.

use aws_config::SdkConfig;
use aws_sdk_ecr::types::{ImageFailure, ImageIdentifier, ImageStatus};
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use ecr_pull_through_sync::account::{AwsError, Calls, ErrorKind, MEDIA_TYPES, Pages, one_line};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::mask::mask;
use jiff::Timestamp;
use serde_json::Value;

use super::name::Reference;
use super::role::RoleArn;

const SIMULATE: &str = "SimulatePrincipalPolicy";

/// More pages than a handful of actions fill.
const MOST_PAGES: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedImage {
    pub digest: String,
    pub media_type: String,
    pub pushed_at: Option<Timestamp>,
    /// Archived, or on its way back: it cannot be pulled.
    pub archived: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulled {
    /// It is there, for these platforms, where its manifest says so.
    Image { digest: String, platforms: Vec<String> },
    /// ECR's code and sentence.
    Failed { code: String, reason: String },
}

/// What IAM says about one action of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    pub action: String,
    pub decision: Decision,
    /// Condition keys that the role's policies ask for and nobody but the request has.
    pub missing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    /// No policy allows it.
    NotAllowed,
    /// Something denies it.
    Denied(String),
}

pub struct Client {
    ecr: aws_sdk_ecr::Client,
    iam: aws_sdk_iam::Client,
}

impl Client {
    pub fn new(config: &SdkConfig) -> Self {
        let calls = Calls::default();
        let ecr = aws_sdk_ecr::config::Builder::from(config).interceptor(calls.clone());
        let iam = aws_sdk_iam::config::Builder::from(config).interceptor(calls);
        Self {
            ecr: aws_sdk_ecr::Client::from_conf(ecr.build()),
            iam: aws_sdk_iam::Client::from_conf(iam.build()),
        }
    }

    /// The policy of the registry; `None` when it has none.
    pub async fn registry_policy(&self) -> Result<Option<String>, AwsError> {
        let call = self.ecr.get_registry_policy().send().await;
        match call.map_err(|e| AwsError::new("GetRegistryPolicy", &e)) {
            Ok(answer) => Ok(answer.policy_text),
            Err(e) if e.is("RegistryPolicyNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Looks at an image of the cache, which starts no pull; `None` when it is not there.
    pub async fn image(&self, repository: &str, reference: &Reference) -> Result<Option<CachedImage>, AwsError> {
        let call = self
            .ecr
            .describe_images()
            .repository_name(repository)
            .image_ids(id(reference))
            .send()
            .await;
        let answer = match call.map_err(|e| AwsError::new("DescribeImages", &e)) {
            Ok(answer) => answer,
            Err(e) if e.is("ImageNotFoundException") || e.is("RepositoryNotFoundException") => return Ok(None),
            Err(e) => return Err(e),
        };
        let Some(image) = answer.image_details.into_iter().flatten().next() else {
            return Ok(None);
        };
        Ok(Some(CachedImage {
            digest: image.image_digest.unwrap_or_default(),
            media_type: image.image_manifest_media_type.unwrap_or_default(),
            pushed_at: image
                .image_pushed_at
                .and_then(|date| Timestamp::from_second(date.secs()).ok()),
            archived: image.image_status.is_some_and(|status| status != ImageStatus::Active),
        }))
    }

    /// Pulls: what is not cached, ECR fetches.
    pub async fn pull(&self, repository: &str, reference: &Reference) -> Result<Pulled, AwsError> {
        let call = self
            .ecr
            .batch_get_image()
            .repository_name(repository)
            .image_ids(id(reference))
            .set_accepted_media_types(Some(MEDIA_TYPES.map(str::to_owned).to_vec()))
            .send()
            .await;
        let answer = match call.map_err(|e| AwsError::new("BatchGetImage", &e)) {
            Ok(answer) => answer,
            Err(e) if e.kind == ErrorKind::Refused => {
                return Ok(Pulled::Failed {
                    code: e.code,
                    reason: e.message,
                });
            }
            Err(e) => return Err(e),
        };
        if let Some(image) = answer.images.into_iter().flatten().next() {
            let digest = image.image_id.and_then(|id| id.image_digest).unwrap_or_default();
            let platforms = platforms(image.image_manifest.as_deref().unwrap_or_default());
            return Ok(Pulled::Image { digest, platforms });
        }
        Ok(failed(answer.failures.into_iter().flatten().next()))
    }

    /// What IAM says of some actions of a role on a resource.
    pub async fn rights(
        &self,
        role: &RoleArn,
        home: &Home,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<Right>, AwsError> {
        let mut answers = self
            .iam
            .simulate_principal_policy()
            .policy_source_arn(&role.arn)
            .set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()))
            .resource_arns(resource)
            .set_context_entries(Some(context(role, home)))
            .into_paginator()
            .send();
        let mut pages = Pages::of(SIMULATE, MOST_PAGES);
        let mut rights = Vec::new();
        while let Some(page) = answers.next().await {
            let page = page.map_err(|e| AwsError::new(SIMULATE, &e))?;
            pages.go_on(page.marker())?;
            rights.extend(page.evaluation_results.into_iter().flatten().map(Right::from));
        }
        Ok(rights)
    }
}

/// A digest says all: with a tag beside it ECR would compare the two.
fn id(reference: &Reference) -> ImageIdentifier {
    let id = ImageIdentifier::builder();
    match reference {
        Reference::Tag(tag) => id.image_tag(tag),
        Reference::Digest { digest, .. } => id.image_digest(digest),
    }
    .build()
}

/// What is known of a request without seeing it.
fn context(role: &RoleArn, home: &Home) -> Vec<ContextEntry> {
    let known = [
        ("aws:PrincipalAccount", role.account.as_str()),
        ("aws:PrincipalArn", &role.arn),
        ("aws:RequestedRegion", &home.region),
        ("aws:ResourceAccount", &home.account),
        ("aws:SecureTransport", "true"),
    ];
    known
        .into_iter()
        .map(|(key, value)| {
            let kind = match value {
                "true" => ContextKeyTypeEnum::Boolean,
                _ => ContextKeyTypeEnum::String,
            };
            ContextEntry::builder()
                .context_key_name(key)
                .context_key_type(kind)
                .context_key_values(value)
                .build()
        })
        .collect()
}

impl From<EvaluationResult> for Right {
    fn from(result: EvaluationResult) -> Self {
        let by_organization = result
            .organizations_decision_detail
            .is_some_and(|detail| !detail.allowed_by_organizations);
        let by_boundary = result
            .permissions_boundary_decision_detail
            .is_some_and(|detail| !detail.allowed_by_permissions_boundary);
        // With a resource in the request, what is missing is told with that resource.
        let of_resource = result.resource_specific_results.into_iter().flatten();
        let missing = result
            .missing_context_values
            .into_iter()
            .flatten()
            .chain(of_resource.flat_map(|of| of.missing_context_values.unwrap_or_default()));
        let mut missing: Vec<String> = missing.collect();
        missing.sort();
        missing.dedup();
        let policies = result.matched_statements.into_iter().flatten();
        let mut policies: Vec<String> = policies.filter_map(|statement| statement.source_policy_id).collect();
        policies.dedup();
        let denied = |by: &str| Decision::Denied(by.to_owned());
        let decision = match result.eval_decision {
            PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
            _ if by_organization => denied("a service control policy of the organization"),
            _ if by_boundary => denied("its permissions boundary"),
            PolicyEvaluationDecisionType::ExplicitDeny if policies.is_empty() => denied("one of its policies"),
            PolicyEvaluationDecisionType::ExplicitDeny => denied(&format!("its policy {}", policies.join(", "))),
            _ => Decision::NotAllowed,
        };
        Self {
            action: result.eval_action_name,
            decision,
            missing,
        }
    }
}

fn failed(failure: Option<ImageFailure>) -> Pulled {
    let Some(failure) = failure else {
        let reason = "ECR answered with neither an image nor a reason".to_owned();
        return Pulled::Failed {
            code: "Empty".to_owned(),
            reason,
        };
    };
    Pulled::Failed {
        code: failure
            .failure_code
            .map_or_else(|| "Unknown".to_owned(), |code| code.as_str().to_owned()),
        reason: mask(&one_line(&failure.failure_reason.unwrap_or_default(), 500)),
    }
}

/// The platforms in an index, as `linux/arm64`; none for a single image, whose manifest does not say.
fn platforms(manifest: &str) -> Vec<String> {
    let manifest: Value = serde_json::from_str(manifest).unwrap_or_default();
    let parts = manifest.get("manifests").and_then(Value::as_array);
    let platform = |part: &Value| {
        let platform = part.get("platform")?;
        let word = |name: &str| platform.get(name)?.as_str().filter(|word| *word != "unknown");
        Some(format!("{}/{}", word("os")?, word("architecture")?))
    };
    parts.into_iter().flatten().filter_map(platform).take(30).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_iam::types::{
        OrganizationsDecisionDetail, PermissionsBoundaryDecisionDetail, ResourceSpecificResult, Statement,
    };

    fn right(decision: &str, policy: Option<&str>, organization: bool, boundary: bool, missing: &str) -> Right {
        let decision = PolicyEvaluationDecisionType::from(decision);
        let of_resource = ResourceSpecificResult::builder()
            .eval_resource_name("arn")
            .eval_resource_decision(decision.clone())
            .missing_context_values(missing)
            .build();
        let result = EvaluationResult::builder()
            .eval_action_name("ecr:BatchGetImage")
            .eval_decision(decision)
            .organizations_decision_detail(
                OrganizationsDecisionDetail::builder()
                    .allowed_by_organizations(organization)
                    .build(),
            )
            .permissions_boundary_decision_detail(
                PermissionsBoundaryDecisionDetail::builder()
                    .allowed_by_permissions_boundary(boundary)
                    .build(),
            )
            .missing_context_values(missing)
            .set_matched_statements(policy.map(|policy| vec![Statement::builder().source_policy_id(policy).build()]))
            .set_resource_specific_results(Some(of_resource.into_iter().collect()))
            .build();
        result.map_or_else(|error| unreachable!("{error}"), Right::from)
    }

    #[test]
    fn who_denies_is_told() {
        let denied = |by: &str| Decision::Denied(by.to_owned());
        let by_organization = denied("a service control policy of the organization");
        let table = [
            ("allowed", Some("Pull"), true, true, Decision::Allowed),
            ("implicitDeny", None, true, true, Decision::NotAllowed),
            (
                "explicitDeny",
                Some("NoPulls"),
                true,
                true,
                denied("its policy NoPulls"),
            ),
            ("explicitDeny", None, true, true, denied("one of its policies")),
            ("implicitDeny", None, false, true, by_organization),
            ("implicitDeny", None, true, false, denied("its permissions boundary")),
            ("somethingNew", None, true, true, Decision::NotAllowed),
        ];
        for (decision, policy, organization, boundary, expected) in table {
            let right = right(decision, policy, organization, boundary, "aws:SourceVpce");
            assert_eq!(right.decision, expected);
            assert_eq!(right.missing, ["aws:SourceVpce"]);
        }
    }

    #[test]
    fn an_index_names_its_platforms() {
        let index = r#"{"manifests": [{"platform": {"os": "linux", "architecture": "arm64"}},
            {"platform": {"os": "unknown", "architecture": "unknown"}}, {"digest": "x"}]}"#;
        assert_eq!(platforms(index), ["linux/arm64"]);
        assert_eq!(platforms("{}"), Vec::<String>::new());
        assert_eq!(platforms("no JSON"), Vec::<String>::new());
    }
}
