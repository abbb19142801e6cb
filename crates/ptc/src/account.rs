//! Which account and Region a file is for, as far as it must be known.

use clap::Args;
use config::Context;
use config::arn::{is_account, is_region};
use ecr_pull_through_sync::home::{Home, partition_of};

use crate::ui::Failure;

/// The account and Region that the file is for. Without them, what depends on them is not checked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Account")]
pub struct AccountArgs {
    /// The account's 12 digits.
    #[arg(long, value_parser = account)]
    pub account: Option<String>,
    /// The Region [default: AWS_REGION, AWS_DEFAULT_REGION].
    #[arg(long, value_parser = region)]
    pub region: Option<String>,
}

pub fn account(text: &str) -> Result<String, String> {
    let good = is_account(text).then(|| text.to_owned());
    good.ok_or_else(|| "an account is 12 digits".into())
}

pub fn region(text: &str) -> Result<String, String> {
    let good = is_region(text).then(|| text.to_owned());
    good.ok_or_else(|| "a Region is named like eu-central-1".into())
}

impl AccountArgs {
    /// The Region that was named, or that the environment names.
    pub fn region(&self) -> Option<String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.region
            .clone()
            .or_else(|| variable("AWS_REGION"))
            .or_else(|| variable("AWS_DEFAULT_REGION"))
    }

    /// What a check that asks nobody may know. The stack always has a role for templates, so the file may count on it.
    pub fn context(&self) -> Result<Context, Failure> {
        let settings = ecr_pull_through_sync::settings::Settings::from_env_for_cli(|name| match name {
            "RESOURCE_TAGS" => std::env::var(name).ok(),
            _ => None,
        })
        .map_err(|error| Failure::Usage(error.to_string()))?;
        let region = self.region();
        Ok(Context {
            account: self.account.clone(),
            partition: partition_of(region.as_deref().unwrap_or_default()).to_owned(),
            region,
            resource_tags: settings.resource_tags,
            ..Context::default()
        })
    }

    /// The account and Region, where both are known without asking AWS.
    pub fn home(&self) -> Option<Home> {
        let (account, region) = (self.account.clone()?, self.region()?);
        Some(Home::of(&account, &region))
    }
}
