//! The file's word and everybody else's: which value is current in the end, whatever died, came late or was refused.

use std::time::Duration;

use crate::stack::{
    ChangeResult, Outcome, Report, State, TestStack, another_run, hub, lines, put_current, reason, scheduled, uploaded,
    version,
};
use local_aws::{Fault, LocalAws};
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const ROLLBACK: &[(&str, &str)] = &[("ROLLBACK_INVALID_ROTATION", "true")];

async fn stack(env: &[(&str, &str)]) -> TestStack {
    let stack = TestStack::with(local_aws::Options::default(), env).await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
}

fn current(stack: &TestStack) -> String {
    stack.token(HUB, "AWSCURRENT").unwrap()
}

/// Whatever the run ends as.
async fn try_to_follow(stack: &TestStack, file: &str) {
    stack.upload(file);
    let _ = stack.send(uploaded()).await;
    stack.aws.clear_faults();
}

fn credential(report: &Report) -> &str {
    report.registries["dockerhub"].credential.as_str()
}

/// What keeps the move of CONFIGURED, the second of a changed value's three, from being made.
fn before_configured_moves() -> [(&'static str, Fault); 2] {
    let moved = || Fault::on("secretsmanager", "UpdateSecretVersionStage").skip(1);
    [
        ("denied", moved().access_denied()),
        ("five 500s", moved().times(5).server_error()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_taken_back_while_its_run_died_gives_way() {
    for (what, fault) in before_configured_moves() {
        let stack = stack(&[]).await;
        stack.aws.fault(fault);
        try_to_follow(&stack, &hub("canary-docker-2")).await;
        assert_eq!(current(&stack), "canary-docker-2", "{what}");
        let report = stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(current(&stack), "canary-docker-1", "{what}: {report:#?}");
        assert_eq!(report.outcome, Outcome::Changed, "{what}");
        assert_eq!(
            stack.send(scheduled()).await.unwrap().outcome,
            Outcome::Converged,
            "{what}"
        );
    }
}

/// The older file's run has put its value; the newer file's puts its own, and is about to make it current; the older one makes
/// its value current and dies.
#[tokio::test(start_paused = true)]
async fn a_value_that_an_overtaken_run_made_current_gives_way() {
    for (what, fault) in before_configured_moves() {
        let stack = stack(&[]).await;
        stack.aws.after("secretsmanager", "PutSecretValue", 1, move |aws| {
            let older = holder(aws, "FILE_PENDING");
            let first = holder(aws, "AWSCURRENT");
            aws.put_object(crate::stack::BUCKET, crate::stack::KEY, hub("canary-docker-3"));
            aws.after("secretsmanager", "PutSecretValue", 1, move |aws| {
                let input = json!({
                    "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": older, "RemoveFromVersionId": first,
                });
                aws.call("secretsmanager", "UpdateSecretVersionStage", input).unwrap();
            });
            another_run(aws);
            aws.fault(fault);
        });
        try_to_follow(&stack, &hub("canary-docker-2")).await;
        let report = stack.send(scheduled()).await.unwrap();
        assert_eq!(current(&stack), "canary-docker-3", "{what}: {report:#?}");
        assert_eq!(
            stack.token(HUB, "CONFIGURED").as_deref(),
            Some("canary-docker-3"),
            "{what}"
        );
    }
}

/// The version that carries a label.
fn holder(aws: &LocalAws, label: &str) -> String {
    version(aws, HUB, label).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_rotation_after_the_upload_stands_however_late_the_run_is() {
    for late in [0, 6 * 3600] {
        let stack = stack(&[]).await;
        stack.upload(&hub("canary-docker-2"));
        stack.aws.advance(Duration::from_secs(late));
        stack.rotate(HUB, "canary-docker-3");
        let report = stack.send(uploaded()).await.unwrap();
        assert_eq!(current(&stack), "canary-docker-3", "{report:#?}");
        assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-2"));
        assert!(
            report.changes[0]
                .note
                .as_deref()
                .unwrap()
                .contains("the rotation stands"),
            "{report:#?}"
        );
        assert_eq!(report.registries["dockerhub"].state, State::Ready);
        assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
        // A later file speaks over it.
        stack.follow(&hub("canary-docker-1")).await;
        assert_eq!(current(&stack), "canary-docker-1");
    }
}

/// The secret was rotated after the upload, and somebody went back to the rotation before it: that is the last word.
#[tokio::test]
async fn going_back_after_a_rotation_after_the_upload_stands_too() {
    let stack = stack(&[]).await;
    let rotate = |token: &str| {
        stack.aws.advance(Duration::from_secs(60));
        let value = json!({"username": "acme-bot", "accessToken": token}).to_string();
        stack.aws.rotate(HUB, &value).unwrap();
    };
    rotate("canary-docker-4");
    stack
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-4");
    stack.upload(&hub("canary-docker-2"));
    rotate("canary-docker-3");
    let (from, to) = (holder(&stack.aws, "AWSCURRENT"), holder(&stack.aws, "AWSPREVIOUS"));
    let back = json!({
        "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": to, "RemoveFromVersionId": from,
    });
    stack
        .aws
        .call("secretsmanager", "UpdateSecretVersionStage", back)
        .unwrap();
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(current(&stack), "canary-docker-4", "{report:#?}");
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-2"));
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
}

/// AWS describes in two ways whether a put with other labels moves `AWSCURRENT`.
#[tokio::test(start_paused = true)]
async fn it_stands_however_aws_puts_what_is_kept_beside_it() {
    let options = local_aws::Options {
        put_moves_current: true,
        ..Default::default()
    };
    let stack = TestStack::with(options, &[]).await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.upload(&hub("canary-docker-2"));
    stack.rotate(HUB, "canary-docker-3");
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(current(&stack), "canary-docker-3", "{report:#?}");
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-2"));
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

/// A value that was proven is refused for a while, and the one before it still works.
#[tokio::test(start_paused = true)]
async fn an_outage_takes_back_nothing_that_was_proven() {
    for env in [&[][..], ROLLBACK] {
        for by_file in [true, false] {
            let stack = stack(env).await;
            if by_file {
                stack.follow(&hub("canary-docker-2")).await;
            } else {
                stack.rotate(HUB, "canary-docker-2");
                stack.send(stack.newest_rotation()).await.unwrap();
            }
            assert_eq!(stack.token(HUB, "PROVEN").as_deref(), Some("canary-docker-2"));
            stack
                .aws
                .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-2");
            for _ in 0..2 {
                let report = stack.send(scheduled()).await.unwrap();
                assert_eq!(
                    (credential(&report), current(&stack).as_str()),
                    ("invalid", "canary-docker-2"),
                    "{report:#?}"
                );
            }
            assert_eq!(stack.token(HUB, "REJECTED"), None);
            stack
                .aws
                .accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-2");
            let report = stack.send(scheduled()).await.unwrap();
            assert_eq!(
                (report.outcome, credential(&report)),
                (Outcome::Converged, "valid"),
                "{report:#?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_uploaded_again_is_heard_over_a_bad_value_from_before() {
    let stack = stack(&[]).await;
    stack.rotate(HUB, "canary-docker-typo");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(
        (credential(&report), current(&stack).as_str()),
        ("invalid", "canary-docker-typo")
    );
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        (credential(&report), current(&stack).as_str()),
        ("valid", "canary-docker-1"),
        "{report:#?}"
    );
    assert_eq!(stack.token(HUB, "REJECTED").as_deref(), Some("canary-docker-typo"));
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

/// The file's value is refused too: everything is as it was, and it is not tried again before the next upload.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_better_is_put_back_and_says_so() {
    let stack = stack(&[]).await;
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    stack.rotate(HUB, "canary-docker-typo");
    stack.send(stack.newest_rotation()).await.unwrap();
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        (credential(&report), current(&stack).as_str()),
        ("invalid", "canary-docker-typo"),
        "{report:#?}"
    );
    assert_eq!(stack.token(HUB, "FILE_REFUSED").as_deref(), Some("canary-docker-1"));
    stack.aws.clear_calls();
    let again = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        (credential(&again), stack.writes()),
        ("invalid", Vec::new()),
        "{again:#?}"
    );
    // The token works again, and its file is uploaded once more.
    stack
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(
        (credential(&report), current(&stack).as_str()),
        ("valid", "canary-docker-1"),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_of_the_file_is_tried_once_more_for_each_upload() {
    let stack = stack(&[]).await;
    let report = stack.follow(&hub("canary-docker-late")).await;
    assert_eq!(
        (credential(&report), current(&stack).as_str()),
        ("invalid", "canary-docker-1"),
        "{report:#?}"
    );
    stack.aws.clear_calls();
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.writes(), Vec::<String>::new(), "not before it is uploaded again");
    stack.aws.advance(Duration::from_secs(60));
    let again = stack.follow(&hub("canary-docker-late")).await;
    assert_eq!(
        (credential(&again), current(&stack).as_str()),
        ("invalid", "canary-docker-1"),
        "{again:#?}"
    );
    assert_eq!(
        lines(&again)[0],
        format!("dockerhub update secret {HUB} [value] applied"),
        "it was tried"
    );
    stack.aws.clear_calls();
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.writes(), Vec::<String>::new(), "once");
    stack.aws.advance(Duration::from_secs(60));
    stack
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-late");
    let report = stack.follow(&hub("canary-docker-late")).await;
    assert_eq!(
        (credential(&report), current(&stack).as_str()),
        ("valid", "canary-docker-late"),
        "{report:#?}"
    );
}

/// Between the upload and the run a human put another value: what was put back is not current any more.
#[tokio::test(start_paused = true)]
async fn a_refused_value_is_not_tried_again_over_a_rotation() {
    let stack = stack(&[]).await;
    stack.follow(&hub("canary-docker-late")).await;
    stack.aws.advance(Duration::from_secs(60));
    put_current(&stack.aws, HUB, "canary-docker-3");
    stack.send(scheduled()).await.unwrap();
    stack.follow(&hub("canary-docker-late")).await;
    assert_eq!(current(&stack), "canary-docker-3");
}

/// Labels of somebody else's on a secret, until only so many of the twenty are free.
fn use_labels_up(stack: &TestStack, free: usize) {
    let secret = stack.secret(HUB).unwrap();
    let versions = secret["VersionIdsToStages"].as_object().unwrap();
    let used: usize = versions.values().map(|labels| labels.as_array().unwrap().len()).sum();
    for n in used..20 - free {
        let input = json!({
            "SecretId": HUB, "VersionStage": format!("TEAM_{n}"), "MoveToVersionId": stack.version(HUB, "AWSCURRENT"),
        });
        stack
            .aws
            .call("secretsmanager", "UpdateSecretVersionStage", input)
            .unwrap();
    }
}

/// A rollback that cannot put its labels has not come to its end, and every run says so until there is room.
#[tokio::test(start_paused = true)]
async fn a_label_that_does_not_fit_is_told() {
    for (free, token) in [
        (2, "canary-docker-typo"),
        (3, "canary-docker-typo"),
        (1, "canary-docker-2"),
    ] {
        let stack = stack(&[]).await;
        if token == "canary-docker-2" {
            // Nothing but the label of what is proven is wanted.
            stack.rotate(HUB, token);
            use_labels_up(&stack, 0);
        } else {
            use_labels_up(&stack, free);
            stack.upload(&hub(token));
        }
        for event in [uploaded(), scheduled()] {
            let report = stack.send(event).await.unwrap();
            let state = report.registries["dockerhub"].state;
            assert_eq!(
                (report.outcome, state),
                (Outcome::Partial, State::Failed),
                "{free} {token}: {report:#?}"
            );
            let changes = report.changes;
            let told = changes
                .iter()
                .find(|change| change.result == ChangeResult::Failed)
                .unwrap();
            assert_eq!(told.reason, reason("UpdateSecretVersionStage:LimitExceededException"));
            let what_to_do = "Take labels that nobody needs off";
            assert!(told.error.as_deref().unwrap().contains(what_to_do), "{told:#?}");
        }
        for n in [4, 5] {
            let label = format!("TEAM_{n}");
            let off = json!({
                "SecretId": HUB, "VersionStage": label, "RemoveFromVersionId": stack.version(HUB, &label),
            });
            stack
                .aws
                .call("secretsmanager", "UpdateSecretVersionStage", off)
                .unwrap();
        }
        let report = stack.send(scheduled()).await.unwrap();
        let expected = if token == "canary-docker-2" {
            ("valid", token)
        } else {
            ("invalid", "canary-docker-1")
        };
        assert_eq!((credential(&report), current(&stack).as_str()), expected, "{report:#?}");
        assert_eq!(stack.token(HUB, "ROLLING_BACK"), None);
    }
}
