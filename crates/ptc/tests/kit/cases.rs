//! The files that kits are made of.

use std::fs;

use config::read;
use ecr_pull_through_sync::home::Home;
use ptc::kit::{Artefact, ArtefactKind, Fallback, kit};

/// A file and its kit.
pub struct Case {
    pub name: &'static str,
    pub yaml: String,
    pub kit: Vec<Artefact>,
}

impl Case {
    pub fn of(name: &'static str, yaml: String, region: &str, fallback: Fallback) -> Self {
        let home = Home::of("111122223333", region);
        let file = read(yaml.as_bytes(), &home.context()).unwrap_or_else(|rejected| panic!("{name}: {rejected}"));
        Self {
            name,
            yaml,
            kit: kit(&file.registries, &home, fallback),
        }
    }

    /// The content of the first artefact of a part.
    pub fn content(&self, part: ArtefactKind) -> &str {
        &self.kit.iter().find(|artefact| artefact.part == part).unwrap().content
    }

    /// The registry's host.
    pub fn own(&self) -> &'static str {
        match self.name {
            "china" => "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
            _ => "111122223333.dkr.ecr.eu-central-1.amazonaws.com",
        }
    }

    /// The content at a path.
    pub fn file(&self, path: &str) -> &str {
        &self
            .kit
            .iter()
            .find(|artefact| artefact.path == path)
            .unwrap_or_else(|| panic!("no {path}"))
            .content
    }

    /// All notes of a part.
    pub fn notes(&self, part: ArtefactKind) -> String {
        let notes = self
            .kit
            .iter()
            .filter(|artefact| artefact.part == part)
            .flat_map(|artefact| &artefact.notes);
        notes.cloned().collect::<Vec<_>>().join("\n")
    }
}

/// What users of the Terraform module have.
pub fn legacy() -> Case {
    Case::of(
        "legacy",
        fs::read_to_string("../../examples/registries.yaml").unwrap(),
        "eu-central-1",
        Fallback::Never,
    )
}

/// Everything at once.
pub fn every() -> Case {
    Case::of(
        "every",
        fs::read_to_string("tests/kit/every.yaml").unwrap(),
        "eu-central-1",
        Fallback::Never,
    )
}

/// What the option changes.
const FALLS_BACK: [ArtefactKind; 3] = [ArtefactKind::Readme, ArtefactKind::Containerd, ArtefactKind::Registries];

/// The same, with the upstream behind ECR: only what that changes.
pub fn fallback() -> Case {
    let yaml = fs::read_to_string("tests/kit/every.yaml").unwrap();
    let mut case = Case::of("fallback", yaml, "eu-central-1", Fallback::Upstream);
    case.kit.retain(|artefact| FALLS_BACK.contains(&artefact.part));
    case
}

/// Another partition.
pub fn china() -> Case {
    Case::of(
        "china",
        fs::read_to_string("tests/kit/china.yaml").unwrap(),
        "cn-north-1",
        Fallback::Never,
    )
}
