//! What must hold at the end of every test with random files, schedules or crashes, whatever has happened: no token was shown to
//! a host that is not its own, no version of the file or of a rotation was lost, nothing was deleted beyond the limit.

use std::collections::BTreeSet;

use ecr_pull_through_sync::secret_version::is_ours;
use jiff::Timestamp;
use local_aws::LocalAws;
use serde_json::{Value, json};

use super::{BUCKET, KEY, STATUS, assert_tokens_stay_home};

/// Deletions that one file may bring about: the default of `MAX_DELETIONS`.
const LIMIT: usize = 1;
const PREFIX: &str = "ecr-pullthroughcache/";

/// What lives in the account before what is tested.
pub struct Invariants {
    rules: BTreeSet<String>,
    secrets: BTreeSet<String>,
}

impl Invariants {
    pub fn of(aws: &LocalAws) -> Self {
        let rules = list(aws, "ecr", "DescribePullThroughCacheRules", "pullThroughCacheRules");
        let rules = rules.iter().map(|rule| text(&rule["ecrRepositoryPrefix"])).collect();
        Self {
            rules,
            secrets: living(aws).iter().map(|secret| text(&secret["Name"])).collect(),
        }
    }

    /// Invariants a test.
    pub fn hold(&self, aws: &LocalAws, told: &str) {
        assert_tokens_stay_home(aws);
        assert_eq!([lost(aws), self.deleted(aws)].concat(), Vec::<String>::new(), "{told}");
    }

    /// What was deleted and must not have been: more registries than the limit, or what was somebody else's.
    fn deleted(&self, aws: &LocalAws) -> Vec<String> {
        let now = Self::of(aws);
        let gone: Vec<&String> = self.secrets.difference(&now.secrets).collect();
        let own = |name: &&&String| {
            let secret = aws
                .call("secretsmanager", "DescribeSecret", json!({"SecretId": name}))
                .unwrap();
            ["stack", "old-stack"].iter().any(|owner| is_owned_by(&secret, owner))
        };
        let mut wrong: Vec<String> = gone
            .iter()
            .filter(|name| !own(name))
            .map(|name| format!("{name} was not ours"))
            .collect();
        let named = file(aws);
        let of_secrets = gone.iter().map(|name| registry(name));
        let of_rules = self.rules.difference(&now.rules).map(String::as_str);
        let left: BTreeSet<&str> = of_secrets
            .chain(of_rules)
            .filter(|name| named.get(*name).is_none())
            .collect();
        if left.len() > LIMIT {
            wrong.push(format!("beyond the limit: {left:?}"));
        }
        wrong
    }
}

/// The registry whose secret bears this name: alone, with the suffix of the Terraform module, or with a host.
fn registry(secret: &str) -> &str {
    let name = secret.trim_start_matches(PREFIX);
    let name = name.split_once('@').map_or(name, |(registry, _)| registry);
    let is_suffix = |suffix: &str| suffix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let halves = name.len().checked_sub(26).and_then(|at| name.split_at_checked(at));
    halves
        .filter(|(registry, suffix)| !registry.is_empty() && is_suffix(suffix))
        .map_or(name, |(registry, _)| registry)
}

