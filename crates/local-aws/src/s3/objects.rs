//! GetObject, HeadObject, PutObject and DeleteObject.

use serde_json::Value;

use super::payload::{self, Payload};
use super::{Content, Request, S3, Version, Versioning, checksum, fail, xml};
use crate::api::{ApiError, CallContext};
use crate::http;

/// Headers of an upload that S3 hands back with the object.
const KEPT: [&str; 5] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-language",
    "expires",
];

impl S3 {
    /// GetObject and HeadObject: the same answer, of which HTTP keeps the body back for HEAD.
    pub(super) fn get(&self, request: &Request, http_request: &http::Request) -> Result<http::Response, ApiError> {
        let bucket = self.bucket(&request.bucket)?;
        let versions = bucket.objects.get(&request.key).map(Vec::as_slice).unwrap_or_default();
        let no_key = || fail("NoSuchKey", "The specified key does not exist.", 404);
        let version = match request.parameter("versionId") {
            None => versions.last().ok_or_else(no_key)?,
            Some(id) => versions
                .iter()
                .find(|version| version.id == id)
                .ok_or_else(no_version)?,
        };
        let Some(content) = &version.content else {
            let error = match request.parameter("versionId") {
                None => no_key(),
                Some(_) => fail(
                    "MethodNotAllowed",
                    "The specified method is not allowed against this resource.",
                    405,
                ),
            };
            let reply = xml::error_reply(&request.subject(), "", &error).header("x-amz-delete-marker", "true");
            let reply = http::Response {
                error: Some(error.code),
                ..reply
            };
            return Ok(reply.header("x-amz-version-id", &version.id));
        };
        let matches = |condition: &str| condition.split(',').any(|etag| names(etag, &content.etag));
        if http_request
            .header("if-match")
            .is_some_and(|condition| !matches(condition))
        {
            return Err(failed_precondition());
        }
        let unchanged = http_request.header("if-none-match").is_some_and(matches);
        let mut reply = http::Response::new(if unchanged { 304 } else { 200 })
            .header("etag", format!("\"{}\"", content.etag))
            .header(
                "last-modified",
                version.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            );
        if bucket.versioning != Versioning::Never {
            reply = reply.header("x-amz-version-id", &version.id);
        }
        if unchanged {
            return Ok(http::Response {
                error: Some("NotModified".to_owned()),
                ..reply
            });
        }
        if http_request
            .header("x-amz-checksum-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"))
        {
            reply = with_checksum(reply, content);
        }
        for (name, value) in &content.headers {
            reply = reply.header(name, value);
        }
        Ok(http::Response {
            body: content.bytes.clone(),
            ..reply
        })
    }

    pub(super) fn put(
        &mut self,
        context: &CallContext,
        request: &Request,
        http_request: &http::Request,
        events: &mut Vec<Value>,
    ) -> Result<http::Response, ApiError> {
        if request.key.len() > 1024 {
            return Err(fail("KeyTooLongError", "Your key is too long", 400));
        }
        let Payload { bytes, checksum } = payload::read(http_request)?;
        let bucket = self.bucket(&request.bucket)?;
        let (keeps, current) = (bucket.versioning == Versioning::Enabled, bucket.current(&request.key));
        check_conditions(http_request, current)?;
        let etag = checksum::etag(&bytes);
        let content = Content {
            bytes,
            etag,
            checksum,
            headers: kept_headers(http_request),
        };
        let mut reply =
            with_checksum(http::Response::new(200), &content).header("etag", format!("\"{}\"", content.etag));
        let id = self.store(context, &request.bucket, &request.key, content, events);
        if keeps {
            reply = reply.header("x-amz-version-id", id);
        }
        Ok(reply)
    }

    /// Deletes a version for good, or the object: with versions on, by a delete marker. Deleting nothing succeeds.
    pub(super) fn delete(&mut self, context: &CallContext, request: &Request) -> Result<http::Response, ApiError> {
        let no_bucket = || fail("NoSuchBucket", "The specified bucket does not exist", 404);
        let bucket = self.buckets.get_mut(&request.bucket).ok_or_else(no_bucket)?;
        let mut reply = http::Response::new(204);
        if let Some(id) = request.parameter("versionId") {
            if let Some(versions) = bucket.objects.get_mut(&request.key) {
                let marker = versions
                    .iter()
                    .any(|version| version.id == id && version.content.is_none());
                versions.retain(|version| version.id != id);
                if marker {
                    reply = reply.header("x-amz-delete-marker", "true");
                }
            }
            reply = reply.header("x-amz-version-id", id);
        } else if bucket.versioning != Versioning::Never {
            let id = bucket.add(&request.key, context.now, None);
            reply = reply
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", id);
        } else {
            bucket.objects.remove(&request.key);
        }
        bucket.objects.retain(|_, versions| !versions.is_empty());
        Ok(reply)
    }
}

/// `If-Match` wants the object to be this one; `If-None-Match: *` wants there to be none.
fn check_conditions(http_request: &http::Request, current: Option<(&Version, &Content)>) -> Result<(), ApiError> {
    match (http_request.header("if-match"), http_request.header("if-none-match")) {
        (None, None) => Ok(()),
        (Some(etag), None) => match current {
            None => Err(fail("NoSuchKey", "The specified key does not exist.", 404)),
            Some((_, content)) if names(etag, &content.etag) => Ok(()),
            Some(_) => Err(failed_precondition()),
        },
        (None, Some("*")) if current.is_some() => Err(failed_precondition()),
        (None, Some("*")) => Ok(()),
        _ => Err(fail(
            "NotImplemented",
            "A header you provided implies functionality that is not implemented",
            501,
        )),
    }
}

/// Does a condition's ETag, quoted or not, or `*`, name this one?
fn names(condition: &str, etag: &str) -> bool {
    let condition = condition.trim();
    condition == "*" || condition.trim_matches('"') == etag
}

fn failed_precondition() -> ApiError {
    fail(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        412,
    )
}

fn no_version() -> ApiError {
    fail("NoSuchVersion", "The specified version does not exist.", 404)
}

fn with_checksum(reply: http::Response, content: &Content) -> http::Response {
    let (algorithm, value) = &content.checksum;
    reply
        .header(algorithm.header(), value)
        .header("x-amz-checksum-type", "FULL_OBJECT")
}

fn kept_headers(http_request: &http::Request) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    for (name, value) in &http_request.headers {
        let (name, Ok(value)) = (name.as_str(), value.to_str()) else {
            continue;
        };
        if KEPT.contains(&name) || name.starts_with("x-amz-meta-") {
            kept.push((name.to_owned(), value.to_owned()));
        }
        if name == "content-encoding" {
            // aws-chunked is how the body travelled, not what it is.
            let left: Vec<&str> = value
                .split(',')
                .map(str::trim)
                .filter(|part| *part != "aws-chunked" && !part.is_empty())
                .collect();
            if !left.is_empty() {
                kept.push((name.to_owned(), left.join(",")));
            }
        }
    }
    kept
}
