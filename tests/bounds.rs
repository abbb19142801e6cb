//! What the stack lets a file do, whoever has written it: what is beyond is never written, the rest is followed, and IAM
//! alone refuses what it can.

use crate::support::{
    Bench, ROLE, app, credential, hub, images, is_write, lines, make_rule, repository, scheduled, uploaded,
};
use local_aws::Options;
use serde_json::{Value, json};

const QUAY: &str = "quay: {registry: quay.io}\n";
const AZURE: &str = "acme: {registry: acme.azurecr.io, username: acme-bot, accessToken: canary-acme-1}\n";
const ACME: &str = "ecr-pullthroughcache/acme";
/// A stack of today: none of the new parameters is given.
const TODAY: [(&str, &str); 2] = [("EXISTING_REPOSITORIES", ""), ("MAX_EXPIRING_IMAGES", "")];

async fn bench(env: &[(&str, &str)]) -> Bench {
    let bench = Bench::with(Options::default(), &[env, &TODAY].concat()).await;
    for host in ["acme.azurecr.io", "attacker.azurecr.io", "registry.example.org"] {
        bench.aws.accept_upstream(host, "acme-bot", "canary-acme-1");
        bench.aws.accept_upstream(host, "acme-bot", "canary-acme-2");
        bench.aws.accept_upstream(host, "acme-bot", "canary-docker-1");
    }
    bench
}

/// The registry's state, reason and message, after a look that it is one that the stack does not allow.
fn not_allowed(report: &Value, registry: &str, state: &str) -> String {
    let registry = &report["registries"][registry];
    let changes = report["changes"].as_array().unwrap();
    assert_eq!(
        (&report["outcome"], &registry["state"]),
        (&json!("partial"), &json!(state)),
        "{report:#}"
    );
    let beyond: Vec<&Value> = changes
        .iter()
        .filter(|change| change["reason"] == "not-allowed")
        .collect();
    assert!(
        !beyond.is_empty() && beyond.iter().all(|change| change["result"] == state),
        "{report:#}"
    );
    beyond[0]["error"].as_str().unwrap().to_owned()
}

/// What was written under a name.
fn written(bench: &Bench, name: &str) -> Vec<String> {
    let calls = bench.aws.calls();
    let about = calls
        .iter()
        .filter(|call| is_write(call) && call.subject.contains(name));
    about
        .map(|call| format!("{} {}", call.operation, call.subject))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_the_stack_does_not_name_is_failed_and_the_rest_goes_on() {
    let bench = bench(&[]).await;
    bench.make_secret("ecr-pullthroughcache/ops", &credential("canary-docker-1"), json!([]));
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
        bench.aws.clear_calls();
        let report = bench.follow(&format!("{evil}{QUAY}")).await;
        let message = not_allowed(&report, name, "failed");
        assert!(
            message.contains("parameter AllowedUpstreams (ALLOWED_UPSTREAMS)"),
            "{message}"
        );
        assert_eq!(report["registries"][name]["reason"], "not-allowed");
        assert_eq!(report["registries"]["quay"]["state"], "ready");
        assert_eq!(written(&bench, name), Vec::<String>::new());
        assert!(bench.rule(name).is_none() && bench.template(name).is_none());
        let plan = bench.act("plan").await;
        assert_eq!(plan["registries"][name]["reason"], "not-allowed", "{plan:#}");
    }
    assert!(bench.secret(ACME).is_none());
}

#[tokio::test(start_paused = true)]
async fn hosts_that_the_stack_names_and_those_of_everybody_are_followed() {
    let bench = bench(&[("ALLOWED_UPSTREAMS", "registry.example.org, acme.azurecr.io")]).await;
    let odd = "odd: {registry: registry.example.org, allow_unlisted_upstream: true}\n";
    let ecr = "base: {registry: 123456789012.dkr.ecr.us-east-1.amazonaws.com}\n";
    let report = bench
        .follow(&format!("{AZURE}{odd}{ecr}{QUAY}{}", hub("canary-docker-1")))
        .await;
    let failed = report["registries"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, registry)| registry["state"] != "ready");
    let failed: Vec<(&str, &str)> = failed
        .map(|(name, r)| (name.as_str(), r["reason"].as_str().unwrap()))
        .collect();
    // The stack lets it pass; ECR does not know it.
    assert_eq!(
        failed,
        [("odd", "CreatePullThroughCacheRule:UnsupportedUpstreamRegistryException")],
        "{report:#}"
    );
}

