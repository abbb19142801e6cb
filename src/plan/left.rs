//! What carries our mark and is in the file no more: registries that left it, and secrets their registry stopped
//! using.

use std::collections::BTreeSet;

use super::{Operation, RegistryPlan, Verdict};
use crate::account::{Account, ListedSecret, Sight};
use crate::config::{self, File};
use crate::ownership::{Owner, registry_of_secret};
use crate::settings::Settings;

/// A registry that the file does not name any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its name.
    pub registry: String,
    /// The upstream of its rule, where the rule still is.
    pub upstream: Option<String>,
    /// The names of its own secrets, as ListSecrets knew them.
    pub secrets: Vec<String>,
}

/// Finds the registries whose template carries our mark and whose name the file does not have.
pub fn left(file: &File, account: &Account, settings: &Settings) -> Vec<Left> {
    let named: BTreeSet<&str> = file.registries.iter().map(|r| r.name.as_str()).collect();
    let marked =
        account.snapshot.templates.values().filter(|t| {
            Owner::of_template(&t.spec.description, settings).is_ours() && !named.contains(t.prefix.as_str())
        });
    marked
        .map(|template| Left {
            registry: template.prefix.clone(),
            upstream: account.snapshot.rules.get(&template.prefix).map(|rule| rule.upstream_url.clone()),
            secrets: ours(account, settings)
                .filter(|s| registry_of_secret(&s.name).is_some_and(|made| made.is_for(&template.prefix)))
                .map(|s| s.name.clone())
                .collect(),
        })
        .collect()
}

/// Finds our own secrets that belong to a registry of the file and that nothing uses once the plan is carried out.
///
/// Nobody's rule may point to one: whether that is so is read afresh before one is deleted.
pub fn orphans(file: &File, account: &Account, registries: &[RegistryPlan], settings: &Settings) -> Vec<ListedSecret> {
    // A registry that is held, or whose secret could not be read, keeps what it has.
    let going: BTreeSet<&str> =
        registries.iter().filter(|plan| plan.verdict == Verdict::Go).map(|plan| plan.registry.as_str()).collect();
    let used = used_after(account, registries);
    let referenced: BTreeSet<&str> = file
        .registries
        .iter()
        .filter_map(|r| match &r.credential {
            config::Credential::Secret(id) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    ours(account, settings)
        .filter(|secret| {
            registry_of_secret(&secret.name).is_some_and(|made| {
                going.contains(made.registry) || made.legacy_registry.is_some_and(|r| going.contains(r))
            })
        })
        .filter(|s| !used.contains(s.arn.as_str()))
        .filter(|s| !referenced.contains(s.name.as_str()) && !referenced.contains(s.arn.as_str()))
        .cloned()
        .collect()
}

fn ours<'a>(account: &'a Account, settings: &'a Settings) -> impl Iterator<Item = &'a ListedSecret> {
    account.snapshot.tagged.iter().filter(|secret| Owner::of_secret(&secret.tags, settings).is_ours())
}

/// The secrets that a rule will point to, and those that a registry of the file writes.
fn used_after<'a>(account: &'a Account, registries: &'a [RegistryPlan]) -> BTreeSet<&'a str> {
    let sights = account.sights.values().filter_map(|sight| match sight {
        Sight::Found(secret) => Some(secret.arn.as_str()),
        _ => None,
    });
    let moving: BTreeSet<&str> = registries
        .iter()
        .filter(|plan| plan.verdict == Verdict::Go)
        .filter(|plan| {
            let moves = |o: &Operation| matches!(o, Operation::UpdateRule(_) | Operation::ReplaceRule { .. });
            plan.steps.iter().any(|step| moves(&step.operation))
        })
        .map(|plan| plan.registry.as_str())
        .collect();
    let rules = account.snapshot.rules.values().filter(|rule| !moving.contains(rule.prefix.as_str()));
    sights.chain(rules.filter_map(|rule| rule.credential_arn.as_deref())).collect()
}
