//! Images: the first call of every pull.

use aws_sdk_ecr::types::ImageIdentifier;

use super::answers::said;
use super::error::foreign_text;
use super::{AwsError, ErrorKind, Writer};

const OPERATION: &str = "BatchGetImage";

/// Every manifest that a registry hands out (OCI image specification; "Container image manifest format support in Amazon
/// ECR"). ECR converts what is left out.
pub const MEDIA_TYPES: [&str; 6] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
];

impl Writer {
    /// Asks for an image as a pull does, which has ECR fetch it if the cache lacks it; gives the digest of what the cache
    /// has under the tag, of the index where there is one. One request without the SDK's retries.
    ///
    /// # Errors
    /// As BatchGetImage; and with ECR's code and sentence where it gives a failure in the place of the image.
    pub async fn pull(&self, repository: &str, tag: &str) -> Result<String, AwsError> {
        let answer = self
            .repositories
            .batch_get_image()
            .repository_name(repository)
            .image_ids(ImageIdentifier::builder().image_tag(tag).build())
            .set_accepted_media_types(Some(MEDIA_TYPES.map(str::to_owned).to_vec()))
            .send()
            .await
            .map_err(|e| AwsError::new(OPERATION, &e))?;
        if let Some(failure) = answer.failures.unwrap_or_default().into_iter().next() {
            let code = failure.failure_code.as_ref().map_or("Unknown", |code| code.as_str());
            let reason = foreign_text(failure.failure_reason.as_deref().unwrap_or("ECR gives no reason"));
            return Err(AwsError::of(OPERATION, &foreign_text(code), reason, ErrorKind::Refused));
        }
        let image = answer.images.unwrap_or_default().into_iter().next();
        said(OPERATION, image.and_then(|image| image.image_id?.image_digest))
    }
}
