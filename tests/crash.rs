//! Crash points, enumerated: for each kind of run, every write call is found in the call log of a clean run, and the
//! function is killed right before and right after each of them. At the crash point the account must be safe; a clean
//! run from there must converge.
//!
//! A kill is one of two. A [`Form::Process`] is the compiled function and a SIGKILL. A [`Form::Dropped`] is the handler
//! in this process, whose future is dropped in the middle of the call: the same for all state, and without production's
//! waits. Kinds that wait (a refusal is believed after seconds) have one crash of each sort in a process.

mod point;

use local_aws::LocalAws;
use serde_json::{Value, json};

use crate::stack::{Outcome, hub};
use point::{Form, Side, every_crash, every_lost_answer, one_crash, point};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const OPS: &str = "ecr-pullthroughcache/ops";
const QUAY: &str = "quay: {registry: quay.io}\n";
const MARK: &str = "(managed by ecr-pull-through-sync: stack)";
const ROLLBACK: &[(&str, &str)] = &[("ROLLBACK_INVALID_ROTATION", "true")];

/// A kind of run: how the account came to be as it is, and what the run is to make of it.
#[derive(Clone)]
struct Kind {
    env: &'static [(&'static str, &'static str)],
    /// The files that were followed before, in order.
    before: Vec<String>,
    /// What people did then.
    then: fn(&LocalAws),
    /// The file of the run that is killed. Without one the run is woken by the newest event of a secret.
    file: Option<String>,
    /// Prefixes through which a first pull works at every crash point.
    served: &'static [&'static str],
    /// Prefixes through which a first pull works in the end.
    pulls: &'static [&'static str],
    /// The token that is current in the end, of the secret.
    current: Option<(&'static str, &'static str)>,
    /// How the clean runs come out: `converged`, after `changed` where there was something left to do, or `partial`.
    outcome: Outcome,
    /// The write calls of a clean run, the status object's two included.
    writes: &'static [&'static str],
}

impl Kind {
    fn new(before: &[&str], file: &str) -> Self {
        Self {
            env: &[],
            before: before.iter().map(|file| (*file).to_owned()).collect(),
            then: |_| {},
            file: Some(file.to_owned()),
            served: &["quay"],
            pulls: &["quay", "dockerhub"],
            current: None,
            outcome: Outcome::Converged,
            writes: &[],
        }
    }
}

/// Copied from the secret that [`foreign`] makes.
const COPIED: &str = "dockerhub: {registry: registry-1.docker.io, secret_from: {secret: team/hub}}\n";
const SOURCES: &[(&str, &str)] = &[("SOURCE_SECRET_NAMES", "team/hub")];

fn with_quay(yaml: &str) -> String {
    format!("{QUAY}{yaml}")
}

