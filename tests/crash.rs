//! Crash points, enumerated: for each kind of run, every write call is found in the call log of a clean run, and the
//! function is killed right before and right after each of them. At the crash point the account must be safe; a clean
//! run from there must converge.
//!
//! A kill is one of two. A [`Form::Process`] is the compiled function and a SIGKILL. A [`Form::Dropped`] is the handler
//! in this process, whose future is dropped in the middle of the call: the same for all state, and without production's
//! waits. Kinds that wait (a refusal is believed after seconds) have one crash of each sort in a process.

use crate::quiet;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::{self, BUCKET, Bench, ROLE, hub, role, scheduled, uploaded};
use local_aws::{Call, Fault, LocalAws};
use serde_json::{Value, json};
use tokio::sync::oneshot;

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
    outcome: &'static str,
    /// The write calls of a clean run, the status object's two included.
    writes: &'static [&'static str],
}

/// Where a run dies.
#[derive(Clone, Debug)]
struct Point {
    side: Side,
    service: String,
    operation: String,
    /// The how-manieth call of that operation.
    nth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Before,
    After,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Process,
    Dropped,
}

const PUT_STATUS: [&str; 2] = ["PutObject", "PutObject"];

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
            outcome: "converged",
            writes: &[],
        }
    }
}

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
            "PutSecretValue",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(&[QUAY], &file)
    };
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
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn a_changed_token_in_the_file() {
    let kind = Kind {
        served: &["quay", "dockerhub"],
        current: Some((HUB, "canary-docker-2")),
        writes: &["PutSecretValue", "UpdateSecretVersionStage", "UpdateSecretVersionStage", "UpdateSecretVersionStage"],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&hub("canary-docker-2")))
    };
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
    every_crash(kind, Form::Dropped).await;
}

#[tokio::test]
async fn replace_a_rule_and_its_credential() {
    let moved = "dockerhub: {registry: ghcr.io, username: acme-bot, accessToken: canary-ghcr-1}\n";
    let kind = Kind {
        current: Some((HUB, "canary-ghcr-1")),
        writes: &[
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "UpdateSecretVersionStage",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(moved))
    };
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
            "PutSecretValue",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "DeletePullThroughCacheRule",
            "CreatePullThroughCacheRule",
        ],
        ..Kind::new(&[QUAY], &with_quay(&file))
    };
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn delete() {
    let kind = Kind {
        pulls: &["quay"],
        writes: &["DeletePullThroughCacheRule", "DeleteSecret", "DeleteRepositoryCreationTemplate"],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], QUAY)
    };
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
        ],
        ..Kind::new(&[&both, QUAY], &with_quay(&hub("canary-docker-2")))
    };
    every_crash(kind, Form::Process).await;
}

#[tokio::test]
async fn rename() {
    let renamed = hub("canary-docker-1").replace("dockerhub", "hub");
    let kind = Kind {
        pulls: &["quay", "hub"],
        current: Some(("ecr-pullthroughcache/hub", "canary-docker-1")),
        writes: &[
            "CreateSecret",
            "PutSecretValue",
            "PutResourcePolicy",
            "CreateRepositoryCreationTemplate",
            "CreatePullThroughCacheRule",
            "DeletePullThroughCacheRule",
            "DeleteSecret",
            "DeleteRepositoryCreationTemplate",
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&renamed))
    };
    every_crash(kind, Form::Process).await;
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
    every_crash(kind, Form::Process).await;
}

/// facts/ecr.md 2.11: what the Terraform module has made.
#[tokio::test]
async fn adopt_what_the_terraform_module_made() {
    let kind = Kind {
        then: terraformed,
        served: &["quay", "dockerhub"],
        current: Some((TERRAFORMED, "canary-docker-1")),
        writes: &["TagResource", "UpdateSecretVersionStage", "UpdateRepositoryCreationTemplate"],
        ..Kind::new(&[QUAY], &with_quay(&hub("canary-docker-1")))
    };
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
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], "")
    }
}

