//! What is ours, nobody's and somebody else's.

use crate::stack::{self, LEGACY, Outcome, State, TestStack, lines, reason, scheduled};
use local_aws::Options;
use serde_json::{Value, json};

const OPEN: &str = "quay: {registry: quay.io}\n";

fn rule(stack: &TestStack, prefix: &str, host: &str) {
    let input = json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": host});
    stack.aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
}

fn template(stack: &TestStack, prefix: &str, description: &str, applied_for: Value) {
    let input = json!({"prefix": prefix, "description": description, "appliedFor": applied_for});
    stack
        .aws
        .call("ecr", "CreateRepositoryCreationTemplate", input)
        .unwrap();
}

fn mark(owner: &str) -> String {
    format!("Pull through cache repository template for quay artifacts (managed by ecr-pull-through-sync: {owner})")
}

#[tokio::test(start_paused = true)]
async fn what_nobody_has_marked_is_adopted_and_only_what_differs_is_written() {
    let stack = TestStack::new().await;
    rule(&stack, "quay", "quay.io");
    template(
        &stack,
        "quay",
        "Pull through cache repository template for quay artifacts",
        json!(["CREATE_ON_PUSH"]),
    );
    let report = stack.follow(OPEN).await;
    let line = "quay adopt template quay [description applied_for repository_policy lifecycle_policy] applied";
    assert_eq!(lines(&report), [line]);
    let template = stack.template("quay").unwrap();
    assert_eq!(template["description"], mark("stack"));
    assert_eq!(template["appliedFor"], json!(["CREATE_ON_PUSH", "PULL_THROUGH_CACHE"]));
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_rule_with_another_upstream_is_held_until_the_file_says_take_over() {
    let stack = TestStack::new().await;
    rule(&stack, "quay", "public.ecr.aws");
    let report = stack.follow(OPEN).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(report.registries["quay"].state, State::Held);
    assert!(
        report.registries["quay"]
            .message
            .as_deref()
            .unwrap()
            .contains("take_over: true")
    );
    assert_eq!(stack.writes(), Vec::<String>::new());
    let report = stack.follow("quay: {registry: quay.io, take_over: true}\n").await;
    assert_eq!(
        lines(&report),
        [
            "quay create template quay [] applied",
            "quay replace rule quay [registry] applied"
        ]
    );
    assert_eq!(stack.rule("quay").unwrap()["upstreamRegistryUrl"], "quay.io");
}

#[tokio::test(start_paused = true)]
async fn our_own_rule_is_replaced_without_a_word() {
    let stack = TestStack::new().await;
    stack.follow(OPEN).await;
    let report = stack.follow("quay: {registry: public.ecr.aws}\n").await;
    assert_eq!(lines(&report), ["quay replace rule quay [registry] applied"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_cannot_be_replaced_is_put_back() {
    let stack = TestStack::new().await;
    stack.follow(OPEN).await;
    let refused = local_aws::Fault::on("ecr", "CreatePullThroughCacheRule").times(1);
    stack
        .aws
        .fault(refused.error("InvalidParameterException", "no such thing", 400));
    let report = stack.follow("quay: {registry: public.ecr.aws}\n").await;
    assert_eq!(report.registries["quay"].state, State::Failed);
    assert!(
        report.changes[0]
            .error
            .as_deref()
            .unwrap()
            .ends_with("has been put back"),
        "{report:#?}"
    );
    assert_eq!(stack.rule("quay").unwrap()["upstreamRegistryUrl"], "quay.io");
}

#[tokio::test(start_paused = true)]
async fn another_owners_mark_refuses_the_registry_alone() {
    let stack = TestStack::new().await;
    template(&stack, "quay", &mark("other-stack"), json!(["PULL_THROUGH_CACHE"]));
    let before = stack.template("quay");
    let report = stack.follow(&format!("{OPEN}{LEGACY}")).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert!(
        report.registries["quay"]
            .message
            .as_deref()
            .unwrap()
            .contains("other-stack")
    );
    assert_eq!((stack.template("quay"), stack.rule("quay")), (before, None));
    assert_eq!(report.registries["gitlab"].state, State::Ready);
    let plan = stack.manual("plan").await;
    assert_eq!((plan.outcome, plan.changes.len()), (Outcome::Partial, 1));
}

#[tokio::test(start_paused = true)]
async fn a_former_owners_mark_is_rewritten() {
    let stack = TestStack::with(Options::default(), &[("TAKE_OVER_FROM", "old-stack")]).await;
    template(&stack, "quay", &mark("old-stack"), json!(["PULL_THROUGH_CACHE"]));
    rule(&stack, "quay", "public.ecr.aws");
    let report = stack.follow(OPEN).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.template("quay").unwrap()["description"], mark("stack"));
    assert_eq!(
        stack.rule("quay").unwrap()["upstreamRegistryUrl"],
        "quay.io",
        "ours by TAKE_OVER_FROM"
    );
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_left_the_file_is_held_and_keeps_working() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.aws.clear_calls();
    let report = stack.follow(OPEN).await;
    assert_eq!(report.outcome, Outcome::Partial);
    assert_eq!(report.registries["gitlab"].state, State::Held);
    let held: Vec<String> = lines(&report)
        .into_iter()
        .filter(|line| line.starts_with("gitlab "))
        .collect();
    assert_eq!(
        held,
        [
            "gitlab delete rule gitlab [] held",
            "gitlab delete secret ecr-pullthroughcache/gitlab [] held",
            "gitlab delete template gitlab [] held",
        ]
    );
    assert!(stack.writes().iter().all(|operation| !operation.starts_with("Delete")));
    stack.aws.pull("gitlab/group/image:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_quota_counts_foreign_rules_and_holds_what_does_not_fit() {
    let stack = TestStack::new().await;
    for n in 0..48 {
        rule(&stack, &format!("foreign-{n}"), "quay.io");
    }
    let file: String = ["a1", "b2", "c3", "d4"]
        .map(|name| format!("{name}: {{registry: quay.io}}\n"))
        .concat();
    let report = stack.follow(&file).await;
    let states = ["a1", "b2", "c3", "d4"].map(|name| report.registries[name].state);
    assert_eq!(states, [State::Ready, State::Ready, State::Held, State::Held]);
    assert_eq!(stack.template("c3"), None, "what is held is not begun");
    let again = stack.send(scheduled()).await.unwrap();
    assert_eq!(again.registries["c3"].since.as_ref(), Some(&report.started_at));
}

#[tokio::test(start_paused = true)]
async fn at_the_quota_new_registries_that_hold_each_other_say_so_and_how_to_go_on() {
    let stack = TestStack::new().await;
    for n in 0..49 {
        rule(&stack, &format!("foreign-{n}"), "registry.k8s.io");
    }
    stack.follow(OPEN).await;
    let report = stack
        .follow("quay-a: {registry: quay.io}\nquay-b: {registry: quay.io}\n")
        .await;
    for name in ["quay", "quay-a", "quay-b"] {
        let registry = &report.registries[name];
        assert_eq!(registry.state, State::Held, "{report:#?}");
        assert_eq!(
            registry.reason,
            if name == "quay" {
                reason("replacement-not-ready")
            } else {
                reason("quota")
            }
        );
        let message = registry.message.as_deref().unwrap();
        assert!(
            message.starts_with("quay left the file, and quay-a (line 1), quay-b (line 2) came"),
            "{message}"
        );
        assert!(message.contains("Take 1 of these lines out of the file"), "{message}");
    }
    // As it says.
    let report = stack.follow("quay-a: {registry: quay.io}\n").await;
    assert_eq!(report.registries["quay-a"].state, State::Ready, "{report:#?}");
    assert_eq!(stack.rule("quay"), None);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_somebody_was_faster_to_make_stays_held_in_the_runs_after() {
    let stack = TestStack::new().await;
    stack.aws.before("ecr", "CreatePullThroughCacheRule", 1, |aws| {
        stack::make_rule(aws, "quay", "public.ecr.aws", None);
    });
    stack.follow(OPEN).await;
    for _ in 0..2 {
        let report = stack.send(scheduled()).await.unwrap();
        assert_eq!(report.registries["quay"].state, State::Held, "{report:#?}");
    }
    assert_eq!(stack.rule("quay").unwrap()["upstreamRegistryUrl"], "public.ecr.aws");
    assert_eq!(stack.template("quay"), None, "no mark of ours on it");
}
