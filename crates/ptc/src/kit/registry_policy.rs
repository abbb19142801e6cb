//! `registry-policy.json`: what lets other accounts make first pulls ("Private registry permissions in Amazon ECR"). It is
//! a text for people: the registry has one such document, which may hold more than ours, so the function never writes it.

use std::collections::BTreeMap;

use config::Registry;
use ecr_pull_through_sync::home::Home;

use super::iam::{FIRST_PULL, Policy, Statement, repositories};
use super::mapping::json;
use super::{Artefact, ArtefactKind, Source, sentences};

const CAVEATS: &[&str] = &[
    "Account and Region have one registry policy, and `put-registry-policy` replaces it as a whole: look at `aws ecr get-registry-policy` first, and add these statements to what is there. The function never writes it.",
    "It is for first pulls by the other accounts in `repository_read_access_arns`. What is cached they pull by the policy of the repositories.",
    "Their roles need `puller-policy.json` too, as a policy of their own account.",
    "Take out an account when it leaves the file: nothing else does.",
];

/// What the policy of a registry may hold (ECR API, `PutRegistryPolicy`).
const REGISTRY_POLICY: usize = 10_240;

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let mut readers: BTreeMap<Vec<String>, Vec<&Registry>> = BTreeMap::new();
    for registry in source.registries {
        let others = others(&registry.read_access, source.home);
        if !others.is_empty() {
            readers.entry(others).or_default().push(registry);
        }
    }
    if readers.is_empty() {
        return Vec::new();
    }
    let statement = readers
        .iter()
        .zip(1..)
        .map(|((principals, registries), number)| Statement {
            sid: format!("FirstPullsByOtherAccounts{number}"),
            effect: "Allow",
            principal: Some(serde_json::json!({ "AWS": principals })),
            action: FIRST_PULL,
            resource: repositories(registries, source.home),
            condition: None,
        });
    let content = json(&Policy::of(statement.collect()));
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
        title: "Statements for the registry's policy: first pulls by other accounts".into(),
        caveats: sentences(CAVEATS),
        notes,
        content,
    }]
}

/// The principals of other accounts, as ARNs. Those of this one have what they need in their own policy.
fn others(read_access: &[String], home: &Home) -> Vec<String> {
    let mut others: Vec<String> = read_access
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
    others.sort();
    others.dedup();
    others
}
