//! Registries become routes: which images go through which registry.

use config::{ROOT, Registry, UpstreamKind};
use ecr_pull_through_sync::home::Home;

/// Images of one host, or of one part of it, and the registry they go through.
pub(super) struct Route<'a> {
    pub registry: &'a Registry,
    /// The host as people write it in front of an image.
    pub host: &'a str,
    /// Other names of that host.
    pub aliases: &'static [&'static str],
    /// Only images whose path begins with this go through the registry (its `upstream_repository_prefix`).
    pub under: Option<&'a str>,
    /// The replacement for the host and `under`.
    pub base: String,
    /// Beginnings of paths that ECR would give to another registry of the file, whose name is the longer prefix.
    pub taken: Vec<Taken<'a>>,
    /// Beginnings of paths that have a route of their own.
    pub elsewhere: Vec<&'a str>,
}

/// Images of an upstream that ECR would take from another registry, whose name is a longer prefix.
pub(super) struct Taken<'a> {
    /// The beginning of the path, behind the base.
    pub path: &'a str,
    /// The name of the registry that gets it.
    pub by: &'a str,
}

/// All routes, in the order of the file.
pub(super) struct Routes<'a> {
    /// One for each host and part of a host.
    pub routes: Vec<Route<'a>>,
    /// Notes for every artefact.
    pub notes: Vec<String>,
}

/// Names of Docker Hub in images. The second and third are its real hosts.
pub(super) const DOCKER_HUB: (&str, &[&str]) = ("docker.io", &["index.docker.io", "registry-1.docker.io"]);

/// The part of Docker Hub with the images that are named without a path.
pub(super) const LIBRARY: &str = "library";

impl Route<'_> {
    /// Whether images without a path stand under `library/`: Docker and containerd add it, ECR does not.
    pub fn has_library(&self) -> bool {
        self.registry.upstream.kind == UpstreamKind::DockerHub
    }

    /// Where images that are named without a path are pulled: those under `library/`, if they go through this registry.
    pub fn official_images(&self) -> Option<String> {
        match self.under {
            _ if !self.has_library() => None,
            Some(LIBRARY) => Some(self.base.clone()),
            Some(_) => None,
            None => (!self.elsewhere.contains(&LIBRARY)).then(|| format!("{}/{LIBRARY}", self.base)),
        }
    }

    /// The beginning of the names of its images.
    pub fn source(&self) -> String {
        self.source_on(self.host)
    }

    /// The same by another name of the host.
    pub fn source_on(&self, host: &str) -> String {
        match self.under {
            Some(under) => format!("{host}/{under}"),
            None => host.to_owned(),
        }
    }
}

impl<'a> Routes<'a> {
    /// The routes of a file. Of several registries for the same images the first is taken: ECR serves them all, but an
    /// image can be rewritten only once.
    pub fn of(registries: &'a [Registry], home: &Home) -> Self {
        let mut routes: Vec<Route<'a>> = Vec::new();
        let mut notes = Vec::new();
        for registry in registries {
            let route = route(registry, registries, home);
            let same = |other: &&Route<'_>| (other.host, other.under) == (route.host, route.under);
            if let Some(first) = routes.iter().find(same) {
                notes.push(format!(
                    "`{}` has the same upstream as `{}`, which comes first in the file and is the one used here; pull through the other by its own name, {}.",
                    registry.name, first.registry.name, route.base
                ));
                continue;
            }
            if !route.taken.is_empty() {
                let (host, source) = (route.host, route.source());
                let paths: Vec<String> = route
                    .taken
                    .iter()
                    .map(|taken| format!("{source}/{}/... (`{}`)", taken.path, taken.by))
                    .collect();
                notes.push(format!(
                    "Names are prefixes, and the longer one wins: through `{}` these images of {host} would come from another upstream, that of the registry in brackets. Do not pull them through it, or rename: {}.",
                    registry.name,
                    paths.join(", ")
                ));
            }
            if registry.upstream.kind == UpstreamKind::Unlisted {
                notes.push(format!(
                    "{} is not in our list of the hosts that ECR can cache; the rule may be refused.",
                    route.host
                ));
            }
            routes.push(route);
        }
        let parts: Vec<(&str, &str)> = routes
            .iter()
            .filter_map(|route| Some((route.host, route.under?)))
            .collect();
        for route in &mut routes {
            let inside = |part: &'a str| match route.under {
                None => Some(part),
                Some(under) => part.strip_prefix(under)?.strip_prefix('/'),
            };
            let same_host = parts.iter().filter(|(host, _)| *host == route.host);
            route.elsewhere = same_host.filter_map(|(_, part)| inside(part)).collect();
        }
        Self { routes, notes }
    }
}

fn route<'a>(registry: &'a Registry, all: &'a [Registry], home: &Home) -> Route<'a> {
    let (host, aliases): (&str, &[&str]) = match registry.upstream.kind {
        UpstreamKind::DockerHub => DOCKER_HUB,
        _ => (&registry.upstream.host, &[]),
    };
    let behind = |name: &'a str| match registry.name.as_str() {
        ROOT => Some(name),
        own => name.strip_prefix(own)?.strip_prefix('/'),
    };
    let others = all
        .iter()
        .map(|other| other.name.as_str())
        .filter(|name| *name != registry.name && *name != ROOT);
    Route {
        registry,
        host,
        aliases,
        under: registry.served_part(),
        base: home.pull_url(&registry.name),
        taken: others
            .filter_map(|name| {
                Some(Taken {
                    path: behind(name)?,
                    by: name,
                })
            })
            .collect(),
        elsewhere: Vec::new(),
    }
}
