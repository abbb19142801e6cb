//! `--stack`: the function, the bucket and the settings are those of a CloudFormation stack, or of several side by side.

use crate::ptc::{Ptc, deploy};
use crate::stack::{BUCKET, ROLE, STATUS, TestStack, hub};
use harness::{has, lacks};
use local_aws::iam::Policy;
use local_aws::{Fault, LocalAws, Options};
use serde_json::{Value, json};

/// The name that CloudFormation makes up.
const FUNCTION: &str = "sync-SyncFunction-1";

/// ptc beside a file.
fn terminal(aws: &LocalAws, name: &str) -> Ptc {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("stack-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("registries.yaml"), hub("canary-docker-1")).unwrap();
    Ptc::new(aws).within(folder)
}

fn asked(aws: &LocalAws) -> Vec<String> {
    let calls = aws.calls();
    aws.clear_calls();
    let asked = |service: &str| ["sts", "cloudformation", "lambda"].contains(&service);
    let calls = calls.into_iter().filter(|call| asked(&call.service));
    calls
        .map(|call| format!("{} {}", call.operation, call.subject).trim_end().to_owned())
        .collect()
}

#[tokio::test]
async fn function_bucket_and_settings_are_the_stacks() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    stack.aws.clear_calls();
    let ptc = terminal(&stack.aws, "settings");
    deploy(&stack.aws, "ecr-pull-through-sync", BUCKET, &[]);
    deploy(&stack.aws, "prod", BUCKET, &[("OWNER", "somebody")]);
    let looked_up = |stack: &str| {
        [
            "GetCallerIdentity".to_owned(),
            format!("DescribeStacks {stack}"),
            format!("GetFunctionConfiguration {stack}-SyncFunction-1"),
        ]
    };
    // One that nobody names is the one of the documentation.
    ptc.run(["plan", "registries.yaml"]).await.ends(0);
    assert_eq!(asked(&stack.aws), looked_up("ecr-pull-through-sync"));
    for arguments in [
        &["apply", "registries.yaml", "--yes"][..],
        &["status"],
        &["export"],
        &["kit", "registries.yaml"],
    ] {
        ptc.run(arguments).await.ends(0);
        assert_eq!(asked(&stack.aws), looked_up("ecr-pull-through-sync"), "{arguments:?}");
    }
    // Another owner: what is there is not its own.
    let other = ptc.run(["plan", "registries.yaml", "--stack", "prod"]).await.ends(1);
    assert!(other.stdout.contains("mark of another owner"), "{}", other.stdout);
    assert_eq!(asked(&stack.aws), looked_up("prod"));
    // Where the environment names the bucket, it says all of it; unless a stack is named.
    let here = ptc.env("CONFIG_BUCKET", BUCKET).env("OWNER", "stack");
    let here = here.env("TEMPLATE_ROLE_ARN", ROLE);
    here.run(["plan", "registries.yaml"]).await.ends(0);
    assert_eq!(asked(&stack.aws), ["GetCallerIdentity"]);
    here.run(["plan", "registries.yaml", "--stack", "prod"]).await.ends(1);
    assert_eq!(asked(&stack.aws), looked_up("prod"));
    let both = ["plan", "registries.yaml", "--stack", "prod", "--function", "x"];
    let both = here.run(both).await.ends(1);
    assert!(both.stderr.contains("cannot be used with"), "{}", both.stderr);
    let odd = here.run(["status", "--stack", "a_b"]).await.ends(1);
    assert!(odd.stderr.contains("a stack's name is"), "{}", odd.stderr);
    assert_eq!(asked(&stack.aws), [""; 0]);
}

