//! Files that are encrypted with SOPS: who can decrypt them with `sops` can use them here.

use config::sops::{DataKey, Metadata};
use config::{self, Context, File, Rejected};
use ecr_pull_through_sync::account::{self, Reader};
use ecr_pull_through_sync::keyring::{Keyring, Locked};
use ptc::age::Identities;

use crate::session::credentials_are_there;
use crate::ui::Failure;

/// Checks a file. An encrypted one is decrypted in memory, with an age identity or else with KMS, through `reader` if there is
/// one.
pub async fn open(bytes: &[u8], context: &Context, reader: Option<&Reader>) -> Result<File, Rejected> {
    match config::sealed(bytes) {
        None => config::read(bytes, context),
        Some(metadata) => config::read_sealed(bytes, &unlock_with(&metadata?, reader).await?, context),
    }
}

/// The data key of a file; none, if it is not encrypted.
pub async fn unlock(bytes: &[u8], reader: &Reader) -> Result<Option<DataKey>, Rejected> {
    match config::sealed(bytes) {
        None => Ok(None),
        Some(metadata) => unlock_with(&metadata?, Some(reader)).await.map(Some),
    }
}

/// The data key of an encrypted file. Without a reader, one is made from the credentials of the environment for a file with KMS recipients.
pub async fn unlock_with(metadata: &Metadata, reader: Option<&Reader>) -> Result<DataKey, Rejected> {
    let identities = match Identities::from_env(|name| std::env::var(name).ok()) {
        Ok(identities) => identities,
        Err(bad) if metadata.kms.is_empty() => return Err(Locked::Refused(bad.to_string()).into_rejected(metadata)),
        // KMS does without.
        Err(_) => Identities::default(),
    };
    // What costs no call comes first.
    match Keyring::of_person(&identities, None).unlock(metadata).await {
        Ok(key) => return Ok(key),
        Err(locked) if metadata.kms.is_empty() => return Err(locked.into_rejected(metadata)),
        Err(_) => {}
    }
    let own;
    let reader = match reader {
        Some(reader) => reader,
        None => {
            own = environment()
                .await
                .map_err(|failure| Locked::Refused(failure.to_string()).into_rejected(metadata))?;
            &own
        }
    };
    let keyring = Keyring::of_person(&identities, Some(reader));
    Box::pin(keyring.unlock(metadata))
        .await
        .map_err(|locked| locked.into_rejected(metadata))
}

/// A reader with the credentials of the environment. The Region of a call is that of its key.
async fn environment() -> Result<Reader, Failure> {
    let config = account::loader().load().await;
    credentials_are_there(&config, None).await?;
    Ok(account::connect(&config).0)
}
