//! The report of a plan or an apply, for a terminal.

use std::collections::BTreeSet;

use config::{Problem, Rejected, Severity};
use ecr_pull_through_sync::report::{ChangeResult, Mark, Outcome, Report, State, some};

use jiff::Timestamp;

use crate::input::Input;
use crate::session::Session;
use crate::view::checked::Checked;
use crate::view::rows::{Row, Rows};
use crate::view::status::registries;
use crate::view::terminal::Page;
use crate::view::{diff, problems};

/// How much of a plan is shown, and what may follow.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Every field, old and new.
    pub details: bool,
    /// The command that applies exactly this plan, where nobody will be asked.
    pub next: Option<&'a str>,
}

/// What is to be done: a row for what changes, what stops some, a sentence about all, and the next command.
pub fn page(report: &Report, input: &Input, session: &Session, shown: Shown<'_>, color: bool) -> String {
    if report.outcome == Outcome::Rejected {
        let rejected = Rejected {
            errors: report.errors.clone(),
            warnings: report.warnings.clone(),
        };
        return problems::page(&Checked::rejected(input, rejected), color);
    }
    let mut page = Page::new(color);
    let (home, owner) = (&session.home, &session.settings.owner);
    let (account, region) = (&home.account, &home.region);
    let against = format!("{} against account {account} in {region}, as {owner}", input.name);
    page.line(Mark::Same, &against);
    if let Some(words) = report.elsewhere_words() {
        page.line(Mark::Same, &words);
    }
    page.gap();
    changes(&mut page, report, session, shown.details);
    for blocker in report.blockers() {
        page.attention(&[blocker.line()]);
        page.gap();
    }
    let warnings = by_message(&report.warnings);
    problems::say_all(&mut page, Severity::Warning, &warnings, &input.name);
    if !warnings.is_empty() {
        page.gap();
    }
    page.said(report.outcome.into(), report.outcome.as_str(), &tally(report));
    if report.is_wrong() {
        page.prose(Mark::Same, &report.message);
    }
    match (&report.plan_checksum, shown.next) {
        (Some(sum), Some(next)) if does_something(report) => {
            let hint = if shown.details {
                ""
            } else {
                " (`--details` shows every field)"
            };
            page.prose(Mark::Same, &format!("To apply exactly this{hint}:"));
            // One line, to be copied.
            page.line(Mark::Same, &format!("  {next} --plan-checksum {sum}"));
        }
        _ => {}
    }
    page.text
}

/// Whether an apply of a plan would change anything.
pub fn does_something(report: &Report) -> bool {
    report
        .changes
        .iter()
        .any(|change| change.result == ChangeResult::Planned)
}

/// The table, and every field where that is wanted.
fn changes(page: &mut Page, report: &Report, session: &Session, details: bool) {
    if report.changes.is_empty() {
        return;
    }
    let Rows { rows, common } = Rows::of(report, &session.home);
    let cells = rows.into_iter().map(|row| {
        let Row {
            mark,
            registry,
            change,
            fields,
        } = row;
        vec![mark.as_str().to_owned(), registry, change, fields]
    });
    let marks = [Mark::Added, Mark::Changed, Mark::Removed, Mark::Attention];
    let head = ["", "registry", "change", "what"];
    page.table(&head, cells, &marks.map(|mark| (mark.as_str(), mark)));
    page.gap();
    if let Some(common) = common {
        page.prose(Mark::Same, &common);
        page.gap();
    }
    if !details {
        return;
    }
    for change in report.changes.iter().filter(|change| !change.diff.is_empty()) {
        let mark = change.mark();
        let heading = format!("{} {}: {}", mark.as_str(), change.registry, change.words());
        page.line(mark, &heading);
        for (mark, line) in change.diff.iter().flat_map(diff::lines) {
            page.line(mark, &format!("    {} {line}", mark.as_str()));
        }
    }
    page.gap();
}

/// What is to be done, counted, and how much stays as it is.
pub fn tally(report: &Report) -> String {
    let changed: BTreeSet<&str> = report.changes.iter().map(|change| change.registry.as_str()).collect();
    let same = report.registries.iter().filter(|(name, registry)| {
        !changed.contains(name.as_str()) && matches!(registry.state, State::Ready | State::Planned)
    });
    match same.count() {
        0 => report.tally(),
        1 => format!("{}; 1 registry stays as it is", report.tally()),
        n => format!("{}; {n} registries stay as they are", report.tally()),
    }
}

/// What is said of several registries in the same words is said once, without a place.
pub fn by_message(problems: &[Problem]) -> Vec<Problem> {
    let mut told: Vec<(&Problem, Vec<&str>)> = Vec::new();
    for problem in problems {
        let registry = problem.registry.as_deref();
        match told.iter_mut().find(|(known, _)| known.message == problem.message) {
            Some((known, names)) if known.registry.is_some() && registry.is_some() => names.extend(registry),
            _ => told.push((problem, registry.into_iter().collect())),
        }
    }
    let once = told.into_iter().map(|(problem, names)| match names.as_slice() {
        [] | [_] => problem.clone(),
        names => Problem {
            registry: Some(some(names.iter().copied())),
            line: None,
            column: None,
            ..problem.clone()
        },
    });
    once.collect()
}

/// What was done, what was not, and how the registries are now.
pub fn done(report: &Report, input: &Input, session: &Session, color: bool) -> String {
    let refused = report.changes.iter().any(|change| !change.diff.is_empty());
    if report.outcome == Outcome::Rejected || refused {
        let mut all = Page::new(color);
        let shown = Shown {
            details: false,
            next: None,
        };
        all.text = format!("{}\n", page(report, input, session, shown, color).trim_end());
        all.line(Mark::Same, &report.message);
        return all.text;
    }
    let mut page = Page::new(color);
    let applied = report
        .changes
        .iter()
        .filter(|change| change.result == ChangeResult::Applied);
    for change in applied {
        if let Some(note) = &change.note {
            let (mark, words) = (change.mark(), change.words());
            page.line(mark, &format!("{} {}: {words}: {note}", mark.as_str(), change.registry));
        }
    }
    let blockers = report.blockers();
    for blocker in &blockers {
        page.attention(&blocker.lines());
    }
    if !page.text.is_empty() {
        page.gap();
    }
    registries(&mut page, report, &blockers, Timestamp::now());
    let warnings = by_message(&report.warnings);
    if !warnings.is_empty() {
        page.gap();
    }
    problems::say_all(&mut page, Severity::Warning, &warnings, &input.name);
    page.gap();
    page.said(report.outcome.into(), report.outcome.as_str(), &report.message);
    page.text
}
