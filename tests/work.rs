//! What one invocation cannot finish goes through the queue: handed over once, safe to come twice, late and in any
//! order, and never lost without a word.

use std::time::Duration;

use crate::stack::{self, Outcome, Report, State, TestStack, app, json_of, scheduled, uploaded};
use crate::work_queue::{WorkQueue, name};
use ecr_pull_through_sync::trigger::Kind;
use local_aws::Fault;
use serde_json::{Value, json};

const QUAY: &str = "quay: {registry: quay.io, tags: {team: web}, existing_repositories: {apply: [tags]}}\n";
const REPOSITORIES: usize = 220;

/// How many repositories have the tag with this value.
fn tagged(queue: &WorkQueue, value: &str) -> usize {
    let has = |n: &usize| {
        let arn = format!("arn:aws:ecr:eu-west-1:123456789012:repository/{}", name(*n));
        let tags = queue
            .stack
            .aws
            .call("ecr", "ListTagsForResource", json!({"resourceArn": arn}));
        tags.is_ok_and(|tags| tags["tags"][0]["Value"] == value)
    };
    (0..REPOSITORIES).filter(has).count()
}

fn count(report: &Report, what: &str) -> u64 {
    json_of(report)["existing_repositories"][what].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_out_of_time_hands_the_rest_over_and_the_status_shows_it_being_done() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    let report = queue.run_out_of_time(QUAY).await;
    assert_eq!(json_of(&report), queue.stack.status_json());
    let left = count(&report, "to_do");
    assert!(
        left > 50 && count(&report, "done") > 0,
        "{:#?}",
        report.existing_repositories.as_ref().unwrap()
    );
    assert_eq!(count(&report, "done") + left, REPOSITORIES as u64);
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
        assert!(count(report, "to_do") < last, "{report:#?}");
        last = count(report, "to_do");
        assert_eq!(report.trigger.kind, Kind::Work);
    }
    let status = queue.stack.status();
    assert_eq!(json_of(&status), json_of(reports.last().unwrap()));
    assert_eq!(status.outcome, Outcome::Changed, "{status:#?}");
    assert_eq!(status.registries["quay"].state, State::Ready);
    assert_eq!(
        (count(&status, "done"), count(&status, "changed")),
        (REPOSITORIES as u64, REPOSITORIES as u64)
    );
    assert_eq!(status.last_success_at.as_ref(), Some(&status.finished_at));
    assert_eq!(tagged(&queue, "web"), REPOSITORIES);
    assert!(queue.stack.aws.messages(&queue.dead).is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_carry_names_and_nothing_else_and_come_twice_and_in_any_order() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    let yaml = format!("{QUAY}dockerhub: {{registry: docker.io, username: acme-bot, accessToken: canary-docker-1}}\n");
    queue.run_out_of_time(&yaml).await;
    for message in queue.stack.aws.messages(&queue.url) {
        let body = message["body"].as_str().unwrap();
        assert!(!body.contains("canary") && !body.contains("acme-bot"), "{body}");
        let body: Value = serde_json::from_str(body).unwrap();
        let keys: Vec<&String> = body["work"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["id", "part", "registry", "repositories"]);
    }
    // Taken at once, worked on from the last to the first, each twice.
    let mut events = Vec::new();
    while let Some(event) = queue.stack.aws.take_work(&queue.url, 1) {
        events.push(event);
    }
    for event in events.iter().rev().chain(&events) {
        queue.stack.send(event.clone()).await.unwrap();
    }
    let status = queue.stack.status();
    assert_eq!(status.outcome, Outcome::Changed);
    assert_eq!(
        (count(&status, "found"), count(&status, "done")),
        (REPOSITORIES as u64, REPOSITORIES as u64)
    );
    queue.stack.aws.clear_calls();
    queue.stack.send(events[0].clone()).await.unwrap();
    assert_eq!(queue.stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_newest_file_wins_over_messages_of_an_older_one() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    let newer = QUAY.replace("web", "db");
    // The newer file is there, its own run has not come yet.
    queue.stack.upload(&newer);
    let before = queue.stack.status_json();
    let report = queue.deliver().await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(
        tagged(&queue, "db") as u64,
        count(&report, "done"),
        "what the message names gets what the file says now"
    );
    assert_eq!(queue.stack.status_json(), before, "the status is that of another file");
    let report = queue.stack.send(uploaded()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed);
    assert_eq!(tagged(&queue, "db"), REPOSITORIES);
    let status = queue.stack.status_json();
    queue.stack.aws.clear_calls();
    for report in queue.deliver_all().await {
        assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
    }
    assert_eq!(queue.stack.writes(), Vec::<String>::new());
    assert_eq!(
        queue.stack.status_json(),
        status,
        "messages of a run that is over have no part in the status"
    );
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_while_a_message_is_worked_on_has_the_last_word() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    let newer = QUAY.replace("web", "db");
    let (over, is_over) = std::sync::mpsc::channel();
    // Some of its repositories have got what the older file says, others get it while the newer one's run is at work.
    queue.stack.aws.after("ecr", "TagResource", 3, move |aws| {
        aws.put_object(stack::BUCKET, stack::KEY, newer);
        stack::another_run(aws);
        over.send(()).unwrap();
    });
    queue.deliver().await.unwrap();
    is_over.recv_timeout(Duration::from_secs(120)).unwrap();
    assert_eq!(tagged(&queue, "db"), REPOSITORIES);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_left_the_file_has_nothing_done_for_its_messages() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    let done = tagged(&queue, "web");
    for newer in [
        "k8s: {registry: registry.k8s.io}\n",
        "quay: {registry: quay.io, tags: {team: web}}\n",
    ] {
        queue.stack.upload(newer);
        queue.stack.aws.clear_calls();
        let report = queue.deliver().await.unwrap();
        assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
        assert_eq!(queue.stack.writes(), Vec::<String>::new());
        assert_eq!(tagged(&queue, "web"), done);
    }
    // A file with a mistake in it changes nothing either.
    queue.stack.upload("quay: {registri: quay.io}\n");
    let report = queue.deliver().await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored);
    assert_eq!(tagged(&queue, "web"), done);
}

