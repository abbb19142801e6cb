//! ECR repositories: the settings that a creation template would have given them, read and put one by one.
//!
//! These are the calls that grow with the number of repositories. Each method is one request without the SDK's
//! retries: they are made through [`Throttle`](crate::throttle::Throttle), which keep to the rate that ECR allows.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ecr::operation::get_lifecycle_policy_preview::GetLifecyclePolicyPreviewOutput;
use aws_sdk_ecr::types::{
    ImageActionType, ImageTagMutability, LifecyclePolicyPreviewStatus, LifecyclePolicyPreviewSummary,
};

use super::answers::said;
use super::templates::{filter_list, tag_list};
use super::{AwsError, Reader, Writer};

/// A repository and the settings that DescribeRepositories shows. Policies and tags are asked for one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `repositoryName`.
    pub name: String,
    /// `imageTagMutability`.
    pub mutability: String,
    /// The wildcards of `imageTagMutabilityExclusionFilters`.
    pub exclusion_filters: BTreeSet<String>,
}

/// What a lifecycle policy would do to a repository: one page of GetLifecyclePolicyPreview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// How far ECR has come.
    pub status: PreviewStatus,
    /// The policy that was previewed, as ECR writes it. Another than ours: somebody else asked for a preview.
    pub text: String,
    /// `summary.expiringImageTotalCount`: of all pages. `None` where ECR gave no number.
    pub expiring: Option<u64>,
    /// `summary.transitioningImageTotalCounts`, summed up: of all pages. `None` where ECR gave no number.
    pub archiving: Option<u64>,
    /// Images on this page that would expire. One whose action we do not know counts here.
    pub listed_expiring: u64,
    /// Images on this page that would be archived.
    pub listed_archiving: u64,
    /// The first tag of each image on this page; an untagged one has none.
    pub tags: Vec<String>,
    /// The token of the next page.
    pub next: Option<String>,
}

/// How far ECR has come with a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewStatus {
    /// Ask again in some seconds.
    InProgress,
    /// The numbers hold.
    Complete,
    /// It is too old to be shown: start another.
    Expired,
    /// ECR could not do it, or gave a status that we do not know: nothing is known about the policy's effect.
    Failed,
}

impl Repository {
    /// `None` for an answer without a name, which the API model allows and nobody has seen.
    fn from_ecr(repository: aws_sdk_ecr::types::Repository) -> Option<Self> {
        let filters = repository.image_tag_mutability_exclusion_filters.into_iter().flatten();
        Some(Self {
            name: repository.repository_name?,
            mutability: repository
                .image_tag_mutability
                .map_or_else(|| "MUTABLE".into(), |m| m.as_str().to_owned()),
            exclusion_filters: filters.map(|f| f.filter).collect(),
        })
    }
}

impl From<GetLifecyclePolicyPreviewOutput> for Preview {
    fn from(answer: GetLifecyclePolicyPreviewOutput) -> Self {
        let results = answer.preview_results.unwrap_or_default();
        let archives = |result: &&aws_sdk_ecr::types::LifecyclePolicyPreviewResult| {
            result.action.as_ref().and_then(|action| action.r#type.as_ref()) == Some(&ImageActionType::Transition)
        };
        let archiving = results.iter().filter(archives).count() as u64;
        Self {
            status: answer.status.into(),
            text: answer.lifecycle_policy_text.unwrap_or_default(),
            expiring: answer
                .summary
                .as_ref()
                .and_then(|s| count(s.expiring_image_total_count)),
            archiving: answer.summary.and_then(transitioning),
            listed_expiring: results.len() as u64 - archiving,
            listed_archiving: archiving,
            tags: results
                .into_iter()
                .filter_map(|result| result.image_tags?.into_iter().next())
                .collect(),
            next: answer.next_token,
        }
    }
}

impl From<Option<LifecyclePolicyPreviewStatus>> for PreviewStatus {
    fn from(status: Option<LifecyclePolicyPreviewStatus>) -> Self {
        match status {
            Some(LifecyclePolicyPreviewStatus::InProgress) => Self::InProgress,
            Some(LifecyclePolicyPreviewStatus::Complete) => Self::Complete,
            Some(LifecyclePolicyPreviewStatus::Expired) => Self::Expired,
            _ => Self::Failed,
        }
    }
}

fn count(number: Option<i32>) -> Option<u64> {
    u64::try_from(number?).ok()
}

/// All storage classes together; no number at all if one of them lacks its own.
fn transitioning(summary: LifecyclePolicyPreviewSummary) -> Option<u64> {
    summary
        .transitioning_image_total_counts?
        .into_iter()
        .map(|class| count(class.image_total_count))
        .sum()
}

impl Reader {
    /// Up to a thousand repositories, and the token of the next page.
    ///
    /// # Errors
    /// As DescribeRepositories.
    pub async fn repositories_page(&self, token: Option<&str>) -> Result<(Vec<Repository>, Option<String>), AwsError> {
        let call = self
            .repositories
            .describe_repositories()
            .max_results(1000)
            .set_next_token(token.map(str::to_owned));
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("DescribeRepositories", &e))?;
        let repositories = answer
            .repositories
            .into_iter()
            .flatten()
            .filter_map(Repository::from_ecr);
        Ok((repositories.collect(), answer.next_token))
    }

