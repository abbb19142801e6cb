//! What AWS holds, seen through a [`Reader`] and changed through a [`Writer`].
//!
//! The two are different types over the same clients: `plan` and `validate` are handed a reader only, so a dry run
//! that writes cannot be expressed. One file per service; each AWS quirk is dealt with where the call is made.

mod answers;
mod calls;
mod details;
mod error;
mod http;
mod images;
mod keys;
mod objects;
mod observe;
mod one_line;
mod outage;
mod queue;
mod repositories;
mod rules;
mod secrets;
mod source;
mod state;
mod templates;
mod whose;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

pub use answers::Pages;
pub use calls::Calls;
pub(crate) use error::foreign_text;
pub use error::{AwsError, ErrorKind};
pub use http::{bounded, http_client};
pub use images::MEDIA_TYPES;
pub use objects::{Condition, Object, ObjectError, ObjectIdentity};
pub use observe::{observe, observe_again, rules_and_templates, snapshot};
pub use one_line::{causes, one_line};
pub use queue::{QueueMessage, Redrive};
pub use repositories::{Preview, PreviewStatus, Repository};
pub use rules::{Proof, Rule};
pub use secrets::{
    Binding, CONFIGURED, CURRENT, FILE_PENDING, FILE_REFUSED, Label, ListedSecret, NewSecret, PENDING, PREVIOUS,
    PROVEN, REJECTED, ROLLING_BACK, Secret, UNBOUND, VersionValue,
};
pub use source::{SourceState, SourceTrouble, SourceValue};
pub use state::{Account, SecretState, Snapshot, View, wanted};
pub use templates::{Template, TemplateSpec};

/// A time as AWS tells it; one that no calendar has is none.
fn time(date: DateTime) -> Option<Timestamp> {
    Timestamp::new(date.secs(), i32::try_from(date.subsec_nanos()).ok()?).ok()
}

/// Reads, and nothing else.
#[derive(Debug, Clone)]
pub struct Reader {
    ecr: aws_sdk_ecr::Client,
    repositories: aws_sdk_ecr::Client,
    secrets: aws_sdk_secretsmanager::Client,
    s3: aws_sdk_s3::Client,
    keys: keys::Keys,
    calls: Calls,
}

/// Writes. Made with the reader, of the same clients; a run gets it only when it is to apply.
#[derive(Debug, Clone)]
pub struct Writer {
    ecr: aws_sdk_ecr::Client,
    repositories: aws_sdk_ecr::Client,
    secrets: aws_sdk_secretsmanager::Client,
    s3: aws_sdk_s3::Client,
    queue: aws_sdk_sqs::Client,
}

/// How AWS is asked, by the function and by people: pinned, so that a new SDK changes no behaviour by itself.
pub fn loader() -> ConfigLoader {
    aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http_client())
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_secs(10))
                .operation_timeout(Duration::from_secs(45))
                .build(),
        )
}

/// The same where credentials stand in variables, as Lambda's do: the other places that the SDK would look into after them
/// are not even set up.
pub fn loader_in_lambda() -> ConfigLoader {
    let is_set = |name| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    if is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY") {
        loader().credentials_provider(EnvironmentVariableCredentialsProvider::new())
    } else {
        loader()
    }
}

/// Builds the clients. This makes no call.
pub fn connect(config: &SdkConfig) -> (Reader, Writer) {
    let calls = Calls::default();
    let ecr = aws_sdk_ecr::config::Builder::from(config)
        .interceptor(calls.clone())
        .build();
    // Calls for each of thousands of repositories go through throttle (`crate::throttle`), which must see every throttling
    // answer, and whose retries the SDK's would multiply. The SDK's adaptive mode is no substitute: it keeps one rate
    // for all operations of a client, gives up after its attempts, and its waits count against the time-out.
    let repositories = aws_sdk_ecr::config::Builder::from(config)
        .interceptor(calls.clone())
        .retry_config(RetryConfig::disabled())
        .build();
    let secrets = aws_sdk_secretsmanager::config::Builder::from(config)
        .interceptor(calls.clone())
        .build();
    let queue = aws_sdk_sqs::config::Builder::from(config)
        .interceptor(calls.clone())
        .build();
    let ecr = aws_sdk_ecr::Client::from_conf(ecr);
    let repositories = aws_sdk_ecr::Client::from_conf(repositories);
    let secrets = aws_sdk_secretsmanager::Client::from_conf(secrets);
    let s3 = s3_client(config, &calls);
    let queue = aws_sdk_sqs::Client::from_conf(queue);
    let writer = Writer {
        ecr: ecr.clone(),
        repositories: repositories.clone(),
        secrets: secrets.clone(),
        s3: s3.clone(),
        queue,
    };
    let keys = keys::Keys::new(config, &calls);
    (
        Reader {
            ecr,
            repositories,
            secrets,
            s3,
            keys,
            calls,
        },
        writer,
    )
}

/// S3 as everything here asks it; `calls` counts.
pub fn s3_client(config: &SdkConfig, calls: &Calls) -> aws_sdk_s3::Client {
    // Path style when an endpoint is given by hand: a stand-in on loopback has no host name per bucket.
    let has_own_endpoint = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let s3 = aws_sdk_s3::config::Builder::from(config)
        .interceptor(calls.clone())
        .force_path_style(has_own_endpoint);
    aws_sdk_s3::Client::from_conf(s3.build())
}

impl Reader {
    /// How many requests have been sent since the process started, retries included.
    pub fn calls(&self) -> u64 {
        self.calls.made()
    }
}
