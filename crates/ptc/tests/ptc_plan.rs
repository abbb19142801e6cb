//! `ptc plan` and `ptc apply`: the compiled program over an account, as a person or a pipeline would run it.

use std::path::{Path, PathBuf};

use crate::ptc::{self, Ptc};
use crate::support::{BUCKET, Bench, LEGACY, ROLE, USUAL, hub, images, lines, repository};
use local_aws::Fault;
use local_aws::iam::Policy;
use serde_json::{Value, json};

pub const FUNCTION: &str = "ecr-pull-through-sync";

/// An account with a deployed function, and ptc beside a file.
pub struct Desk {
    pub bench: Bench,
    pub folder: PathBuf,
}

impl Desk {
    pub async fn new(name: &str) -> Self {
        let bench = Bench::new().await;
        let variables = [
            ("CONFIG_BUCKET", BUCKET),
            ("OWNER", "stack"),
            ("TEMPLATE_ROLE_ARN", ROLE),
        ];
        bench.aws.deploy_function(FUNCTION, &[&variables[..], &USUAL].concat());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("plan-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        Self { bench, folder }
    }

    pub fn write(&self, yaml: &str) {
        std::fs::write(self.folder.join("registries.yaml"), yaml).unwrap();
    }

    pub fn ptc(&self) -> Ptc {
        Ptc::new(&self.bench.aws).within(&self.folder)
    }

    pub async fn run(&self, arguments: &[&str]) -> ptc::Output {
        self.bench.aws.clear_calls();
        let [command, rest @ ..] = arguments else {
            panic!("no command")
        };
        let whole = [&[*command, "registries.yaml", "--function", FUNCTION], rest].concat();
        self.ptc().run(whole).await
    }

    pub fn writes(&self) -> Vec<String> {
        self.bench
            .aws
            .calls()
            .iter()
            .filter(|call| call.write)
            .map(|call| call.operation.clone())
            .collect()
    }
}

/// Without what is another in each account: the suffix of a secret's ARN, and the checksum, which knows it.
fn steady(text: &str) -> String {
    let suffix = regex_lite::Regex::new("(secret:ecr-pullthroughcache/[a-z]+)-[A-Za-z0-9]{6}").unwrap();
    let sum = regex_lite::Regex::new("[0-9a-f]{64}").unwrap();
    sum.replace_all(&suffix.replace_all(text, "$1-SUFFIX"), "CHECKSUM")
        .into_owned()
}

fn golden(name: &str, found: &str) {
    let found = &steady(found);
    let path = Path::new("tests/ptc_plan").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all("tests/ptc_plan").unwrap();
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(
        *found,
        std::fs::read_to_string(&path).unwrap_or_default(),
        "{}",
        path.display()
    );
}

/// An account that follows the legacy file, and a file that wants something else of each kind.
async fn changed(name: &str) -> Desk {
    let desk = Desk::new(name).await;
    desk.bench.follow(LEGACY).await;
    repository(&desk.bench.aws, "public-ecr/nginx");
    images(&desk.bench.aws, "public-ecr/nginx", 9);
    let file = LEGACY
        .replace("countNumber: 5", "countNumber: 7")
        .replace("image_tag_mutability: IMMUTABLE", "tags: {team: web}");
    let file = file.replace(
        "  registry: public.ecr.aws\n",
        "  registry: public.ecr.aws\n  existing_repositories: true\n",
    );
    let gitlab = file.find("gitlab:").unwrap();
    let public = file.find("public-ecr:").unwrap();
    desk.write(&format!(
        "{}{}quay: {{registry: quay.io}}\n",
        &file[..gitlab],
        &file[public..]
    ));
    desk
}

#[tokio::test]
async fn a_plan_shows_old_and_new_and_writes_nothing() {
    let desk = changed("shown").await;
    let human = desk.run(&["plan"]).await.ends(2);
    assert_eq!(desk.writes(), Vec::<String>::new());
    golden("plan.txt", &human.stdout);
    let details = desk.run(&["plan", "--details"]).await.ends(2);
    golden("plan-details.txt", &details.stdout);
    golden(
        "plan.md",
        &desk.run(&["plan", "--format", "markdown"]).await.ends(2).stdout,
    );
    let coloured = desk.run(&["plan", "--details", "--color", "always"]).await.stdout;
    assert!(
        coloured.contains("\u{1b}[31m    -         \"countNumber\": 5,\u{1b}[0m"),
        "{coloured}"
    );
}

/// Fifty registries is what ECR takes: a first plan of them has a row for each, and what they share once.
#[tokio::test]
async fn a_first_plan_of_fifty_registries_fits_a_screen() {
    let desk = Desk::new("fifty").await;
    let registry = |n: usize| {
        let readers = match n % 10 {
            3 => "  repository_read_access_arns: ['444455556666', '777788889999']\n",
            7 => "  lifecycle_policy: none\n",
            _ => "",
        };
        let credential = "  registry: ghcr.io\n  username: bot\n  accessToken: canary-token\n";
        format!("team-{n:02}:\n{credential}{readers}")
    };
    desk.bench.aws.accept_upstream("ghcr.io", "bot", "canary-token");
    desk.write(&(1..=50).map(registry).collect::<String>());
    let plan = ["plan", "registries.yaml", "--function", FUNCTION, "--color", "never"];
    let shown = desk.ptc().shown(100, plan).await.ends(2);
    golden("fifty.txt", &shown.stdout);
    assert!(shown.stdout.lines().count() <= 66, "{}", shown.stdout);
    let longest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    let without_command = shown.stdout.split("  ptc apply").next().unwrap();
    assert!(longest(without_command) <= Some(100), "{}", shown.stdout);
    let markdown = desk.run(&["plan", "--format", "markdown"]).await.ends(2).stdout;
    golden("fifty.md", markdown.split("<details>").next().unwrap());
    // What it ends with is a command that does just that, on one line.
    let command = shown
        .stdout
        .lines()
        .last()
        .unwrap()
        .trim()
        .strip_prefix("ptc ")
        .unwrap();
    desk.ptc().run(command.split(' ')).await.ends(0);
    let after = desk.run(&["plan"]).await.ends(0);
    golden("fifty-after.txt", &after.stdout);
}

#[tokio::test]
async fn the_function_and_the_terminal_make_the_same_plan() {
    let desk = changed("same").await;
    let file = std::fs::read_to_string(desk.folder.join("registries.yaml")).unwrap();
    let ours = desk.run(&["plan", "--json"]).await.ends(2).json();
    let warning = ours["warnings"].as_array().unwrap().last().unwrap()["message"]
        .as_str()
        .unwrap();
    assert!(
        warning.contains("s3://my-registries/registries.yaml, which the function follows, is another file"),
        "{warning}"
    );
    assert!(
        lines(&ours)
            .iter()
            .any(|line| line == "gitlab delete rule gitlab [] held"),
        "{ours:#}"
    );
    desk.bench.upload(&file);
    let ours = desk.run(&["plan", "--json"]).await.ends(2).json();
    let theirs = desk.bench.send(json!({"action": "plan"})).await.unwrap();
    assert_eq!(lines(&ours), lines(&theirs));
    assert_eq!(
        (&ours["plan_checksum"], &ours["changes"]),
        (&theirs["plan_checksum"], &theirs["changes"])
    );
    // Either may apply what the other has planned.
    let event = json!({"action": "apply", "plan_checksum": ours["plan_checksum"]});
    let applied = desk.bench.send(event).await.unwrap();
    assert_eq!(
        lines(&applied),
        lines(&theirs)
            .iter()
            .map(|l| l.replace("planned", "applied"))
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn settings_come_from_the_environment_where_no_function_is_named() {
    let desk = Desk::new("environment").await;
    desk.bench.follow(LEGACY).await;
    desk.write(LEGACY);
    let plan = ["plan", "registries.yaml"];
    let ours = desk.ptc().env("OWNER", "stack").env("TEMPLATE_ROLE_ARN", ROLE);
    ours.run(plan).await.ends(0);
    // Under another name the account is somebody else's.
    let other = desk.ptc().env("OWNER", "somebody").run(plan).await.ends(1);
    assert!(
        other.stdout.contains("its template carries the mark of another owner"),
        "{}",
        other.stdout
    );
    // What is written names the account: it must be the one of the credentials.
    let account = ["plan", "registries.yaml", "--account", "999999999999"];
    let other = ours.run(account).await.ends(1);
    assert!(
        other
            .stderr
            .contains("--account is 999999999999, but the credentials are of 123456789012")
    );
    let bad = desk.ptc().env("MAX_DELETIONS", "many").run(plan).await.ends(1);
    assert!(
        bad.stderr.contains("MAX_DELETIONS must be a whole number"),
        "{}",
        bad.stderr
    );
    let nobody = Ptc::alone()
        .within(&desk.folder)
        .env("AWS_REGION", "eu-west-1")
        .run(plan)
        .await
        .ends(1);
    assert!(
        nobody.stderr.starts_with("error: there are no AWS credentials"),
        "{}",
        nobody.stderr
    );
    let no_region = desk.ptc().env("AWS_REGION", "").run(plan).await.ends(1);
    assert!(no_region.stderr.contains("no Region is known"), "{}", no_region.stderr);
}

/// What the stack allows is the function's to know. Who plans without it learns what was not looked at.
#[tokio::test]
async fn the_bounds_of_the_stack_hold_here_too_and_what_is_not_known_is_said() {
    let desk = Desk::new("bounds").await;
    desk.bench
        .aws
        .accept_upstream("acme.azurecr.io", "acme-bot", "canary-acme-1");
    let file = "acme: {registry: acme.azurecr.io, username: acme-bot, accessToken: canary-acme-1}\n\
                quay: {registry: quay.io, existing_repositories: {max_expiring_images: 3}, repository_read_access_arns: ['444455556666']}\n";
    desk.write(file);
    for command in [&["plan", "--json"][..], &["apply", "--json", "--yes"]] {
        let report = desk.run(command).await.ends(1).json();
        assert_eq!(report["registries"]["acme"]["reason"], "not-allowed", "{report:#}");
        assert!(
            !report["warnings"].to_string().contains("the stack is not known"),
            "{report:#}"
        );
        assert!(desk.bench.rule("acme").is_none());
    }
    let plan = ["plan", "registries.yaml", "--json"];
    let unchecked = |report: &Value| {
        let warnings = report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|warning| warning["message"].as_str());
        let said: Vec<&str> = warnings
            .filter(|message| message.contains("the stack is not known"))
            .collect();
        assert!(said.len() < 2, "{said:?}");
        let names = said
            .first()
            .and_then(|message| message.split(": ").nth(1))
            .unwrap_or_default();
        names.split(" (").next().unwrap().to_owned()
    };
    let ours = desk.ptc().env("OWNER", "stack").env("TEMPLATE_ROLE_ARN", ROLE);
    let report = ours.run(plan).await.ends(2).json();
    assert_eq!(report["registries"]["acme"]["state"], "planned", "{report:#}");
    let all = "ALLOWED_READERS, ALLOWED_UPSTREAMS, EXISTING_REPOSITORIES, MAX_EXPIRING_IMAGES, REQUIRE_SOPS";
    assert_eq!(unchecked(&report), all);
    let validated = desk.ptc().env("OWNER", "stack").env("TEMPLATE_ROLE_ARN", ROLE);
    let validated = validated.run([plan.as_slice(), &["--validate"]].concat()).await.json();
    assert_eq!(unchecked(&validated), all);
    // What is set holds, also to nothing.
    let some = ours
        .env("ALLOWED_UPSTREAMS", "")
        .env("REQUIRE_SOPS", "false")
        .env("ALLOWED_READERS", "777788889999");
    let report = some.run(plan).await.ends(1).json();
    assert_eq!(unchecked(&report), "EXISTING_REPOSITORIES, MAX_EXPIRING_IMAGES");
    for name in ["acme", "quay"] {
        assert_eq!(report["registries"][name]["reason"], "not-allowed", "{report:#}");
    }
    let sealed = desk.ptc().env("REQUIRE_SOPS", "true").run(plan).await.ends(1).json();
    assert_eq!(sealed["outcome"], "rejected", "{sealed:#}");
    desk.write("quay: {registry: quay.io}\n");
    let report = desk.ptc().env("REQUIRE_SOPS", "false").run(plan).await.json();
    assert_eq!(unchecked(&report), "");
}

#[tokio::test]
async fn exactly_the_plan_is_applied_or_nothing() {
    let desk = Desk::new("exactly").await;
    desk.write(LEGACY);
    let plan = desk.run(&["plan", "--json"]).await.ends(2).json();
    let checksum = plan["plan_checksum"].as_str().unwrap();
    let refused = desk.run(&["apply", "--plan-checksum", &"0".repeat(64)]).await.ends(1);
    assert_eq!(desk.writes(), Vec::<String>::new());
    assert!(refused.stdout.contains(checksum) && refused.stdout.contains("refused, and nothing was changed"));

    let applied = desk.run(&["apply", "--plan-checksum", checksum]).await.ends(0);
    assert!(
        applied
            .stdout
            .contains("changed: 3 registries ready; 10 changes applied"),
        "{}",
        applied.stdout
    );
    let steps = applied.stderr.lines().filter(|line| line.starts_with("  "));
    assert_eq!(steps.count(), 10, "each step as it is taken: {}", applied.stderr);
    assert!(applied.stderr.contains(" (10 of 10, "), "{}", applied.stderr);
    assert!(
        applied
            .stderr
            .contains("  dockerhub: create secret policy ecr-pullthroughcache/dockerhub (")
    );
    assert!(
        !desk.writes().contains(&"PutObject".to_owned()),
        "the status is the function's"
    );

    desk.run(&["apply", "--plan-checksum", checksum]).await.ends(1);
    desk.run(&["apply", "--yes"]).await.ends(0);
    desk.run(&["plan"]).await.ends(0);
    let bad = desk.run(&["apply", "--plan-checksum", "abc"]).await.ends(1);
    assert!(bad.stderr.contains("64 characters"), "{}", bad.stderr);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_line_and_without_a_token() {
    let desk = Desk::new("wrong").await;
    desk.write("dockerhub: {registry: docker.io, usrname: acme-bot, accessToken: canary-1}\n");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let output = desk.run(command).await.ends(1);
        assert!(
            output.stdout.contains(" --> registries.yaml:1:34\n"),
            "{}",
            output.stdout
        );
        assert_eq!(desk.writes(), Vec::<String>::new());
    }
    let json = desk.run(&["plan", "--json"]).await.ends(1).json();
    assert_eq!(
        (&json["outcome"], &json["config"]["key"]),
        (&json!("rejected"), &json!("registries.yaml"))
    );
    let missing = desk.ptc().run(["plan", "nowhere.yaml", "--json"]).await.ends(1).json();
    assert!(missing["error"].as_str().unwrap().starts_with("nowhere.yaml: "));
    let function = desk
        .ptc()
        .run(["plan", "registries.yaml", "--function", "other"])
        .await
        .ends(1);
    assert!(
        function.stderr.contains("ResourceNotFoundException"),
        "{}",
        function.stderr
    );
    let denied = Fault::on("ecr", "DescribeRepositoryCreationTemplates").access_denied();
    desk.bench.aws.fault(denied);
    desk.write(&hub("canary-docker-1"));
    for format in ["human", "markdown", "json"] {
        let output = desk.run(&["plan", "--format", format]).await.ends(1);
        assert!(output.stdout.contains("AccessDeniedException"), "{}", output.stdout);
        assert!(!output.stdout.contains("nothing to change"), "{}", output.stdout);
    }
    let mistyped = desk.ptc().run(["plan", "--json", "--nope"]).await.ends(1).json();
    assert!(mistyped["error"].as_str().unwrap().contains("--nope"));
    desk.bench.aws.fault(Fault::on("sts", "*").access_denied());
    let nobody = desk.ptc().run(["plan", "registries.yaml"]).await.ends(1);
    assert!(
        nobody.stderr.contains("GetCallerIdentity: AccessDenied"),
        "{}",
        nobody.stderr
    );
}

/// The permissions that docs/ptc.md gives to whoever plans are enough, for every field there is, and all of them reads.
#[tokio::test]
async fn the_documented_permissions_are_enough_for_a_plan() {
    let docs = std::fs::read_to_string("../../docs/ptc.md").unwrap();
    let json = docs
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let desk = changed("permissions").await;
    let policy = Policy::read("planner", &[("plan".to_owned(), serde_json::from_str(json).unwrap())]).unwrap();
    desk.bench.aws.enforce("PTC", policy);
    desk.run(&["plan", "--validate"]).await.ends(2);
    assert_eq!(desk.bench.aws.denied(), Vec::<String>::new());
    desk.run(&["apply", "--yes"]).await.ends(1);
    assert!(!desk.bench.aws.denied().is_empty());
}
