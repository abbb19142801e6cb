//! `make run`: events as AWS would send them, one after the other, and what becomes of each. Each step is checked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Outcome;
use crate::file::ROTATED;
use crate::show::{self, title};
use crate::stage::{BUCKET, GITLAB_SECRET, KEY, Stage, read};

const BROKEN: &str =
    "dockerhub:\n  registry: docker.oi\n  usrname: acme-bot\ngitlab:\n  registry: https://registry.gitlab.com\n";

/// What step 4 adds to the example.
const COPIED: &str = "gitlab-team:\n    registry: registry.gitlab.com\n    secret_from:\n        secret: team/gitlab-token\n        username: ecr\n        access_token_key: token\n";

/// The seven steps, with the example.
pub async fn all(example: &Path) -> Outcome<()> {
    let stage = Stage::open(example, "trace").await?;

    title("1. registries.yaml is uploaded, and S3 tells the function");
    let report = stage.upload(read(example)?).await?;
    expect(&report, "outcome", "changed")?;
    for name in &stage.prepared.names {
        check(
            report["registries"][name]["state"] == "ready",
            &format!("{name} is not ready"),
        )?;
    }
    let image = "dockerhub/library/nginx:1.27";
    let pulled = stage
        .aws
        .pull(image)
        .map_err(|e| format!("pull of {image}: {}", e.message))?;
    let template = pulled.template.unwrap_or_else(|| "none".into());
    println!(
        "pull {image}: repository {} made from the template {template}",
        pulled.repository
    );

    title("2. The schedule: nothing has changed, so nothing is written but the status");
    let report = stage.send(stage.schedule()).await?;
    expect(&report, "outcome", "converged")?;
    check_writes(&stage, |_| false)?;

    title("3. A token is rotated, and the function has ECR prove the new one");
    let report = stage.send(stage.rotate("dockerhub")?).await?;
    check(
        report["registries"]["dockerhub"]["credential"] == "valid",
        "the rotated token is not proven",
    )?;
    // One label remembers that it was proven.
    check_writes(&stage, |operation| operation == "UpdateSecretVersionStage")?;

    title("4. Secrets Manager rotates a GitLab token, in a form that ECR cannot read, and the cache follows");
    println!(
        "{}",
        COPIED.lines().map(|line| format!("    {line}\n")).collect::<String>()
    );
    stage.keep_gitlab_token("CreateSecret", "glpat-demo-1")?;
    let report = stage.upload([read(example)?, COPIED.into()].concat()).await?;
    expect(&report, "outcome", "changed")?;
    stage.keep_gitlab_token("PutSecretValue", "glpat-demo-2")?;
    let report = stage.send(stage.last_event("Secret Label Updated")?).await?;
    check(
        report["registries"]["gitlab-team"]["credential"] == "valid"
            && report["message"]
                .as_str()
                .is_some_and(|message| message.starts_with(GITLAB_SECRET)),
        "the copy of the rotated token is not proven",
    )?;

    title("5. Somebody changes the account by hand, and the schedule repairs it");
    stage.by_hand(
        "UpdateRepositoryCreationTemplate",
        json!({"prefix": "gitlab", "lifecyclePolicy": ""}),
    )?;
    stage.by_hand(
        "DeletePullThroughCacheRule",
        json!({"ecrRepositoryPrefix": "public-ecr"}),
    )?;
    let report = stage.send(stage.schedule()).await?;
    expect(&report, "outcome", "changed")?;
    check(
        report["changes"].as_array().is_some_and(|changes| changes.len() == 2),
        "not exactly two repairs",
    )?;

    title("6. The file wants its settings on repositories that exist already; what would lose images is held");
    stage.aws.seed_repositories(["public-ecr/nginx/nginx".to_owned()], 2);
    stage
        .aws
        .seed_repositories(["public-ecr/docker/library/redis".to_owned()], 12);
    let asks = "    existing_repositories: true\n";
    println!("    public-ecr:\n        registry: public.ecr.aws\n    {asks}");
    let report = stage
        .upload([read(example)?, asks.into(), COPIED.into()].concat())
        .await?;
    expect(&report, "outcome", "partial")?;
    let existing = &report["existing_repositories"];
    check(
        existing["done"] == 1 && existing["held"] == 1,
        &format!("not one done and one held: {existing}"),
    )?;

    title("7. A broken file is uploaded, and refused as a whole");
    println!(
        "{}",
        BROKEN.lines().map(|line| format!("    {line}\n")).collect::<String>()
    );
    let report = stage.upload(BROKEN.into()).await?;
    expect(&report, "outcome", "rejected")?;
    check_writes(&stage, |_| false)?;
    stage.close()
}

