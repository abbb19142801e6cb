//! `buildkitd.toml`: mirrors for builders ("buildkitd.toml" in BuildKit's documentation).

use std::fmt::Write as _;

use super::mirror::Mirrors;
use super::{Artefact, ArtefactKind, Source, sentences, sign_in};

const CAVEATS: &[&str] = &[
    "Make the builder with it: `docker buildx create --driver docker-container --buildkitd-config buildkitd.toml`. The builder inside the Docker daemon does not read it, and a builder that is there keeps what it has.",
    "Sign in to ECR by its own host, as the first lines of the file say. BuildKit asks for the credential of each host by that host's name, so ECR's token goes to ECR alone.",
    "BuildKit asks the upstream for what ECR refuses, silently; no setting of it keeps it from that. Not signed in to ECR, you pull from the upstream as before: look into ECR whether the cache is used.",
    "Dockerfiles keep the names they have. `library/` needs no care here.",
];

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let Mirrors { mirrors, notes } = Mirrors::of(source);
    if mirrors.is_empty() {
        return Vec::new();
    }
    let mut content = format!(
        "# docker buildx create --driver docker-container --buildkitd-config buildkitd.toml\n# {}\n\
         # What ECR refuses is asked of the upstream, without ECR's token.\n",
        sign_in("docker", source.home)
    );
    for mirror in mirrors {
        // Writing to a string cannot fail. Names and hosts consist of letters, digits and `-_./`: no escapes.
        _ = write!(
            content,
            "\n[registry.\"{}\"]\n  mirrors = [\"{}\"]\n",
            mirror.host, mirror.location
        );
    }
    vec![Artefact {
        part: ArtefactKind::Buildkit,
        path: "buildkitd.toml".into(),
        title: "BuildKit asks ECR first".into(),
        caveats: sentences(CAVEATS),
        notes,
        content,
    }]
}
