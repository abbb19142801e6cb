//! Where events name a secret, and which secrets are ours.

use serde_json::{Value, json};

use super::*;

#[test]
fn a_secret_is_found_wherever_the_event_names_it() {
    let (name, full) = ("ecr-pullthroughcache/hub", arn("ecr-pullthroughcache/hub-a1B2c3"));
    let with = |part: &str, value: Value| {
        let mut event = api_call("PutSecretValue", &Value::Null, &Value::Null);
        event["detail"][part] = value;
        event
    };
    let mut in_resources = api_call("RestoreSecret", &json!({"secretId": "other"}), &Value::Null);
    in_resources["resources"] = json!([full]);
    for (event, with_arn) in [
        (in_resources, true),
        (with("additionalEventData", json!({"SecretId": full})), true),
        (with("additionalEventData", json!({"secretId": full})), true),
        (with("requestParameters", json!({"secretId": full})), true),
        (with("requestParameters", json!({"SECRETID": full})), true),
        (with("requestParameters", json!({"secretId": name})), false),
        (
            with("requestParameters", json!({"secretId": null, "name": name})),
            false,
        ),
        (with("responseElements", json!({"arn": full})), true),
        (with("responseElements", json!({"aRN": full})), true),
        (with("responseElements", json!({"ARN": full})), true),
        (with("serviceEventDetails", json!({"secretId": full})), true),
        (
            api_call("UpdateSecret", &json!({"secretId": name}), &json!({"arn": full})),
            true,
        ),
    ] {
        let change = change(&event);
        assert_eq!(change.name, name, "{event}");
        assert_eq!(change.arn, with_arn.then(|| full.clone()), "{event}");
    }
    for nowhere in [
        with("requestParameters", json!({})),
        with("requestParameters", json!(["x"])),
        with("requestParameters", json!({"secretId": ""})),
        with("requestParameters", json!({"secretId": 7})),
    ] {
        assert!(error(&nowhere).contains("it names no secret"), "{nowhere}");
    }
}

#[test]
fn only_an_arn_loses_its_suffix() {
    let p = "ecr-pullthroughcache";
    for (request, response, name) in [
        // A name may end like a suffix.
        (format!("{p}/docker-mirror"), None, format!("{p}/docker-mirror")),
        (
            arn(&format!("{p}/docker-mirror-a1B2c3")),
            None,
            format!("{p}/docker-mirror"),
        ),
        (arn(&format!("{p}/hub")), None, format!("{p}/hub")),
        (arn(&format!("{p}/hub-short")), None, format!("{p}/hub-short")),
        // Without its suffix, but the answer had it.
        (
            arn(&format!("{p}/docker-mirror")),
            Some(format!("{p}/docker-mirror-a1B2c3")),
            format!("{p}/docker-mirror"),
        ),
        // In doubt: see `refers_to`.
        (arn(&format!("{p}/docker-mirror")), None, format!("{p}/docker")),
    ] {
        let response = response.map_or(Value::Null, |resource| json!({"arn": arn(&resource)}));
        let change = change(&api_call("PutSecretValue", &json!({"secretId": request}), &response));
        assert_eq!(change.name, name, "{request}");
        if request.contains("docker-mirror") {
            assert!(change.refers_to("ecr-pullthroughcache/docker-mirror"), "{request}");
        }
        assert!(!change.refers_to("ecr-pullthroughcache/other"));
    }
}

#[test]
fn secrets_of_other_places_are_not_ours() {
    let secret = "secret:ecr-pullthroughcache/hub-a1B2c3";
    for (id, ours) in [
        (format!("arn:aws:secretsmanager:eu-west-1:123456789012:{secret}"), true),
        (format!("arn:aws:secretsmanager:eu-west-2:123456789012:{secret}"), false),
        (format!("arn:aws:secretsmanager:eu-west-1:210987654321:{secret}"), false),
        (
            format!("arn:aws-cn:secretsmanager:eu-west-1:123456789012:{secret}"),
            false,
        ),
    ] {
        let job = job(&api_call("PutSecretValue", &json!({"secretId": id}), &Value::Null));
        assert_eq!(matches!(job, Job::Secret(_)), ours, "{id}");
    }
    // A plain name is one of the place the event comes from.
    let mut event = api_call(
        "PutSecretValue",
        &json!({"secretId": "ecr-pullthroughcache/hub"}),
        &Value::Null,
    );
    assert!(matches!(job(&event), Job::Secret(_)));
    event["region"] = "eu-west-2".into();
    assert!(reason(&event).contains("account 123456789012, region eu-west-2"));
}

#[test]
fn labels_other_than_awscurrent_are_ignored() {
    let id = "ecr-pullthroughcache/hub";
    for (name, request, ours) in [
        ("PutSecretValue", json!({"secretId": id}), true),
        ("PutSecretValue", json!({"secretId": id, "versionStages": null}), true),
        (
            "PutSecretValue",
            json!({"secretId": id, "versionStages": ["CONFIGURED", "AWSCURRENT"]}),
            true,
        ),
        (
            "PutSecretValue",
            json!({"secretId": id, "versionStages": ["AWSPENDING"]}),
            false,
        ),
        (
            "UpdateSecretVersionStage",
            json!({"secretId": id, "versionStage": "AWSCURRENT"}),
            true,
        ),
        (
            "UpdateSecretVersionStage",
            json!({"secretId": id, "versionStage": "CONFIGURED"}),
            false,
        ),
        ("UpdateSecret", json!({"secretId": id}), true),
        ("RestoreSecret", json!({"secretId": id}), true),
    ] {
        let job = job(&api_call(name, &request, &Value::Null));
        assert_eq!(matches!(job, Job::Secret(_)), ours, "{name} {request}");
    }
}
