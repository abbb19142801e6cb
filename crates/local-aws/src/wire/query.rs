//! The query protocol of STS, IAM and CloudFormation: a form as the request, XML as the answer.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::api::ApiError;
use crate::http;

const FORM: &str = "application/x-www-form-urlencoded";

/// The services that speak it, and the version of the API that a form has to name. Nothing else in a form tells them apart.
const SERVICES: [(&str, &str); 3] = [
    ("sts", "2011-06-15"),
    ("iam", "2010-05-08"),
    ("cloudformation", "2010-05-15"),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refused<'a> {
    #[serde(rename = "@xmlns")]
    xmlns: String,
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

/// A form: which service it is for, and the operation with its other members.
pub(super) struct Query {
    pub(super) service: &'static str,
    pub(super) call: Result<(String, Value), ApiError>,
}

/// Whether a request speaks it: S3 takes no form here, and nothing else is asked at the root without a target.
pub(super) fn is_query(http_request: &http::Request) -> bool {
    http_request.path == "/"
        && http_request
            .header("content-type")
            .is_some_and(|kind| kind.starts_with(FORM))
}

/// Reads a form. One that names no version that is known here is taken for STS's, and refused.
pub(super) fn read(http_request: &http::Request) -> Query {
    let members = members(&http_request.body);
    let named = members
        .as_ref()
        .ok()
        .and_then(|members| members.get("Version")?.as_str())
        .and_then(|version| SERVICES.iter().find(|(_, known)| *known == version));
    let service = named.map_or("sts", |(service, _)| service);
    let call = members.and_then(|mut members| {
        let operation = match members.remove("Action") {
            Some(Value::String(operation)) if !operation.is_empty() => operation,
            _ => return Err(ApiError::client("MissingAction", "Missing Action")),
        };
        members.remove("Version");
        if named.is_some() {
            return Ok((operation, Value::Object(members)));
        }
        let known = SERVICES
            .map(|(service, version)| format!("{version} ({service})"))
            .join(", ");
        let message = format!("Could not find operation {operation} for a version other than {known}");
        Err(ApiError::client("InvalidAction", message))
    });
    Query { service, call }
}

fn members(form: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let mut members = Map::new();
    let text = std::str::from_utf8(form).unwrap_or_default();
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

/// Members in this order: SDKs take the first for the result.
struct Members<const N: usize>([(String, Value); N]);

impl<const N: usize> Serialize for Members<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(N))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An answer. Lists in it are a member `member` with all their items.
pub(super) fn response(service: &str, operation: &str, request_id: &str, output: &Value) -> http::Response {
    let document = Members([
        ("@xmlns".to_owned(), namespace(service).into()),
        (format!("{operation}Result"), output.clone()),
        ("ResponseMetadata".to_owned(), json!({"RequestId": request_id})),
    ]);
    xml(200, &format!("{operation}Response"), &document, request_id)
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

fn namespace(service: &str) -> String {
    let version = SERVICES.iter().find(|(known, _)| *known == service);
    let scheme = if service == "cloudformation" { "http" } else { "https" };
    format!(
        "{scheme}://{service}.amazonaws.com/doc/{}/",
        version.map_or("", |(_, version)| version)
    )
}

fn xml(status: u16, root: &str, document: &impl Serialize, request_id: &str) -> http::Response {
    match quick_xml::se::to_string_with_root(root, document) {
        Ok(text) => http::Response::new(status)
            .body("text/xml", text)
            .header("x-amzn-requestid", request_id),
        Err(_) => http::Response::new(500),
    }
}
