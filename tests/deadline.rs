//! Lambda's deadline: whatever hangs or is slow, the run ends before it, and takes nothing away that it cannot put
//! back.

use std::time::{Duration, Instant};

use crate::stack::{LEGACY, Outcome, Report, State, TestStack, credential, hub, scheduled, uploaded};
use local_aws::Fault;
use serde_json::json;

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const QUAY: &str = "quay: {registry: quay.io}\n";
const QUAY_ELSEWHERE: &str = "quay: {registry: public.ecr.aws}\n";
const MOVED: &str = "dockerhub: {registry: docker.io, secret: ecr-pullthroughcache/ops}\n";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// How long before the end no write begins, and how long before it calls are given up.
async fn stack(wind_down: u64, last_call: u64) -> TestStack {
    let mut stack = TestStack::new().await;
    stack.app.timing.wind_down = ms(wind_down);
    stack.app.timing.last_call = ms(last_call);
    stack
}

/// One whose file is about to move from the secret of its own to one of the file's naming.
async fn about_to_move(wind_down: u64, last_call: u64) -> TestStack {
    let stack = stack(wind_down, last_call).await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.make_secret("ecr-pullthroughcache/ops", &credential("canary-docker-1"), json!([]));
    stack.upload(MOVED);
    stack
}

/// The next run finishes what this one did not.
async fn then_calm(stack: &TestStack) -> Report {
    stack.aws.clear_faults();
    let report = stack.send(scheduled()).await.unwrap();
    assert_ne!(report.outcome, Outcome::Partial, "{report:#?}");
    report
}

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_ends_the_run_before_the_deadline_and_changes_nothing() {
    for (service, operation) in [
        ("s3", "GetObject"),
        ("ecr", "DescribePullThroughCacheRules"),
        ("ecr", "DescribeRepositoryCreationTemplates"),
        ("secretsmanager", "ListSecrets"),
        ("secretsmanager", "DescribeSecret"),
    ] {
        let stack = stack(1000, 500).await;
        stack.aws.fault(Fault::on(service, operation).timeout());
        stack.upload(LEGACY);
        let begun = Instant::now();
        let failure = stack.send_within(uploaded(), ms(2000)).await.unwrap_err();
        assert!(begun.elapsed() < ms(2000), "{operation}: {:?}", begun.elapsed());
        assert!(failure.to_string().contains("deadline"), "{operation}: {failure}");
        assert_eq!(stack.writes(), Vec::<String>::new(), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_hangs_ends_the_run_before_the_deadline() {
    let stack = about_to_move(800, 400).await;
    stack.aws.fault(Fault::on("secretsmanager", "DeleteSecret").timeout());
    let begun = Instant::now();
    let failure = stack.send_within(uploaded(), ms(2000)).await.unwrap_err();
    assert!(begun.elapsed() < ms(2000), "{:?}", begun.elapsed());
    assert!(failure.to_string().contains("partial"), "{failure}");
    then_calm(&stack).await;
    assert!(stack.is_going(HUB));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_there_was_no_time_to_delete_is_told_and_left_to_the_retry() {
    let stack = about_to_move(1500, 200).await;
    stack.aws.fault(
        Fault::on("ecr", "UpdatePullThroughCacheRule")
            .times(1)
            .latency(ms(1600)),
    );
    let failure = stack.send_within(uploaded(), ms(3000)).await.unwrap_err();
    assert!(failure.to_string().contains("partial"), "{failure}");
    assert!(!stack.is_going(HUB));
    then_calm(&stack).await;
    assert!(stack.is_going(HUB));
}

#[tokio::test(start_paused = true)]
async fn a_rule_whose_replacement_is_cut_short_is_put_back() {
    for slow_calls in [1, 100] {
        let stack = stack(1500, 1000).await;
        stack.follow(QUAY).await;
        stack.aws.fault(
            Fault::on("ecr", "CreatePullThroughCacheRule")
                .times(slow_calls)
                .latency(ms(1400)),
        );
        stack.upload(QUAY_ELSEWHERE);
        stack.send_within(uploaded(), ms(2200)).await.unwrap_err();
        let rule = stack
            .rule("quay")
            .expect("a rule: the old one, or the new one that AWS took without an answer");
        if slow_calls == 1 {
            assert_eq!(rule["upstreamRegistryUrl"], "quay.io", "{:#?}", stack.status());
        }
        then_calm(&stack).await;
        assert_eq!(stack.rule("quay").unwrap()["upstreamRegistryUrl"], "public.ecr.aws");
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_that_is_made_anew_keeps_its_mark_when_that_is_cut_short() {
    let stack = stack(1500, 1000).await;
    stack.follow(QUAY).await;
    // An empty text clears nothing, so the template has to be deleted and made again.
    stack.aws.with_ecr(|ecr| ecr.clears_take = false);
    stack
        .aws
        .fault(Fault::on("ecr", "CreateRepositoryCreationTemplate").latency(ms(1400)));
    stack.upload("quay: {registry: quay.io, lifecycle_policy: none}\n");
    _ = stack.send_within(uploaded(), ms(2200)).await;
    assert!(stack.template("quay").is_some(), "{:#?}", stack.status());
    stack.aws.clear_faults();
    // The rule still counts as ours, which is replaced without a word.
    let report = stack.follow(QUAY_ELSEWHERE).await;
    assert_eq!(report.registries["quay"].state, State::Ready, "{report:#?}");
}
