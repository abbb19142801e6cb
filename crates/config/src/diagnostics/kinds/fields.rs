//! The other fields of a registry.

super::table! {
    47 EXCLUSION_FILTERS Error "Exclusion filters and tag mutability do not fit" {
        why: "`image_tag_mutability_exclusion_filters` goes with the two values that end in `_WITH_EXCLUSION`, which need it.",
        fix: "Write both, or neither.",
        bad: "quay:\n  registry: quay.io\n  image_tag_mutability: IMMUTABLE_WITH_EXCLUSION\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: IMMUTABLE_WITH_EXCLUSION\n  image_tag_mutability_exclusion_filters: [latest]\n",
    }
    48 BAD_FILTER Error "An exclusion filter is not allowed" {
        why: "ECR takes 1 to 5 filters of 1 to 128 letters, digits, `.`, `_`, `-` and `*`.",
        fix: "Write fewer, or other ones.",
        bad: "quay:\n  registry: quay.io\n  image_tag_mutability: MUTABLE_WITH_EXCLUSION\n  image_tag_mutability_exclusion_filters: [\"v1/*\"]\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: MUTABLE_WITH_EXCLUSION\n  image_tag_mutability_exclusion_filters: [\"v1*\"]\n",
    }
    49 BAD_READER Error "A reader is no principal that may pull" {
        why: "A repository policy takes accounts, roles and users by their ARNs. IAM refuses a whole policy for one principal of another form. `*` would let every AWS account in the world pull.",
        fix: "Write `arn:aws:iam::<account>:root` for a whole account, or the ARN of a role or a user.",
        bad: "quay:\n  registry: quay.io\n  repository_read_access_arns: [\"*\"]\n",
        good: "quay:\n  registry: quay.io\n  repository_read_access_arns: [\"arn:aws:iam::111122223333:root\"]\n",
    }
    50 POLICY_TOO_LONG Error "The readers make a repository policy that is too long" {
        why: "ECR takes a repository policy of at most 10,240 characters.",
        fix: "Name accounts (`arn:aws:iam::<account>:root`) in place of their single roles.",
    }
    51 BAD_KMS_KEY Error "The KMS key cannot be used here" {
        why: "ECR takes a key by its full ARN, from the registry's own Region and partition, and only with `KMS` or `KMS_DSSE`. An alias may point to another key tomorrow, and ECR does not take one.",
        fix: "Write `arn:aws:kms:<region>:<account>:key/<id>`, or remove `kms_key`.",
        bad: "quay:\n  registry: quay.io\n  encryption_configuration:\n    encryption_type: KMS\n    kms_key: alias/ecr\n",
        good: "quay:\n  registry: quay.io\n  encryption_configuration:\n    encryption_type: KMS\n    kms_key: arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab\n",
    }
    52 TEMPLATE_ROLE_MISSING Error "Tags and KMS keys need a role for ECR" {
        why: "ECR can put tags or a KMS key on a repository that it creates only with a role. Without one every first pull would fail.",
        fix: "Set the stack's parameter TemplateRoleArn (TEMPLATE_ROLE_ARN), or remove the tags and keys.",
    }
    53 BAD_TAG Error "A tag is not allowed" {
        why: "AWS limits the length and the characters of tags, and keeps keys that begin with `aws:` for itself. Keys that begin with `ecr-pull-through-sync:` mark what the function owns. RESOURCE_TAGS has the same rules.",
        fix: "Name the tag otherwise, or shorten its value.",
        bad: "quay:\n  registry: quay.io\n  tags:\n    aws:team: platform\n",
        good: "quay:\n  registry: quay.io\n  tags:\n    team: platform\n",
    }
    54 TOO_MANY_TAGS Error "A registry has too many tags" {
        why: "AWS allows 50 tags on a resource, and one of them is the mark of the owner. Those of `defaults`, of the file and of RESOURCE_TAGS count.",
        fix: "Write at most 49.",
    }
    55 BAD_PATTERN Error "A pattern matches no repository" {
        why: "Patterns of `include` and `exclude` are over whole names of repositories, with `*` for any characters. One that can match nothing under the registry's prefix is a slip. At most 100 are taken in a list.",
        fix: "Begin the pattern with the registry's name and a `/`, in lower case.",
        bad: "quay:\n  registry: quay.io\n  existing_repositories:\n    include: [\"library/*\"]\n",
        good: "quay:\n  registry: quay.io\n  existing_repositories:\n    include: [\"quay/library/*\"]\n",
    }
    56 BAD_APPLY Error "`apply` is empty or repeats itself" {
        why: "`apply` lists what is put on repositories that exist already. An empty list would do nothing.",
        fix: "Name each setting once, or leave `apply` out for all of them. `existing_repositories: false` switches it off.",
        bad: "quay:\n  registry: quay.io\n  existing_repositories:\n    apply: []\n",
        good: "quay:\n  registry: quay.io\n  existing_repositories:\n    apply: [lifecycle_policy]\n",
    }
    57 ROOT_WITHOUT_INCLUDE Error "`existing_repositories` of `ROOT` does not say which" {
        why: "Under `ROOT` are all repositories of the account, also those that no cache has made.",
        fix: "Write `include` with the patterns that are meant.",
        bad: "ROOT:\n  registry: quay.io\n  existing_repositories: true\n",
        good: "ROOT:\n  registry: quay.io\n  existing_repositories:\n    include: [\"library/*\"]\n",
    }
    145 BAD_IMAGE Error "An image to be warm is none, or stands twice" {
        why: "An image is named by its path under the registry's name and a tag, since ECR's first pull of an image is by tag. A digest behind the tag is compared with what the cache has.",
        fix: "Write `path:tag` or `path:tag@sha256:...`, each path and tag once.",
        bad: "quay:\n  registry: quay.io\n  warm: [prometheus/prometheus]\n",
        good: "quay:\n  registry: quay.io\n  warm: [\"prometheus/prometheus:v3.1.0\"]\n",
    }
    146 IMAGE_OF_OTHER_REGISTRY Error "An image to be warm is served by another registry of the file" {
        why: "ECR takes the rule with the longest prefix. A pull of this image would go to the other registry's upstream.",
        fix: "Move the image to the registry whose prefix it has.",
        bad: "quay:\n  registry: quay.io\n  warm: [\"team/app:1\"]\nquay/team:\n  registry: public.ecr.aws\n",
        good: "quay:\n  registry: quay.io\nquay/team:\n  registry: public.ecr.aws\n  warm: [\"app:1\"]\n",
    }
    147 TOO_MANY_IMAGES Error "More images are to be warm than a stack takes" {
        why: "Each image costs a call in every run that looks after them, and the upstream's rate.",
        fix: "Name at most 200 in the whole file: those that nobody can wait for.",
    }
}
