//! `ptc apply`: makes the account follow a local file, with the user's own credentials.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Args as ClapArgs;
use ecr_pull_through_sync::account::Writer;
use ecr_pull_through_sync::plan::is_checksum;
use ecr_pull_through_sync::report::{Outcome, Report};
use ecr_pull_through_sync::run::{Access, RunRequest};
use ecr_pull_through_sync::timing::{CancellationToken, Deadline};

use crate::allow::AllowArgs;
use crate::commands::plan::{self, TIME, run_request};
use crate::input::Input;
use crate::session::{Session, SessionArgs};
use crate::signals::asked_to_stop;
use crate::ui::{FAILED, Failure, Ui};
use crate::view::plan::{Shown, done, page};

const EXAMPLES: &str = r#"Examples:
  ptc apply registries.yaml
  ptc apply registries.yaml --yes
  ptc apply registries.yaml --plan-checksum "$(jq -r .plan_checksum plan.json)""#;

/// Make the account follow the file: exactly the plan that was shown, or nothing.
///
/// On a terminal the plan is shown first, and applied when you say so. Where nobody can be asked (no terminal, --json, the file
/// on standard input) it takes --yes, or --plan-checksum to apply that plan alone. Ctrl-C ends it after the calls under way, with
/// a report of what was done and what was not.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; `-` is standard input.
    file: String,
    /// Apply only the plan with this checksum (from `ptc plan`, or the function's plan).
    #[arg(long, value_name = "CHECKSUM", value_parser = checksum)]
    plan_checksum: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Show every field of each change, old and new, before asking.
    #[arg(long)]
    details: bool,
    /// How many registries that left the file may be deleted [default: the file's, else MAX_DELETIONS, else 1].
    #[arg(long, value_name = "N")]
    max_deletions: Option<u32>,
    #[command(flatten)]
    allow: AllowArgs,
    #[command(flatten)]
    session: SessionArgs,
}

fn checksum(text: &str) -> Result<String, String> {
    if is_checksum(text) {
        Ok(text.to_owned())
    } else {
        Err("a checksum is the 64 characters that a plan ends with".into())
    }
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let mut only = args.plan_checksum;
    let asks = only.is_none() && !args.yes;
    if asks && let Some(why) = nobody_to_ask(&args.file, ui) {
        return Err(Failure::Usage(format!(
            "nothing was changed: `ptc apply` asks before it writes, and {why}. Say that it may with --yes, or name the plan \
             that may be applied with --plan-checksum and the checksum that `ptc plan` ends with"
        )));
    }
    let input = Input::read(&args.file)?;
    let (session, writer) = args.session.open_to_write(ui).await?;
    if asks {
        let deadline = Deadline::in_time(TIME, &plan::timing());
        let request = run_request(args.max_deletions, None);
        let shown = plan::report(&input, &session, Access::Plan, &request, deadline);
        let mut shown = ui.reading("reading the account", &session.reader, shown).await?;
        args.allow.silence(&mut shown.warnings);
        let how = Shown {
            details: args.details,
            next: None,
        };
        ui.raw(page(&shown, &input, &session, how, ui.color).as_bytes())?;
        if !matches!(shown.outcome, Outcome::Pending | Outcome::Converged) {
            return Ok(FAILED);
        }
        // With nothing to write, the credentials are still proven.
        if shown.outcome == Outcome::Pending && !ui.ask("Apply this plan?")? {
            ui.note("nothing was changed");
            return Ok(FAILED);
        }
        only = shown.plan_checksum;
    }
    let mut report = carry_out(
        &input,
        &session,
        &writer,
        &run_request(args.max_deletions, only.clone()),
        ui,
    )
    .await?;
    args.allow.silence(&mut report.warnings);
    if ui.json {
        ui.value(&report)?;
    } else {
        ui.raw(done(&report, &input, &session, ui.color).as_bytes())?;
    }
    let refused = only.is_some() && report.plan_checksum != only;
    let good = matches!(report.outcome, Outcome::Converged | Outcome::Changed) && !refused;
    Ok(if good { ExitCode::SUCCESS } else { FAILED })
}

/// Why the question cannot be put. It is written on standard error and answered on standard input.
fn nobody_to_ask(file: &str, ui: &Ui) -> Option<&'static str> {
    if ui.json {
        Some("with --json it does not")
    } else if file == "-" {
        Some("here the file is on standard input, where the answer would be")
    } else if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        Some("here is no terminal to ask on")
    } else {
        None
    }
}

async fn carry_out(
    input: &Input,
    session: &Session,
    writer: &Writer,
    request: &RunRequest,
    ui: &Ui,
) -> Result<Report, Failure> {
    let stop = CancellationToken::default();
    let deadline = Deadline::in_time(TIME, &plan::timing()).or(stop.clone());
    let report = ui.reading(
        "applying",
        &session.reader,
        plan::report(input, session, Access::Apply(writer), request, deadline),
    );
    let mut report = std::pin::pin!(report);
    tokio::select! {
        report = &mut report => return report,
        () = asked_to_stop() => {}
    }
    ui.note("stopping after the calls under way; a second time ends at once, and without a report");
    stop.cancel();
    tokio::select! {
        report = &mut report => report,
        () = asked_to_stop() => Err(Failure::Interrupted(
            "ended while calls were under way: look with `ptc plan` at what was done".into(),
        )),
    }
}
