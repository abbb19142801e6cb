//! What a function of these tests may do: no more than the role in template.yaml allows it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use local_aws::LocalAws;
use local_aws::iam::{Policy, Stack};

use super::{BUCKET, ROLE, USUAL};

pub const TEMPLATE: &str = include_str!("../../../../template.yaml");

/// The variables of the function that the template takes from a parameter, and the policy depends on.
const PARAMETERS: [(&str, &str); 7] = [
    ("CONFIG_KEY", "ConfigKey"),
    ("STATUS_PREFIX", "StatusPrefix"),
    ("TAKE_OVER_FROM", "TakeOverFrom"),
    ("EXISTING_REPOSITORIES", "ExistingRepositories"),
    ("WARM_IMAGES", "WarmImages"),
    // No variables of the function's, which reads what it may.
    ("SOURCE_SECRET_NAMES", "SourceSecretNames"),
    ("SOURCE_KMS_KEYS", "SourceKmsKeys"),
];

/// The template that a function with this environment belongs to.
pub fn template(aws: &LocalAws, env: &[(&str, &str)]) -> Stack {
    let given = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let role = given("TEMPLATE_ROLE_ARN").filter(|arn| !arn.is_empty()).unwrap_or(ROLE);
    let (_, role) = role.rsplit_once('/').unwrap();
    let bucket = given("CONFIG_BUCKET").unwrap_or(BUCKET);
    let template = Stack::read(TEMPLATE, aws.options()).unwrap();
    let template = template.physical("ConfigBucket", bucket).physical("TemplateRole", role);
    let queue = given("WORK_QUEUE_URL")
        .and_then(|url| url.rsplit('/').next())
        .unwrap_or("work");
    let template = template
        .physical("WorkQueue", queue)
        .physical("WorkDeadLetters", &format!("{queue}-dlq"));
    let usual = |name: &str| USUAL.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let owner = given("OWNER").unwrap_or("stack");
    let given = |name: &str| given(name).or_else(|| usual(name));
    let parameters = PARAMETERS
        .iter()
        .filter_map(|(variable, parameter)| Some((parameter, given(variable)?)));
    parameters.fold(template.parameter("Owner", owner), |template, (parameter, value)| {
        template.parameter(parameter, value)
    })
}

/// Holds a function with this access key and environment to its role.
pub fn enforce(aws: &LocalAws, access_key: &str, env: &[(&str, &str)]) {
    // Some tests start thousands of functions, and reading the template takes longer than a run.
    static READ: Mutex<BTreeMap<String, Policy>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap();
    let policy = read.entry(format!("{:?} {env:?}", aws.options()));
    let policy = policy.or_insert_with(|| template(aws, env).policy("FunctionRole").unwrap());
    aws.enforce(access_key, policy.clone());
}

/// The access key of another function: each has its own, so that each can have a role of its own.
pub fn access_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("AKIDTEST{:08}", NEXT.fetch_add(1, Ordering::Relaxed))
}
