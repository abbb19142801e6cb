//! `registry-policy.json`: what lets other accounts, organizations and services make first pulls ("Private registry permissions in Amazon ECR"). It is
//! a text for people: the registry has one such document, which may hold more than ours, so the function never writes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use config::Registry;
use ecr_pull_through_sync::home::Home;

use super::iam::{FIRST_PULL, Policy, Statement, repositories};
use super::mapping;
use super::{Artefact, ArtefactKind, Source, sentences};

const CAVEATS: &[&str] = &[
    "Account and Region have one registry policy, and `put-registry-policy` replaces it as a whole: look at `aws ecr get-registry-policy` first, and add these statements to what is there. The function never writes it.",
    "It is for first pulls by the other accounts in `repository_read_access_arns`, and by the organizations and services in `repository_read_access`. What is cached they pull by the policy of the repositories.",
    "Roles of other accounts need `puller-policy.json` too, as a policy of their own account.",
    "Take out whoever leaves the file: nothing else does.",
];

/// What the policy of a registry may hold (ECR API, `PutRegistryPolicy`).
const REGISTRY_POLICY: usize = 10_240;

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let accounts = |registry: &Registry| others(&registry.read_access.principals, source.home);
    let mut statements = statements("OtherAccounts", source, accounts, |names| {
        (json!({ "AWS": names }), None)
    });
    let organizations = |registry: &Registry| in_order(&registry.read_access.organizations);
    statements.extend(self::statements("Organizations", source, organizations, |names| {
        let condition = json!({"StringEquals": {"aws:PrincipalOrgID": names}});
        (json!("*"), Some(condition))
    }));
    let services = |registry: &Registry| in_order(&registry.read_access.services);
    statements.extend(self::statements("Services", source, services, |names| {
        let condition = json!({"StringEquals": {"aws:SourceAccount": source.home.account}});
        (json!({ "Service": names }), Some(condition))
    }));
    if statements.is_empty() {
        return Vec::new();
    }
    let content = mapping::json(&Policy::of(statements));
    let size = content.chars().count();
    let notes = if size > REGISTRY_POLICY {
        vec![format!(
            "The policy has {size} characters, and a registry takes {REGISTRY_POLICY}: name account roots instead of single roles."
        )]
    } else {
        Vec::new()
    };
    vec![Artefact {
        part: ArtefactKind::RegistryPolicy,
        path: "registry-policy.json".into(),
        title: "Statements for the registry's policy: first pulls by others than this account".into(),
        caveats: sentences(CAVEATS),
        notes,
        content,
    }]
}

/// A statement for each set of readers, over the repositories of all registries that have it.
fn statements(
    of: &str,
    source: &Source<'_>,
    readers: impl Fn(&Registry) -> Vec<String>,
    named: impl Fn(&[String]) -> (Value, Option<Value>),
) -> Vec<Statement> {
    let mut sets: BTreeMap<Vec<String>, Vec<&Registry>> = BTreeMap::new();
    for registry in source.registries {
        let names = readers(registry);
        if !names.is_empty() {
            sets.entry(names).or_default().push(registry);
        }
    }
    let statement = |((names, registries), number): ((&Vec<String>, &Vec<&Registry>), usize)| {
        let (principal, condition) = named(names);
        Statement {
            sid: format!("FirstPullsBy{of}{number}"),
            effect: "Allow",
            principal: Some(principal),
            action: FIRST_PULL,
            resource: repositories(registries, source.home),
            condition,
        }
    };
    sets.iter().zip(1..).map(statement).collect()
}

/// The principals of other accounts, as ARNs. Those of this one have what they need in their own policy.
fn others(read_access: &[String], home: &Home) -> Vec<String> {
    let others: Vec<String> = read_access
        .iter()
        .map(|principal| match principal.split(':').nth(4) {
            Some(account) => (account, principal.clone()),
            None => (
                principal.as_str(),
                format!("arn:{}:iam::{principal}:root", home.partition),
            ),
        })
        .filter(|(account, _)| *account != home.account)
        .map(|(_, arn)| arn)
        .collect();
    in_order(&others)
}

/// Sorted, each once.
fn in_order(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort();
    texts.dedup();
    texts
}
