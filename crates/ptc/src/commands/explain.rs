//! `ptc explain`: what an error or a warning means, and what to do.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use config::{Kind, Severity, kind_named, kinds};
use ecr_pull_through_sync::report::Mark;

use crate::allow::unknown;
use crate::ui::{Failure, Ui};
use crate::view::terminal::Page;

const EXAMPLES: &str = "Examples:
  ptc explain PT017   what it means, and what to do
  ptc explain         all codes";

/// Explain the code of an error or a warning, or list them all.
#[derive(ClapArgs)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The code, such as PT017, or its name, such as unknown-key.
    code: Option<String>,
}

pub async fn run(args: Args, ui: &Ui) -> Result<ExitCode, Failure> {
    match args.code {
        None if ui.json => ui.value(&kinds().collect::<Vec<_>>())?,
        None => ui.raw(list(ui.color).as_bytes())?,
        Some(code) => {
            let kind = kind_named(&code).map_err(|near| Failure::Usage(unknown(&code, near)))?;
            if ui.json {
                ui.value(kind)?;
            } else {
                ui.raw(page(kind, ui.color).as_bytes())?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn mark(severity: Severity) -> Mark {
    match severity {
        Severity::Error => Mark::Attention,
        Severity::Warning => Mark::Changed,
    }
}

fn list(color: bool) -> String {
    let mut page = Page::new(color);
    let rows = kinds().map(|kind| {
        let severity = kind.severity.as_str().to_owned();
        vec![severity, kind.code.to_string(), kind.title.to_owned()]
    });
    let marks = [Severity::Error, Severity::Warning].map(|severity| (severity.as_str(), mark(severity)));
    page.table(&["", "code", "what is the matter"], rows, &marks);
    page.text
}

fn page(kind: &Kind, color: bool) -> String {
    let mut page = Page::new(color);
    let word = format!("{}[{}]", kind.severity.as_str(), kind.code);
    page.said(mark(kind.severity), &word, kind.title);
    for text in [kind.why, kind.fix] {
        page.gap();
        page.prose(Mark::Same, text);
    }
    for (word, file) in kind.examples() {
        page.gap();
        page.line(Mark::Same, &format!("{word}:"));
        page.gap();
        for line in file.lines() {
            page.line(Mark::Same, &format!("    {line}"));
        }
    }
    page.text
}
