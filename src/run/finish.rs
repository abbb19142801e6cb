//! From what was found and done to the report's registries, changes, outcome and sentence.

use std::collections::BTreeMap;

use super::{Order, planned};
use crate::account::{Account, AwsError, Proof, Rule, Sight};
use crate::apply::{Applied, End, orphan_change};
use crate::config::{self, File, Problem, Rejected};
use crate::home::Home;
use crate::plan::{Action, Left, Plan, Resource, Verdict};
use crate::policy::{REPOSITORY_POLICY_MAX, repository_policy};
use crate::report::{Change, ChangeResult, CredentialState, RegistryReport, Report, State, judge};
use crate::trigger::Mode;

/// What a run over an accepted file has found and done.
pub struct Findings<'a> {
    /// The file.
    pub file: &'a File,
    /// The account as it was before.
    pub account: &'a Account,
    /// What came of the plan; of one that was only shown, what it says.
    pub applied: Applied,
    /// What ECR said of the credentials.
    pub proofs: BTreeMap<String, Result<Proof, AwsError>>,
    /// Registries the file does not name any more.
    pub left: Vec<Left>,
}

impl Findings<'_> {
    /// Fills the report in. Says whether another try may go better.
    pub fn into_report(self, report: &mut Report, home: &Home) -> bool {
        let mut transient = self.applied.changes.iter().any(|change| change.transient);
        for registry in &self.file.registries {
            let name = &registry.name;
            let end = self.applied.ends.get(name).cloned().unwrap_or(End::Unfinished);
            let needs_credential = !matches!(registry.credential, config::Credential::None);
            let (credential, doubt) = match self.proofs.get(name) {
                _ if !needs_credential => (CredentialState::None, None),
                None => (CredentialState::Unchecked, None),
                Some(Ok(proof)) if proof.valid => (CredentialState::Valid, None),
                Some(Ok(proof)) => (CredentialState::Invalid, Some(refused(registry, proof))),
                Some(Err(error)) => {
                    transient |= error.is_transient();
                    (CredentialState::Unchecked, Some(format!("the credential could not be checked: {error}")))
                }
            };
            transient |= matches!(end, End::Failed { transient: true, .. } | End::Unfinished);
            let planned = self.applied.changes.iter().filter(|c| c.registry == *name);
            let planned = planned.filter(|c| c.result == ChangeResult::Planned).count();
            let (state, message) = match (end, doubt) {
                (End::Held(reason), _) => (State::Held, Some(reason)),
                (End::Failed { reason, .. }, _) => (State::Failed, Some(reason)),
                (End::Unfinished, _) => (State::Failed, Some("not finished before Lambda's deadline".into())),
                (End::Done { .. }, Some(doubt)) => (State::Failed, Some(doubt)),
                (End::Done { .. }, None) if planned > 0 => {
                    (State::Planned, Some(format!("{planned} changes to apply")))
                }
                (End::Done { .. }, None) if credential == CredentialState::Unchecked => {
                    (State::Planned, Some("nothing to change; a plan does not ask ECR to prove the credential".into()))
                }
                (End::Done { .. }, None) => (State::Ready, None),
            };
            let url = home.pull_url(name);
            report.pull_through_cache_urls.insert(name.clone(), format!("{url}/your_image:tag"));
            let upstream = registry.upstream.host.clone();
            let line = RegistryReport { state, upstream, url, credential, message, since: None };
            report.registries.insert(name.clone(), line);
        }
        report.changes = self.applied.changes;
        for left in &self.left {
            hold(report, left, home);
        }
        (report.outcome, report.message) = judge(report);
        transient
    }
}

/// What ECR said, without the token should it be in there.
fn refused(registry: &config::Registry, proof: &Proof) -> String {
    let said = match &registry.credential {
        config::Credential::Given(credential) => credential.redact(&proof.failure),
        _ => proof.failure.clone(),
    };
    format!("{} refuses the credential: {said}", registry.upstream.host)
}

