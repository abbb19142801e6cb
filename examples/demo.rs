//! `make run`: the compiled function on this machine, against a stand-in for AWS, without an AWS account.
//!
//! Uploads a file, fires the events that AWS would, prints the reports for people, and exits with status 1 if any
//! step is not as it should be. `--file F` does the first part with another file, `--event F` sends one event.

#![allow(
    clippy::indexing_slicing,
    reason = "reading a JSON value by a key it lacks gives null, and does not panic"
)]

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use config::{self, Context};
use ecr_pull_through_sync::home::Home;
use local_aws::iam::Stack;
use local_aws::{Function, Invocation, LambdaApi, LocalAws, Options};
use serde_json::{Value, json};

const BUCKET: &str = "my-registries";
const KEY: &str = "registries.yaml";
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/registries.yaml");
const TEMPLATE: &str = include_str!("../template.yaml");

/// What went wrong, for the last line.
type Outcome<T> = Result<T, String>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => whole_story().await,
        ["--file", file] => own_file(Path::new(file)).await,
        ["--event", event] => one_event(Path::new(event)).await,
        _ => Err("usage: demo [--file registries.yaml | --event event.json]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{}", Style::new().red(&format!("not as it should be: {problem}")));
            ExitCode::FAILURE
        }
    }
}

async fn whole_story() -> Outcome<()> {
    let stage = Stage::open(Path::new(EXAMPLE)).await?;

    stage.title("1. registries.yaml is uploaded, and S3 tells the function");
    let report = stage.upload_and_follow(Path::new(EXAMPLE)).await?;
    expect(&report, "outcome", "changed")?;
    for name in stage.names() {
        check(
            report["registries"][&name]["state"] == "ready",
            &format!("{name} is not ready"),
        )?;
    }
    stage.pull("dockerhub/library/nginx:1.27")?;

    stage.title("2. The clock: nothing has changed, so nothing is written but the status");
    let report = stage.send(schedule()).await?;
    expect(&report, "outcome", "converged")?;
    check(
        stage.writes().is_empty(),
        &format!("calls that write: {:?}", stage.writes()),
    )?;

    stage.title("3. A token is rotated, and the function has ECR prove the new one");
    stage
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "dckr_pat_rotated");
    stage.rotate("dockerhub", "dckr_pat_rotated")?;
    let event = stage.last_event("Secret Label Updated")?;
    let report = stage.send(event).await?;
    check(
        report["registries"]["dockerhub"]["credential"] == "valid",
        "the rotated token is not proven",
    )?;
    // One label remembers that it was proven.
    let is_label = |call: &String| call.starts_with("UpdateSecretVersionStage");
    check(
        stage.writes().iter().all(is_label),
        &format!("calls that write: {:?}", stage.writes()),
    )?;

    stage.title("4. Somebody changes the account by hand, and the clock repairs it");
    stage.by_hand(
        "UpdateRepositoryCreationTemplate",
        json!({"prefix": "gitlab", "lifecyclePolicy": ""}),
    )?;
    stage.by_hand(
        "DeletePullThroughCacheRule",
        json!({"ecrRepositoryPrefix": "public-ecr"}),
    )?;
    let report = stage.send(schedule()).await?;
    expect(&report, "outcome", "changed")?;
    check(
        report["changes"].as_array().is_some_and(|changes| changes.len() == 2),
        "not exactly two repairs",
    )?;

    stage.title("5. The file wants its settings on repositories that exist already; what would lose images is held");
    stage.aws.seed_repositories(["public-ecr/nginx/nginx".to_owned()], 2);
    stage
        .aws
        .seed_repositories(["public-ecr/docker/library/redis".to_owned()], 12);
    let asks = "    existing_repositories: true\n";
    println!("    public-ecr:\n        registry: public.ecr.aws\n    {asks}");
    let example = std::fs::read_to_string(EXAMPLE).map_err(|e| e.to_string())?;
    stage.aws.put_object(BUCKET, KEY, format!("{example}{asks}"));
    let report = stage.send(stage.last_event("Object Created")?).await?;
    expect(&report, "outcome", "partial")?;
    let existing = &report["existing_repositories"];
    check(
        existing["done"] == 1 && existing["held"] == 1,
        &format!("not one done and one held: {existing}"),
    )?;

    stage.title("6. A broken file is uploaded, and refused as a whole");
    let broken =
        "dockerhub:\n  registry: docker.oi\n  usrname: acme-bot\ngitlab:\n  registry: https://registry.gitlab.com\n";
    println!(
        "{}",
        broken.lines().map(|line| format!("    {line}\n")).collect::<String>()
    );
    stage.aws.put_object(BUCKET, KEY, broken);
    let report = stage.send(stage.last_event("Object Created")?).await?;
    expect(&report, "outcome", "rejected")?;
    check(stage.writes().is_empty(), "a refused file was acted on")?;
    stage.close()
}

