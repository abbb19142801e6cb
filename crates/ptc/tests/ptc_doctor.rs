//! `ptc doctor`: every way in which a pull fails is told apart from the others. What it says of each is in `ptc_doctor/*.txt`, to
//! be read; `BLESS=1` writes them anew.

use harness::has;
use std::collections::BTreeMap;

use crate::ptc::{Output, Ptc, documented_policy, golden};
use crate::stack::{self, BUCKET, TestStack, make_rule};
use local_aws::ecr::{Image, StorageClass};
use local_aws::iam::Policy;
use local_aws::{Fault, LocalAws, Options};
use regex_lite::Regex;
use serde_json::{Value, json};

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const NGINX: &str = "docker.io/library/nginx:1.27";
const NODE: &str = "arn:aws:iam::123456789012:role/node";
/// A role of another account.
const FOREIGN: &str = "arn:aws:iam::444455556666:role/ci";

const FILE: &str = "
dockerhub:
  registry: docker.io
  username: acme-bot
  accessToken: canary-docker-1
  repository_read_access_arns: [\"arn:aws:iam::444455556666:root\"]
public-ecr: {registry: public.ecr.aws}
";

/// One way in which a pull goes.
struct Scene {
    /// Its page.
    name: &'static str,
    /// What is wrong.
    prepare: fn(&TestStack),
    args: &'static [&'static str],
    status: i32,
}

