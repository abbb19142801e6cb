//! Files that are encrypted with SOPS, made by other implementations (tests/sops/README.md): what becomes of them, and
//! of what somebody has done to them since.

use harness::has;
use std::collections::BTreeMap;

use crate::files::{accepted, context};
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
        format!("{}\n  version: 3.9.0\n", text.trim_end())
    } else {
        text
    }
}

fn identities() -> Identities {
    let lookup = |name: &str| (name == "SOPS_AGE_KEY_FILE").then(|| "../../tests/sops/age.txt".to_owned());
    Identities::from_env(lookup).unwrap()
}

fn no_identities() -> Identities {
    Identities::from_env(|_| None).unwrap()
}

/// An account with the KMS key of the fixtures.
pub async fn aws() -> (LocalAws, Reader) {
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
    let sealed = metadata(&fixture("go-both"));
    let (aws, reader) = aws().await;
    let (mine, nobody) = (identities(), no_identities());
    for reader in [None, Some(&reader)] {
        Keyring::of_person(&mine, reader).unlock(&sealed).await.unwrap();
    }
    assert_eq!(aws.calls().len(), 0, "an identity that is here costs no call");
    Keyring::of_person(&nobody, Some(&reader))
        .unlock(&sealed)
        .await
        .unwrap();
    let why = Keyring::of_person(&nobody, None).unlock(&sealed).await.unwrap_err();
    let why = why.to_string();
    assert!(why.contains("no age identity here is that of age1"), "{why}");
    assert!(why.contains("SOPS_AGE_KEY_FILE"), "{why}");
}

#[test]
fn without_its_key_a_file_is_never_read() {
    for name in ["go-both", "go-minimal", "go-regex"] {
        let rejected = config::read(fixture(name).as_bytes(), &context()).unwrap_err();
        let message = &rejected.errors[0].message;
        has(message, "encrypted with SOPS, and was not decrypted");
    }
}

#[test]
fn a_plain_file_is_not_taken_for_an_encrypted_one() {
    let plain = b"quay: {registry: quay.io}";
    assert!(sealed(plain).is_none());
    assert!(
        sealed(b"sops: {registry: quay.io}").is_none(),
        "a registry may have this name"
    );
    let rejected = read_sealed(plain, &DataKey::new(&MATERIAL).unwrap(), &context()).unwrap_err();
    assert!(rejected.errors[0].message.contains("no map `sops`"), "{rejected}");
}

#[tokio::test(start_paused = true)]
async fn whatever_was_done_to_a_file_is_seen() {
    let text = fixture("go-both");
    let key = key(&text).await;
    let pieces = pieces(&text);
    let filled = |template: &str| {
        let pieces = pieces.iter();
        pieces.fold(template.to_owned(), |text, (name, piece)| {
            text.replace(&format!("{{{name}}}"), piece)
        })
    };
    for case in include_str!("sops_files/changed.txt").split("\n## ").skip(1) {
        let mut steps = case.trim_end().split("\n- ");
        let title = steps.next().unwrap();
        let (mut text, mut expected) = (text.clone(), Vec::new());
        for step in steps {
            let (from, rest) = step.split_once('\n').unwrap();
            let to: Vec<&str> = rest.lines().filter_map(|line| line.strip_prefix("+ ")).collect();
            text = changed(&text, &filled(from), &filled(&to.join("\n")));
            expected.extend(rest.lines().filter_map(|line| line.strip_prefix(">> ")));
        }
        assert!(!expected.is_empty(), "{title}");
        if let [one] = expected[..]
            && let Some(part) = one.strip_prefix("20 times: ")
        {
            expected = vec![part; 20];
        }
        let found = refused(&text, &key).await;
        assert_eq!(found.len(), expected.len(), "{title}: {found:#?}");
        for (found, part) in found.iter().zip(expected) {
            assert!(found.contains(part), "{title}: {found}");
        }
    }
}

