//! One step: which calls it is made of, and what its failures mean.

use super::{Applier, Slot};
use crate::account::{AwsError, UNBOUND};
use crate::cause::Cause;
use crate::plan::{Operation, Step};
use crate::timing::waiting;

/// Why a step was not taken to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StepError {
    /// The account is not as it was planned for.
    LookAgain(String),
    /// It is taken, and only another look shows what comes next: into a restored secret, or for a template that went
    /// while its rule was made.
    Taken,
    /// AWS's answer says nothing: whether it is taken shows now.
    Untold(Cause),
    /// Somebody has to decide something first.
    Held(Cause),
    /// A newer file was uploaded meanwhile, and this one must change nothing any more.
    Stale,
    Failed(Cause),
}

impl From<AwsError> for StepError {
    fn from(error: AwsError) -> Self {
        if error.is_hollow() {
            Self::Untold(error.into())
        } else {
            Self::Failed(error.into())
        }
    }
}

/// A secret that a step has made, for the steps after it.
#[derive(Debug)]
pub(super) struct CreatedSecret {
    pub arn: String,
    /// What came of its policy, where that was put beside its value, until the step whose it is tells of it.
    pub policy: Option<Result<(), StepError>>,
}

/// Whether a step was taken already, beside the one before it.
pub(super) fn is_taken(step: &Step, made: Option<&CreatedSecret>) -> bool {
    let puts = matches!(step.operation, Operation::PutSecretPolicy { arn: None, .. });
    puts && made.is_some_and(|made| matches!(made.policy, Some(Ok(()))))
}

/// The secret was to be made by a step before, which was not taken.
fn no_secret() -> StepError {
    StepError::LookAgain("the registry's secret is not there".into())
}

/// Errors of what AWS has just been told and does not see everywhere yet: a secret that ECR cannot find, a
/// service-linked role that was made a moment ago, a principal that was, a name that is not free again.
fn is_settling(error: &AwsError) -> bool {
    matches!(
        error.code.as_str(),
        "SecretNotFoundException"
            | "UnableToAccessSecretException"
            | "UnableToDecryptSecretValueException"
            | "MalformedPolicyDocumentException"
    ) || error.message.contains("Principal not found")
        || is_name_not_free_yet(error)
}

/// The secret of this name was deleted without a window a moment ago. One that is only scheduled for it is restored.
fn is_name_not_free_yet(error: &AwsError) -> bool {
    error.operation == "CreateSecret" && error.message.contains("was deleted")
}

/// What has to settle, for whoever watches.
fn awaited(error: &AwsError, of: &str) -> String {
    let name = of.rsplit_once(":secret:").map_or(of, |(_, name)| name);
    if is_name_not_free_yet(error) {
        format!("the name {name} to be free again")
    } else if error.operation.ends_with("PullThroughCacheRule") {
        format!("ECR to see the secret {name}")
    } else {
        format!("AWS to see every principal in the policy of {name}")
    }
}

/// Settling errors that are still there when patience outcomes, and yet may be gone a minute later.
fn may_settle_later(error: &AwsError) -> bool {
    matches!(
        error.code.as_str(),
        "SecretNotFoundException" | "UnableToAccessSecretException"
    ) || is_name_not_free_yet(error)
}

impl Applier<'_> {
    /// Takes one step, and what of the `rest` can be taken beside it. A note is for people: something went another way
    /// than the plan's words say.
    pub(super) async fn step(
        &self,
        step: &Step,
        rest: &[Step],
        made: &mut Option<CreatedSecret>,
    ) -> Result<Option<String>, StepError> {
        let new_secret = made.as_ref().map(|made| made.arn.clone());
        match &step.operation {
            Operation::CreateSecret(secret) => {
                let policy = rest.first().and_then(|step| match &step.operation {
                    Operation::PutSecretPolicy { arn: None, policy } => Some(policy.as_str()),
                    _ => None,
                });
                self.create_secret(secret, policy, made).await.map(|()| None)
            }
            Operation::RestoreSecret { arn } => {
                self.call(Slot::Secrets, self.writer.restore_secret(arn)).await?;
                Err(StepError::Taken)
            }
            Operation::UpdateSecretMetadata(metadata) => self.dress_secret(metadata).await.map(|()| None),
            Operation::PutSecretPolicy { arn: None, policy } => {
                let CreatedSecret { arn, policy: put } = made.as_mut().ok_or_else(no_secret)?;
                match put.take() {
                    Some(put) => put.map(|()| None),
                    None => self.put_secret_policy(arn, policy).await.map(|()| None),
                }
            }
            Operation::PutSecretPolicy { arn: Some(arn), policy } => {
                self.put_secret_policy(arn, policy).await.map(|()| None)
            }
            Operation::LabelUnbound { arn, from, to } => {
                let moved = self.move_label(arn, UNBOUND, from.as_deref(), Some(to)).await;
                self.moved_or_there(arn, UNBOUND, Some(to), moved).await.map(|_| None)
            }
            Operation::LabelConfigured(labels) => self.label_configured(labels).await.map(|()| None),
            Operation::PutBeside(labels) => self.put_beside(labels).await,
            Operation::PutSecretValue(labels) => self.put_value(labels).await,
            Operation::CreateTemplate(template) => self.create_template(template).await.map(|()| None),
            Operation::UpdateTemplate(template) => self.update_template(template).await.map(|()| None),
            Operation::CreateRule(target) => {
                let rule = target.resolved(new_secret.as_deref()).ok_or_else(no_secret)?;
                self.create_rule(&rule).await.map(|()| None)
            }
            Operation::UpdateRule(target) => {
                let rule = target.resolved(new_secret.as_deref()).ok_or_else(no_secret)?;
                self.update_rule(&rule).await.map(|()| None)
            }
            Operation::ReplaceRule { old, new } => {
                let rule = new.resolved(new_secret.as_deref()).ok_or_else(no_secret)?;
                self.replace_rule(old, &rule).await.map(|()| None)
            }
            Operation::SwapRule { old, new } => {
                let rule = new.resolved(new_secret.as_deref()).ok_or_else(no_secret)?;
                // Boxed: it is rare, and would make every step's future larger.
                Box::pin(self.swap_rule(old, &rule)).await.map(|()| None)
            }
            Operation::DeleteRule { prefix } => Ok(self
                .call(Slot::Rule, self.writer.delete_rule(prefix))
                .await
                .map(|_| None)?),
            Operation::DeleteSecret { arn } => self.delete_secret_if_unused(arn).await.map(|()| None),
            Operation::DeleteTemplate { template } => Ok(self
                .call(Slot::Template, self.writer.delete_template(&template.prefix))
                .await
                .map(|()| None)?),
        }
    }

    /// Makes a call, again and again while AWS settles, within patience and deadline. `of` is the secret or the name that it is
    /// about.
    pub(super) async fn patiently<T, F>(&self, slot: Slot, of: &str, call: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let mut waits = self.timing.waits();
        let mut told = None;
        loop {
            match self.call(slot, call()).await {
                Err(mut error) if is_settling(&error) => {
                    told.get_or_insert_with(|| waiting(&awaited(&error, of)));
                    let waited = match waits.next() {
                        Some(wait) => self.deadline.wait(wait).await,
                        None => false,
                    };
                    if !waited {
                        // Patience ended, or only the time did: then a retry of the run may still help.
                        if may_settle_later(&error) || waits.next().is_some() {
                            error.kind = crate::account::ErrorKind::Transient;
                        }
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }
}
