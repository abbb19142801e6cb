//! Races, by many seeded schedules: two functions over two versions of the file, and one function beside a person.
//!
//! A seed decides which calls are slow and by how much, and at which call the newer file or the person comes. The clock is
//! stopped, so that a seed is one schedule. Whatever it is, the end is the newest file's, no rotation is lost, and every
//! report is true. A failure prints its seed: `SEED=17 cargo test --test all schedules::` runs that one alone.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecr_pull_through_sync::failure::Failure;
use ecr_pull_through_sync::handler::App;
use ecr_pull_through_sync::plan::Resource;
use ecr_pull_through_sync::report::Change;
use fastrand::Rng;
use futures_util::FutureExt;
use local_aws::{Call, Fault, LocalAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::stack::invariants::Invariants;
use crate::stack::{
    BUCKET, ChangeResult, KEY, Report, State, TestStack, app_as, credential, hub, invoke, is_write, put_current, role,
    scheduled, uploaded, version,
};

const SEEDS: u64 = 40;
const HUB: &str = "ecr-pullthroughcache/dockerhub";
const ROLLBACK: &[(&str, &str)] = &[("ROLLBACK_INVALID_ROTATION", "true")];

/// A token that somebody rotates to.
const ROTATED: &str = "canary-docker-4";

/// Runs a test for every seed, and names the one that failed.
async fn every_seed(test: impl AsyncFn(Rng)) {
    let only = std::env::var("SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        let run = AssertUnwindSafe(Box::pin(test(Rng::with_seed(seed))));
        if let Err(panic) = run.catch_unwind().await {
            eprintln!("the seed was {seed}");
            std::panic::resume_unwind(panic);
        }
    }
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
        let fault = Fault::on("*", rng.choice(SOME).unwrap()).skip(rng.usize(..6));
        let latency = Duration::from_millis(rng.u64(0..=8));
        aws.fault(fault.times(rng.usize(1..4)).latency(latency));
    }
}

/// A version of the file, with everything that two may differ in.
#[derive(Clone, Copy)]
struct Version {
    token: &'static str,
    mutability: &'static str,
    /// The upstream of a second registry, where there is one.
    quay: Option<&'static str>,
}

impl Version {
    fn any(rng: &mut Rng, tokens: &[&'static str]) -> Self {
        Self {
            token: rng.choice(tokens).unwrap(),
            mutability: rng.choice(["IMMUTABLE", "MUTABLE"]).unwrap(),
            quay: rng.choice([Some("quay.io"), Some("public.ecr.aws"), None]).unwrap(),
        }
    }

    fn yaml(self) -> String {
        let mutability = format!(", image_tag_mutability: {}}}", self.mutability);
        let quay = self.quay.map(|host| format!("quay: {{registry: {host}}}\n"));
        format!(
            "{}{}",
            hub(self.token).replace('}', &mutability),
            quay.unwrap_or_default()
        )
    }
}

fn is_good(token: &str) -> bool {
    !token.contains("wrong")
}

/// A function whose access key tells its calls apart.
struct Function<'a> {
    aws: &'a LocalAws,
    app: App,
    key: &'static str,
}

impl<'a> Function<'a> {
    async fn new(aws: &'a LocalAws, key: &'static str, env: &[(&str, &str)]) -> Self {
        role::enforce(aws, key, env);
        let app = Box::pin(app_as(aws, key, env)).await;
        Self { aws, app, key }
    }

    /// Sends an event, again where the run asks for it, as Lambda does. Each report is held against the calls.
    async fn send(&self, event: Value) -> Report {
        for _ in 0..3 {
            let begun = self.aws.calls().len();
            match invoke(&self.app, event.clone()).await {
                Ok(report) => {
                    let mut calls = self.aws.calls().split_off(begun);
                    calls.retain(|call| call.principal == self.key);
                    assert_is_true(&report, &calls);
                    return report;
                }
                Err(Failure::Incomplete { .. }) => {}
                Err(failure) => panic!("{failure}"),
            }
        }
        panic!("three times in a row the run asks to be tried again")
    }
}

