//! A plan is carried out: registries are applied and proven, what is refused goes back, and what left the file is taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::time::Instant;
use tracing::info;

use super::changed_secret::concerns;
use super::planned::tried_with;
use super::results::{self, RunState};
use super::{Run, RunRequest, Stale};
use crate::account::{Account, Rule, SecretState, Writer, observe_again};
use crate::apply::{Applied, Applier, RegistryOutcome, Slots, speaks};
use crate::cause::{Cause, Reason};
use crate::plan::rollback::{is_eligible, is_to_be_remembered, is_unfinished};
use crate::plan::{Action, Plan, RegistryPlan, Removal, Removals, Resource, Verdict, hold_for_new_names, waits_for};
use crate::report::{Change, ChangeResult, ConfigReport, Refused};
use crate::verify::{Candidate, PROOFS, Patience};
use config::File;

impl Run<'_> {
    /// Carries a plan out; with `exact`, only what it shows.
    ///
    /// # Errors
    /// A newer file has come before a credential was to be changed or something to be taken away.
    pub(super) async fn carry_out<'f>(
        &self,
        writer: &Writer,
        plan: Plan,
        before: Vec<Candidate>,
        exact: bool,
        config: &ConfigReport,
        mut state: RunState<'f>,
    ) -> Result<RunState<'f>, Stale> {
        let Plan {
            registries,
            mut removals,
        } = plan;
        let swaps: Vec<Swap> = registries.iter().filter_map(Swap::of).collect();
        let RunState {
            file, account, scope, ..
        } = state;
        let observed = Instant::now();
        let newest = self.newest(config);
        // Before anything is written: all of an older file's run would have to be undone by the next.
        if registries.iter().any(speaks) && newest.is_current_since(observed).await == Ok(false) {
            return Err(state.stale());
        }
        let applier = Applier {
            reader: self.deps.reader,
            writer,
            file,
            account,
            scope,
            timing: self.deps.timing,
            deadline: self.deadline,
            exact,
            newest: &newest,
            observed,
            slots: Slots::default(),
            current: Mutex::default(),
            sources: Mutex::default(),
        };
        let of_registries = registries.iter().filter(|plan| plan.verdict == Verdict::Go);
        let going = removals.left.iter().filter(|left| left.held.is_none());
        let steps = of_registries.map(|plan| plan.steps.len()).sum::<usize>()
            + going
                .chain(&removals.orphans)
                .map(|left| left.steps.len())
                .sum::<usize>();
        if steps > 0 {
            info!(steps, "applying");
        }
        state.applied = applier.apply(registries).await;
        let read = std::mem::take(&mut *applier.sources.lock().unwrap_or_else(PoisonError::into_inner));
        self.remember_sources(read.iter().map(|(_, source)| source));
        state.sources.extend(read);
        if state
            .applied
            .outcomes
            .values()
            .any(|end| *end == RegistryOutcome::Stale)
        {
            // Nothing is proven yet, so nothing has earned its place.
            Box::pin(settle(&applier, swaps, &mut removals, &mut state)).await;
            return Err(state.stale());
        }
        let rotations = self.deps.settings.rollback_invalid_rotation;
        let asked = candidates_after(file, account, &state.applied, before, rotations);
        state.proofs = self.prove(asked).await;
        recover(&applier, &mut state).await;
        for (name, secret_version) in Box::pin(settle(&applier, swaps, &mut removals, &mut state)).await {
            let config = config.clone();
            let refused = Refused { config, secret_version };
            state.memory.refused.insert(name, refused);
        }
        self.remove(&applier, removals, state).await
    }

    /// Takes away what left the file, and secrets that their registry stopped using.
    async fn remove<'f>(
        &self,
        applier: &Applier<'_>,
        mut removals: Removals,
        mut state: RunState<'f>,
    ) -> Result<RunState<'f>, Stale> {
        // What comes too late is not held by anything: it is skipped, and said to be.
        let late = self.deadline.is_near();
        if !late {
            hold_for_new_names(state.file, &mut removals.left, |name| state.is_ready(name));
        }
        let mut gone = Vec::new();
        let (mut held, going): (Vec<Removal>, Vec<Removal>) =
            removals.left.into_iter().partition(|left| left.held.is_some());
        let mut named: BTreeSet<String> = state.file.registries.iter().map(|r| r.name.clone()).collect();
        let is_own =
            |left: &&Removal| left.marked && left.held.as_ref().is_none_or(|c| c.reason != Reason::OTHER_HOLDER);
        let own = held.iter().chain(&going).filter(is_own);
        named.extend(own.map(|left| left.registry.clone()));
        if !going.is_empty() {
            match applier.newest.is_current().await {
                Ok(true) => {
                    gone = applier.remove(&going).await;
                    let went = |c: &&Change| c.resource == Resource::Template && c.result == ChangeResult::Applied;
                    for change in gone.iter().filter(went) {
                        named.remove(&change.registry);
                    }
                }
                Ok(false) => return Err(state.stale()),
                Err(cause) => held.extend(going.into_iter().map(|left| Removal {
                    held: Some(cause.clone()),
                    ..left
                })),
            }
        }
        removals.left = held;
        state.memory.named = named;
        // A secret that served until now goes only when what serves instead is proven.
        removals
            .orphans
            .retain(|orphan| late || state.is_ready(&orphan.registry));
        let orphans = applier.remove(&removals.orphans).await;
        removals.orphans.clear();
        let changes = &mut state.applied.changes;
        changes.extend(gone);
        changes.extend(orphans);
        changes.extend(removals.shown());
        // What was to be is of no interest any more, and policies are long.
        changes.iter_mut().for_each(|change| change.diff.clear());
        state.left = removals.left;
        Ok(state)
    }
}

