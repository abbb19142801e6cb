//! The user's own AWS credentials, and the settings of the stack that the user names.

use std::collections::HashMap;

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_sts::config::ProvideCredentials as _;
use clap::Args;
use ecr_pull_through_sync::account::{self, AwsError, Calls, Reader, Writer, causes};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::settings::{BadSetting, Settings};

use crate::account::AccountArgs;
use crate::stack::{self, DEFAULT_STACK, Found, stack_name};
use crate::ui::{Failure, Ui};

/// Which stack it is about, and with whose credentials.
#[derive(Debug, Clone, Args)]
pub struct SessionArgs {
    /// Go by this CloudFormation stack: its function, bucket and settings [default: ecr-pull-through-sync; where CONFIG_BUCKET
    /// is set, the variables of the function count instead: OWNER, TEMPLATE_ROLE_ARN, RESOURCE_TAGS and so on].
    #[arg(long, value_name = "NAME", value_parser = stack_name, conflicts_with = "function")]
    pub stack: Option<String>,
    /// Go by this deployed function instead: its name or its ARN.
    #[arg(long, value_name = "NAME")]
    pub function: Option<String>,
    /// The profile of the AWS configuration: its credentials and Region, whatever AWS_ACCESS_KEY_ID and AWS_REGION say.
    #[arg(long)]
    pub profile: Option<String>,
    #[command(flatten)]
    pub account: AccountArgs,
}

/// An account, seen with the user's credentials.
pub struct Session {
    pub reader: Reader,
    pub home: Home,
    pub settings: Settings,
    /// For the calls that the function does not make.
    pub config: SdkConfig,
    /// The stack is not deployed, and the settings are the defaults and what the environment says: a sentence about that.
    pub not_deployed: Option<String>,
}

/// Where the settings are.
enum Source<'a> {
    Function(&'a str),
    Stack(&'a str),
    Environment,
}

/// What becomes of a command about a stack that is not deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNotDeployed {
    Fail,
    /// It goes by the defaults, and says so.
    UseDefaults,
}

impl SessionArgs {
    /// Signs in to read, and learns the settings.
    pub async fn open(&self, ui: &Ui) -> Result<Session, Failure> {
        // What could write is not even kept.
        self.open_to_write(ui).await.map(|(session, _)| session)
    }

    /// Signs in to read, with the defaults where the stack is not deployed.
    pub async fn open_to_look(&self, ui: &Ui) -> Result<Session, Failure> {
        let config = self.sign_in(ui).await?;
        let opened = self.open_with(&config, IfNotDeployed::UseDefaults, ui).await;
        opened.map(|(session, _)| session)
    }

    /// Signs in to write, for a command that applies.
    pub async fn open_to_write(&self, ui: &Ui) -> Result<(Session, Writer), Failure> {
        let config = self.sign_in(ui).await?;
        self.open_with(&config, IfNotDeployed::Fail, ui).await
    }

    /// Finds credentials that can be used.
    pub async fn sign_in(&self, ui: &Ui) -> Result<SdkConfig, Failure> {
        let config = self.config().await;
        ui.waiting(
            "looking for credentials",
            credentials_are_there(&config, self.profile.as_deref()),
        )
        .await?;
        Ok(config)
    }

    /// Learns whose account it is, and the settings. The Region is that of the arguments, else that of `config`.
    pub async fn open_with(
        &self,
        config: &SdkConfig,
        if_not_deployed: IfNotDeployed,
        ui: &Ui,
    ) -> Result<(Session, Writer), Failure> {
        let mut config = config.clone();
        if let Some(region) = self.account.region.clone() {
            config = config.into_builder().region(Region::new(region)).build();
        }
        let region = config
            .region()
            .map(ToString::to_string)
            .filter(|region| !region.is_empty());
        let region = region.ok_or_else(|| {
            Failure::Usage("no Region is known: give --region, or set AWS_REGION or a profile that has one".into())
        })?;
        let home = ui.waiting("GetCallerIdentity", caller(&config, region)).await?;
        self.is_meant(&home)?;
        let mut not_deployed = None;
        let settings = match self.source() {
            Source::Environment => Settings::from_env_for_cli(variable),
            Source::Function(name) => Deployed::read(&config, name, &home, ui).await?.settings(),
            Source::Stack(name) => match ui.waiting("DescribeStacks", stack::find(&config, name)).await? {
                Found::Function(function) => Deployed::read(&config, &function, &home, ui).await?.settings(),
                Found::NotDeployed(why) => {
                    let said = format!(
                        "the stack {name} is not deployed in account {}, Region {}: {why}",
                        home.account, home.region
                    );
                    if if_not_deployed == IfNotDeployed::Fail {
                        return Err(Failure::Usage(format!(
                            "{said}. Name another one with --stack, --region or --profile, or deploy it. Without a stack, set \
                             CONFIG_BUCKET and the other variables of the function"
                        )));
                    }
                    not_deployed = Some(format!(
                        "{said}. This goes by the defaults, and by those of the function's variables that are set here"
                    ));
                    // The stack's own would be its name.
                    let owner = |variable: &str| (variable == "OWNER").then(|| name.to_owned());
                    Settings::from_env_for_cli(|asked| variable(asked).or_else(|| owner(asked)))
                }
            },
        };
        let settings = settings.map_err(|error| Failure::Usage(error.to_string()))?;
        let (reader, writer) = account::connect(&config);
        let session = Session {
            reader,
            home,
            settings,
            config,
            not_deployed,
        };
        Ok((session, writer))
    }

