//! Why something failed or is held: a word for the kind, and a sentence for people.
//!
//! The word is what alarms go by. A sentence may have numbers and names in it that differ from run to run.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::AwsError;

/// A word for a kind of failure or hold. It stays the same from run to run and from release to release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// The account changed while the run was at work.
    pub const CHANGED_MEANWHILE: Self = Self::word("changed-meanwhile");
    /// Lambda's deadline, or a request to stop, came first.
    pub const DEADLINE: Self = Self::word("deadline");
    /// The file was deleted while the run was at work.
    pub const FILE_DELETED: Self = Self::word("file-deleted");
    /// More registries left the file than one run may delete.
    pub const LIMIT: Self = Self::word("limit");
    /// The upstream refuses the credential of the file, and what serves instead as well.
    pub const NOTHING_VALID: Self = Self::word("nothing-valid");
    /// The stack does not let a file do that.
    pub const NOT_ALLOWED: Self = Self::word("not-allowed");
    /// Its registry is not ready.
    pub const NOT_READY: Self = Self::word("not-ready");
    /// ECR shows another template than was written.
    pub const NOT_TAKEN: Self = Self::word("not-taken");
    /// Somebody else's rule points to the secret.
    pub const OTHER_RULE: Self = Self::word("other-rule");
    /// A local file would delete what the function's own file may still name.
    pub const OTHER_FILE: Self = Self::word("other-file");
    /// It carries our mark, but another stack seems to go by the same owner's name.
    pub const OTHER_HOLDER: Self = Self::word("other-holder");
    /// It carries the mark or the tag of another owner.
    pub const OTHER_OWNER: Self = Self::word("other-owner");
    /// The quota of rules is used up.
    pub const QUOTA: Self = Self::word("quota");
    /// A secret that a `secret:` of the file names is never written.
    pub const REFERENCED: Self = Self::word("referenced");
    /// The upstream refuses the credential.
    pub const REFUSED: Self = Self::word("refused");
    /// A registry of the file that may be the new name of what is to be deleted is not ready.
    pub const REPLACEMENT_NOT_READY: Self = Self::word("replacement-not-ready");
    /// A `secret:` of the file is scheduled for deletion.
    pub const SECRET_IN_DELETION: Self = Self::word("secret-in-deletion");
    /// A `secret:` of the file is not there.
    pub const SECRET_MISSING: Self = Self::word("secret-missing");
    /// The secret that a credential is to be copied from cannot be used.
    pub const SOURCE: Self = Self::word("source");
    /// A rule that is not ours points elsewhere.
    pub const TAKE_OVER: Self = Self::word("take-over");
    /// A repository cannot take as many tags.
    pub const TOO_MANY_TAGS: Self = Self::word("too-many-tags");
    /// Nobody could say whether the upstream takes the credential.
    pub const UNCHECKED: Self = Self::word("unchecked");
    /// A secret that nobody has marked holds something else than a credential.
    pub const UNUSABLE_SECRET: Self = Self::word("unusable-secret");
    /// A lifecycle policy would expire or archive images.
    pub const WOULD_EXPIRE: Self = Self::word("would-expire");

    /// A secret's values are for another host.
    pub const WRONG_HOST: Self = Self::word("wrong-host");

    const fn word(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// `<Operation>:<ErrorCode>` of a call that AWS did not carry out.
    fn of_call(error: &AwsError) -> Self {
        if error.is_out_of_time() {
            return Self::DEADLINE;
        }
        let code = error
            .code
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
            .take(100);
        Self(Cow::Owned(format!("{}:{}", error.operation, code.collect::<String>())))
    }

    /// As the report writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why something failed or is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    pub reason: Reason,
    pub message: String,
    /// Whether another try may go better.
    pub transient: bool,
}

impl Cause {
    /// One that another try cannot help.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            transient: false,
        }
    }

    /// One that another try may help.
    pub fn for_now(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            transient: true,
            ..Self::new(reason, message)
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<AwsError> for Cause {
    fn from(error: AwsError) -> Self {
        Self::from(&error)
    }
}

impl From<&AwsError> for Cause {
    fn from(error: &AwsError) -> Self {
        Self {
            reason: Reason::of_call(error),
            message: error.to_string(),
            transient: error.is_transient(),
        }
    }
}
