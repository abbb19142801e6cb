//! What the parts of a lifecycle policy mean together ("Lifecycle policy parameters", "Lifecycle policy evaluation
//! rules"). ECR answers most of these mistakes with `instance failed to match exactly one schema`; here each has its
//! place and its remedy.

use std::collections::{BTreeSet, HashMap};

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::model::lifecycle::CountUnit;
use crate::model::lifecycle::{ActionType, CountType, LifecyclePolicy, StorageClass, TagStatus};
use crate::model::lifecycle::{MOST_CHARACTERS, MOST_RULES, MOST_TAG, MOST_WILDCARDS};
use crate::read::fields::Field;

/// What could be read of a rule.
pub(crate) struct RawRule {
    pub at: Position,
    pub priority: Option<Field<u32>>,
    pub description: Option<String>,
    pub selection: Option<RawSelection>,
    pub action: Option<RawAction>,
}

/// What could be read of a selection.
pub(crate) struct RawSelection {
    pub tag_status: Option<Field<TagStatus>>,
    pub patterns: Option<Field<Vec<(String, Position)>>>,
    pub prefixes: Option<Field<Vec<(String, Position)>>>,
    pub storage_class: Option<Field<StorageClass>>,
    pub count_type: Option<Field<CountType>>,
    pub count_unit: Option<Field<CountUnit>>,
    pub count_number: Option<Field<u32>>,
}

/// What could be read of an action.
pub(crate) struct RawAction {
    pub kind: Option<Field<ActionType>>,
    pub target: Option<Field<StorageClass>>,
}

impl RawSelection {
    /// The storage class that counts: AWS takes standard storage where nothing is said.
    pub fn class(&self) -> StorageClass {
        self.storage_class
            .as_ref()
            .map_or(StorageClass::Standard, |class| class.value)
    }
}

/// Images in the archive are billed for this long in any case.
const ARCHIVE_DAYS: u32 = 90;

/// Checks the rules, each by itself and all together.
pub(crate) fn check(rules: &[RawRule], notes: &mut Notes) {
    if let Some(rule) = rules.get(MOST_RULES) {
        notes.error(
            Code::LIFECYCLE_TOO_LARGE,
            rule.at,
            format!(
                "this is rule {} of {}; ECR allows {MOST_RULES}",
                MOST_RULES + 1,
                rules.len()
            ),
        );
    }
    for rule in rules {
        if let Some(selection) = &rule.selection {
            check_tags(selection, notes);
            check_count(selection, notes);
            check_warnings(rule, selection, notes);
        }
        if let Some(action) = &rule.action {
            check_action(action, rule.selection.as_ref(), notes);
        }
    }
    check_priorities(rules, notes);
    for class in [StorageClass::Standard, StorageClass::Archive] {
        check_class(rules, class, notes);
    }
}

/// Checks that ECR takes a policy of this size.
pub(crate) fn check_size(policy: &LifecyclePolicy, at: Position, notes: &mut Notes) {
    let size = policy.to_json().chars().count();
    if size > MOST_CHARACTERS {
        notes.error(Code::LIFECYCLE_TOO_LARGE, at, format!("the lifecycle policy has {size} characters; ECR allows {MOST_CHARACTERS}: shorten descriptions or lists"));
    }
}

fn check_tags(selection: &RawSelection, notes: &mut Notes) {
    let RawSelection {
        tag_status,
        patterns,
        prefixes,
        ..
    } = selection;
    if let Some(status) = tag_status {
        match (status.value, patterns, prefixes) {
            (TagStatus::Tagged, None, None) => {
                notes.error(Code::LIFECYCLE_TAG_LISTS, status.at, "with `tagStatus: tagged` a `tagPatternList` (such as `[\"prod-*\"]`) or a `tagPrefixList` must say which tags; write one, or `tagStatus: any`");
            }
            (TagStatus::Tagged, Some(_), Some(prefixes)) => {
                notes.error(Code::LIFECYCLE_TAG_LISTS, prefixes.key, "`tagPatternList` and `tagPrefixList` do not go together; keep one (a prefix `a` is the pattern `a*`)");
            }
            (TagStatus::Tagged, ..) => {}
            (status, ..) => {
                let lists = [("tagPatternList", patterns), ("tagPrefixList", prefixes)];
                for (name, list) in lists {
                    if let Some(list) = list {
                        notes.error(
                            Code::LIFECYCLE_TAG_LISTS,
                            list.key,
                            format!(
                                "`{name}` does not go with `tagStatus: {}`; remove it, or write `tagStatus: tagged`",
                                status.as_str()
                            ),
                        );
                    }
                }
            }
        }
    }
    for (name, list) in [("tagPatternList", patterns), ("tagPrefixList", prefixes)] {
        let Some(list) = list else { continue };
        if list.value.is_empty() {
            notes.error(
                Code::LIFECYCLE_TAG_LISTS,
                list.at,
                format!("`{name}` is empty; write at least one, or remove it"),
            );
        }
        for (text, at) in &list.value {
            if let Some(fault) = tag_fault(name, text) {
                notes.error(Code::LIFECYCLE_BAD_TAG, *at, fault);
            }
        }
    }
}

