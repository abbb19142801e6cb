//! Writing secrets, so that a rotation in between is never buried.

use super::step::CreatedSecret;
use super::{Applier, Slot, StepError, stray_step};
use crate::account::{AwsError, CONFIGURED, CURRENT, FILE_PENDING, Label, NewSecret, Secret};
use crate::cause::Cause;
use crate::plan::{Labels, SecretMetadata};
use crate::secret_version::{is_ours, new_version};

/// The note on a value that was put over one of ours that ECR could not use.
const UNUSABLE_BEFORE: &str = "what was current before is no JSON with exactly username and accessToken, which ECR cannot \
                               use; it is kept as AWSPREVIOUS";

/// The note on a value that was kept beside a younger one.
fn rotated(labels: &Labels) -> String {
    format!(
        "the secret was rotated since: the rotation stands, and {} is kept beside it under CONFIGURED",
        labels.words
    )
}

impl Applier<'_> {
    /// Creates a secret with its value, then labels that `CONFIGURED`. The version's id says that the value came from a
    /// file, so one whose label is missing is not taken for a rotation. The policy needs nothing but the secret, and is
    /// put beside the label; what came of it stands in `made`, also where the label failed.
    pub(super) async fn create_secret(
        &self,
        secret: &NewSecret,
        policy: Option<&str>,
        made: &mut Option<CreatedSecret>,
    ) -> Result<(), StepError> {
        let version = new_version(None);
        let create = || self.writer.create_secret(secret, &version);
        let arn = self
            .patiently(Slot::Secrets, &secret.name, create)
            .await
            .map_err(|error| {
                // Somebody was faster, or it is scheduled for deletion and can be restored.
                if error.is("ResourceExistsException") {
                    StepError::LookAgain(error.to_string())
                } else {
                    gone(error)
                }
            })?;
        self.makes_current(&arn, &version);
        let label = self.move_label(&arn, CONFIGURED, None, Some(&version));
        let policy = async {
            match policy {
                Some(policy) => Some(self.put_secret_policy(&arn, policy).await),
                None => None,
            }
        };
        let (labelled, policy) = tokio::join!(label, policy);
        let labelled = self.moved_or_there(&arn, CONFIGURED, Some(&version), labelled).await;
        *made = Some(CreatedSecret { arn, policy });
        match labelled {
            // The secret is made, which is told; what became of its labels is looked at again.
            Err(StepError::LookAgain(_)) => Err(StepError::Taken),
            labelled => labelled.map(drop),
        }
    }

    pub(super) async fn put_secret_policy(&self, arn: &str, policy: &str) -> Result<(), StepError> {
        self.patiently(Slot::Secrets, arn, || self.writer.put_secret_policy(arn, policy))
            .await
            .map_err(gone)
    }

    pub(super) async fn dress_secret(&self, metadata: &SecretMetadata) -> Result<(), StepError> {
        if !metadata.tags.is_empty() {
            self.call(Slot::Secrets, self.writer.tag_secret(&metadata.arn, &metadata.tags))
                .await
                .map_err(gone)?;
        }
        if let Some(description) = &metadata.description {
            self.call(
                Slot::Secrets,
                self.writer.describe_secret_as(&metadata.arn, description),
            )
            .await
            .map_err(gone)?;
        }
        Ok(())
    }

    /// Labels the version that has the file's value already.
    pub(super) async fn label_configured(&self, labels: &Labels) -> Result<(), StepError> {
        let version = labels.holds_value.as_deref().ok_or_else(moved_on)?;
        let ours = self.finish(labels, version, labels.pending.as_deref()).await?;
        if ours { Ok(()) } else { Err(done_by_another()) }
    }

    /// Puts the file's value beside the current one, then moves `AWSCURRENT` from the version that was observed.
    pub(super) async fn put_value(&self, labels: &Labels) -> Result<Option<String>, StepError> {
        let (version, pending) = self.pending(labels).await?;
        let moved = self
            .move_label(&labels.arn, CURRENT, labels.current.as_deref(), Some(&version))
            .await;
        let is_current_by_us = moved.is_ok();
        if is_current_by_us {
            self.makes_current(&labels.arn, &version);
        }
        let note = match moved {
            Ok(()) => None,
            Err(error) => self.current_has_moved(labels, &version, error).await?,
        };
        match self.finish(labels, &version, pending.as_deref()).await {
            // The value serves, whoever moved the other labels: it is told, and the rest looked at again.
            Err(StepError::LookAgain(_)) if is_current_by_us => return Err(StepError::Taken),
            finished => {
                if !finished? && !is_current_by_us {
                    return Err(done_by_another());
                }
            }
        }
        Ok(note.or_else(|| labels.current_is_unusable.then(|| UNUSABLE_BEFORE.to_owned())))
    }

    /// Keeps the file's value beside the current one, which stays.
    pub(super) async fn put_beside(&self, labels: &Labels) -> Result<Option<String>, StepError> {
        let (version, pending) = self.pending(labels).await?;
        self.stays_current(labels, &version).await?;
        let ours = self.finish(labels, &version, pending.as_deref()).await?;
        if ours {
            Ok(Some(rotated(labels)))
        } else {
            Err(done_by_another())
        }
    }

    /// The documentation of PutSecretValue contradicts itself on whether a put with other labels moves `AWSCURRENT`. If it did,
    /// that goes back.
    async fn stays_current(&self, labels: &Labels, version: &str) -> Result<(), StepError> {
        let secret = self.call(Slot::Read, self.reader.secret(&labels.arn)).await?;
        if secret.is_none_or(|secret| secret.holder(CURRENT) != Some(version)) {
            return Ok(());
        }
        let back = self.move_label(&labels.arn, CURRENT, Some(version), labels.current.as_deref());
        back.await.map_err(gone)
    }

    /// The version that holds the file's value, put now if there is none, and the one that carries `FILE_PENDING`.
    async fn pending(&self, labels: &Labels) -> Result<(String, Option<String>), StepError> {
        // Put by a run that did not live to move the labels, or that is moving them just now.
        if let Some(version) = &labels.holds_value {
            return Ok((version.clone(), labels.pending.clone()));
        }
        let version = new_version(labels.current.as_deref());
        let put = self
            .writer
            .put_secret_value(&labels.arn, &labels.credential, &version, &[FILE_PENDING]);
        let version = self.call(Slot::Secrets, put).await.map_err(gone)?;
        Ok((version.clone(), Some(version)))
    }

    /// `AWSCURRENT` is not where it was observed. Who moved it decides.
    async fn current_has_moved(
        &self,
        labels: &Labels,
        version: &str,
        error: AwsError,
    ) -> Result<Option<String>, StepError> {
        if !error.is_refused_move() {
            return Err(error.into());
        }
        let secret = self
            .call(Slot::Read, self.reader.secret(&labels.arn))
            .await?
            .ok_or_else(moved_on)?;
        let current = secret.holder(CURRENT).ok_or_else(moved_on)?;
        if current == version {
            // The documentation of PutSecretValue contradicts itself on whether a put with other labels moves it.
            return Ok(None);
        }
        if Some(current) == labels.current.as_deref() {
            // Not moved at all: the call was refused for another reason.
            return Err(error.into());
        }
        if is_from_a_file(&secret, current) {
            // Another run, perhaps with a newer file.
            return Err(moved_on());
        }
        match self.newest.is_current().await {
            Ok(true) => {}
            Ok(false) => return Err(StepError::Stale),
            Err(cause) => {
                return Err(StepError::Failed(Cause {
                    transient: true,
                    ..cause
                }));
            }
        }
        if self.exact {
            // That it is to stand is no part of the plan. The next plan finds the file's value put, and not current.
            return Err(StepError::Held(stray_step()));
        }
        Ok(Some(rotated(labels)))
    }

    /// `CONFIGURED` says that the file has spoken; `FILE_PENDING` is not needed any more. Says whether any of the moves
    /// was made here.
    async fn finish(&self, labels: &Labels, version: &str, pending: Option<&str>) -> Result<bool, StepError> {
        let mut ours = false;
        if labels.configured.as_deref() != Some(version) {
            let moved = self
                .move_label(&labels.arn, CONFIGURED, labels.configured.as_deref(), Some(version))
                .await;
            ours |= self
                .moved_or_there(&labels.arn, CONFIGURED, Some(version), moved)
                .await?;
        }
        if let Some(pending) = pending {
            let moved = self.move_label(&labels.arn, FILE_PENDING, Some(pending), None).await;
            ours |= match self.moved_or_there(&labels.arn, FILE_PENDING, None, moved).await {
                // What was made here is told, and the rest looked at again.
                Err(StepError::LookAgain(_)) if ours => return Err(StepError::Taken),
                there => there?,
            };
        }
        Ok(ours)
    }

    /// Moves a label from the version that was observed. A repeated move that finds the label where it was to go has met its
    /// own success.
    pub(super) async fn move_label(
        &self,
        arn: &str,
        label: Label,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), AwsError> {
        match self
            .call(Slot::Secrets, self.writer.move_label(arn, label, from, to))
            .await
        {
            Err(error) if error.repeated => self.is_labelled(arn, label, to, error).await,
            moved => moved,
        }
    }

    /// The same for a label that may be put by anybody: that it is where it was to go is enough.
    pub(super) async fn put_label(
        &self,
        arn: &str,
        label: Label,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<(), AwsError> {
        match self
            .call(Slot::Secrets, self.writer.move_label(arn, label, from, to))
            .await
        {
            Err(error) => self.is_labelled(arn, label, to, error).await,
            moved => moved,
        }
    }

    /// Whether a label whose move was refused is where it was to go.
    async fn is_labelled(&self, arn: &str, label: Label, to: Option<&str>, refused: AwsError) -> Result<(), AwsError> {
        if !refused.is_refused_move() {
            return Err(refused);
        }
        let secret = self.call(Slot::Read, self.reader.secret(arn)).await?;
        if secret.is_some_and(|secret| secret.holder(label) == to) {
            Ok(())
        } else {
            Err(refused)
        }
    }

    /// A refused move is no failure when somebody else has made it. Says who made it: true is us.
    pub(super) async fn moved_or_there(
        &self,
        arn: &str,
        label: &'static str,
        to: Option<&str>,
        moved: Result<(), AwsError>,
    ) -> Result<bool, StepError> {
        let Err(error) = moved else { return Ok(true) };
        if !error.is_refused_move() {
            return Err(error.into());
        }
        let secret = self.call(Slot::Read, self.reader.secret(arn)).await?;
        match secret.as_ref().map(|secret| secret.holder(label)) {
            Some(holder) if holder == to => Ok(false),
            _ => Err(StepError::LookAgain(error.to_string())),
        }
    }
}

/// What was to be done is done, and not by this run: its report must not say so. Another look shows what is left.
fn done_by_another() -> StepError {
    StepError::LookAgain("another run has moved the secret's labels already".into())
}

fn moved_on() -> StepError {
    StepError::LookAgain("the secret's labels were moved by somebody else".into())
}

/// A secret that was deleted, or scheduled for it, since it was looked at.
fn gone(error: AwsError) -> StepError {
    let gone = error.is("ResourceNotFoundException") || error.is("InvalidRequestException");
    if gone && !error.is_transient() {
        StepError::LookAgain(error.to_string())
    } else {
        error.into()
    }
}

/// Versions of ours have ids of ours, or carry one of our labels; a rotation's has neither.
fn is_from_a_file(secret: &Secret, version: &str) -> bool {
    is_ours(version)
        || secret
            .labels
            .get(version)
            .is_some_and(|labels| labels.contains(CONFIGURED) || labels.contains(FILE_PENDING))
}
