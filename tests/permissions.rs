//! The function's role in template.yaml is exact: what the function calls is allowed, and what is allowed is called.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use crate::stack::{
    BUCKET, KEY, LEGACY, Outcome, ROLE, TestStack, app_as, credential, hub, invoke, invoke_within, make_rule, role,
    scheduled, uploaded,
};
use local_aws::iam::{Decision, Need, Policy, Stack, WITHOUT_RESOURCES};
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};
use serde_yaml::Value as Yaml;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const OPS: &str = "ecr-pullthroughcache/ops";
const MOVED: &str = "dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n";
const QUAY: &str = "quay: {registry: quay.io}\n";
const ACCESS_KEY: &str = "AKIDFUNCTION";

/// Every part of the template that a parameter turns on is on.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("TAKE_OVER_FROM", "old-stack"),
    ("ROLLBACK_INVALID_ROTATION", "true"),
    ("MAX_DELETIONS", "5"),
];
const PARAMETERS: &[(&str, &str)] = &[
    ("PassableRoles", "arn:aws:iam::123456789012:role/cross-account"),
    (
        "TemplateKmsKeys",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
    (
        "SopsKmsKeys",
        "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
];

/// What the function does: every kind of call it makes is in one of these.
const REPERTOIRE: &[(&str, Scene)] = &[
    ("the file is missing", |stage| Box::pin(missing(stage))),
    ("a first file", |stage| Box::pin(first(stage))),
    ("plan and validate", |stage| Box::pin(looks(stage))),
    ("drift is repaired", |stage| Box::pin(drift(stage))),
    ("the file has a new token", |stage| Box::pin(new_token(stage))),
    ("a bad rotation is rolled back", |stage| Box::pin(rollback(stage))),
    ("a registry goes and comes back", |stage| Box::pin(gone_and_back(stage))),
    ("a registry moves to another secret", |stage| Box::pin(orphan(stage))),
    ("a rule is replaced", |stage| Box::pin(replaced(stage))),
    ("what others made is adopted", |stage| Box::pin(adopted(stage))),
    ("a file that is encrypted with SOPS", |stage| Box::pin(encrypted(stage))),
    ("tags, a key and another account", |stage| {
        Box::pin(tags_key_and_role(stage))
    }),
    ("repositories that exist already", |stage| {
        Box::pin(existing_repositories(stage))
    }),
    ("a run that is out of time, and its messages", |stage| {
        Box::pin(through_the_queue(stage))
    }),
];

/// What no call of the function's own uses: statement, action, and who uses it instead.
const USED_BY_AWS: &[(&str, &str, &str)] = &[
    (
        "Log",
        "logs:CreateLogStream",
        "Lambda writes the log, in the role of the function",
    ),
    (
        "Log",
        "logs:PutLogEvents",
        "Lambda writes the log, in the role of the function",
    ),
    (
        "ReceiveWork",
        "sqs:ReceiveMessage",
        "Lambda reads the queue, in the role of the function",
    ),
    (
        "ReceiveWork",
        "sqs:DeleteMessage",
        "Lambda reads the queue, in the role of the function",
    ),
    (
        "ReceivePullFailures",
        "sqs:ReceiveMessage",
        "Lambda reads the queue, in the role of the function",
    ),
    (
        "ReceivePullFailures",
        "sqs:DeleteMessage",
        "Lambda reads the queue, in the role of the function",
    ),
    (
        "ReceivePullFailures",
        "sqs:GetQueueAttributes",
        "Lambda reads the queue, in the role of the function",
    ),
    (
        "SendFailures",
        "sqs:SendMessage",
        "Lambda sends what failed after all retries, in the role of the function",
    ),
];

type Scene = for<'a> fn(&'a Stage) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// An account with a function in it that has some policy.
struct Stage {
    stack: TestStack,
    queue: String,
    /// Whether every run has to succeed, as it does with the whole policy.
    succeeds: bool,
}

impl Stage {
    async fn open(change: impl FnOnce(Policy) -> Policy, succeeds: bool) -> Self {
        let mut stack = TestStack::unsearched(ENVIRONMENT).await;
        stack
            .aws
            .accept_upstream("registry.gitlab.com", "acme-bot", "canary-gitlab-1");
        stack.aws.enforce(ACCESS_KEY, change(whole_policy(&stack.aws)));
        let (queue, _) = stack.aws.create_queue_pair("work", 1);
        let environment = [ENVIRONMENT, &[("WORK_QUEUE_URL", queue.as_str())]].concat();
        stack.app = Box::pin(app_as(&stack.aws, ACCESS_KEY, &environment)).await;
        stack.app.timing.wind_down = Duration::from_millis(400);
        stack.app.timing.last_call = Duration::from_millis(200);
        Self { stack, queue, succeeds }
    }

    fn aws(&self) -> &LocalAws {
        &self.stack.aws
    }

    async fn send(&self, event: Value) {
        let report = invoke(&self.stack.app, event).await;
        if self.succeeds {
            let report = report.unwrap();
            let fine = [Outcome::Changed, Outcome::Converged, Outcome::Ignored];
            assert!(fine.contains(&report.outcome), "{report:#?}");
        }
    }

    async fn follow(&self, yaml: &str) {
        self.stack.upload(yaml);
        self.send(uploaded()).await;
    }
}

async fn missing(stage: &Stage) {
    _ = invoke(&stage.stack.app, uploaded()).await;
}

async fn first(stage: &Stage) {
    stage.follow(&format!("{LEGACY}{QUAY}")).await;
    stage.send(scheduled()).await;
}

async fn looks(stage: &Stage) {
    stage.follow(&hub("canary-docker-1")).await;
    for action in ["plan", "validate", "apply"] {
        stage.send(json!({"action": action})).await;
    }
}

async fn drift(stage: &Stage) {
    stage.follow(LEGACY).await;
    for (operation, input) in [
        (
            "UpdateRepositoryCreationTemplate",
            json!({"prefix": "gitlab", "lifecyclePolicy": "", "repositoryPolicy": ""}),
        ),
        (
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "public-ecr"}),
        ),
    ] {
        // It is not there to be changed where the function was not allowed to make it.
        _ = stage.aws().call("ecr", operation, input);
    }
    let policy = json!({"SecretId": HUB});
    _ = stage.aws().call("secretsmanager", "DeleteResourcePolicy", policy);
    stage.send(scheduled()).await;
}

