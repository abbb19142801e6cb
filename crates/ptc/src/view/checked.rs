//! A file and what was found in it.

use std::collections::BTreeSet;

use config::{Code, File, Problem, Rejected, Severity};
use serde::Serialize;

use crate::input::Input;
use crate::view::excerpt::Excerpts;

/// What was found in a file.
#[derive(Serialize)]
pub struct Checked {
    /// As it was given.
    pub file: String,
    /// How many registries it has for the stack, where it was accepted.
    pub registries: Option<usize>,
    /// Those of them that may be for other stacks.
    pub unplaced: BTreeSet<String>,
    /// Those that are for other stacks.
    pub elsewhere: BTreeSet<String>,
    /// What keeps it from being taken.
    pub errors: Vec<Problem>,
    /// What is legal but surprising.
    pub warnings: Vec<Problem>,
    /// The lines that they are about.
    #[serde(skip)]
    pub excerpts: Excerpts,
}

impl Checked {
    pub fn accepted(input: &Input, file: File) -> Self {
        Self {
            file: input.name.clone(),
            registries: Some(file.registries.len()),
            unplaced: file.unplaced,
            elsewhere: file.elsewhere,
            errors: Vec::new(),
            excerpts: Excerpts::of(&input.bytes, &file.warnings),
            warnings: file.warnings,
        }
    }

    /// A file that was refused.
    pub fn rejected(input: &Input, Rejected { errors, warnings }: Rejected) -> Self {
        Self {
            file: input.name.clone(),
            registries: None,
            unplaced: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            excerpts: Excerpts::of(&input.bytes, errors.iter().chain(&warnings)),
            errors,
            warnings,
        }
    }

    /// A file that cannot be read.
    pub fn unreadable(file: String, message: String) -> Self {
        let problem = Problem::unplaced(Code::UNREADABLE_FILE, None, message);
        Self {
            file,
            registries: None,
            unplaced: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            errors: vec![problem],
            warnings: Vec::new(),
            excerpts: Excerpts::default(),
        }
    }

    /// Every problem with how bad it is, errors first.
    pub fn problems(&self) -> impl Iterator<Item = (Severity, &Problem)> {
        let errors = self.errors.iter().map(|problem| (Severity::Error, problem));
        errors.chain(self.warnings.iter().map(|problem| (Severity::Warning, problem)))
    }
}
