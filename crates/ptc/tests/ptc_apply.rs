//! `ptc apply`: who is asked, what an interruption leaves, and what is said of what is held.

use harness::{begins, has, lacks};
use std::process::Command;
use std::time::Duration;

use crate::ptc::{Output, Terminal};
use crate::stack::{BUCKET, KEY, hub, is_write, repository};
use local_aws::Fault;
use serde_json::json;

/// `ptc apply` that is interrupted when it first calls this operation of ECR.
async fn interrupted(terminal: &Terminal, operation: &str, arguments: &[&str]) -> Output {
    let aws = &terminal.stack.aws;
    aws.fault(Fault::on("ecr", operation).latency(Duration::from_millis(1500)));
    let apply = ["apply", "registries.yaml", "--yes"];
    let interrupt = |id: u32| {
        aws.before("ecr", operation, 1, move |_| {
            let kill = Command::new("kill").args(["-INT", &id.to_string()]).status();
            assert!(kill.unwrap().success());
        });
    };
    let output = terminal
        .ptc()
        .run_with([&apply, arguments].concat(), interrupt)
        .await
        .ends(1);
    has(&output.stderr, "stopping after the calls under way");
    output
}

#[tokio::test]
async fn ctrl_c_ends_after_the_call_under_way_with_a_report_that_is_true() {
    let terminal = Terminal::new("interrupted").await;
    terminal.write(&format!("{}quay: {{registry: quay.io}}\n", hub("canary-docker-1")));
    // Both templates are under way when the first of them arrives.
    let report = interrupted(&terminal, "CreateRepositoryCreationTemplate", &["--json"])
        .await
        .json();
    assert_eq!(report["outcome"], "partial", "{report:#}");
    let message = report["registries"]["quay"]["message"].as_str().unwrap();
    assert_eq!(message, "not finished before the end that was asked for");
    for change in report["changes"].as_array().unwrap() {
        let (id, applied) = (change["id"].as_str().unwrap(), change["result"] == "applied");
        assert!(applied || change["result"] == "skipped", "{change}");
        let there = match change["resource"].as_str().unwrap() {
            "rule" => terminal.stack.rule(id).is_some(),
            "template" => terminal.stack.template(id).is_some(),
            "secret" => terminal.stack.secret(id).is_some(),
            _ => continue,
        };
        assert_eq!(there, applied, "{change}");
    }
    assert!(terminal.stack.template("quay").is_some() && terminal.stack.rule("quay").is_none());
    let after = terminal.stack.aws.calls().iter().filter(|call| is_write(call)).count();
    assert!(after < 8, "{after} writes");
    terminal.run(&["apply", "--yes"]).await.ends(0);
    assert_eq!(terminal.stack.aws.object(BUCKET, KEY), None);
}

#[tokio::test]
async fn nothing_is_written_without_a_word_for_it() {
    let terminal = Terminal::new("unasked").await;
    terminal.write(&hub("canary-docker-1"));
    let ptc = terminal.ptc().input(hub("canary-docker-1"));
    for arguments in [
        &["registries.yaml"][..],
        &["-"],
        &["registries.yaml", "--json"],
        &["-", "--json"],
    ] {
        terminal.stack.aws.clear_calls();
        let apply = [&["apply"], arguments].concat();
        let refused = ptc.run(&apply).await.ends(1);
        let json = arguments.contains(&"--json");
        let said = if json {
            refused.json()["error"].as_str().unwrap().to_owned()
        } else {
            refused.stderr
        };
        assert!(said.contains("nothing was changed") && said.contains("--yes"), "{said}");
        assert!(said.contains("--plan-checksum"), "{said}");
        assert_eq!(terminal.stack.aws.calls().len(), 0);
        let sum = "0".repeat(64);
        let other = ptc.run([&apply[..], &["--plan-checksum", &sum]].concat()).await.ends(1);
        assert!(other.stdout.contains("the plan is not 0000"), "{}", other.stdout);
        assert_eq!(terminal.writes(), Vec::<String>::new());
    }
    let output = ptc.run(["apply", "-", "--yes"]).await.ends(0);
    assert!(output.stdout.contains("\nready  dockerhub  "), "{}", output.stdout);
    assert!(output.stdout.contains("upload this one with"), "{}", output.stdout);
}

#[tokio::test]
async fn on_a_terminal_the_plan_is_shown_and_only_yes_applies_it() {
    let terminal = Terminal::new("asked").await;
    terminal.write("quay: {registry: quay.io}\n");
    let apply = ["apply", "registries.yaml", "--color", "never"];
    let question = "Apply this plan? [y/N]";
    for no in ["\r", "n\r", "nay\r", "maybe\r", "yes please\r"] {
        let shown = terminal.ptc().asked(100, apply, &[(question, no)]).await.ends(1);
        assert!(shown.stdout.contains("create template, rule"), "{}", shown.stdout);
        assert!(shown.stdout.ends_with("nothing was changed\n"), "{}", shown.stdout);
        assert!(terminal.stack.template("quay").is_none());
    }
    let shown = terminal.ptc().asked(100, apply, &[(question, "YES\r")]).await.ends(0);
    assert!(shown.stdout.contains("\nchanged: 1 registry ready"), "{}", shown.stdout);
    assert!(terminal.stack.rule("quay").is_some());
    // With nothing to do there is nothing to ask.
    terminal.ptc().asked(100, apply, &[]).await.ends(0);
}

