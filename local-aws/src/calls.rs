//! The call log: what clients asked for over HTTP, in the order it was answered.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One call over HTTP.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Its number, from 1; goes on counting when the log is cleared.
    pub n: usize,
    /// `ecr`, `secretsmanager`, `sqs`, `kms`, `s3`, `sts` or `lambda`.
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
    /// Access key id of the signature: tells two processes apart.
    pub principal: String,
}

impl Call {
    /// What it is counted as: `service:Operation`, and `!Code` after it if it was throttled.
    pub(crate) fn kind(&self) -> String {
        const THROTTLED: [&str; 4] =
            ["ThrottlingException", "RequestThrottled", "SlowDown", "TooManyRequestsException"];
        let (service, operation) = (&self.service, &self.operation);
        match self.error.as_deref().filter(|code| THROTTLED.contains(code)) {
            Some(code) => format!("{service}:{operation}!{code}"),
            None => format!("{service}:{operation}"),
        }
    }
}

/// Whether an operation changes anything. Validating a credential and previewing a lifecycle policy change nothing;
/// receiving a message counts as a look at it.
pub(crate) fn is_write(service: &str, operation: &str) -> bool {
    let reading: &[&str] = match service {
        "s3" => &["Get", "Head", "List"],
        "sqs" => &["Get", "List", "Receive"],
        "kms" => &["Encrypt", "Decrypt"],
        "secretsmanager" => &["Get", "Describe", "List", "Validate", "BatchGet"],
        _ => &["Get", "Describe", "List", "Validate", "BatchGet", "BatchCheck", "StartLifecyclePolicyPreview"],
    };
    !reading.iter().any(|start| operation.starts_with(start))
}

/// What a JSON call is about, read from the members that name a resource.
pub(crate) fn subject(input: &Value) -> String {
    const NAMING: [&str; 12] = [
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
        assert!(["SendMessageBatch", "DeleteMessage", "ChangeMessageVisibility"].iter().all(|op| is_write("sqs", op)));
    }

    #[test]
    fn finds_the_subject() {
        assert_eq!(subject(&json!({"SecretId": "a", "VersionId": "b"})), "a");
        assert_eq!(subject(&json!({"ecrRepositoryPrefixes": ["a", "b"]})), "a,b");
        assert_eq!(subject(&json!({"QueueUrl": "http://127.0.0.1:1/123456789012/work", "MessageBody": "x"})), "work");
        assert_eq!(subject(&json!({"QueueName": "work"})), "work");
        assert_eq!(subject(&json!({"maxResults": 3})), "");
    }
}
