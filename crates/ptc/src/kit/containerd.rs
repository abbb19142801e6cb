//! `containerd/<host>/hosts.toml`, one for each upstream host ("Registry Configuration" in containerd's documentation).

use super::mirror::{Mirror, Mirrors};
use super::{Artefact, ArtefactKind, Fallback, Source, sentences};

const CAVEATS: &[&str] = &[
    "The folders under `containerd/` go to the node's `/etc/containerd/certs.d`, and `config_path` of containerd's registry settings must name that folder alone; files there are read at each pull. With a list of folders, which is the default of containerd 2, the transfer service (2.1 and later) reads none, and asks the upstream without a word (containerd/containerd#12808).",
    "A file that containerd cannot read is passed over, and the upstream is asked: do not edit them, make them again.",
    "The node must sign in to ECR for the hosts that pods name: see `kubelet`. Without that ECR answers each pull with 401.",
    "`library/` needs no care here: containerd has added it before it asks.",
    "Pods keep the names they have, and nothing fights over them.",
];

const NO_FALLBACK: &[&str] = &[
    "ECR is the `server` too, so nothing else is asked: what ECR refuses is not pulled, and the pod's event has ECR's answer (`not found`, 401, 403). With the upstream as `server`, containerd would give it the node's ECR token (see `ptc kit --fallback`). So try it on one node first, with one image of each host.",
    "ECR cannot import an image by its digest (aws/containers-roadmap#2837): a pod that names one starts only if the image was pulled by its tag before.",
];

const FALLBACK: &[&str] = &[
    "The upstream is asked where ECR refuses, and it is given the node's ECR token: containerd answers any host with the credential that the kubelet has for the pod's host. An upstream that wants a sign-in refuses that token, so the pull fails all the same. The fallback works only for upstreams that want none, and on nodes that do not sign in to ECR, where the mirror is of no use.",
    "Where it works, it is silent: whether the cache is used shows only in containerd's log and in ECR.",
];

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let Mirrors { mirrors, notes } = Mirrors::of_nodes(source);
    let mut notes = Some(notes);
    let of_fallback = match source.fallback {
        Fallback::Never => NO_FALLBACK,
        Fallback::Upstream => FALLBACK,
    };
    let artefact = |mirror: &Mirror<'_>| Artefact {
        part: ArtefactKind::Containerd,
        path: format!("containerd/{}/hosts.toml", mirror.host),
        title: format!("Mirror for images of {}", mirror.host),
        caveats: sentences(&[CAVEATS, of_fallback].concat()),
        // Once is enough.
        notes: notes.take().unwrap_or_default(),
        content: hosts(mirror, source.fallback),
    };
    mirrors.iter().map(artefact).collect()
}

/// Names and hosts consist of letters, digits and `-_./`, so they need no escapes.
fn hosts(mirror: &Mirror<'_>, fallback: Fallback) -> String {
    let Mirror {
        host,
        upstream,
        registry,
        endpoint,
        ..
    } = mirror;
    let server = match fallback {
        // containerd refuses a server without a host, and a host alone has the upstream behind it.
        Fallback::Never => format!(
            r#"# ECR is the server too, so that nothing else is asked: another server would be given the node's ECR token.
server = "{endpoint}"
capabilities = ["pull", "resolve"]
# The path is all of it: no second /v2.
override_path = true
"#
        ),
        Fallback::Upstream => format!(
            "# What ECR refuses is asked of the server below. It is given the node's ECR token, which is valid for 12 hours,\n\
             # for all that the node may pull.\n\
             server = \"https://{upstream}\"\n"
        ),
    };
    format!(
        r#"# /etc/containerd/certs.d/{host}/hosts.toml: images of {host} come through `{registry}`.
{server}
[host."{endpoint}"]
  capabilities = ["pull", "resolve"]
  # The path is all of it: no second /v2.
  override_path = true
"#
    )
}
