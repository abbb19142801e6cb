//! What every service of the stand-in shares: the error AWS would answer, and the surroundings of a call.

use jiff::Timestamp;
use serde_json::Value;

/// What is served, for messages.
pub(crate) const SERVICES: &str = "ecr, secretsmanager, sqs, s3, Encrypt and Decrypt of kms, GetCallerIdentity of sts, SimulatePrincipalPolicy of iam, DescribeStacks of cloudformation, and GetFunctionConfiguration of lambda";

/// An error as AWS answers it: the code an SDK matches on, the text a person reads, the HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The error code, for example `PullThroughCacheRuleNotFoundException`.
    pub code: String,
    /// AWS's sentence.
    pub message: String,
    /// HTTP status: 400 for most client errors of the JSON protocols, 500 for server errors.
    pub status: u16,
}

impl ApiError {
    /// A client error (HTTP 400), the usual answer of the JSON protocols.
    pub fn client(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status: 400,
        }
    }
}

pub type Answer = Result<Value, ApiError>;

/// The surroundings of one call: whose account, where, and when.
#[derive(Debug, Clone)]
pub struct CallContext {
    pub account: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The time of the call, from the stand-in's clock.
    pub now: Timestamp,
}

/// What ECR's service-linked role can see of Secrets Manager. Implemented by the Secrets Manager stand-in.
pub trait SecretSource {
    /// Looks a secret up by its full ARN. `None` when there is none, or when it is so new that ECR does not see it yet.
    fn secret(&self, arn: &str, now: Timestamp) -> Option<SeenSecret>;
}

/// A secret as ECR sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSecret {
    /// Scheduled for deletion: reading its value is refused.
    pub deleted: bool,
    /// The text of the version that carries `AWSCURRENT`; `None` for a binary or empty secret.
    pub current: Option<String>,
    /// Encrypted with a customer key, which ECR does not support.
    pub customer_key: bool,
}

/// A time as the JSON protocols write it: seconds since 1970, with milliseconds.
pub(crate) fn seconds(time: Timestamp) -> f64 {
    // A double holds the milliseconds of the next 285,000 years exactly.
    time.as_millisecond() as f64 / 1000.0
}
