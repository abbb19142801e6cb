//! Names and upstream hosts.

super::table! {
    27 BAD_NAME Error "A name is no prefix that ECR allows" {
        why: "The name of a registry is the prefix of its repositories. ECR takes 2 to 30 characters: lower case letters, digits, and `.`, `_`, `-`, `/` between them. `upstream_repository_prefix` has the same grammar.",
        fix: "Choose a name of that form. `ROOT` stands for the registry itself.",
        bad: "DockerHub:\n  registry: quay.io\n",
        good: "dockerhub:\n  registry: quay.io\n",
    }
    28 NAME_TWICE Error "Two registries have one name for ECR" {
        why: "ECR takes `quay` and `quay/` for the same prefix, and letters in upper case are not allowed. Two rules cannot have one prefix.",
        fix: "Keep one of the two, or rename one.",
        bad: "quay:\n  registry: quay.io\nquay/:\n  registry: quay.io\n",
        good: "quay:\n  registry: quay.io\nquay-2:\n  registry: quay.io\n",
    }
    29 TOO_MANY_REGISTRIES Error "There are more registries than ECR allows rules" {
        why: "An account has at most 50 pull-through cache rules in a Region, and AWS does not raise that.",
        fix: "Remove registries, or spread them over accounts or Regions.",
    }
    30 NOT_A_HOST Error "The upstream is not given as a host alone" {
        why: "`registry` is the name of a host, and nothing else: no scheme, path, port, user or space. ECR adds the rest.",
        fix: "Write the host that the message suggests.",
        bad: "quay:\n  registry: https://quay.io/v2/\n",
        good: "quay:\n  registry: quay.io\n",
    }
    31 UNSUPPORTED_HOST Error "ECR cannot cache this upstream" {
        why: "ECR knows a fixed list of upstream registries, and refuses a rule for any other.",
        fix: "Write one of the hosts that the message lists. If AWS has added one since this release, write `allow_unlisted_upstream: true`.",
        bad: "google:\n  registry: us-docker.pkg.dev\n",
        good: "k8s:\n  registry: registry.k8s.io\n",
    }
    32 OWN_REGISTRY Error "The upstream is this very registry" {
        why: "A private ECR registry can be the upstream of another account's or another Region's, but not of itself.",
        fix: "Write the other registry's host, or remove this one.",
    }
    33 UPSTREAM_PREFIX Error "`upstream_repository_prefix` cannot be used here" {
        why: "ECR serves a part of an upstream under a prefix of its own, and `ROOT` has none.",
        fix: "Remove the field, or give the registry another name.",
        bad: "ROOT:\n  registry: quay.io\n  upstream_repository_prefix: team\n",
        good: "quay:\n  registry: quay.io\n",
    }
    34 ROLE_NOT_TAKEN Error "`custom_role_arn` cannot be used here" {
        why: "ECR takes a role only to pull from another private ECR registry.",
        fix: "Remove the field.",
        bad: "quay:\n  registry: quay.io\n  custom_role_arn: arn:aws:iam::111122223333:role/pull\n",
        good: "quay:\n  registry: quay.io\n",
    }
    35 ROLE_MISSING Error "Another account's registry needs a role" {
        why: "To pull from a private ECR registry of another account, ECR takes a role of this account that the other one allows.",
        fix: "Write `custom_role_arn` with the ARN of such a role.",
    }
    36 BAD_ROLE Error "The role is none of this account" {
        why: "IAM lets a service take a role only from the account that it works in, and only by its full ARN.",
        fix: "Write the full ARN of a role of this account.",
        bad: "other:\n  registry: 444455556666.dkr.ecr.eu-central-1.amazonaws.com\n  custom_role_arn: pull-role\n",
        good: "other:\n  registry: 444455556666.dkr.ecr.eu-central-1.amazonaws.com\n  custom_role_arn: arn:aws:iam::111122223333:role/pull\n",
    }
}
