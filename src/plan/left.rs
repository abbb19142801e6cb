//! What carries our mark and is in the file no more: registries that left it, and secrets their registry stopped
//! using. DESIGN, section 6.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{Difference, changed};
use super::template::{self, PULL_THROUGH_CACHE};
use super::{Action, Operation, RegistryPlan, Resource, Step, Verdict, rule};
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
    /// Why none of them is deleted, if so.
    pub held: Option<Cause>,
    /// Whether they must go first, to make room for the rules of this very run.
    pub first: bool,
    /// Our own secrets that a registry of the file stopped using. They are no registries, and count as none.
    pub orphans: Vec<Left>,
}

/// A registry that the file does not name any more, or one of the file with a secret it does not use any more.
#[derive(Debug, Clone)]
pub struct Left {
    /// Its name.
    pub registry: String,
    /// The upstream of its rule, where the rule still is.
    pub upstream: Option<String>,
    /// Whether the mark on a template says that the registry is ours, and is looked at again before anything goes.
    pub marked: bool,
    /// Rule, own secrets, template: the mark goes last.
    pub steps: Vec<Step>,
}

/// How many registries a run may delete, and how whoever began it raises that for once.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    most: u32,
    raised_to: fn(usize) -> String,
}

impl Limit {
    /// In a terminal.
    pub fn of_person(most: u32) -> Self {
        Self { most, raised_to: |n| format!("`--max-deletions {n}`") }
    }

    /// In the function.
    pub fn of_function(most: u32) -> Self {
        Self { most, raised_to: |n| format!("{{\"action\": \"apply\", \"max_deletions\": {n}}}") }
    }
}

impl From<u32> for Limit {
    fn from(most: u32) -> Self {
        Self::of_function(most)
    }
}

/// Finds what is to go, and decides whether it may.
pub fn removals(
    file: &File,
    account: &Account,
    registries: &[RegistryPlan],
    limit: Limit,
    settings: &Settings,
) -> Removals {
    let left = left(file, account, settings);
    // A secret that a deletion before could not take along is no registry.
    let registries_left: Vec<&str> = left.iter().filter(|l| l.marked).map(|l| l.registry.as_str()).collect();
    let most = usize::try_from(limit.most).unwrap_or(usize::MAX);
    let held = (registries_left.len() > most).then(|| too_many(&registries_left, limit));
    let orphans = orphans(file, account, registries, settings);
    Removals { left, held, first: false, orphans }
}

/// Why nothing is deleted while a registry of the file that is not ready has the upstream of one that left: it may be
/// the new name of that one, and has to work before the old one goes.
pub fn hold_for_new_names(file: &File, left: &[Left], is_ready: impl Fn(&str) -> bool) -> Option<Cause> {
    let upstreams: BTreeSet<&str> = left.iter().filter_map(|left| left.upstream.as_deref()).collect();
    let unready = file.registries.iter().filter(|r| upstreams.contains(r.upstream.host.as_str()) && !is_ready(&r.name));
    let names: Vec<&str> = unready.map(|registry| registry.name.as_str()).collect();
    (!names.is_empty()).then(|| {
        let message = format!(
            "{} of the file has the same upstream as what left it, and is not ready: in case it is its new name, \
             nothing is deleted before it works",
            names.join(", ")
        );
        Cause::new(Reason::REPLACEMENT_NOT_READY, message)
    })
}

fn too_many(names: &[&str], Limit { most, raised_to }: Limit) -> Cause {
    let n = names.len();
    let message = format!(
        "{n} registries left the file ({}), and one run deletes at most {most}, so none is deleted: put them back into \
         the file, or allow it once with {}, in the file with `max_deletions: {n}`, or for good with the setting \
         MAX_DELETIONS",
        names.join(", "),
        raised_to(n)
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
    found
        .into_iter()
        .map(|(registry, (template, secrets))| {
            // Without our mark the rule of that name is somebody else's.
            let rule = template.and_then(|_| rules.get(registry));
            let used = |s: &ListedSecret| {
                rules.values().any(|r| Some(r) != rule && r.credential_arn.as_deref() == Some(s.arn.as_str()))
            };
            let secrets = secrets.into_iter().filter(|secret| !used(secret));
            let mut steps: Vec<Step> = rule.map(rule_step).into_iter().chain(secrets.map(secret_step)).collect();
            steps.extend(template.map(template_step));
            let upstream = rule.map(|rule| rule.upstream_url.clone());
            Left { registry: registry.to_owned(), upstream, marked: template.is_some(), steps }
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
            Some(Left { registry, upstream: None, marked: false, steps: vec![secret_step(secret)] })
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
    let sights = account.sights.values().filter_map(|sight| match sight {
        Sight::Found(secret) => Some(secret.arn.as_str()),
        _ => None,
    });
    let moves = |step: &Step| matches!(step.operation, Operation::UpdateRule(_) | Operation::ReplaceRule { .. });
    let moving: BTreeSet<&str> = registries
        .iter()
        .filter(|plan| plan.verdict == Verdict::Go && plan.steps.iter().any(moves))
        .map(|plan| plan.registry.as_str())
        .collect();
    let rules = account.snapshot.rules.values().filter(|rule| !moving.contains(rule.prefix.as_str()));
    sights.chain(rules.filter_map(|rule| rule.credential_arn.as_deref())).collect()
}
