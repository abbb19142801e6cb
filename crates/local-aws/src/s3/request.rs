//! Which S3 operation a request is: method, bucket, key and sub-resource. What is not implemented is refused by name.

use hyper::Method;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

use super::fail;
use crate::api::ApiError;
use crate::http;

/// The operations that the stand-in has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    GetObject,
    HeadObject,
    PutObject,
    DeleteObject,
    ListObjectsV2,
    ListObjectVersions,
    GetBucketLocation,
    GetBucketVersioning,
    PutBucketVersioning,
    CreateBucket,
    HeadBucket,
}

/// A request to S3.
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) op: Op,
    pub(super) bucket: String,
    /// Empty for operations of a bucket.
    pub(super) key: String,
    query: BTreeMap<String, String>,
}

/// Headers of S3's own that are understood. Any other would be ignored in silence, so it is refused instead.
const HEADERS: [&str; 10] = [
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-algorithm",
    "x-amz-trailer",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
];

impl Request {
    /// Reads method, host, path and query.
    pub(crate) fn read(http_request: &http::Request) -> Result<Self, ApiError> {
        let query = query(&http_request.query)?;
        let (bucket, key) = place(http_request)?;
        let op = operation(&http_request.method, &key, &query, &bucket)?;
        let allowed: &[&str] = match op {
            Op::GetObject | Op::HeadObject | Op::DeleteObject => &["versionId"],
            Op::ListObjectsV2 => &[
                "list-type",
                "prefix",
                "delimiter",
                "continuation-token",
                "max-keys",
                "start-after",
                "encoding-type",
                "fetch-owner",
            ],
            Op::ListObjectVersions => &[
                "versions",
                "prefix",
                "key-marker",
                "version-id-marker",
                "max-keys",
                "encoding-type",
            ],
            Op::GetBucketLocation => &["location"],
            Op::GetBucketVersioning | Op::PutBucketVersioning => &["versioning"],
            Op::PutObject | Op::CreateBucket | Op::HeadBucket => &[],
        };
        if let Some(name) = query
            .keys()
            .find(|name| !allowed.contains(&name.as_str()) && !is_plumbing(name))
        {
            return Err(unsupported(&format!("the query parameter {name:?} of {op:?}")));
        }
        check_headers(http_request, op)?;
        Ok(Self { op, bucket, key, query })
    }

    pub(crate) fn operation(&self) -> String {
        format!("{:?}", self.op)
    }

    /// `bucket` or `bucket/key`.
    pub(crate) fn subject(&self) -> String {
        if self.key.is_empty() {
            self.bucket.clone()
        } else {
            format!("{}/{}", self.bucket, self.key)
        }
    }

