//! Who may pull: policies of repositories and of the registry.

use serde_json::{Value, json};

use super::{ACCOUNT, World};
use crate::ecr::Puller;

const OTHER: &str = "444455556666";

fn role(account: &str, organization: Option<&str>) -> Puller {
    Puller::Role {
        arn: format!("arn:aws:iam::{account}:role/pull"),
        organization: organization.map(str::to_owned),
    }
}

fn service(account: &str) -> Puller {
    Puller::Service {
        name: "omics.amazonaws.com".to_owned(),
        account: account.to_owned(),
    }
}

fn statement(principal: &Value, condition: &Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Principal": principal, "Action": "ecr:*"});
    if !condition.is_null() {
        statement["Condition"] = condition.clone();
    }
    statement
}

impl World {
    fn pull_as(&mut self, puller: &Puller, image: &str) -> Result<(), String> {
        let pulled = self.ecr.pull_as(&self.context, &self.secrets, puller, image);
        pulled
            .map(drop)
            .map_err(|error| format!("{}: {}", error.code, error.message))
    }
}

#[test]
fn a_repository_s_policy_lets_in_whom_it_names() {
    let everyone = [
        role(ACCOUNT, None),
        role(OTHER, None),
        role(OTHER, Some("o-abcdefghij")),
        service(ACCOUNT),
        service(OTHER),
    ];
    let of_org = json!({"StringEquals": {"aws:principalorgid": "o-abcdefghij"}});
    let for_us = json!({"StringEquals": {"aws:SourceAccount": ACCOUNT}});
    let omics = json!({"Service": "omics.amazonaws.com"});
    let table = [
        (Value::Null, [true, false, false, false, false]),
        (
            json!([statement(&json!({"AWS": OTHER}), &Value::Null)]),
            [true, true, true, false, false],
        ),
        (
            json!([statement(&json!("*"), &of_org)]),
            [true, false, true, false, false],
        ),
        (json!([statement(&omics, &for_us)]), [true, false, false, true, false]),
        (
            json!([statement(&omics, &Value::Null)]),
            [true, false, false, true, true],
        ),
        (
            json!([statement(&json!("*"), &Value::Null), {"Effect": "Deny", "Principal": {"AWS": ACCOUNT}, "Action": "ecr:BatchGetImage"}]),
            [false, true, true, true, true],
        ),
    ];
    for (statements, expected) in table {
        let mut world = World::new();
        world.quay("quay");
        world.pull("quay/x:1").unwrap();
        if !statements.is_null() {
            let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            world.must(
                "SetRepositoryPolicy",
                &json!({"repositoryName": "quay/x", "policyText": text}),
            );
        }
        let admitted = everyone.clone().map(|puller| match world.pull_as(&puller, "quay/x:1") {
            Ok(()) => true,
            Err(error) => {
                assert!(error.starts_with("AccessDeniedException"), "{error}");
                false
            }
        });
        assert_eq!(admitted, expected, "{statements}");
        // What is not cached is for the registry's policy too: none lets others in.
        let first = everyone
            .clone()
            .map(|puller| world.pull_as(&puller, "quay/new:1").is_ok());
        assert_eq!(first, [true, false, false, false, false], "{statements}");
    }
}

#[test]
fn what_it_does_not_know_of_a_policy_it_refuses() {
    for condition in [
        json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}),
        json!({"StringEquals": {"aws:PrincipalOrgPaths": "o-abcdefghij/*"}}),
    ] {
        let mut world = World::new();
        world.quay("quay");
        world.pull("quay/x:1").unwrap();
        let text = json!({"Version": "2012-10-17", "Statement": [statement(&json!({"AWS": OTHER}), &condition)]});
        world.must(
            "SetRepositoryPolicy",
            &json!({"repositoryName": "quay/x", "policyText": text.to_string()}),
        );
        let refused = world.pull_as(&role(ACCOUNT, None), "quay/x:1").unwrap_err();
        assert!(refused.contains("local-aws does not know"), "{refused}");
    }
}
