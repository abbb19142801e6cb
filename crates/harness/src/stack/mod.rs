//! A deployed stack: the real handler against `local-aws`, in process. Tests of the compiled function, of `ptc` and
//! of connections go over real HTTP.
//!
//! Every token in these tests contains the word `canary`, and everything a run puts out (report, error, status
//! objects, logs at TRACE) is searched for it after every run, in [`TestStack::send`]. The function may do what its role in
//! template.yaml allows, and a run that wanted more fails there too.

pub mod in_process;
pub mod invariants;
pub mod role;

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, Region, SharedHttpClient};
use config::Problem;
use ecr_pull_through_sync::account;
use ecr_pull_through_sync::cause::Reason;
use ecr_pull_through_sync::failure::Failure;
use ecr_pull_through_sync::handler::App;
use ecr_pull_through_sync::logs;
use ecr_pull_through_sync::report::Change;
use ecr_pull_through_sync::settings::Settings;
use ecr_pull_through_sync::timing::Timing;
use lambda_runtime::{Context, LambdaEvent};
use local_aws::api::CallContext;
use local_aws::ecr::Image;
use local_aws::{Call, LocalAws, Options};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

pub use ecr_pull_through_sync::report::{ChangeResult, CredentialState, Outcome, Report, State};

pub const BUCKET: &str = "my-registries";
pub const KEY: &str = "registries.yaml";
pub const STATUS: &str = "status/registries.yaml.json";
pub const STATUS_PAGE: &str = "status/registries.yaml.md";
pub const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:sync";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/templates";

/// What the stacks of these tests allow their files. What a stack does not allow is in `bounds.rs`.
pub const USUAL: [(&str, &str); 2] = [("EXISTING_REPOSITORIES", "*"), ("MAX_EXPIRING_IMAGES", "1000")];

/// The legacy module's form: two registries with credentials, one without.
pub const LEGACY: &str = "
dockerhub:
  registry: registry-1.docker.io
  username: acme-bot
  accessToken: canary-docker-1
  repository_read_access_arns:
    - arn:aws:iam::444455556666:root
  image_tag_mutability: IMMUTABLE
  lifecycle_policy:
    rules:
      - rulePriority: 1
        description: Keep last 5 images
        selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 5}
        action: {type: expire}
gitlab:
  registry: registry.gitlab.com
  username: acme-bot
  accessToken: canary-gitlab-1
public-ecr:
  registry: public.ecr.aws
";

/// One registry with a credential.
pub fn hub(token: &str) -> String {
    format!("dockerhub: {{registry: registry-1.docker.io, username: acme-bot, accessToken: {token}}}\n")
}

/// Everything logged by this test process, at TRACE, and how much of it has been searched for tokens.
static LOGS: OnceLock<&'static Mutex<(Vec<u8>, usize)>> = OnceLock::new();

struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        captured().lock().unwrap().0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn captured() -> &'static Mutex<(Vec<u8>, usize)> {
    LOGS.get_or_init(|| {
        let buffer: &'static Mutex<(Vec<u8>, usize)> = Box::leak(Box::default());
        tracing::subscriber::set_global_default(logs::subscriber(LevelFilter::TRACE, || LogWriter)).unwrap();
        buffer
    })
}

pub fn logged() -> String {
    String::from_utf8(captured().lock().unwrap().0.clone()).unwrap()
}

/// Whether a token is in what this process has logged. A clean part is not searched again, one with a token by every later
/// search; a line is written whole, so none is searched in halves.
fn a_token_is_logged() -> bool {
    let (lines, searched) = &mut *captured().lock().unwrap();
    let is_there = std::str::from_utf8(&lines[*searched..]).unwrap().contains("canary");
    if !is_there {
        *searched = lines.len();
    }
    is_there
}

/// The metric lines of all runs of this test process.
static METRICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whether a token has ever been in one.
static A_TOKEN_IS_COUNTED: AtomicBool = AtomicBool::new(false);

/// The metric lines of a stack's runs.
pub fn metrics(stack: &str) -> Vec<String> {
    let stack = format!("\"Stack\":\"{stack}\"");
    METRICS
        .lock()
        .unwrap()
        .iter()
        .filter(|line| line.contains(&stack))
        .cloned()
        .collect()
}

/// The function's handler and the account it works in.
pub struct TestStack {
    pub aws: LocalAws,
    pub app: App,
}

impl TestStack {
    pub async fn new() -> Self {
        Self::with(Options::default(), &[]).await
    }

    pub async fn with(options: Options, env: &[(&str, &str)]) -> Self {
        captured();
        Self::over(options, env, 3).await
    }

