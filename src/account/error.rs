//! One error for every AWS call: which call, AWS's code and sentence, and whether a retry can help.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;

use super::calls::Origin;
use super::one_line::{causes, one_line};
use crate::mask::mask;

/// A call that AWS did not carry out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub struct AwsError {
    /// The operation, for example `CreatePullThroughCacheRule`.
    pub operation: &'static str,
    /// AWS's code, or one of ours (`Timeout`, `Unreachable`, `UpstreamUnavailable`) where no answer came.
    pub code: String,
    /// AWS's sentence, bounded and on one line.
    pub message: String,
    /// What may help.
    pub kind: ErrorKind,
    /// The SDK had sent the request before: what it is refused for may be its own success, whose answer was lost.
    pub repeated: bool,
}

/// What may help against an [`AwsError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Throttling, a server error, a time-out, a broken connection, a signature or token that does not hold now: a retry.
    Transient,
    /// A permission is missing.
    Denied,
    /// Anything else that AWS refuses: a retry gets the same answer.
    Refused,
}

/// Our code where ECR says that the upstream did not answer.
pub(super) const UPSTREAM_UNAVAILABLE: &str = "UpstreamUnavailable";

/// The longest text of AWS's or an upstream's that is kept. A report shows less of it.
const TEXT_MAX: usize = 8000;

impl AwsError {
    /// Reads what the SDK reports, after its own retries.
    ///
    /// Throttling and denials are modelled on no ECR operation, so the code is looked at, not the type.
    pub fn new<E>(operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let why = || error.source().map(causes).unwrap_or_default();
        let (code, message, kind) = match error {
            SdkError::ServiceError(context) => {
                let code = context.err().code().unwrap_or("Unknown").to_owned();
                let message = context.err().message().map_or_else(
                    || {
                        format!(
                            "{}, without the text that AWS gives with an error",
                            answered(context.raw())
                        )
                    },
                    ToOwned::to_owned,
                );
                let kind = kind_of(&code, context.raw().status().as_u16());
                (code, message, kind)
            }
            SdkError::TimeoutError(_) => ("Timeout".into(), why(), ErrorKind::Transient),
            SdkError::DispatchFailure(failure) => {
                let code = if failure.is_timeout() { "Timeout" } else { "Unreachable" };
                // Its own words are the kind alone.
                let why = failure
                    .as_connector_error()
                    .and_then(Error::source)
                    .map_or_else(why, causes);
                (code.into(), why, ErrorKind::Transient)
            }
            SdkError::ResponseError(context) => {
                let message = format!("{}, which could not be read: {}", answered(context.raw()), why());
                ("BadResponse".into(), message, ErrorKind::Transient)
            }
            _ => (
                "NotSent".into(),
                format!("the SDK could not build the request: {}", why()),
                ErrorKind::Refused,
            ),
        };
        let repeated = error
            .raw_response()
            .and_then(HttpResponse::extension::<Origin>)
            .is_some_and(|origin| origin.repeated);
        Self {
            operation,
            code: foreign_code(&code),
            message: foreign_text(&message),
            kind,
            repeated,
        }
    }

    /// One that is not read off an answer as a whole.
    pub fn of(operation: &'static str, code: &str, message: impl Into<String>, kind: ErrorKind) -> Self {
        Self {
            operation,
            code: code.to_owned(),
            message: message.into(),
            kind,
            repeated: false,
        }
    }

    /// A call that was given up, or not begun, since Lambda's deadline was near.
    pub fn out_of_time(operation: &'static str) -> Self {
        let message = "given up shortly before the deadline; whether AWS took it is not known";
        Self::of(operation, "OutOfTime", message, ErrorKind::Transient)
    }

    /// A call that was not carried out: its turn among others (see [`Throttle`](crate::throttle::Throttle)) would have come too
    /// near Lambda's deadline.
    pub fn no_turn(operation: &'static str) -> Self {
        Self {
            message: "not carried out: its turn did not come before the deadline, or before the end that was asked for"
                .into(),
            ..Self::out_of_time(operation)
        }
    }

    /// Something that could not be done now and may be done by another run.
    pub fn not_now(operation: &'static str, reason: String) -> Self {
        Self::of(operation, "NotNow", reason, ErrorKind::Transient)
    }

    /// Whether it was given up, or not begun, since the deadline was near.
    pub fn is_out_of_time(&self) -> bool {
        self.code == "OutOfTime"
    }

    /// Whether ECR answered, and its upstream did not.
    pub fn is_outage_of_upstream(&self) -> bool {
        self.code == UPSTREAM_UNAVAILABLE
    }

    /// Whether AWS answered with this code.
    pub fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// Whether a label was not moved because it is not where it was seen, or because version or secret are gone.
    pub fn is_refused_move(&self) -> bool {
        matches!(
            self.code.as_str(),
            "InvalidParameterException" | "InvalidRequestException" | "ResourceNotFoundException"
        )
    }

    /// Another run may look, and find things otherwise.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Transient
    }

    /// Whether the same call, made again, may go better: not where it was time, or a newer file, that stopped it.
    pub fn may_go_better(&self) -> bool {
        self.is_transient() && !matches!(self.code.as_str(), "OutOfTime" | "NotNow")
    }

    /// AWS carried nothing out, since there were too many such calls: fewer of them a second help.
    pub fn is_throttling(&self) -> bool {
        THROTTLING.contains(&self.code.as_str())
    }
}

/// Too many calls. The SDK's list (aws-runtime, `THROTTLING_ERRORS`) without what is no matter of rate, and with
/// SQS's word for a KMS that throttles it.
const THROTTLING: [&str; 11] = [
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ThrottledException",
    "EC2ThrottledException",
    "BandwidthLimitExceeded",
    "SlowDown",
    "KMS.ThrottlingException",
];

