//! Repositories and their settings.

use serde_json::{Value, json};

use super::{ACCOUNT, World};

fn named(name: &str, members: &Value) -> Value {
    let mut input = json!({"repositoryName": name});
    input
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    input
}

#[test]
fn a_repository_through_its_life() {
    let mut world = World::new();
    world.must(
        "CreateRepository",
        &named("hub/x", &json!({"imageTagMutability": "IMMUTABLE"})),
    );
    world.refused(
        "CreateRepository",
        &named("hub/x", &json!({})),
        "RepositoryAlreadyExistsException",
    );
    let described = world.must("DescribeRepositories", &json!({"repositoryNames": ["hub/x"]}));
    let expected = json!({
        "createdAt": 1_795_410_000.0, "encryptionConfiguration": {"encryptionType": "AES256"},
        "imageScanningConfiguration": {"scanOnPush": false}, "imageTagMutability": "IMMUTABLE", "registryId": ACCOUNT,
        "repositoryArn": format!("arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/hub/x"), "repositoryName": "hub/x",
        "repositoryUri": format!("{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/hub/x"),
    });
    assert_eq!(described, json!({"repositories": [expected]}));
    world.refused(
        "DescribeRepositories",
        &json!({"repositoryNames": ["hub/x"], "maxResults": 5}),
        "InvalidParameterException",
    );
    world.refused(
        "DescribeRepositories",
        &json!({"repositoryNames": ["none"]}),
        "RepositoryNotFoundException",
    );

    let image = super::super::Image::new("sha256:1", &["latest"], world.context.now);
    world.ecr.seed_images(&world.context, "hub/x", vec![image]);
    world.refused(
        "DeleteRepository",
        &named("hub/x", &json!({})),
        "RepositoryNotEmptyException",
    );
    world.must("DeleteRepository", &named("hub/x", &json!({"force": true})));
    world.refused(
        "DeleteRepository",
        &named("hub/x", &json!({})),
        "RepositoryNotFoundException",
    );
}

