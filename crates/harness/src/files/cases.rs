//! The table of files that are refused, in `tests/bad_files/`.

use std::fs;
use std::path::PathBuf;

use config::Context;

use super::context;

pub struct Case {
    /// What it shows.
    pub title: String,
    pub yaml: String,
    /// Every error it gives.
    pub expected: Vec<String>,
}

/// Each page of the table: its path, what stands above the cases, and the cases.
pub fn tables() -> Vec<(PathBuf, String, Vec<Case>)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/bad_files"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let (preamble, cases) = cases(&fs::read_to_string(&path).unwrap());
        (path, preamble, cases)
    };
    paths.into_iter().map(read).collect()
}

fn cases(text: &str) -> (String, Vec<Case>) {
    let mut parts = text.split("\n## ");
    let preamble = format!("{}\n", parts.next().unwrap().trim_end());
    let cases = parts.map(|part| {
        let (title, rest) = part.split_once('\n').unwrap();
        let (expected, yaml): (Vec<&str>, Vec<&str>) = rest.lines().partition(|line| line.starts_with(">>"));
        let mut yaml = yaml.join("\n").trim_end_matches('\n').to_owned();
        yaml.push('\n');
        Case {
            title: title.to_owned(),
            yaml: if yaml == "\n" { String::new() } else { yaml },
            expected: expected
                .iter()
                .map(|line| line.trim_start_matches(">> ").to_owned())
                .collect(),
        }
    });
    (preamble, cases.collect())
}

/// The account a case is for: words in braces in its title change it.
pub fn context_of(title: &str) -> Context {
    let mut context = context();
    if title.contains("{no-role}") {
        context.template_role = false;
    }
    if title.contains("{resource-tags}") {
        context.resource_tags.insert("team".to_owned(), "platform".to_owned());
    }
    if title.contains("{bad-resource-tags}") {
        context
            .resource_tags
            .insert("aws:team".to_owned(), "platform".to_owned());
    }
    context
}
