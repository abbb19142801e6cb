//! A run: load file, check, observe the account, plan, apply, verify, report.
//!
//! Two runs at once are possible. Each remembers the status object it started from and writes the new one only if it
//! is still that one; a run that lost to one with another version of the file runs again from the newest, so that
//! the last run to finish has seen the latest file.

mod fence;
mod file;
mod finish;
mod message;
mod repositories;
mod work;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use crate::account::{
    Account, AwsError, Object, ObjectError, Reader, Rule, Sight, Snapshot, VersionValue, Writer, observe, snapshot,
};
use crate::config::{self, File, Rejected};
use crate::credential::Credential;
use crate::handler::Failure;
use crate::home::Home;
use crate::ownership::Owner;
use crate::pace::{Deadline, Pace};
use crate::report::{self, Change, ConfigReport, Memory, Outcome, Past, Report, Stats, TriggerReport, now};
use crate::settings::Settings;
use crate::sops::DataKey;
use crate::trigger::{Kind, Mode, Portion, SecretChange};
use crate::verify::{Candidate, Patience, prove};

pub use fence::STATUS_MAX;
pub use file::Source;
use file::Unread;
use work::After;

/// What a run is asked to do, and by whom.
#[derive(Debug, Clone)]
pub struct Order {
    /// The kind of trigger.
    pub kind: Kind,
    /// Where the event came from.
    pub source: String,
    /// The manual action's limit.
    pub max_deletions: Option<u32>,
    /// The only plan that may be applied, where one was named.
    pub plan_checksum: Option<String>,
    /// The secret whose change is the reason.
    pub secret: Option<SecretChange>,
}

/// What every run reads with, and what it has to know.
#[derive(Debug, Clone, Copy)]
pub struct Core<'a> {
    /// Reads.
    pub reader: &'a Reader,
    /// What the operator chose.
    pub settings: &'a Settings,
    /// How patient to be.
    pub pace: &'a Pace,
    /// Prints a metric line as it is.
    pub metrics: fn(&str),
}

/// What a run may do. Only one that applies has anything to write with: a plan that writes cannot be expressed.
#[derive(Debug, Clone, Copy)]
pub enum Hand<'a> {
    /// Show what would be done.
    Plan,
    /// The same, and have ECR prove every credential.
    Validate,
    /// Make the account follow the file.
    Apply(&'a Writer),
}

impl Hand<'_> {
    fn mode(self) -> Mode {
        match self {
            Self::Plan => Mode::Plan,
            Self::Validate => Mode::Validate,
            Self::Apply(_) => Mode::Apply,
        }
    }
}

/// One run, and what it needs.
pub struct Run<'a> {
    core: Core<'a>,
    hand: Hand<'a>,
    source: Source<'a>,
    /// The key of a file at hand that is encrypted. That of an uploaded one is asked for when it is read.
    data_key: Option<DataKey>,
    home: &'a Home,
    deadline: &'a Deadline,
    run_id: &'a str,
    started_at: String,
    clock: Instant,
    calls_before: u64,
    /// Every credential this run has had in hand, to be kept out of its report.
    seen: Mutex<Vec<Credential>>,
}

/// How one look at file and account came out.
enum Look {
    /// A report, whether another try may go better, and what the queue is to have.
    Done {
        report: Box<Report>,
        transient: bool,
        portions: Vec<Portion>,
    },
    /// Not our business, or not the plan that was to be applied: no status is written.
    Ignored(Box<Report>),
    /// A newer file has come; what was changed stands in the report.
    Stale(Box<Report>),
}

impl<'a> Run<'a> {
    /// Prepares a run; nothing is called yet.
    pub fn new(core: Core<'a>, hand: Hand<'a>, home: &'a Home, deadline: &'a Deadline, run_id: &'a str) -> Self {
        let calls_before = core.reader.calls();
        let (seen, source) = (Mutex::default(), Source::Uploaded);
        Self {
            core,
            hand,
            source,
            data_key: None,
            home,
            deadline,
            run_id,
            started_at: now(),
            clock: Instant::now(),
            calls_before,
            seen,
        }
    }