#[tokio::test]
async fn roll_a_bad_rotation_back() {
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
        outcome: "partial",
        ..rollback_kind()
    };
    every_crash(kind, Form::Dropped).await;
}

fn refused_kind() -> Kind {
    Kind {
        current: Some((HUB, "canary-docker-1")),
        outcome: "partial",
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
        ],
        ..Kind::new(&[&with_quay(&hub("canary-docker-1"))], &with_quay(&hub("canary-wrong")))
    }
}

#[tokio::test]
async fn put_a_refused_value_of_the_file_back() {
    every_crash(refused_kind(), Form::Dropped).await;
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
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let made = aws.call("secretsmanager", "CreateSecret", json!({"Name": name, "SecretString": value, "Tags": tags}));
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

/// Finds the write calls of a clean run, and dies before and after each.
async fn every_crash(kind: Kind, form: Form) {
    let points = Box::pin(points(&kind)).await;
    for point in points {
        // Boxed: the futures of a run are large.
        Box::pin(one_crash(&kind, point, form)).await;
    }
}

async fn points(kind: &Kind) -> Vec<Point> {
    let (bench, event) = arranged(kind).await;
    bench.aws.clear_calls();
    let report = quiet::send(&bench.app, event).await.unwrap();
    let mut writes: Vec<Call> = bench.aws.calls().into_iter().filter(|call| call.write).collect();
    // A new secret's value and policy are put side by side, and either may be first.
    for n in 1..writes.len() {
        if (writes[n - 1].operation.as_str(), writes[n].operation.as_str()) == ("PutResourcePolicy", "PutSecretValue") {
            writes.swap(n - 1, n);
        }
    }
    let operations: Vec<&str> = writes.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, [kind.writes, &PUT_STATUS].concat(), "{report:#}");
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for call in &writes {
        let nth = seen.entry(&call.operation).or_default();
        *nth += 1;
        points.extend([Side::Before, Side::After].map(|side| point(side, &call.service, &call.operation, *nth)));
    }
    points
}

fn point(side: Side, service: &str, operation: &str, nth: usize) -> Point {
    Point { side, service: service.to_owned(), operation: operation.to_owned(), nth }
}

/// The account as it is before the run, and the event that starts it.
async fn arranged(kind: &Kind) -> (Bench, Value) {
    let bench = quiet::bench(kind.env).await;
    foreign(&bench.aws);
    for file in &kind.before {
        bench.upload(file);
        let report = quiet::send(&bench.app, uploaded()).await.unwrap();
        assert_eq!(report["outcome"], "changed", "{report:#}");
    }
    (kind.then)(&bench.aws);
    let event = match &kind.file {
        Some(file) => {
            bench.upload(file);
            uploaded()
        }
        None => {
            let events = bench.aws.events();
            events.into_iter().rev().find(|event| event["detail"]["labelUpdated"] == "AWSCURRENT").unwrap()
        }
    };
    (bench, event)
}

async fn one_crash(kind: &Kind, point: Point, form: Form) {
    let (bench, event) = arranged(kind).await;
    let before = Picture::of(&bench);
    bench.aws.clear_calls();
    match form {
        Form::Process => crash_the_process(kind, &bench, event, &point).await,
        Form::Dropped => drop_the_run(&bench, event, &point).await,
    }
    is_still(&bench.aws, &point).await;
    is_safe(kind, &bench, &before, &point);
    is_finished_by_the_next_run(kind, &bench, &before, &point).await;
}

/// Kills the compiled function at the point.
async fn crash_the_process(kind: &Kind, bench: &Bench, event: Value, point: &Point) {
    let settings = [("CONFIG_BUCKET", BUCKET), ("OWNER", "stack"), ("TEMPLATE_ROLE_ARN", ROLE), ("LOG_LEVEL", "TRACE")];
    let env: Vec<(&str, &str)> = settings.into_iter().chain(kind.env.iter().copied()).collect();
    let lambda = bench.aws.lambda();
    let bootstrap = Path::new(env!("CARGO_BIN_EXE_ecr-pull-through-sync"));
    let function = Arc::new(lambda.spawn(bootstrap, &env).unwrap());
    role::enforce(&bench.aws, function.principal(), kind.env);
    let victim = Arc::clone(&function);
    at(&bench.aws, point, move || victim.kill());
    let died = lambda.invoke(event, Duration::from_secs(120)).await.result.expect_err("the point is reached");
    assert_eq!(died["errorType"], "Runtime.ExitError", "{point:?}: {died}");
    assert!(!function.output().contains("canary"), "a token in the log");
}

