//! `make bench-repositories`: how long the compiled function takes for many existing repositories, how many calls it makes, and how
//! much memory at its peak.
//!
//! Every call takes 30 ms, as one inside a Region may. The last lines let through ten calls a second of one operation,
//! as a throttled account would, with Lambda's real time limit, so that the queue has its part. `-- sizes` or `-- limited`
//! measures one of the two.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use local_aws::{Fault, Function, LambdaApi, LocalAws, Options};
use serde_json::{Value, json};

const BUCKET: &str = "bench";
const TIMEOUT: Duration = Duration::from_secs(300);
const LATENCY: Duration = Duration::from_millis(30);
const FILE: &str = "
quay:
  registry: quay.io
  tags: {team: web}
  image_tag_mutability: MUTABLE_WITH_EXCLUSION
  image_tag_mutability_exclusion_filters: [v*]
  existing_repositories: true
";

/// One account with a function and its queue.
struct Stage {
    aws: LocalAws,
    lambda: LambdaApi,
    function: Function,
    queue: String,
    dead: String,
    invocations: usize,
    failed: usize,
}

impl Stage {
    fn open(repositories: usize) -> Self {
        let aws = LocalAws::start_blocking(Options::default()).unwrap();
        aws.create_bucket(BUCKET, true);
        aws.count_calls_only(true);
        aws.seed_repositories(
            (0..repositories).map(|n| format!("quay/team-{}/image-{n:06}", n % 97)),
            3,
        );
        let (queue, dead) = aws.create_queue_pair("work", 5);
        let lambda = aws.lambda();
        let env = [
            ("CONFIG_BUCKET", BUCKET),
            ("OWNER", "bench"),
            ("TEMPLATE_ROLE_ARN", "arn:aws:iam::123456789012:role/templates"),
            ("WORK_QUEUE_URL", queue.as_str()),
            ("EXISTING_REPOSITORIES", "*"),
            ("LOG_LEVEL", "warn"),
        ];
        let function = lambda
            .spawn(Path::new(env!("CARGO_BIN_EXE_ecr-pull-through-sync")), &env)
            .unwrap();
        aws.put_object(BUCKET, "registries.yaml", FILE);
        aws.fault(Fault::on("*", "*").latency(LATENCY));
        Self {
            aws,
            lambda,
            function,
            queue,
            dead,
            invocations: 0,
            failed: 0,
        }
    }

    async fn invoke(&mut self, event: Value) -> Result<Value, Value> {
        let result = self.lambda.invoke(event, TIMEOUT).await.result;
        self.invocations += 1;
        self.failed += usize::from(result.is_err());
        result
    }

    /// A whole run, and all the messages that come of it.
    async fn converge(&mut self) -> Value {
        let schedule = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
        let mut last = self.invoke(schedule).await;
        while let Some(event) = self.aws.take_work(&self.queue, 1) {
            last = self.invoke(event.clone()).await;
            self.aws.finish_work(&event, last.is_ok());
        }
        assert!(self.aws.messages(&self.dead).is_empty(), "dead letters");
        last.unwrap()
    }

    /// Peak resident memory of the function, in MB. Linux alone tells.
    fn peak(&self) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.function.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kb.map_or_else(|| "?".to_owned(), |kb| format!("{:.1}", kb as f64 / 1024.0))
    }
}

async fn measure(name: &str, stage: &mut Stage, outcome: &str) {
    let before = stage.aws.call_counts();
    (stage.invocations, stage.failed) = (0, 0);
    let begun = Instant::now();
    let report = stage.converge().await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(report["outcome"], outcome, "{report:#}");
    let calls: BTreeMap<String, usize> = stage.aws.call_counts();
    let new = |of: &dyn Fn(&str) -> bool| -> usize {
        calls
            .iter()
            .filter(|(name, _)| of(name))
            .map(|(name, n)| n - before.get(name).unwrap_or(&0))
            .sum()
    };
    let throttled = new(&|name| name.contains('!'));
    let all = new(&|name| !name.contains('!'));
    println!(
        "| {name} | {took:.1} | {all} | {throttled} | {} | {} | {} |",
        stage.invocations,
        stage.failed,
        stage.peak()
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("| what | seconds | calls | of them throttled | invocations | failed | peak memory, MB |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let parts: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    for repositories in [100, 1_000, 10_000].into_iter().filter(|_| wants("sizes")) {
        let mut stage = Stage::open(repositories);
        measure(
            &format!("{repositories} repositories, all settings put"),
            &mut stage,
            "changed",
        )
        .await;
        measure(
            &format!("{repositories} repositories, nothing to do"),
            &mut stage,
            "converged",
        )
        .await;
    }
    for operation in ["PutLifecyclePolicy", "GetRepositoryPolicy"]
        .into_iter()
        .filter(|_| wants("limited"))
    {
        let mut stage = Stage::open(3_000);
        stage.aws.fault(Fault::on("ecr", operation).rate(10));
        measure(
            &format!("3000 repositories, 10 {operation} a second"),
            &mut stage,
            "changed",
        )
        .await;
    }
}
