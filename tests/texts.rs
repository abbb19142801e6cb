//! Lines that people copy from the pages, the example workflow and the stack's outputs, and words that mislead.

use std::collections::BTreeMap;
use std::fs;

/// All of them, by path.
fn texts() -> BTreeMap<String, String> {
    let pages = fs::read_dir("docs")
        .unwrap()
        .map(|page| page.unwrap().path().display().to_string());
    let others = [
        "README.md",
        "template.yaml",
        "examples/github/registries.yml",
        "crates/local-aws/README.md",
    ];
    let paths = pages.chain(others.map(ToOwned::to_owned));
    let texts: BTreeMap<String, String> = paths
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(texts.len() > 15, "{:?}", texts.keys());
    texts
}

/// The lines in which a text stands, each with its file.
fn with(text: &str) -> Vec<String> {
    let texts = texts();
    let lines = texts
        .iter()
        .flat_map(|(path, page)| page.lines().map(move |line| format!("{path}: {line}")));
    lines.filter(|line| line.contains(text)).collect()
}

#[test]
fn the_function_is_invoked_in_a_way_that_both_versions_of_the_aws_cli_know() {
    // Version 1, which `pip install awscli` gives, does not have the first; the second reads its text as base64 in version 2.
    for flag in ["--cli-binary-format", "--payload '", "--payload \""] {
        assert_eq!(with(flag), [""; 0], "{flag}");
    }
    let invocations = with("aws lambda invoke");
    assert_eq!(invocations.len(), 4, "{invocations:#?}");
    for line in &invocations {
        // The whole command is two lines at most.
        let (path, line) = line.split_once(": ").unwrap();
        let (_, after) = texts()[path]
            .split_once(line)
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let command = format!("{line}{}", after.lines().take(2).collect::<Vec<_>>().join("\n"));
        assert!(command.contains("--payload fileb:///dev/stdin"), "{path}: {command}");
        // Without it the CLI gives up after 60 s and calls again; the function has 300.
        assert!(command.contains("--cli-read-timeout 310"), "{path}: {command}");
    }
}

#[test]
fn no_function_is_named_that_a_deploy_does_not_make() {
    // CloudFormation makes the name of the stack's, the logical id's and a random text.
    assert_eq!(with("--function ecr-pull-through-sync"), [""; 0]);
    assert_eq!(with("--function-name ecr-pull-through-sync"), [""; 0]);
}

#[test]
fn no_alarm_goes_off_where_it_clears() {
    for words in ["go off", "goes off", "going off", "went off"] {
        assert_eq!(with(words), [""; 0], "{words}");
    }
}

#[test]
fn nothing_is_to_be_filled_in_that_nobody_knows() {
    for placeholder in ["<this repository>", "<tag>"] {
        assert_eq!(with(placeholder), [""; 0], "{placeholder}");
    }
}