/// The rules that have a credential to prove before anything is written. A rule that is held is not ours to
/// judge; one that is not in the file is asked about when its secret was rotated.
pub(super) fn candidates(
    plans: &[RegistryPlan],
    file: &File,
    account: &Account,
    request: &RunRequest,
) -> Vec<Candidate> {
    let rules = &account.snapshot.rules;
    let judged = plans.iter().filter(|plan| !matches!(plan.verdict, Verdict::Held(_)));
    let judged = judged
        .filter_map(|plan| rules.get(&plan.registry))
        .filter(|rule| rule.credential_arn.is_some());
    let mut prefixes: BTreeSet<&str> = judged.map(|rule| rule.prefix.as_str()).collect();
    let mut rotated: BTreeSet<&str> = BTreeSet::new();
    if let Some(change) = &request.secret {
        let using = rules.values().filter(|rule| concerns(rule, file, change));
        rotated.extend(using.map(|rule| rule.prefix.as_str()));
    }
    prefixes.extend(&rotated);
    let candidate = |prefix: &str| {
        let patience = if rotated.contains(prefix) {
            Patience::Thrice
        } else {
            Patience::Once
        };
        Candidate {
            prefix: prefix.to_owned(),
            patience,
        }
    };
    prefixes.into_iter().map(candidate).collect()
}

/// The same after applying: every registry that is done and has a credential, and of the others those that had a
/// rule before.
fn candidates_after(
    file: &File,
    account: &Account,
    applied: &Applied,
    before: Vec<Candidate>,
    rotations: bool,
) -> Vec<Candidate> {
    let eligible = |name: &str| matches!(account.secret_states.get(name), Some(SecretState::Found(s)) if is_eligible(s, rotations));
    let mut after: BTreeMap<String, Patience> = before.into_iter().map(|c| (c.prefix, c.patience)).collect();
    for registry in &file.registries {
        let name = &registry.name;
        let has_credential = !matches!(registry.credential, config::CredentialSource::None);
        let own = registry.credential.is_own();
        match applied.outcomes.get(name) {
            Some(RegistryOutcome::Done { .. }) if !has_credential => _ = after.remove(name),
            Some(RegistryOutcome::Done { fresh: true }) => _ = after.insert(name.clone(), Patience::Fresh),
            Some(RegistryOutcome::Done { fresh: false }) if after.get(name) == Some(&Patience::Thrice) => {}
            Some(RegistryOutcome::Done { fresh: false }) if own && eligible(name) => {
                after.insert(name.clone(), Patience::Thrice);
            }
            Some(RegistryOutcome::Done { fresh: false }) => _ = after.insert(name.clone(), Patience::Once),
            Some(RegistryOutcome::Held(_)) | None => _ = after.remove(name),
            Some(RegistryOutcome::Failed(_) | RegistryOutcome::Unfinished | RegistryOutcome::Stale) => {}
        }
    }
    after
        .into_iter()
        .map(|(prefix, patience)| Candidate { prefix, patience })
        .collect()
}

/// A rule that is made in the place of another.
struct Swap {
    registry: String,
    secret: Option<String>,
    /// The rule that left.
    old: Rule,
}

impl Swap {
    fn of(plan: &RegistryPlan) -> Option<Self> {
        let RegistryPlan {
            registry,
            secret,
            instead_of,
            ..
        } = plan;
        Some(Self {
            registry: registry.clone(),
            secret: secret.clone(),
            old: instead_of.clone()?,
        })
    }
}

