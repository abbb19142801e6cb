//! Taking away what the file does not name any more, after one more look at whether it is still ours.

use futures_util::{StreamExt, stream};
use tracing::info;

use super::{Applier, Slot, StepError};
use crate::account::AwsError;
use crate::cause::{Cause, Reason};
use crate::ownership::Owner;
use crate::plan::{Action, Operation, RULE_QUOTA, Removal, Removals, Resource, Step};
use crate::report::{Change, ChangeResult};

impl Applier<'_> {
    /// Takes registries away, and gives what came of every step. Repositories and images are not touched.
    pub async fn remove(&self, removals: &[Removal]) -> Vec<Change> {
        let removed = removals
            .iter()
            .enumerate()
            .map(|(n, left)| async move { (n, self.remove_one(left).await) });
        let mut removed: Vec<_> = stream::iter(removed).buffer_unordered(RULE_QUOTA).collect().await;
        removed.sort_by_key(|(n, _)| *n);
        removed.into_iter().flat_map(|(_, changes)| changes).collect()
    }

    async fn remove_one(&self, left: &Removal) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut steps = left.steps.iter();
        for step in steps.by_ref() {
            let change = Change::new(&left.registry, step, ChangeResult::Applied);
            if self.deadline.is_near() {
                changes.push(change.with(ChangeResult::Skipped).transient(true));
                break;
            }
            match self.take_away(left, step, &mut changes).await {
                Ok(Went::Away) => {
                    info!(registry = %left.registry, resource = ?step.resource, action = ?step.action, id = %step.id,
                        "applied");
                    changes.push(change);
                }
                Ok(Went::Nowhere) => {}
                Ok(Went::Foreign) => break,
                Err(cause) => {
                    changes.push(change.with(ChangeResult::Failed).because(&cause));
                    break;
                }
            }
        }
        let failed = changes
            .last()
            .is_some_and(|change| change.result != ChangeResult::Applied);
        if failed {
            changes.extend(steps.map(|step| Change::new(&left.registry, step, ChangeResult::Skipped)));
        }
        changes
    }

    async fn take_away(&self, left: &Removal, step: &Step, changes: &mut Vec<Change>) -> Result<Went, Cause> {
        if left.marked && !self.is_still_marked(&left.registry).await? {
            return Ok(Went::Foreign);
        }
        if step.resource == Resource::Template {
            changes.extend(self.late_rule(&left.registry).await?);
        }
        match self.step(step, &[], &mut None).await {
            Ok(_) if self.lost_its_mark(step).await? => Err(Cause::for_now(Reason::CHANGED_MEANWHILE, REAPPEARED)),
            Ok(_) => Ok(Went::Away),
            Err(StepError::LookAgain(_) | StepError::Taken | StepError::Stale) => Ok(Went::Nowhere),
            Err(StepError::Held(cause) | StepError::Failed(cause) | StepError::Untold(cause)) => Err(cause),
        }
    }

    /// A rule that another run has made since this one planned goes before the mark that tells whose it is.
    async fn late_rule(&self, registry: &str) -> Result<Option<Change>, AwsError> {
        if self.call(Slot::Read, self.reader.rule(registry)).await?.is_none() {
            return Ok(None);
        }
        self.call(Slot::Rule, self.writer.delete_rule(registry)).await?;
        info!(%registry, "a rule that was made meanwhile is deleted");
        let change = Change::of(registry, Resource::Rule, Action::Delete, registry);
        Ok(Some(change.with(ChangeResult::Applied)))
    }

    /// Whether a rule was made just while its template went. Then the mark is put back. The run that makes the rule
    /// looks for the template likewise, so one of the two sees the other: see `has_its_mark`.
    async fn lost_its_mark(&self, step: &Step) -> Result<bool, AwsError> {
        let Operation::DeleteTemplate { template } = &step.operation else {
            return Ok(false);
        };
        if self
            .call(Slot::Read, self.reader.rule(&template.prefix))
            .await?
            .is_none()
        {
            return Ok(false);
        }
        match self.call(Slot::Template, self.writer.create_template(template)).await {
            Err(error) if !error.is("TemplateAlreadyExistsException") => Err(error),
            _ => Ok(true),
        }
    }

    pub(super) async fn is_still_marked(&self, registry: &str) -> Result<bool, AwsError> {
        let template = self.call(Slot::Read, self.reader.template(registry)).await?;
        Ok(template.is_some_and(|t| Owner::of_template(&t.spec.description, self.scope.settings).is_ours()))
    }

    /// A secret that anybody's rule points to stays; whether that is so is read afresh, as is the tag.
    pub(super) async fn delete_secret_if_unused(&self, arn: &str) -> Result<(), StepError> {
        let look = async { tokio::try_join!(self.reader.rules(), self.reader.secret(arn)) };
        let (rules, secret) = self.call(Slot::Read, look).await?;
        let in_use = rules.iter().any(|rule| rule.credential_arn.as_deref() == Some(arn));
        let ours = secret.is_some_and(|secret| {
            !secret.scheduled_for_deletion && Owner::of_secret(&secret.tags, self.scope.settings).is_ours()
        });
        if !ours || in_use {
            return Err(StepError::LookAgain(
                "the secret is in use, or not ours any more".into(),
            ));
        }
        match self.call(Slot::Secrets, self.writer.delete_secret(arn)).await {
            // What is wanted is there already, by a deletion whose answer was lost or by somebody else's.
            Err(error) if error.is("InvalidRequestException") => {
                let secret = self.call(Slot::Read, self.reader.secret(arn)).await?;
                let is_going = secret.is_none_or(|secret| secret.scheduled_for_deletion);
                match is_going {
                    true if error.repeated => Ok(()),
                    true => Err(StepError::LookAgain("the secret was deleted by somebody else".into())),
                    false => Err(error.into()),
                }
            }
            deleted => Ok(deleted?),
        }
    }
}

const REAPPEARED: &str =
    "another run made its rule in the same moment: the template was put back, and the next run goes on";

/// What came of a step that did not fail.
enum Went {
    /// Taken, or gone already.
    Away,
    /// It stays, and the rest goes on: a secret that is in use again.
    Nowhere,
    /// Not ours any more: the rest is left alone as well.
    Foreign,
}

impl Removals {
    /// What is to go, as the report shows it when it is not, or not yet, taken away.
    pub fn shown(&self) -> Vec<Change> {
        let shown = |left: &Removal, step: &Step, result| {
            Change::new(&left.registry, step, result).differing(step.diff.clone())
        };
        let left = self.left.iter().flat_map(|left| {
            left.steps.iter().map(|step| match &left.held {
                Some(cause) => shown(left, step, ChangeResult::Held).because(cause),
                None => shown(left, step, ChangeResult::Planned),
            })
        });
        let orphans = self.orphans.iter().flat_map(|orphan| {
            orphan
                .steps
                .iter()
                .map(|step| shown(orphan, step, ChangeResult::Planned))
        });
        left.chain(orphans).collect()
    }
}
