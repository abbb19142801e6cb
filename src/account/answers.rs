//! What is taken for an answer: one with an end, that says what it must.
//!
//! A proxy, or a fault of AWS's, may answer 200 and mean nothing by it. To the SDK that is a success with all members absent.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{AwsError, ErrorKind};

/// The code of an answer that lacks what each answer to the call has.
const HOLLOW: &str = "HollowAnswer";

/// A member that AWS sends in each answer to an operation.
pub(super) fn said<T>(operation: &'static str, member: Option<T>) -> Result<T, AwsError> {
    member.ok_or_else(|| {
        let message =
            "the answer is a success and says nothing of what was asked; whether AWS took the call is not known";
        AwsError::of(operation, HOLLOW, message, ErrorKind::Transient)
    })
}

impl AwsError {
    /// Whether AWS answered with a success that says nothing.
    pub fn is_hollow(&self) -> bool {
        self.is(HOLLOW)
    }
}

/// The pages of one listing, which must come to an end.
#[derive(Debug)]
pub struct Pages {
    operation: &'static str,
    most: usize,
    /// Hashes of the tokens so far.
    seen: HashSet<u64>,
}

impl Pages {
    /// Those of `operation`, of which no real account has more than `most`: AWS may give fewer items a page than it is
    /// asked for, but not one each.
    pub fn of(operation: &'static str, most: usize) -> Self {
        Self {
            operation,
            most,
            seen: HashSet::new(),
        }
    }

    /// Looks at the token that a page has for the next one.
    ///
    /// # Errors
    /// When a page before had it too, or when there are too many.
    pub fn go_on(&mut self, token: Option<&str>) -> Result<(), AwsError> {
        let Some(token) = token else { return Ok(()) };
        let mut hasher = DefaultHasher::new();
        token.hash(&mut hasher);
        let message = if !self.seen.insert(hasher.finish()) {
            "the pages go round in a circle: the token of one came a second time".to_owned()
        } else if self.seen.len() >= self.most {
            format!("there are more than {} pages, and no end", self.most)
        } else {
            return Ok(());
        };
        Err(AwsError::of(
            self.operation,
            "EndlessPages",
            message,
            ErrorKind::Transient,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end() {
        let mut pages = Pages::of("ListSecrets", 3);
        assert_eq!(pages.go_on(None), Ok(()));
        assert_eq!(pages.go_on(Some("a")), Ok(()));
        assert_eq!(pages.go_on(Some("b")), Ok(()));
        assert!(
            pages
                .go_on(Some("c"))
                .is_err_and(|error| error.message.contains("more than 3"))
        );
        let mut pages = Pages::of("ListSecrets", 9);
        assert_eq!((pages.go_on(Some("a")), pages.go_on(Some("b"))), (Ok(()), Ok(())));
        assert!(
            pages
                .go_on(Some("a"))
                .is_err_and(|error| error.message.contains("circle"))
        );
    }
}
