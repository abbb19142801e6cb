//! The query protocol of STS: a form as the request, XML as the answer.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::ApiError;
use crate::http;

const FORM: &str = "application/x-www-form-urlencoded";
const VERSION: &str = "2011-06-15";
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answered<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    get_caller_identity_result: &'a Value,
    response_metadata: Metadata<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'a> {
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refused<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    error: Refusal<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal<'a> {
    r#type: &'static str,
    code: &'a str,
    message: &'a str,
}

/// Whether a request speaks it: S3 takes no form here, and nothing else is asked at the root without a target.
pub(super) fn is_query(asked: &http::Request) -> bool {
    asked.path == "/" && asked.header("content-type").is_some_and(|kind| kind.starts_with(FORM))
}

/// Reads the operation and the other members of a form.
pub(super) fn read(asked: &http::Request) -> Result<(String, Value), ApiError> {
    let mut members = Map::new();
    let text = std::str::from_utf8(&asked.body).unwrap_or_default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        members.insert(decoded(name)?, Value::String(decoded(value)?));
    }
    let operation = match members.remove("Action") {
        Some(Value::String(operation)) if !operation.is_empty() => operation,
        _ => return Err(ApiError::client("MissingAction", "Missing Action")),
    };
    match members.remove("Version") {
        Some(Value::String(version)) if version == VERSION => Ok((operation, Value::Object(members))),
        _ => {
            let message = format!("Could not find operation {operation} for a version other than {VERSION}");
            Err(ApiError::client("InvalidAction", message))
        }
    }
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned);
    decoded.map_err(|_| ApiError::client("MalformedInput", "the form is not UTF-8"))
}

/// An answer.
pub(super) fn reply(request_id: &str, output: &Value) -> http::Response {
    let document = Answered {
        xmlns: NAMESPACE,
        get_caller_identity_result: output,
        response_metadata: Metadata { request_id },
    };
    xml(200, "GetCallerIdentityResponse", &document, request_id)
}

/// An error.
pub(super) fn refusal(request_id: &str, error: &ApiError) -> http::Response {
    // The signature's errors have other names in this protocol.
    let code = match error.code.as_str() {
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "AccessDeniedException" => "AccessDenied",
        "ThrottlingException" => "Throttling",
        code => code,
    };
    let r#type = if error.status < 500 { "Sender" } else { "Receiver" };
    let error_part = Refusal {
        r#type,
        code,
        message: &error.message,
    };
    let document = Refused {
        xmlns: NAMESPACE,
        error: error_part,
        request_id,
    };
    xml(error.status, "ErrorResponse", &document, request_id)
}

fn xml(status: u16, root: &str, document: &impl Serialize, request_id: &str) -> http::Response {
    match quick_xml::se::to_string_with_root(root, document) {
        Ok(text) => http::Response::new(status)
            .body("text/xml", text)
            .header("x-amzn-requestid", request_id),
        Err(_) => http::Response::new(500),
    }
}