async fn new_token(stage: &Stage) {
    stage.follow(&hub("canary-docker-1")).await;
    stage.follow(&hub("canary-docker-2")).await;
}

async fn rollback(stage: &Stage) {
    stage.follow(&hub("canary-docker-1")).await;
    let value = json!({"SecretId": HUB, "SecretString": credential("canary-wrong").to_string()});
    _ = stage.aws().call("secretsmanager", "PutSecretValue", value);
    let events = stage.aws().events();
    if let Some(event) = events
        .into_iter()
        .rev()
        .find(|event| event["detail"]["labelUpdated"] == "AWSCURRENT")
    {
        stage.send(event).await;
    }
}

async fn gone_and_back(stage: &Stage) {
    let both = format!("{}{QUAY}", hub("canary-docker-1"));
    for file in [&both, QUAY, &both] {
        stage.follow(file).await;
    }
}

async fn orphan(stage: &Stage) {
    stage.follow(&hub("canary-docker-1")).await;
    stage.stack.make_secret(OPS, &credential("canary-docker-2"), json!([]));
    stage.follow(MOVED).await;
}

async fn replaced(stage: &Stage) {
    stage.follow(QUAY).await;
    stage.follow("quay: {registry: public.ecr.aws}\n").await;
}

async fn adopted(stage: &Stage) {
    let arn = stage.stack.make_secret(HUB, &credential("canary-docker-1"), json!([]));
    make_rule(stage.aws(), "dockerhub", "registry-1.docker.io", Some(&arn));
    make_rule(stage.aws(), "quay", "public.ecr.aws", None);
    let file = format!(
        "{}quay: {{registry: quay.io, take_over: true}}\n",
        hub("canary-docker-1")
    );
    stage.follow(&file).await;
}

