//! `ptc`: what the function does, for a terminal, an editor and a pipeline. What the function's library decides is decided
//! nowhere else.

mod account;
mod allow;
mod commands;
mod doctor;
mod exit;
mod input;
mod output;
mod sealed;
mod session;
mod signals;
mod stack;
mod targets;
mod ui;
mod view;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use commands::{apply, check, doctor as doctor_command, explain, export, init, kit, plan, schema, status, upload};
use exit::Ending;
use ui::{Failure, Ui};

const EXAMPLES: &str = "Examples:
  ptc check registries.yaml                  is the file good?
  ptc plan registries.yaml                   what would it change?
  ptc upload registries.yaml --wait          have the function follow it, and show what became of it
  ptc status                                 what did the function's last run do?
  ptc doctor docker.io/library/nginx:1.27    why does this pull fail?";

/// Checks, plans and applies the registries.yaml of an ECR pull-through cache.
#[derive(Parser)]
#[command(name = "ptc", version, propagate_version = true, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    /// Whether to use colours.
    #[arg(long, global = true, value_enum, default_value_t = ui::Color::Auto)]
    color: ui::Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Args),
    Plan(plan::Args),
    Apply(apply::Args),
    Export(export::Args),
    Status(status::Args),
    Upload(upload::Args),
    Doctor(doctor_command::Args),
    Kit(kit::Args),
    /// Print a completion script: `source <(ptc completions bash)`.
    Completions {
        shell: clap_complete::Shell,
    },
    Schema(schema::Args),
    Explain(explain::Args),
    Init(init::Args),
    /// Write the manual pages into a folder, for packages: ptc.1 and one for each command.
    #[command(hide = true)]
    Man {
        folder: std::path::PathBuf,
    },
}

// As in the function, all waiting is for the network.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && std::env::args().any(|argument| argument == "--json") {
                Ui::new(true, ui::Color::Never).failure(&Failure::Usage(error.to_string()));
                return ui::FAILED;
            }
            // What it is printed to is closed: there is nowhere to report that.
            _ = error.print();
            // Status 2 says that a plan has changes: a mistyped call must not look like one.
            return if error.use_stderr() {
                ui::FAILED
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let ui = Ui::new(cli.json, cli.color);
    // A crash must leave no image of memory behind, and with it tokens. Where the system forbids this, it goes without.
    _ = rlimit::Resource::CORE.set(0, 0);
    match run(cli.command, &ui).await {
        Ok(code) => code,
        Err(failure) => {
            ui.failure(&failure);
            Ending::of_failure(&failure).into()
        }
    }
}

async fn run(command: Command, ui: &Ui) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(args) => check::run(args, ui).await,
        Command::Plan(args) => plan::run(args, ui).await,
        Command::Apply(args) => apply::run(args, ui).await,
        Command::Export(args) => export::run(args, ui).await,
        Command::Status(args) => status::run(args, ui).await,
        Command::Upload(args) => upload::run(args, ui).await,
        Command::Doctor(args) => doctor_command::run(args, ui).await,
        Command::Kit(args) => kit::run(args, ui).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ptc", &mut script);
            ui.raw(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Schema(args) => schema::run(args, ui).await,
        Command::Explain(args) => explain::run(args, ui).await,
        Command::Init(args) => init::run(args, ui).await,
        Command::Man { folder } => {
            clap_mangen::generate_to(Cli::command(), &folder).map_err(|error| Failure::File {
                path: folder.display().to_string(),
                error,
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples_in_its_help() {
        for command in Cli::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let shown = format!("{:?} {:?}", command.get_after_help(), command.get_about());
            assert!(shown.contains(&format!("ptc {}", command.get_name())), "{shown}");
        }
    }

    /// The words of a command line, up to where another program, a file or a comment begins.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
        for c in line.chars().chain([' ']) {
            match c {
                '"' => quoted = !quoted,
                '#' | '|' | '>' | '&' if !quoted && word.is_empty() => break,
                ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
                _ => word.push(c),
            }
        }
        words
    }

    #[test]
    fn every_command_that_the_documentation_shows_is_one() {
        let pages = [
            include_str!("../../../README.md"),
            include_str!("../../../docs/ptc.md"),
            include_str!("../../../docs/kit.md"),
            include_str!("../../../docs/deploy.md"),
            include_str!("../../../examples/github/registries.yml"),
            include_str!("../../../template.yaml"),
        ];
        let of_help = |command: &clap::Command| command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let help: Vec<String> = Cli::command().get_subcommands().map(of_help).collect();
        let pages = pages.into_iter().chain(help.iter().map(String::as_str));
        let lines = pages.flat_map(str::lines);
        let lines = lines.map(|line| {
            let line = line.trim().trim_start_matches("- run: ").trim_start_matches("$ ");
            let line = line.trim_start_matches("Value: !Sub ");
            line.replace("${AWS::StackName}", "sync")
                .replace("${AWS::Region}", "eu-west-1")
        });
        let mut commands = 0;
        for line in lines.filter(|line| line.starts_with("ptc ") && !line.contains("...")) {
            let words = words(&line)
                .into_iter()
                .map(|word| if word.starts_with("$(jq") { "0".repeat(64) } else { word });
            let parsed = Cli::try_parse_from(words.collect::<Vec<_>>());
            assert!(
                parsed.is_ok(),
                "{line}: {}",
                parsed.err().map(|error| error.to_string()).unwrap_or_default()
            );
            commands += 1;
        }
        assert!(commands > 12, "only {commands} were found");
    }
}