async fn own_file(file: &Path) -> Outcome<()> {
    let stage = Stage::open(file).await?;
    stage.title(&format!("{} is uploaded, and S3 tells the function", file.display()));
    let Options { account, region, .. } = stage.aws.options();
    println!(
        "(the stand-in is account {account} in {region}, and takes every credential of the file for a good one)\n"
    );
    let report = stage.upload_and_follow(file).await?;
    check(
        report["outcome"] == "changed",
        report["message"].as_str().unwrap_or_default(),
    )?;
    stage.close()
}

async fn one_event(file: &Path) -> Outcome<()> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let event: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let stage = Stage::open(Path::new(EXAMPLE)).await?;
    println!("An account that follows examples/registries.yaml, and whose dockerhub secret was just rotated.");
    stage
        .aws
        .put_object(BUCKET, KEY, std::fs::read(EXAMPLE).map_err(|e| e.to_string())?);
    stage
        .invoke(stage.last_event("Object Created")?)
        .await
        .result
        .map_err(|e| e.to_string())?;
    stage
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "dckr_pat_rotated");
    stage.rotate("dockerhub", "dckr_pat_rotated")?;

    stage.title(&format!("The function gets {}", file.display()));
    let invocation = stage.invoke(event).await;
    let (said, ok) = match &invocation.result {
        Ok(report) => (report, true),
        Err(error) => (error, false),
    };
    println!("{said:#}");
    stage.close()?;
    check(
        ok,
        "the invocation failed, as it does for an event that the function does not know",
    )
}

/// The stand-in, the function and what is known of the file.
struct Stage {
    aws: LocalAws,
    lambda: LambdaApi,
    function: Function,
    tokens: Vec<String>,
    names: Vec<String>,
    style: Style,
}

