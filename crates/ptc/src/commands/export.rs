//! `ptc export`: the account's rules and templates as a registries.yaml.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use ecr_pull_through_sync::report::count;
use ptc::export::{ExportError, Exported, export};
use serde_json::json;

use crate::output::OutputFile;
use crate::session::SessionArgs;
use crate::ui::{Failure, Ui};
use crate::view::visible::visible;

const EXAMPLES: &str = r#"Examples:
  ptc export --output registries.yaml
  ptc export --profile prod --region eu-west-1"#;

/// Write the account's pull-through cache rules and templates as a registries.yaml, foreign ones too. Reads only.
///
/// Credentials are named, never read: each registry has the `secret:` that its rule points to. What a plan of the file
/// would still change stands as a comment above the registry.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write the file here instead of on standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    session: SessionArgs,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    // Before anybody is asked for anything.
    let file = args.output.as_deref().map(OutputFile::named).transpose()?;
    if let Some(file) = file.as_ref().filter(|_| !args.force) {
        file.must_be_new("--force writes over it")?;
    }
    let session = args.session.open(ui).await?;
    let exported = export(&session.reader, &session.home, &session.settings);
    let exported = ui
        .reading("reading the account", &session.reader, exported)
        .await
        .map_err(|error| match error {
            ExportError::Aws(error) => Failure::Aws(error.to_string()),
            ExportError::Settings(_) => Failure::Usage(error.to_string()),
        })?;
    if let Some(file) = &file {
        file.write(&exported.yaml, args.force)?;
    }
    if ui.json {
        let Exported {
            yaml,
            registries,
            remarks,
            notes,
        } = &exported;
        ui.value(&json!({ "yaml": yaml, "registries": registries, "remarks": remarks, "notes": notes }))?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.output.is_none() {
        ui.raw(exported.yaml.as_bytes())?;
    }
    for note in &exported.notes {
        ui.note(&visible(&format!("note: {note}")));
    }
    ui.note(&tally(&exported));
    Ok(ExitCode::SUCCESS)
}

/// What was written, in a line.
fn tally(exported: &Exported) -> String {
    let Exported {
        registries, remarks, ..
    } = exported;
    let all = count(registries.len(), "registry");
    match remarks.len() {
        _ if registries.is_empty() => "no registry could be written".to_owned(),
        0 => format!("{all}, each as it is in the account"),
        n => format!("{all}; above {n} a comment says what a plan would change, or what could not be written"),
    }
}
