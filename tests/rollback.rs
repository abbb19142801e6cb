//! A credential that is refused: rotations with the setting, a value of the file always.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::stack::{
    self, ChangeResult, CredentialState, Outcome, State, TestStack, another_invocation, hub, json_of, lines, scheduled,
    uploaded,
};
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const ROLLBACK: &[(&str, &str)] = &[("ROLLBACK_INVALID_ROTATION", "true")];

async fn stack(env: &[(&str, &str)]) -> TestStack {
    let stack = TestStack::with(Options::default(), env).await;
    stack.follow(&hub("canary-docker-1")).await;
    stack
}

/// The newest event that tells of a new current version.
fn rotated(stack: &TestStack) -> Value {
    let events = stack.aws.events();
    events
        .into_iter()
        .rev()
        .find(|event| event["detail"]["labelUpdated"] == "AWSCURRENT")
        .unwrap()
}

/// All events that have been raised and not been sent yet, until no run raises another.
async fn drain(stack: &TestStack, mut from: usize) -> usize {
    let mut sent = 0;
    while let Some(event) = stack.aws.events().get(from).cloned() {
        from += 1;
        if event["detail"]["labelUpdated"] == "AWSCURRENT" {
            _ = stack.send(event).await;
            sent += 1;
            assert!(sent < 10, "the events do not end");
        }
    }
    sent
}