#[tokio::test]
async fn a_stack_that_is_not_deployed_is_planned_for_with_the_defaults_and_all_else_fails() {
    let stack = TestStack::new().await;
    let ptc = terminal(&stack.aws, "missing");
    let said = "the stack prod is not deployed in account 123456789012, Region eu-west-1: there is no such stack";
    let plan = ["plan", "registries.yaml", "--stack", "prod"];
    let human = ptc.run(plan).await.ends(2);
    assert!(human.stderr.contains(said), "{}", human.stderr);
    // The owner is what the stack would have.
    assert!(human.stdout.contains("in eu-west-1, as prod\n"), "{}", human.stdout);
    for format in ["human", "markdown", "json"] {
        let output = ptc.run([&plan[..], &["--format", format]].concat()).await.ends(2);
        assert!(output.stdout.contains(said), "{}", output.stdout);
        assert!(output.stdout.contains("goes by the defaults"), "{}", output.stdout);
        assert!(!output.stdout.contains("ptc apply"), "it would fail: {}", output.stdout);
    }
    let owned = terminal(&stack.aws, "missing").env("OWNER", "me");
    let owned = owned.run(["plan", "registries.yaml"]).await.ends(2);
    has(&owned.stderr, "the stack ecr-pull-through-sync is not");
    assert!(owned.stdout.contains("in eu-west-1, as me\n"), "{}", owned.stdout);
    stack.aws.clear_calls();
    for arguments in [
        &["apply", "registries.yaml", "--yes"][..],
        &["status"],
        &["export"],
        &["kit", "registries.yaml"],
    ] {
        for stack in [&["--stack", "prod"][..], &[]] {
            let refused = ptc.run([arguments, stack].concat()).await.ends(1);
            has(&refused.stderr, "is not deployed in account");
            assert!(refused.stderr.contains("--stack"), "{}", refused.stderr);
        }
    }
    assert!(stack.aws.calls().iter().all(|call| !call.write));
    // A kit for an account that is named asks nobody.
    let kit = "kit registries.yaml --account 123456789012 --only iam";
    ptc.run(kit.split(' ')).await.ends(0);
}

#[tokio::test]
async fn a_stack_that_is_half_made_is_not_deployed_and_one_under_an_update_is() {
    let stack = TestStack::new().await;
    stack.follow(&hub("canary-docker-1")).await;
    let ptc = terminal(&stack.aws, "half");
    deploy(&stack.aws, "sync", BUCKET, &[]);
    let outputs = [("FunctionName", FUNCTION)];
    let plan = ["plan", "registries.yaml", "--stack", "sync"];
    for status in [
        "REVIEW_IN_PROGRESS",
        "CREATE_IN_PROGRESS",
        "CREATE_FAILED",
        "ROLLBACK_COMPLETE",
        "DELETE_IN_PROGRESS",
    ] {
        stack.aws.put_stack("sync", status, &outputs).unwrap();
        let refused = ptc.run(["status", "--stack", "sync"]).await.ends(1);
        let said = format!("Region eu-west-1: its status is {status}");
        assert!(refused.stderr.contains(&said), "{}", refused.stderr);
        let planned = ptc.run(plan).await;
        assert!(planned.stderr.contains(&said), "{}", planned.stderr);
    }
    for status in ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "CREATE_COMPLETE"] {
        stack.aws.put_stack("sync", status, &outputs).unwrap();
        ptc.run(["status", "--stack", "sync"]).await.ends(0);
        let planned = ptc.run(plan).await.ends(0);
        assert_eq!(planned.stderr, "", "{status}");
    }
}

#[tokio::test]
async fn what_is_no_stack_of_ours_or_may_not_be_looked_up_fails_a_plan_too() {
    let stack = TestStack::new().await;
    let ptc = terminal(&stack.aws, "denied");
    let plan = ["plan", "registries.yaml", "--stack", "sync"];
    stack.aws.put_stack("sync", "CREATE_COMPLETE", &[("Url", "x")]).unwrap();
    let other = ptc.run(plan).await.ends(1);
    has(&other.stderr, "the stack sync has no output FunctionName");
    stack
        .aws
        .put_stack("sync", "UPDATE_COMPLETE", &[("FunctionName", "gone")])
        .unwrap();
    let gone = ptc.run(plan).await.ends(1);
    assert!(gone.stderr.contains("Function not found"), "{}", gone.stderr);
    stack.aws.deploy_function("gone", &[]);
    let other = ptc.run(plan).await.ends(1);
    assert!(other.stderr.contains("gone has no CONFIG_BUCKET"), "{}", other.stderr);
    let nothing = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Nothing", "Effect": "Deny", "Action": "*", "Resource": "*"}]});
    let policy = Policy::read("nobody", &[("nothing".to_owned(), nothing)]).unwrap();
    stack.aws.enforce("PTC", policy);
    for stack in ["sync", "nowhere"] {
        let denied = ptc.run(["plan", "registries.yaml", "--stack", stack]).await.ends(1);
        for part in [
            "DescribeStacks: AccessDenied",
            "takes cloudformation:DescribeStacks on it",
            "--function",
        ] {
            assert!(denied.stderr.contains(part), "{part}: {}", denied.stderr);
        }
    }
}