    /// Repositories by name, at most a hundred; in no particular order.
    ///
    /// # Errors
    /// As DescribeRepositories: one name that is not there makes the whole call a RepositoryNotFoundException.
    pub async fn repositories_named(&self, names: &[String]) -> Result<Vec<Repository>, AwsError> {
        let call = self
            .repositories
            .describe_repositories()
            .set_repository_names(Some(names.to_vec()));
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("DescribeRepositories", &e))?;
        Ok(answer
            .repositories
            .into_iter()
            .flatten()
            .filter_map(Repository::from_ecr)
            .collect())
    }

    /// A repository's lifecycle policy as ECR writes it; `None` when it has none.
    ///
    /// # Errors
    /// As GetLifecyclePolicy.
    pub async fn lifecycle_policy(&self, repository: &str) -> Result<Option<String>, AwsError> {
        let call = self
            .repositories
            .get_lifecycle_policy()
            .repository_name(repository)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("GetLifecyclePolicy", &e)) {
            Ok(answer) => Ok(answer.lifecycle_policy_text),
            Err(e) if e.is("LifecyclePolicyNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A repository's own policy as ECR writes it; `None` when it has none.
    ///
    /// # Errors
    /// As GetRepositoryPolicy.
    pub async fn repository_policy(&self, repository: &str) -> Result<Option<String>, AwsError> {
        let call = self
            .repositories
            .get_repository_policy()
            .repository_name(repository)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("GetRepositoryPolicy", &e)) {
            Ok(answer) => Ok(answer.policy_text),
            Err(e) if e.is("RepositoryPolicyNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A repository's tags.
    ///
    /// # Errors
    /// As ListTagsForResource.
    pub async fn repository_tags(&self, arn: &str) -> Result<BTreeMap<String, String>, AwsError> {
        let call = self
            .repositories
            .list_tags_for_resource()
            .resource_arn(arn)
            .send()
            .await;
        let answer = call.map_err(|e| AwsError::new("ListTagsForResource", &e))?;
        Ok(answer
            .tags
            .into_iter()
            .flatten()
            .map(|tag| (tag.key, tag.value))
            .collect())
    }

    /// Asks ECR what this policy would do to a repository. It changes no setting; the preview replaces the last one.
    ///
    /// # Errors
    /// As StartLifecyclePolicyPreview: LifecyclePolicyPreviewInProgressException while another one is being made.
    pub async fn start_preview(&self, repository: &str, text: &str) -> Result<(), AwsError> {
        let call = self.repositories.start_lifecycle_policy_preview();
        let call = call
            .repository_name(repository)
            .lifecycle_policy_text(text)
            .send()
            .await;
        let answer = call.map_err(|e| AwsError::new("StartLifecyclePolicyPreview", &e))?;
        said("StartLifecyclePolicyPreview", answer.repository_name).map(drop)
    }

    /// A page of a repository's latest preview, at most a hundred images of it.
    ///
    /// # Errors
    /// As GetLifecyclePolicyPreview.
    pub async fn preview(&self, repository: &str, token: Option<&str>) -> Result<Preview, AwsError> {
        let call = self
            .repositories
            .get_lifecycle_policy_preview()
            .repository_name(repository);
        let call = call.max_results(100).set_next_token(token.map(str::to_owned));
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("GetLifecyclePolicyPreview", &e))?;
        Ok(Preview::from(answer))
    }
}

impl Writer {
    /// Puts a lifecycle policy. ECR begins to act on it within a day.
    ///
    /// # Errors
    /// As PutLifecyclePolicy.
    pub async fn put_lifecycle_policy(&self, repository: &str, text: &str) -> Result<(), AwsError> {
        let call = self
            .repositories
            .put_lifecycle_policy()
            .repository_name(repository)
            .lifecycle_policy_text(text);
        let answer = call.send().await.map_err(|e| AwsError::new("PutLifecyclePolicy", &e))?;
        said("PutLifecyclePolicy", answer.repository_name).map(drop)
    }

    /// Sets a repository's own policy. Without `force`: one that would keep its setter from changing it is refused.
    ///
    /// # Errors
    /// As SetRepositoryPolicy.
    pub async fn set_repository_policy(&self, repository: &str, text: &str) -> Result<(), AwsError> {
        let call = self
            .repositories
            .set_repository_policy()
            .repository_name(repository)
            .policy_text(text);
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("SetRepositoryPolicy", &e))?;
        said("SetRepositoryPolicy", answer.repository_name).map(drop)
    }

    /// Sets tag mutability and its exclusion filters, which are one setting.
    ///
    /// # Errors
    /// As PutImageTagMutability.
    pub async fn put_mutability(
        &self,
        repository: &str,
        mutability: &str,
        filters: &BTreeSet<String>,
    ) -> Result<(), AwsError> {
        let call = self
            .repositories
            .put_image_tag_mutability()
            .repository_name(repository)
            .image_tag_mutability(ImageTagMutability::from(mutability))
            .set_image_tag_mutability_exclusion_filters(filter_list(filters, "PutImageTagMutability")?);
        let answer = call
            .send()
            .await
            .map_err(|e| AwsError::new("PutImageTagMutability", &e))?;
        said("PutImageTagMutability", answer.repository_name).map(drop)
    }

    /// Adds tags to a repository, or replaces the values of those that are there.
    ///
    /// # Errors
    /// As TagResource.
    pub async fn tag_repository(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let call = self
            .repositories
            .tag_resource()
            .resource_arn(arn)
            .set_tags(Some(tag_list(tags, "TagResource")?));
        call.send()
            .await
            .map_err(|e| AwsError::new("TagResource", &e))
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecr::types::{LifecyclePolicyPreviewResult, LifecyclePolicyRuleAction, TransitioningImageTotalCount};

    use super::*;

    fn image(action: Option<&str>, tags: &[&str]) -> LifecyclePolicyPreviewResult {
        let action = action.map(|kind| {
            LifecyclePolicyRuleAction::builder()
                .r#type(ImageActionType::from(kind))
                .build()
        });
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        LifecyclePolicyPreviewResult::builder()
            .set_action(action)
            .set_image_tags(Some(tags))
            .build()
    }

    #[test]
    fn only_a_complete_preview_is_one() {
        let status = |text: &str| PreviewStatus::from(Some(LifecyclePolicyPreviewStatus::from(text)));
        assert_eq!(status("COMPLETE"), PreviewStatus::Complete);
        assert_eq!(status("IN_PROGRESS"), PreviewStatus::InProgress);
        assert_eq!(status("EXPIRED"), PreviewStatus::Expired);
        assert_eq!(status("FAILED"), PreviewStatus::Failed);
        assert_eq!(status("MOSTLY_COMPLETE"), PreviewStatus::Failed);
        assert_eq!(PreviewStatus::from(None), PreviewStatus::Failed);
    }

    #[test]
    fn an_image_with_an_unknown_fate_counts_as_expiring() {
        let images = [
            image(Some("EXPIRE"), &["1", "one"]),
            image(Some("TRANSITION"), &["2"]),
            image(Some("SHRED"), &[]),
            image(None, &["4"]),
        ];
        let preview = Preview::from(
            GetLifecyclePolicyPreviewOutput::builder()
                .set_preview_results(Some(images.to_vec()))
                .build(),
        );
        assert_eq!((preview.listed_expiring, preview.listed_archiving), (3, 1));
        assert_eq!(preview.tags, ["1", "2", "4"]);
    }

    #[test]
    fn a_number_that_ecr_does_not_give_is_not_zero() {
        let numbers = |summary: Option<LifecyclePolicyPreviewSummary>| {
            let preview = Preview::from(GetLifecyclePolicyPreviewOutput::builder().set_summary(summary).build());
            (preview.expiring, preview.archiving)
        };
        let class = |count| {
            TransitioningImageTotalCount::builder()
                .set_image_total_count(count)
                .build()
        };
        let summary = |classes| {
            let summary = LifecyclePolicyPreviewSummary::builder().expiring_image_total_count(7);
            summary.set_transitioning_image_total_counts(classes).build()
        };
        assert_eq!(numbers(None), (None, None));
        assert_eq!(numbers(Some(summary(None))), (Some(7), None));
        assert_eq!(numbers(Some(summary(Some(Vec::new())))), (Some(7), Some(0)));
        assert_eq!(
            numbers(Some(summary(Some(vec![class(Some(2)), class(Some(3))])))),
            (Some(7), Some(5))
        );
        assert_eq!(
            numbers(Some(summary(Some(vec![class(Some(2)), class(None)])))),
            (Some(7), None)
        );
    }
}
