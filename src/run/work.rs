//! An accepted file: plan, then show, or apply, prove, roll back what is refused, and take away what left the file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use super::repositories::Ground;
use super::{Hand, Order, Run, Source, points_to};
use crate::account::{Account, AwsError, CURRENT, Proof, Rule, Sight, Snapshot, Writer, observe_again};
use crate::apply::{Applied, Applier, End, Slots, speaks};
use crate::cause::{Cause, Reason};
use crate::config::{self, File, Problem};
use crate::plan::rollback::{is_eligible, is_to_be_remembered, is_unfinished};
use crate::plan::{
    Action, Bounds, Left, Limit, Plan, RegistryPlan, Removals, Resource, Scope, Verdict, checksum, hold_for_new_names,
    plan, waits_for,
};
use crate::report::{Change, ChangeResult, Past, Refused, Report};
use crate::run::finish::{self, Findings};
use crate::trigger::{Mode, Portion};
use crate::verify::{Candidate, PROOFS, Patience, prove};

/// What ECR said, by registry.
pub(super) type Proofs = BTreeMap<String, Result<Proof, AwsError>>;

/// How the work on an accepted file ended.
pub(super) enum After {
    /// The report is filled in; another try may go better or not, and the queue is to have what is left.
    Done { transient: bool, portions: Vec<Portion> },
    /// A newer file was uploaded before a credential was changed or anything taken away: look again.
    Stale,
    /// It is not the plan that was to be applied. The report shows the one it is; nothing was changed.
    Refused,
}

