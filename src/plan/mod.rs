//! File and account -> what is to be done. Pure: no clock, no network, no writer in reach.
//!
//! A [`Plan`] is a value: every registry's steps in the order they are to be taken (secret, template, rule), or the
//! reason why none of them is. What differs is found field by field; a registry without steps is as it should be.

mod left;
mod rule;
mod secret;
mod template;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::account::{Account, ErrorKind, ListedSecret, Rule, Sight, Template, View};
use crate::config::{File, Registry};
use crate::home::Home;
use crate::ownership::Owner;
use crate::settings::Settings;

pub use left::{Left, left, orphans};
pub use template::differences as template_differences;

/// Rules per account and Region, foreign ones included. Not adjustable (ECR quotas).
pub const RULE_QUOTA: usize = 50;

/// What a run is to do.
#[derive(Debug)]
pub struct Plan {
    /// Every registry of the file, in the file's order.
    pub registries: Vec<RegistryPlan>,
    /// Registries that carry our mark and that the file does not name any more.
    pub left: Vec<Left>,
    /// Our own secrets that their registry does not use any more.
    pub orphans: Vec<ListedSecret>,
}

/// What is to be done about one registry.
#[derive(Debug)]
pub struct RegistryPlan {
    /// Its name.
    pub registry: String,
    /// Whether its steps are to be taken.
    pub verdict: Verdict,
    /// In order. Where held, what would be done.
    pub steps: Vec<Step>,
}

/// Whether a registry's steps are to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Go,
    /// Not until somebody decides; the sentence says what.
    Held(String),
    /// No: it cannot be right. Nothing of the registry is written.
    Refused {
        /// What stands in the way.
        resource: Resource,
        /// Its id.
        id: String,
        /// Why, and what to do.
        reason: String,
        /// Another try may go better.
        transient: bool,
    },
}

/// A step: what the report says about it, and what is to be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is changed.
    pub resource: Resource,
    /// How.
    pub action: Action,
    /// Prefix or secret name.
    pub id: String,
    /// What differed, of an update or an adoption.
    pub fields: Vec<&'static str>,
    /// What is to be called.
    pub operation: Operation,
}

/// Kinds of resources, as the report names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// A pull-through cache rule.
    Rule,
    /// A repository creation template.
    Template,
    /// A Secrets Manager secret.
    Secret,
    /// A secret's resource policy.
    SecretPolicy,
    /// A repository that exists already.
    Repository,
}

/// What is done to a resource, as the report names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Made.
    Create,
    /// Changed in place.
    Update,
    /// Deleted and made again, since it cannot be changed.
    Replace,
    /// Deleted.
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
    /// CreateSecret, then PutSecretValue with `AWSCURRENT` and `CONFIGURED`.
    CreateSecret(secret::NewSecret),
    /// RestoreSecret. What else the secret needs can only be seen afterwards.
    RestoreSecret {
        /// Its ARN.
        arn: String,
    },
    /// TagResource, and UpdateSecret for the description.
    DressSecret(secret::Dress),
    /// PutResourcePolicy; on the secret made before in these steps where there is no ARN yet.
    PutSecretPolicy {
        /// Its ARN.
        arn: Option<String>,
        /// JSON.
        policy: String,
    },
    /// UpdateSecretVersionStage: `CONFIGURED` to the version that has the file's value.
    LabelConfigured(secret::Labels),
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
    ReplaceRule {
        /// As it is.
        old: Rule,
        /// As it is to be.
        new: rule::Target,
    },
}

pub use rule::Target as RuleTarget;
pub use secret::{Dress, Labels, NewSecret};

/// Plans a whole run.
pub fn plan(file: &File, account: &Account, home: &Home, settings: &Settings) -> Plan {
    let mut registries: Vec<RegistryPlan> = file
        .registries
        .iter()
        .map(|registry| plan_registry(registry, &account.view(&registry.name), home, settings))
        .collect();
    hold_what_exceeds_the_quota(&mut registries, account.snapshot.rules.len());
    let left = left::left(file, account, settings);
    let orphans = left::orphans(file, account, &registries, settings);
    Plan { registries, left, orphans }
}

/// Plans one registry from its part of the account.
pub fn plan_registry(registry: &Registry, view: &View, home: &Home, settings: &Settings) -> RegistryPlan {
    let name = registry.name.clone();
    let (verdict, steps) = match refusal(registry, view, settings) {
        Some(refused) => (refused, Vec::new()),
        None => {
            let ours =
                view.template.as_ref().is_some_and(|t| Owner::of_template(&t.spec.description, settings).is_ours());
            let mut steps = secret::steps(registry, &view.sight, home, settings);
            steps.extend(template::step(registry, view.template.as_ref(), home, settings));
            steps.extend(rule::step(registry, view.rule.as_ref(), &view.sight));
            (rule::verdict(registry, view.rule.as_ref(), ours), steps)
        }
    };
    RegistryPlan { registry: name, verdict, steps }
}

/// What stands in the way of writing anything for this registry.
fn refusal(registry: &Registry, view: &View, settings: &Settings) -> Option<Verdict> {
    let refused = |resource, id: &str, reason: String| {
        Some(Verdict::Refused { resource, id: id.to_owned(), reason, transient: false })
    };
    if let Some(template) = &view.template
        && let Owner::Other(owner) = Owner::of_template(&template.spec.description, settings)
    {
        let reason = format!(
            "its template carries the mark of another owner, {owner:?}: take the registry out of one of the two files, \
             or name {owner:?} in TAKE_OVER_FROM if that stack is gone"
        );
        return refused(Resource::Template, &registry.name, reason);
    }
    match &view.sight {
        Sight::Unread(error) => Some(Verdict::Refused {
            resource: Resource::Secret,
            id: registry.name.clone(),
            reason: error.to_string(),
            transient: error.kind == ErrorKind::Transient,
        }),
        Sight::OthersTag { name, owner } => {
            let reason = format!(
                "the secret {name} carries the tag of another owner, {owner:?}: take the registry out of one of the \
                 two files, or name {owner:?} in TAKE_OVER_FROM if that stack is gone"
            );
            refused(Resource::Secret, name, reason)
        }
        Sight::AlsoReferenced(name) => {
            let reason = format!(
                "the file gives this registry a credential, which goes into the secret {name}, but refers to the same \
                 secret with `secret:`, and what is referred to is never written: do one of the two"
            );
            refused(Resource::Secret, name, reason)
        }
        sight => secret::refusal(registry, sight).and_then(|(id, reason)| refused(Resource::Secret, &id, reason)),
    }
}

/// Creations beyond the quota are held, each by itself and in the file's order, so that the rest goes on.
fn hold_what_exceeds_the_quota(registries: &mut [RegistryPlan], rules: usize) {
    let mut room = RULE_QUOTA.saturating_sub(rules);
    for plan in registries {
        let creates = plan.steps.iter().any(|step| matches!(step.operation, Operation::CreateRule(_)));
        if plan.verdict != Verdict::Go || !creates {
            continue;
        }
        match room.checked_sub(1) {
            Some(rest) => room = rest,
            None => plan.verdict = Verdict::Held(quota_reason()),
        }
    }
}

/// Why a rule does not fit. Also said when ECR itself finds the quota used up.
pub fn quota_reason() -> String {
    format!(
        "ECR allows {RULE_QUOTA} pull-through cache rules in an account and Region, foreign ones included, and they \
         are used up: delete a rule that nobody needs"
    )
}
