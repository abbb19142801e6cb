#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]
//! What Secrets Manager promises, and what it refuses.

use super::*;
use jiff::ToSpan;
use uuid::Uuid;

/// A Secrets Manager with a clock.
struct World {
    secrets: Secrets,
    cx: CallContext,
    events: Vec<Value>,
}

impl World {
    fn new(options: Options) -> Self {
        let cx = CallContext {
            account: options.account.clone(),
            region: options.region.clone(),
            partition: options.partition.clone(),
            now: "2026-11-20T10:11:12.345Z".parse().unwrap(),
        };
        Self {
            secrets: Secrets::new(&options),
            cx,
            events: Vec::new(),
        }
    }

    fn call(&mut self, op: &str, input: Value) -> Answer {
        let mut input = input;
        if ["CreateSecret", "PutSecretValue", "UpdateSecret"].contains(&op) && input.get("ClientRequestToken").is_none()
        {
            input["ClientRequestToken"] = json!(Uuid::new_v4().to_string());
        }
        self.secrets.call(&self.cx, op, &input, &mut self.events)
    }

    fn ok(&mut self, op: &str, input: Value) -> Value {
        self.call(op, input).unwrap()
    }

    /// Code and text of a refusal.
    fn refusal(&mut self, op: &str, input: Value) -> String {
        let error = self.call(op, input).unwrap_err();
        format!("{}: {}", error.code, error.message)
    }

    /// Puts a value under labels and answers its version.
    fn put(&mut self, value: &str, labels: &[&str]) -> String {
        let put = self.ok(
            "PutSecretValue",
            json!({"SecretId": "s", "SecretString": value, "VersionStages": labels}),
        );
        put["VersionId"].as_str().unwrap().to_owned()
    }

    fn stages(&mut self) -> Value {
        self.ok("DescribeSecret", json!({"SecretId": "s"}))["VersionIdsToStages"].clone()
    }

    fn pass(&mut self, hours: i64) {
        self.cx.now += hours.hours();
    }
}

/// A world with the secret `s`, which has one version.
fn world() -> (World, String) {
    let mut world = World::new(Options::default());
    let made = world.ok("CreateSecret", json!({"Name": "s", "SecretString": "one"}));
    let id = made["VersionId"].as_str().unwrap().to_owned();
    (world, id)
}

#[test]
fn a_secret_made_without_a_value_has_no_version_until_the_first_put_which_becomes_current() {
    let mut world = World::new(Options::default());
    assert!(
        world
            .ok("CreateSecret", json!({"Name": "s"}))
            .get("VersionId")
            .is_none()
    );
    assert_eq!(world.stages(), Value::Null);
    assert!(
        world
            .refusal("GetSecretValue", json!({"SecretId": "s"}))
            .contains("staging label: AWSCURRENT")
    );
    assert!(world.events.is_empty());
    let id = world.put("one", &["CONFIGURED"]);
    assert_eq!(world.stages(), json!({id: ["CONFIGURED", "AWSCURRENT"]}));
}

#[test]
fn a_put_without_labels_moves_current_and_previous() {
    let (mut world, one) = world();
    let two = world.ok("PutSecretValue", json!({"SecretId": "s", "SecretString": "two"}));
    let two = two["VersionId"].as_str().unwrap();
    assert_eq!(world.stages(), json!({one: ["AWSPREVIOUS"], two: ["AWSCURRENT"]}));
}

