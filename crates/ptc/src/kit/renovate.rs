//! `renovate.json`: where Renovate looks up tags of images that name the cache ("registryAliases" in its documentation).
//!
//! ECR lists the tags that are cached, not those of the upstream, so at the cache Renovate would never see a new one.
//! `registryAliases` has it ask the upstream while the file keeps the name it has. `registryUrls` would not: an image's own
//! host wins over it. `hostRules` only sign in.

use std::cmp::Reverse;

use serde::ser::{Serialize, SerializeMap, Serializer};

use config::{ROOT, Registry, UpstreamKind};
use ecr_pull_through_sync::home::Home;

use super::mapping::json;
use super::route::DOCKER_HUB;
use super::{Artefact, ArtefactKind, Source, sentences};

const CAVEATS: &[&str] = &[
    "For files that name the cache (rewritten by hand or with `mapping.json`); files that name the upstream need nothing. Make it a part of `renovate.json`, or a preset that it extends.",
    "ECR lists only tags that were pulled, so Renovate would never see a new one there. With `registryAliases` it asks the upstream, and the name in the file stays. Renovate signs in there by its own `hostRules`, and needs no credential for ECR.",
    "`pinDigests` is off for these images: ECR cannot import one by its digest, so a pinned new version would fail at its first pull (aws/containers-roadmap#2837).",
    "Managers that know `registryAliases`, and those for Docker images do (Dockerfile, Compose, Kubernetes, Helm values, GitLab CI, ...), use it; others, `custom.regex` among them, want the name of the upstream as `packageName`.",
];

/// In the order they are tried: of two that fit, the longer name must come first.
struct Aliases(Vec<(String, String)>);

impl Serialize for Aliases {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, upstream) in &self.0 {
            map.serialize_entry(name, upstream)?;
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Renovate {
    description: [&'static str; 1],
    registry_aliases: Aliases,
    package_rules: [PackageRule; 1],
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct PackageRule {
    description: [&'static str; 1],
    match_datasources: [&'static str; 1],
    match_dep_names: Vec<String>,
    pin_digests: bool,
}

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let named = |registry: &&Registry| registry.name != ROOT;
    let mut aliases: Vec<(String, String)> = source
        .registries
        .iter()
        .filter(named)
        .map(|registry| alias(registry, source.home))
        .collect();
    if aliases.is_empty() {
        return Vec::new();
    }
    aliases.sort_by_key(|(name, _)| (Reverse(name.len()), name.clone()));
    let mut notes = Vec::new();
    if let Some(root) = source.registries.iter().find(|registry| registry.name == ROOT) {
        notes.push(format!(
            "`ROOT` has no alias: it would also send the names of this account's own images to {}. For its images Renovate sees the tags that are cached.",
            root.upstream.host
        ));
    }
    let content = json(&Renovate {
        description: [
            "Images that are pulled through ECR are looked up at their upstream: ECR lists only cached tags.",
        ],
        package_rules: [PackageRule {
            description: ["ECR cannot import an image by its digest."],
            match_datasources: ["docker"],
            match_dep_names: aliases.iter().map(|(name, _)| format!("{name}/**")).collect(),
            pin_digests: false,
        }],
        registry_aliases: Aliases(aliases),
    });
    vec![Artefact {
        part: ArtefactKind::Renovate,
        path: "renovate.json".into(),
        title: "Renovate looks up cached images at their upstream".into(),
        caveats: sentences(CAVEATS),
        notes,
        content,
    }]
}

/// The name people pull through, and the upstream behind it.
fn alias(registry: &Registry, home: &Home) -> (String, String) {
    let host = match registry.upstream.kind {
        UpstreamKind::DockerHub => DOCKER_HUB.0,
        _ => &registry.upstream.host,
    };
    let upstream = match registry.served_part() {
        Some(prefix) => format!("{host}/{prefix}"),
        None => host.to_owned(),
    };
    (home.pull_url(&registry.name), upstream)
}
