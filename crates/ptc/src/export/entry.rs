//! A rule and the template of its prefix, as fields of the file.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::lifecycle;
use config::ROOT;
use ecr_pull_through_sync::account::{Rule, Snapshot, Template, TemplateSpec};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::plan::PULL_THROUGH_CACHE;
use ecr_pull_through_sync::policy::read_access;
use ecr_pull_through_sync::settings::Settings;

/// Fields that are valid only together.
pub(super) type Group = Vec<(&'static str, Value)>;

/// A registry of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) fields: Mapping,
    /// Comments above it.
    pub(super) remarks: Vec<String>,
}

/// The fields that every rule needs.
pub(super) fn of_rule(rule: &Rule, names: &BTreeMap<String, String>) -> Group {
    let secret = rule.credential_arn.as_ref().map(|arn| names.get(arn).unwrap_or(arn));
    let fields = [
        ("registry", Some(&rule.upstream_url)),
        ("secret", secret),
        ("upstream_repository_prefix", rule.upstream_prefix.as_ref()),
        ("custom_role_arn", rule.custom_role_arn.as_ref()),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?.as_str().into())))
        .collect()
}

/// The template that new repositories of a rule get their settings from. ECR takes the one with the longest prefix, at a
/// `/`, and `ROOT` where there is none ("Repository creation templates").
pub(super) fn template_of<'a>(prefix: &str, snapshot: &'a Snapshot) -> Option<&'a Template> {
    let own = snapshot.templates.get(prefix);
    let mut above = std::iter::successors(Some(prefix), |prefix| prefix.rsplit_once('/').map(|(above, _)| above));
    let applied = |prefix: &str| {
        let template = snapshot.templates.get(prefix)?;
        template
            .spec
            .applied_for
            .contains(PULL_THROUGH_CACHE)
            .then_some(template)
    };
    own.or_else(|| above.find_map(applied)).or_else(|| applied(ROOT))
}

/// The fields of a template, without those that have their default.
pub(super) fn of_template(spec: &TemplateSpec, home: &Home, settings: &Settings) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let texts = |items: Vec<String>| -> Value { items.into_iter().map(Value::from).collect() };
    let readers = read_access(home, &spec.repository_policy).unwrap_or_default();
    if !readers.principals.is_empty() {
        groups.push(vec![("repository_read_access_arns", texts(readers.principals))]);
    }
    let more = [("organizations", readers.organizations), ("services", readers.services)];
    let more = more.into_iter().filter(|(_, items)| !items.is_empty());
    let more: Mapping = more.map(|(name, items)| (name.into(), texts(items))).collect();
    if !more.is_empty() {
        groups.push(vec![("repository_read_access", Value::Mapping(more))]);
    }
    let mut mutability: Group = Vec::new();
    if spec.mutability != "MUTABLE" {
        mutability.push(("image_tag_mutability", spec.mutability.as_str().into()));
    }
    if !spec.exclusion_filters.is_empty() {
        let filters = texts(spec.exclusion_filters.iter().cloned().collect());
        mutability.push(("image_tag_mutability_exclusion_filters", filters));
    }
    groups.push(mutability);
    groups.extend(lifecycle::value(&spec.lifecycle_policy).map(|policy| vec![("lifecycle_policy", policy)]));
    groups.extend(encryption(spec).map(|encryption| vec![("encryption_configuration", encryption)]));
    // What RESOURCE_TAGS says for everything need not be said again.
    let tags = spec
        .tags
        .iter()
        .filter(|(key, value)| settings.resource_tags.get(*key) != Some(value));
    let tags: Mapping = tags
        .map(|(key, value)| (Value::from(key.as_str()), Value::from(value.as_str())))
        .collect();
    if !tags.is_empty() {
        groups.push(vec![("tags", Value::Mapping(tags))]);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// The fields of repositories without a template: ECR gives them no lifecycle policy.
pub(super) fn without_template() -> Vec<Group> {
    lifecycle::value("")
        .map(|none| vec![("lifecycle_policy", none)])
        .into_iter()
        .collect()
}

fn encryption(spec: &TemplateSpec) -> Option<Value> {
    if matches!(spec.encryption_type.as_str(), "" | "AES256") {
        return None;
    }
    let fields = [
        ("encryption_type", Some(&spec.encryption_type)),
        ("kms_key", spec.kms_key.as_ref()),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.into(), value?.as_str().into())));
    Some(Value::Mapping(fields.collect()))
}