async fn encrypted(stage: &Stage) {
    stage.aws().import_key(
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        *b"throw-away key of the tests, v1.",
        true,
    );
    stage.follow(include_str!("sops/go-minimal.yaml")).await;
}

async fn tags_key_and_role(stage: &Stage) {
    stage.follow(TAGS_KEY_AND_ROLE).await;
}

const EXISTING: &str = "
quay: {registry: quay.io, tags: {a: b}, image_tag_mutability: IMMUTABLE, existing_repositories: true}
";

async fn existing_repositories(stage: &Stage) {
    stage
        .aws()
        .seed_repositories(["quay/a".to_owned(), "quay/b".to_owned()], 2);
    stage.follow(EXISTING).await;
}

/// One message is handed over, and dies at its first try.
async fn through_the_queue(stage: &Stage) {
    stage
        .aws()
        .seed_repositories(["quay/a".to_owned(), "quay/b".to_owned()], 2);
    let hangs = || Fault::on("ecr", "PutImageTagMutability").timeout();
    stage.aws().fault(hangs());
    stage.stack.upload(EXISTING);
    _ = invoke_within(&stage.stack.app, uploaded(), Duration::from_millis(1500)).await;
    if let Some(event) = stage.aws().take_work(&stage.queue, 1) {
        _ = invoke_within(&stage.stack.app, event, Duration::from_millis(1500)).await;
    }
}

const TAGS_KEY_AND_ROLE: &str = "
tags: {team: platform}
registries:
  dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1}
  quay:
    registry: quay.io
    encryption_configuration:
      encryption_type: KMS
      kms_key: arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
  base:
    registry: 444455556666.dkr.ecr.eu-west-1.amazonaws.com
    custom_role_arn: arn:aws:iam::123456789012:role/cross-account
";

/// What became of one scene: what was refused, and which entries of the policy let the rest pass.
struct Ended {
    denied: Vec<String>,
    used: BTreeSet<(String, String, String)>,
}

async fn play(scene: Scene, change: impl FnOnce(Policy) -> Policy, succeeds: bool) -> Ended {
    let stage = Stage::open(change, succeeds).await;
    scene(&stage).await;
    Ended {
        denied: stage.aws().denied(),
        used: stage.aws().used_statements(),
    }
}

/// What the role allows when every parameter is given.
fn whole_policy(aws: &LocalAws) -> Policy {
    let template = role::template(aws, ENVIRONMENT);
    let template = PARAMETERS
        .iter()
        .fold(template, |template, (name, value)| template.parameter(name, value));
    template.policy("FunctionRole").unwrap()
}

async fn any_account() -> LocalAws {
    LocalAws::start(Options::default()).await.unwrap()
}

#[tokio::test]
async fn the_function_of_the_template_is_the_one_that_is_tested() {
    let aws = any_account().await;
    let template = role::template(&aws, &[]);
    let function = |path: &[&str]| {
        template
            .value(&[&["Resources", "SyncFunction", "Properties"], path].concat())
            .unwrap()
    };
    let variable = |name: &str| function(&["Environment", "Variables", name]);
    assert_eq!(function(&["Role"]), "arn:aws:iam::123456789012:role/stack-FunctionRole");
    let given = ["CONFIG_BUCKET", "CONFIG_KEY", "OWNER", "TEMPLATE_ROLE_ARN"].map(variable);
    assert_eq!(given, [BUCKET, KEY, "stack", ROLE]);
}

#[tokio::test]
async fn the_role_allows_all_that_the_function_does_and_the_function_uses_all_that_it_allows() {
    let mut unused = whole_policy(&any_account().await).grants();
    for (name, scene) in REPERTOIRE {
        let outcome = play(*scene, |policy| policy, true).await;
        assert_eq!(outcome.denied, Vec::<String>::new(), "{name}");
        unused.retain(|grant| !outcome.used.contains(grant));
    }
    for (sid, action, reason) in USED_BY_AWS {
        let before = unused.len();
        unused.retain(|grant| (grant.0.as_str(), grant.1.as_str()) != (*sid, *action));
        assert!(
            unused.len() < before,
            "{action} of {sid} is gone, or used by the function itself; not so: {reason}"
        );
    }
    assert_eq!(
        unused,
        BTreeSet::new(),
        "statement, action and resource that nothing uses"
    );
}

