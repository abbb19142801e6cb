//! What came of a plan, registry by registry, and the results that a report shows of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::changed_secret::{copying, points_to};
use super::{RunRequest, Stale};
use crate::account::{
    Account, AwsError, CONFIGURED, Proof, Rule, SecretState, Snapshot, SourceState, VersionValue, wanted,
};
use crate::apply::{Applied, RegistryOutcome};
use crate::cause::{Cause, Reason};
use crate::existing::ExistingResult;
use crate::expiry;
use crate::home::Home;
use crate::plan::rollback::is_file_refused;
use crate::plan::{Action, Plan, Removal, Resource, Scope, Step, Verdict, is_of_file, is_of_file_after, words};
use crate::report::{
    Change, ChangeResult, CredentialState, Expires, Memory, Outcome, RegistryReport, Results, State, Warm,
};
use crate::timing::Deadline;
use crate::trigger::{Mode, SecretChange};
use crate::warm;
use config::{Code, File, Problem};

/// What ECR said of the credentials, by registry.
pub(super) type Proofs = BTreeMap<String, Result<Proof, AwsError>>;

/// A plan and what came of it: applied, or only shown.
pub(super) struct RunState<'a> {
    pub file: &'a File,
    pub account: &'a Account,
    /// What registries have copied, as it was when it was read last.
    pub sources: BTreeMap<String, SourceState>,
    /// What the plan was made for.
    pub scope: Scope<'a>,
    /// The changes and how each registry ended; of a plan that is only shown, what it says.
    pub applied: Applied,
    pub proofs: Proofs,
    /// What the file does not name any more and is still there.
    pub left: Vec<Removal>,
    /// Of the registries whose labels were read again after the proofs: whether the file's value is refused and not current.
    pub file_refused: BTreeMap<String, bool>,
    /// Of the same: whether the current version holds what the file says.
    pub of_file: BTreeMap<String, bool>,
    /// What the next runs are to know.
    pub memory: Memory,
    /// What came of the images that are to be warm, by registry; `None` where the run did not look after them.
    pub warm: Option<BTreeMap<String, Warm>>,
}

/// What is said of a registry that the deadline kept from being finished.
fn unfinished(deadline: &Deadline) -> Cause {
    Cause::for_now(Reason::DEADLINE, format!("not finished before {}", deadline.what()))
}

impl<'a> RunState<'a> {
    pub fn new(file: &'a File, account: &'a Account, scope: Scope<'a>, memory: Memory) -> Self {
        Self {
            file,
            account,
            sources: account.sources.clone(),
            scope,
            applied: Applied::default(),
            proofs: Proofs::new(),
            left: Vec::new(),
            file_refused: BTreeMap::new(),
            of_file: BTreeMap::new(),
            memory,
            warm: None,
        }
    }

    /// The same with a plan that is not applied: its steps as they would be.
    pub fn showing(mut self, plan: Plan) -> Self {
        let planned =
            |name: &str, step: &Step| Change::new(name, step, ChangeResult::Planned).differing(step.diff.clone());
        let Applied { changes, outcomes } = &mut self.applied;
        for registry in plan.registries {
            let name = &registry.registry;
            let end = match registry.verdict {
                Verdict::Go => {
                    changes.extend(registry.steps.iter().map(|step| planned(name, step)));
                    RegistryOutcome::Done { fresh: false }
                }
                Verdict::Held(cause) => {
                    let held = |step| planned(name, step).with(ChangeResult::Held).because(&cause);
                    changes.extend(registry.steps.iter().map(held));
                    RegistryOutcome::Held(cause)
                }
                Verdict::Refused {
                    resource,
                    action,
                    id,
                    cause,
                } => {
                    changes.push(Change::refused(name, resource, action, &id, &cause));
                    RegistryOutcome::Failed(cause)
                }
            };
            outcomes.insert(registry.registry, end);
        }
        changes.extend(plan.removals.shown());
        self.left = plan.removals.left;
        self
    }

