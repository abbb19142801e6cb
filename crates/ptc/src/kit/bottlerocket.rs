//! `bottlerocket.toml`: registry mirrors, for a node's user data (`settings.container-registry` of Bottlerocket).

use std::fmt::Write as _;

use super::mirror::Mirrors;
use super::{Artefact, Fallback, LeftOut, Part, sentences};

const CAVEATS: &[&str] = &[
    "The kubelet sees the host that the pod names, so by itself it supplies no ECR credential for the mirror, and the pull falls back to the upstream in silence (bottlerocket-os/bottlerocket#3631). `settings.kubernetes.credential-providers` must name the hosts in the `image-patterns` of `ecr-credential-provider`: the list there replaces the default one. Whether your version of the provider answers for them has to be tried on one node.",
    "The key is `endpoint`, and the path in it begins with `/v2`: Bottlerocket then tells containerd not to add another.",
    "Not for host containers, which do not sign in to a private ECR as a mirror; nor for the ECS variants with Docker, which know mirrors of Docker Hub only, and without a path.",
];

const WITHOUT: &str = "Bottlerocket asks the upstream where a mirror refuses, and no setting turns that off. The upstream is given the node's ECR token then. Rewrite the images instead, with `kyverno.yaml` for instance. `ptc kit --fallback` makes it all the same.";

/// # Errors
/// Where nothing but ECR may be asked.
pub(super) fn artefact(mirrors: &Mirrors<'_>) -> Result<Artefact, LeftOut> {
    if mirrors.fallback == Fallback::Never {
        return Err(LeftOut {
            part: Part::Bottlerocket,
            reason: WITHOUT.into(),
            notes: Vec::new(),
        });
    }
    let mut content = format!(
        "# For the user data of Bottlerocket nodes.\n# Risk: {}.\n",
        Fallback::RISK
    );
    for mirror in &mirrors.mirrors {
        // Writing to a string cannot fail.
        _ = write!(
            content,
            "\n[[settings.container-registry.mirrors]]\nregistry = \"{}\"\nendpoint = [\"{}\"]\n",
            mirror.host, mirror.endpoint
        );
    }
    if !mirrors.mirrors.is_empty() {
        content.push_str(
            "\n[settings.kubernetes.credential-providers.ecr-credential-provider]\nenabled = true\ncache-duration = \"12h\"\nimage-patterns = [\n",
        );
        // ECR's own hosts, which the list must not lose, and then the mirrored ones.
        let ecr = [
            "*.dkr.ecr.*.amazonaws.com",
            "*.dkr.ecr.*.amazonaws.com.cn",
            "*.dkr.ecr-fips.*.amazonaws.com",
        ];
        let hosts = mirrors.mirrors.iter().map(|mirror| mirror.host);
        for pattern in ecr.into_iter().chain([mirrors.own.as_str()]).chain(hosts) {
            _ = writeln!(content, "  \"{pattern}\",");
        }
        content.push_str("]\n");
    }
    Ok(Artefact {
        part: Part::Bottlerocket,
        path: "bottlerocket.toml".into(),
        title: "Registry mirrors, for the user data of nodes".into(),
        caveats: sentences(CAVEATS),
        notes: mirrors.notes.clone(),
        content,
    })
}