/// A stack that is updated goes on with the hosts that it has, and with no others.
#[tokio::test(start_paused = true)]
async fn a_host_that_the_rule_of_that_name_has_passes() {
    let before = bench(&[("ALLOWED_UPSTREAMS", "acme.azurecr.io")]).await;
    before.follow(AZURE).await;
    let bench = Bench {
        app: app(&before.aws, &TODAY).await,
        aws: before.aws,
    };
    assert_eq!(bench.send(scheduled()).await.unwrap()["outcome"], "converged");
    let report = bench.follow(&AZURE.replace("canary-acme-1", "canary-acme-2")).await;
    assert_eq!(report["outcome"], "changed", "{report:#}");
    assert_eq!(bench.token(ACME, "AWSCURRENT").as_deref(), Some("canary-acme-2"));

    bench.aws.clear_calls();
    let report = bench
        .follow(&AZURE.replace("acme.azurecr.io", "attacker.azurecr.io"))
        .await;
    not_allowed(&report, "acme", "failed");
    assert_eq!(
        report["registries"]["acme"]["credential"], "valid",
        "what serves is proven: {report:#}"
    );
    assert_eq!(written(&bench, "acme"), Vec::<String>::new());
    assert_eq!(bench.rule("acme").unwrap()["upstreamRegistryUrl"], "acme.azurecr.io");
    let report = bench.follow(&AZURE.replace("acme:", "other:")).await;
    not_allowed(&report, "other", "failed");
    assert!(bench.rule("other").is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_rolled_back_of_a_registry_that_is_not_allowed() {
    let env = [
        ("ALLOWED_UPSTREAMS", "acme.azurecr.io"),
        ("ROLLBACK_INVALID_ROTATION", "true"),
    ];
    let bench = bench(&env).await;
    bench.follow(AZURE).await;
    bench.rotate(ACME, "canary-wrong");
    bench.upload(&AZURE.replace("acme.azurecr.io", "attacker.azurecr.io"));
    bench.aws.clear_calls();
    let report = bench.send(bench.newest_rotation()).await.unwrap();
    not_allowed(&report, "acme", "failed");
    assert_eq!(report["registries"]["acme"]["credential"], "invalid");
    assert_eq!(written(&bench, "acme"), Vec::<String>::new());
    assert_eq!(bench.token(ACME, "AWSCURRENT").as_deref(), Some("canary-wrong"));
}

#[tokio::test(start_paused = true)]
async fn accounts_that_the_stack_does_not_name_are_not_let_in() {
    let bench = bench(&[("ALLOWED_READERS", "444455556666, o-abcdefghij")]).await;
    let file =
        |readers: &str| format!("{QUAY}k8s: {{registry: registry.k8s.io, repository_read_access_arns: {readers}}}\n");
    let allowed = "[arn:aws:iam::444455556666:role/pull, '123456789012', arn:aws:iam::123456789012:user/me]";
    assert_eq!(bench.follow(&file(allowed)).await["outcome"], "changed");
    let before = bench.template("k8s");
    bench.aws.clear_calls();
    let both = file("[arn:aws:iam::444455556666:root, arn:aws:iam::777788889999:role/x, '777788889999']");
    let report = bench
        .follow(&both.replace("quay:", "quay: {registry: quay.io}\nquay2:"))
        .await;
    let message = not_allowed(&report, "k8s", "failed");
    let words = "does not allow repository_read_access_arns to name 777788889999: ";
    assert!(
        message.contains(words) && message.contains("parameter AllowedReaders (ALLOWED_READERS)"),
        "{message}"
    );
    assert_eq!(report["registries"]["quay2"]["state"], "ready");
    assert_eq!((bench.template("k8s"), written(&bench, "k8s")), (before, Vec::new()));

    let anybody = self::bench(&[]).await;
    assert_eq!(anybody.follow(&both).await["outcome"], "changed");
}

fn mutability(bench: &Bench, name: &str) -> Value {
    let described = bench
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
    let bench = bench(&[]).await;
    for name in ["quay/team/a", "quay/b"] {
        repository(&bench.aws, name);
    }
    let report = bench.follow(EXISTING).await;
    let message = not_allowed(&report, "quay", "held");
    assert!(
        message.contains("such as quay/*, in its parameter ExistingRepositories (EXISTING_REPOSITORIES)"),
        "{message}"
    );
    assert_eq!(written(&bench, "quay/"), Vec::<String>::new());
    assert!(
        bench.rule("quay").is_some() && bench.template("quay").is_some(),
        "the registry itself is followed"
    );
    let again = bench.send(scheduled()).await.unwrap();
    assert!(
        again["changes"][0]["since"].is_string(),
        "held as before is no news: {again:#}"
    );

    let named = Bench {
        app: app(&bench.aws, &[("EXISTING_REPOSITORIES", "quay/team/*")]).await,
        aws: bench.aws,
    };
    let report = named.send(scheduled()).await.unwrap();
    not_allowed(&report, "quay", "held");
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
    assert_eq!(named.send(scheduled()).await.unwrap()["outcome"], "converged");
}

/// Nor by a message of the queue, whoever has put it there.
#[tokio::test(start_paused = true)]
async fn a_message_changes_no_repository_that_the_stack_does_not_name() {
    let mut bench = bench(&[]).await;
    let (queue, _) = bench.aws.create_queue_pair("work", 3);
    bench.app = app(
        &bench.aws,
        &[
            ("WORK_QUEUE_URL", queue.as_str()),
            ("EXISTING_REPOSITORIES", "quay/team/*"),
        ],
    )
    .await;
    bench.follow(EXISTING).await;
    for name in ["quay/team/a", "quay/b"] {
        repository(&bench.aws, name);
    }
    let body = json!({"work": {"id": "x", "part": 0, "registry": "quay", "repositories": ["quay/b", "quay/team/a"]}});
    let message = json!({"QueueUrl": queue, "MessageBody": body.to_string()});
    bench.aws.call("sqs", "SendMessage", message).unwrap();
    let event = bench.aws.take_work(&queue, 1).unwrap();
    let report = bench.send(event).await.unwrap();
    assert!(
        lines(&report)
            .iter()
            .any(|line| line.starts_with("quay update repository quay/b [") && line.ends_with("held"))
    );
    assert_eq!(
        (mutability(&bench, "quay/team/a"), mutability(&bench, "quay/b")),
        (json!("IMMUTABLE"), json!("MUTABLE"))
    );
    assert_eq!(written(&bench, "quay/b"), Vec::<String>::new());
}

/// The writer under the function's role, past the code that would not call it.
#[tokio::test(start_paused = true)]
async fn iam_alone_keeps_the_function_from_repositories_that_the_stack_does_not_name() {
    let bench = bench(&[]).await;
    for name in ["quay/team/a", "quay/b"] {
        repository(&bench.aws, name);
    }
    let tags = [("team".to_owned(), "web".to_owned())].into();
    for (env, name, passes) in [
        ("", "quay/team/a", false),
        ("quay/team/*", "quay/team/a", true),
        ("quay/team/*", "quay/b", false),
        ("quay/b,quay/team/*", "quay/b", true),
    ] {
        let app = app(&bench.aws, &[("EXISTING_REPOSITORIES", env)]).await;
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
    let bench = Bench::with(Options::default(), &[("MAX_EXPIRING_IMAGES", "2")]).await;
    for (name, n) in [("quay/few", 5), ("quay/many", 9)] {
        repository(&bench.aws, name);
        images(&bench.aws, name, n);
    }
    let report = bench
        .follow("quay: {registry: quay.io, existing_repositories: {max_expiring_images: 1000}}\n")
        .await;
    let message = not_allowed(&report, "quay", "held");
    let words = "would expire 6 images (tags: v1, v2, v3, v4, v5, …); the file allows 1000, but the stack only 2";
    assert!(
        message.contains(words) && message.contains("MaxExpiringImages (MAX_EXPIRING_IMAGES)"),
        "{message}"
    );
    let policy = |name: &str| {
        bench
            .aws
            .call("ecr", "GetLifecyclePolicy", json!({"repositoryName": name}))
            .is_ok()
    };
    assert_eq!((policy("quay/few"), policy("quay/many")), (true, false));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_encrypted_is_refused_whole_where_the_stack_wants_that() {
    let bench = bench(&[("REQUIRE_SOPS", "true")]).await;
    for (file, errors) in [
        (hub("canary-docker-1"), 1),
        ("quay: {registry: quay.io, tgas: {}}\n".to_owned(), 2),
    ] {
        bench.upload(&file);
        let report = bench.send(uploaded()).await.unwrap();
        assert_eq!(report["outcome"], "rejected", "{report:#}");
        assert_eq!(report["errors"].as_array().unwrap().len(), errors, "{report:#}");
        assert_eq!(report["errors"][0]["code"], "PT077");
        let message = report["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("is not encrypted") && message.contains("RequireSops (REQUIRE_SOPS)"),
            "{message}"
        );
        assert_eq!(bench.writes(), Vec::<String>::new());
    }
    assert_eq!(bench.act("validate").await["outcome"], "rejected");
}

#[tokio::test(start_paused = true)]
async fn the_stack_hands_every_bound_to_the_function() {
    let bench = bench(&[]).await;
    let stack = crate::support::role::stack(&bench.aws, &[("TEMPLATE_ROLE_ARN", ROLE), TODAY[0]]);
    let variable = |stack: &local_aws::iam::Stack, name: &str| {
        let path = [
            "Resources",
            "SyncFunction",
            "Properties",
            "Environment",
            "Variables",
            name,
        ];
        stack.value(&path).unwrap()
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
        ("MaxExpiringImages", "MAX_EXPIRING_IMAGES", "0", "7"),
        ("RequireSops", "REQUIRE_SOPS", "false", "true"),
        ("TakeOverFrom", "TAKE_OVER_FROM", "", "old,older"),
    ];
    for (parameter, name, default, value) in given {
        assert_eq!(variable(&stack, name), default, "{parameter}");
        assert_eq!(
            variable(&stack.clone().parameter(parameter, &value.replace(',', ", ")), name),
            value
        );
    }
    for (parameter, bad) in [
        ("AllowedUpstreams", "*"),
        ("AllowedUpstreams", "acme.azurecr.io,*.azurecr.io"),
        ("AllowedReaders", "*"),
        ("AllowedReaders", "arn:aws:iam::444455556666:root"),
        ("ExistingRepositories", "quay/*,${aws:x}"),
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
        let refused = stack.clone().parameter(parameter, bad).policy("FunctionRole");
        assert!(refused.is_err_and(|why| why.contains(parameter)), "{parameter} {bad}");
    }
}

/// Under a foreign rule of that name that has the host already, the file only does what it could do anyway.
#[tokio::test(start_paused = true)]
async fn a_foreign_rule_with_an_azure_host_is_adopted_as_before() {
    let bench = bench(&[]).await;
    let arn = bench.make_secret(ACME, &credential("canary-acme-1"), json!([]));
    make_rule(&bench.aws, "acme", "acme.azurecr.io", Some(&arn));
    let report = bench.follow(AZURE).await;
    assert_eq!(
        (&report["outcome"], &report["registries"]["acme"]["state"]),
        (&json!("changed"), &json!("ready"))
    );
}
