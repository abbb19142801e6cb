//! Who may pull: the policies of repository and registry, held against whoever asks.
//!
//! A role of this account is let in by policies of its own, which are not looked at here; a policy of ours can deny it.
//! Everybody else must be named by the repository's policy, and for a first pull by the registry's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pull::split;
use super::{Ecr, Pulled};
use crate::api::{ApiError, CallContext, SecretSource};
use crate::iam::{Decision, Need, Policy};

/// Somebody who pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Puller {
    /// A role, by its ARN, and the organization of its account.
    Role {
        /// `arn:aws:iam::<account>:role/<name>`
        arn: String,
        /// `o-…`; none for an account that is in no organization.
        organization: Option<String>,
    },
    /// An AWS service, and the account on whose behalf it comes.
    Service {
        /// `omics.amazonaws.com`
        name: String,
        /// 12 digits.
        account: String,
    },
}

/// What every pull asks for.
const PULLING: [&str; 3] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
];

impl Puller {
    fn shown(&self) -> &str {
        match self {
            Self::Role { arn, .. } => arn,
            Self::Service { name, .. } => name,
        }
    }

    fn account(&self) -> &str {
        match self {
            Self::Role { arn, .. } => arn.split(':').nth(4).unwrap_or_default(),
            Self::Service { account, .. } => account,
        }
    }

    /// The condition keys of its requests ("AWS global condition context keys"): a service's own ones have no principal of
    /// an organization, and say for whom it comes.
    fn context(&self) -> BTreeMap<String, String> {
        let keys = match self {
            Self::Role { organization, .. } => [
                ("aws:PrincipalAccount", Some(self.account())),
                ("aws:PrincipalOrgID", organization.as_deref()),
            ],
            Self::Service { account, .. } => [("aws:SourceAccount", Some(account.as_str())), ("", None)],
        };
        keys.into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())))
            .collect()
    }

    /// Whether a statement's principals have it among them. `NotPrincipal` is not known here.
    fn is_named(&self, statement: &Value) -> Result<bool, ApiError> {
        let kinds = match statement.get("Principal") {
            Some(Value::String(everybody)) if everybody == "*" => return Ok(true),
            Some(Value::Object(kinds)) => kinds,
            _ => return Err(unknown("a statement without Principal")),
        };
        let names = |kind: &str| match kinds.get(kind) {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(name)) => vec![name.as_str()],
            _ => Vec::new(),
        };
        Ok(match self {
            Self::Role { arn, .. } => {
                let root = format!(":iam::{}:root", self.account());
                names("AWS")
                    .iter()
                    .any(|name| *name == "*" || name == arn || name.ends_with(&root))
            }
            Self::Service { name, .. } => names("Service").contains(&name.as_str()),
        })
    }
}

fn unknown(what: &str) -> ApiError {
    ApiError::client(
        "ValidationException",
        format!("local-aws does not know what a policy means here: {what}"),
    )
}

/// What a policy says to somebody. An element, operator or key that local-aws does not know is an error, also where the
/// statement names somebody else.
fn decide(text: Option<&str>, puller: &Puller, action: &str, resource: &str) -> Result<Decision, ApiError> {
    let Some(text) = text else {
        return Ok(Decision::NotAllowed);
    };
    let document: Value = serde_json::from_str(text).map_err(|error| unknown(&error.to_string()))?;
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let mut for_it = Vec::new();
    for statement in statements {
        let is_named = puller.is_named(&statement)?;
        let Value::Object(mut members) = statement else {
            return Err(unknown("a statement that is no object"));
        };
        members.remove("Principal");
        members.entry("Resource").or_insert_with(|| "*".into());
        let statement = Value::Object(members);
        let policy = |statements: &[Value]| {
            let document = json!({"Version": "2012-10-17", "Statement": statements});
            Policy::read("a resource", &[("policy".to_owned(), document)]).map_err(|why| unknown(&why))
        };
        policy(std::slice::from_ref(&statement))?;
        if is_named {
            for_it.push(policy(&[statement])?);
        }
    }
    let need = Need {
        action: action.to_owned(),
        resource: resource.to_owned(),
        context: puller.context(),
    };
    let decisions: Vec<Decision> = for_it.iter().map(|policy| policy.decide(&need)).collect();
    let denied = decisions
        .iter()
        .find(|decision| matches!(decision, Decision::Denied(_)));
    let allowed = || {
        decisions
            .iter()
            .find(|decision| matches!(decision, Decision::Allowed(_)))
    };
    Ok(denied.or_else(allowed).cloned().unwrap_or(Decision::NotAllowed))
}

impl Ecr {
    /// A pull by somebody whom the policies must let in.
    pub fn pull_as(
        &mut self,
        context: &CallContext,
        secrets: &dyn SecretSource,
        puller: &Puller,
        image: &str,
    ) -> Result<Pulled, ApiError> {
        let (name, reference) = split(image);
        let arn = format!(
            "arn:{}:ecr:{}:{}:repository/{name}",
            context.partition, context.region, context.account
        );
        let repository = self.repositories.get(name);
        let of_repository = match repository {
            Some(repository) => repository.policy.as_deref(),
            None => self
                .template_for(name)
                .and_then(|template| template.repository_policy.as_deref()),
        };
        let is_cached = repository.is_some_and(|repository| repository.images.find(name, reference).is_some());
        let is_own_role = matches!(puller, Puller::Role { .. }) && puller.account() == context.account;
        let check = |policies: &[Option<&str>], action: &str| {
            let mut allowed = is_own_role;
            for policy in policies {
                match decide(*policy, puller, action, &arn)? {
                    Decision::Denied(sid) => return Err(refused(puller, action, &arn, &format!("{sid} denies it"))),
                    Decision::Allowed(_) => allowed = true,
                    Decision::NotAllowed => {}
                }
            }
            allowed
                .then_some(())
                .ok_or_else(|| refused(puller, action, &arn, "no resource-based policy allows it"))
        };
        if !is_cached {
            let of_registry = self.registry_policy.as_deref();
            match repository {
                Some(_) => check(&[of_registry, of_repository], "ecr:BatchImportUpstreamImage")?,
                None => {
                    check(&[of_registry], "ecr:CreateRepository")?;
                    check(&[of_registry], "ecr:BatchImportUpstreamImage")?;
                }
            }
        }
        for action in PULLING {
            check(&[of_repository], action)?;
        }
        self.pull(context, secrets, image)
    }
}

fn refused(puller: &Puller, action: &str, resource: &str, why: &str) -> ApiError {
    ApiError::client(
        "AccessDeniedException",
        format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} because {why}",
            puller.shown()
        ),
    )
}
