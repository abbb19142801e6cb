//! The server as a client on the network sees it: signatures, faults, hooks, the call log, and its end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use common::{aws, call, rule, s3, send, signed};
use local_aws::{Fault, Options};
use serde_json::json;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

#[test]
fn errors_have_the_form_of_their_service() {
    let aws = aws(Options::default());
    let ecr = call(
        &aws,
        "ecr",
        "DeletePullThroughCacheRule",
        &json!({"ecrRepositoryPrefix": "nothing"}),
    )
    .unwrap();
    assert_eq!(
        (ecr.status, &ecr.json()["__type"]),
        (400, &json!("PullThroughCacheRuleNotFoundException"))
    );
    assert!(ecr.json()["message"].is_string());
    let secret = call(
        &aws,
        "secretsmanager",
        "DescribeSecret",
        &json!({"SecretId": "nothing"}),
    )
    .unwrap();
    assert_eq!(
        (secret.status, &secret.json()["__type"]),
        (400, &json!("ResourceNotFoundException"))
    );
    assert_eq!(
        secret.json()["Message"],
        "Secrets Manager can't find the specified secret."
    );
    let object = s3(&aws, "GET", "/none/key", &[], "");
    assert_eq!(object.status, 404);
    assert!(
        object.body.contains("<Code>NoSuchBucket</Code>") && object.body.contains("<Resource>/none/key</Resource>")
    );
}

#[test]
fn a_call_must_be_signed_for_the_region_and_service_and_be_json() {
    let aws = aws(Options {
        region: "us-east-1".to_owned(),
        ..Options::default()
    });
    let elsewhere = call(&aws, "ecr", "DescribeRepositories", &json!({})).unwrap();
    assert_eq!(
        (elsewhere.status, &elsewhere.json()["__type"]),
        (403, &json!("InvalidSignatureException"))
    );
    let target = ("x-amz-target", "secretsmanager.ListSecrets");
    let json = ("content-type", "application/x-amz-json-1.1");
    let unsigned = send(&aws, "POST", "/", &[target, json], "{}").unwrap();
    assert_eq!(
        (unsigned.status, unsigned.json()["__type"].as_str()),
        (403, Some("MissingAuthenticationTokenException"))
    );
    assert_eq!(send(&aws, "GET", "/bucket/key", &[], "").unwrap().status, 403);

    let authorization = signed("AKID", "secretsmanager").replace("eu-west-1", "us-east-1");
    let headers = [("authorization", authorization.as_str()), target, json];
    assert_eq!(send(&aws, "POST", "/", &headers, "{}").unwrap().status, 200);
    let not_json = send(&aws, "POST", "/", &headers, "{").unwrap();
    assert_eq!(not_json.json()["__type"], "SerializationException");
}

#[test]
fn the_log_tells_who_did_what_to_which_resource() {
    let aws = aws(Options::default());
    aws.create_bucket("b", true);
    let create = rule(&aws, "dockerhub", "t");
    call(&aws, "ecr", "CreatePullThroughCacheRule", &create).unwrap();
    call(&aws, "ecr", "CreatePullThroughCacheRule", &create).unwrap();
    s3(&aws, "PUT", "/b/a%20key", &[], "x");
    let log: Vec<_> = aws
        .calls()
        .into_iter()
        .map(|c| (c.n, c.service, c.operation, c.subject, c.status, c.write))
        .collect();
    let made = |n, status| {
        (
            n,
            "ecr".to_owned(),
            "CreatePullThroughCacheRule".to_owned(),
            "dockerhub".to_owned(),
            status,
            true,
        )
    };
    let put = (
        3,
        "s3".to_owned(),
        "PutObject".to_owned(),
        "b/a key".to_owned(),
        200,
        true,
    );
    assert_eq!(log, [made(1, 200), made(2, 400), put]);
    assert_eq!(
        aws.calls()[1].error.as_deref(),
        Some("PullThroughCacheRuleAlreadyExistsException")
    );
    assert!(aws.calls().iter().all(|call| call.principal == "AKIDTEST"));
    aws.clear_calls();
    call(&aws, "ecr", "DescribePullThroughCacheRules", &json!({})).unwrap();
    assert_eq!((aws.calls()[0].n, aws.calls()[0].write), (4, false));
}

