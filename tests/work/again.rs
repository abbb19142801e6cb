//! Messages that come twice, at once, in any order, or again for what was left.

use local_aws::Fault;
use serde_json::{Value, json};

use super::{REPOSITORIES, events};
use crate::existing::{TAGS, of_repositories, progress, team};
use crate::stack::{ChangeResult, Outcome, State, another_invocation, repository};
use crate::work_queue::WorkQueue;

#[tokio::test(start_paused = true)]
async fn messages_carry_names_and_nothing_else_and_come_twice_and_in_any_order() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    let yaml = format!("{TAGS}dockerhub: {{registry: docker.io, username: acme-bot, accessToken: canary-docker-1}}\n");
    queue.run_out_of_time(&yaml).await;
    for message in queue.aws.messages(&queue.url) {
        let body = message["body"].as_str().unwrap();
        assert!(!body.contains("canary") && !body.contains("acme-bot"), "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        let keys: Vec<&String> = body["work"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "part", "registry", "repositories"]);
    }
    // Taken at once, worked on from the last to the first, each twice.
    let events = events(&queue);
    for event in events.iter().rev().chain(&events) {
        queue.send(event.clone()).await.unwrap();
    }
    let status = queue.status();
    assert_eq!(status.outcome, Outcome::Changed);
    assert_eq!(
        (progress(&status).found, progress(&status).done),
        (REPOSITORIES as u64, REPOSITORIES as u64)
    );
    queue.aws.clear_calls();
    queue.send(events[0].clone()).await.unwrap();
    assert_eq!(queue.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn two_messages_at_once_both_get_into_the_status() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let other = queue.aws.take_work(&queue.url, 1).unwrap();
    let url = queue.url.clone();
    queue.aws.before("s3", "PutObject", 1, move |aws| {
        another_invocation(aws, &[("WORK_QUEUE_URL", &url)], other).unwrap();
    });
    queue.deliver_all().await;
    let status = queue.status();
    assert_eq!(
        (status.outcome, progress(&status).to_do),
        (Outcome::Changed, 0),
        "{status:#?}"
    );
}

/// What a message did, it did.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_changes_no_count_and_no_line() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let events = events(&queue);
    for event in &events {
        queue.send(event.clone()).await.unwrap();
    }
    let once = queue.status();
    assert_eq!(progress(&once).changed, REPOSITORIES as u64);
    for event in &events {
        queue.send(event.clone()).await.unwrap();
    }
    let twice = queue.status();
    assert_eq!(
        twice.existing_repositories.as_ref().unwrap(),
        once.existing_repositories.as_ref().unwrap()
    );
    assert_eq!(of_repositories(&twice).len(), of_repositories(&once).len());
}

/// The same for one that comes again since some of it was left.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_for_the_rest_keeps_what_it_did_before() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let message = &queue.aws.messages(&queue.url)[0];
    let work: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    let stuck = work["work"]["repositories"][7].as_str().unwrap().to_owned();
    queue
        .aws
        .fault(Fault::on("ecr", "TagResource").subject_contains(stuck).server_error());
    queue.deliver().await.unwrap_err();
    queue.aws.clear_faults();
    while queue.waiting() > 0 {
        queue.deliver().await.unwrap();
    }
    let status = queue.status();
    assert_eq!(
        (progress(&status).done, progress(&status).changed),
        (REPOSITORIES as u64, REPOSITORIES as u64)
    );
}

/// But a secret that cannot be read for a moment refuses nothing for good: the message comes again.
#[tokio::test(start_paused = true)]
async fn a_message_whose_registry_cannot_be_looked_at_comes_again() {
    let queue = WorkQueue::with_repositories(0).await;
    let stack = &*queue;
    let file =
        "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1, tags: {team: web}}\n";
    stack.follow(file).await;
    repository(&stack.aws, "dockerhub/a");
    stack.upload(&file.replace("web}", "web}, existing_repositories: {apply: [tags]}"));
    let work = json!({"work": {"id": "x", "part": 0, "registry": "dockerhub", "repositories": ["dockerhub/a"]}});
    queue.put(&work.to_string());
    stack
        .aws
        .fault(Fault::on("secretsmanager", "DescribeSecret").server_error());
    let failure = queue.deliver().await.unwrap_err().to_string();
    assert!(
        failure.contains("dockerhub could not be looked at: DescribeSecret"),
        "{failure}"
    );
    stack.aws.clear_faults();
    queue.deliver().await.unwrap();
    assert_eq!(team(&stack.aws, "dockerhub/a").as_deref(), Some("web"));
}

/// `since` is for trouble.
#[tokio::test(start_paused = true)]
async fn a_registry_that_is_ready_again_is_not_failing_since() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let events = events(&queue);
    // Nothing may be tagged for a while; the first message comes twice, as SQS's may, and then once more when it may be.
    queue.aws.fault(Fault::on("ecr", "TagResource").access_denied());
    for event in [&events[0], &events[0]] {
        queue.send(event.clone()).await.unwrap();
    }
    queue.aws.clear_faults();
    for event in &events {
        queue.send(event.clone()).await.unwrap();
    }
    let quay = queue.status().registries["quay"].clone();
    assert_eq!(quay.state, State::Ready);
    assert!(quay.since.is_none(), "{quay:#?}");
}

/// A lost answer to the status of a message: what it writes again finds its own lines there.
#[tokio::test(start_paused = true)]
async fn trouble_that_a_message_finds_is_news_even_if_the_status_is_written_twice() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    queue.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains("quay/219")
            .access_denied(),
    );
    while queue.waiting() > 1 {
        queue.deliver().await.unwrap();
    }
    queue.aws.fault(Fault::on("s3", "PutObject").times(1).reset_after());
    queue.deliver().await.unwrap();
    let status = queue.status();
    let failed = status
        .changes
        .iter()
        .find(|c| c.result == ChangeResult::Failed)
        .unwrap()
        .clone();
    assert_eq!(failed.id, "quay/219");
    assert!(failed.since.is_none(), "{failed:#?}");
}