#[tokio::test]
async fn parameters_change_what_is_allowed_and_nothing_else() {
    let aws = any_account().await;
    let grants = |template: Stack| template.policy("FunctionRole").unwrap().grants();
    let plain = || role::template(&aws, &[]);
    let existing = plain().parameter("ExistingConfigBucket", BUCKET);
    assert_eq!(grants(existing), grants(plain()));
    let of_the_file = |grants: &BTreeSet<(String, String, String)>| {
        grants.iter().filter(|(sid, ..)| sid == "PassRolesOfTheFile").count()
    };
    assert_eq!(of_the_file(&grants(plain())), 0);
    let passable = grants(plain().parameter(
        "PassableRoles",
        "arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:role/b",
    ));
    assert_eq!((of_the_file(&passable), passable.len()), (2, grants(plain()).len() + 2));
}

/// Images are pulled under the named prefixes alone; `ROOT` is all of them.
#[tokio::test]
async fn images_are_warmed_under_the_prefixes_that_the_stack_names() {
    let aws = any_account().await;
    let allowed = |value: &str| {
        let policy = role::template(&aws, &[])
            .parameter("WarmImages", value)
            .policy("FunctionRole")
            .unwrap();
        let decide = |action: &str, repository: &str| {
            let context = [
                ("aws:RequestedRegion", "eu-west-1"),
                ("aws:ResourceAccount", "123456789012"),
            ];
            let need = Need {
                action: action.into(),
                resource: format!("arn:aws:ecr:eu-west-1:123456789012:repository/{repository}"),
                context: context.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            };
            matches!(policy.decide(&need), Decision::Allowed(_))
        };
        let actions = ["ecr:BatchGetImage", "ecr:BatchImportUpstreamImage"];
        let tried = ["hub/a", "hub/a/b", "hub", "hub2/a", "team/hub/a"];
        let both = |name: &&str| actions.iter().all(|action| decide(action, name));
        let any = |name: &&str| actions.iter().any(|action| decide(action, name));
        let found: Vec<&str> = tried.into_iter().filter(both).collect();
        assert_eq!(found, tried.into_iter().filter(any).collect::<Vec<_>>());
        found.join(" ")
    };
    assert_eq!(allowed(""), "");
    assert_eq!(allowed("hub"), "hub/a hub/a/b");
    assert_eq!(allowed("quay,team"), "team/hub/a");
    assert_eq!(allowed("ROOT"), "hub/a hub/a/b hub hub2/a team/hub/a");
}

