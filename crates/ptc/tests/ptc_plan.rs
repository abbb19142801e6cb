//! `ptc plan` and `ptc apply`: the compiled program over an account, as a person or a pipeline would run it.

use config::Code;
use harness::{begins, has};

use crate::ptc::{Ptc, Terminal, documented_policy, golden};
use crate::stack::{LEGACY, ROLE, hub, images, json_of, lines, repository};
use local_aws::Fault;
use serde_json::{Value, json};

/// Without what is another in each account: the suffix of a secret's ARN, and the checksum, which knows it.
fn steady(text: &str) -> String {
    let suffix = regex_lite::Regex::new("(secret:ecr-pullthroughcache/[a-z]+)-[A-Za-z0-9]{6}").unwrap();
    let sum = regex_lite::Regex::new("[0-9a-f]{64}").unwrap();
    sum.replace_all(&suffix.replace_all(text, "$1-SUFFIX"), "CHECKSUM")
        .into_owned()
}

/// An account that follows the legacy file, and a file that wants something else of each kind.
async fn changed(name: &str) -> Terminal {
    let terminal = Terminal::new(name).await;
    terminal.stack.follow(LEGACY).await;
    repository(&terminal.stack.aws, "public-ecr/nginx");
    images(&terminal.stack.aws, "public-ecr/nginx", 9);
    let file = LEGACY
        .replace("countNumber: 5", "countNumber: 7")
        .replace("image_tag_mutability: IMMUTABLE", "tags: {team: web}");
    let file = file.replace(
        "  registry: public.ecr.aws\n",
        "  registry: public.ecr.aws\n  existing_repositories: true\n",
    );
    let gitlab = file.find("gitlab:").unwrap();
    let public = file.find("public-ecr:").unwrap();
    terminal.write(&format!(
        "{}{}quay: {{registry: quay.io}}\n",
        &file[..gitlab],
        &file[public..]
    ));
    terminal
}

#[tokio::test]
async fn a_plan_shows_old_and_new_and_writes_nothing() {
    let terminal = changed("shown").await;
    let human = terminal.run(&["plan"]).await.ends(2);
    assert_eq!(terminal.writes(), Vec::<String>::new());
    golden("tests/ptc_plan/plan.txt", &steady(&human.stdout));
    let details = terminal.run(&["plan", "--details"]).await.ends(2);
    golden("tests/ptc_plan/plan-details.txt", &steady(&details.stdout));
    let markdown = terminal.run(&["plan", "--format", "markdown"]).await.ends(2);
    golden("tests/ptc_plan/plan.md", &steady(&markdown.stdout));
    let coloured = terminal.run(&["plan", "--details", "--color", "always"]).await.stdout;
    has(&coloured, "\u{1b}[31m    -         \"countNumber\": 5,\u{1b}[0m");
}

/// Fifty registries is what ECR takes: a first plan of them has a row for each, and what they share once.
#[tokio::test]
async fn a_first_plan_of_fifty_registries_fits_a_screen() {
    let terminal = Terminal::new("fifty").await;
    let registry = |n: usize| {
        let readers = match n % 10 {
            3 => "  repository_read_access_arns: ['444455556666', '777788889999']\n",
            7 => "  lifecycle_policy: none\n",
            _ => "",
        };
        let credential = "  registry: ghcr.io\n  username: bot\n  accessToken: canary-token\n";
        format!("team-{n:02}:\n{credential}{readers}")
    };
    terminal.stack.aws.accept_upstream("ghcr.io", "bot", "canary-token");
    terminal.write(&(1..=50).map(registry).collect::<String>());
    let plan = ["plan", "registries.yaml", "--color", "never"];
    let shown = terminal.ptc().shown(100, plan).await.ends(2);
    golden("tests/ptc_plan/fifty.txt", &steady(&shown.stdout));
    assert!(shown.stdout.lines().count() <= 66, "{}", shown.stdout);
    let longest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    let without_command = shown.stdout.split("  ptc apply").next().unwrap();
    assert!(longest(without_command) <= Some(100), "{}", shown.stdout);
    let markdown = terminal.run(&["plan", "--format", "markdown"]).await.ends(2).stdout;
    golden(
        "tests/ptc_plan/fifty.md",
        &steady(markdown.split("<details>").next().unwrap()),
    );
    // What it ends with is a command that does just that, on one line.
    let command = shown
        .stdout
        .lines()
        .last()
        .unwrap()
        .trim()
        .strip_prefix("ptc ")
        .unwrap();
    terminal.ptc().run(command.split(' ')).await.ends(0);
    let after = terminal.run(&["plan"]).await.ends(0);
    golden("tests/ptc_plan/fifty-after.txt", &steady(&after.stdout));
}

