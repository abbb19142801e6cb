//! The ids of the secret versions we put: each names the version that was current when it was put.
//!
//! A version's id is the ClientRequestToken of the call that put it, so it can carry a word. A run that finds a value
//! of the file that never became current can tell from it whether the secret was rotated since: ages would not do,
//! since a rotation may have been under way before the value was put.

use std::fmt::Write;

const OURS: &str = "file-";
const ON: &str = "-on-";
const NOTHING_BEFORE: &str = "nothing-before";

/// A new id of 32 to 64 characters (PutSecretValue, ClientRequestToken), never the same twice: one made from the
/// content would make the way from A to B and back to A a no-op.
pub fn new_version(current: Option<&str>) -> String {
    let mut id = OURS.to_owned();
    // Writing into a String cannot fail.
    _ = write!(
        id,
        "{:016x}{ON}{}",
        fastrand::u64(..),
        current.map_or(NOTHING_BEFORE, core)
    );
    id
}

pub fn is_ours(version: &str) -> bool {
    version.starts_with(OURS) && version.contains(ON)
}

/// Whether a version of ours was put while `current` was the current one.
pub fn was_put_on(version: &str, current: &str) -> bool {
    is_ours(version) && version.split_once(ON).is_some_and(|(_, on)| on == core(current))
}

/// Whether a version of ours was put over that one, the AWSPREVIOUS of when it is current, or as the first of its secret.
pub fn was_put_over(version: &str, previous: Option<&str>) -> bool {
    match previous {
        Some(previous) => was_put_on(version, previous),
        None => is_ours(version) && version.ends_with(NOTHING_BEFORE),
    }
}

/// As much of an id as fits into another: all of a UUID, and of one of ours what is random in it. Its end would not do:
/// the ids of a whole chain of file values end alike.
fn core(version: &str) -> &str {
    let ours = version.strip_prefix(OURS).and_then(|rest| rest.split_once(ON));
    if let Some((random, _)) = ours {
        return random;
    }
    let cut = version.len().saturating_sub(36);
    version.get(cut..).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_the_version_it_was_put_on() {
        let rotated = "6e478260-f1cb-bf71-62bd-570b6c409310";
        let first = new_version(None);
        let second = new_version(Some(&first));
        let third = new_version(Some(rotated));
        for id in [&first, &second, &third, &new_version(Some(&second))] {
            assert!((32..=64).contains(&id.len()) && is_ours(id), "{id}");
        }
        assert!(was_put_on(&second, &first) && was_put_on(&third, rotated));
        assert!(!was_put_on(&third, &first) && !was_put_on(rotated, rotated));
        let fourth = new_version(Some(&second));
        assert!(
            was_put_on(&fourth, &second) && !was_put_on(&fourth, &first),
            "{first} {second} {fourth}"
        );
        assert!(was_put_over(&first, None) && was_put_over(&second, Some(&first)));
        assert!(!was_put_over(&second, None) && !was_put_over(&first, Some(rotated)) && !was_put_over(rotated, None));
        assert_ne!(new_version(None), new_version(None));
    }
}