    /// The same over a file that is at hand.
    #[must_use]
    pub fn over(self, name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            source: Source::AtHand { name, bytes },
            ..self
        }
    }

    /// The same with the key that the file at hand is encrypted with, if it is.
    #[must_use]
    pub fn unlocked(self, data_key: Option<DataKey>) -> Self {
        Self { data_key, ..self }
    }

    /// The report of an event that is not ours.
    pub fn ignored(&self, order: &Order, reason: String) -> Report {
        let mut report = self.blank(order);
        report.outcome = Outcome::Ignored;
        report.message = reason;
        self.close(&mut report, &Past::default());
        report::log(&report);
        report
    }

    /// Runs.
    ///
    /// # Errors
    /// When the file or the status object cannot be read or written, and, of a run that applies the uploaded file, when a
    /// retry may help. The report of any other is the response alone, whatever it says.
    pub async fn execute(&self, order: &Order) -> Result<Report, Failure> {
        if let (Hand::Apply(writer), Source::Uploaded) = (self.hand, self.source) {
            return self.apply_fenced(writer, order).await;
        }
        let reads = async { tokio::join!(self.load(), snapshot(self.core.reader), self.past()) };
        let (object, snapshot, past) = self.deadline.bound(reads).await.ok_or_else(|| self.late())?;
        let object = match self.opened(order, object)? {
            Ok(object) => object,
            Err(no_file) => return Ok(no_file),
        };
        let report = match Box::pin(self.look(order, object, snapshot, &past)).await {
            Look::Ignored(report) => return Ok(*report),
            Look::Done { report, .. } | Look::Stale(report) => report,
        };
        report::log(&report);
        Ok(*report)
    }

    /// The file, or the report that there is none yet.
    fn opened(&self, order: &Order, object: Result<Object, ObjectError>) -> Result<Result<Object, Report>, Failure> {
        match object {
            Ok(object) => Ok(Ok(object)),
            Err(ObjectError::Missing(what)) => Ok(Err(self.no_file(order, &what))),
            Err(error) => Err(Failure::ConfigUnreadable(error)),
        }
    }

    /// One look at file and account, and in apply mode one try to make the account follow.
    async fn look(&self, order: &Order, object: Object, snapshot: Result<Snapshot, AwsError>, past: &Past) -> Look {
        let mut report = self.blank(order);
        // A run that comes to nothing passes on what it was told.
        report.memory = past.passed_on();
        report.config = self.identity(&object);
        let uploaded = object.last_modified.unwrap_or_else(Timestamp::now);
        let read = self.read(object).await;
        let mut left = Vec::new();
        let transient = match (read, snapshot) {
            (Ok(file), Ok(snapshot)) => {
                let observed = Box::pin(observe(self.core.reader, snapshot, &file, self.core.settings));
                let Some(account) = self.deadline.bound(observed).await else {
                    (report.outcome, report.blind) = (Outcome::Partial, true);
                    let what = self.deadline.what();
                    report.message = format!("{what} came while the account was being read, which was left as it is");
                    self.close(&mut report, past);
                    return Look::Done {
                        report: Box::new(report),
                        transient: true,
                        portions: Vec::new(),
                    };
                };
                self.remember(&file, &account);
                if let Some(change) = &order.secret
                    && !uses(&account, &file, change, self.core.settings)
                {
                    let reason = format!("no registry uses the secret {}", change.name);
                    return Look::Ignored(Box::new(self.ignored(order, reason)));
                }
                match Box::pin(self.accepted(order, &mut report, file, account, uploaded, past)).await {
                    After::Done { transient, portions } => {
                        left = portions;
                        transient
                    }
                    After::Stale => return Look::Stale(Box::new(report)),
                    After::Refused => {
                        self.close(&mut report, past);
                        report::log(&report);
                        return Look::Ignored(Box::new(report));
                    }
                }
            }
            (Ok(file), Err(error)) => {
                self.remember(&file, &Account::default());
                report.warnings = file.warnings;
                (report.outcome, report.blind) = (Outcome::Partial, true);
                report.message = format!("the account could not be read, and was left as it is: {error}");
                error.is_transient()
            }
            (Err(Unread::Locked(reason)), _) => {
                report.outcome = Outcome::Partial;
                report.message = format!("{reason}; the account was left as it is");
                true
            }
            (Err(Unread::Rejected(rejected)), snapshot) => {
                if let (Some(change), Ok(snapshot)) = (&order.secret, &snapshot)
                    && !marked_rules(snapshot, self.core.settings).any(|rule| points_to(rule, change))
                {
                    let reason = format!("no rule of ours uses the secret {}", change.name);
                    return Look::Ignored(Box::new(self.ignored(order, reason)));
                }
                self.rejected(order, &mut report, rejected, snapshot).await
            }
        };
        self.close(&mut report, past);
        Look::Done {
            report: Box::new(report),
            transient,
            portions: left,
        }
    }

    /// The file is refused: nothing is changed. The clock and rotations still have the credentials proven of the
    /// rules that carry our mark, since a mistake in the file must not hide a lapsed token.
    async fn rejected(
        &self,
        order: &Order,
        report: &mut Report,
        rejected: Rejected,
        snapshot: Result<Snapshot, AwsError>,
    ) -> bool {
        report.outcome = Outcome::Rejected;
        report.message = match rejected.errors.len() {
            1 => "the file has 1 error, and changes nothing".into(),
            n => format!("the file has {n} errors, and changes nothing"),
        };
        report.errors = rejected.errors;
        report.warnings = rejected.warnings;
        report
            .warnings
            .extend(finish::rotation_failed(order, &Account::default()));
        let proves = matches!(order.kind, Kind::Schedule | Kind::SecretRotation) || matches!(self.hand, Hand::Validate);
        if !proves {
            return false;
        }
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(error) => {
                report.blind = true;
                report.message = format!(
                    "{}; the account could not be read to prove its credentials: {error}",
                    report.message
                );
                return error.is_transient();
            }
        };
        let marked: Vec<&Rule> = marked_rules(&snapshot, self.core.settings).collect();
        let candidates = marked.iter().filter(|rule| rule.credential_arn.is_some());
        let candidates = candidates
            .map(|rule| Candidate {
                prefix: rule.prefix.clone(),
                patience: Patience::Once,
            })
            .collect();
        let proofs = prove(self.core.reader, candidates, self.core.pace, self.deadline).await;
        finish::prove_marked(report, marked.into_iter(), &proofs, self.home)
    }

    /// Which version of the file this is.
    fn identity(&self, object: &Object) -> ConfigReport {
        ConfigReport {
            version_id: object.version_id.clone(),
            last_modified: object.last_modified.map(|time| time.to_string()),
            ..self.place()
        }
    }

    fn place(&self) -> ConfigReport {
        let Settings {
            config_bucket,
            config_key,
            ..
        } = self.core.settings;
        match self.source {
            Source::Uploaded => ConfigReport {
                bucket: config_bucket.clone(),
                key: config_key.clone(),
                ..ConfigReport::default()
            },
            Source::AtHand { name, .. } => ConfigReport {
                key: name.to_owned(),
                ..ConfigReport::default()
            },
        }
    }

    fn remember(&self, file: &File, account: &Account) {
        let given = file
            .registries
            .iter()
            .filter_map(|registry| match &registry.credential {
                config::Credential::Given(credential) => Some(credential),
                _ => None,
            });
        let held = account.sights.values().filter_map(|sight| match sight {
            Sight::Found(secret) => Some(secret.values.values()),
            _ => None,
        });
        let held = held.flatten().filter_map(|value| match value {
            VersionValue::Credential(credential) | VersionValue::Loose(credential) => Some(credential),
            VersionValue::Unusable => None,
        });
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(given.chain(held).cloned());
    }

    fn no_file(&self, order: &Order, what: &str) -> Report {
        let settings = self.core.settings;
        let reason = format!(
            "there is no {what} yet: upload one with `aws s3 cp registries.yaml s3://{}/{}`, and this function follows it",
            settings.config_bucket, settings.config_key
        );
        self.ignored(order, reason)
    }

    fn blank(&self, order: &Order) -> Report {
        Report {
            run_id: self.run_id.to_owned(),
            started_at: self.started_at.clone(),
            finished_at: String::new(),
            last_success_at: None,
            outcome: Outcome::Converged,
            mode: self.hand.mode(),
            message: String::new(),
            trigger: TriggerReport {
                kind: order.kind,
                source: order.source.clone(),
            },
            config: self.place(),
            changes: Vec::new(),
            registries: BTreeMap::new(),
            pull_through_cache_urls: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            plan_checksum: None,
            existing_repositories: None,
            memory: Memory::default(),
            stats: Stats::default(),
            blind: false,
        }
    }

    /// Sets what is known only at the end.
    fn close(&self, report: &mut Report, past: &Past) {
        report.finished_at = now();
        let success = matches!(report.outcome, Outcome::Converged | Outcome::Changed) && report.mode == Mode::Apply;
        // No success is yet to come, whatever the last status says: both are times in UTC.
        let last = past.last_success_at.as_ref().map(|time| time.min(&report.finished_at));
        report.last_success_at = if success {
            Some(report.finished_at.clone())
        } else {
            last.cloned()
        };
        report::redact(report, &self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        past.mark_old_news(report);
        report.stats.aws_calls = self.core.reader.calls() - self.calls_before;
        report.stats.duration_ms = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    }

    /// Logs a run whose status has been written, and prints its metrics: `own` is what this very run did, and `before`
    /// the status it started from.
    fn tell(&self, report: &Report, own: &[Change], before: &Past) {
        report::log(report);
        report::metrics::lines(report, own, before, &self.core.settings.owner)
            .iter()
            .for_each(|line| (self.core.metrics)(line));
    }

    /// The same for a run whose status could not be written, so that what it did is told somewhere. It is no success: nobody
    /// reads of it in the status.
    fn tell_unwritten(&self, report: &Report, own: &[Change], before: &Past, failure: &Failure) {
        let mut report = report.clone();
        if matches!(report.outcome, Outcome::Converged | Outcome::Changed) {
            report.outcome = Outcome::Partial;
        }
        report.message = format!("{}; {failure}", report.message);
        report.last_success_at.clone_from(&before.last_success_at);
        self.tell(&report, own, before);
    }

    /// The deadline came while file and account were being read.
    fn late(&self) -> Failure {
        Failure::Incomplete {
            outcome: "partial",
            reason: format!(
                "{} came while file and account were being read; this run changed nothing",
                self.deadline.what()
            ),
            status: "the log".into(),
        }
    }

    fn incomplete(&self, report: &Report, status: &str) -> Failure {
        Failure::Incomplete {
            outcome: report.outcome.as_str(),
            reason: report.message.clone(),
            status: status.to_owned(),
        }
    }
}

