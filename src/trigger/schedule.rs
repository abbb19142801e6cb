//! The clock: an EventBridge rule with a rate or cron expression, or EventBridge Scheduler.
//!
//! Both send `"detail-type": "Scheduled Event"`, from `aws.events` and `aws.scheduler`. Nothing else of the event is
//! used, which is as well: the rule's `detail` is `{}`, Scheduler's is the text `"{}"`.
//! (EventBridge user guide, "Creating a rule that runs on a schedule"; Scheduler user guide, "Managing targets".)

use super::{Job, Kind};

/// The `detail-type` of both.
pub(super) const DETAIL_TYPE: &str = "Scheduled Event";

/// A scheduled event: repair what has drifted.
pub(super) const fn read() -> (Kind, Job) {
    (Kind::Schedule, Job::APPLY)
}
