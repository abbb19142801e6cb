//! Carrying a plan out: registries side by side, the steps of each in order, and what came of every step.
//!
//! A step that finds the account otherwise than planned (somebody else was faster) ends the registry's plan; the
//! registry is then looked at again and planned anew. So races, restores and crashes take one way: look again.

mod removal;
mod rollback;
mod rule;
mod secret;
mod slots;
mod step;
mod template;

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use tracing::info;

use crate::account::{AwsError, Reader, Writer, observe_again};
use crate::config::{File, Registry};
use crate::home::Home;
use crate::pace::{Deadline, Pace};
use crate::plan::{Action, RULE_QUOTA, RegistryPlan, Resource, Step, Verdict, plan_again};
use crate::report::{Change, ChangeResult};
use crate::settings::Settings;

pub use rollback::Recovery;
pub use slots::{Slot, Slots};
pub(crate) use step::Trouble;
use step::{Made, is_taken};

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
    /// Whether only what the plan has shown may be done, however the account changes meanwhile.
    pub exact: bool,
    /// How many calls are under way at a time. Waiting for something to settle takes no slot: registries do not wait
    /// for each other.
    pub slots: Slots,
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
    /// Makes one call in a slot of its own, and gives it up shortly before Lambda's deadline.
    pub(crate) async fn call<T>(
        &self,
        slot: Slot,
        call: impl Future<Output = Result<T, AwsError>>,
    ) -> Result<T, AwsError> {
        let _taken = self.slots.take(slot).await;
        self.deadline.bound(call).await.unwrap_or_else(|| Err(AwsError::out_of_time("the last call")))
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
            applied.ends.insert(registry.name.clone(), end);
        }
        applied
    }

    async fn registry(&self, registry: &Registry, mut plan: RegistryPlan) -> (Vec<Change>, End) {
        let mut changes = Vec::new();
        let mut waits = self.pace.waits();
        let mut why = None;
        for _ in 0..LOOKS {
            match &plan.verdict {
                Verdict::Go => {}
                Verdict::Held(reason) => {
                    let held = plan
                        .steps
                        .iter()
                        .map(|step| Change::new(&plan.registry, step, ChangeResult::Held).because(reason.clone()));
                    changes.extend(held);
                    self.take_mark_off(&plan.registry, &mut changes).await;
                    return (changes, End::Held(reason.clone()));
                }
                Verdict::Refused { resource, action, id, reason, transient } => {
                    changes.push(Change::refused(&plan.registry, *resource, *action, id, reason));
                    return (changes, End::Failed { reason: reason.clone(), transient: *transient });
                }
            }
            match self.steps(registry, &plan.steps, &mut changes).await {
                Ok(()) => return (changes.clone(), End::Done { fresh: !changes.is_empty() }),
                Err(Stop::LookAgain(reason, untold)) => {
                    // A restore is seen at once; what AWS refused may need a moment.
                    if let (Some(_), Some(wait)) = (&reason, waits.next()) {
                        self.deadline.wait(wait).await;
                    }
                    why = reason;
                    match self.call(Slot::Read, observe_again(self.reader, registry, self.file, self.settings)).await {
                        Ok(view) => {
                            let again = plan_again(registry, &view, &plan, self.home, self.settings);
                            if let Some(stray) = again.steps.iter().find(|step| self.exact && !shows(&plan.steps, step))
                            {
                                changes
                                    .push(Change::new(&registry.name, stray, ChangeResult::Held).because(STRAY.into()));
                                return (changes, End::Held(STRAY.into()));
                            }
                            // What is not to be done any more was done.
                            let is_open = |c: &Change| again.steps.iter().any(|step| is_same(step, c));
                            if again.verdict == Verdict::Go {
                                changes.extend(untold.filter(|change| !is_open(change)));
                            }
                            plan = again;
                        }
                        Err(error) => return (changes, failed(&error)),
                    }
                }
                Err(Stop::End(end)) => return (changes, end),
            }
        }
        let why = why.unwrap_or_else(|| "somebody else is writing to it".into());
        let reason = format!("the account was not as planned {LOOKS} times in a row: {why}");
        (changes, End::Failed { reason, transient: true })
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
        changes.push(match self.call(Slot::Template, self.writer.delete_template(registry)).await {
            Ok(()) => change.with(ChangeResult::Applied),
            Err(error) => change.with(ChangeResult::Failed).because(error.to_string()).transient(error.is_transient()),
        });
    }

    /// Takes steps in order; what comes after one that fails is skipped, and said to be.
    async fn steps(&self, registry: &Registry, steps: &[Step], changes: &mut Vec<Change>) -> Result<(), Stop> {
        let mut made = None;
        for (n, step) in steps.iter().enumerate() {
            let rest = steps.get(n + 1..).unwrap_or_default();
            let skip = |changes: &mut Vec<Change>, rest: &[Step]| {
                changes.extend(rest.iter().map(|s| Change::new(&registry.name, s, ChangeResult::Skipped)));
            };
            if self.deadline.is_near() && !is_taken(step, made.as_ref()) {
                skip(changes, steps.get(n..).unwrap_or_default());
                return Err(Stop::End(End::Unfinished));
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
                Err(Trouble::Taken) => {
                    tell(registry, step);
                    changes.push(change);
                    return Err(Stop::LookAgain(None, None));
                }
                Err(Trouble::LookAgain(reason)) => {
                    self.taken_early(registry, rest, made.as_ref(), changes);
                    return Err(Stop::LookAgain(Some(reason), None));
                }
                Err(Trouble::Untold(reason)) => {
                    self.taken_early(registry, rest, made.as_ref(), changes);
                    return Err(Stop::LookAgain(Some(reason), Some(change)));
                }
                Err(Trouble::Held(reason)) => {
                    for step in steps.get(n..).unwrap_or_default() {
                        changes.push(Change::new(&registry.name, step, ChangeResult::Held).because(reason.clone()));
                    }
                    return Err(Stop::End(End::Held(reason)));
                }
                Err(Trouble::Failed { reason, transient }) => {
                    changes.push(Change::new(&registry.name, step, ChangeResult::Failed).because(reason.clone()));
                    let early = self.taken_early(registry, rest, made.as_ref(), changes);
                    skip(changes, rest.get(early..).unwrap_or_default());
                    return Err(Stop::End(End::Failed { reason, transient }));
                }
            }
        }
        Ok(())
    }

    /// Tells of the step that was taken beside one that failed; gives how many.
    fn taken_early(&self, registry: &Registry, rest: &[Step], made: Option<&Made>, changes: &mut Vec<Change>) -> usize {
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

/// Why a step is not taken that the plan with the given checksum has not shown.
const STRAY: &str =
    "the account changed while the plan was carried out, and this is no part of the plan: make a new one";

/// Whether a plan has shown a step, or one after which it was to be expected: what a restored secret needs can only be
/// seen when it is back.
fn shows(steps: &[Step], step: &Step) -> bool {
    let is_secret = |step: &Step| matches!(step.resource, Resource::Secret | Resource::SecretPolicy);
    steps.iter().any(|shown| {
        let restored = shown.action == Action::Restore && is_secret(step);
        let same = (shown.resource, shown.action) == (step.resource, step.action);
        shown.id == step.id && (restored || (same && step.fields.iter().all(|field| shown.fields.contains(field))))
    })
}

fn is_same(step: &Step, change: &Change) -> bool {
    (step.resource, step.action, &step.id) == (change.resource, change.action, &change.id)
}

/// Why a registry's steps ended early.
enum Stop {
    /// Why, and the change that may be made already.
    LookAgain(Option<String>, Option<Change>),
    End(End),
}

fn failed(error: &AwsError) -> End {
    End::Failed { reason: error.to_string(), transient: error.is_transient() }
}