    /// For tests of hundreds of runs by [`invoke`], of which not each is searched for tokens. The upstreams take five tokens.
    pub async fn unsearched(env: &[(&str, &str)]) -> Self {
        Self::over(Options::default(), env, 5).await
    }

    async fn over(options: Options, env: &[(&str, &str)], tokens: usize) -> Self {
        let aws = LocalAws::start(options).await.unwrap();
        aws.create_bucket(BUCKET, true);
        for (host, service) in [
            ("registry-1.docker.io", "docker"),
            ("registry.gitlab.com", "gitlab"),
            ("ghcr.io", "ghcr"),
        ] {
            for n in 1..=tokens {
                aws.accept_upstream(host, "acme-bot", &format!("canary-{service}-{n}"));
            }
        }
        // Boxed, here and below: futures of this size, one in the other, are more than a test's stack.
        let app = Box::pin(app(&aws, env)).await;
        Self { aws, app }
    }

    /// Uploads a file, a second after all that was before: what was put in the second of an upload counts as younger.
    pub fn upload(&self, yaml: &str) {
        self.aws.advance(Duration::from_secs(1));
        self.aws.put_object(BUCKET, KEY, yaml.as_bytes().to_vec());
    }

    /// Sends an event, with all the time a run may need.
    pub async fn send(&self, event: Value) -> Result<Report, Failure> {
        self.send_within(event, Duration::from_secs(300)).await
    }

    pub async fn send_within(&self, event: Value, time: Duration) -> Result<Report, Failure> {
        let result = invoke_within(&self.app, event, time).await;
        self.search_for_tokens(&result);
        assert_tokens_stay_home(&self.aws);
        assert_eq!(
            self.aws.denied(),
            Vec::<String>::new(),
            "what the role in template.yaml lacks"
        );
        result
    }

    pub async fn manual(&self, action: &str) -> Report {
        self.send(json!({"action": action})).await.unwrap()
    }

    /// Uploads a file and sends the event that S3 would.
    pub async fn follow(&self, yaml: &str) -> Report {
        self.upload(yaml);
        self.send(uploaded()).await.unwrap()
    }

    /// The report in the status object.
    pub fn status(&self) -> Report {
        serde_json::from_value(self.status_json()).unwrap()
    }

    /// The status object as it is written.
    pub fn status_json(&self) -> Value {
        serde_json::from_slice(&self.aws.object(BUCKET, STATUS).expect("a status object")).unwrap()
    }

    /// Names of the calls that changed something, the status objects' aside.
    pub fn writes(&self) -> Vec<String> {
        self.aws
            .calls()
            .iter()
            .filter(|call| is_write(call))
            .map(|call| call.operation.clone())
            .collect()
    }

    pub fn rule(&self, prefix: &str) -> Option<Value> {
        let rules = self
            .aws
            .call("ecr", "DescribePullThroughCacheRules", json!({}))
            .unwrap();
        rules["pullThroughCacheRules"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["ecrRepositoryPrefix"] == prefix)
            .cloned()
    }

    pub fn template(&self, prefix: &str) -> Option<Value> {
        let answer = self
            .aws
            .call("ecr", "DescribeRepositoryCreationTemplates", json!({}))
            .unwrap();
        answer["repositoryCreationTemplates"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["prefix"] == prefix)
            .cloned()
    }

    pub fn secret(&self, id: &str) -> Option<Value> {
        self.aws
            .call("secretsmanager", "DescribeSecret", json!({"SecretId": id}))
            .ok()
    }

    /// The token in the version of a secret that carries a label.
    pub fn token(&self, id: &str, label: &str) -> Option<String> {
        let input = json!({"SecretId": id, "VersionStage": label});
        let answer = self.aws.call("secretsmanager", "GetSecretValue", input).ok()?;
        let value: Value = serde_json::from_str(answer["SecretString"].as_str()?).ok()?;
        Some(value["accessToken"].as_str()?.to_owned())
    }

    /// A rotation: a new value made current by somebody else.
    pub fn rotate(&self, id: &str, token: &str) {
        put_current(&self.aws, id, token);
    }

