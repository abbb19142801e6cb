//! Writing rules.

use super::{Applier, Slot, StepError};
use crate::account::{AwsError, Rule};
use crate::cause::Cause;
use crate::plan::{RuleTarget, over_quota};

/// The code of a creation that finds a rule of that name.
const EXISTS: &str = "PullThroughCacheRuleAlreadyExistsException";

/// The code of a creation beyond the quota.
const USED_UP: &str = "LimitExceededException";

impl RuleTarget {
    /// The rule with its secret's ARN; `None` when the secret was to be made by a step that was not taken.
    pub(super) fn resolved(&self, new_secret: Option<&str>) -> Option<Rule> {
        let mut rule = self.rule.clone();
        if self.with_new_secret {
            rule.credential_arn = Some(new_secret?.to_owned());
        }
        Some(rule)
    }
}

/// The secret that ECR must see.
fn subject(rule: &Rule) -> &str {
    rule.credential_arn.as_deref().unwrap_or(&rule.prefix)
}

impl Applier<'_> {
    pub(super) async fn create_rule(&self, rule: &Rule) -> Result<(), StepError> {
        self.try_to_create(rule).await.map_err(creating)?;
        self.has_its_mark(rule).await
    }

    /// A repeated creation that finds the very rule has met its own success.
    async fn try_to_create(&self, rule: &Rule) -> Result<(), AwsError> {
        match self
            .patiently(Slot::Rule, subject(rule), || self.writer.create_rule(rule))
            .await
        {
            Err(error) if error.repeated && error.is(EXISTS) => {
                let there = self.call(Slot::Read, self.reader.rule(&rule.prefix)).await?;
                if there.as_ref() == Some(rule) {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            created => created,
        }
    }

    /// A run over another version of the file may have taken the template away while the rule was made, and without
    /// its mark the rule would be nobody's for good. That run looks for the rule likewise: see `lost_its_mark`.
    async fn has_its_mark(&self, rule: &Rule) -> Result<(), StepError> {
        match self.call(Slot::Read, self.reader.template(&rule.prefix)).await? {
            Some(_) => Ok(()),
            None => Err(StepError::Taken),
        }
    }

    pub(super) async fn update_rule(&self, rule: &Rule) -> Result<(), StepError> {
        self.patiently(Slot::Rule, subject(rule), || self.writer.update_rule(rule))
            .await
            .map_err(|error| {
                let gone = error.is("PullThroughCacheRuleNotFoundException");
                if gone {
                    StepError::LookAgain(error.to_string())
                } else {
                    error.into()
                }
            })
    }

    /// ECR cannot update a rule's upstream. Between the deletion and the creation only first pulls fail; cached
    /// images are served on. If the new rule is refused, the old one is put back.
    pub(super) async fn replace_rule(&self, old: &Rule, new: &Rule) -> Result<(), StepError> {
        if self.call(Slot::Read, self.reader.rule(&old.prefix)).await?.as_ref() != Some(old) {
            return Err(StepError::LookAgain("the rule was changed by somebody else".into()));
        }
        // What is put back is what was taken away, even if somebody changed it since it was looked at. Where the
        // answer to the deletion was lost, the repeated call finds nothing.
        let taken = self.call(Slot::Rule, self.writer.delete_rule(&old.prefix)).await?;
        let took = taken.is_some();
        let old = taken.as_ref().unwrap_or(old);
        let Err(error) = self.try_to_create(new).await else {
            return self.has_its_mark(new).await;
        };
        if error.is(EXISTS) {
            // Another run was faster to make it. What was taken away here is to be told all the same.
            return Err(if took { StepError::Taken } else { creating(error) });
        }
        if error.is_hollow() {
            return Err(error.into());
        }
        // A few seconds are kept back for this, however late it is.
        let back = self.deadline.at_last(self.writer.create_rule(old)).await;
        let back = back.unwrap_or_else(|| Err(AwsError::out_of_time("CreatePullThroughCacheRule")));
        let is_back = back.is_ok();
        let note = match back {
            Ok(()) => "the rule as it was has been put back".to_owned(),
            Err(back) => {
                format!("putting the rule back as it was failed too: {back}. The next run makes the rule anew")
            }
        };
        let told = |cause: Cause| Cause {
            message: format!("{}; {note}", cause.message),
            ..cause
        };
        Err(match creating(error) {
            StepError::Held(cause) if is_back => StepError::Held(told(cause)),
            StepError::Failed(cause) if is_back => StepError::Failed(told(cause)),
            StepError::Held(cause) | StepError::Failed(cause) => StepError::Failed(Cause {
                transient: true,
                ..told(cause)
            }),
            other => other,
        })
    }
}

impl Applier<'_> {
    /// Makes a rule in the place of another's that left the file, where the quota leaves no room for both. The same care is
    /// taken as where something is deleted for good.
    pub(super) async fn swap_rule(&self, old: &Rule, new: &Rule) -> Result<(), StepError> {
        if self.call(Slot::Read, self.reader.rule(&old.prefix)).await?.is_none() {
            return self.create_rule(new).await;
        }
        if !self.is_still_marked(&old.prefix).await? {
            return Err(StepError::Held(over_quota()));
        }
        // What is refused for another reason than the quota is refused before anything is taken away.
        let mut tried = self.call(Slot::Rule, self.writer.create_rule_once(new)).await;
        if tried.as_ref().is_err_and(|error| !error.is(USED_UP)) {
            // What a retry or some patience can help.
            tried = self.try_to_create(new).await;
        }
        match tried {
            Ok(()) => return self.has_its_mark(new).await,
            Err(error) if !error.is(USED_UP) => return Err(creating(error)),
            Err(_) => {}
        }
        match self.newest.is_current().await {
            Ok(true) => self.replace_rule(old, new).await,
            Ok(false) => Err(StepError::Stale),
            Err(cause) => Err(StepError::Failed(cause)),
        }
    }

    /// Puts back what `swap_rule` took away, since the new rule does not work. A few seconds are kept back for it,
    /// however late it is. What happened is told in words.
    pub async fn swap_back(&self, old: &Rule, new: &str) -> Result<String, String> {
        let back = async {
            if !self.is_still_marked(&old.prefix).await? {
                return Ok(false);
            }
            self.writer.delete_rule(new).await?;
            match self.try_to_create(old).await {
                // Another run, which did the same.
                Err(error) if error.is(EXISTS) => Ok(true),
                created => created.map(|()| true),
            }
        };
        let back = self.deadline.at_last(back).await;
        match back.unwrap_or_else(|| Err(AwsError::out_of_time("CreatePullThroughCacheRule"))) {
            Ok(true) => Ok(format!("the rule of {} has been put back in its place", old.prefix)),
            Ok(false) => Err(format!(
                "{} is not this stack's any more, and its rule is not put back",
                old.prefix
            )),
            Err(error) => Err(format!("putting the rule of {} back failed: {error}", old.prefix)),
        }
    }
}

fn creating(error: AwsError) -> StepError {
    if error.is(EXISTS) {
        StepError::LookAgain(error.to_string())
    } else if error.is(USED_UP) {
        StepError::Held(over_quota())
    } else {
        error.into()
    }
}
