//! Nothing is deleted by surprise.

use crate::stack::{
    self, BUCKET, KEY, LEGACY, Outcome, State, TestStack, hub, lines, messages, reason, scheduled, uploaded,
};
use config::Code;
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const QUAY: &str = "quay: {registry: quay.io}\n";

fn two(token: &str) -> String {
    format!("{}{QUAY}", hub(token))
}

#[tokio::test(start_paused = true)]
async fn one_registry_that_left_the_file_goes_rule_then_secret_then_template() {
    let stack = TestStack::new().await;
    stack.follow(&two("canary-docker-1")).await;
    stack.upload(QUAY);
    stack.aws.clear_calls();
    let plan = stack.manual("plan").await;
    assert_eq!(plan.registries["dockerhub"].state, State::Planned);
    assert!(stack.aws.calls().iter().all(|call| !call.write));
    stack.aws.clear_calls();
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub delete rule dockerhub [] applied".into(),
            format!("dockerhub delete secret {HUB} [] applied"),
            "dockerhub delete template dockerhub [] applied".into(),
        ]
    );
    assert_eq!(
        stack.writes(),
        [
            "DeletePullThroughCacheRule",
            "DeleteSecret",
            "DeleteRepositoryCreationTemplate"
        ]
    );
    assert_eq!(report.outcome, Outcome::Changed);
    assert_eq!((stack.rule("dockerhub"), stack.template("dockerhub")), (None, None));
    let secret = stack.secret(HUB).unwrap();
    assert!(secret["DeletedDate"].is_number(), "it can be restored");
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
    // And back again: the secret is restored, not made a second time.
    let back = stack.follow(&two("canary-docker-1")).await;
    assert_eq!(lines(&back)[0], format!("dockerhub restore secret {HUB} [] applied"));
    assert_eq!(stack.secret(HUB).unwrap()["ARN"], secret["ARN"]);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_limit_deletes_none_until_somebody_raises_it() {
    for way in ["action", "file", "setting"] {
        let env: &[(&str, &str)] = if way == "setting" {
            &[("MAX_DELETIONS", "3")]
        } else {
            &[]
        };
        let stack = TestStack::with(Options::default(), env).await;
        stack.follow(&format!("{LEGACY}{QUAY}")).await;
        stack.aws.clear_calls();
        if way != "setting" {
            let report = stack.follow(QUAY).await;
            assert_eq!(report.outcome, Outcome::Partial);
            assert_eq!(report.registries["gitlab"].state, State::Held);
            let message = report.registries["gitlab"].message.as_deref().unwrap();
            for remedy in ["3 registries left the file", "max_deletions: 3", "MAX_DELETIONS"] {
                assert!(message.contains(remedy), "{message}");
            }
            assert!(stack.writes().is_empty());
            stack.aws.pull("gitlab/group/image:1").unwrap();
        }
        let report = match way {
            "action" => stack
                .send(json!({"action": "apply", "max_deletions": 3}))
                .await
                .unwrap(),
            "file" => {
                stack
                    .follow("max_deletions: 3\nregistries:\n  quay: {registry: quay.io}\n")
                    .await
            }
            _ => stack.follow(QUAY).await,
        };
        assert_eq!(report.outcome, Outcome::Changed, "{way}: {report:#?}");
        assert_eq!(report.registries.len(), 1);
        assert_eq!(stack.manual("plan").await.outcome, Outcome::Converged);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_without_registries_or_no_file_at_all_deletes_nothing() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.clear_calls();
    for empty in ["", "{}", "registries: {}\n", "registries:\n"] {
        assert_eq!(stack.follow(empty).await.outcome, Outcome::Rejected, "{empty:?}");
    }
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn foreign_and_others_rules_and_templates_are_never_touched() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    let call = |operation: &str, input: Value| stack.aws.call("ecr", operation, input).unwrap();
    call(
        "CreatePullThroughCacheRule",
        json!({"ecrRepositoryPrefix": "by-hand", "upstreamRegistryUrl": "quay.io"}),
    );
    for (prefix, mark) in [
        ("unmarked", ""),
        ("others", " (managed by ecr-pull-through-sync: other)"),
    ] {
        let description = format!("Pull through cache repository template for {prefix} artifacts{mark}");
        let input = json!({"prefix": prefix, "description": description, "appliedFor": ["PULL_THROUGH_CACHE"]});
        call("CreateRepositoryCreationTemplate", input);
        call(
            "CreatePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "quay.io"}),
        );
    }
    stack.aws.clear_calls();
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!((report.outcome, stack.writes().len()), (Outcome::Converged, 0));
}

#[tokio::test(start_paused = true)]
async fn a_template_that_serves_other_purposes_too_stays_without_us() {
    let stack = TestStack::new().await;
    stack.follow(&two("canary-docker-1")).await;
    let input = json!({"prefix": "dockerhub", "appliedFor": ["PULL_THROUGH_CACHE", "REPLICATION"]});
    stack
        .aws
        .call("ecr", "UpdateRepositoryCreationTemplate", input)
        .unwrap();
    let report = stack.follow(QUAY).await;
    assert_eq!(
        lines(&report)[2],
        "dockerhub update template dockerhub [description applied_for] applied"
    );
    let template = stack.template("dockerhub").unwrap();
    assert_eq!(template["appliedFor"], json!(["REPLICATION"]));
    assert_eq!(
        template["description"],
        "Pull through cache repository template for dockerhub artifacts"
    );
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_secret_of_the_file_or_any_rule_names_is_kept() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let report = stack
        .follow(&format!("hub2: {{registry: docker.io, secret: {HUB}}}\n"))
        .await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.rule("dockerhub"), None);
    assert_eq!(stack.secret(HUB).unwrap()["DeletedDate"], Value::Null);
    assert_eq!(report.registries["hub2"].state, State::Ready);

    let stack = TestStack::new().await;
    stack.follow(&two("canary-docker-1")).await;
    let arn = stack.secret(HUB).unwrap()["ARN"].clone();
    let input =
        json!({"ecrRepositoryPrefix": "by-hand", "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": arn});
    stack.aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.template("dockerhub"), None);
    assert_eq!(stack.secret(HUB).unwrap()["DeletedDate"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn the_new_name_of_a_renamed_registry_works_before_the_old_one_goes() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.clear_calls();
    let renamed = hub("canary-docker-1").replace("dockerhub", "hub");
    let report = stack.follow(&renamed).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let calls: Vec<String> = stack.aws.calls().into_iter().map(|call| call.operation).collect();
    let at = |operation: &str| calls.iter().position(|call| call == operation).unwrap();
    assert!(at("CreatePullThroughCacheRule") < at("ValidatePullThroughCacheRule"));
    assert!(at("ValidatePullThroughCacheRule") < at("DeletePullThroughCacheRule"));
    stack.aws.pull("hub/library/nginx:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_its_new_name_is_not_ready() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let renamed = hub("canary-wrong").replace("dockerhub", "hub");
    let report = stack.follow(&renamed).await;
    assert_eq!(report.registries["dockerhub"].state, State::Held);
    assert!(
        report.registries["dockerhub"]
            .message
            .as_deref()
            .unwrap()
            .contains("hub of the file")
    );
    // Neither in the runs after, when the new name has a rule already.
    assert_eq!(
        stack.send(scheduled()).await.unwrap().registries["dockerhub"].state,
        State::Held
    );
    stack.aws.pull("dockerhub/library/nginx:1").unwrap();
    let report = stack.follow(&hub("canary-docker-1").replace("dockerhub", "hub")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.rule("dockerhub"), None);
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_that_comes_before_the_deletion_decides() {
    let stack = TestStack::new().await;
    stack.follow(&two("canary-docker-1")).await;
    stack.aws.before("s3", "HeadObject", 1, |aws| {
        aws.put_object(BUCKET, KEY, two("canary-docker-1"));
    });
    stack.aws.clear_calls();
    let report = stack.follow(QUAY).await;
    assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
    assert_eq!(stack.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_changed_hands_in_between_stops_the_deletion() {
    let stack = TestStack::new().await;
    stack.follow(&two("canary-docker-1")).await;
    stack.aws.before("s3", "HeadObject", 1, |aws| {
        let description = "x (managed by ecr-pull-through-sync: other)";
        let input = json!({"prefix": "dockerhub", "description": description});
        aws.call("ecr", "UpdateRepositoryCreationTemplate", input).unwrap();
    });
    let report = stack.follow(QUAY).await;
    assert_eq!(lines(&report), Vec::<String>::new());
    assert!(stack.rule("dockerhub").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_is_told_and_finished_by_the_next_run() {
    for (service, operation) in [
        ("ecr", "DeletePullThroughCacheRule"),
        ("secretsmanager", "DeleteSecret"),
        ("ecr", "DeleteRepositoryCreationTemplate"),
    ] {
        let stack = TestStack::new().await;
        stack.follow(&two("canary-docker-1")).await;
        stack.aws.fault(Fault::on(service, operation).times(50).server_error());
        stack.upload(QUAY);
        let failure = stack.send(uploaded()).await.unwrap_err().to_string();
        assert!(failure.contains("partial"), "{failure}");
        assert!(stack.template("dockerhub").is_some(), "the mark goes last");
        stack.aws.clear_faults();
        assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Changed);
        assert_eq!((stack.rule("dockerhub"), stack.template("dockerhub")), (None, None));
        assert!(stack.secret(HUB).unwrap()["DeletedDate"].is_number());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_its_new_name_is_somebody_elses_rule() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack::make_rule(&stack.aws, "hub", "quay.io", None);
    let report = stack.follow(&hub("canary-docker-1").replace("dockerhub", "hub")).await;
    let states = [report.registries["dockerhub"].state, report.registries["hub"].state];
    assert_eq!(states, [State::Held, State::Held], "{report:#?}");
    stack.aws.pull("dockerhub/library/nginx:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_new_name_gets_the_place_of_the_old_one_before_others_do() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    for n in 0..49 {
        stack::make_rule(&stack.aws, &format!("foreign-{n}"), "quay.io", None);
    }
    let report = stack
        .follow("extra: {registry: public.ecr.aws}\nquay2: {registry: quay.io}\n")
        .await;
    assert_eq!(report.registries["extra"].reason, reason("quota"), "{report:#?}");
    assert_eq!((stack.rule("quay"), stack.rule("quay2").is_some()), (None, true));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_the_list_does_not_know_goes_along_with_its_rule() {
    let stack = TestStack::new().await;
    let open = "public-ecr: {registry: public.ecr.aws}\n";
    stack.follow(&format!("{}{QUAY}{open}", hub("canary-docker-1"))).await;
    stack
        .aws
        .fault(Fault::on("secretsmanager", "ListSecrets").times(100).access_denied());
    stack.follow(&format!("{QUAY}{open}")).await;
    assert!(stack.secret(HUB).unwrap()["DeletedDate"].is_number());
    stack.aws.clear_faults();
    let report = stack.follow(open).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert!(stack.secret(HUB).unwrap()["DeletedDate"].is_number());
    assert_eq!(stack.rule("quay"), None);
}

fn registries(names: impl IntoIterator<Item = usize>) -> String {
    let token = |n: usize| hub("canary-docker-1").replace("dockerhub", &format!("hub-{n}"));
    names.into_iter().map(token).collect()
}

#[tokio::test(start_paused = true)]
async fn secrets_are_under_the_limit_where_rules_and_templates_were_deleted_by_hand() {
    let stack = TestStack::new().await;
    stack.follow(&registries(0..8)).await;
    for n in 0..8 {
        let (prefix, rule) = (format!("hub-{n}"), format!("hub-{n}"));
        stack
            .aws
            .call(
                "ecr",
                "DeletePullThroughCacheRule",
                json!({"ecrRepositoryPrefix": rule}),
            )
            .unwrap();
        stack
            .aws
            .call("ecr", "DeleteRepositoryCreationTemplate", json!({"prefix": prefix}))
            .unwrap();
    }
    let report = stack.follow(&registries(0..1)).await;
    let is_held = |n: usize| {
        let registry = &report.registries[&format!("hub-{n}")];
        registry.state == State::Held && registry.reason == reason("limit")
    };
    assert!((1..8).all(is_held), "{report:#?}");
    assert_eq!(report.outcome, Outcome::Partial);
    // Nothing but a tag says that they are ours, whatever the limit.
    let report = stack
        .send(json!({"action": "apply", "max_deletions": 7}))
        .await
        .unwrap();
    assert!(
        (0..8).all(|n| !stack.is_going(&format!("ecr-pullthroughcache/hub-{n}"))),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_of_marked_registries_count_once_with_them() {
    let stack = TestStack::new().await;
    stack.follow(&registries(0..3)).await;
    for n in 1..3 {
        let rule = format!("hub-{n}");
        stack
            .aws
            .call(
                "ecr",
                "DeletePullThroughCacheRule",
                json!({"ecrRepositoryPrefix": rule}),
            )
            .unwrap();
    }
    let report = stack.follow(&registries(0..1)).await;
    assert_eq!(report.registries["hub-1"].reason, reason("limit"), "{report:#?}");
    let report = stack
        .send(json!({"action": "apply", "max_deletions": 2}))
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert!((1..3).all(|n| stack.is_going(&format!("ecr-pullthroughcache/hub-{n}"))));
}

#[tokio::test(start_paused = true)]
async fn a_clone_with_our_tag_is_never_deleted_and_a_warning_names_it() {
    let stack = TestStack::new().await;
    stack.follow(&two("canary-docker-1")).await;
    let tags = stack.secret(HUB).unwrap()["Tags"].clone();
    let clone = format!("{HUB}-backup");
    stack.make_secret(&clone, &stack::credential("canary-docker-1"), tags);
    for _ in 0..2 {
        let report = stack.send(scheduled()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Converged, "{report:#?}");
        assert!(messages(&report.warnings).contains(&clone), "{report:#?}");
        assert_eq!(report.warnings.last().unwrap().code, Code::STRAY_SECRET);
    }
    // Neither when the original goes, nor by a call by hand.
    stack.follow(QUAY).await;
    stack
        .send(json!({"action": "apply", "max_deletions": 9}))
        .await
        .unwrap();
    assert_eq!((stack.is_going(HUB), stack.is_going(&clone)), (true, false));
}

/// A secret that a rename took along has another registry's name: the rule tells whose it is.
#[tokio::test(start_paused = true)]
async fn a_secret_that_was_taken_along_goes_with_the_registry_that_uses_it() {
    for last in [
        QUAY.to_owned(),
        format!("{QUAY}hub: {{registry: docker.io, secret: ecr-pullthroughcache/ops}}\n"),
    ] {
        let stack = TestStack::new().await;
        stack.follow(&two("canary-docker-1")).await;
        stack.follow(&two("canary-docker-1").replace("dockerhub", "hub")).await;
        assert!(!stack.is_going(HUB));
        stack.make_secret(
            "ecr-pullthroughcache/ops",
            &stack::credential("canary-docker-2"),
            json!([]),
        );
        let report = stack.follow(&last).await;
        assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
        assert!(stack.is_going(HUB), "{report:#?}");
        assert!(!messages(&report.warnings).contains("carries the tag"), "{report:#?}");
    }
}

/// Whoever deploys the stack has said that nothing is deleted but by hand.
#[tokio::test(start_paused = true)]
async fn a_limit_of_none_is_not_raised_by_the_file() {
    let stack = TestStack::with(local_aws::Options::default(), &[("MAX_DELETIONS", "0")]).await;
    stack
        .follow("quay: {registry: quay.io}\nk8s: {registry: registry.k8s.io}\n")
        .await;
    let report = stack
        .follow("max_deletions: 5\nregistries:\n  quay: {registry: quay.io}\n")
        .await;
    assert_eq!(report.registries["k8s"].reason, reason("limit"), "{report:#?}");
    assert!(stack.rule("k8s").is_some());
    stack
        .send(json!({"action": "apply", "max_deletions": 1}))
        .await
        .unwrap();
    assert!(stack.rule("k8s").is_none());
}
