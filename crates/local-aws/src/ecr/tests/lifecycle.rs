//! Lifecycle policies: grammar, evaluation, previews.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::World;
use crate::ecr::{Image, StorageClass, lifecycle};

/// Keep the newest `n` images.
pub(super) fn keep(n: u32) -> String {
    rules(&[rule(
        1,
        json!({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": n}),
        expire(),
    )])
}

fn expire() -> Value {
    json!({"type": "expire"})
}

fn archive() -> Value {
    json!({"type": "transition", "targetStorageClass": "archive"})
}

fn rule(priority: u32, selection: Value, action: Value) -> Value {
    json!({"rulePriority": priority, "selection": selection, "action": action})
}

fn rules(rules: &[Value]) -> String {
    json!({"rules": rules}).to_string()
}

fn count(status: &str, n: u32) -> Value {
    json!({"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": n})
}

fn days(status: &str, since: &str, n: u32) -> Value {
    json!({"tagStatus": status, "countType": since, "countUnit": "days", "countNumber": n})
}

fn with(mut value: Value, members: Value) -> Value {
    value
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    value
}

#[test]
fn grammar() {
    const SCHEMA: &str = "instance failed to match exactly one schema (matched 0 out of 4)";
    let one = |selection: Value| rules(&[rule(1, selection, expire())]);
    let act = |selection: Value, action: Value| rules(&[rule(1, selection, action)]);
    let tagged = |list: Value| with(count("tagged", 1), json!({"tagPatternList": list}));
    let prefixed = |list: Value| with(count("tagged", 1), json!({"tagPrefixList": list}));
    let archived = |selection: Value| with(selection, json!({"storageClass": "archive"}));
    let table = [
        (one(count("any", 3)), ""),
        (one(tagged(json!(["v*", "*-prod"]))), ""),
        (one(prefixed(json!(["v"]))), ""),
        (one(days("untagged", "sinceImagePushed", 14)), ""),
        (one(with(count("any", 1), json!({"storageClass": "standard"}))), ""),
        (act(days("any", "sinceImagePulled", 30), archive()), ""),
        (act(archived(days("any", "sinceImageTransitioned", 90)), expire()), ""),
        ("nonsense".into(), "Could not map policyString into LifecyclePolicy."),
        ("{}".into(), SCHEMA),
        (rules(&[]), SCHEMA),
        (
            json!({"rules": [rule(1, count("any", 1), expire())], "version": 1}).to_string(),
            SCHEMA,
        ),
        (
            rules(&[with(rule(1, count("any", 1), expire()), json!({"rulePriority": 0}))]),
            SCHEMA,
        ),
        (
            rules(&[with(rule(1, count("any", 1), expire()), json!({"name": "x"}))]),
            SCHEMA,
        ),
        (
            rules(&[with(rule(1, count("any", 1), expire()), json!({"description": null}))]),
            SCHEMA,
        ),
        (one(count("any", 0)), SCHEMA),
        (one(with(count("any", 1), json!({"countNumber": 1.5}))), SCHEMA),
        (one(with(count("any", 1), json!({"countUnit": "days"}))), SCHEMA),
        (one(with(count("any", 1), json!({"countUnit": null}))), SCHEMA),
        (
            one(json!({"tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1})),
            SCHEMA,
        ),
        (
            one(with(days("any", "sinceImagePushed", 1), json!({"countUnit": "hours"}))),
            SCHEMA,
        ),
        (one(count("all", 1)), SCHEMA),
        (one(count("tagged", 1)), SCHEMA),
        (one(tagged(json!([]))), SCHEMA),
        (
            one(with(tagged(json!(["v*"])), json!({"tagPrefixList": ["v"]}))),
            SCHEMA,
        ),
        (
            one(with(count("any", 1), json!({"tagPatternList": ["v*"]}))),
            "Cannot specify tagPatternList with tagStatus ANY",
        ),
        (
            one(with(count("untagged", 1), json!({"tagPrefixList": ["v"]}))),
            "Cannot specify tagPrefixList with tagStatus UNTAGGED",
        ),
        (one(tagged(json!(["*a*b*c*"]))), ""),
        (one(tagged(json!(["*a*b*c*d*"]))), "Total number of * must not exceed 4"),
        (one(days("any", "sinceImagePulled", 30)), SCHEMA),
        (
            one(days("any", "sinceImageTransitioned", 90)),
            "the ARCHIVE storage class only",
        ),
        (
            one(archived(count("any", 3))),
            "SINCE_IMAGE_PUSHED, SINCE_IMAGE_PULLED and IMAGE_COUNT_MORE_THAN support the STANDARD storage class only",
        ),
        (
            act(archived(days("any", "sinceImageTransitioned", 90)), archive()),
            SCHEMA,
        ),
        (act(count("any", 3), json!({"type": "transition"})), SCHEMA),
        (
            act(
                count("any", 3),
                json!({"type": "transition", "targetStorageClass": "standard"}),
            ),
            SCHEMA,
        ),
        (
            act(
                count("any", 3),
                json!({"type": "expire", "targetStorageClass": "archive"}),
            ),
            SCHEMA,
        ),
        (
            act(count("any", 3), json!({"type": "expire", "targetStorageClass": null})),
            SCHEMA,
        ),
        (
            rules(&[
                rule(1, count("untagged", 1), expire()),
                rule(1, count("any", 3), expire()),
            ]),
            "Duplicate priority in multiple rules",
        ),
        (
            rules(&[rule(1, count("any", 1), expire()), rule(2, count("any", 3), expire())]),
            "Only one rule can specify tagStatus=ANY",
        ),
        (
            rules(&[
                rule(1, count("any", 1), expire()),
                rule(2, count("untagged", 3), expire()),
            ]),
            "Rule for tagStatus=ANY must have the highest rulePriority",
        ),
        (
            rules(&[
                rule(1, count("untagged", 1), expire()),
                rule(2, count("untagged", 3), expire()),
            ]),
            "Only one rule can select Untagged images",
        ),
        (
            rules(&[
                rule(1, prefixed(json!(["a", "b"])), expire()),
                rule(2, prefixed(json!(["b", "a"])), expire()),
            ]),
            "unique across rules",
        ),
        (
            rules(&[
                rule(2, days("any", "sinceImagePulled", 30), archive()),
                rule(1, archived(days("any", "sinceImageTransitioned", 90)), expire()),
            ]),
            "",
        ),
        (keep(3).replacen("\"rules\"", "\"rules\":[],\"rules\"", 1), SCHEMA),
    ];
    for (text, expected) in table {
        match (lifecycle::parse(&text), expected) {
            (Ok(_), "") => {}
            (Err(error), part) if !part.is_empty() => {
                assert!(error.message.starts_with("Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure:"), "{}", error.message);
                assert!(error.message.contains(part), "{text}: {}", error.message);
            }
            (answer, _) => panic!("{text}: {answer:?}, expected {expected:?}"),
        }
    }
    let fifty = |n: u32| -> Vec<Value> {
        (1..=n)
            .map(|i| rule(i, prefixed(json!([format!("p{i}")])), expire()))
            .collect()
    };
    assert!(lifecycle::parse(&rules(&fifty(50))).is_ok());
    assert!(lifecycle::parse(&rules(&fifty(51))).is_err());
}

#[test]
fn rules_come_back_by_priority() {
    let mut world = World::new();
    world.must("CreateRepository", &json!({"repositoryName": "hub/x"}));
    let text = rules(&[
        rule(20, count("any", 3), expire()),
        rule(3, count("untagged", 1), expire()),
    ]);
    world.must(
        "PutLifecyclePolicy",
        &json!({"repositoryName": "hub/x", "lifecyclePolicyText": text}),
    );
    let got = world.must("GetLifecyclePolicy", &json!({"repositoryName": "hub/x"}));
    let policy: Value = serde_json::from_str(got["lifecyclePolicyText"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&policy["rules"][0]["rulePriority"], &policy["rules"][1]["rulePriority"]),
        (&json!(3), &json!(20))
    );
    assert_eq!(policy["rules"][0]["selection"], count("untagged", 1));
}

/// An image by the name of its digest, pushed so many days ago.
fn image(world: &World, digest: &str, tags: &[&str], days: i64) -> Image {
    Image::new(digest, tags, world.context.now - SignedDuration::from_hours(24 * days))
}

/// What a complete preview says: digest, action and rule, in the order of the digests.
fn preview(world: &mut World, text: &str) -> Vec<(String, String, u64)> {
    world.ecr.preview_polls = 0;
    world.must(
        "StartLifecyclePolicyPreview",
        &json!({"repositoryName": "hub/x", "lifecyclePolicyText": text}),
    );
    let answer = world.must("GetLifecyclePolicyPreview", &json!({"repositoryName": "hub/x"}));
    assert_eq!(answer["status"], "COMPLETE");
    let results = answer["previewResults"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    results
        .iter()
        .map(|each| {
            (
                text(&each["imageDigest"]),
                text(&each["action"]["type"]),
                each["appliedRulePriority"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[test]
fn evaluation() {
    let tagged = |patterns: Value, n: u32| with(count("tagged", n), json!({"tagPatternList": patterns}));
    let table = [
        // Counting takes the oldest, in whatever order the images are.
        (keep(3), vec![("old", 1), ("older", 1)]),
        (keep(5), vec![]),
        (
            rules(&[rule(1, days("any", "sinceImagePushed", 10), expire())]),
            vec![("old", 1), ("older", 1)],
        ),
        (
            rules(&[rule(1, days("untagged", "sinceImagePushed", 1), expire())]),
            vec![("mid", 1)],
        ),
        // A rule with a lower number protects what belongs to it, also what it keeps (v2); the later rule counts it.
        (
            rules(&[
                rule(1, tagged(json!(["v*"]), 2), expire()),
                rule(2, count("any", 1), expire()),
            ]),
            vec![("fresh", 2), ("mid", 2), ("older", 1)],
        ),
        // Several patterns must all be met.
        (
            rules(&[rule(1, tagged(json!(["v*", "*prod"]), 1), expire())]),
            vec![("older", 1)],
        ),
        (rules(&[rule(1, tagged(json!(["v1"]), 1), expire())]), vec![]),
    ];
    for (text, expected) in table {
        let mut world = World::new();
        let images = vec![
            image(&world, "newest", &["v3-prod"], 0),
            image(&world, "older", &["v1", "prod"], 40),
            image(&world, "mid", &[], 5),
            image(&world, "old", &["v2"], 20),
            image(&world, "fresh", &["latest"], 1),
        ];
        world.ecr.seed_images(&world.context, "hub/x", images);
        let got = preview(&mut world, &text);
        let got: Vec<(&str, u64)> = got.iter().map(|(digest, _, rule)| (digest.as_str(), *rule)).collect();
        assert_eq!(got, expected, "{text}");
    }
}

#[test]
fn archives_and_manifest_lists() {
    let mut world = World::new();
    let day = |world: &World, days: i64| Some(world.context.now - SignedDuration::from_hours(24 * days));
    let images = vec![
        Image {
            last_pulled_at: day(&world, 2),
            ..image(&world, "a-pulled", &["a"], 100)
        },
        image(&world, "b-unpulled", &["b"], 100),
        Image {
            storage_class: StorageClass::Archive,
            transitioned_at: day(&world, 91),
            ..image(&world, "c-archived", &["c"], 200)
        },
        Image {
            storage_class: StorageClass::Archive,
            transitioned_at: day(&world, 89),
            ..image(&world, "d-archived", &["d"], 200)
        },
        Image {
            part_of: Some("b-unpulled".into()),
            ..image(&world, "e-child", &[], 100)
        },
    ];
    world.ecr.seed_images(&world.context, "hub/x", images);
    let text = rules(&[
        rule(1, days("any", "sinceImagePulled", 30), archive()),
        rule(
            2,
            with(
                days("any", "sinceImageTransitioned", 90),
                json!({"storageClass": "archive"}),
            ),
            expire(),
        ),
    ]);
    let got = preview(&mut world, &text);
    assert_eq!(
        got,
        [
            ("b-unpulled".into(), "TRANSITION".into(), 1),
            ("c-archived".into(), "EXPIRE".into(), 2)
        ]
    );
    let answer = world.must("GetLifecyclePolicyPreview", &json!({"repositoryName": "hub/x"}));
    let summary = json!({"expiringImageTotalCount": 1, "transitioningImageTotalCounts": [{"targetStorageClass": "ARCHIVE", "imageTotalCount": 1}]});
    assert_eq!(answer["summary"], summary);
}

#[test]
fn a_preview_takes_its_time_and_goes_stale() {
    let mut world = World::new();
    let images = (0..9)
        .map(|n| image(&world, &format!("sha256:{n}"), if n % 2 == 0 { &["t"] } else { &[] }, n))
        .collect();
    world.ecr.seed_images(&world.context, "hub/x", images);
    let (start, get) = (
        json!({"repositoryName": "hub/x", "lifecyclePolicyText": keep(3)}),
        json!({"repositoryName": "hub/x"}),
    );
    let status = |world: &mut World| world.must("GetLifecyclePolicyPreview", &get)["status"].clone();
    assert_eq!(
        world.must("StartLifecyclePolicyPreview", &start)["status"],
        "IN_PROGRESS"
    );
    world.refused(
        "StartLifecyclePolicyPreview",
        &start,
        "LifecyclePolicyPreviewInProgressException",
    );
    assert_eq!(
        [status(&mut world), status(&mut world), status(&mut world)],
        ["IN_PROGRESS", "IN_PROGRESS", "COMPLETE"]
    );

    let first = world.must(
        "GetLifecyclePolicyPreview",
        &json!({"repositoryName": "hub/x", "maxResults": 4}),
    );
    assert_eq!(first["previewResults"].as_array().unwrap().len(), 4);
    assert_eq!(first["summary"]["expiringImageTotalCount"], 6);
    let second = world.must(
        "GetLifecyclePolicyPreview",
        &json!({"repositoryName": "hub/x", "maxResults": 4, "nextToken": first["nextToken"]}),
    );
    assert_eq!(
        (
            second["previewResults"].as_array().unwrap().len(),
            second.get("nextToken")
        ),
        (2, None)
    );
    let untagged = world.must(
        "GetLifecyclePolicyPreview",
        &json!({"repositoryName": "hub/x", "filter": {"tagStatus": "UNTAGGED"}}),
    );
    assert_eq!(untagged["previewResults"].as_array().unwrap().len(), 3);
    let one = world.must(
        "GetLifecyclePolicyPreview",
        &json!({"repositoryName": "hub/x", "imageIds": [{"imageDigest": "sha256:8"}]}),
    );
    assert_eq!(one["previewResults"].as_array().unwrap().len(), 1);
    let wrong = [
        json!({"imageIds": [{}]}),
        json!({"imageIds": [{"imageTag": "t"}], "maxResults": 4}),
    ];
    for members in wrong {
        world.refused(
            "GetLifecyclePolicyPreview",
            &with(get.clone(), members),
            "InvalidParameterException",
        );
    }

    world.later(25);
    assert_eq!(status(&mut world), "EXPIRED");
    world.must("StartLifecyclePolicyPreview", &start);
    world.ecr.failing_previews.insert("hub/x".into());
    assert_eq!(
        [status(&mut world), status(&mut world), status(&mut world)],
        ["IN_PROGRESS", "IN_PROGRESS", "FAILED"]
    );
}

#[test]
fn a_preview_is_of_the_text_as_given_and_does_not_block_for_ever() {
    let mut world = World::new();
    world.must("CreateRepository", &json!({"repositoryName": "hub/x"}));
    let spaced = keep(3).replace("{\"rules\":", "{\n  \"rules\": ");
    let start = json!({"repositoryName": "hub/x", "lifecyclePolicyText": spaced});
    assert_eq!(
        world.must("StartLifecyclePolicyPreview", &start)["lifecyclePolicyText"],
        spaced
    );
    let get = json!({"repositoryName": "hub/x"});
    assert_eq!(
        world.must("GetLifecyclePolicyPreview", &get)["lifecyclePolicyText"],
        spaced
    );
    world.refused(
        "StartLifecyclePolicyPreview",
        &start,
        "LifecyclePolicyPreviewInProgressException",
    );
    world.later(1);
    assert_eq!(world.must("GetLifecyclePolicyPreview", &get)["status"], "COMPLETE");
    world.must("StartLifecyclePolicyPreview", &start);
    world.later(25);
    assert_eq!(world.must("GetLifecyclePolicyPreview", &get)["status"], "EXPIRED");
    let short = json!({"repositoryName": "hub/x", "lifecyclePolicyText": r#"{"rules":[]}"#});
    world.refused("StartLifecyclePolicyPreview", &short, "greater than or equal to 100");
}
