#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test may panic

use serde_json::{Value, json};

use super::{Service, check, knows};

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ecr-pullthroughcache/docker-hub-AbCdEf";

/// The code and message of the refusal, or nothing where the input passes.
fn refusal(service: Service, op: &str, input: &Value) -> Option<String> {
    check(service, op, input)
        .err()
        .map(|error| format!("{}: {}", error.code, error.message))
}

fn rule(member: &str, value: Value) -> Value {
    let mut input = json!({"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io"});
    input[member] = value;
    input
}

fn template(member: &str, value: Value) -> Value {
    let mut input = json!({"prefix": "hub", "appliedFor": ["PULL_THROUGH_CACHE"]});
    input[member] = value;
    input
}

#[test]
fn both_tables_parse() {
    assert!(knows(Service::Ecr, "CreatePullThroughCacheRule"));
    assert!(knows(Service::SecretsManager, "PutSecretValue"));
    let error = check(Service::Ecr, "ListImages", &json!({})).unwrap_err();
    assert_eq!(error.code, "UnknownOperationException");
    assert!(error.message.contains("local-aws"));
}

#[test]
fn prefixes_follow_the_model() {
    let fits = ["docker--hub", "a__b", "foo/", "k8s.io", "ROOT", "ab", "a/b/c"];
    let misses = [
        "a___b",
        "a..b",
        "foo//bar",
        "/foo",
        "Foo",
        "ROOT/",
        "-a",
        "a-",
        "",
        "a",
        &"x".repeat(31),
    ];
    for prefix in fits {
        assert_eq!(
            refusal(
                Service::Ecr,
                "CreatePullThroughCacheRule",
                &rule("ecrRepositoryPrefix", json!(prefix))
            ),
            None,
            "{prefix}"
        );
    }
    for prefix in misses {
        let said = refusal(
            Service::Ecr,
            "CreatePullThroughCacheRule",
            &rule("ecrRepositoryPrefix", json!(prefix)),
        );
        assert!(
            said.expect(prefix).starts_with(
                "InvalidParameterException: Invalid parameter at 'ecrRepositoryPrefix' failed to satisfy constraint: '"
            ),
            "{prefix}"
        );
    }
}