/// The upload alone, of any file.
pub async fn own_file(file: &Path) -> Outcome<()> {
    let stage = Stage::open(file, "trace").await?;
    title(&format!("{} is uploaded, and S3 tells the function", file.display()));
    let options = stage.aws.options();
    println!(
        "(the stand-in is account {} in {}, and takes every credential of the file for a good one)\n",
        options.account, options.region
    );
    let report = stage.upload(read(file)?).await?;
    check(
        report["outcome"] == "changed",
        report["message"].as_str().unwrap_or_default(),
    )?;
    stage.close()
}

/// One event of the user's, and the response as it is.
pub async fn one_event(example: &Path, file: &Path) -> Outcome<()> {
    let problem = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let event: Value = serde_json::from_slice(&read(file)?).map_err(|e| problem(&e))?;
    let stage = Stage::open(example, "trace").await?;
    println!(
        "An account that follows {}, and whose dockerhub secret was just rotated.",
        example.display()
    );
    stage.aws.put_object(BUCKET, KEY, read(example)?);
    let upload = stage.last_event("Object Created")?;
    stage.invoke(upload).await.result.map_err(|e| e.to_string())?;
    stage.rotate("dockerhub")?;

    title(&format!("The function gets {}", file.display()));
    let (said, ok) = match stage.invoke(event).await.result {
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

impl Stage {
    async fn upload(&self, file: Vec<u8>) -> Outcome<Value> {
        self.aws.put_object(BUCKET, KEY, file);
        self.send(self.last_event("Object Created")?).await
    }

    /// Sends an event, and prints the report and the calls that were made.
    async fn send(&self, event: Value) -> Outcome<Value> {
        self.aws.clear_calls();
        let begun = Instant::now();
        let done = self.invoke(event).await.result;
        let report = done.map_err(|e| format!("the invocation failed: {e}"))?;
        show::report(&report, begun.elapsed());
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.aws.calls() {
            *calls.entry(call.operation).or_default() += 1;
        }
        let calls: Vec<String> = calls.iter().map(|(operation, n)| format!("{operation} {n}")).collect();
        println!("\ncalls: {}", calls.join(", "));
        Ok(report)
    }

    /// Puts another token into a registry's secret, and returns the event.
    fn rotate(&self, registry: &str) -> Outcome<Value> {
        let mut known = self.prepared.rotatable.iter();
        let found = known.find(|one| one.registry == registry);
        let found = found.ok_or_else(|| format!("{registry} has no secret"))?;
        let value = json!({"username": found.username, "accessToken": ROTATED}).to_string();
        let input = json!({"SecretId": found.secret, "SecretString": value});
        let put = self.aws.call("secretsmanager", "PutSecretValue", input);
        put.map_err(|e| e.message)?;
        self.last_event("Secret Label Updated")
    }

    /// Makes the secret that a GitLab token is kept in, or gives it the next token, as AWS's managed rotation does.
    fn keep_gitlab_token(&self, operation: &str, token: &str) -> Outcome<()> {
        self.aws.accept_upstream("registry.gitlab.com", "ecr", token);
        let value = json!({"token": token, "tokenId": "41", "gitlabUrl": "https://gitlab.com"}).to_string();
        let input = match operation {
            "CreateSecret" => json!({"Name": GITLAB_SECRET, "Type": "GitLabAccessToken", "SecretString": value,
                "Tags": [{"Key": "ecr-pull-through-sync:upstream", "Value": "registry.gitlab.com"}]}),
            _ => json!({"SecretId": GITLAB_SECRET, "SecretString": value}),
        };
        self.aws
            .call("secretsmanager", operation, input)
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
        let denied = self.aws.denied();
        check(denied.is_empty(), &format!("the function's role lacks: {denied:?}"))?;
        let log = self.log();
        let told = self
            .prepared
            .tokens
            .iter()
            .any(|token| token.len() >= 4 && log.contains(token));
        check(!told, "a token stands in the function's log")?;
        println!(
            "\n{} lines of log at LOG_LEVEL=trace, and no token in them",
            log.lines().count()
        );
        Ok(())
    }
}

/// Nothing was written, status objects aside, but what may be.
fn check_writes(stage: &Stage, may: impl Fn(&str) -> bool) -> Outcome<()> {
    let writes = stage
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.write && call.service != "s3");
    let others: Vec<String> = writes
        .map(|call| call.operation)
        .filter(|operation| !may(operation))
        .collect();
    check(others.is_empty(), &format!("calls that write: {others:?}"))
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
