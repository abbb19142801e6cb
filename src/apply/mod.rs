//! Carrying a plan out: registries side by side, the steps of each in order, and what came of every step.
//!
//! A step that finds the account otherwise than planned (somebody else was faster) ends the registry's plan; the
//! registry is then looked at again and planned anew. So races, restores and crashes take one way: look again.

mod rule;
mod secret;
mod step;
mod template;

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use tracing::info;

use crate::account::{AwsError, Reader, Writer, observe_again};
use crate::config::{File, Registry};
use crate::home::Home;
use crate::ownership::Owner;
use crate::pace::{Deadline, Pace};
use crate::plan::{Action, Plan, RegistryPlan, Resource, Step, Verdict, plan_registry};
use crate::report::{Change, ChangeResult};
use crate::settings::Settings;

pub(crate) use step::Trouble;

/// How many registries are written at a time. ECR documents no rate for these calls; a few at a time with the
/// SDK's retries is what its own examples do.
const WRITES: usize = 4;

/// How often one registry is looked at again before the run gives up on it.
const LOOKS: usize = 5;

/// What applying needs.
pub struct Applier<'a> {
    /// To read back and to look again.
    pub reader: &'a Reader,
    /// To write. Only a run that may write has one.
    pub writer: &'a Writer,
    /// The file.
    pub file: &'a File,
    /// Where we are.
    pub home: &'a Home,
    /// What the operator chose.
    pub settings: &'a Settings,
    /// How patient to be.
    pub pace: &'a Pace,
    /// When to stop.
    pub deadline: &'a Deadline,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// In the plan's order.
    pub changes: Vec<Change>,
    /// By registry of the file.
    pub ends: BTreeMap<String, End>,
}

/// How a registry came out of applying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// All steps were taken; `fresh` says whether there were any, so that ECR may need a moment to see them.
    Done {
        /// Something was written.
        fresh: bool,
    },
    /// Waits for somebody's word.
    Held(String),
    /// A step failed.
    Failed {
        /// Why.
        reason: String,
        /// A retry may help.
        transient: bool,
    },
    /// The deadline came first.
    Unfinished,
}

