//! What wakes the function: the rules, the queue and the schedule of `template.yaml`, against every sample of `events/`
//! and what is nearly one. DESIGN, section 2.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::pattern::Pattern;
use ecr_pull_through_sync::trigger::{Job, Kind, Mode, Place, Trigger, Unplaceable, classify};
use local_aws::Options;
use local_aws::iam::Stack;
use serde_json::{Value, json};

use crate::support::{self, BUCKET, Bench, KEY, LEGACY, hub};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/dockerhub";

/// A stack, and where it is.
struct Deployed {
    stack: Stack,
    at: Options,
    rules: BTreeMap<&'static str, Pattern>,
}

const RULES: [&str; 4] = ["Upload", "SecretLabel", "SecretRotation", "SecretCall"];

impl Deployed {
    fn new(at: Options, parameters: &[(&str, &str)]) -> Self {
        let template = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
        let stack = Stack::read(&template, &at).unwrap().physical("ConfigBucket", BUCKET);
        let stack = parameters.iter().fold(stack, |stack, (name, value)| stack.parameter(name, value));
        let rule = |name| Pattern::read(&pattern_of(&stack, name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        Self { rules: RULES.map(|name| (name, rule(name))).into(), stack, at }
    }

    /// With the bucket it makes, in the account of the samples.
    fn plain() -> Self {
        Self::new(Options::default(), &[])
    }

    /// The rules that an event passes.
    fn woken_by(&self, event: &Value) -> Vec<&'static str> {
        RULES.into_iter().filter(|name| self.rules[name].matches(event)).collect()
    }

    fn classify(&self, event: &Value) -> Result<Trigger, Unplaceable> {
        let Options { account, region, partition, .. } = &self.at;
        let place =
            Place { bucket: BUCKET, key: KEY, status_prefix: "status/", work_queue: "", account, region, partition };
        classify(event, &place)
    }
}

fn pattern_of(stack: &Stack, rule: &str) -> Value {
    let path = ["Resources", "SyncFunction", "Properties", "Events", rule, "Properties", "Pattern"];
    stack.value(&path).unwrap_or_else(|why| panic!("{rule}: {why}"))
}

fn sample(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{file}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every sample that is an EventBridge event by itself.
fn samples() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("events")).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let events = names.map(|name| (name.clone(), sample(&name)));
    events.filter(|(_, event)| event.get("detail-type").is_some()).collect()
}

/// A sample with some fields changed, by their JSON pointers. A field that is null is there, and null.
fn changed<const N: usize>(file: &str, changes: [(&str, Value); N]) -> Value {
    let mut event = sample(file);
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap_or_else(|| panic!("{file} has no {parent}"))[field] = value;
    }
    event
}

/// A sample without a field.
fn without(file: &str, parent: &str, field: &str) -> Value {
    let mut event = sample(file);
    event.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    event
}

const UPLOAD: &str = "s3-object-created-eventbridge";
const LABEL: &str = "secret-label-updated";
const ROTATION: &str = "secret-rotation-succeeded";
const CALL: &str = "secret-put-value-by-arn";

/// What is the same event as a sample in all that matters, and the rule that must let it through.
fn variations() -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for reason in ["PutObject", "POST Object", "CopyObject", "CompleteMultipartUpload"] {
        all.push(("Upload", changed(UPLOAD, [("/detail/reason", json!(reason))])));
    }
    all.push(("Upload", without(UPLOAD, "/detail/object", "version-id")));
    all.push(("SecretLabel", without(LABEL, "/detail", "versionId")));
    // CloudTrail names a secret by name, by ARN or by ARN without its suffix, and leaves what it has not got out or null.
    let full = format!("{ARN}-a1B2c3");
    for id in [HUB, ARN, full.as_str()] {
        for name in ["RotationSucceeded", "RotationFailed"] {
            let name = ("/detail/eventName", json!(name));
            for place in ["additionalEventData", "serviceEventDetails"] {
                let nothing = ("/detail/additionalEventData", Value::Null);
                let named = (&*format!("/detail/{place}"), json!({"secretId": id}));
                all.push(("SecretRotation", changed(ROTATION, [name.clone(), nothing, named])));
            }
            let named = ("/detail/additionalEventData", json!({"SecretId": id}));
            all.push(("SecretRotation", changed(ROTATION, [name, named])));
        }
        for call in ["PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage", "RestoreSecret"] {
            let asked = ("/detail/requestParameters", json!({"secretId": id}));
            let call = ("/detail/eventName", json!(call));
            all.push(("SecretCall", changed(CALL, [call.clone(), asked.clone()])));
            all.push(("SecretCall", changed(CALL, [call, asked, ("/detail/responseElements", Value::Null)])));
        }
    }
    for spelling in ["arn", "aRN", "ARN"] {
        let answered = ("/detail/responseElements", json!({spelling: full, "name": HUB}));
        all.push(("SecretCall", changed(CALL, [("/detail/requestParameters", Value::Null), answered])));
    }
    all
}

