//! `ptc status`: what the last run said, and how long ago that was.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use ecr_pull_through_sync::account::ObjectError;
use ecr_pull_through_sync::report::{Outcome, Report};
use ecr_pull_through_sync::run::STATUS_MAX;
use jiff::Timestamp;
use serde_json::Value;

use crate::session::{Session, SessionArgs};
use crate::ui::{FAILED, Failure, Ui};
use crate::view::status::page;
use crate::view::visible::one_line;

const EXAMPLES: &str = r#"Examples:
  ptc status --function NAME
  ptc status --function NAME --json | jq .outcome"#;

/// Show what the last run of the function said. Reads only.
///
/// Ends with status 0 where that run converged or changed what was to be changed, and 1 otherwise.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    session: SessionArgs,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let session = args.session.open(ui).await?;
    let status = ui.waiting("reading the status", Status::read(&session)).await?;
    let now = Timestamp::now();
    if ui.json {
        ui.value(&status.object(now))?;
    } else {
        ui.raw(
            page(
                &status.report,
                status.finished_at,
                status.last_success_at,
                now,
                ui.color,
            )
            .as_bytes(),
        )?;
    }
    Ok(match status.report.outcome {
        Outcome::Converged | Outcome::Changed => ExitCode::SUCCESS,
        _ => FAILED,
    })
}

/// The status object of a run.
pub struct Status {
    /// The object with all its fields, unknown ones too.
    object: Value,
    pub report: Report,
    finished_at: Timestamp,
    last_success_at: Option<Timestamp>,
}

impl Status {
    /// Reads it from the stack's bucket.
    pub async fn read(session: &Session) -> Result<Self, Failure> {
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

    /// For programs: the object, with the ages in seconds.
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
