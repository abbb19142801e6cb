//! File and account -> what is to be done. Pure: no clock, no network, no writer in reach.
//!
//! A [`Plan`] is a value: every registry's steps in the order they are to be taken (secret, template, rule), or the
//! reason why none of them is. What differs is found field by field; a registry without steps is as it should be.

pub mod bounds;
mod checksum;
mod difference;
mod removals;
pub mod rollback;
mod room;
mod rule;
mod secret;
#[cfg(test)]
mod table;
mod template;
#[cfg(test)]
mod tests;
mod value;
mod wanted;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, NewSecret, Rule, SecretState, Template, View};
use crate::cause::{Cause, Reason};
use crate::home::Home;
use crate::ownership::{Owner, UPSTREAM_TAG, secret_name};
use crate::settings::Settings;
use config::{File, Registry};

pub use checksum::{Sum, checksum, is_checksum};
pub use difference::Difference;
pub(crate) use difference::tags as shown_tags;
pub use removals::{Limit, Removal, Removals, hold_for_new_names};
pub use room::{over_quota, waits_for};
pub use template::PULL_THROUGH_CACHE;
pub use template::differences as template_differences;
pub use value::is_of_file;
pub use wanted::{FirstSeen, Wanted, trouble, words};

/// Rules per account and Region, foreign ones included. Not adjustable (ECR quotas).
pub const RULE_QUOTA: usize = 50;

/// What a plan is made for, beside file and account.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub home: &'a Home,
    /// What the operator chose.
    pub settings: &'a Settings,
    /// When the file was uploaded; of a local file, now.
    pub uploaded: Timestamp,
}

/// What a run is to do.
#[derive(Debug)]
pub struct Plan {
    /// Every registry of the file, in the file's order.
    pub registries: Vec<RegistryPlan>,
    /// What the file does not name any more.
    pub removals: Removals,
}

impl Plan {
    /// The registries whose steps are to be taken.
    pub fn open(&self) -> impl Iterator<Item = &str> {
        let go = self.registries.iter().filter(|plan| plan.verdict == Verdict::Go);
        go.map(|plan| plan.registry.as_str())
    }
}

/// What is to be done about one registry.
#[derive(Debug)]
pub struct RegistryPlan {
    pub registry: String,
    /// Whether its template carried our mark when the run began: then its rule is ours.
    pub marked: bool,
    /// Whether its steps are to be taken.
    pub verdict: Verdict,
    /// In order. Where held, what would be done.
    pub steps: Vec<Step>,
    /// The ARN of the secret it is planned with, where that is there already.
    pub secret: Option<String>,
    /// When the value was first seen that is to be copied, where one is.
    pub first_seen: Option<FirstSeen>,
    /// The rule of a registry that left the file, which has to make room for this one's.
    pub instead_of: Option<Rule>,
}

/// Whether a registry's steps are to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// Not until somebody decides.
    Held(Cause),
    /// No: it cannot be right. Nothing of the registry is written.
    Refused {
        /// What stands in the way.
        resource: Resource,
        /// What cannot be done with it.
        action: Action,
        id: String,
        cause: Cause,
    },
}

/// A step: what the report says about it, and what is to be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub resource: Resource,
    pub action: Action,
    /// Prefix or secret name.
    pub id: String,
    /// What differed, of an update or an adoption.
    pub fields: Vec<&'static str>,
    /// The fields as they are and as they are to be, of whatever is made or changed.
    pub diff: Vec<Difference>,
    /// What is to be called.
    pub operation: Operation,
}

/// Kinds of resources, as the report names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    Rule,
    Template,
    Secret,
    SecretPolicy,
    /// A repository that exists already.
    Repository,
}

/// What is done to a resource, as the report names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Create,
    Update,
    /// Deleted and made again, since it cannot be changed.
    Replace,
    Delete,
    /// Marked as ours for the first time.
    Adopt,
    /// Kept from a scheduled deletion.
    Restore,
    /// Only a staging label moved.
    Label,
    /// The version before made current again.
    Rollback,
}