#[test]
fn settings_need_a_repository_and_say_what_is_missing() {
    let mut world = World::new();
    let keep = super::lifecycle::keep(3);
    let table = [
        ("GetLifecyclePolicy", json!({}), "LifecyclePolicyNotFoundException"),
        ("DeleteLifecyclePolicy", json!({}), "LifecyclePolicyNotFoundException"),
        (
            "StartLifecyclePolicyPreview",
            json!({}),
            "LifecyclePolicyNotFoundException",
        ),
        (
            "GetLifecyclePolicyPreview",
            json!({}),
            "LifecyclePolicyPreviewNotFoundException",
        ),
        ("GetRepositoryPolicy", json!({}), "RepositoryPolicyNotFoundException"),
        ("DeleteRepositoryPolicy", json!({}), "RepositoryPolicyNotFoundException"),
        ("PutLifecyclePolicy", json!({"lifecyclePolicyText": keep}), ""),
        ("GetLifecyclePolicy", json!({}), ""),
        ("PutImageTagMutability", json!({"imageTagMutability": "IMMUTABLE"}), ""),
        (
            "PutImageTagMutability",
            json!({"imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}),
            "ExclusionFilters",
        ),
        (
            "GetLifecyclePolicy",
            json!({"registryId": "999988887777"}),
            "AccessDeniedException",
        ),
    ];
    world.must("CreateRepository", &named("hub/x", &json!({})));
    for (op, members, expected) in table {
        if expected != "AccessDeniedException" {
            world.refused(
                op,
                &named("hub/none", &members),
                "RepositoryNotFoundException: The repository with name 'hub/none' does not exist",
            );
        }
        match expected {
            "" => drop(world.must(op, &named("hub/x", &members))),
            part => world.refused(op, &named("hub/x", &members), part),
        }
    }
}

#[test]
fn tags() {
    let mut world = World::new();
    let mine = format!("arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/hub/x");
    let tag = |key: &str, value: &str| json!({"Key": key, "Value": value});
    let of = |arn: &str, tags: Vec<Value>| json!({"resourceArn": arn, "tags": tags});
    world.must("CreateRepository", &named("hub/x", &json!({"tags": [tag("b", "1")]})));
    world.must("TagResource", &of(&mine, vec![tag("b", "2"), tag("a", "1")]));
    assert_eq!(
        world.must("ListTagsForResource", &json!({"resourceArn": mine})),
        json!({"tags": [tag("a", "1"), tag("b", "2")]})
    );
    world.must("UntagResource", &json!({"resourceArn": mine, "tagKeys": ["a", "none"]}));
    assert_eq!(
        world.must("ListTagsForResource", &json!({"resourceArn": mine})),
        json!({"tags": [tag("b", "2")]})
    );

    let many = (0..50).map(|n| tag(&format!("k{n}"), "")).collect();
    world.refused("TagResource", &of(&mine, many), "TooManyTagsException");
    world.refused(
        "TagResource",
        &of(&mine, vec![tag("aws:x", "")]),
        "InvalidTagParameterException",
    );
    let some = |from: usize| (from..from + 49).map(|n| tag(&format!("k{n}"), "")).collect();
    world.must("TagResource", &of(&mine, some(0)));
    world.must("TagResource", &of(&mine, some(0)));
    world.refused("TagResource", &of(&mine, some(1)), "TooManyTagsException");
    world.refused(
        "TagResource",
        &of("arn:aws:s3:::x", vec![]),
        "InvalidParameterException",
    );
    for elsewhere in [
        mine.replace(ACCOUNT, "999988887777"),
        mine.replace("eu-west-1", "us-east-1"),
    ] {
        world.refused("TagResource", &of(&elsewhere, vec![]), "InvalidParameterException");
        world.refused(
            "ListTagsForResource",
            &json!({"resourceArn": elsewhere}),
            "InvalidParameterException",
        );
    }
    world.refused(
        "TagResource",
        &of(&mine.replace("hub/x", "hub/y"), vec![]),
        "RepositoryNotFoundException",
    );
}

#[test]
fn ten_thousand_repositories_are_made_and_described_at_once() {
    let mut world = World::new();
    let names = (0..10_000).map(|n| format!("hub/library/image-{n:05}"));
    world.ecr.seed_repositories(&world.context, names, 500);
    let (mut input, mut seen, mut pages) = (json!({"maxResults": 100}), 0, 0);
    loop {
        let page = world.must("DescribeRepositories", &input);
        (seen, pages) = (seen + page["repositories"].as_array().unwrap().len(), pages + 1);
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!((seen, pages), (10_000, 100));
}

#[test]
fn a_seeded_repository_has_an_image_a_day() {
    let mut world = World::new();
    world.ecr.preview_polls = 0;
    world.ecr.seed_repositories(&world.context, ["hub/x".to_owned()], 5);
    let keep = json!({"lifecyclePolicyText": super::lifecycle::keep(3)});
    world.must("StartLifecyclePolicyPreview", &named("hub/x", &keep));
    let preview = world.must("GetLifecyclePolicyPreview", &named("hub/x", &json!({})));
    let mut doomed: Vec<(&Value, f64)> = preview["previewResults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| (&image["imageTags"], image["imagePushedAt"].as_f64().unwrap()))
        .collect();
    doomed.sort_by(|one, other| one.1.total_cmp(&other.1));
    let day = |ago: f64| 1_795_410_000.0 - ago * 86_400.0;
    assert_eq!(doomed, [(&json!(["v1"]), day(4.0)), (&json!(["v2"]), day(3.0))]);

    assert!(world.pull("hub/x:v3").is_ok());
    assert!(world.pull("hub/x:v6").is_err());
    world.refused(
        "DeleteRepository",
        &named("hub/x", &json!({})),
        "RepositoryNotEmptyException",
    );
    // What is there stays, and what is added comes after it.
    let image = super::super::Image::new("sha256:1", &["v6"], world.context.now);
    world.ecr.seed_images(&world.context, "hub/x", vec![image]);
    world.ecr.seed_repositories(&world.context, ["hub/x".to_owned()], 0);
    assert!(world.pull("hub/x:v6").is_ok() && world.pull("hub/x:v1").is_ok());
}
