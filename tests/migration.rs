//! An account as the Terraform module `Perun-Engineering/ecr-pull-through` leaves it, and the same YAML uploaded.
//! docs/migrate-from-terraform.md is the guide; the plan it shows is the one asserted here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::stack::{CredentialState, Outcome, ROLE, State, TestStack, lines, scheduled, uploaded};
use local_aws::{LocalAws, Options};
use serde_json::{Value, json};

const GUIDE: &str = include_str!("../docs/migrate-from-terraform.md");
const ROOT: &str = "arn:aws:iam::123456789012:root";
/// The module's `tags`, and what `ResourceTags` of the stack must say then.
const TAGGED: &[(&str, &str)] = &[("RESOURCE_TAGS", "team=platform")];

/// What a user of the module has in `registries.yaml`, with tokens that the tests search for.
fn legacy_file() -> String {
    let file = include_str!("../examples/registries.yaml");
    file.replace("dckr_pat_example", "canary-docker-1")
        .replace("glpat-example", "canary-gitlab-1")
}

/// The suffix of a `name_prefix`: the time in 18 digits and a counter in 8.
fn suffix(n: usize) -> String {
    format!("202503121015001234{n:08x}")
}

fn secret_of(registry: &str) -> String {
    let n = if registry == "dockerhub" { 1 } else { 2 };
    format!("ecr-pullthroughcache/{registry}{}", suffix(n))
}

/// `terraform apply` of the module, version 0.1.1: what its two modules (secrets-manager 1.3.1, repository-template
/// 2.3.1) make of the file, with the module's `tags`.
fn terraform_apply(aws: &LocalAws, tags: &Value) {
    let keep = |n: u32| {
        json!({"rules": [{
            "action": {"type": "expire"}, "description": format!("Keep last {n} images"), "rulePriority": 1,
            "selection": {"countNumber": n, "countType": "imageCountMoreThan", "tagStatus": "any"},
        }]})
    };
    let readers = json!(["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root", ROOT]);
    registry(
        aws,
        "dockerhub",
        "registry-1.docker.io",
        Some("canary-docker-1"),
        &readers,
        "IMMUTABLE",
        &keep(5),
        tags,
    );
    registry(
        aws,
        "gitlab",
        "registry.gitlab.com",
        Some("canary-gitlab-1"),
        &json!(ROOT),
        "MUTABLE",
        &keep(3),
        tags,
    );
    registry(
        aws,
        "public-ecr",
        "public.ecr.aws",
        None,
        &json!(ROOT),
        "MUTABLE",
        &keep(3),
        tags,
    );
}

#[allow(clippy::too_many_arguments, reason = "one line above for each registry of the file")]
fn registry(
    aws: &LocalAws,
    name: &str,
    host: &str,
    token: Option<&str>,
    readers: &Value,
    mutability: &str,
    lifecycle: &Value,
    tags: &Value,
) {
    let ecr = |operation: &str, input: Value| aws.call("ecr", operation, input).unwrap();
    let mut rule = json!({"ecrRepositoryPrefix": name, "upstreamRegistryUrl": host});
    if let Some(token) = token {
        rule["credentialArn"] = secret(aws, name, token, tags);
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "PrivateReadOnly", "Effect": "Allow", "Principal": {"AWS": readers},
        "Action": [
            "ecr:ListTagsForResource", "ecr:ListImages", "ecr:GetRepositoryPolicy", "ecr:GetLifecyclePolicyPreview",
            "ecr:GetLifecyclePolicy", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken",
            "ecr:DescribeRepositories", "ecr:DescribeImages", "ecr:DescribeImageScanFindings", "ecr:BatchGetImage",
            "ecr:BatchCheckLayerAvailability",
        ],
    }]});
    let mut template = json!({
        "prefix": name, "description": format!("Pull through cache repository template for {name} artifacts"),
        "appliedFor": ["PULL_THROUGH_CACHE"], "encryptionConfiguration": {"encryptionType": "AES256"},
        "imageTagMutability": mutability, "lifecyclePolicy": lifecycle.to_string(),
        "repositoryPolicy": policy.to_string(), "resourceTags": tags,
    });
    // The module makes a role for each registry, and only where there are tags.
    if tags.as_array().is_some_and(|tags| !tags.is_empty()) {
        template["customRoleArn"] = json!(format!("arn:aws:iam::123456789012:role/{name}-{}", suffix(9)));
    }
    ecr("CreateRepositoryCreationTemplate", template);
    ecr("CreatePullThroughCacheRule", rule);
}