/// The report names every resource that was written, and no other.
fn assert_is_true(report: &Report, calls: &[Call]) {
    // What another run has deleted first is deleted, although the call is answered with an error.
    let was_gone = |call: &Call| call.operation.starts_with("Delete") && call.status == 400;
    let written = calls.iter().filter(|call| is_write(call));
    let written: Vec<&Call> = written.filter(|call| call.status == 200 || was_gone(call)).collect();
    for change in &report.changes {
        let is_made = written.iter().any(|call| is_about(change, call));
        let is_true = is_made || change.result != ChangeResult::Applied;
        assert!(is_true, "reported and not made: {change:?}\n{}", listed(calls));
    }
    for call in written {
        // A value that did not become current has changed nothing for anybody, nor has the deletion of what was gone. A
        // label that was put on and taken off again has no line; the registry then says why it is not ready.
        let is_nothing = call.operation == "PutSecretValue" || was_gone(call);
        let is_told = report.changes.iter().any(|change| is_about(change, call));
        let is_explained = || {
            report.registries.iter().any(|(name, registry)| {
                registry.state != State::Ready
                    && registry.message.is_some()
                    && is_named(&format!("ecr-pullthroughcache/{name}"), call)
            })
        };
        let is_true = is_nothing || is_told || is_explained();
        assert!(is_true, "made and not told: {call:?}\n{}\n{report:#?}", listed(calls));
    }
}

/// Whether a call is about the resource of a change.
fn is_about(change: &Change, call: &Call) -> bool {
    let kind = match change.resource {
        Resource::Rule => "Rule",
        Resource::Template => "Template",
        Resource::SecretPolicy => "Policy",
        Resource::Secret => "",
        Resource::Repository => panic!("{change:?}"),
    };
    call.operation.contains(kind) && is_named(&change.id, call)
}

/// A secret is called by its ARN: its name and seven characters more.
fn is_named(id: &str, call: &Call) -> bool {
    let arn = call.subject.rsplit_once('-');
    call.subject == id || arn.is_some_and(|(arn, _)| arn.ends_with(&format!(":{id}")))
}

/// The calls, a line each.
fn listed(calls: &[Call]) -> String {
    let line = |call: &Call| {
        let error = call.error.as_deref().unwrap_or_default();
        let Call {
            n,
            operation,
            subject,
            status,
            principal,
            ..
        } = call;
        format!("{n} {principal} {operation} {subject} {status} {error}\n")
    };
    calls.iter().map(line).collect()
}

/// Hands over the events that labels have raised since a moment, until none is left. They must come to an end.
async fn deliver_events(aws: &LocalAws, functions: &[&Function<'_>], rng: &mut Rng, begun: usize) {
    let mut sent = 0;
    while let Some(event) = aws.events().get(begun + sent).cloned() {
        sent += 1;
        assert!(sent < 100, "the events do not end");
        if event["source"] == "aws.secretsmanager" {
            rng.choice(functions).unwrap().send(event).await;
        }
    }
}

/// The account is the newest file's: nothing is left to plan, its token is `CONFIGURED`, and what serves is proven.
async fn assert_is_the_newest_files(stack: &TestStack, invariants: &Invariants, newest: Version, last: &Report) {
    let told = format!("{}{last:#?}", listed(&stack.aws.calls()));
    let plan = invoke(&stack.app, json!({"action": "plan"})).await.unwrap();
    assert!(plan.changes.is_empty(), "{told}");
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some(newest.token), "{told}");
    for label in ["FILE_PENDING", "ROLLING_BACK"] {
        assert_eq!(stack.token(HUB, label), None, "{label} was left behind: {told}");
    }
    let template = stack.template("dockerhub").unwrap();
    assert_eq!(template["imageTagMutability"], newest.mutability);
    let quay = stack.rule("quay").map(|rule| rule["upstreamRegistryUrl"].clone());
    assert_eq!(quay, newest.quay.map(Value::from), "{told}");
    assert_eq!(stack.template("quay").is_some(), newest.quay.is_some());
    let current = stack.token(HUB, "AWSCURRENT").unwrap();
    assert!(is_good(&current), "{current} serves: {told}");
    invariants.hold(&stack.aws, &told);
    stack.aws.pull("dockerhub/library/in-the-end:1").unwrap();
    let state = if is_good(newest.token) {
        State::Ready
    } else {
        State::Failed
    };
    assert_eq!(last.registries["dockerhub"].state, state, "{told}");
}

