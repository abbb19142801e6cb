//! ECR's own event about a pull through the cache, sent when one is attempted (ECR user guide, "Amazon ECR events and
//! EventBridge", "Event for a pull through cache action").
//!
//! Which words stand for a failure is not documented, so whatever is not `SUCCESS` is one. Tag, digest, code and reason may be
//! absent. Events come on a best-effort basis: some never, some twice, in any order.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{FunctionContext, Job, Kind, UnknownEvent, shown};

pub(super) const DETAIL_TYPE: &str = "ECR Pull Through Cache Action";

const SUCCESS: &str = "SUCCESS";

/// A pull that failed, as ECR tells it. The texts are as they came; whoever shows one bounds and masks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFailure {
    /// The event's, which tells two deliveries of one from two failures.
    pub id: String,
    pub at: Timestamp,
    /// The prefix of the rule.
    pub prefix: String,
    pub upstream: String,
    pub repository: String,
    pub tag: Option<String>,
    pub code: Option<String>,
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    time: Timestamp,
    account: String,
    region: String,
    detail: Detail,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    sync_status: String,
    ecr_repository_prefix: String,
    repository_name: String,
    upstream_registry_url: String,
    image_tag: Option<String>,
    failure_code: Option<String>,
    failure_reason: Option<String>,
}

/// Reads an event about a pull.
pub(super) fn from_eventbridge(event: &Value, place: &FunctionContext<'_>) -> Result<(Kind, Job), UnknownEvent> {
    let ignored = |reason: String| Ok((Kind::PullFailure, Job::Ignore(reason)));
    let Event {
        id,
        time,
        account,
        region,
        detail,
    } = Event::deserialize(event).map_err(|error| UnknownEvent::Malformed {
        what: "ECR's event about a pull",
        why: shown(&error.to_string()),
    })?;
    let is_own = |own: &str, theirs: &str| own.is_empty() || own == theirs;
    if !is_own(place.account, &account) || !is_own(place.region, &region) {
        let (account, region) = (shown(&account), shown(&region));
        return ignored(format!(
            "the pull was made in another account or Region than this function's: {account}, {region}"
        ));
    }
    if detail.sync_status == SUCCESS {
        return ignored("the pull succeeded".to_owned());
    }
    let failure = PullFailure {
        id,
        at: time,
        prefix: detail.ecr_repository_prefix,
        upstream: detail.upstream_registry_url,
        repository: detail.repository_name,
        tag: detail.image_tag,
        code: detail.failure_code,
        reason: detail.failure_reason,
    };
    Ok((Kind::PullFailure, Job::PullFailures(vec![failure])))
}