    /// Whether it is about one version of an object, which has permissions of its own.
    pub(crate) fn names_version(&self) -> bool {
        self.parameter("versionId").is_some()
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// A query parameter; one without a value counts as absent.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// The refusal of something that AWS has and the stand-in has not.
pub(super) fn unsupported(what: &str) -> ApiError {
    fail("NotImplemented", &format!("local-aws does not implement {what}"), 501)
}

/// `x-id` names the operation for logs; `X-Amz-…` belong to a presigned URL.
fn is_plumbing(name: &str) -> bool {
    name == "x-id" || name.starts_with("X-Amz-")
}

fn operation(method: &Method, key: &str, query: &BTreeMap<String, String>, bucket: &str) -> Result<Op, ApiError> {
    if bucket.is_empty() {
        return Err(unsupported("operations without a bucket (ListBuckets)"));
    }
    let has = |name: &str| query.contains_key(name);
    Ok(match (method, key.is_empty()) {
        (&Method::GET, false) => Op::GetObject,
        (&Method::HEAD, false) => Op::HeadObject,
        (&Method::PUT, false) => Op::PutObject,
        (&Method::DELETE, false) => Op::DeleteObject,
        (&Method::HEAD, true) => Op::HeadBucket,
        (&Method::GET, true) if has("location") => Op::GetBucketLocation,
        (&Method::GET, true) if has("versioning") => Op::GetBucketVersioning,
        (&Method::GET, true) if has("versions") => Op::ListObjectVersions,
        (&Method::GET, true) if query.get("list-type").is_some_and(|kind| kind == "2") => Op::ListObjectsV2,
        (&Method::PUT, true) if has("versioning") => Op::PutBucketVersioning,
        (&Method::PUT, true) if query.keys().all(|name| is_plumbing(name)) => Op::CreateBucket,
        _ => {
            let names: Vec<&str> = query.keys().map(String::as_str).collect();
            return Err(unsupported(&format!(
                "{method} of a bucket or object with the query [{}]",
                names.join("&")
            )));
        }
    })
}

fn check_headers(http_request: &http::Request, op: Op) -> Result<(), ApiError> {
    let putting = op == Op::PutObject;
    let has_body = matches!(op, Op::PutObject | Op::PutBucketVersioning | Op::CreateBucket);
    for name in http_request.headers.keys().map(|name| name.as_str()) {
        let fine = !name.starts_with("x-amz-")
            || HEADERS.contains(&name)
            || (has_body && name.starts_with("x-amz-checksum-"))
            || (putting && name.starts_with("x-amz-meta-"));
        if !fine {
            return Err(unsupported(&format!("the header {name} of {op:?}")));
        }
    }
    for name in ["range", "if-modified-since", "if-unmodified-since"] {
        if http_request.headers.contains_key(name) {
            return Err(unsupported(&format!("the header {name}")));
        }
    }
    let conditional = matches!(op, Op::PutObject | Op::GetObject | Op::HeadObject);
    if !conditional
        && ["if-match", "if-none-match"]
            .iter()
            .any(|name| http_request.headers.contains_key(*name))
    {
        return Err(unsupported(&format!("conditions on {op:?}")));
    }
    Ok(())
}

/// Bucket and key, from the path (`/bucket/key`) or with the bucket in the host (`bucket.localhost`).
fn place(http_request: &http::Request) -> Result<(String, String), ApiError> {
    let path = http_request.path.strip_prefix('/').unwrap_or(&http_request.path);
    let host = http_request.header("host").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let in_host = [".localhost", ".127.0.0.1"]
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix));
    let (bucket, key) = match in_host {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    Ok((decode(bucket)?, decode(key)?))
}

fn query(text: &str) -> Result<BTreeMap<String, String>, ApiError> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

/// Percent-decodes. S3 reads a bare `+` as a space, in paths too, which is why SDKs send `%2B`.
fn decode(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let decoded = percent_decode_str(&text).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| fail("InvalidURI", "Couldn't parse the specified URI.", 400))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use hyper::HeaderMap;

    fn read(method: Method, host: &str, target: &str) -> Result<(String, String), String> {
        let mut headers = HeaderMap::new();
        headers.insert("host", host.parse().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let http_request = http::Request {
            method,
            path: path.into(),
            query: query.into(),
            headers,
            body: "".into(),
        };
        Request::read(&http_request)
            .map(|request| (request.operation(), request.subject()))
            .map_err(|error| error.message)
    }

    #[test]
    fn keys_are_decoded_as_s3_does() {
        let subject = |target| read(Method::GET, "127.0.0.1:1", target).unwrap().1;
        assert_eq!(subject("/b/a%20b%2Bc/%C3%BC.yaml?x-id=GetObject"), "b/a b+c/ü.yaml");
        assert_eq!(subject("/b/a+b"), "b/a b");
        assert_eq!(subject("/b/%2e%2e/x//y"), "b/../x//y");
        assert!(read(Method::GET, "h", "/b/%FF").is_err());
    }

    #[test]
    fn the_bucket_may_stand_in_the_host() {
        let found = read(Method::PUT, "my.bucket.localhost:4566", "/k/l").unwrap();
        assert_eq!(found, ("PutObject".to_owned(), "my.bucket/k/l".to_owned()));
    }

    #[test]
    fn what_is_missing_is_refused_by_name() {
        let why = |method, target| read(method, "127.0.0.1", target).unwrap_err();
        assert!(why(Method::GET, "/b/k?tagging").contains("tagging"));
        assert!(why(Method::GET, "/b?policy").contains("policy"));
        assert!(why(Method::POST, "/b/k?uploads").contains("local-aws"));
        assert!(why(Method::GET, "/").contains("ListBuckets"));
    }
}
