//! S3: the file, and the status objects.

use aws_sdk_s3::primitives::ByteStream;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::answers::said;
use super::{AwsError, ErrorKind, Reader, Writer, time};

#[derive(Debug, Default)]
pub struct Object {
    /// At most the asked-for number of bytes and one more, which tells that there is more. May hold tokens.
    pub bytes: Zeroizing<Vec<u8>>,
    /// `None` in a bucket without versioning, and while it is suspended.
    pub version_id: Option<String>,
    /// When it was uploaded.
    pub last_modified: Option<Timestamp>,
    /// For conditional writes. Not for reports: it can be a digest of the content.
    pub etag: Option<String>,
}

/// Which upload of an object it is, without its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectIdentity {
    /// `None` in a bucket without versioning, and while it is suspended.
    pub version_id: Option<String>,
    /// When it was uploaded; not told in the answer to an upload.
    pub last_modified: Option<Timestamp>,
    /// Not for reports: it can be a digest of the content.
    pub etag: Option<String>,
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("there is no {0}")]
    Missing(String),
    /// There is no such bucket.
    #[error("there is no bucket {0}; CONFIG_BUCKET names it")]
    NoBucket(String),
    /// S3 denies it: its own word, not that of whoever else may answer 403.
    #[error("access to {place} is denied ({said}): the function's role needs {needs}")]
    Denied {
        /// `s3://` and what follows.
        place: String,
        said: String,
        /// The permissions.
        needs: &'static str,
    },
    /// Anything else.
    #[error(transparent)]
    Aws(#[from] AwsError),
}

impl ObjectError {
    /// Why an object could not be written.
    pub fn of_write(error: AwsError, bucket: &str, key: &str) -> Self {
        object_error(error, bucket, key, TO_WRITE)
    }
}

/// What must still hold for a write to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `If-Match`: the object is still the one with this ETag.
    Is(String),
    /// `If-None-Match: *`: there is still no such object.
    IsAbsent,
    /// No condition.
    Any,
}

impl Reader {
    /// The newest version of an object, or its first `max` bytes and one more.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn object(&self, bucket: &str, key: &str, max: usize) -> Result<Object, ObjectError> {
        let call = self.s3.get_object().bucket(bucket).key(key).send().await;
        let mut answer = call.map_err(|e| object_error(AwsError::new("GetObject", &e), bucket, key, TO_READ))?;
        let etag = Some(said("GetObject", answer.e_tag.take())?);
        // Wiped if it grows: a Vec that reallocates leaves its old content behind.
        let expected = answer
            .content_length
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(max);
        let mut bytes = Zeroizing::new(Vec::with_capacity(expected.min(max) + 1));
        while bytes.len() <= max
            && let Some(chunk) = answer.body.next().await
        {
            let chunk =
                chunk.map_err(|e| AwsError::of("GetObject", "BrokenBody", super::causes(&e), ErrorKind::Transient))?;
            let room = (max + 1).saturating_sub(bytes.len()).min(chunk.len());
            bytes.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
        let last_modified = answer.last_modified.and_then(time);
        Ok(Object {
            bytes,
            version_id: version(answer.version_id),
            last_modified,
            etag,
        })
    }
}

impl Reader {
    /// The identity of the newest version of an object; `None` when there is none.
    ///
    /// # Errors
    /// As HeadObject.
    pub async fn object_identity(&self, bucket: &str, key: &str) -> Result<Option<ObjectIdentity>, AwsError> {
        match self
            .s3
            .head_object()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .map_err(|e| AwsError::new("HeadObject", &e))
        {
            Ok(answer) => Ok(Some(ObjectIdentity {
                version_id: version(answer.version_id),
                last_modified: answer.last_modified.and_then(time),
                etag: answer.e_tag,
            })),
            Err(e) if e.is("NotFound") || e.is("NoSuchKey") => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl Writer {
    /// Writes an object if `condition` still holds, and says whether it did.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        content_type: &str,
        body: String,
        condition: &Condition,
    ) -> Result<bool, ObjectError> {
        let mut call = self
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(body.into_bytes()));
        call = match condition {
            Condition::Is(etag) => call.if_match(etag),
            Condition::IsAbsent => call.if_none_match("*"),
            Condition::Any => call,
        };
        match call.send().await.map_err(|e| AwsError::new("PutObject", &e)) {
            Ok(answer) => Ok(said("PutObject", answer.e_tag).map(|_| true)?),
            // 412 when the object is another one by now, 409 when two conditional writes meet, 404 when it is gone.
            Err(e)
                if e.is("PreconditionFailed")
                    || e.is("ConditionalRequestConflict")
                    || (e.is("NoSuchKey") && matches!(condition, Condition::Is(_))) =>
            {
                Ok(false)
            }
            Err(e) => Err(ObjectError::of_write(e, bucket, key)),
        }
    }
}

/// While versioning is suspended S3 calls every version `null`, and puts one over the other: that tells of no version.
fn version(id: Option<String>) -> Option<String> {
    id.filter(|id| id != "null")
}

const TO_READ: &str = "s3:GetObject on it, s3:ListBucket on the bucket (without it S3 calls a missing object denied too), \
                       and kms:Decrypt if a customer key encrypts it";
const TO_WRITE: &str = "s3:PutObject on it, and kms:GenerateDataKey if a customer key encrypts it";

fn object_error(error: AwsError, bucket: &str, key: &str, needs: &'static str) -> ObjectError {
    match error.code.as_str() {
        "NoSuchKey" | "NotFound" => ObjectError::Missing(format!("s3://{bucket}/{key}")),
        "NoSuchBucket" => ObjectError::NoBucket(bucket.to_owned()),
        // S3 also says 403 of a clock that is wrong or of a key that it does not know, and a proxy of whatever it likes.
        "AccessDenied" => ObjectError::Denied {
            place: format!("s3://{bucket}/{key}"),
            said: error.to_string(),
            needs,
        },
        _ => ObjectError::Aws(error),
    }
}
