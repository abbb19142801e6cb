//! Files that are encrypted with SOPS, made by other implementations (tests/sops/README.md): what becomes of them, and
//! of what somebody has done to them since.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::{accepted, context};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use config::sops::{DataKey, Metadata};
use config::{self, Code, CredentialSource, File, Problem, Registry, Rejected, read_sealed, sealed};
use ecr_pull_through_sync::account::{self, Reader};
use ecr_pull_through_sync::keyring::Keyring;
use local_aws::{LocalAws, Options};
use ptc::age::Identities;

const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const MATERIAL: [u8; 32] = *b"throw-away key of the tests, v1.";

fn fixture(name: &str) -> String {
    let text = std::fs::read_to_string(format!("../../tests/sops/{name}.yaml")).unwrap();
    // This implementation writes no version, and the original refuses such a file as we do.
    if name.starts_with("rops") {
        with_version(&text)
    } else {
        text
    }
}

fn with_version(text: &str) -> String {
    format!("{}\n  version: 3.9.0\n", text.trim_end())
}

fn identities() -> Identities {
    let lookup = |name: &str| (name == "SOPS_AGE_KEY_FILE").then(|| "../../tests/sops/age.txt".to_owned());
    Identities::from_env(lookup).unwrap()
}

fn no_identities() -> Identities {
    Identities::from_env(|_| None).unwrap()
}

async fn aws() -> (LocalAws, Reader) {
    let aws = LocalAws::start(Options::default()).await.unwrap();
    aws.import_key(KEY_ID, MATERIAL, true);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(account::http_client())
        .region(Region::new("eu-west-1"))
        .endpoint_url(aws.endpoint())
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(
            Credentials::for_tests(),
        ))
        .build();
    let (reader, _) = account::connect(&config);
    (aws, reader)
}

fn metadata(text: &str) -> Metadata {
    sealed(text.as_bytes())
        .expect("an encrypted file")
        .unwrap_or_else(|rejected| panic!("{rejected}"))
}

/// The data key of every fixture can be had with the age identity, or with KMS.
async fn key(text: &str) -> DataKey {
    let (_aws, reader) = aws().await;
    Keyring::of_person(&identities(), Some(&reader))
        .unlock(&metadata(text))
        .await
        .unwrap()
}

async fn opened(text: &str) -> File {
    let key = key(text).await;
    read_sealed(text.as_bytes(), &key, &context()).unwrap_or_else(|rejected| panic!("{rejected}"))
}

/// The errors of a file that somebody has changed, as `line:column code [registry] message`.
async fn refused(text: &str, key: &DataKey) -> Vec<String> {
    let rejected = match sealed(text.as_bytes()).expect("an encrypted file") {
        Err(rejected) => rejected,
        Ok(_) => read_sealed(text.as_bytes(), key, &context()).expect_err("a refusal"),
    };
    rejected.errors.iter().map(line_of).collect()
}

fn line_of(problem: &Problem) -> String {
    assert!(!problem.message.contains("canary"), "{problem}");
    let (line, column) = (problem.line.unwrap(), problem.column.unwrap());
    format!(
        "{line}:{column} {} [{}] {}",
        problem.code,
        problem.registry.as_deref().unwrap_or_default(),
        problem.message
    )
}

fn credentials(file: &File) -> BTreeMap<String, (String, String)> {
    let of = |credential: &CredentialSource| match credential {
        CredentialSource::Given(given) => Some(given.expose()).map(|(user, token)| (user.to_owned(), token.to_owned())),
        _ => None,
    };
    let all = file
        .registries
        .iter()
        .filter_map(|registry| Some((registry.name.clone(), of(&registry.credential)?)));
    all.collect()
}

/// All of the registries but their credentials, which show nothing, and their places.
fn placeless(file: &File) -> Vec<String> {
    let all = file.registries.iter().map(|registry| Registry {
        line: 0,
        column: 0,
        ..registry.clone()
    });
    all.map(|registry| format!("{registry:?}")).collect()
}

