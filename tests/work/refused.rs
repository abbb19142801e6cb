//! Messages that make no sense, come to nothing, or are about what the function must not touch.

use local_aws::Fault;
use serde_json::{Value, json};

use super::{REPOSITORIES, tagged};
use crate::existing::{TAGS, progress, team};
use crate::stack::{self, Outcome, State, credential, numbered, repository, scheduled, uploaded};
use crate::work_queue::WorkQueue;

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_finished_comes_again_and_goes_on_and_dies_with_its_reason() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let message = &queue.aws.messages(&queue.url)[0];
    let work: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    let stuck = work["work"]["repositories"][7].as_str().unwrap().to_owned();
    queue.aws.fault(
        Fault::on("ecr", "TagResource")
            .subject_contains(stuck.clone())
            .server_error(),
    );
    let mut failures = Vec::new();
    while queue.waiting() > 0 {
        if let Err(failure) = queue.deliver().await {
            failures.push(failure.to_string());
        }
    }
    assert_eq!(failures.len(), 2, "the third try is the last: {failures:?}");
    assert!(
        failures[0].contains("1 of 50 repositories are left: TagResource"),
        "{}",
        failures[0]
    );
    let dead = queue.aws.messages(&queue.dead);
    assert_eq!(dead.len(), 1);
    assert_eq!(
        serde_json::from_str::<Value>(dead[0]["body"].as_str().unwrap()).unwrap(),
        work
    );
    let reason = dead[0].to_string();
    assert!(
        reason.contains("repositories are left: TagResource: ServerException"),
        "{reason}"
    );
    let status = queue.status();
    assert_eq!((progress(&status).failed, progress(&status).to_do), (1, 0));
    assert_eq!(
        (status.outcome, status.registries["quay"].state),
        (Outcome::Partial, State::Failed)
    );
    // Nothing is lost: the next run looks at everything again.
    queue.aws.clear_faults();
    let report = queue.send(scheduled()).await.unwrap();
    assert_eq!(
        (report.outcome, tagged(&queue, "web")),
        (Outcome::Changed, REPOSITORIES)
    );
}

