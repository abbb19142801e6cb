//! Behind Lambda: an invocation becomes a trigger, the trigger a run, and the run's report the response or an error.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tracing::{Instrument, error, info_span};

use crate::account::{CONFIGURED, CURRENT, FILE_REFUSED, PREVIOUS, REJECTED, Reader, Writer};
use crate::failure::Failure;
use crate::home::Home;
use crate::ownership::{Owner, SECRET_PREFIX};
use crate::report::Report;
use crate::run::{Access, Deps, Run, RunRequest};
use crate::secret_version::was_put_over;
use crate::settings::Settings;
use crate::timing::{Deadline, Timing};
use crate::trigger::{FunctionContext, Job, Mode, SecretChange, Trigger, classify};

/// What is made once for a process and serves all its invocations.
#[derive(Debug)]
pub struct App {
    pub reader: Reader,
    /// Writes; handed on only to runs that apply.
    pub writer: Writer,
    /// What the operator chose.
    pub settings: Settings,
    /// How patient to be.
    pub timing: Timing,
    /// Prints a metric line as it is: around it, CloudWatch would find no metrics.
    pub metrics: fn(&str),
}

impl App {
    /// Answers one invocation.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Report, Failure> {
        let (payload, context) = event.into_parts();
        let span = info_span!("run", request_id = %context.request_id);
        // Boxed here and in `run`: nested futures of this size are slow to compile, and one allocation is nothing.
        let result = Box::pin(self.answer(&payload, &context)).instrument(span.clone()).await;
        if let Err(failure) = &result {
            let _entered = span.enter();
            error!(error_type = failure.name(), error = %failure, "invocation failed");
        }
        result
    }

    async fn answer(&self, payload: &Value, context: &lambda_runtime::Context) -> Result<Report, Failure> {
        let home = Home::from_function_arn(&context.invoked_function_arn)?;
        let deadline = Deadline::in_time(time_left(context.deadline), &self.timing);
        let place = FunctionContext {
            bucket: &self.settings.config_bucket,
            key: &self.settings.config_key,
            status_prefix: &self.settings.status_prefix,
            work_queue: self
                .settings
                .work_queue_url
                .as_deref()
                .and_then(|url| url.rsplit('/').next())
                .unwrap_or_default(),
            account: &home.account,
            region: &home.region,
            partition: &home.partition,
        };
        let Trigger { kind, source, job } = classify(payload, &place)?;
        let mut request = RunRequest {
            kind,
            source,
            max_deletions: None,
            plan_checksum: None,
            secret: None,
        };
        let access = match &job {
            Job::Run { mode: Mode::Plan, .. } => Access::Plan,
            Job::Run {
                mode: Mode::Validate, ..
            } => Access::Validate,
            _ => Access::Apply(&self.writer),
        };
        let deps = Deps {
            reader: &self.reader,
            settings: &self.settings,
            timing: &self.timing,
            metrics: self.metrics,
        };
        let run = Run::new(deps, access, &home, &deadline, &context.request_id);
        match job {
            Job::Ignore(reason) => Ok(run.ignored(&request, reason)),
            Job::Run {
                mode: _,
                max_deletions,
                plan_checksum,
            } => {
                (request.max_deletions, request.plan_checksum) = (max_deletions, plan_checksum);
                Box::pin(run.execute(&request)).await
            }
            Job::PullFailures(failures) => Box::pin(run.pull_failures(&self.writer, &request, &failures)).await,
            Job::Work(messages) => Box::pin(run.work(&self.writer, &request, &messages)).await,
            Job::Secret(change) => {
                if is_own_restore(&change, payload, &context.invoked_function_arn) {
                    return Ok(run.ignored(&request, format!("this function itself restored {}", change.name)));
                }
                if let Some(reason) = self.is_own_write(&change, &deadline).await {
                    return Ok(run.ignored(&request, reason));
                }
                request.secret = Some(change);
                Box::pin(run.execute(&request)).await
            }
        }
    }

    /// One cheap look, before the file is read: 25 new secrets raise 25 events about our own writes. A value of the file
    /// that is current where we put it is one. The same value made current again by hand is not: it is to be proven.
    async fn is_own_write(&self, change: &SecretChange, deadline: &Deadline) -> Option<String> {
        // A failed rotation is to be told, and a restored secret to be looked after, whoever wrote its value.
        let is_told = change.failed.is_some() || change.event == "RestoreSecret";
        // Nothing is ever written to a secret outside ECR's prefix.
        if is_told || !change.name.starts_with(SECRET_PREFIX) {
            return None;
        }
        let id = change.arn.as_deref().unwrap_or(&change.name);
        // Any trouble with this look is left to the run, which says what is wrong.
        let secret = deadline.bound(self.reader.secret(id)).await?.ok().flatten()?;
        let current = secret.holder(CURRENT)?;
        let carries = |label| secret.labels.get(current).is_some_and(|labels| labels.contains(label));
        // These calls put a value, and with CONFIGURED on it that was the file's. Any other may have moved a label alone.
        let was_put = matches!(change.event.as_str(), "PutSecretValue" | "UpdateSecret")
            || (was_put_over(current, secret.holder(PREVIOUS)) && !carries(REJECTED) && !carries(FILE_REFUSED));
        let is_ours = Owner::of_secret(&secret.tags, &self.settings).is_ours();
        (is_ours && carries(CONFIGURED) && was_put).then(|| {
            format!(
                "the current version of {} came from the file itself: this is the function's own write, not a rotation",
                secret.name
            )
        })
    }
}

/// Whether CloudTrail reports a secret that this function restored. A run that does so looks after it, and two stacks that
/// restore and delete in turn must not wake each other for ever. Lambda names the sessions of a role after the function.
fn is_own_restore(change: &SecretChange, event: &Value, function: &str) -> bool {
    let by = event
        .pointer("/detail/userIdentity/arn")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let session = by
        .split_once(":assumed-role/")
        .and_then(|(_, role)| role.rsplit_once('/'));
    change.event == "RestoreSecret" && session.is_some_and(|(_, session)| function.split(':').nth(6) == Some(session))
}

/// From the runtime's deadline in milliseconds since the epoch.
fn time_left(deadline_ms: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline_ms).saturating_sub(now)
}
