//! `ptc check`: every error and warning of a file, without asking anybody.

use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};
use config::{self, Excerpts, Problem, Rejected};
use serde::Serialize;

use crate::input::Input;
use crate::place::PlaceArgs;
use crate::sealed;
use crate::ui::{FAILED, Failure, Ui};
use crate::view::problems::{self, Level};
use crate::view::sarif;
use crate::view::visible::visible;

/// Check files: all errors and warnings, with their places. Works offline. One exception: for a file
/// that SOPS encrypted, KMS is asked for the key, unless an age identity on this machine opens it.
#[derive(ClapArgs)]
pub struct Args {
    /// The files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How to print.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Warnings count as errors.
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// How problems are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the lines they are about. Credentials are covered.
    Human,
    /// One object.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
}

/// What was found in a file.
#[derive(Serialize)]
pub struct Checked {
    /// As it was given.
    pub file: String,
    /// How many registries it has, where it was accepted.
    pub registries: Option<usize>,
    /// What keeps it from being taken.
    pub errors: Vec<Problem>,
    /// What is legal but surprising.
    pub warnings: Vec<Problem>,
    /// Its lines.
    #[serde(skip)]
    pub excerpts: Excerpts,
}

impl Checked {
    /// A file that was refused.
    pub fn rejected(input: &Input, Rejected { errors, warnings }: Rejected) -> Self {
        checked(&input.name, None, errors, warnings, Excerpts::of(&input.bytes))
    }

    /// Every problem with its level, errors first.
    pub fn problems(&self) -> impl Iterator<Item = (Level, &Problem)> {
        let errors = self.errors.iter().map(|problem| (Level::Error, problem));
        errors.chain(self.warnings.iter().map(|problem| (Level::Warning, problem)))
    }
}

/// Runs the command.
///
/// # Errors
/// When the output cannot be written, or RESOURCE_TAGS not be read. A file that cannot be read is that file's error.
pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let context = args.place.context()?;
    if args.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::Usage("standard input, `-`, can be read once only".into()));
    }
    let mut checked: Vec<Checked> = Vec::with_capacity(args.files.len());
    for path in &args.files {
        checked.push(check(path, &context).await);
    }
    let format = args
        .format
        .unwrap_or(if ui.json { Format::Json } else { Format::Human });
    let bad = |file: &Checked| !file.errors.is_empty() || (args.deny_warnings && !file.warnings.is_empty());
    let failed = checked.iter().any(bad);
    match format {
        Format::Human => {
            let pages: String = checked.iter().map(|file| problems::page(file, ui.color)).collect();
            ui.raw(pages.as_bytes())?;
        }
        Format::Json => ui.value(&serde_json::json!({ "ok": !failed, "files": checked }))?,
        Format::Github => ui.raw(checked.iter().map(problems::annotations).collect::<String>().as_bytes())?,
        Format::Sarif => ui.value(&sarif::log(&checked))?,
    }
    Ok(if failed { FAILED } else { ExitCode::SUCCESS })
}

async fn check(path: &str, context: &config::Context) -> Checked {
    let input = match Input::read(path) {
        Ok(input) => input,
        Err(failure) => {
            let message = match failure {
                Failure::File { error, .. } => format!("the file cannot be read: {error}"),
                other => other.to_string(),
            };
            let problem = Problem {
                registry: None,
                line: None,
                column: None,
                message,
            };
            return checked(&visible(path), None, vec![problem], Vec::new(), Excerpts::default());
        }
    };
    match Box::pin(sealed::open(&input.bytes, context, None)).await {
        Ok(file) => {
            let excerpts = Excerpts::of(&input.bytes);
            checked(
                &input.name,
                Some(file.registries.len()),
                Vec::new(),
                file.warnings,
                excerpts,
            )
        }
        Err(rejected) => Checked::rejected(&input, rejected),
    }
}

fn checked(
    file: &str,
    registries: Option<usize>,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    excerpts: Excerpts,
) -> Checked {
    Checked {
        file: file.to_owned(),
        registries,
        errors,
        warnings,
        excerpts,
    }
}