#[tokio::test(start_paused = true)]
async fn two_functions_over_two_versions_of_the_file_end_with_the_newest() {
    every_seed(async |mut rng| {
        let env = if rng.bool() { ROLLBACK } else { &[] };
        let stack = TestStack::unsearched(env).await;
        let first = Version {
            token: "canary-docker-1",
            mutability: "MUTABLE",
            quay: Some("quay.io"),
        };
        stack.upload(&first.yaml());
        invoke(&stack.app, uploaded()).await.unwrap();
        let older = Version::any(&mut rng, &["canary-docker-1", "canary-docker-2", "canary-wrong-1"]);
        let newest = match is_good(older.token) {
            true => Version::any(&mut rng, &["canary-docker-1", "canary-docker-3", "canary-wrong-2"]),
            false => Version::any(&mut rng, &["canary-docker-1", "canary-docker-3"]),
        };
        let begun = stack.aws.events().len();
        let invariants = Invariants::of(&stack.aws);
        let one = Function::new(&stack.aws, "AKIDONE", env).await;
        let two = Function::new(&stack.aws, "AKIDTWO", env).await;
        slow_down(&stack.aws, &mut rng);
        stack.aws.clear_calls();
        stack.upload(&older.yaml());
        // The newer file comes at one of the older run's calls, or after its last.
        let (comes, yaml) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Some(newest.yaml()))));
        let (notify, file) = (Arc::clone(&comes), Arc::clone(&yaml));
        stack.aws.before("*", "*", rng.usize(1..40), move |aws| {
            if let Some(yaml) = file.lock().unwrap().take() {
                aws.put_object(BUCKET, KEY, yaml);
                notify.notify_one();
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
        deliver_events(&stack.aws, &[&one, &two], &mut rng, begun).await;
        let last = one.send(scheduled()).await;
        assert_is_the_newest_files(&stack, &invariants, newest, &last).await;
    })
    .await;
}

/// The same over two values of a source. The events alone bring the newest, be it by a run that had an older one in hand.
#[tokio::test(start_paused = true)]
async fn two_functions_over_two_values_of_a_source_end_with_the_newest() {
    const SOURCE: &str = "team/hub";
    every_seed(async |mut rng| {
        let rollback = if rng.bool() { "true" } else { "false" };
        let env = [("SOURCE_SECRET_NAMES", SOURCE), ("ROLLBACK_INVALID_ROTATION", rollback)];
        let stack = TestStack::unsearched(&env).await;
        let tags = json!([{"Key": "ecr-pull-through-sync:upstream", "Value": "registry-1.docker.io"}]);
        stack.make_secret(SOURCE, &credential("canary-docker-1"), tags);
        stack.upload(&format!(
            "dockerhub: {{registry: docker.io, secret_from: {{secret: {SOURCE}}}}}\n"
        ));
        invoke(&stack.app, uploaded()).await.unwrap();
        let older = rng.choice(["canary-docker-2", "canary-wrong-1"]).unwrap();
        let newest = match is_good(older) {
            true => rng.choice(["canary-docker-1", "canary-docker-3", "canary-wrong-2"]),
            false => rng.choice(["canary-docker-1", "canary-docker-3"]),
        };
        let newest = newest.unwrap();
        let invariants = Invariants::of(&stack.aws);
        let one = Function::new(&stack.aws, "AKIDONE", &env).await;
        let two = Function::new(&stack.aws, "AKIDTWO", &env).await;
        slow_down(&stack.aws, &mut rng);
        stack.aws.clear_calls();
        put_current(&stack.aws, SOURCE, older);
        let event = stack.newest_rotation();
        let begun = stack.aws.events().len();
        let (comes, token) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Some(newest))));
        let (notify, next) = (Arc::clone(&comes), Arc::clone(&token));
        stack.aws.before("*", "*", rng.usize(1..40), move |aws| {
            if let Some(token) = next.lock().unwrap().take() {
                put_current(aws, SOURCE, token);
                notify.notify_one();
            }
        });
        let first = async {
            one.send(event.clone()).await;
            if let Some(token) = token.lock().unwrap().take() {
                put_current(&stack.aws, SOURCE, token);
                comes.notify_one();
            }
        };
        let second = async {
            comes.notified().await;
            two.send(event.clone()).await;
        };
        tokio::join!(first, second);
        assert_eq!(
            stack.token(HUB, "CONFIGURED").as_deref(),
            Some(newest),
            "{}",
            listed(&stack.aws.calls())
        );
        deliver_events(&stack.aws, &[&one, &two], &mut rng, begun).await;
        let last = one.send(scheduled()).await;
        let newest = Version {
            token: newest,
            mutability: "MUTABLE",
            quay: None,
        };
        assert_is_the_newest_files(&stack, &invariants, newest, &last).await;
    })
    .await;
}

