//! The exported file before a plan of it: the registries that `config` accepts, and those that it refuses.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use serde_yaml::{Mapping, Value};

use super::entry::{self, Entry, Group};
use super::page::{self, Page};
use super::{ExportError, Exported};
use config::{Context, File};
use ecr_pull_through_sync::account::{Account, Snapshot, Template};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::plan::{
    self, DeletionBounds, PULL_THROUGH_CACHE, Plan, RegistryPlan, Resource, Scope, Verdict,
};
use ecr_pull_through_sync::settings::Settings;

/// As many as there can be, so that the plan lists every deletion.
fn no_limit() -> DeletionBounds {
    DeletionBounds {
        limit: u32::MAX.into(),
        ..DeletionBounds::default()
    }
}

/// The exported file before a plan of it.
#[derive(Debug)]
pub struct Draft {
    entries: BTreeMap<String, Entry>,
    /// Registries that cannot be in a file, and why.
    refused: BTreeMap<String, (Mapping, String)>,
    file: File,
    notes: Vec<String>,
}

impl Draft {
    /// Writes rules and templates as registries; `names` are those of the secrets, by ARN.
    ///
    /// # Errors
    /// When no file at all is accepted with these settings.
    pub fn new(
        snapshot: &Snapshot,
        names: &BTreeMap<String, String>,
        home: &Home,
        settings: &Settings,
    ) -> Result<Self, ExportError> {
        let context = Context {
            template_role: settings.template_role_arn.is_some(),
            resource_tags: settings.resource_tags.clone(),
            ..home.context()
        };
        let any = [("registry".into(), "quay.io".into())].into_iter().collect();
        accepts("any", &any, &context).map_err(ExportError::Settings)?;
        let (mut entries, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for rule in snapshot.rules.values() {
            let base = entry::of_rule(rule, names);
            let template = entry::template_of(&rule.prefix, snapshot);
            let more = match template {
                Some(template) => entry::of_template(&template.spec, home, settings),
                None => entry::without_template(),
            };
            match settle(&rule.prefix, &base, &more, &context) {
                Ok(mut entry) => {
                    entry.remarks.extend(remark_on_template(template, &rule.prefix));
                    entries.insert(rule.prefix.clone(), entry);
                }
                Err(reason) => {
                    let all = base.into_iter().chain(more.into_iter().flatten());
                    refused.insert(rule.prefix.clone(), (mapping(all), reason));
                }
            }
        }
        let file = whole(&mut entries, &mut refused, &context)?;
        Ok(Self {
            entries,
            refused,
            file,
            notes: notes(snapshot, settings),
        })
    }

    /// The file as `config` reads it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Adds what a plan of the file over `account`, which it was written from, would change.
    pub fn finish(mut self, account: &Account, home: &Home, settings: &Settings) -> Exported {
        let scope = Scope {
            home,
            settings,
            uploaded: Timestamp::now(),
        };
        let plan = plan::plan(&self.file, account, scope, &no_limit());
        let anothers: BTreeMap<String, String> = plan.registries.iter().filter_map(another_owner).collect();
        for (name, reason) in anothers {
            if let Some(entry) = self.entries.remove(&name) {
                self.file.registries.retain(|registry| registry.name != name);
                self.refused.insert(name, (entry.fields, reason));
            }
        }
        let plan = plan::plan(&self.file, account, scope, &no_limit());
        for registry in &plan.registries {
            if let (Some(entry), Some(remark)) = (self.entries.get_mut(&registry.registry), page::remark(registry)) {
                entry.remarks.push(remark);
            }
        }
        self.notes.extend(
            self.refused
                .iter()
                .map(|(name, (_, reason))| format!("{name} stands in the file as a comment: {reason}")),
        );
        if !self.file.registries.is_empty() {
            self.notes.extend(removals(&plan));
        }
        let page = Page {
            entries: &self.entries,
            refused: &self.refused,
            home,
        };
        let yaml = page.write();
        let json = |entry: &Entry| serde_json::to_value(&entry.fields).unwrap_or_default();
        Exported {
            yaml,
            registries: self
                .entries
                .iter()
                .map(|(name, entry)| (name.clone(), json(entry)))
                .collect(),
            remarks: self
                .entries
                .into_iter()
                .filter(|(_, entry)| !entry.remarks.is_empty())
                .map(|(name, entry)| (name, entry.remarks))
                .collect(),
            notes: self.notes,
        }
    }
}

/// A registry with all the fields that `config` accepts, or the reason why there is none.
fn settle(name: &str, base: &Group, more: &[Group], context: &Context) -> Result<Entry, String> {
    let mut fields = mapping(base.iter().cloned());
    if accepts(name, &fields, context).is_err() {
        // ECR may have learned of hosts that we do not know. Whatever else is wrong remains so.
        fields.insert("allow_unlisted_upstream".into(), true.into());
        accepts(name, &fields, context)?;
    }
    let mut remarks = Vec::new();
    for group in more {
        let mut with = fields.clone();
        with.extend(mapping(group.iter().cloned()));
        match accepts(name, &with, context) {
            Ok(()) => fields = with,
            Err(reason) => {
                let names: Vec<&str> = group.iter().map(|(name, _)| *name).collect();
                remarks.push(format!("{} is not in the file: {reason}", names.join(", ")));
            }
        }
    }
    Ok(Entry { fields, remarks })
}

/// Whether a file of this one registry is accepted.
fn accepts(name: &str, fields: &Mapping, context: &Context) -> Result<(), String> {
    let read = config::read(page::block(name, fields).as_bytes(), context);
    read.map(drop).map_err(|rejected| {
        rejected
            .errors
            .into_iter()
            .map(|error| error.message)
            .next()
            .unwrap_or_default()
    })
}

/// The whole file. Errors between registries, such as two names that ECR takes for one, show here.
fn whole(
    entries: &mut BTreeMap<String, Entry>,
    refused: &mut BTreeMap<String, (Mapping, String)>,
    context: &Context,
) -> Result<File, ExportError> {
    while !entries.is_empty() {
        let text: String = entries
            .iter()
            .map(|(name, entry)| page::block(name, &entry.fields))
            .collect();
        let errors = match config::read(text.as_bytes(), context) {
            Ok(file) => return Ok(file),
            Err(rejected) => rejected.errors,
        };
        let named = errors
            .iter()
            .find_map(|error| Some((error.registry.clone()?, error.message.clone())));
        let first = || errors.first().map(|error| error.message.clone()).unwrap_or_default();
        match named.and_then(|(name, reason)| Some((entries.remove_entry(&name)?, reason))) {
            Some(((name, entry), reason)) => _ = refused.insert(name, (entry.fields, reason)),
            None => return Err(ExportError::Settings(first())),
        }
    }
    Ok(File::default())
}

fn mapping(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Mapping {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Where the settings of a registry come from another template than its own, or from none.
fn remark_on_template(template: Option<&Template>, prefix: &str) -> Option<String> {
    match template {
        Some(template) if template.prefix == prefix => None,
        Some(template) => Some(format!(
            "has no template of its own: its settings are those of {}",
            template.prefix
        )),
        None => Some("has no template: new repositories have no lifecycle policy".to_owned()),
    }
}

/// A registry that another stack keeps, and why it cannot be in this file.
fn another_owner(plan: &RegistryPlan) -> Option<(String, String)> {
    match &plan.verdict {
        Verdict::Refused {
            resource: Resource::Template,
            cause,
            ..
        } => Some((plan.registry.clone(), cause.message.clone())),
        _ => None,
    }
}

/// Templates that the file cannot describe.
fn notes(snapshot: &Snapshot, settings: &Settings) -> Vec<String> {
    let templates = snapshot.templates.values();
    let cached = |template: &&Template| template.spec.applied_for.contains(PULL_THROUGH_CACHE);
    let without = templates
        .clone()
        .filter(cached)
        .filter(|template| !snapshot.rules.contains_key(&template.prefix));
    let mut notes: Vec<String> = without
        .map(|template| {
            format!(
                "the template {} has no rule of its prefix, so that it is not in the file",
                template.prefix
            )
        })
        .collect();
    let of_rules = templates.filter(|template| snapshot.rules.contains_key(&template.prefix));
    let roles: BTreeSet<&str> = of_rules
        .filter_map(|template| template.spec.custom_role_arn.as_deref())
        .collect();
    if settings.template_role_arn.is_none() && !roles.is_empty() {
        let roles = roles.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!(
            "templates name a role: name the stack with --stack, or set TEMPLATE_ROLE_ARN, to have tags and keys ({roles})"
        ));
    }
    notes
}

/// What a plan of the file would delete: it has our mark or tag, but no registry in the file.
fn removals(plan: &Plan) -> Vec<String> {
    let gone = plan.removals.left.iter().chain(&plan.removals.orphans);
    let told = gone.map(|left| {
        format!(
            "a plan of this file would: {}, of {}",
            page::steps(&left.steps),
            left.registry
        )
    });
    told.collect()
}