#[test]
fn ecr_inputs() {
    let long = |n: usize| json!("x".repeat(n));
    let filter = |text: &str| json!([{"filterType": "WILDCARD", "filter": text}]);
    // Operation, input, a part of the refusal ("" where the input passes).
    let table = [
        (
            "CreatePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "hub"}),
            "at 'upstreamRegistryUrl' failed to satisfy constraint: 'Member must not be null'",
        ),
        ("CreatePullThroughCacheRule", rule("credentialArn", json!(SECRET)), ""),
        (
            "CreatePullThroughCacheRule",
            rule("credentialArn", json!(SECRET.replace("docker-hub", "docker!hub"))),
            "must satisfy regular expression",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("credentialArn", json!("arn:aws:secretsmanager:eu-west-1:1:secret:x")),
            "greater than or equal to 50",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("credentialArn", json!(SECRET.replace("arn:aws:", "arn:aws-cn:"))),
            "",
        ),
        ("CreatePullThroughCacheRule", rule("customRoleArn", long(2048)), ""),
        (
            "CreatePullThroughCacheRule",
            rule("customRoleArn", long(2049)),
            "less than or equal to 2048",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("registryId", json!("1234567890123")),
            "'[0-9]{12}'",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("upstreamRegistry", json!("dockerhub")),
            "enum value set: [ecr, ecr-public, quay,",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("credentialARN", json!(SECRET)),
            "at 'credentialARN'",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("upstreamRepositoryPrefix", Value::Null),
            "",
        ),
        (
            "CreatePullThroughCacheRule",
            rule("upstreamRepositoryPrefix", json!(7)),
            "SerializationException",
        ),
        (
            "UpdatePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "quay.io"}),
            "at 'upstreamRegistryUrl'",
        ),
        ("DescribePullThroughCacheRules", json!({"maxResults": 1000}), ""),
        (
            "DescribePullThroughCacheRules",
            json!({"maxResults": 1001}),
            "Member must have value less than or equal to 1000",
        ),
        (
            "DescribePullThroughCacheRules",
            json!({"maxResults": 0}),
            "greater than or equal to 1",
        ),
        (
            "DescribePullThroughCacheRules",
            json!({"maxResults": 1.5}),
            "SerializationException",
        ),
        (
            "DescribePullThroughCacheRules",
            json!({"ecrRepositoryPrefixes": []}),
            "greater than or equal to 1",
        ),
        (
            "DescribePullThroughCacheRules",
            json!({"ecrRepositoryPrefixes": ["ok", "Bad"]}),
            "ecrRepositoryPrefixes.2.member",
        ),
        (
            "CreateRepositoryCreationTemplate",
            json!({"prefix": "hub"}),
            "at 'appliedFor'",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("appliedFor", json!(["PULL"])),
            "appliedFor.1.member",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("description", long(256)),
            "",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("description", long(257)),
            "less than or equal to 256",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("encryptionConfiguration", json!({"kmsKey": ""})),
            "encryptionConfiguration.encryptionType",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template(
                "encryptionConfiguration",
                json!({"encryptionType": "KMS", "kmsKey": "alias/x"}),
            ),
            "encryptionConfiguration.kmsKey",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("imageTagMutabilityExclusionFilters", filter("v*")),
            "",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("imageTagMutabilityExclusionFilters", filter("a b")),
            "1.member.filter",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("imageTagMutabilityExclusionFilters", json!([])),
            "greater than or equal to 1",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("resourceTags", json!([{"Key": "a"}])),
            "resourceTags.1.member.Value",
        ),
        (
            "CreateRepositoryCreationTemplate",
            template("repositoryPolicy", long(10_241)),
            "less than or equal to 10240",
        ),
        (
            "PutLifecyclePolicy",
            json!({"repositoryName": "hub/x", "lifecyclePolicyText": "{}"}),
            "greater than or equal to 100",
        ),
        (
            "GetLifecyclePolicyPreview",
            json!({"repositoryName": "hub/x", "maxResults": 101}),
            "less than or equal to 100",
        ),
        ("GetRegistryPolicy", json!([]), "SerializationException"),
    ];
    for (op, input, expected) in table {
        let said = refusal(Service::Ecr, op, &input);
        match expected {
            "" => assert_eq!(said, None, "{op} {input}"),
            part => assert!(
                said.as_deref().is_some_and(|said| said.contains(part)),
                "{op} {input}: {said:?}"
            ),
        }
    }
}

#[test]
fn secrets_manager_words_it_otherwise_and_lists_all() {
    let id = "x".repeat(2049);
    let said = refusal(
        Service::SecretsManager,
        "GetSecretValue",
        &json!({"SecretId": id, "VersionId": "short"}),
    )
    .unwrap();
    assert!(
        said.starts_with("ValidationException: 2 validation errors detected: Value 'xxx"),
        "{said}"
    );
    assert!(said.contains("' at 'secretId' failed to satisfy constraint: Member must have length less than or equal to 2048; Value 'short' at 'versionId'"), "{said}");

    let said = refusal(Service::SecretsManager, "PutSecretValue", &json!({})).unwrap();
    assert_eq!(
        said,
        "ValidationException: 1 validation error detected: Value at 'secretId' failed to satisfy constraint: Member must not be null"
    );

    let said = refusal(
        Service::SecretsManager,
        "PutSecretValue",
        &json!({"SecretId": "a", "ClientRequestToken": "b"}),
    )
    .unwrap();
    assert_eq!(
        said,
        "InvalidParameterException: ClientRequestToken must be 32-64 characters long."
    );
}

#[test]
fn a_secret_value_is_never_repeated() {
    let token = "dckr_pat_".repeat(12_000);
    for member in ["SecretString", "SecretBinary"] {
        let mut input = json!({"Name": "n"});
        input[member] = json!(token);
        let said = refusal(Service::SecretsManager, "CreateSecret", &input).unwrap();
        assert!(
            said.contains("less than or equal to") && !said.contains("dckr_pat_"),
            "{said}"
        );
    }
    let wrong = refusal(
        Service::SecretsManager,
        "CreateSecret",
        &json!({"Name": "n", "SecretString": {"token": "dckr_pat_"}}),
    )
    .unwrap();
    assert!(!wrong.contains("dckr_pat_"), "{wrong}");
}