#[tokio::test]
async fn what_an_interruption_left_undone_is_named_each() {
    let terminal = Terminal::new("left-undone").await;
    let leaving = "old-a: {registry: quay.io}\nold-b: {registry: public.ecr.aws}\n";
    terminal.stack.follow(leaving).await;
    // One of those that leave has the upstream of the new one, which will not be ready.
    let file = "new: {registry: quay.io}\n";
    terminal.stack.upload(file);
    terminal.write(file);
    let told = interrupted(&terminal, "CreateRepositoryCreationTemplate", &["--max-deletions", "2"])
        .await
        .stdout;
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
    assert!(terminal.stack.rule("old-a").is_some() && terminal.stack.rule("old-b").is_some());
}

#[tokio::test]
async fn deletions_that_an_interruption_left_are_named_where_all_registries_are_ready() {
    let terminal = Terminal::new("deletions-left").await;
    terminal
        .stack
        .follow("quay: {registry: quay.io}\nold-a: {registry: public.ecr.aws}\n")
        .await;
    let file = "quay: {registry: quay.io}\n";
    terminal.stack.upload(file);
    terminal.write(file);
    let told = interrupted(&terminal, "DeletePullThroughCacheRule", &[]).await.stdout;
    begins(&told, "! old-a: delete template old-a: not done\n\npull from ");
    has(&told, "\nready  quay ");
    assert!(
        told.ends_with("partial: interrupted; 1 of 1 registry ready; 1 change applied; 1 change not made\n"),
        "{told}"
    );
}

#[tokio::test]
async fn repositories_that_an_interruption_left_are_named() {
    let terminal = Terminal::new("repositories-left").await;
    terminal.stack.follow("quay: {registry: quay.io}\n").await;
    for n in 10..50 {
        repository(&terminal.stack.aws, &format!("quay/{n}"));
    }
    let file = "quay: {registry: quay.io, existing_repositories: {apply: [lifecycle_policy]}}\n";
    terminal.stack.upload(file);
    terminal.write(file);
    let plan = terminal.run(&["plan", "--json"]).await.ends(2).json();
    let early = ["--plan-checksum", plan["plan_checksum"].as_str().unwrap()];
    let told = interrupted(&terminal, "GetLifecyclePolicy", &early).await.stdout;
    assert!(
        told.ends_with("\npartial: interrupted, and nothing was changed\n"),
        "{told}"
    );
    assert_eq!(terminal.writes(), Vec::<String>::new());
    terminal.stack.aws.clear_faults();
    let told = interrupted(&terminal, "PutLifecyclePolicy", &[]).await.stdout;
    let has_policy = |name: &str| {
        terminal
            .stack
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
    has(
        &told,
        &format!("\npartial: interrupted; 0 of 1 registry ready; {applied}; "),
    );
    assert!(told.ends_with(&format!("; {undone} changes not made\n")), "{told}");
}

#[tokio::test]
async fn a_held_deletion_names_the_way_on_of_whoever_reads_it_and_once() {
    let terminal = Terminal::new("held").await;
    let leaving = ["a", "b", "c"]
        .map(|name| format!("old-{name}: {{registry: quay.io}}\n"))
        .concat();
    terminal
        .stack
        .follow(&format!("{}{leaving}", hub("canary-docker-1")))
        .await;
    terminal.stack.upload(&hub("canary-docker-1"));
    terminal.write(&hub("canary-docker-1"));
    for arguments in [&["plan"][..], &["plan", "--format", "markdown"], &["apply", "--yes"]] {
        let output = terminal.run(arguments).await;
        let said = output.stdout.replace('\\', "");
        assert_eq!(said.matches("registries left the file").count(), 1, "{said}");
        has(&said, "allow it once with `--max-deletions 3`");
        lacks(&said, "\"action\"");
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
    let function = terminal.stack.send(json!({"action": "apply"})).await.unwrap();
    let message = function.registries["old-a"].message.as_deref().unwrap();
    has(message, r#"{"action": "apply", "max_deletions": 3}"#);
    assert!(!message.contains("--max-deletions"), "{message}");
    // What the function says stands in its status once, too.
    let status = terminal.ptc().run(["status"]).await.ends(1).stdout;
    assert_eq!(status.matches("registries left the file").count(), 1, "{status}");
    terminal.run(&["apply", "--yes", "--max-deletions", "3"]).await.ends(0);
    assert!(terminal.stack.rule("old-a").is_none());
}

/// As the function, it takes nothing away that no status of the stack has named, until somebody says how many.
#[tokio::test]
async fn what_another_holder_of_the_name_made_stays_until_somebody_says_how_many() {
    let terminal = Terminal::new("holder").await;
    let file = "quay: {registry: quay.io}\n";
    terminal.write(file);
    terminal.stack.follow(file).await;
    let description =
        "Pull through cache repository template for theirs artifacts (managed by ecr-pull-through-sync: stack)";
    let input = json!({"prefix": "theirs", "description": description, "appliedFor": ["PULL_THROUGH_CACHE"]});
    let template = terminal
        .stack
        .aws
        .call("ecr", "CreateRepositoryCreationTemplate", input);
    template.unwrap();
    let plan = terminal.run(&["plan"]).await.ends(2);
    has(&plan.stdout, "does another stack go by that name?");
    assert!(plan.stdout.contains("`--max-deletions 1`"), "{}", plan.stdout);
    terminal.run(&["apply", "--yes"]).await.ends(1);
    assert!(terminal.stack.template("theirs").is_some());
    terminal.run(&["apply", "--yes", "--max-deletions", "1"]).await.ends(0);
    assert!(terminal.stack.template("theirs").is_none());
}
