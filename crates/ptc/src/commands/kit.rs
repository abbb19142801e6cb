//! `ptc kit`: what the pulling side needs, made from the file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum as _};
use config::{Context, File};
use ecr_pull_through_sync::account::Reader;
use ecr_pull_through_sync::home::Home;
use ptc::kit::{Artefact, ArtefactKind, Fallback, kit};

use crate::account::AccountArgs;
use crate::input::Input;
use crate::output::OutputFile;
use crate::sealed;
use crate::session::SessionArgs;
use crate::ui::{FAILED, Failure, Ui};
use crate::view::checked::Checked;
use crate::view::problems;

const EXAMPLES: &str = r#"Examples:
  ptc kit registries.yaml --output kit --account 123456789012 --region eu-west-1
  ptc kit registries.yaml --only containerd"#;

/// Make what the pulling side needs: mirrors, policies and maps for those who pull, each with its caveats.
///
/// With --account and a Region it works offline; without, the account is the one of your AWS credentials.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: String,
    /// Write the files into this folder. Without it nothing is written: --only prints what it names.
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Only these, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<ArtefactKind>,
    /// Overwrite files that differ.
    #[arg(long, requires = "output")]
    force: bool,
    /// Let nodes ask the upstream for what ECR refuses. RISK: containerd then posts the node's ECR token, valid for 12 hours for all that the node may pull, to
    /// the upstream's token endpoint. `kubelet`, which has nodes sign in, is left out.
    #[arg(long)]
    fallback: bool,
    #[command(flatten)]
    session: SessionArgs,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let (home, context, reader) = account(&args.session, ui).await?;
    let file = match load(&args.file, &context, reader.as_ref()).await? {
        Ok(file) => file,
        Err(refused) => {
            let error = format!("nothing was made: {} has errors", refused.file);
            if ui.json {
                ui.value(&serde_json::json!({ "error": error, "files": [refused] }))?;
            } else {
                ui.note(&format!("{}error: {error}", problems::page(&refused, false)));
            }
            return Ok(FAILED);
        }
    };
    let fallback = if args.fallback {
        Fallback::Upstream
    } else {
        Fallback::Never
    };
    if file.registries.is_empty() {
        return Err(Failure::Usage(format!(
            "{} has no registry for account {} in {}: all of them name other stacks in `only`",
            args.file, home.account, home.region
        )));
    }
    let mut artefacts = kit(&file.registries, &home, fallback);
    artefacts.retain(|artefact| args.only.is_empty() || args.only.contains(&artefact.part));
    if artefacts.is_empty() {
        return Err(Failure::Usage(
            "no registry of the file fits; `--only readme` says why".into(),
        ));
    }
    if args.fallback {
        ui.note(&format!("warning: --fallback: {}", Fallback::RISK));
    }
    match args.output {
        Some(folder) => write(&artefacts, &folder, args.force, ui)?,
        None if ui.json => ui.value(&serde_json::json!({ "artefacts": artefacts }))?,
        None => print(&artefacts, !args.only.is_empty(), ui)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The account and Region, as they were named or as AWS says, and what is known of the stack. Its tags matter: who pulls
/// first must be allowed to set them. Who names a stack, a function or a profile wants it to be asked.
async fn account(session: &SessionArgs, ui: &Ui) -> Result<(Home, Context, Option<Reader>), Failure> {
    let (home, tags, reader) = match session.account.home() {
        Some(home) if session.is_unnamed() => (home, None, None),
        _ => {
            let session = session.open(ui).await?;
            (session.home, Some(session.settings.resource_tags), Some(session.reader))
        }
    };
    let named = AccountArgs {
        account: Some(home.account.clone()),
        region: Some(home.region.clone()),
    };
    let context = named.context()?;
    let resource_tags = tags.unwrap_or(context.resource_tags);
    Ok((
        home,
        Context {
            resource_tags,
            ..context
        },
        reader,
    ))
}

/// Reads and checks the file.
async fn load(path: &str, context: &Context, reader: Option<&Reader>) -> Result<Result<File, Checked>, Failure> {
    let input = Input::read(path)?;
    let opened = Box::pin(sealed::open(&input.bytes, context, reader)).await;
    Ok(opened.map_err(|rejected| Checked::rejected(&input, rejected)))
}

/// What was asked for; or what there is, and how to get it.
fn print(artefacts: &[Artefact], chosen: bool, ui: &Ui) -> Result<(), Failure> {
    let readme = |artefact: &&Artefact| chosen || artefact.part == ArtefactKind::Readme;
    let contents: Vec<&str> = artefacts
        .iter()
        .filter(readme)
        .map(|artefact| artefact.content.as_str())
        .collect();
    ui.raw(contents.join("\n").as_bytes())?;
    if chosen {
        for artefact in artefacts {
            for note in &artefact.notes {
                ui.note(&format!("{}: {note}", artefact.path));
            }
        }
    } else {
        let names = ArtefactKind::value_variants()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        ui.note(&format!(
            "\n--output DIR writes all of it; --only prints one of {names}."
        ));
    }
    Ok(())
}

/// Writes all of them, or none where one would overwrite something else.
fn write(artefacts: &[Artefact], folder: &Path, force: bool, ui: &Ui) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let mut differing = Vec::new();
    let mut unchanged = Vec::new();
    for artefact in artefacts {
        let file = OutputFile::below(folder, &artefact.path);
        match file.read()? {
            Some(bytes) if bytes == artefact.content.as_bytes() => unchanged.push(file.shown()),
            Some(_) => differing.push((file, artefact)),
            None => missing.push((file, artefact)),
        }
    }
    if !force && !differing.is_empty() {
        let paths: Vec<String> = differing.iter().map(|(file, _)| file.shown()).collect();
        return Err(Failure::Usage(format!(
            "nothing was written, since other text stands in {}; --force overwrites it",
            paths.join(", ")
        )));
    }
    let mut written = Vec::new();
    for (file, artefact) in missing.iter().chain(&differing) {
        file.make_folder()?;
        file.write(&artefact.content, force)?;
        written.push(file.shown());
    }
    if ui.json {
        return ui.value(&serde_json::json!({ "written": written, "unchanged": unchanged}));
    }
    let lines = written.iter().map(|path| format!("written    {path}\n"));
    let lines: String = lines
        .chain(unchanged.iter().map(|path| format!("unchanged  {path}\n")))
        .collect();
    ui.raw(lines.as_bytes())
}
