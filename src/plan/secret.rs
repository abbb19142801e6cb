//! Secrets: what a registry's own secret needs, from its description to its value.

use std::collections::BTreeMap;

use serde_json::Value;

use super::difference::{self, Difference, made};
use super::value::Move;
use super::wanted::Wanted;
use super::{Action, Operation, Resource, Scope, Step, Verdict};
use crate::account::{
    Binding, CONFIGURED, CURRENT, FILE_PENDING, NewSecret, PREVIOUS, Secret, SecretState, UNBOUND, VersionValue,
};
use crate::cause::{Cause, Reason};
use crate::home::Home;
use crate::ownership::{OWNER_TAG, Owner, UPSTREAM_TAG};
use crate::policy::{policy_in_form, same_policy, secret_policy};
use crate::settings::Settings;
use config::Credential;
use config::Registry;

const VALUE: &str = "value";

/// Tags and description that a secret lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretMetadata {
    pub arn: String,
    /// To add, or to set anew; none where empty. Tags that others set are left alone.
    pub tags: BTreeMap<String, String>,
    pub description: Option<String>,
}

/// The labels as they were observed: every move names the holder it was planned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    pub arn: String,
    /// What the secret is to hold.
    pub credential: Credential,
    /// Whose word that is, and all that is shown of it.
    pub words: String,
    /// The version that carries `AWSCURRENT`.
    pub current: Option<String>,
    /// Whether that version holds something that ECR cannot use.
    pub current_is_unusable: bool,
    /// The version that carries `CONFIGURED`.
    pub configured: Option<String>,
    /// The version that carries `FILE_PENDING`.
    pub pending: Option<String>,
    /// The version that holds that value already.
    pub holds_value: Option<String>,
}

/// The description of a registry's secret, as the legacy module writes it.
fn description(registry: &str) -> String {
    format!("{registry} credentials")
}

fn tags(registry: &Registry, settings: &Settings) -> BTreeMap<String, String> {
    let mut tags = registry.tags.clone();
    tags.insert(OWNER_TAG.to_owned(), settings.owner.clone());
    tags.insert(UPSTREAM_TAG.to_owned(), registry.upstream.host.clone());
    tags
}

/// What keeps the secret from being used at all: its id and why.
pub(super) fn refusal(registry: &Registry, secret_state: &SecretState, settings: &Settings) -> Option<(String, Cause)> {
    match (&registry.credential, secret_state) {
        (config::CredentialSource::Secret(id), SecretState::Absent(_)) => {
            let reason = format!(
                "there is no secret {id} in this account and Region: create it with JSON of exactly username and \
                 accessToken, or correct the name"
            );
            Some((id.clone(), Cause::new(Reason::SECRET_MISSING, reason)))
        }
        (config::CredentialSource::Secret(id), SecretState::Found(secret)) if secret.scheduled_for_deletion => {
            let reason = format!(
                "the secret {id} is scheduled for deletion: restore it (what `secret:` names is never written here), \
                 or name another"
            );
            Some((id.clone(), Cause::new(Reason::SECRET_IN_DELETION, reason)))
        }
        (credential, SecretState::Found(secret)) if credential.is_own() && cannot_be_adopted(secret, settings) => {
            let reason = format!(
                "the secret {} holds something else than JSON with exactly username and accessToken, and no value of \
                 this file has ever been in it, so it is not overwritten: put such JSON into it, or delete it",
                secret.name
            );
            Some((secret.name.clone(), Cause::new(Reason::UNUSABLE_SECRET, reason)))
        }
        _ => None,
    }
}