#[tokio::test(start_paused = true)]
async fn a_good_rotation_is_proven_and_named() {
    let stack = stack(&[]).await;
    stack.rotate(HUB, "canary-docker-2");
    let event = rotated(&stack);
    let report = stack.send(event.clone()).await.unwrap();
    let version = event["detail"]["versionId"].as_str().unwrap();
    let expected = format!("secret {HUB}, version {version} (Secret Label Updated): valid; ");
    assert!(report.message.as_str().starts_with(&expected), "{}", report.message);
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_a_bad_rotation_is_told_loudly_and_left() {
    let stack = stack(&[]).await;
    stack.rotate(HUB, "canary-wrong");
    stack.aws.clear_calls();
    let report = stack.send(rotated(&stack)).await.unwrap();
    assert_eq!(
        (report.outcome, report.registries["dockerhub"].credential),
        (Outcome::Partial, CredentialState::Invalid)
    );
    assert!(report.message.as_str().contains(": invalid; "));
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_bad_rotation_is_rolled_back_to_the_version_before_which_is_proven() {
    let stack = stack(ROLLBACK).await;
    let begun = stack.aws.events().len();
    let input = json!({
        "SecretId": HUB, "SecretString": json!({"username": "acme-bot", "accessToken": "canary-wrong"}).to_string(),
        "VersionStages": ["AWSCURRENT", "AWSPENDING"],
    });
    stack.aws.call("secretsmanager", "PutSecretValue", input).unwrap();
    stack.aws.clear_calls();
    let report = stack.send(rotated(&stack)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(lines(&report), [format!("dockerhub rollback secret {HUB} [] applied")]);
    assert!(
        report.message.as_str().contains("): invalid, and rolled back; "),
        "{}",
        report.message
    );
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    assert_eq!(stack.token(HUB, "REJECTED").as_deref(), Some("canary-wrong"));
    assert_eq!(
        (stack.token(HUB, "AWSPENDING"), stack.token(HUB, "ROLLING_BACK")),
        (None, None)
    );
    let proofs = stack
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.operation == "ValidatePullThroughCacheRule");
    assert_eq!(proofs.count(), 4, "three refusals, and the proof of the version before");
    assert!(drain(&stack, begun).await <= 4);
    stack.aws.clear_calls();
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn where_the_version_before_is_refused_too_things_are_put_back_once_and_for_all() {
    let stack = stack(ROLLBACK).await;
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    stack.rotate(HUB, "canary-wrong");
    let report = stack.send(rotated(&stack)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(report.changes[0].result, ChangeResult::Failed);
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-wrong"));
    assert_eq!(stack.token(HUB, "REJECTED").as_deref(), Some("canary-wrong"));
    assert_eq!(stack.token(HUB, "ROLLING_BACK"), None);
    stack.aws.clear_calls();
    for _ in 0..2 {
        assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Partial);
    }
    assert_eq!(stack.writes(), Vec::<String>::new(), "nothing loops");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_version_that_is_made_current_again_and_proves_valid_is_redeemed() {
    let stack = stack(ROLLBACK).await;
    stack.rotate(HUB, "canary-wrong");
    stack.send(rotated(&stack)).await.unwrap();
    let versions = stack.secret(HUB).unwrap()["VersionIdsToStages"].clone();
    let with = |label: &str| {
        let found = versions
            .as_object()
            .unwrap()
            .iter()
            .find(|(_, labels)| labels.as_array().unwrap().contains(&json!(label)));
        found.unwrap().0.clone()
    };
    let input = json!({
        "SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": with("REJECTED"),
        "RemoveFromVersionId": with("AWSCURRENT"),
    });
    stack
        .aws
        .call("secretsmanager", "UpdateSecretVersionStage", input)
        .unwrap();
    let refused = stack.send(scheduled()).await.unwrap();
    assert_eq!(refused.registries["dockerhub"].credential, CredentialState::Invalid);
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-wrong"),
        "never rolled back from again"
    );
    stack
        .aws
        .accept_upstream("registry-1.docker.io", "acme-bot", "canary-wrong");
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!((report.outcome, stack.token(HUB, "REJECTED")), (Outcome::Changed, None));
    assert_eq!(report.registries["dockerhub"].state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_of_the_file_is_put_back_whatever_the_setting_and_not_tried_again() {
    let stack = stack(&[]).await;
    let report = stack.follow(&hub("canary-wrong")).await;
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(
        lines(&report),
        [
            format!("dockerhub update secret {HUB} [value] applied"),
            format!("dockerhub rollback secret {HUB} [] applied")
        ]
    );
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    for label in ["CONFIGURED", "REJECTED"] {
        assert_eq!(stack.token(HUB, label).as_deref(), Some("canary-wrong"), "{label}");
    }
    stack.aws.pull("dockerhub/library/nginx:1").unwrap();
    stack.aws.clear_calls();
    for event in [scheduled(), uploaded()] {
        let again = stack.send(event).await.unwrap();
        assert_eq!(again.outcome, Outcome::Partial);
        assert_eq!(again.registries["dockerhub"].state, State::Failed);
        assert_eq!(again.registries["dockerhub"].credential, CredentialState::Invalid);
        assert_eq!(again.registries["dockerhub"].since.as_ref(), Some(&report.started_at));
    }
    assert_eq!(stack.writes(), Vec::<String>::new());
    let mended = stack.follow(&hub("canary-docker-2")).await;
    assert_eq!(mended.registries["dockerhub"].state, State::Ready, "{mended:#?}");
    let back = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(back.registries["dockerhub"].state, State::Ready, "{back:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_first_value_that_is_refused_has_nothing_to_go_back_to() {
    let stack = TestStack::with(Options::default(), ROLLBACK).await;
    let report = stack.follow(&hub("canary-wrong")).await;
    assert_eq!(report.registries["dockerhub"].credential, CredentialState::Invalid);
    assert_eq!(stack.token(HUB, "REJECTED"), None);
}

#[tokio::test(start_paused = true)]
async fn a_referenced_secret_is_never_rolled_back() {
    let stack = TestStack::with(Options::default(), ROLLBACK).await;
    let value = json!({"username": "acme-bot", "accessToken": "canary-docker-1"}).to_string();
    let input = json!({"Name": "ecr-pullthroughcache/ops", "SecretString": value});
    stack.aws.call("secretsmanager", "CreateSecret", input).unwrap();
    stack
        .follow("dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n")
        .await;
    stack.rotate("ecr-pullthroughcache/ops", "canary-wrong");
    stack.aws.clear_calls();
    let report = stack.send(rotated(&stack)).await.unwrap();
    assert_eq!(report.registries["dockerhub"].credential, CredentialState::Invalid);
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn many_new_secrets_raise_many_events_and_not_one_more_run_or_write() {
    let stack = TestStack::new().await;
    let file: String = (0..25)
        .map(|n| hub("canary-docker-1").replace("dockerhub", &format!("hub-{n}")))
        .collect();
    stack.follow(&file).await;
    let events: Vec<Value> = stack
        .aws
        .events()
        .into_iter()
        .filter(|e| e["detail"]["labelUpdated"] == "AWSCURRENT")
        .collect();
    assert_eq!(events.len(), 25);
    stack.aws.clear_calls();
    for event in events {
        assert_eq!(stack.send(event).await.unwrap().outcome, Outcome::Ignored);
    }
    assert_eq!(stack.aws.calls().len(), 25, "one cheap look each");
}

/// The native event, the CloudTrail ones and a retry come together: a whole run over the same rotation fits before any
/// call of another, and dies or does not. Nobody's verdict on one version may move another.
#[tokio::test(start_paused = true)]
async fn two_runs_over_one_bad_rotation_end_with_the_proven_version_wherever_they_meet() {
    for dies in [false, true] {
        for n in 1.. {
            let stack = stack(ROLLBACK).await;
            stack.rotate(HUB, "canary-wrong");
            let event = rotated(&stack);
            let (came, twin) = (Arc::new(AtomicBool::new(false)), event.clone());
            let comes = Arc::clone(&came);
            stack.aws.before("*", "*", n, move |aws| {
                comes.store(true, Ordering::Relaxed);
                if dies {
                    // After the third refusal and the move: between the move and its proof.
                    aws.fault(
                        Fault::on("ecr", "ValidatePullThroughCacheRule")
                            .skip(3)
                            .times(50)
                            .access_denied(),
                    );
                }
                _ = another_invocation(aws, ROLLBACK, twin);
                aws.clear_faults();
            });
            _ = stack.send(event).await;
            if !came.load(Ordering::Relaxed) {
                assert!(n > 15, "only {n} places were tried");
                break;
            }
            stack.send(scheduled()).await.unwrap();
            let holders = ["AWSCURRENT", "REJECTED", "ROLLING_BACK"].map(|label| stack.token(HUB, label));
            let expected = [
                Some("canary-docker-1".to_owned()),
                Some("canary-wrong".to_owned()),
                None,
            ];
            assert_eq!(holders, expected, "before call {n}, dies: {dies}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fix_that_comes_right_after_the_refusals_is_not_moved_away() {
    let stack = stack(ROLLBACK).await;
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    stack.rotate(HUB, "canary-wrong");
    let event = rotated(&stack);
    stack.aws.after("ecr", "ValidatePullThroughCacheRule", 3, |aws| {
        stack::put_current(aws, HUB, "canary-docker-2")
    });
    let report = stack.send(event).await.unwrap();
    assert_eq!(report.registries["dockerhub"].state, State::Ready, "{report:#?}");
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
    assert_eq!(stack.token(HUB, "REJECTED"), None);
}

/// Refused as it is: no rotation is moved away for another one that was refused before.
#[tokio::test(start_paused = true)]
async fn a_bad_rotation_right_after_the_mark_of_a_rollback_is_not_moved_away() {
    let stack = stack(ROLLBACK).await;
    stack.rotate(HUB, "canary-wrong");
    let event = rotated(&stack);
    stack.aws.after("secretsmanager", "UpdateSecretVersionStage", 1, |aws| {
        aws.advance(std::time::Duration::from_secs(60));
        stack::put_current(aws, HUB, "canary-wrong-too");
    });
    for event in [event, scheduled()] {
        let report = stack.send(event).await.unwrap();
        assert_eq!(
            stack.token(HUB, "AWSCURRENT").as_deref(),
            Some("canary-wrong-too"),
            "{report:#?}"
        );
        assert_eq!(stack.token(HUB, "ROLLING_BACK"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_rollback_does_not_make_the_files_refused_value_forgotten() {
    let stack = stack(ROLLBACK).await;
    stack.follow(&hub("canary-wrong")).await;
    stack.rotate(HUB, "canary-wrong-too");
    stack.send(rotated(&stack)).await.unwrap();
    assert_eq!(stack.token(HUB, "REJECTED").as_deref(), Some("canary-wrong-too"));
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        (report.outcome, report.registries["dockerhub"].credential),
        (Outcome::Partial, CredentialState::Invalid)
    );
}

#[tokio::test(start_paused = true)]
async fn when_what_serves_instead_of_a_refused_value_breaks_too_that_is_news() {
    let stack = stack(&[]).await;
    stack.follow(&hub("canary-wrong")).await;
    let old = stack.send(scheduled()).await.unwrap();
    assert!(
        old.registries["dockerhub"]
            .message
            .as_deref()
            .unwrap()
            .contains("what serves instead is proven")
    );
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    let news = stack.send(scheduled()).await.unwrap();
    let registry = &news.registries["dockerhub"];
    assert!(
        registry.message.as_deref().unwrap().contains("is refused as well"),
        "{registry:#?}"
    );
    assert_eq!(registry.since, None);
}

const HOST: &str = "registry-1.docker.io";

/// An outage of seconds throws nothing away: neither a new value of the file, nor a rotation.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_reads_like_an_outage_takes_nothing_back_and_is_news() {
    for text in [
        "503 Service Unavailable",
        "toomanyrequests: You have reached your pull rate limit",
        "Client.Timeout exceeded",
    ] {
        for rotation in [false, true] {
            let stack = stack(ROLLBACK).await;
            stack.aws.upstream_says(HOST, Some(text));
            let event = if rotation {
                stack.rotate(HUB, "canary-docker-2");
                rotated(&stack)
            } else {
                stack.upload(&hub("canary-docker-2"));
                uploaded()
            };
            let failure = stack.send(event).await.unwrap_err();
            assert_eq!(failure.name(), "RunIncomplete", "{text}: a retry may help");
            let (status, place) = (
                stack.status(),
                json_of(&stack.status())["registries"]["dockerhub"].clone(),
            );
            assert_eq!(status.outcome, Outcome::Partial, "{text}: {status:#?}");
            let of = |field: &str| place[field].clone();
            assert_eq!(
                [of("state"), of("credential"), of("reason")],
                ["failed", "unchecked", "unchecked"],
                "{text}: {status:#?}"
            );
            assert!(
                of("since").is_null() && of("message").as_str().unwrap().contains("could not answer"),
                "{status:#?}"
            );
            assert_eq!(
                stack.token(HUB, "AWSCURRENT").as_deref(),
                Some("canary-docker-2"),
                "{text}"
            );
            for label in ["REJECTED", "ROLLING_BACK", "FILE_REFUSED"] {
                assert_eq!(stack.token(HUB, label), None, "{text}: {label}");
            }
            stack.aws.upstream_says(HOST, None);
            let report = stack.send(scheduled()).await.unwrap();
            assert_eq!(
                report.registries["dockerhub"].state,
                State::Ready,
                "{text}: {report:#?}"
            );
            assert_eq!(
                stack.token(HUB, "AWSCURRENT").as_deref(),
                Some("canary-docker-2"),
                "{text}"
            );
        }
    }
}

/// It takes three refusals to move labels: two around an outage are not enough.
#[tokio::test(start_paused = true)]
async fn refusals_around_an_outage_take_nothing_back() {
    for nth in 1..=3 {
        let stack = stack(ROLLBACK).await;
        stack.rotate(HUB, "canary-wrong");
        let event = rotated(&stack);
        stack.aws.before("ecr", "ValidatePullThroughCacheRule", nth, |aws| {
            aws.upstream_says(HOST, Some("502 Bad Gateway"))
        });
        stack.aws.after("ecr", "ValidatePullThroughCacheRule", nth, |aws| {
            aws.upstream_says(HOST, None)
        });
        stack.send(event).await.unwrap_err();
        assert_eq!(
            stack.token(HUB, "AWSCURRENT").as_deref(),
            Some("canary-wrong"),
            "at proof {nth}"
        );
        assert_eq!(stack.token(HUB, "ROLLING_BACK"), None, "at proof {nth}");
    }
}

/// In the middle of a rollback, an outage decides nothing: the labels let the next run go on.
#[tokio::test(start_paused = true)]
async fn an_outage_in_the_middle_of_a_rollback_decides_nothing() {
    let stack = stack(ROLLBACK).await;
    stack.rotate(HUB, "canary-wrong");
    let event = rotated(&stack);
    stack.aws.after("secretsmanager", "UpdateSecretVersionStage", 2, |aws| {
        aws.upstream_says(HOST, Some("504 Gateway Timeout"))
    });
    stack.send(event).await.unwrap_err();
    assert_eq!(stack.token(HUB, "ROLLING_BACK").as_deref(), Some("canary-wrong"));
    stack.aws.upstream_says(HOST, None);
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-1"));
    assert_eq!(stack.token(HUB, "REJECTED").as_deref(), Some("canary-wrong"));
}