/// The named secrets and keys are read, through Secrets Manager alone; nothing else of them, and nothing that is named alike.
#[tokio::test]
async fn sources_are_read_that_the_stack_names_and_no_others() {
    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd";
    let aws = any_account().await;
    let with = |names: &str, keys: &str| {
        let template = role::template(&aws, &[]).parameter("SourceSecretNames", names);
        template
            .parameter("SourceKmsKeys", keys)
            .policy("FunctionRole")
            .unwrap()
    };
    let (policy, none) = (with("team/gitlab,prod/token", KEY), with("", ""));
    let allows = |policy: &Policy, action: &str, resource: &str, region: &str, account: &str, via: &str| {
        let context = [
            ("aws:RequestedRegion", region),
            ("aws:ResourceAccount", account),
            ("kms:ViaService", via),
        ];
        let need = Need {
            action: action.into(),
            resource: resource.into(),
            context: context.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        };
        matches!(policy.decide(&need), Decision::Allowed(_))
    };
    let secret = |policy: &Policy, action: &str, name: &str, region: &str, account: &str| {
        let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}");
        allows(policy, &format!("secretsmanager:{action}"), &arn, region, account, "")
    };
    let (here, own) = ("eu-west-1", "123456789012");
    for action in ["GetSecretValue", "DescribeSecret"] {
        assert!(secret(&policy, action, "team/gitlab-AbCdEf", here, own), "{action}");
        assert!(secret(&policy, action, "prod/token-AbCdEf", here, own), "{action}");
        assert!(!secret(&none, action, "team/gitlab-AbCdEf", here, own), "{action}");
        for near in [
            "team/gitlab2-AbCdEf",
            "team/gitlab-x-AbCdEf",
            "team/gitla-AbCdEf",
            "xteam/gitlab-AbCdEf",
        ] {
            assert!(!secret(&policy, action, near, here, own), "{action} {near}");
        }
        assert!(!secret(&policy, action, "team/gitlab-AbCdEf", "us-east-1", own));
        assert!(!secret(&policy, action, "team/gitlab-AbCdEf", here, "210987654321"));
    }
    for action in [
        "PutSecretValue",
        "UpdateSecretVersionStage",
        "TagResource",
        "DeleteSecret",
        "RestoreSecret",
    ] {
        assert!(!secret(&policy, action, "team/gitlab-AbCdEf", here, own), "{action}");
    }
    let decrypts = |policy: &Policy, key: &str, via: &str| allows(policy, "kms:Decrypt", key, here, own, via);
    let manager = "secretsmanager.eu-west-1.amazonaws.com";
    assert!(decrypts(&policy, KEY, manager) && !decrypts(&none, KEY, manager));
    assert!(
        !decrypts(&policy, KEY, "s3.eu-west-1.amazonaws.com") && !decrypts(&policy, &KEY.replace('4', "5"), manager)
    );
}

/// A role's own policies hold 10,240 characters, white space not counted (IAM quotas), and lists of the parameters want room.
#[tokio::test]
async fn there_is_room_for_lists_in_the_roles_policy() {
    let patterns: Vec<String> = (0..20).map(|n| format!("dockerhub-{n:02}/library/*")).collect();
    let template = role::template(&any_account().await, &[]).named("ecr-pull-through-sync");
    let template = PARAMETERS
        .iter()
        .fold(template, |template, (name, value)| template.parameter(name, value));
    let template = template
        .parameter("ExistingRepositories", &patterns.join(","))
        .parameter(
            "WarmImages",
            "dockerhub,ghcr,gitlab,quay,k8s,chainguard,public-ecr,team/web",
        )
        .parameter(
            "SourceSecretNames",
            "team/gitlab-token,team/github-token,prod/docker-hub,prod/chainguard",
        )
        .parameter("Tracing", "true");
    let policies = template
        .value(&["Resources", "FunctionRole", "Properties", "Policies"])
        .unwrap();
    let size = policies[0]["PolicyDocument"]
        .to_string()
        .chars()
        .filter(|c| !c.is_whitespace())
        .count();
    assert!(size < 10_240, "{size} characters");
}

#[tokio::test]
async fn a_role_that_no_parameter_names_cannot_be_passed() {
    let denied = play(
        |stage| Box::pin(tags_key_and_role(stage)),
        |policy| policy.without("PassRolesOfTheFile"),
        false,
    );
    let expected = "ecr:CreatePullThroughCacheRule needs iam:PassRole on arn:aws:iam::123456789012:role/cross-account";
    assert_eq!(denied.await.denied, [expected]);
}

/// Whether IAM lets a call pass, whatever else comes of it; the answer in words.
async fn passes<T: Debug, E: Debug>(
    aws: &LocalAws,
    call: impl Future<Output = Result<T, E>>,
) -> Result<String, String> {
    let before = aws.denied().len();
    let said = format!("{:?}", call.await);
    if aws.denied().len() == before {
        Ok(said)
    } else {
        Err(said)
    }
}

