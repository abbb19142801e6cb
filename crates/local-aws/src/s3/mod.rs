//! S3 as far as one configuration file and a status object need it: buckets with and without versions, objects put in
//! one piece, conditions, checksums, lists, and the EventBridge event of an upload.

mod checksum;
mod list;
mod objects;
mod payload;
mod request;
mod xml;

pub(crate) use request::Request;
pub(crate) use xml::error_reply;

use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::api::{ApiError, CallContext};
use crate::http;
use checksum::Algorithm;
use request::Op;

/// All buckets of the account.
#[derive(Debug)]
pub(crate) struct S3 {
    page_size: Option<usize>,
    buckets: BTreeMap<String, Bucket>,
    sequence: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    versioning: Versioning,
    /// The versions of every key, the newest last.
    objects: BTreeMap<String, Vec<Version>>,
}

/// Whether a bucket keeps versions. One that ever did never goes back to `Never`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Versioning {
    #[default]
    Never,
    Enabled,
    /// What is put now has the version id `null`, and takes the place of the one before that has it. The others stay.
    Suspended,
}

#[derive(Debug, Clone)]
struct Version {
    /// `null` if it was put while no versions were kept.
    id: String,
    modified: Timestamp,
    /// `None` is a delete marker.
    content: Option<Content>,
}

#[derive(Debug, Clone)]
struct Content {
    bytes: Vec<u8>,
    etag: String,
    checksum: (Algorithm, String),
    /// Headers that are handed back as they came: content type and encoding, metadata.
    headers: Vec<(String, String)>,
}

impl Bucket {
    /// The newest version of a key, unless that is a delete marker.
    fn current(&self, key: &str) -> Option<(&Version, &Content)> {
        let newest = self.objects.get(key)?.last()?;
        Some((newest, newest.content.as_ref()?))
    }

    /// Adds a version, replacing the one without an id where no versions are kept.
    fn add(&mut self, key: &str, now: Timestamp, content: Option<Content>) -> String {
        let keeps = self.versioning == Versioning::Enabled;
        let id = if keeps { version_id() } else { "null".to_owned() };
        let versions = self.objects.entry(key.to_owned()).or_default();
        versions.retain(|version| keeps || version.id != "null");
        versions.push(Version {
            id: id.clone(),
            modified: now,
            content,
        });
        id
    }
}

/// An id of the 32 letters that S3's have.
fn version_id() -> String {
    Uuid::new_v4().simple().to_string()
}

impl S3 {
    pub(crate) fn new(page_size: Option<usize>) -> Self {
        Self {
            page_size,
            buckets: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Makes a bucket, or changes whether one keeps versions.
    pub(crate) fn create_bucket(&mut self, name: &str, versioned: bool) {
        let versioning = &mut self.buckets.entry(name.to_owned()).or_default().versioning;
        *versioning = match (versioned, *versioning) {
            (true, _) => Versioning::Enabled,
            (false, Versioning::Never) => Versioning::Never,
            (false, _) => Versioning::Suspended,
        };
    }

    /// Puts an object without a request.
    pub(crate) fn put_plainly(
        &mut self,
        context: &CallContext,
        bucket: &str,
        key: &str,
        bytes: Vec<u8>,
        events: &mut Vec<Value>,
    ) -> Option<String> {
        let checksum = (Algorithm::Crc64Nvme, Algorithm::Crc64Nvme.of(&bytes));
        let content = Content {
            etag: checksum::etag(&bytes),
            bytes,
            checksum,
            headers: Vec::new(),
        };
        let id = self.store(context, bucket, key, content, events);
        (id != "null").then_some(id)
    }

    /// The bytes of the newest version.
    pub(crate) fn body(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        Some(self.buckets.get(bucket)?.current(key)?.1.bytes.clone())
    }

    /// The keys of a bucket that are not deleted.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let bucket = self.buckets.get(bucket);
        bucket
            .into_iter()
            .flat_map(|b| b.objects.keys().filter(|key| b.current(key).is_some()).cloned())
            .collect()
    }

    /// Serves one request.
    pub(crate) fn serve(
        &mut self,
        context: &CallContext,
        request: &Request,
        http_request: &http::Request,
        events: &mut Vec<Value>,
    ) -> Result<http::Response, ApiError> {
        if http_request
            .header("x-amz-expected-bucket-owner")
            .is_some_and(|owner| owner != context.account)
        {
            return Err(fail("AccessDenied", "Access Denied", 403));
        }
        if request.op == Op::CreateBucket {
            return self.create(context, &request.bucket, &payload::read(http_request)?.bytes);
        }
        if !self.buckets.contains_key(&request.bucket) {
            return Err(fail("NoSuchBucket", "The specified bucket does not exist", 404));
        }
        match request.op {
            Op::GetObject | Op::HeadObject => self.get(request, http_request),
            Op::PutObject => self.put(context, request, http_request, events),
            Op::DeleteObject => self.delete(context, request),
            Op::ListObjectsV2 => self.list(request),
            Op::ListObjectVersions => self.list_versions(request),
            Op::GetBucketLocation => xml::location(&context.region),
            Op::GetBucketVersioning => xml::versioning(self.bucket(&request.bucket)?.versioning),
            Op::PutBucketVersioning => self.put_versioning(&request.bucket, &payload::read(http_request)?.bytes),
            Op::HeadBucket => Ok(http::Response::new(200).header("x-amz-bucket-region", &context.region)),
            Op::CreateBucket => Err(fail("InternalError", "unreachable", 500)),
        }
    }

    fn bucket(&self, name: &str) -> Result<&Bucket, ApiError> {
        self.buckets
            .get(name)
            .ok_or_else(|| fail("NoSuchBucket", "The specified bucket does not exist", 404))
    }

    /// A page's size: what was asked for, S3's thousand, and the account's own cap.
    fn page(&self, request: &Request) -> Result<usize, ApiError> {
        let http_request = match request.parameter("max-keys") {
            None => 1000,
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| fail("InvalidArgument", "max-keys is not a number", 400))?,
        };
        Ok(http_request.min(1000).min(self.page_size.unwrap_or(1000)))
    }

