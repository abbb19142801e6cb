//! `containerd/<host>/hosts.toml`, one for each upstream host ("Registry Configuration" in containerd's documentation).

use super::mirror::{Mirror, Mirrors};
use super::{Artefact, Part, sentences};

const CAVEATS: &[&str] = &[
    "The folders under `containerd/` go to the node's `/etc/containerd/certs.d`, and `config_path` of containerd's registry settings must name that; files there are read at each pull.",
    "The node must sign in to ECR, and the kubelet asks its credential provider about the host that the pod names, not about the mirror: `docker.io` and the others have to stand in `matchImages` of the ECR credential provider (version 1.29 or later), with AWS_REGION set (kubernetes/kops#16593). Without that each pull is refused by the mirror, and falls back to the upstream in silence.",
    "With it containerd may send the same password to the upstream, which refuses it: do not count on the fallback then.",
    "`library/` needs no care here: containerd has added it before it asks.",
    "Pods keep the names they have, and nothing fights over them. Whether the cache is used shows only in containerd's log and in ECR.",
];

pub(super) fn artefacts(mirrors: &Mirrors<'_>) -> Vec<Artefact> {
    let mut notes = Some(&mirrors.notes);
    let artefact = |mirror: &Mirror<'_>| Artefact {
        part: Part::Containerd,
        path: format!("containerd/{}/hosts.toml", mirror.host),
        title: format!("Mirror for images of {}", mirror.host),
        caveats: sentences(CAVEATS),
        // Once is enough.
        notes: notes.take().cloned().unwrap_or_default(),
        content: hosts(mirror),
    };
    mirrors.mirrors.iter().map(artefact).collect()
}

/// Names and hosts consist of letters, digits and `-_./`, so they need no escapes.
fn hosts(mirror: &Mirror<'_>) -> String {
    let Mirror { host, server, registry, endpoint } = mirror;
    format!(
        r#"# /etc/containerd/certs.d/{host}/hosts.toml: images of {host} come through `{registry}`.
# What ECR refuses is asked of the server below.
server = "https://{server}"

[host."{endpoint}"]
  capabilities = ["pull", "resolve"]
  # The path is all of it: no second /v2.
  override_path = true
"#
    )
}