#[test]
fn calls_are_counted_by_operation_and_throttled_ones_apart() {
    let aws = aws(Options::default());
    aws.seed_repositories(["hub/a".to_owned(), "hub/b".to_owned()], 3);
    aws.count_calls_only(true);
    aws.fault(Fault::on("ecr", "GetLifecyclePolicy").rate(0));
    for operation in ["DescribeRepositories", "GetLifecyclePolicy", "GetLifecyclePolicy"] {
        call(&aws, "ecr", operation, &json!({"repositoryName": "hub/a"})).unwrap();
    }
    call(&aws, "ecr", "GetRepositoryPolicy", &json!({"repositoryName": "hub/b"})).unwrap();
    let counts: Vec<(String, usize)> = aws.call_counts().into_iter().collect();
    let expected = [
        ("ecr:DescribeRepositories".to_owned(), 1),
        ("ecr:GetLifecyclePolicy!ThrottlingException".to_owned(), 2),
        ("ecr:GetRepositoryPolicy".to_owned(), 1),
    ];
    assert_eq!((counts.as_slice(), aws.calls().len()), (expected.as_slice(), 0));
    aws.clear_calls();
    assert!(aws.call_counts().is_empty());
}

#[test]
fn a_reset_before_changes_nothing_and_a_reset_after_loses_only_the_answer() {
    let aws = aws(Options::default());
    let create = json!({"Name": "s"});
    let token = json!({"Name": "s", "ClientRequestToken": "0".repeat(32)});
    aws.fault(Fault::on("secretsmanager", "CreateSecret").times(1).reset());
    let error = call(&aws, "secretsmanager", "CreateSecret", &create).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let describe = || aws.call("secretsmanager", "DescribeSecret", json!({"SecretId": "s"}));
    assert!(describe().is_err());
    aws.fault(Fault::on("secretsmanager", "CreateSecret").times(1).reset_after());
    assert!(call(&aws, "secretsmanager", "CreateSecret", &token).is_err());
    assert!(describe().is_ok());
    assert!(
        aws.calls()
            .iter()
            .all(|call| call.status == 0 && call.error.as_deref() == Some("local-aws:reset"))
    );
}

#[test]
fn a_hanging_call_ends_with_the_server_and_a_slow_one_is_only_slow() {
    let aws = aws(Options::default());
    aws.fault(Fault::on("ecr", "*").times(1).latency(Duration::from_millis(150)));
    let began = Instant::now();
    assert_eq!(
        call(&aws, "ecr", "DescribeRepositories", &json!({})).unwrap().status,
        200
    );
    assert!(began.elapsed() >= Duration::from_millis(150));
    aws.fault(Fault::on("ecr", "*").timeout());
    let hanging = std::thread::spawn({
        let aws = aws.clone();
        move || call(&aws, "ecr", "DescribeRepositories", &json!({}))
    });
    while aws.calls().len() < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    aws.shutdown();
    assert!(hanging.join().unwrap().is_err());
    assert_eq!(
        call(&aws, "ecr", "DescribeRepositories", &json!({}))
            .unwrap_err()
            .kind(),
        ErrorKind::ConnectionRefused
    );
}

