//! Routes as a container runtime can be told them: a mirror stands for a whole host.

use crate::config::{ROOT, UpstreamKind};
use crate::home::Home;

use super::route::Routes;

/// A host, and where a runtime asks instead.
pub(super) struct Mirror<'a> {
    /// The host as it stands in image names.
    pub host: &'a str,
    /// The host that serves it.
    pub server: &'a str,
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
    /// The registry's host.
    pub own: String,
    /// What does not fit.
    pub notes: Vec<String>,
}

impl<'a> Mirrors<'a> {
    /// The mirrors of some routes.
    pub fn of(routes: &Routes<'a>, home: &Home) -> Self {
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
            if route.registry.upstream.kind == UpstreamKind::EcrPublic {
                notes.push(format!(
                    "For {} the ECR credential provider answers with a credential of ECR Public, which the mirror refuses: rewrite these images instead.",
                    route.host
                ));
            }
            let endpoint = if name == ROOT { format!("https://{own}/v2") } else { format!("https://{own}/v2/{name}") };
            mirrors.push(Mirror { host: route.host, server: &route.registry.upstream.host, registry: name, endpoint });
        }
        Self { mirrors, own, notes }
    }
}
