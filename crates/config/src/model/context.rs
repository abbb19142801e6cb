//! What is known of the account a file is for.

use std::collections::BTreeMap;

use super::arn;

/// What the checks need to know of the account the file is for. Where it is not known, as in a terminal without credentials, the checks
/// that need it are left out.
#[derive(Debug, Clone)]
pub struct Context {
    /// The account's 12 digits.
    pub account: Option<String>,
    /// The Region the Lambda works in.
    pub region: Option<String>,
    /// The partition, such as `aws`; empty where it is not known.
    pub partition: String,
    /// Whether TEMPLATE_ROLE_ARN is set. Without it, neither tags nor KMS can be used: ECR would fail each first
    /// pull ("Repository creation templates", aws/containers-roadmap#2398).
    pub template_role: bool,
    /// RESOURCE_TAGS, the tags that every resource gets.
    pub resource_tags: BTreeMap<String, String>,
}

impl Default for Context {
    /// Nobody knows which account it is for, and it has a role for templates.
    fn default() -> Self {
        Self {
            account: None,
            region: None,
            partition: "aws".to_owned(),
            template_role: true,
            resource_tags: BTreeMap::new(),
        }
    }
}

impl Context {
    /// What is known where a registry is for other stacks, or may be: nothing that could be held against it.
    pub(crate) fn of_any_stack() -> Self {
        Self {
            account: None,
            region: None,
            partition: String::new(),
            template_role: true,
            resource_tags: BTreeMap::new(),
        }
    }

    pub(crate) fn is_partition(&self, partition: &str) -> bool {
        self.partition.is_empty() || self.partition == partition
    }

    pub(crate) fn is_account(&self, account: &str) -> bool {
        self.account
            .as_deref()
            .map_or_else(|| arn::is_account(account), |own| own == account)
    }

    pub(crate) fn is_region(&self, region: &str) -> bool {
        self.region
            .as_deref()
            .map_or_else(|| arn::is_region(region), |own| own == region)
    }

    /// The partition, for an example in a message.
    pub(crate) fn partition_shown(&self) -> &str {
        match self.partition.as_str() {
            "" => "aws",
            partition => partition,
        }
    }

    /// The account, for an example in a message.
    pub(crate) fn account_shown(&self) -> &str {
        self.account.as_deref().unwrap_or("<account>")
    }

    /// The Region, for an example in a message.
    pub(crate) fn region_shown(&self) -> &str {
        self.region.as_deref().unwrap_or("<region>")
    }
}
