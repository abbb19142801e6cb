//! What is printed where: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use crate::view::visible::visible;

/// The exit status of everything that failed, a mistyped call included.
pub const FAILED: ExitCode = ExitCode::FAILURE;

/// How long a wait stays silent.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// The longest time between two lines about a wait.
const LAST_WORD: Duration = Duration::from_secs(30);

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file of this machine cannot be read or written.
    #[error("{path}: {error}")]
    File {
        /// The path as it was given.
        path: String,
        /// The system's error.
        error: io::Error,
    },
    /// An argument or a variable that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// AWS refused, or cannot be reached.
    #[error("{0}")]
    Aws(String),
    /// The time to wait is over.
    #[error("{0}")]
    TimedOut(String),
    /// Ctrl-C for the second time.
    #[error("ended while calls were under way: look with `ptc plan` at what was done")]
    Stopped,
    /// Standard output is closed.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

/// How to print.
#[derive(Debug)]
pub struct Ui {
    /// Print JSON.
    pub json: bool,
    /// Print colours.
    pub color: bool,
}

impl Ui {
    /// From the global options.
    pub fn new(json: bool, color: Color) -> Self {
        let wanted = || io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let color = match color {
            Color::Auto => wanted(),
            Color::Always => true,
            Color::Never => false,
        };
        Self { json, color }
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

    /// Waits for something, and says so where it takes long: retries alone can be silent for many seconds.
    pub async fn waiting<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let began = Instant::now();
        let mut wait = FIRST_WORD;
        loop {
            if let Ok(done) = tokio::time::timeout(wait, &mut work).await {
                return done;
            }
            self.note(&format!("{what}: still waiting after {} s", began.elapsed().as_secs()));
            wait = (wait * 2).min(LAST_WORD);
        }
    }

    /// Prints a note on standard error.
    pub fn note(&self, text: &str) {
        // Where standard error is closed nobody wants to know.
        _ = writeln!(io::stderr().lock(), "{text}");
    }
}
