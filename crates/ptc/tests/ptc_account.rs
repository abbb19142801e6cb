//! Whose account `ptc` works in: profiles, keys of the environment, and what stands in the way of AWS.

use harness::{begins, has};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use local_aws::Fault;

use crate::ptc::Ptc;
use crate::stack::{BUCKET, TestStack, hub};

/// A configuration with profiles, beside a file.
struct Profiles {
    stack: TestStack,
    folder: PathBuf,
}

impl Profiles {
    async fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("account-{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let config = "[default]\nregion = us-east-1\n[profile prod]\nregion = eu-west-1\n[profile bare]\n\
                      [profile empty]\nregion = eu-west-1\n";
        let credentials = "[prod]\naws_access_key_id = PROD\naws_secret_access_key = test\n\
                           [bare]\naws_access_key_id = BARE\naws_secret_access_key = test\n";
        std::fs::write(folder.join("config"), config).unwrap();
        std::fs::write(folder.join("credentials"), credentials).unwrap();
        std::fs::write(folder.join("registries.yaml"), hub("canary-docker-1")).unwrap();
        let stack = TestStack::new().await;
        stack.aws.deploy_function("sync", &[("CONFIG_BUCKET", BUCKET)]);
        stack
            .aws
            .put_stack("ecr-pull-through-sync", "CREATE_COMPLETE", &[("FunctionName", "sync")])
            .unwrap();
        Self { stack, folder }
    }

    /// With the key `PTC` in the environment.
    fn ptc(&self) -> Ptc {
        let path = |name: &str| self.folder.join(name).display().to_string();
        Ptc::new(&self.stack.aws)
            .env("AWS_CONFIG_FILE", &path("config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", &path("credentials"))
            .within(&self.folder)
    }

    /// Who has signed calls since the last look.
    fn signed(&self) -> BTreeSet<String> {
        let calls = self.stack.aws.calls();
        self.stack.aws.clear_calls();
        calls.into_iter().map(|call| call.principal).collect()
    }
}

#[tokio::test]
async fn a_profile_that_is_named_signs_every_call_whatever_the_environment_holds() {
    let profiles = Profiles::new("signed").await;
    let expected = |key: &str| BTreeSet::from([key.to_owned()]);
    profiles
        .ptc()
        .run(["plan", "registries.yaml", "--profile", "prod"])
        .await
        .ends(2);
    assert_eq!(profiles.signed(), expected("PROD"));
    profiles
        .ptc()
        .run(["apply", "registries.yaml", "--profile", "prod", "--yes"])
        .await
        .ends(0);
    assert_eq!(profiles.signed(), expected("PROD"));
    // One that nobody named on the command line leaves the order to the SDK, as with every other tool.
    profiles
        .ptc()
        .env("AWS_PROFILE", "prod")
        .run(["plan", "registries.yaml"])
        .await
        .ends(0);
    assert_eq!(profiles.signed(), expected("PTC"));
    // An offline kit would go by no profile at all.
    let kit = [
        "kit",
        "registries.yaml",
        "--only",
        "iam",
        "--account",
        "123456789012",
        "--profile",
        "prod",
    ];
    profiles.ptc().run(kit).await.ends(0);
    assert_eq!(profiles.signed(), expected("PROD"));
}

#[tokio::test]
async fn the_region_is_the_profiles_unless_it_is_named() {
    let profiles = Profiles::new("region").await;
    let plan = ["plan", "registries.yaml", "--profile"];
    // Calls for another Region are refused by their signature.
    let elsewhere = profiles
        .ptc()
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    elsewhere.run([&plan[..], &["prod"]].concat()).await.ends(2);
    let bare = elsewhere.run([&plan[..], &["bare"]].concat()).await.ends(1);
    assert!(bare.stderr.contains("us-east-1"), "{}", bare.stderr);
    elsewhere
        .run([&plan[..], &["bare", "--region", "eu-west-1"]].concat())
        .await
        .ends(2);
    let named = profiles
        .ptc()
        .run([&plan[..], &["prod", "--region", "us-east-1"]].concat())
        .await
        .ends(1);
    assert!(named.stderr.contains("us-east-1"), "{}", named.stderr);
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_an_error_with_the_files_that_were_read() {
    let profiles = Profiles::new("missing").await;
    let files = ["config", "credentials"].map(|name| profiles.folder.join(name).display().to_string());
    for profile in ["nosuch", "empty", ""] {
        for command in [
            &["plan", "registries.yaml"][..],
            &["apply", "registries.yaml", "--yes"],
            &["status"],
        ] {
            let refused = profiles
                .ptc()
                .run([command, &["--profile", profile]].concat())
                .await
                .ends(1);
            begins(&refused.stderr, &format!("error: --profile {profile}"));
            assert!(
                files.iter().all(|file| refused.stderr.contains(file)),
                "{}",
                refused.stderr
            );
        }
    }
    let offline = [
        "kit",
        "registries.yaml",
        "--account",
        "123456789012",
        "--profile",
        "nosuch",
    ];
    let refused = profiles.ptc().run(offline).await.ends(1);
    assert!(refused.stderr.contains("--profile nosuch"), "{}", refused.stderr);
    // Where there is no configuration at all, the places where it would be are named.
    let nowhere = Ptc::new(&profiles.stack.aws)
        .within(&profiles.folder)
        .env("HOME", "/nonexistent");
    let nowhere = nowhere
        .without("AWS_CONFIG_FILE")
        .without("AWS_SHARED_CREDENTIALS_FILE")
        .without("AWS_REGION");
    let refused = nowhere
        .run(["plan", "registries.yaml", "--profile", "prod"])
        .await
        .ends(1);
    has(&refused.stderr, "~/.aws/config, ~/.aws/credentials");
    assert_eq!(profiles.signed(), BTreeSet::new());
}

#[tokio::test]
async fn what_keeps_ptc_waiting_is_said_meanwhile_and_why_it_failed_at_the_end() {
    let profiles = Profiles::new("waiting").await;
    profiles
        .stack
        .aws
        .fault(Fault::on("sts", "*").latency(Duration::from_millis(2500)).times(1));
    let slow = profiles.ptc().run(["plan", "registries.yaml"]).await.ends(2);
    assert_eq!(slow.stderr, "GetCallerIdentity (1 s)\n");
    let host = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = profiles.ptc().env("AWS_ENDPOINT_URL_STS", &format!("http://{host}"));
    let refused = nobody.run(["status"]).await.ends(1);
    let said =
        format!("error: GetCallerIdentity: Unreachable: could not connect to the endpoint URL \"http://{host}\"");
    has(&refused.stderr, &said);
    has(&refused.stderr, "Connection refused");
}
