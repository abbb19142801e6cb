//! What wakes the function: the rules, the queue and the schedule of `template.yaml`, against every sample of `events/`
//! and what is nearly one.

use std::collections::BTreeSet;

use crate::deployed::{CALL, Deployed, LABEL, PULL, ROTATION, RULES, UPLOAD, changed, sample, samples, without};
use ecr_pull_through_sync::trigger::{Job, Kind, Mode, Trigger, UnknownEvent};
use local_aws::Options;
use serde_json::{Value, json};

use crate::stack::BUCKET;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const ARN: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ecr-pullthroughcache/dockerhub";

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
        for call in [
            "PutSecretValue",
            "UpdateSecret",
            "UpdateSecretVersionStage",
            "RestoreSecret",
        ] {
            let asked = ("/detail/requestParameters", json!({"secretId": id}));
            let call = ("/detail/eventName", json!(call));
            all.push(("SecretCall", changed(CALL, [call.clone(), asked.clone()])));
            all.push((
                "SecretCall",
                changed(CALL, [call, asked, ("/detail/responseElements", Value::Null)]),
            ));
        }
    }
    for status in ["FAILED", "FAILURE", "ERROR", "success"] {
        all.push((
            "PullFailuresRule",
            changed(PULL, [("/detail/sync-status", json!(status))]),
        ));
    }
    for spelling in ["arn", "aRN", "ARN"] {
        let answered = ("/detail/responseElements", json!({spelling: full, "name": HUB}));
        all.push((
            "SecretCall",
            changed(CALL, [("/detail/requestParameters", Value::Null), answered]),
        ));
    }
    all
}

