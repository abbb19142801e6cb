//! A function with a queue, and an account of more repositories than it has time for.

use std::time::Duration;

use ecr_pull_through_sync::failure::Failure;
use local_aws::Fault;
use serde_json::json;

use crate::stack::{Outcome, Report, TestStack, app, repository, uploaded};

pub struct WorkQueue {
    pub stack: TestStack,
    pub url: String,
    /// The URL of its dead letters.
    pub dead: String,
}

impl WorkQueue {
    /// An account with many repositories, and a function that has a queue.
    pub async fn with_repositories(repositories: usize) -> Self {
        let mut stack = TestStack::new().await;
        let (url, dead) = stack.aws.create_queue_pair("work", 3);
        stack.app = app(&stack.aws, &[("WORK_QUEUE_URL", &url)]).await;
        stack.app.timing.wind_down = Duration::from_millis(1200);
        stack.app.timing.last_call = Duration::from_millis(500);
        for n in 0..repositories {
            repository(&stack.aws, &name(n));
        }
        Self { stack, url, dead }
    }

    /// A run that has no time for all: some calls go through, then they hang.
    pub async fn run_out_of_time(&self, yaml: &str) -> Report {
        self.stack.aws.fault(Fault::on("ecr", "TagResource").skip(60).timeout());
        self.stack.upload(yaml);
        let report = self
            .stack
            .send_within(uploaded(), Duration::from_millis(6000))
            .await
            .unwrap();
        self.stack.aws.clear_faults();
        assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
        report
    }

    pub fn waiting(&self) -> usize {
        self.stack
            .aws
            .messages(&self.url)
            .iter()
            .filter(|message| message["visible"] == true)
            .count()
    }

    /// Hands one message to the function, as Lambda does.
    pub async fn deliver(&self) -> Result<Report, Failure> {
        let event = self.stack.aws.take_work(&self.url, 1).expect("a message");
        let result = self.stack.send(event.clone()).await;
        self.stack.aws.finish_work(&event, result.is_ok());
        result
    }

    pub async fn deliver_all(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        while self.waiting() > 0 {
            reports.push(self.deliver().await.unwrap());
        }
        reports
    }

    /// Puts a message into the queue.
    pub fn put(&self, body: &str) {
        let input = json!({"QueueUrl": self.url, "MessageBody": body});
        self.stack.aws.call("sqs", "SendMessage", input).unwrap();
    }
}

/// Repository number `n`.
pub fn name(n: usize) -> String {
    format!("quay/{n:03}")
}
