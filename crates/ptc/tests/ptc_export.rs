//! `ptc export`: what an account has comes back as a file, of which a check is clean and a plan is empty.

use harness::{begins, has};

use crate::ptc::{Output, Ptc, golden};
use crate::stack::{self, BUCKET, LEGACY, Outcome, ROLE, Report, TestStack, credential, json_of, lines, make_rule};
use ecr_pull_through_sync::home::Home;
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

/// The settings of the stack in `harness`.
fn ptc(aws: &LocalAws) -> Ptc {
    let ours = Ptc::new(aws).env("CONFIG_BUCKET", BUCKET).env("OWNER", "stack");
    ours.env("TEMPLATE_ROLE_ARN", ROLE)
}

async fn exported(aws: &LocalAws) -> Output {
    ptc(aws).run(["export"]).await.ends(0)
}

/// Checks a file as the function would, and gives its warnings.
fn warnings(yaml: &str) -> Vec<String> {
    let file = config::read(yaml.as_bytes(), &Home::of("123456789012", "eu-west-1").context())
        .unwrap_or_else(|rejected| panic!("{yaml}\n{rejected}"));
    file.warnings.into_iter().map(|warning| warning.message).collect()
}

/// What the function would do with a file.
async fn planned(stack: &TestStack, yaml: &str) -> Report {
    stack.upload(yaml);
    stack.manual("plan").await
}

#[tokio::test]
async fn what_the_legacy_file_made_comes_back_and_a_plan_of_it_is_empty() {
    let stack = TestStack::new().await;
    assert_eq!(stack.follow(LEGACY).await.outcome, Outcome::Changed);
    let output = exported(&stack.aws).await;
    golden("tests/ptc_export/legacy.yaml", &output.stdout);
    assert_eq!(output.stderr, "3 registries, each as it is in the account\n");
    assert_eq!(warnings(&output.stdout).len(), 1, "IMMUTABLE is what the account has");
    let plan = planned(&stack, &output.stdout).await;
    assert_eq!((plan.outcome, lines(&plan)), (Outcome::Converged, vec![]));
    let again = ptc(&stack.aws).input(output.stdout);
    again.run(["check", "-"]).await.ends(0);
    again.run(["plan", "-"]).await.ends(0);
}

#[tokio::test]
async fn every_field_there_is_comes_back() {
    let mut stack = TestStack::new().await;
    // The stack's parameter would have to let it pass the role that the example names.
    stack.app = stack::app_as(&stack.aws, "UNBOUND", &[]).await;
    stack.make_secret(
        "ecr-pullthroughcache/shared-docker-hub",
        &credential("canary-docker-1"),
        json!([]),
    );
    stack
        .aws
        .accept_upstream("registry.gitlab.com", "acme-bot", "glpat-example");
    let tags = json!([{"Key": "ecr-pull-through-sync:upstream", "Value": "ghcr.io"}]);
    stack.make_secret("team/github-token", &json!({"token": "canary-ghcr-1"}), tags);
    let report = stack.follow(include_str!("../../../examples/complete.yaml")).await;
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    let output = exported(&stack.aws).await;
    golden("tests/ptc_export/complete.yaml", &output.stdout);
    let warnings = warnings(&output.stdout);
    assert!(
        matches!(&warnings[..], [one] if one.contains("AWS documents `upstream_repository_prefix` for private ECR alone")),
        "{warnings:?}"
    );
    let plan = planned(&stack, &output.stdout).await;
    assert_eq!((plan.outcome, lines(&plan)), (Outcome::Converged, vec![]));
    // What the tags of everything are is the stack's to say.
    let tagged = ptc(&stack.aws)
        .env("RESOURCE_TAGS", "managed-by=ecr-pull-through-sync")
        .run(["export"])
        .await;
    assert!(!tagged.stdout.contains("managed-by:"), "{}", tagged.stdout);
    assert!(tagged.stdout.contains("team: containers"), "{}", tagged.stdout);
}

