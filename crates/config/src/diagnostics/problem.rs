//! What is wrong with a file, for people, and how a message is kept from giving a token away.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::diagnostics::code::Code;
use crate::diagnostics::kinds::Severity;
use crate::diagnostics::place::Position;
use crate::diagnostics::redactor::{HIDDEN, Hidden};
use crate::diagnostics::tokens::holds_a_token;
use crate::diagnostics::tokens::looks_like_a_token;

/// More than this helps nobody, and the report has to stay small.
const MOST_PROBLEMS: usize = 100;

/// More than this is not even kept: a hostile file must not take all memory.
const MOST_KEPT: usize = 10_000;

/// How much of a text from the file a message repeats.
const MOST_SHOWN: usize = 60;

/// One mistake, or one warning, and where it stands.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Problem {
    /// Its kind, which stays the same whatever the words.
    #[serde(default, skip_serializing_if = "Code::is_none")]
    pub code: Code,
    /// The registry it belongs to, where it belongs to one.
    pub registry: Option<String>,
    /// The line, from 1; none for what is not in the file, such as RESOURCE_TAGS.
    pub line: Option<usize>,
    /// The column, from 1, in characters.
    pub column: Option<usize>,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl Problem {
    /// One that has no place in the file.
    pub fn unplaced(code: Code, registry: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            code,
            registry: registry.map(str::to_owned),
            line: None,
            column: None,
            message: message.into(),
        }
    }

    /// Where it stands, as editors and terminals open it: `registries.yaml:3:5`. None, if it is not in the file.
    #[must_use]
    pub fn place(&self, file: &str) -> Option<String> {
        Some(format!("{file}:{}:{}", self.line?, self.column?))
    }

    /// How bad it is, and its code: `error[PT017]`.
    #[must_use]
    pub fn label(&self, severity: Severity) -> String {
        match self.code.is_none() {
            true => severity.as_str().to_owned(),
            false => format!("{}[{}]", severity.as_str(), self.code),
        }
    }

    /// Where it stands in this file, if it does, the registry and the message.
    #[must_use]
    pub fn told(&self, file: &str) -> String {
        let place = self.place(file).map(|place| format!("{place}: "));
        format!("{}{}", place.unwrap_or_default(), self.sentence())
    }

    /// The registry and the message.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Problem {
    /// As everywhere, without the name of the file: `PT017 3:5: quay: unknown key ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.code.is_none() {
            write!(f, "{} ", self.code)?;
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        f.write_str(&self.sentence())
    }
}

/// A file that was not accepted.
#[derive(Debug)]
pub struct Rejected {
    /// All errors, in the order of the file.
    pub errors: Vec<Problem>,
    /// All warnings, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.len() {
            1 => f.write_str("the file has an error")?,
            n => write!(f, "the file has {n} errors")?,
        }
        self.errors.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for Rejected {}

/// Where the checks write down what they find.
#[derive(Default)]
pub(crate) struct Notes {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    /// How many errors were not even kept.
    dropped: usize,
    /// Every credential of the file, so that none gets into a message however misplaced it was.
    tokens: Vec<Zeroizing<String>>,
    /// Where values stand that were encrypted in the file.
    decrypted: HashSet<Position>,
    /// The registry that is being read.
    pub registry: Option<String>,
    /// What is being read is for other stacks, and its warnings are theirs.
    pub is_elsewhere: bool,
}

impl Notes {
    /// Notes an error, for the registry that is being read.
    pub fn error(&mut self, code: Code, at: impl Into<Option<Position>>, message: impl Into<String>) {
        if self.errors.len() == MOST_KEPT {
            self.dropped += 1;
            return;
        }
        let problem = self.problem(code, at.into(), message.into());
        self.errors.push(problem);
    }

    /// Notes a warning, for the registry that is being read.
    pub fn warn(&mut self, code: Code, at: impl Into<Option<Position>>, message: impl Into<String>) {
        if self.warnings.len() < MOST_KEPT && !self.is_elsewhere {
            let problem = self.problem(code, at.into(), message.into());
            self.warnings.push(problem);
        }
    }

    /// Remembers a credential that no message may contain.
    pub fn hide(&mut self, token: &str) {
        self.tokens.push(Zeroizing::new(token.to_owned()));
    }

    /// Remembers that the value here was encrypted in the file.
    pub fn decrypted(&mut self, at: Position) {
        self.decrypted.insert(at);
    }

