//! `ptc apply`: who is asked, what an interruption leaves, and what is said of what is held.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::ptc_plan::{Desk, FUNCTION};
use crate::support::{BUCKET, KEY, hub, is_write, repository};
use local_aws::Fault;
use serde_json::{Value, json};

#[tokio::test]
async fn ctrl_c_ends_after_the_call_under_way_with_a_report_that_is_true() {
    let desk = Desk::new("interrupted").await;
    desk.write(&format!("{}quay: {{registry: quay.io}}\n", hub("canary-docker-1")));
    let slow = Fault::on("ecr", "CreateRepositoryCreationTemplate").latency(Duration::from_millis(1500));
    desk.bench.aws.fault(slow);
    let child = Command::new(env!("CARGO_BIN_EXE_ptc"))
        .args(["apply", "registries.yaml", "--function", FUNCTION, "--yes", "--json"])
        .current_dir(&desk.folder)
        .env_clear()
        .envs([
            ("AWS_ENDPOINT_URL", desk.bench.aws.endpoint().as_str()),
            ("AWS_REGION", "eu-west-1"),
        ])
        .envs([
            ("AWS_ACCESS_KEY_ID", "PTC"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    // Both templates are under way when it is interrupted: the hook runs as the first of them arrives.
    desk.bench
        .aws
        .before("ecr", "CreateRepositoryCreationTemplate", 1, move |_| {
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        });
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopping after the calls under way"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "partial", "{report:#}");
    let message = report["registries"]["quay"]["message"].as_str().unwrap();
    assert_eq!(message, "not finished before the end that was asked for");
    for change in report["changes"].as_array().unwrap() {
        let (id, applied) = (change["id"].as_str().unwrap(), change["result"] == "applied");
        assert!(applied || change["result"] == "skipped", "{change}");
        let there = match change["resource"].as_str().unwrap() {
            "rule" => desk.bench.rule(id).is_some(),
            "template" => desk.bench.template(id).is_some(),
            "secret" => desk.bench.secret(id).is_some(),
            _ => continue,
        };
        assert_eq!(there, applied, "{change}");
    }
    assert!(desk.bench.template("quay").is_some() && desk.bench.rule("quay").is_none());
    let after = desk.bench.aws.calls().iter().filter(|call| is_write(call)).count();
    assert!(after < 8, "{after} writes");
    desk.run(&["apply", "--yes"]).await.ends(0);
    assert_eq!(desk.bench.aws.object(BUCKET, KEY), None);
}

#[tokio::test]
async fn nothing_is_written_without_a_word_for_it() {
    let desk = Desk::new("unasked").await;
    desk.write(&hub("canary-docker-1"));
    let ptc = desk.ptc().input(hub("canary-docker-1"));
    for arguments in [
        &["registries.yaml"][..],
        &["-"],
        &["registries.yaml", "--json"],
        &["-", "--json"],
    ] {
        desk.bench.aws.clear_calls();
        let apply = [&["apply", "--function", FUNCTION], arguments].concat();
        let refused = ptc.run(&apply).await.ends(1);
        let json = arguments.contains(&"--json");
        let said = if json {
            refused.json()["error"].as_str().unwrap().to_owned()
        } else {
            refused.stderr
        };
        assert!(said.contains("nothing was changed") && said.contains("--yes"), "{said}");
        assert!(said.contains("--plan-checksum"), "{said}");
        assert_eq!(desk.bench.aws.calls().len(), 0);
        let sum = "0".repeat(64);
        let other = ptc.run([&apply[..], &["--plan-checksum", &sum]].concat()).await.ends(1);
        assert!(other.stdout.contains("the plan is not 0000"), "{}", other.stdout);
        assert_eq!(desk.writes(), Vec::<String>::new());
    }
    let output = ptc.run(["apply", "-", "--yes", "--function", FUNCTION]).await.ends(0);
    assert!(output.stdout.contains("\nready  dockerhub  "), "{}", output.stdout);
    assert!(output.stdout.contains("upload this one with"), "{}", output.stdout);
}

#[tokio::test]
async fn on_a_terminal_the_plan_is_shown_and_only_yes_applies_it() {
    let desk = Desk::new("asked").await;
    desk.write("quay: {registry: quay.io}\n");
    let apply = ["apply", "registries.yaml", "--function", FUNCTION, "--color", "never"];
    let question = "Apply this plan? [y/N]";
    for no in ["\r", "n\r", "nay\r", "maybe\r", "yes please\r"] {
        let shown = desk.ptc().asked(100, apply, &[(question, no)]).await.ends(1);
        assert!(shown.stdout.contains("create template, rule"), "{}", shown.stdout);
        assert!(shown.stdout.ends_with("nothing was changed\n"), "{}", shown.stdout);
        assert!(desk.bench.template("quay").is_none());
    }
    let shown = desk.ptc().asked(100, apply, &[(question, "YES\r")]).await.ends(0);
    assert!(shown.stdout.contains("\nchanged: 1 registry ready"), "{}", shown.stdout);
    assert!(desk.bench.rule("quay").is_some());
    // With nothing to do there is nothing to ask.
    desk.ptc().asked(100, apply, &[]).await.ends(0);
}

/// `ptc apply` that is interrupted when it first calls this operation of ECR; gives what it printed.
async fn interrupted(desk: &Desk, operation: &str, arguments: &[&str]) -> String {
    let child = Command::new(env!("CARGO_BIN_EXE_ptc"))
        .args(["apply", "registries.yaml", "--function", FUNCTION, "--yes"])
        .args(arguments)
        .current_dir(&desk.folder)
        .env_clear()
        .envs([
            ("AWS_ENDPOINT_URL", desk.bench.aws.endpoint().as_str()),
            ("AWS_REGION", "eu-west-1"),
        ])
        .envs([
            ("AWS_ACCESS_KEY_ID", "PTC"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    desk.bench
        .aws
        .fault(Fault::on("ecr", operation).latency(Duration::from_millis(1500)));
    desk.bench.aws.before("ecr", operation, 1, move |_| {
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    });
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn what_an_interruption_left_undone_is_named_each() {
    let desk = Desk::new("left-undone").await;
    let leaving = "old-a: {registry: quay.io}\nold-b: {registry: public.ecr.aws}\n";
    desk.bench.follow(leaving).await;
    // One of those that leave has the upstream of the new one, which will not be ready.
    let file = "new: {registry: quay.io}\n";
    desk.bench.upload(file);
    desk.write(file);
    let told = interrupted(&desk, "CreateRepositoryCreationTemplate", &["--max-deletions", "2"]).await;
    let undone = [
        "new: create rule new",
        "old-a: delete rule old-a",
        "old-a: delete template old-a",
    ];
    for change in undone
        .into_iter()
        .chain(["old-b: delete rule old-b", "old-b: delete template old-b"])
    {
        assert!(
            told.contains(&format!("\n    {change}\n")),
            "{change}\nis not in\n{told}"
        );
    }
    assert!(told.starts_with("! not done\n"), "{told}");
    let end =
        "\npartial: interrupted; 0 of 1 registry ready; 1 change applied; not finished: new; 5 changes not made\n";
    assert!(told.ends_with(end), "{told}");
    assert!(!told.contains("failed") || told.contains("\nfailed  new "), "{told}");
    assert!(!told.contains("held"), "{told}");
    assert!(desk.bench.rule("old-a").is_some() && desk.bench.rule("old-b").is_some());
}

#[tokio::test]
async fn deletions_that_an_interruption_left_are_named_where_all_registries_are_ready() {
    let desk = Desk::new("deletions-left").await;
    desk.bench
        .follow("quay: {registry: quay.io}\nold-a: {registry: public.ecr.aws}\n")
        .await;
    let file = "quay: {registry: quay.io}\n";
    desk.bench.upload(file);
    desk.write(file);
    let told = interrupted(&desk, "DeletePullThroughCacheRule", &[]).await;
    assert!(
        told.starts_with("! old-a: delete template old-a: not done\n\npull from ") && told.contains("\nready  quay "),
        "{told}"
    );
    assert!(
        told.ends_with("partial: interrupted; 1 of 1 registry ready; 1 change applied; 1 change not made\n"),
        "{told}"
    );
}

#[tokio::test]
async fn repositories_that_an_interruption_left_are_named() {
    let desk = Desk::new("repositories-left").await;
    desk.bench.follow("quay: {registry: quay.io}\n").await;
    for n in 10..50 {
        repository(&desk.bench.aws, &format!("quay/{n}"));
    }
    let file = "quay: {registry: quay.io, existing_repositories: {apply: [lifecycle_policy]}}\n";
    desk.bench.upload(file);
    desk.write(file);
    let plan = desk.run(&["plan", "--json"]).await.ends(2).json();
    let early = ["--plan-checksum", plan["plan_checksum"].as_str().unwrap()];
    let told = interrupted(&desk, "GetLifecyclePolicy", &early).await;
    assert!(
        told.ends_with("\npartial: interrupted, and nothing was changed\n"),
        "{told}"
    );
    assert_eq!(desk.writes(), Vec::<String>::new());
    desk.bench.aws.clear_faults();
    let told = interrupted(&desk, "PutLifecyclePolicy", &[]).await;
    let has_policy = |name: &str| {
        desk.bench
            .aws
            .call("ecr", "GetLifecyclePolicy", json!({"repositoryName": name}))
            .is_ok()
    };
    let mut undone = 0;
    for name in (10..50).map(|n| format!("quay/{n}")) {
        let named = told.contains(&format!("    quay: update repository {name}\n"));
        assert_eq!(named, !has_policy(&name), "{name}\n{told}");
        undone += usize::from(named);
    }
    assert!((1..40).contains(&undone), "{told}");
    let applied = match 40 - undone {
        1 => "1 change applied".to_owned(),
        n => format!("{n} changes applied"),
    };
    assert!(
        told.contains(&format!("\npartial: interrupted; 0 of 1 registry ready; {applied}; ")),
        "{told}"
    );
    assert!(told.ends_with(&format!("; {undone} changes not made\n")), "{told}");
}

#[tokio::test]
async fn a_held_deletion_names_the_way_on_of_whoever_reads_it_and_once() {
    let desk = Desk::new("held").await;
    let leaving = ["a", "b", "c"]
        .map(|name| format!("old-{name}: {{registry: quay.io}}\n"))
        .concat();
    desk.bench.follow(&format!("{}{leaving}", hub("canary-docker-1"))).await;
    desk.bench.upload(&hub("canary-docker-1"));
    desk.write(&hub("canary-docker-1"));
    for arguments in [&["plan"][..], &["plan", "--format", "markdown"], &["apply", "--yes"]] {
        let output = desk.run(arguments).await;
        let said = output.stdout.replace('\\', "");
        assert_eq!(said.matches("registries left the file").count(), 1, "{said}");
        assert!(
            said.contains("allow it once with `--max-deletions 3`") && !said.contains("\"action\""),
            "{said}"
        );
        for name in ["old-a", "old-b", "old-c"] {
            let named = match arguments {
                ["apply", ..] => format!("{name}: delete rule {name}"),
                [_, "--format", ..] => format!("| `!` | {name} | delete rule, template | held; quay.io |"),
                _ => format!("!  {name}     delete rule, template  held; quay.io"),
            };
            assert!(said.contains(&named), "{said}");
        }
        // Nothing of it can be applied.
        assert!(!said.contains("--plan-checksum"), "{said}");
    }
    let function = desk.bench.send(json!({"action": "apply"})).await.unwrap();
    let message = function["registries"]["old-a"]["message"].as_str().unwrap();
    assert!(
        message.contains(r#"{"action": "apply", "max_deletions": 3}"#),
        "{message}"
    );
    assert!(!message.contains("--max-deletions"), "{message}");
    // What the function says stands in its status once, too.
    let status = desk.ptc().run(["status", "--function", FUNCTION]).await.ends(1).stdout;
    assert_eq!(status.matches("registries left the file").count(), 1, "{status}");
    desk.run(&["apply", "--yes", "--max-deletions", "3"]).await.ends(0);
    assert!(desk.bench.rule("old-a").is_none());
}

/// As the function, it takes nothing away that no status of the stack has named, until somebody says how many.
#[tokio::test]
async fn what_another_holder_of_the_name_made_stays_until_somebody_says_how_many() {
    let desk = Desk::new("holder").await;
    let file = "quay: {registry: quay.io}\n";
    desk.write(file);
    desk.bench.follow(file).await;
    let description =
        "Pull through cache repository template for theirs artifacts (managed by ecr-pull-through-sync: stack)";
    let input = json!({"prefix": "theirs", "description": description, "appliedFor": ["PULL_THROUGH_CACHE"]});
    let template = desk.bench.aws.call("ecr", "CreateRepositoryCreationTemplate", input);
    template.unwrap();
    let plan = desk.run(&["plan"]).await.ends(2);
    assert!(
        plan.stdout.contains("does another stack go by that name?"),
        "{}",
        plan.stdout
    );
    assert!(plan.stdout.contains("`--max-deletions 1`"), "{}", plan.stdout);
    desk.run(&["apply", "--yes"]).await.ends(1);
    assert!(desk.bench.template("theirs").is_some());
    desk.run(&["apply", "--yes", "--max-deletions", "1"]).await.ends(0);
    assert!(desk.bench.template("theirs").is_none());
}
