//! `ptc export`: the account's rules and templates as a registries.yaml.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args as ClapArgs;
use ecr_pull_through_sync::export::{ExportError, Exported, export};
use serde_json::json;

use crate::session::SessionArgs;
use crate::ui::{Failure, Ui};
use crate::visible::visible;

/// Write the account's pull-through cache rules and templates as a registries.yaml, foreign ones too. Reads only.
///
/// Credentials are named, never read: each registry has the `secret:` that its rule points to. What a plan of the file
/// would still change stands as a comment above the registry.
#[derive(ClapArgs)]
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

/// Runs the command.
///
/// # Errors
/// When the account cannot be read, or the file not be written.
pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    // Before anybody is asked for anything.
    if let Some(path) = args.output.as_deref().filter(|path| !args.force && path.exists()) {
        return Err(in_the_way(path));
    }
    let session = args.session.open(ui).await?;
    let exported = export(&session.reader, &session.home, &session.settings);
    let exported = ui.waiting("reading the account", exported).await.map_err(|error| match error {
        ExportError::Aws(error) => Failure::Aws(error.to_string()),
        ExportError::Settings(_) => Failure::Usage(error.to_string()),
    })?;
    if let Some(path) = &args.output {
        write(path, args.force, &exported.yaml)?;
    }
    if ui.json {
        let Exported { yaml, registries, remarks, notes } = &exported;
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
    let Exported { registries, remarks, .. } = exported;
    let all = match registries.len() {
        0 => return "no registry could be written".to_owned(),
        1 => "1 registry".to_owned(),
        n => format!("{n} registries"),
    };
    match remarks.len() {
        0 => format!("{all}, and a plan of the file would change nothing about what is in it"),
        n => format!("{all}; above {n} a comment says what a plan would change, or what could not be written"),
    }
}

fn write(path: &Path, force: bool, text: &str) -> Result<(), Failure> {
    let mut how = OpenOptions::new();
    // Looked at again by the system, for a file that came in the meantime.
    how.write(true).create(force).truncate(force).create_new(!force);
    let written = how.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => in_the_way(path),
        _ => Failure::File { path: path.display().to_string(), error },
    })
}

fn in_the_way(path: &Path) -> Failure {
    let error = io::Error::new(io::ErrorKind::AlreadyExists, "is there already; --force writes over it");
    Failure::File { path: path.display().to_string(), error }
}
