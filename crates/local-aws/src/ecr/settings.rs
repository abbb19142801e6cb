//! The settings of a repository that a back-fill puts: lifecycle policy, repository policy, tag mutability.

use serde::Deserialize;
use serde_json::{Value, json};

use super::mutability::{ExclusionFilter, Mutability};
use super::{Ecr, lifecycle, policy, read, required};
use crate::api::{Answer, ApiError, CallContext};

/// An answer about one repository, with one or more members of its own.
fn about(context: &CallContext, input: &Value, members: Value) -> Value {
    let mut answer = json!({"registryId": context.account, "repositoryName": required(input, "repositoryName")});
    if let (Some(answer), Value::Object(members)) = (answer.as_object_mut(), members) {
        answer.extend(members);
    }
    answer
}

/// The refusal where a repository has no lifecycle policy.
pub(super) fn no_lifecycle_policy(context: &CallContext, input: &Value) -> ApiError {
    ApiError::client(
        "LifecyclePolicyNotFoundException",
        format!(
            "Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'",
            required(input, "repositoryName"),
            context.account
        ),
    )
}

fn no_policy(context: &CallContext, input: &Value) -> ApiError {
    ApiError::client(
        "RepositoryPolicyNotFoundException",
        format!(
            "Repository policy does not exist for the repository with name '{}' in the registry with id '{}'",
            required(input, "repositoryName"),
            context.account
        ),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MutabilityInput {
    image_tag_mutability: String,
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
}

impl Ecr {
    pub(super) fn put_lifecycle_policy(&mut self, context: &CallContext, input: &Value) -> Answer {
        let repository = self.repository_mut(context, input)?;
        let text = lifecycle::parse(required(input, "lifecyclePolicyText"))?.canonical();
        repository.lifecycle_policy = Some(text.clone());
        Ok(about(context, input, json!({"lifecyclePolicyText": text})))
    }

    pub(super) fn get_lifecycle_policy(&self, context: &CallContext, input: &Value) -> Answer {
        let text = self.repository(context, input)?.lifecycle_policy.as_ref();
        let text = text.ok_or_else(|| no_lifecycle_policy(context, input))?;
        Ok(about(context, input, json!({"lifecyclePolicyText": text})))
    }

    pub(super) fn delete_lifecycle_policy(&mut self, context: &CallContext, input: &Value) -> Answer {
        let text = self.repository_mut(context, input)?.lifecycle_policy.take();
        let text = text.ok_or_else(|| no_lifecycle_policy(context, input))?;
        Ok(about(context, input, json!({"lifecyclePolicyText": text})))
    }

    pub(super) fn set_repository_policy(&mut self, context: &CallContext, input: &Value) -> Answer {
        self.repository(context, input)?;
        let text = policy::repository(context, required(input, "policyText"), &self.unknown_principals)?;
        self.repository_mut(context, input)?.policy = Some(text.clone());
        Ok(about(context, input, json!({"policyText": text})))
    }

    pub(super) fn get_repository_policy(&self, context: &CallContext, input: &Value) -> Answer {
        let text = self
            .repository(context, input)?
            .policy
            .as_ref()
            .ok_or_else(|| no_policy(context, input))?;
        Ok(about(context, input, json!({"policyText": text})))
    }

    pub(super) fn delete_repository_policy(&mut self, context: &CallContext, input: &Value) -> Answer {
        let text = self
            .repository_mut(context, input)?
            .policy
            .take()
            .ok_or_else(|| no_policy(context, input))?;
        Ok(about(context, input, json!({"policyText": text})))
    }

    pub(super) fn put_mutability(&mut self, context: &CallContext, input: &Value) -> Answer {
        let given: MutabilityInput = read(input)?;
        let repository = self.repository_mut(context, input)?;
        let paired = Mutability::pair(
            Some(given.image_tag_mutability),
            given.image_tag_mutability_exclusion_filters,
        )?;
        repository.mutability = paired.unwrap_or_default();
        Ok(about(context, input, json!(repository.mutability)))
    }
}