impl Stage {
    async fn open(file: &Path) -> Outcome<Self> {
        let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let Home {
            account,
            region,
            partition,
        } = home(&bytes);
        let options = Options {
            account,
            region,
            partition,
            ..Options::default()
        };
        let aws = LocalAws::start(options)
            .await
            .map_err(|e| format!("local-aws does not start: {e}"))?;
        aws.create_bucket(BUCKET, true);
        let (mut tokens, mut names) = (vec!["dckr_pat_rotated".to_owned(), "demo-token".to_owned()], Vec::new());
        let (mut roles, mut hosts) = (Vec::new(), Vec::new());
        // A file with mistakes in it has no credentials: the function will say what is wrong.
        for registry in config::read(&bytes, &context(Some(aws.options())))
            .map(|file| file.registries)
            .unwrap_or_default()
        {
            if let config::CredentialSource::Given(credential) = &registry.credential {
                let (username, token) = credential.expose();
                aws.accept_upstream(&registry.upstream.host, username, token);
                tokens.push(token.to_owned());
            }
            // What `secret:` names must exist already: here it does, with a credential that the stand-in takes.
            if let config::CredentialSource::Secret(id) = &registry.credential {
                let value = json!({"username": "demo", "accessToken": "demo-token"}).to_string();
                let made = if id.starts_with("arn:") {
                    aws.seed_secret(id, &value)
                } else {
                    aws.call(
                        "secretsmanager",
                        "CreateSecret",
                        json!({"Name": id, "SecretString": value}),
                    )
                };
                // A second registry may name the same one.
                drop(made);
                aws.accept_upstream(&registry.upstream.host, "demo", "demo-token");
            }
            if matches!(
                registry.upstream.kind,
                config::UpstreamKind::Azure | config::UpstreamKind::Unlisted
            ) {
                hosts.push(registry.upstream.host);
            }
            roles.extend(registry.custom_role_arn);
            names.push(registry.name);
        }
        let lambda = aws.lambda();
        let role = format!(
            "arn:{}:iam::{}:role/template",
            aws.options().partition,
            aws.options().account
        );
        let hosts = hosts.join(",");
        let environment = [
            ("CONFIG_BUCKET", BUCKET),
            ("OWNER", "demo"),
            ("TEMPLATE_ROLE_ARN", &role),
            ("ALLOWED_UPSTREAMS", hosts.as_str()),
            ("EXISTING_REPOSITORIES", "*"),
            ("LOG_LEVEL", "trace"),
        ];
        let binary = function_binary()?;
        let function = lambda
            .spawn(&binary, &environment)
            .map_err(|e| format!("{}: {e}", binary.display()))?;
        // The function may do what its role may, deployed for this file.
        let stack = Stack::read(TEMPLATE, aws.options())?
            .named("demo")
            .physical("ConfigBucket", BUCKET);
        let stack = stack
            .physical("TemplateRole", "template")
            .parameter("PassableRoles", &roles.join(","));
        let stack = stack.parameter("ExistingRepositories", "*");
        aws.enforce(function.principal(), stack.policy("FunctionRole")?);
        Ok(Self {
            aws,
            lambda,
            function,
            tokens,
            names,
            style: Style::new(),
        })
    }

    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn title(&self, title: &str) {
        println!("\n{}\n", self.style.bold(title));
    }

    async fn upload_and_follow(&self, file: &Path) -> Outcome<Value> {
        let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        self.aws.put_object(BUCKET, KEY, bytes);
        let event = self.last_event("Object Created")?;
        self.send(event).await
    }

    async fn invoke(&self, event: Value) -> Invocation {
        self.aws.clear_calls();
        self.lambda.invoke(event, Duration::from_secs(300)).await
    }

    /// Sends an event and prints the report for people.
    async fn send(&self, event: Value) -> Outcome<Value> {
        let begun = Instant::now();
        let report = self
            .invoke(event)
            .await
            .result
            .map_err(|e| format!("the invocation failed: {e}"))?;
        self.print(&report, begun.elapsed());
        Ok(report)
    }

