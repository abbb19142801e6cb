//! Files that are encrypted with SOPS: whoever could read them with `sops` can use them here.

use ecr_pull_through_sync::account::{self, Reader};
use ecr_pull_through_sync::config::{self, Context, File, Problem, Rejected};
use ecr_pull_through_sync::sops::{DataKey, Identities, Keyring, Metadata};

/// Checks a file, decrypted in memory if it is encrypted: with an age identity, else with KMS.
///
/// # Errors
/// As `config::read`, and when nobody here can decrypt it.
pub async fn open(bytes: &[u8], context: &Context) -> Result<File, Rejected> {
    match config::sealed(bytes) {
        None => config::read(bytes, context),
        Some(metadata) => config::read_sealed(bytes, &unlock_with(&metadata?, None).await?, context),
    }
}

/// The data key of a file; none, if it is not encrypted.
///
/// # Errors
/// When nobody here can decrypt it, or its metadata cannot be read.
pub async fn unlock(bytes: &[u8], reader: &Reader) -> Result<Option<DataKey>, Rejected> {
    match config::sealed(bytes) {
        None => Ok(None),
        Some(metadata) => unlock_with(&metadata?, Some(reader)).await.map(Some),
    }
}

/// Without a reader, one is made for a file with KMS recipients, of the credentials that the environment has.
async fn unlock_with(metadata: &Metadata, reader: Option<&Reader>) -> Result<DataKey, Rejected> {
    let identities = match Identities::from_env(|name| std::env::var(name).ok()) {
        Ok(identities) => identities,
        Err(bad) if metadata.kms.is_empty() => return Err(rejected(bad.to_string())),
        // KMS does without.
        Err(_) => Identities::default(),
    };
    // What costs no call comes first.
    match Keyring::of_person(&identities, None).unlock(metadata).await {
        Ok(key) => return Ok(key),
        Err(locked) if metadata.kms.is_empty() => return Err(locked.into_rejected(metadata)),
        Err(_) => {}
    }
    match reader {
        Some(reader) => by_kms(metadata, &identities, reader).await,
        None => by_kms(metadata, &identities, &environment().await).await,
    }
}

async fn by_kms(metadata: &Metadata, identities: &Identities, reader: &Reader) -> Result<DataKey, Rejected> {
    let keyring = Keyring::of_person(identities, Some(reader));
    Box::pin(keyring.unlock(metadata)).await.map_err(|locked| locked.into_rejected(metadata))
}

/// With the credentials of the environment. The Region is that of each key.
async fn environment() -> Reader {
    account::connect(&account::loader().load().await).0
}

fn rejected(message: String) -> Rejected {
    let error = Problem { registry: None, line: None, column: None, message };
    Rejected { errors: vec![error], warnings: Vec::new() }
}
