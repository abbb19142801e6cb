//! Faults: what goes wrong between a client and AWS, per service, operation and resource.
//!
//! A fault says which calls it meets (`on`, `subject_contains`, `skip`, `times`) and what happens to them. It acts on
//! calls over HTTP only; [`LocalAws::call`](crate::LocalAws::call) goes past it.

mod rate;

use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

use crate::api::ApiError;
use rate::Buckets;

/// A fault. Without `times` it lasts until [`LocalAws::clear_faults`](crate::LocalAws::clear_faults); without a kind it is a 500.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    service: String,
    operation: String,
    #[serde(default)]
    subject_contains: Option<String>,
    #[serde(default)]
    skip: usize,
    #[serde(default)]
    times: Option<usize>,
    #[serde(default)]
    kind: Kind,
    #[serde(skip)]
    buckets: Buckets,
}

/// What happens to a call that a fault meets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// `ThrottlingException`, 400 (S3: `SlowDown`, 503; SQS: `RequestThrottled`, 400).
    Throttle,
    /// The same for what comes faster than so many calls a second.
    Rate(u32),
    /// `InternalFailure`, 500.
    #[default]
    ServerError,
    /// `AccessDeniedException`, 400 (S3: `AccessDenied`, 403; SQS: 403).
    AccessDenied,
    /// Any other error.
    Error { code: String, message: String, status: u16 },
    /// No answer, ever.
    Timeout,
    /// The connection is reset before the call is processed.
    Reset,
    /// The call is processed, then the connection is reset: the answer is lost.
    ResetAfter,
    /// The call takes this much longer.
    LatencyMs(u64),
    /// 200 without a body or a header of the service; the call is not processed.
    Hollow,
    /// The call is processed, then answered so.
    HollowAfter,
    /// 200 and a body of spaces without an end: so many of them, each so many milliseconds.
    EndlessBody { bytes: usize, every_ms: u64 },
    /// There is always a next page, the first one over again: so many tokens go round.
    EndlessPages(u64),
}

