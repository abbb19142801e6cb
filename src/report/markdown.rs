//! The report as Markdown, for people who open the status in a browser or a chat.

use std::fmt::Write;

use super::view::word;
use super::{Existing, Report};
use config::{Problem, Severity, is_invisible};

/// Writes the report as Markdown. All text from outside is escaped.
pub fn markdown(report: &Report) -> String {
    let mut page = String::new();
    // Writing into a String cannot fail.
    _ = write(&mut page, report);
    page
}

fn write(page: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(page, "# {}: {}\n", report.outcome.as_str(), text(&report.message))?;
    writeln!(
        page,
        "- run `{}` ({}, {}), {} to {}",
        code(&report.run_id),
        report.mode.as_str(),
        report.trigger.kind.as_str(),
        text(&report.started_at),
        text(&report.finished_at)
    )?;
    let version = report
        .config
        .version_id
        .as_deref()
        .map(|v| format!(", version `{}`", code(v)))
        .unwrap_or_default();
    writeln!(
        page,
        "- file `{}`{version}",
        code(&format!("s3://{}/{}", report.config.bucket, report.config.key))
    )?;
    writeln!(
        page,
        "- last success: {}",
        text(report.last_success_at.as_deref().unwrap_or("none yet"))
    )?;
    writeln!(
        page,
        "- {} AWS calls, {} ms",
        report.stats.aws_calls, report.stats.duration_ms
    )?;
    if let Some(Existing { progress, .. }) = &report.existing_repositories {
        writeln!(page, "- existing repositories: {progress}")?;
    }
    if let Some(words) = report.elsewhere_words() {
        writeln!(page, "- {}", text(&words))?;
    }
    problems(page, report, Severity::Error)?;
    if !report.registries.is_empty() {
        writeln!(
            page,
            "\n## Registries\n\n| registry | state | upstream | pull URL | credential | message |"
        )?;
        writeln!(page, "| --- | --- | --- | --- | --- | --- |")?;
        for (name, registry) in &report.registries {
            let since = registry
                .since
                .as_ref()
                .map(|s| format!(" (since {})", text(s)))
                .unwrap_or_default();
            writeln!(
                page,
                "| {} | {}{since} | {} | `{}` | {} | {} |",
                text(name),
                registry.state.as_str(),
                text(&registry.upstream),
                code(&registry.url),
                text(&registry.credential_words()),
                text(&registry.message_words()),
            )?;
        }
    }
    warm_images(page, report)?;
    if !report.changes.is_empty() {
        writeln!(
            page,
            "\n## Changes\n\n| registry | change | id | fields | result | why |"
        )?;
        writeln!(page, "| --- | --- | --- | --- | --- | --- |")?;
        for change in &report.changes {
            let since = change
                .since
                .as_ref()
                .map(|s| format!(" (since {})", text(s)))
                .unwrap_or_default();
            let why = change.error.as_deref().or(change.note.as_deref()).unwrap_or_default();
            let more = change.more.map(|n| format!("{n} more: ")).unwrap_or_default();
            writeln!(
                page,
                "| {} | {} {} | {} | {} | {}{since} | {more}{} |",
                text(&change.registry),
                word(&change.action),
                word(&change.resource),
                text(&change.id),
                text(&change.fields.join(", ")),
                word(&change.result),
                text(why),
            )?;
        }
    }
    problems(page, report, Severity::Warning)
}

/// The images that are to be warm: how many, and what stands in the way of some.
fn warm_images(page: &mut String, report: &Report) -> std::fmt::Result {
    let warm = report
        .registries
        .iter()
        .filter_map(|(name, registry)| Some((name, registry.warm.as_ref()?)));
    for (n, (name, warm)) in warm.enumerate() {
        if n == 0 {
            writeln!(page, "\n## Warm images\n")?;
        }
        writeln!(page, "- {}: {warm}", text(name))?;
        for told in &warm.images {
            if let Some(why) = told.why() {
                writeln!(page, "  - `{}` {}", code(&told.image), text(&why))?;
            }
        }
    }
    Ok(())
}

fn problems(page: &mut String, report: &Report, severity: Severity) -> std::fmt::Result {
    let (title, problems) = match severity {
        Severity::Error => ("Errors", &report.errors),
        Severity::Warning => ("Warnings", &report.warnings),
    };
    if problems.is_empty() {
        return Ok(());
    }
    writeln!(page, "\n## {title}\n")?;
    for found in problems {
        writeln!(page, "- {}", problem(severity, found, &report.config.key, text))?;
    }
    Ok(())
}

/// A problem in Markdown: how bad, its code, where, and what is wrong, its text escaped by `text`.
pub fn problem(severity: Severity, problem: &Problem, file: &str, text: impl Fn(&str) -> String) -> String {
    let mut words = vec![format!("**{}**", severity.as_str())];
    if !problem.code.is_none() {
        words.push(format!("`{}`", problem.code));
    }
    words.extend(problem.place(file).map(|place| format!("`{}`", code(&place))));
    words.push(text(&problem.sentence()));
    words.join(" ")
}

/// Text in a table cell: what Markdown or HTML would read as more than text is escaped.
pub fn text(raw: &str) -> String {
    let mut escaped = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            c if is_invisible(c) => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text between backticks in a table: a backtick would end it, a bar the cell.
pub fn code(raw: &str) -> String {
    raw.chars()
        .map(|c| {
            if is_invisible(c) || matches!(c, '`' | '|') {
                ' '
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(
            text("a|b <script> [x](y) `c`\n# h"),
            r"a\|b &lt;script&gt; \[x\](y) \`c\` \# h"
        );
        assert_eq!(code("a`b|c\nd"), "a b c d");
        assert_eq!(
            (text("a\u{202e}b\u{1b}"), code("a\u{2066}b")),
            ("a b ".into(), "a b".into())
        );
    }
}
