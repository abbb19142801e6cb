//! Reads `lifecycle_policy`: the shape of each rule. What the parts mean together is in `lifecycle_check`.

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::keys::lifecycle::{ActionKey, PolicyKey, RuleKey, SelectionKey};
use crate::model::lifecycle::{
    Action, ActionType, CountType, CountUnit, LifecyclePolicy, Rule, Selection, StorageClass, TagStatus,
};
use crate::read::fields::{self, Field, Shape};
use crate::read::lifecycle_check::{self, RawAction, RawRule, RawSelection};
use crate::yaml::node::{Entry, Node};

/// The word for no policy at all.
pub(crate) const NONE: &str = "none";

/// Reads `lifecycle_policy`; `Some` of `None` is the word `none`.
pub(crate) fn read(entry: &Entry, notes: &mut Notes) -> Option<Field<Option<LifecyclePolicy>>> {
    let node = &entry.value;
    let field = |value| Field {
        value,
        at: node.at,
        key: entry.key.at,
    };
    if let Some(scalar) = node.scalar() {
        if scalar.text.as_str() == NONE {
            return Some(field(None));
        }
        notes.error(Code::LIFECYCLE_FORM, node.at, scalar_fault(&scalar.text));
        return None;
    }
    if node.list().is_some() {
        notes.error(Code::LIFECYCLE_FORM, node.at, "`lifecycle_policy` is a map with the list under `rules:`, but the list itself stands here; write `rules:` above it and indent it");
        return None;
    }
    let shape = Shape {
        what: "a lifecycle policy",
        missing_at: Some(entry.key.at),
    };
    let (PolicyKey::Rules, rules) = fields::map(node, &shape, notes)?.pop()?;
    let Some(items) = rules.value.list() else {
        notes.error(
            Code::LIFECYCLE_FORM,
            rules.value.at,
            format!(
                "`rules` is a list, but {} stands here; begin each rule with `- `",
                rules.value.kind()
            ),
        );
        return None;
    };
    if items.is_empty() {
        notes.error(
            Code::LIFECYCLE_FORM,
            rules.value.at,
            "`rules` is empty; write a rule, or `lifecycle_policy: none` for no policy",
        );
        return None;
    }
    let raw: Vec<RawRule> = items.iter().filter_map(|item| read_rule(item, notes)).collect();
    lifecycle_check::check(&raw, notes);
    let complete: Vec<Rule> = raw.into_iter().filter_map(RawRule::complete).collect();
    if complete.len() != items.len() {
        return None;
    }
    let policy = LifecyclePolicy { rules: complete };
    lifecycle_check::check_size(&policy, entry.key.at, notes);
    Some(field(Some(policy)))
}

fn scalar_fault(text: &str) -> String {
    if text.trim_start().starts_with('{') {
        return "`lifecycle_policy` is a map, but JSON in a text stands here; write it without the quotes (or the `|`): JSON is YAML too".to_owned();
    }
    let hint = if text.eq_ignore_ascii_case(NONE) || matches!(text, "false" | "off" | "no") {
        "; for no policy write `none`"
    } else {
        ""
    };
    format!(
        "`lifecycle_policy` is a map with `rules:`, or the word `none`, but {} stands here{hint}",
        shown(text)
    )
}

fn read_rule(node: &Node, notes: &mut Notes) -> Option<RawRule> {
    let shape = Shape {
        what: "a lifecycle rule",
        missing_at: Some(node.at),
    };
    let mut rule = RawRule {
        at: node.at,
        priority: None,
        description: None,
        selection: None,
        action: None,
    };
    for (key, entry) in fields::map::<RuleKey>(node, &shape, notes)? {
        let name = key.as_str();
        match key {
            RuleKey::RulePriority => rule.priority = placed(entry, fields::number(name, 1, &entry.value, notes)),
            RuleKey::Description => rule.description = fields::text(name, &entry.value, notes),
            RuleKey::Selection => rule.selection = read_selection(entry, notes),
            RuleKey::Action => rule.action = read_action(entry, notes),
        }
    }
    Some(rule)
}

fn read_selection(entry: &Entry, notes: &mut Notes) -> Option<RawSelection> {
    let shape = Shape {
        what: "`selection`",
        missing_at: Some(entry.key.at),
    };
    let mut selection = RawSelection {
        tag_status: None,
        patterns: None,
        prefixes: None,
        storage_class: None,
        count_type: None,
        count_unit: None,
        count_number: None,
    };
    for (key, entry) in fields::map::<SelectionKey>(&entry.value, &shape, notes)? {
        let (name, node) = (key.as_str(), &entry.value);
        match key {
            SelectionKey::TagStatus => {
                selection.tag_status = placed(entry, fields::word(name, TagStatus::WORDS, node, notes))
            }
            SelectionKey::TagPatternList => selection.patterns = placed(entry, fields::texts(name, node, notes)),
            SelectionKey::TagPrefixList => selection.prefixes = placed(entry, fields::texts(name, node, notes)),
            SelectionKey::StorageClass => {
                selection.storage_class = placed(entry, fields::word(name, StorageClass::WORDS, node, notes))
            }
            SelectionKey::CountType => {
                selection.count_type = placed(entry, fields::word(name, CountType::WORDS, node, notes))
            }
            SelectionKey::CountUnit => {
                selection.count_unit = placed(entry, fields::word(name, CountUnit::WORDS, node, notes))
            }
            SelectionKey::CountNumber => selection.count_number = placed(entry, fields::number(name, 1, node, notes)),
        }
    }
    Some(selection)
}

fn read_action(entry: &Entry, notes: &mut Notes) -> Option<RawAction> {
    let shape = Shape {
        what: "`action`",
        missing_at: Some(entry.key.at),
    };
    let mut action = RawAction {
        kind: None,
        target: None,
    };
    for (key, entry) in fields::map::<ActionKey>(&entry.value, &shape, notes)? {
        let name = key.as_str();
        match key {
            ActionKey::Type => action.kind = placed(entry, fields::word(name, ActionType::WORDS, &entry.value, notes)),
            ActionKey::TargetStorageClass => {
                action.target = placed(entry, fields::word(name, StorageClass::WORDS, &entry.value, notes))
            }
        }
    }
    Some(action)
}

fn placed<T>(entry: &Entry, value: Option<T>) -> Option<Field<T>> {
    value.map(|value| Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

impl RawRule {
    /// The rule, if everything it must have was read.
    fn complete(self) -> Option<Rule> {
        let selection = self.selection?;
        let action = self.action?;
        let texts = |list: Field<Vec<(String, Position)>>| list.value.into_iter().map(|(text, _)| text).collect();
        Some(Rule {
            rule_priority: self.priority?.value,
            description: self.description,
            selection: Selection {
                tag_status: selection.tag_status?.value,
                tag_pattern_list: selection.patterns.map(texts),
                tag_prefix_list: selection.prefixes.map(texts),
                storage_class: selection.storage_class.map(|class| class.value),
                count_type: selection.count_type?.value,
                count_unit: selection.count_unit.map(|unit| unit.value),
                count_number: selection.count_number?.value,
            },
            action: Action {
                kind: action.kind?.value,
                target_storage_class: action.target.map(|class| class.value),
            },
        })
    }
}