    /// Whether another try may go better.
    pub fn is_transient(&self) -> bool {
        let of_registry = |registry: &config::Registry| {
            let end = self.applied.outcomes.get(&registry.name);
            let proof = self.proofs.get(&registry.name);
            matches!(
                end,
                None | Some(RegistryOutcome::Failed(Cause { transient: true, .. }) | RegistryOutcome::Unfinished)
            ) || matches!(proof, Some(Err(error)) if error.is_transient())
        };
        self.applied.changes.iter().any(|change| change.transient) || self.file.registries.iter().any(of_registry)
    }

    /// Whether the registry waits for somebody to decide.
    pub fn is_held(&self, registry: &str) -> bool {
        matches!(self.applied.outcomes.get(registry), Some(RegistryOutcome::Held(_)))
    }

    /// Whether all steps of a registry were taken, and its credential is proven or not needed.
    pub fn is_ready(&self, registry: &str) -> bool {
        let done = matches!(self.applied.outcomes.get(registry), Some(RegistryOutcome::Done { .. }));
        let proven = matches!(self.proofs.get(registry), Some(Ok(proof)) if proof.valid);
        let of_file = self.file.registries.iter().find(|r| r.name == registry);
        done && (proven || of_file.is_some_and(|r| matches!(r.credential, config::CredentialSource::None)))
    }

    /// The account's rules and templates without what this run has deleted, which claims no repository any more.
    pub fn snapshot_after(&self) -> Snapshot {
        let mut snapshot = self.account.snapshot.clone();
        let is_gone = |c: &&Change| c.action == Action::Delete && c.result == ChangeResult::Applied;
        for change in self.applied.changes.iter().filter(is_gone) {
            match change.resource {
                Resource::Rule => drop(snapshot.rules.remove(&change.registry)),
                Resource::Template => drop(snapshot.templates.remove(&change.registry)),
                _ => {}
            }
        }
        snapshot
    }

    /// Where a newer file has come: what was done until then.
    pub fn stale(self) -> Stale {
        Stale {
            named: self.memory.named,
            changes: self.applied.changes,
        }
    }

    /// What the report shows of it all.
    pub fn into_results(
        self,
        request: &RunRequest,
        mode: Mode,
        existing: ExistingResult,
        mut warnings: Vec<Problem>,
        deadline: &Deadline,
        now: Timestamp,
    ) -> Results {
        let home = self.scope.home;
        let mut results = Results::default();
        for registry in &self.file.registries {
            let name = &registry.name;
            let url = home.pull_url(name);
            let urls = &mut results.pull_through_cache_urls;
            urls.insert(name.clone(), format!("{url}/your_image:tag"));
            let expires = self.expires(registry, now);
            let within = self.scope.settings.expiry_warning_days;
            let secret_state = self.account.secret_states.get(name);
            let source = self.sources.get(name);
            warnings.extend(expiry::warnings(
                registry,
                secret_state,
                source,
                expires.as_ref(),
                within,
                now,
            ));
            let warm = self.warm.as_ref().and_then(|warm| warm.get(name)).cloned();
            warnings.extend(warm.iter().flat_map(|warm| warm::mismatches(registry, warm)));
            let report = RegistryReport {
                expires,
                warm,
                ..self.registry(registry, url, deadline)
            };
            results.registries.insert(name.clone(), report);
        }
        for left in &self.left {
            results
                .registries
                .insert(left.registry.clone(), self.leaving(left, home));
        }
        warnings.extend(self.strangers());
        warnings.extend(existing.warning());
        let verdict = request.secret.as_ref().map(|change| self.verdict(change));
        results.elsewhere.clone_from(&self.file.elsewhere);
        results.warnings = warnings;
        results.memory = self.memory;
        results.warmed = self.warm.is_some();
        results.changes = self.applied.changes;
        let mut results = existing.add_to(results, mode).judged(mode);
        if deadline.is_asked_for() && results.outcome == Outcome::Partial {
            results.message = format!("interrupted; {}", results.message);
        }
        if let Some(verdict) = verdict {
            results.message = format!("{verdict}; {}", results.message);
        }
        results
    }