/// What is to be called for a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// CreateSecret with the value, then UpdateSecretVersionStage: `CONFIGURED`.
    CreateSecret(NewSecret),
    /// RestoreSecret. What else the secret needs can only be seen afterwards.
    RestoreSecret { arn: String },
    /// TagResource, and UpdateSecret for the description.
    UpdateSecretMetadata(secret::SecretMetadata),
    /// PutResourcePolicy; on the secret made before in these steps where there is no ARN yet.
    PutSecretPolicy { arn: Option<String>, policy: String },
    /// UpdateSecretVersionStage: `UNBOUND` to a version from before the secret's tag.
    LabelUnbound {
        arn: String,
        /// The version that carries the label.
        from: Option<String>,
        /// The one that is to.
        to: String,
    },
    /// UpdateSecretVersionStage: `CONFIGURED` to the version that has the file's value.
    LabelConfigured(secret::Labels),
    /// The same for a value that is put beside a current one that stays: PutSecretValue first, unless it is there.
    PutBeside(secret::Labels),
    /// PutSecretValue and the guarded moves of the labels.
    PutSecretValue(secret::Labels),
    /// CreateRepositoryCreationTemplate.
    CreateTemplate(Template),
    /// UpdateRepositoryCreationTemplate with all of it, read back.
    UpdateTemplate(Template),
    /// CreatePullThroughCacheRule.
    CreateRule(rule::Target),
    /// UpdatePullThroughCacheRule.
    UpdateRule(rule::Target),
    /// DeletePullThroughCacheRule, CreatePullThroughCacheRule; the old one is put back if that fails.
    ReplaceRule { old: Rule, new: rule::Target },
    /// DeletePullThroughCacheRule of a registry that left the file, CreatePullThroughCacheRule: at the quota there is no
    /// room for both. The old one is put back if that fails.
    SwapRule {
        /// The one that left.
        old: Rule,
        /// The one that is to be.
        new: rule::Target,
    },
    /// DeletePullThroughCacheRule.
    DeleteRule { prefix: String },
    /// DeleteSecret with the 7-day window, if it still is ours and no rule points to it.
    DeleteSecret { arn: String },
    /// DeleteRepositoryCreationTemplate.
    DeleteTemplate {
        /// As it is, to be put back if need be.
        template: Template,
    },
}

pub use rule::Target as RuleTarget;
pub use secret::{Labels, SecretMetadata};

/// What bounds the deletions of a run, beside file and account.
#[derive(Debug, Clone, Default)]
pub struct DeletionBounds {
    /// How many registries may go.
    pub limit: Limit,
    /// Why none of them may, if so.
    pub hold: Option<Cause>,
    /// The only registries that may, where a status has named any: others with our mark may be another stack's that goes by
    /// the same name.
    pub known: Option<BTreeSet<String>>,
    /// Registries of the file that were refused in the place of one that left, and are not to be tried there again.
    pub refused: BTreeSet<String>,
}

/// Whether the version that ECR reads holds what the file says, or its source, once a registry's plan is carried out.
pub fn is_of_file_after(registry: &Registry, view: &View, scope: Scope<'_>) -> bool {
    let seen = FirstSeen::of(view, None);
    match (
        &view.secret_state,
        Wanted::of(registry, view, seen.as_ref(), scope.uploaded),
    ) {
        (SecretState::Absent(_), Some(_)) => true,
        (SecretState::Found(secret), Some(wanted)) => value::is_of_file_after(secret, &wanted),
        _ => false,
    }
}

/// Plans a whole run.
pub fn plan(file: &File, account: &Account, scope: Scope<'_>, bounds: &DeletionBounds) -> Plan {
    let mut registries: Vec<RegistryPlan> = file
        .registries
        .iter()
        .map(|registry| plan_registry(registry, &account.view(&registry.name), scope))
        .collect();
    let mut removals = removals::removals(file, account, &registries, bounds, scope.settings);
    room::hold_for_stuck(file, &mut removals.left, &registries);
    room::make_room(
        file,
        account.snapshot.rules.len(),
        &bounds.refused,
        &mut registries,
        &mut removals.left,
    );
    Plan { registries, removals }
}

/// Plans one registry from its part of the account.
fn plan_registry(registry: &Registry, view: &View, scope: Scope<'_>) -> RegistryPlan {
    let is_ours = |template: &Template| Owner::of_template(&template.spec.description, scope.settings).is_ours();
    plan_with(registry, view, view.template.as_ref().is_some_and(is_ours), None, scope)
}

/// Plans one registry anew, in the middle of a run. A mark that this very run has made says nothing about a rule that
/// somebody else was faster to make.
pub fn plan_again(registry: &Registry, view: &View, before: &RegistryPlan, scope: Scope<'_>) -> RegistryPlan {
    let mut plan = plan_with(registry, view, before.marked, before.first_seen.as_ref(), scope);
    if let Some(old) = &before.instead_of {
        plan.takes_the_place_of(old);
    }
    plan
}

