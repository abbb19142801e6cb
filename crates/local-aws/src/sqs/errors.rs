//! How SQS writes its errors. It came from the query protocol, so each error has two codes: the shape's name in the
//! body (`com.amazonaws.sqs#QueueDoesNotExist`), and the older one in the header `x-amzn-query-error`, which many
//! clients still look at first.

use crate::api::ApiError;

/// Errors of the framework under the service: they carry its name space.
const OF_THE_FRAMEWORK: [&str; 5] = [
    "InternalFailure",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "UnknownOperationException",
];

/// Errors whose older code has the service's name before it.
const PREFIXED: [&str; 9] = [
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "InvalidBatchEntryId",
    "MessageNotInflight",
    "PurgeQueueInProgress",
    "QueueDeletedRecently",
    "TooManyEntriesInBatchRequest",
    "UnsupportedOperation",
];

/// What `__type` says.
pub(crate) fn type_of(code: &str) -> String {
    let space = if OF_THE_FRAMEWORK.contains(&code) {
        "com.amazon.coral.service"
    } else {
        "com.amazonaws.sqs"
    };
    format!("{space}#{code}")
}

/// The code as the query protocol had it, which is also the `Code` of a failed entry of a batch.
pub(crate) fn query_code(code: &str) -> String {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "QueueNameExists" => "QueueAlreadyExists".to_owned(),
        "InvalidParameterValueException" => "InvalidParameterValue".to_owned(),
        "MissingRequiredParameterException" => "MissingParameter".to_owned(),
        "AccessDeniedException" => "AccessDenied".to_owned(),
        prefixed if PREFIXED.contains(&prefixed) => format!("AWS.SimpleQueueService.{prefixed}"),
        same => same.to_owned(),
    }
}

/// The header `x-amzn-query-error`: the older code, and whose fault it is.
pub(crate) fn query_error(error: &ApiError) -> String {
    let fault = if error.status < 500 { "Sender" } else { "Receiver" };
    format!("{};{fault}", query_code(&error.code))
}

pub(super) fn no_queue() -> ApiError {
    ApiError::client("QueueDoesNotExist", "The specified queue does not exist.")
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterValueException", message)
}

/// A parameter whose value SQS does not take.
pub(super) fn invalid_value(value: impl std::fmt::Display, name: &str, reason: &str) -> ApiError {
    invalid(format!(
        "Value {value} for parameter {name} is invalid. Reason: {reason}"
    ))
}

pub(super) fn missing(name: &str) -> ApiError {
    ApiError::client(
        "MissingRequiredParameterException",
        format!("The request must contain the parameter {name}."),
    )
}

/// A refusal in the stand-in's own name, of what AWS would serve.
pub(super) fn not_implemented(what: &str) -> ApiError {
    ApiError {
        code: "NotImplemented".to_owned(),
        message: format!("local-aws does not implement {what} of SQS"),
        status: 501,
    }
}
