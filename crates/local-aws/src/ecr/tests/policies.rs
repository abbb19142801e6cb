//! Resource policies: what is refused, and how they come back.

use serde_json::{Value, json};

use super::World;

fn allow(members: &Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"});
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(statement.as_object_mut().unwrap().remove(name)),
            value => statement[name] = value.clone(),
        }
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

fn set(world: &mut World, policy: &str) -> Result<Value, String> {
    let answer = world.call(
        "SetRepositoryPolicy",
        &json!({"repositoryName": "hub/x", "policyText": policy}),
    )?;
    Ok(serde_json::from_str(answer["policyText"].as_str().unwrap()).unwrap())
}

#[test]
fn invalid_policies() {
    let mut world = World::new();
    world.must("CreateRepository", &json!({"repositoryName": "hub/x"}));
    world
        .ecr
        .unknown_principals
        .insert("arn:aws:iam::111122223333:role/new".into());
    let table = [
        (allow(&json!({})), true),
        (
            allow(&json!({"Sid": "One", "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}})),
            true,
        ),
        (
            allow(&json!({"Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:role/a/b"]}})),
            true,
        ),
        (
            allow(&json!({"Principal": {"Service": "codebuild.amazonaws.com"}})),
            true,
        ),
        (allow(&json!({"Action": ["ecr:*", "ecr:Get*"]})), true),
        (json!({"Version": "2012-10-17", "Statement": []}), false),
        (json!({"Version": "2012-10-17"}), false),
        (json!([]), false),
        (
            json!({"Version": "2020-01-01", "Statement": allow(&json!({}))["Statement"]}),
            false,
        ),
        (allow(&json!({"Effect": "Maybe"})), false),
        (allow(&json!({"Effect": null})), false),
        (allow(&json!({"Principal": null})), false),
        (allow(&json!({"Principal": {"AWS": []}})), false),
        (allow(&json!({"Principal": {"AWS": "12345"}})), false),
        (allow(&json!({"Principal": {"AWS": "arn:aws:iam::1:role/x"}})), false),
        (
            allow(&json!({"Principal": {"AWS": "arn:aws:iam::111122223333:role/new"}})),
            false,
        ),
        (allow(&json!({"Action": null})), false),
        (allow(&json!({"Action": "s3:GetObject"})), false),
        (allow(&json!({"Resource": "*"})), false),
        (allow(&json!({"Principals": "*"})), false),
    ];
    for (policy, good) in table {
        let answer = set(&mut world, &policy.to_string());
        assert_eq!(answer.is_ok(), good, "{policy} {answer:?}");
    }
    let words = "InvalidParameterException: Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'";
    assert_eq!(set(&mut world, "").unwrap_err(), words);
}

#[test]
fn a_policy_comes_back_in_ecrs_own_form() {
    let mut world = World::new();
    world.must("CreateRepository", &json!({"repositoryName": "hub/x"}));
    let given = r#"{"Version":"2012-10-17","Statement":{"Sid":"S","Effect":"Allow",
        "Principal":{"AWS":["arn:aws:iam::999988887777:role/z","111122223333","arn:aws:iam::999988887777:role/a"]},
        "Action":["ecr:ListImages","ecr:BatchGetImage"]}}"#;
    let expected = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "S", "Effect": "Allow", "Action": ["ecr:BatchGetImage", "ecr:ListImages"],
        "Principal": {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::999988887777:role/a", "arn:aws:iam::999988887777:role/z"]},
    }]});
    assert_eq!(set(&mut world, given).unwrap(), expected);
    let got = world.must("GetRepositoryPolicy", &json!({"repositoryName": "hub/x"}));
    let text = got["policyText"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected);
    assert_ne!(text, given);
    // What came back is taken as it is, and stays as it is.
    assert_eq!(set(&mut world, text).unwrap(), expected);
}

#[test]
fn the_registry_has_one_policy() {
    let mut world = World::new();
    world.refused("GetRegistryPolicy", &json!({}), "RegistryPolicyNotFoundException");
    let without = allow(&json!({}));
    let with = allow(&json!({"Resource": "arn:aws:ecr:eu-west-1:111122223333:repository/*"}));
    world.refused(
        "PutRegistryPolicy",
        &json!({"policyText": without.to_string()}),
        "InvalidParameterException",
    );
    world.must("PutRegistryPolicy", &json!({"policyText": with.to_string()}));
    world.must("GetRegistryPolicy", &json!({}));
    world.must("DeleteRegistryPolicy", &json!({}));
    world.refused("DeleteRegistryPolicy", &json!({}), "RegistryPolicyNotFoundException");
}
