//! Lifecycle policies. ECR itself answers most of these with `instance failed to match exactly one schema`.

super::table! {
    59 LIFECYCLE_FORM Error "The lifecycle policy is not a map with `rules`" {
        why: "A policy is a map with a list under `rules:`, as AWS writes it, or the word `none` for no policy.",
        fix: "Put the list under `rules:`. JSON needs no quotes: it is YAML too.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy: \"off\"\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy: none\n",
    }
    60 LIFECYCLE_TOO_LARGE Error "The lifecycle policy is larger than ECR allows" {
        why: "ECR takes 50 rules and 30,720 characters.",
        fix: "Put rules together, and shorten descriptions and lists.",
    }
    61 LIFECYCLE_TAG_LISTS Error "The lists of tags do not fit `tagStatus`" {
        why: "`tagStatus: tagged` needs either `tagPatternList` or `tagPrefixList`, with something in it. The other values of `tagStatus` take neither.",
        fix: "Write one list with `tagged`, or remove it.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPatternList: [\"v*\"], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
    }
    62 LIFECYCLE_BAD_TAG Error "A tag in a lifecycle rule is not well-formed" {
        why: "An item has 1 to 128 characters that a tag can have. A pattern has at most four `*`, and a prefix none.",
        fix: "Write the beginning alone under `tagPrefixList`, or a pattern under `tagPatternList`.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [\"v*\"], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
    }
    63 LIFECYCLE_COUNT_UNIT Error "`countUnit` does not fit `countType`" {
        why: "The count types that begin with `since` count days, and need `countUnit: days`. `imageCountMoreThan` counts images, and takes no unit.",
        fix: "Add `countUnit: days`, or remove it.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: sinceImagePushed, countNumber: 14}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: sinceImagePushed, countUnit: days, countNumber: 14}\n        action: {type: expire}\n",
    }
    64 LIFECYCLE_STORAGE_CLASS Error "`storageClass` does not fit `countType`" {
        why: "Images in the archive are counted by `sinceImageTransitioned`, and by nothing else. Images in standard storage are counted by the others.",
        fix: "Write `storageClass: archive` with `sinceImageTransitioned`, and only with it.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, storageClass: archive, countType: sinceImagePushed, countUnit: days, countNumber: 90}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, storageClass: archive, countType: sinceImageTransitioned, countUnit: days, countNumber: 90}\n        action: {type: expire}\n",
    }
    65 LIFECYCLE_ACTION Error "The action of a lifecycle rule is not possible" {
        why: "`transition` moves images to the archive, from which none comes back, and needs `targetStorageClass: archive`. `expire` takes no storage class. By their last pull images can be moved, but not expired.",
        fix: "Write what the message says. To delete what nobody pulls, move it to the archive first, and expire it there with a second rule.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: sinceImagePulled, countUnit: days, countNumber: 30}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: sinceImagePulled, countUnit: days, countNumber: 30}\n        action: {type: transition, targetStorageClass: archive}\n",
    }
    66 LIFECYCLE_PRIORITY_TWICE Error "Two lifecycle rules have one priority" {
        why: "ECR evaluates rules by their `rulePriority`, and wants each number once.",
        fix: "Give each rule its own number.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 9}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n      - rulePriority: 2\n        selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 9}\n        action: {type: expire}\n",
    }
    67 LIFECYCLE_STATUS_ORDER Error "`tagStatus: any` or `untagged` is not the only one, or not the last" {
        why: "For each storage class ECR takes one rule with `any` and one with `untagged`. The one with `any` takes all that is left, so it must come last.",
        fix: "Put such rules into one, and give the one with `any` the highest `rulePriority`.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 9}\n        action: {type: expire}\n      - rulePriority: 2\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 2\n        selection: {tagStatus: any, countType: imageCountMoreThan, countNumber: 9}\n        action: {type: expire}\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
    }
    68 LIFECYCLE_LIST_TWICE Error "Two lifecycle rules select the same tags" {
        why: "For each storage class ECR takes a list of tags once, whatever the order in it.",
        fix: "Put the two rules into one, or change one of the lists.",
        bad: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n      - rulePriority: 2\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: sinceImagePushed, countUnit: days, countNumber: 9}\n        action: {type: expire}\n",
        good: "quay:\n  registry: quay.io\n  lifecycle_policy:\n    rules:\n      - rulePriority: 1\n        selection: {tagStatus: tagged, tagPrefixList: [v], countType: imageCountMoreThan, countNumber: 5}\n        action: {type: expire}\n",
    }
}
