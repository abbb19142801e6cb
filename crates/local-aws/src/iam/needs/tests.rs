//! What calls need, by the resources and condition keys that AWS asks about.

use super::*;
use crate::http;
use crate::options::Options;
use hyper::HeaderMap;
use serde_json::json;

const ECR: &str = "arn:aws:ecr:eu-west-1:123456789012";
const ROLE: &str = "arn:aws:iam::444455556666:role/pull";

fn state() -> State {
    State::new(&Options::default(), "http://127.0.0.1:1")
}

/// `action resource` of each need.
fn needs(state: &State, service: &str, operation: &str, input: &Value) -> Vec<String> {
    written(of(state, service, operation, Input::Json(input)))
}

fn written(needs: Option<Vec<Need>>) -> Vec<String> {
    let needs = needs.unwrap().into_iter();
    needs.map(|need| format!("{} {}", need.action, need.resource)).collect()
}

fn needs_of_s3(asked: &str, if_match: bool) -> Vec<String> {
    let (method, target) = asked.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = s3::Request::read(&http::Request {
        method: method.parse().unwrap(),
        path: path.into(),
        query: query.into(),
        headers: HeaderMap::new(),
        body: "".into(),
    });
    let request = &request.unwrap();
    written(of(
        &state(),
        "s3",
        &request.operation(),
        Input::S3 { request, if_match },
    ))
}

fn secret(state: &mut State, members: Value) -> String {
    let mut input =
        json!({"Name": "ecr-pullthroughcache/hub", "SecretString": "x", "ClientRequestToken": "1".repeat(32)});
    for (name, value) in members.as_object().unwrap() {
        input[name] = value.clone();
    }
    let made = state.call("secretsmanager", "CreateSecret", &input).unwrap();
    made["ARN"].as_str().unwrap().to_owned()
}

#[test]
fn every_operation_of_the_json_services_is_in_the_table() {
    let tables = [
        ("ecr", include_str!("../../shape/ecr.shapes")),
        ("secretsmanager", include_str!("../../shape/secretsmanager.shapes")),
        ("sqs", include_str!("../../shape/sqs.shapes")),
    ];
    for (service, table) in tables {
        let operations: Vec<&str> = table
            .lines()
            .filter_map(|line| line.strip_prefix("op ")?.split(' ').next())
            .collect();
        assert!(operations.len() > 10, "{service}");
        for operation in operations {
            assert!(
                of(&state(), service, operation, Input::Json(&json!({}))).is_some(),
                "{service} {operation}"
            );
        }
    }
}

#[test]
fn every_operation_of_s3_is_in_the_table() {
    for (asked, expected) in [
        ("GET /b/k", "s3:GetObject arn:aws:s3:::b/k"),
        ("HEAD /b/k", "s3:GetObject arn:aws:s3:::b/k"),
        ("GET /b/k?versionId=1", "s3:GetObjectVersion arn:aws:s3:::b/k"),
        ("PUT /b/k", "s3:PutObject arn:aws:s3:::b/k"),
        ("DELETE /b/k", "s3:DeleteObject arn:aws:s3:::b/k"),
        ("DELETE /b/k?versionId=1", "s3:DeleteObjectVersion arn:aws:s3:::b/k"),
        ("GET /b?list-type=2", "s3:ListBucket arn:aws:s3:::b"),
        ("HEAD /b", "s3:ListBucket arn:aws:s3:::b"),
        ("GET /b?versions", "s3:ListBucketVersions arn:aws:s3:::b"),
        ("GET /b?location", "s3:GetBucketLocation arn:aws:s3:::b"),
        ("GET /b?versioning", "s3:GetBucketVersioning arn:aws:s3:::b"),
        ("PUT /b?versioning", "s3:PutBucketVersioning arn:aws:s3:::b"),
        ("PUT /b", "s3:CreateBucket arn:aws:s3:::b"),
    ] {
        assert_eq!(needs_of_s3(asked, false), [expected], "{asked}");
    }
    let both = ["s3:PutObject arn:aws:s3:::b/k", "s3:GetObject arn:aws:s3:::b/k"];
    assert_eq!(needs_of_s3("PUT /b/k", true), both);
    let missing = of_a_missing_object(&state(), "b");
    assert_eq!(
        (missing.action.as_str(), missing.resource.as_str()),
        ("s3:ListBucket", "arn:aws:s3:::b")
    );
}

