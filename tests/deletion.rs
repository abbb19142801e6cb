//! Nothing is deleted by surprise.

use crate::support::{self, BUCKET, Bench, KEY, LEGACY, hub, lines, scheduled, uploaded};
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const QUAY: &str = "quay: {registry: quay.io}\n";

fn two(token: &str) -> String {
    format!("{}{QUAY}", hub(token))
}

#[tokio::test(start_paused = true)]
async fn one_registry_that_left_the_file_goes_rule_then_secret_then_template() {
    let bench = Bench::new().await;
    bench.follow(&two("canary-docker-1")).await;
    bench.upload(QUAY);
    bench.aws.clear_calls();
    let plan = bench.act("plan").await;
    assert_eq!(plan["registries"]["dockerhub"]["state"], "planned");
    assert!(bench.aws.calls().iter().all(|call| !call.write));
    bench.aws.clear_calls();
    let report = bench.send(uploaded()).await.unwrap();
    assert_eq!(
        lines(&report),
        [
            "dockerhub delete rule dockerhub [] applied".into(),
            format!("dockerhub delete secret {HUB} [] applied"),
            "dockerhub delete template dockerhub [] applied".into(),
        ]
    );
    assert_eq!(
        bench.writes(),
        [
            "DeletePullThroughCacheRule",
            "DeleteSecret",
            "DeleteRepositoryCreationTemplate"
        ]
    );
    assert_eq!(report["outcome"], "changed");
    assert_eq!((bench.rule("dockerhub"), bench.template("dockerhub")), (None, None));
    let secret = bench.secret(HUB).unwrap();
    assert!(secret["DeletedDate"].is_number(), "it can be restored");
    assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
    // And back again: the secret is restored, not made a second time.
    let back = bench.follow(&two("canary-docker-1")).await;
    assert_eq!(lines(&back)[0], format!("dockerhub restore secret {HUB} [] applied"));
    assert_eq!(bench.secret(HUB).unwrap()["ARN"], secret["ARN"]);
}