fn secret(aws: &LocalAws, registry: &str, token: &str, tags: &Value) -> Value {
    let call = |operation: &str, input: Value| aws.call("secretsmanager", operation, input).unwrap();
    let (name, description) = (secret_of(registry), format!("{registry} credentials"));
    let made = call(
        "CreateSecret",
        json!({"Name": name, "Description": description, "Tags": tags}),
    );
    // Terraform's jsonencode sorts the keys.
    let value = format!(r#"{{"accessToken":"{token}","username":"acme-bot"}}"#);
    call("PutSecretValue", json!({"SecretId": name, "SecretString": value}));
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "AllowAccountRead", "Effect": "Allow", "Principal": {"AWS": ROOT},
        "Action": "secretsmanager:GetSecretValue", "Resource": "*",
    }]});
    let input = json!({"SecretId": name, "ResourcePolicy": policy.to_string(), "BlockPublicPolicy": true});
    call("PutResourcePolicy", input);
    made["ARN"].clone()
}

/// Whether first pulls work through each of the three rules, always of an image that is not cached yet.
fn pulls_work(aws: &LocalAws) -> bool {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let images = [
        "dockerhub/library/nginx",
        "gitlab/group/image",
        "public-ecr/docker/library/busybox",
    ];
    images.iter().all(|image| {
        aws.pull(&format!("{image}-{n}:1"))
            .is_ok_and(|pulled| pulled.template.is_some())
    })
}

fn rules(aws: &LocalAws) -> Value {
    aws.call("ecr", "DescribePullThroughCacheRules", json!({})).unwrap()["pullThroughCacheRules"].clone()
}

