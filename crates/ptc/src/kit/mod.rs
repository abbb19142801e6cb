//! What the pulling side needs, made from the file: mirrors, policies and maps, each with what its users must know.
//!
//! Rules and templates are of no use while nodes and builders still ask the upstream. What they are told is written by
//! hand everywhere, and wrong in the same places: the `/v2` of a mirror, Docker Hub's `library/`, who signs in, who may
//! pull first. So it is made from the same file that makes the rules:
//!
//! 1. `route` turns the registries into routes: images of this host, through this registry. It settles what several
//!    registries of one host mean, and what one registry takes away from another.
//! 2. `mirror` makes of them what a container runtime can be told, which is less.
//! 3. One module for each artefact writes it.
//!
//! Pure: nothing is read, nothing asked, and no credential is ever looked at. The caveats are what users of the tools ran
//! into; where a format is documented stands at the top of its module.

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
pub enum Part {
    /// What all the others are, with their caveats.
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

impl Part {
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
    pub part: Part,
    /// Where it stands in the kit's folder; parts are separated by `/`.
    pub path: String,
    /// What it is, in one line.
    pub title: String,
    /// What its users must know, whatever the file says.
    pub caveats: Vec<String>,
    /// What of this very file does not fit, or surprises.
    pub notes: Vec<String>,
    /// The text.
    pub content: String,
}

/// Whom a node asks for an image that ECR refuses.
///
/// A runtime that got its ECR token as the credential of the upstream's host (that is how a kubelet signs in to a
/// mirror) gives it to whomever it asks next: containerd posts it to the upstream's token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nobody: ECR's refusal is the answer.
    Never,
    /// The upstream, with the node's ECR token.
    Upstream,
}

impl Fallback {
    /// What a fallback risks, for all who are about to have one.
    pub const RISK: &str = "where ECR refuses a pull, containerd posts the node's ECR token to the upstream's token endpoint; it is valid for 12 hours, for all that the node may pull";
}

/// Makes the kit of a checked file: all artefacts, in the order of [`Part`].
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

/// Sentences as they are kept.
fn sentences(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
