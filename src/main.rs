//! The Lambda function: settings once, clients with the first event, then one invocation after the other.

use std::process::ExitCode;

use ecr_pull_through_sync::handler::App;
use ecr_pull_through_sync::settings::Settings;
use ecr_pull_through_sync::timing::Timing;
use ecr_pull_through_sync::{account, logs};
use lambda_runtime::service_fn;
use tokio::sync::OnceCell;
use tracing::level_filters::LevelFilter;
use tracing::{error, warn};

// One invocation at a time, and all waiting is for the network: one thread is enough, and starts fastest.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(problem) => {
            logs::start(LevelFilter::INFO);
            error!(error = %problem, "the function cannot start");
            return ExitCode::FAILURE;
        }
    };
    logs::start(settings.log_level);
    // A crash must leave no image of memory behind, and with it tokens.
    if let Err(problem) = rlimit::Resource::CORE.set(0, 0) {
        warn!(error = %problem, "core dumps could not be forbidden");
    }
    // Made for the first event, since half of a start would go into them. docs/performance.md has what this saves and costs.
    let (app, settings) = (&OnceCell::new(), &settings);
    let handler = service_fn(|event| async move { app.get_or_init(|| connected(settings)).await.handle(event).await });
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!(error = %problem, "the Lambda runtime ended");
            ExitCode::FAILURE
        }
    }
}

/// The function, ready for an event. This makes no call.
async fn connected(settings: &Settings) -> App {
    let config = account::loader_in_lambda().load().await;
    let (reader, writer) = account::connect(&config);
    App {
        reader,
        writer,
        settings: settings.clone(),
        timing: Timing::default(),
        metrics: logs::print,
    }
}