/// Rules and templates that others made, in every way that does not fit. Gives the secrets that are gone.
fn foreign(stack: &TestStack) -> [String; 2] {
    let aws = &stack.aws;
    let legacy = format!("ecr-pullthroughcache/terraform{}", "0123456789abcdef0123456789");
    let secret = |name: &str| stack.make_secret(name, &credential("canary-docker-1"), json!([]));
    let template = |prefix: &str, members: Value| {
        let mut input = json!({"prefix": prefix, "appliedFor": ["PULL_THROUGH_CACHE"]});
        input
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        aws.call("ecr", "CreateRepositoryCreationTemplate", input).unwrap();
    };
    let policy = |action: &str| {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": "444455556666"}, "Action": action});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    // As the legacy module makes them, but for the name of the template's sentence.
    make_rule(aws, "terraform", "registry-1.docker.io", Some(&secret(&legacy)));
    template(
        "terraform",
        json!({"description": "By hand", "imageTagMutability": "MUTABLE"}),
    );
    make_rule(aws, "bare", "quay.io", None);
    make_rule(aws, "slash/", "quay.io", None);
    make_rule(aws, "team/bare", "quay.io", None);
    template(
        "team",
        json!({"lifecyclePolicy": r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any",
        "countType":"sinceImagePushed","countUnit":"days","countNumber":90},"action":{"type":"expire"}}]}"#}),
    );
    let theirs = "Pull through cache repository template for theirs artifacts (managed by ecr-pull-through-sync: them)";
    make_rule(aws, "theirs", "public.ecr.aws", None);
    template("theirs", json!({"description": theirs}));
    make_rule(aws, "strange", "registry.k8s.io", None);
    template(
        "strange",
        json!({"repositoryPolicy": policy("ecr:*"), "appliedFor": ["REPLICATION"]}),
    );
    let gone = secret("ecr-pullthroughcache/gone");
    make_rule(aws, "gone", "registry-1.docker.io", Some(&gone));
    template("gone", json!({"description": "Gone"}));
    aws.call(
        "secretsmanager",
        "DeleteSecret",
        json!({"SecretId": gone, "RecoveryWindowInDays": 7}),
    )
    .unwrap();
    let lost = secret("ecr-pullthroughcache/lost");
    make_rule(aws, "lost", "registry-1.docker.io", Some(&lost));
    aws.call(
        "secretsmanager",
        "DeleteSecret",
        json!({"SecretId": lost, "ForceDeleteWithoutRecovery": true}),
    )
    .unwrap();
    [gone, lost]
}

#[tokio::test]
async fn what_others_made_is_written_with_what_a_plan_would_change_above_it() {
    let stack = TestStack::new().await;
    let secrets = foreign(&stack);
    let output = exported(&stack.aws).await;
    // An ARN ends in six characters of chance.
    let fixed = secrets.iter().fold(output.stdout.clone(), |text, arn| {
        let (name, _) = arn.rsplit_once('-').unwrap();
        text.replace(arn, &format!("{name}-AbCdEf"))
    });
    golden("tests/ptc_export/foreign.yaml", &fixed);
    golden("tests/ptc_export/foreign.notes", &output.stderr);
    assert_eq!(warnings(&output.stdout), Vec::<String>::new());
    // The comments are the plan.
    let plan = planned(&stack, &output.stdout).await;
    let changed = &json_of(&plan)["changes"];
    let changed = changed.as_array().unwrap();
    assert!(!changed.is_empty());
    for change in changed.iter().filter(|change| change["result"] == "planned") {
        let word = |key: &str| change[key].as_str().unwrap().replace('_', " ");
        let step = format!("{} {} {}", word("action"), word("resource"), word("id"));
        let above = output
            .stdout
            .split(&format!("\n{}:\n", word("registry")))
            .next()
            .unwrap();
        let above = above.rsplit("\n\n").next().unwrap();
        assert!(above.contains(&step), "{step} is not in: {above}");
    }
}

