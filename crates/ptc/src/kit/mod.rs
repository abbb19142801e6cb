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

mod buildkit;
mod containerd;
mod iam;
mod kubelet;
mod kyverno;
mod mapping;
mod mirror;
mod readme;
mod registries;
mod registry_policy;
mod renovate;
mod route;

use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

use config::Registry;
use ecr_pull_through_sync::home::Home;

use route::Routes;

/// What an artefact is for, in the order of the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ArtefactKind {
    /// Describes the others, with their caveats.
    Readme,
    /// Where images of which host are pulled, for programs.
    Mapping,
    /// A `hosts.toml` for each upstream host.
    Containerd,
    /// How nodes sign in to ECR for the hosts of their mirrors, with user data.
    Kubelet,
    /// `registries.conf` for Podman, Buildah, Skopeo and CRI-O.
    Registries,
    /// Mirrors for builders.
    Buildkit,
    /// A policy that rewrites the images of pods.
    Kyverno,
    /// Where Renovate looks up tags.
    Renovate,
    /// The policy of whoever pulls.
    Iam,
    /// What lets other accounts make first pulls.
    RegistryPolicy,
}

/// All kinds but the README, in the order of the kit: the question each answers, and who makes its artefacts, which are none
/// where nothing of the file fits.
const TABLE: &[(ArtefactKind, &str, Make)] = &[
    (
        ArtefactKind::Mapping,
        "Where is which image pulled?",
        mapping::artefacts,
    ),
    (ArtefactKind::Containerd, "How do nodes ask ECR?", containerd::artefacts),
    (ArtefactKind::Kubelet, "How do nodes sign in?", kubelet::artefacts),
    (
        ArtefactKind::Registries,
        "How do Podman, Buildah, Skopeo and CRI-O ask ECR?",
        registries::artefacts,
    ),
    (ArtefactKind::Buildkit, "How do builders ask ECR?", buildkit::artefacts),
    (
        ArtefactKind::Kyverno,
        "How are the images of pods rewritten?",
        kyverno::artefacts,
    ),
    (
        ArtefactKind::Renovate,
        "How does Renovate find new versions?",
        renovate::artefacts,
    ),
    (ArtefactKind::Iam, "What must a puller be allowed?", iam::artefacts),
    (
        ArtefactKind::RegistryPolicy,
        "How do other accounts make first pulls?",
        registry_policy::artefacts,
    ),
];

type Make = fn(&Source<'_>) -> Vec<Artefact>;

/// The word for it in `--only` and in the README.
impl fmt::Display for ArtefactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value()
            .map_or(Ok(()), |value| f.write_str(value.get_name()))
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

/// What the artefacts are made of.
struct Source<'a> {
    registries: &'a [Registry],
    home: &'a Home,
    routes: Routes<'a>,
    fallback: Fallback,
}

/// Makes the kit of a checked file: all artefacts, in the order of [`ArtefactKind`].
#[must_use]
pub fn kit(registries: &[Registry], home: &Home, fallback: Fallback) -> Vec<Artefact> {
    let source = Source {
        registries,
        home,
        routes: Routes::of(registries, home),
        fallback,
    };
    let mut artefacts: Vec<Artefact> = TABLE.iter().flat_map(|(.., make)| make(&source)).collect();
    artefacts.insert(0, readme::artefact(&artefacts, &source));
    artefacts
}

/// Caveats and notes as an [`Artefact`] has them.
fn sentences(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// How people sign in to ECR by its own host.
fn sign_in(program: &str, home: &Home) -> String {
    format!(
        "aws ecr get-login-password --region {} | {program} login --username AWS --password-stdin {}",
        home.region,
        home.registry_host()
    )
}
