//! Decisions, and documents that are not understood.

use super::*;
use serde_json::json;

const RULE: &str = "arn:aws:ecr:eu-west-1:1:repository/a/b";

fn policy(statements: Value) -> Result<Policy, String> {
    Policy::read(
        "role",
        &[("P".into(), json!({"Version": "2012-10-17", "Statement": statements}))],
    )
}

fn need(action: &str, resource: &str) -> Need {
    let context = [
        ("aws:RequestedRegion", "eu-west-1"),
        ("aws:SecureTransport", "true"),
        ("aws:ResourceTag/team:owner", "me"),
        ("secretsmanager:RecoveryWindowInDays", "7"),
    ];
    let context = context
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Need {
        action: action.into(),
        resource: resource.into(),
        context,
    }
}

/// One statement that allows, with other members than the usual.
fn allow(members: Value) -> Value {
    let mut statement = json!({"Sid": "S", "Effect": "Allow", "Action": "ecr:TagResource", "Resource": "*"});
    for (name, value) in members.as_object().unwrap() {
        statement[name] = value.clone();
    }
    statement.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    statement
}

#[test]
fn decisions() {
    let upper = RULE.to_uppercase().replace("ARN", "arn");
    let region = "aws:RequestedRegion";
    let days = "secretsmanager:RecoveryWindowInDays";
    let insecure = json!({"Bool": {"aws:SecureTransport": "false"}});
    let when = |operator: &str, key: &str, value: Value| json!({"Condition": {operator: {key: value}}});
    // What one statement that allows says else than the usual, and whether the call is allowed.
    let table = [
        (json!({}), true),
        (json!({"Action": "ecr:UntagResource"}), false),
        (json!({"Action": ["s3:GetObject", "ecr:TagResource"]}), true),
        (json!({"Action": "ECR:tagresource"}), true),
        (json!({"Action": "ecr:Tag*"}), true),
        (json!({"Action": "secretsmanager:*"}), false),
        (json!({"Action": "*"}), true),
        (json!({"Action": null, "NotAction": "ecr:Tag*"}), false),
        (json!({"Action": null, "NotAction": ["iam:*"]}), true),
        (json!({"Resource": RULE}), true),
        (json!({"Resource": "arn:aws:ecr:*:1:repository/a/*"}), true),
        (json!({"Resource": "arn:aws:ecr:eu-west-1:1:repository/a"}), false),
        (json!({"Resource": upper}), false),
        (json!({"Resource": null, "NotResource": RULE}), false),
        (json!({"Resource": null, "NotResource": format!("{RULE}/c")}), true),
        (when("StringEquals", "aws:requestedregion", json!("eu-west-1")), true),
        (when("StringEquals", region, json!(["us-east-1", "eu-west-1"])), true),
        (when("StringEquals", region, json!("us-east-1")), false),
        // It has no wildcards, and the next has.
        (when("StringEquals", region, json!("eu-*")), false),
        (when("StringLike", region, json!("eu-*")), true),
        (when("Bool", "aws:SecureTransport", json!(true)), true),
        (json!({"Condition": insecure}), false),
        // A key that the request has not, and one that it has.
        (when("StringLike", "iam:PassedToService", json!("*")), false),
        (when("StringLikeIfExists", "iam:PassedToService", json!("x")), true),
        (when("StringEqualsIfExists", region, json!("x")), false),
        (when("NumericGreaterThanEquals", days, json!("7")), true),
        (when("NumericGreaterThanEquals", days, json!("7.5")), false),
        // Two conditions, of which one fails.
        (
            json!({"Condition": {"StringEquals": {region: "eu-west-1"}, "Bool": insecure["Bool"]}}),
            false,
        ),
    ];
    let is_allowed = |statements: Value, action: &str| {
        let decision = policy(statements).unwrap().decide(&need(action, RULE));
        matches!(decision, Decision::Allowed(_))
    };
    for (members, allowed) in table {
        assert_eq!(
            is_allowed(allow(members.clone()), "ecr:TagResource"),
            allowed,
            "{members}"
        );
    }
    assert!(!is_allowed(json!([]), "ecr:TagResource"));
    let deny = |more: Value| {
        let mut deny = json!({"Sid": "D", "Effect": "Deny", "Action": "ecr:*"});
        deny.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([allow(json!({})), allow(deny)])
    };
    assert!(!is_allowed(deny(json!({})), "ecr:TagResource"));
    assert!(is_allowed(deny(json!({"Condition": insecure})), "ecr:TagResource"));
    // Of a tag the key is matched in any case, and the value is not.
    for (key, value, allowed) in [
        ("aws:resourcetag/Team:Owner", "me", true),
        ("aws:ResourceTag/team:owner", "Me", false),
        ("aws:ResourceTag/team", "me", false),
    ] {
        let mut members = when("StringEquals", key, json!(value));
        members["Action"] = json!("secretsmanager:GetSecretValue");
        assert_eq!(
            is_allowed(allow(members), "secretsmanager:GetSecretValue"),
            allowed,
            "{key}"
        );
    }
}

