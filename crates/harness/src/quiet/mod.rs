//! The bench for tests of hundreds of runs: the same account and handler, but no search of everything after every run.

use std::time::Duration;

use ecr_pull_through_sync::failure::Failure;
use ecr_pull_through_sync::handler::App;
use lambda_runtime::{Context, LambdaEvent};
use local_aws::{LocalAws, Options};
use serde_json::Value;

use crate::support::{BUCKET, Bench, FUNCTION, app, token_id};

pub async fn bench(env: &[(&str, &str)]) -> Bench {
    let aws = LocalAws::start(Options::default()).await.unwrap();
    aws.create_bucket(BUCKET, true);
    for (host, service) in [("registry-1.docker.io", "docker"), ("ghcr.io", "ghcr")] {
        for n in 1..=5 {
            aws.accept_upstream(host, "acme-bot", &format!("canary-{service}-{n}"));
        }
    }
    // Boxed, here and below: futures of this size, one in the other, are more than a test's stack.
    let app = Box::pin(app(&aws, env)).await;
    Bench { aws, app }
}

/// Hands an event to the handler, with all the time a run may need.
pub async fn send(app: &App, event: Value) -> Result<Value, Failure> {
    send_within(app, event, Duration::from_secs(300)).await
}

pub async fn send_within(app: &App, event: Value, time: Duration) -> Result<Value, Failure> {
    let mut context = Context::default();
    context.request_id = token_id();
    context.invoked_function_arn = FUNCTION.into();
    let deadline = std::time::SystemTime::now() + time;
    context.deadline = deadline.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let report = Box::pin(app.handle(LambdaEvent::new(event, context))).await?;
    Ok(serde_json::to_value(report).unwrap())
}
