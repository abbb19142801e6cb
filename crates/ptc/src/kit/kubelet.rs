//! `kubelet/`: how a node signs in to ECR for the hosts of its mirrors, and the user data that sets up both.
//!
//! The formats are `CredentialProviderConfig` ("Kubelet Configuration" in the reference of Kubernetes), `NodeConfig` (the
//! documentation of nodeadm), and `spec.userData` of an `EC2NodeClass` (the documentation of Karpenter).
//!
//! A node that signs in for a host without having its mirror gives that host the ECR token. So the user data writes the
//! mirrors first, and the kubelet is told of a file that is written last: where the script fails, the kubelet does not start.
//! nodeadm takes containerd's settings in the form of version 2 for containerd 1 and 2, and migrates them for the latter.

use std::fmt::Write as _;

use config::UpstreamKind;
use ecr_pull_through_sync::home::Home;

use super::mirror::{Mirror, Mirrors};
use super::{Artefact, ArtefactKind, Fallback, Source, sentences};

const CAVEATS: &[&str] = &[
    "The kubelet asks its credential provider about the host that the pod names, not about the mirror, so `matchImages` has the hosts of the mirrors too. `ecr-credential-provider` answers for them from version 1.29 on, and then wants AWS_REGION, which the file sets (kubernetes/kops#16593).",
    "A host in `matchImages` whose mirror is missing on the node, is not read by containerd, or has the upstream behind it, is given the node's ECR token. So put `containerd/` onto the node first, never `credential-provider.yaml` alone, and take both away together. The user data does it in that order, has containerd read that folder alone, and where it fails the kubelet does not start.",
    "Not with the SOCI snapshotter, the feature gate `FastImagePull` of nodeadm: it reads no mirrors, so it would give the token to the upstream (awslabs/soci-snapshotter#1561). The user data refuses it.",
    "`credential-provider.yaml` takes the place of the file that `--image-credential-provider-config` names, and has its ECR hosts as well. EKS nodes of AL2023 have one that nodeadm writes at each start, so the user data names another one. Settings of containerd that your own parts have in version 3 win over the user data's, which are of version 2: put `config_path` there too.",
    "`nodeadm-user-data.txt` is for EKS nodes of Amazon Linux 2023: as user data of a launch template, where EKS adds its own part, or as further parts of what you have. Changes reach new nodes alone.",
    "`karpenter-user-data.yaml` is the same for Karpenter: `kubectl patch ec2nodeclass NAME --type merge --patch-file kubelet/karpenter-user-data.yaml`. It replaces `spec.userData`, so join it with what stands there, and Karpenter replaces the nodes of that class.",
    "EKS Auto Mode and Fargate take neither: rewrite the images there. So it is on Bottlerocket, which writes the upstream behind every mirror.",
    "A pod's `imagePullSecrets` for a host with a mirror go to ECR, which refuses them: take them off.",
];

/// ECR's own hosts, as nodeadm has them.
const ECR: [&str; 13] = [
    "*.dkr.ecr.*.amazonaws.com",
    "*.dkr-ecr.*.on.aws",
    "*.dkr.ecr.*.amazonaws.com.cn",
    "*.dkr-ecr.*.on.amazonwebservices.com.cn",
    "*.dkr.ecr-fips.*.amazonaws.com",
    "*.dkr-ecr-fips.*.on.aws",
    "*.dkr.ecr.*.c2s.ic.gov",
    "*.dkr.ecr.*.sc2s.sgov.gov",
    "*.dkr.ecr.*.cloud.adc-e.uk",
    "*.dkr.ecr.*.csp.hci.ic.gov",
    "*.dkr.ecr.*.amazonaws.eu",
    "public.ecr.aws",
    "ecr-public.aws.com",
];

/// What the user data of an instance may hold ("Run commands when you launch an EC2 instance").
const USER_DATA: usize = 16 * 1024;