/// Lets the rules stay that were made in the place of others and work, and puts the others back. Gives those that are not
/// to be tried again, with the current version of their secret: what a retry can help is none of them.
async fn settle(
    applier: &Applier<'_>,
    swaps: Vec<Swap>,
    removals: &mut Removals,
    state: &mut RunState<'_>,
) -> Vec<(String, Option<String>)> {
    let mut refused = Vec::new();
    for Swap {
        registry: name,
        secret,
        old,
    } in swaps
    {
        let is_rule = |c: &&mut Change| c.registry == name && c.resource == Resource::Rule;
        let is_ready = state.is_ready(&name);
        let left = removals.left.iter_mut().find(|left| left.registry == old.prefix);
        let Some(change) = state.applied.changes.iter_mut().rfind(is_rule) else {
            left.into_iter().for_each(|left| left.held = Some(waits_for(&[&name])));
            continue;
        };
        if change.result == ChangeResult::Applied && is_ready {
            let gone = Change::of(&old.prefix, Resource::Rule, Action::Delete, &old.prefix);
            state.applied.changes.push(gone.with(ChangeResult::Applied));
            left.into_iter()
                .for_each(|left| left.steps.retain(|step| step.resource != Resource::Rule));
            continue;
        }
        left.into_iter().for_each(|left| left.held = Some(waits_for(&[&name])));
        let Some(registry) = state.file.registries.iter().find(|registry| registry.name == name) else {
            continue;
        };
        if change.result == ChangeResult::Applied {
            let why = match state.proofs.get(&name) {
                Some(Ok(proof)) if !proof.valid => results::refused(&registry.upstream.host, proof),
                Some(Err(error)) => results::unchecked(error),
                _ => Cause::for_now(Reason::UNCHECKED, "whether the new rule works was not seen"),
            };
            let back = applier.swap_back(&old, &name).await;
            let transient = why.transient || back.is_err();
            let note = back.unwrap_or_else(|note| note);
            let cause = Cause {
                message: format!("{}; {note}", why.message),
                transient,
                ..why
            };
            *change = change.clone().with(ChangeResult::Failed).because(&cause);
            state
                .applied
                .outcomes
                .insert(name.clone(), RegistryOutcome::Failed(cause));
        }
        if !matches!(change.result, ChangeResult::Failed | ChangeResult::Held) || change.transient {
            continue;
        }
        let RunState { file, scope, .. } = state;
        // One that cannot be seen is tried again, which does no harm.
        let Ok(view) = observe_again(applier.reader, registry, secret.as_deref(), file, scope.settings).await else {
            continue;
        };
        refused.push((name, tried_with(&view.secret_state, view.source.as_ref())));
    }
    refused
}

/// Looks after the own secrets whose credential was refused or is proven for the first time, or whose labels tell of a
/// rollback that was not finished. A verdict is one on the secret and the host of the rule that was asked: of a rule that
/// could not be made as the file says yet, it says nothing.
async fn recover(applier: &Applier<'_>, state: &mut RunState<'_>) {
    let RunState {
        file,
        account,
        applied,
        proofs,
        ..
    } = state;
    let rules = &account.snapshot.rules;
    let in_need = file.registries.iter().filter_map(|registry| {
        let name = registry.name.as_str();
        let own = registry.credential.is_own();
        let (true, Some(SecretState::Found(secret)), Some(Ok(proof))) =
            (own, account.secret_states.get(name), proofs.get(name))
        else {
            return None;
        };
        let was_asked = match applied.outcomes.get(name) {
            Some(RegistryOutcome::Done { .. }) => true,
            // Nothing is written of a registry that the stack does not allow.
            Some(RegistryOutcome::Failed(cause)) if cause.reason == Reason::NOT_ALLOWED => false,
            _ => rules.get(name).is_some_and(|rule| {
                rule.credential_arn.as_deref() == Some(secret.arn.as_str())
                    && rule.upstream_url == registry.upstream.host
            }),
        };
        let wrote =
            |c: &Change| c.registry == name && c.resource == Resource::Secret && c.result == ChangeResult::Applied;
        let is_new = is_to_be_remembered(secret) || applied.changes.iter().any(wrote);
        (was_asked && (!proof.valid || is_new || is_unfinished(secret))).then_some((name, secret, proof))
    });
    let recoveries = in_need
        .map(|(name, secret, proof)| async move { (name.to_owned(), applier.recover(name, secret, proof).await) });
    let mut recoveries: Vec<_> = stream::iter(recoveries).buffer_unordered(PROOFS).collect().await;
    recoveries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, recovery) in recoveries {
        state.applied.changes.extend(recovery.changes);
        state.file_refused.insert(name.clone(), recovery.file_refused);
        state
            .of_file
            .extend(recovery.is_of_file.map(|is_of_file| (name.clone(), is_of_file)));
        if let Some(proof) = recovery.proof {
            state.proofs.insert(name, proof);
        }
    }
}
