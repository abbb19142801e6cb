//! From what was found and done to the report's registries, changes, outcome and sentence.

use std::collections::{BTreeMap, BTreeSet};

use super::repositories::Reached;
use super::work::Proofs;
use super::{Order, points_to};
use crate::account::{Account, Binding, CONFIGURED, Proof, Rule, Sight, VersionValue};
use crate::apply::{Applied, End};
use crate::cause::{Cause, Reason};
use crate::config::{self, File, Problem, Rejected};
use crate::home::Home;
use crate::ownership::UPSTREAM_TAG;
use crate::pace::Deadline;
use crate::plan::rollback::is_file_refused;
use crate::plan::{Action, Left, Plan, Removals, Scope, Step, Verdict};
use crate::policy::{REPOSITORY_POLICY_MAX, repository_policy};
use crate::report::{Change, ChangeResult, CredentialState, Outcome, RegistryReport, Report, State, judge};
use crate::trigger::{Mode, Portion, SecretChange};

/// What a run over an accepted file has found and done.
pub(super) struct Findings<'a> {
    /// The file.
    pub file: &'a File,
    /// The account as it was before.
    pub account: &'a Account,
    /// What the plan was made for.
    pub scope: Scope<'a>,
    /// What came of the plan; of one that was only shown, what it says.
    pub applied: Applied,
    /// What ECR said of the credentials.
    pub proofs: Proofs,
    /// What is to go, where it was not, or not yet, taken away.
    pub removals: Option<Removals>,
    /// Of the registries whose labels were looked at after the proofs: whether the file's value is refused and not current.
    pub file_refused: BTreeMap<String, bool>,
    /// Repositories that exist already.
    pub reached: Reached,
}

impl<'a> Findings<'a> {
    pub fn new(file: &'a File, account: &'a Account, scope: Scope<'a>) -> Self {
        let (applied, proofs) = (Applied::default(), Proofs::new());
        Self {
            file,
            account,
            scope,
            applied,
            proofs,
            removals: None,
            file_refused: BTreeMap::new(),
            reached: Reached::default(),
        }
    }

    /// Fills the report in. Says whether another try may go better, and what the queue is to have.
    pub fn into_report(
        self,
        report: &mut Report,
        order: &Order,
        home: &Home,
        deadline: &Deadline,
    ) -> (bool, Vec<Portion>) {
        let unfinished = Cause::for_now(Reason::DEADLINE, format!("not finished before {}", deadline.what()));
        let mut transient = self.reached.transient || self.applied.changes.iter().any(|change| change.transient);
        for registry in &self.file.registries {
            let name = &registry.name;
            let end = self.applied.ends.get(name).cloned().unwrap_or(End::Unfinished);
            transient |= matches!(end, End::Failed(Cause { transient: true, .. }) | End::Unfinished);
            transient |= matches!(self.proofs.get(name), Some(Err(error)) if error.is_transient());
            let (credential, doubt) = self.credential(registry);
            let doubt = doubt.or_else(|| self.undone(name, &unfinished));
            let planned = self.applied.changes.iter().filter(|c| c.registry == *name);
            let planned = planned.filter(|c| c.result == ChangeResult::Planned).count();
            let (state, reason, message) = match (end, doubt) {
                (End::Held(cause), _) => (State::Held, Some(cause.reason), Some(cause.message)),
                (End::Failed(cause), _) | (End::Done { .. }, Some(cause)) => {
                    (State::Failed, Some(cause.reason), Some(cause.message))
                }
                (End::Unfinished | End::Stale, _) => (
                    State::Failed,
                    Some(unfinished.reason.clone()),
                    Some(unfinished.message.clone()),
                ),
                (End::Done { .. }, None) if planned > 0 => (State::Planned, None, Some(changes_to_apply(planned))),
                (End::Done { .. }, None) if credential == CredentialState::Unchecked => {
                    let message = "nothing to change; a plan does not ask ECR to prove the credential";
                    (State::Planned, None, Some(message.into()))
                }
                (End::Done { .. }, None) => (State::Ready, None, None),
            };
            let url = home.pull_url(name);
            report
                .pull_through_cache_urls
                .insert(name.clone(), format!("{url}/your_image:tag"));
            let upstream = registry.upstream.host.clone();
            let line = RegistryReport {
                state,
                upstream,
                url,
                credential,
                existing_repositories: None,
                message,
                reason,
                since: None,
            };
            report.registries.insert(name.clone(), line);
        }
        if let Some(removals) = &self.removals {
            for left in &removals.left {
                report
                    .registries
                    .insert(left.registry.clone(), self.leaving(left, home));
            }
        }
        let strangers = self.strangers();
        report.warnings.extend(strangers);
        report.changes = self.applied.changes;
        let portions = self.reached.into_report(report);
        (report.outcome, report.message) = judge(report);
        if deadline.is_asked_for() && report.outcome == Outcome::Partial {
            report.message = format!("interrupted; {}", report.message);
        }
        if let Some(change) = &order.secret {
            report.message = format!(
                "{}; {}",
                verdict(change, self.account, &self.proofs, &report.changes),
                report.message
            );
        }
        (transient, portions)
    }

