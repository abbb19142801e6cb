//! Carrying out a rollback, one move after the other, each named from what was read just before it.

use std::collections::BTreeSet;

use tracing::{info, warn};

use super::{Applier, Slot};
use crate::account::{
    AwsError, CONFIGURED, CURRENT, FILE_REFUSED, Label, PENDING, PROVEN, Proof, REJECTED, ROLLING_BACK, Secret,
    VersionValue,
};
use crate::cause::{Cause, Reason};

use crate::plan::rollback::{Next, file_has_the_word, is_file_refused, is_to_be_remembered, next};
use crate::plan::{Action, Resource, is_of_file};
use crate::report::{Change, ChangeResult};
use crate::secret_version::new_version;
use crate::verify::{Patience, prove_rule};
use config::Credential;

/// More moves than any rollback has: what bounds a fight with somebody else over the labels.
const MOVES: usize = 12;

/// What came of looking after a secret.
#[derive(Debug, Default)]
pub struct Recovery {
    /// A rollback, or a label.
    pub changes: Vec<Change>,
    /// The last proof, where there was another.
    pub proof: Option<Result<Proof, AwsError>>,
    /// The file's value was refused and put back.
    pub file_refused: bool,
    /// Whether the version that is current now holds what the file says, where the labels were read again.
    pub is_of_file: Option<bool>,
}

