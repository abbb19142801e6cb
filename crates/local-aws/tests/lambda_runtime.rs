//! The Lambda runtime API, driven by the real `lambda_runtime` crate.
//!
//! This program is both sides: started by the test runner it is the test, started by `LambdaApi::spawn` (which sets
//! `AWS_LAMBDA_RUNTIME_API`) it is the function. That is why it has a `main` of its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use lambda_runtime::{LambdaEvent, service_fn};
use local_aws::{Function, Invocation, LambdaApi, LocalAws, Options};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        return lambda_runtime::run(service_fn(function)).await.unwrap();
    }
    an_event_is_answered_with_lambdas_context().await;
    errors_deaths_and_overruns_end_the_invocation().await;
    a_start_that_fails_ends_the_invocation().await;
    two_functions_run_side_by_side().await;
    println!("test result: ok. 4 passed (lambda_runtime)");
}

/// Does what the event says.
async fn function(event: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
    println!("handling {}", event.context.request_id);
    match event.payload["do"].as_str() {
        Some("fail") => Err("it is broken".into()),
        Some("exit") => std::process::exit(3),
        Some("hang") => std::future::pending().await,
        _ => Ok(json!({
            "payload": event.payload,
            "arn": event.context.invoked_function_arn,
            "deadline": event.context.deadline,
            "request_id": event.context.request_id,
            "environment": std::env::vars().collect::<std::collections::BTreeMap<_, _>>(),
        })),
    }
}

async fn aws() -> LocalAws {
    LocalAws::start(Options::default()).await.unwrap()
}

fn spawn(lambda: &LambdaApi) -> Function {
    lambda
        .spawn(&std::env::current_exe().unwrap(), &[("LOG_LEVEL", "trace")])
        .unwrap()
}

fn error_type(invocation: &Invocation) -> &str {
    invocation.result.as_ref().unwrap_err()["errorType"].as_str().unwrap()
}

async fn an_event_is_answered_with_lambdas_context() {
    let aws = aws().await;
    let lambda = aws.lambda();
    let began = Instant::now();
    let function = spawn(&lambda);
    for n in 0..3 {
        let done = lambda.invoke(json!({"n": n}), LONG).await;
        let answer = done.result.unwrap();
        assert_eq!(
            (&answer["payload"]["n"], &answer["request_id"]),
            (&json!(n), &json!(done.request_id))
        );
        assert_eq!(
            answer["arn"],
            "arn:aws:lambda:eu-west-1:123456789012:function:ecr-pull-through-sync"
        );
        let environment = &answer["environment"];
        assert_eq!(
            (&environment["AWS_ENDPOINT_URL"], &environment["LOG_LEVEL"]),
            (&json!(aws.endpoint()), &json!("trace"))
        );
        assert_eq!(environment["AWS_ACCESS_KEY_ID"], function.principal());
        assert!(environment.get("HOME").is_none());
    }
    assert!(
        function
            .first_poll()
            .is_some_and(|after| after > Duration::ZERO && after < began.elapsed())
    );
    assert!(!function.exited());
    function.kill();
    assert!(function.exited());
    assert_eq!(function.output().matches("handling").count(), 3);
}

async fn errors_deaths_and_overruns_end_the_invocation() {
    let aws = aws().await;
    let lambda = aws.lambda();
    let function = spawn(&lambda);
    let failed = lambda.invoke(json!({"do": "fail"}), LONG).await;
    assert_eq!(failed.result.unwrap_err()["errorMessage"], "it is broken");
    let second = lambda.spawn(&std::env::current_exe().unwrap(), &[]);
    assert_eq!(second.map(drop).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    let died = lambda.invoke(json!({"do": "exit"}), LONG).await;
    assert_eq!(error_type(&died), "Runtime.ExitError");
    assert!(
        died.result.unwrap_err()["errorMessage"]
            .as_str()
            .unwrap()
            .contains("exit status 3")
    );
    assert!(function.exited());
    assert_eq!(error_type(&lambda.invoke(json!({}), LONG).await), "Runtime.ExitError");

    let function = spawn(&lambda);
    assert!(lambda.invoke(json!({}), LONG).await.result.is_ok());
    let overran = lambda.invoke(json!({"do": "hang"}), Duration::from_millis(200)).await;
    assert_eq!(error_type(&overran), "Sandbox.Timedout");
    let began = Instant::now();
    while !function.exited() {
        assert!(began.elapsed() < LONG);
    }

    let function = spawn(&lambda);
    let waiting = tokio::spawn({
        let lambda = lambda.clone();
        async move { lambda.invoke(json!({"do": "hang"}), LONG).await }
    });
    while !function.output().contains("handling") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    function.kill();
    let killed = waiting.await.unwrap();
    assert!(
        killed.result.unwrap_err()["errorMessage"]
            .as_str()
            .unwrap()
            .contains("signal: killed")
    );
}

async fn a_start_that_fails_ends_the_invocation() {
    let aws = aws().await;
    let lambda = aws.lambda();
    assert!(lambda.spawn(Path::new("not-there"), &[]).is_err());
    let _function = lambda
        .spawn(
            &std::env::current_exe().unwrap(),
            &[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")],
        )
        .unwrap();
    assert_eq!(error_type(&lambda.invoke(json!({}), LONG).await), "Runtime.ExitError");
}

async fn two_functions_run_side_by_side() {
    let aws = aws().await;
    let (one, other) = (aws.lambda(), aws.lambda());
    let functions = [spawn(&one), spawn(&other)];
    let (first, second) = tokio::join!(one.invoke(json!({}), LONG), other.invoke(json!({}), LONG));
    let key = |done: Invocation| done.result.unwrap()["environment"]["AWS_ACCESS_KEY_ID"].clone();
    assert_eq!(
        [key(first), key(second)],
        [functions[0].principal(), functions[1].principal()]
    );
}
