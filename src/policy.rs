//! The documents we write, and comparing documents by meaning.
//!
//! AWS hands a policy back in another order, with an account id as its root ARN and a one-element list as a scalar;
//! a lifecycle policy comes back sorted. None of this is drift (provider-aws 19365, 22639; provider-aws of
//! Crossplane 700 wrote one policy 700,000 times for want of this).

use serde_json::{Map, Value, json};

use crate::home::Home;

/// What principals may do with a cached repository: the twelve actions of the legacy module. Pulling an image that
/// is not cached yet needs `ecr:BatchImportUpstreamImage` as well, which belongs into the puller's own policy.
const READ_ACTIONS: [&str; 12] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecr:GetLifecyclePolicy",
    "ecr:GetLifecyclePolicyPreview",
    "ecr:GetRepositoryPolicy",
    "ecr:ListImages",
    "ecr:ListTagsForResource",
];

/// The longest policy a repository takes, in characters (ECR API, `repositoryPolicy`).
pub const REPOSITORY_POLICY_MAX: usize = 10_240;

/// The repository policy of a registry: the named principals and the account root may pull.
pub fn repository_policy(home: &Home, read_access: &[String]) -> String {
    let mut principals: Vec<String> = read_access.iter().map(|p| principal(p, &home.partition)).collect();
    principals.push(home.root_arn());
    principals.sort();
    principals.dedup();
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "PrivateReadOnly",
            "Effect": "Allow",
            "Principal": {"AWS": principals},
            "Action": READ_ACTIONS,
        }],
    })
    .to_string()
}

/// The principals of a policy that says what [`repository_policy`] makes, without the account root; `None` where it says
/// anything else.
pub fn read_access(home: &Home, policy: &str) -> Option<Vec<String>> {
    let document: Value = serde_json::from_str(policy).ok()?;
    let statement = listed(document.get("Statement")?.clone()).pop()?;
    let named = listed(statement.get("Principal")?.get("AWS")?.clone());
    let named = named
        .iter()
        .map(|name| name.as_str().map(|name| principal(name, &home.partition)));
    let mut principals = named.collect::<Option<Vec<String>>>()?;
    principals.sort();
    principals.dedup();
    principals.retain(|principal| *principal != home.root_arn());
    same_policy(&repository_policy(home, &principals), policy, &home.partition).then_some(principals)
}

/// The resource policy the legacy module sets on a secret: the account root may read it.
pub fn secret_policy(home: &Home) -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "AllowAccountRead",
            "Effect": "Allow",
            "Principal": {"AWS": home.root_arn()},
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
        }],
    })
    .to_string()
}

/// Whether two policy documents say the same.
pub fn same_policy(a: &str, b: &str, partition: &str) -> bool {
    match (serde_json::from_str(a), serde_json::from_str(b)) {
        (Ok(a), Ok(b)) => normal_policy(a, partition, lower) == normal_policy(b, partition, lower),
        _ => a == b,
    }
}

/// A policy in the form in which it is compared, but for the names of actions, which stay as people know them; what is
/// no JSON as it is.
pub fn policy_in_form(text: &str, partition: &str) -> Value {
    in_form(text, |policy| normal_policy(policy, partition, |action| action))
}

/// A lifecycle policy in the form in which it is compared; what is no JSON as it is.
pub fn lifecycle_in_form(text: &str) -> Value {
    in_form(text, normal_lifecycle)
}

fn in_form(text: &str, form: impl Fn(Value) -> Value) -> Value {
    match serde_json::from_str(text) {
        Ok(document) => form(document),
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => text.into(),
    }
}

/// Whether two lifecycle policies say the same.
pub fn same_lifecycle(a: &str, b: &str) -> bool {
    match (serde_json::from_str(a), serde_json::from_str(b)) {
        (Ok(a), Ok(b)) => normal_lifecycle(a) == normal_lifecycle(b),
        _ => a == b,
    }
}

