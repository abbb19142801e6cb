//! Carrying a plan out: registries side by side, the steps of each in order, and what came of every step.
//!
//! A step that finds the account otherwise than planned (somebody else was faster) outcomes the registry's plan; the
//! registry is then looked at again and planned anew. So races, restores and crashes take one way: look again.

mod removal;
mod rollback;
mod rule;
mod secret;
mod slots;
mod step;
mod template;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use tracing::info;

use crate::account::{Account, AwsError, CURRENT, Reader, Secret, SourceState, View, Writer, observe_again};
use crate::cause::{Cause, Reason};
use crate::newest::Newest;
use crate::plan::{Action, Operation, RULE_QUOTA, RegistryPlan, Resource, Scope, Step, Verdict, plan_again};
use crate::report::{Change, ChangeResult};
use crate::timing::{Deadline, Timing};
use config::{Credential, File, Registry, SecretFrom};

pub use rollback::Recovery;
pub use slots::{Slot, Slots};
pub(crate) use step::StepError;
use step::{CreatedSecret, is_taken};

/// How often one registry is looked at again before the run gives up on it.
const LOOKS: usize = 5;

/// What applying needs.
pub struct Applier<'a> {
    /// To read back and to look again.
    pub reader: &'a Reader,
    /// To write. Only a run that may write has one.
    pub writer: &'a Writer,
    pub file: &'a File,
    /// As it was when the plans were made.
    pub account: &'a Account,
    /// What the plans are made for.
    pub scope: Scope<'a>,
    /// How patient to be.
    pub timing: &'a Timing,
    /// When to stop.
    pub deadline: &'a Deadline,
    /// Whether only what the plan has shown may be done, however the account changes meanwhile.
    pub exact: bool,
    /// Whether the file is still the newest.
    pub newest: &'a Newest<'a>,
    /// When the account was read that the plans are made from.
    pub observed: Instant,
    /// How many calls are under way at a time. Waiting for something to settle takes no slot: registries do not wait
    /// for each other.
    pub slots: Slots,
    /// The versions that this run has made current, by their secret's ARN.
    pub current: Mutex<BTreeMap<String, String>>,
    /// The sources that were read since the plans were made, by registry, in order.
    pub sources: Mutex<Vec<(String, SourceState)>>,
}

/// What came of a plan.
#[derive(Debug, Default)]
pub struct Applied {
    /// In the plan's order.
    pub changes: Vec<Change>,
    /// By registry of the file.
    pub outcomes: BTreeMap<String, RegistryOutcome>,
}

/// How a registry came out of applying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryOutcome {
    /// All steps were taken; `fresh` says whether there were any, so that ECR may need a moment to see them.
    Done {
        /// Something was written.
        fresh: bool,
    },
    /// Waits for somebody's word.
    Held(Cause),
    Failed(Cause),
    /// The deadline came first.
    Unfinished,
    /// A newer file was uploaded: the run must start over with that one.
    Stale,
}