    fn registry(&self, registry: &config::Registry, url: String, deadline: &Deadline) -> RegistryReport {
        let name = &registry.name;
        let (credential, doubt) = self.credential(registry);
        let doubt = doubt.or_else(|| self.undone(name, deadline));
        let planned = self.applied.changes.iter().filter(|c| c.registry == *name);
        let planned = planned.filter(|c| c.result == ChangeResult::Planned).count();
        let part = registry.served_part().map(str::to_owned);
        let report = |state| RegistryReport::new(state, credential, &registry.upstream.host, url).of_part(part);
        match (self.applied.outcomes.get(name), doubt) {
            (Some(RegistryOutcome::Held(cause)), _) => report(State::Held).because(cause.clone()),
            (Some(RegistryOutcome::Failed(cause)), _) => report(State::Failed).because(cause.clone()),
            (Some(RegistryOutcome::Done { .. }), Some(cause)) => report(State::Failed).because(cause),
            (None | Some(RegistryOutcome::Unfinished | RegistryOutcome::Stale), _) => {
                report(State::Failed).because(unfinished(deadline))
            }
            (Some(RegistryOutcome::Done { .. }), None) if planned > 0 => {
                report(State::Planned).saying(changes_to_apply(planned))
            }
            (Some(RegistryOutcome::Done { .. }), None) if credential == CredentialState::Unchecked => {
                let message = "nothing to change; a plan does not ask ECR to prove the credential";
                report(State::Planned).saying(message.to_owned())
            }
            (Some(RegistryOutcome::Done { .. }), None) => report(State::Ready),
        }
    }

    /// When a registry's credential lapses.
    fn expires(&self, registry: &config::Registry, now: Timestamp) -> Option<Expires> {
        let name = &registry.name;
        let secret = match self.account.secret_states.get(name) {
            Some(SecretState::Found(secret)) => Some(secret.as_ref()),
            _ => None,
        };
        expiry::expires(registry, secret, self.sources.get(name), self.is_of_file(registry), now)
    }

    /// Whether the version that ECR reads holds what the file says, or what its source holds.
    fn is_of_file(&self, registry: &config::Registry) -> bool {
        let name = &registry.name;
        let is_written = |c: &Change| {
            let is_done = matches!(c.result, ChangeResult::Applied | ChangeResult::Planned);
            c.registry == *name && c.resource == Resource::Secret && is_done
        };
        match (self.of_file.get(name), self.account.secret_states.get(name)) {
            (Some(is_of_file), _) => *is_of_file,
            _ if self.applied.changes.iter().any(is_written) => {
                is_of_file_after(registry, &self.account.view(name), self.scope)
            }
            // What another file said, or the source held before, may be current still.
            (None, Some(SecretState::Found(secret))) => {
                let said = wanted(registry, self.sources.get(&registry.name))
                    .cloned()
                    .map(VersionValue::Credential);
                is_of_file(secret) && secret.labelled(CONFIGURED) == said.as_ref()
            }
            (None, _) => false,
        }
    }

    /// What is known of a registry's credential, and what keeps it from being ready.
    fn credential(&self, registry: &config::Registry) -> (CredentialState, Option<Cause>) {
        if matches!(registry.credential, config::CredentialSource::None) {
            return (CredentialState::None, None);
        }
        if self.is_file_refused(registry) {
            let host = &registry.upstream.host;
            let (reason, instead) = match self.proofs.get(&registry.name) {
                Some(Ok(proof)) if !proof.valid => {
                    (Reason::NOTHING_VALID, format!("is refused as well: {}", proof.failure))
                }
                Some(Err(error)) => (Reason::REFUSED, format!("could not be checked: {error}")),
                _ => (Reason::REFUSED, "is proven".into()),
            };
            let source = self.sources.get(&registry.name);
            let (said, place) = match (&registry.credential, source) {
                (config::CredentialSource::From(from), _) => (words(source), format!("secret {}", from.name())),
                _ => (words(None), "file".to_owned()),
            };
            let message = format!(
                "{host} refused {said}, which is not current; what serves instead {instead}. Write a credential that works \
                 into the {place}"
            );
            return (CredentialState::Invalid, Some(Cause::new(reason, message)));
        }
        match self.proofs.get(&registry.name) {
            None => (CredentialState::Unchecked, None),
            Some(Ok(proof)) if proof.valid => (CredentialState::Valid, None),
            Some(Ok(proof)) => (CredentialState::Invalid, Some(refused(&registry.upstream.host, proof))),
            Some(Err(error)) => (CredentialState::Unchecked, Some(unchecked(error))),
        }
    }

