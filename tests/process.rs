//! The compiled function, driven through the runtime API as Lambda drives it.

use std::path::Path;
use std::time::Duration;

use crate::stack::{BUCKET, KEY, LEGACY, ROLE, STATUS, USUAL, role, uploaded};
use local_aws::{Fault, Function, LambdaApi, LocalAws, Options};
use serde_json::{Value, json};

const TIME: Duration = Duration::from_secs(120);

async fn account(options: Options) -> LocalAws {
    let aws = LocalAws::start(options).await.unwrap();
    aws.create_bucket(BUCKET, true);
    aws.accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    aws.accept_upstream("registry.gitlab.com", "acme-bot", "canary-gitlab-1");
    aws.put_object(BUCKET, KEY, LEGACY);
    aws
}

fn start(aws: &LocalAws, lambda: &LambdaApi, env: &[(&str, &str)]) -> Function {
    let settings = [
        ("CONFIG_BUCKET", BUCKET),
        ("OWNER", "stack"),
        ("TEMPLATE_ROLE_ARN", ROLE),
        ("LOG_LEVEL", "TRACE"),
    ];
    let env: Vec<(&str, &str)> = settings.into_iter().chain(USUAL).chain(env.iter().copied()).collect();
    let function = lambda
        .spawn(Path::new(env!("CARGO_BIN_EXE_ecr-pull-through-sync")), &env)
        .unwrap();
    role::enforce(aws, function.principal(), &env);
    function
}

/// Everything a function has printed, searched for tokens.
fn log_of(function: &Function) -> String {
    let log = function.output();
    assert!(!log.contains("canary"), "a token in the log");
    log
}

#[tokio::test]
async fn the_compiled_function_converges_and_logs_json_with_request_id_and_registry() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    let first = lambda.invoke(uploaded(), TIME).await;
    assert_eq!(first.result.unwrap()["outcome"], "changed");
    let second = lambda.invoke(uploaded(), TIME).await;
    assert_eq!(second.result.unwrap()["outcome"], "converged");
    let log = log_of(&function);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let changes: Vec<&Value> = lines.iter().filter(|line| line["message"] == "applied").collect();
    assert_eq!(changes.len(), 10, "one line a change");
    for change in changes {
        assert!(change["registry"].is_string(), "{change}");
        assert_eq!(change["span"]["request_id"], json!(first.request_id), "{change}");
    }
    let services = aws
        .calls()
        .into_iter()
        .map(|call| call.service)
        .collect::<std::collections::BTreeSet<_>>();
    assert_eq!(
        services.into_iter().collect::<Vec<_>>(),
        ["ecr", "s3", "secretsmanager"],
        "no STS, no IMDS"
    );
}

/// Lambda hands credentials over in variables. Where these have none, the SDK's other places are looked into.
#[tokio::test]
async fn credentials_are_those_of_the_variables_and_only_without_them_of_a_file() {
    let file = std::env::temp_dir().join(format!("ecr-pull-through-sync-credentials-{}", std::process::id()));
    std::fs::write(
        &file,
        "[default]\naws_access_key_id = ASIAOFTHEFILE\naws_secret_access_key = local-aws\n",
    )
    .unwrap();
    let credentials = ("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap());
    let nothing = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].map(|name| (name, " "));
    for (env, is_of_file) in [
        (&[credentials][..], false),
        (&[&nothing[..], &[credentials]].concat(), true),
    ] {
        let aws = account(Options::default()).await;
        let lambda = aws.lambda();
        let function = start(&aws, &lambda, env);
        lambda.invoke(json!({"action": "plan"}), TIME).await.result.unwrap();
        let expected = if is_of_file {
            "ASIAOFTHEFILE"
        } else {
            function.principal()
        };
        let calls = aws.calls();
        assert!(
            !calls.is_empty() && calls.iter().all(|call| call.principal == expected),
            "{calls:#?}"
        );
    }
    std::fs::remove_file(file).unwrap();
}

/// The format allows nothing around a line's object, and no name in it that the log's lines have.
#[tokio::test]
async fn metrics_stand_between_the_lines_of_the_log_as_they_are() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    let metrics = || {
        let log = log_of(&function);
        let lines = log
            .lines()
            .map(|line| serde_json::from_str(line).expect("a line of JSON"));
        lines
            .filter(|line: &Value| line.get("_aws").is_some())
            .collect::<Vec<_>>()
    };
    lambda.invoke(json!({"action": "plan"}), TIME).await.result.unwrap();
    assert_eq!(metrics(), Vec::<Value>::new());
    lambda.invoke(uploaded(), TIME).await.result.unwrap();
    let told: Vec<String> = metrics()
        .iter()
        .map(|line| {
            ["Registry", "Action", "Stack"]
                .map(|name| line[name].as_str().unwrap_or("-"))
                .join(" ")
        })
        .collect();
    assert_eq!(
        told,
        ["- - stack", "dockerhub - stack", "gitlab - stack", "- create stack"]
    );
    let run = &metrics()[0];
    assert_eq!(
        (&run["ChangesApplied"], &run["ReadyRegistries"]),
        (&json!(10), &json!(3)),
        "{run:#}"
    );
    assert!(run.get("message").is_none() && run.get("level").is_none(), "{run:#}");
}