#[tokio::test]
async fn a_template_of_ours_without_a_rule_is_told_of() {
    let stack = TestStack::new().await;
    stack
        .follow("hub: {registry: quay.io}\nother: {registry: public.ecr.aws}\n")
        .await;
    stack
        .aws
        .call(
            "ecr",
            "DeletePullThroughCacheRule",
            json!({"ecrRepositoryPrefix": "hub"}),
        )
        .unwrap();
    let output = exported(&stack.aws).await;
    has(&output.stderr, "note: the template hub has no rule of its prefix");
    has(&output.stderr, "note: a plan of this file would: delete template hub");
    let plan = planned(&stack, &output.stdout).await;
    assert_eq!(lines(&plan).len(), 1, "{plan:#?}");
}

#[tokio::test]
async fn fifty_rules_and_pages_of_them() {
    let stack = TestStack::with(
        Options {
            page_size: Some(7),
            ..Options::default()
        },
        &[],
    )
    .await;
    for n in 0..50 {
        make_rule(&stack.aws, &format!("mirror-{n:02}"), "quay.io", None);
    }
    let output = exported(&stack.aws).await;
    assert_eq!(warnings(&output.stdout), Vec::<String>::new());
    assert_eq!(output.stdout.matches("\n  registry: quay.io\n").count(), 50);
    begins(&output.stderr, "50 registries; above 50");
}

#[tokio::test]
async fn an_empty_account_makes_a_file_that_says_so() {
    let aws = LocalAws::start(Options::default()).await.unwrap();
    let output = exported(&aws).await;
    assert!(
        output
            .stdout
            .ends_with("# There is no registry to write, and a file without any is refused.\n")
    );
    assert!(output.stdout.lines().all(|line| line.starts_with('#')));
    assert_eq!(output.stderr, "no registry could be written\n");
}

#[tokio::test]
async fn nothing_is_written_and_no_value_of_a_secret_is_asked_for() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    stack.aws.clear_calls();
    exported(&stack.aws).await;
    let calls = stack.aws.calls();
    assert!(
        calls
            .iter()
            .all(|call| !call.write && call.operation != "GetSecretValue"),
        "{calls:?}"
    );
    assert!(calls.iter().any(|call| call.operation == "GetCallerIdentity"));
}