#[test]
fn a_put_under_another_label_leaves_current_alone_or_not_as_the_option_says() {
    let (mut world, one) = world();
    let two = world.put("two", &["FILE_PENDING"]);
    assert_eq!(world.stages(), json!({one: ["AWSCURRENT"], two: ["FILE_PENDING"]}));

    let mut world = World::new(Options {
        put_moves_current: true,
        ..Options::default()
    });
    let one = world.ok("CreateSecret", json!({"Name": "s", "SecretString": "one"}))["VersionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let two = world.put("two", &["FILE_PENDING"]);
    assert_eq!(
        world.stages(),
        json!({one: ["AWSPREVIOUS"], two: ["FILE_PENDING", "AWSCURRENT"]})
    );
}

#[test]
fn a_label_leaves_a_version_only_when_that_version_is_named() {
    let (mut world, one) = world();
    let two = world.put("two", &["FILE_PENDING"]);
    let three = world.put("three", &["OTHER"]);
    let mut input = json!({"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": two});
    let expected = format!(
        "InvalidParameterException: The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently \
         attached to version {one}, so you must explicitly reference that version in RemoveFromVersionId."
    );
    assert_eq!(world.refusal("UpdateSecretVersionStage", input.clone()), expected);
    input["RemoveFromVersionId"] = json!(three);
    assert!(
        world
            .refusal("UpdateSecretVersionStage", input.clone())
            .starts_with("InvalidParameterException")
    );
    input["RemoveFromVersionId"] = json!(one);
    world.ok("UpdateSecretVersionStage", input);
    assert_eq!(
        world.stages(),
        json!({one: ["AWSPREVIOUS"], two: ["FILE_PENDING", "AWSCURRENT"], three: ["OTHER"]})
    );
}

#[test]
fn rolling_back_swaps_current_and_previous() {
    let (mut world, one) = world();
    let two = world.put("two", &["AWSCURRENT"]);
    let back =
        json!({"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": one, "RemoveFromVersionId": two});
    world.ok("UpdateSecretVersionStage", back);
    assert_eq!(world.stages(), json!({one: ["AWSCURRENT"], two: ["AWSPREVIOUS"]}));
}

#[test]
fn current_is_never_taken_off_and_a_label_nobody_has_needs_no_holder() {
    let (mut world, one) = world();
    let off = json!({"SecretId": "s", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": one});
    assert!(
        world
            .refusal("UpdateSecretVersionStage", off)
            .contains("can’t be completely removed")
    );
    let label = |to: &str| json!({"SecretId": "s", "VersionStage": "REJECTED", "MoveToVersionId": to});
    world.ok("UpdateSecretVersionStage", label(&one));
    world.ok("UpdateSecretVersionStage", label(&one));
    assert_eq!(world.stages()[&one], json!(["AWSCURRENT", "REJECTED"]));
    let gone = "0".repeat(32);
    assert!(
        world
            .refusal("UpdateSecretVersionStage", label(&gone))
            .starts_with("ResourceNotFoundException")
    );
    let neither = json!({"SecretId": "s", "VersionStage": "REJECTED"});
    assert!(
        world
            .refusal("UpdateSecretVersionStage", neither)
            .starts_with("InvalidParameterException")
    );
}

#[test]
fn a_secret_takes_twenty_labels_and_no_more() {
    let (mut world, one) = world();
    let mut put = |n: usize| {
        let input = json!({"SecretId": "s", "VersionStage": format!("L{n}"), "MoveToVersionId": one});
        world
            .call("UpdateSecretVersionStage", input)
            .map_err(|error| error.code)
    };
    assert!((1..20).all(|n| put(n).is_ok()));
    assert_eq!(put(20), Err("LimitExceededException".to_owned()));
}

#[test]
fn a_token_names_one_value_for_ever() {
    let (mut world, one) = world();
    let token = Uuid::new_v4().to_string();
    let put = |value: &str| json!({"SecretId": "s", "SecretString": value, "ClientRequestToken": token});
    world.ok("PutSecretValue", put("two"));
    let back =
        json!({"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": one, "RemoveFromVersionId": token});
    world.ok("UpdateSecretVersionStage", back);
    let before = world.stages();
    // The same again: a success that moves nothing, which is the trap of going A, B, A with tokens made from values.
    world.ok("PutSecretValue", put("two"));
    assert_eq!(world.stages(), before);
    assert!(
        world
            .refusal("PutSecretValue", put("three"))
            .starts_with("ResourceExistsException: You can't use ClientRequestToken")
    );
    assert!(
        world
            .refusal("UpdateSecret", put("two"))
            .starts_with("ResourceExistsException")
    );
    let bare = json!({"SecretId": "s", "SecretString": "x", "ClientRequestToken": null});
    assert!(
        world
            .refusal("PutSecretValue", bare)
            .contains("must provide a ClientRequestToken")
    );
    let create = |value: &str| json!({"Name": "c", "SecretString": value, "ClientRequestToken": token});
    let made = world.ok("CreateSecret", create("a"));
    assert_eq!(world.ok("CreateSecret", create("a")), made);
    assert!(
        world
            .refusal("CreateSecret", create("b"))
            .starts_with("ResourceExistsException")
    );
}

#[test]
fn deprecated_versions_stay_readable_until_there_are_a_hundred_others() {
    let (mut world, one) = world();
    let two = world.put("two", &["AWSCURRENT"]);
    world.put("three", &["AWSCURRENT"]);
    assert_eq!(world.stages().as_object().unwrap().len(), 2);
    let read = json!({"SecretId": "s", "VersionId": one});
    let got = world.ok("GetSecretValue", read.clone());
    assert_eq!((&got["SecretString"], got.get("VersionStages")), (&json!("one"), None));
    let mismatch = json!({"SecretId": "s", "VersionId": two, "VersionStage": "AWSCURRENT"});
    assert!(
        world
            .refusal("GetSecretValue", mismatch)
            .starts_with("InvalidRequestException")
    );
    for n in 0..120 {
        world.put(&n.to_string(), &["AWSCURRENT"]);
    }
    world.ok("GetSecretValue", read.clone());
    world.pass(25);
    world.put("last", &["AWSCURRENT"]);
    assert!(world.refusal("GetSecretValue", read).contains(&one));
}

#[test]
fn a_scheduled_deletion_blocks_all_but_looking_and_restoring() {
    let (mut world, _) = world();
    let arn = world.ok("DescribeSecret", json!({"SecretId": "s"}))["ARN"].clone();
    let deleted = world.ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7}));
    assert_eq!(deleted["DeletionDate"], json!(1_795_774_272.345));
    let blocked = [
        ("GetSecretValue", json!({"SecretId": "s"})),
        ("PutSecretValue", json!({"SecretId": "s", "SecretString": "x"})),
        ("UpdateSecret", json!({"SecretId": "s", "Description": "x"})),
        ("TagResource", json!({"SecretId": "s", "Tags": []})),
        ("GetResourcePolicy", json!({"SecretId": "s"})),
        ("DeleteSecret", json!({"SecretId": "s"})),
        ("CreateSecret", json!({"Name": "s"})),
    ];
    for (op, input) in blocked {
        assert!(world.refusal(op, input).starts_with("InvalidRequestException"), "{op}");
    }
    let quoted = "You can't create this secret because a secret with this name is already scheduled for deletion.";
    assert!(world.refusal("CreateSecret", json!({"Name": "s"})).ends_with(quoted));
    assert!(world.ok("DescribeSecret", json!({"SecretId": "s"}))["DeletedDate"].is_f64());
    world.ok("RestoreSecret", json!({"SecretId": arn}));
    assert_eq!(
        world.ok("GetSecretValue", json!({"SecretId": arn}))["SecretString"],
        "one"
    );
    world.ok("DeleteSecret", json!({"SecretId": "s", "RecoveryWindowInDays": 7}));
    world.pass(7 * 24);
    assert!(
        world
            .refusal("DescribeSecret", json!({"SecretId": "s"}))
            .starts_with("ResourceNotFoundException")
    );
    assert_ne!(world.ok("CreateSecret", json!({"Name": "s"}))["ARN"], arn);
}