#[tokio::test]
async fn a_failure_is_an_error_of_the_invocation_with_a_stable_type() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    for (event, kind) in [
        (json!({"hello": "world"}), "UnplaceableEvent"),
        (
            json!({"Step": "createSecret", "SecretId": "x", "ClientRequestToken": "y"}),
            "UnplaceableEvent",
        ),
        (json!({"action": "aply"}), "UnplaceableEvent"),
    ] {
        let error = lambda.invoke(event, TIME).await.result.unwrap_err();
        assert_eq!(error["errorType"], kind, "{error}");
    }
    aws.fault(
        Fault::on("s3", "GetObject")
            .subject_contains("my-registries/registries.yaml")
            .times(100)
            .access_denied(),
    );
    let error = lambda.invoke(uploaded(), TIME).await.result.unwrap_err();
    assert_eq!(error["errorType"], "ConfigUnreadable", "{error}");
    assert!(!function.exited());
    log_of(&function);
}

#[tokio::test]
async fn a_bad_setting_ends_the_function_at_start_and_names_the_variable() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[("MAX_DELETIONS", "many")]);
    let error = lambda.invoke(uploaded(), TIME).await.result.unwrap_err();
    assert_eq!(error["errorType"], "Runtime.ExitError", "{error}");
    assert!(log_of(&function).contains("MAX_DELETIONS must be a whole number from 0"));
}

#[tokio::test]
async fn a_crash_of_the_function_leaves_no_core_dump() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    lambda.invoke(json!({}), TIME).await.result.unwrap();
    // Linux alone shows a process's limits as a file.
    if let Ok(limits) = std::fs::read_to_string(format!("/proc/{}/limits", function.id())) {
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        let numbers: Vec<&str> = core
            .split_whitespace()
            .filter(|word| word.parse::<u64>().is_ok())
            .collect();
        assert_eq!(numbers, ["0", "0"], "{core}");
    }
}

#[tokio::test]
async fn a_secret_that_ecr_does_not_see_for_twelve_seconds_is_waited_for() {
    let aws = account(Options {
        secret_visible_after: Duration::from_secs(12),
        ..Options::default()
    })
    .await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    let report = lambda.invoke(uploaded(), TIME).await.result.unwrap();
    assert_eq!(report["outcome"], "changed", "{report:#}");
    log_of(&function);
}

#[tokio::test]
async fn a_function_that_is_killed_half_way_leaves_work_that_the_next_one_finishes() {
    for operation in [
        "UpdateSecretVersionStage",
        "CreateRepositoryCreationTemplate",
        "CreatePullThroughCacheRule",
    ] {
        let aws = account(Options::default()).await;
        let lambda = aws.lambda();
        let function = start(&aws, &lambda, &[]);
        let service = if operation == "UpdateSecretVersionStage" {
            "secretsmanager"
        } else {
            "ecr"
        };
        let dying = std::sync::Arc::new(std::sync::Mutex::new(Some(function)));
        let victim = std::sync::Arc::clone(&dying);
        aws.after(service, operation, 1, move |_| {
            victim.lock().unwrap().as_ref().unwrap().kill()
        });
        lambda.invoke(uploaded(), TIME).await.result.unwrap_err();
        log_of(dying.lock().unwrap().as_ref().unwrap());
        drop(dying.lock().unwrap().take());
        assert_eq!(aws.object(BUCKET, STATUS), None);

        let function = start(&aws, &lambda, &[]);
        let report = lambda.invoke(uploaded(), TIME).await.result.unwrap();
        assert_eq!(report["outcome"], "changed", "{operation}: {report:#}");
        let plan = lambda.invoke(json!({}), TIME).await.result.unwrap();
        assert_eq!(plan["outcome"], "converged", "{operation}");
        log_of(&function);
    }
}

#[tokio::test]
async fn what_is_handed_over_is_finished_even_if_a_function_is_killed_over_a_message() {
    let aws = account(Options::default()).await;
    let (queue, dead) = aws.create_queue_pair("work", 3);
    aws.seed_repositories((0..180).map(|n| format!("quay/{n:03}")), 2);
    aws.put_object(
        BUCKET,
        KEY,
        "quay: {registry: quay.io, tags: {a: b}, existing_repositories: {apply: [tags]}}\n",
    );
    let lambda = aws.lambda();
    let env = [("WORK_QUEUE_URL", queue.as_str())];
    let function = start(&aws, &lambda, &env);
    // Fourteen seconds, of which the last eight are for ending: some calls go through, then nothing does.
    aws.fault(Fault::on("ecr", "TagResource").skip(30).timeout());
    let report = lambda.invoke(uploaded(), Duration::from_secs(14)).await.result.unwrap();
    assert_eq!(report["outcome"], "partial", "{report:#}");
    aws.clear_faults();

    let event = aws.take_work(&queue, 1).unwrap();
    let dying = std::sync::Arc::new(std::sync::Mutex::new(Some(function)));
    let victim = std::sync::Arc::clone(&dying);
    aws.after("ecr", "TagResource", 9, move |_| {
        victim.lock().unwrap().as_ref().unwrap().kill()
    });
    lambda.invoke(event.clone(), TIME).await.result.unwrap_err();
    aws.finish_work(&event, false);
    log_of(dying.lock().unwrap().as_ref().unwrap());
    drop(dying.lock().unwrap().take());

    let function = start(&aws, &lambda, &env);
    let mut last = None;
    while let Some(event) = aws.take_work(&queue, 1) {
        last = Some(lambda.invoke(event.clone(), TIME).await.result.unwrap());
        aws.finish_work(&event, true);
    }
    let report = last.unwrap();
    assert_eq!(
        (
            report["outcome"].as_str(),
            report["existing_repositories"]["done"].as_u64()
        ),
        (Some("changed"), Some(180))
    );
    assert!(aws.messages(&dead).is_empty());
    log_of(&function);
}

