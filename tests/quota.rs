//! At the quota of rules: the rule of what left the file makes room, and comes back where the new one does not work.

use local_aws::{Fault, LocalAws};
use serde_json::{Value, json};

use crate::stack::{
    self, BUCKET, CredentialState, Outcome, Report, STATUS, State, TestStack, hub, lines, reason, scheduled, uploaded,
};

const HUB: &str = "ecr-pullthroughcache/dockerhub";
const NEW: &str = "ecr-pullthroughcache/hub";
const QUAY: &str = "quay: {registry: quay.io}\n";

/// Rules of others until no more fit.
pub fn fill(aws: &LocalAws) {
    let rules = aws.call("ecr", "DescribePullThroughCacheRules", json!({})).unwrap();
    for n in rules["pullThroughCacheRules"].as_array().unwrap().len()..50 {
        stack::make_rule(aws, &format!("foreign-{n}"), "registry.k8s.io", None);
    }
}

fn renamed(token: &str) -> String {
    hub(token).replace("dockerhub", "hub")
}

/// An account at the quota, with a registry that works.
async fn full() -> TestStack {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    fill(&stack.aws);
    stack.aws.clear_calls();
    stack
}

/// The registry that left serves as it did before.
fn serves_as_before(stack: &TestStack, rule: &Value, report: &Report) {
    assert_eq!(
        stack.rule("dockerhub").as_ref().map(known),
        Some(known(rule)),
        "{report:#?}"
    );
    assert_eq!(stack.rule("hub"), None);
    assert!(stack.template("dockerhub").is_some() && !stack.is_going(HUB));
    stack.aws.pull("dockerhub/library/nginx:1").unwrap();
    assert_eq!(report.registries["dockerhub"].state, State::Held, "{report:#?}");
}

fn known(rule: &Value) -> [&Value; 3] {
    ["upstreamRegistryUrl", "upstreamRepositoryPrefix", "credentialArn"].map(|field| &rule[field])
}

