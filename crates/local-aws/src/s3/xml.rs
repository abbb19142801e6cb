//! The XML documents of S3.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{Versioning, fail};
use crate::api::ApiError;
use crate::http;

pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorDocument<'a> {
    code: &'a str,
    message: &'a str,
    resource: String,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Objects {
    #[serde(rename = "@xmlns")]
    pub(super) xmlns: &'static str,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) max_keys: usize,
    pub(super) key_count: usize,
    pub(super) is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_continuation_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) contents: Vec<Entry>,
    pub(super) common_prefixes: Vec<Prefix>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) last_modified: String,
    #[serde(rename = "ETag")]
    pub(super) etag: String,
    pub(super) size: usize,
    pub(super) storage_class: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Prefix {
    pub(super) prefix: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versions {
    #[serde(rename = "@xmlns")]
    pub(super) xmlns: &'static str,
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) max_keys: usize,
    pub(super) is_truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_key_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_version_id_marker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoding_type: Option<&'static str>,
    pub(super) version: Vec<VersionEntry>,
    pub(super) delete_marker: Vec<VersionEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionEntry {
    pub(super) key: String,
    pub(super) version_id: String,
    pub(super) is_latest: bool,
    pub(super) last_modified: String,
    #[serde(rename = "ETag", skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_class: Option<&'static str>,
}

#[derive(Serialize)]
struct Text {
    #[serde(rename = "@xmlns")]
    xmlns: &'static str,
    #[serde(rename = "$text", skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VersioningConfiguration {
    #[serde(rename = "@xmlns", default)]
    xmlns: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BucketConfiguration {
    #[serde(rename = "@xmlns", default)]
    _xmlns: String,
    #[serde(default)]
    location_constraint: Option<String>,
}

/// An answer of one XML document.
pub(super) fn reply(root: &str, document: &impl Serialize) -> Result<http::Response, ApiError> {
    let text = quick_xml::se::to_string_with_root(root, document)
        .map_err(|why| fail("InternalError", &format!("local-aws: {why}"), 500))?;
    Ok(http::Response::new(200).body("application/xml", format!("{DECLARATION}{text}")))
}

/// An error as S3 writes it.
pub(crate) fn error_reply(resource: &str, request_id: &str, error: &ApiError) -> http::Response {
    let document = ErrorDocument {
        code: &error.code,
        message: &error.message,
        resource: format!("/{resource}"),
        request_id,
    };
    match reply("Error", &document) {
        Ok(reply) => http::Response {
            status: error.status,
            ..reply
        }
        .header("x-amz-request-id", request_id),
        Err(_) => http::Response::new(error.status),
    }
}

/// GetBucketLocation: the first region has no name here.
pub(super) fn location(region: &str) -> Result<http::Response, ApiError> {
    reply(
        "LocationConstraint",
        &Text {
            xmlns: NAMESPACE,
            text: (region != "us-east-1").then(|| region.to_owned()),
        },
    )
}

/// GetBucketVersioning: a bucket that never had versions has no status.
pub(super) fn versioning(is: Versioning) -> Result<http::Response, ApiError> {
    let status = match is {
        Versioning::Never => None,
        Versioning::Enabled => Some("Enabled".to_owned()),
        Versioning::Suspended => Some("Suspended".to_owned()),
    };
    reply(
        "VersioningConfiguration",
        &VersioningConfiguration {
            xmlns: NAMESPACE.to_owned(),
            status,
        },
    )
}

/// The region that CreateBucket asks for.
pub(super) fn location_constraint(body: &[u8]) -> Result<Option<String>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let read: BucketConfiguration = quick_xml::de::from_reader(body).map_err(malformed)?;
    Ok(read.location_constraint)
}

/// What PutBucketVersioning asks for.
pub(super) fn wanted_versioning(body: &[u8]) -> Result<Versioning, ApiError> {
    let read: VersioningConfiguration = quick_xml::de::from_reader(body).map_err(malformed)?;
    match read.status.as_deref() {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        _ => Err(malformed("no status")),
    }
}

fn malformed(why: impl std::fmt::Display) -> ApiError {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    fail("MalformedXML", &format!("{message} ({why})"), 400)
}

/// A key in a list: as it is, or percent-encoded where the client asked for that.
pub(super) fn key(key: &str, url: bool) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b'/');
    if url {
        utf8_percent_encode(key, ENCODED).to_string()
    } else {
        key.to_owned()
    }
}

pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