const fn scene(name: &'static str, status: i32, args: &'static [&'static str], prepare: fn(&TestStack)) -> Scene {
    Scene {
        name,
        prepare,
        args,
        status,
    }
}

const SCENES: &[Scene] = &[
    scene("all-is-well", 0, &[NGINX, "--role", NODE], |_| {}),
    scene(
        "all-is-well-and-cached",
        0,
        &["dockerhub/library/nginx:1.27", "--role", NODE],
        cached,
    ),
    // The name.
    scene("malformed", 1, &["docker.io/library/Nginx:1.27"], |_| {}),
    scene(
        "another-account",
        1,
        &["999988887777.dkr.ecr.eu-west-1.amazonaws.com/dockerhub/library/nginx:1.27"],
        |_| {},
    ),
    scene(
        "another-region",
        1,
        &["123456789012.dkr.ecr.us-east-1.amazonaws.com/dockerhub/library/nginx:1.27"],
        |_| {},
    ),
    scene(
        "fips-endpoint",
        1,
        &["123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com/dockerhub/library/nginx:1.27"],
        |_| {},
    ),
    // The rule.
    scene("no-rule-for-the-upstream", 1, &["ghcr.io/org/tool:v1"], |_| {}),
    scene(
        "upstream-that-ecr-cannot-cache",
        1,
        &["gcr.io/distroless/static:nonroot"],
        |_| {},
    ),
    scene(
        "prefix-with-a-slip",
        1,
        &["123456789012.dkr.ecr.eu-west-1.amazonaws.com/dockerhb/library/nginx:1.27"],
        |_| {},
    ),
    scene(
        "no-rule-over-the-repository",
        1,
        &["123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:1"],
        |_| {},
    ),
    scene(
        "prefix-alone",
        1,
        &["123456789012.dkr.ecr.eu-west-1.amazonaws.com/dockerhub:1.27"],
        |_| {},
    ),
    scene(
        "official-image-without-library",
        1,
        &["dockerhub/nginx:1.27", "--role", NODE],
        |_| {},
    ),
    scene("longer-prefix-in-the-way", 1, &["docker.io/acme/tool:1"], |stack| {
        make_rule(&stack.aws, "dockerhub/acme", "quay.io", None);
    }),
    scene(
        "rule-that-the-last-run-could-not-make",
        1,
        &["ghcr.io/org/tool:v1"],
        |_| {},
    ),
    scene("rule-gone", 1, &[NGINX], delete_rule),
    scene("rule-gone-and-cached", 0, &["dockerhub/library/nginx:1.27"], |stack| {
        cached(stack);
        delete_rule(stack);
    }),
    // Template, secret, credential.
    scene("template-without-role", 1, &[NGINX], |stack| {
        template(stack, json!({"resourceTags": [{"Key": "team", "Value": "x"}]}));
    }),
    scene("template-not-for-pulls", 0, &[NGINX], |stack| {
        template(stack, json!({"appliedFor": ["REPLICATION"]}));
    }),
    scene("secret-gone", 1, &[NGINX], |stack| {
        let input = json!({"SecretId": secret(stack), "ForceDeleteWithoutRecovery": true});
        stack.aws.call("secretsmanager", "DeleteSecret", input).unwrap();
    }),
    scene("secret-scheduled-for-deletion", 1, &[NGINX], |stack| {
        let input = json!({"SecretId": secret(stack), "RecoveryWindowInDays": 7});
        stack.aws.call("secretsmanager", "DeleteSecret", input).unwrap();
    }),
    scene("secret-with-a-customers-key", 1, &[NGINX], |stack| {
        let input = json!({"SecretId": secret(stack), "KmsKeyId": "alias/team"});
        stack.aws.call("secretsmanager", "UpdateSecret", input).unwrap();
    }),
    scene("credential-refused", 1, &[NGINX, "--role", NODE], lapsed),
    scene("credential-refused-and-cached", 1, &[NGINX], |stack| {
        cached(stack);
        lapsed(stack);
    }),
    scene("credential-lapsed", 1, &[NGINX], |stack| {
        expires(stack, "2020-01-01");
        lapsed(stack);
    }),
    scene("credential-with-a-day", 0, &[NGINX], |stack| {
        expires(stack, "2999-12-31")
    }),
    scene(
        "upstream-in-another-account-without-role",
        1,
        &["444455556666.dkr.ecr.eu-west-1.amazonaws.com/base/jdk:21"],
        |stack| {
            make_rule(
                &stack.aws,
                "shared",
                "444455556666.dkr.ecr.eu-west-1.amazonaws.com",
                None,
            );
        },
    ),
    scene("pull-that-failed-before", 0, &[NGINX], |stack| {
        let mut status = stack.status_json();
        status["registries"]["dockerhub"]["last_pull_failure"] = json!({"at": "2026-11-20T10:11:12Z",
            "repository": "dockerhub/library/redis", "tag": "7", "code": "UpstreamTooManyRequests", "reason": "try later", "count": 3});
        stack.aws.put_object(BUCKET, harness::stack::STATUS, status.to_string());
    }),
    scene("upstream-does-not-answer", 1, &[NGINX], |stack| {
        let text = "503 Service Unavailable";
        stack.aws.upstream_says("registry-1.docker.io", Some(text));
    }),
    // The one who pulls.
    scene(
        "role-that-is-not-there",
        1,
        &[NGINX, "--role", "arn:aws:iam::123456789012:role/nobody"],
        |_| {},
    ),
    scene(
        "role-that-may-not-create-repositories",
        1,
        &[NGINX, "--role", NODE],
        |stack| {
            // As AmazonEC2ContainerRegistryPullOnly.
            node(stack, &[&PULL[..], &["ecr:BatchImportUpstreamImage"]].concat());
        },
    ),
    scene("role-that-may-not-import", 1, &[NGINX, "--role", NODE], |stack| {
        // As AmazonEC2ContainerRegistryReadOnly, where the repository is there.
        stack.aws.pull("dockerhub/library/nginx:1.26").unwrap();
        node(stack, &PULL);
    }),
    scene(
        "role-that-may-only-pull-and-cached",
        0,
        &[NGINX, "--role", NODE],
        |stack| {
            cached(stack);
            node(stack, &PULL);
        },
    ),
    scene("role-that-may-not-tag", 1, &[NGINX, "--role", NODE], |stack| {
        let tags = json!([{"Key": "team", "Value": "x"}]);
        template(stack, json!({"resourceTags": tags, "customRoleArn": stack::ROLE}));
    }),
    scene("role-that-may-not-pull", 1, &[NGINX, "--role", NODE], |stack| {
        node(stack, &["s3:GetObject"])
    }),
    scene("role-that-is-denied", 1, &[NGINX, "--role", NODE], |stack| {
        let deny =
            json!({"Sid": "NoImports", "Effect": "Deny", "Action": "ecr:BatchImportUpstreamImage", "Resource": "*"});
        role(stack, json!([allow(&ALL), deny]));
    }),
    scene("role-with-a-condition", 1, &[NGINX, "--role", NODE], |stack| {
        let mut inside = allow(&ALL);
        inside["Condition"] = json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}});
        role(stack, json!([inside]));
    }),
    scene("role-with-a-condition-beside", 0, &[NGINX, "--role", NODE], |stack| {
        let mut inside = allow(&ALL);
        inside["Condition"] = json!({"StringEquals": {"aws:SourceVpce": "vpce-1"}});
        role(stack, json!([allow(&ALL), inside]));
    }),
    scene(
        "registry-policy-that-denies-pulls",
        1,
        &[NGINX, "--role", NODE],
        |stack| {
            let mut deny = foreign("Deny", &["ecr:BatchGetImage"]);
            deny["Principal"] = json!("*");
            registry_policy(stack, json!([deny]));
        },
    ),
    scene(
        "repository-policy-that-allows-by-itself",
        0,
        &[NGINX, "--role", NODE],
        |stack| {
            cached(stack);
            node(stack, &["ecr:GetAuthorizationToken"]);
            let own = json!({"Effect": "Allow", "Principal": {"AWS": NODE}, "Action": "ecr:*"});
            repository_policy(stack, json!([own]));
        },
    ),
    scene(
        "repository-policy-by-organization",
        1,
        &[NGINX, "--role", FOREIGN],
        |stack| {
            cached(stack);
            let org = json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}});
            let all = json!({"Effect": "Allow", "Principal": "*", "Action": "ecr:*", "Condition": org});
            repository_policy(stack, json!([all]));
        },
    ),
    scene("role-of-another-account", 1, &[NGINX, "--role", FOREIGN], |stack| {
        registry_policy(
            stack,
            json!([foreign(
                "Allow",
                &["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"]
            )]),
        );
    }),
    // Policies.
    scene("repository-policy-that-denies", 1, &[NGINX, "--role", NODE], |stack| {
        cached(stack);
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"});
        repository_policy(stack, json!([deny]));
    }),
    scene(
        "repository-policy-without-the-other-account",
        1,
        &[NGINX, "--role", FOREIGN],
        |stack| {
            cached(stack);
            let own = json!({"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "ecr:*"});
            repository_policy(stack, json!([own]));
        },
    ),
    scene(
        "registry-policy-missing-for-the-other-account",
        1,
        &[NGINX, "--role", FOREIGN],
        |_| {},
    ),
    scene(
        "registry-policy-without-createrepository",
        1,
        &[NGINX, "--role", FOREIGN],
        |stack| {
            registry_policy(stack, json!([foreign("Allow", &["ecr:BatchImportUpstreamImage"])]));
        },
    ),
    scene("registry-policy-that-denies", 1, &[NGINX, "--role", NODE], |stack| {
        let mut deny = foreign("Deny", &["ecr:BatchImportUpstreamImage"]);
        deny["Principal"] = json!("*");
        registry_policy(stack, json!([deny]));
    }),
    // The image.
    scene("first-pull-by-digest", 1, &[BY_DIGEST], |_| {}),
    scene("image-archived", 1, &[NGINX], |stack| {
        let mut image = image(stack, "1.27");
        image.storage_class = StorageClass::Archive;
        seed(stack, image);
    }),
    scene("tag-that-stays", 0, &[NGINX], |stack| {
        cached(stack);
        let input = json!({"repositoryName": "dockerhub/library/nginx", "imageTagMutability": "IMMUTABLE"});
        stack.aws.call("ecr", "PutImageTagMutability", input).unwrap();
    }),
    scene("one-platform-only", 0, &[NGINX], |stack| {
        seed(stack, image(stack, "1.27"))
    }),
    // Asked of ECR.
    scene("pull-that-works", 0, &[NGINX, "--pull", "--role", NODE], |_| {}),
    scene(
        "image-that-the-upstream-lacks",
        1,
        &[NGINX, "--pull", "--role", NODE],
        |stack| {
            stack
                .aws
                .fail_upstream_image("registry-1.docker.io", "library/nginx:1.27", "ImageNotFound");
        },
    ),
    scene("image-that-the-upstream-limits", 1, &[NGINX, "--pull"], |stack| {
        let code = "UpstreamTooManyRequests";
        stack
            .aws
            .fail_upstream_image("registry-1.docker.io", "library/nginx:1.27", code);
    }),
    // What cannot be seen.
    scene(
        "credentials-that-may-see-nothing",
        1,
        &[NGINX, "--role", NODE],
        |stack| may_only(stack, &["s3:*"]),
    ),
    scene(
        "credentials-that-may-not-see-all",
        1,
        &[NGINX, "--role", NODE],
        |stack| {
            let seen = [
                "s3:*",
                "ecr:Describe*",
                "ecr:Validate*",
                "ecr:GetRepositoryPolicy",
                "ecr:GetRegistryPolicy",
            ];
            may_only(stack, &seen);
        },
    ),
];

const BY_DIGEST: &str =
    "docker.io/library/nginx:1.27@sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

const PULL: [&str; 4] = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
];
const ALL: [&str; 6] = [
    PULL[0],
    PULL[1],
    PULL[2],
    PULL[3],
    "ecr:BatchImportUpstreamImage",
    "ecr:CreateRepository",
];