/// What is one field away from an event of ours, and none.
fn near_misses() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut miss = |file: &str, pointer: &str, value: Value| {
        all.push((
            format!("{file} with {value} as {pointer}"),
            changed(file, [(pointer, value)]),
        ));
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
    for kind in [
        "Object Deleted",
        "Object Tags Added",
        "Object ACL Updated",
        "Object Restore Completed",
        "object created",
    ] {
        miss(UPLOAD, "/detail-type", json!(kind));
    }
    for label in [
        "CONFIGURED",
        "FILE_PENDING",
        "REJECTED",
        "ROLLING_BACK",
        "AWSPREVIOUS",
        "AWSCURRENT2",
        "awscurrent",
    ] {
        miss(LABEL, "/detail/labelUpdated", json!(label));
    }
    let foreign = [
        "prod/database",
        "ecr-pullthroughcache",
        "ecr-pullthroughcache2/hub",
        "x/ecr-pullthroughcache/hub",
    ];
    let elsewhere = [
        ARN.replace("eu-west-1", "us-east-1"),
        ARN.replace("123456789012", "210987654321"),
        ARN.replace("arn:aws:", "arn:aws-cn:"),
    ];
    for name in foreign {
        let arn = ARN.replace(HUB, name);
        for id in [name, arn.as_str()] {
            miss(ROTATION, "/detail/additionalEventData/SecretId", json!(id));
            miss(
                "secret-put-value-by-partial-arn",
                "/detail/requestParameters/secretId",
                json!(id),
            );
        }
    }
    for arn in elsewhere {
        miss(ROTATION, "/detail/additionalEventData/SecretId", json!(arn));
        miss(
            "secret-put-value-by-partial-arn",
            "/detail/requestParameters/secretId",
            json!(arn),
        );
    }
    for status in ["SUCCESS", ""] {
        miss(
            PULL,
            "/detail/sync-status",
            if status.is_empty() { json!([]) } else { json!(status) },
        );
    }
    miss(PULL, "/detail-type", json!("ECR Image Action"));
    for file in [UPLOAD, LABEL, ROTATION, CALL, PULL] {
        miss(file, "/source", json!("my.test"));
        miss(file, "/detail-type", json!("Something Else"));
        miss(file, "/detail", json!({}));
    }
    miss(LABEL, "/detail-type", json!("Secret Label Removed"));
    for name in [
        "RotationStarted",
        "RotationAbandoned",
        "TestRotationSucceeded",
        "EndSecretVersionDelete",
    ] {
        miss(ROTATION, "/detail/eventName", json!(name));
    }
    miss(ROTATION, "/detail/additionalEventData", Value::Null);
    for name in [
        "CreateSecret",
        "DeleteSecret",
        "GetSecretValue",
        "TagResource",
        "PutResourcePolicy",
        "RotateSecret",
    ] {
        miss(CALL, "/detail/eventName", json!(name));
    }
    miss(CALL, "/detail/errorCode", json!("AccessDenied"));
    // What an event says twice is changed in both places.
    for file in [LABEL, ROTATION, CALL, PULL] {
        let changes = [("123456789012", "210987654321"), ("eu-west-1", "us-east-1")];
        let foreign = foreign.map(|name| (HUB, name)).into_iter().filter(|_| file != PULL);
        for (from, to) in changes.into_iter().chain(foreign) {
            let text = sample(file).to_string().replace(from, to);
            all.push((
                format!("{file} with {to} for {from}"),
                serde_json::from_str(&text).unwrap(),
            ));
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
    (
        "schedule-rule",
        "the stack has a Scheduler schedule instead; a rule is for those who add one",
    ),
];

#[test]
fn what_a_rule_lets_through_the_handler_knows_what_to_do_with() {
    let stack = Deployed::plain();
    let varied = variations()
        .into_iter()
        .map(|(rule, event)| (format!("{rule}: {event}"), event));
    for (name, event) in samples().into_iter().chain(varied).chain(near_misses()) {
        let rules = stack.woken_by(&event);
        assert!(rules.len() <= 1, "{name} would come twice: {rules:?}");
        if rules.is_empty() {
            continue;
        }
        match stack.classify(&event).unwrap_or_else(|why| panic!("{name}: {why}")).job {
            Job::Run {
                mode: Mode::Apply,
                max_deletions: None,
                plan_checksum: None,
            }
            | Job::Secret(_)
            | Job::PullFailures(_) => {}
            Job::Ignore(reason) => {
                assert!(
                    WOKEN_IN_VAIN.contains(&name.as_str()),
                    "{name} wakes the function: {reason}"
                );
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in WOKEN_IN_VAIN {
        assert_eq!(stack.woken_by(&sample(name)), ["SecretCall"], "{name} is no exception");
    }
}

/// Whether an event is about a secret that the function itself may keep.
fn is_own_secret(trigger: &Result<Trigger, UnknownEvent>) -> bool {
    matches!(trigger, Ok(Trigger { job: Job::Secret(change), .. }) if change.name.starts_with("ecr-pullthroughcache/"))
}

/// The label of each source is told, of no other secret, and of no other label.
#[test]
fn the_rule_for_sources_names_them_exactly() {
    let of = |name: &str, label: &str| {
        let changes = [("/detail/name", json!(name)), ("/detail/labelUpdated", json!(label))];
        changed(LABEL, changes)
    };
    let stack = Deployed::new(Options::default(), &[("SourceSecretNames", "team/gitlab,prod/token")]);
    for name in ["team/gitlab", "prod/token"] {
        assert_eq!(stack.woken_by(&of(name, "AWSCURRENT")), ["SourceLabel"]);
        assert!(stack.woken_by(&of(name, "AWSPENDING")).is_empty());
    }
    for name in [
        "team/gitlab2",
        "team/gitla",
        "xteam/gitlab",
        "TEAM/GITLAB",
        "team/gitlab/x",
        "",
    ] {
        assert!(stack.woken_by(&of(name, "AWSCURRENT")).is_empty(), "{name}");
    }
    let mut elsewhere = of("team/gitlab", "AWSCURRENT");
    elsewhere["account"] = json!("210987654321");
    assert!(stack.woken_by(&elsewhere).is_empty());
    let none = Deployed::plain();
    assert!(none.woken_by(&of("team/gitlab", "AWSCURRENT")).is_empty());
}

#[test]
fn no_event_of_ours_is_missed() {
    let stack = Deployed::plain();
    let mut missed = BTreeSet::new();
    for (name, event) in samples() {
        // A secret of another name is a source, of which this stack has none.
        let ours = matches!(
            stack.classify(&event),
            Ok(Trigger {
                job: Job::Run { .. } | Job::Work(_) | Job::PullFailures(_),
                ..
            })
        ) || is_own_secret(&stack.classify(&event));
        if ours && stack.woken_by(&event).is_empty() {
            missed.insert(name);
        }
    }
    assert_eq!(missed, COMES_ANOTHER_WAY.map(|(name, _)| name.to_owned()).into());
    for (rule, event) in variations() {
        assert_eq!(stack.woken_by(&event), [rule], "{event:#}");
        let job = stack.classify(&event).unwrap().job;
        let is_job = matches!(job, Job::Run { .. } | Job::Secret(_) | Job::PullFailures(_));
        assert!(is_job, "{job:?} for {event:#}");
    }
}

#[test]
fn nothing_else_wakes_the_function() {
    let stack = Deployed::plain();
    for (name, event) in near_misses() {
        assert_eq!(stack.woken_by(&event), Vec::<&str>::new(), "{name}");
        // Nor would it do anything about it, were it sent by hand.
        let trigger = stack.classify(&event);
        let is_foreign = matches!(
            &trigger,
            Ok(Trigger {
                job: Job::Secret(_),
                ..
            })
        ) && !is_own_secret(&trigger);
        let job = trigger.map(|trigger| trigger.job);
        // A secret of another name could be a source: the run that looks finds that it is none.
        assert!(
            is_foreign || matches!(job, Ok(Job::Ignore(_)) | Err(_)),
            "{name}: {job:?}"
        );
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
    let china = Options {
        region: "cn-north-1".into(),
        partition: "aws-cn".into(),
        ..Options::default()
    };
    let existing = [("ExistingConfigBucket", BUCKET)];
    for stack in [Deployed::new(Options::default(), &existing), Deployed::new(china, &[])] {
        let moved = |event: &Value| {
            let text = event
                .to_string()
                .replace("arn:aws:", &format!("arn:{}:", stack.at.partition));
            let event: Value = serde_json::from_str(&text.replace("eu-west-1", &stack.at.region)).unwrap();
            event
        };
        for (rule, event) in variations() {
            let event = moved(&event);
            assert_eq!(stack.woken_by(&event), [rule], "{event:#}");
            assert!(
                stack
                    .classify(&event)
                    .is_ok_and(|trigger| !matches!(trigger.job, Job::Ignore(_)))
            );
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
    for key in [
        "registries.yaml",
        "status/registries.yaml",
        "registries.yaml.json",
        "a.md",
        "a+b/(c)!.yaml",
    ] {
        for prefix in ["", "status/", "registries.yaml", "a"] {
            let stack = Deployed::new(Options::default(), &[("ConfigKey", key), ("StatusPrefix", prefix)]);
            let object = |key: &str| changed(UPLOAD, [("/detail/object/key", json!(key))]);
            assert_eq!(stack.woken_by(&object(key)), ["Upload"]);
            for end in ["json", "md"] {
                assert!(
                    stack.woken_by(&object(&format!("{prefix}{key}.{end}"))).is_empty(),
                    "{prefix} {key} {end}"
                );
            }
        }
    }
}

#[test]
fn the_function_has_no_other_event_sources_and_gets_events_whole() {
    let stack = Deployed::plain().template;
    let events = stack
        .value(&["Resources", "SyncFunction", "Properties", "Events"])
        .unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let of_function = RULES.into_iter().filter(|rule| *rule != "PullFailuresRule");
    let mut names: Vec<&str> = of_function.clone().chain(["PullFailed", "Work"]).collect();
    names.sort_unstable();
    assert_eq!(keys(&events), names);
    for rule in of_function {
        assert_eq!(events[rule]["Type"], "EventBridgeRule");
        // With an Input or InputPath the handler would not see the event.
        assert_eq!(
            keys(&events[rule]["Properties"]),
            ["DeadLetterConfig", "Pattern"],
            "{rule}"
        );
        // EventBridge's quota for a pattern.
        let size = events[rule]["Properties"]["Pattern"].to_string().len();
        assert!(size < 2048, "{rule}: {size} characters");
    }
}

#[test]
fn failed_pulls_come_whole_through_a_queue_of_their_own_a_minutes_at_once() {
    let template = Deployed::plain().template;
    let of = |path: &[&str]| template.value(path).unwrap();
    let rule = of(&["Resources", "PullFailuresRule", "Properties"]);
    assert!(rule["EventPattern"].to_string().len() < 2048);
    let queue = "arn:aws:sqs:eu-west-1:123456789012:stack-PullFailures";
    let failures = "arn:aws:sqs:eu-west-1:123456789012:stack-FailureQueue";
    let target = json!([{"Id": "PullFailures", "Arn": queue, "DeadLetterConfig": {"Arn": failures}}]);
    assert_eq!(rule["Targets"], target);
    let source = of(&["Resources", "SyncFunction", "Properties", "Events", "PullFailed"]);
    // A batch of more than 10 needs a window, and a filter would delete what it does not let through.
    let expected = json!({"Queue": queue, "BatchSize": 1000, "MaximumBatchingWindowInSeconds": 60,
        "ScalingConfig": {"MaximumConcurrency": 2}});
    assert_eq!((&source["Type"], &source["Properties"]), (&json!("SQS"), &expected));
    // Only that rule may send, and the queue gives up into the one that an alarm watches.
    let policy = of(&[
        "Resources",
        "PullFailuresPolicy",
        "Properties",
        "PolicyDocument",
        "Statement",
    ]);
    let allowed: Vec<&Value> = policy
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["Effect"] == "Allow")
        .collect();
    let [allowed] = allowed[..] else { panic!("{policy}") };
    assert_eq!(
        (&allowed["Action"], &allowed["Resource"]),
        (&json!("sqs:SendMessage"), &json!(queue))
    );
    assert_eq!(allowed["Principal"], json!({"Service": "events.amazonaws.com"}));
    let sender = &allowed["Condition"]["ArnEquals"]["aws:SourceArn"];
    assert!(
        sender.as_str().is_some_and(|arn| arn.contains("PullFailuresRule")),
        "{sender}"
    );
    let redrive = of(&["Resources", "PullFailures", "Properties", "RedrivePolicy"]);
    assert_eq!(redrive, json!({"deadLetterTargetArn": failures, "maxReceiveCount": 5}));
}

#[test]
fn every_message_of_the_work_queue_and_of_no_other_comes_one_by_one() {
    let stack = Deployed::plain();
    let work = stack
        .template
        .value(&["Resources", "SyncFunction", "Properties", "Events", "Work"])
        .unwrap();
    assert_eq!(work["Type"], "SQS");
    let properties = &work["Properties"];
    assert_eq!(properties["BatchSize"], 1);
    assert_eq!(
        properties["FilterCriteria"],
        Value::Null,
        "a filter deletes what it does not let through"
    );
    let at = "arn:aws:sqs:eu-west-1:123456789012:stack-WorkQueue";
    assert_eq!(properties["Queue"], at);
    // The one that the function sends to.
    let variable = [
        "Resources",
        "SyncFunction",
        "Properties",
        "Environment",
        "Variables",
        "WORK_QUEUE_URL",
    ];
    let url = stack.template.value(&variable).unwrap();
    assert!(
        url.as_str().unwrap().ends_with("/123456789012/stack-WorkQueue"),
        "{url}"
    );
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
    let input = stack
        .template
        .value(&["Resources", "RepairSchedule", "Properties", "Target", "Input"])
        .unwrap();
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
    assert_eq!(
        serde_json::from_str::<Value>(&filled).unwrap(),
        sample("schedule-scheduler")
    );
    for text in [input, &filled] {
        let trigger = stack.classify(&serde_json::from_str(text).unwrap()).unwrap();
        assert_eq!(
            (trigger.kind, trigger.source.as_str()),
            (Kind::Schedule, "eventbridge:aws.scheduler")
        );
        assert_eq!(
            trigger.job,
            Job::Run {
                mode: Mode::Apply,
                max_deletions: None,
                plan_checksum: None
            }
        );
    }
}
