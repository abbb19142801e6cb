//! What the stack lets a file do, whoever has written it: what is beyond is never written, the rest is followed, and IAM
//! alone refuses what it can.

use crate::stack::{
    ChangeResult, CredentialState, Outcome, ROLE, Report, State, TestStack, app, credential, hub, images, is_write,
    lines, make_rule, reason, repository, scheduled, uploaded,
};
use config::Code;
use ecr_pull_through_sync::report::Change;
use local_aws::Options;
use serde_json::{Value, json};

const QUAY: &str = "quay: {registry: quay.io}\n";
const AZURE: &str = "acme: {registry: acme.azurecr.io, username: acme-bot, accessToken: canary-acme-1}\n";
const ACME: &str = "ecr-pullthroughcache/acme";
/// A stack of today: none of the new parameters is given.
const TODAY: [(&str, &str); 2] = [("EXISTING_REPOSITORIES", ""), ("MAX_EXPIRING_IMAGES", "")];

async fn stack(env: &[(&str, &str)]) -> TestStack {
    let stack = TestStack::with(Options::default(), &[env, &TODAY].concat()).await;
    for host in ["acme.azurecr.io", "attacker.azurecr.io", "registry.example.org"] {
        stack.aws.accept_upstream(host, "acme-bot", "canary-acme-1");
        stack.aws.accept_upstream(host, "acme-bot", "canary-acme-2");
        stack.aws.accept_upstream(host, "acme-bot", "canary-docker-1");
    }
    stack
}

/// The registry's state, reason and message, after a look that it is one that the stack does not allow.
fn not_allowed(report: &Report, registry: &str, state: State) -> String {
    assert_eq!(report.outcome, Outcome::Partial, "{report:#?}");
    assert_eq!(report.registries[registry].state, state, "{report:#?}");
    let beyond = report
        .changes
        .iter()
        .filter(|change| change.reason == reason("not-allowed"));
    let beyond: Vec<&Change> = beyond.collect();
    let result = if state == State::Held {
        ChangeResult::Held
    } else {
        ChangeResult::Failed
    };
    assert!(
        !beyond.is_empty() && beyond.iter().all(|change| change.result == result),
        "{report:#?}"
    );
    beyond[0].error.clone().unwrap()
}