/// Changes a text that must be there.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in the file");
    text.replacen(from, to, 1)
}

/// The rest of the first line that begins so.
fn rest<'t>(text: &'t str, beginning: &str) -> &'t str {
    text.lines()
        .find_map(|line| line.trim_start().strip_prefix(beginning))
        .expect(beginning)
}

#[tokio::test(start_paused = true)]
async fn files_of_other_implementations_become_what_they_were_made_from() {
    let plain = accepted(&std::fs::read_to_string("../../tests/sops/plain.yaml").unwrap());
    assert_eq!(credentials(&plain)["dockerhub"].1, r#"canary-"døcker": #1 \ %&"#);
    for name in [
        "go-age",
        "go-kms",
        "go-kms-context",
        "go-both",
        "go-regex",
        "go-mac-only",
        "go-unencrypted-regex",
        "go-suffix",
        "go-json",
        "python-kms",
        "rops-age",
        "rops-mac-only",
    ] {
        let file = opened(&fixture(name)).await;
        assert_eq!(placeless(&file), placeless(&plain), "{name}");
        assert_eq!(credentials(&file), credentials(&plain), "{name}");
        assert_eq!(file.max_deletions, Some(2), "{name}");
        let plaintext = file
            .warnings
            .iter()
            .any(|warning| warning.message.contains("plain text"));
        assert!(!plaintext, "{name}: an encrypted token is in no plain text");
        let plain_host = file.warnings.iter().any(|warning| warning.code == Code::PLAIN_HOST);
        assert_eq!(
            plain_host,
            fixture(name).contains("registry: quay.io"),
            "{name}: PT081, {:?}",
            file.warnings
        );
    }
}

#[tokio::test(start_paused = true)]
async fn kms_or_age_alone_opens_a_file_for_both() {
    let text = fixture("go-both");
    let (aws, reader) = aws().await;
    let (mine, nobody) = (identities(), no_identities());
    assert!(Keyring::of_person(&mine, None).unlock(&metadata(&text)).await.is_ok());
    assert!(
        Keyring::of_person(&mine, Some(&reader))
            .unlock(&metadata(&text))
            .await
            .is_ok()
    );
    assert_eq!(aws.calls().len(), 0, "an identity that is here costs no call");
    assert!(
        Keyring::of_person(&nobody, Some(&reader))
            .unlock(&metadata(&text))
            .await
            .is_ok()
    );
    let why = Keyring::of_person(&nobody, None)
        .unlock(&metadata(&text))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("no age identity here is that of age1") && why.contains("SOPS_AGE_KEY_FILE"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_its_key_a_file_is_never_read() {
    for name in ["go-both", "go-minimal", "go-regex"] {
        let rejected = config::read(fixture(name).as_bytes(), &context()).unwrap_err();
        assert!(
            rejected.errors[0]
                .message
                .contains("encrypted with SOPS, and was not decrypted"),
            "{rejected}"
        );
    }
    assert!(sealed(b"quay: {registry: quay.io}").is_none());
    assert!(
        sealed(b"sops: {registry: quay.io}").is_none(),
        "a registry may have this name"
    );
    let plain = b"quay: {registry: quay.io}";
    let key = DataKey::new(&MATERIAL).unwrap();
    assert!(
        read_sealed(plain, &key, &context()).unwrap_err().errors[0]
            .message
            .contains("no map `sops`")
    );
}

#[tokio::test(start_paused = true)]
async fn whatever_was_done_to_a_file_is_seen() {
    let text = fixture("go-both");
    let key = key(&text).await;
    let hub = rest(&text, "accessToken: ").to_owned();
    let gitlab = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("accessToken: "))
        .nth(1)
        .unwrap();
    let mac = rest(&text, "mac: ");
    let arns: Vec<&str> = text
        .lines()
        .filter(|line| line.trim_start().starts_with("- ENC["))
        .collect();
    let no_fit = "the MAC does not fit the values";
    let no_key = "the MAC cannot be decrypted";
    let swapped = changed(&changed(&changed(&text, &hub, "HUB"), gitlab, &hub), "HUB", gitlab);
    let quay = &text[text.find("    quay:").unwrap()..text.find("sops:").unwrap()];
    let mut wrong = Vec::new();
    for (what, text, expected) in [
        (
            "the MAC",
            changed(&text, "mac: ENC[AES256_GCM,data:", "mac: ENC[AES256_GCM,data:AAAA"),
            vec![no_key],
        ),
        (
            "half the MAC",
            changed(&text, mac, &mac[..60]),
            vec!["`mac` is not a whole encrypted value"],
        ),
        (
            "the time",
            changed(&text, "lastmodified: \"20", "lastmodified: \"19"),
            vec![no_key],
        ),
        (
            "two values swapped",
            swapped,
            vec![
                "14:22 PT075 [dockerhub] the encrypted value was",
                "35:22 PT075 [gitlab] the encrypted value was",
            ],
        ),
        (
            "two items swapped",
            changed(
                &changed(&changed(&text, arns[0], "ARN"), arns[1], arns[0]),
                "ARN",
                arns[1],
            ),
            vec![no_fit],
        ),
        ("a registry removed", changed(&text, quay, ""), vec![no_fit]),
        (
            "a value removed",
            changed(&text, &format!("        accessToken: {hub}\n"), ""),
            vec![no_fit],
        ),
        ("a value emptied", changed(&text, &hub, "\"\""), vec![no_fit]),
        ("a value nulled", changed(&text, &hub, "null"), vec![no_fit]),
        (
            "a plain value changed",
            changed(&text, "stays readable", "is readable"),
            vec![no_fit],
        ),
        (
            "a plain value added",
            changed(&text, "tags:", "x-more_unencrypted: 1\ntags:"),
            vec![no_fit],
        ),
        (
            "plain text for a value",
            changed(&text, &hub, "canary-other"),
            vec![
                "14:22 PT075 [dockerhub] a value stands here in plain text, where it should be encrypted by the file's own rule (`unencrypted_suffix`)",
            ],
        ),
        (
            "a registry added",
            changed(&text, "sops:", "    evil: {registry: quay.io}\nsops:"),
            vec!["[evil] a value stands here in plain text"],
        ),
        (
            "a value cut off",
            changed(&text, &hub, &hub[..40]),
            vec!["14:22 PT075 [dockerhub] the encrypted value is not a whole"],
        ),
        (
            "a value changed",
            changed(&text, &hub, &hub.replacen("data:", "data:AAAA", 1)),
            vec!["14:22 PT075 [dockerhub] the encrypted value was encrypted by another key or for another place"],
        ),
        (
            "a text as a number",
            changed(&text, &hub, &hub.replace("type:str", "type:int")),
            vec!["14:22 PT075 [dockerhub] the encrypted value is not of the type"],
        ),
        (
            "a number as a text",
            changed(&text, "type:int", "type:str"),
            vec!["8:16 PT023 [] `max_deletions` is a whole number from 0 to 4294967295; remove the quotes"],
        ),
        (
            "a type nobody has",
            changed(&text, &hub, &hub.replace("type:str", "type:bytes")),
            vec!["has a type of SOPS that no field"],
        ),
        (
            "a key renamed",
            changed(&text, "    gitlab:", "    gitlob:"),
            vec!["[gitlob] the encrypted value was"; 3],
        ),
        (
            "another rule",
            changed(
                &text,
                "unencrypted_suffix: _unencrypted",
                "encrypted_regex: ^accessToken$",
            ),
            vec!["is encrypted, where it should stand in plain text by the file's own rule (`encrypted_regex`)"; 20],
        ),
        (
            "only the encrypted values",
            changed(&text, "version:", "mac_only_encrypted: true\n    version:"),
            vec![no_fit],
        ),
        (
            "an alias",
            changed(&text, "stays readable", "&a stays readable\nx-b: *a"),
            vec!["3:6 PT075 [] an alias or merge key"],
        ),
        (
            "a merge key",
            changed(&text, "    quay:", "    <<: {}\n    quay:"),
            vec!["an alias or merge key"],
        ),
        (
            "no MAC",
            changed(&text, &format!("    mac: {mac}\n"), ""),
            vec!["PT072 [] `mac` is missing"],
        ),
        (
            "no time",
            changed(
                &text,
                &format!("    lastmodified: {}\n", rest(&text, "lastmodified: ")),
                "",
            ),
            vec!["`lastmodified` is missing"],
        ),
        (
            "no version",
            changed(&text, "version: 3.11.0", ""),
            vec!["`version` is missing"],
        ),
        (
            "an old version",
            changed(&text, "version: 3.11.0", "version: 2.0.9"),
            vec!["PT073 [] the file was written by SOPS `2.0.9`"],
        ),
        (
            "a new version",
            changed(&text, "version: 3.11.0", "version: 4.0.0"),
            vec!["the file was written by SOPS `4.0.0`"],
        ),
        (
            "two rules",
            changed(&text, "version:", "encrypted_regex: a\n    version:"),
            vec!["both `unencrypted_suffix` and `encrypted_regex`"],
        ),
        (
            "a bad rule",
            changed(&text, "unencrypted_suffix: _unencrypted", "encrypted_regex: '('"),
            vec!["`encrypted_regex` is no regular expression"],
        ),
        (
            "a rule that takes for ever",
            changed(
                &text,
                "unencrypted_suffix: _unencrypted",
                "encrypted_regex: '(a?){50}(a?){50}b$'",
            ),
            vec!["`encrypted_regex` is no regular expression"],
        ),
        (
            "an unknown field",
            changed(&text, "version:", "new_rule: a\n    version:"),
            vec!["`sops` has the field `new_rule`"],
        ),
        (
            "many recipients",
            changed(
                &text,
                "    age:\n",
                &format!("    age:\n{}", "        - {recipient: a, enc: b}\n".repeat(20)),
            ),
            vec!["`age` is a list of 1 to 20 recipients"],
        ),
        (
            "a recipient that is no text",
            changed(&text, "recipient: age1", "recipient: \"\\e\" #"),
            vec!["a recipient under `age` has a `recipient` that is none of age"],
        ),
        (
            "a kind that is none",
            changed(&text, "version:", "Kind-X: [a]\n    version:"),
            vec!["`sops` has the field `Kind-X`, which is not known here"],
        ),
        (
            "a bad ARN",
            changed(&text, "arn:aws:kms:eu-west-1", "arn:aws:s3:eu-west-1"),
            vec!["a recipient under `kms` has the `arn` `arn:aws:s3:eu-west-1"],
        ),
    ] {
        let found = refused(&text, &key).await;
        let fits =
            found.len() == expected.len() && found.iter().zip(&expected).all(|(found, part)| found.contains(part));
        if !fits {
            wrong.push(format!("{what}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One byte is changed, at two thousand places: the file is refused, or what was encrypted is what it was.
#[tokio::test(start_paused = true)]
async fn whatever_byte_is_changed_no_credential_is() {
    let text = fixture("go-both");
    let key = key(&text).await;
    let whole = credentials(&opened(&text).await);
    let (mut random, mut accepted) = (fastrand::Rng::with_seed(6), 0);
    for _ in 0..2000 {
        let mut bytes = text.clone().into_bytes();
        let at = random.usize(..bytes.len());
        bytes[at] = random.u8(b' '..=b'~');
        let file = match sealed(&bytes) {
            Some(Ok(_)) => read_sealed(&bytes, &key, &context()),
            Some(Err(rejected)) => Err(rejected),
            None => config::read(&bytes, &context()),
        };
        if let Ok(file) = file {
            accepted += 1;
            let changed = format!("byte {at}: {}", String::from_utf8_lossy(&bytes));
            assert_eq!(credentials(&file), whole, "{changed}");
        }
    }
    // In comments, in what other recipients have, in how it is written.
    assert!((1..1000).contains(&accepted), "{accepted}");
}

#[tokio::test(start_paused = true)]
async fn the_key_of_another_file_opens_nothing() {
    let other = DataKey::new(&[7; 32]).unwrap();
    for name in ["go-age", "go-mac-only", "go-json", "python-kms", "rops-age"] {
        let found = refused(&fixture(name), &other).await;
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert!(
            found[0].contains("PT074 [] the MAC cannot be decrypted with the file's data key"),
            "{name}: {found:?}"
        );
    }
}

/// What `mac_only_encrypted` is for: plain values may be edited by hand. Errors point into the encrypted file, and what
/// was encrypted is shown by none.
#[tokio::test(start_paused = true)]
async fn with_a_mac_over_encrypted_values_plain_ones_may_be_edited() {
    let text = fixture("go-mac-only");
    let key = key(&text).await;
    let edited = changed(&text, "registry: quay.io", "registry: public.ecr.aws");
    let file = read_sealed(edited.as_bytes(), &key, &context()).unwrap();
    assert_eq!(file.registries[2].upstream.host, "public.ecr.aws");
    let found = refused(&changed(&text, "registry: quay.io", "registry: canary-gitlab-1"), &key).await;
    assert!(
        found[0].starts_with("37:19 PT030 [quay]") && !found[0].contains("canary"),
        "{found:?}"
    );
    let regex = fixture("go-regex");
    let key = self::key(&regex).await;
    let found = refused(&changed(&regex, "registry: quay.io", "registry: public.ecr.aws"), &key).await;
    assert!(found[0].contains("the MAC does not fit"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_supported_is_named() {
    let (_aws, reader) = aws().await;
    for (name, expected) in [
        ("go-groups", "split over several `key_groups`"),
        ("go-comment-regex", "`encrypted_comment_regex` lets comments decide"),
        (
            "python-1.18",
            "written by SOPS `1.18`; the versions of the 3 line are understood",
        ),
    ] {
        let Rejected { errors, .. } = sealed(fixture(name).as_bytes()).unwrap().unwrap_err();
        assert_eq!(errors.len(), 1, "{name}: {errors:?}");
        assert!(errors[0].message.contains(expected), "{name}: {errors:?}");
    }
    let text = fixture("go-minimal-age");
    let pgp = changed(
        &text,
        "    age:",
        "    pgp:\n        - fp: ABCD\n          enc: x\n    age:",
    );
    assert_eq!(metadata(&pgp).kinds(), "`age` or `pgp`");
    let only = metadata(&changed(&text, "    age:", "    hckms:"));
    let why = Keyring::of_person(&identities(), Some(&reader))
        .unlock(&only)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        why.contains("its recipients are `hckms`, and `ptc` decrypts with age and KMS"),
        "{why}"
    );
    let rops = std::fs::read_to_string("../../tests/sops/rops-age.yaml").unwrap();
    let Rejected { errors, .. } = sealed(rops.as_bytes()).unwrap().unwrap_err();
    assert!(errors[0].message.contains("`version` is missing"), "{errors:?}");
}

#[test]
fn identities_are_found_where_sops_finds_them() {
    let key = std::fs::read_to_string("../../tests/sops/age.txt").unwrap();
    let looked = |name: &'static str, value: &str| {
        let value = value.to_owned();
        Identities::from_env(move |asked| (asked == name).then(|| value.clone()))
    };
    let shown = |identities: Identities| format!("{identities:?}");
    assert_eq!(
        shown(looked("SOPS_AGE_KEY", &key).unwrap()),
        r#"Identities(1 of ["SOPS_AGE_KEY"])"#
    );
    assert_eq!(
        shown(looked("SOPS_AGE_KEY_FILE", "../../tests/sops/age.txt").unwrap()),
        r#"Identities(1 of ["SOPS_AGE_KEY_FILE"])"#
    );
    let folder = std::env::temp_dir().join(format!("ptc-age-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sops/age")).unwrap();
    std::fs::write(folder.join("sops/age/keys.txt"), &key).unwrap();
    let usual = looked("XDG_CONFIG_HOME", folder.to_str().unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(shown(usual).starts_with("Identities(1 of"));
    for (name, value) in [
        ("SOPS_AGE_KEY", "AGE-SECRET-KEY-1NONE"),
        ("SOPS_AGE_KEY_FILE", "../../tests/sops/no-such-file"),
    ] {
        let why = looked(name, value).unwrap_err().to_string();
        assert!(why.contains(name) && !why.contains("SECRET-KEY-1NONE"), "{why}");
    }
}

fn ptc(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let home = Path::new("../../tests/sops");
    Command::new(env!("CARGO_BIN_EXE_ptc"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .envs([
            ("AWS_ACCESS_KEY_ID", "AKIDPTC"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("AWS_REGION", "eu-west-1"),
        ])
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!said.contains("canary"), "{said}");
    said
}

#[tokio::test(start_paused = true)]
async fn ptc_checks_with_age_or_kms_and_says_when_it_cannot() {
    let (aws, _) = aws().await;
    let endpoint = aws.endpoint();
    let (kms, age) = (
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("SOPS_AGE_KEY_FILE", "../../tests/sops/age.txt"),
    );
    let both = "../../tests/sops/go-both.yaml";
    for (file, env) in [
        (both, &[age] as &[_]),
        (both, &[kms]),
        ("../../tests/sops/go-kms-context.yaml", &[kms]),
    ] {
        let output = ptc(&["check", "--deny-warnings", file], env);
        assert!(output.status.success(), "{file} {env:?}: {}", said(&output));
    }
    let output = ptc(&["check", "--json", "../../tests/sops/go-minimal-age.yaml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = json["files"][0]["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("no age identity here is that of age1"), "{message}");
    aws.fault(local_aws::Fault::on("kms", "Decrypt").access_denied());
    let output = ptc(&["check", "../../tests/sops/go-minimal.yaml"], &[kms]);
    assert!(
        said(&output).contains("your credentials need kms:Decrypt on it"),
        "{}",
        said(&output)
    );
}

#[tokio::test(start_paused = true)]
async fn ptc_plans_and_applies_an_encrypted_file() {
    let (aws, _) = aws().await;
    aws.accept_upstream("registry-1.docker.io", "acme-bot", "canary-docker-1");
    let endpoint = aws.endpoint();
    let env = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("SOPS_AGE_KEY_FILE", "../../tests/sops/age.txt"),
        ("OWNER", "stack"),
        ("CONFIG_BUCKET", "my-registries"),
    ];
    aws.create_bucket("my-registries", true);
    let account = ["--account", "123456789012"];
    for (file, command, status) in [
        ("../../tests/sops/go-minimal-age.yaml", &["plan"] as &[&str], 2),
        ("../../tests/sops/go-minimal-age.yaml", &["apply", "--yes"], 0),
        ("../../tests/sops/go-minimal.yaml", &["plan"], 0),
    ] {
        let output = ptc(&[command, &[file], &account].concat(), &env);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{command:?} {file}: {}",
            said(&output)
        );
    }
    let output = ptc(
        &[&["plan", "../../tests/sops/go-minimal-age.yaml"] as &[&str], &account].concat(),
        &env[..1],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no age identity here"), "{}", said(&output));
}

#[test]
fn ptc_says_when_there_are_no_credentials() {
    let nobody = [("AWS_ACCESS_KEY_ID", ""), ("AWS_EC2_METADATA_DISABLED", "true")];
    let output = ptc(&["check", "../../tests/sops/go-minimal.yaml"], &nobody);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("there are no AWS credentials that can be used"),
        "{}",
        said(&output)
    );
}

#[test]
fn ptc_makes_a_kit_of_an_encrypted_file() {
    let arguments = [
        "kit",
        "../../tests/sops/go-both.yaml",
        "--account",
        "123456789012",
        "--only",
        "mapping",
    ];
    let output = ptc(&arguments, &[("SOPS_AGE_KEY_FILE", "../../tests/sops/age.txt")]);
    assert!(
        output.status.success() && said(&output).contains("registry-1.docker.io"),
        "{}",
        said(&output)
    );
}
