//! `kops.yaml`: the piece of a kOps cluster that has registry mirrors (`spec.containerd` of the cluster).

use std::fmt::Write as _;

use super::mirror::Mirrors;
use super::{Artefact, Fallback, LeftOut, Part, sentences};

const CAVEATS: &[&str] = &[
    "`useECRCredentialsForMirrors` (kubernetes/kops#16593) has the kubelet ask ECR's credential provider about these hosts too; without it the mirror refuses every pull. Merge the piece into the cluster with `kops edit cluster`.",
    "A kOps that writes `hosts.toml` files for the mirrors sets no `override_path` in them, so containerd adds a second `/v2` and finds nothing. Look at `/etc/containerd/certs.d` of a node after the first rolling update: if the file is there without it, leave `registryMirrors` out and put the files under `containerd/` onto the nodes (`fileAssets`).",
    "The nodes' role needs the rights of `puller-policy.json` (`additionalPolicies`); the one that kOps makes has no first pulls (kubernetes/kops#13456).",
];

const WITHOUT: &str = "kOps writes the mirrors of its nodes itself, with the upstream behind them, and no field of the cluster turns that off. The upstream is given the node's ECR token where ECR refuses. Rewrite the images instead, with `kyverno.yaml` for instance. `ptc kit --fallback` makes it all the same.";

/// # Errors
/// Where nothing but ECR may be asked.
pub(super) fn artefact(mirrors: &Mirrors<'_>) -> Result<Artefact, LeftOut> {
    if mirrors.fallback == Fallback::Never {
        return Err(LeftOut {
            part: Part::Kops,
            reason: WITHOUT.into(),
            notes: Vec::new(),
        });
    }
    let mut content = format!(
        "# A part of the cluster: kops edit cluster.\n# Risk: {}.\nspec:\n  containerd:\n    useECRCredentialsForMirrors: true\n    registryMirrors:",
        Fallback::RISK
    );
    if mirrors.mirrors.is_empty() {
        content.push_str(" {}");
    }
    content.push('\n');
    for mirror in &mirrors.mirrors {
        // Writing to a string cannot fail.
        _ = write!(content, "      {}:\n        - {}\n", mirror.host, mirror.endpoint);
    }
    Ok(Artefact {
        part: Part::Kops,
        path: "kops.yaml".into(),
        title: "Registry mirrors with ECR credentials, for the cluster".into(),
        caveats: sentences(CAVEATS),
        notes: mirrors.notes.clone(),
        content,
    })
}