/// Two Regions behind one endpoint, with a stack in each.
async fn two_regions() -> (TestStack, TestStack) {
    let here = TestStack::new().await;
    let region = "us-east-1".to_owned();
    let options = Options {
        region,
        ..Options::default()
    };
    let there = TestStack::with(options, &[]).await;
    here.aws.serve_too(&there.aws);
    for stack in [&here, &there] {
        deploy(&stack.aws, "ecr-pull-through-sync", BUCKET, &[]);
    }
    (here, there)
}

const BOTH: [&str; 4] = ["--region", "eu-west-1", "--region", "us-east-1"];

#[tokio::test]
async fn several_stacks_and_regions_are_one_table_and_the_worst_counts() {
    let (here, there) = two_regions().await;
    let ptc = terminal(&here.aws, "several");
    here.follow(&hub("canary-docker-1")).await;
    let plan = [&["plan", "registries.yaml"], &BOTH[..]].concat();
    let planned = ptc.run(&plan).await.ends(2);
    let table: Vec<&str> = planned.stdout.lines().take(4).collect();
    let expected = [
        "OUTCOME    STACK                  REGION     MESSAGE",
        "converged  ecr-pull-through-sync  eu-west-1  nothing to change",
        "pending    ecr-pull-through-sync  us-east-1  4 to create",
        "",
    ];
    assert_eq!(table, expected, "{}", planned.stdout);
    // Below it stands what needs a look.
    has(&planned.stdout, "== ecr-pull-through-sync, us-east-1 ==\n");
    lacks(&planned.stdout, "== ecr-pull-through-sync, eu-west-1");
    has(
        &planned.stdout,
        "\n  ptc apply registries.yaml --region us-east-1 --plan-checksum ",
    );
    // A stack of that name is in neither Region, and each is said to go by the defaults.
    let more = [
        &plan[..],
        &["--stack", "ecr-pull-through-sync", "--stack", "prod", "--json"],
    ]
    .concat();
    let json = ptc.run(more).await.ends(1).json();
    let rows: Vec<(&str, &str, i64)> = json["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (text("stack"), text("region"), row["exit_status"].as_i64().unwrap())
        })
        .collect();
    let expected = [
        ("ecr-pull-through-sync", "eu-west-1", 0),
        ("ecr-pull-through-sync", "us-east-1", 2),
        ("prod", "eu-west-1", 1),
        ("prod", "us-east-1", 2),
    ];
    assert_eq!(rows, expected, "{json:#}");
    assert_eq!(json["targets"][0]["report"]["outcome"], "converged");
    let warning = &json["targets"][3]["report"]["warnings"][0];
    assert_eq!(warning["code"], "PT102");
    let warning = warning["message"].as_str().unwrap();
    assert!(warning.contains("the stack prod is not deployed"), "{warning}");
    let page = ptc
        .run([&plan[..], &["--format", "markdown"]].concat())
        .await
        .ends(2)
        .stdout;
    has(
        &page,
        "| **pending** | `ecr-pull-through-sync` | `us-east-1` | 4 to create |\n",
    );
    assert!(page.contains("\n## ecr-pull-through-sync, us-east-1\n"), "{page}");
    drop(there);
}

#[tokio::test]
async fn the_status_of_several_is_shown_side_by_side_and_what_failed_fails_alone() {
    let (here, there) = two_regions().await;
    let ptc = terminal(&here.aws, "statuses");
    here.follow(&hub("canary-docker-1")).await;
    let status = [&["status"], &BOTH[..]].concat();
    let one = ptc.run(&status).await.ends(1);
    let lines: Vec<&str> = one.stdout.lines().collect();
    assert!(
        lines[1].starts_with("changed  ecr-pull-through-sync  eu-west-1  just now  1 registry ready"),
        "{}",
        one.stdout
    );
    assert!(
        lines[2].starts_with("error    ecr-pull-through-sync  us-east-1            there is no status at s3://"),
        "{}",
        one.stdout
    );
    // Of one that went well the row says enough.
    assert!(!one.stdout.contains("PULL URL"), "{}", one.stdout);
    let copy = here.aws.object(BUCKET, STATUS).unwrap();
    there.aws.put_object(BUCKET, STATUS, copy);
    ptc.run(&status).await.ends(0);
    there.aws.fault(Fault::on("sts", "*").access_denied());
    let json = ptc.run([&status[..], &["--json"]].concat()).await.ends(1).json();
    assert!(json["targets"][0]["report"]["age_seconds"].is_i64(), "{json:#}");
    let error: &Value = &json["targets"][1]["error"];
    assert!(
        error.as_str().unwrap().contains("GetCallerIdentity: AccessDenied"),
        "{json:#}"
    );
}