#[tokio::test]
async fn two_functions_side_by_side_share_the_account_and_both_tell_the_truth() {
    let aws = account(Options::default()).await;
    let (one, two) = (aws.lambda(), aws.lambda());
    let functions = [start(&aws, &one, &[]), start(&aws, &two, &[])];
    let (first, second) = tokio::join!(one.invoke(uploaded(), TIME), two.invoke(uploaded(), TIME));
    for report in [first.result.unwrap(), second.result.unwrap()] {
        assert_ne!(report["outcome"], "partial", "{report:#}");
    }
    assert_eq!(
        one.invoke(json!({"action": "plan"}), TIME).await.result.unwrap()["outcome"],
        "converged"
    );
    let rules = aws.call("ecr", "DescribePullThroughCacheRules", json!({})).unwrap();
    assert_eq!(rules["pullThroughCacheRules"].as_array().unwrap().len(), 3);
    functions.iter().for_each(|function| drop(log_of(function)));
}

/// Each is answered, with a report or with the kinds of events it knows, by one and the same process.
#[tokio::test]
async fn no_event_however_odd_ends_the_function() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    let long = "a".repeat(3_000_000);
    let sqs = |body: &str| json!({"Records": [{"eventSource": "aws:sqs", "body": body}]});
    let nested = (0..12).fold(json!(1), |inner, _| sqs(&inner.to_string()));
    let label = |arn: &str, version: &str| {
        let detail = json!({"labelUpdated": "AWSCURRENT", "versionId": version});
        json!({"detail-type": "Secret Label Updated", "source": "aws.secretsmanager", "resources": [arn], "detail": detail})
    };
    let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";
    for event in [
        json!(null),
        json!([]),
        json!("x"),
        json!({"Records": []}),
        json!({"Records": {}}),
        json!({"Records": [null]}),
        json!({"Records": [{"eventSource": "aws:s3"}]}),
        sqs(""),
        json!({"action": "apply", "max_deletions": -1}),
        json!({"action": "plan", "max_deletions": 1e99}),
        json!({"action": null}),
        json!({"Action": "apply"}),
        json!({"detail-type": 5, "source": "aws.events"}),
        label(arn, "x"),
        json!({"x": long}),
        nested,
        label(&format!("{arn}ecr-pullthroughcache/\u{202e}x-abcdef"), &long),
    ] {
        match lambda.invoke(event, TIME).await.result {
            Ok(report) => assert_eq!(report["outcome"], "ignored", "{report:#}"),
            Err(error) => assert_eq!(error["errorType"], "UnplaceableEvent", "{error}"),
        }
    }
    assert_eq!(aws.calls().into_iter().filter(|call| call.write).count(), 0);
    assert!(!function.exited());
    assert!(!log_of(&function).contains("panicked"));
}

/// A pull that fails, as the batch of the queue that it comes through, in which it stands twice.
#[tokio::test]
async fn a_failed_pull_is_told_and_its_credential_proven() {
    let aws = account(Options::default()).await;
    let lambda = aws.lambda();
    let function = start(&aws, &lambda, &[]);
    lambda.invoke(uploaded(), TIME).await.result.unwrap();
    aws.refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    aws.pull("dockerhub/library/nginx:1").unwrap_err();
    let event = aws.events().pop().unwrap();
    let record = json!({"messageId": "m", "receiptHandle": "h", "body": event.to_string(), "attributes": {},
        "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-west-1",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:stack-PullFailures"});
    let told = lambda.invoke(json!({"Records": [record, record]}), TIME).await;
    let told = told.result.unwrap();
    assert_eq!(
        (&told["outcome"], &told["trigger"]["kind"]),
        (&json!("partial"), &json!("pull-failure"))
    );
    let status: Value = serde_json::from_slice(&aws.object(BUCKET, STATUS).unwrap()).unwrap();
    let registry = &status["registries"]["dockerhub"];
    assert_eq!(
        (&registry["credential"], &registry["last_pull_failure"]["count"]),
        (&json!("invalid"), &json!(1))
    );
    assert!(log_of(&function).contains("\"PullFailures\":1"));
}
