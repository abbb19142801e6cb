//! The keys of a lifecycle policy, each with all that is said about it, as in `keys`. The names are AWS's.

use crate::keys::describe::Absent::{Json, Required, Words};
use crate::keys::describe::keys;
use crate::model::lifecycle::{MOST_CHARACTERS, MOST_RULES, MOST_TAG, MOST_WILDCARDS};

keys! {
    /// The keys of `lifecycle_policy`.
    PolicyKey {
        Rules = "rules" {
            brief: "the rules: 1 to {MOST_RULES}, of {MOST_CHARACTERS} characters all together",
            absent: Required,
        }
    }
}

keys! {
    RuleKey {
        RulePriority = "rulePriority" {
            brief: "the order, lowest first: a whole number from 1, each once",
            absent: Required,
        }
        Description = "description" {
            brief: "what the rule is for",
            absent: Words("none"),
        }
        Selection = "selection" {
            brief: "which images",
            absent: Required,
        }
        Action = "action" {
            brief: "what happens to them",
            absent: Required,
        }
    }
}

keys! {
    /// The keys of `selection`.
    SelectionKey {
        TagStatus = "tagStatus" {
            brief: "whether the images have tags",
            absent: Required,
            rules: "`any` comes last; `any` and `untagged` once each per storage class.",
        }
        TagPatternList = "tagPatternList" {
            brief: "only with `tagged`: this or the next, not empty",
            absent: Words("none"),
            rules: "Wildcards over tags, of at most {MOST_TAG} characters and {MOST_WILDCARDS} `*` each. Several are ANDed. The same list not twice.",
        }
        TagPrefixList = "tagPrefixList" {
            brief: "only with `tagged`: beginnings of tags, without wildcards",
            absent: Words("none"),
            rules: "Otherwise as `tagPatternList`.",
        }
        StorageClass = "storageClass" {
            brief: "where the images are",
            absent: Json("\"standard\""),
        }
        CountType = "countType" {
            brief: "what is counted",
            absent: Required,
            rules: "`sinceImagePulled` only to `transition`; `sinceImageTransitioned` exactly with `archive`, only to `expire`.",
        }
        CountUnit = "countUnit" {
            brief: "exactly with the three `since...`",
            absent: Words("none"),
        }
        CountNumber = "countNumber" {
            brief: "a whole number from 1",
            absent: Required,
        }
    }
}

keys! {
    /// The keys of `action`.
    ActionKey {
        Type = "type" {
            brief: "what happens",
            absent: Required,
        }
        TargetStorageClass = "targetStorageClass" {
            brief: "exactly with `transition`",
            absent: Words("none"),
        }
    }
}
