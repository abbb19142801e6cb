//! The secret whose change started a run: which registries and rules use it.

use crate::account::{Account, Rule, SecretState, Snapshot};
use crate::ownership::{Owner, SECRET_PREFIX};
use crate::settings::Settings;
use crate::trigger::SecretChange;
use config::{File, Registry};

/// Whether a registry of the file may use the secret that an event is about. ECR reads no secret outside its prefix, so that
/// one can only be a source.
pub(super) fn may_use(file: &File, change: &SecretChange) -> bool {
    change.name.starts_with(SECRET_PREFIX) || copying(file, change).next().is_some()
}

/// Why an event about a secret is no reason to do anything.
pub(super) fn unused(change: &SecretChange) -> String {
    format!("no registry uses the secret {}", change.name)
}

/// The registries that have their credential copied from the secret.
pub(super) fn copying<'a>(file: &'a File, change: &SecretChange) -> impl Iterator<Item = &'a Registry> {
    let is_it = |registry: &&Registry| {
        let source = registry.credential.source();
        source.is_some_and(|source| change.refers_to(source.name()))
    };
    file.registries.iter().filter(is_it)
}

/// Whether a change of the secret is a reason to prove a rule's credential.
pub(super) fn concerns(rule: &Rule, file: &File, change: &SecretChange) -> bool {
    points_to(rule, change) || copying(file, change).any(|registry| registry.name == rule.prefix)
}

/// Whether any registry of the file, or any rule that carries our mark, uses the secret an event is about.
pub(super) fn uses(account: &Account, file: &File, change: &SecretChange, settings: &Settings) -> bool {
    let of_file = account
        .snapshot
        .rules
        .values()
        .filter(|rule| file.registries.iter().any(|r| r.name == rule.prefix));
    let by_rule = of_file
        .chain(marked_rules(&account.snapshot, settings))
        .any(|rule| points_to(rule, change));
    // A secret that could not be read may well be it: the run says what is wrong.
    let by_sight = account.secret_states.values().any(|secret_state| match secret_state {
        SecretState::Found(secret) => change.refers_to(&secret.name),
        SecretState::Absent(name) => change.refers_to(name),
        SecretState::Unread(_) => true,
        _ => false,
    });
    by_rule || by_sight || copying(file, change).next().is_some()
}

/// The rules whose template carries our mark.
pub(super) fn marked_rules<'a>(snapshot: &'a Snapshot, settings: &'a Settings) -> impl Iterator<Item = &'a Rule> {
    let is_marked = |prefix: &str| {
        let template = snapshot.templates.get(prefix);
        template.is_some_and(|t| Owner::of_template(&t.spec.description, settings).is_ours())
    };
    snapshot.rules.values().filter(move |rule| is_marked(&rule.prefix))
}

/// Whether a rule's credential is the secret that changed.
pub(super) fn points_to(rule: &Rule, change: &SecretChange) -> bool {
    rule.credential_arn
        .as_deref()
        .and_then(secret_name_of)
        .is_some_and(|name| change.refers_to(name))
}

/// The name in a full ARN: without the hyphen and six characters that Secrets Manager appends.
fn secret_name_of(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":secret:")?;
    resource.get(..resource.len().checked_sub(7)?)
}