#[tokio::test(start_paused = true)]
async fn repositories_that_are_gone_when_the_message_comes_are_no_trouble() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    for n in [REPOSITORIES - 1, REPOSITORIES - 2, REPOSITORIES - 30] {
        queue
            .stack
            .aws
            .call("ecr", "DeleteRepository", json!({"repositoryName": name(n)}))
            .unwrap();
    }
    queue.deliver_all().await;
    let status = queue.stack.status();
    assert_eq!(
        (status.outcome, count(&status, "found")),
        (Outcome::Changed, REPOSITORIES as u64 - 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_finished_comes_again_and_goes_on_and_dies_with_its_reason() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    let message = &queue.stack.aws.messages(&queue.url)[0];
    let work: Value = serde_json::from_str(message["body"].as_str().unwrap()).unwrap();
    let stuck = work["work"]["repositories"][7].as_str().unwrap().to_owned();
    queue.stack.aws.fault(
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
    let dead = queue.stack.aws.messages(&queue.dead);
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
    let status = queue.stack.status();
    assert_eq!((count(&status, "failed"), count(&status, "to_do")), (1, 0));
    assert_eq!(
        (status.outcome, status.registries["quay"].state),
        (Outcome::Partial, State::Failed)
    );
    // Nothing is lost: the next run looks at everything again.
    queue.stack.aws.clear_faults();
    let report = queue.stack.send(scheduled()).await.unwrap();
    assert_eq!(
        (report.outcome, tagged(&queue, "web")),
        (Outcome::Changed, REPOSITORIES)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_no_work_dies_at_once_with_its_reason() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.stack.follow("quay: {registry: quay.io}\n").await;
    let bodies = [
        json!({"work": {"id": "x"}}),
        json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": vec!["quay/a"; 101]}}),
        json!({"work": "everything"}),
    ];
    for body in &bodies {
        let input = json!({"QueueUrl": queue.url, "MessageBody": body.to_string()});
        queue.stack.aws.call("sqs", "SendMessage", input).unwrap();
    }
    queue.stack.aws.clear_calls();
    for report in queue.deliver_all().await {
        assert_eq!(report.outcome, Outcome::Ignored, "{report:#?}");
    }
    let dead = queue.stack.aws.messages(&queue.dead);
    assert_eq!(dead.len(), bodies.len());
    assert!(
        dead.iter()
            .all(|message| message.to_string().contains("is not work of this function")),
        "{dead:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn messages_never_make_messages() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    let waiting = queue.waiting();
    queue.stack.aws.clear_calls();
    // Too slow again, for a message and for one that asks for everything.
    let slow = || Fault::on("ecr", "ListTagsForResource").latency(Duration::from_millis(400));
    queue.stack.aws.fault(slow());
    let event = queue.stack.aws.take_work(&queue.url, 1).unwrap();
    let failure = queue
        .stack
        .send_within(event.clone(), Duration::from_millis(1300))
        .await
        .unwrap_err();
    queue.stack.aws.finish_work(&event, false);
    assert!(failure.to_string().contains("are left"), "{failure}");
    let input = json!({"QueueUrl": queue.url, "MessageBody": json!({"work": {}}).to_string()});
    queue.stack.aws.call("sqs", "SendMessage", input).unwrap();
    queue.stack.aws.clear_faults();
    while queue.waiting() > 0 {
        queue.deliver().await.unwrap();
    }
    let sent = queue
        .stack
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.operation.starts_with("SendMessage"))
        .count();
    assert_eq!((sent, waiting > 0), (0, true));
    assert_eq!(tagged(&queue, "web"), REPOSITORIES);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_does_not_take_the_rest_fails_the_run() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue
        .stack
        .aws
        .fault(Fault::on("ecr", "TagResource").skip(60).timeout());
    queue.stack.aws.fault(Fault::on("sqs", "*").access_denied());
    queue.stack.upload(QUAY);
    let failure = queue
        .stack
        .send_within(uploaded(), Duration::from_millis(6000))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains("could not be put into the queue") && failure.contains("AccessDenied"),
        "{failure}"
    );
    queue.stack.aws.clear_faults();
    assert_eq!(queue.stack.send(uploaded()).await.unwrap().outcome, Outcome::Changed);
}

#[tokio::test(start_paused = true)]
async fn two_messages_at_once_both_get_into_the_status() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(QUAY).await;
    let other = queue.stack.aws.take_work(&queue.url, 1).unwrap();
    let url = queue.url.clone();
    queue.stack.aws.before("s3", "PutObject", 1, move |aws| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let stack = TestStack {
                aws: aws.clone(),
                app: app(aws, &[("WORK_QUEUE_URL", &url)]).await,
            };
            stack.send(other).await.unwrap();
        });
    });
    queue.deliver_all().await;
    let status = queue.stack.status();
    assert_eq!(
        (status.outcome, count(&status, "to_do")),
        (Outcome::Changed, 0),
        "{status:#?}"
    );
}
