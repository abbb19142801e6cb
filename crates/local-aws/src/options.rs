//! How a stand-in account is set up.

use std::time::Duration;

/// What a [`LocalAws`](crate::LocalAws) is started with. The defaults are a calm account: nothing lags, nothing is small.
#[derive(Debug, Clone)]
pub struct Options {
    pub account: String,
    /// The only region it serves. A request signed for another one is refused, as AWS does.
    pub region: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// ECR sees a new secret only after this: the eventual consistency that makes rule creation fail for some seconds.
    pub secret_visible_after: Duration,
    /// `ListSecrets` shows a new secret, or a deletion, only after this (minutes on AWS).
    pub list_lag: Duration,
    /// `PutSecretValue` whose labels lack `AWSCURRENT` moves `AWSCURRENT` all the same. AWS's two descriptions
    /// disagree about it, so code has to be right either way.
    pub put_moves_current: bool,
    /// A cap on every page, so that a test sees pagination without a hundred resources.
    pub page_size: Option<usize>,
    /// TCP port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Pull-through cache rules that fit into the account.
    pub rule_quota: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            partition: "aws".to_owned(),
            secret_visible_after: Duration::ZERO,
            list_lag: Duration::ZERO,
            put_moves_current: false,
            page_size: None,
            port: 0,
            rule_quota: 50,
        }
    }
}
