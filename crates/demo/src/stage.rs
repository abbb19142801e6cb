//! The stand-in and the function beside each other, set up as the stack would be deployed for a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use local_aws::iam::Stack;
use local_aws::{EventPattern, Function, Invocation, LambdaApi, LocalAws};
use serde_json::{Value, json};

use crate::Outcome;
use crate::file::{self, Prepared};

pub const BUCKET: &str = "my-registries";
pub const KEY: &str = "registries.yaml";
/// The name under which terminals find the function's settings.
pub const FUNCTION: &str = "ecr-pull-through-sync";
const TEMPLATE: &str = include_str!("../../../template.yaml");

pub struct Stage {
    pub aws: LocalAws,
    pub prepared: Prepared,
    lambda: LambdaApi,
    function: Function,
    stack: Stack,
}

/// A secret of somebody else's that the stack of `make run` may copy from.
pub const GITLAB_SECRET: &str = "team/gitlab-token";

impl Stage {
    /// Starts both. The bucket is there and empty.
    pub async fn open(file: &Path, log_level: &str) -> Outcome<Self> {
        let bytes = read(file)?;
        let aws = LocalAws::start(file::options(&bytes))
            .await
            .map_err(|e| format!("local-aws does not start: {e}"))?;
        aws.create_bucket(BUCKET, true);
        let mut prepared = file::prepare(&aws, &bytes);
        prepared.sources.push(GITLAB_SECRET.to_owned());
        let options = aws.options();
        let role = format!("arn:{}:iam::{}:role/template", options.partition, options.account);
        let hosts = prepared.hosts.join(",");
        let settings = [
            ("CONFIG_BUCKET", BUCKET),
            ("OWNER", "demo"),
            ("TEMPLATE_ROLE_ARN", &role),
            ("ALLOWED_UPSTREAMS", &hosts),
            ("EXISTING_REPOSITORIES", "*"),
            ("WARM_IMAGES", "ROOT"),
            ("LOG_LEVEL", log_level),
        ];
        let lambda = aws.lambda();
        let binary = beside_this_program("ecr-pull-through-sync")?;
        let function = lambda
            .spawn(&binary, &settings)
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        aws.deploy_function(FUNCTION, &settings);
        // The stack that ptc goes by where nobody names one.
        aws.put_stack(
            "ecr-pull-through-sync",
            "CREATE_COMPLETE",
            &[("FunctionName", FUNCTION)],
        )
        .map_err(|refused| refused.message)?;
        // The function may do what its role may, deployed for this file.
        let stack = Stack::read(TEMPLATE, options)?
            .named("demo")
            .physical("ConfigBucket", BUCKET)
            .physical("TemplateRole", "template")
            .parameter("PassableRoles", &prepared.roles.join(","))
            .parameter("ExistingRepositories", "*")
            .parameter("WarmImages", "ROOT")
            .parameter("SourceSecretNames", &prepared.sources.join(","));
        aws.enforce(function.principal(), stack.policy("FunctionRole")?);
        Ok(Self {
            aws,
            prepared,
            lambda,
            function,
            stack,
        })
    }

    /// What the stack's rules let through to the function.
    pub fn event_rules(&self) -> Outcome<Vec<EventPattern>> {
        let events = self
            .stack
            .value(&["Resources", "SyncFunction", "Properties", "Events"])?;
        let rules = events.as_object().into_iter().flat_map(|events| events.values());
        let of_function = rules
            .filter(|rule| rule["Type"] == "EventBridgeRule")
            .map(|rule| rule["Properties"]["Pattern"].clone());
        // Its events come through a queue, and one by one are the same to the function.
        let failed_pulls = ["Resources", "PullFailuresRule", "Properties", "EventPattern"];
        let patterns = of_function.chain([self.stack.value(&failed_pulls)?]);
        patterns.map(|pattern| EventPattern::read(&pattern)).collect()
    }

    pub async fn invoke(&self, event: Value) -> Invocation {
        self.lambda.invoke(event, Duration::from_secs(300)).await
    }

    /// All that the function has logged.
    pub fn log(&self) -> String {
        self.function.output()
    }

    /// What Scheduler sends.
    pub fn schedule(&self) -> Value {
        let options = self.aws.options();
        let arn = format!(
            "arn:{}:scheduler:{}:{}:schedule/default/daily",
            options.partition, options.region, options.account
        );
        json!({
            "version": "0", "id": "9b041420-4504-719d-73cc-2fa0e0f3bfc3", "detail-type": "Scheduled Event",
            "source": "aws.scheduler", "account": options.account, "time": "2026-11-20T10:11:12Z",
            "region": options.region, "resources": [arn], "detail": "{}",
        })
    }
}

pub fn read(file: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))
}

/// Cargo builds all programs into one folder.
pub fn beside_this_program(name: &str) -> Outcome<PathBuf> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let program = own.with_file_name(name);
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{} is not built: use `make`", program.display()))
    }
}
