//! Problems of a file for people and for GitHub Actions.

use annotate_snippets::{AnnotationKind, Level as Title, Renderer, Snippet};
use config::Problem;

use crate::view::checked::{Checked, Level};
use crate::view::excerpt;

/// A file's problems with the lines they are about, and a sentence about the whole.
pub fn page(file: &Checked, color: bool) -> String {
    let mut page = String::new();
    for (level, problem) in file.problems() {
        page.push_str(&shown(file, level, problem, color));
        page.push_str("\n\n");
    }
    page.push_str(&verdict(file));
    page.push('\n');
    page
}

fn verdict(file: &Checked) -> String {
    let count = |n: usize, what: &str| {
        if n == 1 {
            format!("1 {what}")
        } else {
            format!("{n} {what}s")
        }
    };
    let warnings = match file.warnings.len() {
        0 => String::new(),
        n => format!(", {}", count(n, "warning")),
    };
    match file.registries {
        Some(registries) => {
            let registries = if registries == 1 {
                "1 registry".to_owned()
            } else {
                format!("{registries} registries")
            };
            format!("{}: good, {registries}{warnings}", file.file)
        }
        None => format!(
            "{}: refused, {}{warnings}",
            file.file,
            count(file.errors.len(), "error")
        ),
    }
}

fn shown(file: &Checked, level: Level, problem: &Problem, color: bool) -> String {
    let title = match level {
        Level::Error => Title::ERROR,
        Level::Warning => Title::WARNING,
    };
    let mut title = title.primary_title(said(problem));
    if !problem.code.is_none() {
        title = title.id(problem.code.to_string());
    }
    let line = problem
        .line
        .and_then(|number| Some((number, file.excerpts.line(number)?)));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    match (line, problem.column) {
        (Some((number, line)), Some(column)) => {
            let word = AnnotationKind::Primary.span(excerpt::word(line, column));
            let snippet = Snippet::source(line)
                .path(file.file.as_str())
                .line_start(number)
                .annotation(word);
            renderer.render(&[title.element(snippet)])
        }
        // Not in the file, or in one that is no text: there is no line to show.
        _ => renderer.render(&[title.element(annotate_snippets::Origin::path(place(&file.file, problem)))]),
    }
}

fn place(file: &str, problem: &Problem) -> String {
    match (problem.line, problem.column) {
        (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
        _ => file.to_owned(),
    }
}

/// The message, and the registry it is about.
pub fn said(problem: &Problem) -> String {
    match &problem.registry {
        Some(registry) => format!("{registry}: {}", problem.message),
        None => problem.message.clone(),
    }
}

/// A file's problems as commands that GitHub Actions shows beside the lines ("Workflow commands for GitHub Actions").
pub fn annotations(file: &Checked) -> String {
    let lines = file.problems().map(|(level, problem)| {
        let mut properties = vec![format!("file={}", property(&file.file))];
        properties.extend(problem.line.map(|line| format!("line={line}")));
        properties.extend(problem.column.map(|column| format!("col={column}")));
        properties.extend(
            problem
                .registry
                .as_ref()
                .map(|registry| format!("title={}", property(registry))),
        );
        format!(
            "::{} {}::{}\n",
            level.as_str(),
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