fn plan_with(
    registry: &Registry,
    view: &View,
    marked: bool,
    seen: Option<&FirstSeen>,
    scope: Scope<'_>,
) -> RegistryPlan {
    let Scope { home, settings, .. } = scope;
    let first_seen = FirstSeen::of(view, seen);
    let wanted = Wanted::of(registry, view, first_seen.as_ref(), scope.uploaded);
    let name = registry.name.clone();
    let beyond = bounds::refusal(registry, view.rule.as_ref(), view.template.is_some(), scope);
    let (verdict, steps) = match beyond.or_else(|| refusal(registry, view, settings)) {
        Some(refused) => (refused, Vec::new()),
        None => {
            let mut steps = secret::steps(registry, &view.secret_state, wanted.as_ref(), scope);
            steps.extend(template::step(registry, view.template.as_ref(), home, settings));
            steps.extend(rule::step(registry, view.rule.as_ref(), &view.secret_state));
            let verdict = secret::verdict(&view.secret_state)
                .unwrap_or_else(|| rule::verdict(registry, view.rule.as_ref(), marked));
            (verdict, steps)
        }
    };
    let secret = match &view.secret_state {
        SecretState::Found(secret) => Some(secret.arn.clone()),
        _ => None,
    };
    RegistryPlan {
        registry: name,
        marked,
        verdict,
        steps,
        secret,
        first_seen,
        instead_of: None,
    }
}

/// What stands in the way of writing anything for this registry.
fn refusal(registry: &Registry, view: &View, settings: &Settings) -> Option<Verdict> {
    let refused = |resource, id: &str, cause: Cause| {
        Some(Verdict::Refused {
            resource,
            action: Action::Adopt,
            id: id.to_owned(),
            cause,
        })
    };
    if let Some(template) = &view.template
        && let Owner::Other(owner) = Owner::of_template(&template.spec.description, settings)
    {
        let reason = format!(
            "its template carries the mark of another owner, {owner:?}: take the registry out of one of the two files, \
             or name {owner:?} in TAKE_OVER_FROM if that stack is gone"
        );
        return refused(
            Resource::Template,
            &registry.name,
            Cause::new(Reason::OTHER_OWNER, reason),
        );
    }
    match &view.secret_state {
        SecretState::Unread(error) => Some(Verdict::Refused {
            resource: Resource::Secret,
            action: Action::Update,
            id: secret_name(&registry.name),
            cause: error.into(),
        }),
        SecretState::WrongHost { name, hosts } => {
            let host = &registry.upstream.host;
            let mut all = hosts.clone();
            all.push(host.clone());
            let message = format!(
                "the secret {name} is for {}, and its value is not sent to {host}. If it is for both: `aws secretsmanager \
                 tag-resource --secret-id {name} --tags 'Key={UPSTREAM_TAG},Value={}'`",
                if hosts.is_empty() {
                    "another host".to_owned()
                } else {
                    hosts.join(", ")
                },
                all.join(" ")
            );
            let cause = Cause::new(Reason::WRONG_HOST, message);
            let action = if view.rule.is_some() {
                Action::Update
            } else {
                Action::Create
            };
            Some(Verdict::Refused {
                resource: Resource::Rule,
                action,
                id: registry.name.clone(),
                cause,
            })
        }
        SecretState::OthersTag { name, owner } => {
            let reason = format!(
                "the secret {name} carries the tag of another owner, {owner:?}: take the registry out of one of the \
                 two files, or name {owner:?} in TAKE_OVER_FROM if that stack is gone"
            );
            refused(Resource::Secret, name, Cause::new(Reason::OTHER_OWNER, reason))
        }
        SecretState::AlsoReferenced(name) => {
            let reason = format!(
                "the file gives this registry a credential, which goes into the secret {name}, but refers to the same \
                 secret with `secret:`, and what is referred to is never written: do one of the two"
            );
            refused(Resource::Secret, name, Cause::new(Reason::REFERENCED, reason))
        }
        secret_state => {
            match source_trouble(registry, view).or_else(|| secret::refusal(registry, secret_state, settings)) {
                // What `secret:` names is never written: it is the rule that cannot be made, or stay.
                Some((_, cause)) if matches!(registry.credential, config::CredentialSource::Secret(_)) => {
                    let action = if view.rule.is_some() {
                        Action::Update
                    } else {
                        Action::Create
                    };
                    let id = registry.name.clone();
                    Some(Verdict::Refused {
                        resource: Resource::Rule,
                        action,
                        id,
                        cause,
                    })
                }
                refusal => refusal.and_then(|(id, cause)| refused(Resource::Secret, &id, cause)),
            }
        }
    }
}

/// Why a registry's credential cannot be copied, and which secret it was to be copied into.
fn source_trouble(registry: &Registry, view: &View) -> Option<(String, Cause)> {
    let into = match &view.secret_state {
        SecretState::Found(secret) => secret.name.clone(),
        SecretState::Absent(name) => name.clone(),
        _ => secret_name(&registry.name),
    };
    Some((into, wanted::trouble(registry, view.source.as_ref())?))
}
