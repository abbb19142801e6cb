//! Why an invocation fails.

use lambda_runtime::Diagnostic;

use crate::account::ObjectError;
use crate::home::BadFunctionArn;
use crate::trigger::UnknownEvent;

/// Why an invocation fails. Lambda tries asynchronous ones again, and gives up to the failure destination.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    UnknownEvent(#[from] UnknownEvent),
    /// The invocation does not say whose account this is.
    #[error(transparent)]
    FunctionArn(#[from] BadFunctionArn),
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    ConfigUnreadable(ObjectError),
    /// The status object cannot be read or written.
    #[error("the status object s3://{bucket}/{key} cannot be {verb}: {error}")]
    Status {
        bucket: String,
        key: String,
        /// `read` or `written`.
        verb: &'static str,
        error: String,
    },
    /// Something failed that may go better next time.
    #[error("the run ended {outcome} and may go better when it is tried again: {reason}; see {status}")]
    Incomplete {
        outcome: &'static str,
        /// The report's sentence.
        reason: String,
        /// Where the report is.
        status: String,
    },
}

impl Failure {
    /// A stable name, for alarms and the failure destination's readers.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownEvent(_) => "UnplaceableEvent",
            Self::FunctionArn(_) => "BadFunctionArn",
            Self::ConfigUnreadable(_) => "ConfigUnreadable",
            Self::Status { .. } => "StatusUnavailable",
            Self::Incomplete { .. } => "RunIncomplete",
        }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self {
            error_type: failure.name().into(),
            error_message: failure.to_string(),
        }
    }
}