/// What somebody said last, and is not heard: of the own secrets of an account.
fn lost(aws: &LocalAws) -> Vec<String> {
    let mut wrong = Vec::new();
    let uploaded = uploaded_at(aws);
    for secret in living(aws).iter().filter(|secret| is_owned_by(secret, "stack")) {
        let name = text(&secret["Name"]);
        let all = json!({"SecretId": secret["ARN"], "IncludeDeprecated": true});
        let all = aws.call("secretsmanager", "ListSecretVersionIds", all).unwrap();
        let versions: Vec<Version> = all["Versions"].as_array().unwrap().iter().map(Version::of).collect();
        let holder = |label: &str| versions.iter().find(|version| version.carries(label));
        // A value of the file that was made current later than the one it says now is a word that was not finished.
        if let (Some(current), Some(configured)) = (holder("AWSCURRENT"), holder("CONFIGURED"))
            && is_ours(&current.id)
            && current.put > configured.put
        {
            wrong.push(format!(
                "{name}: {} is current, and the file says {}",
                current.id, configured.id
            ));
        }
        // A rotation that came in or after the second of the upload stands, unless it was refused and rolled back.
        let rotations = versions
            .iter()
            .filter(|version| !is_ours(&version.id) && version.put >= uploaded);
        let newest = rotations.clone().map(|version| version.put).max();
        let mut newest = rotations.filter(|version| Some(version.put) == newest).peekable();
        let is_buried = |version: &Version| !version.carries("AWSCURRENT") && !version.carries("REJECTED");
        if newest.peek().is_some() && newest.clone().all(is_buried) {
            let ids: Vec<&str> = newest.map(|version| version.id.as_str()).collect();
            wrong.push(format!("{name}: the rotation {ids:?} is buried"));
        }
    }
    wrong.extend(unheard(aws));
    wrong
}

/// Registries that are called ready although their secret does not hold what the file says.
fn unheard(aws: &LocalAws) -> Vec<String> {
    let Some(status) = aws.object(BUCKET, STATUS) else {
        return Vec::new();
    };
    let status: Value = serde_json::from_slice(&status).unwrap();
    let rules = list(aws, "ecr", "DescribePullThroughCacheRules", "pullThroughCacheRules");
    let file = file(aws);
    let ready = rules
        .iter()
        .filter(|rule| status["registries"][text(&rule["ecrRepositoryPrefix"])]["state"] == "ready");
    let unheard = ready.filter(|rule| {
        let said = file[text(&rule["ecrRepositoryPrefix"])]["accessToken"]
            .as_str()
            .map(str::to_owned);
        let id = json!({"SecretId": rule["credentialArn"], "VersionStage": "CONFIGURED"});
        let held = || {
            let value = aws.call("secretsmanager", "GetSecretValue", id).ok()?;
            let value: Value = serde_json::from_str(value["SecretString"].as_str()?).ok()?;
            Some(text(&value["accessToken"]))
        };
        said.is_some_and(|said| held() != Some(said))
    });
    unheard
        .map(|rule| format!("{} is ready without the file's value", rule["ecrRepositoryPrefix"]))
        .collect()
}

struct Version {
    id: String,
    labels: Value,
    put: Timestamp,
}

impl Version {
    fn of(version: &Value) -> Self {
        let put = Timestamp::from_second(version["CreatedDate"].as_f64().unwrap() as i64).unwrap();
        Self {
            id: text(&version["VersionId"]),
            labels: version["VersionStages"].clone(),
            put,
        }
    }

    fn carries(&self, label: &str) -> bool {
        self.labels.as_array().unwrap().contains(&json!(label))
    }
}

/// The newest file: registries by name. One that cannot be read names none.
fn file(aws: &LocalAws) -> Value {
    let bytes = aws.object(BUCKET, KEY).unwrap_or_default();
    serde_yaml::from_slice(&bytes).unwrap_or_default()
}

fn uploaded_at(aws: &LocalAws) -> Timestamp {
    let events = aws.events();
    let upload = events
        .iter()
        .rev()
        .find(|event| event["detail"]["object"]["key"] == KEY);
    upload.map_or(Timestamp::MIN, |event| event["time"].as_str().unwrap().parse().unwrap())
}

fn living(aws: &LocalAws) -> Vec<Value> {
    let mut secrets = list(aws, "secretsmanager", "ListSecrets", "SecretList");
    secrets.retain(|secret| secret["DeletedDate"].is_null());
    secrets
}

fn is_owned_by(secret: &Value, owner: &str) -> bool {
    let tag = json!({"Key": "ecr-pull-through-sync:owner", "Value": owner});
    secret["Tags"].as_array().is_some_and(|tags| tags.contains(&tag))
}

