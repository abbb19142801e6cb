//! A credential that ECR refuses, and the one before it: what to do next, given the labels and the last proof.
//!
//! Every state between two moves can be read off the labels, so a run that dies is taken up by the next one: a
//! version on its way out carries `ROLLING_BACK` until it is known whether the one before is any better.

use jiff::Timestamp;

use crate::account::{CONFIGURED, CURRENT, FILE_REFUSED, PREVIOUS, PROVEN, REJECTED, ROLLING_BACK, Secret, UNBOUND};
use crate::secret_version::is_ours;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing to do, or nothing that may be done.
    Nothing,
    /// Mark the current version with `ROLLING_BACK`, move `AWSCURRENT` back, and prove again.
    GoBack {
        /// The version that is refused.
        failed: String,
        /// The one before.
        to: String,
    },
    /// The same with the file's value, which is put anew for it.
    TryFile {
        /// The version that is refused.
        failed: String,
    },
    /// The one before is proven: the refused one is `REJECTED`.
    Confirm {
        /// The version that is refused.
        failed: String,
    },
    /// The one before is refused as well: `AWSCURRENT` goes where it was, and that version is `REJECTED`.
    PutBack {
        /// The version that is current now.
        from: String,
        /// The version that was current.
        failed: String,
    },
    /// A rollback that has become pointless: only its label goes.
    Forget { version: String },
    /// A refused version was made current again and is proven now: it loses `REJECTED`.
    Redeem { version: String },
    /// The current version is proven for the first time: it gets `PROVEN`.
    Remember,
}

/// Decides. `valid` is the last proof of the current version; `rotations` is ROLLBACK_INVALID_ROTATION. A value that
/// came from the file is put back whatever that says. `file`: the file has the word over the current version, see
/// [`file_has_the_word`].
pub fn next(secret: &Secret, valid: bool, rotations: bool, file: bool) -> Next {
    let holder = |label| secret.holder(label).map(str::to_owned);
    let Some(current) = holder(CURRENT) else {
        return Next::Nothing;
    };
    let before = before(secret, rotations).map(str::to_owned);
    match holder(ROLLING_BACK) {
        Some(failed) if failed != current => {
            return match holder(PREVIOUS) {
                _ if valid => Next::Confirm { failed },
                Some(previous) if previous == failed && !is_rotated_since(secret, &current, &failed) => {
                    Next::PutBack { from: current, failed }
                }
                // Somebody has rotated since.
                _ => Next::Forget { version: failed },
            };
        }
        // It was marked, and not moved: that is done, or not wanted any more.
        Some(failed) if valid || is_refused(secret, &failed) || (!file && before.is_none()) => {
            return Next::Forget { version: failed };
        }
        _ => {}
    }
    match before {
        _ if valid && is_refused(secret, &current) => Next::Redeem { version: current },
        _ if valid && is_to_be_remembered(secret) => Next::Remember,
        _ if valid => Next::Nothing,
        _ if file => Next::TryFile { failed: current },
        Some(to) => Next::GoBack { failed: current, to },
        None => Next::Nothing,
    }
}

/// The version before, where a refused current one may give way to it: what was proven once, or refused once, is not moved
/// any more, and nothing becomes current that was refused, or that is from before the host was known.
fn before(secret: &Secret, rotations: bool) -> Option<&str> {
    let (current, previous) = (secret.holder(CURRENT)?, secret.holder(PREVIOUS)?);
    let may_go = rotations || secret.carries(current, CONFIGURED);
    let from = !secret.carries(current, PROVEN) && !is_refused(secret, current);
    let to = !secret.carries(previous, UNBOUND) && !is_refused(secret, previous);
    (may_go && from && to).then_some(previous)
}

fn is_refused(secret: &Secret, version: &str) -> bool {
    secret.carries(version, REJECTED) || secret.carries(version, FILE_REFUSED)
}

/// Whether somebody put the current version after the one that is being rolled back from, as far as dates were read. The
/// version before is older, and what the file says in its place is ours.
fn is_rotated_since(secret: &Secret, current: &str, failed: &str) -> bool {
    let dates = (secret.created.get(current), secret.created.get(failed));
    !is_ours(current) && matches!(dates, (Some(current), Some(failed)) if current > failed)
}

/// Whether a refused current version would be rolled back. It is asked about more than once then.
pub fn is_eligible(secret: &Secret, rotations: bool) -> bool {
    secret.holder(ROLLING_BACK).is_some() || before(secret, rotations).is_some()
}