#[test]
fn a_grant_names_the_entries_that_matched() {
    let statement = allow(json!({"Action": ["ecr:Get*", "ecr:TagResource"], "Resource": ["arn:aws:ecr:*:*:x", "*"]}));
    let policy = policy(statement).unwrap();
    let grant = ("S".to_owned(), "ecr:TagResource".to_owned(), "*".to_owned());
    assert_eq!(
        policy.decide(&need("ecr:TagResource", RULE)),
        Decision::Allowed(vec![grant.clone()])
    );
    assert_eq!((policy.grants().len(), policy.grants().contains(&grant)), (4, true));
    let fewer = policy.without_action("S", "ecr:TagResource");
    assert_eq!(fewer.decide(&need("ecr:TagResource", RULE)), Decision::NotAllowed);
    assert_eq!(policy.without("S").sids(), Vec::<String>::new());
}

#[test]
fn what_it_does_not_know_it_refuses() {
    let table = [
        (allow(json!({"Principal": "*"})), "Principal"),
        (allow(json!({"Effect": "allow"})), "Effect"),
        (allow(json!({"Action": null})), "Action"),
        (allow(json!({"NotAction": "s3:*"})), "NotAction"),
        (allow(json!({"Action": "TagResource"})), "no action"),
        (allow(json!({"Action": []})), "empty"),
        (allow(json!({"Resource": "bucket"})), "no ARN"),
        (allow(json!({"Resource": {"Ref": "X"}})), "no text"),
        (
            allow(json!({"Resource": "arn:aws:s3:::home/${aws:username}"})),
            "variable",
        ),
        (
            allow(json!({"Condition": {"StringNotEqualsIfExists": {"aws:RequestedRegion": "x"}}})),
            "StringNotEqualsIfExists",
        ),
        (
            allow(json!({"Condition": {"NumericGreaterThanEquals": {"secretsmanager:RecoveryWindowInDays": "week"}}})),
            "no number",
        ),
        (
            allow(json!({"Action": "secretsmanager:Get*", "Condition": {"StringEquals": {"aws:ResourceTag/": "x"}}})),
            "does not know the condition key aws:ResourceTag/",
        ),
        (
            allow(json!({"Condition": {"StringEquals": {"aws:resourcetag/a": "x"}}})),
            "of secrets alone",
        ),
        (
            allow(json!({"Condition": {"StringEquals": {"aws:username": "x"}}})),
            "aws:username",
        ),
        (json!("x"), "no JSON object"),
    ];
    for (statement, expected) in table {
        let why = policy(statement).unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    assert!(
        policy(json!([allow(json!({})), allow(json!({}))]))
            .unwrap_err()
            .contains("two statements")
    );
    let old = Policy::read("r", &[("P".into(), json!({"Version": "2008-10-17", "Statement": []}))]);
    assert!(old.unwrap_err().contains("2012-10-17"));
}
