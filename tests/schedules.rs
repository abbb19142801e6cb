//! Races, by many seeded schedules: two functions over two versions of the file, and one function against a human.
//!
//! A seed decides which calls are slow and by how much, and at which call the newer file or the human comes; nothing
//! waits for the clock to get a result. Whatever the interleaving, the end is the newest file's, no rotation is buried
//! and every report is true. A failure prints its seed: `SEED=17 cargo test --test all schedules::` runs that one alone.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stack::invariants::Invariants;
use crate::stack::{self, BUCKET, KEY, TestStack, hub, invoke, is_write, put_current, role, scheduled, uploaded};
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_sdk_s3::config::{Credentials, Region};
use ecr_pull_through_sync::account;
use ecr_pull_through_sync::failure::Failure;
use ecr_pull_through_sync::handler::App;
use fastrand::Rng;
use futures_util::FutureExt;
use local_aws::{Call, Fault, LocalAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

const SEEDS: u64 = 40;
const HUB: &str = "ecr-pullthroughcache/dockerhub";
const ROLLBACK: &[(&str, &str)] = &[("ROLLBACK_INVALID_ROTATION", "true")];

/// A function of its own: its access key tells its calls apart in the log.
async fn instance(aws: &LocalAws, key: &str, env: &[(&str, &str)]) -> App {
    role::enforce(aws, key, env);
    let backoff = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(Duration::from_millis(2));
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(account::http_client())
        .region(Region::new("eu-west-1"))
        .endpoint_url(aws.endpoint())
        .credentials_provider(Credentials::new(key, "test", None, None, "test"))
        .retry_config(backoff)
        .load();
    let (reader, writer) = account::connect(&Box::pin(config).await);
    App {
        reader,
        writer,
        ..Box::pin(stack::app(aws, env)).await
    }
}

/// A file with everything that two versions may differ in.
#[derive(Clone, Debug)]
struct Version {
    token: &'static str,
    immutable: bool,
    quay: Option<&'static str>,
}

impl Version {
    fn any(rng: &mut Rng, tokens: &[&'static str]) -> Self {
        let token = tokens[rng.usize(..tokens.len())];
        let quay = [Some("quay.io"), Some("public.ecr.aws"), None][rng.usize(..3)];
        Self {
            token,
            immutable: rng.bool(),
            quay,
        }
    }

    fn yaml(&self) -> String {
        let mutability = if self.immutable { "IMMUTABLE" } else { "MUTABLE" };
        let hub = hub(self.token).replace("}", &format!(", image_tag_mutability: {mutability}}}"));
        let quay = self
            .quay
            .map(|host| format!("quay: {{registry: {host}}}\n"))
            .unwrap_or_default();
        format!("{hub}{quay}")
    }

    fn is_good(&self) -> bool {
        is_good(self.token)
    }
}

fn is_good(token: &str) -> bool {
    !token.contains("wrong")
}

/// Makes some calls slow.
fn slow_down(aws: &LocalAws, rng: &mut Rng) {
    const SOME: [&str; 14] = [
        "*",
        "GetObject",
        "PutObject",
        "HeadObject",
        "DescribeSecret",
        "GetSecretValue",
        "PutSecretValue",
        "UpdateSecretVersionStage",
        "DescribePullThroughCacheRules",
        "DescribeRepositoryCreationTemplates",
        "UpdateRepositoryCreationTemplate",
        "CreatePullThroughCacheRule",
        "DeletePullThroughCacheRule",
        "ValidatePullThroughCacheRule",
    ];
    for _ in 0..rng.usize(6..16) {
        let fault = Fault::on("*", SOME[rng.usize(..SOME.len())])
            .skip(rng.usize(..6))
            .times(rng.usize(1..4));
        aws.fault(fault.latency(Duration::from_millis(rng.u64(0..=8))));
    }
}

/// Runs a test for every seed, and names the one that failed.
async fn every_seed(test: impl AsyncFn(u64)) {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        if let Err(panic) = AssertUnwindSafe(Box::pin(test(seed))).catch_unwind().await {
            eprintln!("the seed was {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// One function, the key of its calls, and what it has said so far.
struct Watched<'a> {
    aws: &'a LocalAws,
    app: App,
    key: &'static str,
}

impl<'a> Watched<'a> {
    async fn new(aws: &'a LocalAws, key: &'static str, env: &[(&str, &str)]) -> Self {
        Self {
            aws,
            app: Box::pin(instance(aws, key, env)).await,
            key,
        }
    }

    /// Sends an event, again where the run asks for it, as Lambda does; and compares what is said with what was done.
    async fn send(&self, event: Value) -> Value {
        for _ in 0..3 {
            let begun = self.aws.calls().len();
            match invoke(&self.app, event.clone()).await {
                Ok(report) => {
                    let calls = self.aws.calls();
                    let own: Vec<&Call> = calls[begun..]
                        .iter()
                        .filter(|call| call.principal == self.key)
                        .collect();
                    is_true(&report, &own);
                    return report;
                }
                Err(Failure::Incomplete { .. }) => {}
                Err(failure) => panic!("{failure}"),
            }
        }
        panic!("three times in a row the run asks to be tried again")
    }
}

/// The calls, a line each.
fn listed<'a>(calls: impl IntoIterator<Item = &'a Call>) -> String {
    let line = |call: &Call| {
        let Call {
            n,
            operation,
            subject,
            status,
            principal,
            error,
            ..
        } = call;
        format!(
            "{n} {principal} {operation} {subject} {status} {}\n",
            error.as_deref().unwrap_or_default()
        )
    };
    calls.into_iter().map(line).collect()
}

/// Every change reported `applied` was made, and no resource was written that the report says nothing about.
fn is_true(report: &Value, calls: &[&Call]) {
    // What another run has deleted first is deleted: such a call is answered with an error, and was made.
    let is_gone = |call: &Call| call.operation.starts_with("Delete") && call.status == 400;
    let took = calls
        .iter()
        .filter(|call| is_write(call) && (call.status == 200 || is_gone(call)));
    let took: Vec<&&Call> = took.collect();
    let changes = report["changes"].as_array().unwrap();
    for change in changes.iter().filter(|change| change["result"] == "applied") {
        let made = took.iter().any(|call| is_of(change, call));
        assert!(
            made,
            "reported and not made: {change}\n{}\n{report:#}",
            listed(calls.iter().copied())
        );
    }
    // A value that never became current has changed nothing for anybody, nor has deleting what was gone.
    for call in took
        .into_iter()
        .filter(|call| call.operation != "PutSecretValue" && !is_gone(call))
    {
        assert!(
            changes.iter().any(|change| is_about(change, call)),
            "made and not told: {call:?}\n{}\n{report:#}",
            listed(calls.iter().copied())
        );
    }
}

/// Whether a call is about the resource of a change. What was undone by a human before it could be told needs no line
/// of its own.
fn is_about(change: &Value, call: &Call) -> bool {
    let kinds = [
        ("rule", "Rule"),
        ("template", "Template"),
        ("secret_policy", "Policy"),
        ("secret", ""),
    ];
    let kind = kinds
        .iter()
        .find(|(resource, _)| change["resource"] == *resource)
        .unwrap()
        .1;
    is_named(change, call) && call.operation.contains(kind)
}

/// Whether a call is one that a change consists of.
fn is_of(change: &Value, call: &Call) -> bool {
    let operations: &[&str] = match (change["resource"].as_str().unwrap(), change["action"].as_str().unwrap()) {
        ("rule", "create") => &["CreatePullThroughCacheRule"],
        ("rule", "update") => &["UpdatePullThroughCacheRule"],
        ("rule", "replace") => &["DeletePullThroughCacheRule", "CreatePullThroughCacheRule"],
        ("rule", "delete") => &["DeletePullThroughCacheRule"],
        ("template", "create") => &["CreateRepositoryCreationTemplate"],
        ("template", "update" | "adopt") => &["UpdateRepositoryCreationTemplate"],
        ("template", "delete") => &["DeleteRepositoryCreationTemplate"],
        ("secret", "create") => &["CreateSecret", "PutSecretValue"],
        ("secret", "update" | "adopt") => &[
            "PutSecretValue",
            "UpdateSecretVersionStage",
            "TagResource",
            "UpdateSecret",
        ],
        ("secret", "label" | "rollback") => &["UpdateSecretVersionStage"],
        ("secret", "restore") => &["RestoreSecret"],
        ("secret", "delete") => &["DeleteSecret"],
        ("secret_policy", _) => &["PutResourcePolicy"],
        other => panic!("{other:?}"),
    };
    is_named(change, call) && operations.contains(&call.operation.as_str())
}

/// A secret is called by its ARN: its name and seven characters more.
fn is_named(change: &Value, call: &Call) -> bool {
    let id = change["id"].as_str().unwrap();
    call.subject == id || call.subject.rsplit_once('-').is_some_and(|(arn, _)| arn.ends_with(id))
}

/// The events that labels have raised, until none is left. They must come to an end.
async fn drain(aws: &LocalAws, functions: &[&Watched<'_>], rng: &mut Rng, mut from: usize) {
    let mut sent = 0;
    while let Some(event) = aws.events().get(from).cloned() {
        from += 1;
        if event["source"] == "aws.secretsmanager" {
            functions[rng.usize(..functions.len())].send(event).await;
            sent += 1;
            assert!(sent < 60, "the events do not end");
        }
    }
}

/// The account is the newest file's: nothing is left to plan, its token is `CONFIGURED`, and what serves is proven.
async fn is_the_newest_files(stack: &TestStack, invariants: &Invariants, newest: &Version, last: &Value) {
    let told = format!("{}{last:#}", listed(&stack.aws.calls()));
    let plan = invoke(&stack.app, json!({"action": "plan"})).await.unwrap();
    assert_eq!(plan["changes"], json!([]), "{told}");
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some(newest.token), "{told}");
    for label in ["FILE_PENDING", "ROLLING_BACK"] {
        assert_eq!(stack.token(HUB, label), None, "{label} was left behind: {told}");
    }
    let mutability = if newest.immutable { "IMMUTABLE" } else { "MUTABLE" };
    assert_eq!(stack.template("dockerhub").unwrap()["imageTagMutability"], mutability);
    let host = stack
        .rule("quay")
        .map(|rule| rule["upstreamRegistryUrl"].as_str().unwrap().to_owned());
    assert_eq!(host.as_deref(), newest.quay, "{told}");
    assert_eq!(stack.template("quay").is_some(), newest.quay.is_some());
    let current = stack.token(HUB, "AWSCURRENT").unwrap();
    assert!(is_good(&current), "{current} serves: {told}");
    invariants.hold(&stack.aws, &told);
    stack.aws.pull("dockerhub/library/in-the-end:1").unwrap();
    let state = if newest.is_good() { "ready" } else { "failed" };
    assert_eq!(last["registries"]["dockerhub"]["state"], state, "{told}");
}

#[tokio::test]
async fn two_functions_over_two_versions_of_the_file_end_with_the_newest() {
    every_seed(async |seed| {
        let mut rng = Rng::with_seed(seed);
        let env = if rng.bool() { ROLLBACK } else { &[] };
        let stack = TestStack::unsearched(env).await;
        stack.upload(
            &Version {
                token: "canary-docker-1",
                immutable: false,
                quay: Some("quay.io"),
            }
            .yaml(),
        );
        invoke(&stack.app, uploaded()).await.unwrap();
        let older = Version::any(&mut rng, &["canary-docker-1", "canary-docker-2", "canary-wrong-1"]);
        let newest = match older.is_good() {
            true => Version::any(&mut rng, &["canary-docker-1", "canary-docker-3", "canary-wrong-2"]),
            false => Version::any(&mut rng, &["canary-docker-1", "canary-docker-3"]),
        };
        let begun = stack.aws.events().len();
        let invariants = Invariants::of(&stack.aws);
        let one = Watched::new(&stack.aws, "AKIDONE", env).await;
        let two = Watched::new(&stack.aws, "AKIDTWO", env).await;
        slow_down(&stack.aws, &mut rng);
        stack.aws.clear_calls();
        stack.upload(&older.yaml());
        // The newer file comes at one of the older run's calls, or after its last.
        let comes = Arc::new(Notify::new());
        let (bell, yaml) = (Arc::clone(&comes), Arc::new(Mutex::new(Some(newest.yaml()))));
        let file = Arc::clone(&yaml);
        stack.aws.before("*", "*", rng.usize(1..40), move |aws| {
            if let Some(yaml) = file.lock().unwrap().take() {
                aws.put_object(BUCKET, KEY, yaml);
                bell.notify_one();
            }
        });
        let first = async {
            one.send(uploaded()).await;
            if let Some(yaml) = yaml.lock().unwrap().take() {
                stack.upload(&yaml);
                comes.notify_one();
            }
        };
        let second = async {
            comes.notified().await;
            two.send(uploaded()).await;
        };
        tokio::join!(first, second);
        drain(&stack.aws, &[&one, &two], &mut rng, begun).await;
        let last = one.send(scheduled()).await;
        is_the_newest_files(&stack, &invariants, &newest, &last).await;
    })
    .await;
}

/// What a human does to the account while a run is at work.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Edit {
    Rotates,
    GoesBack,
    TakesConfiguredOff,
    DeletesRule,
    EditsTemplate,
    DeletesTemplate,
    DeletesSecretPolicy,
    TakesTagOff,
}

impl Edit {
    /// By hand: what is not there any more cannot be edited, and no harm done.
    fn make(self, aws: &LocalAws) {
        let (service, operation, input) = match self {
            Self::Rotates => return put_current(aws, HUB, "canary-docker-4"),
            Self::GoesBack => {
                let (current, previous) = (holder(aws, "AWSCURRENT"), holder(aws, "AWSPREVIOUS"));
                let input = json!({
                    "SecretId": HUB, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": current,
                    "MoveToVersionId": previous,
                });
                ("secretsmanager", "UpdateSecretVersionStage", input)
            }
            Self::TakesConfiguredOff => {
                let held = holder(aws, "CONFIGURED");
                let input = json!({"SecretId": HUB, "VersionStage": "CONFIGURED", "RemoveFromVersionId": held});
                ("secretsmanager", "UpdateSecretVersionStage", input)
            }
            Self::DeletesRule => (
                "ecr",
                "DeletePullThroughCacheRule",
                json!({"ecrRepositoryPrefix": "dockerhub"}),
            ),
            Self::EditsTemplate => {
                let input = json!({"prefix": "dockerhub", "imageTagMutability": "MUTABLE", "description": "by hand"});
                ("ecr", "UpdateRepositoryCreationTemplate", input)
            }
            Self::DeletesTemplate => (
                "ecr",
                "DeleteRepositoryCreationTemplate",
                json!({"prefix": "dockerhub"}),
            ),
            Self::DeletesSecretPolicy => ("secretsmanager", "DeleteResourcePolicy", json!({"SecretId": HUB})),
            Self::TakesTagOff => {
                let input = json!({"SecretId": HUB, "TagKeys": ["ecr-pull-through-sync:owner"]});
                ("secretsmanager", "UntagResource", input)
            }
        };
        let _ = aws.call(service, operation, input);
    }
}

/// The version that carries a label.
fn holder(aws: &LocalAws, label: &str) -> Option<String> {
    let secret = aws
        .call("secretsmanager", "DescribeSecret", json!({"SecretId": HUB}))
        .unwrap();
    let versions = secret["VersionIdsToStages"].as_object().unwrap();
    let mut found = versions
        .iter()
        .filter(|(_, labels)| labels.as_array().unwrap().contains(&json!(label)));
    found.next().map(|(version, _)| version.clone())
}

#[tokio::test]
async fn a_human_who_edits_by_hand_is_repaired_and_no_rotation_is_buried() {
    let came = Arc::new(Mutex::new(0));
    every_seed(async |seed| {
        let mut rng = Rng::with_seed(seed);
        let env = if rng.bool() { ROLLBACK } else { &[] };
        let stack = TestStack::unsearched(env).await;
        for token in ["canary-docker-1", "canary-docker-2"] {
            stack.upload(
                &Version {
                    token,
                    immutable: false,
                    quay: None,
                }
                .yaml(),
            );
            invoke(&stack.app, uploaded()).await.unwrap();
        }
        let newest = Version {
            immutable: true,
            ..Version::any(&mut rng, &["canary-docker-2", "canary-docker-3"])
        };
        let begun = stack.aws.events().len();
        let invariants = Invariants::of(&stack.aws);
        let one = Watched::new(&stack.aws, "AKIDONE", env).await;
        slow_down(&stack.aws, &mut rng);
        // One edit at most of the credential: a human who rotates twice buries the first rotation himself.
        let on_credential = [Edit::Rotates, Edit::Rotates, Edit::GoesBack, Edit::TakesConfiguredOff];
        let on_others = [
            Edit::DeletesRule,
            Edit::EditsTemplate,
            Edit::DeletesTemplate,
            Edit::DeletesSecretPolicy,
            Edit::TakesTagOff,
        ];
        let mut edits = vec![on_credential[rng.usize(..4)]];
        edits.extend((0..rng.usize(..4)).map(|_| on_others[rng.usize(..on_others.len())]));
        stack.aws.clear_calls();
        stack.upload(&newest.yaml());
        // When each edit came, in calls answered before it.
        let when: Arc<Mutex<Vec<(Edit, usize)>>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        for edit in edits {
            let (when, came, is_over) = (Arc::clone(&when), Arc::clone(&came), Arc::clone(&is_over));
            stack.aws.before("*", "*", rng.usize(1..30), move |aws| {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                when.lock().unwrap().push((edit, aws.calls().len()));
                *came.lock().unwrap() += 1;
                edit.make(aws);
            });
        }
        one.send(uploaded()).await;
        // Who did not come during the run does not come at all.
        is_over.store(true, Ordering::Relaxed);
        let calls = stack.aws.calls();
        let observed = calls
            .iter()
            .position(|call| call.operation == "DescribeSecret")
            .unwrap();
        drain(&stack.aws, &[&one], &mut rng, begun).await;
        let last = one.send(scheduled()).await;
        is_the_newest_files(&stack, &invariants, &newest, &last).await;
        let when = when.lock().unwrap().clone();
        let told = format!("{when:?}, observed at {observed}:\n{}", listed(&calls));
        stands(&stack, &newest, &when, observed, &told);
    })
    .await;
    assert!(
        *came.lock().unwrap() > 40 || std::env::var("SEED").is_ok(),
        "too few edits came in between"
    );
}

/// What the human made current stands, unless it was there before the file's change was seen: then the file spoke.
fn stands(stack: &TestStack, newest: &Version, when: &[(Edit, usize)], observed: usize, told: &str) {
    let current = stack.token(HUB, "AWSCURRENT").unwrap();
    for (edit, came) in when {
        let made = match edit {
            Edit::Rotates => "canary-docker-4",
            Edit::GoesBack => "canary-docker-1",
            _ => continue,
        };
        let file_is_news = newest.token != "canary-docker-2";
        if current == made {
            continue;
        }
        // A human may go back just after the file's value became current, too: from that to what was before it.
        let went_back = *edit == Edit::GoesBack && file_is_news && current == "canary-docker-2";
        let was_there_before = *came <= observed && file_is_news && current == newest.token;
        assert!(
            went_back || was_there_before,
            "{made} was buried under {current}: {told}"
        );
        if was_there_before {
            assert_eq!(stack.token(HUB, "AWSPREVIOUS").as_deref(), Some(made), "{told}");
        }
    }
}

/// Whatever call of a rollback a human's good token comes before: it is current in the end.
#[tokio::test]
async fn a_good_rotation_between_any_two_calls_of_a_rollback_stands() {
    for from_the_file in [false, true] {
        for n in 1.. {
            let stack = TestStack::unsearched(ROLLBACK).await;
            stack.upload(&hub("canary-docker-1"));
            invoke(&stack.app, uploaded()).await.unwrap();
            let begun = stack.aws.events().len();
            let invariants = Invariants::of(&stack.aws);
            let function = Watched::new(&stack.aws, "AKIDONE", ROLLBACK).await;
            let event = if from_the_file {
                stack.upload(&hub("canary-wrong"));
                uploaded()
            } else {
                put_current(&stack.aws, HUB, "canary-wrong");
                stack.aws.events().pop().unwrap()
            };
            let observed = Arc::new(Mutex::new(None));
            let came = Arc::clone(&observed);
            stack.aws.clear_calls();
            stack.aws.before("*", "*", n, move |aws| {
                let looked = aws.calls().iter().any(|call| call.operation == "DescribeSecret");
                *came.lock().unwrap() = Some(looked);
                put_current(aws, HUB, "canary-docker-4");
            });
            function.send(event).await;
            let Some(looked) = *observed.lock().unwrap() else {
                assert!(n > 15, "only {n} places were tried");
                break;
            };
            let calls = stack.aws.calls();
            drain(&stack.aws, &[&function], &mut Rng::with_seed(0), begun).await;
            let last = function.send(scheduled()).await;
            // A file that is seen after the rotation speaks, is refused, and the rotation is what is put back.
            let current = stack.token(HUB, "AWSCURRENT");
            let told = format!("before call {n}, {looked}:\n{}\n{last:#}", listed(&calls));
            assert_eq!(current.as_deref(), Some("canary-docker-4"), "{told}");
            assert_eq!(stack.token(HUB, "ROLLING_BACK"), None, "{told}");
            assert_ne!(
                stack.token(HUB, "REJECTED").as_deref(),
                Some("canary-docker-4"),
                "{told}"
            );
            invariants.hold(&stack.aws, &told);
            stack.aws.pull("dockerhub/library/in-the-end:1").unwrap();
        }
    }
}
