//! `ptc check`: every error and warning of a file, without asking anybody.

use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};

use crate::account::AccountArgs;
use crate::allow::AllowArgs;
use crate::input::Input;
use crate::sealed;
use crate::ui::{FAILED, Failure, Ui};
use crate::view::checked::Checked;
use crate::view::visible::visible;
use crate::view::{problems, sarif};

const EXAMPLES: &str = r#"Examples:
  ptc check registries.yaml
  ptc check --deny-warnings --account 123456789012 --region eu-west-1 registries.yaml
  ptc check --format github registries.yaml"#;

/// Check files: all errors and warnings, with their places. Works offline. One exception: for a file
/// that SOPS encrypted, KMS is asked for the key, unless an age identity on this machine opens it.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How to print.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Warnings count as errors, but for those that are allowed.
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    allow: AllowArgs,
    #[command(flatten)]
    account: AccountArgs,
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

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let context = args.account.context()?;
    if args.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(Failure::Usage("standard input, `-`, can be read once only".into()));
    }
    let mut checked: Vec<Checked> = Vec::with_capacity(args.files.len());
    for path in &args.files {
        let mut file = check(path, &context).await;
        args.allow.silence(&mut file.warnings);
        checked.push(file);
    }
    let format = args
        .format
        .unwrap_or(if ui.json { Format::Json } else { Format::Human });
    let bad = |file: &Checked| !file.errors.is_empty() || (args.deny_warnings && !file.warnings.is_empty());
    let failed = checked.iter().any(bad);
    match format {
        Format::Human => {
            let mut pages: String = checked.iter().map(|file| problems::page(file, ui.color)).collect();
            if let Some(total) = problems::total(&checked) {
                pages.push_str(&format!("{total}\n"));
            }
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
            return Checked::unreadable(visible(path), message);
        }
    };
    match Box::pin(sealed::open(&input.bytes, context, None)).await {
        Ok(file) => Checked::accepted(&input, file),
        Err(rejected) => Checked::rejected(&input, rejected),
    }
}