    /// Whether the value here was encrypted in the file.
    pub fn was_encrypted(&self, at: Position) -> bool {
        self.decrypted.contains(&at)
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// How many errors there are so far.
    pub fn error_count(&self) -> usize {
        self.errors.len() + self.dropped
    }

    /// Whether there are far more problems than will be shown.
    pub fn is_flooded(&self) -> bool {
        self.errors.len().max(self.warnings.len()) > 5 * MOST_PROBLEMS
    }

    /// All errors and warnings, in the order of the file and free of credentials.
    pub fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        let hidden = Hidden::new(&self.tokens);
        (
            in_order(self.errors, self.dropped, &hidden, ("errors", Code::MORE_ERRORS)),
            in_order(self.warnings, 0, &hidden, ("warnings", Code::MORE_WARNINGS)),
        )
    }

    fn problem(&self, code: Code, at: Option<Position>, message: String) -> Problem {
        Problem {
            code,
            registry: self.registry.as_deref().map(escaped),
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            message,
        }
    }
}

fn in_order(
    mut problems: Vec<Problem>,
    dropped: usize,
    hidden: &Hidden<'_>,
    (what, code): (&str, Code),
) -> Vec<Problem> {
    // What has no position comes last: it is not in the file.
    problems.sort_by_key(|problem| (problem.line.is_none(), problem.line, problem.column));
    problems.dedup();
    let more = problems.len().saturating_sub(MOST_PROBLEMS) + dropped;
    problems.truncate(MOST_PROBLEMS);
    for problem in &mut problems {
        problem.message = hidden.without(&problem.message);
        problem.registry = problem.registry.take().map(|registry| hidden.without(&registry));
    }
    if more > 0 {
        problems.push(Problem::unplaced(
            code,
            None,
            format!("{more} more {what} are not shown"),
        ));
    }
    problems
}

/// A text of the file as a message shows it: in backquotes, its beginning only, nothing invisible in it.
pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", escaped(text))
}

/// The beginning of a text, control characters and invisible ones written out, nothing that looks like a token.
fn escaped(text: &str) -> String {
    if looks_like_a_token(text) {
        return HIDDEN.to_owned();
    }
    let mut out = String::new();
    let end = strays_from(text);
    for (count, c) in text.get(..end).unwrap_or(text).chars().enumerate() {
        if count == MOST_SHOWN {
            out.push('…');
            break;
        }
        if is_invisible(c) {
            // Writing to a String does not fail.
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    if end < text.len() && !out.ends_with('…') {
        out.push('…');
    }
    out
}

/// Where a text stops being about what it stands under: a lost colon or indentation joins the next line to it, and that may
/// be the one with the token.
fn strays_from(text: &str) -> usize {
    let is_stray = |word: &str| {
        let mixed = word.len() >= 8
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_alphabetic());
        mixed || holds_a_token(word) || matches!(word, "username" | "secret")
    };
    let mut words = text
        .char_indices()
        .filter(|(_, c)| c.is_whitespace())
        .map(|(at, c)| (at, at + c.len_utf8()));
    let stray = words.find(|(_, begins)| {
        let rest = text.get(*begins..).unwrap_or_default();
        is_stray(rest.split_whitespace().next().unwrap_or_default())
    });
    stray.map_or(text.len(), |(at, _)| at)
}

/// Whether a reader could not see a character, or it would change how others are seen.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A list of words for a message: `` `a`, `b` or `c` ``.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_hidden_wherever_it_stands() {
        let mut notes = Notes::default();
        notes.hide("abcd");
        notes.hide("abcdef");
        notes.registry = Some("my-abcd".to_owned());
        notes.error(Code::UNKNOWN_KEY, None, "the value abcdef and abcd");
        let (errors, _) = notes.finish();
        assert_eq!(errors[0].message, "the value [hidden] and [hidden]");
        assert_eq!(errors[0].registry.as_deref(), Some("my-[hidden]"));
    }

    #[test]
    fn what_is_shown_is_short_and_visible() {
        assert_eq!(shown("a\u{7}b\u{a0}c"), "`a\\u{7}b\\u{a0}c`");
        assert_eq!(shown(&"é".repeat(61)), format!("`{}…`", "é".repeat(60)));
        assert_eq!(shown("registry: dckr_pat_abc"), "`[hidden]`");
        assert_eq!(shown("highs_and_lows"), "`highs_and_lows`");
        assert_eq!(shown("two words"), "`two words`");
        assert_eq!(shown("quay.io accessToken hunter22"), "`quay.io…`");
        assert_eq!(shown("MUTABLE - hunter22xyz"), "`MUTABLE -…`");
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_are_capped() {
        let mut notes = Notes::default();
        for line in (1..=150).rev() {
            notes.error(Code::UNKNOWN_KEY, Position { line, column: 1 }, "x");
        }
        notes.error(Code::UNKNOWN_KEY, None, "no position");
        let (errors, _) = notes.finish();
        assert_eq!(errors.len(), 101);
        assert_eq!(errors[0].line, Some(1));
        assert_eq!(errors[100].message, "51 more errors are not shown");
    }

    #[test]
    fn words_are_listed() {
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
