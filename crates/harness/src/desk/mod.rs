//! A function with a queue, and an account of more repositories than it has time for.

use std::time::Duration;

use ecr_pull_through_sync::failure::Failure;
use local_aws::Fault;
use serde_json::{Value, json};

use crate::support::{Bench, app, repository, uploaded};

pub struct Desk {
    pub bench: Bench,
    pub queue: String,
    pub dead: String,
}

impl Desk {
    /// An account with many repositories, and a function that has a queue.
    pub async fn open(repositories: usize) -> Self {
        let mut bench = Bench::new().await;
        let (queue, dead) = bench.aws.create_queue_pair("work", 3);
        bench.app = app(&bench.aws, &[("WORK_QUEUE_URL", &queue)]).await;
        bench.app.timing.wind_down = Duration::from_millis(1200);
        bench.app.timing.last_call = Duration::from_millis(500);
        for n in 0..repositories {
            repository(&bench.aws, &name(n));
        }
        Self { bench, queue, dead }
    }

    /// A run that has no time for all: some calls go through, then they hang.
    pub async fn run_out_of_time(&self, yaml: &str) -> Value {
        self.bench.aws.fault(Fault::on("ecr", "TagResource").skip(60).timeout());
        self.bench.upload(yaml);
        let report = self
            .bench
            .send_within(uploaded(), Duration::from_millis(6000))
            .await
            .unwrap();
        self.bench.aws.clear_faults();
        assert_eq!(report["outcome"], "partial", "{report:#}");
        report
    }

    pub fn waiting(&self) -> usize {
        self.bench
            .aws
            .messages(&self.queue)
            .iter()
            .filter(|message| message["visible"] == true)
            .count()
    }

    /// Hands one message to the function, as Lambda does.
    pub async fn deliver(&self) -> Result<Value, Failure> {
        let event = self.bench.aws.take_work(&self.queue, 1).expect("a message");
        let result = self.bench.send(event.clone()).await;
        self.bench.aws.finish_work(&event, result.is_ok());
        result
    }

    pub async fn deliver_all(&self) -> Vec<Value> {
        let mut reports = Vec::new();
        while self.waiting() > 0 {
            reports.push(self.deliver().await.unwrap());
        }
        reports
    }

    /// Puts a message into the queue.
    pub fn put(&self, body: &str) {
        let input = json!({"QueueUrl": self.queue, "MessageBody": body});
        self.bench.aws.call("sqs", "SendMessage", input).unwrap();
    }
}

/// Repository number `n`.
pub fn name(n: usize) -> String {
    format!("quay/{n:03}")
}
