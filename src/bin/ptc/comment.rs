//! A plan as a comment on a pull request.

use std::fmt::Write as _;

use ecr_pull_through_sync::config::Problem;
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::report::{Change, Report, code, text};

use crate::show;

/// GitHub takes 65,536 characters; the rest is for what a pipeline puts around it.
const MOST: usize = 60_000;

/// How many changes the table lists.
const MOST_ROWS: usize = 200;

/// A plan in Markdown. Text from outside is escaped.
pub fn comment(report: &Report, file: &str, home: &Home) -> String {
    let mut page = String::new();
    // Writing into a String cannot fail.
    _ = write_head(&mut page, report, file, home);
    let foot = report.plan_checksum.as_ref().map(|sum| format!("\nPlan checksum: `{sum}`\n")).unwrap_or_default();
    let (mut left_out, room) = (0, MOST.saturating_sub(foot.len() + 200));
    for change in report.changes.iter().filter(|change| !change.diff.is_empty()) {
        let details = details(change);
        if page.len() + details.len() > room {
            left_out += 1;
        } else {
            page.push_str(&details);
        }
    }
    if left_out > 0 {
        page.push_str(&format!("\n{left_out} changes are too long to show here: run `ptc plan` to see them.\n"));
    }
    page.push_str(&foot);
    page
}

fn write_head(page: &mut String, report: &Report, file: &str, home: &Home) -> std::fmt::Result {
    writeln!(page, "### `{}`: {}\n", code(file), text(&show::tally(report)))?;
    writeln!(page, "Account `{}`, Region `{}`, outcome **{}**", home.account, home.region, report.outcome.as_str())?;
    problems(page, "Errors", &report.errors)?;
    if !report.changes.is_empty() {
        writeln!(page, "\n| | registry | change | fields | why |\n| --- | --- | --- | --- | --- |")?;
    }
    for change in report.changes.iter().take(MOST_ROWS) {
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            show::mark(change).as_str(),
            text(&change.registry),
            text(&show::words(change)),
            text(&change.fields.join(", ")),
            text(change.error.as_deref().unwrap_or_default()),
        )?;
    }
    if let Some(more) = report.changes.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        writeln!(page, "\n{more} more changes are not listed.")?;
    }
    problems(page, "Warnings", &report.warnings)?;
    writeln!(page)
}

fn problems(page: &mut String, title: &str, problems: &[Problem]) -> std::fmt::Result {
    if !problems.is_empty() {
        writeln!(page, "\n**{title}**\n")?;
    }
    for problem in problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{line}:{column}: "),
            _ => String::new(),
        };
        writeln!(page, "- {place}{}", text(&crate::problems::said(problem)))?;
    }
    Ok(())
}

fn details(change: &Change) -> String {
    let lines: String = change
        .diff
        .iter()
        .flat_map(show::lines)
        .map(|(mark, line)| {
            // `diff` knows no mark for what becomes another.
            let mark = if mark == show::Mark::Other { "!" } else { mark.as_str() };
            format!("{mark} {line}\n")
        })
        .collect();
    let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let summary = text(&format!("{}: {}", change.registry, show::words(change)));
    format!("<details><summary>{summary}</summary>\n\n{fence}diff\n{lines}{fence}\n\n</details>\n")
}
