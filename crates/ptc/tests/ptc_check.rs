//! `ptc check`: what it prints, in every format, and that no credential is ever in it. `BLESS=1` rewrites the pages.

use crate::ptc::golden;
use harness::{begins, has};
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

#[test]
fn a_broken_file_is_shown_in_every_format() {
    let folder = Folder::new("formats", &[("registries.yaml", BROKEN.as_bytes())]);
    for format in FORMATS {
        let output = folder.check(&["registries.yaml", "--format", format]);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(1), String::new()));
        let found = text(&output.stdout);
        assert!(!found.contains("canary"), "{found}");
        golden(&format!("tests/ptc_check/broken.{format}"), &found);
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
        let rule = rules
            .iter()
            .find(|rule| rule.id == *id)
            .unwrap_or_else(|| panic!("{id}"));
        let help = rule.help.as_ref().and_then(|help| help.markdown.as_deref());
        assert!(help.is_some_and(|help| help.len() > 60), "{id}: {help:?}");
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
    golden("tests/ptc_check/warning.human", &text(&output.stdout));
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
    has(&found, "is this very registry");
    has(&found, "must be in this account and Region");
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
    for words in [
        "error[PT010]: missing.yaml: the file cannot be read",
        "missing.yaml: refused",
        "good.yaml: good",
        "UTF-16",
        ".: refused",
    ] {
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

const WARNED: &str = "quay: {registry: quay.io, image_tag_mutability: IMMUTABLE}\nghcr: {registry: ghcr.io, username: bot, \
                      accessToken: canary-1}\n";

/// As pre-commit calls it: the arguments of the hook, then the files.
#[test]
fn an_allowed_warning_is_not_told_and_does_not_count_and_an_error_cannot_be_allowed() {
    let folder = Folder::new("allowed", &[("prod-registries.yaml", WARNED.as_bytes())]);
    let check = |codes: &[&str], more: &[&str]| {
        let allow = codes.iter().flat_map(|code| ["--allow", code]);
        let arguments: Vec<&str> = allow
            .chain(more.iter().copied())
            .chain(["prod-registries.yaml"])
            .collect();
        folder.check(&arguments)
    };
    let found = text(&check(&[], &[]).stdout);
    for words in [
        "warning[PT080]: prod-registries.yaml:2:42: ghcr: the token",
        "warning[PT082]: prod-registries.yaml:1:49: quay: with",
    ] {
        assert!(found.contains(words), "{found}");
    }
    let one = check(&["PT080"], &["--deny-warnings"]);
    let found = text(&one.stdout);
    assert_eq!(one.status.code(), Some(1), "{found}");
    assert!(found.contains("PT082") && !found.contains("PT080"), "{found}");
    // In lower case, and by name.
    let both = check(&["pt080", "immutable-tags"], &["--deny-warnings", "--json"]);
    assert_eq!(both.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(report["files"][0]["warnings"], Value::Array(Vec::new()));
    for (code, said) in [
        ("PT017", "PT017 is an error, and only warnings can be allowed"),
        ("PT80", "did you mean PT080, plain-token?"),
        ("zebra-crossing-ahead", "`ptc explain` lists all codes"),
    ] {
        let refused = check(&[code], &[]);
        assert_eq!(refused.status.code(), Some(1), "{code}");
        assert!(text(&refused.stderr).contains(said), "{}", text(&refused.stderr));
    }
}

#[test]
fn the_hook_is_for_files_whose_name_ends_so() {
    let hooks = fs::read_to_string("../../.pre-commit-hooks.yaml").unwrap();
    let hooks: Vec<Value> = serde_yaml::from_str(&hooks).unwrap();
    for hook in &hooks {
        let files = regex_lite::Regex::new(hook["files"].as_str().unwrap()).unwrap();
        for name in [
            "registries.yaml",
            "infra/registries.yml",
            "prod-registries.yaml",
            "a/eu.registries.yaml",
        ] {
            assert!(files.is_match(name), "{name}");
        }
        for name in ["registries.yaml.md", "registries.schema.json", "myregistries.yaml"] {
            assert!(!files.is_match(name), "{name}");
        }
    }
}

fn explain(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ptc"))
        .arg("explain")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn every_code_is_explained() {
    let all: Value = serde_json::from_slice(&explain(&["--json"]).stdout).unwrap();
    let all = all.as_array().unwrap();
    let list = text(&explain(&[]).stdout);
    assert!(all.len() > 75);
    for kind in all {
        let code = kind["code"].as_str().unwrap();
        let title = kind["title"].as_str().unwrap();
        assert!(list.contains(&format!("{code}  {title}")), "{list}");
    }
    let page = text(&explain(&["pt017"]).stdout);
    assert!(page.starts_with("error[PT017]: A key is not known here\n"), "{page}");
    assert!(page.contains("    quay:\n      registry: quay.io\n"), "{page}");
    let kind: Value = serde_json::from_slice(&explain(&["unknown-key", "--json"]).stdout).unwrap();
    assert_eq!((&kind["code"], &kind["severity"]), (&"PT017".into(), &"error".into()));
    let unknown = explain(&["PT17"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(
        text(&unknown.stderr),
        "error: there is no code PT17; did you mean PT017, unknown-key?\n"
    );
}

fn init(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ptc"))
        .arg("init")
        .args(arguments)
        .current_dir(&folder.0)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_first_file_passes_the_check_and_nothing_is_written_over() {
    let folder = Folder::new("init", &[]);
    for name in [
        "registries.yaml",
        "registries.schema.json",
        ".pre-commit-config.yaml",
        ".github/workflows/registries.yml",
    ] {
        _ = fs::remove_file(folder.0.join(name));
    }
    let alone = init(&folder, &[]);
    assert_eq!(alone.status.code(), Some(1));
    has(&text(&alone.stderr), "say which upstreams");
    let bad = init(&folder, &["docker.oi"]);
    assert!(text(&bad.stderr).contains("PT031"), "{}", text(&bad.stderr));
    assert!(!folder.0.join("registries.yaml").exists());
    let made = init(&folder, &["docker.io", "quay.io"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert_eq!(
        text(&made.stdout),
        "wrote registries.yaml\nMake the secrets that its comments name, then see what it would do: ptc plan registries.yaml\n"
    );
    let checked = folder.check(&["registries.yaml", "--deny-warnings"]);
    assert_eq!(text(&checked.stdout), "registries.yaml: good, 2 registries\n");
    golden(
        "tests/ptc_check/init.yaml",
        &fs::read_to_string(folder.0.join("registries.yaml")).unwrap(),
    );
    // One that is there keeps all from being written.
    fs::write(folder.0.join("registries.yaml"), "mine").unwrap();
    let again = init(&folder, &["quay.io", "--hook", "--workflow"]);
    assert_eq!(again.status.code(), Some(1));
    has(&text(&again.stderr), "writes over none");
    assert_eq!(fs::read_to_string(folder.0.join("registries.yaml")).unwrap(), "mine");
    assert!(!folder.0.join(".pre-commit-config.yaml").exists());
    fs::remove_file(folder.0.join("registries.yaml")).unwrap();
    let all = init(&folder, &["quay.io", "--schema", "--hook", "--workflow", "--json"]);
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(
        (&all["next"], all["files"].as_array().unwrap().len()),
        (&"ptc plan registries.yaml".into(), 4)
    );
    // Editors find the schema by the first line.
    let first = fs::read_to_string(folder.0.join("registries.yaml")).unwrap();
    begins(&first, "# yaml-language-server: $schema=registries.schema.json\n");
    let schema = fs::read_to_string(folder.0.join("registries.schema.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&schema).unwrap(), config::schema());
    let hook = fs::read_to_string(folder.0.join(".pre-commit-config.yaml")).unwrap();
    let hook: Value = serde_yaml::from_str(&hook).unwrap();
    // What the hook is called with is understood.
    let arguments = hook["repos"][0]["hooks"][0]["args"].as_array().unwrap().iter();
    let mut arguments: Vec<&str> = arguments.map(|argument| argument.as_str().unwrap()).collect();
    arguments.push("registries.yaml");
    assert_eq!(folder.check(&arguments).status.code(), Some(0));
    assert!(folder.0.join(".github/workflows/registries.yml").exists());
}
