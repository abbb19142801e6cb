//! A plan as a comment on a pull request. Whoever made the request may have written what is in it: it is bounded, nothing
//! in it becomes markup, and nobody is called by it.

use config::{Problem, Severity};
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::report::{self, Blocker, Change, Mark, Report, code};

use crate::view::diff;
use crate::view::plan::{by_message, does_something, tally};
use crate::view::rows::{Row, Rows};
use crate::view::visible::visible;

/// GitHub takes 65,536 characters; the rest is for what a pipeline puts around it.
const MOST: usize = 60_000;

/// A comment that takes what fits.
#[derive(Default)]
pub struct Comment {
    text: String,
    left_out: usize,
}

impl Comment {
    /// Adds something whole, or counts it as left out.
    pub fn add(&mut self, piece: &str) {
        if self.text.len() + piece.len() > MOST {
            self.left_out += 1;
        } else {
            self.text.push_str(piece);
        }
    }

    /// All that was taken, with a sentence about what was left out, where that is something.
    pub fn ended(self, about: impl Fn(usize) -> String) -> String {
        match self.left_out {
            0 => self.text,
            left_out => format!("{}\n{}\n", self.text, about(left_out)),
        }
    }
}

/// A plan in Markdown, with the command that applies it.
pub fn of_plan(report: &Report, file: &str, home: &Home, next: Option<&str>) -> String {
    let mut comment = Comment::default();
    comment.add(&format!("### `{}`: {}\n\n", code(file), text(&tally(report))));
    comment.add(&format!(
        "Account `{}`, Region `{}`, outcome **{}**\n",
        home.account,
        home.region,
        report.outcome.as_str()
    ));
    if let Some(words) = report.elsewhere_words() {
        comment.add(&format!("\n{}\n", text(&words)));
    }
    if report.is_wrong() {
        comment.add(&format!("\n{}\n", text(&report.message)));
    }
    problems(&mut comment, "Errors", Severity::Error, &report.errors, file);
    let Rows { rows, common } = Rows::of(report, home);
    if !rows.is_empty() {
        comment.add("\n| | registry | change | what |\n| --- | --- | --- | --- |\n");
    }
    for row in &rows {
        comment.add(&line(row));
    }
    if let Some(common) = common {
        comment.add(&format!("\n{}\n", text(&common)));
    }
    list(
        &mut comment,
        "Not as it should be",
        report.blockers().iter().map(Blocker::line).map(|line| text(&line)),
    );
    let warnings = by_message(&report.warnings);
    problems(&mut comment, "Warnings", Severity::Warning, &warnings, file);
    comment.add("\n");
    for change in report.changes.iter().filter(|change| !change.diff.is_empty()) {
        comment.add(&details(change));
    }
    let mut text =
        comment.ended(|left_out| format!("{left_out} lines or details do not fit here: run `ptc plan` to see them."));
    if let Some(sum) = &report.plan_checksum {
        text.push_str(&format!("\nPlan checksum: `{sum}`\n"));
        if does_something(report)
            && let Some(next) = next
        {
            let next = code(&format!("{} --plan-checksum {sum}", visible(next)));
            text.push_str(&format!("\nTo apply exactly this: `{next}`\n"));
        }
    }
    text
}

/// Text that is no more than text. What begins with `@` would call somebody.
pub fn text(raw: &str) -> String {
    report::text(&visible(raw)).replace('@', "@\u{200b}")
}

fn problems(comment: &mut Comment, title: &str, severity: Severity, problems: &[Problem], file: &str) {
    let lines = problems
        .iter()
        .map(|problem| report::problem(severity, problem, file, text));
    list(comment, title, lines);
}

/// Lines that are Markdown already.
fn list(comment: &mut Comment, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        comment.add(&format!("\n**{title}**\n\n"));
    }
    for line in lines {
        comment.add(&format!("- {line}\n"));
    }
}

fn line(row: &Row) -> String {
    let Row {
        mark,
        registry,
        change,
        fields,
    } = row;
    let mark = mark.as_str();
    format!(
        "| `{mark}` | {} | {} | {} |\n",
        text(registry),
        text(change),
        text(fields)
    )
}

fn details(change: &Change) -> String {
    let lines: String = change
        .diff
        .iter()
        .flat_map(diff::lines)
        .map(|(mark, line)| {
            // GitHub colours the marks of `diff`, which has none for a change.
            let mark = if mark == Mark::Changed { "!" } else { mark.as_str() };
            format!("{mark} {}\n", visible(&line))
        })
        .collect();
    let longest = lines.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let summary = text(&format!("{}: {}", change.registry, change.words()));
    format!("<details><summary>{summary}</summary>\n\n{fence}diff\n{lines}{fence}\n\n</details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_counted_and_nobody_is_called() {
        let mut comment = Comment::default();
        list(
            &mut comment,
            "Errors",
            (0..2000).map(|n| format!("{n} {}", "&".repeat(60))),
        );
        assert!(comment.text.len() <= MOST && comment.left_out > 1000);
        assert_eq!(text("@org/team \u{202e}<b>"), "@\u{200b}org/team \\\\u{202e}&lt;b&gt;");
    }
}
