//! Lifecycle previews: asked for, in progress for some polls (or minutes, if nobody looks), then complete for a day.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::evaluate::{Image, Outcome, evaluate};
use super::lifecycle::{self, ActionKind, StorageClass};
use super::paging::{self, Page};
use super::settings::no_lifecycle_policy;
use super::{Ecr, invalid, read, required, seconds, text};
use crate::api::{Answer, ApiError, CallContext};

/// How long the results of a preview can be had.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// When a preview is over that nobody polls, so that one whose client died does not block the next for ever. How long
/// AWS takes is not known; its waiter gives up after 100 seconds.
const SLOWEST: SignedDuration = SignedDuration::from_mins(5);

/// The latest preview of a repository.
pub(super) struct Preview {
    /// As it was given: only a policy that is put comes back in ECR's own form.
    policy_text: String,
    started: Timestamp,
    polls_left: u32,
    /// Set once it is complete: a preview shows the repository as it was then.
    results: Option<Vec<Outcome>>,
}

impl Preview {
    fn in_progress(&self, context: &CallContext) -> bool {
        self.polls_left > 0 && context.now.duration_since(self.started) < SLOWEST
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetPreview {
    image_ids: Option<Vec<ImageId>>,
    filter: Option<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
}

impl GetPreview {
    /// Images that are named come in one answer, and by something.
    fn check(&self, input: &Value) -> Result<(), ApiError> {
        let paged = ["nextToken", "maxResults"]
            .iter()
            .any(|name| input.get(name).is_some_and(|value| !value.is_null()));
        let ids = self.image_ids.iter().flatten();
        if self.image_ids.is_some() && paged {
            return Err(invalid(
                "nextToken and maxResults cannot be used when imageIds is specified",
            ));
        }
        if ids
            .into_iter()
            .any(|id| id.image_digest.is_none() && id.image_tag.is_none())
        {
            return Err(invalid(
                "Invalid parameter at 'imageIds' failed to satisfy constraint: 'An image needs a digest or a tag'",
            ));
        }
        Ok(())
    }

    fn wants(&self, image: &Image) -> bool {
        let named = self
            .image_ids
            .as_ref()
            .is_none_or(|ids| ids.iter().any(|id| id.is(image)));
        let status = self.filter.as_ref().and_then(|filter| filter.tag_status.as_deref());
        named
            && match status {
                Some("TAGGED") => !image.tags.is_empty(),
                Some("UNTAGGED") => image.tags.is_empty(),
                _ => true,
            }
    }
}

impl ImageId {
    fn is(&self, image: &Image) -> bool {
        let digest = self.image_digest.as_ref().is_none_or(|digest| *digest == image.digest);
        let tag = self.image_tag.as_ref().is_none_or(|tag| image.tags.contains(tag));
        digest && tag
    }
}

fn answer(context: &CallContext, input: &Value, policy_text: &str, status: &str) -> Value {
    json!({
        "registryId": context.account,
        "repositoryName": required(input, "repositoryName"),
        "lifecyclePolicyText": policy_text,
        "status": status,
    })
}

fn show(outcome: &Outcome) -> Value {
    let action = match outcome.action {
        ActionKind::Expire => json!({"type": "EXPIRE"}),
        ActionKind::Transition => json!({"type": "TRANSITION", "targetStorageClass": "ARCHIVE"}),
    };
    let class = match outcome.image.storage_class {
        StorageClass::Standard => "STANDARD",
        StorageClass::Archive => "ARCHIVE",
    };
    json!({
        "action": action,
        "appliedRulePriority": outcome.priority,
        "imageDigest": outcome.image.digest,
        "imagePushedAt": seconds(outcome.image.pushed_at),
        "imageTags": outcome.image.tags,
        "storageClass": class,
    })
}

/// The numbers of the whole preview, whatever page or filter was asked for.
fn summary(outcomes: &[Outcome]) -> Value {
    let count = |action: ActionKind| outcomes.iter().filter(|outcome| outcome.action == action).count();
    let transitions = match count(ActionKind::Transition) {
        0 => json!([]),
        images => json!([{"targetStorageClass": "ARCHIVE", "imageTotalCount": images}]),
    };
    json!({"expiringImageTotalCount": count(ActionKind::Expire), "transitioningImageTotalCounts": transitions})
}

impl Ecr {
    pub(super) fn start_preview(&mut self, context: &CallContext, input: &Value) -> Answer {
        let polls = self.preview_polls;
        let repository = self.repository_mut(context, input)?;
        if repository
            .preview
            .as_ref()
            .is_some_and(|preview| preview.in_progress(context))
        {
            return Err(ApiError::client(
                "LifecyclePolicyPreviewInProgressException",
                format!(
                    "A lifecycle policy preview is already in progress for the repository with name '{}' in the registry with id '{}'",
                    required(input, "repositoryName"),
                    context.account
                ),
            ));
        }
        let policy_text = match text(input, "lifecyclePolicyText") {
            Some(given) => lifecycle::parse(given).map(|_| given.to_owned())?,
            None => repository
                .lifecycle_policy
                .clone()
                .ok_or_else(|| no_lifecycle_policy(context, input))?,
        };
        let shown = answer(context, input, &policy_text, "IN_PROGRESS");
        repository.preview = Some(Preview {
            policy_text,
            started: context.now,
            polls_left: polls,
            results: None,
        });
        Ok(shown)
    }

    pub(super) fn get_preview(&mut self, context: &CallContext, input: &Value) -> Answer {
        let wanted: GetPreview = read(input)?;
        wanted.check(input)?;
        let (cap, name) = (self.page_cap, required(input, "repositoryName"));
        let fails = self.failing_previews.contains(name);
        let repository = self.repository_mut(context, input)?;
        let Some(preview) = &mut repository.preview else {
            return Err(ApiError::client(
                "LifecyclePolicyPreviewNotFoundException",
                format!(
                    "There is no lifecycle policy preview for the repository with name '{name}' in the registry with id '{}'",
                    context.account
                ),
            ));
        };
        if preview.in_progress(context) {
            preview.polls_left -= 1;
            return Ok(answer(context, input, &preview.policy_text, "IN_PROGRESS"));
        }
        if fails {
            return Ok(answer(context, input, &preview.policy_text, "FAILED"));
        }
        if context.now.duration_since(preview.started) > LIFETIME {
            return Ok(answer(context, input, &preview.policy_text, "EXPIRED"));
        }
        let outcomes = match preview.results.take() {
            Some(outcomes) => outcomes,
            None => evaluate(
                &lifecycle::parse(&preview.policy_text)?,
                &repository.images.list(name),
                context.now,
            ),
        };
        let outcomes = preview.results.insert(outcomes);

        // Pages follow the digests, which are unique in a repository.
        let mut asked: Vec<&Outcome> = outcomes.iter().filter(|outcome| wanted.wants(&outcome.image)).collect();
        asked.sort_by(|one, other| one.image.digest.cmp(&other.image.digest));
        let cap = if wanted.image_ids.is_some() { None } else { cap };
        let page = paging::cut("GetLifecyclePolicyPreview", input, cap, |after| {
            asked.retain(|outcome| after.is_none_or(|after| outcome.image.digest.as_str() > after));
            asked
                .into_iter()
                .map(|outcome| (outcome.image.digest.as_str(), show(outcome)))
        })?;
        let mut shown = answer(context, input, &preview.policy_text, "COMPLETE");
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("previewResults".into(), page.items.into());
            shown.insert("summary".into(), summary(outcomes));
        }
        Ok(Page::<Value>::sign(page.next, shown))
    }
}
