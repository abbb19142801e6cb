//! `ptc status`: what the last run said, and how long ago that was.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use ecr_pull_through_sync::account::ObjectError;
use ecr_pull_through_sync::report::Report;
use ecr_pull_through_sync::run::STATUS_MAX;
use jiff::Timestamp;
use serde_json::Value;

use crate::exit::Ending;
use crate::session::{IfNotDeployed, Session};
use crate::targets::TargetsArgs;
use crate::ui::{Failure, Ui};
use crate::view::side_by_side::{Form, Told, tell};
use crate::view::status::page;
use crate::view::terminal::age;
use crate::view::visible::one_line;

const EXAMPLES: &str = r#"Examples:
  ptc status
  ptc status --stack NAME --json | jq .outcome"#;

/// Show what the last run of the function said. Reads only.
///
/// Ends with status 0 where that run converged or changed what was to be changed, and 1 otherwise. Several stacks or Regions are
/// shown side by side, and the worst status counts.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    targets: TargetsArgs,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let targets = args.targets.open(IfNotDeployed::Fail, ui).await?;
    let form = if ui.json { Form::Json } else { Form::Terminal };
    let work = tell(targets, form, ui, async |_, session: Session| {
        Status::read(&session).await.map_err(Unread::into_failure)?.told(ui)
    });
    ui.waiting("reading the status", work).await
}

/// Why there is no status to show.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("there is no status at {0}: no run has finished yet, or not with these settings")]
    Missing(String),
    #[error(
        "access to {0} is denied: it takes s3:GetObject on it, s3:ListBucket on the bucket (without it S3 calls a missing object \
         denied too), and kms:Decrypt if a customer key encrypts it"
    )]
    Denied(String),
    #[error(
        "what is at {place} is no status that ptc {} can read: {why}; use the ptc of the function's version",
        env!("CARGO_PKG_VERSION")
    )]
    Foreign { place: String, why: String },
    #[error(transparent)]
    Aws(ObjectError),
}

impl Unread {
    pub fn into_failure(self) -> Failure {
        let said = self.to_string();
        match self {
            Self::Missing(_) | Self::Foreign { .. } => Failure::Usage(said),
            Self::Denied(_) | Self::Aws(_) => Failure::Aws(said),
        }
    }
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
    pub async fn read(session: &Session) -> Result<Self, Unread> {
        let settings = &session.settings;
        let (bucket, key) = (settings.config_bucket.as_str(), settings.status_key());
        let place = format!("s3://{bucket}/{key}");
        let object = session.reader.object(bucket, &key, STATUS_MAX).await;
        let object = object.map_err(|error| match error {
            ObjectError::Missing(_) => Unread::Missing(place.clone()),
            ObjectError::Denied { .. } => Unread::Denied(place.clone()),
            error => Unread::Aws(error),
        })?;
        Self::parse(&object.bytes).map_err(|why| Unread::Foreign {
            place,
            why: one_line(&why),
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

    /// What there is to say of it.
    pub fn told(&self, ui: &Ui) -> Result<Told, Failure> {
        let now = Timestamp::now();
        Ok(Told {
            ending: Ending::of_run(self.report.outcome),
            outcome: self.report.outcome.as_str().into(),
            age: Some(age(self.finished_at, now)),
            sentence: self.report.message.clone(),
            page: page(&self.report, self.finished_at, self.last_success_at, now, ui.color),
            json: serde_json::to_string_pretty(&self.object(now)).map_err(std::io::Error::from)?,
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
