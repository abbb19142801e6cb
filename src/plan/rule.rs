//! Rules: what can be updated, what must be replaced, and what needs somebody's word first.

use serde_json::Value;

use super::difference::{self, Difference, Fields, changed, made};
use super::{Action, Operation, Resource, Step, Verdict};
use crate::account::{Rule, SecretState};
use crate::cause::{Cause, Reason};
use config::Registry;

/// The rule that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// With the secret's ARN, unless the secret is made by a step before.
    pub rule: Rule,
    /// The secret is made by a step before: its ARN goes into the rule.
    pub with_new_secret: bool,
}

fn target(registry: &Registry, secret_state: &SecretState) -> Target {
    let (credential_arn, with_new_secret) = match secret_state {
        SecretState::Found(secret) => (Some(secret.arn.clone()), false),
        SecretState::Absent(_) => (None, true),
        _ => (None, false),
    };
    Target {
        rule: Rule {
            prefix: registry.name.clone(),
            upstream_url: registry.upstream.host.clone(),
            upstream_prefix: registry.served_part().map(str::to_owned),
            credential_arn,
            custom_role_arn: registry.custom_role_arn.clone(),
        },
        with_new_secret,
    }
}

/// What a rule for `registry` needs, if anything.
pub(super) fn step(registry: &Registry, rule: Option<&Rule>, secret_state: &SecretState) -> Option<Step> {
    let target = target(registry, secret_state);
    let new = {
        // A secret that is made by a step before has no ARN yet.
        let to_come = match secret_state {
            SecretState::Absent(name) if target.with_new_secret => Some(name.as_str()),
            _ => None,
        };
        fields(&target.rule, to_come)
    };
    let Some(old) = rule else {
        return Some(new_step(
            registry,
            Action::Create,
            Vec::new(),
            made(new),
            Operation::CreateRule(target),
        ));
    };
    let fields = differences(&target, old);
    if fields.is_empty() {
        return None;
    }
    let diff = changed(&fields, &self::fields(old, None), &new);
    // ECR refuses an update that names neither secret nor role (pulumi-aws 5714), and one that gives a secret or
    // role to a rule that had none is nothing it documents: both are a deletion and a creation.
    let wants_any =
        target.with_new_secret || target.rule.credential_arn.is_some() || target.rule.custom_role_arn.is_some();
    let has_any = old.credential_arn.is_some() || old.custom_role_arn.is_some();
    let points_elsewhere = fields
        .iter()
        .any(|field| matches!(*field, "registry" | "upstream_repository_prefix"));
    Some(if points_elsewhere || !wants_any || !has_any {
        new_step(
            registry,
            Action::Replace,
            fields,
            diff,
            Operation::ReplaceRule {
                old: old.clone(),
                new: target,
            },
        )
    } else {
        new_step(registry, Action::Update, fields, diff, Operation::UpdateRule(target))
    })
}

fn new_step(
    registry: &Registry,
    action: Action,
    fields: Vec<&'static str>,
    diff: Vec<Difference>,
    operation: Operation,
) -> Step {
    Step {
        resource: Resource::Rule,
        action,
        id: registry.name.clone(),
        fields,
        diff,
        operation,
    }
}

/// Every field by the file's name of it, to be shown.
pub(super) fn fields(rule: &Rule, secret_to_come: Option<&str>) -> Fields {
    let Rule {
        prefix: _,
        upstream_url,
        upstream_prefix,
        credential_arn,
        custom_role_arn,
    } = rule;
    let shown = |text: Option<&str>| text.map_or(Value::Null, difference::text);
    vec![
        ("registry", difference::text(upstream_url)),
        ("upstream_repository_prefix", shown(upstream_prefix.as_deref())),
        ("secret", shown(credential_arn.as_deref().or(secret_to_come))),
        ("custom_role_arn", shown(custom_role_arn.as_deref())),
    ]
}

/// The file's names of what differs. A new field of [`Rule`] does not compile until someone has decided about it.
fn differences(target: &Target, old: &Rule) -> Vec<&'static str> {
    let Rule {
        prefix: _,
        upstream_url,
        upstream_prefix,
        credential_arn,
        custom_role_arn,
    } = &target.rule;
    let mut fields = Vec::new();
    if *upstream_url != old.upstream_url {
        fields.push("registry");
    }
    if *upstream_prefix != old.upstream_prefix {
        fields.push("upstream_repository_prefix");
    }
    if target.with_new_secret || *credential_arn != old.credential_arn {
        fields.push("secret");
    }
    if *custom_role_arn != old.custom_role_arn {
        fields.push("custom_role_arn");
    }
    fields
}

/// Replacing a rule puts other images under a name people trust: where it was not us who made it, the file must say
/// so.
pub(super) fn verdict(registry: &Registry, rule: Option<&Rule>, ours: bool) -> Verdict {
    let Some(rule) = rule else { return Verdict::Go };
    let wanted = registry.served_part();
    let elsewhere = rule.upstream_url != registry.upstream.host || rule.upstream_prefix.as_deref() != wanted;
    if !elsewhere || ours || registry.take_over {
        return Verdict::Go;
    }
    let from = match &rule.upstream_prefix {
        Some(prefix) => format!("{}/{prefix}", rule.upstream_url),
        None => rule.upstream_url.clone(),
    };
    let message = format!(
        "a rule that is not ours serves {from} under this name: write `take_over: true` to replace it, or give the \
         registry another name"
    );
    Verdict::Held(Cause::new(Reason::TAKE_OVER, message))
}