impl Applier<'_> {
    /// Carries out the registries' steps.
    pub async fn apply(&self, plan: Plan) -> Applied {
        let registries = plan.registries.into_iter().enumerate().filter_map(|(n, plan)| {
            let registry = self.file.registries.iter().find(|r| r.name == plan.registry)?;
            Some(async move { (n, registry, self.registry(registry, plan).await) })
        });
        let mut done: Vec<_> = stream::iter(registries).buffer_unordered(WRITES).collect().await;
        done.sort_by_key(|(n, ..)| *n);
        let mut applied = Applied::default();
        for (_, registry, (changes, end)) in done {
            applied.changes.extend(changes);
            applied.ends.insert(registry.name.clone(), end);
        }
        if !plan.orphans.is_empty() {
            self.orphans(&plan.orphans, &mut applied).await;
        }
        applied
    }

    async fn registry(&self, registry: &Registry, mut plan: RegistryPlan) -> (Vec<Change>, End) {
        let mut changes = Vec::new();
        for _ in 0..LOOKS {
            match &plan.verdict {
                Verdict::Go => {}
                Verdict::Held(reason) => {
                    let held = plan
                        .steps
                        .iter()
                        .map(|step| Change::new(&plan.registry, step, ChangeResult::Held).because(reason.clone()));
                    changes.extend(held);
                    return (changes, End::Held(reason.clone()));
                }
                Verdict::Refused { resource, id, reason, transient } => {
                    changes.push(Change::refused(&plan.registry, *resource, id, reason));
                    return (changes, End::Failed { reason: reason.clone(), transient: *transient });
                }
            }
            match self.steps(registry, &plan.steps, &mut changes).await {
                Ok(()) => return (changes.clone(), End::Done { fresh: !changes.is_empty() }),
                Err(Stop::LookAgain) => match observe_again(self.reader, registry, self.file, self.settings).await {
                    Ok(view) => plan = plan_registry(registry, &view, self.home, self.settings),
                    Err(error) => return (changes, failed(&error)),
                },
                Err(Stop::End(end)) => return (changes, end),
            }
        }
        let reason = format!("the account changed under this run {LOOKS} times; somebody else is writing to it");
        (changes, End::Failed { reason, transient: true })
    }

    /// Takes steps in order; what comes after one that fails is skipped, and said to be.
    async fn steps(&self, registry: &Registry, steps: &[Step], changes: &mut Vec<Change>) -> Result<(), Stop> {
        let mut new_secret = None;
        for (n, step) in steps.iter().enumerate() {
            let rest = steps.get(n + 1..).unwrap_or_default();
            let skip = |changes: &mut Vec<Change>, rest: &[Step]| {
                changes.extend(rest.iter().map(|s| Change::new(&registry.name, s, ChangeResult::Skipped)));
            };
            if self.deadline.is_near() {
                skip(changes, steps.get(n..).unwrap_or_default());
                return Err(Stop::End(End::Unfinished));
            }
            let took = self.deadline.bound(self.step(step, &mut new_secret)).await;
            let change = Change::new(&registry.name, step, ChangeResult::Applied);
            match took {
                Some(Ok(note)) => {
                    info!(registry = %registry.name, resource = ?step.resource, action = ?step.action, id = %step.id,
                        fields = ?step.fields, "applied");
                    changes.push(match note {
                        Some(note) => change.noting(note),
                        None => change,
                    });
                }
                // The restore itself is done; what else the secret needs shows now.
                Some(Err(Trouble::Restored)) => {
                    changes.push(change);
                    return Err(Stop::LookAgain);
                }
                Some(Err(Trouble::LookAgain)) => return Err(Stop::LookAgain),
                Some(Err(Trouble::Held(reason))) => {
                    for step in steps.get(n..).unwrap_or_default() {
                        changes.push(Change::new(&registry.name, step, ChangeResult::Held).because(reason.clone()));
                    }
                    return Err(Stop::End(End::Held(reason)));
                }
                Some(Err(Trouble::Failed { reason, transient })) => {
                    changes.push(Change::new(&registry.name, step, ChangeResult::Failed).because(reason.clone()));
                    skip(changes, rest);
                    return Err(Stop::End(End::Failed { reason, transient }));
                }
                None => {
                    let reason = "given up shortly before Lambda's deadline; whether AWS took it is not known";
                    changes.push(Change::new(&registry.name, step, ChangeResult::Failed).because(reason.into()));
                    skip(changes, rest);
                    return Err(Stop::End(End::Unfinished));
                }
            }
        }
        Ok(())
    }

    /// Deletes our own secrets that nothing uses, after a look at what is so now.
    async fn orphans(&self, orphans: &[crate::account::ListedSecret], applied: &mut Applied) {
        let rules = match self.reader.rules().await {
            Ok(rules) => rules,
            Err(error) => return self.orphans_failed(orphans, &error, applied),
        };
        for orphan in orphans {
            if self.deadline.is_near() || rules.iter().any(|rule| rule.credential_arn.as_deref() == Some(&orphan.arn)) {
                continue;
            }
            let change = orphan_change(orphan);
            let change = match self.delete_if_still_ours(&orphan.arn).await {
                Ok(true) => change.with(ChangeResult::Applied),
                Ok(false) => continue,
                Err(error) => {
                    change.with(ChangeResult::Failed).because(error.to_string()).transient(error.is_transient())
                }
            };
            applied.changes.push(change);
        }
    }

    async fn delete_if_still_ours(&self, arn: &str) -> Result<bool, AwsError> {
        let Some(secret) = self.reader.secret(arn).await? else { return Ok(false) };
        if secret.scheduled_for_deletion || !Owner::of_secret(&secret.tags, self.settings).is_ours() {
            return Ok(false);
        }
        self.writer.delete_secret(arn).await?;
        Ok(true)
    }

    fn orphans_failed(&self, orphans: &[crate::account::ListedSecret], error: &AwsError, applied: &mut Applied) {
        let failed = orphans.iter().map(|orphan| {
            let change = orphan_change(orphan).with(ChangeResult::Failed);
            change.because(error.to_string()).transient(error.is_transient())
        });
        applied.changes.extend(failed);
    }
}

/// The report's line about a secret that is not used any more, before it is known what came of it.
pub fn orphan_change(orphan: &crate::account::ListedSecret) -> Change {
    let registry = orphan.name.strip_prefix(crate::ownership::SECRET_PREFIX).unwrap_or(&orphan.name);
    Change::of(registry, Resource::Secret, Action::Delete, &orphan.name)
}

/// Why a registry's steps ended early.
enum Stop {
    LookAgain,
    End(End),
}

fn failed(error: &AwsError) -> End {
    End::Failed { reason: error.to_string(), transient: error.is_transient() }
}