/// What it cannot be asked for past the code: nothing of another owner's secrets, no deletion for good, no public policy.
#[tokio::test]
async fn the_role_leaves_other_owners_secrets_alone_and_deletes_and_opens_none() {
    let stack = TestStack::unsearched(&[]).await;
    let template = role::template(&stack.aws, &[("TAKE_OVER_FROM", "old, older")]);
    stack.aws.enforce(ACCESS_KEY, template.policy("FunctionRole").unwrap());
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
        .http_client(ecr_pull_through_sync::account::http_client())
        .region(aws_sdk_secretsmanager::config::Region::new("eu-west-1"))
        .endpoint_url(stack.aws.endpoint())
        .credentials_provider(aws_sdk_secretsmanager::config::Credentials::new(
            ACCESS_KEY, "test", None, None, "test",
        ))
        .build();
    let client = aws_sdk_secretsmanager::Client::from_conf(config);
    for (owner, whole, deletes) in [
        (Some("stack"), true, true),
        (Some("old"), true, true),
        (Some("older"), true, true),
        (None, true, false),
        (Some("other"), false, false),
        (Some("Stack"), false, false),
        (Some(""), false, false),
    ] {
        let name = format!(
            "ecr-pullthroughcache/{}",
            owner.map_or("none", |owner| if owner.is_empty() { "empty" } else { owner })
        );
        let tags: Vec<Value> = owner
            .map(|o| json!({"Key": "ecr-pull-through-sync:owner", "Value": o}))
            .into_iter()
            .collect();
        let arn = stack.make_secret(&name, &credential("canary-docker-1"), json!(tags));
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::123456789012:root"}},"Action":"secretsmanager:GetSecretValue","Resource":"{arn}"}}]}}"#
        );
        let tag = || {
            aws_sdk_secretsmanager::types::Tag::builder()
                .key("a")
                .value("b")
                .build()
        };
        let put_policy = || client.put_resource_policy().secret_id(&arn).resource_policy(&policy);
        let delete = || client.delete_secret().secret_id(&arn);
        let label = client
            .update_secret_version_stage()
            .secret_id(&arn)
            .version_stage("AWSCURRENT");
        let put = client.put_secret_value().secret_id(&arn).secret_string("{}");
        for (call, allowed) in [
            (
                passes(&stack.aws, client.describe_secret().secret_id(&arn).send()).await,
                true,
            ),
            (
                passes(&stack.aws, client.get_secret_value().secret_id(&arn).send()).await,
                whole,
            ),
            (passes(&stack.aws, put.send()).await, whole),
            (
                passes(
                    &stack.aws,
                    client.update_secret().secret_id(&arn).description("x").send(),
                )
                .await,
                whole,
            ),
            (passes(&stack.aws, label.send()).await, whole),
            (
                passes(&stack.aws, client.tag_resource().secret_id(&arn).tags(tag()).send()).await,
                whole,
            ),
            (
                passes(&stack.aws, client.get_resource_policy().secret_id(&arn).send()).await,
                whole,
            ),
            (
                passes(&stack.aws, put_policy().block_public_policy(true).send()).await,
                whole,
            ),
            (
                passes(&stack.aws, put_policy().block_public_policy(false).send()).await,
                false,
            ),
            (passes(&stack.aws, put_policy().send()).await, false),
            (
                passes(&stack.aws, delete().force_delete_without_recovery(true).send()).await,
                false,
            ),
            (passes(&stack.aws, delete().send()).await, false),
            (
                passes(&stack.aws, delete().recovery_window_in_days(7).send()).await,
                deletes,
            ),
            (
                passes(&stack.aws, client.restore_secret().secret_id(&arn).send()).await,
                whole,
            ),
        ] {
            assert_eq!(call.is_ok(), allowed, "{owner:?}: {call:?}");
        }
    }
    for action in ["secretsmanager:UntagResource", "secretsmanager:DeleteResourcePolicy"] {
        assert!(
            !template
                .policy("FunctionRole")
                .unwrap()
                .grants()
                .iter()
                .any(|(_, granted, _)| granted == action)
        );
    }
}

