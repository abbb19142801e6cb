//! Secrets Manager: the credentials' home, and the labels that tell a file's value from a rotation's.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::answers::{Pages, said};
use super::{AwsError, Reader, Writer, time};
use crate::ownership::{OWNER_TAG, SECRET_PREFIX};
use config::Credential;

/// More pages than the secrets of registries fill, at a hundred a page.
const MOST_PAGES: usize = 1000;

/// A staging label. Each stands on at most one version of a secret.
pub type Label = &'static str;

/// The version ECR reads.
pub const CURRENT: Label = "AWSCURRENT";
/// The version whose value came from the file, whoever has moved `AWSCURRENT` since.
pub const CONFIGURED: Label = "CONFIGURED";
/// The version that was current before.
pub const PREVIOUS: Label = "AWSPREVIOUS";
/// What a rotation function puts before it is done; left on a version it blocks the next rotation.
pub const PENDING: Label = "AWSPENDING";
/// A value from the file on its way to become current.
pub const FILE_PENDING: Label = "FILE_PENDING";
/// The version that was last proven at its host. What was proven once is not taken back, however long it is refused.
pub const PROVEN: Label = "PROVEN";
/// A version from before it was known which host the secret is for: never made current by us.
pub const UNBOUND: Label = "UNBOUND";
/// A version that ECR refused: never rolled back from again, nor to.
pub const REJECTED: Label = "REJECTED";
/// A value of the file that ECR refused. `REJECTED` stands on it too, but moves on with the next rollback.
pub const FILE_REFUSED: Label = "FILE_REFUSED";
/// A version that ECR refused and that is being rolled back from: a run that dies leaves word of it here.
pub const ROLLING_BACK: Label = "ROLLING_BACK";

/// A secret, as DescribeSecret and its companions show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The full ARN, with its random suffix.
    pub arn: String,
    pub name: String,
    /// The description; absent is empty.
    pub description: String,
    /// All tags, ours and others'.
    pub tags: BTreeMap<String, String>,
    /// A customer key, which ECR does not support for these secrets.
    pub customer_key: Option<String>,
    /// Scheduled for deletion: it can be restored, but not read.
    pub scheduled_for_deletion: bool,
    /// Version id -> labels, of the versions that carry any.
    pub labels: BTreeMap<String, BTreeSet<String>>,
    /// The resource policy; `None` when there is none or it was not read.
    pub policy: Option<String>,
    /// What the versions of interest hold: version id -> value.
    pub values: BTreeMap<String, VersionValue>,
    /// When these versions were put: version id -> time.
    pub created: BTreeMap<String, Timestamp>,
    /// When the secret was last rotated.
    pub rotated: Option<Timestamp>,
    /// By when it is to be rotated next, where its rotation is turned on.
    pub next_rotation: Option<Timestamp>,
    /// What shows that its values are for the host of the registry it was looked up for.
    pub binding: Binding,
    /// The prefix of somebody else's rule that points to it.
    pub foreign_rule: Option<String>,
}

/// What shows that a secret's values are for a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Its tag, under which its current version is used.
    Tag,
    /// A rule of that host that points to it. It has no tag yet.
    Rule,
    /// Nothing: no rule points to it, and it has no tag, or one that came later than its current version.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum VersionValue {
    /// JSON with exactly `username` and `accessToken`.
    Credential(Credential),
    /// The same with a number or a boolean for text, which nobody promises that ECR reads.
    Loose(Credential),
    /// Anything else, which ECR cannot use: other keys, other text, or binary.
    Unusable,
}

impl Eq for VersionValue {}

impl VersionValue {
    fn of(text: &str) -> Self {
        let exact = Credential::from_secret_text(text).map(Self::Credential);
        exact
            .or_else(|| Credential::from_loose_text(text).map(Self::Loose))
            .unwrap_or(Self::Unusable)
    }
}

/// A secret as ListSecrets shows it: minutes old, good for cleaning up and never for deciding existence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSecret {
    pub arn: String,
    pub name: String,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NewSecret {
    /// `ecr-pullthroughcache/<registry>`.
    pub name: String,
    /// As the legacy module writes it.
    pub description: String,
    /// The registry's and the owner's.
    pub tags: BTreeMap<String, String>,
    /// What goes into it.
    pub credential: Credential,
}

impl Secret {
    /// The version that carries a label.
    pub fn holder(&self, label: Label) -> Option<&str> {
        self.labels
            .iter()
            .find(|(_, labels)| labels.contains(label))
            .map(|(version, _)| version.as_str())
    }

    /// Whether a version carries a label.
    pub fn carries(&self, version: &str, label: Label) -> bool {
        self.labels.get(version).is_some_and(|labels| labels.contains(label))
    }

    /// Adds what was read of a version.
    pub(super) fn keep(&mut self, read: Option<(String, (VersionValue, Option<Timestamp>))>) {
        let Some((version, (value, created))) = read else {
            return;
        };
        if let Some(created) = created {
            self.created.insert(version.clone(), created);
        }
        self.values.insert(version, value);
    }

