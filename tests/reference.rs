//! What is made from the tables of keys is committed as they make it. `BLESS=1 cargo test --test all reference::` writes it:
//! review it in the diff.

use std::{env, fs};

use config::{reference, schema};

const BEGIN: &str = "<!-- fields:";
const END: &str = "<!-- /fields -->";

/// Compares a committed text with what it has to be, or writes it.
fn assert_in_step(path: &str, committed: &str, made: &str) {
    if env::var_os("BLESS").is_some() {
        fs::write(path, made).unwrap();
        return;
    }
    let first = committed
        .lines()
        .zip(made.lines())
        .position(|(committed, made)| committed != made);
    assert!(
        committed == made,
        "{path} is not in step from line {:?} on; BLESS=1 writes it",
        first.map(|line| line + 1)
    );
}

/// Puts a text between the two marks of a page, each of which stands there once.
fn between_marks(page: &str, text: &str) -> String {
    assert_eq!((page.matches(BEGIN).count(), page.matches(END).count()), (1, 1));
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    format!("{before}{BEGIN}{mark}\n\n{text}\n{END}{after}")
}

/// The schema as it is committed and printed.
fn schema_text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap())
}

#[test]
fn the_schema_is_committed() {
    let path = "registries.schema.json";
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert_in_step(path, &committed, &schema_text());
}

#[test]
fn the_page_of_the_file_has_what_the_tables_say() {
    let path = "docs/file.md";
    let page = fs::read_to_string(path).unwrap();
    assert_in_step(path, &page, &between_marks(&page, &reference()));
}

#[test]
fn every_example_names_the_schema() {
    for example in fs::read_dir("examples").unwrap().map(|entry| entry.unwrap().path()) {
        if example.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&example).unwrap();
            let first = text.lines().next().unwrap();
            let schema = first.strip_prefix("# yaml-language-server: $schema=").unwrap();
            assert!(
                example.parent().unwrap().join(schema).is_file(),
                "{}: {schema}",
                example.display()
            );
        }
    }
}

#[test]
fn every_key_is_described() {
    fn walk(schema: &serde_json::Value, at: &str, missing: &mut Vec<String>) {
        let properties = schema.get("properties").and_then(serde_json::Value::as_object);
        let closed = schema.get("additionalProperties") == Some(&serde_json::Value::Bool(false));
        for (key, value) in properties.into_iter().flatten().filter(|_| closed) {
            let told = ["title", "description", "markdownDescription"]
                .iter()
                .all(|word| value[word].is_string());
            // What is in the definitions is told there; what may not be there says why.
            if !told && value.get("$ref").is_none() && value.get("errorMessage").is_none() {
                missing.push(format!("{at}.{key}"));
            }
        }
        let inner: Vec<(String, &serde_json::Value)> = match schema {
            serde_json::Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), value)).collect(),
            serde_json::Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
            _ => Vec::new(),
        };
        inner
            .into_iter()
            .for_each(|(key, value)| walk(value, &format!("{at}/{key}"), missing));
    }
    let mut missing = Vec::new();
    walk(&schema(), "", &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}
