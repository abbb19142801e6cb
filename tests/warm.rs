//! Images that are in the cache before anybody pulls them: what is asked for, what the report says, and what it costs.

use std::time::Duration;

use crate::stack::{Outcome, Report, STATUS_PAGE, State, TestStack, hub, metrics, scheduled, uploaded};
use config::Code;
use ecr_pull_through_sync::report::Warm;
use local_aws::{Fault, Options};
use serde_json::{Value, json};

const QUAY: &str = "quay.io";

async fn stack(env: &[(&str, &str)]) -> TestStack {
    let allowed = [env, &[("WARM_IMAGES", "quay,dockerhub")]].concat();
    TestStack::with(Options::default(), &allowed).await
}

/// A registry without a credential that wants these images.
fn quay(images: &[&str]) -> String {
    format!("quay: {{registry: {QUAY}, warm: {}}}\n", json!(images))
}

fn warm<'r>(report: &'r Report, registry: &str) -> &'r Warm {
    report.registries[registry].warm.as_ref().unwrap()
}

/// The four numbers, and each image that is told with its result and reason.
fn told(report: &Report) -> (String, Vec<String>) {
    let warm = warm(report, "quay");
    let images = json!(warm)["images"].as_array().unwrap().clone();
    let line = |told: &Value| {
        let words = ["image", "result", "reason"]
            .iter()
            .filter_map(|key| told[*key].as_str());
        words.collect::<Vec<_>>().join(" ")
    };
    (warm.to_string(), images.iter().map(line).collect())
}

fn calls(stack: &TestStack, operation: &str) -> usize {
    stack
        .aws
        .calls()
        .iter()
        .filter(|call| call.operation == operation)
        .count()
}

fn codes(report: &Report) -> Vec<Code> {
    report.warnings.iter().map(|warning| warning.code).collect()
}

