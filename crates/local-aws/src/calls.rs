//! The call log: what clients asked for over HTTP, in the order it was answered.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// One call over HTTP.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Its number, from 1; goes on counting when the log is cleared.
    pub n: usize,
    /// `ecr`, `secretsmanager`, `sqs`, `kms`, `s3`, `sts`, `iam` or `lambda`.
    pub service: String,
    /// For example `CreatePullThroughCacheRule`.
    pub operation: String,
    /// What it is about: the prefix, repository, secret id or name, name of the queue, key, or `bucket/key`. Several are joined
    /// with commas.
    pub subject: String,
    /// HTTP status of the answer; 0 if the connection was reset or never answered.
    pub status: u16,
    /// AWS's error code; `local-aws:reset` and `local-aws:timeout` for an answer that did not reach the client.
    pub error: Option<String>,
    /// Whether the operation changes anything.
    pub write: bool,
    /// When it was answered, by the stand-in's clock.
    pub at: Timestamp,
    /// When it came, counted from the start of the stand-in by a clock that never jumps.
    pub began: Duration,
    /// When its answer was ready, by the same clock.
    pub ended: Duration,
    /// Access key id of the signature: tells two processes apart.
    pub principal: String,
}

impl Call {
    /// What it is counted as: `service:Operation`, and `!Code` after it if it was throttled.
    pub(crate) fn kind(&self) -> String {
        const THROTTLED: [&str; 4] = [
            "ThrottlingException",
            "RequestThrottled",
            "SlowDown",
            "TooManyRequestsException",
        ];
        let (service, operation) = (&self.service, &self.operation);
        match self.error.as_deref().filter(|code| THROTTLED.contains(code)) {
            Some(code) => format!("{service}:{operation}!{code}"),
            None => format!("{service}:{operation}"),
        }
    }
}

/// How many sequential round trips calls come to: the longest chain of calls of which each began after the one before had
/// ended. What ran side by side counts once, so this is what a run waits for, whatever else it asks for meanwhile.
#[must_use]
pub fn rounds(calls: &[Call]) -> usize {
    let mut by_end: Vec<&Call> = calls.iter().collect();
    by_end.sort_by_key(|call| call.ended);
    let (mut rounds, mut free_from) = (0, None);
    // To take the call that ends first leaves the most room for others: no other choice gives a longer chain.
    for call in by_end {
        if free_from.is_none_or(|free| call.began > free) {
            rounds += 1;
            free_from = Some(call.ended);
        }
    }
    rounds
}

/// Whether an operation changes anything. Validating a credential and previewing a lifecycle policy change nothing;
/// receiving a message counts as a look at it.
pub(crate) fn is_write(service: &str, operation: &str) -> bool {
    let reading: &[&str] = match service {
        "s3" => &["Get", "Head", "List"],
        "sqs" => &["Get", "List", "Receive"],
        "kms" => &["Encrypt", "Decrypt"],
        "secretsmanager" => &["Get", "Describe", "List", "Validate", "BatchGet"],
        _ => &[
            "Get",
            "Describe",
            "List",
            "Validate",
            "BatchGet",
            "BatchCheck",
            "Simulate",
            "StartLifecyclePolicyPreview",
        ],
    };
    !reading.iter().any(|start| operation.starts_with(start))
}

/// What a JSON call is about, read from the members that name a resource.
pub(crate) fn subject(input: &Value) -> String {
    const NAMING: [&str; 13] = [
        "ecrRepositoryPrefix",
        "prefix",
        "repositoryName",
        "SecretId",
        "Name",
        "resourceArn",
        "ecrRepositoryPrefixes",
        "prefixes",
        "repositoryNames",
        "QueueName",
        "FunctionName",
        "KeyId",
        "PolicySourceArn",
    ];
    if let Some(url) = input.get("QueueUrl").and_then(Value::as_str) {
        return url.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let named = NAMING.iter().find_map(|name| input.get(name));
    match named {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tells_writes_from_reads() {
        assert!(is_write("ecr", "CreatePullThroughCacheRule"));
        assert!(is_write("secretsmanager", "UpdateSecretVersionStage"));
        assert!(is_write("s3", "PutObject"));
        assert!(!is_write("ecr", "ValidatePullThroughCacheRule"));
        assert!(!is_write("ecr", "StartLifecyclePolicyPreview"));
        assert!(!is_write("s3", "HeadObject"));
        assert!(!is_write("sqs", "ReceiveMessage"));
        assert!(
            ["SendMessageBatch", "DeleteMessage", "ChangeMessageVisibility"]
                .iter()
                .all(|op| is_write("sqs", op))
        );
    }

    fn between(began: u64, ended: u64) -> Call {
        Call {
            n: 0,
            service: String::new(),
            operation: String::new(),
            subject: String::new(),
            status: 200,
            error: None,
            write: false,
            at: Timestamp::UNIX_EPOCH,
            began: Duration::from_millis(began),
            ended: Duration::from_millis(ended),
            principal: String::new(),
        }
    }

    #[test]
    fn what_runs_side_by_side_is_one_round() {
        for (spans, expected) in [
            (&[][..], 0),
            (&[(0, 5)], 1),
            (&[(0, 5), (6, 9), (10, 12)], 3),
            (&[(0, 5), (1, 5), (2, 6)], 1),
            // Two after one another beside a long one.
            (&[(0, 20), (1, 5), (6, 9)], 2),
            // The order of the log does not matter, and a call that begins in the moment another ends did not wait for it.
            (&[(6, 9), (0, 5), (9, 12)], 2),
            // Four at a time, each followed by the next as soon as it is done.
            (&[(0, 5), (0, 6), (6, 10), (7, 11), (11, 15), (12, 16)], 3),
        ] {
            let calls: Vec<Call> = spans.iter().map(|(began, ended)| between(*began, *ended)).collect();
            assert_eq!(rounds(&calls), expected, "{spans:?}");
        }
    }

    #[test]
    fn finds_the_subject() {
        assert_eq!(subject(&json!({"SecretId": "a", "VersionId": "b"})), "a");
        assert_eq!(subject(&json!({"ecrRepositoryPrefixes": ["a", "b"]})), "a,b");
        assert_eq!(
            subject(&json!({"QueueUrl": "http://127.0.0.1:1/123456789012/work", "MessageBody": "x"})),
            "work"
        );
        assert_eq!(subject(&json!({"QueueName": "work"})), "work");
        assert_eq!(subject(&json!({"maxResults": 3})), "");
    }
}
