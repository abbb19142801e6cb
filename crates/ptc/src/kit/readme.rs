//! `README.md` of the kit: what each file is, what its users must know, and what of this very file does not fit.

use std::fmt::Write as _;

use super::mirror::Mirrors;
use super::{Artefact, ArtefactKind, Fallback, Source, TABLE};

pub(super) fn artefact(others: &[Artefact], source: &Source<'_>) -> Artefact {
    let mut content = format!(
        "# Pulling through {}\n\nMade by `ptc kit`. Make it again when the file changes. Nothing in it is secret.\n",
        source.home.registry_host()
    );
    if source.fallback == Fallback::Upstream {
        // Writing to a string cannot fail.
        _ = writeln!(
            content,
            "\n**Made with `--fallback`**: {}. So `kubelet` is left out: it has the node sign in for those hosts.",
            Fallback::RISK
        );
    }
    let of_nodes = Mirrors::of_nodes(source).notes;
    let untold = |note: &&String| others.iter().all(|artefact| !artefact.notes.contains(note));
    let mut shared: Vec<&String> = of_nodes.iter().filter(untold).collect();
    for note in others.iter().flat_map(|artefact| &artefact.notes) {
        let uses = others.iter().filter(|artefact| artefact.notes.contains(note)).count();
        if uses > 1 && !shared.contains(&note) {
            shared.push(note);
        }
    }
    if !shared.is_empty() {
        content.push_str("\n## What does not fit?\n\n");
        content.push_str(&list(shared.iter().copied()));
    }
    for (part, question, _) in TABLE {
        let of_part: Vec<&Artefact> = others.iter().filter(|artefact| artefact.part == *part).collect();
        let Some(first) = of_part.first() else { continue };
        _ = writeln!(content, "\n## {question}\n");
        for artefact in &of_part {
            _ = writeln!(content, "- `{}`: {}.", artefact.path, artefact.title);
        }
        content.push_str("\nWhat to know:\n\n");
        content.push_str(&list(&first.caveats));
        let own = first.notes.iter().filter(|note| !shared.contains(note));
        let own = list(own);
        if !own.is_empty() {
            _ = write!(content, "\nOf your file:\n\n{own}");
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
