//! The query protocol of STS and CloudFormation: a form as the request, XML as the answer.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::ApiError;
use crate::http;

const FORM: &str = "application/x-www-form-urlencoded";

/// Who speaks it: the service, the version of its API by which it is told, and the namespace of its answers.
const SERVICES: [(&str, &str, &str); 2] = [
    ("sts", "2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/"),
    (
        "cloudformation",
        "2010-05-15",
        "http://cloudformation.amazonaws.com/doc/2010-05-15/",
    ),
];

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

/// Reads the service, the operation and the other members of a form.
pub(super) fn read(asked: &http::Request) -> (&'static str, Result<(String, Value), ApiError>) {
    let members = match members(asked) {
        Ok(members) => members,
        Err(error) => return ("sts", Err(error)),
    };
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (operation, version) = (text("Action"), text("Version"));
    let Some((service, ..)) = SERVICES.iter().find(|(_, own, _)| *own == version) else {
        let known: Vec<&str> = SERVICES.iter().map(|(_, version, _)| *version).collect();
        let known = known.join(" and ");
        let message = format!("Could not find operation {operation} for a version other than {known}");
        return ("sts", Err(ApiError::client("InvalidAction", message)));
    };
    if operation.is_empty() {
        return (service, Err(ApiError::client("MissingAction", "Missing Action")));
    }
    let others = members
        .into_iter()
        .filter(|(name, _)| name != "Action" && name != "Version");
    (service, Ok((operation, Value::Object(others.collect()))))
}

fn members(asked: &http::Request) -> Result<Map<String, Value>, ApiError> {
    let mut members = Map::new();
    let text = std::str::from_utf8(&asked.body).unwrap_or_default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        members.insert(decoded(name)?, Value::String(decoded(value)?));
    }
    Ok(members)
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned);
    decoded.map_err(|_| ApiError::client("MalformedInput", "the form is not UTF-8"))
}

/// An answer. Lists are in it as the protocol writes them, as `{"member": [...]}`.
pub(super) fn reply(service: &str, operation: &str, request_id: &str, output: &Value) -> http::Response {
    let mut document = json!({ "@xmlns": namespace(service), "ResponseMetadata": { "RequestId": request_id } });
    if let Some(members) = document.as_object_mut() {
        members.insert(format!("{operation}Result"), output.clone());
    }
    xml(200, &format!("{operation}Response"), &document, request_id)
}

fn namespace(service: &str) -> &'static str {
    let found = SERVICES.iter().find(|(name, ..)| *name == service);
    found.map_or("", |(.., namespace)| namespace)
}

/// An error.
pub(super) fn refusal(service: &str, request_id: &str, error: &ApiError) -> http::Response {
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
        xmlns: namespace(service),
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
