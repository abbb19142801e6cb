//! `ptc upload`: puts the file where the function follows it, and waits for what the function makes of it.

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args as ClapArgs;
use config::{Context, File, Rejected};
use ecr_pull_through_sync::account::{AwsError, Calls, ObjectError, s3_client};
use ecr_pull_through_sync::plan::bounds;
use jiff::Timestamp;
use serde_json::json;

use crate::allow::AllowArgs;
use crate::commands::status::{Status, Unread};
use crate::exit::Ending;
use crate::input::Input;
use crate::sealed::unlock_with;
use crate::session::{IfNotDeployed, Session};
use crate::signals::asked_to_stop;
use crate::targets::{Target, TargetsArgs};
use crate::ui::{FAILED, Failure, Ui};
use crate::view::checked::Checked;
use crate::view::problems;
use crate::view::side_by_side::{Form, Told, tell};
use crate::view::visible::visible;

const EXAMPLES: &str = r#"Examples:
  ptc upload registries.yaml --wait
  ptc upload registries.yaml --wait --stack NAME --region eu-west-1 --region us-east-1"#;

/// Check the file, and put it where the function follows it.
///
/// A file with errors is not uploaded, to several stacks or Regions not even to those that could take it. One that SOPS
/// encrypted goes up as it stands; where it cannot be decrypted here, it goes up unchecked. Without --wait it ends with status 0
/// once the file is there. With --wait it ends with 0 where the function's run converged or changed what was to be changed, 3 where
/// the time to wait ran out, and 1 otherwise.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file; `-` is standard input.
    file: String,
    /// Wait until the function has followed this upload, or a later one, and show its status.
    #[arg(long)]
    wait: bool,
    /// How many seconds to wait.
    #[arg(long, value_name = "SECONDS", requires = "wait", default_value_t = 600)]
    timeout: u64,
    #[command(flatten)]
    allow: AllowArgs,
    #[command(flatten)]
    targets: TargetsArgs,
}

/// What `--wait` does.
const WAITING: &str = "waiting for the function's run";

/// The time between two looks at the status: the first, from where it doubles, and the longest. A look costs a call.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    let input = Input::read(&args.file)?;
    let targets = args.targets.open(IfNotDeployed::Fail, ui).await?;
    let Ok(mut checked) = check_for_each(&input, &targets, ui).await? else {
        return Ok(FAILED);
    };
    checked
        .iter_mut()
        .for_each(|checked| args.allow.silence(&mut checked.warnings));
    let all_open = targets.iter().all(|target| target.opened.is_ok());
    if !args.wait && all_open {
        checked
            .iter()
            .for_each(|checked| ui.note(problems::page(checked, false).trim_end()));
    }
    let form = if ui.json { Form::Json } else { Form::Terminal };
    // What is under way is told once, not for each of them.
    let several = targets.len() > 1;
    let work = tell(targets, form, ui, async |_, session: Session| {
        if !all_open {
            return Err(Failure::Usage("not uploaded, since others could not be opened".into()));
        }
        let upload = Upload::put(&input, &session, args.wait, ui).await?;
        if !args.wait {
            return Ok(upload.told());
        }
        ui.note(&visible(&format!(
            "{}; waiting for the function's run",
            upload.sentence()
        )));
        let limit = Duration::from_secs(args.timeout);
        let seen = upload.wait(&session, limit);
        let (status, is_later) = if several {
            seen.await?
        } else {
            ui.waiting(WAITING, seen).await?
        };
        let mut told = status.told(ui)?;
        if is_later {
            let said = "another upload came after this one: the status is of that";
            ui.note(&visible(&format!("warning: {}: {said}", upload.place)));
            told.sentence = format!("{said}: {}", told.sentence);
        }
        Ok(told)
    });
    if several && args.wait {
        ui.waiting(WAITING, work).await
    } else {
        work.await
    }
}