fn tag_fault(name: &str, text: &str) -> Option<String> {
    let patterns = name == "tagPatternList";
    let wildcards = text.matches('*').count();
    if text.is_empty() || text.len() > MOST_TAG {
        return Some(format!(
            "an item of `{name}` has 1 to {MOST_TAG} characters, this one has {}",
            text.len()
        ));
    }
    if !patterns && wildcards > 0 {
        return Some(format!(
            "{}: `tagPrefixList` has no wildcards; write the beginning alone, or use `tagPatternList`",
            shown(text)
        ));
    }
    if wildcards > MOST_WILDCARDS {
        return Some(format!(
            "the pattern {} has {wildcards} `*`; ECR allows {MOST_WILDCARDS}",
            shown(text)
        ));
    }
    let bad = text
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "._-*".contains(*c)))?;
    Some(format!(
        "{} matches no tag: {} cannot be in one",
        shown(text),
        shown(&bad.to_string())
    ))
}

fn check_count(selection: &RawSelection, notes: &mut Notes) {
    let Some(count) = &selection.count_type else { return };
    let word = count.value.as_str();
    match (count.value, &selection.count_unit) {
        (CountType::ImageCountMoreThan, Some(unit)) => {
            notes.error(
                Code::LIFECYCLE_COUNT_UNIT,
                unit.key,
                "`countUnit` does not go with `countType: imageCountMoreThan`, which counts images; remove it",
            );
        }
        (CountType::ImageCountMoreThan, None) | (_, Some(_)) => {}
        // A unit that could not be read is reported already, and looks absent here; the second report does no harm.
        (_, None) => notes.error(
            Code::LIFECYCLE_COUNT_UNIT,
            count.at,
            format!("`countType: {word}` needs `countUnit: days` beside it"),
        ),
    }
    let archived = selection.class() == StorageClass::Archive;
    if (count.value == CountType::SinceImageTransitioned) != archived {
        let at = selection.storage_class.as_ref().map_or(count.at, |class| class.at);
        notes.error(
            Code::LIFECYCLE_STORAGE_CLASS,
            at,
            if archived {
                format!("`countType: {word}` is for images in standard storage; with `storageClass: archive` write `countType: sinceImageTransitioned`")
            } else {
                "`countType: sinceImageTransitioned` is for archived images; write `storageClass: archive` beside it".to_owned()
            },
        );
    }
}

fn check_action(action: &RawAction, selection: Option<&RawSelection>, notes: &mut Notes) {
    let Some(kind) = &action.kind else { return };
    match (kind.value, &action.target) {
        (ActionType::Transition, None) => {
            notes.error(
                Code::LIFECYCLE_ACTION,
                kind.at,
                "`type: transition` needs `targetStorageClass: archive` beside it",
            );
        }
        (ActionType::Transition, Some(target)) if target.value != StorageClass::Archive => {
            notes.error(
                Code::LIFECYCLE_ACTION,
                target.at,
                "images can only be moved to the archive; write `targetStorageClass: archive`",
            );
        }
        (ActionType::Expire, Some(target)) => {
            notes.error(
                Code::LIFECYCLE_ACTION,
                target.key,
                "`targetStorageClass` does not go with `type: expire`; remove it, or write `type: transition`",
            );
        }
        _ => {}
    }
    let Some(count) = selection.and_then(|selection| selection.count_type.as_ref()) else {
        return;
    };
    match (count.value, kind.value) {
        (CountType::SinceImagePulled, ActionType::Expire) => notes.error(
            Code::LIFECYCLE_ACTION,
            kind.at,
            "images cannot be expired by their last pull, only moved to the archive; write `type: transition` with `targetStorageClass: archive` here, and a second rule with `countType: sinceImageTransitioned` that expires them there",
        ),
        (CountType::SinceImageTransitioned, ActionType::Transition) => {
            notes.error(Code::LIFECYCLE_ACTION, kind.at, "an image counted by `sinceImageTransitioned` is archived already; write `type: expire`");
        }
        _ => {}
    }
}