/// What was written under a name.
fn written(stack: &TestStack, name: &str) -> Vec<String> {
    let calls = stack.aws.calls();
    let about = calls
        .iter()
        .filter(|call| is_write(call) && call.subject.contains(name));
    about
        .map(|call| format!("{} {}", call.operation, call.subject))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_the_stack_does_not_name_is_failed_and_the_rest_goes_on() {
    let stack = stack(&[]).await;
    stack.make_secret("ecr-pullthroughcache/ops", &credential("canary-docker-1"), json!([]));
    for (name, evil) in [
        ("acme", AZURE),
        (
            "evil",
            "evil: {registry: attacker.azurecr.io, secret: ecr-pullthroughcache/ops}\n",
        ),
        (
            "odd",
            "odd: {registry: registry.example.org, allow_unlisted_upstream: true}\n",
        ),
    ] {
        stack.aws.clear_calls();
        let report = stack.follow(&format!("{evil}{QUAY}")).await;
        let message = not_allowed(&report, name, State::Failed);
        assert!(
            message.contains("parameter AllowedUpstreams (ALLOWED_UPSTREAMS)"),
            "{message}"
        );
        assert_eq!(report.registries[name].reason, reason("not-allowed"));
        assert_eq!(report.registries["quay"].state, State::Ready);
        assert_eq!(written(&stack, name), Vec::<String>::new());
        assert!(stack.rule(name).is_none() && stack.template(name).is_none());
        let plan = stack.manual("plan").await;
        assert_eq!(plan.registries[name].reason, reason("not-allowed"), "{plan:#?}");
    }
    assert!(stack.secret(ACME).is_none());
}

#[tokio::test(start_paused = true)]
async fn hosts_that_the_stack_names_and_those_of_everybody_are_followed() {
    let stack = stack(&[("ALLOWED_UPSTREAMS", "registry.example.org, acme.azurecr.io")]).await;
    let odd = "odd: {registry: registry.example.org, allow_unlisted_upstream: true}\n";
    let ecr = "base: {registry: 123456789012.dkr.ecr.us-east-1.amazonaws.com}\n";
    let report = stack
        .follow(&format!("{AZURE}{odd}{ecr}{QUAY}{}", hub("canary-docker-1")))
        .await;
    let failed = report
        .registries
        .iter()
        .filter(|(_, registry)| registry.state != State::Ready);
    let failed: Vec<(&str, &str)> = failed
        .map(|(name, r)| (name.as_str(), r.reason.as_ref().unwrap().as_str()))
        .collect();
    // The stack lets it pass; ECR does not know it.
    assert_eq!(
        failed,
        [("odd", "CreatePullThroughCacheRule:UnsupportedUpstreamRegistryException")],
        "{report:#?}"
    );
}

/// A stack that is updated goes on with the hosts that it has, and with no others.
#[tokio::test(start_paused = true)]
async fn a_host_that_the_rule_of_that_name_has_passes() {
    let before = stack(&[("ALLOWED_UPSTREAMS", "acme.azurecr.io")]).await;
    before.follow(AZURE).await;
    let stack = TestStack {
        app: app(&before.aws, &TODAY).await,
        aws: before.aws,
    };
    assert_eq!(stack.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
    let report = stack.follow(&AZURE.replace("canary-acme-1", "canary-acme-2")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(stack.token(ACME, "AWSCURRENT").as_deref(), Some("canary-acme-2"));

    stack.aws.clear_calls();
    let report = stack
        .follow(&AZURE.replace("acme.azurecr.io", "attacker.azurecr.io"))
        .await;
    not_allowed(&report, "acme", State::Failed);
    assert_eq!(
        report.registries["acme"].credential,
        CredentialState::Valid,
        "what serves is proven: {report:#?}"
    );
    assert_eq!(written(&stack, "acme"), Vec::<String>::new());
    assert_eq!(stack.rule("acme").unwrap()["upstreamRegistryUrl"], "acme.azurecr.io");
    let report = stack.follow(&AZURE.replace("acme:", "other:")).await;
    not_allowed(&report, "other", State::Failed);
    assert!(stack.rule("other").is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_rolled_back_of_a_registry_that_is_not_allowed() {
    let env = [
        ("ALLOWED_UPSTREAMS", "acme.azurecr.io"),
        ("ROLLBACK_INVALID_ROTATION", "true"),
    ];
    let stack = stack(&env).await;
    stack.follow(AZURE).await;
    stack.rotate(ACME, "canary-wrong");
    stack.upload(&AZURE.replace("acme.azurecr.io", "attacker.azurecr.io"));
    stack.aws.clear_calls();
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    not_allowed(&report, "acme", State::Failed);
    assert_eq!(report.registries["acme"].credential, CredentialState::Invalid);
    assert_eq!(written(&stack, "acme"), Vec::<String>::new());
    assert_eq!(stack.token(ACME, "AWSCURRENT").as_deref(), Some("canary-wrong"));
}

#[tokio::test(start_paused = true)]
async fn accounts_that_the_stack_does_not_name_are_not_let_in() {
    let stack = stack(&[("ALLOWED_READERS", "444455556666, o-abcdefghij")]).await;
    let file =
        |readers: &str| format!("{QUAY}k8s: {{registry: registry.k8s.io, repository_read_access_arns: {readers}}}\n");
    let allowed = "[arn:aws:iam::444455556666:role/pull, '123456789012', arn:aws:iam::123456789012:user/me]";
    assert_eq!(stack.follow(&file(allowed)).await.outcome, Outcome::Changed);
    let before = stack.template("k8s");
    stack.aws.clear_calls();
    let both = file("[arn:aws:iam::444455556666:root, arn:aws:iam::777788889999:role/x, '777788889999']");
    let report = stack
        .follow(&both.replace("quay:", "quay: {registry: quay.io}\nquay2:"))
        .await;
    let message = not_allowed(&report, "k8s", State::Failed);
    let words = "does not allow repository_read_access_arns to name 777788889999: ";
    assert!(
        message.contains(words) && message.contains("parameter AllowedReaders (ALLOWED_READERS)"),
        "{message}"
    );
    assert_eq!(report.registries["quay2"].state, State::Ready);
    assert_eq!((stack.template("k8s"), written(&stack, "k8s")), (before, Vec::new()));

    let anybody = self::stack(&[]).await;
    assert_eq!(anybody.follow(&both).await.outcome, Outcome::Changed);
}

fn mutability(stack: &TestStack, name: &str) -> Value {
    let described = stack
        .aws
        .call("ecr", "DescribeRepositories", json!({"repositoryNames": [name]}))
        .unwrap();
    described["repositories"][0]["imageTagMutability"].clone()
}

const EXISTING: &str =
    "quay: {registry: quay.io, image_tag_mutability: IMMUTABLE, tags: {team: web}, existing_repositories: true}\n";

/// The same file goes on working after the update: it is told what to set, and nothing else fails.
#[tokio::test(start_paused = true)]
async fn repositories_that_the_stack_does_not_name_are_held_where_they_differ_and_the_rest_is_followed() {
    let stack = stack(&[]).await;
    for name in ["quay/team/a", "quay/b"] {
        repository(&stack.aws, name);
    }
    let report = stack.follow(EXISTING).await;
    let message = not_allowed(&report, "quay", State::Held);
    assert!(
        message.contains("such as quay/*, in its parameter ExistingRepositories (EXISTING_REPOSITORIES)"),
        "{message}"
    );
    assert_eq!(written(&stack, "quay/"), Vec::<String>::new());
    assert!(
        stack.rule("quay").is_some() && stack.template("quay").is_some(),
        "the registry itself is followed"
    );
    let again = stack.send(scheduled()).await.unwrap();
    assert!(
        again.changes[0].since.is_some(),
        "held as before is no news: {again:#?}"
    );

    let named = TestStack {
        app: app(&stack.aws, &[("EXISTING_REPOSITORIES", "quay/team/*")]).await,
        aws: stack.aws,
    };
    let report = named.send(scheduled()).await.unwrap();
    not_allowed(&report, "quay", State::Held);
    assert_eq!(
        (mutability(&named, "quay/team/a"), mutability(&named, "quay/b")),
        (json!("IMMUTABLE"), json!("MUTABLE"))
    );
    let held: Vec<String> = lines(&report)
        .into_iter()
        .filter(|line| line.ends_with("held"))
        .collect();
    let fields = "lifecycle_policy repository_policy image_tag_mutability tags";
    assert_eq!(held, [format!("quay update repository quay/b [{fields}] held")]);

    // One that is as the file says needs no leave.
    named
        .follow(&EXISTING.replace(
            "existing_repositories: true",
            "existing_repositories: {apply: [image_tag_mutability]}",
        ))
        .await;
    let right = json!({"repositoryName": "quay/b", "imageTagMutability": "IMMUTABLE"});
    named.aws.call("ecr", "PutImageTagMutability", right).unwrap();
    assert_eq!(named.send(scheduled()).await.unwrap().outcome, Outcome::Converged);
}

/// Nor by a message of the queue, whoever has put it there.
#[tokio::test(start_paused = true)]
async fn a_message_changes_no_repository_that_the_stack_does_not_name() {
    let mut stack = stack(&[]).await;
    let (queue, _) = stack.aws.create_queue_pair("work", 3);
    stack.app = app(
        &stack.aws,
        &[
            ("WORK_QUEUE_URL", queue.as_str()),
            ("EXISTING_REPOSITORIES", "quay/team/*"),
        ],
    )
    .await;
    stack.follow(EXISTING).await;
    for name in ["quay/team/a", "quay/b"] {
        repository(&stack.aws, name);
    }
    let body = json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": ["quay/b", "quay/team/a"]}});
    let message = json!({"QueueUrl": queue, "MessageBody": body.to_string()});
    stack.aws.call("sqs", "SendMessage", message).unwrap();
    let event = stack.aws.take_work(&queue, 1).unwrap();
    let report = stack.send(event).await.unwrap();
    assert!(
        lines(&report)
            .iter()
            .any(|line| line.starts_with("quay update repository quay/b [") && line.ends_with("held"))
    );
    assert_eq!(
        (mutability(&stack, "quay/team/a"), mutability(&stack, "quay/b")),
        (json!("IMMUTABLE"), json!("MUTABLE"))
    );
    assert_eq!(written(&stack, "quay/b"), Vec::<String>::new());
}

/// The writer under the function's role, past the code that would not call it.
#[tokio::test(start_paused = true)]
async fn iam_alone_keeps_the_function_from_repositories_that_the_stack_does_not_name() {
    let stack = stack(&[]).await;
    for name in ["quay/team/a", "quay/b"] {
        repository(&stack.aws, name);
    }
    let tags = [("team".to_owned(), "web".to_owned())].into();
    for (env, name, passes) in [
        ("", "quay/team/a", false),
        ("quay/team/*", "quay/team/a", true),
        ("quay/team/*", "quay/b", false),
        ("quay/b,quay/team/*", "quay/b", true),
    ] {
        let app = app(&stack.aws, &[("EXISTING_REPOSITORIES", env)]).await;
        let arn = format!("arn:aws:ecr:eu-west-1:123456789012:repository/{name}");
        let text = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":3},"action":{"type":"expire"}}]}"#;
        let calls = [
            app.writer.put_mutability(name, "IMMUTABLE", &Default::default()).await,
            app.writer.tag_repository(&arn, &tags).await,
            app.reader.start_preview(name, text).await,
        ];
        for call in calls {
            let refused = call.as_ref().err().map(|error| error.code.as_str());
            assert_eq!(
                refused,
                (!passes).then_some("AccessDeniedException"),
                "{env:?} {name}: {call:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_of_expiring_images_beyond_the_stacks_counts_as_the_stacks() {
    let stack = TestStack::with(Options::default(), &[("MAX_EXPIRING_IMAGES", "2")]).await;
    for (name, n) in [("quay/few", 5), ("quay/many", 9)] {
        repository(&stack.aws, name);
        images(&stack.aws, name, n);
    }
    let report = stack
        .follow("quay: {registry: quay.io, existing_repositories: {max_expiring_images: 1000}}\n")
        .await;
    let message = not_allowed(&report, "quay", State::Held);
    let words = "would expire 6 images (tags: v1, v2, v3, v4, v5, …); the file allows 1000, but the stack only 2";
    assert!(
        message.contains(words) && message.contains("MaxExpiringImages (MAX_EXPIRING_IMAGES)"),
        "{message}"
    );
    let policy = |name: &str| {
        stack
            .aws
            .call("ecr", "GetLifecyclePolicy", json!({"repositoryName": name}))
            .is_ok()
    };
    assert_eq!((policy("quay/few"), policy("quay/many")), (true, false));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_encrypted_is_refused_whole_where_the_stack_wants_that() {
    let stack = stack(&[("REQUIRE_SOPS", "true")]).await;
    for (file, errors) in [
        (hub("canary-docker-1"), 1),
        ("quay: {registry: quay.io, tgas: {}}\n".to_owned(), 2),
    ] {
        stack.upload(&file);
        let report = stack.send(uploaded()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Rejected, "{report:#?}");
        assert_eq!(report.errors.len(), errors, "{report:#?}");
        assert_eq!(report.errors[0].code, Code::NOT_ENCRYPTED);
        let message = report.errors[0].message.as_str();
        assert!(
            message.contains("is not encrypted") && message.contains("RequireSops (REQUIRE_SOPS)"),
            "{message}"
        );
        assert_eq!(stack.writes(), Vec::<String>::new());
    }
    assert_eq!(stack.manual("validate").await.outcome, Outcome::Rejected);
}

#[tokio::test(start_paused = true)]
async fn the_stack_hands_every_bound_to_the_function() {
    let stack = stack(&[]).await;
    let template = crate::stack::role::template(&stack.aws, &[("TEMPLATE_ROLE_ARN", ROLE), TODAY[0]]);
    let variable = |template: &local_aws::iam::Stack, name: &str| {
        let path = [
            "Resources",
            "SyncFunction",
            "Properties",
            "Environment",
            "Variables",
            name,
        ];
        template.value(&path).unwrap()
    };
    let given = [
        (
            "AllowedUpstreams",
            "ALLOWED_UPSTREAMS",
            "",
            "acme.azurecr.io,registry.example.org",
        ),
        ("AllowedReaders", "ALLOWED_READERS", "", "444455556666,o-abcdefghij"),
        ("ExistingRepositories", "EXISTING_REPOSITORIES", "", "quay/*,team-a/web"),
        ("WarmImages", "WARM_IMAGES", "", "quay,team-a/web"),
        ("MaxExpiringImages", "MAX_EXPIRING_IMAGES", "0", "7"),
        ("RequireSops", "REQUIRE_SOPS", "false", "true"),
        ("TakeOverFrom", "TAKE_OVER_FROM", "", "old,older"),
    ];
    for (parameter, name, default, value) in given {
        assert_eq!(variable(&template, name), default, "{parameter}");
        assert_eq!(
            variable(&template.clone().parameter(parameter, &value.replace(',', ", ")), name),
            value
        );
    }
    for (parameter, bad) in [
        ("AllowedUpstreams", "*"),
        ("AllowedUpstreams", "acme.azurecr.io,*.azurecr.io"),
        ("AllowedReaders", "*"),
        ("AllowedReaders", "arn:aws:iam::444455556666:root"),
        ("ExistingRepositories", "quay/*,${aws:x}"),
        ("WarmImages", "quay/*"),
        ("WarmImages", "*"),
        ("WarmImages", "Quay"),
        ("WarmImages", "quay/"),
        ("RequireSops", "yes"),
        ("PassableRoles", "*"),
        (
            "PassableRoles",
            "arn:aws:iam::123456789012:role/a,arn:aws:iam::123456789012:role/*",
        ),
        ("TemplateKmsKeys", "*"),
        ("TemplateKmsKeys", "arn:aws:kms:eu-west-1:123456789012:key/*"),
        ("SopsKmsKeys", "*"),
    ] {
        let refused = template.clone().parameter(parameter, bad).policy("FunctionRole");
        assert!(refused.is_err_and(|why| why.contains(parameter)), "{parameter} {bad}");
    }
}

/// Under a foreign rule of that name that has the host already, the file only does what it could do anyway.
#[tokio::test(start_paused = true)]
async fn a_foreign_rule_with_an_azure_host_is_adopted_as_before() {
    let stack = stack(&[]).await;
    let arn = stack.make_secret(ACME, &credential("canary-acme-1"), json!([]));
    make_rule(&stack.aws, "acme", "acme.azurecr.io", Some(&arn));
    let report = stack.follow(AZURE).await;
    assert_eq!(
        (report.outcome, report.registries["acme"].state),
        (Outcome::Changed, State::Ready)
    );
}
