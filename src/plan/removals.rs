//! What carries our mark and is in the file no more: registries that left it, and secrets their registry stopped
//! using.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::{Difference, changed};
use super::room::waits_for;
use super::template::{self, PULL_THROUGH_CACHE};
use super::{Action, DeletionBounds, Operation, RegistryPlan, Resource, Step, Verdict, rule};
use crate::account::{Account, ListedSecret, Rule, SecretState, Template};
use crate::cause::{Cause, Reason};
use crate::ownership::{Owner, SECRET_PREFIX, hosts_of_secret, registry_of_secret, unmarked_description};
use crate::settings::Settings;
use config::File;

/// Everything that a run is to take away.
#[derive(Debug)]
pub struct Removals {
    /// Registries that the file does not name any more.
    pub left: Vec<Removal>,
    /// Our own secrets that a registry of the file stopped using. They are no registries, and count as none.
    pub orphans: Vec<Removal>,
    /// Names of secrets that carry our tag, and that nothing else shows to be ours. They stay.
    pub strays: Vec<String>,
}

/// A registry that the file does not name any more, or one of the file with a secret it does not use any more.
#[derive(Debug, Clone)]
pub struct Removal {
    pub registry: String,
    /// Its rule, where that still is.
    pub rule: Option<Rule>,
    /// The host of its rule; without a rule, those that its secrets are for.
    pub hosts: BTreeSet<String>,
    /// Why it is not deleted, if so.
    pub held: Option<Cause>,
    /// Whether the mark on a template says that the registry is ours, and is looked at again before anything goes.
    pub marked: bool,
    /// Rule, own secrets, template: the mark goes last.
    pub steps: Vec<Step>,
}

/// How many registries a run may delete, and how whoever began it raises that for once.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    most: u32,
    /// Somebody said it for this run alone.
    by_hand: bool,
    raised_to: fn(usize) -> String,
}

impl Limit {
    pub fn of_person(most: u32) -> Self {
        Self {
            most,
            by_hand: false,
            raised_to: |n| format!("`--max-deletions {n}`"),
        }
    }

    pub fn of_function(most: u32) -> Self {
        Self {
            most,
            by_hand: false,
            raised_to: |n| format!("{{\"action\": \"apply\", \"max_deletions\": {n}}}"),
        }
    }

    /// The same, said for this run alone or not.
    #[must_use]
    pub fn said_by_hand(self, by_hand: bool) -> Self {
        Self { by_hand, ..self }
    }
}

impl From<u32> for Limit {
    fn from(most: u32) -> Self {
        Self::of_function(most)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::of_function(0)
    }
}

/// Finds what is to go, and decides whether it may.
pub fn removals(
    file: &File,
    account: &Account,
    registries: &[RegistryPlan],
    bounds: &DeletionBounds,
    settings: &Settings,
) -> Removals {
    let whose = Whose::of(file, account, settings);
    let mut left = left(&whose);
    let limit = usize::try_from(bounds.limit.most).unwrap_or(usize::MAX);
    let is_unknown = |left: &Removal| {
        bounds
            .known
            .as_ref()
            .is_some_and(|known| !known.contains(&left.registry))
    };
    let names: BTreeSet<&str> = left
        .iter()
        .filter(|l| !is_unknown(l))
        .map(|left| left.registry.as_str())
        .collect();
    let is_emptied = file.registries.is_empty() && !names.is_empty();
    let too_many = match names.len() > limit {
        is_over if is_emptied && (is_over || !bounds.limit.by_hand) => Some(nothing_left(&names, bounds.limit)),
        is_over => is_over.then(|| too_many(&names, file, bounds.limit)),
    };
    let held = bounds.hold.clone().or(too_many);
    let another = of_another_holder(settings, (bounds.limit.raised_to)(left.len()));
    for left in &mut left {
        left.held = if is_unknown(left) {
            Some(another.clone())
        } else {
            held.clone()
        };
    }
    let mut strays = strays(&whose);
    let stray_names = strays
        .iter()
        .flat_map(|stray| stray.steps.iter().map(|step| step.id.clone()))
        .collect();
    let names: BTreeSet<&str> = strays.iter().map(|stray| stray.registry.as_str()).collect();
    if names.len() > limit {
        // None is ever deleted. So many look like what was left when somebody cleaned up by hand, which is news.
        let held = Some(too_many_strays(&names, limit));
        strays.iter_mut().for_each(|stray| stray.held.clone_from(&held));
        left.append(&mut strays);
    }
    Removals {
        left,
        orphans: orphans(&whose, registries),
        strays: stray_names,
    }
}

