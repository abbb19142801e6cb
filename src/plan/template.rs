//! Templates: the whole desired state, compared field by field.

use serde_json::{Value, json};

use super::difference::{self, Fields, changed, made};
use super::{Action, Operation, Resource, Step};
use crate::account::{Template, TemplateSpec};
use crate::home::Home;
use crate::ownership::{Owner, template_description};
use crate::policy::{lifecycle_in_form, policy_in_form, repository_policy, same_lifecycle, same_policy};
use crate::settings::Settings;
use config::{Encryption, Registry};

/// The `appliedFor` value without which ECR silently does not apply a template to cached repositories.
pub const PULL_THROUGH_CACHE: &str = "PULL_THROUGH_CACHE";

/// What the template of `registry` is to say, given what it is applied for already.
fn desired(registry: &Registry, have: Option<&TemplateSpec>, home: &Home, settings: &Settings) -> TemplateSpec {
    let mut applied_for = have.map(|spec| spec.applied_for.clone()).unwrap_or_default();
    applied_for.insert(PULL_THROUGH_CACHE.to_owned());
    let (encryption_type, kms_key) = match &registry.encryption {
        None => ("AES256".to_owned(), None),
        Some(Encryption { kind, kms_key }) => (kind.as_str().to_owned(), kms_key.clone()),
    };
    // ECR's own role may only create a repository; tags and KMS keys need one that may do more (roadmap 2398).
    let needs_role = !registry.tags.is_empty() || encryption_type != "AES256";
    TemplateSpec {
        description: template_description(&registry.name, &settings.owner),
        applied_for,
        encryption_type,
        kms_key,
        tags: registry.tags.clone(),
        mutability: registry.mutability.as_str().to_owned(),
        exclusion_filters: registry.mutability.filters().iter().cloned().collect(),
        repository_policy: repository_policy(home, &registry.read_access),
        lifecycle_policy: registry
            .lifecycle
            .as_ref()
            .map(|policy| policy.to_json())
            .unwrap_or_default(),
        custom_role_arn: settings.template_role_arn.clone().filter(|_| needs_role),
    }
}

/// What the template needs, if anything.
pub(super) fn step(registry: &Registry, have: Option<&Template>, home: &Home, settings: &Settings) -> Option<Step> {
    let spec = desired(registry, have.map(|t| &t.spec), home, settings);
    let template = Template {
        prefix: registry.name.clone(),
        spec,
    };
    let new = fields(&template.spec, &home.partition);
    let (action, fields, diff, operation) = match have {
        None => (
            Action::Create,
            Vec::new(),
            made(new),
            Operation::CreateTemplate(template),
        ),
        Some(have) => {
            let fields = differences(&template.spec, &have.spec, &home.partition);
            let diff = changed(&fields, &self::fields(&have.spec, &home.partition), &new);
            let marked = Owner::of_template(&have.spec.description, settings) != Owner::Nobody;
            let action = if marked { Action::Update } else { Action::Adopt };
            (action, fields, diff, Operation::UpdateTemplate(template))
        }
    };
    if have.is_some() && fields.is_empty() {
        return None;
    }
    Some(Step {
        resource: Resource::Template,
        action,
        id: registry.name.clone(),
        fields,
        diff,
        operation,
    })
}

/// The file's names of what differs in meaning. A new field does not compile until someone has decided about it.
pub fn differences(want: &TemplateSpec, have: &TemplateSpec, partition: &str) -> Vec<&'static str> {
    let TemplateSpec {
        description,
        applied_for,
        encryption_type,
        kms_key,
        tags,
        mutability,
        exclusion_filters,
        repository_policy,
        lifecycle_policy,
        custom_role_arn,
    } = want;
    [
        ("description", *description == have.description),
        ("applied_for", *applied_for == have.applied_for),
        (
            "encryption_configuration",
            *encryption_type == have.encryption_type && same_key(kms_key, have),
        ),
        ("tags", *tags == have.tags),
        ("image_tag_mutability", *mutability == have.mutability),
        (
            "image_tag_mutability_exclusion_filters",
            *exclusion_filters == have.exclusion_filters,
        ),
        (
            "repository_policy",
            same_policy(repository_policy, &have.repository_policy, partition),
        ),
        (
            "lifecycle_policy",
            same_lifecycle(lifecycle_policy, &have.lifecycle_policy),
        ),
        ("custom_role_arn", *custom_role_arn == have.custom_role_arn),
    ]
    .into_iter()
    .filter_map(|(field, same)| (!same).then_some(field))
    .collect()
}

/// Every field by the file's name of it, to be shown.
pub(super) fn fields(spec: &TemplateSpec, partition: &str) -> Fields {
    let TemplateSpec {
        description,
        applied_for,
        encryption_type,
        kms_key,
        tags,
        mutability,
        exclusion_filters,
        repository_policy,
        lifecycle_policy,
        custom_role_arn,
    } = spec;
    let encryption = match kms_key {
        _ if encryption_type.is_empty() => Value::Null,
        None => json!({"encryption_type": encryption_type}),
        Some(key) => json!({"encryption_type": encryption_type, "kms_key": key}),
    };
    vec![
        ("description", difference::text(description)),
        ("applied_for", difference::list(applied_for)),
        ("encryption_configuration", encryption),
        ("tags", difference::tags(tags)),
        ("image_tag_mutability", difference::text(mutability)),
        (
            "image_tag_mutability_exclusion_filters",
            difference::list(exclusion_filters),
        ),
        ("repository_policy", policy_in_form(repository_policy, partition)),
        ("lifecycle_policy", lifecycle_in_form(lifecycle_policy)),
        (
            "custom_role_arn",
            custom_role_arn.as_deref().map_or(Value::Null, difference::text),
        ),
    ]
}

/// With KMS and no key ECR uses its own key `aws/ecr`, and may show it: a key that nobody asked for is no drift.
fn same_key(want: &Option<String>, have: &TemplateSpec) -> bool {
    match want {
        Some(key) => have.kms_key.as_ref() == Some(key),
        None => have.kms_key.is_none() || have.encryption_type != "AES256",
    }
}
