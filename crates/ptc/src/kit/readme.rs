//! `README.md` of the kit: what each file is, what its users must know, and what of this very file does not fit.

use std::fmt::Write as _;

use clap::ValueEnum as _;

use super::{Artefact, ArtefactKind, Fallback};
use ecr_pull_through_sync::home::Home;

pub(super) fn artefact(others: &[Artefact], home: &Home, fallback: Fallback) -> Artefact {
    let mut content = format!(
        "# Pulling through {}\n\nMade by `ptc kit`. Make it again when the file changes. Nothing in it is secret.\n",
        home.registry_host()
    );
    if fallback == Fallback::Upstream {
        // Writing to a string cannot fail.
        _ = writeln!(content, "\n**Made with `--fallback`**: {}.", Fallback::RISK);
    }
    let mut shared: Vec<&String> = Vec::new();
    for note in others.iter().flat_map(|artefact| &artefact.notes) {
        let uses = others.iter().filter(|artefact| artefact.notes.contains(note)).count();
        if uses > 1 && !shared.contains(&note) {
            shared.push(note);
        }
    }
    if !shared.is_empty() {
        content.push_str("\n## What does not fit, or surprises\n\n");
        content.push_str(&list(shared.iter().copied()));
    }
    for &part in ArtefactKind::value_variants() {
        let of_part: Vec<&Artefact> = others.iter().filter(|artefact| artefact.part == part).collect();
        let Some(first) = of_part.first() else { continue };
        _ = writeln!(content, "\n## {}\n", part.as_str());
        for artefact in &of_part {
            _ = writeln!(content, "`{}`: {}.", artefact.path, artefact.title);
        }
        content.push('\n');
        content.push_str(&list(&first.caveats));
        let own = first.notes.iter().filter(|note| !shared.contains(note));
        let own = list(own);
        if !own.is_empty() {
            _ = write!(content, "\nOf this file:\n\n{own}");
        }
    }
    Artefact {
        part: ArtefactKind::Readme,
        path: "README.md".into(),
        title: "What each file is, and what its users must know".into(),
        caveats: Vec::new(),
        notes: Vec::new(),
        content,
    }
}

fn list<'a>(sentences: impl IntoIterator<Item = &'a String>) -> String {
    sentences
        .into_iter()
        .map(|sentence| format!("- {sentence}\n"))
        .collect()
}
