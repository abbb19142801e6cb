//! A run that is out of time puts the rest into the queue.

use std::time::Duration;

use ecr_pull_through_sync::report::Progress;
use ecr_pull_through_sync::trigger::Kind;
use local_aws::Fault;
use serde_json::json;

use super::{REPOSITORIES, events, tagged};
use crate::existing::{TAGS, progress};
use crate::stack::{Outcome, State, invoke_as, json_of, messages, uploaded};
use crate::work_queue::WorkQueue;

#[tokio::test(start_paused = true)]
async fn a_run_that_is_out_of_time_hands_the_rest_over_and_the_status_shows_it_being_done() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    let report = queue.run_out_of_time(TAGS).await;
    assert_eq!(json_of(&report), queue.status_json());
    let left = progress(&report).to_do;
    assert!(
        left > 50 && progress(&report).done > 0,
        "{:#?}",
        report.existing_repositories.as_ref().unwrap()
    );
    assert_eq!(progress(&report).done + left, REPOSITORIES as u64);
    assert_eq!(report.registries["quay"].state, State::Planned);
    let message = report.registries["quay"].message.as_deref().unwrap();
    assert_eq!(
        message,
        format!("{left} existing repositories still to do, and in the queue")
    );
    assert_eq!(queue.waiting() as u64, left.div_ceil(50));

    let mut last = left;
    let reports = queue.deliver_all().await;
    for report in &reports {
        assert!(progress(report).to_do < last, "{report:#?}");
        last = progress(report).to_do;
        assert_eq!(report.trigger.kind, Kind::Work);
    }
    let status = queue.status();
    assert_eq!(json_of(&status), json_of(reports.last().unwrap()));
    assert_eq!(status.outcome, Outcome::Changed, "{status:#?}");
    assert_eq!(status.registries["quay"].state, State::Ready);
    assert_eq!(
        (progress(&status).done, progress(&status).changed),
        (REPOSITORIES as u64, REPOSITORIES as u64)
    );
    assert_eq!(status.last_success_at.as_ref(), Some(&status.finished_at));
    assert_eq!(messages(&status.warnings), "", "of what was left");
    assert_eq!(tagged(&queue, "web"), REPOSITORIES);
    assert!(queue.aws.messages(&queue.dead).is_empty());
}

/// Lambda retries an asynchronous invocation with the same request id.
#[tokio::test(start_paused = true)]
async fn messages_of_the_first_try_have_no_part_in_the_status_of_the_second() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    let stack = &*queue;
    // The other registry's credential cannot be proven just now: what is left is handed over, and the invocation fails.
    let hub = "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1}\n";
    stack.upload(&format!("{TAGS}{hub}"));
    for more in [60, 50] {
        stack
            .aws
            .fault(Fault::on("ecr", "ValidatePullThroughCacheRule").server_error());
        stack.aws.fault(Fault::on("ecr", "TagResource").skip(more).timeout());
        let failed = invoke_as(&stack.app, uploaded(), Duration::from_millis(6000), "one-request").await;
        assert!(failed.is_err());
        stack.aws.clear_faults();
    }
    let events = events(&queue);
    assert!(events.len() > 5, "of two tries: {}", events.len());
    // One of the repositories cannot be tagged. Standard queues keep no order: the first try's messages come last.
    stack.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains("quay/219")
            .access_denied(),
    );
    for event in events.iter().rev() {
        stack.send(event.clone()).await.unwrap();
    }
    let status = stack.status();
    let all = REPOSITORIES as u64;
    assert_eq!(status.registries["quay"].state, State::Failed, "{status:#?}");
    let Progress {
        found,
        done,
        failed,
        to_do,
        ..
    } = progress(&status);
    assert_eq!([found, done, failed, to_do], [all, all - 1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_take_the_rest_fails_the_run() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.aws.fault(Fault::on("ecr", "TagResource").skip(60).timeout());
    queue.aws.fault(Fault::on("sqs", "*").access_denied());
    queue.upload(TAGS);
    let failure = queue
        .send_within(uploaded(), Duration::from_millis(6000))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("could not be put into the queue") && failure.contains("AccessDenied"),
        "{failure}"
    );
    queue.aws.clear_faults();
    let status = queue.status();
    let message = status.registries["quay"].message.as_deref().unwrap();
    assert!(!message.contains("in the queue"), "{message}");
    assert_eq!(queue.send(uploaded()).await.unwrap().outcome, Outcome::Changed);
}

#[tokio::test(start_paused = true)]
async fn messages_never_make_messages() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let waiting = queue.waiting();
    queue.aws.clear_calls();
    // Too slow again, for a message and for one that asks for everything.
    let slow = || Fault::on("ecr", "ListTagsForResource").latency(Duration::from_millis(400));
    queue.aws.fault(slow());
    let event = queue.aws.take_work(&queue.url, 1).unwrap();
    let failure = queue
        .send_within(event.clone(), Duration::from_millis(1300))
        .await
        .unwrap_err();
    queue.aws.finish_work(&event, false);
    assert!(failure.to_string().contains("are left"), "{failure}");
    let input = json!({"QueueUrl": queue.url, "MessageBody": json!({"work": {}}).to_string()});
    queue.aws.call("sqs", "SendMessage", input).unwrap();
    queue.aws.clear_faults();
    while queue.waiting() > 0 {
        queue.deliver().await.unwrap();
    }
    let sent = queue
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.operation.starts_with("SendMessage"))
        .count();
    assert_eq!((sent, waiting > 0), (0, true));
    assert_eq!(tagged(&queue, "web"), REPOSITORIES);
}
