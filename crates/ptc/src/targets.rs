//! Several stacks and Regions at once, side by side.

use aws_config::SdkConfig;
use clap::Args;
use futures_util::future::join_all;

use crate::account::{self, AccountArgs};
use crate::session::{IfNotDeployed, Session, SessionArgs};
use crate::stack::stack_name;
use crate::ui::{Failure, Ui};

/// Which stacks it is about, and with whose credentials.
#[derive(Debug, Clone, Args)]
pub struct TargetsArgs {
    /// Go by this CloudFormation stack: its function, bucket and settings [default: ecr-pull-through-sync; where CONFIG_BUCKET
    /// is set, the variables of the function count instead: OWNER, TEMPLATE_ROLE_ARN, RESOURCE_TAGS and so on]. May be
    /// repeated: each stack, in each Region.
    #[arg(long, value_name = "NAME", value_parser = stack_name, conflicts_with = "function")]
    stack: Vec<String>,
    /// Go by this deployed function instead: its name or its ARN.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// The profile of the AWS configuration: its credentials and Region, whatever AWS_ACCESS_KEY_ID and AWS_REGION say. May be
    /// repeated, for several accounts.
    #[arg(long)]
    profile: Vec<String>,
    /// The account's 12 digits. With credentials of another account nothing is done.
    #[arg(long, value_parser = account::account, help_heading = "Account")]
    account: Option<String>,
    /// The Region [default: AWS_REGION, AWS_DEFAULT_REGION]. May be repeated.
    #[arg(long, value_parser = account::region, help_heading = "Account")]
    region: Vec<String>,
}

/// A stack in a Region, and what could be opened of it.
pub struct Target {
    /// How it was named.
    pub args: SessionArgs,
    /// The Region; empty where none is known.
    pub region: String,
    /// What there is to work with.
    pub opened: Result<Session, Failure>,
}

impl TargetsArgs {
    /// Signs in once with each profile, and learns the settings of each stack.
    pub async fn open(&self, if_not_deployed: IfNotDeployed, ui: &Ui) -> Result<Vec<Target>, Failure> {
        let profiles = once_each(&self.profile);
        let mut signed_in = Vec::with_capacity(profiles.len());
        for profile in &profiles {
            let each = self.each(profile.as_ref());
            let Some(first) = each.first() else { continue };
            let config = match first.sign_in(ui).await {
                // Without the others there is nothing to stand beside.
                Err(failure) if profiles.len() == 1 => return Err(failure),
                config => config,
            };
            signed_in.push((each, config));
        }
        let targets = signed_in.into_iter().map(async |(each, config)| {
            let config = config.as_ref();
            let open = |one: SessionArgs| open_one(one, config, if_not_deployed, ui);
            join_all(each.into_iter().map(open)).await
        });
        Ok(join_all(targets).await.into_iter().flatten().collect())
    }

    /// Each stack in each Region, once, with a profile.
    fn each(&self, profile: Option<&String>) -> Vec<SessionArgs> {
        let stacks = once_each(&self.stack);
        let regions = once_each(&self.region);
        let of_stack = |stack: &Option<String>| {
            let one = |region: &Option<String>| SessionArgs {
                stack: stack.clone(),
                function: self.function.clone(),
                profile: profile.cloned(),
                account: AccountArgs {
                    account: self.account.clone(),
                    region: region.clone(),
                },
            };
            regions.iter().map(one).collect::<Vec<_>>()
        };
        stacks.iter().flat_map(of_stack).collect()
    }
}

/// The names that were given, in their order and once each; or that none was.
fn once_each(names: &[String]) -> Vec<Option<String>> {
    let mut each: Vec<Option<String>> = Vec::with_capacity(names.len().max(1));
    for name in names {
        if !each.iter().flatten().any(|known| known == name) {
            each.push(Some(name.clone()));
        }
    }
    if each.is_empty() {
        each.push(None);
    }
    each
}

async fn open_one(
    args: SessionArgs,
    config: Result<&SdkConfig, &Failure>,
    if_not_deployed: IfNotDeployed,
    ui: &Ui,
) -> Target {
    let region = args.account.region.clone();
    let region = region.or_else(|| config.ok()?.region().map(ToString::to_string));
    Target {
        region: region.unwrap_or_default(),
        opened: match config {
            // What could write is not even kept.
            Ok(config) => {
                let opened = args.open_with(config, if_not_deployed, ui).await;
                opened.map(|(session, _)| session)
            }
            Err(failure) => Err(Failure::Usage(failure.to_string())),
        },
        args,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        targets: TargetsArgs,
    }

    fn named(line: &[&str]) -> Vec<(Option<String>, Option<String>)> {
        let line = Line::try_parse_from([&["ptc"], line].concat()).unwrap();
        let each = line.targets.each(None).into_iter();
        each.map(|one| (one.stack, one.account.region)).collect()
    }

    #[test]
    fn each_stack_is_looked_at_in_each_region_once() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(named(&[]), [(None, None)]);
        let line = "--stack a --stack b --stack a --region eu-west-1 --region us-east-1";
        let line: Vec<&str> = line.split(' ').collect();
        let expected = [
            (some("a"), some("eu-west-1")),
            (some("a"), some("us-east-1")),
            (some("b"), some("eu-west-1")),
            (some("b"), some("us-east-1")),
        ];
        assert_eq!(named(&line), expected);
    }
}
