//! Pulls through rules: which rule, which template, and the refusals that all look alike.

use serde_json::{Value, json};

use super::{HUB, World};

fn template(world: &mut World, prefix: &str, members: &Value) {
    let mut input = json!({"prefix": prefix, "appliedFor": ["PULL_THROUGH_CACHE"]});
    input
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    world.must("CreateRepositoryCreationTemplate", &input);
}

#[test]
fn the_first_pull_makes_the_repository_from_the_template() {
    let mut world = World::new();
    world.hub("hub");
    let keep = super::lifecycle::keep(3);
    let tags = json!([{"Key": "team", "Value": "x"}]);
    let members = json!({"imageTagMutability": "IMMUTABLE", "lifecyclePolicy": keep, "resourceTags": tags,
        "customRoleArn": "arn:aws:iam::111122223333:role/t"});
    template(&mut world, "hub", &members);
    let pulled = world.pull("hub/library/nginx:1.27").unwrap();
    assert_eq!(pulled.repository, "hub/library/nginx");
    assert_eq!((pulled.created, pulled.template.as_deref()), (true, Some("hub")));
    assert_eq!(pulled.upstream, format!("{HUB}/library/nginx:1.27"));
    let described = world.must("DescribeRepositories", &json!({}));
    assert_eq!(described["repositories"][0]["imageTagMutability"], "IMMUTABLE");
    let arn = &described["repositories"][0]["repositoryArn"];
    assert_eq!(
        world.must("ListTagsForResource", &json!({"resourceArn": arn})),
        json!({"tags": tags})
    );
    world.must("GetLifecyclePolicy", &json!({"repositoryName": "hub/library/nginx"}));

    // A changed template does not reach it, and the next pull makes nothing.
    world.must(
        "UpdateRepositoryCreationTemplate",
        &json!({"prefix": "hub", "imageTagMutability": "MUTABLE"}),
    );
    let again = world.pull("hub/library/nginx").unwrap();
    assert_eq!((again.created, again.template), (false, None));
    let described = world.must("DescribeRepositories", &json!({}));
    assert_eq!(described["repositories"][0]["imageTagMutability"], "IMMUTABLE");
}

#[test]
fn the_most_specific_rule_and_template_win() {
    let mut world = World::new();
    world.quay("prod");
    world.quay("prod/team");
    world.quay("ROOT");
    let mapped = json!({"ecrRepositoryPrefix": "mirror", "upstreamRepositoryPrefix": "up",
        "upstreamRegistryUrl": "222233334444.dkr.ecr.eu-west-1.amazonaws.com",
        "customRoleArn": "arn:aws:iam::111122223333:role/ptc"});
    world.must("CreatePullThroughCacheRule", &mapped);
    let part =
        json!({"ecrRepositoryPrefix": "part", "upstreamRepositoryPrefix": "org", "upstreamRegistryUrl": "quay.io"});
    world.must("CreatePullThroughCacheRule", &part);
    template(&mut world, "prod", &json!({}));
    template(&mut world, "prod/team", &json!({}));
    template(&mut world, "prod/push", &json!({"appliedFor": ["CREATE_ON_PUSH"]}));
    template(&mut world, "ROOT", &json!({}));
    let table = [
        ("prod/a:1", "quay.io/a:1", Some("prod")),
        ("prod/team/a", "quay.io/a:latest", Some("prod/team")),
        ("prod/teams/a", "quay.io/teams/a:latest", Some("prod")),
        ("prod/push/a", "quay.io/push/a:latest", None),
        ("production/a", "quay.io/production/a:latest", Some("ROOT")),
        ("prod", "quay.io/prod:latest", Some("ROOT")),
        ("part/a:1", "quay.io/org/a:1", Some("ROOT")),
        (
            "mirror/a",
            "222233334444.dkr.ecr.eu-west-1.amazonaws.com/up/a:latest",
            Some("ROOT"),
        ),
    ];
    for (image, upstream, template) in table {
        let pulled = world.pull(image).unwrap();
        assert_eq!(
            (pulled.upstream.as_str(), pulled.template.as_deref()),
            (upstream, template),
            "{image}"
        );
        assert!(pulled.created, "{image}");
    }
}

#[test]
fn a_refused_pull_says_not_found_and_makes_nothing() {
    let key = "arn:aws:kms:eu-west-1:111122223333:key/0a1b";
    let role = "arn:aws:iam::111122223333:role/t";
    let tags = json!([{"Key": "team", "Value": "x"}]);
    let kms = json!({"encryptionType": "KMS", "kmsKey": key});
    // Template, image, a part of the reason ("" where the pull works).
    let table = [
        (json!({}), "hub/library/nginx", ""),
        (json!({}), "hub/nginx", "library/"),
        (json!({}), "hub/library/nginx@sha256:00", "by tag"),
        (json!({}), "other/nginx", "no rule covers it"),
        (json!({}), "hubs/nginx", "no rule covers it"),
        (json!({"resourceTags": tags}), "hub/library/nginx", "no customRoleArn"),
        (
            json!({"encryptionConfiguration": kms}),
            "hub/library/nginx",
            "no customRoleArn",
        ),
        (
            json!({"resourceTags": tags, "appliedFor": ["REPLICATION"]}),
            "hub/library/nginx",
            "",
        ),
        (
            json!({"resourceTags": tags, "encryptionConfiguration": kms, "customRoleArn": role}),
            "hub/library/nginx",
            "",
        ),
    ];
    for (members, image, expected) in table {
        let mut world = World::new();
        world.hub("hub");
        template(&mut world, "hub", &members);
        match (world.pull(image), expected) {
            (Ok(_), "") => {}
            (Err(error), part) if !part.is_empty() => {
                assert!(
                    error.starts_with("RepositoryNotFoundException: The repository with name '"),
                    "{error}"
                );
                assert!(error.contains(part), "{error}");
                assert_eq!(
                    world.must("DescribeRepositories", &json!({})),
                    json!({"repositories": []})
                );
            }
            (answer, part) => panic!("{image}: {answer:?}, expected {part}"),
        }
    }
    let mut world = World::new();
    world.quay("quay");
    assert!(
        world
            .pull("Quay/x")
            .unwrap_err()
            .starts_with("InvalidParameterException")
    );
}

#[test]
fn a_dead_credential_stops_new_images_and_not_cached_ones() {
    let mut world = World::new();
    world.hub("hub");
    world.pull("hub/library/nginx:1").unwrap();
    world.ecr.upstreams().refuse(HUB, "u", "t");
    assert!(!world.pull("hub/library/nginx:1").unwrap().created);
    assert!(
        world
            .pull("hub/library/nginx:2")
            .unwrap_err()
            .contains("refused the credentials")
    );
    // Without the rule, what is stored can still be pulled.
    world.must("DeletePullThroughCacheRule", &json!({"ecrRepositoryPrefix": "hub"}));
    assert_eq!(world.pull("hub/library/nginx:1").unwrap().upstream, "");
}
