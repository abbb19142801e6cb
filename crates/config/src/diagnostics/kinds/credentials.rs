//! Credentials of upstreams.

super::table! {
    38 CREDENTIAL_MISSING Error "The upstream needs a credential" {
        why: "ECR refuses a rule for this upstream without a secret.",
        fix: "Write `username` and `accessToken`, or better `secret` with the name of a secret in Secrets Manager that begins with `ecr-pullthroughcache/`.",
        bad: "dockerhub:\n  registry: docker.io\n",
        good: "dockerhub:\n  registry: docker.io\n  secret: ecr-pullthroughcache/docker-hub-bot\n",
    }
    39 CREDENTIAL_HALF Error "One half of the credential is missing" {
        why: "`username` and `accessToken` belong together. A text that begins with `#` is a comment for YAML, and one that begins with `&` an anchor, so a token of that form looks absent.",
        fix: "Write both, put such a token in quotes, or use `secret`.",
        bad: "ghcr:\n  registry: ghcr.io\n  username: bot\n",
        good: "ghcr:\n  registry: ghcr.io\n  username: bot\n  accessToken: ghp_example\n",
    }
    40 CREDENTIAL_NOT_TAKEN Error "The upstream takes no credential" {
        why: "ECR refuses a rule for this upstream that has a secret. Public registries take none, and another private ECR registry takes a role.",
        fix: "Remove the credential. For another account's private registry, write `custom_role_arn`.",
        bad: "quay:\n  registry: quay.io\n  secret: ecr-pullthroughcache/quay\n",
        good: "quay:\n  registry: quay.io\n",
    }
    41 CREDENTIAL_TWICE Error "The credential is given twice" {
        why: "`secret` names a credential that exists already. `username` and `accessToken` are one of their own. A rule has one.",
        fix: "Keep the secret, or the other two.",
        bad: "ghcr:\n  registry: ghcr.io\n  username: bot\n  accessToken: ghp_example\n  secret: ecr-pullthroughcache/ghcr-bot\n",
        good: "ghcr:\n  registry: ghcr.io\n  secret: ecr-pullthroughcache/ghcr-bot\n",
    }
    42 BAD_CREDENTIAL Error "A user name or a token is not well-formed" {
        why: "It is empty, has a line break, a space at an end or a control character, is no text, or is longer than a secret can be. The upstream would refuse it. The message never repeats it.",
        fix: "Write it on one line, exactly as the upstream gave it out, in quotes if it begins with a special character.",
        bad: "ghcr:\n  registry: ghcr.io\n  username: bot\n  accessToken: \"ghp_example \"\n",
        good: "ghcr:\n  registry: ghcr.io\n  username: bot\n  accessToken: \"ghp_example\"\n",
    }
    43 BAD_SECRET Error "`secret` names nothing that ECR can read" {
        why: "ECR reads only secrets of its own account and Region whose names begin with `ecr-pullthroughcache/`. The message does not repeat what stands here, since it may be a token.",
        fix: "Write the secret's name, or its full ARN with the six characters at the end. Copy a secret that has another name.",
        bad: "ghcr:\n  registry: ghcr.io\n  secret: github-bot\n",
        good: "ghcr:\n  registry: ghcr.io\n  secret: ecr-pullthroughcache/github-bot\n",
    }
    44 SECRET_OF_THIS_FILE Error "`secret` names a secret that this file writes" {
        why: "A secret that is referenced is never written, and one that is made from `username` and `accessToken` is. One secret cannot be both.",
        fix: "Give both registries the `secret`, or both the credential.",
        bad: "hub:\n  registry: docker.io\n  username: bot\n  accessToken: dckr_pat_example\nhub2:\n  registry: docker.io\n  secret: ecr-pullthroughcache/hub\n",
        good: "hub:\n  registry: docker.io\n  secret: ecr-pullthroughcache/docker-hub-bot\nhub2:\n  registry: docker.io\n  secret: ecr-pullthroughcache/docker-hub-bot\n",
    }
    45 BAD_DATE Error "`expires_at` is no date" {
        why: "It is the day or the instant at which the credential lapses. Another form could be read as another day.",
        fix: "Write a day such as `2027-05-01` (00:00 UTC), or an instant such as `2027-05-01T12:00:00Z`.",
        bad: "ghcr:\n  registry: ghcr.io\n  secret: ecr-pullthroughcache/github-bot\n  expires_at: 1 May 2027\n",
        good: "ghcr:\n  registry: ghcr.io\n  secret: ecr-pullthroughcache/github-bot\n  expires_at: 2027-05-01\n",
    }
    46 NOTHING_LAPSES Error "`expires_at` is there, but no credential" {
        why: "Without a credential nothing can lapse, so the date would never be looked at.",
        fix: "Remove `expires_at`, or write the credential.",
        bad: "new:\n  registry: registry.example.com\n  allow_unlisted_upstream: true\n  expires_at: 2027-05-01\n",
        good: "new:\n  registry: registry.example.com\n  allow_unlisted_upstream: true\n",
    }
    110 BAD_SOURCE Error "A source cannot be copied from as it is named" {
        why: "`secret_from` names a secret of this account and Region, and where in it user name and token stand: under keys of its JSON, or, with `format: text`, the whole value is the token.",
        fix: "Write the secret's name or full ARN under `secret`, and `username` or `username_key`, not both.",
        bad: "gitlab:\n  registry: registry.gitlab.com\n  secret_from:\n    secret: prod/gitlab\n    format: text\n",
        good: "gitlab:\n  registry: registry.gitlab.com\n  secret_from:\n    secret: prod/gitlab\n    username: bot\n    access_token_key: token\n",
    }
    111 SOURCE_OF_THIS_FILE Error "A source is a secret that this file writes" {
        why: "Copying from a secret that is a copy itself would go round in circles.",
        fix: "Name the secret that the credential comes from.",
        bad: "gitlab:\n  registry: registry.gitlab.com\n  secret_from:\n    secret: ecr-pullthroughcache/gitlab\n",
        good: "gitlab:\n  registry: registry.gitlab.com\n  secret_from:\n    secret: prod/gitlab\n",
    }
    112 EXPIRES_WITH_SOURCE Error "`expires_at` does not go with `secret_from`" {
        why: "The token is copied again whenever its source changes, so a day in the file would be of the token before.",
        fix: "Put the day on the source, as the tag `ecr-pull-through-sync:expires-at`. A JSON Web Token says it itself.",
        bad: "gitlab:\n  registry: registry.gitlab.com\n  secret_from:\n    secret: prod/gitlab\n  expires_at: 2027-05-01\n",
        good: "gitlab:\n  registry: registry.gitlab.com\n  secret_from:\n    secret: prod/gitlab\n",
    }
}