    /// A secret that somebody else makes; gives its ARN.
    pub fn make_secret(&self, name: &str, value: &Value, tags: Value) -> String {
        let input = json!({"Name": name, "SecretString": value.to_string(), "Tags": tags});
        self.aws.call("secretsmanager", "CreateSecret", input).unwrap()["ARN"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The id of the version that carries a label.
    pub fn version(&self, id: &str, label: &str) -> Option<String> {
        version(&self.aws, id, label)
    }

    /// The newest event that tells of a new current version.
    pub fn newest_rotation(&self) -> Value {
        let events = self.aws.events();
        events
            .into_iter()
            .rev()
            .find(|event| event["detail"]["labelUpdated"] == "AWSCURRENT")
            .unwrap()
    }

    /// Whether a secret is scheduled for deletion.
    pub fn is_going(&self, id: &str) -> bool {
        self.secret(id).unwrap()["DeletedDate"].is_number()
    }

    fn search_for_tokens(&self, result: &Result<Report, Failure>) {
        let said = match result {
            Ok(report) => json_of(report).to_string(),
            Err(failure) => format!("{failure} {failure:?}"),
        };
        assert!(!said.contains("canary"), "a token in the answer: {said}");
        for key in [STATUS, STATUS_PAGE] {
            let object = self.aws.object(BUCKET, key).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&object).contains("canary"), "a token in {key}");
        }
        assert!(!a_token_is_logged(), "a token in the logs");
        assert!(!A_TOKEN_IS_COUNTED.load(Ordering::Relaxed), "a token in the metrics");
    }
}

/// Hands an event to the handler, with all the time a run may need.
pub async fn invoke(app: &App, event: Value) -> Result<Report, Failure> {
    invoke_within(app, event, Duration::from_secs(300)).await
}

pub async fn invoke_within(app: &App, event: Value, time: Duration) -> Result<Report, Failure> {
    invoke_as(app, event, time, &token_id()).await
}

/// With a request id of the test's choice: Lambda's retries of an asynchronous invocation keep it.
pub async fn invoke_as(app: &App, event: Value, time: Duration, request_id: &str) -> Result<Report, Failure> {
    let mut context = Context::default();
    context.request_id = request_id.to_owned();
    context.invoked_function_arn = FUNCTION.into();
    let deadline = std::time::SystemTime::now() + time;
    context.deadline = deadline.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    Box::pin(app.handle(LambdaEvent::new(event, context))).await
}

pub fn put_current(aws: &LocalAws, id: &str, token: &str) {
    let value = json!({"username": "acme-bot", "accessToken": token}).to_string();
    let input = json!({"SecretId": id, "SecretString": value, "ClientRequestToken": token_id()});
    aws.call("secretsmanager", "PutSecretValue", input).unwrap();
}

/// The id of the version of a secret that carries a label.
pub fn version(aws: &LocalAws, id: &str, label: &str) -> Option<String> {
    let secret = aws
        .call("secretsmanager", "DescribeSecret", json!({"SecretId": id}))
        .ok()?;
    let mut versions = secret["VersionIdsToStages"].as_object()?.iter();
    let carries = |labels: &Value| labels.as_array().unwrap().contains(&json!(label));
    let found = versions.find(|(_, labels)| carries(labels));
    found.map(|(version, _)| version.clone())
}

/// No token was shown to a host that is not its own: each is named after its host.
pub fn assert_tokens_stay_home(aws: &LocalAws) {
    for [host, _, token] in aws.shown_credentials() {
        let own = match token.split('-').nth(1) {
            Some("docker") => "registry-1.docker.io",
            Some("gitlab") => "registry.gitlab.com",
            Some("ghcr") => "ghcr.io",
            _ => continue,
        };
        assert_eq!(host, own, "{token} was shown to a host that is not its own");
    }
}

/// What ECR wants in a secret.
pub fn credential(token: &str) -> Value {
    json!({"username": "acme-bot", "accessToken": token})
}

/// A rule that somebody else makes.
pub fn make_rule(aws: &LocalAws, prefix: &str, host: &str, secret: Option<&str>) {
    let mut input = json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": host});
    if let Some(arn) = secret {
        input["credentialArn"] = json!(arn);
    }
    aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
}

/// A repository that ECR made without a template.
pub fn repository(aws: &LocalAws, name: &str) {
    aws.call("ecr", "CreateRepository", json!({"repositoryName": name}))
        .unwrap();
}

/// So many repositories, from `quay/000` on.
pub fn repositories(aws: &LocalAws, n: usize) {
    (0..n).for_each(|n| repository(aws, &numbered(n)));
}

/// The name of one of them.
pub fn numbered(n: usize) -> String {
    format!("quay/{n:03}")
}

/// Images `v1`, `v2`…, the oldest first, a day apart.
pub fn images(aws: &LocalAws, name: &str, n: i64) {
    let now = aws.now();
    let (account, region, partition) = ("123456789012".into(), "eu-west-1".into(), "aws".into());
    let image = |day: i64| {
        let pushed = now - jiff::SignedDuration::from_hours(24 * (n - day + 1));
        Image::new(&format!("sha256:{day:064}"), &[&format!("v{day}")], pushed)
    };
    let images = (1..=n).map(image).collect();
    aws.with_ecr(|ecr| {
        ecr.seed_images(
            &CallContext {
                account,
                region,
                partition,
                now,
            },
            name,
            images,
        )
    });
}

