//! `webhook-configmap.yaml`: the configuration of the mutating webhooks called `ecr-pull-through` (maxtacu's and the
//! forks of it).
//!
//! They write the registry's host in front of the whole image, host and all, so a rule serves them only if it is called
//! like its upstream.

use std::fmt::Write as _;

use super::{Artefact, LeftOut, Part, sentences};
use config::{Registry, UpstreamKind};
use ecr_pull_through_sync::home::Home;

const CAVEATS: &[&str] = &[
    "The webhook makes `<ecr>/ghcr.io/acme/app` of `ghcr.io/acme/app`: a registry serves it only if its name in the file is its upstream's host, `docker.io` for Docker Hub.",
    "maxtacu's (estenrye's is the same in this) gives `library/` to `nginx`, but not to `docker.io/nginx`, and leaves `grafana/grafana` alone: write `docker.io/library/nginx` and `docker.io/grafana/grafana`. platform9's handles all four, and gives `library/` also to `quay.io/app`, `ghcr.io/app` and others with one name behind the host, except `registry.k8s.io`.",
    "They compare beginnings, and rewrite images with a digest too, whose first pull through ECR fails (aws/containers-roadmap#2837).",
    "The name and namespace are those of the Helm chart installed as `ecr-pull-through` in `kube-system`: let Helm's own ConfigMap be replaced by this one, and restart the webhook, which reads it once. It acts in namespaces labelled `pull-through-enabled: \"true\"`.",
    "`kyverno.yaml` needs no such names.",
];

/// # Errors
/// Where it would name no registry: that file does nothing.
pub(super) fn artefact(registries: &[Registry], home: &Home) -> Result<Artefact, LeftOut> {
    let mut notes = Vec::new();
    // They know one suffix only.
    let reachable = home.registry_host().ends_with(".amazonaws.com");
    if !reachable {
        notes.push(format!(
            "The webhook always writes `.amazonaws.com`, and the registry is {}: it cannot be used here.",
            home.registry_host()
        ));
    }
    let mut fitting = Vec::new();
    for registry in registries {
        let host = match registry.upstream.kind {
            UpstreamKind::DockerHub => "docker.io",
            _ => registry.upstream.host.as_str(),
        };
        if registry.name != host {
            notes.push(format!(
                "`{}` is left out: the webhook would look for it under the name `{host}`.",
                registry.name
            ));
        } else if registry
            .upstream_repository_prefix
            .as_deref()
            .is_some_and(|prefix| prefix != config::ROOT)
        {
            notes.push(format!(
                "`{}` is left out: it serves a part of its upstream only.",
                registry.name
            ));
        } else if reachable {
            fitting.push(host);
        }
    }
    if fitting.is_empty() {
        let reason = "No registry of the file can be used with the webhook, and a ConfigMap without one does nothing. Use `kyverno.yaml`, or call the registries like their upstreams.";
        return Err(LeftOut {
            part: Part::Webhook,
            reason: reason.into(),
            notes,
        });
    }
    let mut content = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ecr-pull-through\n  namespace: kube-system\ndata:\n  registries.yaml: |\n    awsRegion: {}\n    awsAccountId: \"{}\"\n    registries:\n",
        home.region, home.account
    );
    for host in fitting {
        // Writing to a string cannot fail.
        _ = writeln!(content, "      - {host}");
    }
    Ok(Artefact {
        part: Part::Webhook,
        path: "webhook-configmap.yaml".into(),
        title: "ConfigMap of the webhooks called ecr-pull-through".into(),
        caveats: sentences(CAVEATS),
        notes,
        content,
    })
}
