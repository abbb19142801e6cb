//! What a run says of itself: the response of the invocation, the status object, the same for people, and metrics.

mod history;
mod log;
mod markdown;
pub mod metrics;
mod pulls;
mod redact;
mod repositories;
mod results;
mod view;
mod warm;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cause::{Cause, Reason};
use crate::plan::{Action, Difference, Resource, Step};
use crate::trigger::{Kind, Mode};
use config::Problem;

pub use history::{Memory, Past, Refused};
pub use log::log;
pub use markdown::{code, markdown, problem, text};
pub use pulls::{LastPullFailure, PullFailures};
pub use redact::redact;
pub use repositories::{Base, Existing, Part, Progress, Work};
pub use results::Results;
pub use view::{Blocker, Mark, count, some, word};
pub use warm::{Warm, WarmResult, WarmedImage};

/// The report. Field names and values are what docs/report.md promises. It is read back by what works on messages
/// of the queue, whose results go into the report of the run that sent them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// The request id of the invocation.
    pub run_id: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// When a run last ended `converged` or `changed`; `null` before the first.
    pub last_success_at: Option<String>,
    pub outcome: Outcome,
    /// What the run might do.
    pub mode: Mode,
    /// One sentence.
    pub message: String,
    pub trigger: TriggerReport,
    /// The file it worked from.
    pub config: ConfigReport,
    pub changes: Vec<Change>,
    pub registries: BTreeMap<String, RegistryReport>,
    /// By name: what to write in front of an image.
    pub pull_through_cache_urls: BTreeMap<String, String>,
    /// Registries that the file has for other stacks (`only`).
    #[serde(default)]
    pub elsewhere: BTreeSet<String>,
    /// What is wrong with the file.
    pub errors: Vec<Problem>,
    /// What is legal but surprising.
    pub warnings: Vec<Problem>,
    /// What a plan comes to; an apply that is given it does that plan or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_checksum: Option<String>,
    /// The repositories that exist already, where the file wants its settings applied to some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_repositories: Option<Existing>,
    /// What the runs after are to know.
    #[serde(default, skip_serializing_if = "Memory::is_empty")]
    pub memory: Memory,
    pub stats: Stats,
    /// The account could not be read, so that nothing is known of it.
    #[serde(skip)]
    pub blind: bool,
    /// The run has looked after the images that are to be warm.
    #[serde(skip)]
    pub warmed: bool,
}

/// How a run came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    #[default]
    Converged,
    /// Everything applied.
    Changed,
    /// A plan with changes.
    Pending,
    /// Something failed or is held.
    Partial,
    /// The file is refused.
    Rejected,
    /// Not our event, or no file yet.
    Ignored,
}

impl Outcome {
    /// As the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Changed => "changed",
            Self::Pending => "pending",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Ignored => "ignored",
        }
    }
}

/// What started a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TriggerReport {
    /// `s3-upload`, `secret-rotation`, `pull-failure`, `schedule`, `work` or `manual`.
    pub kind: Kind,
    /// Where the event came from.
    pub source: String,
}

/// The file's identity. No ETag: it can be a digest of the file, tokens and all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigReport {
    /// `CONFIG_BUCKET`.
    pub bucket: String,
    /// `CONFIG_KEY`.
    pub key: String,
    /// `null` in a bucket without versioning, and before the file was read.
    pub version_id: Option<String>,
    /// RFC 3339, UTC.
    pub last_modified: Option<String>,
}

