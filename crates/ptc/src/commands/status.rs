//! `ptc status`: what the last run said, and how long ago that was.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use ecr_pull_through_sync::account::ObjectError;
use ecr_pull_through_sync::report::{Outcome, Progress, RegistryReport, Report, State};
use ecr_pull_through_sync::run::STATUS_MAX;
use jiff::Timestamp;
use serde_json::Value;

use crate::session::{Session, SessionArgs};
use crate::ui::{FAILED, Failure, Ui};
use crate::view::problems;
use crate::view::show::{self, Mark};
use crate::view::table::{age, mark_of, paint_first, table};
use crate::view::visible::visible;

/// Show what the last run of the function said. Reads only.
///
/// Ends with status 0 where that run converged or changed what was to be changed, and 1 otherwise.
#[derive(ClapArgs)]
pub struct Args {
    #[command(flatten)]
    session: SessionArgs,
}

/// Runs the command.
///
/// # Errors
/// When there is no status, or none that can be read.
pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = args.session.open(ui).await?;
    let status = ui.waiting("reading the status", Status::read(&session)).await?;
    let now = Timestamp::now();
    if ui.json {
        ui.value(&status.object(now))?;
    } else {
        ui.raw(page(&status, now, ui.color).as_bytes())?;
    }
    Ok(match status.report.outcome {
        Outcome::Converged | Outcome::Changed => ExitCode::SUCCESS,
        _ => FAILED,
    })
}

/// The status object of a run.
struct Status {
    /// As it is, fields that we do not know included.
    object: Value,
    report: Report,
    finished_at: Timestamp,
    last_success_at: Option<Timestamp>,
}

