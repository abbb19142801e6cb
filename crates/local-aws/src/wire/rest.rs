//! The REST protocol of Lambda: the operation is in the method and the path, and so is its input.

use hyper::Method;
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::http;

const FUNCTIONS: &str = "/2015-03-31/functions/";

/// Whether a request speaks it. A bucket could be named like this version of the API; nobody's is.
pub(super) fn is_rest(http_request: &http::Request) -> bool {
    http_request.path.starts_with(FUNCTIONS)
}

/// Reads the operation and its input.
pub(super) fn read(http_request: &http::Request) -> Result<(String, Value), ApiError> {
    let named = http_request
        .path
        .strip_prefix(FUNCTIONS)
        .and_then(|rest| rest.strip_suffix("/configuration"));
    let Some(name) = named.filter(|name| !name.contains('/') && http_request.method == Method::GET) else {
        return Err(ApiError {
            code: "UnknownOperationException".to_owned(),
            message: format!(
                "local-aws does not know {} {} of lambda",
                http_request.method, http_request.path
            ),
            status: 404,
        });
    };
    let mut input = json!({ "FunctionName": decoded(name)? });
    for pair in http_request.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (key, input.as_object_mut()) {
            ("Qualifier", Some(members)) => _ = members.insert(key.to_owned(), json!(decoded(value)?)),
            // The SDKs for Go and Rust may say which operation they mean.
            ("x-id", _) => {}
            _ => {
                return Err(ApiError::client(
                    "InvalidParameterValueException",
                    format!("unknown parameter {key}"),
                ));
            }
        }
    }
    Ok(("GetFunctionConfiguration".to_owned(), input))
}

fn decoded(text: &str) -> Result<String, ApiError> {
    let decoded = percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned);
    decoded.map_err(|_| ApiError::client("ValidationException", "the path is not UTF-8"))
}

/// An error.
pub(super) fn refusal(request_id: &str, error: &ApiError) -> http::Response {
    let by = if error.status < 500 { "User" } else { "Server" };
    http::Response::new(error.status)
        .body(
            "application/json",
            json!({"Type": by, "Message": error.message}).to_string(),
        )
        .header("x-amzn-errortype", error.code.clone())
        .header("x-amzn-requestid", request_id)
}
