//! Pull-through cache rules: hosts and credentials, quota, pages, validation.

use serde_json::{Value, json};

use super::{ACCOUNT, HUB, World, arn};

const OPEN: &str = "The specified upstream registry doesn't require authentication";
const MISMATCH: &str = "Upstream registry URL and provided credential type do not match";
const INVALID_URL: &str = "UnsupportedUpstreamRegistryException: The upstream registry URL https://quay.io is invalid. Specify a valid upstream registry URL and try again";
const NEEDS_SECRET: &str = "UnsupportedUpstreamRegistryException: The specified upstream registry requires authentication. Specify a valid Secrets Manager ARN";
const OTHER_NAME: &str = "Upstream registry URL and entered upstream registry do not match";
const SAME_PLACE: &str = "Please verify the secret exists in the same region and account";
const ROLE: &str = "arn:aws:iam::111122223333:role/ptc";

#[test]
fn what_a_rule_may_be() {
    let own = format!("{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com");
    let elsewhere = arn("x").replace("eu-west-1", "us-east-1");
    let other_account = arn("x").replace(ACCOUNT, "999988887777");
    let other = "222233334444.dkr.ecr.eu-west-1.amazonaws.com";
    let own_other_region = format!("{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com");
    let under = |part: &str, prefix: &str| {
        let mut members = json!({"upstreamRepositoryPrefix": part, "ecrRepositoryPrefix": prefix});
        if part == "prod" {
            members["customRoleArn"] = json!(ROLE);
        }
        members
    };
    // Host, further members, a part of the refusal ("" where the rule is made).
    let good = arn("good");
    let with = |secret: &str| json!({"credentialArn": secret});
    let table = [
        ("quay.io", json!({}), ""),
        ("public.ecr.aws", json!({}), ""),
        ("registry.k8s.io", json!({"upstreamRegistry": "quay"}), ""),
        ("https://quay.io", json!({}), INVALID_URL),
        ("docker.io", json!({}), "The upstream registry URL docker.io is invalid"),
        (&own, json!({}), "cannot be the same as the cache registry"),
        (&own_other_region, json!({}), ""),
        (HUB, json!({}), NEEDS_SECRET),
        (HUB, with(&good), ""),
        (
            HUB,
            json!({"credentialArn": good, "upstreamRegistry": "docker-hub"}),
            "",
        ),
        (
            HUB,
            json!({"credentialArn": good, "upstreamRegistry": "quay"}),
            OTHER_NAME,
        ),
        (HUB, with(&arn("garbage")), ""),
        (HUB, with(&arn("missing")), "SecretNotFoundException"),
        (HUB, with(&arn("deleted")), "UnableToAccessSecretException"),
        (HUB, with(&elsewhere), SAME_PLACE),
        (HUB, with(&other_account), SAME_PLACE),
        (HUB, json!({"credentialArn": good, "customRoleArn": ROLE}), MISMATCH),
        ("quay.io", with(&good), OPEN),
        ("quay.io", json!({"customRoleArn": ROLE}), MISMATCH),
        (other, with(&good), MISMATCH),
        (other, json!({"customRoleArn": ROLE}), ""),
        (other, under("prod", "cache"), ""),
        (
            other,
            under("prod", "ROOT"),
            "when the ECR repository prefix is not ROOT",
        ),
        ("quay.io", under("org", "cache"), "only for an Amazon ECR"),
        ("quay.io", under("ROOT", "cache"), ""),
        ("quay.io", json!({"ecrRepositoryPrefix": "ROOT"}), ""),
        ("quay.io", json!({"registryId": ACCOUNT}), ""),
        (
            "quay.io",
            json!({"registryId": "999988887777"}),
            "AccessDeniedException",
        ),
        ("quay.io", json!({"ecrRepositoryPrefix": "Quay"}), "regular expression"),
    ];
    for (host, members, expected) in table {
        let mut world = World::new();
        world.secret("good", Some(r#"{"username":"u","accessToken":"t"}"#));
        world.secret("garbage", Some("test"));
        let deleted = world.secret("deleted", None);
        world.secrets.0.get_mut(&deleted).unwrap().deleted = true;
        let mut input = json!({"ecrRepositoryPrefix": "cache", "upstreamRegistryUrl": host});
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        match expected {
            "" => drop(world.must("CreatePullThroughCacheRule", &input)),
            part => world.refused("CreatePullThroughCacheRule", &input, part),
        }
    }
}

#[test]
fn a_rule_through_its_life() {
    let mut world = World::new();
    let secret = world.hub("hub");
    let prefix = json!({"ecrRepositoryPrefix": "hub"});
    let again = json!({"ecrRepositoryPrefix": "hub/", "upstreamRegistryUrl": "quay.io"});
    world.refused(
        "CreatePullThroughCacheRule",
        &again,
        "PullThroughCacheRuleAlreadyExistsException",
    );

    let described = world.must("DescribePullThroughCacheRules", &json!({}));
    let time = 1_795_410_000.0;
    let rule = json!({
        "ecrRepositoryPrefix": "hub", "upstreamRegistry": "docker-hub", "upstreamRegistryUrl": HUB,
        "upstreamRepositoryPrefix": "ROOT", "credentialArn": secret, "registryId": ACCOUNT,
        "createdAt": time, "updatedAt": time,
    });
    assert_eq!(described, json!({"pullThroughCacheRules": [rule]}));

    world.later(1);
    let other = world.secret("other", None);
    world.must(
        "UpdatePullThroughCacheRule",
        &json!({"ecrRepositoryPrefix": "hub", "credentialArn": other}),
    );
    let described = world.must(
        "DescribePullThroughCacheRules",
        &json!({"ecrRepositoryPrefixes": ["hub"]}),
    );
    let rule = &described["pullThroughCacheRules"][0];
    assert_eq!(
        (&rule["credentialArn"], &rule["updatedAt"]),
        (&json!(other), &json!(time + 3600.0))
    );
    assert_eq!(rule["createdAt"], json!(time));

    let deleted = world.must("DeletePullThroughCacheRule", &prefix);
    assert_eq!(deleted["upstreamRegistryUrl"], HUB);
    for op in ["DeletePullThroughCacheRule", "ValidatePullThroughCacheRule"] {
        world.refused(op, &prefix, "PullThroughCacheRuleNotFoundException");
    }
    world.refused(
        "DescribePullThroughCacheRules",
        &json!({"ecrRepositoryPrefixes": ["hub"]}),
        "PullThroughCacheRuleNotFoundException",
    );
}

#[test]
fn an_update_changes_the_credential_and_nothing_else() {
    let mut world = World::new();
    let secret = world.hub("hub");
    world.quay("quay");
    let table = [
        (
            json!({"ecrRepositoryPrefix": "hub"}),
            "InvalidParameterException: Please set either credential arn or role arn to update the credentials",
        ),
        (
            json!({"ecrRepositoryPrefix": "quay"}),
            "Please set either credential arn or role arn",
        ),
        (json!({"ecrRepositoryPrefix": "quay", "credentialArn": secret}), OPEN),
        (json!({"ecrRepositoryPrefix": "quay", "customRoleArn": ROLE}), MISMATCH),
        (json!({"ecrRepositoryPrefix": "hub", "customRoleArn": ROLE}), MISMATCH),
        (
            json!({"ecrRepositoryPrefix": "none", "credentialArn": secret}),
            "PullThroughCacheRuleNotFoundException",
        ),
        (
            json!({"ecrRepositoryPrefix": "hub", "credentialArn": arn("missing")}),
            "SecretNotFoundException",
        ),
        (
            json!({"ecrRepositoryPrefix": "hub", "credentialArn": secret, "upstreamRegistryUrl": "ghcr.io"}),
            "upstreamRegistryUrl",
        ),
        (
            json!({"ecrRepositoryPrefix": "hub", "credentialArn": secret, "upstreamRepositoryPrefix": "x/y"}),
            "upstreamRepositoryPrefix",
        ),
    ];
    for (input, part) in table {
        world.refused("UpdatePullThroughCacheRule", &input, part);
    }
}

#[test]
fn the_quota_holds() {
    let mut world = World::new();
    world.ecr = super::Ecr::new(2);
    world.quay("a1");
    world.quay("a2");
    let third = json!({"ecrRepositoryPrefix": "a3", "upstreamRegistryUrl": "quay.io"});
    world.refused("CreatePullThroughCacheRule", &third, "LimitExceededException");
    world.must("DeletePullThroughCacheRule", &json!({"ecrRepositoryPrefix": "a1"}));
    world.must("CreatePullThroughCacheRule", &third);
}

#[test]
fn pages_come_whole_and_tokens_are_checked() {
    let mut world = World::new();
    (10..35).for_each(|n| world.quay(&format!("a{n}")));
    for (cap, asked, pages) in [
        (None, None, 1),
        (None, Some(10), 3),
        (Some(7), None, 4),
        (Some(7), Some(100), 4),
        (None, Some(25), 1),
    ] {
        world.ecr.set_page_cap(cap);
        let (mut input, mut seen, mut count) = (json!({"maxResults": asked}), Vec::new(), 0);
        loop {
            let page = world.must("DescribePullThroughCacheRules", &input);
            count += 1;
            seen.extend(page["pullThroughCacheRules"].as_array().unwrap().clone());
            let Some(token) = page.get("nextToken") else { break };
            input["nextToken"] = token.clone();
        }
        assert_eq!((seen.len(), count), (25, pages), "{cap:?} {asked:?}");
    }
    let page = world.must("DescribePullThroughCacheRules", &json!({"maxResults": 1}));
    for token in [
        json!("10"),
        json!(""),
        json!("!"),
        page["nextToken"].as_str().unwrap()[1..].into(),
    ] {
        world.refused(
            "DescribePullThroughCacheRules",
            &json!({"nextToken": token}),
            "InvalidParameterException",
        );
    }
    let elsewhere = json!({"nextToken": page["nextToken"]});
    world.refused(
        "DescribeRepositoryCreationTemplates",
        &elsewhere,
        "InvalidParameterException",
    );
}

#[test]
fn validation_tells_the_failures_apart() {
    let mut world = World::new();
    let secret = world.hub("hub");
    world.quay("quay");
    let role =
        json!({"ecrRepositoryPrefix": "other", "upstreamRegistryUrl": "222233334444.dkr.ecr.eu-west-1.amazonaws.com"});
    world.must("CreatePullThroughCacheRule", &role);
    let check = |world: &mut World, prefix: &str, part: &str| {
        let answer = world.must("ValidatePullThroughCacheRule", &json!({"ecrRepositoryPrefix": prefix}));
        assert_eq!(answer["isValid"], json!(part.is_empty()), "{answer}");
        let failure = answer.get("failure").and_then(Value::as_str).unwrap_or_default();
        assert!(failure.contains(part) && !failure.contains("stale-token"), "{failure}");
    };
    check(&mut world, "hub", "");
    check(&mut world, "quay", "");
    check(&mut world, "other", "no role");
    world.ecr.upstreams().refuse(HUB, "u", "t");
    check(&mut world, "hub", "refused the credentials");
    world.secret("hub", Some(r#"{"username":"u","accessToken":"stale-token"}"#));
    check(&mut world, "hub", "refused the credentials");
    for malformed in [
        Some("test"),
        Some(r#"{"username":"u","accessToken":"t","more":"x"}"#),
        None,
    ] {
        world.secret("hub", malformed);
        check(&mut world, "hub", "not in the expected format");
    }
    world.secrets.0.get_mut(&secret).unwrap().customer_key = true;
    check(&mut world, "hub", "unable to be decrypted");
    world.secrets.0.get_mut(&secret).unwrap().deleted = true;
    check(&mut world, "hub", "unable to be accessed");
    world.secrets.0.clear();
    check(&mut world, "hub", "was not found");
}

#[test]
fn a_customer_key_is_found_at_create_or_at_validation() {
    for at_create in [false, true] {
        let mut world = World::new();
        world.ecr.decrypts_at_create = at_create;
        let secret = world.secret("kms", Some("{}"));
        world.secrets.0.get_mut(&secret).unwrap().customer_key = true;
        let input = json!({"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": HUB, "credentialArn": secret});
        match at_create {
            true => world.refused(
                "CreatePullThroughCacheRule",
                &input,
                "UnableToDecryptSecretValueException",
            ),
            false => drop(world.must("CreatePullThroughCacheRule", &input)),
        }
    }
}
