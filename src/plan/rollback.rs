//! A credential that ECR refuses, and the one before it: what to do next, given the labels and the last proof.
//!
//! Every state between two moves can be read off the labels, so a run that dies is taken up by the next one: a
//! version on its way out carries `ROLLING_BACK` until it is known whether the one before is any better.

use jiff::Timestamp;

use crate::account::{CONFIGURED, CURRENT, FILE_REFUSED, PREVIOUS, PROVEN, REJECTED, ROLLING_BACK, Secret, UNBOUND};

/// The next move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing to do, or nothing that may be done.
    Nothing,
    /// Mark the current version with `ROLLING_BACK`, move `AWSCURRENT` back, and prove again.
    Begin {
        /// The version that is refused.
        failed: String,
        /// The one before.
        to: String,
    },
    /// The same where the mark is there already.
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
    Forget {
        /// The version that carries it.
        version: String,
    },
    /// A refused version was made current again and is proven now: it loses `REJECTED`.
    Redeem {
        /// The version.
        version: String,
    },
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
    let (previous, rejected) = (holder(PREVIOUS), holder(REJECTED));
    match holder(ROLLING_BACK) {
        Some(failed) if failed == current && (valid || rejected.as_ref() == Some(&failed)) => {
            Next::Forget { version: failed }
        }
        Some(failed) if failed == current && file => Next::TryFile { failed },
        Some(failed) if failed == current => match previous {
            Some(to) => Next::GoBack { failed, to },
            None => Next::Forget { version: failed },
        },
        Some(failed) if valid => Next::Confirm { failed },
        Some(failed) if previous.as_ref() == Some(&failed) => Next::PutBack { from: current, failed },
        // Somebody has rotated since.
        Some(failed) => Next::Forget { version: failed },
        None if valid && (rejected.as_ref() == Some(&current) || holder(FILE_REFUSED).as_ref() == Some(&current)) => {
            Next::Redeem { version: current }
        }
        None if valid && is_to_be_remembered(secret) => Next::Remember,
        None if valid || holder(PROVEN).as_ref() == Some(&current) => Next::Nothing,
        None if file => Next::TryFile { failed: current },
        None if may_begin(secret, &current, previous.as_deref(), rejected.as_deref(), rotations) => match previous {
            Some(to) => Next::Begin { failed: current, to },
            None => Next::Nothing,
        },
        None => Next::Nothing,
    }
}

/// Whether a refused current version would be rolled back. It is asked about more than once then.
pub fn is_eligible(secret: &Secret, rotations: bool) -> bool {
    let Some(current) = secret.holder(CURRENT) else {
        return false;
    };
    if secret.holder(ROLLING_BACK).is_some() {
        return true;
    }
    may_begin(
        secret,
        current,
        secret.holder(PREVIOUS),
        secret.holder(REJECTED),
        rotations,
    )
}

fn may_begin(secret: &Secret, current: &str, previous: Option<&str>, rejected: Option<&str>, rotations: bool) -> bool {
    let from_the_file = secret.holder(CONFIGURED) == Some(current);
    let from = rejected != Some(current) && secret.holder(PROVEN) != Some(current);
    let to = previous.is_some_and(|previous| rejected != Some(previous) && !secret.carries(previous, UNBOUND));
    (from_the_file || rotations) && from && to
}

/// Whether the labels tell of something to finish, whatever the proof says: a rollback, or a refused version that
/// somebody made current again.
pub fn is_unfinished(secret: &Secret) -> bool {
    let current = secret.holder(CURRENT);
    let again = |label| secret.holder(label).is_some() && secret.holder(label) == current;
    secret.holder(ROLLING_BACK).is_some() || again(REJECTED) || again(FILE_REFUSED)
}

/// Whether the current version, once it is proven, is to be remembered as that: only where there is another to go back to.
pub fn is_to_be_remembered(secret: &Secret) -> bool {
    secret.holder(PREVIOUS).is_some() && secret.holder(PROVEN) != secret.holder(CURRENT)
}