#[tokio::test(start_paused = true)]
async fn the_rule_alone_makes_room_and_the_rest_goes_when_the_new_one_works() {
    let stack = full().await;
    stack.rotate(HUB, "canary-docker-2");
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let calls: Vec<String> = stack.aws.calls().into_iter().map(|call| call.operation).collect();
    let at = |operation: &str| calls.iter().rposition(|call| call == operation).unwrap();
    assert!(at("DeletePullThroughCacheRule") < at("CreatePullThroughCacheRule"));
    assert!(at("CreatePullThroughCacheRule") < at("ValidatePullThroughCacheRule"));
    assert!(at("ValidatePullThroughCacheRule") < at("DeleteRepositoryCreationTemplate"));
    assert!(
        lines(&report).contains(&"dockerhub delete rule dockerhub [] applied".to_owned()),
        "{:?}",
        lines(&report)
    );
    assert_eq!(report.registries.len(), 1);
    // Rotation and all.
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
    assert!(!stack.is_going(HUB));
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

#[tokio::test(start_paused = true)]
async fn a_plan_shows_the_deletion_and_writes_nothing() {
    let stack = full().await;
    stack.upload(&renamed("canary-docker-1"));
    let plan = stack.manual("plan").await;
    assert!(
        lines(&plan).contains(&"hub create rule hub [] planned".to_owned()),
        "{:?}",
        lines(&plan)
    );
    assert!(
        lines(&plan).contains(&"dockerhub delete rule dockerhub [] planned".to_owned()),
        "{:?}",
        lines(&plan)
    );
    let apply = json!({"action": "apply", "plan_checksum": plan.plan_checksum});
    let report = stack.send(apply).await.unwrap();
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_denied_creation_takes_nothing_away() {
    let stack = full().await;
    let rule = stack.rule("dockerhub").unwrap();
    stack.aws.fault(
        Fault::on("ecr", "CreatePullThroughCacheRule")
            .times(100)
            .access_denied(),
    );
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert_eq!(report.registries["hub"].state, State::Failed, "{report:#?}");
    serves_as_before(&stack, &rule, &report);
    assert!(!stack.writes().contains(&"DeletePullThroughCacheRule".to_owned()));
    stack.aws.clear_faults();
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
}

/// Denied only once the old rule is gone: as it was it comes back.
#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_late_puts_the_old_rule_back() {
    let stack = full().await;
    let rule = stack.rule("dockerhub").unwrap();
    stack.aws.fault(
        Fault::on("ecr", "CreatePullThroughCacheRule")
            .skip(1)
            .times(1)
            .access_denied(),
    );
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert!(
        stack.writes().contains(&"DeletePullThroughCacheRule".to_owned()),
        "{:?} {report:#?}",
        stack.writes()
    );
    serves_as_before(&stack, &rule, &report);
    let message = report.registries["hub"].message.as_deref().unwrap();
    assert!(message.contains("has been put back"), "{message}");
    waits(&stack, &rule).await;
}

/// The next runs leave everything as it is.
async fn waits(stack: &TestStack, rule: &Value) {
    for _ in 0..2 {
        stack.aws.clear_calls();
        let report = stack.send(scheduled()).await.unwrap();
        assert_eq!(stack.writes(), Vec::<String>::new(), "{report:#?}");
        let hub = &report.registries["hub"];
        assert_eq!((hub.state, &hub.reason), (State::Held, &reason("quota")), "{report:#?}");
        serves_as_before(stack, rule, &report);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_refused_token_the_old_rule_is_back_and_the_new_one_waits_for_news() {
    for way in ["upload", "rotation"] {
        let stack = full().await;
        let rule = stack.rule("dockerhub").unwrap();
        let report = stack.follow(&renamed("canary-wrong")).await;
        let new = &report.registries["hub"];
        assert_eq!(
            (new.state, &new.reason),
            (State::Failed, &reason("refused")),
            "{report:#?}"
        );
        assert_eq!(new.credential, CredentialState::Invalid);
        assert!(
            new.message.as_deref().unwrap().contains("has been put back"),
            "{new:#?}"
        );
        serves_as_before(&stack, &rule, &report);
        waits(&stack, &rule).await;
        // A file that is refused, or an account that cannot be read, changes nothing in that.
        stack.aws.fault(
            Fault::on("ecr", "DescribePullThroughCacheRules")
                .times(1)
                .access_denied(),
        );
        stack.send(scheduled()).await.unwrap();
        waits(&stack, &rule).await;
        let report = match way {
            "upload" => stack.follow(&renamed("canary-docker-1")).await,
            _ => {
                stack.rotate(NEW, "canary-docker-2");
                stack.send(stack.newest_rotation()).await.unwrap()
            }
        };
        assert_eq!(report.outcome, Outcome::Changed, "{way}: {report:#?}");
        assert_eq!(
            (stack.rule("dockerhub"), stack.template("dockerhub")),
            (None, None),
            "{way}"
        );
        stack.aws.pull("hub/library/nginx:1").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_same_file_uploaded_again_is_tried_once_more() {
    let stack = full().await;
    let rule = stack.rule("dockerhub").unwrap();
    stack.follow(&renamed("canary-wrong")).await;
    stack.aws.clear_calls();
    let report = stack.follow(&renamed("canary-wrong")).await;
    assert!(
        stack.writes().contains(&"DeletePullThroughCacheRule".to_owned()),
        "{report:#?}"
    );
    serves_as_before(&stack, &rule, &report);
    waits(&stack, &rule).await;
}

/// Nobody was left to put the old rule back. What it needs stays, and putting the registry back into the file is enough.
#[tokio::test(start_paused = true)]
async fn where_the_run_died_over_a_refused_token_secret_and_template_stay() {
    let stack = full().await;
    stack.rotate(HUB, "canary-docker-2");
    stack.aws.after("ecr", "CreatePullThroughCacheRule", 2, |aws| {
        for service in ["ecr", "secretsmanager", "s3"] {
            aws.fault(Fault::on(service, "*").server_error());
        }
    });
    stack.upload(&renamed("canary-wrong"));
    stack.send(uploaded()).await.unwrap_err();
    stack.aws.clear_faults();
    assert_eq!((stack.rule("dockerhub"), stack.rule("hub").is_some()), (None, true));
    for _ in 0..2 {
        let report = stack.send(scheduled()).await.unwrap();
        let old = &report.registries["dockerhub"];
        assert_eq!(
            (old.state, &old.reason, &old.upstream),
            (
                State::Held,
                &reason("replacement-not-ready"),
                &"registry-1.docker.io".to_owned()
            ),
            "{report:#?}"
        );
        assert!(stack.template("dockerhub").is_some() && !stack.is_going(HUB));
    }
    let report = stack.follow(&hub("canary-docker-1")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.token(HUB, "AWSCURRENT").as_deref(), Some("canary-docker-2"));
    stack.aws.pull("dockerhub/library/nginx:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_retry_can_help_is_retried() {
    for skip in [0, 1] {
        let stack = full().await;
        let rule = stack.rule("dockerhub").unwrap();
        stack.aws.fault(
            Fault::on("ecr", "CreatePullThroughCacheRule")
                .skip(skip)
                .times(5)
                .server_error(),
        );
        stack.upload(&renamed("canary-docker-1"));
        let failure = stack.send(uploaded()).await.unwrap_err().to_string();
        assert!(failure.contains("partial"), "{failure}");
        serves_as_before(&stack, &rule, &stack.status());
        let report = stack.send(uploaded()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
        assert_eq!(stack.rule("dockerhub"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_does_not_come_is_no_proof() {
    let stack = full().await;
    let rule = stack.rule("dockerhub").unwrap();
    stack.aws.fault(
        Fault::on("ecr", "ValidatePullThroughCacheRule")
            .times(100)
            .access_denied(),
    );
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert_eq!(report.registries["hub"].reason, reason("unchecked"), "{report:#?}");
    serves_as_before(&stack, &rule, &report);
}

/// What leaves with another upstream makes room as well, and stays as whole until the new one works.
#[tokio::test(start_paused = true)]
async fn any_rule_that_left_makes_room_and_none_goes_for_what_gets_no_room() {
    let stack = TestStack::new().await;
    stack.follow(QUAY).await;
    fill(&stack.aws);
    let report = stack.follow(&renamed("canary-wrong")).await;
    assert_eq!(report.registries["quay"].state, State::Held, "{report:#?}");
    assert!(stack.rule("quay").is_some() && stack.template("quay").is_some());
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(report.registries["quay"].state, State::Held, "{report:#?}");
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.template("quay"), None);
}

#[tokio::test(start_paused = true)]
async fn a_newer_file_that_comes_before_the_swap_decides() {
    let stack = full().await;
    stack.aws.before("s3", "HeadObject", 1, |aws| {
        aws.put_object(BUCKET, stack::KEY, hub("canary-docker-1"));
    });
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert!(
        !stack.writes().contains(&"DeletePullThroughCacheRule".to_owned()),
        "{:?}",
        stack.writes()
    );
    assert_eq!(
        (stack.rule("hub"), stack.rule("dockerhub").is_some()),
        (None, true),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_changed_hands_stops_the_swap() {
    let stack = full().await;
    stack.aws.before("ecr", "CreateRepositoryCreationTemplate", 1, |aws| {
        let description = "x (managed by ecr-pull-through-sync: other)";
        let input = json!({"prefix": "dockerhub", "description": description});
        aws.call("ecr", "UpdateRepositoryCreationTemplate", input).unwrap();
    });
    let report = stack.follow(&renamed("canary-docker-1")).await;
    assert_eq!(report.registries["hub"].reason, reason("quota"), "{report:#?}");
    assert!(stack.rule("dockerhub").is_some());
}

/// Who can write the status can make a swap wait, and no more: a forgotten refusal is tried once more.
#[tokio::test(start_paused = true)]
async fn a_planted_status_only_makes_it_wait() {
    let stack = full().await;
    let rule = stack.rule("dockerhub").unwrap();
    stack.follow(&renamed("canary-wrong")).await;
    let mut status = stack.status_json();
    let refused = status["memory"]["refused"]["hub"].clone();
    assert!(refused["secret_version"].is_string(), "{status:#}");
    status["memory"]["refused"] = json!({"hub": refused, "dockerhub": refused, "by-hand": refused});
    stack.aws.put_object(BUCKET, STATUS, status.to_string());
    waits(&stack, &rule).await;
    assert_eq!(stack.status_json()["memory"]["refused"].as_object().unwrap().len(), 1);
}
