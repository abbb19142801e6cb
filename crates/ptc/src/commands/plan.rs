//! `ptc plan`: what an apply of a file would change, read with the user's own credentials.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use ecr_pull_through_sync::report::{Outcome, Report};
use ecr_pull_through_sync::run::{Access, Deps, Run, RunRequest};
use ecr_pull_through_sync::timing::{Deadline, Timing};
use ecr_pull_through_sync::trigger::Kind;

use crate::account::AccountArgs;
use crate::input::Input;
use crate::sealed;
use crate::session::{Session, SessionArgs};
use crate::ui::{self, FAILED, Failure, Ui};
use crate::view::plan::Shown;
use crate::view::{comment, plan};

const EXAMPLES: &str = r#"Examples:
  ptc plan registries.yaml --function NAME
  ptc plan registries.yaml --details
  ptc plan registries.yaml --format markdown > comment.md"#;

/// Show what an apply of the file would change in the account. Reads only.
///
/// Ends with status 0 where there is nothing to do, 2 where there is, and 1 where something is wrong, whatever else there is.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; `-` is standard input.
    file: String,
    /// How to print.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Also show every field of each change, old and new. Without it a field is a phrase: `keep the last 3 images`.
    #[arg(long)]
    details: bool,
    /// Also have ECR prove every credential that is in use.
    #[arg(long)]
    validate: bool,
    /// How many registries that left the file may be deleted [default: the file's, else MAX_DELETIONS, else 1].
    #[arg(long, value_name = "N")]
    max_deletions: Option<u32>,
    #[command(flatten)]
    session: SessionArgs,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// The report.
    Json,
    /// For a comment on a pull request.
    Markdown,
}

/// How long a run may take. In practice the user decides, with Ctrl-C.
pub const TIME: Duration = Duration::from_secs(24 * 60 * 60);

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let input = Input::read(&args.file)?;
    let session = args.session.open(ui).await?;
    let access = if args.validate { Access::Validate } else { Access::Plan };
    let request = run_request(args.max_deletions, None);
    let report = report(&input, &session, access, &request, Deadline::in_time(TIME, &timing()));
    let report = ui.reading("reading the account", &session.reader, report).await?;
    let next = next(&args);
    match args
        .format
        .unwrap_or(if ui.json { Format::Json } else { Format::Human })
    {
        Format::Human => {
            let shown = Shown {
                details: args.details,
                next: Some(&next),
            };
            ui.raw(plan::page(&report, &input, &session, shown, ui.color).as_bytes())?;
        }
        Format::Json => ui.value(&report)?,
        Format::Markdown => ui.raw(comment::of_plan(&report, &input.name, &session.home, &next).as_bytes())?,
    }
    Ok(match report.outcome {
        _ if report.is_wrong() => FAILED,
        Outcome::Converged => ExitCode::SUCCESS,
        _ => ui::changes(),
    })
}

/// The command that applies what was planned with these arguments, but for the checksum.
fn next(args: &Args) -> String {
    // An option that comes to be does not compile until it stands here, too.
    let SessionArgs {
        function,
        profile,
        account: AccountArgs { account, region },
    } = &args.session;
    let most = args.max_deletions.map(|most| most.to_string());
    let options = [
        ("--function", function),
        ("--profile", profile),
        ("--account", account),
        ("--region", region),
        ("--max-deletions", &most),
    ];
    let given = options
        .into_iter()
        .filter_map(|(name, value)| Some([name, value.as_deref()?]))
        .flatten();
    let words = ["ptc", "apply", &args.file].into_iter().chain(given);
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Retries and waits as the function does.
pub fn timing() -> Timing {
    Timing::default()
}

/// The request for a run from a terminal.
pub fn run_request(max_deletions: Option<u32>, plan_checksum: Option<String>) -> RunRequest {
    RunRequest {
        kind: Kind::Manual,
        source: "ptc".into(),
        max_deletions,
        plan_checksum,
        secret: None,
    }
}

/// Plans or applies a local file.
pub async fn report(
    input: &Input,
    session: &Session,
    access: Access<'_>,
    request: &RunRequest,
    deadline: Deadline,
) -> Result<Report, Failure> {
    let timing = timing();
    let deps = Deps {
        reader: &session.reader,
        settings: &session.settings,
        timing: &timing,
        metrics: |_| {},
    };
    let run_id = format!("ptc-{:016x}", fastrand::u64(..));
    let data_key = Box::pin(sealed::unlock(&input.bytes, &session.reader))
        .await
        .map_err(|rejected| Failure::Usage(format!("{}: {rejected}", input.name)))?;
    let run = Run::new(deps, access, &session.home, &deadline, &run_id).over(&input.name, &input.bytes);
    let run = run.unlocked(data_key);
    // The futures of a run are large.
    Box::pin(run.execute(request))
        .await
        .map_err(|failure| Failure::Aws(failure.to_string()))
}
