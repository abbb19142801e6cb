//! Somebody else writes at the same moment: another run, another owner, a person with a console.

use std::collections::BTreeMap;

use crate::stack::{
    self, BUCKET, KEY, Outcome, State, TestStack, another_run, app, hub, invoke, lines, make_rule, scheduled, uploaded,
};
use local_aws::{Fault, LocalAws};
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const QUAY: &str = "quay: {registry: quay.io}\n";
const QUAY_ELSEWHERE: &str = "quay: {registry: public.ecr.aws}\n";

fn upstream(stack: &TestStack) -> String {
    stack.rule("quay").expect("a rule")["upstreamRegistryUrl"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_status_is_slow_to_read_does_not_undo_the_newer_files_run() {
    for n in 1..=4 {
        let stack = TestStack::new().await;
        stack.follow(&hub("canary-docker-1")).await;
        stack.upload(&hub("canary-docker-2"));
        stack.aws.fault(
            Fault::on("s3", "GetObject")
                .subject_contains("status")
                .times(1)
                .timeout(),
        );
        stack.aws.before("s3", "GetObject", n, |aws| {
            aws.put_object(BUCKET, KEY, hub("canary-docker-3"));
            another_run(aws);
        });
        let report = stack.send(uploaded()).await.unwrap();
        if stack.aws.object(BUCKET, KEY).unwrap() == hub("canary-docker-2").as_bytes() {
            assert!(n > 3, "only {} places were tried", n - 1);
            break;
        }
        assert_eq!(
            stack.token(HUB, "AWSCURRENT").as_deref(),
            Some("canary-docker-3"),
            "before read {n}: {report:#?}"
        );
    }
}

/// The account must be no older than the status that the run holds the fence with: what another run has written in between
/// would look as the file wants it.
#[tokio::test(start_paused = true)]
async fn an_account_that_was_read_before_another_runs_writes_is_read_again() {
    let (mutable, immutable) = (QUAY, "quay: {registry: quay.io, image_tag_mutability: IMMUTABLE}\n");
    let mut overtaken = 0;
    for n in 1..=4 {
        let stack = TestStack::new().await;
        stack.follow(mutable).await;
        stack.upload(mutable);
        stack.aws.fault(
            Fault::on("s3", "GetObject")
                .subject_contains("status")
                .times(1)
                .timeout(),
        );
        stack.aws.before("s3", "GetObject", n, move |aws| {
            aws.put_object(BUCKET, KEY, immutable);
            another_run(aws);
            aws.put_object(BUCKET, KEY, mutable);
        });
        let report = stack.send(uploaded()).await.unwrap();
        // The hook may outlast the run that it held up: what it has not uploaded by now is not this run's to follow.
        let is_over = stack.aws.object(BUCKET, KEY).unwrap() == mutable.as_bytes();
        let newest = stack.send(json!({"action": "plan"})).await.unwrap();
        // A run that still saw the other file is followed by the one of the next upload's event.
        if is_over && report.config == newest.config {
            overtaken += usize::from(n < 4);
            let template = stack.template("quay").unwrap();
            assert_eq!(
                template["imageTagMutability"], "MUTABLE",
                "before read {n}: {report:#?}"
            );
        }
    }
    assert!(overtaken > 0, "no run was overtaken");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_lost_looks_again_even_if_the_newer_file_has_no_use_for_its_event() {
    let stack = TestStack::new().await;
    let gitlab = "gitlab: {registry: registry.gitlab.com, username: acme-bot, accessToken: canary-gitlab-1}\n";
    stack.follow(&format!("{}{gitlab}", hub("canary-docker-1"))).await;
    stack.rotate("ecr-pullthroughcache/gitlab", "canary-gitlab-2");
    let rotated = stack.newest_rotation();
    stack.upload(&format!("{}{gitlab}", hub("canary-docker-2")));
    // While the run of gitlab's rotation works from that file, a newer one comes in which gitlab has no secret.
    stack.aws.before("secretsmanager", "PutSecretValue", 1, |aws| {
        aws.put_object(
            BUCKET,
            KEY,
            format!("{}gitlab: {{registry: quay.io}}\n", hub("canary-docker-3")),
        );
        another_run(aws);
    });
    let report = stack.send(rotated).await.unwrap();
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-3"),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_versions_in_the_bucket_the_newest_file_wins_too() {
    the_newest_file_wins_without_versions(false).await;
}

/// S3 calls every version `null` then.
#[tokio::test(start_paused = true)]
async fn while_versioning_is_suspended_the_newest_file_wins_too() {
    the_newest_file_wins_without_versions(true).await;
}

async fn the_newest_file_wins_without_versions(suspended: bool) {
    const PLAIN: &str = "plain";
    async fn plain(aws: &LocalAws) -> TestStack {
        TestStack {
            aws: aws.clone(),
            app: app(aws, &[("CONFIG_BUCKET", PLAIN)]).await,
        }
    }
    let mut uploaded = uploaded();
    uploaded["detail"]["bucket"]["name"] = json!(PLAIN);
    let accounts = TestStack::new().await;
    if suspended {
        accounts.aws.create_bucket(PLAIN, true);
    }
    accounts.aws.create_bucket(PLAIN, false);
    let stack = plain(&accounts.aws).await;
    stack.aws.put_object(PLAIN, KEY, hub("canary-docker-1"));
    let report = stack.send(uploaded.clone()).await.unwrap();
    assert_eq!(report.config.version_id, None, "{report:#?}");
    // Two uploads within one second: neither version nor time tells them apart.
    stack.aws.put_object(PLAIN, KEY, hub("canary-docker-2"));
    let event = uploaded.clone();
    stack.aws.before("secretsmanager", "PutSecretValue", 1, |aws| {
        aws.put_object(PLAIN, KEY, hub("canary-docker-3"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { plain(aws).await.send(event).await.unwrap() });
    });
    let report = stack.send(uploaded).await.unwrap();
    assert_eq!(
        stack.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-3"),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_somebody_makes_while_ours_is_being_made_is_not_replaced() {
    let stack = TestStack::new().await;
    stack.aws.before("ecr", "CreatePullThroughCacheRule", 1, |aws| {
        make_rule(aws, "quay", "public.ecr.aws", None)
    });
    let report = stack.follow(QUAY).await;
    assert_eq!(upstream(&stack), "public.ecr.aws", "{report:#?}");
    assert_eq!(report.registries["quay"].state, State::Held, "{report:#?}");
}

/// What is put back must be what was there, not what the plan had seen.
#[tokio::test(start_paused = true)]
async fn a_rule_that_another_run_has_replaced_already_is_not_put_back_as_it_was_before() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    stack.upload(QUAY_ELSEWHERE);
    stack.aws.before("ecr", "DeletePullThroughCacheRule", 1, |aws| {
        another_run(aws);
        let refused = Fault::on("ecr", "CreatePullThroughCacheRule").times(1);
        aws.fault(refused.error("ValidationException", "no", 400));
    });
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(upstream(&stack), "public.ecr.aws", "{:?}", lines(&report));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_deleted_while_its_new_value_is_on_the_way_is_restored_or_made_anew() {
    for window in [
        json!({"RecoveryWindowInDays": 7}),
        json!({"ForceDeleteWithoutRecovery": true}),
    ] {
        let stack = TestStack::new().await;
        stack.follow(&hub("canary-docker-1")).await;
        let mut input = window.clone();
        input["SecretId"] = json!(HUB);
        stack.aws.before("secretsmanager", "PutSecretValue", 1, move |aws| {
            aws.call("secretsmanager", "DeleteSecret", input).unwrap();
        });
        let report = stack.follow(&hub("canary-docker-2")).await;
        assert_eq!(
            report.registries["dockerhub"].state,
            State::Ready,
            "{window}: {report:#?}"
        );
        assert_eq!(
            stack.token(HUB, "AWSCURRENT").as_deref(),
            Some("canary-docker-2"),
            "{window}"
        );
        assert_eq!(
            stack.send(scheduled()).await.unwrap().outcome,
            Outcome::Converged,
            "{window}"
        );
    }
}

/// The older file's run has read its file; then the newer one is followed, and a human rotates what it has set.
#[tokio::test(start_paused = true)]
async fn an_older_file_does_not_speak_over_a_rotation_after_the_newer_one() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.upload(&hub("canary-docker-2"));
    stack.aws.after("s3", "GetObject", 2, |aws| {
        aws.put_object(BUCKET, KEY, hub("canary-docker-1"));
        another_run(aws);
        stack::put_current(aws, HUB, "canary-docker-3");
    });
    stack.send(uploaded()).await.unwrap();
    stack.send(scheduled()).await.unwrap();
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-3"));
    assert_eq!(stack.token(HUB, "CONFIGURED").as_deref(), Some("canary-docker-1"));
}

/// A run over an older file stands before or after any of its calls; then the run over a newer file comes and ends, and the
/// secret is rotated. Whatever the older file's run has read before, the rotation stays.
#[tokio::test(start_paused = true)]
async fn an_older_files_run_never_undoes_a_rotation_that_came_after_the_newer_one() {
    const ROTATED: &str = "canary-docker-4";
    // The newer file has a token of its own, or goes back to the first one.
    for newest in ["canary-docker-3", "canary-docker-1"] {
        for (service, operation, nth, is_before) in calls_of_a_run_that_changes_a_token().await {
            let stack = older_run().await;
            let overtake = move |aws: &LocalAws| {
                aws.put_object(BUCKET, KEY, hub(newest));
                another_run(aws);
                stack::put_current(aws, HUB, ROTATED);
            };
            if is_before {
                stack.aws.before(&service, &operation, nth, overtake);
            } else {
                stack.aws.after(&service, &operation, nth, overtake);
            }
            let report = invoke(&stack.app, uploaded()).await;
            let place = format!(
                "{newest}, {} {service} {operation} {nth}",
                if is_before { "before" } else { "after" }
            );
            assert_eq!(
                stack.token(HUB, "AWSCURRENT").as_deref(),
                Some(ROTATED),
                "{place}: {report:#?}"
            );
            let next = invoke(&stack.app, scheduled()).await.unwrap();
            assert_eq!(
                stack.token(HUB, "AWSCURRENT").as_deref(),
                Some(ROTATED),
                "{place}: {next:#?}"
            );
            assert_eq!(
                stack.token(HUB, "CONFIGURED").as_deref(),
                Some(newest),
                "{place}: {next:#?}"
            );
            assert_eq!(stack.token(HUB, "FILE_PENDING"), None, "{place}: {next:#?}");
        }
    }
}

/// One file was followed, and the next is uploaded.
async fn older_run() -> TestStack {
    let stack = TestStack::unsearched(&[]).await;
    stack.upload(&hub("canary-docker-1"));
    invoke(&stack.app, uploaded()).await.unwrap();
    stack.upload(&hub("canary-docker-2"));
    stack
}

/// Every call of a run, by its name and how many of that name came before, with both sides of it.
async fn calls_of_a_run_that_changes_a_token() -> Vec<(String, String, usize, bool)> {
    let stack = older_run().await;
    stack.aws.clear_calls();
    assert_eq!(invoke(&stack.app, uploaded()).await.unwrap().outcome, Outcome::Changed);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut sides = Vec::new();
    for call in stack.aws.calls() {
        let nth = seen.entry(format!("{}:{}", call.service, call.operation)).or_default();
        *nth += 1;
        sides.extend([true, false].map(|before| (call.service.clone(), call.operation.clone(), *nth, before)));
    }
    assert!(seen.contains_key("secretsmanager:PutSecretValue"), "{seen:?}");
    sides
}