impl Applier<'_> {
    /// Makes one call in a slot of its own, and gives it up shortly before Lambda's deadline.
    pub(crate) async fn call<T>(
        &self,
        slot: Slot,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        let _taken = self.slots.take(slot).await;
        self.deadline
            .bound(call)
            .await
            .unwrap_or_else(|| Err(AwsError::out_of_time("the last call")))
    }

    fn keep_source(&self, registry: &Registry, view: &View) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.extend(view.source.clone().map(|source| (registry.name.clone(), source)));
    }

    /// Notes that a version was made current.
    pub(crate) fn makes_current(&self, arn: &str, version: &str) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.insert(arn.to_owned(), version.to_owned());
    }

    /// Whether the current version of a secret is the one that this run made so.
    pub fn has_made_current(&self, secret: &Secret) -> bool {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current
            .get(&secret.arn)
            .map(String::as_str)
            .is_some_and(|version| secret.holder(CURRENT) == Some(version))
    }

    /// Carries out the registries' steps.
    pub async fn apply(&self, plans: Vec<RegistryPlan>) -> Applied {
        let registries = plans.into_iter().enumerate().filter_map(|(n, plan)| {
            let registry = self.file.registries.iter().find(|r| r.name == plan.registry)?;
            Some(async move { (n, registry, self.registry(registry, plan).await) })
        });
        let mut done: Vec<_> = stream::iter(registries).buffer_unordered(RULE_QUOTA).collect().await;
        done.sort_by_key(|(n, ..)| *n);
        let mut applied = Applied::default();
        for (_, registry, (changes, end)) in done {
            applied.changes.extend(changes);
            applied.outcomes.insert(registry.name.clone(), end);
        }
        applied
    }

    async fn registry(&self, registry: &Registry, mut plan: RegistryPlan) -> (Vec<Change>, RegistryOutcome) {
        let mut changes = Vec::new();
        let mut waits = self.timing.waits();
        let mut why = None;
        let mut observed = self.observed;
        for _ in 0..LOOKS {
            match &plan.verdict {
                // Asked after each reading of the labels: a newer file's run that comes later moves them, and then the
                // guarded moves of this run fail.
                Verdict::Go if speaks(&plan) => match self.newest.is_current_since(observed).await {
                    Ok(true) => {}
                    Ok(false) => return (changes, RegistryOutcome::Stale),
                    Err(cause) => {
                        return (
                            changes,
                            RegistryOutcome::Failed(Cause {
                                transient: true,
                                ..cause
                            }),
                        );
                    }
                },
                Verdict::Go => {}
                Verdict::Held(cause) => {
                    changes.extend(
                        plan.steps
                            .iter()
                            .map(|step| Change::new(&plan.registry, step, ChangeResult::Held).because(cause)),
                    );
                    self.take_mark_off(&plan.registry, &mut changes).await;
                    return (changes, RegistryOutcome::Held(cause.clone()));
                }
                Verdict::Refused {
                    resource,
                    action,
                    id,
                    cause,
                } => {
                    changes.push(Change::refused(&plan.registry, *resource, *action, id, cause));
                    return (changes, RegistryOutcome::Failed(cause.clone()));
                }
            }
            let end = match self.steps(registry, &plan.steps, &mut changes).await {
                Ok(()) if self.was_overtaken(registry, &plan).await => {
                    Err(StepsEnd::LookAgain(Some(overtaken(registry)), None))
                }
                end => end,
            };
            match end {
                Ok(()) => {
                    return (
                        changes.clone(),
                        RegistryOutcome::Done {
                            fresh: !changes.is_empty(),
                        },
                    );
                }
                Err(StepsEnd::LookAgain(reason, untold)) => {
                    // A restore is seen at once; what AWS refused may need a moment.
                    if let (Some(_), Some(wait)) = (&reason, waits.next()) {
                        self.deadline.wait(wait).await;
                    }
                    why = reason;
                    observed = Instant::now();
                    match self
                        .call(
                            Slot::Read,
                            observe_again(
                                self.reader,
                                registry,
                                plan.secret.as_deref(),
                                self.file,
                                self.scope.settings,
                            ),
                        )
                        .await
                    {
                        Ok(view) => {
                            self.keep_source(registry, &view);
                            let again = plan_again(registry, &view, &plan, self.scope);
                            if let Some(stray) = again.steps.iter().find(|step| self.exact && !shows(&plan.steps, step))
                            {
                                changes.push(
                                    Change::new(&registry.name, stray, ChangeResult::Held).because(&stray_step()),
                                );
                                return (changes, RegistryOutcome::Held(stray_step()));
                            }
                            // What is not to be done any more was done.
                            let is_open = |c: &Change| again.steps.iter().any(|step| is_same(step, c));
                            if again.verdict == Verdict::Go {
                                changes.extend(untold.filter(|change| !is_open(change)));
                            }
                            plan = again;
                        }
                        Err(error) => return (changes, RegistryOutcome::Failed(error.into())),
                    }
                }
                Err(StepsEnd::RegistryOutcome(end)) => return (changes, end),
            }
        }
        let why = why.unwrap_or_else(|| "somebody else is writing to it".into());
        let message = format!("the account was not as planned {LOOKS} times in a row: {why}");
        (
            changes,
            RegistryOutcome::Failed(Cause::for_now(Reason::CHANGED_MEANWHILE, message)),
        )
    }

    /// Whether the source has another value than the one that was copied just now. A run that saw the newer one may have found
    /// nothing to do, when this one had yet to move the labels: then it is this run that puts things right. Where the source
    /// cannot be read any more, what was copied stays.
    async fn was_overtaken(&self, registry: &Registry, plan: &RegistryPlan) -> bool {
        let (Some(from), Some(copied)) = (registry.credential.source(), plan.copied()) else {
            return false;
        };
        let read = async { Ok(self.reader.source_value(&from.secret, from).await) };
        matches!(self.call(Slot::Read, read).await, Ok(Ok((_, now))) if now != *copied)
    }

    /// A template that this run has made for a rule that turned out to be somebody else's must not stay: its mark
    /// would make that rule ours in the eyes of the next run.
    async fn take_mark_off(&self, registry: &str, changes: &mut Vec<Change>) {
        let made = |c: &Change| {
            c.resource == Resource::Template && c.action == Action::Create && c.result == ChangeResult::Applied
        };
        if !changes.iter().any(made) {
            return;
        }
        let change = Change::of(registry, Resource::Template, Action::Delete, registry);
        changes.push(
            match self.call(Slot::Template, self.writer.delete_template(registry)).await {
                Ok(()) => change.with(ChangeResult::Applied),
                Err(error) => change.with(ChangeResult::Failed).because(&error.into()),
            },
        );
    }

    /// Takes steps in order; what comes after one that fails is skipped, and said to be.
    async fn steps(&self, registry: &Registry, steps: &[Step], changes: &mut Vec<Change>) -> Result<(), StepsEnd> {
        let mut made = None;
        for (n, step) in steps.iter().enumerate() {
            let rest = steps.get(n + 1..).unwrap_or_default();
            let skip = |changes: &mut Vec<Change>, rest: &[Step]| {
                changes.extend(
                    rest.iter()
                        .map(|s| Change::new(&registry.name, s, ChangeResult::Skipped)),
                );
            };
            if self.deadline.is_near() && !is_taken(step, made.as_ref()) {
                skip(changes, steps.get(n..).unwrap_or_default());
                return Err(StepsEnd::RegistryOutcome(RegistryOutcome::Unfinished));
            }
            let took = self.step(step, rest, &mut made).await;
            let change = Change::new(&registry.name, step, ChangeResult::Applied);
            match took {
                Ok(note) => {
                    tell(registry, step);
                    changes.push(match note {
                        Some(note) => change.noting(note),
                        None => change,
                    });
                }
                // The step itself is done; what else is needed shows now.
                Err(StepError::Taken) => {
                    tell(registry, step);
                    changes.push(change);
                    return Err(StepsEnd::LookAgain(None, None));
                }
                Err(StepError::LookAgain(reason)) => {
                    self.taken_early(registry, rest, made.as_ref(), changes);
                    return Err(StepsEnd::LookAgain(Some(reason), None));
                }
                Err(StepError::Untold(cause)) => {
                    self.taken_early(registry, rest, made.as_ref(), changes);
                    return Err(StepsEnd::LookAgain(Some(cause.message), Some(change)));
                }
                Err(StepError::Stale) => {
                    self.taken_early(registry, rest, made.as_ref(), changes);
                    return Err(StepsEnd::RegistryOutcome(RegistryOutcome::Stale));
                }
                Err(StepError::Held(cause)) => {
                    for step in steps.get(n..).unwrap_or_default() {
                        changes.push(Change::new(&registry.name, step, ChangeResult::Held).because(&cause));
                    }
                    return Err(StepsEnd::RegistryOutcome(RegistryOutcome::Held(cause)));
                }
                Err(StepError::Failed(cause)) => {
                    changes.push(Change::new(&registry.name, step, ChangeResult::Failed).because(&cause));
                    let early = self.taken_early(registry, rest, made.as_ref(), changes);
                    skip(changes, rest.get(early..).unwrap_or_default());
                    return Err(StepsEnd::RegistryOutcome(RegistryOutcome::Failed(cause)));
                }
            }
        }
        Ok(())
    }

    /// Tells of the step that was taken beside one that failed; gives how many.
    fn taken_early(
        &self,
        registry: &Registry,
        rest: &[Step],
        made: Option<&CreatedSecret>,
        changes: &mut Vec<Change>,
    ) -> usize {
        let early = rest.first().filter(|step| is_taken(step, made));
        changes.extend(early.map(|step| Change::new(&registry.name, step, ChangeResult::Applied)));
        usize::from(early.is_some())
    }
}