/// Drops the run's future at the point.
async fn drop_the_run(bench: &Bench, event: Value, point: &Point) {
    let (kill, killed) = oneshot::channel();
    let (gone, is_gone) = mpsc::channel();
    at(&bench.aws, point, move || {
        kill.send(()).unwrap();
        is_gone.recv().unwrap();
    });
    tokio::select! {
        report = quiet::send(&bench.app, event) => panic!("{point:?} was not reached: {report:?}"),
        _ = killed => {}
    }
    gone.send(()).unwrap();
}

/// Kills at the point. Before a call means that it never happened, though it has arrived.
fn at(aws: &LocalAws, point: &Point, kill: impl FnOnce() + Send + 'static) {
    let (service, operation) = (point.service.clone(), point.operation.clone());
    match point.side {
        Side::Before => aws.before(&point.service, &point.operation, point.nth, move |aws| {
            kill();
            aws.fault(Fault::on(service.as_str(), operation.as_str()).times(1).reset());
        }),
        Side::After => aws.after(&point.service, &point.operation, point.nth, move |_| kill()),
    }
}

/// Waits until the call of the crash is over: the sender is gone at once, its call is not.
async fn is_still(aws: &LocalAws, point: &Point) {
    let is_over = |call: &Call| point.side == Side::After || call.status == 0;
    let of_point =
        |calls: Vec<Call>| calls.into_iter().filter(|call| call.operation == point.operation).nth(point.nth - 1);
    while !of_point(aws.calls()).is_some_and(|call| is_over(&call)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What an account holds, as far as a crash could harm it.
struct Picture {
    rules: BTreeMap<String, Value>,
    templates: BTreeMap<String, Value>,
    /// By name: what is not scheduled for deletion.
    secrets: BTreeMap<String, Value>,
    /// Everything of somebody else, byte by byte.
    foreign: String,
}

impl Picture {
    fn of(bench: &Bench) -> Self {
        let aws = &bench.aws;
        let list = |service: &str, operation: &str, list: &str, name: &str| -> BTreeMap<String, Value> {
            let answer = aws.call(service, operation, json!({})).unwrap();
            let named = answer[list].as_array().unwrap().iter();
            named.map(|one| (one[name].as_str().unwrap().to_owned(), one.clone())).collect()
        };
        let rules = list("ecr", "DescribePullThroughCacheRules", "pullThroughCacheRules", "ecrRepositoryPrefix");
        let templates = list("ecr", "DescribeRepositoryCreationTemplates", "repositoryCreationTemplates", "prefix");
        let mut secrets = list("secretsmanager", "ListSecrets", "SecretList", "Name");
        secrets.retain(|_, secret| secret["DeletedDate"].is_null());
        let theirs = |name: &str| {
            let id = json!({"SecretId": format!("ecr-pullthroughcache/{name}")});
            let ask = |operation: &str| aws.call("secretsmanager", operation, id.clone()).unwrap();
            let mut described = ask("DescribeSecret");
            // Reading is no harm.
            described.as_object_mut().unwrap().remove("LastAccessedDate");
            json!([rules.get(name), templates.get(name), described, ask("GetSecretValue"), ask("GetResourcePolicy")])
        };
        let foreign = json!([theirs("by-hand"), theirs("others")]).to_string();
        Self { rules, templates, secrets, foreign }
    }

    fn is_marked(&self, registry: &str) -> bool {
        let template = self.templates.get(registry);
        template.is_some_and(|template| template["description"].as_str().unwrap_or_default().ends_with(MARK))
    }

    /// Secrets that carry our tag.
    fn own_secrets(&self) -> impl Iterator<Item = (&String, &Value)> {
        let tag = json!({"Key": "ecr-pull-through-sync:owner", "Value": "stack"});
        self.secrets.iter().filter(move |(_, secret)| secret["Tags"].as_array().is_some_and(|tags| tags.contains(&tag)))
    }
}

/// What holds at every crash point.
fn is_safe(kind: &Kind, bench: &Bench, before: &Picture, point: &Point) {
    let now = Picture::of(bench);
    for rule in now.rules.values().filter(|rule| rule["credentialArn"].is_string()) {
        let there = now.secrets.values().any(|secret| secret["ARN"] == rule["credentialArn"]);
        assert!(there, "{point:?}: a rule points to a secret that is gone: {rule}");
    }
    for (prefix, rule) in &now.rules {
        let made_by_us = before.rules.get(prefix) != Some(rule) || before.is_marked(prefix);
        assert!(!made_by_us || now.is_marked(prefix), "{point:?}: a rule of ours without a mark: {rule}");
    }
    for name in before.secrets.keys().chain(now.secrets.keys()) {
        let own = |picture: &Picture| picture.own_secrets().any(|(own, _)| own == name);
        let (was_there, is_there) = (before.secrets.contains_key(name), now.secrets.contains_key(name));
        let made_or_own = is_there && (!was_there || own(before));
        assert!(!made_or_own || own(&now), "{point:?}: nobody would find {name} again");
    }
    for registry in before.templates.keys().filter(|registry| before.is_marked(registry)) {
        let left = now.rules.contains_key(registry)
            || now.own_secrets().any(|(name, _)| *name == format!("ecr-pullthroughcache/{registry}"));
        assert!(!left || now.is_marked(registry), "{point:?}: the mark of {registry} went first");
    }
    assert_eq!(now.foreign, before.foreign, "{point:?}");
    for prefix in kind.served {
        let pulled = bench.aws.pull(&format!("{prefix}/library/at-the-crash:1"));
        assert!(pulled.is_ok(), "{point:?}: {pulled:?}");
    }
}

/// What a clean function makes of it.
async fn is_finished_by_the_next_run(kind: &Kind, bench: &Bench, before: &Picture, point: &Point) {
    let function = Box::pin(support::app(&bench.aws, kind.env)).await;
    let next = quiet::send(&function, scheduled()).await.unwrap();
    let finished = next["outcome"] == kind.outcome || (kind.outcome == "converged" && next["outcome"] == "changed");
    assert!(finished, "{point:?}: {next:#}");
    bench.aws.clear_calls();
    let second = quiet::send(&function, scheduled()).await.unwrap();
    assert_eq!(second["outcome"], kind.outcome, "{point:?}: {second:#}");
    assert_eq!(bench.writes(), Vec::<String>::new(), "{point:?}: {second:#}");
    let plan = quiet::send(&function, json!({"action": "plan"})).await.unwrap();
    assert_eq!(plan["changes"], json!([]), "{point:?}");
    if let Some((secret, token)) = kind.current {
        assert_eq!(bench.token(secret, "AWSCURRENT").as_deref(), Some(token), "{point:?}");
        for label in ["FILE_PENDING", "ROLLING_BACK"] {
            assert_eq!(bench.token(secret, label), None, "{point:?}: {label} was left behind");
        }
    }
    for prefix in kind.pulls {
        let pulled = bench.aws.pull(&format!("{prefix}/library/in-the-end:1"));
        assert!(pulled.is_ok(), "{point:?}: {pulled:?}");
    }
    let after = Picture::of(bench);
    let used = |secret: &Value| after.rules.values().any(|rule| rule["credentialArn"] == secret["ARN"]);
    for (name, secret) in after.own_secrets() {
        assert!(used(secret), "{point:?}: {name} is an orphan");
    }
    assert_eq!(after.foreign, before.foreign, "{point:?}");
}
