//! Lines that people copy from the pages, the example workflow and the stack's outputs, words that mislead, and links.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// All of them, by path.
fn texts() -> BTreeMap<String, String> {
    let pages = fs::read_dir("docs")
        .unwrap()
        .map(|page| page.unwrap().path().display().to_string());
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
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
    assert_eq!(invocations.len(), 3, "{invocations:#?}");
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

/// What it is, a picture, how to try it, to deploy it and to write the file: the rest is linked.
#[test]
fn the_readme_is_two_screens() {
    let words = texts()["README.md"].split_whitespace().count();
    assert!(words < 900, "{words} words");
}

/// The anchors that GitHub makes of a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = outside_code(page).filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(slug).collect()
}

/// The lines that are no code.
fn outside_code(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// A path from a page, without `..`, so that it is found whatever the working directory's parents are called.
fn beside(page: &str, link: &str) -> PathBuf {
    let mut path = Path::new(page).parent().unwrap().to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{page}: {link} leaves the repository"),
            part => path.push(part),
        }
    }
    path
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = texts();
    let (mut links, mut dead) = (0, Vec::new());
    for (path, page) in pages.iter().filter(|(path, _)| path.ends_with(".md")) {
        let text = outside_code(page).collect::<Vec<_>>().join(" ");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let at = if file.is_empty() {
                PathBuf::from(path)
            } else {
                beside(path, file)
            };
            let found = match fs::read_to_string(&at) {
                Ok(page) => anchor.is_empty() || anchors(&page).contains(anchor),
                Err(_) => false,
            };
            if !found {
                dead.push(format!("{path}: {target}"));
            }
        }
    }
    assert_eq!(dead, [""; 0]);
    assert!(links > 100, "only {links} were found");
}

/// All Rust of a folder, one after the other, and the names of its files.
fn rust(folder: &Path, text: &mut String, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            rust(&entry, text, files);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&entry).unwrap());
            files.push(format!("/{}", entry.display()));
        }
    }
}

#[test]
fn every_test_that_a_guarantee_names_is_there() {
    let (mut code, mut files) = (String::new(), Vec::new());
    for folder in ["src", "tests", "crates"] {
        rust(Path::new(folder), &mut code, &mut files);
    }
    let page = &texts()["docs/guarantees.md"];
    let quoted = page.split('`').skip(1).step_by(2);
    let (mut names, mut missing) = (0, Vec::new());
    for name in quoted {
        let is_test = name.matches('_').count() > 3 && name.chars().all(|c| c.is_ascii_lowercase() || "_".contains(c));
        let found = if name.ends_with(".rs") {
            files.iter().any(|file| file.ends_with(&format!("/{name}")))
        } else {
            !is_test || code.contains(&format!("fn {name}("))
        };
        names += usize::from(is_test || name.ends_with(".rs"));
        if !found {
            missing.push(name);
        }
    }
    assert_eq!(missing, [""; 0]);
    assert!(names > 80, "only {names} were found");
}

#[test]
fn every_reason_of_a_failure_or_hold_is_explained() {
    let mut code = String::new();
    rust(Path::new("src"), &mut code, &mut Vec::new());
    let words = code.split("Self::word(\"").skip(1);
    let words: Vec<&str> = words.filter_map(|rest| rest.split('"').next()).collect();
    assert!(words.len() > 20, "{words:?}");
    let page = &texts()["docs/report.md"];
    let missing: Vec<&&str> = words
        .iter()
        .filter(|word| !page.contains(&format!("`{word}`")))
        .collect();
    assert_eq!(missing, [&""; 0]);
}