#[tokio::test(start_paused = true)]
async fn more_than_the_limit_deletes_none_until_somebody_raises_it() {
    for way in ["action", "file", "setting"] {
        let env: &[(&str, &str)] = if way == "setting" {
            &[("MAX_DELETIONS", "3")]
        } else {
            &[]
        };
        let bench = Bench::with(Options::default(), env).await;
        bench.follow(&format!("{LEGACY}{QUAY}")).await;
        bench.aws.clear_calls();
        if way != "setting" {
            let report = bench.follow(QUAY).await;
            assert_eq!(report["outcome"], "partial");
            assert_eq!(report["registries"]["gitlab"]["state"], "held");
            let message = report["registries"]["gitlab"]["message"].as_str().unwrap();
            for remedy in ["3 registries left the file", "max_deletions: 3", "MAX_DELETIONS"] {
                assert!(message.contains(remedy), "{message}");
            }
            assert!(bench.writes().is_empty());
            bench.aws.pull("gitlab/group/image:1").unwrap();
        }
        let report = match way {
            "action" => bench
                .send(json!({"action": "apply", "max_deletions": 3}))
                .await
                .unwrap(),
            "file" => {
                bench
                    .follow("max_deletions: 3\nregistries:\n  quay: {registry: quay.io}\n")
                    .await
            }
            _ => bench.follow(QUAY).await,
        };
        assert_eq!(report["outcome"], "changed", "{way}: {report:#}");
        assert_eq!(report["registries"].as_object().unwrap().len(), 1);
        assert_eq!(bench.act("plan").await["outcome"], "converged");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_without_registries_or_no_file_at_all_deletes_nothing() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    bench.aws.clear_calls();
    for empty in ["", "{}", "registries: {}\n", "registries:\n"] {
        assert_eq!(bench.follow(empty).await["outcome"], "rejected", "{empty:?}");
    }
    assert_eq!(bench.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn foreign_and_others_rules_and_templates_are_never_touched() {
    let bench = Bench::new().await;
    bench.follow(QUAY).await;
    let call = |operation: &str, input: Value| bench.aws.call("ecr", operation, input).unwrap();
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
    bench.aws.clear_calls();
    let report = bench.send(scheduled()).await.unwrap();
    assert_eq!((&report["outcome"], bench.writes().len()), (&json!("converged"), 0));
}

#[tokio::test(start_paused = true)]
async fn a_template_that_serves_other_purposes_too_stays_without_us() {
    let bench = Bench::new().await;
    bench.follow(&two("canary-docker-1")).await;
    let input = json!({"prefix": "dockerhub", "appliedFor": ["PULL_THROUGH_CACHE", "REPLICATION"]});
    bench
        .aws
        .call("ecr", "UpdateRepositoryCreationTemplate", input)
        .unwrap();
    let report = bench.follow(QUAY).await;
    assert_eq!(
        lines(&report)[2],
        "dockerhub update template dockerhub [description applied_for] applied"
    );
    let template = bench.template("dockerhub").unwrap();
    assert_eq!(template["appliedFor"], json!(["REPLICATION"]));
    assert_eq!(
        template["description"],
        "Pull through cache repository template for dockerhub artifacts"
    );
    assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_a_secret_of_the_file_or_any_rule_names_is_kept() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    let report = bench
        .follow(&format!("hub2: {{registry: docker.io, secret: {HUB}}}\n"))
        .await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(bench.rule("dockerhub"), None);
    assert_eq!(bench.secret(HUB).unwrap()["DeletedDate"], Value::Null);
    assert_eq!(report["registries"]["hub2"]["state"], "ready");

    let bench = Bench::new().await;
    bench.follow(&two("canary-docker-1")).await;
    let arn = bench.secret(HUB).unwrap()["ARN"].clone();
    let input =
        json!({"ecrRepositoryPrefix": "by-hand", "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": arn});
    bench.aws.call("ecr", "CreatePullThroughCacheRule", input).unwrap();
    let report = bench.follow(QUAY).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(bench.template("dockerhub"), None);
    assert_eq!(bench.secret(HUB).unwrap()["DeletedDate"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn the_new_name_of_a_renamed_registry_works_before_the_old_one_goes() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    bench.aws.clear_calls();
    let renamed = hub("canary-docker-1").replace("dockerhub", "hub");
    let report = bench.follow(&renamed).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    let calls: Vec<String> = bench.aws.calls().into_iter().map(|call| call.operation).collect();
    let at = |operation: &str| calls.iter().position(|call| call == operation).unwrap();
    assert!(at("CreatePullThroughCacheRule") < at("ValidatePullThroughCacheRule"));
    assert!(at("ValidatePullThroughCacheRule") < at("DeletePullThroughCacheRule"));
    bench.aws.pull("hub/library/nginx:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_its_new_name_is_not_ready() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    let renamed = hub("canary-wrong").replace("dockerhub", "hub");
    let report = bench.follow(&renamed).await;
    assert_eq!(report["registries"]["dockerhub"]["state"], "held");
    assert!(
        report["registries"]["dockerhub"]["message"]
            .as_str()
            .unwrap()
            .contains("hub of the file")
    );
    // Neither in the runs after, when the new name has a rule already.
    assert_eq!(
        bench.send(scheduled()).await.unwrap()["registries"]["dockerhub"]["state"],
        "held"
    );
    bench.aws.pull("dockerhub/library/nginx:1").unwrap();
    let report = bench.follow(&hub("canary-docker-1").replace("dockerhub", "hub")).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(bench.rule("dockerhub"), None);
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_that_comes_before_the_deletion_decides() {
    let bench = Bench::new().await;
    bench.follow(&two("canary-docker-1")).await;
    bench.aws.before("s3", "HeadObject", 1, |aws| {
        aws.put_object(BUCKET, KEY, two("canary-docker-1"));
    });
    bench.aws.clear_calls();
    let report = bench.follow(QUAY).await;
    assert_eq!(report["outcome"], "converged", "{report:#}");
    assert_eq!(bench.writes(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_changed_hands_in_between_stops_the_deletion() {
    let bench = Bench::new().await;
    bench.follow(&two("canary-docker-1")).await;
    bench.aws.before("s3", "HeadObject", 1, |aws| {
        let description = "x (managed by ecr-pull-through-sync: other)";
        let input = json!({"prefix": "dockerhub", "description": description});
        aws.call("ecr", "UpdateRepositoryCreationTemplate", input).unwrap();
    });
    let report = bench.follow(QUAY).await;
    assert_eq!(lines(&report), Vec::<String>::new());
    assert!(bench.rule("dockerhub").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_fails_is_told_and_finished_by_the_next_run() {
    for (service, operation) in [
        ("ecr", "DeletePullThroughCacheRule"),
        ("secretsmanager", "DeleteSecret"),
        ("ecr", "DeleteRepositoryCreationTemplate"),
    ] {
        let bench = Bench::new().await;
        bench.follow(&two("canary-docker-1")).await;
        bench.aws.fault(Fault::on(service, operation).times(50).server_error());
        bench.upload(QUAY);
        let failure = bench.send(uploaded()).await.unwrap_err().to_string();
        assert!(failure.contains("partial"), "{failure}");
        assert!(bench.template("dockerhub").is_some(), "the mark goes last");
        bench.aws.clear_faults();
        assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "changed");
        assert_eq!((bench.rule("dockerhub"), bench.template("dockerhub")), (None, None));
        assert!(bench.secret(HUB).unwrap()["DeletedDate"].is_number());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_its_new_name_is_somebody_elses_rule() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    support::make_rule(&bench.aws, "hub", "quay.io", None);
    let report = bench.follow(&hub("canary-docker-1").replace("dockerhub", "hub")).await;
    let states = [
        &report["registries"]["dockerhub"]["state"],
        &report["registries"]["hub"]["state"],
    ];
    assert_eq!(states, ["held", "held"], "{report:#}");
    bench.aws.pull("dockerhub/library/nginx:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_new_name_gets_the_place_of_the_old_one_before_others_do() {
    let bench = Bench::new().await;
    bench.follow(QUAY).await;
    for n in 0..49 {
        support::make_rule(&bench.aws, &format!("foreign-{n}"), "quay.io", None);
    }
    let report = bench
        .follow("extra: {registry: public.ecr.aws}\nquay2: {registry: quay.io}\n")
        .await;
    assert_eq!(report["registries"]["extra"]["reason"], "quota", "{report:#}");
    assert_eq!((bench.rule("quay"), bench.rule("quay2").is_some()), (None, true));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_the_list_does_not_know_goes_along_with_its_rule() {
    let bench = Bench::new().await;
    let open = "public-ecr: {registry: public.ecr.aws}\n";
    bench.follow(&format!("{}{QUAY}{open}", hub("canary-docker-1"))).await;
    bench
        .aws
        .fault(Fault::on("secretsmanager", "ListSecrets").times(100).access_denied());
    bench.follow(&format!("{QUAY}{open}")).await;
    assert!(bench.secret(HUB).unwrap()["DeletedDate"].is_number());
    bench.aws.clear_faults();
    let report = bench.follow(open).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert!(bench.secret(HUB).unwrap()["DeletedDate"].is_number());
    assert_eq!(bench.rule("quay"), None);
}

fn registries(names: impl IntoIterator<Item = usize>) -> String {
    let token = |n: usize| hub("canary-docker-1").replace("dockerhub", &format!("hub-{n}"));
    names.into_iter().map(token).collect()
}

#[tokio::test(start_paused = true)]
async fn secrets_are_under_the_limit_where_rules_and_templates_were_deleted_by_hand() {
    let bench = Bench::new().await;
    bench.follow(&registries(0..8)).await;
    for n in 0..8 {
        let (prefix, rule) = (format!("hub-{n}"), format!("hub-{n}"));
        bench
            .aws
            .call(
                "ecr",
                "DeletePullThroughCacheRule",
                json!({"ecrRepositoryPrefix": rule}),
            )
            .unwrap();
        bench
            .aws
            .call("ecr", "DeleteRepositoryCreationTemplate", json!({"prefix": prefix}))
            .unwrap();
    }
    let report = bench.follow(&registries(0..1)).await;
    let is_held = |n: usize| {
        let registry = &report["registries"][format!("hub-{n}")];
        registry["state"] == "held" && registry["reason"] == "limit"
    };
    assert!((1..8).all(is_held), "{report:#}");
    assert_eq!(report["outcome"], "partial");
    // Nothing but a tag says that they are ours, whatever the limit.
    let report = bench
        .send(json!({"action": "apply", "max_deletions": 7}))
        .await
        .unwrap();
    assert!(
        (0..8).all(|n| !bench.is_going(&format!("ecr-pullthroughcache/hub-{n}"))),
        "{report:#}"
    );
}

#[tokio::test(start_paused = true)]
async fn secrets_of_marked_registries_count_once_with_them() {
    let bench = Bench::new().await;
    bench.follow(&registries(0..3)).await;
    for n in 1..3 {
        let rule = format!("hub-{n}");
        bench
            .aws
            .call(
                "ecr",
                "DeletePullThroughCacheRule",
                json!({"ecrRepositoryPrefix": rule}),
            )
            .unwrap();
    }
    let report = bench.follow(&registries(0..1)).await;
    assert_eq!(report["registries"]["hub-1"]["reason"], "limit", "{report:#}");
    let report = bench
        .send(json!({"action": "apply", "max_deletions": 2}))
        .await
        .unwrap();
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert!((1..3).all(|n| bench.is_going(&format!("ecr-pullthroughcache/hub-{n}"))));
}

#[tokio::test(start_paused = true)]
async fn a_clone_with_our_tag_is_never_deleted_and_a_warning_names_it() {
    let bench = Bench::new().await;
    bench.follow(&two("canary-docker-1")).await;
    let tags = bench.secret(HUB).unwrap()["Tags"].clone();
    let clone = format!("{HUB}-backup");
    bench.make_secret(&clone, &support::credential("canary-docker-1"), tags);
    for _ in 0..2 {
        let report = bench.send(scheduled()).await.unwrap();
        assert_eq!(report["outcome"], "converged", "{report:#}");
        assert!(report["warnings"].to_string().contains(&clone), "{report:#}");
        assert_eq!(report["warnings"].as_array().unwrap().last().unwrap()["code"], "PT091");
    }
    // Neither when the original goes, nor by a call by hand.
    bench.follow(QUAY).await;
    bench
        .send(json!({"action": "apply", "max_deletions": 9}))
        .await
        .unwrap();
    assert_eq!((bench.is_going(HUB), bench.is_going(&clone)), (true, false));
}

/// A secret that a rename took along has another registry's name: the rule tells whose it is.
#[tokio::test(start_paused = true)]
async fn a_secret_that_was_taken_along_goes_with_the_registry_that_uses_it() {
    for last in [
        QUAY.to_owned(),
        format!("{QUAY}hub: {{registry: docker.io, secret: ecr-pullthroughcache/ops}}\n"),
    ] {
        let bench = Bench::new().await;
        bench.follow(&two("canary-docker-1")).await;
        bench.follow(&two("canary-docker-1").replace("dockerhub", "hub")).await;
        assert!(!bench.is_going(HUB));
        bench.make_secret(
            "ecr-pullthroughcache/ops",
            &support::credential("canary-docker-2"),
            json!([]),
        );
        let report = bench.follow(&last).await;
        assert_eq!(report["outcome"], "changed", "{report:#}");
        assert!(bench.is_going(HUB), "{report:#}");
        assert!(
            !report["warnings"].to_string().contains("carries the tag"),
            "{report:#}"
        );
    }
}

/// Whoever deploys the stack has said that nothing is deleted but by hand.
#[tokio::test(start_paused = true)]
async fn a_limit_of_none_is_not_raised_by_the_file() {
    let bench = Bench::with(local_aws::Options::default(), &[("MAX_DELETIONS", "0")]).await;
    bench
        .follow("quay: {registry: quay.io}\nk8s: {registry: registry.k8s.io}\n")
        .await;
    let report = bench
        .follow("max_deletions: 5\nregistries:\n  quay: {registry: quay.io}\n")
        .await;
    assert_eq!(report["registries"]["k8s"]["reason"], "limit", "{report:#}");
    assert!(bench.rule("k8s").is_some());
    bench
        .send(json!({"action": "apply", "max_deletions": 1}))
        .await
        .unwrap();
    assert!(bench.rule("k8s").is_none());
}
