//! What carries our mark and is in the file no more: registries that left it, and secrets their registry stopped
//! using. DESIGN, section 6.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{Difference, changed};
use super::room::waits_for;
use super::template::{self, PULL_THROUGH_CACHE};
use super::{Action, Bounds, Operation, RegistryPlan, Resource, Step, Verdict, rule};
use crate::account::{Account, ListedSecret, Rule, Sight, Template};
use crate::cause::{Cause, Reason};
use crate::config::{self, File};
use crate::ownership::{Owner, SECRET_PREFIX, registry_of_secret, unmarked_description};
use crate::settings::Settings;

/// Everything that a run is to take away.
#[derive(Debug)]
pub struct Removals {
    /// Registries that the file does not name any more.
    pub left: Vec<Left>,
    /// Our own secrets that a registry of the file stopped using. They are no registries, and count as none.
    pub orphans: Vec<Left>,
}

/// A registry that the file does not name any more, or one of the file with a secret it does not use any more.
#[derive(Debug, Clone)]
pub struct Left {
    /// Its name.
    pub registry: String,
    /// Its rule, where that still is.
    pub rule: Option<Rule>,
    /// Why it is not deleted, if so.
    pub held: Option<Cause>,
    /// Whether the mark on a template says that the registry is ours, and is looked at again before anything goes.
    pub marked: bool,
    /// Rule, own secrets, template: the mark goes last.
    pub steps: Vec<Step>,
}

impl Left {
    /// The host of its rule.
    pub fn upstream(&self) -> Option<&str> {
        self.rule.as_ref().map(|rule| rule.upstream_url.as_str())
    }
}

/// Finds what is to go, and decides whether it may.
pub fn removals(
    file: &File,
    account: &Account,
    registries: &[RegistryPlan],
    bounds: &Bounds,
    settings: &Settings,
) -> Removals {
    let mut left = left(file, account, settings);
    let limit = usize::try_from(bounds.limit).unwrap_or(usize::MAX);
    // A secret that a deletion before could not take along is no registry.
    let registries_left: Vec<&str> = left.iter().filter(|l| l.marked).map(|l| l.registry.as_str()).collect();
    let too_many = (registries_left.len() > limit).then(|| too_many(&registries_left, limit));
    let held = bounds.hold.clone().or(too_many);
    left.iter_mut().for_each(|left| left.held.clone_from(&held));
    let orphans = orphans(file, account, registries, settings);
    Removals { left, orphans }
}

/// Nothing of a registry that left is deleted while one of the file with the same upstream is not ready: that may be its
/// new name, and has to work before the old one goes. Whether their values are the same says nothing: a rename with a
/// typo in the token is one.
pub fn hold_for_new_names(file: &File, left: &mut [Left], is_ready: impl Fn(&str) -> bool) {
    let unready: Vec<_> = file.registries.iter().filter(|registry| !is_ready(&registry.name)).collect();
    for left in left.iter_mut().filter(|left| left.held.is_none()) {
        let new = unready.iter().filter(|registry| left.upstream() == Some(registry.upstream.host.as_str()));
        let names: Vec<&str> = new.map(|registry| registry.name.as_str()).collect();
        if !names.is_empty() {
            left.held = Some(waits_for(&names));
        }
    }
}

fn too_many(names: &[&str], limit: usize) -> Cause {
    let n = names.len();
    let message = format!(
        "{n} registries left the file ({}), and one run deletes at most {limit}, so none is deleted: put them back into \
         the file, or allow it once with {{\"action\": \"apply\", \"max_deletions\": {n}}}, in the file with \
         `max_deletions: {n}`, or for good with the setting MAX_DELETIONS",
        names.join(", ")
    );
    Cause::new(Reason::LIMIT, message)
}

fn left(file: &File, account: &Account, settings: &Settings) -> Vec<Left> {
    let named: BTreeSet<&str> = file.registries.iter().map(|r| r.name.as_str()).collect();
    let referenced = referenced(file);
    let templates = account.snapshot.templates.values();
    let marked = templates.filter(|t| Owner::of_template(&t.spec.description, settings).is_ours());
    let mut found: BTreeMap<&str, (Option<&Template>, Vec<&ListedSecret>)> =
        marked.filter(|t| !named.contains(t.prefix.as_str())).map(|t| (t.prefix.as_str(), (Some(t), vec![]))).collect();
    for secret in ours(account, settings).filter(|s| !is_referenced(s, &referenced)) {
        let Some(made) = registry_of_secret(&secret.name) else { continue };
        let readings = [Some(made.registry), made.legacy_registry];
        if readings.iter().flatten().any(|registry| named.contains(registry)) {
            continue;
        }
        // A legacy name reads as its registry where that one is known to be ours; else as what it says.
        let registry = made.legacy_registry.filter(|r| found.contains_key(r)).unwrap_or(made.registry);
        found.entry(registry).or_default().1.push(secret);
    }
    let rules = &account.snapshot.rules;
    let taken: BTreeSet<&str> = in_sight(account).collect();
    found
        .into_iter()
        .map(|(registry, (template, secrets))| {
            // Without our mark the rule of that name is somebody else's.
            let rule = template.and_then(|_| rules.get(registry));
            let used = |s: &ListedSecret| {
                // By another rule, or by a registry of the file that takes it along.
                taken.contains(s.arn.as_str())
                    || rules.values().any(|r| Some(r) != rule && r.credential_arn.as_deref() == Some(s.arn.as_str()))
            };
            let secrets = secrets.into_iter().filter(|secret| !used(secret));
            let mut steps: Vec<Step> = rule.map(rule_step).into_iter().chain(secrets.map(secret_step)).collect();
            steps.extend(template.map(template_step));
            let (registry, rule) = (registry.to_owned(), rule.cloned());
            Left { registry, rule, held: None, marked: template.is_some(), steps }
        })
        .filter(|left| !left.steps.is_empty())
        .collect()
}