/// Whether the file's value may be tried in place of a refused one: that was put by somebody else, before the upload, and
/// the file's was not refused itself.
pub fn file_has_the_word(secret: &Secret, uploaded: Timestamp) -> bool {
    let (Some(current), Some(configured)) = (secret.holder(CURRENT), secret.holder(CONFIGURED)) else {
        return false;
    };
    let is_older = secret
        .created
        .get(current)
        .is_some_and(|put| put.as_second() < uploaded.as_second());
    let is_usable = [REJECTED, FILE_REFUSED]
        .iter()
        .all(|label| !secret.carries(configured, label));
    current != configured && is_older && is_usable
}

/// Whether the file's value was refused and put back: it is not tried again until the file changes. `REJECTED` alone
/// would not do, since a later rollback takes it to another version.
pub fn is_file_refused(secret: &Secret) -> bool {
    let configured = secret.holder(CONFIGURED);
    let refused = [REJECTED, FILE_REFUSED]
        .iter()
        .any(|label| secret.holder(label) == configured);
    configured.is_some() && refused && configured != secret.holder(CURRENT)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// `a:AWSCURRENT,CONFIGURED b:AWSPREVIOUS` in short letters.
    fn secret(labels: &str) -> Secret {
        let name = |letter: char| match letter {
            'c' => CURRENT,
            'p' => PREVIOUS,
            'k' => CONFIGURED,
            'r' => REJECTED,
            'f' => FILE_REFUSED,
            'v' => PROVEN,
            'u' => UNBOUND,
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
            binding: crate::account::Binding::Tag,
            foreign_rule: None,
        }
    }

    /// c current, p previous, k configured, r rejected, f refused value of the file, o rolling back, v proven, u unbound.
    #[test]
    fn every_state_has_one_next_move() {
        let (yes, no) = (true, false);
        for (labels, valid, rotations, next_move) in [
            ("new:c old:p", no, no, "Nothing"),
            ("new:c old:p", no, yes, "Begin new old"),
            ("new:ck old:p", no, no, "Begin new old"),
            ("new:ckf old:p", yes, no, "Redeem new"),
            ("new:ck", no, yes, "Nothing"),
            ("new:ck old:p", yes, yes, "Remember"),
            ("new:ckv old:p", yes, yes, "Nothing"),
            ("new:c old:pv", yes, no, "Remember"),
            ("new:ck", yes, yes, "Nothing"),
            // What was proven once is not taken back.
            ("new:ckv old:p", no, yes, "Nothing"),
            ("new:c old:pv", no, yes, "Begin new old"),
            // Nor does anything become current from before the secret was bound to a host.
            ("new:ck old:pu", no, yes, "Nothing"),
            ("new:co old:p", no, yes, "GoBack new old"),
            ("new:co old:p", yes, yes, "Forget new"),
            ("new:cor old:p", no, yes, "Forget new"),
            ("new:por old:c", no, yes, "PutBack old new"),
            ("new:po old:c", yes, no, "Confirm new"),
            ("new:po old:c", no, no, "PutBack old new"),
            ("new:o old:p newer:c", no, yes, "Forget new"),
            ("new:o old:p newer:c", yes, yes, "Confirm new"),
            ("new:cr old:p", no, yes, "Nothing"),
            ("new:cr old:p", yes, yes, "Redeem new"),
            ("new:c old:pr", no, yes, "Nothing"),
            ("new:pr old:c", no, yes, "Nothing"),
            ("", no, yes, "Nothing"),
        ] {
            let words = match next(&secret(labels), valid, rotations, false) {
                Next::Nothing => "Nothing".to_owned(),
                Next::Begin { failed, to } => format!("Begin {failed} {to}"),
                Next::GoBack { failed, to } => format!("GoBack {failed} {to}"),
                Next::TryFile { failed } => format!("TryFile {failed}"),
                Next::Confirm { failed } => format!("Confirm {failed}"),
                Next::PutBack { from, failed } => format!("PutBack {from} {failed}"),
                Next::Forget { version } => format!("Forget {version}"),
                Next::Redeem { version } => format!("Redeem {version}"),
                Next::Remember => "Remember".to_owned(),
            };
            assert_eq!(words, next_move, "{labels} valid={valid} rotations={rotations}");
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
            next(&secret("file:k bad:cv"), false, false, true),
            Next::Nothing,
            "what was proven stays"
        );
        assert_eq!(
            next(&secret("file:k bad:cr"), true, false, true),
            Next::Redeem { version: "bad".into() }
        );
    }
}
