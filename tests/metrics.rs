//! The metrics of a run: CloudWatch's embedded metric format to the letter, and numbers that alarms can trust.
//! docs/report.md, "Metrics".

use std::cell::Cell;
use std::time::Duration;

use crate::stack::{
    self, BUCKET, KEY, Report, TestStack, another_invocation, app, hub, make_rule, metrics, scheduled, uploaded,
};
use ecr_pull_through_sync::report::Past;
use ecr_pull_through_sync::report::metrics::lines;
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

const QUAY: &str = "quay: {registry: quay.io}\n";

/// A stack with a name of its own, whose metric lines are read once, all against the format.
struct Meter {
    stack: TestStack,
    owner: &'static str,
    read: Cell<usize>,
}

impl Meter {
    async fn of(owner: &'static str) -> Self {
        let stack = TestStack::with(Options::default(), &[("OWNER", owner)]).await;
        Self {
            stack,
            owner,
            read: Cell::new(0),
        }
    }

    /// The lines that are new.
    fn lines(&self) -> Vec<Value> {
        let all = metrics(self.owner);
        let lines = all[self.read.replace(all.len())..].iter().map(|line| checked(line));
        lines.collect()
    }

    /// What they say: the numbers of the run that are not 0 and the same every time, then those of each registry and
    /// action.
    fn told(&self) -> String {
        let lines = self.lines();
        let unsaid = ["Runs", "Duration", "AwsCalls", "SecondsSinceSuccess"];
        let words = lines.iter().map(|line| {
            let dimension = line.get("Registry").or(line.get("Action")).and_then(Value::as_str);
            let numbers = line
                .as_object()
                .unwrap()
                .iter()
                .filter_map(|(name, value)| Some((name, value.as_u64()?)));
            let said = numbers.filter(|(name, n)| dimension.is_some() || *n > 0 && !unsaid.contains(&name.as_str()));
            let said: Vec<String> = said.map(|(name, n)| format!("{name} {n}")).collect();
            format!("{} {}", dimension.unwrap_or_default(), said.join(", "))
                .trim()
                .to_owned()
        });
        words.collect::<Vec<_>>().join("; ")
    }

    /// What a run over a file says.
    async fn follow(&self, yaml: &str) -> String {
        // Boxed: futures of this size, one in the other, are more than a test's stack.
        Box::pin(self.stack.follow(yaml)).await;
        self.told()
    }

    /// What the run of the clock says.
    async fn repair(&self) -> String {
        Box::pin(self.stack.send(scheduled())).await.unwrap();
        self.told()
    }

    /// Somebody takes Docker Hub's template away.
    fn meddle(&self) {
        let input = json!({"prefix": "dockerhub"});
        self.stack
            .aws
            .call("ecr", "DeleteRepositoryCreationTemplate", input)
            .unwrap();
    }
}