/// Whether the labels tell of something to finish, whatever the proof says: a rollback, or a refused version that
/// somebody made current again.
pub fn is_unfinished(secret: &Secret) -> bool {
    let is_current_refused = || {
        secret
            .holder(CURRENT)
            .is_some_and(|current| is_refused(secret, current))
    };
    secret.holder(ROLLING_BACK).is_some() || is_current_refused()
}

/// Whether the current version, once it is proven, is to be remembered as that: only where there is another to go back to.
pub fn is_to_be_remembered(secret: &Secret) -> bool {
    secret.holder(PREVIOUS).is_some() && secret.holder(PROVEN) != secret.holder(CURRENT)
}

/// Whether the file's value may be tried in place of a refused one: that was never proven, and was put by somebody else before
/// the upload, and the file's was not refused itself.
pub fn file_has_the_word(secret: &Secret, uploaded: Timestamp) -> bool {
    let (Some(current), Some(configured)) = (secret.holder(CURRENT), secret.holder(CONFIGURED)) else {
        return false;
    };
    let is_older = secret
        .created
        .get(current)
        .is_some_and(|put| put.as_second() < uploaded.as_second());
    let is_usable = !is_refused(secret, configured);
    current != configured && !secret.carries(current, PROVEN) && is_older && is_usable
}

/// Whether the file's value was refused and put back: it is not tried again until the file changes. `REJECTED` alone
/// would not do, since a later rollback takes it to another version.
pub fn is_file_refused(secret: &Secret) -> bool {
    let configured = secret.holder(CONFIGURED);
    configured != secret.holder(CURRENT) && configured.is_some_and(|configured| is_refused(secret, configured))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// `a:AWSCURRENT,CONFIGURED b:AWSPREVIOUS` in short letters: c current, p previous, k configured, r rejected, f refused
    /// value of the file, o rolling back, v proven. All states are in [`table`](super::super::table).
    fn secret(labels: &str) -> Secret {
        let name = |letter: char| match letter {
            'c' => CURRENT,
            'p' => PREVIOUS,
            'k' => CONFIGURED,
            'r' => REJECTED,
            'f' => FILE_REFUSED,
            'v' => PROVEN,
            _ => ROLLING_BACK,
        };
        let version = |word: &str| {
            let (version, letters) = word.split_once(':').unwrap();
            (
                version.to_owned(),
                letters.chars().map(|l| name(l).to_owned()).collect::<BTreeSet<_>>(),
            )
        };
        Secret {
            arn: String::new(),
            name: String::new(),
            description: String::new(),
            tags: BTreeMap::new(),
            customer_key: None,
            scheduled_for_deletion: false,
            labels: labels.split_whitespace().map(version).collect(),
            policy: None,
            values: BTreeMap::new(),
            created: BTreeMap::new(),
            rotated: None,
            next_rotation: None,
            binding: crate::account::Binding::Tag,
            foreign_rule: None,
        }
    }

    /// A rotation over a refused version stands, though that one is marked.
    #[test]
    fn what_somebody_put_later_is_not_moved_back() {
        for (put, stands) in [(99, false), (100, false), (101, true)] {
            let mut secret = secret("bad:po newer:c");
            for (version, put) in [("bad", 100), ("newer", put)] {
                secret
                    .created
                    .insert(version.into(), Timestamp::from_second(put).unwrap());
            }
            let forgets = matches!(next(&secret, false, true, false), Next::Forget { .. });
            assert_eq!(forgets, stands, "{put}");
        }
    }

    /// The file was uploaded at second 100, and what it says was put before.
    #[test]
    fn a_file_that_is_uploaded_again_is_heard_over_a_bad_value_that_came_before() {
        for (labels, put, is_heard) in [
            ("file:k bad:c", 99, true),
            ("file:k bad:c", 100, false),
            ("file:kf bad:c", 99, false),
            ("file:kr bad:c", 99, false),
            ("file:kc", 99, false),
            // What was proven stays.
            ("file:k bad:cv", 99, false),
            ("bad:c", 99, false),
        ] {
            let mut secret = secret(labels);
            for version in secret.labels.keys() {
                secret
                    .created
                    .insert(version.clone(), Timestamp::from_second(put).unwrap());
            }
            let uploaded = Timestamp::from_second(100).unwrap();
            assert_eq!(file_has_the_word(&secret, uploaded), is_heard, "{labels} {put}");
        }
        let tries = |labels: &str| matches!(next(&secret(labels), false, false, true), Next::TryFile { failed } if failed == "bad");
        assert!(tries("file:k bad:c old:p") && tries("file:k bad:co old:p"));
        assert_eq!(
            next(&secret("file:k bad:cr"), true, false, true),
            Next::Redeem { version: "bad".into() }
        );
    }
}