/// What keeps a secret from being written until somebody decides: somebody else's rule would pull with what is put into it.
pub(super) fn verdict(secret_state: &SecretState) -> Option<Verdict> {
    let SecretState::Found(secret) = secret_state else {
        return None;
    };
    let rule = secret.foreign_rule.as_ref()?;
    let message = format!(
        "the rule {rule} is not ours and uses the secret {}, so nothing is written to it: point that rule at another secret, \
         or give the registry another name",
        secret.name
    );
    Some(Verdict::Held(Cause::new(Reason::OTHER_RULE, message)))
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

/// What the secret needs that is to hold `wanted`, in order.
pub(super) fn steps(
    registry: &Registry,
    secret_state: &SecretState,
    wanted: Option<&Wanted>,
    scope: Scope<'_>,
) -> Vec<Step> {
    let Scope { home, settings, .. } = scope;
    let Some(wanted) = wanted else {
        return Vec::new();
    };
    match secret_state {
        SecretState::Absent(name) => vec![
            Step {
                resource: Resource::Secret,
                action: Action::Create,
                id: name.clone(),
                fields: Vec::new(),
                diff: made(vec![
                    ("description", difference::text(&description(&registry.name))),
                    ("tags", difference::tags(&tags(registry, settings))),
                    ("value", wanted.words.as_str().into()),
                ]),
                operation: Operation::CreateSecret(NewSecret {
                    name: name.clone(),
                    description: description(&registry.name),
                    tags: tags(registry, settings),
                    credential: wanted.credential.clone(),
                }),
            },
            Step {
                resource: Resource::SecretPolicy,
                action: Action::Create,
                id: name.clone(),
                fields: Vec::new(),
                diff: made(vec![("policy", policy_in_form(&secret_policy(home), &home.partition))]),
                operation: Operation::PutSecretPolicy {
                    arn: None,
                    policy: secret_policy(home),
                },
            },
        ],
        SecretState::Found(secret) if secret.scheduled_for_deletion => vec![Step {
            resource: Resource::Secret,
            action: Action::Restore,
            id: secret.name.clone(),
            fields: Vec::new(),
            diff: vec![restored(secret)],
            operation: Operation::RestoreSecret {
                arn: secret.arn.clone(),
            },
        }],
        SecretState::Found(secret) => existing(registry, secret, wanted, scope),
        _ => Vec::new(),
    }
}

/// What is known of a secret that is to be restored. Its value and policy can only be read when it is back, so what it needs
/// then is no part of the plan; which versions, and under which tags, is.
fn restored(secret: &Secret) -> Difference {
    let versions: serde_json::Map<String, Value> = secret
        .labels
        .iter()
        .map(|(version, labels)| (version.clone(), difference::list(labels)))
        .collect();
    let old = serde_json::json!({"versions": versions, "tags": difference::tags(&secret.tags)});
    Difference::new("scheduled for deletion", old, "restored, and then as the file says")
}

fn existing(registry: &Registry, secret: &Secret, wanted: &Wanted, scope: Scope<'_>) -> Vec<Step> {
    let unbound = unbound(secret, &wanted.credential);
    let metadata = metadata(registry, secret, scope.settings);
    let policy = policy(secret, scope.home);
    unbound
        .into_iter()
        .chain(metadata)
        .chain(policy)
        .chain(value(secret, wanted))
        .collect()
}

/// Before the tag says which host the secret is for, what it held until then is marked, but for the version that is current
/// under a rule of that host, and for the file's own value: of those it is the version before that a rollback must not go to.
fn unbound(secret: &Secret, credential: &Credential) -> Option<Step> {
    let is_of_file = secret.labelled(CURRENT) == Some(&VersionValue::Credential(credential.clone()));
    let version = match secret.binding {
        Binding::Tag => return None,
        Binding::Rule => secret.holder(PREVIOUS)?,
        Binding::Nothing if is_of_file => secret.holder(PREVIOUS)?,
        Binding::Nothing => secret.holder(CURRENT)?,
    };
    if secret.carries(version, UNBOUND) {
        return None;
    }
    let from = secret.holder(UNBOUND).map(str::to_owned);
    let shown = |version: &str| Value::from(format!("version {version}"));
    Some(Step {
        resource: Resource::Secret,
        action: Action::Label,
        id: secret.name.clone(),
        fields: vec![UNBOUND],
        diff: vec![Difference::new(
            UNBOUND,
            from.as_deref().map_or(Value::Null, shown),
            shown(version),
        )],
        operation: Operation::LabelUnbound {
            arn: secret.arn.clone(),
            from,
            to: version.to_owned(),
        },
    })
}

fn metadata(registry: &Registry, secret: &Secret, settings: &Settings) -> Option<Step> {
    let mut missing = tags(registry, settings);
    missing.retain(|key, value| secret.tags.get(key) != Some(value));
    if secret.tags.contains_key(UPSTREAM_TAG) {
        // It names the host already, perhaps beside others.
        missing.remove(UPSTREAM_TAG);
    }
    let wanted = description(&registry.name);
    let description = (secret.description != wanted).then_some(wanted);
    let (mut fields, mut diff) = (Vec::new(), Vec::new());
    if !missing.is_empty() {
        fields.push("tags");
        let old = secret.tags.iter().filter(|(key, _)| missing.contains_key(*key));
        diff.push(Difference::new(
            "tags",
            difference::tags(old),
            difference::tags(&missing),
        ));
    }
    if let Some(description) = &description {
        fields.push("description");
        diff.push(Difference::new(
            "description",
            difference::text(&secret.description),
            difference::text(description),
        ));
    }
    let owned = Owner::of_secret(&secret.tags, settings) != Owner::Nobody;
    (!fields.is_empty()).then(|| Step {
        resource: Resource::Secret,
        action: if owned { Action::Update } else { Action::Adopt },
        id: secret.name.clone(),
        fields,
        diff,
        operation: Operation::UpdateSecretMetadata(SecretMetadata {
            arn: secret.arn.clone(),
            tags: missing,
            description,
        }),
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
        operation: Operation::PutSecretPolicy {
            arn: Some(secret.arn.clone()),
            policy: wanted,
        },
    })
}

/// The step that the credential needs; what it is to be is decided in [`value`](super::value).
fn value(secret: &Secret, wanted: &Wanted) -> Option<Step> {
    let labels = |holds_value: Option<String>| Labels {
        arn: secret.arn.clone(),
        credential: wanted.credential.clone(),
        words: wanted.words.clone(),
        current: secret.holder(CURRENT).map(str::to_owned),
        current_is_unusable: is_unusable(secret),
        configured: secret.holder(CONFIGURED).map(str::to_owned),
        pending: secret.holder(FILE_PENDING).map(str::to_owned),
        holds_value,
    };
    // Versions, which say nothing of what is in them.
    let to = |version: &str| Value::from(format!("version {version}"));
    let step = |action, field: &'static str, new: Value, operation| {
        let label = if field == VALUE { CURRENT } else { field };
        let diff = vec![Difference::new(
            field,
            secret.holder(label).map_or(Value::Null, to),
            new,
        )];
        let (id, fields) = (secret.name.clone(), vec![field]);
        Some(Step {
            resource: Resource::Secret,
            action,
            id,
            fields,
            diff,
            operation,
        })
    };
    match Move::of(secret, wanted) {
        Move::Nothing => None,
        Move::DropPending { configured } => {
            let operation = Operation::LabelConfigured(labels(Some(configured)));
            step(Action::Label, FILE_PENDING, Value::Null, operation)
        }
        Move::Label { version } => {
            let new = to(&version);
            step(
                Action::Label,
                CONFIGURED,
                new,
                Operation::LabelConfigured(labels(Some(version))),
            )
        }
        Move::Beside { holds } => step(
            Action::Label,
            CONFIGURED,
            wanted.words.as_str().into(),
            Operation::PutBeside(labels(holds)),
        ),
        Move::MakeCurrent { holds } => step(
            Action::Update,
            VALUE,
            wanted.words.as_str().into(),
            Operation::PutSecretValue(labels(holds)),
        ),
    }
}
