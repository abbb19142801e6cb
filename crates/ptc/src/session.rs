//! The user's own AWS credentials, and the settings of the function that the user speaks for.

use std::collections::HashMap;

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_sdk_sts::config::ProvideCredentials as _;
use clap::Args;
use ecr_pull_through_sync::account::{self, AwsError, Calls, Reader, Writer, causes};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::settings::Settings;

use crate::account::AccountArgs;
use crate::ui::{Failure, Ui};

/// Which settings, credentials and account to use.
#[derive(Debug, Clone, Args)]
pub struct SessionArgs {
    /// Use the settings of this deployed function: its name, which is the stack's output FunctionName, or its ARN. Without
    /// it they come from environment variables: OWNER, TEMPLATE_ROLE_ARN, RESOURCE_TAGS, CONFIG_BUCKET and so on.
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
}

impl SessionArgs {
    /// Signs in to read, and learns the settings.
    pub async fn open(&self, ui: &Ui) -> Result<Session, Failure> {
        // What could write is not even kept.
        self.open_to_write(ui).await.map(|(session, _)| session)
    }

    /// Signs in to write, for a command that applies.
    pub async fn open_to_write(&self, ui: &Ui) -> Result<(Session, Writer), Failure> {
        let config = self.config().await;
        ui.waiting(
            "looking for credentials",
            credentials_are_there(&config, self.profile.as_deref()),
        )
        .await?;
        let region = config
            .region()
            .map(ToString::to_string)
            .filter(|region| !region.is_empty());
        let region = region.ok_or_else(|| {
            Failure::Usage("no Region is known: give --region, or set AWS_REGION or a profile that has one".into())
        })?;
        let deployed = match &self.function {
            Some(name) => Some(
                ui.waiting("GetFunctionConfiguration", Deployed::read(&config, name))
                    .await?,
            ),
            None => None,
        };
        let home = ui.waiting("GetCallerIdentity", caller(&config, region)).await?;
        self.is_meant(&home, deployed.as_ref())?;
        let settings = match &deployed {
            Some(deployed) => Settings::from_lookup(|name| deployed.variables.get(name).cloned()),
            None => Settings::from_env_for_cli(|name| std::env::var(name).ok()),
        };
        let settings = settings.map_err(|error| Failure::Usage(error.to_string()))?;
        let (reader, writer) = account::connect(&config);
        let session = Session {
            reader,
            home,
            settings,
            config,
        };
        Ok((session, writer))
    }

    /// The credentials must be of the account that was named, and of the function's: the policies that are written name it.
    fn is_meant(&self, home: &Home, deployed: Option<&Deployed>) -> Result<(), Failure> {
        if let Some(account) = self
            .account
            .account
            .as_ref()
            .filter(|account| **account != home.account)
        {
            return Err(Failure::Usage(format!(
                "--account is {account}, but the credentials are of {}: name another profile, or leave --account out",
                home.account
            )));
        }
        let Some(deployed) = deployed else { return Ok(()) };
        let its = Home::from_function_arn(&deployed.arn).map_err(|e| Failure::Aws(e.to_string()))?;
        if its != *home {
            return Err(Failure::Usage(format!(
                "the function is in account {} and Region {}, but the credentials are of {} and the Region is {}",
                its.account, its.region, home.account, home.region
            )));
        }
        Ok(())
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

/// A function as it is deployed.
struct Deployed {
    arn: String,
    variables: HashMap<String, String>,
}

impl Deployed {
    async fn read(config: &SdkConfig, name: &str) -> Result<Self, Failure> {
        let client = aws_sdk_lambda::config::Builder::from(config)
            .interceptor(Calls::default())
            .build();
        let client = aws_sdk_lambda::Client::from_conf(client);
        let call = client.get_function_configuration().function_name(name).send().await;
        let answer = call.map_err(|e| Failure::Aws(AwsError::new("GetFunctionConfiguration", &e).to_string()))?;
        let variables = answer
            .environment
            .and_then(|environment| environment.variables)
            .unwrap_or_default();
        let arn = answer.function_arn.unwrap_or_default();
        if !variables.contains_key("CONFIG_BUCKET") {
            return Err(Failure::Usage(format!(
                "{name} has no CONFIG_BUCKET: it is not an ecr-pull-through-sync"
            )));
        }
        Ok(Self { arn, variables })
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