impl Fault {
    /// Meets calls of `service` (`ecr`, `secretsmanager`, `sqs`, `kms`, `s3` or `*`) and `operation` (a name or `*`).
    pub fn on(service: impl Into<String>, operation: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            operation: operation.into(),
            subject_contains: None,
            skip: 0,
            times: None,
            kind: Kind::default(),
            buckets: Buckets::default(),
        }
    }

    /// Only calls whose subject (see [`Call::subject`](crate::Call::subject)) contains this.
    #[must_use]
    pub fn subject_contains(mut self, part: impl Into<String>) -> Self {
        self.subject_contains = Some(part.into());
        self
    }

    /// Lets the first `n` such calls pass.
    #[must_use]
    pub fn skip(mut self, n: usize) -> Self {
        self.skip = n;
        self
    }

    /// Meets `n` calls, then is gone.
    #[must_use]
    pub fn times(mut self, n: usize) -> Self {
        self.times = Some(n);
        self
    }

    /// Answers with this error; S3 gets it as XML.
    #[must_use]
    pub fn error(self, code: impl Into<String>, message: impl Into<String>, status: u16) -> Self {
        self.kind(Kind::Error {
            code: code.into(),
            message: message.into(),
            status,
        })
    }

    /// Answers `ThrottlingException`, 400 (S3: `SlowDown`, 503; SQS: `RequestThrottled`, 400).
    #[must_use]
    pub fn throttle(self) -> Self {
        self.kind(Kind::Throttle)
    }

    /// Lets so many calls a second pass, of each operation that it meets, and answers the others as
    /// [`Fault::throttle`] does. One second's worth may come in a burst; what was used up comes back evenly, in real
    /// time. It does not use up `times`: a limit lasts until [`LocalAws::clear_faults`](crate::LocalAws::clear_faults).
    #[must_use]
    pub fn rate(self, per_second: u32) -> Self {
        self.kind(Kind::Rate(per_second))
    }

    /// Answers an internal error, 500.
    #[must_use]
    pub fn server_error(self) -> Self {
        self.kind(Kind::ServerError)
    }

    /// Answers `AccessDeniedException`, 400 (S3: `AccessDenied`, 403; SQS: 403).
    #[must_use]
    pub fn access_denied(self) -> Self {
        self.kind(Kind::AccessDenied)
    }

    /// Never answers, until the client gives up or the server stops. The call is not processed.
    #[must_use]
    pub fn timeout(self) -> Self {
        self.kind(Kind::Timeout)
    }

    /// Resets the TCP connection before the call is processed.
    #[must_use]
    pub fn reset(self) -> Self {
        self.kind(Kind::Reset)
    }

    /// Processes the call, then resets the TCP connection: the client cannot know that it happened.
    #[must_use]
    pub fn reset_after(self) -> Self {
        self.kind(Kind::ResetAfter)
    }

    /// Makes the call take this much longer. Other faults may still meet it.
    #[must_use]
    pub fn latency(self, by: Duration) -> Self {
        self.kind(Kind::LatencyMs(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Answers 200 with nothing in it, and does not process the call.
    #[must_use]
    pub fn hollow(self) -> Self {
        self.kind(Kind::Hollow)
    }

    /// Processes the call, then answers 200 with nothing in it.
    #[must_use]
    pub fn hollow_after(self) -> Self {
        self.kind(Kind::HollowAfter)
    }

    /// Answers 200 with a body of spaces that never ends: `bytes` of them, then, after this time, as many more. The call
    /// is not processed.
    #[must_use]
    pub fn endless_body(self, bytes: usize, every: Duration) -> Self {
        self.kind(Kind::EndlessBody {
            bytes,
            every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Answers a call that lists (of ECR or Secrets Manager) with its first page, over and over, and the token of a next
    /// one: so many tokens go round.
    #[must_use]
    pub fn endless_pages(self, tokens: u64) -> Self {
        self.kind(Kind::EndlessPages(tokens))
    }

    fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    fn meets(&self, service: &str, operation: &str, subject: &str) -> bool {
        matches_name(&self.service, service)
            && matches_name(&self.operation, operation)
            && self.subject_contains.as_ref().is_none_or(|part| subject.contains(part))
    }

    /// Counts one call that it meets, and says whether it acts on it.
    fn acts(&mut self, service: &str, operation: &str, now: Instant) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Kind::Rate(per_second) = self.kind {
            return !self.buckets.pass(&format!("{service}:{operation}"), per_second, now);
        }
        match &mut self.times {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }
}

/// Does the name in a fault or hook (`*` for any) mean this one?
pub(crate) fn matches_name(wanted: &str, name: &str) -> bool {
    wanted == "*" || wanted == name
}

/// What a call has to suffer, all faults taken together.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) delay: Duration,
    pub(crate) fate: Fate,
}

/// How a call ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    #[default]
    Served,
    Refused(ApiError),
    Hangs,
    Reset,
    ResetAfter,
    Hollow,
    HollowAfter,
    EndlessBody {
        bytes: usize,
        every: Duration,
    },
    EndlessPages(u64),
}

/// Asks all faults about one call that comes now: latencies add up, and the first fault of another kind decides the
/// fate.
pub(crate) fn judge(faults: &mut Vec<Fault>, now: Instant, service: &str, operation: &str, subject: &str) -> Verdict {
    let mut verdict = Verdict::default();
    for fault in faults.iter_mut() {
        if !fault.meets(service, operation, subject) || !fault.acts(service, operation, now) {
            continue;
        }
        if let Kind::LatencyMs(ms) = fault.kind {
            verdict.delay += Duration::from_millis(ms);
            continue;
        }
        verdict.fate = fate(&fault.kind, service, operation, subject);
        break;
    }
    faults.retain(|fault| fault.times != Some(0));
    verdict
}

fn fate(kind: &Kind, service: &str, operation: &str, subject: &str) -> Fate {
    let (s3, sqs) = (service == "s3", service == "sqs");
    let refused = |code: &str, message: String, status| {
        Fate::Refused(ApiError {
            code: code.to_owned(),
            message,
            status,
        })
    };
    match kind {
        Kind::Throttle | Kind::Rate(_) if s3 => refused("SlowDown", "Please reduce your request rate.".to_owned(), 503),
        Kind::Throttle | Kind::Rate(_) if sqs => refused("RequestThrottled", "Request is throttled.".to_owned(), 400),
        Kind::Throttle | Kind::Rate(_) => refused("ThrottlingException", "Rate exceeded".to_owned(), 400),
        Kind::ServerError if s3 => refused(
            "InternalError",
            "We encountered an internal error. Please try again.".to_owned(),
            500,
        ),
        Kind::ServerError if service == "secretsmanager" => refused(
            "InternalServiceError",
            "An error occurred on the server side.".to_owned(),
            500,
        ),
        Kind::ServerError if sqs => refused(
            "InternalFailure",
            "The request processing has failed because of an unknown error.".to_owned(),
            500,
        ),
        Kind::ServerError => refused(
            "ServerException",
            "These errors are usually caused by a server-side issue.".to_owned(),
            500,
        ),
        Kind::AccessDenied if s3 => refused("AccessDenied", "Access Denied".to_owned(), 403),
        Kind::AccessDenied => refused(
            "AccessDeniedException",
            format!(
                "User: arn:aws:sts::123456789012:assumed-role/local-aws/local-aws is not authorized to perform: \
                 {service}:{operation} on resource: {subject} because no identity-based policy allows the \
                 {service}:{operation} action"
            ),
            if sqs || service == "cloudformation" { 403 } else { 400 },
        ),
        Kind::Error { code, message, status } => refused(code, message.clone(), *status),
        Kind::Timeout => Fate::Hangs,
        Kind::Reset => Fate::Reset,
        Kind::ResetAfter => Fate::ResetAfter,
        Kind::Hollow => Fate::Hollow,
        Kind::HollowAfter => Fate::HollowAfter,
        Kind::EndlessBody { bytes, every_ms } => Fate::EndlessBody {
            bytes: *bytes,
            every: Duration::from_millis(*every_ms),
        },
        Kind::EndlessPages(tokens) => Fate::EndlessPages(*tokens),
        Kind::LatencyMs(_) => Fate::Served,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(fault: Fault, calls: &[(&str, &str)]) -> Vec<bool> {
        let mut faults = vec![fault];
        calls
            .iter()
            .map(|(op, subject)| judge(&mut faults, Instant::now(), "ecr", op, subject).fate != Fate::Served)
            .collect()
    }

    #[test]
    fn skips_then_meets_a_number_of_calls_then_is_gone() {
        let call = ("CreatePullThroughCacheRule", "dockerhub");
        let fault = Fault::on("ecr", call.0).skip(1).times(2).throttle();
        assert_eq!(fates(fault, &[call; 5]), [false, true, true, false, false]);
    }

    #[test]
    fn meets_only_its_operation_and_subject() {
        let fault = Fault::on("ecr", "Delete").subject_contains("git").reset();
        assert_eq!(
            fates(fault, &[("Delete", "gitlab"), ("Delete", "docker"), ("Put", "gitlab")]),
            [true, false, false]
        );
    }

    #[test]
    fn latencies_add_up_and_leave_room_for_another_fault() {
        let mut faults = vec![
            Fault::on("*", "*").latency(Duration::from_millis(3)),
            Fault::on("ecr", "*").latency(Duration::from_millis(4)),
            Fault::on("ecr", "*").timeout(),
        ];
        let verdict = judge(&mut faults, Instant::now(), "ecr", "X", "");
        assert_eq!((verdict.delay, verdict.fate), (Duration::from_millis(7), Fate::Hangs));
    }

    #[test]
    fn a_rate_limit_throttles_what_is_too_fast_and_lasts() -> Result<(), serde_json::Error> {
        let json = r#"{"service":"ecr","operation":"*","skip":1,"times":1,"kind":{"rate":2}}"#;
        let (mut faults, start) = (vec![serde_json::from_str(json)?], Instant::now());
        let mut passes = |op: &str, ms: u64| {
            judge(&mut faults, start + Duration::from_millis(ms), "ecr", op, "").fate == Fate::Served
        };
        let (first, later) = (
            ["Put"; 4].map(|op| passes(op, 0)),
            ["Get", "Put", "Put"].map(|op| passes(op, 500)),
        );
        assert_eq!((first, later), ([true, true, true, false], [true, true, false]));
        assert!(!faults.is_empty());
        Ok(())
    }

    #[test]
    fn a_call_that_another_fault_met_costs_no_token() {
        let mut faults = vec![
            Fault::on("ecr", "Put").times(2).server_error(),
            Fault::on("ecr", "Put").rate(1),
        ];
        let now = Instant::now();
        let mut served = || judge(&mut faults, now, "ecr", "Put", "").fate == Fate::Served;
        assert_eq!([served(), served(), served(), served()], [false, false, true, false]);
    }

    #[test]
    fn has_a_json_form() -> Result<(), serde_json::Error> {
        let json = r#"{"service":"s3","operation":"PutObject","times":1,"kind":{"error":{"code":"ConditionalRequestConflict","message":"m","status":409}}}"#;
        let mut faults = vec![serde_json::from_str(json)?];
        let error = ApiError {
            code: "ConditionalRequestConflict".to_owned(),
            message: "m".to_owned(),
            status: 409,
        };
        assert_eq!(
            judge(&mut faults, Instant::now(), "s3", "PutObject", "").fate,
            Fate::Refused(error)
        );
        assert!(faults.is_empty());
        for (kind, fate) in [
            (r#""hollow""#, Fate::Hollow),
            (r#""hollow_after""#, Fate::HollowAfter),
            (
                r#"{"endless_body":{"bytes":1,"every_ms":9}}"#,
                Fate::EndlessBody {
                    bytes: 1,
                    every: Duration::from_millis(9),
                },
            ),
            (r#"{"endless_pages":2}"#, Fate::EndlessPages(2)),
        ] {
            let json = format!(r#"{{"service":"ecr","operation":"*","kind":{kind}}}"#);
            assert_eq!(
                judge(&mut vec![serde_json::from_str(&json)?], Instant::now(), "ecr", "X", "").fate,
                fate
            );
        }
        Ok(())
    }
}
