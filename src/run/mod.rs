//! A run is a pipeline of values: load -> check -> observe -> plan -> preview, or apply and prove -> results -> report.
//!
//! `Run::pass` goes through it once. A run that applies the uploaded file does so in a loop, the fence (`fence.rs`): two runs
//! at once are possible, so each remembers the status object it started from and writes the new one only over that, and a run
//! that lost to one over another version of the file makes another pass. A message of the queue (`message.rs`) goes
//! through the same functions.

mod apply;
mod changed_secret;
mod fence;
mod load;
mod message;
mod planned;
mod pulls;
mod rejected;
mod results;
mod status;
mod tell;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Instant;

use crate::account::{Account, AwsError, ObjectError, Reader, Snapshot, Writer, observe};
use crate::existing::{ExistingResult, Reconciler, WriteAccess};
use crate::failure::Failure;
use crate::home::Home;
use crate::plan::checksum;
use crate::report::{Change, ConfigReport, Outcome, Past, Report, Results, Warm, written};
use crate::settings::Settings;
use crate::timing::{Deadline, Timing};
use crate::trigger::{Kind, Mode, SecretChange, WorkBatch};
use crate::verify::{Candidate, prove};
use crate::warm::Warmer;
use config::Credential;
use config::sops::DataKey;
use config::{File, Problem};

use changed_secret::{may_use, unused, uses};
pub use load::Source;
use load::{Input, Unread};
use planned::Planned;
use results::{Proofs, RunState};
pub use status::STATUS_MAX;

/// What a run is asked to do, and by what.
#[derive(Debug, Clone)]
pub struct RunRequest {
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
pub struct Deps<'a> {
    pub reader: &'a Reader,
    /// What the operator chose.
    pub settings: &'a Settings,
    /// How patient to be.
    pub timing: &'a Timing,
    /// Prints a metric line as it is.
    pub metrics: fn(&str),
}

/// What a run may do. Only one that applies has anything to write with: a plan that writes cannot be expressed.
#[derive(Debug, Clone, Copy)]
pub enum Access<'a> {
    /// Show what would be done.
    Plan,
    /// The same, and have ECR prove every credential.
    Validate,
    /// Make the account follow the file.
    Apply(&'a Writer),
}

impl Access<'_> {
    fn mode(self) -> Mode {
        match self {
            Self::Plan => Mode::Plan,
            Self::Validate => Mode::Validate,
            Self::Apply(_) => Mode::Apply,
        }
    }
}

pub struct Run<'a> {
    deps: Deps<'a>,
    access: Access<'a>,
    source: Source<'a>,
    /// The key of a local file that is encrypted. That of an uploaded one is asked for when it is read.
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

pub(in crate::run) enum Pass {
    /// Nothing to do with us: the reason. No status is written.
    Ignored(String),
    /// It is not the plan that was to be applied. Nothing was changed, and no status is written.
    Refused(Box<Finished>),
    /// The status is to tell of it.
    Finished(Box<Finished>),
    /// A newer file has come: look again.
    Stale(Stale),
}

/// A pass that came to its end.
pub(in crate::run) struct Finished {
    /// The version of the file.
    config: ConfigReport,
    results: Results,
    /// Another try may go better.
    transient: bool,
    /// What the queue is to have.
    batches: Vec<WorkBatch>,
}

/// A pass that stopped for a newer file.
pub(in crate::run) struct Stale {
    /// Registries that it may have made.
    named: BTreeSet<String>,
    changes: Vec<Change>,
}

impl<'a> Run<'a> {
    /// Prepares a run; nothing is called yet.
    pub fn new(deps: Deps<'a>, access: Access<'a>, home: &'a Home, deadline: &'a Deadline, run_id: &'a str) -> Self {
        let calls_before = deps.reader.calls();
        let (seen, source) = (Mutex::default(), Source::Uploaded);
        Self {
            deps,
            access,
            source,
            data_key: None,
            home,
            deadline,
            run_id,
            started_at: written((deps.timing.now)()),
            clock: Instant::now(),
            calls_before,
            seen,
        }
    }