/// An account id means its root.
fn principal(text: &str, partition: &str) -> String {
    if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        format!("arn:{partition}:iam::{text}:root")
    } else {
        text.to_owned()
    }
}

fn normal_policy(policy: Value, partition: &str, action: fn(Value) -> Value) -> Value {
    let Value::Object(mut policy) = policy else {
        return policy;
    };
    if let Some(statements) = policy.remove("Statement") {
        let statements = listed(statements)
            .into_iter()
            .map(|s| normal_statement(s, partition, action));
        policy.insert("Statement".into(), sorted(statements.collect()));
    }
    Value::Object(policy)
}

fn normal_statement(statement: Value, partition: &str, action: fn(Value) -> Value) -> Value {
    let Value::Object(statement) = statement else {
        return statement;
    };
    let normal = statement.into_iter().map(|(key, value)| {
        let value = match key.as_str() {
            "Principal" | "NotPrincipal" => normal_principal(value, partition),
            "Action" | "NotAction" => sorted(listed(value).into_iter().map(action).collect()),
            "Resource" | "NotResource" => sorted(listed(value)),
            "Condition" => normal_condition(value),
            _ => value,
        };
        (key, value)
    });
    Value::Object(normal.collect())
}

fn normal_principal(value: Value, partition: &str) -> Value {
    let by_kind = match value {
        Value::Object(by_kind) => by_kind,
        // `"Principal": "*"` and `{"AWS": "*"}` are the same (IAM reference, "Principal").
        other => Map::from_iter([("AWS".to_owned(), other)]),
    };
    let normal = by_kind.into_iter().map(|(kind, names)| {
        let names = listed(names).into_iter().map(|name| match name {
            Value::String(text) => Value::String(principal(&text, partition)),
            other => other,
        });
        (kind, sorted(names.collect()))
    });
    Value::Object(normal.collect())
}

fn normal_condition(value: Value) -> Value {
    let Value::Object(operators) = value else { return value };
    let normal = operators.into_iter().map(|(operator, keys)| {
        let keys = match keys {
            Value::Object(keys) => Value::Object(keys.into_iter().map(|(k, v)| (k, sorted(listed(v)))).collect()),
            other => other,
        };
        (operator, keys)
    });
    Value::Object(normal.collect())
}

fn normal_lifecycle(policy: Value) -> Value {
    let Value::Object(mut policy) = policy else {
        return policy;
    };
    if let Some(Value::Array(rules)) = policy.remove("rules") {
        let mut rules: Vec<Value> = rules.into_iter().map(normal_rule).collect();
        rules.sort_by_key(|rule| rule.get("rulePriority").and_then(Value::as_i64));
        policy.insert("rules".into(), Value::Array(rules));
    }
    Value::Object(policy)
}

fn normal_rule(rule: Value) -> Value {
    let Value::Object(mut rule) = rule else { return rule };
    rule.retain(|key, value| !(value.is_null() || key == "description" && value == ""));
    if let Some(Value::Object(selection)) = rule.get_mut("selection") {
        selection.retain(|_, value| !value.is_null() && *value != json!([]));
        for list in ["tagPatternList", "tagPrefixList"] {
            if let Some(value) = selection.remove(list) {
                selection.insert(list.into(), sorted(listed(value)));
            }
        }
        selection.entry("storageClass").or_insert_with(|| "standard".into());
    }
    Value::Object(rule)
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        scalar => vec![scalar],
    }
}

/// Order and repetition have no meaning in these lists.
fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_cached_key(Value::to_string);
    items.dedup();
    Value::Array(items)
}

