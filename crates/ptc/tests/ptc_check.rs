//! `ptc check`: what it prints, in every format, and that no credential is ever in it. `BLESS=1` rewrites the pages.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::files::cases::tables;
use crate::files::misplaced;
use serde_json::Value;

const BROKEN: &str = "dockerhub:
  registry: docker.oi
  usrname: acme-bot # a comment
  accessToken: canary-1
gitlab:
  registry: https://registry.gitlab.com
  accesToken: canary-2
  lifecycle_policy:
    rules:
      - rulePriority: 1
        selection: {tagStatus: any, countType: sinceImagePulled, countUnit: days, countNumber: 30}
        action: {type: expire}
größe: {registry: quay.io, take_over: \"yes\"}
";

const FORMATS: [&str; 4] = ["human", "json", "github", "sarif"];

/// A folder of this test's own, with files in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        Self(folder)
    }

    fn check(&self, arguments: &[&str]) -> Output {
        ptc(arguments).current_dir(&self.0).output().unwrap()
    }
}

fn ptc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ptc"));
    command.arg("check").args(arguments);
    ["AWS_REGION", "AWS_DEFAULT_REGION", "RESOURCE_TAGS", "NO_COLOR"]
        .iter()
        .for_each(|name| {
            command.env_remove(name);
        });
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn golden(name: &str, found: &str) {
    let path = PathBuf::from("tests/ptc_check").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    assert_eq!(
        found,
        fs::read_to_string(&path).unwrap_or_default(),
        "{}",
        path.display()
    );
}