#[tokio::test(start_paused = true)]
async fn images_are_in_the_cache_before_anybody_pulls_them() {
    let stack = stack(&[]).await;
    let report = stack.follow(&quay(&["a/b:1", "c:2"])).await;
    assert_eq!(
        (report.outcome, report.registries["quay"].state),
        (Outcome::Changed, State::Ready)
    );
    let (numbers, images) = told(&report);
    assert_eq!(numbers, "2 cached, 0 failed, 0 mismatch, 0 untried");
    assert_eq!(images, ["a/b:1 cached", "c:2 cached"]);
    let cached = json!({"repositoryName": "quay/a/b", "imageIds": [{"imageTag": "1"}]});
    let cached = stack.aws.call("ecr", "DescribeImages", cached).unwrap();
    assert_eq!(
        cached["imageDetails"][0]["imageDigest"],
        json!(warm(&report, "quay"))["images"][0]["digest"]
    );

    // Unchanged: a call for each image, and no write.
    let (before, writes) = (calls(&stack, "BatchGetImage"), stack.writes().len());
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(
        (report.outcome, told(&report).0.as_str()),
        (Outcome::Converged, "2 cached, 0 failed, 0 mismatch, 0 untried")
    );
    assert_eq!(
        (calls(&stack, "BatchGetImage") - before, stack.writes().len() - writes),
        (2, 0)
    );
    let page = String::from_utf8(stack.aws.object(crate::stack::BUCKET, STATUS_PAGE).unwrap()).unwrap();
    assert!(page.contains("- quay: 2 cached, 0 failed"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_and_a_rotation_pull_nothing_and_pass_on_what_is_known() {
    let stack = stack(&[]).await;
    let file = format!("{}{}", quay(&["a:1"]), hub("canary-docker-1"));
    stack.follow(&file).await;
    let before = calls(&stack, "BatchGetImage");
    for action in ["plan", "validate"] {
        assert_eq!(
            told(&stack.manual(action).await).0,
            "1 cached, 0 failed, 0 mismatch, 0 untried"
        );
    }
    stack.rotate("ecr-pullthroughcache/dockerhub", "canary-docker-2");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert_eq!(told(&report).0, "1 cached, 0 failed, 0 mismatch, 0 untried");
    assert_eq!(told(&stack.status()).0, "1 cached, 0 failed, 0 mismatch, 0 untried");
    // A rejected file as well.
    stack.follow("quay: {registry: nowhere}").await;
    assert_eq!(calls(&stack, "BatchGetImage"), before);
    // What the file names no more is told no more.
    let report = stack
        .follow(&format!("quay: {{registry: {QUAY}}}\n{}", hub("canary-docker-1")))
        .await;
    assert!(report.registries["quay"].warm.is_none());
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_an_image_the_registry_stays_ready() {
    let stack = stack(&[("OWNER", "warm-failures")]).await;
    for (image, code) in [
        ("gone:1", "ImageNotFound"),
        ("busy:1", "UpstreamTooManyRequests"),
        ("hidden:1", "UpstreamAccessDenied"),
    ] {
        stack.aws.fail_upstream_image(QUAY, image, code);
    }
    let odd = Fault::on("ecr", "BatchGetImage").subject_contains("quay/odd");
    stack.aws.fault(odd.error(
        "UnableToGetUpstreamImageException",
        "the image or images were unable to be pulled",
        400,
    ));
    let report = stack
        .follow(&quay(&["gone:1", "busy:1", "hidden:1", "odd:1", "good:1"]))
        .await;
    assert_eq!(
        (report.outcome, report.registries["quay"].state),
        (Outcome::Changed, State::Ready)
    );
    let (numbers, images) = told(&report);
    assert_eq!(numbers, "1 cached, 4 failed, 0 mismatch, 0 untried");
    assert_eq!(
        images,
        [
            "busy:1 failed BatchGetImage:UpstreamTooManyRequests",
            "gone:1 failed BatchGetImage:RepositoryNotFoundException",
            "hidden:1 failed BatchGetImage:UpstreamAccessDenied",
            "odd:1 failed BatchGetImage:UnableToGetUpstreamImageException",
            "good:1 cached"
        ]
    );
    let message = json!(warm(&report, "quay"))["images"][1]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    let pull = "pull the image once, `docker pull 123456789012.dkr.ecr.eu-west-1.amazonaws.com/quay/gone:1`";
    assert!(message.contains(pull), "{message}");
    let missing = |line: &String| serde_json::from_str::<Value>(line).unwrap()["WarmMissing"].as_u64();
    let counted: Vec<u64> = metrics("warm-failures").iter().filter_map(missing).collect();
    assert_eq!(counted, [4]);
    // A run that does not look says nothing of it.
    stack.manual("plan").await;
    assert_eq!(metrics("warm-failures").iter().filter_map(missing).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn throttling_waits_and_server_errors_are_told() {
    let stack = stack(&[]).await;
    stack.follow(&quay(&[])).await;
    stack.aws.fault(Fault::on("ecr", "BatchGetImage").times(3).throttle());
    let report = stack.follow(&quay(&["a:1", "b:1"])).await;
    assert_eq!(told(&report).0, "2 cached, 0 failed, 0 mismatch, 0 untried");
    stack.aws.fault(Fault::on("ecr", "BatchGetImage").server_error());
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(
        (report.outcome, told(&report).0.as_str()),
        (Outcome::Converged, "0 cached, 2 failed, 0 mismatch, 0 untried")
    );
}

#[tokio::test(start_paused = true)]
async fn another_digest_is_told_with_both() {
    let stack = stack(&[]).await;
    stack.follow(&quay(&["a:1"])).await;
    let digest = |report: &Report| {
        json!(warm(report, "quay"))["images"][0]["digest"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = digest(&stack.status());
    let pinned = format!("a:1@{first}");
    let report = stack.follow(&quay(&[&pinned])).await;
    assert_eq!(
        told(&report),
        (
            "1 cached, 0 failed, 0 mismatch, 0 untried".into(),
            vec![format!("{pinned} cached")]
        )
    );
    // The tag moves; ECR looks again a day later.
    stack.aws.move_upstream_tag(QUAY, "a:1");
    assert_eq!(
        told(&stack.send(scheduled()).await.unwrap()).0,
        "1 cached, 0 failed, 0 mismatch, 0 untried"
    );
    stack.aws.advance(Duration::from_secs(25 * 3600));
    let report = stack.send(scheduled()).await.unwrap();
    assert_eq!(told(&report).0, "0 cached, 0 failed, 1 mismatch, 0 untried");
    assert_eq!(
        (report.outcome, codes(&report)),
        (Outcome::Converged, vec![Code::WARM_MISMATCH])
    );
    let message = &report.warnings[0].message;
    assert!(
        digest(&report) != first && message.contains(&first) && message.contains(&digest(&report)),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_pulled_beyond_what_the_stack_names() {
    let stack = stack(&[("WARM_IMAGES", "quay/team,other")]).await;
    let report = stack.follow(&quay(&["team/a:1", "web:1"])).await;
    assert_eq!(
        told(&report),
        (
            "1 cached, 0 failed, 0 mismatch, 1 untried".into(),
            vec!["web:1 untried not-allowed".into(), "team/a:1 cached".into()]
        )
    );
    assert_eq!(codes(&report), [Code::WARM_NOT_ALLOWED]);
    assert!(report.warnings[0].message.contains("WarmImages (WARM_IMAGES)"));
    assert_eq!(calls(&stack, "BatchGetImage"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_not_ready_is_left_alone() {
    let stack = stack(&[]).await;
    let file = hub("canary-docker-9").replace('}', ", warm: [\"library/nginx:1\"]}");
    let report = stack.follow(&file).await;
    assert_eq!(report.registries["dockerhub"].state, State::Failed);
    assert_eq!(
        warm(&report, "dockerhub").to_string(),
        "0 cached, 0 failed, 0 mismatch, 1 untried"
    );
    assert_eq!(calls(&stack, "BatchGetImage"), 0);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_images_and_what_is_left_is_told() {
    let stack = stack(&[]).await;
    let images: Vec<String> = (0..200).map(|n| format!("team/app-{n}:1")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    stack.upload(&quay(&images));
    let report = stack.send_within(uploaded(), Duration::from_secs(15)).await.unwrap();
    assert_eq!(told(&report).0, "200 cached, 0 failed, 0 mismatch, 0 untried");
    assert_eq!(warm(&report, "quay").images.len(), 20);
    // All of the time is in the last ten seconds: nothing is asked for.
    let report = stack.send_within(scheduled(), Duration::from_secs(9)).await.unwrap();
    assert_eq!(
        (report.outcome, told(&report).0.as_str()),
        (Outcome::Converged, "0 cached, 0 failed, 0 mismatch, 200 untried")
    );
}