#[tokio::test]
async fn the_function_and_the_terminal_make_the_same_plan() {
    let terminal = changed("same").await;
    let file = std::fs::read_to_string(terminal.folder.join("registries.yaml")).unwrap();
    let ours = terminal.run(&["plan", "--json"]).await.ends(2).report();
    let warning = ours.warnings.last().unwrap();
    assert_eq!(warning.code, Code::FILE_DIFFERS);
    let allowed = terminal
        .run(&["plan", "--json", "--allow", "PT095"])
        .await
        .ends(2)
        .report();
    assert!(
        allowed.warnings.iter().all(|other| other.code != warning.code),
        "{allowed:#?}"
    );
    assert_eq!(allowed.plan_checksum, ours.plan_checksum);
    let warning = warning.message.as_str();
    has(
        warning,
        "s3://my-registries/registries.yaml, which the function follows, is another file",
    );
    assert!(
        lines(&ours)
            .iter()
            .any(|line| line == "gitlab delete rule gitlab [] held"),
        "{ours:#?}"
    );
    terminal.stack.upload(&file);
    let ours = terminal.run(&["plan", "--json"]).await.ends(2).report();
    let theirs = terminal.stack.send(json!({"action": "plan"})).await.unwrap();
    assert_eq!(lines(&ours), lines(&theirs));
    let [of_ours, of_theirs] = [&ours, &theirs].map(json_of);
    for what in ["plan_checksum", "changes"] {
        assert_eq!(of_ours[what], of_theirs[what]);
    }
    // Either may apply what the other has planned.
    let event = json!({"action": "apply", "plan_checksum": ours.plan_checksum});
    let applied = terminal.stack.send(event).await.unwrap();
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
    let terminal = Terminal::new("environment").await;
    let aws = &terminal.stack.aws;
    aws.put_stack("ecr-pull-through-sync", "DELETE_COMPLETE", &[]).unwrap();
    terminal.stack.follow(LEGACY).await;
    terminal.write(LEGACY);
    let plan = ["plan", "registries.yaml"];
    let ours = terminal.ptc().env("OWNER", "stack").env("TEMPLATE_ROLE_ARN", ROLE);
    ours.run(plan).await.ends(0);
    // Under another name the account is somebody else's.
    let other = terminal.ptc().env("OWNER", "somebody").run(plan).await.ends(1);
    has(&other.stdout, "its template carries the mark of another owner");
    // What is written names the account: it must be the one of the credentials.
    let account = ["plan", "registries.yaml", "--account", "999999999999"];
    let other = ours.run(account).await.ends(1);
    has(
        &other.stderr,
        "--account is 999999999999, but the credentials are of 123456789012",
    );
    let bad = terminal.ptc().env("MAX_DELETIONS", "many").run(plan).await.ends(1);
    has(&bad.stderr, "MAX_DELETIONS must be a whole number");
    let nobody = Ptc::alone()
        .within(&terminal.folder)
        .env("AWS_REGION", "eu-west-1")
        .run(plan)
        .await
        .ends(1);
    begins(&nobody.stderr, "error: there are no AWS credentials");
    let no_region = terminal.ptc().env("AWS_REGION", "").run(plan).await.ends(1);
    assert!(no_region.stderr.contains("no Region is known"), "{}", no_region.stderr);
}