/// Whatever keeps a message from being worked on, its last try tells it.
#[tokio::test(start_paused = true)]
async fn a_message_that_dies_since_the_file_cannot_be_read_has_its_reason() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    while queue.waiting() > 1 {
        queue.deliver().await.unwrap();
    }
    queue.aws.fault(Fault::on("s3", "GetObject").access_denied());
    while let Some(event) = queue.aws.take_work(&queue.url, 1) {
        let result = queue.send(event.clone()).await;
        queue.aws.finish_work(&event, result.is_ok());
    }
    queue.aws.clear_faults();
    let dead = queue.aws.messages(&queue.dead);
    assert_eq!(dead.len(), 1);
    assert!(
        dead[0]["messageAttributes"]["reason"].is_object(),
        "{:#}",
        dead[0]["messageAttributes"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_work_dies_at_once_with_its_reason() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.follow("quay: {registry: quay.io}\n").await;
    let bodies = [
        json!({"work": {"id": "x"}}),
        json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": vec!["quay/a"; 101]}}),
        json!({"work": "everything"}),
    ];
    for body in &bodies {
        let input = json!({"QueueUrl": queue.url, "MessageBody": body.to_string()});
        queue.aws.call("sqs", "SendMessage", input).unwrap();
    }
    queue.aws.clear_calls();
    for report in queue.deliver_all().await {
        assert_eq!(report.outcome, Outcome::Ignored, "{report:#?}");
    }
    let dead = queue.aws.messages(&queue.dead);
    assert_eq!(dead.len(), bodies.len());
    assert!(
        dead.iter()
            .all(|message| message.to_string().contains("is not work of this function")),
        "{dead:?}"
    );
}

/// No number of tries makes sense of it.
#[tokio::test(start_paused = true)]
async fn what_is_no_json_or_no_event_dies_at_once_with_its_reason() {
    let queue = WorkQueue::with_repositories(0).await;
    queue.follow("quay: {registry: quay.io}\n").await;
    for body in ["hello", "{\"foo\": 1}", "[]"] {
        queue.put(body);
        let delivered = queue.deliver().await;
        assert!(delivered.is_ok(), "{body}: {delivered:?}");
    }
    let dead = queue.aws.messages(&queue.dead);
    assert_eq!(dead.len(), 3);
}

/// Names that no repository can have.
#[tokio::test(start_paused = true)]
async fn a_name_that_no_repository_has_neither_reaches_ecr_nor_holds_up_the_others() {
    let queue = WorkQueue::with_repositories(2).await;
    queue.follow("quay: {registry: quay.io, tags: {team: web}}\n").await;
    queue.upload(TAGS);
    for odd in ["quay/", "quay/Ünïcode", "quay/a b", "quay/../x", "quay/000\n"] {
        queue.put(
            &json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": ["quay/000", odd]}}).to_string(),
        );
        queue.aws.clear_calls();
        let delivered = queue.deliver().await;
        while queue.waiting() > 0 {
            _ = queue.deliver().await;
        }
        let asked = queue
            .aws
            .calls()
            .iter()
            .filter(|call| call.operation == "DescribeRepositories")
            .count();
        assert!(
            delivered.is_ok(),
            "{odd:?} fails the message, {asked} calls: {:?}",
            delivered.err().map(|e| e.to_string())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn repositories_that_are_gone_when_the_message_comes_are_no_trouble() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    for n in [REPOSITORIES - 1, REPOSITORIES - 2, REPOSITORIES - 30] {
        queue
            .aws
            .call("ecr", "DeleteRepository", json!({"repositoryName": numbered(n)}))
            .unwrap();
    }
    queue.deliver_all().await;
    let status = queue.status();
    assert_eq!(
        (status.outcome, progress(&status).found),
        (Outcome::Changed, REPOSITORIES as u64 - 3)
    );
}

/// A registry that is refused has nothing written, by messages neither.
#[tokio::test(start_paused = true)]
async fn a_message_touches_nothing_of_a_registry_whose_secret_is_another_owners() {
    let queue = WorkQueue::with_repositories(0).await;
    let stack = &*queue;
    repository(&stack.aws, "dockerhub/a");
    let owner = json!([{"Key": "ecr-pull-through-sync:owner", "Value": "other-stack"}]);
    stack.make_secret("ecr-pullthroughcache/dockerhub", &credential("canary-docker-1"), owner);
    stack.upload(
        "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1, tags: {team: web}, existing_repositories: {apply: [tags]}}\n",
    );
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(report.registries["dockerhub"].state, State::Failed, "{report:#?}");
    assert_eq!(team(&stack.aws, "dockerhub/a"), None, "the whole run leaves it alone");
    queue.put(
        &json!({"work": {"id": "old", "part": 0, "registry": "dockerhub", "repositories": ["dockerhub/a"]}})
            .to_string(),
    );
    queue.deliver().await.unwrap();
    assert_eq!(team(&stack.aws, "dockerhub/a"), None, "and so must a message");
}

/// Neither has one that is held by the quota of rules.
#[tokio::test(start_paused = true)]
async fn a_message_touches_nothing_of_a_registry_that_the_quota_holds() {
    let queue = WorkQueue::with_repositories(1).await;
    let stack = &*queue;
    for n in 0..50 {
        stack::make_rule(&stack.aws, &format!("other{n}"), "public.ecr.aws", None);
    }
    stack.upload(TAGS);
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(report.registries["quay"].state, State::Held, "{report:#?}");
    assert_eq!(team(&stack.aws, "quay/000"), None, "the whole run leaves it alone");
    queue.put(&json!({"work": {"id": "old", "part": 0, "registry": "quay", "repositories": ["quay/000"]}}).to_string());
    queue.deliver().await.unwrap();
    assert_eq!(team(&stack.aws, "quay/000"), None, "and so must a message");
}