#[test]
fn windows_and_force_exclude_each_other() {
    let (mut world, _) = world();
    for input in [
        json!({"SecretId": "s", "RecoveryWindowInDays": 6}),
        json!({"SecretId": "s", "RecoveryWindowInDays": 31}),
        json!({"SecretId": "s", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true}),
    ] {
        assert!(
            world
                .refusal("DeleteSecret", input)
                .starts_with("InvalidParameterException")
        );
    }
    for _ in 0..2 {
        world.ok(
            "DeleteSecret",
            json!({"SecretId": "s", "ForceDeleteWithoutRecovery": true}),
        );
    }
}

#[test]
fn a_secret_is_found_by_name_and_arn_but_a_name_like_a_suffix_not_by_a_partial_arn() {
    let mut world = World::new(Options::default());
    for name in ["team/token", "docker-mirror"] {
        let arn = world.ok("CreateSecret", json!({"Name": name}))["ARN"]
            .as_str()
            .unwrap()
            .to_owned();
        let partial = arn.rsplit_once('-').unwrap().0.to_owned();
        let mut found = |id: &str| {
            world
                .call("DescribeSecret", json!({"SecretId": id}))
                .map(|secret| secret["Name"] == name)
        };
        assert_eq!((found(name), found(&arn)), (Ok(true), Ok(true)));
        assert_eq!(found(&partial).is_ok(), name == "team/token");
        assert_eq!(
            found(&format!("{partial}-AAAAAA")).unwrap_err().code,
            "ResourceNotFoundException"
        );
        assert_eq!(
            found(&arn.replace("123456789012", "999999999999")).unwrap_err().code,
            "AccessDeniedException"
        );
        assert_eq!(
            found(&arn.replace("eu-west-1", "us-east-1")).unwrap_err().code,
            "ResourceNotFoundException"
        );
    }
    assert!(
        world
            .refusal("CreateSecret", json!({"Name": "no spaces"}))
            .starts_with("ValidationException: Invalid name")
    );
}