/// Our own secrets that belong to a registry of the file and that nothing uses once the plan is carried out. Whether
/// no rule of anybody points to one is read afresh before it is deleted.
fn orphans(file: &File, account: &Account, registries: &[RegistryPlan], settings: &Settings) -> Vec<Left> {
    // A registry that is held, or whose secret could not be read, keeps what it has.
    let going: BTreeSet<&str> =
        registries.iter().filter(|plan| plan.verdict == Verdict::Go).map(|plan| plan.registry.as_str()).collect();
    let used = used_after(account, registries);
    let referenced = referenced(file);
    let unused = ours(account, settings).filter(|s| !used.contains(s.arn.as_str()) && !is_referenced(s, &referenced));
    unused
        .filter_map(|secret| {
            let made = registry_of_secret(&secret.name)?;
            let registry = [Some(made.registry), made.legacy_registry].into_iter().flatten();
            let registry = registry.into_iter().find(|registry| going.contains(registry))?.to_owned();
            Some(Left { registry, rule: None, held: None, marked: false, steps: vec![secret_step(secret)] })
        })
        .collect()
}

fn rule_step(rule: &Rule) -> Step {
    let operation = Operation::DeleteRule { prefix: rule.prefix.clone() };
    let had = rule::fields(rule, None).into_iter().filter(|(_, value)| !value.is_null());
    let diff = had.map(|(field, value)| Difference::new(field, value, serde_json::Value::Null)).collect();
    Step {
        resource: Resource::Rule,
        action: Action::Delete,
        id: rule.prefix.clone(),
        fields: Vec::new(),
        diff,
        operation,
    }
}

fn secret_step(secret: &ListedSecret) -> Step {
    let operation = Operation::DeleteSecret { arn: secret.arn.clone() };
    Step {
        resource: Resource::Secret,
        action: Action::Delete,
        id: secret.name.clone(),
        fields: Vec::new(),
        diff: Vec::new(),
        operation,
    }
}

/// A template that serves other purposes too stays for them, without our mark.
fn template_step(template: &Template) -> Step {
    let mut others = template.clone();
    others.spec.applied_for.remove(PULL_THROUGH_CACHE);
    others.spec.description = unmarked_description(&template.spec.description);
    let fields = ["description", "applied_for"];
    let shown = |spec| template::fields(spec, "");
    let diff = changed(&fields, &shown(&template.spec), &shown(&others.spec));
    let (action, fields, diff, operation) = if others.spec.applied_for.is_empty() {
        (Action::Delete, Vec::new(), Vec::new(), Operation::DeleteTemplate { template: template.clone() })
    } else {
        (Action::Update, fields.to_vec(), diff, Operation::UpdateTemplate(others))
    };
    Step { resource: Resource::Template, action, id: template.prefix.clone(), fields, diff, operation }
}

fn ours<'a>(account: &'a Account, settings: &'a Settings) -> impl Iterator<Item = &'a ListedSecret> {
    let tagged = account.snapshot.tagged.iter().filter(|secret| secret.name.starts_with(SECRET_PREFIX));
    tagged.filter(|secret| Owner::of_secret(&secret.tags, settings).is_ours())
}

fn referenced(file: &File) -> BTreeSet<&str> {
    let ids = file.registries.iter().filter_map(|r| match &r.credential {
        config::Credential::Secret(id) => Some(id.as_str()),
        _ => None,
    });
    ids.collect()
}

fn is_referenced(secret: &ListedSecret, referenced: &BTreeSet<&str>) -> bool {
    referenced.contains(secret.name.as_str()) || referenced.contains(secret.arn.as_str())
}

/// The secrets that a rule will point to, and those that a registry of the file writes.
fn used_after<'a>(account: &'a Account, registries: &'a [RegistryPlan]) -> BTreeSet<&'a str> {
    let moves = |step: &Step| matches!(step.operation, Operation::UpdateRule(_) | Operation::ReplaceRule { .. });
    let moving: BTreeSet<&str> = registries
        .iter()
        .filter(|plan| plan.verdict == Verdict::Go && plan.steps.iter().any(moves))
        .map(|plan| plan.registry.as_str())
        .collect();
    let rules = account.snapshot.rules.values().filter(|rule| !moving.contains(rule.prefix.as_str()));
    in_sight(account).chain(rules.filter_map(|rule| rule.credential_arn.as_deref())).collect()
}

/// The secrets of the file's registries.
fn in_sight(account: &Account) -> impl Iterator<Item = &str> {
    account.sights.values().filter_map(|sight| match sight {
        Sight::Found(secret) => Some(secret.arn.as_str()),
        _ => None,
    })
}
