//! A report in the terminal.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use config::{Problem, Severity};
use serde_json::Value;
use terminal_size::{Width, terminal_size};

pub fn title(text: &str) {
    println!("\n=== {text}\n");
}

pub fn report(report: &Value, took: Duration) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    println!(
        "{}: {} ({} ms)\n",
        text(&report["outcome"]),
        text(&report["message"]),
        took.as_millis()
    );
    let registries = report["registries"].as_object();
    let rows = registries.into_iter().flatten().map(|(name, registry)| {
        let keys = ["state", "upstream", "credential", "message"];
        std::iter::once(name.clone())
            .chain(keys.iter().map(|key| text(&registry[key])))
            .collect()
    });
    table(
        &["registry", "state", "upstream", "credential", "message"],
        rows.collect(),
    );
    let mut urls = registries
        .into_iter()
        .flatten()
        .map(|(_, registry)| text(&registry["url"]));
    if let Some(host) = urls.find_map(|url| url.split_once('/').map(|(host, _)| host.to_owned())) {
        println!("Images are pulled from {host}/<registry>/<image>:<tag>.\n");
    }
    let rows = report["changes"].as_array().into_iter().flatten().map(|change| {
        let fields: Vec<String> = change["fields"].as_array().into_iter().flatten().map(text).collect();
        let keys = ["registry", "action", "resource", "id"].map(|key| text(&change[key]));
        keys.into_iter()
            .chain([fields.join(", "), text(&change["result"]), text(&change["error"])])
            .collect()
    });
    table(
        &["registry", "change", "of", "id", "fields", "result", "why"],
        rows.collect(),
    );
    problems(report).iter().for_each(|line| println!("{line}"));
}

/// What is wrong with the file, as `ptc` says it.
fn problems(report: &Value) -> Vec<String> {
    let file = report["config"]["key"].as_str().unwrap_or_default();
    let lists = [(Severity::Error, "errors"), (Severity::Warning, "warnings")];
    let told = lists.into_iter().flat_map(|(severity, list)| {
        let problems: Vec<Problem> = serde_json::from_value(report[list].clone()).unwrap_or_default();
        let line = move |problem: Problem| format!("{}: {}", problem.label(severity), problem.told(file));
        problems.into_iter().map(line)
    });
    told.collect()
}

/// Columns that are empty in every row are left out.
fn table(titles: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles).add_rows(&rows);
    if let Some((Width(width), _)) = terminal_size() {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if rows.iter().all(|row| row.get(n).is_none_or(String::is_empty)) {
            column.set_constraint(comfy_table::ColumnConstraint::Hidden);
        }
    }
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
    println!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_has_its_code_and_its_place() {
        let problem = |code: &str, line: Value| json!({"code": code, "registry": "hub", "line": line, "column": line, "message": "x"});
        let report = json!({
            "config": {"key": "registries.yaml"},
            "errors": [problem("PT017", json!(3))],
            "warnings": [problem("PT080", Value::Null)],
        });
        let expected = ["error[PT017]: registries.yaml:3:3: hub: x", "warning[PT080]: hub: x"];
        assert_eq!(problems(&report), expected);
    }
}