/// What is one field away from an event of ours, and none.
fn near_misses() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut miss = |file: &str, pointer: &str, value: Value| {
        all.push((format!("{file} with {value} as {pointer}"), changed(file, [(pointer, value)])));
    };
    for bucket in ["my-registrie", "my-registries-2", "MY-REGISTRIES", ""] {
        miss(UPLOAD, "/detail/bucket/name", json!(bucket));
    }
    for key in [
        "registries.yam",
        "registries.yaml2",
        "Registries.yaml",
        "registries%2Eyaml",
        "/registries.yaml",
        "old/registries.yaml",
        "registries.yaml/",
        "registries.yaml.json",
        "status/registries.yaml.json",
        "status/registries.yaml.md",
        "status/",
        "",
    ] {
        miss(UPLOAD, "/detail/object/key", json!(key));
    }
    for kind in
        ["Object Deleted", "Object Tags Added", "Object ACL Updated", "Object Restore Completed", "object created"]
    {
        miss(UPLOAD, "/detail-type", json!(kind));
    }
    for label in ["CONFIGURED", "FILE_PENDING", "REJECTED", "ROLLING_BACK", "AWSPREVIOUS", "AWSCURRENT2", "awscurrent"]
    {
        miss(LABEL, "/detail/labelUpdated", json!(label));
    }
    let foreign = ["prod/database", "ecr-pullthroughcache", "ecr-pullthroughcache2/hub", "x/ecr-pullthroughcache/hub"];
    let elsewhere = [
        ARN.replace("eu-west-1", "us-east-1"),
        ARN.replace("123456789012", "210987654321"),
        ARN.replace("arn:aws:", "arn:aws-cn:"),
    ];
    for name in foreign {
        let arn = ARN.replace(HUB, name);
        for id in [name, arn.as_str()] {
            miss(ROTATION, "/detail/additionalEventData/SecretId", json!(id));
            miss("secret-put-value-by-partial-arn", "/detail/requestParameters/secretId", json!(id));
        }
    }
    for arn in elsewhere {
        miss(ROTATION, "/detail/additionalEventData/SecretId", json!(arn));
        miss("secret-put-value-by-partial-arn", "/detail/requestParameters/secretId", json!(arn));
    }
    for file in [UPLOAD, LABEL, ROTATION, CALL] {
        miss(file, "/source", json!("my.test"));
        miss(file, "/detail-type", json!("Something Else"));
        miss(file, "/detail", json!({}));
    }
    miss(LABEL, "/detail-type", json!("Secret Label Removed"));
    for name in ["RotationStarted", "RotationAbandoned", "TestRotationSucceeded", "EndSecretVersionDelete"] {
        miss(ROTATION, "/detail/eventName", json!(name));
    }
    miss(ROTATION, "/detail/additionalEventData", Value::Null);
    for name in ["CreateSecret", "DeleteSecret", "GetSecretValue", "TagResource", "PutResourcePolicy", "RotateSecret"] {
        miss(CALL, "/detail/eventName", json!(name));
    }
    miss(CALL, "/detail/errorCode", json!("AccessDenied"));
    // What an event says twice is changed in both places.
    for file in [LABEL, ROTATION, CALL] {
        let changes = [("123456789012", "210987654321"), ("eu-west-1", "us-east-1")];
        for (from, to) in changes.into_iter().chain(foreign.map(|name| (HUB, name))) {
            let text = sample(file).to_string().replace(from, to);
            all.push((format!("{file} with {to} for {from}"), serde_json::from_str(&text).unwrap()));
        }
    }
    all
}

