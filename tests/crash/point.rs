//! A run that dies at a point, what must be so there, and what the next run makes of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use local_aws::{Call, Fault, LocalAws};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Kind, MARK, foreign};
use crate::stack::invariants::Invariants;
use crate::stack::{
    self, BUCKET, ChangeResult, Outcome, ROLE, TestStack, USUAL, invoke, lines, role, scheduled, uploaded,
};
use ecr_pull_through_sync::plan::Action;
use ecr_pull_through_sync::report::Change;

/// Where a run dies.
#[derive(Clone, Debug)]
pub(super) struct Point {
    side: Side,
    service: String,
    operation: String,
    /// The how-manieth call of that operation.
    nth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Before,
    After,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Process,
    Dropped,
}

const PUT_STATUS: [&str; 2] = ["PutObject", "PutObject"];

/// Finds the write calls of a clean run, and dies before and after each.
pub(super) async fn every_crash(kind: Kind, form: Form) {
    let points = Box::pin(points(&kind)).await;
    for point in points {
        // Boxed: the futures of a run are large.
        Box::pin(one_crash(&kind, point, form)).await;
    }
}

/// Loses the answer of each write call once: the SDK repeats it, and the repetition meets its own success. Nobody is to
/// see any of that.
pub(super) async fn every_lost_answer(kind: Kind) {
    let clean = {
        let (stack, event) = arranged(&kind).await;
        lines(&invoke(&stack.app, event).await.unwrap())
    };
    for point in Box::pin(points(&kind)).await {
        if point.side == Side::Before {
            continue;
        }
        let (stack, event) = arranged(&kind).await;
        let before = Picture::of(&stack);
        let lost = Fault::on(point.service.as_str(), point.operation.as_str())
            .skip(point.nth - 1)
            .times(1);
        stack.aws.fault(lost.reset_after());
        let report = Box::pin(invoke(&stack.app, event)).await.unwrap();
        assert_eq!(
            report.outcome,
            if kind.outcome == Outcome::Converged {
                Outcome::Changed
            } else {
                kind.outcome
            },
            "{point:?}: {report:#?}"
        );
        assert_eq!(lines(&report), clean, "{point:?}: {report:#?}");
        is_finished_by_the_next_run(&kind, &stack, &before, &point).await;
    }
}

async fn points(kind: &Kind) -> Vec<Point> {
    let (stack, event) = arranged(kind).await;
    stack.aws.clear_calls();
    let report = invoke(&stack.app, event).await.unwrap();
    let mut writes: Vec<Call> = stack.aws.calls().into_iter().filter(|call| call.write).collect();
    // A new secret's label and policy are put side by side, and either may be first.
    for n in 1..writes.len() {
        if (writes[n - 1].operation.as_str(), writes[n].operation.as_str())
            == ("PutResourcePolicy", "UpdateSecretVersionStage")
        {
            writes.swap(n - 1, n);
        }
    }
    let operations: Vec<&str> = writes.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, [kind.writes, &PUT_STATUS].concat(), "{report:#?}");
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for call in &writes {
        let nth = seen.entry(&call.operation).or_default();
        *nth += 1;
        points.extend([Side::Before, Side::After].map(|side| point(side, &call.service, &call.operation, *nth)));
    }
    points
}

pub(super) fn point(side: Side, service: &str, operation: &str, nth: usize) -> Point {
    Point {
        side,
        service: service.to_owned(),
        operation: operation.to_owned(),
        nth,
    }
}