/// Nothing of a registry that left is deleted while one of the file with the same upstream is not ready: that may be its
/// new name, and has to work before the old one goes. Whether their values are the same says nothing: a rename with a
/// typo in the token is one.
pub fn hold_for_new_names(file: &File, left: &mut [Removal], is_ready: impl Fn(&str) -> bool) {
    let unready: Vec<_> = file
        .registries
        .iter()
        .filter(|registry| !is_ready(&registry.name))
        .collect();
    for left in left.iter_mut().filter(|left| left.held.is_none()) {
        let new = unready
            .iter()
            .filter(|registry| left.hosts.contains(&registry.upstream.host));
        let names: Vec<&str> = new.map(|registry| registry.name.as_str()).collect();
        if !names.is_empty() {
            left.held = Some(waits_for(&names));
        }
    }
}

fn too_many(names: &BTreeSet<&str>, file: &File, Limit { most, raised_to, .. }: Limit) -> Cause {
    let n = names.len();
    let by_only = match names.iter().any(|name| file.elsewhere.contains(*name)) {
        true => ", or this stack into their `only`",
        false => "",
    };
    let names: Vec<&str> = names.iter().copied().collect();
    let message = format!(
        "{n} registries left the file ({}), and one run deletes at most {most}, so none is deleted: put them back into \
         the file{by_only}, or allow it once with {}, in the file with `max_deletions: {n}`, or for good with the setting \
         MAX_DELETIONS",
        names.join(", "),
        raised_to(n)
    );
    Cause::new(Reason::LIMIT, message)
}

/// A file that has something for other stacks alone may be a slip in an account id.
fn nothing_left(names: &BTreeSet<&str>, Limit { raised_to, .. }: Limit) -> Cause {
    let names: Vec<&str> = names.iter().copied().collect();
    let message = format!(
        "the file has nothing for this stack any more, and that alone deletes nothing ({}): name its account and Region in \
         `only` again, or allow it once with {}",
        names.join(", "),
        raised_to(names.len())
    );
    Cause::new(Reason::LIMIT, message)
}

/// Two stacks that take each other's registries for their own would delete in turn what the other makes.
fn of_another_holder(settings: &Settings, raised: String) -> Cause {
    let message = format!(
        "it carries the mark of this stack, {:?}, or of one in TAKE_OVER_FROM, but no status of this stack has named it, or it \
         was deleted and somebody made it again: does another stack go by that name? Give each its own OWNER. To delete \
         all that left the file all the same: {raised}",
        settings.owner
    );
    Cause::new(Reason::OTHER_HOLDER, message)
}

fn too_many_strays(names: &BTreeSet<&str>, limit: usize) -> Cause {
    let message = format!(
        "secrets for {} registries that are not in the file carry the tag of this stack, without a rule or a template of \
         it; one run deletes at most {limit}, and what only a tag calls ours is not deleted at all: put the registries back \
         into the file, or delete the secrets by hand",
        names.len()
    );
    Cause::new(Reason::LIMIT, message)
}

