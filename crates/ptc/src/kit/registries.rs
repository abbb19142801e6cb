//! `registries.conf` for Podman, Buildah, Skopeo and CRI-O ("containers-registries.conf(5)").

use std::fmt::Write as _;

use super::route::Route;
use super::{Artefact, ArtefactKind, Fallback, Source, sentences, sign_in};

const CAVEATS: &[&str] = &[
    "It goes to `/etc/containers/registries.conf.d/50-ecr-pull-through.conf`, or to the same folder in `~/.config/containers`, and is read at each pull. CRI-O reads it when it is reloaded.",
    "Sign in to ECR by its own host, as the first lines of the file say, or by the credential helper `ecr-login`. Credentials are kept by host, so nobody else is given the token.",
    "CRI-O does not use the kubelet's credential for a host where it asks another one: give it one for ECR in `global_auth_file`, and leave the upstream hosts out of the kubelet's `matchImages`.",
    "`library/` needs no care here: `nginx` is `docker.io/library/nginx` before it is looked up.",
    "ECR cannot import an image by its digest (aws/containers-roadmap#2837): pull it by its tag first.",
];

const NO_FALLBACK: &str = "`location` takes the place of `prefix`, so nothing but ECR is asked: what ECR refuses is not pulled. What would come from the wrong upstream is `blocked`.";

const FALLBACK: &str = "What ECR refuses is asked of the upstream, with the credential for the upstream's host, if there is one. CRI-O takes the kubelet's for that, so a kubelet whose ECR credential provider answers for the upstream's host gives it the node's ECR token.";

pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let routes = &source.routes;
    let mut content = format!(
        "# /etc/containers/registries.conf.d/50-ecr-pull-through.conf\n# {}\n",
        sign_in("podman", source.home)
    );
    content.push_str(match source.fallback {
        Fallback::Never => "# Nothing but ECR is asked.\n",
        Fallback::Upstream => {
            "# What ECR refuses is asked of the upstream. CRI-O gives it what the kubelet has for its host, which must not be\n\
             # the node's ECR token: that is valid for 12 hours, for all that the node may pull.\n"
        }
    });
    for route in &routes.routes {
        content.push_str(&rewriting(route, source.fallback));
        for taken in &route.taken {
            let prefix = format!("{}/{}", route.source(), taken.path);
            // It may have a route of its own.
            if routes.routes.iter().any(|other| other.source() == prefix) {
                continue;
            }
            // Writing to a string cannot fail.
            _ = write!(
                content,
                "\n# Through ECR these would come from the upstream of `{}`.\n[[registry]]\nlocation = \"{prefix}\"\n",
                taken.by
            );
            if source.fallback == Fallback::Never {
                content.push_str("blocked = true\n");
            }
        }
    }
    let of_fallback = match source.fallback {
        Fallback::Never => NO_FALLBACK,
        Fallback::Upstream => FALLBACK,
    };
    vec![Artefact {
        part: ArtefactKind::Registries,
        path: "registries.conf".into(),
        title: "Podman, Buildah, Skopeo and CRI-O ask ECR".into(),
        caveats: sentences(&[CAVEATS, &[of_fallback]].concat()),
        notes: routes.notes.clone(),
        content,
    }]
}

/// Names and hosts consist of letters, digits and `-_./`, so they need no escapes.
fn rewriting(route: &Route<'_>, fallback: Fallback) -> String {
    let (from, to) = (route.source(), &route.base);
    match fallback {
        Fallback::Never => format!("\n[[registry]]\nprefix = \"{from}\"\nlocation = \"{to}\"\n"),
        Fallback::Upstream => {
            format!("\n[[registry]]\nlocation = \"{from}\"\n[[registry.mirror]]\nlocation = \"{to}\"\n")
        }
    }
}