/// Action names are matched without regard to case (IAM reference, "Action").
fn lower(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.to_ascii_lowercase()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home::of("123456789012", "eu-west-1")
    }

    #[test]
    fn a_policy_as_aws_hands_it_back_is_the_same() {
        let ours = repository_policy(&home(), &["arn:aws:iam::444455556666:root".into()]);
        let mut theirs: Value = serde_json::from_str(&ours).unwrap_or_default();
        theirs["Statement"][0]["Principal"]["AWS"] = json!(["444455556666", "arn:aws:iam::123456789012:root"]);
        theirs["Statement"] = theirs["Statement"][0].clone();
        assert!(same_policy(&ours, &theirs.to_string(), "aws"));
        theirs["Statement"]["Effect"] = json!("Deny");
        assert!(!same_policy(&ours, &theirs.to_string(), "aws"));
    }

    #[test]
    fn principals_are_read_back_from_our_policy_alone() {
        let readers = [
            "arn:aws:iam::444455556666:role/pull".to_owned(),
            "arn:aws:iam::777788889999:root".to_owned(),
        ];
        let ours = repository_policy(&home(), &readers);
        assert_eq!(read_access(&home(), &ours), Some(readers.to_vec()));
        let by_id = ours.replace("arn:aws:iam::777788889999:root", "777788889999");
        assert_eq!(read_access(&home(), &by_id), Some(readers.to_vec()));
        assert_eq!(read_access(&home(), &repository_policy(&home(), &[])), Some(Vec::new()));
        let root = r#"{"AWS":["arn:aws:iam::123456789012:root"]}"#;
        for other in [
            ours.replace("Allow", "Deny"),
            ours.replace("ecr:ListImages", "ecr:PutImage"),
            ours.replace("arn:aws:iam::123456789012:root", "777788889999"),
            repository_policy(&home(), &[]).replace(root, r#""*""#),
            String::new(),
            "{}".to_owned(),
        ] {
            assert_eq!(read_access(&home(), &other), None, "{other}");
        }
    }

    #[test]
    fn scalars_lists_wildcards_and_conditions_are_compared_by_meaning() {
        for (a, b, same) in [
            (r#"{"Principal":"*"}"#, r#"{"Principal":{"AWS":["*"]}}"#, true),
            (r#"{"Action":"ecr:X"}"#, r#"{"Action":["ECR:x"]}"#, true),
            (r#"{"Action":["a","b"]}"#, r#"{"Action":["b","a","a"]}"#, true),
            (
                r#"{"Condition":{"S":{"k":"v"}}}"#,
                r#"{"Condition":{"S":{"k":["v"]}}}"#,
                true,
            ),
            (
                r#"{"Condition":{"S":{"k":"v"}}}"#,
                r#"{"Condition":{"S":{"k":["w"]}}}"#,
                false,
            ),
            (r#"{"Sid":"a"}"#, r#"{"Sid":"b"}"#, false),
            (
                r#"{"Principal":"111122223333"}"#,
                r#"{"Principal":{"AWS":"arn:aws:iam::111122223333:root"}}"#,
                true,
            ),
            (
                r#"{"Principal":{"Service":"x"}}"#,
                r#"{"Principal":{"AWS":"x"}}"#,
                false,
            ),
        ] {
            let document = |statement: &str| format!(r#"{{"Statement":[{statement}]}}"#);
            assert_eq!(same_policy(&document(a), &document(b), "aws"), same, "{a} {b}");
        }
    }

    #[test]
    fn lifecycle_rules_are_compared_in_priority_order_without_defaults() {
        let a = r#"{"rules":[{"rulePriority":2,"selection":{"tagStatus":"any"}},
            {"rulePriority":1,"description":"","selection":{"tagStatus":"tagged","tagPatternList":["b","a"]}}]}"#;
        let b = r#"{"rules":[{"rulePriority":1,"selection":{"tagPatternList":["a","b"],"tagPrefixList":[],
            "tagStatus":"tagged"}},{"rulePriority":2,"selection":{"tagStatus":"any","storageClass":"standard"}}]}"#;
        assert!(same_lifecycle(a, b));
        assert!(!same_lifecycle(a, &b.replace("standard", "archive")));
        assert!(!same_lifecycle(a, &b.replace(":2", ":3")));
        assert!(same_lifecycle("not json", "not json") && !same_lifecycle("not json", "{}"));
    }
}
