//! Messages of the queue that come twice, make no sense, or come at a bad moment.

use local_aws::Fault;
use serde_json::{Value, json};

use super::{REPOSITORIES, TAGS, about_repositories, count, team};
use crate::desk::Desk;
use crate::support::{self, credential, repository, uploaded};

/// What a message did, it did.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_changes_no_count_and_no_line() {
    let desk = Desk::open(REPOSITORIES).await;
    desk.run_out_of_time(TAGS).await;
    let mut events = Vec::new();
    while let Some(event) = desk.bench.aws.take_work(&desk.queue, 1) {
        events.push(event);
    }
    for event in &events {
        desk.bench.send(event.clone()).await.unwrap();
    }
    let once = desk.bench.status();
    assert_eq!(count(&once, "changed"), REPOSITORIES as u64);
    for event in &events {
        desk.bench.send(event.clone()).await.unwrap();
    }
    let twice = desk.bench.status();
    assert_eq!(twice["existing_repositories"], once["existing_repositories"]);
    assert_eq!(about_repositories(&twice).len(), about_repositories(&once).len());
}

/// The same for one that comes again since some of it was left.
#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_for_the_rest_keeps_what_it_did_before() {
    let desk = Desk::open(REPOSITORIES).await;
    desk.run_out_of_time(TAGS).await;
    let message = &desk.bench.aws.messages(&desk.queue)[0];
    let work: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    let stuck = work["work"]["repositories"][7].as_str().unwrap().to_owned();
    desk.bench
        .aws
        .fault(Fault::on("ecr", "TagResource").subject_contains(stuck).server_error());
    desk.deliver().await.unwrap_err();
    desk.bench.aws.clear_faults();
    while desk.waiting() > 0 {
        desk.deliver().await.unwrap();
    }
    let status = desk.bench.status();
    assert_eq!(
        (count(&status, "done"), count(&status, "changed")),
        (REPOSITORIES as u64, REPOSITORIES as u64)
    );
}

/// Whatever keeps a message from being worked on, its last try tells it.
#[tokio::test(start_paused = true)]
async fn a_message_that_dies_since_the_file_cannot_be_read_has_its_reason() {
    let desk = Desk::open(REPOSITORIES).await;
    desk.run_out_of_time(TAGS).await;
    while desk.waiting() > 1 {
        desk.deliver().await.unwrap();
    }
    desk.bench.aws.fault(Fault::on("s3", "GetObject").access_denied());
    while let Some(event) = desk.bench.aws.take_work(&desk.queue, 1) {
        let result = desk.bench.send(event.clone()).await;
        desk.bench.aws.finish_work(&event, result.is_ok());
    }
    desk.bench.aws.clear_faults();
    let dead = desk.bench.aws.messages(&desk.dead);
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
    let desk = Desk::open(0).await;
    desk.bench.follow("quay: {registry: quay.io}\n").await;
    for body in ["hello", "{\"foo\": 1}", "[]"] {
        desk.put(body);
        let delivered = desk.deliver().await;
        assert!(delivered.is_ok(), "{body}: {delivered:?}");
    }
    let dead = desk.bench.aws.messages(&desk.dead);
    assert_eq!(dead.len(), 3);
}

/// Names that no repository can have.
#[tokio::test(start_paused = true)]
async fn a_name_that_no_repository_has_neither_reaches_ecr_nor_holds_up_the_others() {
    let desk = Desk::open(2).await;
    desk.bench
        .follow("quay: {registry: quay.io, tags: {team: web}}\n")
        .await;
    desk.bench.upload(TAGS);
    for odd in ["quay/", "quay/Ünïcode", "quay/a b", "quay/../x", "quay/000\n"] {
        desk.put(
            &json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": ["quay/000", odd]}}).to_string(),
        );
        desk.bench.aws.clear_calls();
        let delivered = desk.deliver().await;
        while desk.waiting() > 0 {
            _ = desk.deliver().await;
        }
        let asked = desk
            .bench
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
    let desk = Desk::open(0).await;
    let bench = &desk.bench;
    repository(&bench.aws, "dockerhub/a");
    let owner = json!([{"Key": "ecr-pull-through-sync:owner", "Value": "other-stack"}]);
    bench.make_secret("ecr-pullthroughcache/dockerhub", &credential("canary-docker-1"), owner);
    bench.upload(
        "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1, tags: {team: web}, existing_repositories: {apply: [tags]}}\n",
    );
    let report = bench.send(uploaded()).await.unwrap();
    assert_eq!(report["registries"]["dockerhub"]["state"], "failed", "{report:#}");
    assert_eq!(team(&bench.aws, "dockerhub/a"), None, "the whole run leaves it alone");
    desk.put(
        &json!({"work": {"id": "old", "part": 0, "registry": "dockerhub", "repositories": ["dockerhub/a"]}})
            .to_string(),
    );
    desk.deliver().await.unwrap();
    assert_eq!(team(&bench.aws, "dockerhub/a"), None, "and so must a message");
}

/// Neither has one that is held by the quota of rules.
#[tokio::test(start_paused = true)]
async fn a_message_touches_nothing_of_a_registry_that_the_quota_holds() {
    let desk = Desk::open(1).await;
    let bench = &desk.bench;
    for n in 0..50 {
        support::make_rule(&bench.aws, &format!("other{n}"), "public.ecr.aws", None);
    }
    bench.upload(TAGS);
    let report = bench.send(uploaded()).await.unwrap();
    assert_eq!(report["registries"]["quay"]["state"], "held", "{report:#}");
    assert_eq!(team(&bench.aws, "quay/000"), None, "the whole run leaves it alone");
    desk.put(&json!({"work": {"id": "old", "part": 0, "registry": "quay", "repositories": ["quay/000"]}}).to_string());
    desk.deliver().await.unwrap();
    assert_eq!(team(&bench.aws, "quay/000"), None, "and so must a message");
}

/// But a secret that cannot be read for a moment refuses nothing for good: the message comes again.
#[tokio::test(start_paused = true)]
async fn a_message_whose_registry_cannot_be_looked_at_comes_again() {
    let desk = Desk::open(0).await;
    let bench = &desk.bench;
    let file =
        "dockerhub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1, tags: {team: web}}\n";
    bench.follow(file).await;
    repository(&bench.aws, "dockerhub/a");
    bench.upload(&file.replace("web}", "web}, existing_repositories: {apply: [tags]}"));
    let work = json!({"work": {"id": "x", "part": 0, "registry": "dockerhub", "repositories": ["dockerhub/a"]}});
    desk.put(&work.to_string());
    bench
        .aws
        .fault(Fault::on("secretsmanager", "DescribeSecret").server_error());
    let failure = desk.deliver().await.unwrap_err().to_string();
    assert!(
        failure.contains("dockerhub could not be looked at: DescribeSecret"),
        "{failure}"
    );
    bench.aws.clear_faults();
    desk.deliver().await.unwrap();
    assert_eq!(team(&bench.aws, "dockerhub/a").as_deref(), Some("web"));
}
