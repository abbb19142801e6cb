//! A function with a queue, and an account of more repositories than it has time for.

use std::time::Duration;

use ecr_pull_through_sync::failure::Failure;
use local_aws::Fault;
use serde_json::json;

use crate::stack::{self, Outcome, Report, TestStack, app, uploaded};

pub struct WorkQueue {
    stack: TestStack,
    pub url: String,
    /// The URL of its dead letters.
    pub dead: String,
}

/// It is a stack, with a queue.
impl std::ops::Deref for WorkQueue {
    type Target = TestStack;

    fn deref(&self) -> &TestStack {
        &self.stack
    }
}

impl WorkQueue {
    /// An account with many repositories, and a function that has a queue.
    pub async fn with_repositories(repositories: usize) -> Self {
        let mut stack = TestStack::new().await;
        let (url, dead) = stack.aws.create_queue_pair("work", 3);
        stack.app = app(&stack.aws, &[("WORK_QUEUE_URL", &url)]).await;
        stack.app.timing.wind_down = Duration::from_millis(1200);
        stack.app.timing.last_call = Duration::from_millis(500);
        stack::repositories(&stack.aws, repositories);
        Self { stack, url, dead }
    }

    /// A run that has no time for all: some calls go through, then they hang.
    pub async fn run_out_of_time(&self, yaml: &str) -> Report {
        self.aws.fault(Fault::on("ecr", "TagResource").skip(60).timeout());
        self.upload(yaml);
        let report = self.send_within(uploaded(), Duration::from_millis(6000)).await.unwrap();
        self.aws.clear_faults();
        assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
        report
    }

    pub fn waiting(&self) -> usize {
        self.aws
            .messages(&self.url)
            .iter()
            .filter(|message| message["visible"] == true)
            .count()
    }

    /// Hands one message to the function, as Lambda does.
    pub async fn deliver(&self) -> Result<Report, Failure> {
        let event = self.aws.take_work(&self.url, 1).expect("a message");
        let result = self.send(event.clone()).await;
        self.aws.finish_work(&event, result.is_ok());
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
        self.aws.call("sqs", "SendMessage", input).unwrap();
    }
}
