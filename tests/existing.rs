//! Repositories that exist already: whose they are, what they get, and what is held back. What the queue has of them is in
//! work.rs.

mod deadline;
mod faults;
mod newer_file;
mod preview;
mod report;
mod scope;
mod settings;

use std::collections::BTreeMap;

use ecr_pull_through_sync::report::Progress;
use local_aws::LocalAws;
use serde_json::{Value, json};

use crate::stack::{Report, TestStack, lines, numbered};

/// A registry that keeps three images, and wants all settings applied.
const QUAY: &str = "quay: {registry: quay.io, tags: {team: web}, existing_repositories: true}\n";

/// One that wants its tags applied.
pub const TAGS: &str = "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags]}}\n";

/// A repository's settings, as ECR has them.
fn settings(aws: &LocalAws, name: &str) -> Value {
    let input = json!({"repositoryName": name});
    let get = |op: &str, key: &str| {
        let answer = aws.call("ecr", op, input.clone()).ok()?;
        serde_json::from_str::<Value>(answer[key].as_str()?).ok()
    };
    let described = aws
        .call("ecr", "DescribeRepositories", json!({"repositoryNames": [name]}))
        .unwrap();
    let arn = format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}");
    let tags = aws
        .call("ecr", "ListTagsForResource", json!({"resourceArn": arn}))
        .unwrap();
    let tags: BTreeMap<&str, &str> = tags["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| (tag["Key"].as_str().unwrap(), tag["Value"].as_str().unwrap()))
        .collect();
    json!({
        "keeps": get("GetLifecyclePolicy", "lifecyclePolicyText").map(|policy| policy["rules"][0]["selection"]["countNumber"].clone()),
        "readers": get("GetRepositoryPolicy", "policyText").map(|policy| policy["Statement"][0]["Principal"]["AWS"].clone()),
        "mutability": described["repositories"][0]["imageTagMutability"],
        "tags": tags,
    })
}

/// As ECR makes a repository that nobody has a template for.
fn untouched() -> Value {
    json!({"keeps": null, "readers": null, "mutability": "MUTABLE", "tags": {}})
}

/// How far the repositories of all registries are.
pub fn progress(report: &Report) -> Progress {
    report.existing_repositories.as_ref().unwrap().progress
}

/// How far those of one registry are: what is not zero.
fn counts(report: &Report, registry: &str) -> String {
    let Progress {
        found,
        done,
        changed,
        held,
        failed,
        to_do,
    } = report.registries[registry].existing_repositories.unwrap();
    let counts = [
        (found, "found"),
        (done, "done"),
        (changed, "changed"),
        (held, "held"),
        (failed, "failed"),
        (to_do, "to do"),
    ];
    let counts = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// How often each operation on repositories was called.
fn called(stack: &TestStack) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in stack.aws.calls().iter().filter(|call| call.service == "ecr") {
        *calls.entry(call.operation.clone()).or_default() += 1;
    }
    calls
}

/// The lines about repositories.
pub fn of_repositories(report: &Report) -> Vec<String> {
    lines(report)
        .into_iter()
        .filter(|line| line.contains(" repository "))
        .collect()
}

pub fn arn(name: &str) -> String {
    format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}")
}

/// A repository's tag `team`.
pub fn team(aws: &LocalAws, name: &str) -> Option<String> {
    let tags = aws
        .call("ecr", "ListTagsForResource", json!({"resourceArn": arn(name)}))
        .ok()?;
    let tags = tags["tags"].as_array()?.clone();
    let tag = tags.iter().find(|tag| tag["Key"] == "team")?;
    Some(tag["Value"].as_str()?.to_owned())
}

/// How many of the repositories `quay/000` and on have the tag with this value.
pub fn tagged(aws: &LocalAws, repositories: usize, value: &str) -> usize {
    let has = |n: &usize| team(aws, &numbered(*n)).as_deref() == Some(value);
    (0..repositories).filter(has).count()
}