/// Whether any registry of the file, or any rule that carries our mark, uses the secret an event is about.
fn uses(account: &Account, file: &File, change: &SecretChange, settings: &Settings) -> bool {
    let of_file = account
        .snapshot
        .rules
        .values()
        .filter(|rule| file.registries.iter().any(|r| r.name == rule.prefix));
    let by_rule = of_file
        .chain(marked_rules(&account.snapshot, settings))
        .any(|rule| points_to(rule, change));
    // A secret that could not be read may well be it: the run says what is wrong.
    let by_sight = account.sights.values().any(|sight| match sight {
        Sight::Found(secret) => change.refers_to(&secret.name),
        Sight::Absent(name) => change.refers_to(name),
        Sight::Unread(_) => true,
        _ => false,
    });
    by_rule || by_sight
}

/// The rules whose template carries our mark.
fn marked_rules<'a>(snapshot: &'a Snapshot, settings: &'a Settings) -> impl Iterator<Item = &'a Rule> {
    let is_marked = |prefix: &str| {
        let template = snapshot.templates.get(prefix);
        template.is_some_and(|t| Owner::of_template(&t.spec.description, settings).is_ours())
    };
    snapshot.rules.values().filter(move |rule| is_marked(&rule.prefix))
}

/// Whether a rule's credential is the secret that changed.
fn points_to(rule: &Rule, change: &SecretChange) -> bool {
    rule.credential_arn
        .as_deref()
        .and_then(secret_name_of)
        .is_some_and(|name| change.refers_to(name))
}

/// The name in a full ARN: without the hyphen and six characters that Secrets Manager appends.
fn secret_name_of(arn: &str) -> Option<&str> {
    let (_, resource) = arn.split_once(":secret:")?;
    resource.get(..resource.len().checked_sub(7)?)
}
