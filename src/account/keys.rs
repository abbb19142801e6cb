//! KMS: the data key of a file that is encrypted with SOPS.

use aws_config::{Region, SdkConfig};
use aws_sdk_kms::primitives::Blob;

use super::answers::said;
use super::{AwsError, Calls, Reader};
use config::sops::KmsRecipient;

/// What clients are made of when they are needed: most files are not encrypted, and a key may be in any Region.
#[derive(Clone)]
pub(super) struct Keys {
    config: SdkConfig,
    calls: Calls,
}

impl Keys {
    pub(super) fn new(config: &SdkConfig, calls: &Calls) -> Self {
        Self {
            config: config.clone(),
            calls: calls.clone(),
        }
    }

    fn client(&self, region: &str) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::config::Builder::from(&self.config).interceptor(self.calls.clone());
        aws_sdk_kms::Client::from_conf(config.region(Region::new(region.to_owned())).build())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Reader {
    /// Has KMS decrypt a data key. The key is named, so that no other key of the account can answer for it.
    ///
    /// # Errors
    /// As Decrypt.
    pub async fn decrypt(&self, recipient: &KmsRecipient) -> Result<Vec<u8>, AwsError> {
        let KmsRecipient {
            arn,
            region,
            context,
            encrypted,
            ..
        } = recipient;
        let call = self
            .keys
            .client(region)
            .decrypt()
            .key_id(arn)
            .ciphertext_blob(Blob::new(encrypted.clone()));
        let context = Some(context.clone().into_iter().collect()).filter(|_| !context.is_empty());
        let answer = call
            .set_encryption_context(context)
            .send()
            .await
            .map_err(|e| AwsError::new("Decrypt", &e))?;
        said("Decrypt", answer.plaintext).map(Blob::into_inner)
    }
}