    fn create(&mut self, context: &CallContext, name: &str, body: &[u8]) -> Result<http::Response, ApiError> {
        let fits = (3..=63).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !name.contains("..");
        if !fits {
            return Err(fail("InvalidBucketName", "The specified bucket is not valid.", 400));
        }
        let constraint = xml::location_constraint(body)?;
        if constraint.as_deref().unwrap_or("us-east-1") != context.region {
            let wanted = constraint.unwrap_or_else(|| "unspecified".to_owned());
            let message = format!(
                "The {wanted} location constraint is incompatible for the region specific endpoint this request was sent to."
            );
            return Err(fail("IllegalLocationConstraintException", &message, 400));
        }
        if self.buckets.contains_key(name) {
            let message = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(fail("BucketAlreadyOwnedByYou", message, 409));
        }
        self.create_bucket(name, false);
        Ok(http::Response::new(200).header("location", format!("/{name}")))
    }

    fn put_versioning(&mut self, bucket: &str, body: &[u8]) -> Result<http::Response, ApiError> {
        let versioning = xml::wanted_versioning(body)?;
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.versioning = versioning;
        }
        Ok(http::Response::new(200))
    }

    /// Stores an object and tells EventBridge.
    fn store(
        &mut self,
        context: &CallContext,
        name: &str,
        key: &str,
        content: Content,
        events: &mut Vec<Value>,
    ) -> String {
        self.sequence += 1;
        let mut object = json!({
            "key": key,
            "size": content.bytes.len(),
            "etag": content.etag,
            "sequencer": format!("{:016X}", self.sequence),
        });
        let id = self
            .buckets
            .entry(name.to_owned())
            .or_default()
            .add(key, context.now, Some(content));
        if let (true, Some(object)) = (id != "null", object.as_object_mut()) {
            object.insert("version-id".to_owned(), json!(id));
        }
        events.push(json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": context.account,
            "time": whole_seconds(context.now),
            "region": context.region,
            "resources": [format!("arn:{}:s3:::{name}", context.partition)],
            "detail": {
                "version": "0",
                "bucket": {"name": name},
                "object": object,
                "request-id": "LOCALAWS00000000",
                "requester": context.account,
                "source-ip-address": "127.0.0.1",
                "reason": "PutObject",
            },
        }));
        id
    }
}

/// A time as events write it.
pub(crate) fn whole_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An error of S3.
fn fail(code: &str, message: &str, status: u16) -> ApiError {
    ApiError {
        code: code.to_owned(),
        message: message.to_owned(),
        status,
    }
}