impl Run<'_> {
    /// Works through an accepted file and fills the report in.
    pub(super) async fn accepted(
        &self,
        order: &Order,
        report: &mut Report,
        mut file: File,
        account: Account,
        uploaded: Timestamp,
        past: &Past,
    ) -> After {
        let settings = self.core.settings;
        report.warnings = std::mem::take(&mut file.warnings);
        report.warnings.extend(finish::rotation_failed(order, &account));
        report.warnings.extend(finish::customer_keys(&account));
        report.warnings.extend(finish::unbound(&file, &account));
        report.warnings.extend(finish::unlisted(&account));
        // Where the operator says 0, only a person may say more.
        let of_file = file.max_deletions.filter(|_| settings.max_deletions > 0);
        let limit = order.max_deletions.or(of_file).unwrap_or(settings.max_deletions);
        let limit = match self.source {
            Source::AtHand { .. } => Limit::of_person(limit),
            Source::Uploaded => Limit::of_function(limit),
        };
        let scope = Scope {
            home: self.home,
            settings,
            uploaded,
        };
        let mut bounds = Bounds {
            limit,
            ..Bounds::default()
        };
        if let Some(differs) = self.differs_from_upload().await {
            let message =
                "nothing is deleted by a file that the function does not follow: a warning says which it follows";
            bounds.hold = Some(Cause::new(Reason::OTHER_FILE, message));
            report.warnings.push(Problem {
                registry: None,
                line: None,
                column: None,
                message: differs,
            });
        }
        report.memory.refused = past
            .memory
            .still_refused(&report.config, |name| match account.sights.get(name) {
                Some(Sight::Found(secret)) => secret.holder(CURRENT).map(str::to_owned),
                _ => None,
            });
        // A person who says how many are to go has looked at them.
        bounds.known = past.known().filter(|_| order.max_deletions.is_none());
        // So that a run that starts over knows what it may have made.
        report
            .memory
            .named
            .extend(file.registries.iter().map(|registry| registry.name.clone()));
        bounds.refused = report.memory.refused.keys().cloned().collect();
        let plan = plan(&file, &account, scope, &bounds);
        report.warnings.extend(finish::strays(&plan.removals.strays));
        let before = self.candidates(&plan.registries, &account, order);
        let go = plan.registries.iter().filter(|plan| plan.verdict == Verdict::Go);
        let mut open: BTreeSet<String> = go.map(|plan| plan.registry.clone()).collect();
        let mut findings = Findings::new(&file, &account, scope);
        let (writer, proves) = match self.hand {
            Hand::Apply(writer) => (Some(writer), false),
            Hand::Validate => (None, true),
            Hand::Plan => (None, false),
        };
        let mut planned = None;
        if writer.is_none() || order.plan_checksum.is_some() {
            let ground = Ground {
                file: &file,
                snapshot: &account.snapshot,
                open: &open,
            };
            // Nothing is written, so no newer file comes in between.
            let looked = self.reach(None, order, ground, &report.config, past, None);
            let mut looked = Box::pin(looked).await.unwrap_or_default();
            let sum = checksum(&plan, looked.planned.sum(), self.home);
            let fits = order.plan_checksum.as_ref() == Some(&sum);
            if writer.is_none() || !fits {
                report.plan_checksum = Some(sum);
                findings.removals = Some(finish::show(plan, &mut findings.applied));
                findings.proofs = self.prove(if proves { before } else { Vec::new() }).await;
                findings.reached = looked;
                return self.report_on(order, report, findings, writer.is_some());
            }
            report.plan_checksum = Some(sum);
            planned = Some(std::mem::take(&mut looked.planned));
        }
        // A run that only reads has been told of by now.
        let Some(writer) = writer else { return After::Refused };
        let exact = planned.is_some();
        if !Box::pin(self.carry_out(writer, plan, before, exact, report, &mut findings)).await {
            report.changes = findings.applied.changes;
            return After::Stale;
        }
        // What a run may not touch it leaves alone as a whole; what only failed has repositories all the same.
        open.retain(|name| !matches!(findings.applied.ends.get(name), Some(End::Held(_))));
        let snapshot = without_removed(&account.snapshot, &findings.applied.changes);
        let ground = Ground {
            file: &file,
            snapshot: &snapshot,
            open: &open,
        };
        match Box::pin(self.reach(Some(writer), order, ground, &report.config, past, planned)).await {
            Ok(reached) => findings.reached = reached,
            Err(written) => {
                report.changes = findings.applied.changes;
                report.changes.extend(written);
                return After::Stale;
            }
        }
        self.report_on(order, report, findings, false)
    }

    /// Fills the report in: of what was done, of a plan, or of one that was to be applied and is not the one it was.
    fn report_on(&self, order: &Order, report: &mut Report, mut findings: Findings<'_>, refused: bool) -> After {
        if let Hand::Apply(_) = self.hand
            && !refused
        {
            // What was to be is of no interest any more, and policies are long.
            findings
                .applied
                .changes
                .iter_mut()
                .for_each(|change| change.diff.clear());
        }
        let asked = report.mode;
        if refused {
            report.mode = Mode::Plan;
        }
        let (transient, portions) = findings.into_report(report, order, self.home, self.deadline);
        report.mode = asked;
        if !refused {
            return After::Done { transient, portions };
        }
        let (is, was) = (
            report.plan_checksum.as_deref().unwrap_or_default(),
            order.plan_checksum.as_deref(),
        );
        if self.deadline.is_asked_for() {
            // What was not looked at any more is why it looks like another plan.
            report.message = "interrupted, and nothing was changed".into();
            return After::Refused;
        }
        report.message = format!(
            "refused, and nothing was changed: the plan is not {} any more; look at this one, {is} ({})",
            was.unwrap_or_default(),
            report.message
        );
        After::Refused
    }

    async fn prove(&self, candidates: Vec<Candidate>) -> Proofs {
        prove(self.core.reader, candidates, self.core.pace, self.deadline).await
    }

    /// Carries the plan out. Says whether the file was still the newest when a credential was to be changed or something
    /// to be taken away.
    async fn carry_out(
        &self,
        writer: &Writer,
        plan: Plan,
        before: Vec<Candidate>,
        exact: bool,
        report: &mut Report,
        findings: &mut Findings<'_>,
    ) -> bool {
        let Plan {
            registries,
            mut removals,
        } = plan;
        let swaps: Vec<Swap> = registries.iter().filter_map(Swap::of).collect();
        let config = report.config.clone();
        let Findings {
            file, account, scope, ..
        } = *findings;
        let settings = self.core.settings;
        let observed = Instant::now();
        let newest = self.newest(&config);
        // Before anything is written: all of an older file's run would have to be undone by the next.
        if registries.iter().any(speaks) && newest.is_it_since(observed).await == Ok(false) {
            return false;
        }
        let applier = Applier {
            reader: self.core.reader,
            writer,
            file,
            scope,
            pace: self.core.pace,
            deadline: self.deadline,
            exact,
            newest: &newest,
            observed,
            slots: Slots::default(),
            current: Mutex::default(),
        };
        findings.applied = applier.apply(registries).await;
        if findings.applied.ends.values().any(|end| *end == End::Stale) {
            // Nothing is proven yet, so nothing has earned its place.
            Box::pin(settle(&applier, swaps, &mut removals, findings)).await;
            return false;
        }
        let asked = candidates_after(
            file,
            account,
            &findings.applied,
            before,
            settings.rollback_invalid_rotation,
        );
        findings.proofs = self.prove(asked).await;
        recover(&applier, findings).await;
        for (name, secret_version) in Box::pin(settle(&applier, swaps, &mut removals, findings)).await {
            report.memory.refused.insert(
                name,
                Refused {
                    config: config.clone(),
                    secret_version,
                },
            );
        }
        // What comes too late is not held by anything: it is skipped, and said to be.
        let late = self.deadline.is_near();
        if !late {
            hold_for_new_names(file, &mut removals.left, |name| is_ready(findings, name));
        }
        let mut gone = Vec::new();
        let (mut held, going): (Vec<Left>, Vec<Left>) = removals.left.into_iter().partition(|left| left.held.is_some());
        let mut named: BTreeSet<String> = file.registries.iter().map(|registry| registry.name.clone()).collect();
        let is_own = |left: &&Left| left.marked && left.held.as_ref().is_none_or(|c| c.reason != Reason::OTHER_HOLDER);
        named.extend(
            held.iter()
                .chain(&going)
                .filter(is_own)
                .map(|left| left.registry.clone()),
        );
        if !going.is_empty() {
            match newest.is_it().await {
                Ok(true) => {
                    gone = applier.remove(&going).await;
                    let went = |c: &&Change| c.resource == Resource::Template && c.result == ChangeResult::Applied;
                    gone.iter()
                        .filter(went)
                        .for_each(|change| _ = named.remove(&change.registry));
                }
                Ok(false) => return false,
                Err(cause) => held.extend(going.into_iter().map(|left| Left {
                    held: Some(cause.clone()),
                    ..left
                })),
            }
        }
        removals.left = held;
        report.memory.named = named;
        // A secret that served until now goes only when what serves instead is proven.
        removals
            .orphans
            .retain(|orphan| late || is_ready(findings, &orphan.registry));
        let orphans = applier.remove(&removals.orphans).await;
        removals.orphans.clear();
        findings.applied.changes.extend(gone);
        findings.applied.changes.extend(orphans);
        if !removals.left.is_empty() {
            findings.applied.changes.extend(removals.shown());
            findings.removals = Some(removals);
        }
        true
    }

    /// The rules that have a credential to prove before anything is written. A rule that is held is not ours to
    /// judge; one that is not in the file is asked about when its secret was rotated.
    fn candidates(&self, plans: &[RegistryPlan], account: &Account, order: &Order) -> Vec<Candidate> {
        let rules = &account.snapshot.rules;
        let judged = plans.iter().filter(|plan| !matches!(plan.verdict, Verdict::Held(_)));
        let judged = judged
            .filter_map(|plan| rules.get(&plan.registry))
            .filter(|rule| rule.credential_arn.is_some());
        let mut prefixes: BTreeSet<&str> = judged.map(|rule| rule.prefix.as_str()).collect();
        let mut rotated: BTreeSet<&str> = BTreeSet::new();
        if let Some(change) = &order.secret {
            let using = rules.values().filter(|rule| points_to(rule, change));
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
    let eligible = |name: &str| matches!(account.sights.get(name), Some(Sight::Found(s)) if is_eligible(s, rotations));
    let mut after: BTreeMap<String, Patience> = before.into_iter().map(|c| (c.prefix, c.patience)).collect();
    for registry in &file.registries {
        let name = &registry.name;
        let has_credential = !matches!(registry.credential, config::Credential::None);
        let own = matches!(registry.credential, config::Credential::Given(_));
        match applied.ends.get(name) {
            Some(End::Done { .. }) if !has_credential => _ = after.remove(name),
            Some(End::Done { fresh: true }) => _ = after.insert(name.clone(), Patience::Fresh),
            Some(End::Done { fresh: false }) if after.get(name) == Some(&Patience::Thrice) => {}
            Some(End::Done { fresh: false }) if own && eligible(name) => {
                after.insert(name.clone(), Patience::Thrice);
            }
            Some(End::Done { fresh: false }) => _ = after.insert(name.clone(), Patience::Once),
            Some(End::Held(_)) | None => _ = after.remove(name),
            Some(End::Failed(_) | End::Unfinished | End::Stale) => {}
        }
    }
    after
        .into_iter()
        .map(|(prefix, patience)| Candidate { prefix, patience })
        .collect()
}

/// A rule that is made in the place of another.
struct Swap {
    /// The registry of the file.
    registry: String,
    /// The secret it is planned with.
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
    findings: &mut Findings<'_>,
) -> Vec<(String, Option<String>)> {
    let mut refused = Vec::new();
    for Swap {
        registry: name,
        secret,
        old,
    } in swaps
    {
        let is_rule = |c: &&mut Change| c.registry == name && c.resource == Resource::Rule;
        let is_ready = is_ready(findings, &name);
        let left = removals.left.iter_mut().find(|left| left.registry == old.prefix);
        let Some(change) = findings.applied.changes.iter_mut().rfind(is_rule) else {
            left.into_iter().for_each(|left| left.held = Some(waits_for(&[&name])));
            continue;
        };
        if change.result == ChangeResult::Applied && is_ready {
            let gone = Change::of(&old.prefix, Resource::Rule, Action::Delete, &old.prefix);
            findings.applied.changes.push(gone.with(ChangeResult::Applied));
            left.into_iter()
                .for_each(|left| left.steps.retain(|step| step.resource != Resource::Rule));
            continue;
        }
        left.into_iter().for_each(|left| left.held = Some(waits_for(&[&name])));
        let Some(registry) = findings.file.registries.iter().find(|registry| registry.name == name) else {
            continue;
        };
        if change.result == ChangeResult::Applied {
            let why = match findings.proofs.get(&name) {
                Some(Ok(proof)) if !proof.valid => finish::refused(registry, proof),
                Some(Err(error)) => {
                    let message = format!("the credential could not be checked: {error}");
                    Cause {
                        transient: error.is_transient(),
                        ..Cause::new(Reason::UNCHECKED, message)
                    }
                }
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
            findings.applied.ends.insert(name.clone(), End::Failed(cause));
        }
        if !matches!(change.result, ChangeResult::Failed | ChangeResult::Held) || change.transient {
            continue;
        }
        let Findings { file, scope, .. } = findings;
        // One that cannot be seen is tried again, which does no harm.
        let Ok(view) = observe_again(applier.reader, registry, secret.as_deref(), file, scope.settings).await else {
            continue;
        };
        let current = match &view.sight {
            Sight::Found(secret) => secret.holder(CURRENT).map(str::to_owned),
            _ => None,
        };
        refused.push((name, current));
    }
    refused
}

/// Looks after the own secrets whose credential was refused or is proven for the first time, or whose labels tell of a
/// rollback that was not finished. A verdict is one on the secret and the host of the rule that was asked: of a rule that
/// could not be made as the file says yet, it says nothing.
async fn recover(applier: &Applier<'_>, findings: &mut Findings<'_>) {
    let Findings {
        file,
        account,
        applied,
        proofs,
        ..
    } = findings;
    let rules = &account.snapshot.rules;
    let in_need = file.registries.iter().filter_map(|registry| {
        let name = registry.name.as_str();
        let own = matches!(registry.credential, config::Credential::Given(_));
        let (true, Some(Sight::Found(secret)), Some(Ok(proof))) = (own, account.sights.get(name), proofs.get(name))
        else {
            return None;
        };
        let was_asked = match applied.ends.get(name) {
            Some(End::Done { .. }) => true,
            // Nothing is written of a registry that the stack does not allow.
            Some(End::Failed(cause)) if cause.reason == Reason::NOT_ALLOWED => false,
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
        findings.applied.changes.extend(recovery.changes);
        findings.file_refused.insert(name.clone(), recovery.file_refused);
        if let Some(proof) = recovery.proof {
            findings.proofs.insert(name, proof);
        }
    }
}

/// What this run has taken away claims no repository any more.
fn without_removed(snapshot: &Snapshot, changes: &[Change]) -> Snapshot {
    let mut snapshot = snapshot.clone();
    let removed = changes
        .iter()
        .filter(|c| c.action == Action::Delete && c.result == ChangeResult::Applied);
    for change in removed {
        match change.resource {
            Resource::Rule => drop(snapshot.rules.remove(&change.registry)),
            Resource::Template => drop(snapshot.templates.remove(&change.registry)),
            _ => {}
        }
    }
    snapshot
}

/// Whether all steps of a registry were taken, and its credential is proven or not needed.
fn is_ready(findings: &Findings<'_>, registry: &str) -> bool {
    let done = matches!(findings.applied.ends.get(registry), Some(End::Done { .. }));
    let proven = matches!(findings.proofs.get(registry), Some(Ok(proof)) if proof.valid);
    let open = findings
        .file
        .registries
        .iter()
        .any(|r| r.name == registry && matches!(r.credential, config::Credential::None));
    done && (proven || open)
}
