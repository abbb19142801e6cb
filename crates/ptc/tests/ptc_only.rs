//! One file for many stacks: what is said of registries that are for others, and several accounts side by side.

use std::path::PathBuf;

use crate::ptc::Ptc;
use crate::stack::{BUCKET, KEY, ROLE, TestStack, USUAL};
use local_aws::{LocalAws, Options};
use serde_json::json;

/// For the account 123456789012 in eu-west-1: `quay` and `hub`. For all others: `quay`, and `k8s` in us-east-1.
const FLEET: &str = "quay: {registry: quay.io}
hub: {registry: docker.io, username: acme-bot, accessToken: canary-docker-1, only: {accounts: ['123456789012'], regions: [eu-west-1]}}
k8s: {registry: registry.k8s.io, only: {regions: [us-east-1]}}
";

const STACK: &str = "ecr-pull-through-sync";

fn folder(name: &str, yaml: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("only-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("registries.yaml"), yaml).unwrap();
    folder
}

fn deploy(aws: &LocalAws) {
    let variables = [
        ("CONFIG_BUCKET", BUCKET),
        ("OWNER", "stack"),
        ("TEMPLATE_ROLE_ARN", ROLE),
    ];
    aws.deploy_function("sync", &[&variables[..], &USUAL].concat());
    aws.put_stack(STACK, "CREATE_COMPLETE", &[("FunctionName", "sync")])
        .unwrap();
}

/// The stack of these tests' function.
async fn here() -> TestStack {
    let stack = TestStack::new().await;
    deploy(&stack.aws);
    stack
}

/// An empty account of another number or Region, with a stack.
async fn elsewhere(account: &str, region: &str) -> LocalAws {
    let options = Options {
        account: account.into(),
        region: region.into(),
        ..Options::default()
    };
    let aws = LocalAws::start(options).await.unwrap();
    aws.create_bucket(BUCKET, true);
    deploy(&aws);
    aws
}

#[tokio::test]
async fn a_check_says_what_is_for_other_stacks_and_what_it_could_not_place() {
    let ptc = Ptc::alone().within(folder("check", FLEET));
    let allow = ["check", "registries.yaml", "--allow", "PT080"];
    let unplaced = ptc.run(allow).await.ends(0);
    let said = "registries.yaml: good, 3 registries; 2 with `only`, checked by form alone: --account and --region check \
                them for a stack\n";
    assert_eq!(unplaced.stdout, said);
    let json = ptc.run([&allow[..], &["--json"]].concat()).await.ends(0).json();
    let file = &json["files"][0];
    assert_eq!(
        (&file["registries"], &file["unplaced"], &file["elsewhere"]),
        (&json!(3), &json!(["hub", "k8s"]), &json!([]))
    );
    let place = ["--account", "123456789012", "--region", "us-east-1"];
    let placed = ptc.run([&allow[..], &place].concat()).await.ends(0);
    assert_eq!(
        placed.stdout,
        "registries.yaml: good, 2 registries and 1 for other stacks\n"
    );
    // With a Region alone it is known of those that it leaves out.
    let region = ptc
        .run([&allow[..], &["--region", "us-east-1", "--json"]].concat())
        .await;
    let json = region.ends(0).json();
    assert_eq!(json["files"][0]["elsewhere"], json!(["hub"]));
    assert_eq!(json["files"][0]["unplaced"], json!([]));
}

#[tokio::test]
async fn plan_and_status_name_what_is_for_other_stacks() {
    let stack = here().await;
    let ptc = Ptc::new(&stack.aws).within(folder("plan", FLEET));
    let plan = ["plan", "registries.yaml", "--allow", "PT080"];
    let words = "for other stacks (`only`): k8s";
    let human = ptc.run(plan).await.ends(2);
    let head = format!("registries.yaml against account 123456789012 in eu-west-1, as stack\n{words}\n\n");
    assert!(human.stdout.starts_with(&head), "{}", human.stdout);
    let json = ptc.run([&plan[..], &["--json"]].concat()).await.ends(2).json();
    assert_eq!(json["elsewhere"], json!(["k8s"]));
    let comment = ptc.run([&plan[..], &["--format", "markdown"]].concat()).await.ends(2);
    assert!(
        comment.stdout.contains("\nfor other stacks (\\`only\\`): k8s\n"),
        "{}",
        comment.stdout
    );
    stack.follow(FLEET).await;
    let status = ptc.run(["status"]).await.ends(0);
    assert!(status.stdout.contains(&format!("\n  {words}\n")), "{}", status.stdout);
    // Nothing is said where there is nothing.
    stack.follow("quay: {registry: quay.io}\n").await;
    for output in [ptc.run(["status"]).await, ptc.run(["plan", "registries.yaml"]).await] {
        let is_said = output.stdout.contains("other stacks");
        assert_eq!(is_said, output.stdout.contains("against account"), "{}", output.stdout);
    }
}

#[tokio::test]
async fn the_kit_is_made_of_what_is_here() {
    let ptc = Ptc::alone().within(folder("kit", FLEET));
    let kit = async |account: &str, region: &str| {
        let arguments = [
            "kit",
            "registries.yaml",
            "--only",
            "mapping",
            "--account",
            account,
            "--region",
            region,
        ];
        ptc.run(arguments).await.ends(0).stdout
    };
    let (here, there) = (
        kit("123456789012", "eu-west-1").await,
        kit("444455556666", "us-east-1").await,
    );
    assert!(
        here.contains("docker.io") && !here.contains("registry.k8s.io"),
        "{here}"
    );
    assert!(
        !there.contains("docker.io") && there.contains("registry.k8s.io"),
        "{there}"
    );
    let nothing = Ptc::alone().within(folder(
        "no-kit",
        "quay: {registry: quay.io, only: {regions: [us-east-1]}}\n",
    ));
    let arguments = [
        "kit",
        "registries.yaml",
        "--account",
        "123456789012",
        "--region",
        "eu-west-1",
    ];
    let refused = nothing.run(arguments).await.ends(1);
    assert!(
        refused
            .stderr
            .contains("has no registry for account 123456789012 in eu-west-1"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn doctor_says_that_an_image_is_for_other_stacks() {
    let stack = here().await;
    stack.follow(FLEET).await;
    let ptc = Ptc::new(&stack.aws);
    let doctor = async |image: &str| ptc.run(["doctor", image]).await.ends(1).stdout;
    let by_prefix = doctor("k8s/pause:3.10").await;
    for part in [
        "no rule covers k8s/pause: the file has k8s for other stacks (`only`)",
        "name account 123456789012 and eu-west-1 in the `only` of k8s",
        "left k8s to other stacks",
    ] {
        assert!(by_prefix.contains(part), "{part}: {by_prefix}");
    }
    let by_host = doctor("registry.k8s.io/pause:3.10").await;
    for part in [
        "no rule has the upstream registry.k8s.io; the file has for other stacks (`only`): k8s",
        "or name this stack in the `only` of the one that has it",
    ] {
        assert!(by_host.contains(part), "{part}: {by_host}");
    }
    // A prefix that is only alike is none.
    let alike = doctor("123456789012.dkr.ecr.eu-west-1.amazonaws.com/k8s-old/pause:3.10").await;
    assert!(!alike.contains("other stacks"), "{alike}");
}

/// A folder with the file, and a profile for each account, whose endpoint it names.
fn fleet(name: &str, stacks: &[(&str, &LocalAws)]) -> Ptc {
    let folder = folder(name, FLEET);
    let (mut config, mut credentials) = (String::new(), String::new());
    for (profile, aws) in stacks {
        let (endpoint, region) = (aws.endpoint(), &aws.options().region);
        config.push_str(&format!(
            "[profile {profile}]\nregion = {region}\nendpoint_url = {endpoint}\n"
        ));
        credentials.push_str(&format!(
            "[{profile}]\naws_access_key_id = PTC\naws_secret_access_key = test\n"
        ));
    }
    let (config_path, credentials_path) = (folder.join("config"), folder.join("credentials"));
    std::fs::write(&config_path, config).unwrap();
    std::fs::write(&credentials_path, credentials).unwrap();
    Ptc::alone()
        .env("AWS_CONFIG_FILE", config_path.to_str().unwrap())
        .env("AWS_SHARED_CREDENTIALS_FILE", credentials_path.to_str().unwrap())
        .within(folder)
}

const ALL: [&str; 6] = ["--profile", "prod-eu", "--profile", "prod-us", "--profile", "dev-eu"];

#[tokio::test]
async fn one_file_goes_to_three_stacks_of_two_accounts_side_by_side() {
    let prod_eu = here().await;
    let prod_us = elsewhere("123456789012", "us-east-1").await;
    let dev_eu = elsewhere("444455556666", "eu-west-1").await;
    let stacks = [("prod-eu", &prod_eu.aws), ("prod-us", &prod_us), ("dev-eu", &dev_eu)];
    let ptc = fleet("fleet", &stacks);
    let allow = ["registries.yaml", "--allow", "PT080"];
    let planned = ptc.run([&["plan"], &allow[..], &ALL].concat()).await.ends(2);
    let table: Vec<&str> = planned.stdout.lines().take(4).collect();
    let expected = [
        "OUTCOME  STACK                  REGION     PROFILE  MESSAGE",
        "pending  ecr-pull-through-sync  eu-west-1  prod-eu  6 to create",
        "pending  ecr-pull-through-sync  us-east-1  prod-us  4 to create",
        "pending  ecr-pull-through-sync  eu-west-1  dev-eu   2 to create",
    ];
    assert_eq!(table, expected, "{}", planned.stdout);
    for part in [
        "\n== ecr-pull-through-sync, us-east-1, prod-us ==\n",
        "against account 444455556666 in eu-west-1, as stack\nfor other stacks (`only`): hub, k8s\n",
        " --profile dev-eu",
    ] {
        assert!(planned.stdout.contains(part), "{part}: {}", planned.stdout);
    }
    let json = ptc
        .run([&["plan", "--json"], &allow[..], &ALL].concat())
        .await
        .ends(2)
        .json();
    let of = |n: usize| {
        (
            &json["targets"][n]["profile"],
            &json["targets"][n]["report"]["elsewhere"],
        )
    };
    assert_eq!(of(0), (&json!("prod-eu"), &json!(["k8s"])));
    assert_eq!(of(1), (&json!("prod-us"), &json!(["hub"])));
    assert_eq!(of(2), (&json!("dev-eu"), &json!(["hub", "k8s"])));
    let comment = ptc
        .run([&["plan", "--format", "markdown"], &allow[..], &ALL].concat())
        .await
        .ends(2);
    let row = "| **pending** | `ecr-pull-through-sync` | `us-east-1` | `prod-us` | 4 to create |\n";
    assert!(comment.stdout.contains(row), "{}", comment.stdout);
    // The same bytes go to each; each function makes its own of them.
    ptc.run([&["upload"], &allow[..], &ALL].concat()).await.ends(0);
    for (profile, aws) in stacks {
        assert_eq!(aws.object(BUCKET, KEY).unwrap(), FLEET.as_bytes(), "{profile}");
    }
    prod_eu.send(crate::stack::uploaded()).await.unwrap();
    let status = ptc.run([&["status"], &ALL[..]].concat()).await.ends(1);
    let rows: Vec<&str> = status.stdout.lines().collect();
    assert!(
        rows[1].starts_with("changed  ecr-pull-through-sync  eu-west-1  prod-eu  just now"),
        "{rows:#?}"
    );
    assert!(
        rows[3].starts_with("error    ecr-pull-through-sync  eu-west-1  dev-eu"),
        "{rows:#?}"
    );
}

#[tokio::test]
async fn a_mistake_that_shows_in_one_stack_keeps_the_file_from_all_and_names_the_stack() {
    let prod = here().await;
    let dev = elsewhere("444455556666", "eu-west-1").await;
    let stacks = [("prod", &prod.aws), ("dev", &dev)];
    let ptc = fleet("one-refuses", &stacks);
    let yaml = "ecr: {registry: 444455556666.dkr.ecr.eu-west-1.amazonaws.com, custom_role_arn: 'arn:aws:iam::123456789012:role/x'}\n";
    folder("one-refuses", yaml);
    let both = ["upload", "registries.yaml", "--profile", "prod", "--profile", "dev"];
    let refused = ptc.run(both).await.ends(1);
    let said =
        "nothing was uploaded: registries.yaml has errors for ecr-pull-through-sync in account 444455556666, eu-west-1";
    assert!(refused.stderr.contains(said), "{}", refused.stderr);
    assert!(stacks.iter().all(|(_, aws)| aws.object(BUCKET, KEY).is_none()));
    // With `only` it is for one of them, and goes to both.
    folder(
        "one-refuses",
        &yaml.replace("ecr: {", "ecr: {only: {accounts: ['123456789012']}, "),
    );
    let uploaded = ptc.run(both).await.ends(0);
    assert!(stacks.iter().all(|(_, aws)| aws.object(BUCKET, KEY).is_some()));
    assert!(
        uploaded.stderr.contains("registries.yaml: good, 1 registry\n"),
        "{}",
        uploaded.stderr
    );
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_fails_its_own_row() {
    let prod = here().await;
    prod.follow(FLEET).await;
    let ptc = fleet("no-profile", &[("prod", &prod.aws)]);
    let status = ptc
        .run(["status", "--profile", "prod", "--profile", "gone"])
        .await
        .ends(1);
    let rows: Vec<&str> = status.stdout.lines().collect();
    assert!(rows[1].starts_with("changed "), "{rows:#?}");
    assert!(
        rows[2].starts_with("error ") && status.stdout.contains("--profile gone cannot be used"),
        "{rows:#?}"
    );
    // Nothing is uploaded to some where another one cannot be opened.
    prod.aws.clear_calls();
    ptc.run(["upload", "registries.yaml", "--profile", "prod", "--profile", "gone"])
        .await
        .ends(1);
    assert!(prod.aws.calls().iter().all(|call| !call.write));
}
