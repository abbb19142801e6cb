//! The function behind the rules of `template.yaml`: what it writes itself comes back to it as events, and that must end.

use local_aws::Options;
use serde_json::{Value, json};

use crate::deployed::{CALL, Deployed, changed};
use crate::support::{self, Bench, LEGACY, hub};

const HUB: &str = "ecr-pullthroughcache/dockerhub";

/// An account whose events come to the function by the stack's rules.
struct Loop {
    bench: Bench,
    stack: Deployed,
    /// How many of the account's events have been looked at.
    seen: usize,
    /// Whether a trail logs: then each write of the function to a secret comes back once more, and late.
    trail: bool,
}

/// What one invocation was called with and ended as.
type Invocation = (&'static str, String);

impl Loop {
    async fn new(trail: bool, env: &[(&str, &str)]) -> Self {
        let bench = Bench::with(Options::default(), env).await;
        Self {
            bench,
            stack: Deployed::plain(),
            seen: 0,
            trail,
        }
    }

    /// Sends what has happened through the rules, and what that makes happen, until it is quiet.
    async fn until_quiet(&mut self) -> Vec<Invocation> {
        let mut invocations = Vec::new();
        let mut late = Vec::new();
        self.bench.aws.clear_calls();
        loop {
            let mut waiting = self.bench.aws.events().split_off(self.seen);
            self.seen += waiting.len();
            if waiting.is_empty() {
                waiting = std::mem::take(&mut late);
            }
            if waiting.is_empty() {
                return invocations;
            }
            for event in waiting {
                for rule in self.stack.woken_by(&event) {
                    let report = Box::pin(self.bench.send(event.clone())).await.unwrap();
                    invocations.push((rule, report["outcome"].as_str().unwrap().to_owned()));
                    assert!(invocations.len() < 50, "the events do not end: {invocations:?}");
                }
                if self.trail {
                    late.extend(self.own_calls());
                }
            }
        }
    }

    /// What CloudTrail tells of the function's writes since the last look. It tells nothing of their labels here, so that
    /// each may have moved `AWSCURRENT`.
    fn own_calls(&self) -> Vec<Value> {
        let calls = self.bench.aws.calls();
        self.bench.aws.clear_calls();
        let writes = calls
            .into_iter()
            .filter(|call| call.write && call.service == "secretsmanager");
        let told = writes.map(|call| {
            let asked = ("/detail/requestParameters", json!({"secretId": call.subject}));
            let name = ("/detail/eventName", json!(call.operation));
            changed(CALL, [name, asked, ("/detail/responseElements", Value::Null)])
        });
        told.collect()
    }
}

fn count(invocations: &[Invocation], rule: &str, outcome: &str) -> usize {
    invocations
        .iter()
        .filter(|(by, ended)| *by == rule && ended == outcome)
        .count()
}

#[tokio::test(start_paused = true)]
async fn after_a_first_apply_it_is_quiet_when_each_own_write_has_been_looked_at_once() {
    let mut around = Loop::new(false, &[]).await;
    around.bench.upload(LEGACY);
    let invocations = around.until_quiet().await;
    let word = |rule, outcome: &str| (rule, outcome.to_owned());
    let ignored = word("SecretLabel", "ignored");
    assert_eq!(invocations, [word("Upload", "changed"), ignored.clone(), ignored]);
    // The events of the status objects and of CONFIGURED were there, and woke nobody.
    let events = around.bench.aws.events();
    let told_of = |field: &str, value: &str| {
        events
            .iter()
            .any(|event| *event.pointer(field).unwrap_or(&Value::Null) == value)
    };
    assert!(told_of("/detail/object/key", support::STATUS) && told_of("/detail/labelUpdated", "CONFIGURED"));
}

#[tokio::test(start_paused = true)]
async fn a_trail_brings_own_writes_back_once_more_and_then_it_is_quiet_too() {
    let mut around = Loop::new(true, &[]).await;
    around.bench.upload(LEGACY);
    let invocations = around.until_quiet().await;
    assert_eq!(
        (
            count(&invocations, "Upload", "changed"),
            count(&invocations, "SecretLabel", "ignored")
        ),
        (1, 2)
    );
    // One call for each value; that a secret is made, or gets a policy, matches no rule.
    assert_eq!(count(&invocations, "SecretCall", "ignored"), 2, "{invocations:?}");
    assert_eq!(invocations.len(), 5, "{invocations:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_new_value_in_the_file_it_is_quiet_after_one_look() {
    for trail in [false, true] {
        let mut around = Loop::new(trail, &[]).await;
        around.bench.upload(&hub("canary-docker-1"));
        around.until_quiet().await;
        around.bench.upload(&hub("canary-docker-2"));
        let invocations = around.until_quiet().await;
        assert_eq!(count(&invocations, "Upload", "changed"), 1, "{invocations:?}");
        assert_eq!(count(&invocations, "SecretLabel", "ignored"), 1, "{invocations:?}");
        // The value, and each label that was put on or taken off.
        let told = count(&invocations, "SecretCall", "ignored");
        assert_eq!(
            (told, invocations.len()),
            if trail { (5, 7) } else { (0, 2) },
            "{invocations:?}"
        );
        assert_eq!(
            around.bench.token(HUB, "AWSCURRENT").as_deref(),
            Some("canary-docker-2")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_wakes_the_function_once_and_our_rollback_of_it_once_more() {
    let mut around = Loop::new(false, &[("ROLLBACK_INVALID_ROTATION", "true")]).await;
    around.bench.upload(&hub("canary-docker-1"));
    around.until_quiet().await;
    around.bench.rotate(HUB, "canary-docker-2");
    assert_eq!(
        around.until_quiet().await,
        [("SecretLabel", "changed".to_owned())],
        "it is remembered as proven"
    );
    // Back to a version that is not the file's: a run, which finds nothing to do.
    around.bench.rotate(HUB, "canary-wrong");
    let invocations = around.until_quiet().await;
    assert_eq!(
        invocations,
        [
            ("SecretLabel", "changed".to_owned()),
            ("SecretLabel", "converged".to_owned())
        ]
    );
    assert_eq!(
        around.bench.token(HUB, "AWSCURRENT").as_deref(),
        Some("canary-docker-2")
    );
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_the_files_own_version_is_looked_at_once_more() {
    for trail in [false, true] {
        let mut around = Loop::new(trail, &[("ROLLBACK_INVALID_ROTATION", "true")]).await;
        around.bench.upload(&hub("canary-docker-1"));
        around.until_quiet().await;
        around.bench.rotate(HUB, "canary-wrong");
        let invocations = around.until_quiet().await;
        // It looks as if somebody had moved the label back by hand, which is to be proven.
        assert_eq!(count(&invocations, "SecretLabel", "changed"), 1, "{invocations:?}");
        assert_eq!(count(&invocations, "SecretLabel", "converged"), 1, "{invocations:?}");
        let told = count(&invocations, "SecretCall", "converged");
        assert_eq!(
            (told, invocations.len()),
            if trail { (5, 7) } else { (0, 2) },
            "{invocations:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_finds_no_better_version_and_is_undone_ends_too() {
    let mut around = Loop::new(false, &[("ROLLBACK_INVALID_ROTATION", "true")]).await;
    around.bench.upload(&hub("canary-docker-1"));
    around.until_quiet().await;
    around
        .bench
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    around.bench.rotate(HUB, "canary-wrong");
    let invocations = around.until_quiet().await;
    // The rotation, the move back and the move forth again, which tells of a refused version.
    assert_eq!(invocations.len(), 3, "{invocations:?}");
    assert_eq!(count(&invocations, "SecretLabel", "changed"), 0, "{invocations:?}");
}
