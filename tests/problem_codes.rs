//! The codes of problems: each is shown by a test, its examples show what they say, and each warning that only a run finds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::files::context;
use crate::stack::{BUCKET, Report, STATUS_PAGE, TestStack, credential, scheduled};
use config::{Code, Kind, Problem, Severity, kinds, read};
use local_aws::Fault;
use serde_json::json;

/// What a file gives: its errors, and its warnings.
fn found(yaml: &str) -> (Vec<Problem>, Vec<Problem>) {
    match read(yaml.as_bytes(), &context()) {
        Ok(file) => (Vec::new(), file.warnings),
        Err(rejected) => (rejected.errors, rejected.warnings),
    }
}

fn codes(problems: &[Problem]) -> BTreeSet<Code> {
    problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn the_examples_of_a_code_show_it_and_how_to_be_rid_of_it() {
    let with_examples: Vec<&Kind> = kinds().filter(|kind| !kind.bad.is_empty()).collect();
    assert!(with_examples.len() > 45, "only {}", with_examples.len());
    for kind in with_examples {
        let (errors, warnings) = found(kind.bad);
        match kind.severity {
            Severity::Error => {
                // `quay/` beside `quay` is a bad name as well: without, there are no two names that ECR takes for one.
                let mut codes = codes(&errors);
                assert!(kind.code != Code::NAME_TWICE || codes.remove(&Code::BAD_NAME));
                assert_eq!(codes, BTreeSet::from([kind.code]), "{errors:#?}\n{}", kind.bad);
            }
            Severity::Warning => {
                assert!(errors.is_empty(), "{errors:#?}\n{}", kind.bad);
                assert!(
                    codes(&warnings).contains(&kind.code),
                    "{}: {warnings:#?}\n{}",
                    kind.code,
                    kind.bad
                );
            }
        }
        let (errors, warnings) = found(kind.good);
        assert!(errors.is_empty(), "{}: {errors:#?}\n{}", kind.code, kind.good);
        assert!(!codes(&warnings).contains(&kind.code), "{}\n{}", kind.code, kind.good);
    }
}

/// The texts of all files under a folder of tests.
fn texts(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            texts(&entry, all);
        } else if let Ok(text) = fs::read_to_string(&entry) {
            all.push_str(&text);
        }
    }
}

#[test]
fn every_code_is_shown_by_a_test() {
    let mut all = String::new();
    for folder in ["tests", "crates/ptc/tests"] {
        texts(Path::new(folder), &mut all);
    }
    let is_named = |kind: &Kind| {
        let constant = format!("Code::{}", kind.slug().replace('-', "_").to_uppercase());
        all.contains(&kind.code.to_string()) || all.contains(&constant)
    };
    // The examples are a test by themselves, above.
    let unseen: Vec<Code> = kinds()
        .filter(|kind| kind.bad.is_empty() && !is_named(kind))
        .map(|kind| kind.code)
        .collect();
    assert_eq!(unseen, [], "no test shows these");
}

/// It makes problems and explains none: what is loaded at a cold start is as little as can be.
#[test]
fn the_function_carries_no_explanation() {
    const TELLING: usize = 24;
    let beginning = |text: &'static str| text.as_bytes().get(..TELLING);
    let texts: BTreeSet<&[u8]> = kinds().filter_map(|kind| beginning(kind.why)).collect();
    assert!(texts.len() > 65, "only {}", texts.len());
    let program = fs::read(env!("CARGO_BIN_EXE_ecr-pull-through-sync")).unwrap();
    let message = "` has no default: each r".as_bytes();
    let (mut carried, mut has_messages) = (BTreeSet::new(), false);
    for window in program.windows(TELLING) {
        match window[0] {
            b'`' => has_messages |= window == message,
            b'A'..=b'Z' if texts.contains(window) => _ = carried.insert(window),
            _ => {}
        }
    }
    assert!(has_messages, "the search finds nothing at all");
    assert_eq!(carried, BTreeSet::new());
}

#[test]
fn a_flood_of_warnings_is_cut() {
    let rule = |n: u32| {
        format!(
            "{{rulePriority: {n}, selection: {{tagStatus: any, storageClass: archive, countType: sinceImageTransitioned, countUnit: days, countNumber: 1}}, action: {{type: expire}}}}"
        )
    };
    // The errors are others' business: each of these rules has its warning.
    let yaml = format!(
        "quay: {{registry: quay.io, lifecycle_policy: {{rules: [{}]}}}}\n",
        (1..=120).map(rule).collect::<Vec<_>>().join(", ")
    );
    let (_, warnings) = found(&yaml);
    assert_eq!(
        (warnings.len(), warnings[0].code.to_string()),
        (101, "PT084".to_owned())
    );
    assert_eq!(warnings[100].code.to_string(), "PT087");
}