#[tokio::test]
async fn a_file_that_is_there_is_written_over_only_by_force() {
    let aws = LocalAws::start(Options::default()).await.unwrap();
    make_rule(&aws, "quay", "quay.io", None);
    let directory = std::env::temp_dir().join(format!("ptc-export-{}", fastrand::u64(..)));
    std::fs::create_dir(&directory).unwrap();
    let ptc = ptc(&aws).within(&directory);
    let first = ptc.run(["export", "--output", "r.yaml"]).await.ends(0);
    assert_eq!(first.stdout, "");
    let file = directory.join("r.yaml");
    assert_eq!(warnings(&std::fs::read_to_string(&file).unwrap()), Vec::<String>::new());
    std::fs::write(&file, "mine").unwrap();
    aws.clear_calls();
    let refused = ptc.run(["export", "-o", "r.yaml"]).await.ends(1);
    assert_eq!(
        refused.stderr,
        "error: r.yaml: a file is there already; --force writes over it\n"
    );
    assert!(aws.calls().is_empty(), "nobody was asked");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    ptc.run(["export", "-o", "r.yaml", "--force"]).await.ends(0);
    assert!(std::fs::read_to_string(&file).unwrap().contains("registry: quay.io"));
    #[cfg(unix)]
    for target in ["r.yaml", "nowhere.yaml"] {
        std::os::unix::fs::symlink(target, directory.join("link.yaml")).unwrap();
        let before = std::fs::read(&file).unwrap();
        for force in [&[][..], &["--force"]] {
            let refused = ptc.run([&["export", "-o", "link.yaml"], force].concat()).await.ends(1);
            begins(&refused.stderr, "error: link.yaml: is a symbolic link");
        }
        assert_eq!(std::fs::read(&file).unwrap(), before);
        assert!(!directory.join("nowhere.yaml").exists());
        std::fs::remove_file(directory.join("link.yaml")).unwrap();
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn programs_get_the_file_and_its_registries() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    make_rule(&stack.aws, "bare", "quay.io", None);
    let output = ptc(&stack.aws).run(["--json", "export"]).await.ends(0);
    let json = output.json();
    assert_eq!(json["registries"]["public-ecr"], json!({"registry": "public.ecr.aws"}));
    assert_eq!(json["registries"]["gitlab"]["secret"], "ecr-pullthroughcache/gitlab");
    assert!(
        json["remarks"]["bare"][1]
            .as_str()
            .unwrap()
            .contains("create template bare"),
        "{json}"
    );
    assert_eq!((json["notes"].clone(), output.stderr.as_str()), (json!([]), ""));
    assert_eq!(warnings(json["yaml"].as_str().unwrap()).len(), 1);
}

#[tokio::test]
async fn the_settings_of_a_deployed_function_hold() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    let variables = [
        ("CONFIG_BUCKET", BUCKET),
        ("OWNER", "stack"),
        ("TEMPLATE_ROLE_ARN", ROLE),
    ];
    let arn = stack.aws.deploy_function("sync", &variables);
    let without = Ptc::new(&stack.aws).env("CONFIG_BUCKET", BUCKET);
    let without = without.run(["export"]).await.ends(0);
    assert!(
        without.stdout.contains("dockerhub cannot be in this file"),
        "another owner: {}",
        without.stdout
    );
    for name in ["sync", &arn] {
        let output = Ptc::new(&stack.aws).run(["export", "--function", name]).await.ends(0);
        assert_eq!(output.stdout, exported(&stack.aws).await.stdout);
    }
    let none = Ptc::new(&stack.aws).run(["export", "--function", "none"]).await.ends(1);
    assert!(none.stderr.contains("Function not found"), "{}", none.stderr);
    stack.aws.deploy_function("other", &[]);
    let other = Ptc::new(&stack.aws)
        .run(["export", "--function", "other"])
        .await
        .ends(1);
    assert_eq!(
        other.stderr,
        "error: other has no CONFIG_BUCKET: it is not an ecr-pull-through-sync\n"
    );
}

#[tokio::test]
async fn settings_with_which_no_file_is_accepted_are_named() {
    let aws = LocalAws::start(Options::default()).await.unwrap();
    let output = Ptc::new(&aws)
        .env("CONFIG_BUCKET", BUCKET)
        .env("RESOURCE_TAGS", "team=platform")
        .run(["export"])
        .await
        .ends(1);
    begins(
        &output.stderr,
        "error: with these settings every file is refused: RESOURCE_TAGS",
    );
}

#[tokio::test]
async fn a_secret_that_may_not_be_looked_at_is_written_by_its_arn() {
    let stack = TestStack::new().await;
    stack.follow(LEGACY).await;
    for operation in ["DescribeSecret", "ListSecrets"] {
        stack.aws.fault(Fault::on("secretsmanager", operation).access_denied());
    }
    let output = exported(&stack.aws).await;
    let secret = stack.rule("gitlab").unwrap()["credentialArn"]
        .as_str()
        .unwrap()
        .to_owned();
    has(&output.stdout, &format!("\n  secret: {secret}\n"));
    has(&output.stdout, "# a plan of this file would refuse it: ");
    has(
        &output.stderr,
        &format!("note: the secret {secret} could not be looked at"),
    );
    has(&output.stderr, "note: which secrets carry our tag is not known");
    assert_eq!(warnings(&output.stdout).len(), 1);
    stack
        .aws
        .fault(Fault::on("ecr", "DescribeRepositoryCreationTemplates").access_denied());
    let refused = ptc(&stack.aws).run(["export"]).await.ends(1);
    begins(&refused.stderr, "error: DescribeRepositoryCreationTemplates");
}
