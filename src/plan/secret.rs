//! Secrets: the three-way rule that lets a file set a credential and never undo a rotation.
//!
//! The version that carries `CONFIGURED` tells what the file said last. The file saying the same again has nothing
//! to say, whoever has moved `AWSCURRENT` since. DESIGN, section 4.

use std::collections::BTreeMap;

use serde_json::Value;

use super::difference::{self, Difference, made};
use super::{Action, Operation, Resource, Step};
use crate::account::{CONFIGURED, CURRENT, FILE_PENDING, Secret, Sight, VersionValue};
use crate::config::{self, Registry};
use crate::credential::Credential;
use crate::home::Home;
use crate::ownership::{OWNER_TAG, Owner};
use crate::policy::{policy_in_form, same_policy, secret_policy};
use crate::settings::Settings;
use crate::version_id::{is_ours, was_put_on};

const VALUE: &str = "value";

/// What is shown for a value, and all that is.
const OF_FILE: &str = "the credential of the file";

/// A secret that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSecret {
    /// `ecr-pullthroughcache/<registry>`.
    pub name: String,
    /// As the legacy module writes it.
    pub description: String,
    /// The registry's and the owner's.
    pub tags: BTreeMap<String, String>,
    /// What goes into it.
    pub credential: Credential,
}

/// Tags and description that a secret lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dress {
    /// Its ARN.
    pub arn: String,
    /// To add, or to set anew; none where empty. Tags that others set are left alone.
    pub tags: BTreeMap<String, String>,
    /// Where it differs.
    pub description: Option<String>,
}

/// The labels as they were observed: every move names the holder it was planned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// The secret's ARN.
    pub arn: String,
    /// What the file says.
    pub credential: Credential,
    /// The version that carries `AWSCURRENT`.
    pub current: Option<String>,
    /// Whether that version holds something that ECR cannot use.
    pub current_is_unusable: bool,
    /// The version that carries `CONFIGURED`.
    pub configured: Option<String>,
    /// The version that carries `FILE_PENDING`.
    pub pending: Option<String>,
    /// The version that holds the file's value already.
    pub holds_value: Option<String>,
}

/// The description of a registry's secret, as the legacy module writes it.
fn description(registry: &str) -> String {
    format!("{registry} credentials")
}

fn tags(registry: &Registry, settings: &Settings) -> BTreeMap<String, String> {
    let mut tags = registry.tags.clone();
    tags.insert(OWNER_TAG.to_owned(), settings.owner.clone());
    tags
}

/// What keeps the secret from being used at all: its id and why.
pub(super) fn refusal(registry: &Registry, sight: &Sight, settings: &Settings) -> Option<(String, String)> {
    match (&registry.credential, sight) {
        (config::Credential::Secret(id), Sight::Absent(_)) => {
            let reason = format!(
                "there is no secret {id} in this account and Region: create it with JSON of exactly username and \
                 accessToken, or correct the name"
            );
            Some((id.clone(), reason))
        }
        (config::Credential::Secret(id), Sight::Found(secret)) if secret.scheduled_for_deletion => {
            let reason = format!(
                "the secret {id} is scheduled for deletion: restore it (what `secret:` names is never written here), \
                 or name another"
            );
            Some((id.clone(), reason))
        }
        (config::Credential::Given(_), Sight::Found(secret)) if cannot_be_adopted(secret, settings) => {
            let reason = format!(
                "the secret {} holds something else than JSON with exactly username and accessToken, and no value of \
                 this file has ever been in it, so it is not overwritten: put such JSON into it, or delete it",
                secret.name
            );
            Some((secret.name.clone(), reason))
        }
        _ => None,
    }
}

/// A value of unknown use that no file has set, in a secret that nobody has marked. In one of ours the file speaks over
/// anything: what was there stays as `AWSPREVIOUS`.
fn cannot_be_adopted(secret: &Secret, settings: &Settings) -> bool {
    let unmarked = Owner::of_secret(&secret.tags, settings) == Owner::Nobody;
    unmarked && secret.holder(CONFIGURED).is_none() && is_unusable(secret)
}

/// Whether ECR can do nothing with the current value.
fn is_unusable(secret: &Secret) -> bool {
    matches!(secret.labelled(CURRENT), Some(VersionValue::Unusable))
}

/// What the secret needs, in order.
pub(super) fn steps(registry: &Registry, sight: &Sight, home: &Home, settings: &Settings) -> Vec<Step> {
    let config::Credential::Given(credential) = &registry.credential else { return Vec::new() };
    match sight {
        Sight::Absent(name) => vec![
            Step {
                resource: Resource::Secret,
                action: Action::Create,
                id: name.clone(),
                fields: Vec::new(),
                diff: made(vec![
                    ("description", difference::text(&description(&registry.name))),
                    ("tags", difference::tags(&tags(registry, settings))),
                    ("value", OF_FILE.into()),
                ]),
                operation: Operation::CreateSecret(NewSecret {
                    name: name.clone(),
                    description: description(&registry.name),
                    tags: tags(registry, settings),
                    credential: credential.clone(),
                }),
            },
            Step {
                resource: Resource::SecretPolicy,
                action: Action::Create,
                id: name.clone(),
                fields: Vec::new(),
                diff: made(vec![("policy", policy_in_form(&secret_policy(home), &home.partition))]),
                operation: Operation::PutSecretPolicy { arn: None, policy: secret_policy(home) },
            },
        ],
        Sight::Found(secret) if secret.scheduled_for_deletion => vec![Step {
            resource: Resource::Secret,
            action: Action::Restore,
            id: secret.name.clone(),
            fields: Vec::new(),
            diff: vec![restored(secret)],
            operation: Operation::RestoreSecret { arn: secret.arn.clone() },
        }],
        Sight::Found(secret) => existing(registry, secret, credential, home, settings),
        _ => Vec::new(),
    }
}