/// What is ours and has left the file.
fn left(whose: &Whose<'_>) -> Vec<Removal> {
    let rules = &whose.account.snapshot.rules;
    let gone = whose
        .marked
        .values()
        .filter(|template| !whose.named.contains(template.prefix.as_str()));
    gone.map(|template| {
        let registry = template.prefix.as_str();
        let rule = rules.get(registry);
        let used = |s: &ListedSecret| {
            // By another rule, or by a registry of the file that takes it along.
            whose.taken.contains(s.arn.as_str())
                || rules
                    .values()
                    .any(|r| Some(r) != rule && r.credential_arn.as_deref() == Some(s.arn.as_str()))
        };
        let its = whose
            .secrets()
            .filter(|secret| whose.registry(secret) == Some(registry) && !used(secret));
        let hosts = match rule {
            Some(rule) => BTreeSet::from([rule.upstream_url.clone()]),
            None => whose.hosts(registry),
        };
        let mut steps: Vec<Step> = rule.map(rule_step).into_iter().chain(its.map(secret_step)).collect();
        steps.push(template_step(template));
        Removal {
            registry: registry.to_owned(),
            rule: rule.cloned(),
            hosts,
            held: None,
            marked: true,
            steps,
        }
    })
    .collect()
}

/// Our own secrets that belong to a registry of the file and that nothing uses once the plan is carried out. Whether
/// no rule of anybody points to one is read afresh before it is deleted.
fn orphans(whose: &Whose<'_>, registries: &[RegistryPlan]) -> Vec<Removal> {
    // A registry that is held, or whose secret could not be read, keeps what it has.
    let going: BTreeSet<&str> = registries
        .iter()
        .filter(|plan| plan.verdict == Verdict::Go)
        .map(|plan| plan.registry.as_str())
        .collect();
    let used = used_after(whose.account, registries);
    let unused = whose.secrets().filter(|secret| !used.contains(secret.arn.as_str()));
    unused
        .filter_map(|secret| {
            let registry = whose
                .registry(secret)
                .filter(|registry| going.contains(registry))?
                .to_owned();
            Some(Removal::of_secret(registry, secret))
        })
        .collect()
}

impl Removal {
    fn of_secret(registry: String, secret: &ListedSecret) -> Self {
        Self {
            registry,
            rule: None,
            hosts: BTreeSet::new(),
            held: None,
            marked: false,
            steps: vec![secret_step(secret)],
        }
    }
}

/// Secrets with our tag that nothing shows to be ours: a tag alone is no proof, since people clone secrets with their tags.
fn strays(whose: &Whose<'_>) -> Vec<Removal> {
    let rules = &whose.account.snapshot.rules;
    let used = |s: &ListedSecret| {
        whose.taken.contains(s.arn.as_str())
            || rules
                .values()
                .any(|rule| rule.credential_arn.as_deref() == Some(s.arn.as_str()))
    };
    let strays = whose
        .secrets()
        .filter(|secret| whose.registry(secret).is_none() && !used(secret));
    strays
        .filter_map(|secret| {
            let made = registry_of_secret(&secret.name)?;
            let registry = made.legacy_registry.unwrap_or(made.registry).to_owned();
            Some(Removal::of_secret(registry, secret))
        })
        .collect()
}

/// Which registry a secret of ours is for.
struct Whose<'a> {
    account: &'a Account,
    settings: &'a Settings,
    /// Registries of the file.
    named: BTreeSet<&'a str>,
    /// What `secret:` and `secret_from` name.
    referenced: BTreeSet<&'a str>,
    /// Templates with our mark, by prefix.
    marked: BTreeMap<&'a str, &'a Template>,
    /// The secrets of the file's registries.
    taken: BTreeSet<&'a str>,
}

impl<'a> Whose<'a> {
    fn of(file: &'a File, account: &'a Account, settings: &'a Settings) -> Self {
        let templates = account.snapshot.templates.values();
        let marked = templates.filter(|t| Owner::of_template(&t.spec.description, settings).is_ours());
        Self {
            account,
            settings,
            named: file.registries.iter().map(|r| r.name.as_str()).collect(),
            referenced: referenced(file),
            marked: marked.map(|template| (template.prefix.as_str(), template)).collect(),
            taken: in_sight(account).collect(),
        }
    }