/// A secret that `secret:` names is somebody else's: it is described and proven, and needs no tag of ours.
#[tokio::test]
async fn a_secret_that_the_file_refers_to_is_never_read() {
    let stage = Stage::open(|policy| policy, true).await;
    let tags = json!([{"Key": "team", "Value": "web"}]);
    stage.stack.make_secret(OPS, &credential("canary-docker-2"), tags);
    stage.aws().clear_calls();
    stage.follow(MOVED).await;
    stage.send(scheduled()).await;
    let calls = stage.aws().calls();
    let of_it = calls
        .iter()
        .filter(|call| call.service == "secretsmanager" && call.operation != "ListSecrets");
    let operations: BTreeSet<&str> = of_it.map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, BTreeSet::from(["DescribeSecret"]));
}

#[tokio::test]
async fn the_template_role_grants_its_keys_to_what_ecr_encrypts_alone() {
    let aws = any_account().await;
    let (name, key) = PARAMETERS[1];
    let policy = role::template(&aws, &[])
        .parameter(name, key)
        .policy("TemplateRole")
        .unwrap();
    let decide = |action: &str, given: &[(&str, &str)]| {
        let context = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let need = Need {
            action: action.to_owned(),
            resource: key.to_owned(),
            context,
        };
        matches!(policy.decide(&need), Decision::Allowed(_))
    };
    assert!(decide("kms:CreateGrant", &[("kms:GrantIsForAWSResource", "true")]));
    assert!(!decide("kms:CreateGrant", &[("kms:GrantIsForAWSResource", "false")]));
    assert!(!decide("kms:CreateGrant", &[]));
    assert!(decide("kms:DescribeKey", &[]) && decide("kms:RetireGrant", &[]));
    assert_eq!(
        role::template(&aws, &[]).policy("TemplateRole").unwrap().sids(),
        ["Repositories"]
    );
}

/// Nobody reads the file past its policy, a replication role neither.
#[tokio::test]
async fn the_bucket_denies_every_way_to_read_the_file() {
    let aws = any_account().await;
    let template = role::template(&aws, &[]).parameter(
        "UploaderArns",
        "arn:aws:iam::123456789012:role/a, arn:aws:iam::123456789012:user/b",
    );
    let statements = template
        .value(&[
            "Resources",
            "ConfigBucketPolicy",
            "Properties",
            "PolicyDocument",
            "Statement",
        ])
        .unwrap();
    let deny = |sid: &str| {
        statements
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["Sid"] == sid)
            .unwrap()
            .clone()
    };
    let reads = json!([
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionForReplication"
    ]);
    assert_eq!(deny("OnlyUploadersAndTheFunctionRead")["Action"], reads);
    assert_eq!(deny("OnlyUploadersWrite")["Effect"], "Deny");
}

