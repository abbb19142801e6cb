//! The account as a file: every rule, with the template of its prefix, becomes a registry of a `registries.yaml`.
//!
//! For an account that was set up by hand, with Terraform or by another stack. Credentials stay where they are: the file names the
//! secrets of the rules, and their values are never read.
//!
//! 1. `entry` turns a rule and its template into fields of the file, and `lifecycle` a lifecycle policy.
//! 2. `draft` has each registry read by [`config`] itself, and keeps what is accepted: what it refuses
//!    stands in the file as a comment, with the reason.
//! 3. The plan over that file and the same account says what an apply would still change, and `page` writes it above
//!    the registry: no second logic decides what can be said in a file.

mod draft;
mod entry;
mod lifecycle;
mod page;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use ecr_pull_through_sync::account::{self, AwsError, Reader, Snapshot};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::settings::Settings;

pub use draft::Draft;

/// How many reads run at a time.
const READS: usize = 16;

/// The account as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    pub yaml: String,
    pub registries: BTreeMap<String, Value>,
    /// What the file says above each of them: what a plan of it would still change, and what could not be said.
    pub remarks: BTreeMap<String, Vec<String>>,
    /// Notes about the whole account.
    pub notes: Vec<String>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The account could not be read.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// No file at all is accepted with these settings.
    #[error("with these settings every file is refused: {0}")]
    Settings(String),
}

/// Reads the account and writes it as a file. No secret's value is asked for.
///
/// # Errors
/// [`ExportError`]. A secret that cannot be looked at is no error: the file then has its ARN.
pub async fn export(reader: &Reader, home: &Home, settings: &Settings) -> Result<Exported, ExportError> {
    let snapshot = account::snapshot(reader).await?;
    let (names, unread) = names(reader, &snapshot).await;
    let draft = Draft::new(&snapshot, &names, home, settings)?;
    let unlisted = snapshot.unlisted.clone();
    let account = account::observe(reader, snapshot, draft.file(), settings).await;
    let mut exported = draft.finish(&account, home, settings);
    exported.notes.extend(unread);
    exported.notes.extend(unlisted.map(|error| {
        format!("which secrets carry our tag is not known, so that a plan may find more of them to delete: {error}")
    }));
    Ok(exported)
}

/// The names of the secrets of the rules, by ARN, and why some are not known. A secret that is scheduled for deletion keeps its
/// ARN: its name may soon belong to another.
async fn names(reader: &Reader, snapshot: &Snapshot) -> (BTreeMap<String, String>, Vec<String>) {
    let arns: BTreeSet<&str> = snapshot
        .rules
        .values()
        .filter_map(|rule| rule.credential_arn.as_deref())
        .collect();
    let looks = arns
        .into_iter()
        .map(|arn| async move { (arn, reader.secret(arn).await) });
    let looks: Vec<_> = stream::iter(looks).buffered(READS).collect().await;
    let (mut names, mut unread) = (BTreeMap::new(), Vec::new());
    for (arn, look) in looks {
        match look {
            Ok(Some(secret)) if !secret.scheduled_for_deletion => _ = names.insert(arn.to_owned(), secret.name),
            Ok(_) => {}
            Err(error) => unread.push(format!("the secret {arn} could not be looked at: {error}")),
        }
    }
    (names, unread)
}
