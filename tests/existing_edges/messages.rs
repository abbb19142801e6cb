//! Messages of the queue that come twice, make no sense, or come at a bad moment.

use local_aws::Fault;
use serde_json::{Value, json};

use super::{REPOSITORIES, TAGS, about_repositories, count, team};
use crate::stack::{self, State, credential, repository, uploaded};
use crate::work_queue::WorkQueue;

/// What a message did, it did.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_changes_no_count_and_no_line() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let mut events = Vec::new();
    while let Some(event) = queue.stack.aws.take_work(&queue.url, 1) {
        events.push(event);
    }
    for event in &events {
        queue.stack.send(event.clone()).await.unwrap();
    }
    let once = queue.stack.status();
    assert_eq!(count(&once, "changed"), REPOSITORIES as u64);
    for event in &events {
        queue.stack.send(event.clone()).await.unwrap();
    }
    let twice = queue.stack.status();
    assert_eq!(
        twice.existing_repositories.as_ref().unwrap(),
        once.existing_repositories.as_ref().unwrap()
    );
    assert_eq!(about_repositories(&twice).len(), about_repositories(&once).len());
}

/// The same for one that comes again since some of it was left.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_for_the_rest_keeps_what_it_did_before() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let message = &queue.stack.aws.messages(&queue.url)[0];
    let work: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    let stuck = work["work"]["repositories"][7].as_str().unwrap().to_owned();
    queue
        .stack
        .aws
        .fault(Fault::on("ecr", "TagResource").subject_contains(stuck).server_error());
    queue.deliver().await.unwrap_err();
    queue.stack.aws.clear_faults();
    while queue.waiting() > 0 {
        queue.deliver().await.unwrap();
    }
    let status = queue.stack.status();
    assert_eq!(
        (count(&status, "done"), count(&status, "changed")),
        (REPOSITORIES as u64, REPOSITORIES as u64)
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
    queue.stack.aws.fault(Fault::on("s3", "GetObject").access_denied());
    while let Some(event) = queue.stack.aws.take_work(&queue.url, 1) {
        let result = queue.stack.send(event.clone()).await;
        queue.stack.aws.finish_work(&event, result.is_ok());
    }
    queue.stack.aws.clear_faults();
    let dead = queue.stack.aws.messages(&queue.dead);
    assert_eq!(dead.len(), 1);
    assert!(
        dead[0]["messageAttributes"]["reason"].is_object(),
        "{:#}",
        dead[0]["messageAttributes"]
    );
}

/// No number of tries makes sense of it.
#[tokio::test(start_paused = true)]
async fn what_is_no_json_or_no_event_dies_at_once_with_its_reason() {
    let queue = WorkQueue::with_repositories(0).await;
    queue.stack.follow("quay: {registry: quay.io}\n").await;
    for body in ["hello", "{\"foo\": 1}", "[]"] {
        queue.put(body);
        let delivered = queue.deliver().await;
        assert!(delivered.is_ok(), "{body}: {delivered:?}");
    }
    let dead = queue.stack.aws.messages(&queue.dead);
    assert_eq!(dead.len(), 3);
}

/// Names that no repository can have.
#[tokio::test(start_paused = true)]
async fn a_name_that_no_repository_has_neither_reaches_ecr_nor_holds_up_the_others() {
    let queue = WorkQueue::with_repositories(2).await;
    queue
        .stack
        .follow("quay: {registry: quay.io, tags: {team: web}}\n")
        .await;
    queue.stack.upload(TAGS);
    for odd in ["quay/", "quay/Ünïcode", "quay/a b", "quay/../x", "quay/000\n"] {
        queue.put(
            &json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": ["quay/000", odd]}}).to_string(),
        );
        queue.stack.aws.clear_calls();
        let delivered = queue.deliver().await;
        while queue.waiting() > 0 {
            _ = queue.deliver().await;
        }
        let asked = queue
            .stack
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

/// A registry that is refused has nothing written, by messages neither.
#[tokio::test(start_paused = true)]
async fn a_message_touches_nothing_of_a_registry_whose_secret_is_another_owners() {
    let queue = WorkQueue::with_repositories(0).await;
    let stack = &queue.stack;
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
    let stack = &queue.stack;
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

/// But a secret that cannot be read for a moment refuses nothing for good: the message comes again.
#[tokio::test(start_paused = true)]
async fn a_message_whose_registry_cannot_be_looked_at_comes_again() {
    let queue = WorkQueue::with_repositories(0).await;
    let stack = &queue.stack;
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