/// The account as it is before the run, and the event that starts it.
async fn arranged(kind: &Kind) -> (TestStack, Value) {
    let stack = TestStack::unsearched(kind.env).await;
    foreign(&stack.aws);
    for file in &kind.before {
        stack.upload(file);
        let report = invoke(&stack.app, uploaded()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    }
    (kind.then)(&stack.aws);
    let event = match &kind.file {
        Some(file) => {
            stack.upload(file);
            uploaded()
        }
        None => {
            let events = stack.aws.events();
            events
                .into_iter()
                .rev()
                .find(|event| event["detail"]["labelUpdated"] == "AWSCURRENT")
                .unwrap()
        }
    };
    (stack, event)
}

pub(super) async fn one_crash(kind: &Kind, point: Point, form: Form) {
    let (stack, event) = arranged(kind).await;
    let before = Picture::of(&stack);
    stack.aws.clear_calls();
    match form {
        Form::Process => crash_the_process(kind, &stack, event, &point).await,
        Form::Dropped => drop_the_run(&stack, event, &point).await,
    }
    is_still(&stack.aws, &point).await;
    is_safe(kind, &stack, &before, &point);
    is_finished_by_the_next_run(kind, &stack, &before, &point).await;
}

/// Kills the compiled function at the point.
async fn crash_the_process(kind: &Kind, stack: &TestStack, event: Value, point: &Point) {
    let settings = [
        ("CONFIG_BUCKET", BUCKET),
        ("OWNER", "stack"),
        ("TEMPLATE_ROLE_ARN", ROLE),
        ("LOG_LEVEL", "TRACE"),
    ];
    let env: Vec<(&str, &str)> = settings
        .into_iter()
        .chain(USUAL)
        .chain(kind.env.iter().copied())
        .collect();
    let lambda = stack.aws.lambda();
    let bootstrap = Path::new(env!("CARGO_BIN_EXE_ecr-pull-through-sync"));
    let function = Arc::new(lambda.spawn(bootstrap, &env).unwrap());
    role::enforce(&stack.aws, function.principal(), kind.env);
    let victim = Arc::clone(&function);
    at(&stack.aws, point, move || victim.kill());
    let died = lambda
        .invoke(event, Duration::from_secs(120))
        .await
        .result
        .expect_err("the point is reached");
    assert_eq!(died["errorType"], "Runtime.ExitError", "{point:?}: {died}");
    assert!(!function.output().contains("canary"), "a token in the log");
}

/// Drops the run's future at the point.
async fn drop_the_run(stack: &TestStack, event: Value, point: &Point) {
    let (kill, killed) = oneshot::channel();
    let (gone, is_gone) = mpsc::channel();
    at(&stack.aws, point, move || {
        kill.send(()).unwrap();
        is_gone.recv().unwrap();
    });
    tokio::select! {
        report = invoke(&stack.app, event) => panic!("{point:?} was not reached: {report:?}"),
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
    let of_point = |calls: Vec<Call>| {
        calls
            .into_iter()
            .filter(|call| call.operation == point.operation)
            .nth(point.nth - 1)
    };
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
    invariants: Invariants,
}

impl Picture {
    fn of(stack: &TestStack) -> Self {
        let aws = &stack.aws;
        let list = |service: &str, operation: &str, list: &str, name: &str| -> BTreeMap<String, Value> {
            let answer = aws.call(service, operation, json!({})).unwrap();
            let named = answer[list].as_array().unwrap().iter();
            named
                .map(|one| (one[name].as_str().unwrap().to_owned(), one.clone()))
                .collect()
        };
        let rules = list(
            "ecr",
            "DescribePullThroughCacheRules",
            "pullThroughCacheRules",
            "ecrRepositoryPrefix",
        );
        let templates = list(
            "ecr",
            "DescribeRepositoryCreationTemplates",
            "repositoryCreationTemplates",
            "prefix",
        );
        let mut secrets = list("secretsmanager", "ListSecrets", "SecretList", "Name");
        secrets.retain(|_, secret| secret["DeletedDate"].is_null());
        let theirs = |name: &str| {
            let id = json!({"SecretId": format!("ecr-pullthroughcache/{name}")});
            let ask = |operation: &str| aws.call("secretsmanager", operation, id.clone()).unwrap();
            let mut described = ask("DescribeSecret");
            // Reading is no harm.
            described.as_object_mut().unwrap().remove("LastAccessedDate");
            json!([
                rules.get(name),
                templates.get(name),
                described,
                ask("GetSecretValue"),
                ask("GetResourcePolicy")
            ])
        };
        let foreign = json!([theirs("by-hand"), theirs("others")]).to_string();
        Self {
            rules,
            templates,
            secrets,
            foreign,
            invariants: Invariants::of(aws),
        }
    }

    fn is_marked(&self, registry: &str) -> bool {
        let template = self.templates.get(registry);
        template.is_some_and(|template| template["description"].as_str().unwrap_or_default().ends_with(MARK))
    }

    /// Secrets that carry our tag.
    fn own_secrets(&self) -> impl Iterator<Item = (&String, &Value)> {
        let tag = json!({"Key": "ecr-pull-through-sync:owner", "Value": "stack"});
        self.secrets
            .iter()
            .filter(move |(_, secret)| secret["Tags"].as_array().is_some_and(|tags| tags.contains(&tag)))
    }
}

/// What holds at every crash point.
fn is_safe(kind: &Kind, stack: &TestStack, before: &Picture, point: &Point) {
    let now = Picture::of(stack);
    for rule in now.rules.values().filter(|rule| rule["credentialArn"].is_string()) {
        let there = now
            .secrets
            .values()
            .any(|secret| secret["ARN"] == rule["credentialArn"]);
        assert!(there, "{point:?}: a rule points to a secret that is gone: {rule}");
    }
    for (prefix, rule) in &now.rules {
        let made_by_us = before.rules.get(prefix) != Some(rule) || before.is_marked(prefix);
        assert!(
            !made_by_us || now.is_marked(prefix),
            "{point:?}: a rule of ours without a mark: {rule}"
        );
    }
    for name in before.secrets.keys().chain(now.secrets.keys()) {
        let own = |picture: &Picture| picture.own_secrets().any(|(own, _)| own == name);
        let (was_there, is_there) = (before.secrets.contains_key(name), now.secrets.contains_key(name));
        let made_or_own = is_there && (!was_there || own(before));
        assert!(!made_or_own || own(&now), "{point:?}: nobody would find {name} again");
    }
    for registry in before.templates.keys().filter(|registry| before.is_marked(registry)) {
        // A secret that another rule uses by now went along with a new name.
        let is_used = |secret: &Value| now.rules.values().any(|rule| rule["credentialArn"] == secret["ARN"]);
        let is_its = |name: &str| name == format!("ecr-pullthroughcache/{registry}");
        let left = now.rules.contains_key(registry)
            || now.own_secrets().any(|(name, secret)| is_its(name) && !is_used(secret));
        assert!(
            !left || now.is_marked(registry),
            "{point:?}: the mark of {registry} went first"
        );
    }
    assert_eq!(now.foreign, before.foreign, "{point:?}");
    for prefix in kind.served {
        let pulled = stack.aws.pull(&format!("{prefix}/library/at-the-crash:1"));
        assert!(pulled.is_ok(), "{point:?}: {pulled:?}");
    }
}

/// What a clean function makes of it.
async fn is_finished_by_the_next_run(kind: &Kind, stack: &TestStack, before: &Picture, point: &Point) {
    let function = Box::pin(stack::app(&stack.aws, kind.env)).await;
    let next = invoke(&function, scheduled()).await.unwrap();
    let finished =
        next.outcome == kind.outcome || (kind.outcome == Outcome::Converged && next.outcome == Outcome::Changed);
    assert!(finished, "{point:?}: {next:#?}");
    stack.aws.clear_calls();
    let second = invoke(&function, scheduled()).await.unwrap();
    assert_eq!(second.outcome, kind.outcome, "{point:?}: {second:#?}");
    assert_eq!(stack.writes(), Vec::<String>::new(), "{point:?}: {second:#?}");
    let plan = invoke(&function, json!({"action": "plan"})).await.unwrap();
    // What waits for somebody's word is shown, and what left and waits for a proof, which a plan does not ask for.
    let changes = plan.changes;
    let waits = |change: &Change| change.result == ChangeResult::Held || change.action == Action::Delete;
    assert!(
        changes.is_empty() || kind.outcome == Outcome::Partial && changes.iter().all(waits),
        "{point:?}: {changes:?}"
    );
    if let Some((secret, token)) = kind.current {
        assert_eq!(stack.token(secret, "AWSCURRENT").as_deref(), Some(token), "{point:?}");
        for label in ["FILE_PENDING", "ROLLING_BACK"] {
            assert_eq!(stack.token(secret, label), None, "{point:?}: {label} was left behind");
        }
    }
    for prefix in kind.pulls {
        let pulled = stack.aws.pull(&format!("{prefix}/library/in-the-end:1"));
        assert!(pulled.is_ok(), "{point:?}: {pulled:?}");
    }
    before.invariants.hold(&stack.aws, &format!("{point:?}"));
    let after = Picture::of(stack);
    let used = |secret: &Value| after.rules.values().any(|rule| rule["credentialArn"] == secret["ARN"]);
    for (name, secret) in after.own_secrets() {
        let registry = name.strip_prefix("ecr-pullthroughcache/").unwrap();
        let waits = kind.outcome == Outcome::Partial && after.is_marked(registry);
        assert!(used(secret) || waits, "{point:?}: {name} is an orphan");
    }
    assert_eq!(after.foreign, before.foreign, "{point:?}");
}
