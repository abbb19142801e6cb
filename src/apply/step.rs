//! One step: which calls it is made of, and what its failures mean.

use super::Applier;
use crate::account::AwsError;
use crate::plan::{Operation, Step};

/// Why a step was not taken to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The account is not as it was planned for.
    LookAgain(String),
    /// It is taken, and only another look shows what comes next: into a restored secret, or for a template that went
    /// while its rule was made.
    Taken,
    /// Somebody has to decide something first.
    Held(String),
    /// It failed.
    Failed {
        /// Why.
        reason: String,
        /// A retry may help.
        transient: bool,
    },
}

impl From<AwsError> for Trouble {
    fn from(error: AwsError) -> Self {
        Self::Failed { reason: error.to_string(), transient: error.is_transient() }
    }
}

/// The secret was to be made by a step before, which was not taken.
fn no_secret() -> Trouble {
    Trouble::LookAgain("the registry's secret is not there".into())
}

/// Errors of what AWS has just been told and does not see everywhere yet: a secret that ECR cannot find, a
/// service-linked role that was made a moment ago, a principal that was, a name that is not free again. facts/ecr.md, "Consequences" 7.
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

/// Settling errors that are still there when patience ends, and yet may be gone a minute later.
fn may_settle_later(error: &AwsError) -> bool {
    matches!(error.code.as_str(), "SecretNotFoundException" | "UnableToAccessSecretException")
        || is_name_not_free_yet(error)
}

impl Applier<'_> {
    /// Takes one step. A note is for people: something went another way than the plan's words say.
    pub(super) async fn step(&self, step: &Step, new_secret: &mut Option<String>) -> Result<Option<String>, Trouble> {
        match &step.operation {
            Operation::CreateSecret(secret) => {
                *new_secret = Some(self.create_secret(secret).await?);
                Ok(None)
            }
            Operation::RestoreSecret { arn } => {
                self.call(self.writer.restore_secret(arn)).await?;
                Err(Trouble::Taken)
            }
            Operation::DressSecret(dress) => self.dress_secret(dress).await.map(|()| None),
            Operation::PutSecretPolicy { arn, policy } => {
                let arn = arn.as_ref().or(new_secret.as_ref()).ok_or_else(no_secret)?;
                let put = self.patiently(|| self.writer.put_secret_policy(arn, policy)).await;
                put.map_err(super::secret::gone)?;
                Ok(None)
            }
            Operation::LabelConfigured(labels) => self.label_configured(labels).await.map(|()| None),
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
            Operation::DeleteRule { prefix } => Ok(self.call(self.writer.delete_rule(prefix)).await.map(|_| None)?),
            Operation::DeleteSecret { arn } => self.delete_secret_if_unused(arn).await.map(|()| None),
            Operation::DeleteTemplate { template } => {
                Ok(self.call(self.writer.delete_template(&template.prefix)).await.map(|()| None)?)
            }
        }
    }

    /// Makes a call, again and again while AWS settles, within patience and deadline.
    pub(super) async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let mut waits = self.pace.waits();
        loop {
            match self.call(call()).await {
                Err(mut error) if is_settling(&error) => {
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
