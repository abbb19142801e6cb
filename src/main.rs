//! The Lambda function: settings and clients once, then one invocation after the other.

use std::process::ExitCode;

use ecr_pull_through_sync::handler::App;
use ecr_pull_through_sync::pace::Pace;
use ecr_pull_through_sync::settings::Settings;
use ecr_pull_through_sync::{account, logs};
use lambda_runtime::service_fn;
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
    // In Lambda, credentials and region come from the environment: no call to STS or IMDS is made.
    let config = account::loader().load().await;
    let (reader, writer) = account::connect(&config);
    let app = App { reader, writer, settings, pace: Pace::default(), metrics: logs::print };
    match lambda_runtime::run(service_fn(|event| app.handle(event))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!(error = %problem, "the Lambda runtime ended");
            ExitCode::FAILURE
        }
    }
}