/// The signature, the clock or the session's token is wrong. Lambda hands out others, to the next environment at the latest. S3
/// answers them with 403, as a missing permission.
const IDENTITY: [&str; 18] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "RequestTimeTooSkewedException",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClient",
    "UnrecognizedClientException",
];

pub(super) fn kind_of(code: &str, status: u16) -> ErrorKind {
    let transient = [
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "ServerException",
        "InternalServiceError",
        "InternalFailure",
        "InternalError",
        "ServiceUnavailable",
        "RequestTimeout",
        "RequestTimeoutException",
    ];
    if THROTTLING.contains(&code)
        || transient.contains(&code)
        || IDENTITY.contains(&code)
        || status >= 500
        || status == 429
    {
        ErrorKind::Transient
    } else if matches!(code, "AccessDeniedException" | "AccessDenied") || status == 403 {
        ErrorKind::Denied
    } else {
        ErrorKind::Refused
    }
}

/// The SDK's builders of required members can fail; ours never leave one out, so this is an error nobody sees.
pub(super) fn unbuilt(operation: &'static str) -> impl Fn(BuildError) -> AwsError {
    move |e| AwsError::of(operation, "NotSent", e.to_string(), ErrorKind::Refused)
}

/// Whose answer it was, as far as that is known.
fn answered(answer: &HttpResponse) -> String {
    let status = answer.status().as_u16();
    match answer.extension::<Origin>() {
        Some(Origin { host, .. }) => format!("{host} answered with HTTP status {status}"),
        None => format!("the answer had HTTP status {status}"),
    }
}

/// What AWS or an upstream says, kept for a report. What differs from call to call (request ids) is taken out: the same
/// trouble reads the same tomorrow. So is what could be a token.
pub(crate) fn foreign_text(text: &str) -> String {
    mask(&one_line(&without_ids(text), TEXT_MAX))
}

/// AWS's code, bounded. It is compared with known ones, so one that has the form of a code stays as it is.
fn foreign_code(code: &str) -> String {
    let is_code = |word: &str| word.len() <= 100 && word.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.');
    if is_code(code)
        && ["Exception", "Error", "Fault", "Failure"]
            .iter()
            .any(|end| code.ends_with(end))
    {
        return code.to_owned();
    }
    mask(&one_line(code, 100))
}

/// Replaces UUIDs, the form of AWS's request ids.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        let parts: Vec<usize> = word.split('-').map(str::len).collect();
        parts == [8, 4, 4, 4, 12] && word.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
    };
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().map(Some).chain([None]) {
        match c {
            Some(c) if c.is_ascii_hexdigit() || c == '-' => word.push(c),
            other => {
                out.push_str(if is_id(&word) { "(id)" } else { &word });
                word.clear();
                out.extend(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_reads_the_same_tomorrow() {
        let said = |id: &str| foreign_text(&format!("denied (Service: AWSKMS; Request ID: {id})"));
        assert_eq!(
            said("0e3e5fdf-71ea-5de7-93d8-6f8e80a7be80"),
            said("1e3e5fdf-71ea-5de7-93d8-6f8e80a7be8f")
        );
        assert_eq!(foreign_text("a-b 12 dead beef"), "a-b 12 dead beef");
    }

    #[test]
    fn only_what_a_retry_can_help_is_transient() {
        for (code, status, kind) in [
            ("ThrottlingException", 400, ErrorKind::Transient),
            ("RequestThrottled", 400, ErrorKind::Transient),
            ("RequestThrottledException", 400, ErrorKind::Transient),
            ("ThrottledException", 400, ErrorKind::Transient),
            ("EC2ThrottledException", 400, ErrorKind::Transient),
            ("BandwidthLimitExceeded", 400, ErrorKind::Transient),
            ("PriorRequestNotComplete", 400, ErrorKind::Transient),
            ("ProvisionedThroughputExceededException", 400, ErrorKind::Transient),
            ("TransactionInProgressException", 400, ErrorKind::Transient),
            ("SomeNewCode", 429, ErrorKind::Transient),
            ("ServerException", 500, ErrorKind::Transient),
            ("Whatever", 503, ErrorKind::Transient),
            ("AccessDeniedException", 400, ErrorKind::Denied),
            ("AccessDenied", 403, ErrorKind::Denied),
            ("LimitExceededException", 400, ErrorKind::Refused),
            ("InvalidParameterException", 400, ErrorKind::Refused),
            ("UnrecognizedClientException", 400, ErrorKind::Transient),
            ("RequestTimeTooSkewed", 403, ErrorKind::Transient),
            ("AccessDenied", 400, ErrorKind::Denied),
            ("SomeNewCode", 400, ErrorKind::Refused),
        ] {
            assert_eq!(kind_of(code, status), kind, "{code}");
        }
    }

    #[test]
    fn throttling_is_transient_and_not_everything_transient_is_throttling() {
        assert!(THROTTLING.iter().all(|code| kind_of(code, 400) == ErrorKind::Transient));
        let with = |code: &str| AwsError {
            code: code.into(),
            ..AwsError::out_of_time("PutImage")
        };
        assert!(with("ThrottlingException").is_throttling() && with("TooManyRequestsException").is_throttling());
        assert!(!with("ServerException").is_throttling() && !with("OutOfTime").is_throttling());
    }

    #[test]
    fn foreign_text_stays_on_one_line_and_short() {
        assert_eq!(one_line("a\nb\u{1b}[31m", 20), "a b [31m");
        assert_eq!(one_line("abcdef", 3), "abc…");
    }
}