fn check_priorities(rules: &[RawRule], notes: &mut Notes) {
    let mut first: HashMap<u32, Position> = HashMap::new();
    for priority in rules.iter().filter_map(|rule| rule.priority.as_ref()) {
        if let Some(Position { line, column }) = first.get(&priority.value) {
            notes.error(
                Code::LIFECYCLE_PRIORITY_TWICE,
                priority.at,
                format!(
                    "another rule has the `rulePriority` {} (line {line}, column {column}); each must have its own",
                    priority.value
                ),
            );
        } else {
            first.insert(priority.value, priority.at);
        }
    }
}

/// What must be unique, or last, among the rules for one storage class.
fn check_class(rules: &[RawRule], class: StorageClass, notes: &mut Notes) {
    let of_class: Vec<(&RawRule, &RawSelection)> = rules
        .iter()
        .filter_map(|rule| Some((rule, rule.selection.as_ref()?)))
        .filter(|(_, selection)| selection.class() == class)
        .collect();
    let with = |status: TagStatus| {
        of_class
            .iter()
            .filter(move |(_, selection)| selection.tag_status.as_ref().is_some_and(|found| found.value == status))
    };
    for status in [TagStatus::Any, TagStatus::Untagged] {
        let mut found = with(status).filter_map(|(_, selection)| selection.tag_status.as_ref());
        let Some(first) = found.next() else { continue };
        for second in found {
            let Position { line, column } = first.at;
            notes.error(
                Code::LIFECYCLE_STATUS_ORDER,
                second.at,
                format!(
                    "only one rule can have `tagStatus: {}`, and the one on line {line}, column {column} has it",
                    status.as_str()
                ),
            );
        }
    }
    let highest = of_class
        .iter()
        .filter(|(_, selection)| {
            selection
                .tag_status
                .as_ref()
                .is_some_and(|status| status.value != TagStatus::Any)
        })
        .filter_map(|(rule, _)| rule.priority.as_ref().map(|priority| priority.value))
        .max();
    for priority in with(TagStatus::Any).filter_map(|(rule, _)| rule.priority.as_ref()) {
        if let Some(highest) = highest.filter(|highest| *highest > priority.value) {
            notes.error(
                Code::LIFECYCLE_STATUS_ORDER,
                priority.at,
                format!("the rule with `tagStatus: any` must come last: give it a `rulePriority` above {highest}"),
            );
        }
    }
    check_lists(&of_class, notes);
}

/// ECR wants each list of tags once only, whatever the order in it.
fn check_lists(rules: &[(&RawRule, &RawSelection)], notes: &mut Notes) {
    let mut first: HashMap<(&str, BTreeSet<&str>), Position> = HashMap::new();
    for (_, selection) in rules {
        for (name, list) in [
            ("tagPatternList", &selection.patterns),
            ("tagPrefixList", &selection.prefixes),
        ] {
            let Some(list) = list else { continue };
            let key = (name, list.value.iter().map(|(text, _)| text.as_str()).collect());
            if let Some(Position { line, column }) = first.get(&key) {
                notes.error(
                    Code::LIFECYCLE_LIST_TWICE,
                    list.at,
                    format!("another rule has the same `{name}` (line {line}, column {column}); put the two into one"),
                );
            } else {
                first.insert(key, list.at);
            }
        }
    }
}

/// What is legal but surprising.
fn check_warnings(rule: &RawRule, selection: &RawSelection, notes: &mut Notes) {
    let expires = rule
        .action
        .as_ref()
        .and_then(|action| action.kind.as_ref())
        .is_some_and(|kind| kind.value == ActionType::Expire);
    let untagged = selection
        .tag_status
        .as_ref()
        .filter(|status| status.value == TagStatus::Untagged);
    if let Some(untagged) = untagged.filter(|_| expires) {
        notes.warn(
            Code::UNTAGGED_EXPIRES,
            untagged.at,
            "a cached image that is deployed by its digest has no tag, and this rule expires it while it is in use",
        );
    }
    if let Some(count) = &selection.count_type
        && let Some(number) = &selection.count_number
        && count.value == CountType::SinceImageTransitioned
        && number.value < ARCHIVE_DAYS
    {
        notes.warn(
            Code::ARCHIVE_BILLED,
            number.at,
            format!(
                "AWS keeps (and bills) archived images for at least {ARCHIVE_DAYS} days; write {ARCHIVE_DAYS} or more"
            ),
        );
    }
}
