//! Two stacks that go by one owner's name, or a living one in the other's TAKE_OVER_FROM: neither deletes for ever what the
//! other makes.

use serde_json::{Value, json};

use crate::deployed::{CALL, changed};
use crate::support::{self, BUCKET, Bench, KEY, hub, lines, scheduled};

const OTHER_KEY: &str = "other.yaml";
const OTHER_STATUS: &str = "status/other.yaml.json";
const QUAY: &str = "quay: {registry: quay.io}\n";
const GITLAB: &str = "gitlab: {registry: registry.gitlab.com, username: acme-bot, accessToken: canary-gitlab-1}\n";

/// Two stacks with a file each, in one account whose trail logs.
struct Two {
    stacks: [Bench; 2],
    seen: usize,
}

impl Two {
    async fn new(env: [&[(&str, &str)]; 2]) -> Self {
        let first = Bench::with(local_aws::Options::default(), env[0]).await;
        let env: Vec<(&str, &str)> = env[1].iter().copied().chain([("CONFIG_KEY", OTHER_KEY)]).collect();
        let second = Bench {
            aws: first.aws.clone(),
            app: support::app(&first.aws, &env).await,
        };
        let two = Self {
            stacks: [first, second],
            seen: 0,
        };
        two.put(KEY, &hub("canary-docker-1"));
        two.put(OTHER_KEY, GITLAB);
        two
    }

    fn aws(&self) -> &local_aws::LocalAws {
        &self.stacks[0].aws
    }

    fn put(&self, key: &str, yaml: &str) {
        self.aws().advance(std::time::Duration::from_secs(1));
        self.aws().put_object(BUCKET, key, yaml.as_bytes().to_vec());
    }

    /// A run of each stack, and what their events make happen; gives how many calls wrote something.
    async fn round(&mut self) -> usize {
        let mut writes = 0;
        let mut waiting = vec![scheduled()];
        for _ in 0..20 {
            for event in std::mem::take(&mut waiting) {
                for stack in &self.stacks {
                    self.stacks[0].aws.clear_calls();
                    // A failure of one stack is not what this is about.
                    _ = Box::pin(stack.send(event.clone())).await;
                    writes += stack.writes().len();
                    waiting.extend(own_calls(stack));
                }
            }
            let events = self.aws().events().split_off(self.seen);
            self.seen += events.len();
            waiting.extend(
                events
                    .into_iter()
                    .filter(|event| event["source"] == "aws.secretsmanager"),
            );
            if waiting.is_empty() {
                return writes;
            }
        }
        panic!("the events do not end: {waiting:?}");
    }

    async fn is_quiet_within_ten_runs(&mut self) {
        for _ in 0..8 {
            self.round().await;
        }
        assert_eq!((self.round().await, self.round().await), (0, 0));
    }

    fn statuses(&self) -> [Value; 2] {
        let other = self.aws().object(BUCKET, OTHER_STATUS).unwrap();
        [self.stacks[0].status(), serde_json::from_slice(&other).unwrap()]
    }
}