    /// The value of the version that carries a label, where it was read.
    pub fn labelled(&self, label: Label) -> Option<&VersionValue> {
        self.values.get(self.holder(label)?)
    }
}

impl Reader {
    /// A secret by name or full ARN, without policy and values; `None` when there is none.
    ///
    /// # Errors
    /// As DescribeSecret.
    pub async fn secret(&self, id: &str) -> Result<Option<Secret>, AwsError> {
        let call = self.secrets.describe_secret().secret_id(id).send().await;
        let answer = match call.map_err(|e| AwsError::new("DescribeSecret", &e)) {
            Ok(answer) => answer,
            Err(e) if e.is("ResourceNotFoundException") => return Ok(None),
            Err(e) => return Err(e),
        };
        // The key's id is absent for `aws/secretsmanager`; some tools set that alias by name.
        let customer_key = answer
            .kms_key_id
            .filter(|key| !key.ends_with("alias/aws/secretsmanager"));
        let labels = answer.version_ids_to_stages.into_iter().flatten();
        Ok(Some(Secret {
            arn: said("DescribeSecret", answer.arn)?,
            name: answer.name.unwrap_or_default(),
            description: answer.description.unwrap_or_default(),
            tags: tag_map(answer.tags),
            customer_key,
            scheduled_for_deletion: answer.deleted_date.is_some(),
            labels: labels
                .map(|(version, labels)| (version, labels.into_iter().collect()))
                .collect(),
            policy: None,
            values: BTreeMap::new(),
            created: BTreeMap::new(),
            rotated: answer.last_rotated_date.and_then(time),
            next_rotation: answer
                .next_rotation_date
                .and_then(time)
                .filter(|_| answer.rotation_enabled == Some(true)),
            binding: Binding::Nothing,
            foreign_rule: None,
        }))
    }

    /// A secret's resource policy.
    ///
    /// # Errors
    /// As GetResourcePolicy.
    pub async fn secret_policy(&self, arn: &str) -> Result<Option<String>, AwsError> {
        let call = self.secrets.get_resource_policy().secret_id(arn).send().await;
        let answer = call.map_err(|e| AwsError::new("GetResourcePolicy", &e))?;
        said("GetResourcePolicy", answer.arn)?;
        Ok(answer.resource_policy)
    }

    /// What a version holds, and when it was put; `None` when it is gone.
    ///
    /// # Errors
    /// As GetSecretValue.
    pub async fn secret_value(
        &self,
        arn: &str,
        version: &str,
    ) -> Result<Option<(VersionValue, Option<Timestamp>)>, AwsError> {
        let call = self
            .secrets
            .get_secret_value()
            .secret_id(arn)
            .version_id(version)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("GetSecretValue", &e)) {
            Ok(answer) => {
                let text = answer.secret_string.map(Zeroizing::new);
                said("GetSecretValue", answer.version_id)?;
                let value = text
                    .as_deref()
                    .map_or(VersionValue::Unusable, |text| VersionValue::of(text));
                Ok(Some((value, answer.created_date.and_then(time))))
            }
            Err(e) if e.is("ResourceNotFoundException") => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The secrets that carry an owner tag, whoever's, and are not scheduled for deletion.
    ///
    /// # Errors
    /// As ListSecrets.
    pub async fn tagged_secrets(&self) -> Result<Vec<ListedSecret>, AwsError> {
        let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
        let mut answers = self
            .secrets
            .list_secrets()
            .filters(filter(FilterNameStringType::Name, SECRET_PREFIX))
            .filters(filter(FilterNameStringType::TagKey, OWNER_TAG))
            .into_paginator()
            .page_size(100)
            .send();
        let mut pages = Pages::of("ListSecrets", MOST_PAGES);
        let mut tagged = Vec::new();
        while let Some(page) = answers.next().await {
            let page = page.map_err(|e| AwsError::new("ListSecrets", &e))?;
            pages.go_on(page.next_token())?;
            let listed = page.secret_list.into_iter().flatten().map(|entry| ListedSecret {
                arn: entry.arn.unwrap_or_default(),
                name: entry.name.unwrap_or_default(),
                tags: tag_map(entry.tags),
            });
            // The name filter is a prefix match without regard to case; ours is exact.
            tagged.extend(listed.filter(|secret| secret.name.starts_with(SECRET_PREFIX)));
        }
        Ok(tagged)
    }
}

impl Writer {
    /// Creates a secret whose first version, the current one, has this id. The id goes out as ClientRequestToken, so that a
    /// retry whose first answer was lost succeeds. Gives the ARN.
    ///
    /// # Errors
    /// As CreateSecret.
    pub async fn create_secret(&self, secret: &NewSecret, version: &str) -> Result<String, AwsError> {
        let NewSecret {
            name,
            description,
            tags,
            credential,
        } = secret;
        let text = credential.to_secret_text();
        let call = self
            .secrets
            .create_secret()
            .name(name)
            .description(description)
            .set_tags(Some(tag_list(tags)));
        let call = call.secret_string(text.as_str()).client_request_token(version);
        let answer = call.send().await.map_err(|e| AwsError::new("CreateSecret", &e))?;
        said("CreateSecret", answer.arn)
    }

