//! Writing rules.

use super::{Applier, Trouble};
use crate::account::{AwsError, Rule};
use crate::plan::{RuleTarget, quota_reason};

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

impl Applier<'_> {
    pub(super) async fn create_rule(&self, rule: &Rule) -> Result<(), Trouble> {
        self.patiently(|| self.writer.create_rule(rule)).await.map_err(creating)
    }

    pub(super) async fn update_rule(&self, rule: &Rule) -> Result<(), Trouble> {
        self.patiently(|| self.writer.update_rule(rule)).await.map_err(|error| {
            if error.is("PullThroughCacheRuleNotFoundException") { Trouble::LookAgain } else { error.into() }
        })
    }

    /// ECR cannot update a rule's upstream. Between the deletion and the creation only first pulls fail; cached
    /// images are served on. If the new rule is refused, the old one is put back.
    pub(super) async fn replace_rule(&self, old: &Rule, new: &Rule) -> Result<(), Trouble> {
        self.writer.delete_rule(&old.prefix).await?;
        let Err(error) = self.patiently(|| self.writer.create_rule(new)).await else { return Ok(()) };
        let trouble = creating(error);
        if trouble == Trouble::LookAgain {
            return Err(trouble);
        }
        let back = self.patiently(|| self.writer.create_rule(old)).await;
        let say = |reason: String| match &back {
            Ok(()) => format!("{reason}; the rule as it was has been put back"),
            Err(e) => {
                format!("{reason}; putting the rule back as it was failed too: {e}. The next run makes the rule anew")
            }
        };
        Err(match trouble {
            Trouble::Failed { reason, transient } => {
                let transient = transient || back.as_ref().is_err_and(AwsError::is_transient);
                Trouble::Failed { reason: say(reason), transient }
            }
            Trouble::Held(reason) => Trouble::Held(say(reason)),
            other => other,
        })
    }
}

fn creating(error: AwsError) -> Trouble {
    if error.is("PullThroughCacheRuleAlreadyExistsException") {
        Trouble::LookAgain
    } else if error.is("LimitExceededException") {
        Trouble::Held(quota_reason())
    } else {
        error.into()
    }
}
