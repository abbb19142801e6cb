//! One account with one process, and what its runs take.

use std::fmt::Write;
use std::time::{Duration, Instant};

use local_aws::{Fault, Function, LambdaApi, LocalAws, Options};
use serde_json::{Value, json};

use super::contender::Contender;

const BUCKET: &str = "bench";
const TIMEOUT: Duration = Duration::from_secs(300);

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub ms: f64,
    pub calls: usize,
    pub rounds: usize,
}

/// How a process starts: medians of several.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// From the start of the process to its first question for an event.
    pub poll: f64,
    /// From the start of the process to the end of its first run, over one registry, when that is what it starts with. Not a
    /// number for a program that has no runs.
    pub run: f64,
    /// The first invocation, of an event that is no work.
    pub first: f64,
    /// The next one.
    pub warm: f64,
    /// Peak memory by then, in MB.
    pub peak: f64,
}

/// What several starts took, until their medians are taken.
#[derive(Default)]
pub struct Starts {
    polls: Vec<f64>,
    runs: Vec<f64>,
    firsts: Vec<f64>,
    warms: Vec<f64>,
    peaks: Vec<f64>,
}

impl Starts {
    /// One more.
    pub async fn add(&mut self, contender: &Contender, has_runs: bool) {
        if has_runs {
            let mut stage = Stage::open(contender, Duration::ZERO).await;
            stage.upload(1, "MUTABLE");
            self.runs
                .push(stage.polled_after().await + stage.run("changed").await.ms);
        }
        let stage = Stage::open(contender, Duration::ZERO).await;
        // Another bucket's upload: the function has nothing to do with it. Python has no such case, and reads its file.
        stage.upload(1, "MUTABLE");
        self.polls.push(stage.polled_after().await);
        let event = json!({"source": "aws.s3", "detail-type": "Object Created", "account": "123456789012",
            "region": "eu-west-1", "detail": {"bucket": {"name": "another"}, "object": {"key": "any"}}});
        self.firsts.push(stage.invoke(event.clone()).await.0);
        self.warms.push(stage.invoke(event).await.0);
        self.peaks.push(stage.peak());
    }

    pub fn medians(self) -> Start {
        Start {
            poll: median(self.polls),
            run: median(self.runs),
            first: median(self.firsts),
            warm: median(self.warms),
            peak: median(self.peaks),
        }
    }
}

/// One account with a process.
pub struct Stage {
    pub aws: LocalAws,
    lambda: LambdaApi,
    function: Function,
}

impl Stage {
    pub async fn open(contender: &Contender, latency: Duration) -> Self {
        Self::with(contender, latency, |_| Vec::new()).await
    }

    async fn with(
        contender: &Contender,
        latency: Duration,
        prepare: impl FnOnce(&LocalAws) -> Vec<(String, String)>,
    ) -> Self {
        let aws = LocalAws::start_blocking(Options::default()).unwrap();
        aws.create_bucket(BUCKET, true);
        aws.accept_upstream("registry-1.docker.io", "acme-bot", "bench-token");
        let prepared = prepare(&aws);
        if !latency.is_zero() {
            aws.fault(Fault::on("*", "*").latency(latency));
        }
        let lambda = aws.lambda();
        let settings = [("CONFIG_BUCKET", BUCKET), ("OWNER", "bench"), ("LOG_LEVEL", "warn")];
        let own = contender
            .env
            .iter()
            .chain(&prepared)
            .map(|(key, value)| (key.as_str(), value.as_str()));
        let env: Vec<(&str, &str)> = settings.into_iter().chain(own).collect();
        let function = lambda.spawn(&contender.bootstrap, &env).unwrap();
        let stage = Self { aws, lambda, function };
        // A process that is still starting would make its first run look slow.
        stage.polled_after().await;
        stage
    }

    /// From the start of the process to its first question for an event, in milliseconds.
    async fn polled_after(&self) -> f64 {
        loop {
            if let Some(after) = self.function.first_poll() {
                return ms(after);
            }
            assert!(!self.function.exited(), "it ended: {}", self.function.output());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Uploads a file of so many registries, every second one with a credential.
    pub fn upload(&self, registries: usize, first_mutability: &str) {
        let mut file = String::new();
        for n in 0..registries {
            let upstream = if n % 2 == 0 {
                "registry: registry-1.docker.io, username: acme-bot, accessToken: bench-token"
            } else {
                "registry: quay.io"
            };
            let mutability = if n == 0 { first_mutability } else { "MUTABLE" };
            writeln!(file, "team-{n:02}: {{{upstream}, image_tag_mutability: {mutability}}}").unwrap();
        }
        self.aws.put_object(BUCKET, "registries.yaml", file);
    }

    /// How long an invocation took, in milliseconds, and its answer.
    async fn invoke(&self, event: Value) -> (f64, Value) {
        let begun = Instant::now();
        let result = self.lambda.invoke(event, TIMEOUT).await.result;
        let took = ms(begun.elapsed());
        let why = |error: &Value| format!("{error:#}\n{}", self.function.output());
        (took, result.unwrap_or_else(|error| panic!("{}", why(&error))))
    }

    /// One run, as the clock starts it.
    pub async fn run(&mut self, outcome: &str) -> Run {
        self.aws.clear_calls();
        let schedule = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
        let (ms, report) = self.invoke(schedule).await;
        assert_eq!(report["outcome"], outcome, "{report:#}");
        let not_ready = report["registries"]
            .as_object()
            .unwrap()
            .values()
            .filter(|line| line["state"] != "ready");
        assert_eq!(not_ready.count(), 0, "{report:#}");
        Run {
            ms,
            calls: self.aws.calls().len(),
            rounds: self.aws.rounds(),
        }
    }

    /// Peak resident memory of the process, in MB. Linux alone tells.
    pub fn peak(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.function.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kb = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kb.map_or(f64::NAN, |kb| kb / 1024.0)
    }
}

/// A first apply of 50 registries in an account that takes ten calls a second of each of ECR's operations: seconds, and how
/// many calls were throttled.
pub async fn throttled(contender: &Contender) -> (f64, usize) {
    let mut stage = Stage::open(contender, Duration::from_millis(40)).await;
    stage.aws.fault(Fault::on("ecr", "*").rate(10));
    stage.upload(50, "MUTABLE");
    let run = stage.run("changed").await;
    let counts = stage.aws.call_counts();
    (
        run.ms / 1000.0,
        counts
            .iter()
            .filter(|(name, _)| name.contains('!'))
            .map(|(_, n)| n)
            .sum(),
    )
}

/// Peak memory with 10,000 repositories that exist already, of which each is looked at and tagged, in MB.
pub async fn many_repositories(contender: &Contender) -> f64 {
    let mut stage = Stage::with(contender, Duration::ZERO, |aws| {
        aws.count_calls_only(true);
        aws.seed_repositories((0..10_000).map(|n| format!("quay/team-{}/image-{n:06}", n % 97)), 1);
        let role = (
            "TEMPLATE_ROLE_ARN".into(),
            "arn:aws:iam::123456789012:role/templates".into(),
        );
        vec![role, ("EXISTING_REPOSITORIES".into(), "*".into())]
    })
    .await;
    let file = "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags]}}\n";
    stage.aws.put_object(BUCKET, "registries.yaml", file);
    stage.run("changed").await;
    stage.peak()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