/// Checks the file for each of those that it is for, before it is uploaded to any. Gives what there is to say of it: nothing of a
/// file that could not be decrypted.
async fn check_for_each(input: &Input, targets: &[Target], ui: &Ui) -> Result<Result<Option<Checked>, ()>, Failure> {
    let mut accepted: Option<File> = None;
    let mut is_unchecked = false;
    for target in targets {
        let Ok(session) = &target.opened else { continue };
        match Box::pin(check(input, session)).await {
            Ok(Verdict::Accepted(file)) => add(&mut accepted, file),
            Ok(Verdict::Unchecked(why)) if !is_unchecked => {
                is_unchecked = true;
                ui.note(&visible(&format!(
                    "note: {} is not checked here: {why}. The function checks it",
                    input.name
                )));
            }
            Ok(Verdict::Unchecked(_)) => {}
            Err(rejected) => {
                let refused = Checked::rejected(input, rejected);
                let whose = match targets.len() {
                    1 => String::new(),
                    _ => {
                        let (stack, account) = (target.args.subject(), &session.home.account);
                        format!(" for {stack} in account {account}, {}", target.region)
                    }
                };
                let error = format!("nothing was uploaded: {} has errors{whose}", input.name);
                if ui.json {
                    ui.value(&json!({ "error": error, "files": [refused] }))?;
                } else {
                    ui.note(&format!("{}error: {error}", problems::page(&refused, false)));
                }
                return Ok(Err(()));
            }
        }
    }
    Ok(Ok(accepted.map(|file| Checked::accepted(input, file))))
}

/// Adds what a file is for one more of the stacks that it goes to.
fn add(accepted: &mut Option<File>, file: File) {
    let Some(all) = accepted else {
        *accepted = Some(file);
        return;
    };
    for registry in file.registries {
        if !all.registries.iter().any(|known| known.name == registry.name) {
            all.elsewhere.remove(&registry.name);
            all.registries.push(registry);
        }
    }
    for warning in file.warnings {
        if !all.warnings.contains(&warning) {
            all.warnings.push(warning);
        }
    }
}

/// What a check came to, where the file may be uploaded.
enum Verdict {
    Accepted(File),
    /// It cannot be decrypted here, for this reason.
    Unchecked(String),
}

/// Checks the file as `ptc check` does, with what is known of the stack. A stack that takes encrypted files alone gets no other:
/// its tokens would lie in the bucket already when the function refuses it.
async fn check(input: &Input, session: &Session) -> Result<Verdict, Rejected> {
    let context = Context {
        resource_tags: session.settings.resource_tags.clone(),
        ..session.home.context()
    };
    let file = match config::sealed(&input.bytes) {
        None => bounds::plain(config::read(&input.bytes, &context), &session.settings)?,
        Some(metadata) => match unlock_with(&metadata?, Some(&session.reader)).await {
            Ok(key) => config::read_sealed(&input.bytes, &key, &context)?,
            Err(locked) => {
                let why = locked.errors.first().map(|problem| problem.message.clone());
                return Ok(Verdict::Unchecked(why.unwrap_or_default()));
            }
        },
    };
    Ok(Verdict::Accepted(file))
}

/// A file that was uploaded.
struct Upload {
    file: String,
    bucket: String,
    key: String,
    place: String,
    /// `None` in a bucket without versions.
    version: Option<String>,
    etag: Option<String>,
    /// The run whose status was there before.
    before: Option<String>,
    /// What keeps the wait from ending, as far as it is seen.
    trouble: RefCell<Option<String>>,
}

impl Upload {
    /// Uploads it.
    async fn put(input: &Input, session: &Session, waits: bool, ui: &Ui) -> Result<Self, Failure> {
        let settings = &session.settings;
        let (bucket, key) = (settings.config_bucket.clone(), settings.config_key.clone());
        let mut before = None;
        if waits {
            match Status::read(session).await {
                Ok(status) => before = Some(status.report.run_id),
                Err(Unread::Missing(_)) => {}
                Err(unread) => ui.note(&visible(&format!("warning: {unread}"))),
            }
        }
        let place = format!("s3://{bucket}/{key}");
        // The function reads the file and never writes it, so that its library has no such call.
        let call = s3_client(&session.config, &Calls::default())
            .put_object()
            .bucket(&bucket)
            .key(&key)
            .content_type("application/yaml")
            .body(input.bytes.to_vec().into())
            .send()
            .await;
        let answer =
            call.map_err(
                |error| match ObjectError::of_write(AwsError::new("PutObject", &error), &bucket, &key) {
                    ObjectError::Denied { place, said, needs } => Failure::Aws(format!(
                        "nothing was uploaded: access to {place} is denied ({said}): it takes {needs}"
                    )),
                    error => Failure::Aws(error.to_string()),
                },
            )?;
        // S3 itself always gives one.
        let Some(etag) = answer.e_tag else {
            return Err(Failure::Aws(format!(
                "PutObject: the answer is none of S3's, so {place} may not be there"
            )));
        };
        Ok(Self {
            file: input.name.clone(),
            place,
            bucket,
            key,
            version: answer.version_id.filter(|version| version != "null"),
            etag: Some(etag),
            before,
            trouble: RefCell::default(),
        })
    }

