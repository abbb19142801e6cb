//! What is legal in a file, and may surprise.

super::table! {
    80 PLAIN_TOKEN Warning "A token stands in the file in plain text" {
        why: "Whoever may read the repository, the bucket or an old version of the object has the token.",
        fix: "Keep it in Secrets Manager and name it under `secret`, or encrypt the file with SOPS.",
        bad: "ghcr:\n  registry: ghcr.io\n  username: bot\n  accessToken: ghp_example\n",
        good: "ghcr:\n  registry: ghcr.io\n  secret: ecr-pullthroughcache/ghcr-bot\n",
    }
    81 PLAIN_HOST Warning "A token is encrypted, but not where it is sent" {
        why: "SOPS does not tie plain values to their places. Whoever may change the file could swap the host, and have the token sent to another one.",
        fix: "Encrypt `registry` as well: `sops encrypt --encrypted-regex '^(registry|username|accessToken)$'`.",
    }
    82 IMMUTABLE_TAGS Warning "Cached tags never follow the upstream" {
        why: "With `IMMUTABLE` ECR cannot refresh a cached tag when it moves upstream. `latest` stays what it was at the first pull.",
        fix: "Write `MUTABLE`, or `IMMUTABLE_WITH_EXCLUSION` with filters for the tags that move.",
        bad: "quay:\n  registry: quay.io\n  image_tag_mutability: IMMUTABLE\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: IMMUTABLE_WITH_EXCLUSION\n  image_tag_mutability_exclusion_filters: [latest]\n",
    }
    83 UNTAGGED_EXPIRES Warning "A rule expires untagged images that may be in use" {
        why: "A cached image that is deployed by its digest has no tag. The rule expires it while it is in use.",
        fix: "Use `tagStatus: any` with a count or an age that is long enough.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: untagged, countType: imageCountMoreThan, countNumber: 1}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 20}\n        action: {type: expire}\n",
    }
    84 ARCHIVE_BILLED Warning "Archived images are billed for 90 days anyway" {
        why: "AWS keeps and bills an archived image for at least 90 days, so a smaller number saves nothing.",
        fix: "Write 90 or more.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, storageClass: archive, countType: sinceImageTransitioned, countUnit: days, countNumber: 30}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, storageClass: archive, countType: sinceImageTransitioned, countUnit: days, countNumber: 90}\n        action: {type: expire}\n",
    }
    85 POLICY_STAYS Warning "Existing repositories keep their lifecycle policy" {
        why: "A policy that a repository has is never taken away, since nothing tells who put it there. So `none` changes new repositories alone.",
        fix: "Delete the policies of existing repositories by hand, if they are to go.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy: none\n  existing_repositories: true\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy: none\n  existing_repositories:\n    apply: [tags]\n",
    }
    86 REGION_WITHOUT_CACHE Warning "AWS documents no pull-through cache for this Region" {
        why: "In some Regions and partitions ECR has no pull-through cache rules. ECR will probably refuse them.",
        fix: "Use another Region. If AWS has added this one since, nothing has to be done.",
    }
    87 MORE_WARNINGS Warning "There are more warnings than are shown" {
        why: "A hundred warnings are shown.",
        fix: "Look at the first ones. Allow a kind that you mean (`ptc check --allow`).",
    }
    148 WARM_EXPIRES Warning "More tags are to be warm than the lifecycle policy keeps" {
        why: "ECR would expire some of them again, and the next run would pull them once more.",
        fix: "Name fewer tags of the repository, or let its lifecycle policy keep more images.",
        bad: "quay:\n  registry: quay.io\n  warm: [\"a/b:1\", \"a/b:2\", \"a/b:3\", \"a/b:4\"]\n",
        good: "quay:\n  registry: quay.io\n  warm: [\"a/b:3\", \"a/b:4\"]\n",
    }
}
