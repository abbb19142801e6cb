//! Creation templates: checks, defaults, what an update clears.

use serde_json::{Value, json};

use super::{ACCOUNT, World};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/0a1b";
const KEEP_3: &str = r#"{"rules":[{"rulePriority":1,"description":"Keep last 3 images","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":3},"action":{"type":"expire"}}]}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":["ecr:BatchGetImage"]}]}"#;

fn input(members: &Value) -> Value {
    let mut input = json!({"prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"]});
    input
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    input
}

fn shown(world: &mut World) -> Value {
    let described = world.must("DescribeRepositoryCreationTemplates", &json!({"prefixes": ["hub"]}));
    described["repositoryCreationTemplates"][0].clone()
}

#[test]
fn what_a_template_may_be() {
    let filters = json!([{"filterType": "WILDCARD", "filter": "v*"}]);
    let mutable = |word: &str| json!({"imageTagMutability": word, "imageTagMutabilityExclusionFilters": filters});
    let encrypted = |kind: &str, key: &str| json!({"encryptionConfiguration": {"encryptionType": kind, "kmsKey": key}});
    let tags = |pairs: &[(&str, &str)]| {
        let tags: Vec<Value> = pairs
            .iter()
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        json!({ "resourceTags": tags })
    };
    const FILTERS: &str = "imageTagMutabilityExclusionFilters";
    const NO_POLICY: &str = "InvalidParameterException: Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'";
    let table = [
        (json!({}), ""),
        (json!({"prefix": "ROOT"}), ""),
        (json!({"appliedFor": null}), "at 'appliedFor'"),
        (json!({"appliedFor": []}), "at 'appliedFor'"),
        (json!({"appliedFor": ["CREATE_ON_PUSH", "REPLICATION"]}), ""),
        (json!({"registryId": ACCOUNT}), "at 'registryId'"),
        (json!({"imageTagMutability": "IMMUTABLE"}), ""),
        (mutable("IMMUTABLE"), FILTERS),
        (json!({FILTERS: filters}), FILTERS),
        (json!({"imageTagMutability": "MUTABLE_WITH_EXCLUSION"}), FILTERS),
        (mutable("MUTABLE_WITH_EXCLUSION"), ""),
        (encrypted("AES256", KEY), "encryptionConfiguration"),
        (encrypted("AES256", ""), ""),
        (encrypted("KMS_DSSE", KEY), ""),
        (json!({"lifecyclePolicy": KEEP_3}), ""),
        (
            json!({"lifecyclePolicy": KEEP_3.replace("expire", "delete")}),
            "matched 0 out of 4",
        ),
        (json!({"repositoryPolicy": POLICY}), ""),
        (json!({"repositoryPolicy": "{"}), NO_POLICY),
        (tags(&[("aws:x", "y")]), "InvalidParameterException"),
        (tags(&[("a", "y"), ("a", "z")]), "InvalidParameterException"),
        // Tags and KMS without a role are taken; the pulls fail.
        (tags(&[("team", "y")]), ""),
    ];
    for (members, expected) in table {
        let mut world = World::new();
        match expected {
            "" => drop(world.must("CreateRepositoryCreationTemplate", &input(&members))),
            part => world.refused("CreateRepositoryCreationTemplate", &input(&members), part),
        }
    }
}

#[test]
fn a_template_through_its_life() {
    let mut world = World::new();
    let created = world.must("CreateRepositoryCreationTemplate", &input(&json!({})));
    let time = 1_795_410_000.0;
    let bare = json!({
        "prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"], "imageTagMutability": "MUTABLE",
        "encryptionConfiguration": {"encryptionType": "AES256"}, "createdAt": time, "updatedAt": time,
    });
    assert_eq!(
        created,
        json!({"registryId": ACCOUNT, "repositoryCreationTemplate": bare})
    );
    world.refused(
        "CreateRepositoryCreationTemplate",
        &input(&json!({"prefix": "hub/"})),
        "TemplateAlreadyExistsException",
    );
    world.refused(
        "UpdateRepositoryCreationTemplate",
        &json!({"prefix": "none"}),
        "TemplateNotFoundException",
    );
    world.refused(
        "DescribeRepositoryCreationTemplates",
        &json!({"prefixes": ["none"]}),
        "TemplateNotFoundException",
    );
    world.must("DeleteRepositoryCreationTemplate", &json!({"prefix": "hub"}));
    world.refused(
        "DeleteRepositoryCreationTemplate",
        &json!({"prefix": "hub"}),
        "TemplateNotFoundException",
    );
}

#[test]
fn an_update_leaves_what_it_omits_and_clears_what_is_empty() {
    let full = json!({
        "description": "d", "customRoleArn": "arn:aws:iam::111122223333:role/t", "lifecyclePolicy": KEEP_3,
        "repositoryPolicy": POLICY, "resourceTags": [{"Key": "team", "Value": "x"}],
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "v*"}],
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": KEY},
    });
    let clears = json!({
        "prefix": "hub", "description": "", "customRoleArn": "", "lifecyclePolicy": "", "repositoryPolicy": "",
        "resourceTags": [], "imageTagMutability": "MUTABLE",
    });
    for take in [true, false] {
        let mut world = World::new();
        world.ecr.clears_take = take;
        world.must("CreateRepositoryCreationTemplate", &input(&full));
        let before = shown(&mut world);
        world.later(1);
        world.must("UpdateRepositoryCreationTemplate", &json!({"prefix": "hub"}));
        let mut after = shown(&mut world);
        assert_eq!(
            after["updatedAt"],
            json!(before["updatedAt"].as_f64().unwrap() + 3600.0)
        );
        after["updatedAt"] = before["updatedAt"].clone();
        assert_eq!(after, before);

        world.must("UpdateRepositoryCreationTemplate", &clears);
        let after = shown(&mut world);
        for member in [
            "description",
            "customRoleArn",
            "lifecyclePolicy",
            "repositoryPolicy",
            "resourceTags",
        ] {
            assert_eq!(after.get(member).is_none(), take, "{member} {after}");
        }
        assert_eq!(after.get("imageTagMutabilityExclusionFilters"), None);
        assert_eq!(after["encryptionConfiguration"]["kmsKey"], KEY);
    }
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut world = World::new();
    world.must("CreateRepositoryCreationTemplate", &input(&json!({"description": "d"})));
    let before = shown(&mut world);
    let update = json!({"prefix": "hub", "description": "new", "repositoryPolicy": "nonsense"});
    world.refused(
        "UpdateRepositoryCreationTemplate",
        &update,
        "Invalid repository policy provided",
    );
    assert_eq!(shown(&mut world), before);
}

#[test]
fn texts_come_back_rewritten() {
    let mut world = World::new();
    world.must(
        "CreateRepositoryCreationTemplate",
        &input(&json!({"repositoryPolicy": POLICY, "lifecyclePolicy": KEEP_3})),
    );
    let template = shown(&mut world);
    let policy: Value = serde_json::from_str(template["repositoryPolicy"].as_str().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Principal"],
        json!({"AWS": "arn:aws:iam::111122223333:root"})
    );
    assert_eq!(policy["Statement"][0]["Action"], "ecr:BatchGetImage");
}