/// What a person does to the account while a run is at work.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Rotate,
    GoBack,
    TakeConfiguredOff,
    DeleteRule,
    ChangeTemplate,
    DeleteTemplate,
    DeleteSecretPolicy,
    TakeTagOff,
}

impl Edit {
    /// What is not there any more cannot be edited, and no harm is done.
    fn make(self, aws: &LocalAws) {
        let holder = |label: &str| holder(aws, label);
        let (service, operation, input) = match self {
            Self::Rotate => return put_current(aws, HUB, ROTATED),
            Self::GoBack => {
                let (current, previous) = (holder("AWSCURRENT"), holder("AWSPREVIOUS"));
                let versions = json!({"RemoveFromVersionId": current, "MoveToVersionId": previous});
                (
                    "secretsmanager",
                    "UpdateSecretVersionStage",
                    label("AWSCURRENT", versions),
                )
            }
            Self::TakeConfiguredOff => {
                let versions = json!({"RemoveFromVersionId": holder("CONFIGURED")});
                (
                    "secretsmanager",
                    "UpdateSecretVersionStage",
                    label("CONFIGURED", versions),
                )
            }
            Self::DeleteRule => {
                let input = json!({"ecrRepositoryPrefix": "dockerhub"});
                ("ecr", "DeletePullThroughCacheRule", input)
            }
            Self::ChangeTemplate => {
                let input = json!({"prefix": "dockerhub", "imageTagMutability": "MUTABLE", "description": "by hand"});
                ("ecr", "UpdateRepositoryCreationTemplate", input)
            }
            Self::DeleteTemplate => {
                let input = json!({"prefix": "dockerhub"});
                ("ecr", "DeleteRepositoryCreationTemplate", input)
            }
            Self::DeleteSecretPolicy => ("secretsmanager", "DeleteResourcePolicy", json!({"SecretId": HUB})),
            Self::TakeTagOff => {
                let input = json!({"SecretId": HUB, "TagKeys": ["ecr-pull-through-sync:owner"]});
                ("secretsmanager", "UntagResource", input)
            }
        };
        let _ = aws.call(service, operation, input);
    }
}

fn label(label: &str, mut versions: Value) -> Value {
    versions["SecretId"] = json!(HUB);
    versions["VersionStage"] = json!(label);
    versions
}

/// The version that carries a label.
fn holder(aws: &LocalAws, label: &str) -> Option<String> {
    version(aws, HUB, label)
}

/// What a person made current: the version, and whether the function had looked at the secret before.
type MadeCurrent = Arc<Mutex<Option<(String, bool)>>>;