#[test]
fn a_rule_needs_its_secret_its_role_and_the_linked_role_that_the_account_lacks() {
    let mut state = state();
    let arn = secret(&mut state, json!({}));
    let rule = json!({
        "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": arn,
    });
    let create = |state: &State, rule: &Value| needs(state, "ecr", "CreatePullThroughCacheRule", rule);
    let (own, value) = (
        "ecr:CreatePullThroughCacheRule *".to_owned(),
        format!("secretsmanager:GetSecretValue {arn}"),
    );
    let linked = "iam:CreateServiceLinkedRole arn:aws:iam::123456789012:role/aws-service-role/\
                  pullthroughcache.ecr.amazonaws.com/AWSServiceRoleForECRPullThroughCache";
    assert_eq!(create(&state, &rule), [own.clone(), linked.to_owned(), value.clone()]);
    state.call("ecr", "CreatePullThroughCacheRule", &rule).unwrap();
    assert_eq!(create(&state, &rule), [own.clone(), value]);
    state
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            &json!({"ecrRepositoryPrefix": "hub"}),
        )
        .unwrap();
    assert_eq!(create(&state, &rule).len(), 2, "the linked role outlives the rule");
    assert_eq!(create(&state, &json!({})), [own]);

    let found = of(
        &state,
        "ecr",
        "UpdatePullThroughCacheRule",
        Input::Json(&json!({"customRoleArn": ROLE})),
    )
    .unwrap();
    let pass = found.last().unwrap();
    assert_eq!((pass.action.as_str(), pass.resource.as_str()), ("iam:PassRole", ROLE));
    assert_eq!(
        pass.context["iam:PassedToService"],
        "pullthroughcache.ecr.amazonaws.com"
    );
}

#[test]
fn a_template_needs_what_its_fields_are_made_with() {
    let mut state = state();
    let create = |state: &State, input: &Value| needs(state, "ecr", "CreateRepositoryCreationTemplate", input);
    let all = json!({"customRoleArn": ROLE, "lifecyclePolicy": "", "repositoryPolicy": "{}"});
    assert_eq!(
        create(&state, &all),
        [
            "ecr:CreateRepositoryCreationTemplate *".to_owned(),
            format!("ecr:CreateRepository {ECR}:repository/*"),
            format!("ecr:PutLifecyclePolicy {ECR}:repository/*"),
            format!("ecr:SetRepositoryPolicy {ECR}:repository/*"),
            "iam:CreateServiceLinkedRole arn:aws:iam::123456789012:role/aws-service-role/ecr.amazonaws.com/\
             AWSServiceRoleForECRTemplate"
                .to_owned(),
            format!("iam:PassRole {ROLE}"),
        ]
    );
    let input = json!({"prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"]});
    state.call("ecr", "CreateRepositoryCreationTemplate", &input).unwrap();
    assert_eq!(create(&state, &json!({"customRoleArn": ""})).len(), 2);
}

#[test]
fn a_secret_is_asked_about_by_its_full_arn_however_it_is_named() {
    let mut state = state();
    let arn = secret(&mut state, json!({"Tags": [{"Key": "a", "Value": "b"}]}));
    let partial = arn.rsplit_once('-').unwrap().0;
    for id in ["ecr-pullthroughcache/hub", &arn, partial] {
        let found = needs(&state, "secretsmanager", "DescribeSecret", &json!({"SecretId": id}));
        assert_eq!(found, [format!("secretsmanager:DescribeSecret {arn}")], "{id}");
    }
    let found = needs(
        &state,
        "secretsmanager",
        "GetSecretValue",
        &json!({"SecretId": "missing"}),
    );
    let missing = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:missing";
    assert_eq!(found, [format!("secretsmanager:GetSecretValue {missing}")]);
    let tagged = json!({"Name": "missing", "Tags": [{"Key": "a", "Value": "b"}]});
    let found = needs(&state, "secretsmanager", "CreateSecret", &tagged);
    assert_eq!(
        found,
        [
            format!("secretsmanager:CreateSecret {missing}"),
            format!("secretsmanager:TagResource {missing}")
        ]
    );
}