fn secrets(aws: &LocalAws) -> Vec<String> {
    let listed = aws.call("secretsmanager", "ListSecrets", json!({})).unwrap();
    let mut names: Vec<String> = listed["SecretList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["Name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// The lines of the plan, with `result` at the end of each.
fn expected(template_fields: &str, result: &str) -> Vec<String> {
    let mut expected = Vec::new();
    for registry in ["dockerhub", "gitlab"] {
        let secret = secret_of(registry);
        expected.push(format!("{registry} adopt secret {secret} [tags] {result}"));
        expected.push(format!("{registry} label secret {secret} [CONFIGURED] {result}"));
        expected.push(format!(
            "{registry} adopt template {registry} [{template_fields}] {result}"
        ));
    }
    expected.push(format!(
        "public-ecr adopt template public-ecr [{template_fields}] {result}"
    ));
    expected
}

async fn left_by_terraform(tags: &Value, env: &[(&str, &str)]) -> TestStack {
    let stack = TestStack::with(Options::default(), env).await;
    terraform_apply(&stack.aws, tags);
    stack.upload(&legacy_file());
    stack
}

/// Uploads the file with pulls around every call of the run, and looks at everything that must have stayed.
async fn migrates(tags: &Value, env: &[(&str, &str)], template_fields: &str) -> TestStack {
    let stack = left_by_terraform(tags, env).await;
    let (rules_before, secrets_before) = (rules(&stack.aws), secrets(&stack.aws));
    assert!(pulls_work(&stack.aws), "before");

    let plan = stack.manual("plan").await;
    assert_eq!(plan.outcome, Outcome::Pending, "{plan:#?}");
    assert_eq!(lines(&plan), expected(template_fields, "planned"));

    let worked = Arc::new(AtomicUsize::new(0));
    for n in 1..200 {
        let worked = Arc::clone(&worked);
        stack.aws.before("*", "*", n, move |aws| {
            _ = worked.fetch_add(usize::from(pulls_work(aws)), Ordering::Relaxed)
        });
    }
    stack.aws.clear_calls();
    let report = stack.send(uploaded()).await.unwrap();
    assert_eq!(
        worked.load(Ordering::Relaxed),
        stack.aws.calls().len(),
        "before every call of the run"
    );
    assert_eq!(report.outcome, Outcome::Changed, "{report:#?}");
    assert_eq!(lines(&report), expected(template_fields, "applied"));
    for (registry, credential) in [
        ("dockerhub", CredentialState::Valid),
        ("gitlab", CredentialState::Valid),
        ("public-ecr", CredentialState::None),
    ] {
        let line = &report.registries[registry];
        assert_eq!((line.state, line.credential), (State::Ready, credential));
    }
    let mut writes = stack.writes();
    writes.sort();
    let (tagged, labelled, updated) = (
        "TagResource",
        "UpdateSecretVersionStage",
        "UpdateRepositoryCreationTemplate",
    );
    assert_eq!(writes, [tagged, tagged, updated, updated, updated, labelled, labelled]);

    assert_eq!(rules(&stack.aws), rules_before, "no rule was touched");
    assert_eq!(secrets(&stack.aws), secrets_before, "no secret was made a second time");
    for (registry, token) in [("dockerhub", "canary-docker-1"), ("gitlab", "canary-gitlab-1")] {
        for label in ["AWSCURRENT", "CONFIGURED"] {
            assert_eq!(
                stack.token(&secret_of(registry), label).as_deref(),
                Some(token),
                "{registry} {label}"
            );
        }
    }
    assert!(pulls_work(&stack.aws), "after");

    stack.aws.clear_calls();
    let again = stack.send(scheduled()).await.unwrap();
    assert_eq!((again.outcome, stack.writes()), (Outcome::Converged, Vec::new()));
    stack
}

#[tokio::test(start_paused = true)]
async fn the_modules_account_is_adopted_with_marks_and_labels_alone() {
    let stack = migrates(&json!([]), &[], "description").await;
    let template = stack.template("dockerhub").unwrap();
    assert_eq!(
        template["description"],
        "Pull through cache repository template for dockerhub artifacts (managed by ecr-pull-through-sync: stack)"
    );
    assert_eq!(template["customRoleArn"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn with_the_modules_tags_the_role_per_registry_becomes_the_stacks_own() {
    let tags = json!([{"Key": "team", "Value": "platform"}]);
    let stack = migrates(&tags, TAGGED, "description custom_role_arn").await;
    let template = stack.template("dockerhub").unwrap();
    assert_eq!(
        (&template["customRoleArn"], &template["resourceTags"]),
        (&json!(ROLE), &tags)
    );
    let secret = stack.secret(&secret_of("gitlab")).unwrap();
    let owned = json!([
        {"Key": "ecr-pull-through-sync:owner", "Value": "stack"},
        {"Key": "ecr-pull-through-sync:upstream", "Value": "registry.gitlab.com"},
        {"Key": "team", "Value": "platform"},
    ]);
    assert_eq!(secret["Tags"], owned);
}

#[tokio::test(start_paused = true)]
async fn tags_that_nobody_told_the_stack_about_show_in_the_plan() {
    let tags = json!([{"Key": "team", "Value": "platform"}]);
    let stack = left_by_terraform(&tags, &[]).await;
    let plan = stack.manual("plan").await;
    assert_eq!(lines(&plan), expected("description tags custom_role_arn", "planned"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_no_longer_holds_the_files_value_shows_in_the_plan() {
    let stack = left_by_terraform(&json!([]), &[]).await;
    stack.rotate(&secret_of("gitlab"), "canary-gitlab-2");
    stack.upload(&legacy_file());
    let plan = stack.manual("plan").await;
    let line = format!("gitlab update secret {} [value] planned", secret_of("gitlab"));
    assert!(lines(&plan).contains(&line), "{plan:#?}");
    assert!(GUIDE.contains(&line), "the guide says how this looks");
    // The way out: the file says what the secret holds.
    stack.upload(&legacy_file().replace("canary-gitlab-1", "canary-gitlab-2"));
    let mut wanted = expected("description", "planned");
    // The value from before is not gone back to: which upstream it was for, nothing shows.
    let adopts = wanted
        .iter()
        .position(|line| line.starts_with("gitlab adopt secret"))
        .unwrap();
    wanted.insert(
        adopts,
        format!("gitlab label secret {} [UNBOUND] planned", secret_of("gitlab")),
    );
    assert_eq!(lines(&stack.manual("plan").await), wanted);
}

#[tokio::test(start_paused = true)]
async fn a_registry_left_out_of_the_file_stays_as_terraform_made_it() {
    let stack = left_by_terraform(&json!([]), &[]).await;
    let before = (
        rules(&stack.aws),
        stack.template("gitlab"),
        stack.secret(&secret_of("gitlab")),
    );
    let report = stack.follow("public-ecr: {registry: public.ecr.aws}\n").await;
    assert_eq!(
        lines(&report),
        ["public-ecr adopt template public-ecr [description] applied"]
    );
    assert_eq!(
        (
            rules(&stack.aws),
            stack.template("gitlab"),
            stack.secret(&secret_of("gitlab"))
        ),
        before
    );
}

#[test]
fn the_guide_shows_the_plans_that_the_tests_assert() {
    for fields in ["description", "description custom_role_arn"] {
        let shown = expected(fields, "planned").join("\n");
        assert!(GUIDE.contains(&shown), "docs/migrate-from-terraform.md lacks:\n{shown}");
    }
}
