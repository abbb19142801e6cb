//! Carrying out a rollback, one move after the other, each named from what was read just before it.

use tracing::{info, warn};

use super::Applier;
use crate::account::{AwsError, CURRENT, Label, PENDING, Proof, REJECTED, ROLLING_BACK, Secret};
use crate::plan::rollback::{Next, is_file_refused, next};
use crate::plan::{Action, Resource};
use crate::report::{Change, ChangeResult};
use crate::verify::{Patience, prove_rule};

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
}

impl Applier<'_> {
    /// Looks after the own secret of a registry whose current version has just been proven or refused.
    pub async fn recover(&self, registry: &str, arn: &str, proof: &Proof) -> Recovery {
        let mut recovery = Recovery::default();
        let mut proof = proof.clone();
        let mut said = proof.failure.clone();
        for _ in 0..MOVES {
            let secret = match self.call(self.reader.secret(arn)).await {
                Ok(Some(secret)) => secret,
                Ok(None) => break,
                Err(error) => return recovery.failed(registry, arn, &error),
            };
            recovery.file_refused = is_file_refused(&secret);
            let step = next(&secret, proof.valid, self.settings.rollback_invalid_rotation);
            if step == Next::Nothing || self.deadline.is_near() {
                break;
            }
            info!(registry, id = %secret.name, step = ?step, "rollback");
            if let Err(error) = self.make(&step, &secret).await {
                // A refused move means that somebody else has moved: look again.
                if error.is_transient() || error.kind == crate::account::ErrorKind::Denied {
                    return recovery.failed(registry, &secret.name, &error);
                }
                continue;
            }
            match step {
                Next::GoBack { .. } => {
                    said.clone_from(&proof.failure);
                    match prove_rule(self.reader, registry, Patience::Fresh, self.pace, self.deadline).await {
                        Ok(next) => {
                            recovery.proof = Some(Ok(next.clone()));
                            proof = next;
                        }
                        // What is not known is not acted upon: the label lets the next run go on from here.
                        Err(error) => {
                            recovery.proof = Some(Err(error));
                            break;
                        }
                    }
                }
                Next::Confirm { failed } => {
                    let change = Change::of(registry, Resource::Secret, Action::Rollback, &secret.name);
                    let current = secret.holder(CURRENT).unwrap_or_default();
                    let note = format!(
                        "version {failed} was refused ({said}) and is labelled REJECTED; version {current} is current again, and proven"
                    );
                    warn!(registry, id = %secret.name, failed, current, "rolled back");
                    recovery.changes.push(change.with(ChangeResult::Applied).noting(note));
                }
                Next::PutBack { failed, .. } => {
                    let change = Change::of(registry, Resource::Secret, Action::Rollback, &secret.name);
                    let why = format!(
                        "version {failed} is refused, and so is the one before: {failed} is current as it was, labelled \
                         REJECTED; put a working token into the secret"
                    );
                    recovery.changes.push(change.with(ChangeResult::Failed).because(why));
                    // What is current now is the version that was refused at first.
                    recovery.proof = Some(Ok(Proof { valid: false, failure: said.clone() }));
                    proof.valid = false;
                }
                Next::Redeem { .. } => {
                    let change = Change::of(registry, Resource::Secret, Action::Label, &secret.name);
                    let note = "the version labelled REJECTED is current again and proven: it loses the label".into();
                    recovery.changes.push(change.with(ChangeResult::Applied).noting(note));
                }
                Next::Nothing | Next::Begin { .. } | Next::Forget { .. } => {}
            }
        }
        recovery
    }

    async fn make(&self, step: &Next, secret: &Secret) -> Result<(), AwsError> {
        let to = |label: Label, version: String| async move {
            match secret.holder(label) {
                Some(holder) if holder == version => Ok(()),
                holder => self.call(self.writer.move_label(&secret.arn, label, holder, Some(&version))).await,
            }
        };
        let off = |label: Label, version: String| async move {
            if secret.holder(label) != Some(version.as_str()) {
                return Ok(());
            }
            self.call(self.writer.move_label(&secret.arn, label, Some(&version), None)).await
        };
        match step.clone() {
            Next::Nothing => Ok(()),
            Next::Begin { failed } => to(ROLLING_BACK, failed).await,
            Next::GoBack { failed, to: before } => {
                self.call(self.writer.move_label(&secret.arn, CURRENT, Some(&failed), Some(&before))).await
            }
            Next::Confirm { failed } => {
                to(REJECTED, failed.clone()).await?;
                off(PENDING, failed.clone()).await?;
                off(ROLLING_BACK, failed).await
            }
            Next::PutBack { from, failed } => {
                to(REJECTED, failed.clone()).await?;
                self.call(self.writer.move_label(&secret.arn, CURRENT, Some(&from), Some(&failed))).await?;
                off(ROLLING_BACK, failed).await
            }
            Next::Forget { version } => off(ROLLING_BACK, version).await,
            Next::Redeem { version } => off(REJECTED, version).await,
        }
    }
}

impl Recovery {
    fn failed(mut self, registry: &str, id: &str, error: &AwsError) -> Self {
        let change = Change::of(registry, Resource::Secret, Action::Rollback, id);
        let change = change.with(ChangeResult::Failed).because(error.to_string()).transient(error.is_transient());
        self.changes.push(change);
        self
    }
}