/// None with a fallback: signed in, the node would send its token to the upstream.
pub(super) fn artefacts(source: &Source<'_>) -> Vec<Artefact> {
    let Mirrors { mirrors, mut notes } = Mirrors::of_nodes(source);
    if source.fallback == Fallback::Upstream || mirrors.is_empty() {
        return Vec::new();
    }
    let provider = credential_provider(&mirrors, source.home);
    let user_data = user_data(&mirrors, &provider);
    if user_data.len() > USER_DATA {
        notes.push(format!(
            "The user data has {} bytes, and EC2 takes {USER_DATA}: build the files into the image of the nodes instead.",
            user_data.len()
        ));
    }
    let mut notes = Some(notes);
    let mut artefact = |path: &str, title: &str, content: String| Artefact {
        part: ArtefactKind::Kubelet,
        path: format!("kubelet/{path}"),
        title: title.to_owned(),
        caveats: sentences(CAVEATS),
        // Once is enough.
        notes: notes.take().unwrap_or_default(),
        content,
    };
    vec![
        artefact(
            "credential-provider.yaml",
            "The kubelet signs in to ECR for the hosts of the mirrors",
            format!(
                "# For the kubelet's --image-credential-provider-config, on nodes that have each mirror of containerd/: a host below\n\
                 # whose mirror is missing would be given the node's ECR token.\n{provider}"
            ),
        ),
        artefact(
            "karpenter-user-data.yaml",
            "Mirrors and sign-in for an EC2NodeClass of Karpenter",
            format!(
                "# kubectl patch ec2nodeclass NAME --type merge --patch-file karpenter-user-data.yaml\nspec:\n  userData: |\n{}",
                indented(&user_data)
            ),
        ),
        artefact(
            "nodeadm-user-data.txt",
            "Mirrors and sign-in for EKS nodes of Amazon Linux 2023",
            user_data,
        ),
    ]
}

fn credential_provider(mirrors: &[Mirror<'_>], home: &Home) -> String {
    let mut text = String::from(
        "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n  - name: ecr-credential-provider\n    \
         apiVersion: credentialprovider.kubelet.k8s.io/v1\n    defaultCacheDuration: 0s\n    matchImages:\n",
    );
    let upstreams = mirrors.iter().filter(|mirror| mirror.kind != UpstreamKind::Ecr);
    for host in ECR.into_iter().chain(upstreams.map(|mirror| mirror.host)) {
        // Writing to a string cannot fail.
        _ = writeln!(text, "      - \"{host}\"");
    }
    _ = write!(
        text,
        "    env:\n      # Where the provider signs in for a host that is not ECR's.\n      - name: AWS_REGION\n        value: {}\n",
        home.region
    );
    text
}

/// Names and hosts consist of letters, digits and `-_./`, so the shell leaves them alone.
fn user_data(mirrors: &[Mirror<'_>], provider: &str) -> String {
    let mirrors: String = mirrors
        .iter()
        .map(|mirror| format!("mirror {} {}\n", mirror.host, mirror.endpoint))
        .collect();
    format!(
        r#"MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="ECR-PULL-THROUGH"

--ECR-PULL-THROUGH
Content-Type: text/x-shellscript; charset="us-ascii"

#!/bin/bash
set -euo pipefail
# The SOCI snapshotter reads no mirrors: it would give the node's ECR token to the upstream.
if grep -qsE 'FastImagePull"?: *true' /run/eks/nodeadm/config.json; then
  echo "FastImagePull reads no mirrors: take the one or the other out" >&2
  exit 1
fi
# ECR is the server too: another one would be given the node's ECR token.
mirror() {{
  mkdir -p "/etc/containerd/certs.d/$1"
  cat >"/etc/containerd/certs.d/$1/hosts.toml" <<END
server = "$2"
capabilities = ["pull", "resolve"]
override_path = true
[host."$2"]
  capabilities = ["pull", "resolve"]
  override_path = true
END
}}
{mirrors}# Last: without its mirror, a host in matchImages would be given the token.
cat >/etc/eks/image-credential-provider/pull-through.yaml <<'END'
{provider}END

--ECR-PULL-THROUGH
Content-Type: application/node.eks.aws

apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  containerd:
    # One folder: of several, the transfer service of containerd 2 reads none.
    config: |
      [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = "/etc/containerd/certs.d"
  kubelet:
    flags:
      - --image-credential-provider-config=/etc/eks/image-credential-provider/pull-through.yaml

--ECR-PULL-THROUGH--
"#
    )
}

/// As a block of YAML. Empty lines stay empty.
fn indented(text: &str) -> String {
    let line = |line: &str| match line {
        "" => "\n".to_owned(),
        line => format!("    {line}\n"),
    };
    text.lines().map(line).collect()
}
