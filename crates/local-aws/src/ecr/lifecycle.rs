//! The grammar of lifecycle policies: text in, checked rules out, with AWS's words for what it refuses.
//!
//! ECR checks twice: first the form of each rule against four schemas, of which it only says that none matched;
//! then how the rules go together, where it is more helpful. How rules pick images is `evaluate.rs`.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::ApiError;
use crate::shape::invalid_parameter;

const NO_SCHEMA: &str = "instance failed to match exactly one schema (matched 0 out of 4)";
const MOST_RULES: usize = 50;
const MOST_STARS: usize = 4;

/// Where an image is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageClass {
    /// Ready to be pulled.
    #[default]
    Standard,
    /// Cheaper, and to be restored before a pull.
    Archive,
}

/// A policy that keeps the grammar, its rules sorted by priority as ECR hands them back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    pub rule_priority: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    pub selection: Selection,
    pub action: Action,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Selection {
    pub tag_status: TagStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_pattern_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_prefix_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<StorageClass>,
    pub count_type: CountType,
    #[serde(skip_serializing_if = "Option::is_none")]
    count_unit: Option<CountUnit>,
    pub count_number: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TagStatus {
    Tagged,
    Untagged,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum CountType {
    ImageCountMoreThan,
    SinceImagePushed,
    SinceImagePulled,
    SinceImageTransitioned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CountUnit {
    Days,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Action {
    #[serde(rename = "type")]
    pub kind: ActionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_storage_class: Option<StorageClass>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ActionKind {
    Expire,
    Transition,
}

/// Parses and checks a policy.
pub(super) fn parse(text: &str) -> Result<Policy, ApiError> {
    let refuse = |why: &str| {
        invalid_parameter(
            "LifecyclePolicyText",
            &format!("Lifecycle policy validation failure:\n{why}\n"),
        )
    };
    let value: Value =
        serde_json::from_str(text).map_err(|_| refuse("Could not map policyString into LifecyclePolicy."))?;
    if has_null(&value) {
        return Err(refuse(NO_SCHEMA));
    }
    // From the text again, because a map of values would forgive a key that is written twice.
    let mut policy: Policy = serde_json::from_str(text).map_err(|_| refuse(NO_SCHEMA))?;
    if !(1..=MOST_RULES).contains(&policy.rules.len()) {
        return Err(refuse(NO_SCHEMA));
    }
    policy.rules.sort_by_key(|rule| rule.rule_priority);
    policy
        .rules
        .iter()
        .try_for_each(Rule::check)
        .map_err(|why| refuse(&why))?;
    policy.check_together().map_err(|why| refuse(&why))?;
    Ok(policy)
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

impl Policy {
    /// The policy as ECR hands it back: one line, rules by priority.
    pub(super) fn canonical(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The rules about several rules. What may occur once, may occur once per storage class.
    fn check_together(&self) -> Result<(), String> {
        let pairs = self.rules.iter().zip(self.rules.iter().skip(1));
        if pairs
            .into_iter()
            .any(|(one, next)| one.rule_priority == next.rule_priority)
        {
            return Err("Duplicate priority in multiple rules".into());
        }
        for class in [StorageClass::Standard, StorageClass::Archive] {
            let rules: Vec<&Rule> = self
                .rules
                .iter()
                .filter(|rule| rule.selection.class() == class)
                .collect();
            let with = |status: TagStatus| rules.iter().filter(|rule| rule.selection.tag_status == status).count();
            if with(TagStatus::Any) > 1 {
                return Err("Only one rule can specify tagStatus=ANY".into());
            }
            if with(TagStatus::Untagged) > 1 {
                return Err("Only one rule can select Untagged images".into());
            }
            let last = rules.last().map(|rule| rule.selection.tag_status);
            if with(TagStatus::Any) == 1 && last != Some(TagStatus::Any) {
                return Err("Rule for tagStatus=ANY must have the highest rulePriority".into());
            }
            let mut seen = HashSet::new();
            if !rules
                .iter()
                .filter_map(|rule| rule.selection.tags())
                .all(|tags| seen.insert(tags))
            {
                // The rule is documented, AWS's words are not known.
                return Err("Tag prefix and tag pattern lists must be unique across rules".into());
            }
        }
        Ok(())
    }
}

impl Rule {
    /// What must hold within one rule.
    fn check(&self) -> Result<(), String> {
        let Selection {
            tag_status,
            tag_pattern_list,
            tag_prefix_list,
            count_type,
            count_unit,
            count_number,
            ..
        } = &self.selection;
        let no_schema = || Err(NO_SCHEMA.to_owned());
        if self.rule_priority < 1 || *count_number < 1 {
            return no_schema();
        }
        match (tag_status, tag_pattern_list, tag_prefix_list) {
            (TagStatus::Tagged, Some(list), None) | (TagStatus::Tagged, None, Some(list)) => {
                if list.is_empty() || list.iter().any(String::is_empty) {
                    return no_schema();
                }
            }
            (TagStatus::Tagged, ..) => return no_schema(),
            (_, None, None) => {}
            (status, patterns, _) => {
                let member = if patterns.is_some() {
                    "tagPatternList"
                } else {
                    "tagPrefixList"
                };
                let status = if *status == TagStatus::Any { "ANY" } else { "UNTAGGED" };
                return Err(format!("Cannot specify {member} with tagStatus {status}"));
            }
        }
        if tag_pattern_list
            .iter()
            .flatten()
            .any(|pattern| pattern.matches('*').count() > MOST_STARS)
        {
            return Err(format!("Total number of * must not exceed {MOST_STARS}"));
        }
        if count_unit.is_some() == (*count_type == CountType::ImageCountMoreThan) {
            return no_schema();
        }
        match (count_type, self.selection.class()) {
            (CountType::SinceImageTransitioned, StorageClass::Standard) => {
                return Err("SINCE_IMAGE_TRANSITIONED supports the ARCHIVE storage class only".into());
            }
            (CountType::SinceImageTransitioned, StorageClass::Archive) | (_, StorageClass::Standard) => {}
            (_, StorageClass::Archive) => {
                return Err("SINCE_IMAGE_PUSHED, SINCE_IMAGE_PULLED and IMAGE_COUNT_MORE_THAN support the STANDARD storage class only".into());
            }
        }
        match (self.action.kind, self.action.target_storage_class, count_type) {
            (ActionKind::Expire, None, CountType::SinceImagePulled)
            | (ActionKind::Transition, _, CountType::SinceImageTransitioned) => no_schema(),
            (ActionKind::Expire, None, _) | (ActionKind::Transition, Some(StorageClass::Archive), _) => Ok(()),
            _ => no_schema(),
        }
    }
}

impl Selection {
    /// The storage class the rule looks at.
    pub(super) fn class(&self) -> StorageClass {
        self.storage_class.unwrap_or_default()
    }

    /// The tags it asks for, in no order: patterns or prefixes.
    fn tags(&self) -> Option<(bool, BTreeSet<&str>)> {
        let list = self.tag_pattern_list.as_ref().or(self.tag_prefix_list.as_ref())?;
        Some((
            self.tag_pattern_list.is_some(),
            list.iter().map(String::as_str).collect(),
        ))
    }
}
