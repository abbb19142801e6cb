//! Whose account this is, and where: read from the invoked function's ARN, so that no call to STS is needed.

use config::Context;
use config::arn::{Arn, is_account, is_region};

/// The account, Region and partition the function runs in, and the names that follow from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    pub account: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// `aws`, `aws-cn`, `aws-us-gov`…
    pub partition: String,
}

/// AWS's partitions beside `aws`: name, what the names of their Regions begin with, and the end of their hosts.
const PARTITIONS: [(&str, &[&str], &str); 7] = [
    ("aws-cn", &["cn-"], "amazonaws.com.cn"),
    ("aws-us-gov", &["us-gov-"], "amazonaws.com"),
    ("aws-eusc", &["eusc-"], "amazonaws.eu"),
    ("aws-iso", &["us-iso-"], "c2s.ic.gov"),
    ("aws-iso-b", &["us-isob-"], "sc2s.sgov.gov"),
    ("aws-iso-e", &["eu-isoe-"], "cloud.adc-e.uk"),
    ("aws-iso-f", &["us-isof-", "eu-isof-"], "csp.hci.ic.gov"),
];

pub fn partition_of(region: &str) -> &'static str {
    let is_in = |starts: &[&str]| starts.iter().any(|start| region.starts_with(start));
    PARTITIONS
        .iter()
        .find(|(_, starts, _)| is_in(starts))
        .map_or("aws", |(name, ..)| name)
}

/// The ARN in the invocation is not one of a Lambda function.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the invoked function's ARN {0:?} is not of the form arn:<partition>:lambda:<region>:<account>:function:<name>, \
     so the account is not known; Lambda sets it, and a local runtime must too"
)]
pub struct BadFunctionArn(String);

impl Home {
    /// An account in a Region, which tells the partition.
    pub fn of(account: &str, region: &str) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            partition: partition_of(region).to_owned(),
        }
    }

    /// What a file that is for it is checked with, where there is a role for templates and no tag for everything.
    pub fn context(&self) -> Context {
        Context {
            account: Some(self.account.clone()),
            region: Some(self.region.clone()),
            partition: self.partition.clone(),
            ..Context::default()
        }
    }

    /// Reads `arn:<partition>:lambda:<region>:<account>:function:<name>[:<version or alias>]`.
    ///
    /// # Errors
    /// When the text has another form.
    pub fn from_function_arn(arn: &str) -> Result<Self, BadFunctionArn> {
        let is_function = |arn: &Arn<'_>| {
            let named = arn.service == "lambda" && arn.resource.starts_with("function:");
            named && is_region(arn.region) && is_account(arn.account)
        };
        let read = Arn::parse(arn).filter(is_function);
        let read = read.ok_or_else(|| BadFunctionArn(arn.chars().take(200).collect()))?;
        Ok(Self {
            account: read.account.into(),
            region: read.region.into(),
            partition: read.partition.into(),
        })
    }

    /// `<account>.dkr.ecr.<region>.<suffix>`, the host people pull from.
    pub fn registry_host(&self) -> String {
        let named = PARTITIONS.iter().find(|(name, ..)| *name == self.partition);
        let suffix = named.map_or("amazonaws.com", |(_, _, suffix)| suffix);
        format!("{}.dkr.ecr.{}.{suffix}", self.account, self.region)
    }

    /// The pull-through base URL of a registry: `ROOT` has no path of its own.
    pub fn pull_url(&self, registry: &str) -> String {
        match registry {
            "ROOT" => self.registry_host(),
            name => format!("{}/{name}", self.registry_host()),
        }
    }

    pub fn repository_arn(&self, name: &str) -> String {
        format!(
            "arn:{}:ecr:{}:{}:repository/{name}",
            self.partition, self.region, self.account
        )
    }

    /// The account root as a principal.
    pub fn root_arn(&self) -> String {
        format!("arn:{}:iam::{}:root", self.partition, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_region_and_partition_come_from_the_function_arn() {
        let home = Home::from_function_arn("arn:aws-cn:lambda:cn-north-1:123456789012:function:sync:live");
        let home = home.unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(
            (home.account.as_str(), home.region.as_str()),
            ("123456789012", "cn-north-1")
        );
        assert_eq!(
            home.pull_url("hub"),
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/hub"
        );
        assert_eq!(home.pull_url("ROOT"), home.registry_host());
        assert_eq!(home.root_arn(), "arn:aws-cn:iam::123456789012:root");
    }

    #[test]
    fn a_region_tells_its_partition() {
        let regions = [
            "eu-west-1",
            "us-gov-west-1",
            "cn-north-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "eu-isof-south-1",
        ];
        let partitions = regions.map(partition_of);
        assert_eq!(
            partitions,
            ["aws", "aws-us-gov", "aws-cn", "aws-iso", "aws-iso-b", "aws-iso-f"]
        );
    }

    #[test]
    fn any_other_text_is_refused() {
        for bad in [
            "",
            "arn:aws:lambda",
            "arn:aws:iam::123456789012:role/x",
            "arn:aws:lambda:eu-west-1:12:function:x",
        ] {
            assert!(Home::from_function_arn(bad).is_err(), "{bad}");
        }
    }
}