/// A registry that left the file keeps working until its deletion is part of this product.
fn hold(report: &mut Report, left: &Left, home: &Home) {
    let reason = "the file does not name this registry any more; it is kept as it is, since this version deletes no \
                  registries: put it back into the file, or delete its rule and template by hand";
    let mut resources = Vec::new();
    if left.upstream.is_some() {
        resources.push((Resource::Rule, left.registry.as_str()));
    }
    resources.extend(left.secrets.iter().map(|name| (Resource::Secret, name.as_str())));
    resources.push((Resource::Template, &left.registry));
    for (resource, id) in resources {
        let change = Change::of(&left.registry, resource, Action::Delete, id);
        report.changes.push(change.with(ChangeResult::Held).because(reason.into()));
    }
    let line = RegistryReport {
        state: State::Held,
        upstream: left.upstream.clone().unwrap_or_default(),
        url: home.pull_url(&left.registry),
        credential: CredentialState::Unchecked,
        message: Some(reason.into()),
        since: None,
    };
    report.registries.insert(left.registry.clone(), line);
}

/// A plan that is not applied: its steps as they would be.
pub(super) fn shown(plan: Plan) -> Applied {
    let mut applied = Applied::default();
    for registry in plan.registries {
        let name = &registry.registry;
        let end = match registry.verdict {
            Verdict::Go => {
                applied.changes.extend(registry.steps.iter().map(|step| planned(name, step)));
                End::Done { fresh: false }
            }
            Verdict::Held(reason) => {
                let held = registry.steps.iter().map(|step| planned(name, step).with(ChangeResult::Held));
                applied.changes.extend(held.map(|change| change.because(reason.clone())));
                End::Held(reason)
            }
            Verdict::Refused { resource, id, reason, transient } => {
                applied.changes.push(Change::refused(name, resource, &id, &reason));
                End::Failed { reason, transient }
            }
        };
        applied.ends.insert(registry.registry, end);
    }
    applied.changes.extend(plan.orphans.iter().map(orphan_change));
    applied
}

/// The last check of a file: documents that only show their length with the account's root in them.
pub(super) fn fits(file: File, home: &Home) -> Result<File, Rejected> {
    let too_long = file.registries.iter().filter_map(|registry| {
        let length = repository_policy(home, &registry.read_access).chars().count();
        (length > REPOSITORY_POLICY_MAX).then(|| Problem {
            registry: Some(registry.name.clone()),
            line: Some(registry.line),
            column: Some(registry.column),
            message: format!(
                "repository_read_access_arns makes a repository policy of {length} characters, and ECR takes \
                 {REPOSITORY_POLICY_MAX}: name fewer principals, such as account roots instead of roles"
            ),
        })
    });
    let errors: Vec<Problem> = too_long.collect();
    if errors.is_empty() { Ok(file) } else { Err(Rejected { errors, warnings: file.warnings }) }
}

/// A rotation that failed left the secret as it was; the people who run it should look at their rotation function.
pub(super) fn rotation_failed(order: &Order, account: &Account) -> Option<Problem> {
    let change = order.secret.as_ref()?;
    let said = change.failed.as_ref()?;
    let uses = |sight: &Sight| matches!(sight, Sight::Found(secret) if change.refers_to(&secret.name));
    let registry = account.sights.iter().find(|(_, sight)| uses(sight)).map(|(name, _)| name.clone());
    Some(Problem {
        registry,
        line: None,
        column: None,
        message: format!(
            "the rotation of {} failed, and its value is the one before: {said}. Look at the log of the secret's \
             rotation function",
            change.name
        ),
    })
}

/// The credentials of the marked rules, where the file itself is refused.
pub(super) fn prove_marked<'a>(
    report: &mut Report,
    rules: impl Iterator<Item = &'a Rule>,
    proofs: &BTreeMap<String, Result<Proof, AwsError>>,
    home: &Home,
) -> bool {
    let mut transient = false;
    for rule in rules {
        let (state, credential, message) = match proofs.get(&rule.prefix) {
            None => (State::Ready, CredentialState::None, None),
            Some(Ok(proof)) if proof.valid => (State::Ready, CredentialState::Valid, None),
            Some(Ok(proof)) => {
                let message = format!("{} refuses the credential: {}", rule.upstream_url, proof.failure);
                (State::Failed, CredentialState::Invalid, Some(message))
            }
            Some(Err(error)) => {
                transient |= error.is_transient();
                let message = format!("the credential could not be checked: {error}");
                (State::Failed, CredentialState::Unchecked, Some(message))
            }
        };
        let (upstream, url) = (rule.upstream_url.clone(), home.pull_url(&rule.prefix));
        report
            .registries
            .insert(rule.prefix.clone(), RegistryReport { state, upstream, url, credential, message, since: None });
    }
    debug_assert!(matches!(report.mode, Mode::Apply | Mode::Validate));
    transient
}
