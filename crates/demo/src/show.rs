//! A report in the terminal.

use std::time::Duration;

use comfy_table::{Table, presets};
use serde_json::Value;

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
    for (kind, problems) in [("error", &report["errors"]), ("warning", &report["warnings"])] {
        for problem in problems.as_array().into_iter().flatten() {
            let place = match (&problem["line"], &problem["column"]) {
                (Value::Number(line), Value::Number(column)) => format!("{line}:{column}: "),
                _ => String::new(),
            };
            println!(
                "{kind}: {place}{}: {}",
                text(&problem["registry"]),
                text(&problem["message"])
            );
        }
    }
}

/// Columns that are empty in every row are left out.
fn table(titles: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles).add_rows(&rows);
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