/// Pieces of an encrypted file, and what somebody may make of them.
fn pieces(text: &str) -> Vec<(&'static str, String)> {
    let all = |beginning: &str| -> Vec<&str> {
        let values = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix(beginning));
        values.collect()
    };
    let [hub, gitlab] = all("accessToken: ")[..] else {
        panic!("two tokens")
    };
    let (arns, mac) = (all("- ENC["), all("mac: ")[0]);
    let quay = &text[text.find("    quay:").unwrap()..text.find("sops:").unwrap()];
    let replaced = |from, to| hub.replacen(from, to, 1);
    vec![
        ("hub", hub.to_owned()),
        ("start of hub", hub[..40].to_owned()),
        ("changed hub", replaced("data:", "data:AAAA")),
        ("hub as int", replaced("type:str", "type:int")),
        ("hub as bytes", replaced("type:str", "type:bytes")),
        ("gitlab", gitlab.to_owned()),
        ("first arn", arns[0].to_owned()),
        ("second arn", arns[1].to_owned()),
        ("quay", quay.to_owned()),
        ("mac", mac.to_owned()),
        ("start of mac", mac[..60].to_owned()),
        ("lastmodified", all("lastmodified: ")[0].to_owned()),
        (
            "20 more recipients",
            ["        - {recipient: a, enc: b}"; 20].join("\n"),
        ),
    ]
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
    assert!(found[0].starts_with("37:19 PT030 [quay]"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn with_a_mac_over_all_values_plain_ones_may_not_be_edited() {
    let text = fixture("go-regex");
    let edited = changed(&text, "registry: quay.io", "registry: public.ecr.aws");
    let found = refused(&edited, &key(&text).await).await;
    assert!(found[0].contains("the MAC does not fit"), "{found:?}");
}

#[test]
fn what_is_not_supported_is_named() {
    // As rops writes it, without a version.
    let rops = std::fs::read_to_string("../../tests/sops/rops-age.yaml").unwrap();
    for (text, expected) in [
        (fixture("go-groups"), "split over several `key_groups`"),
        (
            fixture("go-comment-regex"),
            "`encrypted_comment_regex` lets comments decide",
        ),
        (
            fixture("python-1.18"),
            "written by SOPS `1.18`; the versions of the 3 line are understood",
        ),
        (rops, "`version` is missing"),
    ] {
        let Rejected { errors, .. } = sealed(text.as_bytes()).unwrap().unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].message.contains(expected), "{errors:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn recipients_of_other_kinds_are_passed_over_and_named_where_there_are_no_others() {
    let text = fixture("go-minimal-age");
    let pgp = "    pgp:\n        - fp: ABCD\n          enc: x\n    age:";
    assert_eq!(metadata(&changed(&text, "    age:", pgp)).kinds(), "`age` or `pgp`");
    let only = metadata(&changed(&text, "    age:", "    hckms:"));
    let (_aws, reader) = aws().await;
    let why = Keyring::of_person(&identities(), Some(&reader))
        .unlock(&only)
        .await
        .unwrap_err();
    let why = why.to_string();
    has(&why, "its recipients are `hckms`, and `ptc` decrypts with age and KMS");
}

/// The identities of a person who has set one variable.
fn looked_up(name: &'static str, value: &str) -> Result<String, String> {
    let identities = Identities::from_env(|asked| (asked == name).then(|| value.to_owned()));
    identities
        .map(|found| format!("{found:?}"))
        .map_err(|why| why.to_string())
}

#[test]
fn identities_are_found_where_sops_finds_them() {
    let key = std::fs::read_to_string("../../tests/sops/age.txt").unwrap();
    let found = looked_up("SOPS_AGE_KEY", &key);
    assert_eq!(found.as_deref(), Ok(r#"Identities(1 of ["SOPS_AGE_KEY"])"#));
    let found = looked_up("SOPS_AGE_KEY_FILE", "../../tests/sops/age.txt");
    assert_eq!(found.as_deref(), Ok(r#"Identities(1 of ["SOPS_AGE_KEY_FILE"])"#));
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("sops/age")).unwrap();
    std::fs::write(home.path().join("sops/age/keys.txt"), &key).unwrap();
    let found = looked_up("XDG_CONFIG_HOME", home.path().to_str().unwrap()).unwrap();
    assert!(found.starts_with("Identities(1 of"), "{found}");
}

#[test]
fn an_identity_that_cannot_be_read_is_named_and_not_shown() {
    for (name, value) in [
        ("SOPS_AGE_KEY", "AGE-SECRET-KEY-1NONE"),
        ("SOPS_AGE_KEY_FILE", "../../tests/sops/no-such-file"),
    ] {
        let why = looked_up(name, value).unwrap_err();
        assert!(why.contains(name) && !why.contains("SECRET-KEY-1NONE"), "{why}");
    }
}