/// A step that was taken, for the log and for whoever watches.
fn tell(registry: &Registry, step: &Step) {
    info!(registry = %registry.name, resource = ?step.resource, action = ?step.action, id = %step.id, fields = ?step.fields,
        "applied");
}

fn overtaken(registry: &Registry) -> String {
    let name = registry.credential.source().map(SecretFrom::name).unwrap_or_default();
    format!("the secret {name} has another value again")
}

/// Why a step is not taken that the plan with the given checksum has not shown.
fn stray_step() -> Cause {
    let message = "the account changed while the plan was carried out, and this is no part of the plan: make a new one";
    Cause::new(Reason::CHANGED_MEANWHILE, message)
}

/// Whether a plan has shown a step, from the same values to the same values, or one after which it was to be expected:
/// what a restored secret needs can only be seen when it is back.
fn shows(steps: &[Step], step: &Step) -> bool {
    let is_secret = |step: &Step| matches!(step.resource, Resource::Secret | Resource::SecretPolicy);
    steps.iter().any(|shown| {
        let restored = shown.action == Action::Restore && is_secret(step);
        let same = (shown.resource, shown.action) == (step.resource, step.action);
        shown.id == step.id && (restored || (same && step.diff.iter().all(|differs| shown.diff.contains(differs))))
    })
}

fn is_same(step: &Step, change: &Change) -> bool {
    (step.resource, step.action, &step.id) == (change.resource, change.action, &change.id)
}

/// Whether a plan changes the labels of a secret that is there, or puts a value of the file into it. A secret that is
/// made has its value from the beginning, so nothing of a newer file's run can be overwritten.
pub fn speaks(plan: &RegistryPlan) -> bool {
    let puts = |step: &Step| {
        matches!(
            step.operation,
            Operation::PutSecretValue(_) | Operation::LabelConfigured(_)
        )
    };
    plan.verdict == Verdict::Go && plan.steps.iter().any(puts)
}

impl RegistryPlan {
    /// The credential that its steps put somewhere, or label.
    fn copied(&self) -> Option<&Credential> {
        self.steps.iter().find_map(|step| match &step.operation {
            Operation::CreateSecret(secret) => Some(&secret.credential),
            Operation::PutSecretValue(labels) | Operation::PutBeside(labels) | Operation::LabelConfigured(labels) => {
                Some(&labels.credential)
            }
            _ => None,
        })
    }
}

/// Why a registry's steps ended early.
enum StepsEnd {
    /// Why, and the change that may be made already.
    LookAgain(Option<String>, Option<Change>),
    RegistryOutcome(RegistryOutcome),
}