#[test]
fn a_region_without_the_cache_has_its_code() {
    let mut context = context();
    context.region = Some("cn-north-1".to_owned());
    let file = read(b"quay: {registry: quay.io}", &context).unwrap();
    assert_eq!(file.warnings[0].code.to_string(), "PT086");
}

/// A status may be older than the codes, or newer than this release.
#[test]
fn problems_of_other_releases_are_read() {
    let parse = |code: Option<&str>| {
        let mut problem = json!({"registry": null, "line": 2, "column": 3, "message": "x"});
        if let Some(code) = code {
            problem["code"] = code.into();
        }
        serde_json::from_value::<Problem>(problem).unwrap()
    };
    let old = parse(None);
    assert!(old.code.is_none());
    assert_eq!(
        serde_json::to_value(&old).unwrap(),
        json!({"registry": null, "line": 2, "column": 3, "message": "x"})
    );
    let newer = parse(Some("PT999"));
    assert_eq!(serde_json::to_value(&newer).unwrap()["code"], "PT999");
    assert!(parse(Some("something else")).code.is_none());
    assert_eq!(parse(Some("PT017")).code, Code::UNKNOWN_KEY);
}

/// Every problem of a report has the code of a kind of its severity.
fn assert_coded(report: &Report) {
    for (list, severity) in [(&report.errors, Severity::Error), (&report.warnings, Severity::Warning)] {
        for problem in list {
            assert_eq!(config::kind(problem.code).unwrap().severity, severity, "{problem:#?}");
        }
    }
}

/// The message of the only warning with this code.
fn warning(report: &Report, code: Code) -> &str {
    assert_coded(report);
    let of_code: Vec<&Problem> = report.warnings.iter().filter(|warning| warning.code == code).collect();
    let [warning] = of_code[..] else { panic!("{report:#?}") };
    &warning.message
}

#[tokio::test(start_paused = true)]
async fn the_page_beside_the_status_says_problems_as_everywhere() {
    let stack = TestStack::new().await;
    stack
        .follow("quay: {registry: quay.io, image_tag_mutability: IMMUTABLE}\n")
        .await;
    let page = || String::from_utf8(stack.aws.object(BUCKET, STATUS_PAGE).unwrap()).unwrap();
    let line = "\n## Warnings\n\n- **warning** `PT082` `registries.yaml:1:49` quay: with IMMUTABLE";
    assert!(page().contains(line), "{}", page());
    stack.follow("quay: {registry: quay.io, tgas: {}}\n").await;
    let line = "\n## Errors\n\n- **error** `PT017` `registries.yaml:1:27` quay: unknown key";
    assert!(page().contains(line), "{}", page());
}

#[tokio::test(start_paused = true)]
async fn a_secret_under_a_customer_key_is_warned_about() {
    let stack = TestStack::new().await;
    let name = "ecr-pullthroughcache/ops";
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let input = json!({"Name": name, "SecretString": credential("canary-docker-1").to_string(), "KmsKeyId": key});
    stack.aws.call("secretsmanager", "CreateSecret", input).unwrap();
    stack.upload(&format!("hub: {{registry: docker.io, secret: {name}}}\n"));
    let report = stack.manual("plan").await;
    assert!(warning(&report, Code::CUSTOMER_KEY).contains(key), "{report:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_outside_the_file_whose_credential_is_refused_is_warned_about() {
    let stack = TestStack::new().await;
    let name = "ecr-pullthroughcache/ops";
    let secret = stack.make_secret(name, &credential("canary-docker-1"), json!([]));
    stack
        .follow(&format!("hub: {{registry: docker.io, secret: {name}}}\n"))
        .await;
    let rule = json!({"ecrRepositoryPrefix": "theirs", "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": secret});
    stack.aws.call("ecr", "CreatePullThroughCacheRule", rule).unwrap();
    stack.rotate(name, "canary-wrong");
    let report = stack.send(stack.newest_rotation()).await.unwrap();
    assert!(
        warning(&report, Code::FOREIGN_RULE_REFUSED).contains("not in the file"),
        "{report:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn repositories_that_were_left_to_do_are_warned_about() {
    let stack = TestStack::new().await;
    stack.follow("quay: {registry: quay.io}\n").await;
    let repository = json!({"repositoryName": "quay/a"});
    stack.aws.call("ecr", "CreateRepository", repository).unwrap();
    let never = Fault::on("ecr", "PutLifecyclePolicy").error("ServerException", "no", 500);
    stack.aws.fault(never);
    stack.upload("quay: {registry: quay.io, existing_repositories: true}\n");
    _ = stack.send(scheduled()).await;
    let status = stack.status();
    assert!(
        warning(&status, Code::REPOSITORIES_LEFT).contains("PutLifecyclePolicy"),
        "{status:#?}"
    );
}