/// In each partition the resources of the list are ARNs of that partition.
#[tokio::test]
async fn repositories_are_named_in_the_stacks_own_partition() {
    for (partition, region) in [
        ("aws", "eu-west-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ] {
        let options = Options {
            partition: partition.into(),
            region: region.into(),
            ..Options::default()
        };
        let aws = LocalAws::start(options).await.unwrap();
        let env = [
            ("EXISTING_REPOSITORIES", "quay/*, team-a/web"),
            ("WARM_IMAGES", "quay, team-a/web"),
            ("TEMPLATE_ROLE_ARN", ""),
        ];
        let policy = role::template(&aws, &env).policy("FunctionRole").unwrap();
        let grants = policy.grants();
        let resources = |statement: &str| -> BTreeSet<String> {
            let granted = grants.iter().filter(|(sid, ..)| sid == statement);
            granted.map(|(_, _, resource)| resource.clone()).collect()
        };
        let named = |names: [&str; 2]| {
            names
                .map(|name| format!("arn:{partition}:ecr:*:*:repository/{name}"))
                .into()
        };
        assert_eq!(resources("Repositories"), named(["quay/*", "team-a/web"]));
        assert_eq!(resources("WarmImages"), named(["quay/*", "team-a/web/*"]));
        let decide = |account: &str, region: &str| {
            let context = [("aws:RequestedRegion", region), ("aws:ResourceAccount", account)];
            let context = context.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            let resource = format!("arn:{partition}:ecr:{region}:{account}:repository/quay/a");
            let need = Need {
                action: "ecr:TagResource".into(),
                resource,
                context,
            };
            matches!(policy.decide(&need), Decision::Allowed(_))
        };
        assert!(decide("123456789012", region));
        assert!(!decide("444455556666", region) && !decide("123456789012", "us-east-1"));
    }
}

/// One scene that needs it fails for each statement, and for each action of a statement, that is taken away.
#[tokio::test]
async fn without_any_one_statement_or_action_something_is_denied() {
    let whole = whole_policy(&any_account().await);
    let mut needed: BTreeMap<(String, String), Scene> = BTreeMap::new();
    for (_, scene) in REPERTOIRE {
        for (sid, action, _) in play(*scene, |policy| policy, true).await.used {
            needed.entry((sid, action)).or_insert(*scene);
        }
    }
    let sids: BTreeSet<&String> = needed.keys().map(|(sid, _)| sid).collect();
    let missed: Vec<String> = whole.sids().into_iter().filter(|sid| !sids.contains(sid)).collect();
    let by_aws = |missed: &String| USED_BY_AWS.iter().any(|(sid, ..)| sid == missed);
    assert!(missed.iter().all(by_aws), "nothing uses {missed:?}");
    for ((sid, action), scene) in &needed {
        let denied = play(*scene, |policy| policy.without_action(sid, action), false)
            .await
            .denied;
        assert!(
            denied.iter().any(|line| line.contains(action)),
            "{sid} without {action}: {denied:?}"
        );
    }
    for sid in sids {
        let (_, scene) = needed.iter().find(|((other, _), _)| other == sid).unwrap();
        let denied = play(*scene, |policy| policy.without(sid), false).await.denied;
        assert_ne!(denied, Vec::<String>::new(), "without {sid}");
    }
}

/// Every statement of the template, in roles and elsewhere, whatever its conditions.
fn statements<'a>(value: &'a Yaml, found: &mut Vec<&'a Yaml>) {
    match value {
        Yaml::Mapping(members) => {
            if members.contains_key("Effect") {
                found.push(value);
            }
            members.values().for_each(|member| statements(member, found));
        }
        Yaml::Sequence(items) => items.iter().for_each(|item| statements(item, found)),
        Yaml::Tagged(tagged) => statements(&tagged.value, found),
        _ => {}
    }
}

fn list(value: &Yaml) -> Vec<&Yaml> {
    value.as_sequence().map_or(vec![value], |items| items.iter().collect())
}

#[test]
fn no_statement_allows_more_than_it_names() {
    let template: Yaml = serde_yaml::from_str(role::TEMPLATE).unwrap();
    let mut found = Vec::new();
    statements(&template, &mut found);
    assert!(found.len() > 15, "{} statements", found.len());
    let region: Yaml = serde_yaml::from_str("!Ref AWS::Region").unwrap();
    for statement in found.into_iter().filter(|statement| statement["Effect"] == "Allow") {
        assert!(
            statement.get("NotAction").is_none() && statement.get("NotResource").is_none(),
            "{statement:?}"
        );
        let actions: Vec<&str> = list(&statement["Action"])
            .into_iter()
            .map(|action| action.as_str().unwrap())
            .collect();
        assert!(
            actions
                .iter()
                .all(|action| action.contains(':') && !action.contains('*')),
            "{statement:?}"
        );
        // In a policy that stands on a resource, `*` is that resource.
        if statement.get("Principal").is_some() || !list(&statement["Resource"]).iter().any(|one| **one == "*") {
            continue;
        }
        let narrower: Vec<&&str> = actions
            .iter()
            .filter(|action| !WITHOUT_RESOURCES.contains(action))
            .collect();
        assert!(
            narrower.is_empty(),
            "{narrower:?} can be limited to a resource: {statement:?}"
        );
        assert_eq!(
            statement["Condition"]["StringEquals"]["aws:RequestedRegion"], region,
            "{statement:?}"
        );
    }
}