#[test]
fn a_secret_can_be_seeded_with_the_arn_that_a_file_names() {
    let mut world = World::new(Options::default());
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf";
    let input = json!({"SecretString": "one", "ClientRequestToken": Uuid::new_v4().to_string()});
    let mut events = Vec::new();
    world.secrets.seed(&world.cx, arn, &input, &mut events).unwrap();
    for id in [arn, "ecr-pullthroughcache/hub"] {
        let value = world.ok("GetSecretValue", json!({"SecretId": id}));
        assert_eq!((&value["ARN"], &value["SecretString"]), (&json!(arn), &json!("one")));
    }
    for other in [
        arn.replace("-AbCdEf", ""),
        arn.replace("123456789012", "999999999999"),
        "hub".to_owned(),
    ] {
        assert!(
            world.secrets.seed(&world.cx, &other, &input, &mut events).is_err(),
            "{other}"
        );
    }
}

#[test]
fn ecr_sees_a_new_secret_late_a_list_later_and_a_customer_key_at_once() {
    let lag = Duration::from_secs(3600);
    let mut world = World::new(Options {
        secret_visible_after: lag,
        list_lag: 3 * lag,
        ..Options::default()
    });
    let made = world.ok(
        "CreateSecret",
        json!({"Name": "s", "SecretString": "one", "KmsKeyId": "alias/mine"}),
    );
    let arn = made["ARN"].as_str().unwrap().to_owned();
    let listed = |world: &mut World| {
        world.ok("ListSecrets", json!({}))["SecretList"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(
        (world.secrets.secret(&arn, world.cx.now), listed(&mut world)),
        (None, 0)
    );
    world.pass(1);
    let seen = SeenSecret {
        deleted: false,
        current: Some("one".to_owned()),
        customer_key: true,
    };
    assert_eq!(
        (world.secrets.secret(&arn, world.cx.now), listed(&mut world)),
        (Some(seen), 0)
    );
    world.pass(2);
    assert_eq!(listed(&mut world), 1);
    world.ok("UpdateSecret", json!({"SecretId": "s", "KmsKeyId": ""}));
    assert!(
        world
            .ok("DescribeSecret", json!({"SecretId": "s"}))
            .get("KmsKeyId")
            .is_none()
    );
    assert!(!world.secrets.secret(&arn, world.cx.now).unwrap().customer_key);
    world.ok("DeleteSecret", json!({"SecretId": "s"}));
    assert_eq!(listed(&mut world), 1);
    world.pass(3);
    assert_eq!(listed(&mut world), 0);
}

#[test]
fn moved_labels_raise_events_except_pending_and_previous() {
    let (mut world, one) = world();
    let two = world.put("two", &["AWSPENDING"]);
    let three = world.put("three", &["AWSCURRENT", "CONFIGURED"]);
    let moved: Vec<(&str, &str)> = world
        .events
        .iter()
        .map(|event| {
            (
                event["detail"]["labelUpdated"].as_str().unwrap(),
                event["detail"]["versionId"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        moved,
        [
            ("AWSCURRENT", one.as_str()),
            ("AWSCURRENT", &three),
            ("CONFIGURED", &three)
        ]
    );
    assert_ne!(two, three);
    let event = &world.events[0];
    assert_eq!(
        (&event["detail-type"], &event["time"]),
        (&json!("Secret Label Updated"), &json!("2026-11-20T10:11:12Z"))
    );
}

#[test]
fn policies_are_checked_and_come_back_rewritten() {
    let (mut world, _) = world();
    let mut put = |policy: &str, block: bool| {
        let input = json!({"SecretId": "s", "ResourcePolicy": policy, "BlockPublicPolicy": block});
        world.call("PutResourcePolicy", input).map_err(|error| error.code)
    };
    let allow = |principal: Value| {
        let statement = json!({"Effect": "Allow", "Principal": principal, "Action": ["secretsmanager:GetSecretValue"], "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [statement]})
    };
    let malformed = Err("MalformedPolicyDocumentException".to_owned());
    for broken in [
        "{",
        "[]",
        "{}",
        r#"{"Statement":[]}"#,
        r#"{"Statement":[{"Effect":"Allow"}]}"#,
    ] {
        assert_eq!(put(broken, false).map(drop), malformed, "{broken}");
    }
    assert_eq!(
        put(
            &allow(json!({"AWS": "arn:aws:iam::123456789012:rool"})).to_string(),
            false
        )
        .map(drop),
        malformed
    );
    assert_eq!(
        put(&allow(json!("*")).to_string(), true),
        Err("PublicPolicyException".to_owned())
    );
    let mut narrowed = allow(json!({"AWS": ["*"]}));
    assert_eq!(
        put(&narrowed.to_string(), true),
        Err("PublicPolicyException".to_owned())
    );
    narrowed["Statement"][0]["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}});
    assert!(put(&narrowed.to_string(), true).is_ok());
    assert!(put(&allow(json!({"AWS": ["123456789012"]})).to_string(), true).is_ok());
    let back = world.ok("GetResourcePolicy", json!({"SecretId": "s"}));
    let expected = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}"#;
    assert_eq!(back["ResourcePolicy"], expected);
}

#[test]
fn lists_are_filtered_and_paged() {
    let mut world = World::new(Options {
        page_size: Some(2),
        ..Options::default()
    });
    for (name, tag) in [("a/1", "x"), ("a/2", "y"), ("a/3", "x"), ("b/1", "x")] {
        world.ok(
            "CreateSecret",
            json!({"Name": name, "Tags": [{"Key": "t", "Value": tag}]}),
        );
    }
    let mut names = |filters: Value| {
        let (mut found, mut token) = (Vec::new(), Value::Null);
        loop {
            let input = json!({"Filters": filters, "SortBy": "name", "SortOrder": "asc", "NextToken": token});
            let page = world.ok("ListSecrets", input);
            let list = page["SecretList"].as_array().unwrap().clone();
            assert!(list.len() <= 2);
            found.extend(list.iter().map(|secret| secret["Name"].as_str().unwrap().to_owned()));
            match page.get("NextToken") {
                Some(next) => token = next.clone(),
                None => return found,
            }
        }
    };
    assert_eq!(names(json!([])), ["a/1", "a/2", "a/3", "b/1"]);
    assert_eq!(
        names(json!([{"Key": "name", "Values": ["a/"]}, {"Key": "tag-value", "Values": ["x"]}])),
        ["a/1", "a/3"]
    );
    assert_eq!(names(json!([{"Key": "name", "Values": ["!a/"]}])), ["b/1"]);
}

#[test]
fn a_rotation_is_dated_and_a_put_is_not() {
    let (mut world, _) = world();
    world.ok("CreateSecret", json!({"Name": "rotated", "SecretString": "a"}));
    let described = |world: &mut World| world.ok("DescribeSecret", json!({"SecretId": "rotated"}));
    world.ok("PutSecretValue", json!({"SecretId": "rotated", "SecretString": "b"}));
    assert!(described(&mut world)["LastRotatedDate"].is_null());
    let rotated = world
        .secrets
        .rotate(&world.cx, "rotated", "c", &mut Vec::new())
        .unwrap();
    let described = described(&mut world);
    assert!(described["LastRotatedDate"].is_number(), "{described}");
    assert!(described["RotationEnabled"].is_null() && described["NextRotationDate"].is_null());
    let labels = &described["VersionIdsToStages"][rotated["VersionId"].as_str().unwrap()];
    assert_eq!(*labels, json!(["AWSPENDING", "AWSCURRENT"]));
}

#[test]
fn what_is_not_implemented_says_so() {
    let (mut world, _) = world();
    let replicas = json!({"Name": "r", "AddReplicaRegions": [{"Region": "us-east-1"}]});
    assert!(
        world
            .refusal("CreateSecret", replicas)
            .contains("local-aws does not implement AddReplicaRegions")
    );
    assert!(
        world
            .refusal("RotateSecret", json!({"SecretId": "s"}))
            .contains("local-aws")
    );
    assert!(
        world
            .refusal("DescribeSecret", json!({"SecretId": "s", "Stage": "x"}))
            .contains("stage")
    );
}

#[test]
fn a_managed_external_secret_has_its_partners_form() {
    let mut world = World::new(Options::default());
    let input = |kind: &str, value: &str| json!({"Name": "team/gitlab", "Type": kind, "SecretString": value});
    let good = r#"{"token": "t", "tokenId": "1", "gitlabUrl": "https://gitlab.com"}"#;
    for bad in [
        "t",
        "{}",
        r#"{"token": "t", "tokenId": 1, "gitlabUrl": "https://gitlab.com"}"#,
    ] {
        let refusal = world.refusal("CreateSecret", input("GitLabAccessToken", bad));
        assert!(refusal.starts_with("InvalidParameterException"), "{bad}: {refusal}");
    }
    assert!(
        world
            .refusal("CreateSecret", input("Other", good))
            .starts_with("NotImplemented")
    );
    world.ok("CreateSecret", input("GitLabAccessToken", good));
    let described = world.ok("DescribeSecret", json!({"SecretId": "team/gitlab"}));
    assert_eq!(described["Type"], "GitLabAccessToken");
}