/// What the stack allows is the function's to know. Who plans without it learns what was not looked at.
#[tokio::test]
async fn the_bounds_of_the_stack_hold_here_too_and_what_is_not_known_is_said() {
    let terminal = Terminal::new("bounds").await;
    terminal
        .stack
        .aws
        .accept_upstream("acme.azurecr.io", "acme-bot", "canary-acme-1");
    let file = "acme: {registry: acme.azurecr.io, username: acme-bot, accessToken: canary-acme-1}\n\
                quay: {registry: quay.io, existing_repositories: {max_expiring_images: 3}, repository_read_access_arns: ['444455556666']}\n";
    terminal.write(file);
    for command in [&["plan", "--json"][..], &["apply", "--json", "--yes"]] {
        let report = terminal.run(command).await.ends(1).json();
        assert_eq!(report["registries"]["acme"]["reason"], "not-allowed", "{report:#}");
        assert!(
            !report["warnings"].to_string().contains("the stack is not known"),
            "{report:#}"
        );
        assert!(terminal.stack.rule("acme").is_none());
    }
    let aws = &terminal.stack.aws;
    aws.put_stack("ecr-pull-through-sync", "DELETE_COMPLETE", &[]).unwrap();
    let plan = ["plan", "registries.yaml", "--json"];
    let unchecked = |report: &Value| {
        let warnings = report["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|warning| warning["code"] == "PT098")
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
    let ours = terminal.ptc().env("OWNER", "stack").env("TEMPLATE_ROLE_ARN", ROLE);
    let report = ours.run(plan).await.ends(2).json();
    assert_eq!(report["registries"]["acme"]["state"], "planned", "{report:#}");
    let all = "ALLOWED_READERS, ALLOWED_UPSTREAMS, EXISTING_REPOSITORIES, MAX_EXPIRING_IMAGES, REQUIRE_SOPS";
    assert_eq!(unchecked(&report), all);
    let validated = terminal.ptc().env("OWNER", "stack").env("TEMPLATE_ROLE_ARN", ROLE);
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
    let sealed = terminal
        .ptc()
        .env("REQUIRE_SOPS", "true")
        .run(plan)
        .await
        .ends(1)
        .json();
    assert_eq!(sealed["outcome"], "rejected", "{sealed:#}");
    terminal.write("quay: {registry: quay.io}\n");
    let report = terminal.ptc().env("REQUIRE_SOPS", "false").run(plan).await.json();
    assert_eq!(unchecked(&report), "");
}

#[tokio::test]
async fn exactly_the_plan_is_applied_or_nothing() {
    let terminal = Terminal::new("exactly").await;
    terminal.write(LEGACY);
    let plan = terminal.run(&["plan", "--json"]).await.ends(2).json();
    let checksum = plan["plan_checksum"].as_str().unwrap();
    let refused = terminal
        .run(&["apply", "--plan-checksum", &"0".repeat(64)])
        .await
        .ends(1);
    assert_eq!(terminal.writes(), Vec::<String>::new());
    assert!(refused.stdout.contains(checksum) && refused.stdout.contains("refused, and nothing was changed"));

    let applied = terminal.run(&["apply", "--plan-checksum", checksum]).await.ends(0);
    has(&applied.stdout, "changed: 3 registries ready; 10 changes applied");
    let steps = applied.stderr.lines().filter(|line| line.starts_with("  "));
    assert_eq!(steps.count(), 10, "each step as it is taken: {}", applied.stderr);
    assert!(applied.stderr.contains(" (10 of 10, "), "{}", applied.stderr);
    has(
        &applied.stderr,
        "  dockerhub: create secret policy ecr-pullthroughcache/dockerhub (",
    );
    assert!(
        !terminal.writes().contains(&"PutObject".to_owned()),
        "the status is the function's"
    );

    terminal.run(&["apply", "--plan-checksum", checksum]).await.ends(1);
    terminal.run(&["apply", "--yes"]).await.ends(0);
    terminal.run(&["plan"]).await.ends(0);
    let bad = terminal.run(&["apply", "--plan-checksum", "abc"]).await.ends(1);
    assert!(bad.stderr.contains("64 characters"), "{}", bad.stderr);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_line_and_without_a_token() {
    let terminal = Terminal::new("wrong").await;
    terminal.write("dockerhub: {registry: docker.io, usrname: acme-bot, accessToken: canary-1}\n");
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let output = terminal.run(command).await.ends(1);
        begins(
            &output.stdout,
            "error[PT017]: registries.yaml:1:34: dockerhub: unknown key",
        );
        assert_eq!(terminal.writes(), Vec::<String>::new());
    }
    let json = terminal.run(&["plan", "--json"]).await.ends(1).json();
    assert_eq!(
        (&json["outcome"], &json["config"]["key"]),
        (&json!("rejected"), &json!("registries.yaml"))
    );
    let missing = terminal
        .ptc()
        .run(["plan", "nowhere.yaml", "--json"])
        .await
        .ends(1)
        .json();
    assert!(missing["error"].as_str().unwrap().starts_with("nowhere.yaml: "));
    let function = terminal
        .ptc()
        .run(["plan", "registries.yaml", "--function", "other"])
        .await
        .ends(1);
    has(&function.stderr, "ResourceNotFoundException");
    let denied = Fault::on("ecr", "DescribeRepositoryCreationTemplates").access_denied();
    terminal.stack.aws.fault(denied);
    terminal.write(&hub("canary-docker-1"));
    for format in ["human", "markdown", "json"] {
        let output = terminal.run(&["plan", "--format", format]).await.ends(1);
        assert!(output.stdout.contains("AccessDeniedException"), "{}", output.stdout);
        assert!(!output.stdout.contains("nothing to change"), "{}", output.stdout);
    }
    let mistyped = terminal.ptc().run(["plan", "--json", "--nope"]).await.ends(1).json();
    assert!(mistyped["error"].as_str().unwrap().contains("--nope"));
    terminal.stack.aws.fault(Fault::on("sts", "*").access_denied());
    let nobody = terminal.ptc().run(["plan", "registries.yaml"]).await.ends(1);
    has(&nobody.stderr, "GetCallerIdentity: AccessDenied");
}

/// The permissions that docs/ptc.md gives to whoever plans are enough, for every field there is, and all of them reads.
#[tokio::test]
async fn the_documented_permissions_are_enough_for_a_plan() {
    let terminal = changed("permissions").await;
    let policy = documented_policy("ptc.md", "");
    terminal.stack.aws.enforce("PTC", policy);
    terminal.run(&["plan", "--validate"]).await.ends(2);
    let function = [
        "plan",
        "registries.yaml",
        "--function",
        "ecr-pull-through-sync-SyncFunction-1",
    ];
    terminal.ptc().run(function).await.ends(2);
    assert_eq!(terminal.stack.aws.denied(), Vec::<String>::new());
    terminal.run(&["apply", "--yes"]).await.ends(1);
    assert!(!terminal.stack.aws.denied().is_empty());
}