impl ConfigReport {
    /// Whether both are the same upload. Without versions it goes by the time.
    pub fn is_same_upload(&self, other: &Self) -> bool {
        (self.version_id.is_some() || self.last_modified.is_some()) && self == other
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    pub registry: String,
    pub resource: Resource,
    pub action: Action,
    /// Prefix, secret name or repository name.
    pub id: String,
    /// What differed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Cow<'static, str>>,
    /// What is there and what is to be, in a plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<Difference>,
    pub result: ChangeResult,
    /// Why it failed or is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The kind of that, in a word that stays the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Something worth knowing about a change that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How many changes this line stands for that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<usize>,
    /// Since when it fails or is held for this same reason, when the last status said so already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// A retry may help.
    #[serde(skip)]
    pub transient: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeResult {
    Applied,
    Planned,
    /// Tried, or refused.
    Failed,
    /// Waits for a decision.
    Held,
    /// Not tried, since something before it failed or time was short.
    Skipped,
}

impl Change {
    /// A change, before it is known what came of it.
    pub fn of(registry: &str, resource: Resource, action: Action, id: &str) -> Self {
        Self {
            registry: registry.to_owned(),
            resource,
            action,
            id: id.to_owned(),
            fields: Vec::new(),
            diff: Vec::new(),
            result: ChangeResult::Planned,
            error: None,
            reason: None,
            note: None,
            more: None,
            since: None,
            transient: false,
        }
    }

    /// A step of a plan and what came of it.
    pub fn new(registry: &str, step: &Step, result: ChangeResult) -> Self {
        let change = Self::of(registry, step.resource, step.action, &step.id);
        let fields = step.fields.iter().map(|field| Cow::Borrowed(*field)).collect();
        Self {
            fields,
            result,
            ..change
        }
    }

    /// With what is there and what is to be.
    pub fn differing(self, diff: Vec<Difference>) -> Self {
        Self { diff, ..self }
    }

    /// A registry of which nothing is written, and what stands in the way.
    pub fn refused(registry: &str, resource: Resource, action: Action, id: &str, cause: &Cause) -> Self {
        Self::of(registry, resource, action, id)
            .with(ChangeResult::Failed)
            .because(cause)
    }

    /// With another result.
    pub fn with(self, result: ChangeResult) -> Self {
        Self { result, ..self }
    }

    /// With the cause of a failure or a hold.
    pub fn because(self, cause: &Cause) -> Self {
        let Cause {
            reason,
            message,
            transient,
        } = cause.clone();
        Self {
            error: Some(message),
            reason: Some(reason),
            transient,
            ..self
        }
    }

    /// With what differed.
    pub fn in_fields(self, fields: Vec<Cow<'static, str>>) -> Self {
        Self { fields, ..self }
    }

    /// With something worth knowing.
    pub fn noting(self, note: String) -> Self {
        Self {
            note: Some(note),
            ..self
        }
    }

    /// With whether a retry may help.
    pub fn transient(self, transient: bool) -> Self {
        Self { transient, ..self }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegistryReport {
    /// Whether people can pull through it.
    pub state: State,
    pub upstream: String,
    /// What to pull through.
    pub url: String,
    /// What ECR said of the credential.
    pub credential: CredentialState,
    /// When it lapses, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Expires>,
    /// Its repositories that exist already, where the file wants its settings applied to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_repositories: Option<Progress>,
    /// The images that are to be in the cache before anybody pulls them, where the file names some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Warm>,
    /// The newest pull through it that failed, until a day has passed without another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pull_failure: Option<LastPullFailure>,
    /// Why it is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where it failed or is held, the kind of that, in a word that stays the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Since when, when the last status said the same already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// Whether people can pull through a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything is as the file says, and ECR has proven the credential or none is needed.
    Ready,
    Failed,
    /// Waits for a decision.
    Held,
    /// Not proven: a plan does not ask ECR, or something is still to be done.
    Planned,
}

impl RegistryReport {
    /// A registry of which there is nothing to say.
    pub fn new(state: State, credential: CredentialState, upstream: &str, url: String) -> Self {
        Self {
            state,
            upstream: upstream.to_owned(),
            url,
            credential,
            expires: None,
            existing_repositories: None,
            warm: None,
            last_pull_failure: None,
            message: None,
            reason: None,
            since: None,
        }
    }

    pub fn saying(self, message: String) -> Self {
        Self {
            message: Some(message),
            ..self
        }
    }

    /// With the cause of a failure or a hold.
    pub fn because(self, cause: Cause) -> Self {
        Self {
            message: Some(cause.message),
            reason: Some(cause.reason),
            ..self
        }
    }
}

impl State {
    /// As the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Planned => "planned",
        }
    }
}

/// What ECR said of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialState {
    /// The upstream takes it.
    Valid,
    /// The upstream, or ECR, refuses it.
    Invalid,
    None,
    /// Not asked, or no answer.
    Unchecked,
}

impl CredentialState {
    /// As the report writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::None => "none",
            Self::Unchecked => "unchecked",
        }
    }
}

/// When a credential lapses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expires {
    /// RFC 3339, UTC.
    pub at: String,
    /// What says so.
    pub from: ExpiresFrom,
    /// Whole days until then, rounded down: negative once it has lapsed.
    pub days: i64,
}

/// What says when a credential lapses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpiresFrom {
    /// The token, which is a JSON Web Token.
    Token,
    /// The tag `ecr-pull-through-sync:expires-at` of the secret.
    Tag,
    /// The file's `expires_at`.
    File,
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Requests sent to AWS, retries included, up to the writing of the status object.
    pub aws_calls: u64,
    /// Milliseconds from the event to the writing of the status object.
    pub duration_ms: u64,
}

/// A time as the report writes it: RFC 3339, UTC, whole seconds.
pub fn written(time: jiff::Timestamp) -> String {
    jiff::Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}
