//! Problems of a file for people and for GitHub Actions.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use config::{Problem, Severity};
use ecr_pull_through_sync::report::{Mark, count};

use crate::view::checked::Checked;
use crate::view::excerpt;
use crate::view::terminal::Page;

/// A file's problems with the lines they are about, and a sentence about the whole.
pub fn page(file: &Checked, color: bool) -> String {
    let mut page = Page::new(color);
    for (severity, problem) in file.problems() {
        // Which file it is shows, also where none of its lines does.
        let told = match problem.line {
            Some(_) => problem.told(&file.file),
            None => format!("{}: {}", file.file, problem.sentence()),
        };
        say(&mut page, severity, problem, &told);
        page.text.push_str(&shown(file, severity, problem, color));
        page.gap();
    }
    page.line(Mark::Same, &verdict(file));
    page.text
}

fn say(page: &mut Page, severity: Severity, problem: &Problem, told: &str) {
    let mark = match severity {
        Severity::Error => Mark::Attention,
        Severity::Warning => Mark::Changed,
    };
    page.said(mark, &problem.label(severity), told);
}

/// Problems on a page, as they are said everywhere: how bad, its code, where, and what is wrong.
pub fn say_all<'p>(page: &mut Page, severity: Severity, problems: impl IntoIterator<Item = &'p Problem>, file: &str) {
    for problem in problems {
        say(page, severity, problem, &problem.told(file));
    }
}

/// A sentence over several files; none over one, whose own sentence says it all.
pub fn total(files: &[Checked]) -> Option<String> {
    let errors = files.iter().map(|file| file.errors.len()).sum();
    let warnings = files.iter().map(|file| file.warnings.len()).sum();
    (files.len() > 1).then(|| {
        format!(
            "{}, {}, {}",
            count(files.len(), "file"),
            count(errors, "error"),
            count(warnings, "warning")
        )
    })
}

fn verdict(file: &Checked) -> String {
    let warnings = match file.warnings.len() {
        0 => String::new(),
        n => format!(", {}", count(n, "warning")),
    };
    match file.registries {
        Some(registries) => {
            let registries = count(registries, "registry");
            let elsewhere = match file.elsewhere.len() {
                0 => String::new(),
                n => format!(" and {n} for other stacks"),
            };
            let unplaced = match file.unplaced.len() {
                0 => String::new(),
                n => format!("; {n} with `only`, checked by form alone: --account and --region check them for a stack"),
            };
            format!("{}: good, {registries}{elsewhere}{warnings}{unplaced}", file.file)
        }
        None => format!(
            "{}: refused, {}{warnings}",
            file.file,
            count(file.errors.len(), "error")
        ),
    }
}

/// The line that a problem is about, with a mark under the word; nothing for what is not in the file, or in one that is no
/// text.
fn shown(file: &Checked, severity: Severity, problem: &Problem, color: bool) -> String {
    let line = problem
        .line
        .and_then(|number| Some((number, file.excerpts.line(number)?)));
    let (Some((number, line)), Some(column)) = (line, problem.column) else {
        return String::new();
    };
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let word = AnnotationKind::Primary.span(excerpt::word(line, column));
    let snippet = Snippet::source(line).line_start(number).annotation(word);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    format!("{}\n", renderer.render(&[Group::with_level(level).element(snippet)]))
}

/// A file's problems as commands that GitHub Actions shows beside the lines ("Workflow commands for GitHub Actions").
pub fn annotations(file: &Checked) -> String {
    let lines = file.problems().map(|(severity, problem)| {
        let mut properties = vec![format!("file={}", property(&file.file))];
        properties.extend(problem.line.map(|line| format!("line={line}")));
        properties.extend(problem.column.map(|column| format!("col={column}")));
        let title: Vec<String> = [Some(problem.code.to_string()), problem.registry.clone()]
            .into_iter()
            .flatten()
            .collect();
        properties.push(format!("title={}", property(&title.join(" "))));
        format!(
            "::{} {}::{}\n",
            severity.as_str(),
            properties.join(","),
            data(&problem.message)
        )
    });
    lines.collect()
}

/// The toolkit's escapes: without them a text could end its command and begin another.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