    /// Puts a value as a new version of this id (sent as ClientRequestToken, so that a retry puts no second one) with
    /// exactly these labels, and gives the id.
    ///
    /// # Errors
    /// As PutSecretValue.
    pub async fn put_secret_value(
        &self,
        arn: &str,
        credential: &Credential,
        version: &str,
        labels: &[Label],
    ) -> Result<String, AwsError> {
        let text = credential.to_secret_text();
        let call = self
            .secrets
            .put_secret_value()
            .secret_id(arn)
            .secret_string(text.as_str());
        let mut call = call.client_request_token(version);
        for label in labels {
            call = call.version_stages(*label);
        }
        let answer = call.send().await.map_err(|e| AwsError::new("PutSecretValue", &e))?;
        said("PutSecretValue", answer.version_id)
    }

    /// Moves a label. `from` must be the version that carries it now, else Secrets Manager refuses: a move by
    /// somebody else in between is noticed, never undone.
    ///
    /// # Errors
    /// As UpdateSecretVersionStage.
    pub async fn move_label(
        &self,
        arn: &str,
        label: Label,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), AwsError> {
        let call = self
            .secrets
            .update_secret_version_stage()
            .secret_id(arn)
            .version_stage(label)
            .set_remove_from_version_id(from.map(str::to_owned))
            .set_move_to_version_id(to.map(str::to_owned));
        let answer = call.send().await.map_err(|e| {
            let mut error = AwsError::new("UpdateSecretVersionStage", &e);
            if error.is("LimitExceededException") {
                error.message += " Take labels that nobody needs off the versions of this secret.";
            }
            error
        })?;
        said("UpdateSecretVersionStage", answer.arn).map(drop)
    }

    /// Adds tags, or replaces the values of those that are there.
    ///
    /// # Errors
    /// As TagResource.
    pub async fn tag_secret(&self, arn: &str, tags: &BTreeMap<String, String>) -> Result<(), AwsError> {
        let call = self
            .secrets
            .tag_resource()
            .secret_id(arn)
            .set_tags(Some(tag_list(tags)));
        call.send()
            .await
            .map_err(|e| AwsError::new("TagResource", &e))
            .map(drop)
    }

    /// Sets the description; without a value in the call no version is made.
    ///
    /// # Errors
    /// As UpdateSecret.
    pub async fn describe_secret_as(&self, arn: &str, description: &str) -> Result<(), AwsError> {
        let call = self.secrets.update_secret().secret_id(arn).description(description);
        let answer = call.send().await.map_err(|e| AwsError::new("UpdateSecret", &e))?;
        said("UpdateSecret", answer.arn).map(drop)
    }

    /// Sets the resource policy; one that would be public is refused by AWS.
    ///
    /// # Errors
    /// As PutResourcePolicy.
    pub async fn put_secret_policy(&self, arn: &str, policy: &str) -> Result<(), AwsError> {
        let call = self
            .secrets
            .put_resource_policy()
            .secret_id(arn)
            .resource_policy(policy)
            .block_public_policy(true);
        let answer = call.send().await.map_err(|e| AwsError::new("PutResourcePolicy", &e))?;
        said("PutResourcePolicy", answer.arn).map(drop)
    }

    /// Cancels a scheduled deletion; the ARN stays.
    ///
    /// # Errors
    /// As RestoreSecret.
    pub async fn restore_secret(&self, arn: &str) -> Result<(), AwsError> {
        let call = self.secrets.restore_secret().secret_id(arn);
        let answer = call.send().await.map_err(|e| AwsError::new("RestoreSecret", &e))?;
        said("RestoreSecret", answer.arn).map(drop)
    }

    /// Schedules a secret for deletion in seven days, the shortest window in which it can be restored.
    ///
    /// # Errors
    /// As DeleteSecret; one that is gone already is no error.
    pub async fn delete_secret(&self, arn: &str) -> Result<(), AwsError> {
        let call = self
            .secrets
            .delete_secret()
            .secret_id(arn)
            .recovery_window_in_days(7)
            .send()
            .await;
        match call.map_err(|e| AwsError::new("DeleteSecret", &e)) {
            Ok(answer) => said("DeleteSecret", answer.arn).map(drop),
            Err(e) if e.is("ResourceNotFoundException") => Ok(()),
            Err(e) => Err(e),
        }
    }
}

fn tag_map(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    let pairs = tags
        .into_iter()
        .flatten()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
    pairs.collect()
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}
