//! For random files and random accounts: one run converges, the plan after it is empty, and a plan writes nothing.

use crate::stack::invariants::Invariants;
use crate::stack::{ChangeResult, Report, State, TestStack, token_id, uploaded};
use ecr_pull_through_sync::report::Change;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Who has marked a template or tagged a secret.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Nobody,
    Us,
    Former,
    Other,
}

/// One registry of the file, and what the account holds of it before the run.
#[derive(Debug, Clone)]
struct Case {
    host: &'static str,
    /// The token in the file, by number, where the host takes one.
    token: usize,
    /// Whether the file has it copied from another secret.
    copied: bool,
    options: &'static str,
    rule: Option<Elsewhere>,
    template: Option<By>,
    secret: Option<(By, Name, usize, Life)>,
}

/// Whether an existing rule points to the registry's upstream or to another.
type Elsewhere = bool;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Own,
    Legacy,
    Foreign,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    Current,
    Configured,
    Rotated,
    Empty,
    Scheduled,
}

const OPTIONS: [&str; 7] = [
    "",
    ", lifecycle_policy: none",
    ", tags: {team: platform, cost: '7'}",
    ", image_tag_mutability: IMMUTABLE_WITH_EXCLUSION, image_tag_mutability_exclusion_filters: [latest, 'v*']",
    ", repository_read_access_arns: ['444455556666', 'arn:aws:iam::111122223333:role/ci']",
    ", encryption_configuration: {encryption_type: KMS}",
    ", take_over: true",
];

fn case() -> impl Strategy<Value = Case> {
    let by = prop_oneof![3 => Just(By::Nobody), 3 => Just(By::Us), 1 => Just(By::Former), 1 => Just(By::Other)];
    let host = prop_oneof![
        Just("registry-1.docker.io"),
        Just("registry.gitlab.com"),
        Just("ghcr.io"),
        Just("quay.io")
    ];
    let name = prop_oneof![2 => Just(Name::Own), 1 => Just(Name::Legacy), 1 => Just(Name::Foreign)];
    let life = prop_oneof![
        Just(Life::Current),
        Just(Life::Configured),
        Just(Life::Rotated),
        Just(Life::Empty),
        Just(Life::Scheduled)
    ];
    let secret = proptest::option::of((by.clone(), name, 1usize..=3, life));
    let options = proptest::sample::select(&OPTIONS);
    (
        host,
        (1usize..=3, any::<bool>()),
        options,
        proptest::option::of(any::<bool>()),
        proptest::option::of(by),
        secret,
    )
        .prop_map(|(host, (token, copied), options, rule, template, secret)| Case {
            host,
            token,
            copied,
            options,
            rule,
            template,
            secret,
        })
}

fn token(host: &str, n: usize) -> String {
    let of = match host {
        "registry-1.docker.io" => "docker",
        "registry.gitlab.com" => "gitlab",
        _ => "ghcr",
    };
    format!("canary-{of}-{n}")
}

fn file(cases: &[Case]) -> String {
    let line = |(n, case): (usize, &Case)| {
        let credential = match case.host {
            "quay.io" => String::new(),
            _ if case.copied => format!(", secret_from: {{secret: team/registry-{n}}}"),
            host => format!(", username: acme-bot, accessToken: {}", token(host, case.token)),
        };
        format!(
            "registry-{n}: {{registry: {}{credential}{}}}\n",
            case.host, case.options
        )
    };
    cases.iter().enumerate().map(line).collect()
}

fn owner(by: By) -> Option<&'static str> {
    match by {
        By::Nobody => None,
        By::Us => Some("stack"),
        By::Former => Some("old-stack"),
        By::Other => Some("other-stack"),
    }
}