fn allow(actions: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": "*"})
}

fn document(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn role(stack: &TestStack, statements: Value) {
    let made = stack
        .aws
        .put_role("node", &[("pulls".to_owned(), document(statements))]);
    assert_eq!(made.as_deref(), Ok(NODE));
}

fn node(stack: &TestStack, actions: &[&str]) {
    role(stack, json!([allow(actions)]));
}

/// The key of `ptc` may do no more than that.
fn may_only(stack: &TestStack, actions: &[&str]) {
    let documents = [("P".to_owned(), document(json!([allow(actions)])))];
    stack.aws.enforce("PTC", Policy::read("operator", &documents).unwrap());
}

fn cached(stack: &TestStack) {
    stack.aws.pull("dockerhub/library/nginx:1.27").unwrap();
}

fn lapsed(stack: &TestStack) {
    stack
        .aws
        .refuse_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
}

fn secret(stack: &TestStack) -> String {
    stack.rule("dockerhub").unwrap()["credentialArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The day that the secret's tag gives.
fn expires(stack: &TestStack, day: &str) {
    let tags = json!([{"Key": "ecr-pull-through-sync:expires-at", "Value": day}]);
    let input = json!({"SecretId": secret(stack), "Tags": tags});
    stack.aws.call("secretsmanager", "TagResource", input).unwrap();
}

fn delete_rule(stack: &TestStack) {
    let input = json!({"ecrRepositoryPrefix": "dockerhub"});
    stack.aws.call("ecr", "DeletePullThroughCacheRule", input).unwrap();
}

fn template(stack: &TestStack, members: Value) {
    let mut input = json!({"prefix": "dockerhub"});
    for (name, value) in members.as_object().unwrap() {
        input[name] = value.clone();
    }
    stack
        .aws
        .call("ecr", "UpdateRepositoryCreationTemplate", input)
        .unwrap();
}

fn foreign(effect: &str, actions: &[&str]) -> Value {
    json!({"Effect": effect, "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": actions,
           "Resource": "arn:aws:ecr:eu-west-1:123456789012:repository/dockerhub/*"})
}

fn registry_policy(stack: &TestStack, statements: Value) {
    let input = json!({"policyText": document(statements).to_string()});
    stack.aws.call("ecr", "PutRegistryPolicy", input).unwrap();
}

fn repository_policy(stack: &TestStack, statements: Value) {
    let text = document(statements).to_string();
    let input = json!({"repositoryName": "dockerhub/library/nginx", "policyText": text});
    stack.aws.call("ecr", "SetRepositoryPolicy", input).unwrap();
}

/// An image that somebody has pushed: a single one.
fn image(stack: &TestStack, tag: &str) -> Image {
    Image::new(&format!("sha256:{}", "ab".repeat(32)), &[tag], stack.aws.now())
}

fn seed(stack: &TestStack, image: Image) {
    let context = local_aws::api::CallContext {
        account: "123456789012".into(),
        region: "eu-west-1".into(),
        partition: "aws".into(),
        now: stack.aws.now(),
    };
    stack
        .aws
        .with_ecr(|ecr| ecr.seed_images(&context, "dockerhub/library/nginx", vec![image]));
}

/// An account in which all is well: two registries, made by the function, and a role that may pull.
async fn account(name: &str) -> TestStack {
    let stack = TestStack::new().await;
    let mut file = FILE.to_owned();
    if name == "rule-that-the-last-run-could-not-make" {
        file.push_str("github: {registry: ghcr.io, username: acme-bot, accessToken: canary-ghcr-1}\n");
        let fault = Fault::on("ecr", "CreatePullThroughCacheRule")
            .subject_contains("github")
            .times(9);
        stack.aws.fault(fault.access_denied());
    }
    stack.follow(&file).await;
    node(&stack, &ALL);
    stack
}

async fn doctor(stack: &TestStack, args: &[&str]) -> Output {
    let terminal = Ptc::new(&stack.aws).env("CONFIG_BUCKET", BUCKET).env("OWNER", "stack");
    terminal.run([&["doctor"], args].concat()).await
}

/// Times, and the random ends of ARNs, are others each time.
fn steady(text: &str) -> String {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let arn = Regex::new(r"(secret:[a-z/@-]+)-[A-Za-z0-9]{6}\b").unwrap();
    arn.replace_all(&time.replace_all(text, "<time>"), "$1-<random>")
        .into_owned()
}

#[tokio::test]
async fn every_cause_is_told_apart() {
    let mut ends: BTreeMap<String, &str> = BTreeMap::new();
    for Scene {
        name,
        prepare,
        args,
        status,
    } in SCENES
    {
        let stack = account(name).await;
        prepare(&stack);
        stack.aws.clear_calls();
        let output = doctor(&stack, args).await;
        // On a slow machine it says meanwhile what it is doing.
        assert!(!output.stderr.contains("error"), "{name}: {}", output.stderr);
        assert_eq!(output.status, *status, "{name}: {}", output.stdout);
        let page = steady(&output.stdout);
        golden(
            &format!("tests/ptc_doctor/{name}.txt"),
            &format!("$ ptc doctor {}\n\n{page}", args.join(" ")),
        );

        // It reads, and starts no pull unless it was told to.
        let calls = stack.aws.calls();
        assert!(calls.iter().all(|call| !call.write), "{name}: {calls:?}");
        let pulls = calls.iter().filter(|call| call.operation == "BatchGetImage").count();
        assert_eq!(pulls > 0, args.contains(&"--pull"), "{name}");

        // No two scenes end alike, but for those where nothing is wrong.
        let end = page.split_once("\ncause: ").or_else(|| page.split_once("\nunknown: "));
        assert_eq!(end.is_some(), *status == 1, "{name}");
        if let Some(other) = end.and_then(|(_, end)| ends.insert(end.to_owned(), name)) {
            panic!("{name} and {other} are told alike");
        }
    }
    // A page that no scene makes is one that nobody looks at.
    let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ptc_doctor")).unwrap();
    let pages: Vec<String> = pages
        .map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|page| !SCENES.iter().any(|scene| scene.name == page))
        .collect();
    assert_eq!(pages, Vec::<String>::new());
}

/// What doctor finds in the way is in the way, and what it finds good works: the stand-in's own pull judges.
#[tokio::test]
async fn a_pull_goes_as_it_was_foretold() {
    // The role's rights are no matter of the stand-in's pull, and these are not about this registry.
    let apart = [
        "role-",
        "repository-policy-",
        "registry-policy-",
        "another-",
        "fips-",
        "malformed",
        "longer-prefix",
        "credentials-that",
    ];
    let mut judged = 0;
    for scene in SCENES
        .iter()
        .filter(|scene| !apart.iter().any(|start| scene.name.starts_with(start)))
    {
        let stack = account(scene.name).await;
        (scene.prepare)(&stack);
        let output = doctor(&stack, &[scene.args, &["--json"]].concat()).await.json();
        let Some(url) = output["url"].as_str() else { continue };
        let name = url.strip_prefix(HOST).and_then(|rest| rest.strip_prefix('/')).unwrap();
        let name = name.replace(":1.27@", "@");
        let is_served = output["cached"] == json!(true) || output["explained_by"].is_null();
        assert_eq!(stack.aws.pull(&name).is_ok(), is_served, "{}: {output}", scene.name);
        judged += 1;
    }
    assert_eq!(judged, 26);
}

#[tokio::test]
async fn programs_get_the_facts() {
    let stack = account("").await;
    lapsed(&stack);
    let output = doctor(&stack, &[NGINX, "--json"]).await.ends(1).json();
    assert_eq!(
        (&output["image"], &output["cached"], &output["explained_by"]),
        (&json!(NGINX), &json!(false), &json!("credential"))
    );
    assert_eq!(output["url"], format!("{HOST}/dockerhub/library/nginx:1.27"));
    let facts = output["facts"].as_array().unwrap();
    let fact = facts.iter().find(|fact| fact["step"] == "credential").unwrap();
    assert_eq!((&fact["answer"], &fact["effect"]), (&json!("no"), &json!("cause")));
    assert!(fact["text"].as_str().unwrap().contains("401"), "{fact}");
    assert!(fact["next"].as_str().unwrap().contains("working token"), "{fact}");
    let rights = facts.iter().find(|fact| fact["step"] == "rights").unwrap();
    assert_eq!(
        (&rights["answer"], &rights["effect"]),
        (&json!("unseen"), &json!("none"))
    );
}

/// The permissions that docs/ptc.md gives to whoever asks are enough, and each is needed.
#[tokio::test]
async fn the_documented_permissions_are_exact() {
    let policy = documented_policy("ptc.md", "\n## Doctor\n");
    let stack = account("").await;
    stack.aws.pull("dockerhub/library/nginx:1.26").unwrap();
    stack.aws.enforce("PTC", policy.clone());
    doctor(&stack, &[NGINX, "--role", NODE]).await.ends(0);
    assert_eq!(stack.aws.denied(), Vec::<String>::new());
    let used = stack.aws.used_statements();
    let unused: Vec<_> = policy
        .grants()
        .into_iter()
        .filter(|grant| !used.contains(grant))
        .collect();
    assert_eq!(unused, vec![]);
    doctor(&stack, &[NGINX, "--pull"]).await.ends(1);
    assert!(
        stack
            .aws
            .denied()
            .iter()
            .any(|denied| denied.contains("ecr:BatchGetImage"))
    );
}

#[tokio::test]
async fn the_status_is_no_condition() {
    let stack = account("").await;
    let output = Ptc::new(&stack.aws).run(["doctor", NGINX]).await.ends(0);
    let line = "unseen  last run           the stack ecr-pull-through-sync is not deployed in account";
    assert!(output.stdout.contains(line), "{}", output.stdout);
}

#[tokio::test]
async fn a_region_without_the_cache_is_told() {
    let options = Options {
        region: "cn-north-1".to_owned(),
        partition: "aws-cn".to_owned(),
        ..Options::default()
    };
    let aws = LocalAws::start(options).await.unwrap();
    let output = Ptc::new(&aws).run(["doctor", "docker.io/library/nginx"]).await.ends(1);
    let line = "cause: name: cn-north-1 has no pull-through cache";
    assert!(output.stdout.contains(line), "{}", output.stdout);
}

#[tokio::test]
async fn what_aws_says_moves_no_cursor_and_holds_no_token() {
    let stack = account("").await;
    let evil = "401 for canary-docker-1 \u{1b}[2J\r\nyes     name  all is well \u{202e}";
    stack.aws.upstream_says("registry-1.docker.io", Some(evil));
    for args in [&[NGINX][..], &[NGINX, "--json"]] {
        let output = doctor(&stack, args).await.ends(1);
        let harmful = |c: char| (c.is_control() && c != '\n') || (c == '\u{202e}' && args.len() == 1);
        assert!(!output.stdout.contains(harmful), "{}", output.stdout);
        let names = output.stdout.lines().filter(|line| line.starts_with("yes     name"));
        assert_eq!(names.count(), 2 - args.len(), "{}", output.stdout);
    }
}

#[tokio::test]
async fn only_the_arn_of_a_role_or_user_is_taken() {
    let stack = stack::TestStack::new().await;
    let session = "arn:aws:sts::123456789012:assumed-role/node/i-1";
    let output = doctor(&stack, &[NGINX, "--role", session]).await.ends(1);
    has(&output.stderr, "aws iam get-role --role-name node");
}
