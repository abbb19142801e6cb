//! The report of a plan or an apply, for a terminal.

use config::Rejected;
use ecr_pull_through_sync::report::{Blocker, ChangeResult, Mark, Outcome, Report};

use crate::input::Input;
use crate::session::Session;
use crate::view::checked::Checked;
use crate::view::terminal::Page;
use crate::view::{diff, problems};

/// What is to be done: each change with its fields, what stops some, and a sentence about all.
pub fn page(report: &Report, input: &Input, session: &Session, color: bool) -> String {
    if report.outcome == Outcome::Rejected {
        let rejected = Rejected {
            errors: report.errors.clone(),
            warnings: report.warnings.clone(),
        };
        return problems::page(&Checked::rejected(input, rejected), color);
    }
    let mut page = Page::new(color);
    let (home, owner) = (&session.home, &session.settings.owner);
    page.line(
        Mark::Same,
        &format!(
            "{} against account {} in {}, as {owner}",
            input.name, home.account, home.region
        ),
    );
    page.gap();
    for change in &report.changes {
        let mark = change.mark();
        page.line(
            mark,
            &format!("{} {}: {}", mark.as_str(), change.registry, change.words()),
        );
        for (mark, line) in change.diff.iter().flat_map(diff::lines) {
            page.line(mark, &format!("    {} {line}", mark.as_str()));
        }
        if change.diff.is_empty() && !change.fields.is_empty() {
            page.line(Mark::Same, &format!("      {}", change.fields.join(", ")));
        }
    }
    if !report.changes.is_empty() {
        page.gap();
    }
    for blocker in report.blockers() {
        page.attention(&[blocker.line()]);
        page.gap();
    }
    for warning in &report.warnings {
        page.said(Mark::Same, "warning", &problems::said(warning));
        page.gap();
    }
    page.said(Mark::Same, report.outcome.as_str(), &report.tally());
    if report.is_wrong() {
        page.line(Mark::Same, &report.message);
    }
    if let Some(sum) = &report.plan_checksum {
        page.said(Mark::Same, "plan checksum", sum);
    }
    page.text
}

/// What was done, what was not, and how the registries are now.
pub fn done(report: &Report, input: &Input, session: &Session, color: bool) -> String {
    let refused = report.changes.iter().any(|change| !change.diff.is_empty());
    if report.outcome == Outcome::Rejected || refused {
        let mut all = Page::new(color);
        all.text = format!("{}\n", page(report, input, session, color).trim_end());
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
    for (name, registry) in &report.registries {
        let (state, credential) = (registry.state.as_str(), registry.credential.as_str());
        let message = unsaid(registry.message.as_deref(), &blockers).map(|message| format!(": {message}"));
        page.line(
            Mark::Same,
            &format!(
                "{name} {state} ({}, credential {credential}){}",
                registry.url,
                message.unwrap_or_default()
            ),
        );
    }
    for warning in &report.warnings {
        page.said(Mark::Same, "warning", &problems::said(warning));
    }
    page.gap();
    page.said(Mark::Same, report.outcome.as_str(), &report.message);
    page.text
}

/// A registry's message, unless the page has told it as a reason.
pub fn unsaid<'a>(message: Option<&'a str>, blockers: &[Blocker<'_>]) -> Option<&'a str> {
    message.filter(|message| !blockers.iter().any(|blocker| blocker.is_for(message)))
}