/// What is known of a secret that is to be restored. Its value and policy can only be read when it is back, so what it needs
/// then is no part of the plan; which versions, and under which tags, is.
fn restored(secret: &Secret) -> Difference {
    let versions: serde_json::Map<String, Value> =
        secret.labels.iter().map(|(version, labels)| (version.clone(), difference::list(labels))).collect();
    let old = serde_json::json!({"versions": versions, "tags": difference::tags(&secret.tags)});
    Difference::new("scheduled for deletion", old, "restored, and then as the file says")
}

fn existing(
    registry: &Registry,
    secret: &Secret,
    credential: &Credential,
    home: &Home,
    settings: &Settings,
) -> Vec<Step> {
    let dress = dress(registry, secret, settings);
    let policy = policy(secret, home);
    dress.into_iter().chain(policy).chain(value(secret, credential)).collect()
}

fn dress(registry: &Registry, secret: &Secret, settings: &Settings) -> Option<Step> {
    let mut missing = tags(registry, settings);
    missing.retain(|key, value| secret.tags.get(key) != Some(value));
    let wanted = description(&registry.name);
    let description = (secret.description != wanted).then_some(wanted);
    let (mut fields, mut diff) = (Vec::new(), Vec::new());
    if !missing.is_empty() {
        fields.push("tags");
        let old = secret.tags.iter().filter(|(key, _)| missing.contains_key(*key));
        diff.push(Difference::new("tags", difference::tags(old), difference::tags(&missing)));
    }
    if let Some(description) = &description {
        fields.push("description");
        diff.push(Difference::new("description", difference::text(&secret.description), difference::text(description)));
    }
    let owned = Owner::of_secret(&secret.tags, settings) != Owner::Nobody;
    (!fields.is_empty()).then(|| Step {
        resource: Resource::Secret,
        action: if owned { Action::Update } else { Action::Adopt },
        id: secret.name.clone(),
        fields,
        diff,
        operation: Operation::DressSecret(Dress { arn: secret.arn.clone(), tags: missing, description }),
    })
}

fn policy(secret: &Secret, home: &Home) -> Option<Step> {
    let wanted = secret_policy(home);
    let action = match &secret.policy {
        None => Action::Create,
        Some(policy) if same_policy(policy, &wanted, &home.partition) => return None,
        Some(_) => Action::Update,
    };
    let shown = |policy: &str| policy_in_form(policy, &home.partition);
    let old = secret.policy.as_deref().map_or(Value::Null, shown);
    Some(Step {
        resource: Resource::SecretPolicy,
        action,
        id: secret.name.clone(),
        fields: Vec::new(),
        diff: vec![Difference::new("policy", old, shown(&wanted))],
        operation: Operation::PutSecretPolicy { arn: Some(secret.arn.clone()), policy: wanted },
    })
}

fn value(secret: &Secret, credential: &Credential) -> Option<Step> {
    let holds = |label| {
        let version = secret.labelled(label)?;
        (*version == VersionValue::Credential(credential.clone())).then(|| secret.holder(label))?
    };
    let labels = |holds_value: Option<&str>| Labels {
        arn: secret.arn.clone(),
        credential: credential.clone(),
        current: secret.holder(CURRENT).map(str::to_owned),
        current_is_unusable: is_unusable(secret),
        configured: secret.holder(CONFIGURED).map(str::to_owned),
        pending: secret.holder(FILE_PENDING).map(str::to_owned),
        holds_value: holds_value.map(str::to_owned),
    };
    // Versions, which say nothing of what is in them.
    let to = |version: &str| Value::from(format!("version {version}"));
    let version = |label| secret.holder(label).map_or(Value::Null, to);
    let step = |action, field, new: Value, operation| {
        let label = if field == VALUE { CURRENT } else { field };
        let diff = vec![Difference::new(field, version(label), new)];
        let (id, fields) = (secret.name.clone(), vec![field]);
        Some(Step { resource: Resource::Secret, action, id, fields, diff, operation })
    };
    if let Some(configured) = holds(CONFIGURED) {
        // Another value of the file was on its way when the file went back to this one.
        return secret.holder(FILE_PENDING).and_then(|_| {
            step(Action::Label, FILE_PENDING, Value::Null, Operation::LabelConfigured(labels(Some(configured))))
        });
    }
    if let Some(current) = holds(CURRENT) {
        return step(Action::Label, CONFIGURED, to(current), Operation::LabelConfigured(labels(Some(current))));
    }
    let pending = holds(FILE_PENDING).filter(|version| is_ours(version));
    if let (Some(pending), Some(current)) = (pending, secret.holder(CURRENT))
        && !was_put_on(pending, current)
    {
        // The file had spoken before the rotation, and the run that was to make its value current came too late.
        return step(Action::Label, CONFIGURED, to(pending), Operation::LabelConfigured(labels(Some(pending))));
    }
    step(Action::Update, VALUE, OF_FILE.into(), Operation::PutSecretValue(labels(pending)))
}
