//! What is printed where: results on standard output, everything else on standard error.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use ecr_pull_through_sync::account::Reader;
use serde::Serialize;

use crate::view::progress::Progress;
use crate::view::visible::visible;

/// The exit status of everything that failed, a mistyped call included.
pub const FAILED: ExitCode = ExitCode::FAILURE;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is `dumb`; elsewhere only with CLICOLOR_FORCE.
    Auto,
    Always,
    Never,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file of this machine cannot be read or written.
    #[error("{path}: {error}")]
    File { path: String, error: io::Error },
    /// An argument or a variable that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// AWS refused, or cannot be reached.
    #[error("{0}")]
    Aws(String),
    /// The time to wait is over.
    #[error("{0}")]
    TimedOut(String),
    /// Ctrl-C, or what a pipeline sends to a step that is cancelled.
    #[error("{0}")]
    Interrupted(String),
    /// Standard output is closed.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

/// How to print.
#[derive(Debug)]
pub struct Ui {
    pub json: bool,
    /// Print colours.
    pub color: bool,
    progress: Progress,
}

impl Ui {
    /// From the global options.
    pub fn new(json: bool, color: Color) -> Self {
        let color = match color {
            // As NO_COLOR, CLICOLOR_FORCE and TERM=dumb say.
            Color::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            Color::Always => true,
            Color::Never => false,
        };
        Self {
            json,
            color,
            progress: Progress::new(json, color),
        }
    }

    /// Prints a result.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            // `ptc ... | head` has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => Ok(done?),
        }
    }

    /// Prints a result for programs.
    pub fn value(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        text.push('\n');
        self.raw(text.as_bytes())
    }

    /// Says why a command failed; for programs as `{"error": "..."}`.
    pub fn failure(&self, failure: &Failure) {
        if self.json {
            // A second failure to write has no place left to be told.
            _ = self.value(&serde_json::json!({ "error": failure.to_string() }));
        } else {
            self.note(&format!("error: {}", visible(&failure.to_string())));
        }
    }

    /// Lets somebody pick some of these on the terminal.
    pub fn pick(&self, question: &str, among: &[&str]) -> Result<Vec<String>, Failure> {
        let picked = dialoguer::MultiSelect::new()
            .with_prompt(question)
            .items(among)
            .interact()
            .map_err(|dialoguer::Error::IO(error)| error)?;
        let picked = picked.into_iter().filter_map(|n| among.get(n));
        Ok(picked.map(|picked| (*picked).to_owned()).collect())
    }

    /// Asks a question on the terminal. Anything but yes is no.
    pub fn ask(&self, question: &str) -> Result<bool, Failure> {
        let answer: String = dialoguer::Input::new()
            .with_prompt(format!("{question} [y/N]"))
            .allow_empty(true)
            .interact_text()
            .map_err(|dialoguer::Error::IO(error)| error)?;
        let answer = answer.trim().to_lowercase();
        Ok(matches!(answer.as_str(), "y" | "yes"))
    }

    /// Does something, and says so where it takes long: retries alone can be silent for many seconds.
    pub async fn waiting<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        self.progress.during(what, &|| None, work).await
    }

    /// The same with the number of calls to AWS, which is how far reading is.
    pub async fn reading<T>(&self, what: &str, reader: &Reader, work: impl Future<Output = T>) -> T {
        let calls = || match reader.calls() {
            0 => None,
            1 => Some("1 call".to_owned()),
            n => Some(format!("{n} calls")),
        };
        self.progress.during(what, &calls, work).await
    }

    /// Prints a note on standard error.
    pub fn note(&self, text: &str) {
        self.progress.print(text);
    }
}