/// What wakes the function though it can tell at once that there is nothing to do. A rule that looked at the labels would
/// miss a call in which CloudTrail writes them as null.
const WOKEN_IN_VAIN: [&str; 2] = ["secret-put-value-pending", "secret-update-version-stage-other-label"];

/// What no rule lets through though the function would take it.
const COMES_ANOTHER_WAY: [(&str, &str); 2] = [
    ("schedule-scheduler", "Scheduler calls the function itself"),
    ("schedule-rule", "the stack has a Scheduler schedule instead; a rule is for those who add one"),
];

#[test]
fn what_a_rule_lets_through_the_handler_knows_what_to_do_with() {
    let stack = Deployed::plain();
    let varied = variations().into_iter().map(|(rule, event)| (format!("{rule}: {event}"), event));
    for (name, event) in samples().into_iter().chain(varied).chain(near_misses()) {
        let rules = stack.woken_by(&event);
        assert!(rules.len() <= 1, "{name} would come twice: {rules:?}");
        if rules.is_empty() {
            continue;
        }
        match stack.classify(&event).unwrap_or_else(|why| panic!("{name}: {why}")).job {
            Job::Run { mode: Mode::Apply, max_deletions: None, plan_checksum: None } | Job::Secret(_) => {}
            Job::Ignore(reason) => {
                assert!(WOKEN_IN_VAIN.contains(&name.as_str()), "{name} wakes the function: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in WOKEN_IN_VAIN {
        assert_eq!(stack.woken_by(&sample(name)), ["SecretCall"], "{name} is no exception");
    }
}

#[test]
fn no_event_of_ours_is_missed() {
    let stack = Deployed::plain();
    let mut missed = BTreeSet::new();
    for (name, event) in samples() {
        let ours =
            matches!(stack.classify(&event), Ok(Trigger { job: Job::Run { .. } | Job::Secret(_) | Job::Work(_), .. }));
        if ours && stack.woken_by(&event).is_empty() {
            missed.insert(name);
        }
    }
    assert_eq!(missed, COMES_ANOTHER_WAY.map(|(name, _)| name.to_owned()).into());
    for (rule, event) in variations() {
        assert_eq!(stack.woken_by(&event), [rule], "{event:#}");
        let job = stack.classify(&event).unwrap().job;
        assert!(matches!(job, Job::Run { .. } | Job::Secret(_)), "{job:?} for {event:#}");
    }
}

#[test]
fn nothing_else_wakes_the_function() {
    let stack = Deployed::plain();
    for (name, event) in near_misses() {
        assert_eq!(stack.woken_by(&event), Vec::<&str>::new(), "{name}");
        // Nor would it do anything about it, were it sent by hand.
        let job = stack.classify(&event).map(|trigger| trigger.job);
        assert!(matches!(job, Ok(Job::Ignore(_)) | Err(_)), "{name}: {job:?}");
    }
    for name in [
        "s3-object-created-eventbridge-other-bucket",
        "s3-object-created-eventbridge-other-key",
        "s3-object-created-eventbridge-percent-in-key",
        "s3-object-created-eventbridge-status-object",
        "s3-object-deleted-eventbridge",
        "s3-object-tags-added-eventbridge",
        "secret-label-updated-other-label",
        "secret-label-updated-other-secret",
        "secret-label-updated-other-account",
        "secret-label-updated-other-region",
        "secret-rotation-started",
        "secret-rotation-succeeded-other-secret",
        "secret-put-value-other-secret",
        "secret-api-call-failed",
        "secret-api-call-other",
        "secret-delete",
        "eventbridge-other-service",
    ] {
        assert_eq!(stack.woken_by(&sample(name)), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn an_own_bucket_and_another_partition_are_the_same_to_the_rules() {
    let china = Options { region: "cn-north-1".into(), partition: "aws-cn".into(), ..Options::default() };
    let existing = [("ExistingConfigBucket", BUCKET)];
    for stack in [Deployed::new(Options::default(), &existing), Deployed::new(china, &[])] {
        let moved = |event: &Value| {
            let text = event.to_string().replace("arn:aws:", &format!("arn:{}:", stack.at.partition));
            let event: Value = serde_json::from_str(&text.replace("eu-west-1", &stack.at.region)).unwrap();
            event
        };
        for (rule, event) in variations() {
            let event = moved(&event);
            assert_eq!(stack.woken_by(&event), [rule], "{event:#}");
            assert!(stack.classify(&event).is_ok_and(|trigger| !matches!(trigger.job, Job::Ignore(_))));
        }
        // Names of other partitions would be moved home.
        for (name, event) in near_misses().into_iter().filter(|(name, _)| !name.contains("aws-cn")) {
            assert_eq!(stack.woken_by(&moved(&event)), Vec::<&str>::new(), "{name}");
        }
    }
    let other = Deployed::new(Options::default(), &[("ExistingConfigBucket", "mine")]);
    assert_eq!(other.woken_by(&sample(UPLOAD)), Vec::<&str>::new());
    let theirs = changed(UPLOAD, [("/detail/bucket/name", json!("mine"))]);
    assert_eq!(other.woken_by(&theirs), ["Upload"]);
}

#[test]
fn a_status_object_never_wakes_the_function_whatever_its_prefix() {
    for key in ["registries.yaml", "status/registries.yaml", "registries.yaml.json", "a.md", "a+b/(c)!.yaml"] {
        for prefix in ["", "status/", "registries.yaml", "a"] {
            let stack = Deployed::new(Options::default(), &[("ConfigKey", key), ("StatusPrefix", prefix)]);
            let object = |key: &str| changed(UPLOAD, [("/detail/object/key", json!(key))]);
            assert_eq!(stack.woken_by(&object(key)), ["Upload"]);
            for end in ["json", "md"] {
                assert!(stack.woken_by(&object(&format!("{prefix}{key}.{end}"))).is_empty(), "{prefix} {key} {end}");
            }
        }
    }
}

#[test]
fn the_function_has_no_other_event_sources_and_gets_events_whole() {
    let stack = Deployed::plain().stack;
    let events = stack.value(&["Resources", "SyncFunction", "Properties", "Events"]).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut names: Vec<&str> = RULES.to_vec();
    names.push("Work");
    names.sort_unstable();
    assert_eq!(keys(&events), names);
    for rule in RULES {
        assert_eq!(events[rule]["Type"], "EventBridgeRule");
        // With an Input or InputPath the handler would not see the event.
        assert_eq!(keys(&events[rule]["Properties"]), ["DeadLetterConfig", "Pattern"], "{rule}");
        // EventBridge's quota for a pattern.
        let size = events[rule]["Properties"]["Pattern"].to_string().len();
        assert!(size < 2048, "{rule}: {size} characters");
    }
}

#[test]
fn every_message_of_the_work_queue_and_of_no_other_comes_one_by_one() {
    let stack = Deployed::plain();
    let work = stack.stack.value(&["Resources", "SyncFunction", "Properties", "Events", "Work"]).unwrap();
    assert_eq!(work["Type"], "SQS");
    let properties = &work["Properties"];
    assert_eq!(properties["BatchSize"], 1);
    assert_eq!(properties["FilterCriteria"], Value::Null, "a filter deletes what it does not let through");
    let at = "arn:aws:sqs:eu-west-1:123456789012:stack-WorkQueue";
    assert_eq!(properties["Queue"], at);
    // The one that the function sends to.
    let variable = ["Resources", "SyncFunction", "Properties", "Environment", "Variables", "WORK_QUEUE_URL"];
    let url = stack.stack.value(&variable).unwrap();
    assert!(url.as_str().unwrap().ends_with("/123456789012/stack-WorkQueue"), "{url}");
    let portion = json!({"work": {"id": "r", "part": 0, "registry": "hub", "repositories": ["hub/a"]}});
    for (body, is_portion) in [(portion, true), (json!({"work": {}}), false)] {
        let mut message = sample("work-message");
        message["Records"][0]["eventSourceARN"] = json!(at);
        message["Records"][0]["body"] = json!(body.to_string());
        let Trigger { kind, job, .. } = stack.classify(&message).unwrap();
        assert_eq!((kind, matches!(job, Job::Work(_))), (Kind::Work, is_portion));
    }
}

#[test]
fn what_scheduler_sends_is_a_schedule() {
    let stack = Deployed::plain();
    let input = stack.stack.value(&["Resources", "RepairSchedule", "Properties", "Target", "Input"]).unwrap();
    let input = input.as_str().unwrap();
    // With the words that Scheduler puts in, and as it stands.
    let filled = input
        .replace("<aws.scheduler.execution-id>", "d16d8a13-d670-53df-863a-c28610735d5b")
        .replace("<aws.scheduler.scheduled-time>", "2026-11-20T10:11:12Z")
        .replace(
            "<aws.scheduler.schedule-arn>",
            "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/repair-drift",
        );
    assert!(!filled.contains('<'), "a word that Scheduler does not know: {filled}");
    assert_eq!(serde_json::from_str::<Value>(&filled).unwrap(), sample("schedule-scheduler"));
    for text in [input, &filled] {
        let trigger = stack.classify(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!((trigger.kind, trigger.source.as_str()), (Kind::Schedule, "eventbridge:aws.scheduler"));
        assert_eq!(trigger.job, Job::Run { mode: Mode::Apply, max_deletions: None, plan_checksum: None });
    }
}

// --- The function behind its rules -------------------------------------------------------------------------------------

/// An account whose events come to the function by the stack's rules.
struct Loop {
    bench: Bench,
    stack: Deployed,
    /// How many of the account's events have been looked at.
    seen: usize,
    /// Whether a trail logs: then each write of the function to a secret comes back once more, and late.
    trail: bool,
}

/// What one invocation was called with and ended as.
type Invocation = (&'static str, String);

impl Loop {
    async fn new(trail: bool, env: &[(&str, &str)]) -> Self {
        let bench = Bench::with(Options::default(), env).await;
        Self { bench, stack: Deployed::plain(), seen: 0, trail }
    }

    /// Sends what has happened through the rules, and what that makes happen, until it is quiet.
    async fn until_quiet(&mut self) -> Vec<Invocation> {
        let mut invocations = Vec::new();
        let mut late = Vec::new();
        self.bench.aws.clear_calls();
        loop {
            let mut waiting = self.bench.aws.events().split_off(self.seen);
            self.seen += waiting.len();
            if waiting.is_empty() {
                waiting = std::mem::take(&mut late);
            }
            if waiting.is_empty() {
                return invocations;
            }
            for event in waiting {
                for rule in self.stack.woken_by(&event) {
                    let report = Box::pin(self.bench.send(event.clone())).await.unwrap();
                    invocations.push((rule, report["outcome"].as_str().unwrap().to_owned()));
                    assert!(invocations.len() < 50, "the events do not end: {invocations:?}");
                }
                if self.trail {
                    late.extend(self.own_calls());
                }
            }
        }
    }

    /// What CloudTrail tells of the function's writes since the last look. It tells nothing of their labels here, so that
    /// each may have moved `AWSCURRENT`.
    fn own_calls(&self) -> Vec<Value> {
        let calls = self.bench.aws.calls();
        self.bench.aws.clear_calls();
        let writes = calls.into_iter().filter(|call| call.write && call.service == "secretsmanager");
        let told = writes.map(|call| {
            let asked = ("/detail/requestParameters", json!({"secretId": call.subject}));
            let name = ("/detail/eventName", json!(call.operation));
            changed(CALL, [name, asked, ("/detail/responseElements", Value::Null)])
        });
        told.collect()
    }
}

fn count(invocations: &[Invocation], rule: &str, outcome: &str) -> usize {
    invocations.iter().filter(|(by, ended)| *by == rule && ended == outcome).count()
}

#[tokio::test]
async fn after_a_first_apply_it_is_quiet_when_each_own_write_has_been_looked_at_once() {
    let mut around = Loop::new(false, &[]).await;
    around.bench.upload(LEGACY);
    let invocations = around.until_quiet().await;
    let word = |rule, outcome: &str| (rule, outcome.to_owned());
    let ignored = word("SecretLabel", "ignored");
    assert_eq!(invocations, [word("Upload", "changed"), ignored.clone(), ignored]);
    // The events of the status objects and of CONFIGURED were there, and woke nobody.
    let events = around.bench.aws.events();
    let told_of =
        |field: &str, value: &str| events.iter().any(|event| *event.pointer(field).unwrap_or(&Value::Null) == value);
    assert!(told_of("/detail/object/key", support::STATUS) && told_of("/detail/labelUpdated", "CONFIGURED"));
}

#[tokio::test]
async fn a_trail_brings_own_writes_back_once_more_and_then_it_is_quiet_too() {
    let mut around = Loop::new(true, &[]).await;
    around.bench.upload(LEGACY);
    let invocations = around.until_quiet().await;
    assert_eq!((count(&invocations, "Upload", "changed"), count(&invocations, "SecretLabel", "ignored")), (1, 2));
    // One call for each value; that a secret is made, or gets a policy, matches no rule.
    assert_eq!(count(&invocations, "SecretCall", "ignored"), 2, "{invocations:?}");
    assert_eq!(invocations.len(), 5, "{invocations:?}");
}

#[tokio::test]
async fn after_a_new_value_in_the_file_it_is_quiet_after_one_look() {
    for trail in [false, true] {
        let mut around = Loop::new(trail, &[]).await;
        around.bench.upload(&hub("canary-docker-1"));
        around.until_quiet().await;
        around.bench.upload(&hub("canary-docker-2"));
        let invocations = around.until_quiet().await;
        assert_eq!(count(&invocations, "Upload", "changed"), 1, "{invocations:?}");
        assert_eq!(count(&invocations, "SecretLabel", "ignored"), 1, "{invocations:?}");
        // The value, and each label that was put on or taken off.
        let told = count(&invocations, "SecretCall", "ignored");
        assert_eq!((told, invocations.len()), if trail { (4, 6) } else { (0, 2) }, "{invocations:?}");
        assert_eq!(around.bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
    }
}

#[tokio::test]
async fn a_rotation_wakes_the_function_once_and_our_rollback_of_it_once_more() {
    let mut around = Loop::new(false, &[("ROLLBACK_INVALID_ROTATION", "true")]).await;
    around.bench.upload(&hub("canary-docker-1"));
    around.until_quiet().await;
    around.bench.rotate(HUB, "canary-docker-2");
    assert_eq!(around.until_quiet().await, [("SecretLabel", "converged".to_owned())]);
    // Back to a version that is not the file's: a run, which finds nothing to do.
    around.bench.rotate(HUB, "canary-wrong");
    let invocations = around.until_quiet().await;
    assert_eq!(invocations, [("SecretLabel", "changed".to_owned()), ("SecretLabel", "converged".to_owned())]);
    assert_eq!(around.bench.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
}

#[tokio::test]
async fn a_rollback_to_the_files_own_version_is_known_by_one_look() {
    for trail in [false, true] {
        let mut around = Loop::new(trail, &[("ROLLBACK_INVALID_ROTATION", "true")]).await;
        around.bench.upload(&hub("canary-docker-1"));
        around.until_quiet().await;
        around.bench.rotate(HUB, "canary-wrong");
        let invocations = around.until_quiet().await;
        assert_eq!(count(&invocations, "SecretLabel", "changed"), 1, "{invocations:?}");
        assert_eq!(count(&invocations, "SecretLabel", "ignored"), 1, "{invocations:?}");
        let told = count(&invocations, "SecretCall", "ignored");
        assert_eq!((told, invocations.len()), if trail { (4, 6) } else { (0, 2) }, "{invocations:?}");
    }
}

#[tokio::test]
async fn a_rollback_that_finds_no_better_version_and_is_undone_ends_too() {
    let mut around = Loop::new(false, &[("ROLLBACK_INVALID_ROTATION", "true")]).await;
    around.bench.upload(&hub("canary-docker-1"));
    around.until_quiet().await;
    around.bench.aws.refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    around.bench.rotate(HUB, "canary-wrong");
    let invocations = around.until_quiet().await;
    // The rotation, the move back and the move forth again, which tells of a refused version.
    assert_eq!(invocations.len(), 3, "{invocations:?}");
    assert_eq!(count(&invocations, "SecretLabel", "changed"), 0, "{invocations:?}");
}

// --- The matcher -------------------------------------------------------------------------------------------------------

/// The user guide's examples, and what it says beside them.
#[test]
fn the_matcher_matches_as_eventbridge_does() {
    let event = json!({
        "source": "aws.s3", "account": "123456789012", "resources": ["arn:a", "arn:b"], "none": null, "number": 300,
        "detail": {"state": "running", "inner": {"x": "1"}, "list": [{"k": "1", "v": "2"}, {"k": "3"}], "empty": ""},
    });
    for (pattern, expected) in [
        (json!({"source": ["aws.s3"]}), true),
        (json!({"source": ["aws.ec2", "aws.s3"]}), true),
        (json!({"source": ["aws.S3"]}), false),
        (json!({"source": ["aws.s3"], "account": ["1"]}), false),
        (json!({"resources": ["arn:b"]}), true),
        (json!({"resources": [{"prefix": "arn:"}]}), true),
        (json!({"detail": {"state": [{"prefix": "run"}]}}), true),
        (json!({"detail": {"state": [{"prefix": "unn"}]}}), false),
        (json!({"detail": {"empty": [""]}}), true),
        (json!({"number": ["300"]}), false),
        (json!({"number": [{"prefix": "3"}]}), false),
        // Only leaves exist, and null is one.
        (json!({"none": [{"exists": true}]}), true),
        (json!({"none": [{"exists": false}]}), false),
        (json!({"none": [{"prefix": ""}]}), false),
        (json!({"detail": {"inner": [{"exists": true}]}}), false),
        (json!({"detail": {"inner": [{"exists": false}]}}), true),
        (json!({"detail": {"gone": {"deeper": [{"exists": false}]}}}), true),
        (json!({"none": {"deeper": [{"exists": false}]}}), true),
        (json!({"none": {"deeper": ["x"]}}), false),
        // What is asked of one object of a list is asked of the same.
        (json!({"detail": {"list": {"k": ["1"], "v": ["2"]}}}), true),
        (json!({"detail": {"list": {"k": ["3"], "v": ["2"]}}}), false),
        (json!({"$or": [{"source": ["x"]}, {"account": [{"prefix": "123"}]}]}), true),
        (json!({"$or": [{"source": ["x"]}, {"account": ["x"]}]}), false),
        (json!({"source": ["x"], "$or": [{"account": [{"prefix": "1"}]}, {"account": ["x"]}]}), false),
        (json!({"detail": {"$or": [{"state": ["x"]}, {"inner": {"x": ["1"]}}]}}), true),
    ] {
        assert_eq!(Pattern::read(&pattern).unwrap().matches(&event), expected, "{pattern}");
    }
}

#[test]
fn a_pattern_that_the_matcher_does_not_know_is_refused() {
    for pattern in [
        json!({"a": [{"suffix": "x"}]}),
        json!({"a": [{"anything-but": ["x"]}]}),
        json!({"a": [{"numeric": [">", 1]}]}),
        json!({"a": [{"wildcard": "*"}]}),
        json!({"a": [{"equals-ignore-case": "x"}]}),
        json!({"a": [{"prefix": {"equals-ignore-case": "x"}}]}),
        json!({"a": [{"prefix": "x", "exists": true}]}),
        json!({"a": [1]}),
        json!({"a": [null]}),
        json!({"a": "x"}),
        json!({"a": []}),
        json!({"a": {}}),
        json!({}),
        json!({"$or": [{"a": ["x"]}]}),
        json!({"$or": {"a": ["x"]}}),
    ] {
        assert!(Pattern::read(&pattern).is_err(), "{pattern}");
    }
}
