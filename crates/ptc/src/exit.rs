//! How a command ends.

use std::process::ExitCode;

use ecr_pull_through_sync::report::Outcome;

use crate::ui::Failure;

/// How a command ends, from good to bad: of several stacks the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// All is as it should be.
    Good,
    /// A plan with something to do.
    Changes,
    /// The time to wait is over.
    TimedOut,
    /// Something is wrong, whatever else there is.
    Failed,
}

impl Ending {
    pub fn status(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Changes => 2,
            Self::TimedOut => 3,
            Self::Failed => 1,
        }
    }

    /// How a command ends that could not do its work.
    pub fn of_failure(failure: &Failure) -> Self {
        match failure {
            Failure::TimedOut(_) => Self::TimedOut,
            _ => Self::Failed,
        }
    }

    /// How a run of the function counts.
    pub fn of_run(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Converged | Outcome::Changed => Self::Good,
            _ => Self::Failed,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_worst_counts() {
        let worst = |endings: &[Ending]| endings.iter().max().map(|ending| ending.status());
        assert_eq!(worst(&[Ending::Good, Ending::Changes]), Some(2));
        assert_eq!(worst(&[Ending::TimedOut, Ending::Good]), Some(3));
        assert_eq!(worst(&[Ending::Changes, Ending::Failed, Ending::TimedOut]), Some(1));
    }
}