impl Applier<'_> {
    /// Looks after the own secret of a registry. `seen` is the secret as it was before `proof` was asked for.
    ///
    /// A verdict counts only for the secret and the labels it was given under: nobody's version is moved by the verdict on
    /// another, be it put by this run, by a rotation or by another run's rollback, or behind a rule that another run has
    /// replaced meanwhile.
    pub async fn recover(&self, registry: &str, seen: &Secret, proof: &Proof) -> Recovery {
        let mut recovery = Recovery::default();
        let mut proof = proof.clone();
        let mut labels = seen.labels.clone();
        let mut patience = Patience::Thrice;
        let mut said = proof.failure.clone();
        let mut has_moved = false;
        if !proof.is_on(&seen.arn) {
            return recovery;
        }
        for _ in 0..MOVES {
            let mut secret = match self.call(Slot::Read, self.reader.secret(&seen.arn)).await {
                Ok(Some(secret)) => secret,
                Ok(None) => break,
                Err(error) => return recovery.failed(registry, &seen.name, &error),
            };
            recovery.file_refused = is_file_refused(&secret);
            recovery.is_of_file = Some(is_of_file(&secret));
            // The version that this run made current is the one that was asked about.
            if secret.labels != labels && !self.has_made_current(&secret) {
                labels.clone_from(&secret.labels);
                let asked = prove_rule(self.reader, registry, patience, self.timing, self.deadline).await;
                recovery.proof = Some(asked.clone());
                // What is not known is not acted upon: the labels let the next run go on.
                let Ok(asked) = asked else { break };
                if !asked.is_on(&seen.arn) {
                    break;
                }
                proof = asked;
                continue;
            }
            let file = self.file_instead(registry, seen, &secret);
            // Only a refusal asks when versions were put. What this run has moved itself is no rotation.
            let undated: &[Label] = match (proof.valid, has_moved, &file) {
                (true, ..) => &[],
                (_, false, _) if secret.holder(ROLLING_BACK).is_some() => &[CURRENT, ROLLING_BACK],
                (.., Some(_)) => &[CURRENT],
                _ => &[],
            };
            if let Err(error) = self.date(&mut secret, undated).await {
                return recovery.failed(registry, &seen.name, &error);
            }
            let file = file.filter(|_| !proof.valid && file_has_the_word(&secret, self.scope.uploaded));
            let rotations = self.scope.settings.rollback_invalid_rotation;
            let step = next(&secret, proof.valid, rotations, file.is_some());
            if step == Next::Nothing || self.deadline.is_near() {
                break;
            }
            info!(registry, id = %secret.name, step = ?step, "rollback");
            if let Err(error) = self.make(registry, &step, &secret, file.as_ref()).await {
                if error.is_refused_move() {
                    continue;
                }
                return recovery.failed(registry, &secret.name, &error);
            }
            match step {
                Next::GoBack { .. } | Next::TryFile { .. } => {
                    has_moved = true;
                    said.clone_from(&proof.failure);
                    // ECR may still see the version that was current until now.
                    patience = Patience::Fresh;
                }
                Next::Confirm { failed } => {
                    recovery.file_refused |= secret.holder(CONFIGURED) == Some(failed.as_str());
                    let change = Change::of(registry, Resource::Secret, Action::Rollback, &secret.name);
                    let current = secret.holder(CURRENT).unwrap_or_default();
                    let note = format!(
                        "version {failed} was refused ({said}) and is labelled REJECTED; version {current} is current, and proven"
                    );
                    warn!(registry, id = %secret.name, failed, current, "rolled back");
                    recovery.changes.push(change.with(ChangeResult::Applied).noting(note));
                    break;
                }
                Next::PutBack { failed, from } => {
                    recovery.is_of_file = Some(secret.carries(&failed, CONFIGURED));
                    recovery.file_refused |= secret.holder(CONFIGURED) == Some(from.as_str());
                    let change = Change::of(registry, Resource::Secret, Action::Rollback, &secret.name);
                    let why = format!(
                        "version {failed} is refused, and so is the one before: {failed} is current as it was, labelled \
                         REJECTED; put a working token into the secret"
                    );
                    recovery.changes.push(
                        change
                            .with(ChangeResult::Failed)
                            .because(&Cause::new(Reason::REFUSED, why)),
                    );
                    // What is current now is the version that was refused at first.
                    recovery.proof = Some(Ok(Proof {
                        valid: false,
                        failure: said.clone(),
                        ..proof
                    }));
                    break;
                }
                Next::Redeem { .. } => {
                    let change = Change::of(registry, Resource::Secret, Action::Label, &secret.name);
                    let note = "the version labelled REJECTED is current again and proven: it loses the label".into();
                    recovery.changes.push(change.with(ChangeResult::Applied).noting(note));
                    break;
                }
                Next::Remember => {
                    let change = Change::of(registry, Resource::Secret, Action::Label, &secret.name);
                    recovery
                        .changes
                        .push(change.with(ChangeResult::Applied).in_fields(vec![PROVEN.into()]));
                    break;
                }
                Next::Nothing | Next::Forget { .. } => {}
            }
        }
        recovery
    }

    /// What the file says, where another version is current and the file's is known to be kept beside it.
    fn file_instead(&self, registry: &str, seen: &Secret, secret: &Secret) -> Option<Credential> {
        let configured = secret
            .holder(CONFIGURED)
            .filter(|it| secret.holder(CURRENT) != Some(*it))?;
        let said = self.file.registries.iter().find(|r| r.name == registry)?;
        match (self.account.wanted(said)?, seen.values.get(configured)?) {
            (said, VersionValue::Credential(value)) if said == value => Some(said.clone()),
            _ => None,
        }
    }

    /// Whether a credential is still what the file says, or its source holds. Asked after the labels were read, as when a
    /// registry is looked at again: then the moves of this run fail where another run has put a newer one.
    async fn is_still_wanted(&self, registry: &str, said: &Credential) -> Result<(), AwsError> {
        match self.newest.is_current().await {
            Ok(true) => {}
            Ok(false) => return Err(AwsError::not_now("HeadObject", "a newer file was uploaded".into())),
            Err(cause) => return Err(AwsError::not_now("HeadObject", cause.message)),
        }
        let registry = self.file.registries.iter().find(|r| r.name == registry);
        let Some(from) = registry.and_then(|registry| registry.credential.source()) else {
            return Ok(());
        };
        let now = |message: &str| AwsError::not_now("GetSecretValue", message.to_owned());
        let read = async { Ok(self.reader.source_value(&from.secret, from).await) };
        match self.call(Slot::Read, read).await? {
            Ok((_, value)) if value == *said => Ok(()),
            Ok(_) => Err(now("the secret that the credential is copied from has another value")),
            Err(_) => Err(now(
                "the secret that the credential is copied from cannot be read any more",
            )),
        }
    }

    /// Reads when the versions were put that carry these labels.
    async fn date(&self, secret: &mut Secret, labels: &[Label]) -> Result<(), AwsError> {
        let versions: BTreeSet<String> = labels
            .iter()
            .filter_map(|label| secret.holder(label).map(str::to_owned))
            .collect();
        for version in versions {
            let read = self
                .call(Slot::Read, self.reader.secret_value(&secret.arn, &version))
                .await?;
            secret.created.extend(read.and_then(|(_, put)| Some((version, put?))));
        }
        Ok(())
    }

    async fn make(
        &self,
        registry: &str,
        step: &Next,
        secret: &Secret,
        file: Option<&Credential>,
    ) -> Result<(), AwsError> {
        let arn = secret.arn.as_str();
        let to = |label: Label, version: String| async move {
            match secret.holder(label) {
                Some(holder) if holder == version => Ok(()),
                holder => self.put_label(arn, label, holder, Some(&version)).await,
            }
        };
        let off = |label: Label, version: String| async move {
            if secret.holder(label) != Some(version.as_str()) {
                return Ok(());
            }
            self.put_label(arn, label, Some(&version), None).await
        };
        let remember = || async {
            match secret.holder(CURRENT).filter(|_| is_to_be_remembered(secret)) {
                Some(current) => to(PROVEN, current.to_owned()).await,
                None => Ok(()),
            }
        };
        match step.clone() {
            Next::Nothing => Ok(()),
            Next::GoBack { failed, to: before } => {
                to(ROLLING_BACK, failed.clone()).await?;
                self.move_label(arn, CURRENT, Some(&failed), Some(&before)).await
            }
            Next::TryFile { failed } => {
                let Some(said) = file else { return Ok(()) };
                self.is_still_wanted(registry, said).await?;
                to(ROLLING_BACK, failed.clone()).await?;
                let version = new_version(Some(&failed));
                let put = self.writer.put_secret_value(arn, said, &version, &[CONFIGURED]);
                let version = self.call(Slot::Secrets, put).await?;
                self.move_label(arn, CURRENT, Some(&failed), Some(&version)).await
            }
            Next::Confirm { failed } => {
                to(REJECTED, failed.clone()).await?;
                if secret.holder(CONFIGURED) == Some(failed.as_str()) {
                    to(FILE_REFUSED, failed.clone()).await?;
                }
                off(PENDING, failed.clone()).await?;
                off(ROLLING_BACK, failed).await?;
                remember().await
            }
            Next::PutBack { from, failed } => {
                to(REJECTED, failed.clone()).await?;
                if secret.holder(CONFIGURED) == Some(from.as_str()) {
                    to(FILE_REFUSED, from.clone()).await?;
                }
                self.move_label(arn, CURRENT, Some(&from), Some(&failed)).await?;
                off(ROLLING_BACK, failed).await
            }
            Next::Remember => remember().await,
            Next::Forget { version } => off(ROLLING_BACK, version).await,
            Next::Redeem { version } => {
                off(REJECTED, version.clone()).await?;
                off(FILE_REFUSED, version).await?;
                remember().await
            }
        }
    }
}

impl Recovery {
    fn failed(mut self, registry: &str, id: &str, error: &AwsError) -> Self {
        let change = Change::of(registry, Resource::Secret, Action::Rollback, id);
        let change = change.with(ChangeResult::Failed).because(&error.into());
        self.changes.push(change);
        self
    }
}