#[test]
fn the_last_handle_stops_the_server() {
    let aws = aws(Options::default());
    let address = aws.endpoint().replace("http://", "");
    let clone = aws.clone();
    drop(aws);
    assert!(std::net::TcpStream::connect(&address).is_ok());
    drop(clone);
    let began = Instant::now();
    while std::net::TcpStream::connect(&address).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn hooks_run_right_before_and_right_after_the_nth_call() {
    let aws = aws(Options::default());
    let secret = |name: &str| json!({"Name": name});
    aws.call("secretsmanager", "CreateSecret", secret("a")).unwrap();
    // Someone deletes the secret between a client's two looks at it, and someone makes it anew behind its third.
    aws.before("secretsmanager", "DescribeSecret", 2, |aws| {
        let delete = json!({"SecretId": "a", "ForceDeleteWithoutRecovery": true});
        aws.call("secretsmanager", "DeleteSecret", delete).unwrap();
    });
    aws.after("*", "DescribeSecret", 3, move |aws| {
        aws.call("secretsmanager", "CreateSecret", json!({"Name": "a"}))
            .unwrap();
    });
    let look = || {
        call(&aws, "secretsmanager", "DescribeSecret", &json!({"SecretId": "a"}))
            .unwrap()
            .status
    };
    assert_eq!([look(), look(), look(), look()], [200, 400, 400, 200]);
}

#[test]
fn a_call_is_processed_even_if_its_sender_dies_while_it_waits() {
    let aws = aws(Options::default());
    aws.before("secretsmanager", "CreateSecret", 1, |_| {
        std::thread::sleep(Duration::from_millis(300))
    });
    let address = aws.endpoint().replace("http://", "");
    let authorization = signed("AKIDTEST", "secretsmanager");
    let body = json!({"Name": "s"}).to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nauthorization: {authorization}\r\ncontent-type: application/x-amz-json-1.1\r\n\
         x-amz-target: secretsmanager.CreateSecret\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut sender = std::net::TcpStream::connect(&address).unwrap();
    std::io::Write::write_all(&mut sender, head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    drop(sender);
    let began = Instant::now();
    while aws.calls().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    assert!(
        aws.call("secretsmanager", "DescribeSecret", json!({"SecretId": "s"}))
            .is_ok()
    );
}

#[test]
fn s3_faults_are_xml() {
    let aws = aws(Options::default());
    aws.create_bucket("b", false);
    aws.fault(
        Fault::on("s3", "PutObject")
            .times(1)
            .error("ConditionalRequestConflict", "busy", 409),
    );
    aws.fault(Fault::on("s3", "*").times(1).throttle());
    aws.fault(Fault::on("s3", "*").times(1).access_denied());
    let put = || {
        let answer = s3(&aws, "PUT", "/b/k", &[], "x");
        (
            answer.status,
            answer
                .body
                .split("<Code>")
                .nth(1)
                .map(|rest| rest.split('<').next().unwrap_or_default().to_owned()),
        )
    };
    assert_eq!(put(), (409, Some("ConditionalRequestConflict".to_owned())));
    assert_eq!(put(), (503, Some("SlowDown".to_owned())));
    assert_eq!(put(), (403, Some("AccessDenied".to_owned())));
    assert_eq!(put(), (200, None));
}

#[test]
fn a_credential_is_proven_against_the_table_of_upstreams_and_secrets_are_seen_late() {
    let aws = aws(Options {
        secret_visible_after: Duration::from_secs(12),
        ..Options::default()
    });
    let create = rule(&aws, "dockerhub", "good");
    let early = call(&aws, "ecr", "CreatePullThroughCacheRule", &create).unwrap();
    assert_eq!(early.json()["__type"], "SecretNotFoundException");
    aws.advance(Duration::from_secs(12));
    assert_eq!(
        call(&aws, "ecr", "CreatePullThroughCacheRule", &create).unwrap().status,
        200
    );
    let valid = || {
        let input = json!({"ecrRepositoryPrefix": "dockerhub"});
        call(&aws, "ecr", "ValidatePullThroughCacheRule", &input)
            .unwrap()
            .json()["isValid"]
            == true
    };
    assert!(!valid());
    aws.accept_upstream("registry-1.docker.io", "u", "good");
    assert!(valid());
    assert!(aws.pull("dockerhub/library/nginx:1.27").unwrap().created);
    aws.refuse_upstream("registry-1.docker.io", "u", "good");
    assert!(!valid());
}

#[test]
fn admin_requests_need_no_signature_and_a_reset_empties_the_account() {
    let aws = aws(Options::default());
    let post = |path: &str, body: &str| send(&aws, "POST", &format!("/_local-aws/{path}"), &[], body).unwrap();
    assert_eq!(post("buckets", r#"{"name":"b","versioned":true}"#).status, 200);
    aws.put_object("b", "k", "x");
    assert_eq!(aws.objects("b"), ["k"]);
    assert_eq!(
        post("faults", r#"{"service":"ecr","operation":"*","kind":"nonsense"}"#).status,
        400
    );
    assert_eq!(post("pull", r#"{"image":"nothing/here"}"#).status, 400);
    assert!(post("nonsense", "").body.contains("POST upstreams"));
    assert_eq!(post("reset", "").status, 200);
    assert_eq!(
        (aws.objects("b").len(), aws.calls().len(), aws.events().len()),
        (0, 0, 0)
    );
    assert_eq!(
        send(&aws, "GET", "/_local-aws/calls", &[], "").unwrap().json(),
        json!([])
    );
}

/// STS speaks the query protocol.
#[test]
fn a_key_can_ask_whose_it_is() {
    let aws = aws(Options::default());
    let ask = |authorization: Option<&str>, form: &str| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers: Vec<_> = authorization
            .map(|value| ("authorization", value))
            .into_iter()
            .chain([kind])
            .collect();
        send(&aws, "POST", "/", &headers, form).unwrap()
    };
    let key = signed("AKIDTEST", "sts");
    let answer = ask(Some(&key), "Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(answer.status, 200);
    for part in [
        "<Account>123456789012</Account>",
        "<Arn>arn:aws:iam::123456789012:user/local-aws</Arn>",
    ] {
        assert!(answer.body.contains(part), "{}", answer.body);
    }
    let ecr = signed("AKIDTEST", "ecr");
    for (key, form, status, code) in [
        (
            None,
            "Action=GetCallerIdentity&Version=2011-06-15",
            403,
            "MissingAuthenticationToken",
        ),
        (
            Some(ecr.as_str()),
            "Action=GetCallerIdentity&Version=2011-06-15",
            403,
            "SignatureDoesNotMatch",
        ),
        (Some(&key), "Action=AssumeRole&Version=2011-06-15", 400, "InvalidAction"),
        (Some(&key), "Action=GetCallerIdentity", 400, "InvalidAction"),
        (
            Some(&key),
            "Action=GetCallerIdentity&Version=2011-06-15&X=1",
            400,
            "ValidationError",
        ),
        (Some(&key), "Version=2011-06-15", 400, "MissingAction"),
    ] {
        let answer = ask(key, form);
        assert_eq!(answer.status, status, "{form}");
        assert!(answer.body.contains(&format!("<Code>{code}</Code>")), "{}", answer.body);
    }
}

/// CloudFormation speaks the query protocol too, in another version of it.
#[test]
fn a_deployed_stack_can_be_looked_up() {
    let aws = aws(Options::default());
    let id = aws
        .put_stack("sync", "CREATE_COMPLETE", &[("FunctionName", "sync-1")])
        .unwrap();
    let key = signed("AKIDTEST", "cloudformation");
    let ask = |key: &str, form: &str| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        send(&aws, "POST", "/", &[("authorization", key), kind], form).unwrap()
    };
    let form = "Action=DescribeStacks&Version=2010-05-15&StackName=";
    let answer = ask(&key, &format!("{form}sync"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = id.as_str().unwrap();
    for part in [
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult><Stacks><member>",
        "<Outputs><member><OutputKey>FunctionName</OutputKey><OutputValue>sync-1</OutputValue></member></Outputs>",
        "<StackStatus>CREATE_COMPLETE</StackStatus>",
        &format!("<StackId>{id}</StackId>"),
    ] {
        assert!(answer.body.contains(part), "{part}\nis not in\n{}", answer.body);
    }
    for (key, form, status, code) in [
        (&key, format!("{form}other"), 400, "ValidationError"),
        (&key, format!("{form}sync&Nope=1"), 400, "ValidationError"),
        (&key, format!("{form}a_b"), 400, "ValidationError"),
        (
            &key,
            "Action=DescribeStacks&Version=2010-05-15".to_owned(),
            501,
            "NotImplemented",
        ),
        (
            &key,
            "Action=DeleteStack&Version=2010-05-15&StackName=sync".to_owned(),
            400,
            "InvalidAction",
        ),
        (
            &signed("AKIDTEST", "sts"),
            format!("{form}sync"),
            403,
            "SignatureDoesNotMatch",
        ),
    ] {
        let answer = ask(key, &form);
        assert_eq!(answer.status, status, "{form}: {}", answer.body);
        assert!(answer.body.contains(&format!("<Code>{code}</Code>")), "{}", answer.body);
        assert!(
            answer.body.starts_with("<ErrorResponse xmlns=\"http://cloudformation."),
            "{}",
            answer.body
        );
    }
    let calls = aws.calls();
    let first = calls.first().unwrap();
    assert_eq!(
        (first.operation.as_str(), first.subject.as_str(), first.write),
        ("DescribeStacks", "sync", false)
    );
}

#[test]
fn one_endpoint_serves_the_accounts_of_several_regions() {
    let here = aws(Options::default());
    let there = aws(Options {
        region: "us-east-1".to_owned(),
        ..Options::default()
    });
    let ask = |region: &str| {
        let key = signed("AKIDTEST", "sts").replace("eu-west-1", region);
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let form = "Action=GetCallerIdentity&Version=2011-06-15";
        send(&here, "POST", "/", &[("authorization", key.as_str()), kind], form)
            .unwrap()
            .status
    };
    assert_eq!((ask("eu-west-1"), ask("us-east-1")), (200, 403));
    here.serve_too(&there);
    assert_eq!((ask("eu-west-1"), ask("us-east-1"), ask("us-west-2")), (200, 200, 403));
    assert_eq!((here.calls().len(), there.calls().len()), (4, 1));
}

/// Lambda's API is a path.
#[test]
fn a_deployed_function_can_be_looked_up() {
    let aws = aws(Options::default());
    let arn = aws.deploy_function("sync", &[("CONFIG_BUCKET", "my-registries")]);
    let ask = |method: &str, path: &str, service: &str| {
        let key = signed("AKIDTEST", service);
        send(&aws, method, path, &[("authorization", &key)], "").unwrap()
    };
    let encoded = arn.replace(':', "%3A");
    for name in ["sync", &encoded] {
        let answer = ask("GET", &format!("/2015-03-31/functions/{name}/configuration"), "lambda");
        assert_eq!(
            (answer.status, answer.json()["FunctionArn"].as_str()),
            (200, Some(arn.as_str()))
        );
        assert_eq!(
            answer.json()["Environment"]["Variables"]["CONFIG_BUCKET"],
            "my-registries"
        );
    }
    for (method, path, service, status, code) in [
        ("GET", "none/configuration", "lambda", 404, "ResourceNotFoundException"),
        (
            "GET",
            "sync/configuration?Qualifier=1",
            "lambda",
            404,
            "ResourceNotFoundException",
        ),
        (
            "GET",
            "sync/configuration?Version=1",
            "lambda",
            400,
            "InvalidParameterValueException",
        ),
        ("GET", "sync", "lambda", 404, "UnknownOperationException"),
        ("PUT", "sync/configuration", "lambda", 404, "UnknownOperationException"),
        ("GET", "sync/configuration", "s3", 403, "InvalidSignatureException"),
    ] {
        let answer = ask(method, &format!("/2015-03-31/functions/{path}"), service);
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (status, Some(code)),
            "{method} {path}"
        );
    }
    let subjects: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.status == 200)
        .map(|call| call.subject)
        .collect();
    assert_eq!(subjects, ["sync", arn.as_str()]);
}

#[test]
fn a_hollow_answer_has_nothing_in_it_whether_the_call_was_processed_or_not() {
    let aws = aws(Options::default());
    let there =
        || aws.call("ecr", "DescribePullThroughCacheRules", json!({})).unwrap()["pullThroughCacheRules"] != json!([]);
    for (fault, is_made) in [
        (Fault::hollow as fn(Fault) -> Fault, false),
        (Fault::hollow_after, true),
    ] {
        aws.fault(fault(Fault::on("ecr", "CreatePullThroughCacheRule")).times(1));
        let input = json!({"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"});
        let answer = call(&aws, "ecr", "CreatePullThroughCacheRule", &input).unwrap();
        assert_eq!((answer.status, answer.body.as_str(), there()), (200, "", is_made));
    }
}

#[test]
fn endless_pages_show_the_first_one_and_their_tokens_go_round() {
    let aws = aws(Options::default());
    aws.fault(Fault::on("*", "*").endless_pages(2));
    for (service, operation, member) in [
        ("ecr", "DescribePullThroughCacheRules", "nextToken"),
        ("secretsmanager", "ListSecrets", "NextToken"),
    ] {
        let (mut input, mut tokens) = (json!({}), Vec::new());
        for _ in 0..3 {
            let page = call(&aws, service, operation, &input).unwrap().json();
            input[member] = page[member].clone();
            tokens.push(page[member].as_str().unwrap().to_owned());
        }
        assert!(tokens[0] != tokens[1] && tokens[0] == tokens[2], "{tokens:?}");
    }
}