    fn source(&self) -> Source<'_> {
        match (&self.function, &self.stack) {
            (Some(function), _) => Source::Function(function),
            (None, Some(stack)) => Source::Stack(stack),
            (None, None) if variable("CONFIG_BUCKET").is_some_and(|bucket| !bucket.trim().is_empty()) => {
                Source::Environment
            }
            (None, None) => Source::Stack(DEFAULT_STACK),
        }
    }

    /// Whether no stack, function or profile was named.
    pub fn is_unnamed(&self) -> bool {
        self.stack.is_none() && self.function.is_none() && self.profile.is_none()
    }

    /// What it is about, for a person: the stack's or the function's name; nothing where the environment says it.
    pub fn subject(&self) -> &str {
        match self.source() {
            Source::Function(name) | Source::Stack(name) => name,
            Source::Environment => "",
        }
    }

    /// The credentials must be of the account that was named.
    fn is_meant(&self, home: &Home) -> Result<(), Failure> {
        match &self.account.account {
            Some(account) if *account != home.account => Err(Failure::Usage(format!(
                "--account is {account}, but the credentials are of {}: name another profile, or leave --account out",
                home.account
            ))),
            _ => Ok(()),
        }
    }

    /// As the function's own, but that people sign in with profiles and SSO. A profile that is named stands alone: the
    /// SDK's own chain would ask the environment first, and sign with whatever keys were exported there.
    async fn config(&self) -> SdkConfig {
        let mut loader = account::loader();
        let mut region = self.account.region.clone().map(Region::new);
        if let Some(profile) = &self.profile {
            let config = ProviderConfig::without_region().with_http_client(account::http_client());
            if region.is_none() {
                let of_profile = ProfileFileRegionProvider::builder()
                    .configure(&config)
                    .profile_name(profile)
                    .build();
                region = of_profile.region().await;
            }
            let config = config.with_region(region.clone());
            let credentials = ProfileFileCredentialsProvider::builder()
                .configure(&config)
                .profile_name(profile);
            loader = loader.profile_name(profile).credentials_provider(credentials.build());
        }
        if let Some(region) = region {
            loader = loader.region(region);
        }
        loader.load().await
    }
}

/// Looks for credentials before the first call, whose own error would not say where they were looked for.
pub async fn credentials_are_there(config: &SdkConfig, profile: Option<&str>) -> Result<(), Failure> {
    let Some(credentials) = config.credentials_provider() else {
        return Ok(());
    };
    credentials.provide_credentials().await.map(|_| ()).map_err(|error| {
        let why = std::error::Error::source(&error).map(causes);
        Failure::Usage(match profile {
            Some(profile) => {
                let why = why.unwrap_or_else(|| "there is no such profile, or it has no credentials".into());
                format!(
                    "--profile {profile} cannot be used: {why}. What was read: {}",
                    profile_files().join(", ")
                )
            }
            None => {
                let why = why.unwrap_or_else(|| error.to_string());
                format!(
                    "there are no AWS credentials that can be used (the last way that was tried: {why}): sign in, for \
                     example with `aws sso login`, and name the profile with --profile or AWS_PROFILE"
                )
            }
        })
    })
}

/// Where the SDK looks for profiles.
fn profile_files() -> [String; 2] {
    [
        ("AWS_CONFIG_FILE", "~/.aws/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ]
    .map(|(variable, default)| std::env::var(variable).unwrap_or_else(|_| default.to_owned()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Deployed {
    variables: HashMap<String, String>,
}

impl Deployed {
    /// Reads it. It must be in the account and Region that are worked in: the policies that are written name them.
    async fn read(config: &SdkConfig, name: &str, home: &Home, ui: &Ui) -> Result<Self, Failure> {
        let client = aws_sdk_lambda::config::Builder::from(config)
            .interceptor(Calls::default())
            .build();
        let client = aws_sdk_lambda::Client::from_conf(client);
        let call = client.get_function_configuration().function_name(name).send();
        let call = ui.waiting("GetFunctionConfiguration", call).await;
        let answer = call.map_err(|e| Failure::Aws(AwsError::new("GetFunctionConfiguration", &e).to_string()))?;
        let variables = answer
            .environment
            .and_then(|environment| environment.variables)
            .unwrap_or_default();
        if !variables.contains_key("CONFIG_BUCKET") {
            return Err(Failure::Usage(format!(
                "{name} has no CONFIG_BUCKET: it is not an ecr-pull-through-sync"
            )));
        }
        let its = Home::from_function_arn(&answer.function_arn.unwrap_or_default())
            .map_err(|e| Failure::Aws(e.to_string()))?;
        if its != *home {
            return Err(Failure::Usage(format!(
                "the function is in account {} and Region {}, but the credentials are of {} and the Region is {}",
                its.account, its.region, home.account, home.region
            )));
        }
        Ok(Self { variables })
    }

    fn settings(&self) -> Result<Settings, BadSetting> {
        Settings::from_lookup(|name| self.variables.get(name).cloned())
    }
}

/// Whose credentials these are.
async fn caller(config: &SdkConfig, region: String) -> Result<Home, Failure> {
    let client = aws_sdk_sts::config::Builder::from(config)
        .interceptor(Calls::default())
        .build();
    let call = aws_sdk_sts::Client::from_conf(client)
        .get_caller_identity()
        .send()
        .await;
    let answer = call.map_err(|e| Failure::Aws(AwsError::new("GetCallerIdentity", &e).to_string()))?;
    let account = answer.account.unwrap_or_default();
    let partition = answer
        .arn
        .as_deref()
        .and_then(|arn| arn.split(':').nth(1))
        .unwrap_or("aws")
        .to_owned();
    Ok(Home {
        account,
        region,
        partition,
    })
}