    fn sentence(&self) -> String {
        let version = self
            .version
            .as_ref()
            .map(|id| format!(", version {id}"))
            .unwrap_or_default();
        format!("{} is uploaded: {}{version}", self.file, self.place)
    }

    fn told(&self) -> Told {
        let sentence = self.sentence();
        let object = json!({ "bucket": self.bucket, "key": self.key, "version_id": self.version });
        Told {
            ending: Ending::Good,
            outcome: "uploaded".into(),
            age: None,
            page: format!("{}\n", visible(&sentence)),
            sentence,
            json: format!("{object:#}"),
        }
    }

    /// Waits for the status of this upload, or of a later one; says which.
    async fn wait(&self, session: &Session, limit: Duration) -> Result<(Status, bool), Failure> {
        let followed = "the function follows it all the same: look with `ptc status`";
        let waiting = tokio::time::timeout(limit, self.look_until_there(session));
        tokio::select! {
            seen = waiting => seen.unwrap_or_else(|_| {
                let trouble = self.trouble.borrow();
                let trouble = trouble.as_deref().unwrap_or("no run over it has ended");
                Err(Failure::TimedOut(format!(
                    "{}; after {} s {trouble}; {followed}", self.sentence(), limit.as_secs()
                )))
            }),
            () = asked_to_stop() => Err(Failure::Interrupted(format!("{}; nobody waits for it any more, and {followed}", self.sentence()))),
        }
    }

    async fn look_until_there(&self, session: &Session) -> Result<(Status, bool), Failure> {
        let since = match self.version {
            Some(_) => None,
            None => Some(self.time(session).await?),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            match Status::read(session).await {
                Ok(status) => {
                    self.trouble.take();
                    if let Some(is_later) = self.is_of_this(&status, since, session).await {
                        return Ok((status, is_later));
                    }
                }
                Err(Unread::Missing(_)) => _ = self.trouble.take(),
                Err(foreign @ Unread::Foreign { .. }) => return Err(foreign.into_failure()),
                // Denied may be a status that is not there yet, and all else may pass.
                Err(unread) => self.is_kept_by(unread.to_string()),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// When it was uploaded, in a bucket without versions, and whether that is the time of another upload by now.
    async fn time(&self, session: &Session) -> Result<(Timestamp, bool), Failure> {
        let newest = session.reader.object_identity(&self.bucket, &self.key).await;
        let unknown = |why: String| {
            Failure::Aws(format!(
                "{}. The bucket has no versions, and when it was uploaded could not be seen, so no run can be told to be of it: \
                 {why}",
                self.sentence()
            ))
        };
        match newest {
            Ok(Some(newest)) => match newest.last_modified {
                Some(at) => Ok((at, newest.etag != self.etag)),
                None => Err(unknown("S3 does not say".into())),
            },
            Ok(None) => Err(unknown("it was deleted meanwhile".into())),
            Err(error) => Err(unknown(format!("{error}: it takes s3:GetObject on the file"))),
        }
    }

    /// Whether a status is of this upload (`false`), or of a later one (`true`), or of neither.
    async fn is_of_this(&self, status: &Status, since: Option<(Timestamp, bool)>, session: &Session) -> Option<bool> {
        let config = &status.report.config;
        if self.version.is_some() && config.version_id == self.version {
            return Some(false);
        }
        // A run that had ended before cannot have seen the upload.
        if self.before.as_ref() == Some(&status.report.run_id) {
            return None;
        }
        if let Some((at, is_another)) = since {
            let of: Timestamp = config.last_modified.as_deref()?.parse().ok()?;
            return (of >= at).then_some(is_another || of > at);
        }
        // A run that began before the upload is over an older version. Only the newest one is surely later.
        match session.reader.object_identity(&self.bucket, &self.key).await {
            Ok(Some(newest)) => {
                let is_later = newest.version_id != self.version && newest.version_id == config.version_id;
                return is_later.then_some(true);
            }
            Ok(None) => self.is_kept_by("it was deleted meanwhile".into()),
            Err(error) => self.is_kept_by(format!(
                "the status is of another upload, and whether that is a later one could not be seen: {error}: it takes \
                 s3:GetObject on the file"
            )),
        }
        None
    }

    fn is_kept_by(&self, trouble: String) {
        self.trouble.replace(Some(trouble));
    }
}