#[test]
fn a_secret_is_asked_about_with_its_tags_and_what_becomes_of_it() {
    let mut state = state();
    let arn = secret(&mut state, json!({"Tags": [{"Key": "team:owner", "Value": "me"}]}));
    let context = |operation: &str, members: Value| {
        let mut input = json!({"SecretId": arn});
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        let needs = of(&state, "secretsmanager", operation, Input::Json(&input)).unwrap();
        let mut context = needs.into_iter().next().unwrap().context;
        context.retain(|key, _| key.starts_with("aws:ResourceTag") || key.starts_with("secretsmanager:"));
        context
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
    };
    let tag = "aws:ResourceTag/team:owner=me";
    for operation in [
        "DescribeSecret",
        "GetSecretValue",
        "PutSecretValue",
        "RestoreSecret",
        "TagResource",
    ] {
        assert_eq!(context(operation, json!({})).join(" "), tag, "{operation}");
    }
    let policy = context("PutResourcePolicy", json!({"BlockPublicPolicy": true}));
    assert_eq!(policy, [tag, "secretsmanager:BlockPublicPolicy=true"]);
    assert_eq!(context("PutResourcePolicy", json!({})), [tag]);
    let delete = |members: Value| context("DeleteSecret", members).split_off(1);
    assert_eq!(
        delete(json!({"RecoveryWindowInDays": 7})),
        ["secretsmanager:RecoveryWindowInDays=7"]
    );
    let force = delete(json!({"ForceDeleteWithoutRecovery": true}));
    assert_eq!(force, ["secretsmanager:ForceDeleteWithoutRecovery=true"]);
    assert_eq!(delete(json!({})), Vec::<String>::new());
    let input = json!({"Name": "new", "Tags": [{"Key": "team:owner", "Value": "me"}]});
    let create = of(&state, "secretsmanager", "CreateSecret", Input::Json(&input)).unwrap();
    assert!(
        create
            .iter()
            .all(|need| !need.context.keys().any(|key| key.starts_with("aws:ResourceTag")))
    );
}

#[test]
fn a_customer_key_must_be_usable_by_who_reads_or_writes_the_value() {
    let mut state = state();
    let arn = secret(&mut state, json!({"KmsKeyId": "1234"}));
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234";
    let found = needs(&state, "secretsmanager", "GetSecretValue", &json!({"SecretId": arn}));
    assert_eq!(found.get(1), Some(&format!("kms:Decrypt {key}")));
    let found = needs(
        &state,
        "secretsmanager",
        "PutSecretValue",
        &json!({"SecretId": arn, "SecretString": "y"}),
    );
    assert_eq!(
        found.get(1..),
        Some([format!("kms:GenerateDataKey {key}"), format!("kms:Decrypt {key}")].as_slice())
    );
    let found = needs(
        &state,
        "secretsmanager",
        "UpdateSecret",
        &json!({"SecretId": arn, "Description": "y"}),
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn queues_and_repositories_are_asked_about_one_by_one() {
    let url = json!({"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/work", "MessageBody": "x"});
    let queue = "arn:aws:sqs:eu-west-1:123456789012:work";
    assert_eq!(
        needs(&state(), "sqs", "SendMessageBatch", &url),
        [format!("sqs:SendMessage {queue}")]
    );
    let name = json!({"QueueName": "work"});
    assert_eq!(
        needs(&state(), "sqs", "GetQueueUrl", &name),
        [format!("sqs:GetQueueUrl {queue}")]
    );
    let describe = |input: Value| needs(&state(), "ecr", "DescribeRepositories", &input);
    assert_eq!(
        describe(json!({})),
        [format!("ecr:DescribeRepositories {ECR}:repository/*")]
    );
    assert_eq!(
        describe(json!({"repositoryNames": ["a", "b/c"]})),
        ["a", "b/c"].map(|name| format!("ecr:DescribeRepositories {ECR}:repository/{name}"))
    );
}
