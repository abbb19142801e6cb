//! Writing secrets, so that a rotation in between is never buried.

use super::step::Made;
use super::{Applier, STRAY, Slot, Trouble};
use crate::account::{AwsError, CONFIGURED, CURRENT, FILE_PENDING, Secret};
use crate::plan::{Dress, Labels, NewSecret};
use crate::version_id::{is_ours, new_version};

/// The note on a value that was put over one of ours that ECR could not use.
const UNUSABLE_BEFORE: &str = "what was current before is no JSON with exactly username and accessToken, which ECR cannot \
                               use; it is kept as AWSPREVIOUS";

impl Applier<'_> {
    /// Creates a secret empty and then gives it its value: CreateSecret cannot set `CONFIGURED`, and a value
    /// without it would look like a rotation. Its policy needs nothing but the secret, and is put beside the value; what
    /// came of it stands in `made`, also where the value failed.
    pub(super) async fn create_secret(
        &self,
        secret: &NewSecret,
        policy: Option<&str>,
        made: &mut Option<Made>,
    ) -> Result<(), Trouble> {
        let create = || self.writer.create_secret(&secret.name, &secret.description, &secret.tags);
        let arn = self.patiently(Slot::Secrets, create).await.map_err(|error| {
            // Somebody was faster, or it is scheduled for deletion and can be restored.
            if error.is("ResourceExistsException") { Trouble::LookAgain(error.to_string()) } else { gone(error) }
        })?;
        let version = new_version(None);
        let put = self.writer.put_secret_value(&arn, &secret.credential, &version, &[CURRENT, CONFIGURED]);
        let policy = async {
            match policy {
                Some(policy) => Some(self.put_secret_policy(&arn, policy).await),
                None => None,
            }
        };
        let (value, policy) = tokio::join!(self.call(Slot::Secrets, put), policy);
        *made = Some(Made { arn, policy });
        value.map_err(gone).map(drop)
    }

    pub(super) async fn put_secret_policy(&self, arn: &str, policy: &str) -> Result<(), Trouble> {
        self.patiently(Slot::Secrets, || self.writer.put_secret_policy(arn, policy)).await.map_err(gone)
    }

    pub(super) async fn dress_secret(&self, dress: &Dress) -> Result<(), Trouble> {
        if !dress.tags.is_empty() {
            self.call(Slot::Secrets, self.writer.tag_secret(&dress.arn, &dress.tags)).await.map_err(gone)?;
        }
        if let Some(description) = &dress.description {
            self.call(Slot::Secrets, self.writer.describe_secret_as(&dress.arn, description)).await.map_err(gone)?;
        }
        Ok(())
    }

    /// Labels the version that has the file's value already.
    pub(super) async fn label_configured(&self, labels: &Labels) -> Result<(), Trouble> {
        let version = labels.holds_value.as_deref().ok_or_else(moved_on)?;
        let ours = self.finish(labels, version, labels.pending.as_deref()).await?;
        if ours { Ok(()) } else { Err(done_by_another()) }
    }

    /// Puts the file's value beside the current one, then moves `AWSCURRENT` from the version that was observed.
    pub(super) async fn put_value(&self, labels: &Labels) -> Result<Option<String>, Trouble> {
        let Some(current) = labels.current.as_deref() else {
            // Nothing is current, so nothing can be buried.
            let version = new_version(None);
            let put = self.writer.put_secret_value(&labels.arn, &labels.credential, &version, &[CURRENT, CONFIGURED]);
            self.call(Slot::Secrets, put).await.map_err(gone)?;
            return Ok(None);
        };
        let version = match &labels.holds_value {
            // Put by a run that did not live to move the labels, or that is moving them just now.
            Some(version) => version.clone(),
            None => {
                let version = new_version(Some(current));
                let put = self.writer.put_secret_value(&labels.arn, &labels.credential, &version, &[FILE_PENDING]);
                self.call(Slot::Secrets, put).await.map_err(gone)?
            }
        };
        let moved =
            self.call(Slot::Secrets, self.writer.move_label(&labels.arn, CURRENT, Some(current), Some(&version))).await;
        let is_current_by_us = moved.is_ok();
        let note = match moved {
            Ok(()) => None,
            Err(error) => self.current_has_moved(labels, &version, error).await?,
        };
        match self.finish(labels, &version, Some(&version)).await {
            // The value serves, whoever moved the other labels: it is told, and the rest looked at again.
            Err(Trouble::LookAgain(_)) if is_current_by_us => return Err(Trouble::Taken),
            finished => {
                if !finished? && !is_current_by_us {
                    return Err(done_by_another());
                }
            }
        }
        Ok(note.or_else(|| labels.current_is_unusable.then(|| UNUSABLE_BEFORE.to_owned())))
    }

    /// `AWSCURRENT` is not where it was observed. Who moved it decides.
    async fn current_has_moved(
        &self,
        labels: &Labels,
        version: &str,
        error: AwsError,
    ) -> Result<Option<String>, Trouble> {
        if error.is_transient() || error.kind == crate::account::ErrorKind::Denied {
            return Err(error.into());
        }
        let secret = self.call(Slot::Read, self.reader.secret(&labels.arn)).await?.ok_or_else(moved_on)?;
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
        if self.exact {
            // That it is to stand is no part of the plan. The next plan finds the file's value put, and not current.
            return Err(Trouble::Held(STRAY.into()));
        }
        Ok(Some("the secret was rotated while the file's new value was on its way: the rotation stands".into()))
    }

    /// `CONFIGURED` says that the file has spoken; `FILE_PENDING` is not needed any more. Says whether any of the moves
    /// was made here.
    async fn finish(&self, labels: &Labels, version: &str, pending: Option<&str>) -> Result<bool, Trouble> {
        let mut ours = false;
        if labels.configured.as_deref() != Some(version) {
            let moved = self
                .call(
                    Slot::Secrets,
                    self.writer.move_label(&labels.arn, CONFIGURED, labels.configured.as_deref(), Some(version)),
                )
                .await;
            ours |= self.moved_or_there(labels, CONFIGURED, Some(version), moved).await?;
        }
        if let Some(pending) = pending {
            let moved =
                self.call(Slot::Secrets, self.writer.move_label(&labels.arn, FILE_PENDING, Some(pending), None)).await;
            ours |= self.moved_or_there(labels, FILE_PENDING, None, moved).await?;
        }
        Ok(ours)
    }

    /// A refused move is no failure when somebody else has made it. Says who made it: true is us.
    async fn moved_or_there(
        &self,
        labels: &Labels,
        label: &'static str,
        to: Option<&str>,
        moved: Result<(), AwsError>,
    ) -> Result<bool, Trouble> {
        let Err(error) = moved else { return Ok(true) };
        if error.is_transient() || error.kind == crate::account::ErrorKind::Denied {
            return Err(error.into());
        }
        let secret = self.call(Slot::Read, self.reader.secret(&labels.arn)).await?;
        match secret.as_ref().map(|secret| secret.holder(label)) {
            Some(holder) if holder == to => Ok(false),
            _ => Err(Trouble::LookAgain(error.to_string())),
        }
    }
}

/// What was to be done is done, and not by this run: its report must not say so. Another look shows what is left.
fn done_by_another() -> Trouble {
    Trouble::LookAgain("another run has moved the secret's labels already".into())
}

fn moved_on() -> Trouble {
    Trouble::LookAgain("the secret's labels were moved by somebody else".into())
}

/// A secret that was deleted, or scheduled for it, since it was looked at.
fn gone(error: AwsError) -> Trouble {
    let gone = error.is("ResourceNotFoundException") || error.is("InvalidRequestException");
    if gone && !error.is_transient() { Trouble::LookAgain(error.to_string()) } else { error.into() }
}

/// Versions of ours have ids of ours, or carry one of our labels; a rotation's has neither.
fn is_from_a_file(secret: &Secret, version: &str) -> bool {
    is_ours(version)
        || secret.labels.get(version).is_some_and(|labels| labels.contains(CONFIGURED) || labels.contains(FILE_PENDING))
}