/// What AWS's schema has against a line.
fn fault(line: &Value) -> Option<String> {
    let schema = serde_json::from_str(include_str!("emf.schema.json")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("http://localhost/emf", schema).unwrap();
    let schema = compiler.compile("http://localhost/emf", &mut schemas).unwrap();
    schemas.validate(line, schema).err().map(|error| format!("{error:#}"))
}

/// A line, after it has been held against AWS's schema and against what the specification says in words.
fn checked(line: &str) -> Value {
    assert!(
        !line.contains('\n') && line.len() < 256 * 1024,
        "one event of the log: {line}"
    );
    let value: Value = serde_json::from_str(line).unwrap();
    assert_eq!(fault(&value), None, "{value:#}");
    let root = value.as_object().unwrap();
    let mut targets = vec!["_aws"];
    for directive in value["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        for name in directive["Dimensions"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|set| set.as_array().unwrap())
        {
            let text = root[name.as_str().unwrap()].as_str().expect("a dimension is text");
            assert!(!text.trim().is_empty() && text.chars().count() <= 1024, "{name}");
            targets.push(name.as_str().unwrap());
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(root[name].is_u64(), "{name} is no number in {value:#}");
            targets.push(name);
        }
    }
    targets.sort_unstable();
    let members: Vec<&str> = root.keys().map(String::as_str).collect();
    assert_eq!(
        members, targets,
        "nothing in a line but what it declares, and nothing declared twice"
    );
    value
}

/// A run that found everything there is to find.
fn report() -> Value {
    let change = |registry: &str, resource: &str, action: &str, result: &str| json!({"registry": registry, "resource": resource, "action": action, "id": registry, "result": result});
    let mut old = change("gitlab", "rule", "create", "failed");
    old["since"] = json!("2026-11-01T00:00:00Z");
    let mut rest = change("quay", "repository", "update", "held");
    rest["more"] = json!(40);
    let registry = |state: &str, credential: &str| json!({"state": state, "credential": credential, "upstream": "an.upstream", "url": "a.url"});
    json!({
        "run_id": "0a51c4de", "started_at": "2026-11-23T06:34:11Z", "finished_at": "2026-11-23T06:34:15Z",
        "last_success_at": "2026-11-21T06:34:15Z", "outcome": "partial", "mode": "apply", "message": "",
        "trigger": {"kind": "schedule", "source": "eventbridge:aws.events"},
        "config": {"bucket": "my-registries", "key": "registries.yaml", "version_id": "v1", "last_modified": null},
        "changes": [
            change("dockerhub", "template", "update", "applied"), change("dockerhub", "rule", "create", "applied"),
            change("ghcr", "secret", "update", "applied"), old, change("gitlab", "secret", "create", "skipped"),
            change("quay", "repository", "update", "held"), rest,
        ],
        "registries": {
            "dockerhub": registry("ready", "valid"), "ghcr": registry("failed", "invalid"),
            "gitlab": registry("failed", "unchecked"), "quay": registry("held", "none"),
        },
        "pull_through_cache_urls": {}, "errors": [], "warnings": [],
        "existing_repositories": {"found": 300, "done": 200, "changed": 9, "held": 41, "failed": 0, "to_do": 59},
        "stats": {"aws_calls": 214, "duration_ms": 4012},
    })
}

/// The status before it, over the same version of the file.
fn before(registries: Value) -> Past {
    let status = json!({"outcome": "partial", "config": report()["config"], "registries": registries});
    Past::from_status(status.to_string().as_bytes())
}

fn lines_of(report: Value, before: &Past, owner: &str) -> Vec<String> {
    let report: Report = serde_json::from_value(report).unwrap();
    lines(&report, &report.changes, before, owner)
}

#[test]
fn the_lines_of_a_run_to_the_letter() {
    let before = before(json!({"dockerhub": {"state": "ready"}, "ghcr": {"state": "failed"}}));
    let lines = lines_of(report(), &before, "sync");
    let expected = [
        json!({
            "_aws": {"Timestamp": 1795415655000_u64, "CloudWatchMetrics": [{
                "Namespace": "EcrPullThroughSync",
                "Dimensions": [["Stack"]],
                "Metrics": [
                    {"Name": "Runs", "Unit": "Count"},
                    {"Name": "RejectedFile", "Unit": "Count"},
                    {"Name": "AccountUnread", "Unit": "Count"},
                    {"Name": "ChangesApplied", "Unit": "Count"},
                    {"Name": "ChangesFailed", "Unit": "Count"},
                    {"Name": "ChangesHeld", "Unit": "Count"},
                    {"Name": "NewTroubles", "Unit": "Count"},
                    {"Name": "Drift", "Unit": "Count"},
                    {"Name": "Duration", "Unit": "Milliseconds"},
                    {"Name": "AwsCalls", "Unit": "Count"},
                    {"Name": "ReadyRegistries", "Unit": "Count"},
                    {"Name": "NotReadyRegistries", "Unit": "Count"},
                    {"Name": "InvalidCredentials", "Unit": "Count"},
                    {"Name": "RepositoriesToDo", "Unit": "Count"},
                    {"Name": "SecondsSinceSuccess", "Unit": "Seconds"},
                ],
            }]},
            "Stack": "sync",
            "Runs": 1,
            "RejectedFile": 0,
            "AccountUnread": 0,
            "ChangesApplied": 3,
            "ChangesFailed": 1,
            "ChangesHeld": 41,
            "NewTroubles": 44,
            "Drift": 2,
            "Duration": 4012,
            "AwsCalls": 214,
            "ReadyRegistries": 1,
            "NotReadyRegistries": 3,
            "InvalidCredentials": 1,
            "RepositoriesToDo": 59,
            "SecondsSinceSuccess": 172_800,
        }),
        of_one("Registry", "dockerhub", "CredentialValid", "None", 1),
        of_one("Registry", "ghcr", "CredentialValid", "None", 0),
        of_one("Action", "create", "Changes", "Count", 1),
        of_one("Action", "update", "Changes", "Count", 2),
    ];
    assert_eq!(lines, expected.map(|line| line.to_string()));
    lines.iter().for_each(|line| drop(checked(line)));
}

fn of_one(dimension: &str, name: &str, metric: &str, unit: &str, value: u64) -> Value {
    json!({
        "_aws": {"Timestamp": 1795415655000_u64, "CloudWatchMetrics": [{
            "Namespace": "EcrPullThroughSync",
            "Dimensions": [["Stack", dimension]],
            "Metrics": [{"Name": metric, "Unit": unit}],
        }]},
        "Stack": "sync",
        dimension: name,
        metric: value,
    })
}

#[test]
fn the_schema_does_refuse() {
    let directive = "/_aws/CloudWatchMetrics/0";
    for (place, wrong) in [
        ("/_aws", json!({})),
        ("/_aws/Timestamp", json!("2026-11-23T06:34:15Z")),
        (&format!("{directive}/Namespace"), json!("")),
        (&format!("{directive}/Dimensions"), json!(["Stack"])),
        (&format!("{directive}/Metrics"), json!(vec![json!({"Name": "x"}); 101])),
        (&format!("{directive}/Metrics/0/Unit"), json!("count")),
    ] {
        let mut line = of_one("Action", "create", "Changes", "Count", 1);
        assert_eq!(fault(&line), None);
        *line.pointer_mut(place).unwrap() = wrong;
        assert!(fault(&line).is_some(), "{place}");
    }
}

#[test]
fn a_name_however_odd_or_long_stays_a_name() {
    let mut odd = report();
    odd["registries"] =
        json!({"\"}\n{\"_aws\":1}": odd["registries"]["dockerhub"], "é".repeat(5000): odd["registries"]["ghcr"]});
    let lines = lines_of(odd, &Past::default(), &"s".repeat(5000));
    assert_eq!(lines.len(), 5);
    for line in &lines {
        assert!(
            checked(line)["Stack"].as_str().unwrap().len() == 250 && line.len() < 3000,
            "{line}"
        );
    }
}

#[test]
fn what_a_run_did_not_look_at_has_no_number() {
    let of_registries = [
        "ReadyRegistries",
        "NotReadyRegistries",
        "InvalidCredentials",
        "RepositoriesToDo",
    ];
    let told = |change: fn(&mut Value)| {
        let mut report = report();
        change(&mut report);
        let line = checked(&lines_of(report, &Past::default(), "sync")[0]);
        of_registries
            .into_iter()
            .filter(|name| line.get(name).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(told(|_| {}), of_registries);
    assert_eq!(told(|report| report["registries"] = json!({})), Vec::<&str>::new());
    let refused = told(|report| {
        report["outcome"] = json!("rejected");
        report["existing_repositories"].take();
    });
    assert_eq!(refused, of_registries[..3]);
}

#[test]
fn drift_is_what_a_registry_needed_that_was_as_this_very_file_says() {
    let ready = json!({"dockerhub": {"state": "ready"}, "ghcr": {"state": "ready"}});
    let status = |key: &str, value: Value| {
        let mut status = json!({"outcome": "changed", "config": report()["config"], "registries": ready});
        status[key] = value;
        status
    };
    let uploaded_at = |time: &str| json!({"bucket": "b", "key": "k", "version_id": null, "last_modified": time});
    let unversioned = |time: &str| {
        let mut report = report();
        report["config"] = uploaded_at(time);
        report
    };
    let acting = |action: &str| {
        let mut report = report();
        report["changes"][0]["action"] = json!(action);
        report
    };
    for (what, status, report, drift) in [
        ("all as it was", status("outcome", json!("converged")), report(), 3),
        (
            "a newer file",
            status("config", uploaded_at("2026-11-20T00:00:00Z")),
            report(),
            0,
        ),
        (
            "the same file, without versions",
            status("config", uploaded_at("x")),
            unversioned("x"),
            3,
        ),
        (
            "a later file, without versions",
            status("config", uploaded_at("x")),
            unversioned("y"),
            0,
        ),
        (
            "a file that was refused until the settings changed",
            status("outcome", json!("rejected")),
            report(),
            0,
        ),
        (
            "work that is continued",
            status("registries", json!({"ghcr": {"state": "planned"}})),
            report(),
            0,
        ),
        ("no status", json!({}), report(), 0),
        (
            "something leaves",
            status("outcome", json!("changed")),
            acting("delete"),
            2,
        ),
        (
            "a rotation is rolled back",
            status("outcome", json!("changed")),
            acting("rollback"),
            2,
        ),
        (
            "a label follows a rotation",
            status("outcome", json!("changed")),
            acting("label"),
            2,
        ),
    ] {
        let before = Past::from_status(status.to_string().as_bytes());
        let lines = lines_of(report, &before, "sync");
        assert_eq!(checked(&lines[0])["Drift"], drift, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_one_run_after_the_other() {
    let meter = Meter::of("numbers").await;
    let file = hub("canary-docker-1");
    assert_eq!(
        meter.follow(&file).await,
        "ChangesApplied 4, ReadyRegistries 1; dockerhub CredentialValid 1; create Changes 4"
    );
    assert_eq!(meter.repair().await, "ReadyRegistries 1; dockerhub CredentialValid 1");

    meter.meddle();
    let drift = "ChangesApplied 1, Drift 1, ReadyRegistries 1; dockerhub CredentialValid 1; create Changes 1";
    assert_eq!(meter.repair().await, drift);

    meter.stack.rotate("ecr-pullthroughcache/dockerhub", "canary-wrong");
    let lapsed = "InvalidCredentials 1, NewTroubles 1, NotReadyRegistries 1; dockerhub CredentialValid 0";
    assert_eq!(meter.repair().await, lapsed);
    assert_eq!(
        meter.repair().await,
        lapsed.replace("NewTroubles 1, ", ""),
        "it is no news any more"
    );
    let refused = lapsed.replace("s 1; ", "s 1, RejectedFile 1; ");
    // A mistake in the file hides no lapsed token from the clock; a run that did not ask claims nothing.
    assert_eq!(meter.follow("nonsense: [\n").await, "RejectedFile 1");
    assert_eq!(meter.repair().await, refused);

    meter.stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-2");
    make_rule(&meter.stack.aws, "quay", "public.ecr.aws", None);
    let held = "ChangesHeld 2, NewTroubles 3, NotReadyRegistries 1, ReadyRegistries 1; dockerhub CredentialValid 1";
    // The rotated value is remembered as proven.
    let first = format!("ChangesApplied 1, {held}; label Changes 1");
    assert_eq!(meter.follow(&format!("{file}{QUAY}")).await, first);
    assert_eq!(meter.repair().await, held.replace("NewTroubles 3, ", ""));
}

#[tokio::test(start_paused = true)]
async fn the_time_since_the_last_success_grows_until_the_next() {
    let meter = Meter::of("success").await;
    let seconds = || meter.lines()[0].get("SecondsSinceSuccess").and_then(Value::as_u64);
    meter.stack.follow("nonsense: [\n").await;
    assert_eq!(seconds(), None, "there was none yet");
    meter.stack.follow(QUAY).await;
    assert_eq!(seconds(), Some(0));
    let mut status = meter.stack.status_json();
    status["last_success_at"] = json!("2026-01-01T00:00:00Z");
    meter.stack.aws.put_object(BUCKET, stack::STATUS, status.to_string());
    meter.stack.follow("nonsense: [\n").await;
    assert!(seconds().unwrap() > 20_000_000);
    meter.stack.follow(QUAY).await;
    assert_eq!(seconds(), Some(0));
}

#[tokio::test(start_paused = true)]
async fn what_writes_no_status_prints_no_metrics() {
    let meter = Meter::of("silent").await;
    let silent = || assert_eq!(meter.lines(), Vec::<Value>::new());
    meter.stack.send(uploaded()).await.unwrap();
    silent();
    meter.stack.upload(QUAY);
    for action in ["plan", "validate"] {
        meter.stack.manual(action).await;
        silent();
    }
    let mut elsewhere = uploaded();
    elsewhere["detail"]["object"]["key"] = json!("other.yaml");
    meter.stack.send(elsewhere).await.unwrap();
    silent();
}

/// What such a run did is counted; a success it is not.
#[tokio::test(start_paused = true)]
async fn a_run_whose_status_cannot_be_written_is_counted_all_the_same() {
    let meter = Meter::of("unwritten").await;
    meter.stack.upload(QUAY);
    meter.stack.aws.fault(Fault::on("s3", "PutObject").access_denied());
    meter.stack.send(uploaded()).await.unwrap_err();
    assert_eq!(meter.told(), "ChangesApplied 2, ReadyRegistries 1; create Changes 2");
    assert!(!metrics("unwritten").concat().contains("SecondsSinceSuccess"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_after_its_status_was_written_is_counted_and_what_the_next_one_finishes_is_no_drift() {
    let meter = Meter::of("retried").await;
    let throttled = Fault::on("ecr", "CreatePullThroughCacheRule").throttle();
    meter.stack.aws.fault(throttled);
    meter.stack.upload(QUAY);
    meter.stack.send(uploaded()).await.unwrap_err();
    assert_eq!(
        meter.told(),
        "ChangesApplied 1, ChangesFailed 1, NewTroubles 2, NotReadyRegistries 1; create Changes 1"
    );
    meter.stack.aws.clear_faults();
    assert_eq!(
        meter.repair().await,
        "ChangesApplied 1, ReadyRegistries 1; create Changes 1"
    );
}

/// Both are about one upload, and each does a part of it.
#[tokio::test(start_paused = true)]
async fn two_runs_at_once_over_a_new_file_are_no_drift() {
    let meter = Meter::of("twins").await;
    meter.follow(QUAY).await;
    meter.stack.aws.before("s3", "PutObject", 1, |aws: &LocalAws| {
        another_invocation(aws, &[("OWNER", "twins")], uploaded()).unwrap();
    });
    let told = meter
        .follow(&hub("canary-docker-1").replace("dockerhub", "quay-hub"))
        .await;
    assert!(told.contains("ChangesApplied") && !told.contains("Drift"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_message_counts_its_own_changes_and_none_twice() {
    const REPOSITORIES: u64 = 120;
    let mut meter = Meter::of("work").await;
    let (queue, _) = meter.stack.aws.create_queue_pair("work", 3);
    meter.stack.app = app(&meter.stack.aws, &[("OWNER", "work"), ("WORK_QUEUE_URL", &queue)]).await;
    meter.stack.app.timing.wind_down = Duration::from_millis(1200);
    meter.stack.app.timing.last_call = Duration::from_millis(500);
    meter
        .stack
        .aws
        .seed_repositories((0..REPOSITORIES).map(|n| format!("quay/{n:03}")), 0);
    meter
        .stack
        .aws
        .fault(Fault::on("ecr", "TagResource").skip(60).timeout());
    meter.stack.aws.put_object(
        BUCKET,
        KEY,
        "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags]}}\n",
    );
    let first = meter
        .stack
        .send_within(uploaded(), Duration::from_millis(6000))
        .await
        .unwrap();
    meter.stack.aws.clear_faults();
    let to_do = first.existing_repositories.as_ref().unwrap().progress.to_do;
    let lines = meter.lines();
    assert_eq!(
        (&lines[0]["RepositoriesToDo"], &lines[0]["NotReadyRegistries"]),
        (&json!(to_do), &json!(1))
    );
    let mut applied = lines[0]["ChangesApplied"].as_u64().unwrap();
    let mut left = to_do;
    while let Some(event) = meter.stack.aws.take_work(&queue, 1) {
        meter.stack.send(event.clone()).await.unwrap();
        meter.stack.aws.finish_work(&event, true);
        let lines = meter.lines();
        assert_eq!(
            (&lines[0]["Runs"], &lines[0]["Drift"]),
            (&json!(1), &json!(0)),
            "{:#}",
            lines[0]
        );
        assert_eq!(lines[1]["Changes"], lines[0]["ChangesApplied"], "{lines:#?}");
        applied += lines[0]["ChangesApplied"].as_u64().unwrap();
        left = lines[0]["RepositoriesToDo"].as_u64().unwrap();
    }
    // Template and rule, and the tags of every repository.
    assert_eq!((to_do > 0, left, applied), (true, 0, 2 + REPOSITORIES));
}

/// Silence is news: a run that could not see the account rings, and is tried again where that may help.
#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_see_the_account_is_counted() {
    let meter = Meter::of("blind").await;
    meter.follow(QUAY).await;
    for (code, status, may_help) in [
        ("AccessDeniedException", 400, false),
        ("SomeNewException", 400, false),
        ("InvalidSignatureException", 400, true),
        ("SignatureDoesNotMatch", 403, true),
        ("RequestTimeTooSkewed", 403, true),
        ("RequestExpired", 400, true),
        ("ExpiredTokenException", 400, true),
        ("UnrecognizedClientException", 400, true),
        ("InvalidClientTokenId", 403, true),
        ("ServerException", 500, true),
    ] {
        for operation in ["DescribePullThroughCacheRules", "DescribeRepositoryCreationTemplates"] {
            // A refused file as well: the clock has the credentials proven all the same.
            for (file, told) in [
                (QUAY, "AccountUnread 1"),
                ("nonsense: [\n", "AccountUnread 1, RejectedFile 1"),
            ] {
                meter.stack.upload(file);
                meter
                    .stack
                    .aws
                    .fault(Fault::on("ecr", operation).error(code, "no", status));
                let result = Box::pin(meter.stack.send(scheduled())).await;
                assert_eq!(result.is_err(), may_help, "{code}: {result:?}");
                assert_eq!(meter.told(), told, "{code}");
                let message = meter.stack.status().message.as_str().to_owned();
                assert!(
                    message.contains("the account could not be read") && message.contains(code),
                    "{message}"
                );
                meter.stack.aws.clear_faults();
            }
        }
    }
    meter.stack.upload(QUAY);
    assert_eq!(meter.repair().await, "ReadyRegistries 1");
}

/// The file is read with the same signature and clock as the account.
#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_signature_is_not_called_a_missing_permission() {
    let stack = TestStack::new().await;
    stack.upload(QUAY);
    for code in [
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "ExpiredToken",
    ] {
        stack.aws.fault(Fault::on("s3", "GetObject").error(code, "no", 403));
        let failure = stack.send(uploaded()).await.unwrap_err().to_string();
        assert!(
            failure.contains(code) && !failure.contains("s3:ListBucket"),
            "{failure}"
        );
        stack.aws.clear_faults();
    }
}