    /// What is known of a registry's credential, and what keeps it from being ready.
    fn credential(&self, registry: &config::Registry) -> (CredentialState, Option<Cause>) {
        if matches!(registry.credential, config::Credential::None) {
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
            let message = format!(
                "{host} refused the credential of the file, which is not current; what serves instead {instead}. Write a \
                 credential that works into the file"
            );
            return (CredentialState::Invalid, Some(Cause::new(reason, message)));
        }
        match self.proofs.get(&registry.name) {
            None => (CredentialState::Unchecked, None),
            Some(Ok(proof)) if proof.valid => (CredentialState::Valid, None),
            Some(Ok(proof)) => (CredentialState::Invalid, Some(refused(registry, proof))),
            Some(Err(error)) => {
                let message = format!("the credential could not be checked: {error}");
                (CredentialState::Unchecked, Some(Cause::new(Reason::UNCHECKED, message)))
            }
        }
    }

    /// What of a registry was not done beside its own steps: its secret that nothing uses any more is still there.
    fn undone(&self, registry: &str, unfinished: &Cause) -> Option<Cause> {
        let of_it = self.applied.changes.iter().filter(|change| change.registry == registry);
        let mut undone = of_it.filter(|c| matches!(c.result, ChangeResult::Failed | ChangeResult::Skipped));
        undone.next().map(|change| match (&change.reason, &change.error) {
            (Some(reason), Some(message)) => Cause::new(reason.clone(), message.clone()),
            _ => unfinished.clone(),
        })
    }

    /// As the labels are after this run, or were before it where it had no need to look again.
    fn is_file_refused(&self, registry: &config::Registry) -> bool {
        let config::Credential::Given(credential) = &registry.credential else {
            return false;
        };
        let before = match self.account.sights.get(&registry.name) {
            Some(Sight::Found(secret)) if is_file_refused(secret) => {
                secret.labelled(CONFIGURED) == Some(&VersionValue::Credential(credential.clone()))
            }
            _ => false,
        };
        self.file_refused.get(&registry.name).copied().unwrap_or(before)
    }

    /// A registry that the file does not name any more and that is still there.
    fn leaving(&self, left: &Left, home: &Home) -> RegistryReport {
        let (state, reason, message) = match &left.held {
            Some(cause) => (State::Held, Some(cause.reason.clone()), cause.message.clone()),
            None => (
                State::Planned,
                None,
                "to be deleted: the file does not name it any more".into(),
            ),
        };
        let credential = match self.proofs.get(&left.registry) {
            Some(Ok(proof)) if proof.valid => CredentialState::Valid,
            Some(Ok(_)) => CredentialState::Invalid,
            _ => CredentialState::Unchecked,
        };
        let upstream = left.hosts.first().cloned().unwrap_or_default();
        let url = home.pull_url(&left.registry);
        RegistryReport {
            state,
            upstream,
            url,
            credential,
            existing_repositories: None,
            message: Some(message),
            reason,
            since: None,
        }
    }

