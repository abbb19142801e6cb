//! `healthomics.json`: the container registry map of AWS HealthOmics workflows ("Adding private or third-party
//! containers during workflow creation").

use serde::Serialize;

use super::mapping::json;
use super::route::Routes;
use super::{Artefact, Part, sentences};
use config::{ROOT, UpstreamKind};

const CAVEATS: &[&str] = &[
    "Give it to `aws omics create-workflow --container-registry-map-uri` (in S3) or `--container-registry-map`; workflows then keep the names of their images.",
    "HealthOmics pulls as the service `omics.amazonaws.com`: the registry policy must allow it `ecr:CreateRepository` and `ecr:BatchImportUpstreamImage`, and each repository pulling. `repository_read_access_arns` takes no services, so that statement is yours to add, in the repository too.",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegistryMap<'a> {
    registry_mappings: Vec<Mapping<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mapping<'a> {
    upstream_registry_url: &'a str,
    ecr_repository_prefix: &'a str,
}

pub(super) fn artefact(routes: &Routes<'_>) -> Artefact {
    let mut notes = routes.notes.clone();
    let mut registry_mappings = Vec::new();
    for route in &routes.routes {
        let (name, host) = (route.registry.name.as_str(), route.registry.upstream.host.as_str());
        // Those that the user guide lists.
        let known = match route.registry.upstream.kind {
            UpstreamKind::DockerHub
            | UpstreamKind::GitHub
            | UpstreamKind::GitLab
            | UpstreamKind::Azure
            | UpstreamKind::EcrPublic
            | UpstreamKind::Kubernetes
            | UpstreamKind::Quay => true,
            UpstreamKind::Chainguard | UpstreamKind::Ecr | UpstreamKind::Unlisted => false,
        };
        if !known || name == ROOT {
            notes.push(format!(
                "`{name}` is left out: HealthOmics does not list {host} with a prefix like this."
            ));
            continue;
        }
        registry_mappings.push(Mapping {
            upstream_registry_url: host,
            ecr_repository_prefix: name,
        });
    }
    Artefact {
        part: Part::HealthOmics,
        path: "healthomics.json".into(),
        title: "Container registry map of AWS HealthOmics".into(),
        caveats: sentences(CAVEATS),
        notes,
        content: json(&RegistryMap { registry_mappings }),
    }
}