/// Puts into the account what a case says is there already.
fn prepare(stack: &TestStack, n: usize, case: &Case) {
    let registry = format!("registry-{n}");
    let call = |service: &str, operation: &str, input: Value| stack.aws.call(service, operation, input).unwrap();
    if case.copied && case.host != "quay.io" {
        let text = json!({"username": "acme-bot", "accessToken": token(case.host, case.token)}).to_string();
        let tags = json!([{"Key": "ecr-pull-through-sync:upstream", "Value": case.host}]);
        let input = json!({"Name": format!("team/{registry}"), "SecretString": text, "Tags": tags});
        call("secretsmanager", "CreateSecret", input);
    }
    let mut arn = None;
    if let (Some((by, name, value, life)), true) = (case.secret, case.host != "quay.io") {
        let name = match name {
            Name::Own => format!("ecr-pullthroughcache/{registry}"),
            Name::Legacy => format!("ecr-pullthroughcache/{registry}2024010112000000000000000a"),
            Name::Foreign => format!("ecr-pullthroughcache/of-ops-{n}"),
        };
        let tags: Vec<Value> = owner(by)
            .map(|owner| json!({"Key": "ecr-pull-through-sync:owner", "Value": owner}))
            .into_iter()
            .collect();
        let made = call("secretsmanager", "CreateSecret", json!({"Name": name, "Tags": tags}));
        let id = made["ARN"].clone();
        let put = |token: String, stages: Value| {
            let text = json!({"username": "acme-bot", "accessToken": token}).to_string();
            let input = json!({"SecretId": id, "SecretString": text, "VersionStages": stages, "ClientRequestToken": token_id()});
            call("secretsmanager", "PutSecretValue", input);
        };
        match life {
            Life::Empty => {}
            Life::Current => put(token(case.host, value), json!(["AWSCURRENT"])),
            Life::Configured | Life::Scheduled => put(token(case.host, value), json!(["AWSCURRENT", "CONFIGURED"])),
            Life::Rotated => {
                put(token(case.host, value), json!(["AWSCURRENT", "CONFIGURED"]));
                put(token(case.host, 3), json!(["AWSCURRENT"]));
            }
        }
        arn = Some(id.clone());
        if life == Life::Scheduled {
            call(
                "secretsmanager",
                "DeleteSecret",
                json!({"SecretId": id, "RecoveryWindowInDays": 7}),
            );
            // ECR takes no rule for a secret that is on its way out.
            arn = None;
        }
    }
    if let Some(elsewhere) = case.rule {
        let input = match (arn, case.host, elsewhere) {
            (Some(arn), host, false) => json!({"upstreamRegistryUrl": host, "credentialArn": arn}),
            (_, "quay.io", false) => json!({"upstreamRegistryUrl": "quay.io"}),
            _ => json!({"upstreamRegistryUrl": "public.ecr.aws"}),
        };
        let mut input = input;
        input["ecrRepositoryPrefix"] = json!(registry);
        call("ecr", "CreatePullThroughCacheRule", input);
    }
    if let Some(by) = case.template {
        let mark = owner(by)
            .map(|owner| format!(" (managed by ecr-pull-through-sync: {owner})"))
            .unwrap_or_default();
        let description = format!("Pull through cache repository template for {registry} artifacts{mark}");
        let input = json!({"prefix": registry, "description": description, "appliedFor": ["REPLICATION"]});
        call("ecr", "CreateRepositoryCreationTemplate", input);
    }
}

/// What is still to be done, without what is held or refused: those wait for people.
fn open(report: &Report) -> Vec<&Change> {
    let changes = report.changes.iter();
    changes
        .filter(|change| change.result == ChangeResult::Planned)
        .collect()
}

async fn holds(cases: Vec<Case>) {
    let env = [
        ("TAKE_OVER_FROM", "old-stack"),
        (
            "SOURCE_SECRET_NAMES",
            "team/registry-0,team/registry-1,team/registry-2,team/registry-3,team/registry-4,team/registry-5,team/registry-6,team/registry-7",
        ),
    ];
    let stack = TestStack::with(local_aws::Options::default(), &env).await;
    for (n, case) in cases.iter().enumerate() {
        prepare(&stack, n, case);
    }
    stack.upload(&file(&cases));
    let invariants = Invariants::of(&stack.aws);
    let plan = stack.manual("plan").await;
    stack.manual("validate").await;
    assert!(
        stack.aws.calls().iter().all(|call| !call.write),
        "a plan wrote: {:?}",
        stack.aws.calls()
    );

    let applied = stack.send(uploaded()).await.unwrap();
    assert!(applied.errors.is_empty(), "{applied:#?}");
    let after = stack.manual("plan").await;
    assert!(open(&after).is_empty(), "left over after {applied:#?}");
    for (name, registry) in &applied.registries {
        let expected = match after.registries[name].state {
            waits @ (State::Held | State::Failed) => waits,
            _ => State::Ready,
        };
        assert_eq!(registry.state, expected, "{name} of {applied:#?}");
    }
    let announced = plan
        .changes
        .iter()
        .filter(|change| change.result == ChangeResult::Planned);
    for change in announced {
        let done = applied.changes.iter();
        let mut done = done.filter(|c| c.resource == change.resource && c.id == change.id);
        assert!(
            done.any(|c| c.result == ChangeResult::Applied),
            "announced and not done: {change:#?}"
        );
    }

    stack.aws.clear_calls();
    let again = stack.send(uploaded()).await.unwrap();
    assert_eq!(stack.writes(), Vec::<String>::new(), "{again:#?}");
    invariants.hold(&stack.aws, &format!("{again:#?}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_run_converges_whatever_the_account_holds(cases in proptest::collection::vec(case(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(cases));
    }
}