/// What CloudTrail tells of a stack's writes.
fn own_calls(stack: &Bench) -> Vec<Value> {
    let writes = stack
        .aws
        .calls()
        .into_iter()
        .filter(|call| call.write && call.service == "secretsmanager");
    let woken_by = [
        "PutSecretValue",
        "UpdateSecret",
        "UpdateSecretVersionStage",
        "RestoreSecret",
    ];
    let told = writes
        .filter(|call| woken_by.contains(&call.operation.as_str()))
        .map(|call| {
            let asked = ("/detail/requestParameters", json!({"secretId": call.subject}));
            let name = ("/detail/eventName", json!(call.operation));
            changed(CALL, [name, asked, ("/detail/responseElements", Value::Null)])
        });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn two_living_stacks_with_one_owner_come_to_rest() {
    let mut two = Two::new([&[], &[]]).await;
    two.is_quiet_within_ten_runs().await;
    for (status, foreign) in two.statuses().iter().zip(["gitlab", "dockerhub"]) {
        let registry = &status["registries"][foreign];
        assert_eq!(
            (&registry["state"], &registry["reason"]),
            (&json!("held"), &json!("other-holder")),
            "{status:#}"
        );
    }
    for image in ["dockerhub/library/nginx:1", "gitlab/group/image:1"] {
        two.aws().pull(image).unwrap();
    }
    // Somebody who has looked may delete it all the same.
    let report = two.stacks[0]
        .send(json!({"action": "apply", "max_deletions": 1}))
        .await
        .unwrap();
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(two.stacks[0].rule("gitlab"), None);
    // What the other makes again stays.
    two.is_quiet_within_ten_runs().await;
    two.aws().pull("gitlab/group/image:2").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_living_stack_in_the_others_take_over_from_comes_to_rest() {
    let mut two = Two::new([&[], &[("OWNER", "new"), ("TAKE_OVER_FROM", "stack")]]).await;
    two.is_quiet_within_ten_runs().await;
    let [_, taking] = two.statuses();
    assert_eq!(
        taking["registries"]["dockerhub"]["reason"], "other-holder",
        "{taking:#}"
    );
    two.aws().pull("dockerhub/library/nginx:1").unwrap();
    two.aws().pull("gitlab/group/image:1").unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_left_is_deleted_in_later_runs_too_and_what_was_made_again_is_not() {
    let bench = Bench::new().await;
    bench.follow(&format!("{QUAY}{}", hub("canary-docker-1"))).await;
    bench.aws.fault(
        local_aws::Fault::on("ecr", "DeleteRepositoryCreationTemplate")
            .times(50)
            .access_denied(),
    );
    bench.follow(QUAY).await;
    // A file that is refused passes the names on.
    bench.follow("quay: {}").await;
    bench.aws.clear_faults();
    bench.follow(QUAY).await;
    assert_eq!(bench.template("dockerhub"), None);
    let description =
        "Pull through cache repository template for dockerhub artifacts (managed by ecr-pull-through-sync: stack)";
    let input = json!({"prefix": "dockerhub", "description": description, "appliedFor": ["PULL_THROUGH_CACHE"]});
    bench
        .aws
        .call("ecr", "CreateRepositoryCreationTemplate", input)
        .unwrap();
    for _ in 0..2 {
        let report = bench.send(scheduled()).await.unwrap();
        assert_eq!(
            report["registries"]["dockerhub"]["reason"], "other-holder",
            "{report:#}"
        );
    }
    let report = bench.act("plan").await;
    assert!(
        lines(&report).iter().all(|line| line.ends_with("held")),
        "{:?}",
        lines(&report)
    );
}

/// The status of the release before has no memory: what it lists is known.
#[tokio::test(start_paused = true)]
async fn after_an_update_what_the_last_status_lists_may_go() {
    let bench = Bench::new().await;
    bench.follow(&format!("{QUAY}{}", hub("canary-docker-1"))).await;
    let mut status = bench.status();
    assert_eq!(status["memory"]["named"], json!(["dockerhub", "quay"]));
    status.as_object_mut().unwrap().remove("memory");
    bench
        .aws
        .put_object(BUCKET, support::STATUS, status.to_string().into_bytes());
    assert_eq!(bench.follow(QUAY).await["outcome"], "changed");
    assert_eq!(bench.status()["memory"]["named"], json!(["quay"]));
}

#[tokio::test(start_paused = true)]
async fn a_restore_of_our_own_is_no_trigger_and_anybody_elses_is() {
    let bench = Bench::new().await;
    bench.follow(&hub("canary-docker-1")).await;
    for (by, ignored) in [
        ("sync-role/sync", true),
        ("sync-role/another", false),
        ("Engineer/alice", false),
    ] {
        let arn = format!("arn:aws:sts::123456789012:assumed-role/{by}");
        let event = changed("secret-restore", [("/detail/userIdentity/arn", json!(arn))]);
        let report = bench.send(event).await.unwrap();
        assert_eq!(report["outcome"] == "ignored", ignored, "{by}: {report:#}");
    }
}