fn list(aws: &LocalAws, service: &str, operation: &str, list: &str) -> Vec<Value> {
    aws.call(service, operation, json!({})).unwrap()[list]
        .as_array()
        .unwrap()
        .clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{TestStack, hub, uploaded};
    use super::*;

    const HUB: &str = "ecr-pullthroughcache/dockerhub";

    async fn stack() -> (TestStack, Invariants) {
        let stack = TestStack::new().await;
        stack
            .follow(&format!(
                "{}quay: {{registry: quay.io}}\nk8s: {{registry: registry.k8s.io}}\n",
                hub("canary-docker-1")
            ))
            .await;
        let invariants = Invariants::of(&stack.aws);
        invariants.hold(&stack.aws, "after a run");
        (stack, invariants)
    }

    fn make_current(stack: &TestStack, version: &str) {
        let current = stack.version(HUB, "AWSCURRENT");
        let input = json!({
            "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": version, "RemoveFromVersionId": current,
        });
        stack
            .aws
            .call("secretsmanager", "UpdateSecretVersionStage", input)
            .unwrap();
    }

    #[test]
    fn a_secret_is_of_the_registry_in_its_name() {
        let of = |secret: &str| registry(&format!("{PREFIX}{secret}")).to_owned();
        assert_eq!(of("hub"), "hub");
        assert_eq!(of("hub2024010112000000000000000a"), "hub");
        assert_eq!(of("hub@ghcr.io"), "hub");
        assert_eq!(of("2024010112000000000000000a"), "2024010112000000000000000a");
    }

    /// No check that cannot fail.
    #[tokio::test(start_paused = true)]
    async fn a_rotation_that_is_buried_is_found() {
        let (stack, invariants) = stack().await;
        let file = stack.version(HUB, "AWSCURRENT").unwrap();
        stack.rotate(HUB, "canary-docker-2");
        invariants.hold(&stack.aws, "a rotation stands");
        make_current(&stack, &file);
        assert!(lost(&stack.aws)[0].contains("is buried"), "{:?}", lost(&stack.aws));
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_of_the_file_that_is_taken_for_another_is_found() {
        let (stack, invariants) = stack().await;
        stack.upload(&hub("canary-docker-1"));
        stack.aws.advance(Duration::from_secs(1));
        let unfinished = "file-0123456789abcdef-on-0123456789abcdef";
        let value = json!({"username": "acme-bot", "accessToken": "canary-docker-2"}).to_string();
        let input = json!({"SecretId": HUB, "SecretString": value, "ClientRequestToken": unfinished});
        stack.aws.call("secretsmanager", "PutSecretValue", input).unwrap();
        assert!(lost(&stack.aws)[0].contains("the file says"), "{:?}", lost(&stack.aws));
        // The run over the file mends it.
        stack.send(uploaded()).await.unwrap();
        invariants.hold(&stack.aws, "mended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_ready_registry_without_the_value_of_the_file_is_found() {
        let (stack, _) = stack().await;
        stack.upload(&hub("canary-docker-2"));
        assert!(
            lost(&stack.aws)[0].contains("without the file's value"),
            "{:?}",
            lost(&stack.aws)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn deletions_beyond_the_limit_and_of_others_are_found() {
        let (stack, invariants) = stack().await;
        stack.upload("other: {registry: quay.io}\n");
        let delete = |prefix: &str| {
            stack
                .aws
                .call(
                    "ecr",
                    "DeletePullThroughCacheRule",
                    json!({"ecrRepositoryPrefix": prefix}),
                )
                .unwrap();
        };
        delete("quay");
        assert_eq!(invariants.deleted(&stack.aws), Vec::<String>::new());
        delete("k8s");
        assert!(invariants.deleted(&stack.aws)[0].contains("beyond the limit"));
        stack.make_secret("ecr-pullthroughcache/ops", &json!("x"), json!([]));
        let invariants = Invariants::of(&stack.aws);
        stack
            .aws
            .call(
                "secretsmanager",
                "DeleteSecret",
                json!({"SecretId": "ecr-pullthroughcache/ops"}),
            )
            .unwrap();
        assert_eq!(
            invariants.deleted(&stack.aws),
            ["ecr-pullthroughcache/ops was not ours"]
        );
    }
}
