//! The secret whose change started a run: which registries and rules use it.

use crate::account::{Account, Rule, SecretState, Snapshot};
use crate::ownership::Owner;
use crate::settings::Settings;
use crate::trigger::SecretChange;
use config::File;

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
    by_rule || by_sight
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
