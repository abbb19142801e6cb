//! `mapping.json`: where images of which host are pulled, for whatever rewrites them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::route::Route;
use super::{Artefact, ArtefactKind, Source, sentences};

const CAVEATS: &[&str] = &[
    "An official image of Docker Hub is called `nginx` but stands under `library/nginx`: write it behind `official_images`, not behind the base. Docker adds `library/` silently, ECR does not.",
    "Of several entries in `bases` that fit an image, the longest holds, at a `/` boundary. What stands in `not_under` has no URL here.",
    "The first pull of an image must be by tag; ECR cannot import one by its digest alone (aws/containers-roadmap#2837).",
    "The Docker daemon's `registry-mirrors` take no path, so it cannot be pointed at a prefix (aws/containers-roadmap#939): rewrite the images. A builder of BuildKit can: see `buildkit`.",
];

#[derive(Serialize)]
struct Mapping<'a> {
    account: &'a str,
    region: &'a str,
    registry_host: String,
    /// The beginning of an image's name, and its replacement.
    bases: BTreeMap<String, &'a str>,
    upstreams: Vec<Upstream<'a>>,
}

#[derive(Serialize)]
struct Upstream<'a> {
    registry: &'a str,
    host: &'a str,
    aliases: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    only_under: Option<&'a str>,
    base: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    official_images: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_under: Vec<&'a str>,
}

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let (routes, home) = (&source.routes, source.home);
    let mut bases = BTreeMap::new();
    for route in &routes.routes {
        bases.insert(route.source(), route.base.as_str());
        bases.extend(
            route
                .aliases
                .iter()
                .map(|alias| (route.source_on(alias), route.base.as_str())),
        );
    }
    let mapping = Mapping {
        account: &home.account,
        region: &home.region,
        registry_host: home.registry_host(),
        bases,
        upstreams: routes.routes.iter().map(upstream).collect(),
    };
    vec![Artefact {
        part: ArtefactKind::Mapping,
        path: "mapping.json".into(),
        title: "Upstream host to pull-through URL, for programs".into(),
        caveats: sentences(CAVEATS),
        notes: routes.notes.clone(),
        content: json(&mapping),
    }]
}

fn upstream<'a>(route: &'a Route<'a>) -> Upstream<'a> {
    Upstream {
        registry: &route.registry.name,
        host: route.host,
        aliases: route.aliases,
        only_under: route.under,
        base: &route.base,
        official_images: route.official_images(),
        not_under: route.taken.iter().map(|taken| taken.path).collect(),
    }
}

/// Indented, with a line end. Writing cannot fail: all keys are strings.
pub(super) fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