/// A whole run of another invocation, over the newest file, from inside a hook.
pub fn another_run(aws: &LocalAws) {
    another_invocation(aws, &[], uploaded()).unwrap();
}

/// Another invocation, of a function with this environment, from inside a hook.
pub fn another_invocation(aws: &LocalAws, env: &[(&str, &str)], event: Value) -> Result<Report, Failure> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let other = TestStack {
            aws: aws.clone(),
            app: app(aws, env).await,
        };
        other.send(event).await
    })
}

/// A fresh ClientRequestToken.
pub fn token_id() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    format!("{:032}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

pub fn is_write(call: &Call) -> bool {
    call.write && !(call.service == "s3" && call.subject.contains("/status/"))
}

/// A second function over the same account has settings, clients and a role of its own.
pub async fn app(aws: &LocalAws, env: &[(&str, &str)]) -> App {
    let access_key = role::access_key();
    role::enforce(aws, &access_key, env);
    app_as(aws, &access_key, env).await
}

/// A function with this access key, whoever is held to which role.
pub async fn app_as(aws: &LocalAws, access_key: &str, env: &[(&str, &str)]) -> App {
    app_through(in_process::client(aws), aws, access_key, env).await
}

/// The same through a client of the test's choice, such as the function's own, which opens sockets.
pub async fn app_through(client: SharedHttpClient, aws: &LocalAws, access_key: &str, env: &[(&str, &str)]) -> App {
    let lookup = |name: &str| {
        let given = env
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned());
        given.or_else(|| match name {
            "CONFIG_BUCKET" => Some(BUCKET.to_owned()),
            "OWNER" => Some("stack".to_owned()),
            "TEMPLATE_ROLE_ARN" => Some(ROLE.to_owned()),
            name => USUAL
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned()),
        })
    };
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(client)
        .region(Region::new("eu-west-1"))
        .endpoint_url(aws.endpoint())
        .credentials_provider(Credentials::new(access_key, "test", None, None, "test"))
        // The same machinery as in production, in less time.
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(4)
                .with_initial_backoff(Duration::from_millis(2))
                .with_max_backoff(Duration::from_millis(20)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_millis(1500))
                .operation_timeout(Duration::from_secs(10))
                .build(),
        )
        .load()
        .await;
    let (reader, writer) = account::connect(&config);
    let metrics = |line: &str| {
        A_TOKEN_IS_COUNTED.fetch_or(line.contains("canary"), Ordering::Relaxed);
        METRICS.lock().unwrap().push(line.to_owned());
    };
    App {
        reader,
        writer,
        settings: Settings::from_lookup(lookup).unwrap(),
        timing: quick(),
        metrics,
    }
}

/// Production's timing, a hundred times faster.
pub fn quick() -> Timing {
    let timing = Timing::default();
    Timing {
        first_wait: timing.first_wait / 100,
        longest_wait: timing.longest_wait / 100,
        patience: timing.patience / 100,
        preview_patience: timing.preview_patience / 100,
        ..timing
    }
}

/// The EventBridge event of an upload.
pub fn uploaded() -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "account": "123456789012",
        "time": "2026-11-20T10:11:12Z", "region": "eu-west-1", "resources": [format!("arn:aws:s3:::{BUCKET}")],
        "detail": {"version": "0", "bucket": {"name": BUCKET}, "object": {"key": KEY, "size": 5}},
    })
}

/// The event of a rule with a rate.
pub fn scheduled() -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "123456789012", "time": "2026-11-20T10:11:12Z", "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:123456789012:rule/daily"], "detail": {},
    })
}

/// A report as the function's answer has it.
pub fn json_of(report: &Report) -> Value {
    serde_json::to_value(report).unwrap()
}

/// What the errors or the warnings of a report say, a line each.
pub fn messages(problems: &[Problem]) -> String {
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    messages.join("\n")
}

/// A fixed word for the kind of a failure or a hold.
pub fn reason(word: &str) -> Option<Reason> {
    serde_json::from_value(json!(word)).unwrap()
}

/// The report's changes, a line each.
pub fn lines(report: &Report) -> Vec<String> {
    let line = |change: &Change| {
        let Change {
            registry,
            action,
            resource,
            id,
            fields,
            result,
            ..
        } = change;
        let [action, resource, result] = [json!(action), json!(resource), json!(result)];
        let words = [&action, &resource, &result].map(|word| word.as_str().unwrap());
        format!(
            "{registry} {} {} {id} [{}] {}",
            words[0],
            words[1],
            fields.join(" "),
            words[2]
        )
    };
    report.changes.iter().map(line).collect()
}
