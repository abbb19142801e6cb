//! Every kind of problem: one table, in a file for each part of the work. A row makes the constant that a problem is made
//! with, and the page that explains it (`ptc explain`, docs/problems.md, the rules in SARIF).
//!
//! A number is never given to another kind, and a kind never gets another number: people have them in their pipelines. A
//! kind that is gone leaves its number unused.
//!
//! The function makes problems and explains none. It never asks for [`kinds`], so the linker leaves the texts out of it.

mod account;
mod credentials;
mod fields;
mod form;
mod lifecycle;
mod names;
mod sops;
mod stacks;
mod text;
mod warnings;

use serde::Serialize;

use super::code::Code;
use super::suggest::nearest;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused, and changes nothing.
    Error,
    /// Legal, but it may surprise.
    Warning,
}

impl Severity {
    /// The word for people, GitHub and SARIF.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A kind of problem, explained.
#[derive(Debug, Serialize)]
pub struct Kind {
    /// What it is looked up by.
    pub code: Code,
    /// Its name in the code, for programs that want a word: `UNKNOWN_KEY`.
    #[serde(skip)]
    pub name: &'static str,
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// What is the matter, in half a line.
    pub title: &'static str,
    /// What it means, and why it is told.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// A file that gives it; empty, where it is not about what stands in a file.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub bad: &'static str,
    /// The same file without it.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub good: &'static str,
}

impl Kind {
    /// Its name, as words are written in SARIF and addresses: `unknown-key`.
    #[must_use]
    pub fn slug(&self) -> String {
        self.name.to_lowercase().replace('_', "-")
    }
}

/// Rows of the table: number, name, severity and title, then the texts. The examples may be left out.
macro_rules! table {
    ($($number:literal $name:ident $severity:ident $title:literal {
        why: $why:literal,
        fix: $fix:literal,
        $(bad: $bad:literal, good: $good:literal,)?
    })*) => {
        impl crate::diagnostics::code::Code {
            $(#[doc = $title] pub const $name: Self = Self::new($number);)*
        }

        pub(super) const KINDS: &[super::Kind] = &[$(super::Kind {
            code: crate::diagnostics::code::Code::$name,
            name: stringify!($name),
            severity: super::Severity::$severity,
            title: $title,
            why: $why,
            fix: $fix,
            // Nothing, where a row has no examples.
            bad: concat!($($bad)?),
            good: concat!($($good)?),
        },)*];
    };
}
use table;

/// All kinds, by their numbers: a part of the work gets new ones long after the next part had its own.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    let tables = [
        text::KINDS,
        form::KINDS,
        names::KINDS,
        credentials::KINDS,
        fields::KINDS,
        lifecycle::KINDS,
        sops::KINDS,
        warnings::KINDS,
        account::KINDS,
        stacks::KINDS,
    ];
    let mut kinds: Vec<&'static Kind> = tables.into_iter().flatten().collect();
    kinds.sort_by_key(|kind| kind.code);
    kinds.into_iter()
}

/// The kind that has a code; none, if this release does not know it.
#[must_use]
pub fn kind(code: Code) -> Option<&'static Kind> {
    kinds().find(|kind| kind.code == code)
}

/// The kind that somebody means who wrote a code or a name, and the nearest where there is none.
///
/// # Errors
/// The nearest there is, if any is near.
pub fn kind_named(text: &str) -> Result<&'static Kind, Option<&'static Kind>> {
    let found = match text.parse::<Code>() {
        Ok(code) => kind(code),
        Err(_) => kinds().find(|kind| kind.slug() == text.to_lowercase()),
    };
    found.ok_or_else(|| {
        let codes: Vec<String> = kinds().map(|kind| kind.code.to_string()).collect();
        let slugs: Vec<String> = kinds().map(Kind::slug).collect();
        let words: Vec<&str> = codes.iter().chain(&slugs).map(String::as_str).collect();
        let near = nearest(text, &words)?;
        kinds().find(|kind| kind.code.to_string() == near || kind.slug() == near)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_and_a_name_of_its_own_and_says_what_to_do() {
        let all: Vec<&Kind> = kinds().collect();
        for pair in all.windows(2) {
            assert_ne!(pair[0].code, pair[1].code, "{:?} and {:?}", pair[0], pair[1]);
        }
        for kind in &all {
            assert_eq!(
                all.iter().filter(|other| other.name == kind.name).count(),
                1,
                "{kind:?}"
            );
            assert!(
                !kind.title.is_empty() && !kind.why.is_empty() && !kind.fix.is_empty(),
                "{kind:?}"
            );
            assert!(!kind.title.ends_with('.') && kind.title.len() <= 90, "{kind:?}");
            assert_eq!(kind.bad.is_empty(), kind.good.is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn the_nearest_kind_is_found() {
        assert_eq!(kind_named("pt017").unwrap().code, Code::UNKNOWN_KEY);
        assert_eq!(kind_named("Unknown-Key").unwrap().code, Code::UNKNOWN_KEY);
        assert_eq!(kind_named("PT17").unwrap_err().unwrap().code, Code::UNKNOWN_KEY);
        assert_eq!(kind_named("unknow-key").unwrap_err().unwrap().code, Code::UNKNOWN_KEY);
        assert!(kind_named("zebra-crossing-ahead").unwrap_err().is_none());
    }
}
