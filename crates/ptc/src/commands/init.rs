//! `ptc init`: a first registries.yaml, and on request what checks and applies it.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use ptc::init;
use serde_json::json;

use crate::output::OutputFile;
use crate::ui::{Failure, Ui};

const HOOK: &str = include_str!("../../../../examples/pre-commit/.pre-commit-config.yaml");
const WORKFLOW: &str = include_str!("../../../../examples/github/registries.yml");

const EXAMPLES: &str = "Examples:
  ptc init docker.io ghcr.io public.ecr.aws   # a registries.yaml for these
  ptc init                                    # the same, after a question
  ptc init quay.io --schema                   # with the schema, for editors
  ptc init quay.io --hook --workflow          # with the pre-commit hook and the GitHub workflow";

/// Write a first registries.yaml, with comments on what each upstream needs. Never writes over a file.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The upstreams, by their hosts. Without any, you are asked.
    upstreams: Vec<String>,
    /// The folder to write into [default: this one].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Also write registries.schema.json, and name it in the file's first line: editors then complete and check the file.
    #[arg(long)]
    schema: bool,
    /// Also write .pre-commit-config.yaml, with a hook that checks the file.
    #[arg(long)]
    hook: bool,
    /// Also write .github/workflows/registries.yml, which plans in pull requests and uploads what is merged.
    #[arg(long)]
    workflow: bool,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let upstreams = if args.upstreams.is_empty() {
        asked(ui)?
    } else {
        args.upstreams
    };
    let yaml = init::file(&upstreams, args.schema).map_err(|error| Failure::Usage(error.to_string()))?;
    let schema = format!("{:#}\n", config::schema());
    let wanted = [
        (true, "registries.yaml", yaml.as_str()),
        (args.schema, init::SCHEMA, &schema),
        (args.hook, ".pre-commit-config.yaml", HOOK),
        (args.workflow, ".github/workflows/registries.yml", WORKFLOW),
    ];
    let folder = args.output.unwrap_or_default();
    let files: Vec<(OutputFile, &str)> = wanted
        .into_iter()
        .filter(|(is_wanted, ..)| *is_wanted)
        .map(|(_, below, text)| (OutputFile::below(&folder, below), text))
        .collect();
    // All or nothing: none is written where one is in the way.
    for (file, _) in &files {
        file.must_be_new("`ptc init` writes over none")?;
    }
    for (file, text) in &files {
        file.make_folder()?;
        file.write(text, false)?;
    }
    let written: Vec<String> = files.iter().map(|(file, _)| file.shown()).collect();
    let next = format!("ptc plan {}", written.first().map_or("registries.yaml", String::as_str));
    if ui.json {
        ui.value(&json!({ "files": written, "next": next }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for file in &written {
        ui.raw(format!("wrote {file}\n").as_bytes())?;
    }
    if args.hook || args.workflow {
        ui.raw(b"Fill in the names in capitals.\n")?;
    }
    let first = if yaml.contains("    secret: ") {
        "Make the secrets that its comments name, then see what it would do: "
    } else {
        "See what it would do: "
    };
    ui.raw(format!("{first}{next}\n").as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The upstreams that somebody picks on the terminal.
fn asked(ui: &Ui) -> Result<Vec<String>, Failure> {
    if ui.json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Usage(
            "say which upstreams: `ptc init docker.io ghcr.io` (here is no terminal to ask on)".into(),
        ));
    }
    let known: Vec<&str> = config::listed().collect();
    let picked = ui.pick("Which upstreams? Space picks one, Enter is the end", &known)?;
    if picked.is_empty() {
        return Err(Failure::Usage(
            "none was picked, and a file needs one; others are given by their hosts: `ptc init acme.azurecr.io`".into(),
        ));
    }
    Ok(picked)
}
