//! What ptc says while it works: on a terminal, in a pipe, and for programs.

use std::time::Duration;

use crate::ptc::Ptc;
use crate::ptc::Terminal;
use crate::stack::hub;
use local_aws::Fault;

/// Nothing in it moves a cursor.
#[track_caller]
fn plain(text: &str) {
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

async fn slow(name: &str) -> Terminal {
    let terminal = Terminal::new(name).await;
    terminal.write("quay: {registry: quay.io}\n");
    let late = Fault::on("ecr", "DescribeRepositoryCreationTemplates").latency(Duration::from_millis(1700));
    terminal.stack.aws.fault(late);
    terminal
}

#[tokio::test]
async fn a_plan_that_takes_long_says_what_it_does_after_a_second() {
    let terminal = slow("slow-pipe").await;
    let plan = terminal.run(&["plan"]).await.ends(2);
    assert!(plan.stderr.starts_with("reading the account: "), "{}", plan.stderr);
    assert!(plan.stderr.ends_with(" calls (1 s)\n"), "{}", plan.stderr);
    assert_eq!(plan.stderr.lines().count(), 1, "{}", plan.stderr);
    plain(&plan.stderr);
    let json = terminal.run(&["plan", "--json"]).await.ends(2);
    assert_eq!(json.stderr, "");
    json.json();
}

#[tokio::test]
async fn on_a_terminal_one_line_is_rewritten_and_gone_at_the_end() {
    let terminal = slow("slow-terminal").await;
    let plan = ["plan", "registries.yaml"];
    let shown = terminal
        .ptc()
        .env("TERM", "xterm")
        .asked(100, plan, &[])
        .await
        .ends(2)
        .stdout;
    let (progress, page) = shown.split_once("registries.yaml against account").unwrap();
    assert!(progress.contains("reading the account: "), "{shown:?}");
    assert!(progress.ends_with("\u{1b}[2K") || progress.ends_with('\r'), "{shown:?}");
    assert!(!page.contains("reading the account"), "{shown:?}");
    // A terminal that cannot move its cursor gets lines.
    let dumb = terminal
        .ptc()
        .env("TERM", "dumb")
        .asked(100, plan, &[])
        .await
        .ends(2)
        .stdout;
    assert!(dumb.starts_with("reading the account: "), "{dumb:?}");
    plain(&dumb);
}

/// A fresh secret takes seconds to be seen by ECR: the commonest wait of a first apply.
#[tokio::test]
async fn waiting_for_ecr_to_see_a_secret_is_shown_as_that() {
    let terminal = Terminal::new("fresh-secret").await;
    terminal.write(&hub("canary-docker-1"));
    let unseen = || {
        Fault::on("ecr", "CreatePullThroughCacheRule")
            .error("SecretNotFoundException", "The secret was not found", 400)
            .times(2)
    };
    terminal.stack.aws.fault(unseen());
    let applied = terminal.run(&["apply", "--yes"]).await.ends(0);
    let waits = "waiting for ECR to see the secret ecr-pullthroughcache/dockerhub-";
    let told = |line: &str| line.starts_with(waits) && line.contains(" s); applying: 3 of 4 steps (");
    assert!(applied.stderr.lines().any(told), "{}", applied.stderr);
    let last = applied.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("  dockerhub: create rule dockerhub (4 of 4, "),
        "{}",
        applied.stderr
    );
    plain(&applied.stderr);

    let again = Terminal::new("fresh-secret-terminal").await;
    again.write(&hub("canary-docker-1"));
    again.stack.aws.fault(unseen());
    let apply = ["apply", "registries.yaml", "--yes"];
    let shown = again
        .ptc()
        .env("TERM", "xterm")
        .asked(120, apply, &[])
        .await
        .ends(0)
        .stdout;
    assert!(shown.contains(waits), "{shown:?}");
    assert!(shown.contains("create rule dockerhub (4 of 4, "), "{shown:?}");
}

#[tokio::test]
async fn colours_go_where_they_are_wanted() {
    let terminal = Terminal::new("colours").await;
    terminal.write("quay: {registry: quay.io}\n");
    let plan = ["plan", "registries.yaml"];
    let is_coloured = |text: &str| text.contains("\u{1b}[3");
    let piped = |name, value| terminal.ptc().env(name, value);
    assert!(!is_coloured(&piped("TERM", "xterm").run(plan).await.ends(2).stdout));
    assert!(is_coloured(
        &piped("CLICOLOR_FORCE", "1").run(plan).await.ends(2).stdout
    ));
    for (name, value, coloured) in [
        ("TERM", "xterm", true),
        ("TERM", "dumb", false),
        ("NO_COLOR", "1", false),
        ("NO_COLOR", "", true),
    ] {
        let shown = terminal
            .ptc()
            .env("TERM", "xterm")
            .env(name, value)
            .shown(100, plan)
            .await
            .ends(2);
        assert_eq!(is_coloured(&shown.stdout), coloured, "{name}={value}: {}", shown.stdout);
    }
}

#[tokio::test]
async fn packages_get_a_manual_page_for_each_command() {
    let folder = Terminal::new("manual").await.folder;
    let written = Ptc::alone().within(&folder).run(["man", "."]).await.ends(0);
    assert_eq!((written.stdout.as_str(), written.stderr.as_str()), ("", ""));
    let page = std::fs::read_to_string(folder.join("ptc-plan.1")).unwrap();
    for part in [".TH ptc-plan 1", "\\-\\-details", "ptc plan registries.yaml"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(folder.join("ptc.1").exists());
    let nowhere = Ptc::alone().within(&folder).run(["man", "nowhere"]).await.ends(1);
    assert!(nowhere.stderr.starts_with("error: nowhere: "), "{}", nowhere.stderr);
}
