//! The form of the file: keys, and what kind of value stands under them.

super::table! {
    15 NO_REGISTRY Error "The file has no registry" {
        why: "What the file does not name is deleted. So an empty file, or one that is all comments, is refused: a slip must not delete everything.",
        fix: "Write at least one registry. To delete the last one, delete the stack, or what it made, by hand.",
        bad: "registries: {}\n",
        good: "registries:\n  quay:\n    registry: quay.io\n",
    }
    16 NO_MAP_OF_REGISTRIES Error "The file is no map of registries" {
        why: "At the top, or under `registries:`, stand the names of the registries, each with its fields below. A list or a single text has no names.",
        fix: "Write the name of each registry as a key, without `- ` in front.",
        bad: "- registry: quay.io\n",
        good: "quay:\n  registry: quay.io\n",
    }
    17 UNKNOWN_KEY Error "A key is not known here" {
        why: "A misspelt key would silently do nothing. So every key must be known, at every depth, also in lifecycle policies.",
        fix: "Write the key that the message suggests, or move it to where it belongs. In the wrapped form, keys of your own begin with `x-` and stand at the top.",
        bad: "quay:\n  registry: quay.io\n  image_tag_mutabilty: IMMUTABLE\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: MUTABLE\n",
    }
    18 MISSING_SPACE Error "There is no space after a colon" {
        why: "For YAML, `take_over:true` is one word, not a key and its value.",
        fix: "Put a space after the colon.",
        bad: "quay: {registry: quay.io, take_over:true}\n",
        good: "quay: {registry: quay.io, take_over: true}\n",
    }
    19 MISSING_FIELD Error "A field is missing that must be there" {
        why: "Every registry needs its host, and every lifecycle rule its priority, selection and action. A field without a value counts as missing.",
        fix: "Write the field that the message names.",
        bad: "quay:\n  image_tag_mutability: MUTABLE\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: MUTABLE\n",
    }
    20 WRONG_PLACE Error "A key stands in a place that is not its own" {
        why: "A field without its indentation looks like a registry. `tags`, `defaults` and `max_deletions` stand beside `registries:`, so they need the wrapped form. Each registry has its own host, so `registry` has no default.",
        fix: "Indent the field under its registry, or put all registries under `registries:`.",
        bad: "tags:\n  team: platform\nquay:\n  registry: quay.io\n",
        good: "tags:\n  team: platform\nregistries:\n  quay:\n    registry: quay.io\n",
    }
    21 NOT_A_REGISTRY Error "A registry has no fields" {
        why: "Under the name of a registry stand its fields, at least `registry` with the host. Here stands nothing, a text or a list.",
        fix: "Write `registry:` and the host on a line of its own, indented under the name.",
        bad: "quay: quay.io\n",
        good: "quay:\n  registry: quay.io\n",
    }
    22 WRONG_TYPE Error "A value is of the wrong kind" {
        why: "Each field is a text, a list, a map, or `true` or `false` without quotes. The words `yes`, `no`, `on` and `off` are texts in YAML 1.2.",
        fix: "Write the kind of value that the message names.",
        bad: "quay:\n  registry: quay.io\n  take_over: \"true\"\n",
        good: "quay:\n  registry: quay.io\n  take_over: true\n",
    }
    23 WRONG_NUMBER Error "A number is missing or out of range" {
        why: "Counts are whole numbers. Those of lifecycle rules begin at 1.",
        fix: "Write a whole number in the range that the message names.",
        bad: "max_deletions: -1\nregistries:\n  quay:\n    registry: quay.io\n",
        good: "max_deletions: 1\nregistries:\n  quay:\n    registry: quay.io\n",
    }
    24 UNKNOWN_VALUE Error "A value is none of the words that AWS knows" {
        why: "The field takes one of a few words, in exactly this letter case. ECR refuses any other.",
        fix: "Write one of the words that the message lists.",
        bad: "quay:\n  registry: quay.io\n  image_tag_mutability: mutable\n",
        good: "quay:\n  registry: quay.io\n  image_tag_mutability: MUTABLE\n",
    }
}