    /// Rules that are not in the file and use a secret that was rotated: theirs is a warning, not a registry.
    fn strangers(&self) -> Vec<Problem> {
        let named: BTreeSet<&str> = self.file.registries.iter().map(|r| r.name.as_str()).collect();
        let refused = self.proofs.iter().filter_map(|(prefix, proof)| match proof {
            Ok(proof) if !proof.valid && !named.contains(prefix.as_str()) => Some(Problem {
                registry: Some(prefix.clone()),
                line: None,
                column: None,
                message: format!(
                    "this rule is not in the file, and its upstream refuses the credential: {}",
                    proof.failure
                ),
            }),
            _ => None,
        });
        refused.collect()
    }
}

fn changes_to_apply(n: usize) -> String {
    if n == 1 {
        "1 change to apply".into()
    } else {
        format!("{n} changes to apply")
    }
}

/// The verdict on a secret whose change was the reason of the run: its name, the version and what ECR said.
fn verdict(change: &SecretChange, account: &Account, proofs: &Proofs, changes: &[Change]) -> String {
    // The last proof may be that of the version before.
    let rolled_back = |registry: &str| {
        let mut rollbacks = changes
            .iter()
            .filter(|c| c.action == Action::Rollback && c.registry == registry);
        rollbacks.any(|change| change.result == ChangeResult::Applied)
    };
    let using = account.snapshot.rules.values().filter(|rule| points_to(rule, change));
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

pub(super) fn refused(registry: &config::Registry, proof: &Proof) -> Cause {
    Cause::new(
        Reason::REFUSED,
        format!("{} refuses the credential: {}", registry.upstream.host, proof.failure),
    )
}

/// A plan that is not applied: its steps as they would be.
pub(super) fn show(plan: Plan, applied: &mut Applied) -> Removals {
    let planned = |name: &str, step: &Step| Change::new(name, step, ChangeResult::Planned).differing(step.diff.clone());
    for registry in plan.registries {
        let name = &registry.registry;
        let end = match registry.verdict {
            Verdict::Go => {
                applied
                    .changes
                    .extend(registry.steps.iter().map(|step| planned(name, step)));
                End::Done { fresh: false }
            }
            Verdict::Held(cause) => {
                let held = |step| planned(name, step).with(ChangeResult::Held).because(&cause);
                applied.changes.extend(registry.steps.iter().map(held));
                End::Held(cause)
            }
            Verdict::Refused {
                resource,
                action,
                id,
                cause,
            } => {
                applied
                    .changes
                    .push(Change::refused(name, resource, action, &id, &cause));
                End::Failed(cause)
            }
        };
        applied.ends.insert(registry.registry, end);
    }
    applied.changes.extend(plan.removals.shown());
    plan.removals
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
    if errors.is_empty() {
        Ok(file)
    } else {
        Err(Rejected {
            errors,
            warnings: file.warnings,
        })
    }
}

/// A rotation that failed left the secret as it was; the people who run it should look at their rotation function.
pub(super) fn rotation_failed(order: &Order, account: &Account) -> Option<Problem> {
    let change = order.secret.as_ref()?;
    let said = change.failed.as_ref()?;
    let uses = |sight: &Sight| matches!(sight, Sight::Found(secret) if change.refers_to(&secret.name));
    let registry = account
        .sights
        .iter()
        .find(|(_, sight)| uses(sight))
        .map(|(name, _)| name.clone());
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

/// Secrets that only their tag calls ours.
pub(super) fn strays(names: &[String]) -> impl Iterator<Item = Problem> {
    names.iter().map(|name| Problem {
        registry: None,
        line: None,
        column: None,
        message: format!(
            "the secret {name} carries the tag of this stack, but no rule uses it, and neither a registry of the file nor a \
             template of this stack has its name. It may be somebody's copy, so it is not deleted. If nobody needs it: `aws \
             secretsmanager delete-secret --secret-id {name} --recovery-window-in-days 7`"
        ),
    })
}

/// Secrets that could not be listed: nothing is cleaned up, and that is all.
pub(super) fn unlisted(account: &Account) -> Option<Problem> {
    let error = account.snapshot.unlisted.as_ref()?;
    let message = format!("own secrets that no registry uses any more could not be looked for: {error}");
    Some(Problem {
        registry: None,
        line: None,
        column: None,
        message,
    })
}

/// Secrets of others that nothing binds to a host: any registry of the file may send them to its own.
pub(super) fn unbound(file: &File, account: &Account) -> Vec<Problem> {
    let referring = file
        .registries
        .iter()
        .filter(|r| matches!(r.credential, config::Credential::Secret(_)));
    let unbound = referring.filter_map(|registry| match account.sights.get(&registry.name) {
        Some(Sight::Found(secret)) if secret.binding == Binding::Nothing => Some((registry, secret)),
        _ => None,
    });
    unbound
        .map(|(registry, secret)| Problem {
            registry: Some(registry.name.clone()),
            line: Some(registry.line),
            column: Some(registry.column),
            message: format!(
                "nothing says which host the secret {} is for, so any registry of the file may have it sent to its own. Say \
                 it: `aws secretsmanager tag-resource --secret-id {} --tags 'Key={UPSTREAM_TAG},Value={}'`",
                secret.name, secret.name, registry.upstream.host
            ),
        })
        .collect()
}

/// Secrets under a customer key: ECR's service-linked role has no permission for one.
pub(super) fn customer_keys(account: &Account) -> Vec<Problem> {
    let under_key = account.sights.iter().filter_map(|(registry, sight)| match sight {
        Sight::Found(secret) => secret.customer_key.as_ref().map(|key| (registry, &secret.name, key)),
        _ => None,
    });
    under_key
        .map(|(registry, name, key)| Problem {
            registry: Some(registry.clone()),
            line: None,
            column: None,
            message: format!(
                "the secret {name} is encrypted with the customer key {key}, and ECR documents only the default key \
                 aws/secretsmanager: if ECR cannot read it, set that key with `aws secretsmanager update-secret \
                 --secret-id {name} --kms-key-id alias/aws/secretsmanager`"
            ),
        })
        .collect()
}

/// The credentials of the marked rules, where the file itself is refused.
pub(super) fn prove_marked<'a>(
    report: &mut Report,
    rules: impl Iterator<Item = &'a Rule>,
    proofs: &Proofs,
    home: &Home,
) -> bool {
    let mut transient = false;
    for rule in rules {
        let (state, credential, reason, message) = match proofs.get(&rule.prefix) {
            None => (State::Ready, CredentialState::None, None, None),
            Some(Ok(proof)) if proof.valid => (State::Ready, CredentialState::Valid, None, None),
            Some(Ok(proof)) => {
                let message = format!("{} refuses the credential: {}", rule.upstream_url, proof.failure);
                (
                    State::Failed,
                    CredentialState::Invalid,
                    Some(Reason::REFUSED),
                    Some(message),
                )
            }
            Some(Err(error)) => {
                transient |= error.is_transient();
                let message = format!("the credential could not be checked: {error}");
                (
                    State::Failed,
                    CredentialState::Unchecked,
                    Some(Reason::UNCHECKED),
                    Some(message),
                )
            }
        };
        let (upstream, url) = (rule.upstream_url.clone(), home.pull_url(&rule.prefix));
        report.registries.insert(
            rule.prefix.clone(),
            RegistryReport {
                state,
                upstream,
                url,
                credential,
                existing_repositories: None,
                message,
                reason,
                since: None,
            },
        );
    }
    debug_assert!(matches!(report.mode, Mode::Apply | Mode::Validate));
    transient
}
