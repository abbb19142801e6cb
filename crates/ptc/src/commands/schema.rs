//! `ptc schema`: what may stand in the file, for editors and for people.

use std::process::ExitCode;

use crate::ui::{Failure, Ui};

const EXAMPLES: &str = r#"Examples:
  ptc schema > registries.schema.json
  ptc schema --reference"#;

/// Print the JSON Schema of the file, for editors.
///
/// It refuses what `ptc check` refuses, but for what a schema cannot say. To use it, write the first line
/// `# yaml-language-server: $schema=<path of the schema>` into the file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print the reference of all fields instead, in Markdown.
    #[arg(long)]
    reference: bool,
}

/// Prints the JSON Schema, or the reference.
pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    match (args.reference, ui.json) {
        (false, _) => ui.value(&config::schema())?,
        (true, false) => ui.raw(config::reference().as_bytes())?,
        (true, true) => ui.value(&serde_json::json!({ "reference": config::reference() }))?,
    }
    Ok(ExitCode::SUCCESS)
}
