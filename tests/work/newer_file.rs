//! Messages of an older file.

use std::time::Duration;

use super::{REPOSITORIES, tagged};
use crate::existing::{TAGS, progress};
use crate::stack::{self, Outcome, uploaded};
use crate::work_queue::WorkQueue;

#[tokio::test(start_paused = true)]
async fn the_newest_file_wins_over_messages_of_an_older_one() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let newer = TAGS.replace("web", "db");
    // The newer file is there, its own run has not come yet.
    queue.upload(&newer);
    let before = queue.status_json();
    let report = queue.deliver().await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(
        tagged(&queue, "db") as u64,
        progress(&report).done,
        "what the message names gets what the file says now"
    );
    assert_eq!(queue.status_json(), before, "the status is that of another file");
    let report = queue.send(uploaded()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed);
    assert_eq!(tagged(&queue, "db"), REPOSITORIES);
    let status = queue.status_json();
    queue.aws.clear_calls();
    for report in queue.deliver_all().await {
        assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
    }
    assert_eq!(queue.writes(), Vec::<String>::new());
    assert_eq!(
        queue.status_json(),
        status,
        "messages of a run that is over have no part in the status"
    );
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_while_a_message_is_worked_on_has_the_last_word() {
    let queue = WorkQueue::with_repositories(REPOSITORIES).await;
    queue.run_out_of_time(TAGS).await;
    let newer = TAGS.replace("web", "db");
    let (over, is_over) = std::sync::mpsc::channel();
    // Some of its repositories have got what the older file says, others get it while the newer one's run is at work.
    queue.aws.after("ecr", "TagResource", 3, move |aws| {
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
    queue.run_out_of_time(TAGS).await;
    let done = tagged(&queue, "web");
    for newer in [
        "k8s: {registry: registry.k8s.io}\n",
        "quay: {registry: quay.io, tags: {team: web}}\n",
    ] {
        queue.upload(newer);
        queue.aws.clear_calls();
        let report = queue.deliver().await.unwrap();
        assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
        assert_eq!(queue.writes(), Vec::<String>::new());
        assert_eq!(tagged(&queue, "web"), done);
    }
    // A file with a mistake in it changes nothing either.
    queue.upload("quay: {registri: quay.io}\n");
    let report = queue.deliver().await.unwrap();
    assert_eq!(report.outcome, Outcome::Ignored);
    assert_eq!(tagged(&queue, "web"), done);
}