    fn print(&self, report: &Value, took: Duration) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outcome = text(&report["outcome"]);
        let outcome = match outcome.as_str() {
            "converged" | "changed" => self.style.green(&outcome),
            _ => self.style.red(&outcome),
        };
        println!("{outcome}: {} ({} ms)\n", text(&report["message"]), took.as_millis());
        let registries = report["registries"].as_object().into_iter().flatten();
        let host = registries
            .clone()
            .find_map(|(name, registry)| registry["url"].as_str()?.strip_suffix(name)?.strip_suffix('/'));
        if let Some(host) = host {
            println!("pull from {host}/REGISTRY/IMAGE:TAG\n");
        }
        let rows = registries.map(|(name, registry)| {
            let keys = ["state", "upstream", "credential", "message"];
            std::iter::once(name.clone())
                .chain(keys.iter().map(|key| text(&registry[key])))
                .collect()
        });
        table(
            &["registry", "state", "upstream", "credential", "message"],
            rows.collect(),
        );
        let changes = report["changes"].as_array().into_iter().flatten();
        let rows = changes.map(|change| {
            let fields: Vec<String> = change["fields"].as_array().into_iter().flatten().map(text).collect();
            let keys = ["registry", "action", "resource", "id"];
            let mut row: Vec<String> = keys.iter().map(|key| text(&change[key])).collect();
            row.extend([fields.join(", "), text(&change["result"]), text(&change["error"])]);
            row
        });
        table(
            &["registry", "change", "of", "id", "fields", "result", "why"],
            rows.collect(),
        );
        for (kind, problems) in [("error", &report["errors"]), ("warning", &report["warnings"])] {
            for problem in problems.as_array().into_iter().flatten() {
                let place = match (&problem["line"], &problem["column"]) {
                    (Value::Number(line), Value::Number(column)) => format!("{line}:{column}: "),
                    _ => String::new(),
                };
                println!(
                    "{kind}: {place}{}: {}",
                    text(&problem["registry"]),
                    text(&problem["message"])
                );
            }
        }
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.aws.calls() {
            *calls.entry(call.operation).or_default() += 1;
        }
        let calls: Vec<String> = calls.iter().map(|(operation, n)| format!("{operation} {n}")).collect();
        println!("\ncalls: {}", calls.join(", "));
    }

    /// Calls that changed something, the status objects' aside.
    fn writes(&self) -> Vec<String> {
        let writes = self
            .aws
            .calls()
            .into_iter()
            .filter(|call| call.write && call.service != "s3");
        writes
            .map(|call| format!("{} {}", call.operation, call.subject))
            .collect()
    }

    fn pull(&self, image: &str) -> Outcome<()> {
        let pulled = self
            .aws
            .pull(image)
            .map_err(|e| format!("pull of {image}: {}", e.message))?;
        let template = pulled.template.unwrap_or_else(|| "none".into());
        println!(
            "pull {image}: repository {} made from the template {template}",
            pulled.repository
        );
        Ok(())
    }

    fn rotate(&self, registry: &str, token: &str) -> Outcome<()> {
        let value = json!({"username": "acme-bot", "accessToken": token}).to_string();
        let input = json!({
            "SecretId": format!("ecr-pullthroughcache/{registry}"), "SecretString": value,
            "ClientRequestToken": "00000000-0000-0000-0000-000000000001",
        });
        self.aws
            .call("secretsmanager", "PutSecretValue", input)
            .map(drop)
            .map_err(|e| e.message)
    }

    fn by_hand(&self, operation: &str, input: Value) -> Outcome<()> {
        println!("    aws ecr {operation} {input}");
        self.aws.call("ecr", operation, input).map(drop).map_err(|e| e.message)
    }

    /// The newest event of a kind that the stand-in has raised.
    fn last_event(&self, kind: &str) -> Outcome<Value> {
        let events = self.aws.events();
        let last = events.into_iter().rev().find(|event| event["detail-type"] == kind);
        last.ok_or_else(|| format!("no {kind:?} event was raised"))
    }

    /// The last checks: the function was refused nothing, and, logging at its chattiest, has told no token.
    fn close(self) -> Outcome<()> {
        check(
            self.aws.denied().is_empty(),
            &format!("the function's role lacks: {:?}", self.aws.denied()),
        )?;
        let log = self.function.output();
        for token in &self.tokens {
            check(
                token.len() < 4 || !log.contains(token),
                "a token stands in the function's log",
            )?;
        }
        println!(
            "\n{} lines of log at LOG_LEVEL=trace, and no token in them",
            log.lines().count()
        );
        Ok(())
    }
}

/// Of an account, or of none: then nothing is said of what depends on it.
fn context(options: Option<&Options>) -> Context {
    Context {
        account: options.map(|options| options.account.clone()),
        region: options.map(|options| options.region.clone()),
        partition: options.map_or_else(|| "aws".into(), |options| options.partition.clone()),
        template_role: true,
        resource_tags: BTreeMap::new(),
    }
}

