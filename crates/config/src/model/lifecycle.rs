//! Lifecycle policies as AWS writes them ("Lifecycle policy parameters" in the ECR user guide).

use serde::Serialize;

pub(crate) const MOST_RULES: usize = 50;
pub(crate) const MOST_CHARACTERS: usize = 30_720;
pub(crate) const MOST_WILDCARDS: usize = 4;
pub(crate) const MOST_TAG: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LifecyclePolicy {
    /// The rules, in the order of the file.
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The order of application, lowest first; unique within the policy.
    pub rule_priority: u32,
    /// What the rule is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub selection: Selection,
    /// What happens to them.
    pub action: Action,
}

/// Which images a rule is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Whether they have tags.
    pub tag_status: TagStatus,
    /// Wildcards over tags; an image must match them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_pattern_list: Option<Vec<String>>,
    /// Prefixes of tags; an image must match them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_prefix_list: Option<Vec<String>>,
    /// Where the images are; standard storage when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,
    pub count_type: CountType,
    /// The unit, for the types that count time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_unit: Option<CountUnit>,
    pub count_number: u32,
}

/// What happens to the images of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    #[serde(rename = "type")]
    pub kind: ActionType,
    /// Where they go, for a transition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_storage_class: Option<StorageClass>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, by AWS's word for it.
            pub(crate) const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];

            /// AWS's word for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

words! {
    /// Whether the images of a rule have tags.
    TagStatus {
        /// With a tag that matches.
        Tagged = "tagged",
        Untagged = "untagged",
        Any = "any",
    }
}

words! {
    CountType {
        /// Images beyond a number, the newest kept.
        ImageCountMoreThan = "imageCountMoreThan",
        SinceImagePushed = "sinceImagePushed",
        /// Time since the last pull.
        SinceImagePulled = "sinceImagePulled",
        /// Time since the image was archived.
        SinceImageTransitioned = "sinceImageTransitioned",
    }
}

words! {
    /// The unit of time; AWS has one.
    CountUnit {
        Days = "days",
    }
}

words! {
    StorageClass {
        Standard = "standard",
        Archive = "archive",
    }
}

words! {
    /// What happens to an image.
    ActionType {
        Expire = "expire",
        /// It is moved to another storage class.
        Transition = "transition",
    }
}

impl LifecyclePolicy {
    /// What a registry gets that says nothing: the Terraform module's "Keep last 3 images".
    #[must_use]
    pub fn default_policy() -> Self {
        Self {
            rules: vec![Rule {
                rule_priority: 1,
                description: Some("Keep last 3 images".to_owned()),
                selection: Selection {
                    tag_status: TagStatus::Any,
                    tag_pattern_list: None,
                    tag_prefix_list: None,
                    storage_class: None,
                    count_type: CountType::ImageCountMoreThan,
                    count_unit: None,
                    count_number: 3,
                },
                action: Action {
                    kind: ActionType::Expire,
                    target_storage_class: None,
                },
            }],
        }
    }

    /// The policy as AWS takes it: JSON without spaces, absent fields left out.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Structs of strings and numbers always serialise; an empty text would be refused by ECR, not misread.
        serde_json::to_string(self).unwrap_or_default()
    }
}