#[test]
fn a_broken_file_is_shown_in_every_format() {
    let folder = Folder::new("formats", &[("registries.yaml", BROKEN.as_bytes())]);
    for format in FORMATS {
        let output = folder.check(&["registries.yaml", "--format", format]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
        let found = text(&output.stdout);
        assert!(!found.contains("canary"), "{found}");
        golden(&format!("broken.{format}"), &found);
    }
}

#[test]
fn sarif_is_what_the_standard_says() {
    let folder = Folder::new(
        "sarif",
        &[
            ("a registry.yaml", BROKEN.as_bytes()),
            ("good.yaml", b"quay: {registry: quay.io}"),
        ],
    );
    let output = folder.check(&["a registry.yaml", "good.yaml", "missing.yaml", "--format", "sarif"]);
    let log: serde_sarif::sarif::Sarif = serde_json::from_slice(&output.stdout).unwrap();
    let results = log.runs[0].results.as_ref().unwrap();
    let rules = log.runs[0].tool.driver.rules.as_ref().unwrap();
    assert!(results.len() > 5);
    for result in results {
        let id = result.rule_id.as_ref().unwrap();
        assert!(rules.iter().any(|rule| rule.id == *id), "{id}");
        let place = result.locations.as_ref().unwrap()[0]
            .physical_location
            .as_ref()
            .unwrap();
        let uri = place.artifact_location.as_ref().unwrap().uri.as_ref().unwrap();
        assert!(["a%20registry.yaml", "missing.yaml"].contains(&uri.as_str()), "{uri}");
    }
}

#[test]
fn a_good_file_is_good_and_its_warnings_may_count() {
    let folder = Folder::new(
        "good",
        &[(
            "a.yaml",
            b"quay: {registry: quay.io, image_tag_mutability: IMMUTABLE}\n",
        )],
    );
    let output = folder.check(&["a.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    golden("warning.human", &text(&output.stdout));
    assert_eq!(folder.check(&["a.yaml", "--deny-warnings"]).status.code(), Some(1));
    let report: Value = serde_json::from_slice(&folder.check(&["a.yaml", "--json"]).stdout).unwrap();
    assert_eq!(
        (&report["ok"], &report["files"][0]["registries"]),
        (&Value::Bool(true), &Value::from(1))
    );
}

#[test]
fn what_depends_on_the_account_is_checked_where_it_is_known() {
    let file = "aa:\n  registry: 111122223333.dkr.ecr.eu-west-1.amazonaws.com\nbb:\n  registry: ghcr.io\n  secret: \
                arn:aws:secretsmanager:eu-west-1:444455556666:secret:ecr-pullthroughcache/b-AbCdEf\n";
    let folder = Folder::new("account", &[("a.yaml", file.as_bytes())]);
    assert_eq!(folder.check(&["a.yaml"]).status.code(), Some(0));
    let output = folder.check(&["a.yaml", "--account", "111122223333", "--region", "eu-west-1"]);
    assert_eq!(output.status.code(), Some(1));
    let found = text(&output.stdout);
    assert!(
        found.contains("is this very registry") && found.contains("must be in the account and Region"),
        "{found}"
    );
    let output = folder.check(&["a.yaml", "--region", "cn-north-1"]);
    assert!(text(&output.stdout).contains("AWS documents no pull-through cache for the Region cn-north-1"));
    assert_eq!(folder.check(&["a.yaml", "--account", "12"]).status.code(), Some(1));
}

#[test]
fn standard_input_is_a_file_and_what_cannot_be_read_is_an_error() {
    let mut child = ptc(&["-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"quay: {registry: quay.io}\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "<stdin>: good, 1 registry\n");
    let folder = Folder::new(
        "unreadable",
        &[
            ("good.yaml", b"quay: {registry: quay.io}\n"),
            ("utf-16.yaml", b"\xff\xfea\0"),
        ],
    );
    let output = folder.check(&["missing.yaml", "good.yaml", "utf-16.yaml", "."]);
    assert_eq!(output.status.code(), Some(1));
    let found = text(&output.stdout);
    for words in ["missing.yaml: refused", "good.yaml: good", "UTF-16", ".: refused"] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

/// Every file of the table of bad files, in every format: whatever is wrong with it, nothing of a token comes out.
#[test]
fn no_bad_file_gives_a_token_away() {
    let cases = tables().into_iter().flat_map(|(_, _, cases)| cases).enumerate();
    let files: Vec<(String, String)> = cases.map(|(n, case)| (format!("{n}.yaml"), case.yaml)).collect();
    assert!(files.len() > 200);
    let contents: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, yaml)| (name.as_str(), yaml.as_bytes()))
        .collect();
    let folder = Folder::new("bad", &contents);
    for format in FORMATS {
        let mut arguments: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        arguments.extend(["--format", format]);
        let found = text(&folder.check(&arguments).stdout);
        let given_away: Vec<&str> = found
            .lines()
            .filter(|line| line.contains("s3cr3t") || line.contains("hunter2"))
            .collect();
        assert!(given_away.is_empty(), "{format}: {given_away:#?}");
    }
}

#[test]
fn an_annotation_cannot_begin_another() {
    let folder = Folder::new(
        "injection",
        &[("a.yaml", b"\"x\\n::set-output name=a::b\": {registry: quay.io}\n")],
    );
    let found = text(&folder.check(&["a.yaml", "--format", "github"]).stdout);
    assert!(
        found
            .lines()
            .all(|line| line.starts_with("::error file=a.yaml,line=1,col=1")),
        "{found}"
    );
}

/// No issuer's beginning gives these away: a rule does.
#[test]
fn a_token_in_another_place_is_told_in_no_format() {
    let mut files = Vec::new();
    for (t, token) in misplaced::TOKENS.iter().enumerate() {
        files.extend(
            misplaced::PLACES
                .iter()
                .enumerate()
                .map(|(p, place)| (format!("t{t}-p{p}.yaml"), *place, *token, misplaced::file(place, token))),
        );
    }
    let bytes: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, .., text)| (name.as_str(), text.as_bytes()))
        .collect();
    let folder = Folder::new("misplaced", &bytes);
    let mut told = Vec::new();
    for (name, place, token, _) in &files {
        for format in FORMATS {
            let output = folder.check(&[name, "--format", format]);
            assert_eq!(output.status.code(), Some(1), "{place}");
            let said = text(&output.stdout) + &text(&output.stderr);
            if misplaced::tells(&said, token) {
                told.push(format!("{format} of {place}: {said}"));
            }
        }
    }
    assert_eq!(told, Vec::<String>::new(), "{}", told.join("\n"));
}