/// The account and Region that a file is for, as its ARNs say: ECR reads secrets of the account and Region it is in, takes
/// roles of its account, and keys of its Region. What no ARN says is that of the stand-in.
fn home(bytes: &[u8]) -> Home {
    let Options {
        account,
        region,
        partition,
        ..
    } = Options::default();
    let (mut accounts, mut regions, mut partitions) = (Vec::new(), Vec::new(), Vec::new());
    for partition in ["aws", "aws-cn", "aws-us-gov"] {
        let file = config::read(
            bytes,
            &Context {
                partition: partition.into(),
                ..context(None)
            },
        );
        for registry in file.map(|file| file.registries).unwrap_or_default() {
            let secret = match registry.credential {
                config::CredentialSource::Secret(id) if id.starts_with("arn:") => Some(id),
                _ => None,
            };
            let key = registry.encryption.and_then(|encryption| encryption.kms_key);
            for (arn, own_account) in [(secret, true), (registry.custom_role_arn, true), (key, false)] {
                let Some(arn) = arn else { continue };
                let parts: Vec<&str> = arn.splitn(6, ':').collect();
                let [_, partition, _, region, account, _] = parts[..] else {
                    continue;
                };
                partitions.push(partition.to_owned());
                regions.extend((!region.is_empty()).then(|| region.to_owned()));
                accounts.extend(own_account.then(|| account.to_owned()));
            }
        }
    }
    let first = |found: Vec<String>, else_: String| found.into_iter().next().unwrap_or(else_);
    Home {
        account: first(accounts, account),
        region: first(regions, region),
        partition: first(partitions, partition),
    }
}

fn schedule() -> Value {
    json!({
        "version": "0", "id": "9b041420-4504-719d-73cc-2fa0e0f3bfc3", "detail-type": "Scheduled Event",
        "source": "aws.scheduler", "account": "123456789012", "time": "2026-11-20T10:11:12Z", "region": "eu-west-1",
        "resources": ["arn:aws:scheduler:eu-west-1:123456789012:schedule/default/daily"], "detail": "{}",
    })
}

/// The function was built into the folder above this example's.
fn function_binary() -> Outcome<PathBuf> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let folder = own
        .parent()
        .and_then(Path::parent)
        .ok_or("this program stands in no folder")?;
    let binary = folder.join(format!("ecr-pull-through-sync{}", std::env::consts::EXE_SUFFIX));
    check(binary.exists(), "the function is not built: use `make run`")?;
    Ok(binary)
}

fn check(holds: bool, problem: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

fn expect(report: &Value, key: &str, value: &str) -> Outcome<()> {
    check(
        report[key] == value,
        &format!("{key} is {} where {value:?} was expected", report[key]),
    )
}

/// As wide as the terminal at most. Columns that are empty in every row are left out.
fn table(titles: &[&str], rows: Vec<Vec<String>>) {
    use comfy_table::{ContentArrangement, Table, presets};
    if rows.is_empty() {
        return;
    }
    let used: Vec<usize> = (0..titles.len())
        .filter(|n| rows.iter().any(|row| row.get(*n).is_some_and(|cell| !cell.is_empty())))
        .collect();
    let pick = |row: &[String]| -> Vec<String> { used.iter().filter_map(|n| row.get(*n).cloned()).collect() };
    let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size_of(std::io::stdout()) {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    table.set_header(pick(&titles));
    rows.iter().for_each(|row| _ = table.add_row(pick(row)));
    table
        .column_iter_mut()
        .for_each(|column| _ = column.set_padding((0, 2)));
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
    println!();
}

/// Colours on a terminal, and nowhere else.
struct Style {
    colours: bool,
}

impl Style {
    fn new() -> Self {
        Self {
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn green(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.paint("31", text)
    }
}
