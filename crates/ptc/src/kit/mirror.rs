//! Routes as mirrors of a container runtime. A mirror is for a whole host, so not every route can be one.

use config::{ROOT, UpstreamKind};
use ecr_pull_through_sync::home::Home;

use super::Fallback;
use super::route::Routes;

/// A host, and the endpoint that a runtime asks instead.
pub(super) struct Mirror<'a> {
    /// The host as it stands in image names.
    pub host: &'a str,
    /// The URL that is asked where the mirror refuses.
    pub server: String,
    /// The kind of upstream.
    pub kind: UpstreamKind,
    /// The registry it goes through.
    pub registry: &'a str,
    /// `https://<ecr>/v2/<prefix>`: the runtime appends `/<image>/manifests/<tag>`, so the `/v2` has to stand in front
    /// of the prefix, and the runtime must not add one of its own (containerd/containerd#6634).
    pub endpoint: String,
}

/// All mirrors, in the order of the file.
pub(super) struct Mirrors<'a> {
    /// One for each host.
    pub mirrors: Vec<Mirror<'a>>,
    /// Routes that cannot be mirrors, and why.
    pub notes: Vec<String>,
    /// What a node does when ECR refuses.
    pub fallback: Fallback,
}

impl<'a> Mirrors<'a> {
    /// The mirrors of some routes.
    pub fn of(routes: &Routes<'a>, home: &Home, fallback: Fallback) -> Self {
        let mut mirrors = Vec::new();
        let mut notes = routes.notes.clone();
        let own = home.registry_host();
        for route in &routes.routes {
            let name = route.registry.name.as_str();
            if route.under.is_some() {
                notes.push(format!(
                    "`{name}` serves a part of its upstream, and a mirror stands for a whole host: write {} in the place of {} instead.",
                    route.base,
                    route.source()
                ));
                continue;
            }
            let kind = route.registry.upstream.kind;
            if kind == UpstreamKind::EcrPublic {
                let then = match fallback {
                    Fallback::Never => {
                        "no node whose kubelet signs in with that provider can pull them through a mirror"
                    }
                    Fallback::Upstream => "the mirror is of no use",
                };
                notes.push(format!(
                    "For {} the kubelet's ECR credential provider answers with a credential of ECR Public, which private ECR refuses, so {then}: leave this mirror out, and rewrite these images.",
                    route.host
                ));
            }
            let endpoint = if name == ROOT {
                format!("https://{own}/v2")
            } else {
                format!("https://{own}/v2/{name}")
            };
            let server = match fallback {
                Fallback::Never => endpoint.clone(),
                Fallback::Upstream => format!("https://{}", route.registry.upstream.host),
            };
            mirrors.push(Mirror {
                host: route.host,
                server,
                kind,
                registry: name,
                endpoint,
            });
        }
        Self {
            mirrors,
            notes,
            fallback,
        }
    }
}