/// Makes an edit, and keeps what it made current.
fn edit(aws: &LocalAws, edit: Edit, made_current: &MadeCurrent) {
    let has_looked = aws.calls().iter().any(|call| call.operation == "DescribeSecret");
    edit.make(aws);
    if let (Edit::Rotate | Edit::GoBack, Some(version)) = (edit, holder(aws, "AWSCURRENT")) {
        *made_current.lock().unwrap() = Some((version, has_looked));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_edits_by_hand_is_repaired_and_no_rotation_is_lost() {
    every_seed(async |mut rng| {
        let env = if rng.bool() { ROLLBACK } else { &[] };
        let stack = TestStack::unsearched(env).await;
        for token in ["canary-docker-1", "canary-docker-2"] {
            stack.upload(&hub(token));
            invoke(&stack.app, uploaded()).await.unwrap();
        }
        let newest = Version {
            mutability: "IMMUTABLE",
            ..Version::any(&mut rng, &["canary-docker-2", "canary-docker-3"])
        };
        let begun = stack.aws.events().len();
        let invariants = Invariants::of(&stack.aws);
        let function = Function::new(&stack.aws, "AKIDONE", env).await;
        slow_down(&stack.aws, &mut rng);
        // One edit of the credential: who rotates twice loses the first rotation by their own hand.
        let of_credential = [Edit::Rotate, Edit::Rotate, Edit::GoBack, Edit::TakeConfiguredOff];
        let of_others = [
            Edit::DeleteRule,
            Edit::ChangeTemplate,
            Edit::DeleteTemplate,
            Edit::DeleteSecretPolicy,
            Edit::TakeTagOff,
        ];
        let mut edits = vec![rng.choice(of_credential).unwrap()];
        edits.extend((0..rng.usize(..4)).map(|_| rng.choice(of_others).unwrap()));
        stack.aws.clear_calls();
        stack.upload(&newest.yaml());
        // Each edit comes at one of the run's calls, or after its last.
        let to_come = Arc::new(Mutex::new(edits.clone()));
        let made_current = MadeCurrent::default();
        for _ in &edits {
            let (to_come, made_current) = (Arc::clone(&to_come), Arc::clone(&made_current));
            stack.aws.before("*", "*", rng.usize(1..30), move |aws| {
                let next = to_come.lock().unwrap().pop();
                next.into_iter().for_each(|next| edit(aws, next, &made_current));
            });
        }
        function.send(uploaded()).await;
        let late = std::mem::take(&mut *to_come.lock().unwrap());
        late.into_iter().for_each(|late| edit(&stack.aws, late, &made_current));
        let told = format!("{edits:?}\n{}", listed(&stack.aws.calls()));
        deliver_events(&stack.aws, &[&function], &mut rng, begun).await;
        let last = function.send(scheduled()).await;
        assert_is_the_newest_files(&stack, &invariants, newest, &last).await;
        // What the person made current stands. Only a new value of the file may follow on what was there when the function
        // first looked.
        if let Some((version, has_looked)) = made_current.lock().unwrap().clone() {
            let (current, previous) = (stack.version(HUB, "AWSCURRENT"), stack.version(HUB, "AWSPREVIOUS"));
            let is_followed = !has_looked
                && newest.token == "canary-docker-3"
                && stack.token(HUB, "AWSCURRENT").as_deref() == Some(newest.token)
                && previous.as_deref() == Some(&version);
            assert!(
                current.as_deref() == Some(&version) || is_followed,
                "{version} is lost: {told}"
            );
        }
    })
    .await;
}

/// Whatever call of a rollback a person's good token comes before: it is current in the end.
#[tokio::test(start_paused = true)]
async fn a_good_rotation_between_any_two_calls_of_a_rollback_stands() {
    for from_the_file in [false, true] {
        for n in 1.. {
            let stack = TestStack::unsearched(ROLLBACK).await;
            stack.upload(&hub("canary-docker-1"));
            invoke(&stack.app, uploaded()).await.unwrap();
            let begun = stack.aws.events().len();
            let invariants = Invariants::of(&stack.aws);
            let function = Function::new(&stack.aws, "AKIDONE", ROLLBACK).await;
            let event = if from_the_file {
                stack.upload(&hub("canary-wrong"));
                uploaded()
            } else {
                put_current(&stack.aws, HUB, "canary-wrong");
                stack.aws.events().pop().unwrap()
            };
            stack.aws.clear_calls();
            stack.aws.before("*", "*", n, |aws| put_current(aws, HUB, ROTATED));
            function.send(event).await;
            let calls = stack.aws.calls();
            if calls.len() < n {
                // Every call of a rollback had its turn: this one went to its end.
                assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
                break;
            }
            deliver_events(&stack.aws, &[&function], &mut Rng::with_seed(0), begun).await;
            let last = function.send(scheduled()).await;
            // A file that is seen after the rotation speaks, is refused, and the rotation is what is put back.
            let told = format!("before call {n}:\n{}\n{last:#?}", listed(&calls));
            assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some(ROTATED), "{told}");
            assert_eq!(stack.token(HUB, "ROLLING_BACK"), None, "{told}");
            assert_ne!(stack.token(HUB, "REJECTED").as_deref(), Some(ROTATED), "{told}");
            invariants.hold(&stack.aws, &told);
            stack.aws.pull("dockerhub/library/in-the-end:1").unwrap();
        }
    }
}