    /// What of a registry was not done beside its own steps: its secret that nothing uses any more is still there.
    fn undone(&self, registry: &str, deadline: &Deadline) -> Option<Cause> {
        let of_it = self.applied.changes.iter().filter(|change| change.registry == registry);
        let mut undone = of_it.filter(|c| matches!(c.result, ChangeResult::Failed | ChangeResult::Skipped));
        undone.next().map(|change| match (&change.reason, &change.error) {
            (Some(reason), Some(message)) => Cause::new(reason.clone(), message.clone()),
            _ => unfinished(deadline),
        })
    }

    /// As the labels are after this run, or were before it where it had no need to look again.
    fn is_file_refused(&self, registry: &config::Registry) -> bool {
        // Where the source cannot be copied, what was copied from it before is not what is wanted.
        let Some(said) = wanted(registry, self.sources.get(&registry.name)) else {
            return false;
        };
        let before = match self.account.secret_states.get(&registry.name) {
            Some(SecretState::Found(secret)) if is_file_refused(secret) => {
                secret.labelled(CONFIGURED) == Some(&VersionValue::Credential(said.clone()))
            }
            _ => false,
        };
        self.file_refused.get(&registry.name).copied().unwrap_or(before)
    }

    /// A registry that the file does not name any more and that is still there.
    fn leaving(&self, left: &Removal, home: &Home) -> RegistryReport {
        let credential = match self.proofs.get(&left.registry) {
            Some(Ok(proof)) if proof.valid => CredentialState::Valid,
            Some(Ok(_)) => CredentialState::Invalid,
            _ => CredentialState::Unchecked,
        };
        let upstream = left.hosts.first().map(String::as_str).unwrap_or_default();
        let url = home.pull_url(&left.registry);
        let report = |state| RegistryReport::new(state, credential, upstream, url);
        match &left.held {
            Some(cause) => report(State::Held).because(cause.clone()),
            None if self.file.elsewhere.contains(&left.registry) => {
                report(State::Planned).saying("to be deleted: the file has it for other stacks (`only`)".to_owned())
            }
            None => report(State::Planned).saying("to be deleted: the file does not name it any more".to_owned()),
        }
    }

    fn verdict_on_copy(&self, registry: &config::Registry) -> CopyVerdict {
        let name = &registry.name;
        let is_done = matches!(self.applied.outcomes.get(name), Some(RegistryOutcome::Done { .. }));
        match self.proofs.get(name) {
            _ if self.is_file_refused(registry) => CopyVerdict::Invalid,
            _ if !is_done || wanted(registry, self.sources.get(&registry.name)).is_none() => CopyVerdict::NotCopied,
            _ if !self.is_of_file(registry) => CopyVerdict::NotCurrent,
            Some(Ok(proof)) if proof.valid => CopyVerdict::Valid,
            Some(Ok(_)) => CopyVerdict::Invalid,
            _ => CopyVerdict::Unchecked,
        }
    }

    /// Rules that are not in the file and use a secret that was rotated: theirs is a warning, not a registry.
    fn strangers(&self) -> Vec<Problem> {
        let named: BTreeSet<&str> = self.file.registries.iter().map(|r| r.name.as_str()).collect();
        let refused = self.proofs.iter().filter_map(|(prefix, proof)| match proof {
            Ok(proof) if !proof.valid && !named.contains(prefix.as_str()) => {
                let message = format!(
                    "this rule is not in the file, and its upstream refuses the credential: {}",
                    proof.failure
                );
                Some(Problem::unplaced(Code::FOREIGN_RULE_REFUSED, Some(prefix), message))
            }
            _ => None,
        });
        refused.collect()
    }

