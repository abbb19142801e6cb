//! Which version of a secret is to be current: the table that lets a file set a credential and never undo a rotation.
//!
//! The version that carries `CONFIGURED` holds what the file said last, or its source held. The same again changes nothing,
//! whoever has moved `AWSCURRENT` since. Which of two versions came later, a version's date says
//! (GetSecretValue, `CreatedDate`), and its id, where it is one of ours (see [`crate::version_id`]).

use jiff::Timestamp;

use super::rollback::is_file_refused;
use super::wanted::{Over, Wanted};
use crate::account::{Binding, CONFIGURED, CURRENT, FILE_PENDING, Label, REJECTED, Secret, VersionValue};
use crate::secret_version::{is_ours, was_put_on};

/// What is to become of a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Move {
    /// Everything stands as it is.
    Nothing,
    /// Another value of the file was on its way when the file went back to the one that is `CONFIGURED`.
    DropPending {
        /// The version with the file's value.
        configured: String,
    },
    /// The file's value is there already: only `CONFIGURED` moves.
    Label { version: String },
    /// Somebody put another value after the file was uploaded. That one stays current; the file's is kept beside it as
    /// `CONFIGURED`, so that the next file is compared with it.
    Beside {
        /// The version that holds the file's value, if there is one.
        holds: Option<String>,
    },
    /// The file's value becomes current, and `CONFIGURED`.
    MakeCurrent {
        /// The version that holds it, if there is one.
        holds: Option<String>,
    },
}

impl Move {
    /// What a secret needs that is to hold `wanted`.
    pub(super) fn of(secret: &Secret, wanted: &Wanted) -> Self {
        let Wanted {
            credential,
            uploaded,
            over,
            ..
        } = wanted;
        let holds = |label: Label| {
            let is_current = *secret.labelled(label)? == VersionValue::Credential(credential.clone());
            secret.holder(label).filter(|_| is_current).map(str::to_owned)
        };
        let current = secret.holder(CURRENT);
        // Whom the current value is for is not known: it is not used, however new it is.
        if secret.binding == Binding::Nothing {
            return match holds(CURRENT) {
                Some(version) if secret.carries(&version, CONFIGURED) => Self::Nothing,
                Some(version) => Self::Label { version },
                None => Self::MakeCurrent { holds: None },
            };
        }
        if let Some(configured) = holds(CONFIGURED) {
            return match current {
                // A value of another file was made current, and the run that did it came no further. This one is put anew:
                // then the moves of a run that is still at work on the other fail.
                Some(current) if is_unfinished(secret, current, Some(&configured)) => Self::MakeCurrent { holds: None },
                // It was refused, and is uploaded once more: it is tried once more.
                Some(current) if is_to_be_tried_again(secret, current, &configured, *uploaded) => {
                    Self::MakeCurrent { holds: None }
                }
                _ if secret.holder(FILE_PENDING).is_some() => Self::DropPending { configured },
                _ => Self::Nothing,
            };
        }
        if let Some(version) = holds(CURRENT) {
            return Self::Label { version };
        }
        let pending = holds(FILE_PENDING).filter(|version| is_ours(version));
        let is_younger = |current| match over {
            Over::Older => is_younger(secret, current, *uploaded),
            Over::Version(first) => first.as_deref() != Some(current),
        };
        let is_younger = current.is_some_and(|current| !is_ours(current) && is_younger(current));
        // Somebody made another version current after the file's value was put and before it was made current.
        let is_chosen = current.zip(pending.as_deref()).is_some_and(|(current, pending)| {
            !was_put_on(pending, current) && !is_unfinished(secret, current, secret.holder(CONFIGURED))
        });
        if is_younger || is_chosen {
            return Self::Beside { holds: pending };
        }
        Self::MakeCurrent { holds: pending }
    }
}

/// Whether the current version of a secret holds what the file says, once its plan is carried out.
pub(super) fn is_of_file_after(secret: &Secret, wanted: &Wanted) -> bool {
    match Move::of(secret, wanted) {
        Move::Nothing | Move::DropPending { .. } => is_of_file(secret),
        Move::Label { .. } | Move::MakeCurrent { .. } => true,
        Move::Beside { .. } => false,
    }
}

/// Whether the current version of a secret is the one whose value came from the file.
pub fn is_of_file(secret: &Secret) -> bool {
    secret
        .holder(CURRENT)
        .is_some_and(|current| secret.carries(current, CONFIGURED))
}

/// Whether the current version is one of ours that was put later than the `CONFIGURED` one. An older one is somebody's
/// choice, or was rolled back to.
fn is_unfinished(secret: &Secret, current: &str, configured: Option<&str>) -> bool {
    if !is_ours(current) || Some(current) == configured {
        return false;
    }
    let Some(configured) = configured else { return true };
    match (secret.created.get(current), secret.created.get(configured)) {
        (Some(current), Some(configured)) if current != configured => current > configured,
        _ => !was_put_on(configured, current),
    }
}

/// Whether the file's value, which was refused, was uploaded again after that, while what was put back is still current: what
/// it had been put over, or what is refused as well.
fn is_to_be_tried_again(secret: &Secret, current: &str, configured: &str, uploaded: Timestamp) -> bool {
    let is_later = |put: &Timestamp| put.as_second() < uploaded.as_second();
    let was_put_back = was_put_on(configured, current) || secret.carries(current, REJECTED);
    is_file_refused(secret) && was_put_back && secret.created.get(configured).is_some_and(is_later)
}

/// Whether a version was put, or its secret rotated, in the second of the upload or later. S3 tells whole seconds.
fn is_younger(secret: &Secret, version: &str, uploaded: Timestamp) -> bool {
    let times = [secret.created.get(version).copied(), secret.rotated];
    times
        .into_iter()
        .flatten()
        .any(|time| time.as_second() >= uploaded.as_second())
}
