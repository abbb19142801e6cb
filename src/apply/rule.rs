//! Writing rules.

use super::{Applier, Slot, Trouble};
use crate::account::{AwsError, Rule};
use crate::cause::Cause;
use crate::plan::{RuleTarget, over_quota};

/// The code of a creation that finds a rule of that name.
const EXISTS: &str = "PullThroughCacheRuleAlreadyExistsException";

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
        self.try_to_create(rule).await.map_err(creating)?;
        self.has_its_mark(rule).await
    }

    /// A repeated creation that finds the very rule has met its own success.
    async fn try_to_create(&self, rule: &Rule) -> Result<(), AwsError> {
        match self.patiently(Slot::Rule, || self.writer.create_rule(rule)).await {
            Err(error) if error.repeated && error.is(EXISTS) => {
                let there = self.call(Slot::Read, self.reader.rule(&rule.prefix)).await?;
                if there.as_ref() == Some(rule) { Ok(()) } else { Err(error) }
            }
            created => created,
        }
    }

    /// A run over another version of the file may have taken the template away while the rule was made, and without
    /// its mark the rule would be nobody's for good. That run looks for the rule likewise: see `lost_its_mark`.
    async fn has_its_mark(&self, rule: &Rule) -> Result<(), Trouble> {
        match self.call(Slot::Read, self.reader.template(&rule.prefix)).await? {
            Some(_) => Ok(()),
            None => Err(Trouble::Taken),
        }
    }

    pub(super) async fn update_rule(&self, rule: &Rule) -> Result<(), Trouble> {
        self.patiently(Slot::Rule, || self.writer.update_rule(rule)).await.map_err(|error| {
            let gone = error.is("PullThroughCacheRuleNotFoundException");
            if gone { Trouble::LookAgain(error.to_string()) } else { error.into() }
        })
    }

    /// ECR cannot update a rule's upstream. Between the deletion and the creation only first pulls fail; cached
    /// images are served on. If the new rule is refused, the old one is put back.
    pub(super) async fn replace_rule(&self, old: &Rule, new: &Rule) -> Result<(), Trouble> {
        if self.call(Slot::Read, self.reader.rule(&old.prefix)).await?.as_ref() != Some(old) {
            return Err(Trouble::LookAgain("the rule was changed by somebody else".into()));
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
            return Err(if took { Trouble::Taken } else { creating(error) });
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
        let told = |cause: Cause| Cause { message: format!("{}; {note}", cause.message), ..cause };
        Err(match creating(error) {
            Trouble::Held(cause) if is_back => Trouble::Held(told(cause)),
            Trouble::Failed(cause) if is_back => Trouble::Failed(told(cause)),
            Trouble::Held(cause) | Trouble::Failed(cause) => Trouble::Failed(Cause { transient: true, ..told(cause) }),
            other => other,
        })
    }
}

fn creating(error: AwsError) -> Trouble {
    if error.is(EXISTS) {
        Trouble::LookAgain(error.to_string())
    } else if error.is("LimitExceededException") {
        Trouble::Held(over_quota())
    } else {
        error.into()
    }
}