#[tokio::test]
async fn create() {
    let file = with_quay(&hub("canary-docker-1"));
    let kind = Kind {
        current: Some((HUB, "canary-docker-1")),
        writes: &[
            "CreateSecret",
            "UpdateSecretVersionStage",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(&[QUAY], &file)
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn create_a_copy() {
    let kind = Kind {
        env: SOURCES,
        current: Some((HUB, "canary-docker-1")),
        writes: &[
            "CreateSecret",
            "UpdateSecretVersionStage",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(&[QUAY], &with_quay(COPIED))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn update() {
    let changed = hub("canary-docker-1").replace("}", ", tags: {team: a}, image_tag_mutability: IMMUTABLE}");
    let kind = Kind {
        served: &["quay", "dockerhub"],
        current: Some((HUB, "canary-docker-1")),
        writes: &["TagResource", "UpdateRepositoryCreationTemplate"],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&changed))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn a_changed_token_in_the_file() {
    let kind = Kind {
        served: &["quay", "dockerhub"],
        current: Some((HUB, "canary-docker-2")),
        writes: &[
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
        ],
        ..Kind::new(
            &[&with_quay(&hub("canary-docker-1"))],
            &with_quay(&hub("canary-docker-2")),
        )
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

/// A source that was rotated wakes the run.
fn changed_source_kind(then: fn(&LocalAws)) -> Kind {
    Kind {
        env: SOURCES,
        then,
        file: None,
        ..Kind::new(&[&with_quay(COPIED)], "")
    }
}

#[tokio::test]
async fn a_changed_token_in_the_source() {
    let kind = Kind {
        served: &["quay", "dockerhub"],
        current: Some((HUB, "canary-docker-2")),
        writes: &[
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
        ],
        ..changed_source_kind(|aws| crate::stack::put_current(aws, "team/hub", "canary-docker-2"))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn replace_an_open_rule() {
    let kind = Kind {
        served: &[],
        pulls: &["quay"],
        writes: &["DeletePullThroughCacheRule", "CreatePullThroughCacheRule"],
        ..Kind::new(&[QUAY], "quay: {registry: public.ecr.aws}\n")
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn settings_for_a_repository_that_exists_already() {
    let kind = Kind {
        then: |aws| aws.seed_repositories(["quay/old".to_owned()], 2),
        served: &["quay"],
        pulls: &["quay"],
        writes: &[
            "UpdateRepositoryCreationTemplate",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy",
            "PutImageTagMutability",
            "TagResource",
        ],
        ..Kind::new(
            &[QUAY],
            "quay: {registry: quay.io, tags: {a: b}, image_tag_mutability: IMMUTABLE, existing_repositories: true}\n",
        )
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Dropped).await;
}

#[tokio::test]
async fn replace_a_rule_and_its_credential() {
    let moved = "dockerhub: {registry: ghcr.io, username: acme-bot, accessToken: canary-ghcr-1}\n";
    let kind = Kind {
        current: Some(("ecr-pullthroughcache/dockerhub@ghcr.io", "canary-ghcr-1")),
        writes: &[
            "CreateSecret",
            "UpdateSecretVersionStage",
            "PutResourcePolicy",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
            "DeleteSecret",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(moved))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn take_over() {
    let rule = |aws: &LocalAws| {
        let input = json!({"ecrRepositoryPrefix": "dockerhub", "upstreamRegistryUrl": "public.ecr.aws"});
        aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
    };
    let file = hub("canary-docker-1").replace("}", ", take_over: true}");
    let kind = Kind {
        then: rule,
        current: Some((HUB, "canary-docker-1")),
        writes: &[
            "CreateSecret",
            "UpdateSecretVersionStage",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(&[QUAY], &with_quay(&file))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn delete() {
    let kind = Kind {
        pulls: &["quay"],
        writes: &[
            "DeletePullThroughCacheRule",
            "DeleteSecret",
            "DeleteRepositoryCreationTemplate",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], QUAY)
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn create_again_what_was_deleted() {
    let both = with_quay(&hub("canary-docker-1"));
    let kind = Kind {
        current: Some((HUB, "canary-docker-2")),
        writes: &[
            "RestoreSecret",
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
            "UpdateSecretVersionStage",
        ],
        ..Kind::new(&[&both, QUAY], &with_quay(&hub("canary-docker-2")))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn rename() {
    let renamed = hub("canary-docker-1").replace("dockerhub", "hub");
    let kind = Kind {
        pulls: &["quay", "hub"],
        // The secret comes along.
        current: Some((HUB, "canary-docker-1")),
        writes: &[
            "UpdateSecret",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
            "DeletePullThroughCacheRule",
            "DeleteRepositoryCreationTemplate",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&renamed))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

/// At the quota the rule of the old name makes room: its secret, rotated by now, comes along all the same.
#[tokio::test]
async fn rename_at_the_quota() {
    let renamed = hub("canary-docker-1").replace("dockerhub", "hub");
    let kind = Kind {
        then: |aws| {
            crate::stack::put_current(aws, HUB, "canary-docker-2");
            crate::quota::fill(aws);
        },
        pulls: &["quay", "hub"],
        current: Some((HUB, "canary-docker-2")),
        writes: &[
            "UpdateSecret",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
            "UpdateSecretVersionStage",
            "DeleteRepositoryCreationTemplate",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&renamed))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

/// And so is it put back where the new name's token has a typo. Where nobody was left to do that, its secret stays.
#[tokio::test]
async fn a_refused_rename_at_the_quota() {
    let kind = Kind {
        then: crate::quota::fill,
        pulls: &["quay"],
        outcome: Outcome::Partial,
        writes: &[
            "CreateSecret",
            "UpdateSecretVersionStage",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(
            &[&with_quay(&hub("canary-docker-1"))],
            &with_quay(&hub("canary-wrong").replace("dockerhub", "hub")),
        )
    };
    every_crash(kind, Form::Dropped).await;
}

#[tokio::test]
async fn move_to_a_referenced_secret() {
    let referring = format!("dockerhub: {{registry: docker.io, secret: {OPS}}}\n");
    let kind = Kind {
        then: |aws| drop(make_secret(aws, OPS, "canary-docker-2", &[])),
        served: &["quay", "dockerhub"],
        writes: &["UpdatePullThroughCacheRule", "DeleteSecret"],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&referring))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

/// What the Terraform module has made.
#[tokio::test]
async fn adopt_what_the_terraform_module_made() {
    let kind = Kind {
        then: terraformed,
        served: &["quay", "dockerhub"],
        current: Some((TERRAFORMED, "canary-docker-1")),
        writes: &[
            "TagResource",
            "UpdateSecretVersionStage",
            "UpdateRepositoryCreationTemplate",
        ],
        ..Kind::new(&[QUAY], &with_quay(&hub("canary-docker-1")))
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Process).await;
}

fn rollback_kind() -> Kind {
    Kind {
        env: ROLLBACK,
        then: rotated_to_a_bad_token,
        file: None,
        current: Some((HUB, "canary-docker-1")),
        writes: &[
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], "")
    }
}

#[tokio::test]
async fn roll_a_bad_rotation_back() {
    every_lost_answer(rollback_kind()).await;
    every_crash(rollback_kind(), Form::Dropped).await;
}

/// The refused version and the one before are both refused: everything is put back.
#[tokio::test]
async fn roll_back_in_vain() {
    let kind = Kind {
        then: |aws| {
            aws.refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
            rotated_to_a_bad_token(aws);
        },
        pulls: &["quay"],
        current: Some((HUB, "canary-wrong")),
        outcome: Outcome::Partial,
        ..rollback_kind()
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Dropped).await;
}

/// The file says what it said before, and is uploaded again over a bad rotation.
#[tokio::test]
async fn try_the_file_in_place_of_a_bad_value() {
    let file = with_quay(&hub("canary-docker-1"));
    let kind = Kind {
        then: rotated_to_a_bad_token,
        current: Some((HUB, "canary-docker-1")),
        writes: &[
            "UpdateSecretVersionStage",
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
        ],
        ..Kind::new(&[&file], &file)
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Dropped).await;
}

fn refused_kind() -> Kind {
    Kind {
        current: Some((HUB, "canary-docker-1")),
        outcome: Outcome::Partial,
        writes: &[
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&hub("canary-wrong")))
    }
}

#[tokio::test]
async fn put_a_refused_value_of_the_file_back() {
    every_lost_answer(refused_kind()).await;
    every_crash(refused_kind(), Form::Dropped).await;
}

#[tokio::test]
async fn put_a_refused_value_of_the_source_back() {
    let changed = changed_source_kind(|aws| crate::stack::put_current(aws, "team/hub", "canary-wrong"));
    let kind = Kind {
        current: Some((HUB, "canary-docker-1")),
        outcome: Outcome::Partial,
        writes: refused_kind().writes,
        ..changed
    };
    every_lost_answer(kind.clone()).await;
    every_crash(kind, Form::Dropped).await;
}

/// The two kinds that wait, once each way in the compiled function: in the middle of the rollback.
#[tokio::test]
async fn a_rollback_dies_with_its_process() {
    for (kind, nth) in [(rollback_kind(), 2), (refused_kind(), 5)] {
        let moved = |side| point(side, "secretsmanager", "UpdateSecretVersionStage", nth);
        let crashes = [Side::Before, Side::After].map(|side| Box::pin(one_crash(&kind, moved(side), Form::Process)));
        futures_util::future::join_all(crashes).await;
    }
}

const TERRAFORMED: &str = "ecr-pullthroughcache/dockerhub20240101120000000000000001";

fn terraformed(aws: &LocalAws) {
    let arn = make_secret(aws, TERRAFORMED, "canary-docker-1", &[]);
    let root = json!({"AWS": "arn:aws:iam::123456789012:root"});
    let statement = json!({
        "Sid": "AllowAccountRead", "Effect": "Allow", "Principal": root, "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    });
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let describe = json!({"SecretId": arn, "Description": "dockerhub credentials"});
    aws.call("secretsmanager", "UpdateSecret", describe).unwrap();
    let input = json!({"SecretId": arn, "ResourcePolicy": policy, "BlockPublicPolicy": true});
    aws.call("secretsmanager", "PutResourcePolicy", input).unwrap();
    make_rule(aws, "dockerhub", "registry-1.docker.io", Some(&arn));
    let read = json!({
        "Sid": "PrivateReadOnly", "Effect": "Allow", "Principal": root,
        "Action": [
            "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage",
            "ecr:DescribeImageScanFindings", "ecr:DescribeImages", "ecr:DescribeRepositories",
            "ecr:GetDownloadUrlForLayer", "ecr:GetLifecyclePolicy", "ecr:GetLifecyclePolicyPreview",
            "ecr:GetRepositoryPolicy", "ecr:ListImages", "ecr:ListTagsForResource",
        ],
    });
    let keep = json!({"rules": [{
        "rulePriority": 1, "description": "Keep last 3 images", "action": {"type": "expire"},
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 3},
    }]});
    let template = json!({
        "prefix": "dockerhub", "appliedFor": ["PULL_THROUGH_CACHE"], "imageTagMutability": "MUTABLE",
        "description": "Pull through cache repository template for dockerhub artifacts",
        "encryptionConfiguration": {"encryptionType": "AES256"}, "lifecyclePolicy": keep.to_string(),
        "repositoryPolicy": json!({"Version": "2012-10-17", "Statement": [read]}).to_string(),
    });
    aws.call("ecr", "CreateRepositoryCreationTemplate", template).unwrap();
}

/// As a rotation function leaves it.
fn rotated_to_a_bad_token(aws: &LocalAws) {
    let value = json!({"username": "acme-bot", "accessToken": "canary-wrong"}).to_string();
    let input = json!({"SecretId": HUB, "SecretString": value, "VersionStages": ["AWSCURRENT", "AWSPENDING"]});
    aws.call("secretsmanager", "PutSecretValue", input).unwrap();
}

fn make_secret(aws: &LocalAws, name: &str, token: &str, tags: &[(&str, &str)]) -> String {
    let value = json!({"username": "acme-bot", "accessToken": token}).to_string();
    let tags: Vec<Value> = tags
        .iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    let made = aws.call(
        "secretsmanager",
        "CreateSecret",
        json!({"Name": name, "SecretString": value, "Tags": tags}),
    );
    made.unwrap()["ARN"].as_str().unwrap().to_owned()
}

fn make_rule(aws: &LocalAws, prefix: &str, host: &str, arn: Option<&str>) {
    let mut input = json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": host});
    if let Some(arn) = arn {
        input["credentialArn"] = json!(arn);
    }
    aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
}

/// Somebody else's rules, templates and secrets, which no run may touch.
fn foreign(aws: &LocalAws) {
    let tag = ("ecr-pull-through-sync:upstream", "registry-1.docker.io");
    make_secret(aws, "team/hub", "canary-docker-1", &[tag]);
    let arn = make_secret(aws, "ecr-pullthroughcache/by-hand", "canary-docker-3", &[]);
    make_rule(aws, "by-hand", "registry-1.docker.io", Some(&arn));
    let tag = ("ecr-pull-through-sync:owner", "other");
    let arn = make_secret(aws, "ecr-pullthroughcache/others", "canary-docker-3", &[tag]);
    make_rule(aws, "others", "registry-1.docker.io", Some(&arn));
    let description =
        "Pull through cache repository template for others artifacts (managed by ecr-pull-through-sync: other)";
    let input = json!({"prefix": "others", "description": description, "appliedFor": ["PULL_THROUGH_CACHE"]});
    aws.call("ecr", "CreateRepositoryCreationTemplate", input).unwrap();
}
