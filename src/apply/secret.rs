//! Writing secrets, so that a rotation in between is never buried.

use super::{Applier, Trouble};
use crate::account::{AwsError, CONFIGURED, CURRENT, FILE_PENDING, Secret};
use crate::plan::{Dress, Labels, NewSecret};

impl Applier<'_> {
    /// Creates a secret empty and then gives it its value: CreateSecret cannot set `CONFIGURED`, and a value
    /// without it would look like a rotation.
    pub(super) async fn create_secret(&self, secret: &NewSecret) -> Result<String, Trouble> {
        let created = self.writer.create_secret(&secret.name, &secret.description, &secret.tags).await;
        let arn = created.map_err(|error| {
            // Somebody was faster, or it is scheduled for deletion and can be restored.
            let raced = error.is("ResourceExistsException") || error.is("InvalidRequestException");
            if raced { Trouble::LookAgain } else { error.into() }
        })?;
        self.writer.put_secret_value(&arn, &secret.credential, &[CURRENT, CONFIGURED]).await?;
        Ok(arn)
    }

    pub(super) async fn dress_secret(&self, dress: &Dress) -> Result<(), Trouble> {
        if !dress.tags.is_empty() {
            self.writer.tag_secret(&dress.arn, &dress.tags).await?;
        }
        if let Some(description) = &dress.description {
            self.writer.describe_secret_as(&dress.arn, description).await?;
        }
        Ok(())
    }

    /// Labels the version that has the file's value already.
    pub(super) async fn label_configured(&self, labels: &Labels) -> Result<(), Trouble> {
        let version = labels.holds_value.as_deref().ok_or(Trouble::LookAgain)?;
        self.finish(labels, version, labels.pending.as_deref()).await
    }

    /// Puts the file's value beside the current one, then moves `AWSCURRENT` from the version that was observed.
    pub(super) async fn put_value(&self, labels: &Labels) -> Result<Option<String>, Trouble> {
        let Some(current) = labels.current.as_deref() else {
            // Nothing is current, so nothing can be buried.
            self.writer.put_secret_value(&labels.arn, &labels.credential, &[CURRENT, CONFIGURED]).await?;
            return Ok(None);
        };
        let version = match &labels.holds_value {
            // Put by a run that did not live to move the labels.
            Some(version) => version.clone(),
            None => self.writer.put_secret_value(&labels.arn, &labels.credential, &[FILE_PENDING]).await?,
        };
        let moved = self.writer.move_label(&labels.arn, CURRENT, Some(current), Some(&version)).await;
        let note = match moved {
            Ok(()) => None,
            Err(error) => self.current_has_moved(labels, &version, error).await?,
        };
        self.finish(labels, &version, Some(&version)).await?;
        Ok(note)
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
        let Some(secret) = self.reader.secret(&labels.arn).await? else { return Err(Trouble::LookAgain) };
        let Some(current) = secret.holder(CURRENT) else { return Err(Trouble::LookAgain) };
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
            return Err(Trouble::LookAgain);
        }
        Ok(Some("the secret was rotated while the file's new value was on its way: the rotation stands".into()))
    }

    /// `CONFIGURED` says that the file has spoken; `FILE_PENDING` is not needed any more.
    async fn finish(&self, labels: &Labels, version: &str, pending: Option<&str>) -> Result<(), Trouble> {
        if labels.configured.as_deref() != Some(version) {
            let moved =
                self.writer.move_label(&labels.arn, CONFIGURED, labels.configured.as_deref(), Some(version)).await;
            self.moved_or_there(labels, CONFIGURED, Some(version), moved).await?;
        }
        if let Some(pending) = pending {
            let moved = self.writer.move_label(&labels.arn, FILE_PENDING, Some(pending), None).await;
            self.moved_or_there(labels, FILE_PENDING, None, moved).await?;
        }
        Ok(())
    }

    /// A refused move is no failure when somebody else has made it.
    async fn moved_or_there(
        &self,
        labels: &Labels,
        label: &'static str,
        to: Option<&str>,
        moved: Result<(), AwsError>,
    ) -> Result<(), Trouble> {
        let Err(error) = moved else { return Ok(()) };
        if error.is_transient() || error.kind == crate::account::ErrorKind::Denied {
            return Err(error.into());
        }
        let secret = self.reader.secret(&labels.arn).await?;
        match secret.as_ref().map(|secret| secret.holder(label)) {
            Some(holder) if holder == to => Ok(()),
            _ => Err(Trouble::LookAgain),
        }
    }
}

/// Versions of ours carry one of our labels; a rotation's carries neither.
fn is_from_a_file(secret: &Secret, version: &str) -> bool {
    secret.labels.get(version).is_some_and(|labels| labels.contains(CONFIGURED) || labels.contains(FILE_PENDING))
}