    /// The same over a local file.
    #[must_use]
    pub fn over(self, name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            source: Source::Local { name, bytes },
            ..self
        }
    }

    /// The same with the key that the local file is encrypted with, if it is.
    #[must_use]
    pub fn unlocked(self, data_key: Option<DataKey>) -> Self {
        Self { data_key, ..self }
    }

    /// The report of an event that is not ours.
    pub fn ignored(&self, request: &RunRequest, reason: String) -> Report {
        self.response(request, self.place(), ignored(reason), &Past::default())
    }

    /// Makes one pass, or, where the uploaded file is applied, as many as it takes until the status is written.
    ///
    /// # Errors
    /// When the file or the status object cannot be read or written, and, of a run that applies the uploaded file, when a
    /// retry may help. The report of any other is the response alone, whatever it says.
    pub async fn execute(&self, request: &RunRequest) -> Result<Report, Failure> {
        if let (Access::Apply(writer), Source::Uploaded) = (self.access, self.source) {
            return self.apply_fenced(writer, request).await;
        }
        let reads = async { tokio::join!(self.load(), self.past()) };
        let (input, past) = self.deadline.bound(reads).await.ok_or_else(|| self.late())?;
        let finished = match Box::pin(self.pass(request, input, &past)).await? {
            Pass::Ignored(reason) => return Ok(self.ignored(request, reason)),
            Pass::Refused(finished) | Pass::Finished(finished) => *finished,
            // A local file is always the newest, and a plan writes nothing that a newer file could stop.
            Pass::Stale(_) => return Err(self.again("a newer file has come".into())),
        };
        Ok(self.response(request, finished.config, finished.results, &past))
    }

    /// One pass: from the bytes of the file and a snapshot of the account to results.
    async fn pass(&self, request: &RunRequest, input: Input, past: &Past) -> Result<Pass, Failure> {
        let object = match input.object {
            Ok(object) => object,
            Err(ObjectError::Missing(what)) => return Ok(Pass::Ignored(self.no_file(&what))),
            Err(error) => return Err(Failure::ConfigUnreadable(error)),
        };
        let config = self.identity(&object);
        let uploaded = object.last_modified.unwrap_or_else(self.deps.timing.now);
        // A run that comes to nothing passes on what it was told.
        let nothing = Results {
            outcome: Outcome::Partial,
            memory: past.passed_on(),
            ..Results::default()
        };
        let file = match self.read(object).await {
            Ok(file) => file,
            Err(Unread::Rejected(rejected)) => {
                return Ok(self.rejected(request, config, rejected, input.snapshot, nothing).await);
            }
            Err(Unread::Locked(reason)) => {
                let message = format!("{reason}; the account was left as it is");
                return Ok(Pass::finished(config, Results { message, ..nothing }, true));
            }
        };
        if let Some(change) = &request.secret
            && !may_use(&file, change)
        {
            return Ok(Pass::Ignored(unused(change)));
        }
        let account = match self.observe(&file, input.snapshot).await {
            Ok(account) => account,
            Err(Unseen { message, transient }) => {
                self.remember(&file, &Account::default());
                let results = Results {
                    message,
                    elsewhere: file.elsewhere,
                    warnings: file.warnings,
                    blind: true,
                    ..nothing
                };
                return Ok(Pass::finished(config, results, transient));
            }
        };
        self.remember(&file, &account);
        if let Some(change) = &request.secret
            && !uses(&account, &file, change, self.deps.settings)
        {
            return Ok(Pass::Ignored(unused(change)));
        }
        let planned = self.plan(request, config, file, account, uploaded, past).await;
        Ok(match self.access {
            Access::Plan => Box::pin(self.preview(planned, false)).await,
            Access::Validate => Box::pin(self.preview(planned, true)).await,
            Access::Apply(writer) => Box::pin(self.apply(writer, planned)).await,
        })
    }

    /// Shows a plan; with `proves`, ECR is asked to prove the credentials that are there.
    async fn preview(&self, planned: Planned<'_>, proves: bool) -> Pass {
        let (existing, sum) = self.preview_repositories(&planned).await;
        let mut state = RunState::new(&planned.file, &planned.account, planned.scope, planned.memory);
        if proves {
            let asked = apply::candidates(
                &planned.plan.registries,
                &planned.file,
                &planned.account,
                planned.request,
            );
            state.proofs = self.prove(asked).await;
        }
        let state = state.showing(planned.plan);
        self.finish(
            planned.request,
            planned.config,
            state,
            existing,
            planned.warnings,
            Some(sum),
        )
    }

    /// Applies a plan; where a checksum was given, that plan or nothing.
    async fn apply(&self, writer: &Writer, planned: Planned<'_>) -> Pass {
        let mut shown = None;
        if let Some(asked) = &planned.request.plan_checksum {
            let (existing, sum) = self.preview_repositories(&planned).await;
            if sum != *asked {
                return Pass::Refused(Box::new(self.not_the_plan(planned, existing, sum)));
            }
            shown = Some(existing.planned);
        }
        let Planned { request, past, .. } = planned;
        let (file, account, config) = (&planned.file, &planned.account, planned.config);
        let open: Vec<String> = planned.plan.open().map(str::to_owned).collect();
        let state = RunState::new(file, account, planned.scope, planned.memory);
        let candidates = apply::candidates(&planned.plan.registries, file, account, request);
        let applied = self.carry_out(writer, planned.plan, candidates, shown.is_some(), &config, state);
        let mut state = match Box::pin(applied).await {
            Ok(state) => state,
            Err(stale) => return Pass::Stale(stale),
        };
        // What a run may not touch it leaves alone as a whole; what only failed has repositories all the same.
        let open = open.iter().map(String::as_str).filter(|name| !state.is_held(name));
        let access = WriteAccess {
            writer,
            newest: self.newest(&config),
        };
        let (open, snapshot) = (open.collect(), state.snapshot_after());
        let existing = self
            .repositories(&config, past, file, &snapshot, &open)
            .run(Some(access), shown);
        match Box::pin(existing).await {
            Ok(existing) => {
                state.warm = self.warm(writer, request, file, &state).await;
                let sum = request.plan_checksum.clone();
                self.finish(request, config, state, existing, planned.warnings, sum)
            }
            Err(written) => {
                let Stale { named, changes } = state.stale();
                let changes = [changes, written].concat();
                Pass::Stale(Stale { named, changes })
            }
        }
    }

    /// Asks for the images that are to be warm, in the runs that follow the uploaded file as a whole.
    async fn warm(
        &self,
        writer: &Writer,
        request: &RunRequest,
        file: &File,
        state: &RunState<'_>,
    ) -> Option<BTreeMap<String, Warm>> {
        let looks_after_all = matches!(request.kind, Kind::S3Upload | Kind::Schedule | Kind::Manual);
        if !looks_after_all || matches!(self.source, Source::Local { .. }) {
            return None;
        }
        let warmer = Warmer {
            writer,
            home: self.home,
            bounds: &self.deps.settings.bounds,
            timing: self.deps.timing,
            deadline: self.deadline,
            run_id: self.run_id,
        };
        Some(Box::pin(warmer.warm(file, |name| state.is_ready(name))).await)
    }

    /// What a plan would do to existing repositories, and the checksum of all of it.
    async fn preview_repositories(&self, planned: &Planned<'_>) -> (ExistingResult, String) {
        let open = planned.plan.open().collect();
        let snapshot = &planned.account.snapshot;
        let looked = self
            .repositories(&planned.config, planned.past, &planned.file, snapshot, &open)
            .run(None, None);
        // Nothing is written, so no newer file comes in between.
        let existing = Box::pin(looked).await.unwrap_or_default();
        let sum = checksum(&planned.plan, existing.planned.sum(), self.home);
        (existing, sum)
    }

    fn repositories<'r>(
        &'r self,
        config: &'r ConfigReport,
        past: &'r Past,
        file: &'r File,
        snapshot: &'r Snapshot,
        open: &'r BTreeSet<&'r str>,
    ) -> Reconciler<'r> {
        let Deps {
            reader,
            settings,
            timing,
            ..
        } = self.deps;
        Reconciler {
            reader,
            settings,
            timing,
            home: self.home,
            deadline: self.deadline,
            run_id: self.run_id,
            config,
            past,
            file,
            snapshot,
            open,
            is_local: matches!(self.source, Source::Local { .. }),
        }
    }

    fn finish(
        &self,
        request: &RunRequest,
        config: ConfigReport,
        state: RunState<'_>,
        existing: ExistingResult,
        warnings: Vec<Problem>,
        plan_checksum: Option<String>,
    ) -> Pass {
        let transient = existing.transient || state.is_transient();
        let batches = existing.batches.clone();
        let results = state.into_results(
            request,
            self.access.mode(),
            existing,
            warnings,
            self.deadline,
            (self.deps.timing.now)(),
        );
        Pass::Finished(Box::new(Finished {
            config,
            results: Results {
                plan_checksum,
                ..results
            },
            transient,
            batches,
        }))
    }

    /// Shows the plan that there is, where it is not the one that was to be applied.
    fn not_the_plan(&self, planned: Planned<'_>, existing: ExistingResult, sum: String) -> Finished {
        let request = planned.request;
        let state = RunState::new(&planned.file, &planned.account, planned.scope, planned.memory);
        let shown = state.showing(planned.plan);
        let results = shown.into_results(
            request,
            Mode::Plan,
            existing,
            planned.warnings,
            self.deadline,
            (self.deps.timing.now)(),
        );
        let message = if self.deadline.is_asked_for() {
            // What was not looked at any more is why it looks like another plan.
            "interrupted, and nothing was changed".to_owned()
        } else {
            format!(
                "refused, and nothing was changed: the plan is not {} any more; look at this one, {sum} ({})",
                request.plan_checksum.as_deref().unwrap_or_default(),
                results.message
            )
        };
        let results = Results {
            message,
            plan_checksum: Some(sum),
            ..results
        };
        Finished {
            config: planned.config,
            results,
            transient: false,
            batches: Vec::new(),
        }
    }

    /// Reads the rest of the account that the file speaks about.
    async fn observe(&self, file: &File, snapshot: Result<Snapshot, AwsError>) -> Result<Account, Unseen> {
        let snapshot = snapshot.map_err(|error| Unseen {
            message: format!("the account could not be read, and was left as it is: {error}"),
            transient: error.is_transient(),
        })?;
        let observed = Box::pin(observe(self.deps.reader, snapshot, file, self.deps.settings));
        self.deadline.bound(observed).await.ok_or_else(|| {
            let what = self.deadline.what();
            Unseen {
                message: format!("{what} came while the account was being read, which was left as it is"),
                transient: true,
            }
        })
    }

    async fn prove(&self, candidates: Vec<Candidate>) -> Proofs {
        prove(self.deps.reader, candidates, self.deps.timing, self.deadline).await
    }
}

impl Pass {
    fn finished(config: ConfigReport, results: Results, transient: bool) -> Self {
        Self::Finished(Box::new(Finished {
            config,
            results,
            transient,
            batches: Vec::new(),
        }))
    }
}

fn ignored(reason: String) -> Results {
    Results {
        outcome: Outcome::Ignored,
        message: reason,
        ..Results::default()
    }
}

/// Why the account is not known.
struct Unseen {
    message: String,
    transient: bool,
}
