//! The compiled function on this machine, against a stand-in for AWS, without an AWS account: `make run`, `make play` and
//! `make invoke`.

#![allow(
    clippy::indexing_slicing,
    reason = "reading a JSON value by a key it lacks gives null, and does not panic"
)]

mod file;
mod play;
mod show;
mod stage;
mod tour;

use std::path::Path;
use std::process::ExitCode;

const EXAMPLE: &str = "examples/registries.yaml";
const USAGE: &str = "usage: demo run [registries.yaml] | play [registries.yaml] | invoke event.json";

/// What went wrong, for the last line.
type Outcome<T> = Result<T, String>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["run"] => tour::all(Path::new(EXAMPLE)).await,
        ["run", file] => tour::own_file(Path::new(file)).await,
        ["play"] => play::play(EXAMPLE).await,
        ["play", file] => play::play(file).await,
        ["invoke", event] => tour::one_event(Path::new(EXAMPLE), Path::new(event)).await,
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("not as it should be: {problem}");
            ExitCode::FAILURE
        }
    }
}