impl Status {
    async fn read(session: &Session) -> Result<Self, Failure> {
        let settings = &session.settings;
        let (bucket, key) = (settings.config_bucket.as_str(), settings.status_key());
        if bucket.is_empty() {
            let message = "where the status is, is not known: give --function, or set CONFIG_BUCKET (and CONFIG_KEY and \
                           STATUS_PREFIX where they are not the stack's defaults)";
            return Err(Failure::Usage(message.into()));
        }
        let place = format!("s3://{bucket}/{key}");
        let object = session.reader.object(bucket, &key, STATUS_MAX).await.map_err(|error| match error {
            ObjectError::Missing(_) => Failure::Usage(format!(
                "there is no status at {place}: no run has finished yet, or not with these settings"
            )),
            ObjectError::Denied { .. } => Failure::Aws(format!(
                "access to {place} is denied: it takes s3:GetObject on it, s3:ListBucket on the bucket (without it S3 \
                 calls a missing object denied too), and kms:Decrypt if a customer key encrypts it"
            )),
            error => Failure::Aws(error.to_string()),
        })?;
        Self::parse(&object.bytes).map_err(|why| {
            let version = env!("CARGO_PKG_VERSION");
            let why = one_line(&why);
            Failure::Usage(format!(
                "what is at {place} is no status that ptc {version} can read: {why}; use the ptc of the function's version"
            ))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let object: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let report: Report = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_| format!("{text:?} is no time"));
        let finished_at = time(&report.finished_at)?;
        let last_success_at = report.last_success_at.as_deref().map(time).transpose()?;
        Ok(Self {
            object,
            report,
            finished_at,
            last_success_at,
        })
    }

    /// For programs: the object, and the ages that a person would reckon.
    fn object(&self, now: Timestamp) -> Value {
        let seconds = |then: Timestamp| now.duration_since(then).as_secs();
        let mut object = self.object.clone();
        if let Some(members) = object.as_object_mut() {
            members.insert("age_seconds".into(), seconds(self.finished_at).into());
            members.insert(
                "last_success_age_seconds".into(),
                self.last_success_at.map(seconds).into(),
            );
        }
        object
    }
}

fn page(status: &Status, now: Timestamp, color: bool) -> String {
    let mut page = String::new();
    // Writing into a String cannot fail.
    _ = write_page(&mut page, status, now, color);
    page
}

fn write_page(page: &mut String, status: &Status, now: Timestamp, color: bool) -> std::fmt::Result {
    let Status {
        report,
        finished_at,
        last_success_at,
        ..
    } = status;
    let outcome = mark_of(report.outcome).paint(report.outcome.as_str(), color);
    writeln!(page, "{outcome}: {}\n", one_line(&report.message))?;
    writeln!(page, "  last run      {}, {finished_at}", age(*finished_at, now))?;
    match last_success_at {
        Some(success) => writeln!(page, "  last success  {}, {success}", age(*success, now))?,
        None => writeln!(page, "  last success  none yet")?,
    }
    let trigger = format!(
        "{}, {} ({})",
        report.mode.as_str(),
        report.trigger.kind.as_str(),
        report.trigger.source
    );
    writeln!(page, "  trigger       {}", one_line(&trigger))?;
    let version = report
        .config
        .version_id
        .as_deref()
        .map(|id| format!(", version {id}"))
        .unwrap_or_default();
    let file = format!("s3://{}/{}{version}", report.config.bucket, report.config.key);
    writeln!(page, "  file          {}", one_line(&file))?;
    if let Some(existing) = &report.existing_repositories {
        writeln!(page, "  repositories  {}", progress(&existing.progress))?;
    }
    let mut troubles = show::troubles(report);
    // The table tells of a registry that no change tells of.
    troubles.retain(show::Trouble::has_changes);
    if !report.registries.is_empty() {
        writeln!(page)?;
        page.push_str(&registries(report, &troubles, now, color));
    }
    if !troubles.is_empty() {
        writeln!(page)?;
    }
    for trouble in troubles {
        let since = trouble
            .since
            .map(|since| format!(" (since {})", for_how_long(since, now)))
            .unwrap_or_default();
        let mut lines = trouble.lines();
        lines.iter_mut().take(1).for_each(|line| line.push_str(&since));
        for line in show::marked(lines) {
            writeln!(page, "{}", Mark::Stop.paint(&one_line(&line), color))?;
        }
    }
    for (word, mark, problems) in [
        ("error", Mark::Stop, &report.errors),
        ("warning", Mark::Other, &report.warnings),
    ] {
        if !problems.is_empty() {
            writeln!(page)?;
        }
        for problem in problems {
            let place = match (problem.line, problem.column) {
                (Some(line), Some(column)) => format!("line {line}, column {column}: "),
                _ => String::new(),
            };
            let line = one_line(&format!("{place}{}", problems::said(problem)));
            writeln!(page, "{}: {line}", mark.paint(word, color))?;
        }
    }
    Ok(())
}

/// The registries, a row each, without the reasons that stand below.
fn registries(report: &Report, troubles: &[show::Trouble<'_>], now: Timestamp, color: bool) -> String {
    let row = |(name, registry): (&String, &RegistryReport)| {
        let RegistryReport {
            state,
            upstream,
            url,
            credential,
            existing_repositories,
            message,
            reason: _,
            since,
        } = registry;
        vec![
            state.as_str().to_owned(),
            name.clone(),
            upstream.clone(),
            url.clone(),
            credential.as_str().to_owned(),
            existing_repositories
                .as_ref()
                .map(|of| format!("{} of {}", of.done, of.found))
                .unwrap_or_default(),
            since
                .as_deref()
                .map(|since| for_how_long(since, now))
                .unwrap_or_default(),
            message
                .clone()
                .filter(|message| !troubles.iter().any(|of| of.is_for(message)))
                .unwrap_or_default(),
        ]
    };
    let head = [
        "state",
        "registry",
        "upstream",
        "pull URL",
        "credential",
        "repositories",
        "since",
        "message",
    ];
    let marks = [
        (State::Ready.as_str(), Mark::More),
        (State::Failed.as_str(), Mark::Stop),
        (State::Held.as_str(), Mark::Stop),
        (State::Planned.as_str(), Mark::Other),
    ];
    paint_first(&table(&head, report.registries.iter().map(row)), &marks, color)
}

/// `3 h ago`, or the text itself where it is no time.
fn for_how_long(since: &str, now: Timestamp) -> String {
    since.parse().map_or_else(|_| since.to_owned(), |then| age(then, now))
}

fn progress(progress: &Progress) -> String {
    let Progress {
        found,
        done,
        changed,
        held,
        failed,
        to_do,
    } = progress;
    format!("{found} found, {done} done ({changed} changed), {held} held, {failed} failed, {to_do} to do")
}

/// Text of somebody else's, which is to begin no line of its own.
fn one_line(text: &str) -> String {
    visible(text).replace('\n', " ")
}