    /// The verdict on a secret whose change was the reason of the run: its name, the version and what ECR said.
    fn verdict(&self, change: &SecretChange) -> String {
        let of_copies = copying(self.file, change).map(|registry| self.verdict_on_copy(registry));
        if let Some(worst) = of_copies.max() {
            let mut sources = copying(self.file, change).filter_map(|registry| self.sources.get(&registry.name));
            let read = sources.find_map(|source| Some(source.as_ref().ok()?.version.as_str()));
            let version = read.or(change.version_id.as_deref());
            let version = version
                .map(|version| format!(", version {version}"))
                .unwrap_or_default();
            return format!("{}{version} ({}): {}", change.name, change.event, worst.as_str());
        }
        let (proofs, rules) = (&self.proofs, &self.account.snapshot.rules);
        // The last proof may be that of the version before.
        let rolled_back = |registry: &str| {
            let mut rollbacks = self
                .applied
                .changes
                .iter()
                .filter(|c| c.action == Action::Rollback && c.registry == registry);
            rollbacks.any(|change| change.result == ChangeResult::Applied)
        };
        let using = rules.values().filter(|rule| points_to(rule, change));
        let mut said: Vec<&str> = using
            .map(|rule| match proofs.get(&rule.prefix) {
                _ if rolled_back(&rule.prefix) => "invalid, and rolled back",
                Some(Ok(proof)) if proof.valid => "valid",
                Some(Ok(_)) => "invalid",
                _ => "unchecked",
            })
            .collect();
        said.sort_unstable();
        said.dedup();
        let version = change
            .version_id
            .as_deref()
            .map(|version| format!(", version {version}"))
            .unwrap_or_default();
        let said = if said.is_empty() {
            "no rule uses it yet".to_owned()
        } else {
            said.join(" and ")
        };
        format!("secret {}{version} ({}): {said}", change.name, change.event)
    }
}

/// What became of a source's value in one registry, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CopyVerdict {
    Valid,
    /// Kept beside a version of the registry's own secret that somebody put later.
    NotCurrent,
    Unchecked,
    NotCopied,
    Invalid,
}

impl CopyVerdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::NotCurrent => "kept beside a value that somebody put later",
            Self::Unchecked => "unchecked",
            Self::NotCopied => "not copied",
            Self::Invalid => "invalid",
        }
    }
}

fn changes_to_apply(n: usize) -> String {
    if n == 1 {
        "1 change to apply".into()
    } else {
        format!("{n} changes to apply")
    }
}

pub(super) fn refused(host: &str, proof: &Proof) -> Cause {
    Cause::new(
        Reason::REFUSED,
        format!("{host} refuses the credential: {}", proof.failure),
    )
}

pub(super) fn unchecked(error: &AwsError) -> Cause {
    Cause {
        transient: error.is_transient(),
        ..Cause::new(
            Reason::UNCHECKED,
            format!("the credential could not be checked: {error}"),
        )
    }
}

/// The credentials of the rules that carry our mark, where the file itself is refused. Says whether another try may go better.
pub(super) fn marked_rule(rule: &Rule, proofs: &Proofs, home: &Home) -> (RegistryReport, bool) {
    let report = |state, credential| {
        RegistryReport::new(state, credential, &rule.upstream_url, home.pull_url(&rule.prefix))
            .of_part(rule.upstream_prefix.clone())
    };
    match proofs.get(&rule.prefix) {
        None => (report(State::Ready, CredentialState::None), false),
        Some(Ok(proof)) if proof.valid => (report(State::Ready, CredentialState::Valid), false),
        Some(Ok(proof)) => {
            let cause = refused(&rule.upstream_url, proof);
            (report(State::Failed, CredentialState::Invalid).because(cause), false)
        }
        Some(Err(error)) => {
            let report = report(State::Failed, CredentialState::Unchecked).because(unchecked(error));
            (report, error.is_transient())
        }
    }
}
