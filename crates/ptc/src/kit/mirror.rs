//! Routes as mirrors: an endpoint for a whole host. Not every route can be one.

use config::{ROOT, UpstreamKind};

use super::Source;
use super::route::Route;

/// A host, and where a runtime asks instead.
pub(super) struct Mirror<'a> {
    /// The host as it stands in image names.
    pub host: &'a str,
    /// The upstream's own host.
    pub upstream: &'a str,
    pub kind: UpstreamKind,
    /// The registry it goes through.
    pub registry: &'a str,
    /// `<ecr>/<prefix>`: the replacement for the host.
    pub location: &'a str,
    /// `https://<ecr>/v2/<prefix>`: containerd appends `/<image>/manifests/<tag>`, so the `/v2` has to stand in front of
    /// the prefix, and containerd must not add one of its own (containerd/containerd#6634).
    pub endpoint: String,
}

/// All mirrors, in the order of the file.
pub(super) struct Mirrors<'a> {
    /// One for each host.
    pub mirrors: Vec<Mirror<'a>>,
    /// Routes that cannot be mirrors, and why.
    pub notes: Vec<String>,
}

impl<'a> Mirrors<'a> {
    /// The mirrors of a runtime that signs in by the mirror's host.
    pub fn of(source: &'a Source<'_>) -> Self {
        let routes = &source.routes;
        let mut notes = routes.notes.clone();
        let (parts, whole): (Vec<&Route<'_>>, Vec<&Route<'_>>) =
            routes.routes.iter().partition(|route| route.under.is_some());
        notes.extend(parts.into_iter().map(|route| {
            format!(
                "`{}` serves a part of its upstream, and a mirror stands for a whole host: write {} in the place of {} instead.",
                route.registry.name,
                route.base,
                route.source()
            )
        }));
        let own = source.home.registry_host();
        let mirror = |route: &'a Route<'_>| Mirror {
            host: route.host,
            upstream: &route.registry.upstream.host,
            kind: route.registry.upstream.kind,
            registry: &route.registry.name,
            location: &route.base,
            endpoint: match route.registry.name.as_str() {
                ROOT => format!("https://{own}/v2"),
                name => format!("https://{own}/v2/{name}"),
            },
        };
        Self {
            mirrors: whole.into_iter().map(mirror).collect(),
            notes,
        }
    }

    /// The mirrors of a node, whose kubelet signs in by the host that the pod names.
    pub fn of_nodes(source: &'a Source<'_>) -> Self {
        let Self { mut mirrors, mut notes } = Self::of(source);
        mirrors.retain(|mirror| {
            let public = mirror.kind == UpstreamKind::EcrPublic;
            if public {
                notes.push(format!(
                    "{} has no mirror on nodes: for it the kubelet's ECR credential provider answers with a credential of ECR Public, which private ECR refuses. Write {} in its place instead, or have Kyverno do it.",
                    mirror.host, mirror.location
                ));
            }
            !public
        });
        let home = format!(".{}.", source.home.region);
        for mirror in mirrors.iter().filter(|mirror| mirror.kind == UpstreamKind::Ecr) {
            if !mirror.host.contains(&home) {
                notes.push(format!(
                    "For {} the kubelet's ECR credential provider signs in to the Region in that name, and ECR may refuse its token in {}: try one image first, or write {} in its place.",
                    mirror.host, source.home.region, mirror.location
                ));
            }
        }
        Self { mirrors, notes }
    }
}