    /// Those with our tag, but for what the file only refers to.
    fn secrets(&self) -> impl Iterator<Item = &'a ListedSecret> {
        let tagged = self
            .account
            .snapshot
            .tagged
            .iter()
            .filter(|secret| secret.name.starts_with(SECRET_PREFIX));
        let ours = tagged.filter(|secret| Owner::of_secret(&secret.tags, self.settings).is_ours());
        ours.filter(|secret| !is_referenced(secret, &self.referenced))
    }

    /// The hosts that the secrets with a registry's name are for.
    fn hosts(&self, registry: &str) -> BTreeSet<String> {
        let named = self
            .secrets()
            .filter(|secret| registry_of_secret(&secret.name).is_some_and(|made| made.is_for(registry)));
        named
            .filter_map(|secret| hosts_of_secret(&secret.tags))
            .flatten()
            .collect()
    }

    /// The registry of the file whose name the secret has; else the one of ours whose rule points to it, or whose name it
    /// has. A tag alone says nothing.
    fn registry(&self, secret: &'a ListedSecret) -> Option<&'a str> {
        let made = registry_of_secret(&secret.name);
        let names = || {
            made.iter()
                .flat_map(|made| [made.legacy_registry, Some(made.registry)])
                .flatten()
        };
        let points = |rule: &&Rule| {
            rule.credential_arn.as_deref() == Some(secret.arn.as_str())
                && self.marked.contains_key(rule.prefix.as_str())
        };
        let of_file = names().find(|name| self.named.contains(name));
        let by_rule = || {
            self.account
                .snapshot
                .rules
                .values()
                .find(points)
                .map(|rule| rule.prefix.as_str())
        };
        of_file
            .or_else(by_rule)
            .or_else(|| names().find(|name| self.marked.contains_key(name)))
    }
}

fn rule_step(rule: &Rule) -> Step {
    let operation = Operation::DeleteRule {
        prefix: rule.prefix.clone(),
    };
    let had = rule::fields(rule, None)
        .into_iter()
        .filter(|(_, value)| !value.is_null());
    let diff = had
        .map(|(field, value)| Difference::new(field, value, serde_json::Value::Null))
        .collect();
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
    let operation = Operation::DeleteSecret {
        arn: secret.arn.clone(),
    };
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
        (
            Action::Delete,
            Vec::new(),
            Vec::new(),
            Operation::DeleteTemplate {
                template: template.clone(),
            },
        )
    } else {
        (Action::Update, fields.to_vec(), diff, Operation::UpdateTemplate(others))
    };
    Step {
        resource: Resource::Template,
        action,
        id: template.prefix.clone(),
        fields,
        diff,
        operation,
    }
}

fn referenced(file: &File) -> BTreeSet<&str> {
    let ids = file.registries.iter().filter_map(|r| match &r.credential {
        config::CredentialSource::Secret(id) => Some(id.as_str()),
        // It cannot be copied from one of ours; but what the file names is not deleted.
        config::CredentialSource::From(from) => Some(from.secret.as_str()),
        config::CredentialSource::None | config::CredentialSource::Given(_) => None,
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
    let rules = account
        .snapshot
        .rules
        .values()
        .filter(|rule| !moving.contains(rule.prefix.as_str()));
    in_sight(account)
        .chain(rules.filter_map(|rule| rule.credential_arn.as_deref()))
        .collect()
}

/// The secrets of the file's registries.
fn in_sight(account: &Account) -> impl Iterator<Item = &str> {
    account
        .secret_states
        .values()
        .filter_map(|secret_state| match secret_state {
            SecretState::Found(secret) => Some(secret.arn.as_str()),
            _ => None,
        })
}
