//! What the pulling side needs, made from the file: mirrors, policies and maps, each with what its users must know.
//!
//! Rules and templates are of no use while nodes and builders still ask the upstream. Their configuration is usually written by
//! hand, with the same mistakes: the `/v2` of a mirror, Docker Hub's `library/`, who signs in, who may pull first. So it is
//! made from the same file as the rules:
//!
//! 1. `route` turns the registries into routes: images of this host, through this registry. It settles what several
//!    registries of one host mean, and what one registry takes away from another.
//! 2. `mirror` makes of them what a container runtime can be told, which is less.
//! 3. One module for each artefact writes it.
//!
//! Pure: no file, no network, no credential. The caveats are problems that users of the tools reported. Each module names the
//! documentation of its format.

mod containerd;
mod iam;
mod kyverno;
mod mapping;
mod mirror;
mod readme;
mod route;

use clap::ValueEnum;
use serde::Serialize;

use config::Registry;
use ecr_pull_through_sync::home::Home;

use mirror::Mirrors;
use route::Routes;

/// What an artefact is for, in the order of the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ArtefactKind {
    /// Describes the others, with their caveats.
    Readme,
    /// Where images of which host are pulled, for programs.
    Mapping,
    /// A `hosts.toml` for each upstream host.
    Containerd,
    /// A policy that rewrites the images of pods.
    Kyverno,
    /// The policy of whoever pulls.
    Iam,
}

impl ArtefactKind {
    /// The word for it in `--only` and in the README.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readme => "readme",
            Self::Mapping => "mapping",
            Self::Containerd => "containerd",
            Self::Kyverno => "kyverno",
            Self::Iam => "iam",
        }
    }
}

/// One file of the kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artefact {
    /// What it is for.
    pub part: ArtefactKind,
    /// The path in the kit's folder, with `/`.
    pub path: String,
    /// One line about it.
    pub title: String,
    /// What users of this kind of artefact must know.
    pub caveats: Vec<String>,
    /// What of this file does not fit, or may surprise.
    pub notes: Vec<String>,
    /// The file's contents.
    pub content: String,
}

/// Which host a node asks for an image that ECR refuses.
///
/// A kubelet signs in to a mirror with a credential for the upstream's host, and that credential is the ECR token. So a runtime
/// that asks the upstream next sends the token there: containerd posts it to the upstream's token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// None: the pull fails.
    Never,
    /// The upstream, with the node's ECR token.
    Upstream,
}

impl Fallback {
    /// The risk of a fallback, for messages and files.
    pub const RISK: &str = "where ECR refuses a pull, containerd posts the node's ECR token to the upstream's token endpoint; it is valid for 12 hours, for all that the node may pull";
}

/// Makes the kit of a checked file: all artefacts, in the order of [`ArtefactKind`].
#[must_use]
pub fn kit(registries: &[Registry], home: &Home, fallback: Fallback) -> Vec<Artefact> {
    let routes = Routes::of(registries, home);
    let mut artefacts = vec![mapping::artefact(&routes, home)];
    artefacts.extend(containerd::artefacts(&Mirrors::of(&routes, home, fallback)));
    artefacts.push(kyverno::artefact(&routes));
    artefacts.push(iam::artefact(registries, home));
    artefacts.insert(0, readme::artefact(&artefacts, home, fallback));
    artefacts
}

/// Caveats and notes as an [`Artefact`] has them.
fn sentences(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
