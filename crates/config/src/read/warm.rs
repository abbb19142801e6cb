//! Reads `warm`.

use std::collections::{BTreeMap, BTreeSet};

use wildmatch::WildMatch;

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, shown};
use crate::model::image::{MOST_IMAGES, WarmImage};
use crate::model::lifecycle::{ActionType, CountType, LifecyclePolicy, Rule, StorageClass, TagStatus};
use crate::read::fields::{self, Field};
use crate::yaml::node::Entry;

/// Reads the images, each of which stands once.
pub(crate) fn read(name: &str, entry: &Entry, notes: &mut Notes) -> Option<Field<Vec<WarmImage>>> {
    let items = fields::texts(name, &entry.value, notes)?;
    if items.len() > MOST_IMAGES {
        let many = items.len();
        notes.error(
            Code::TOO_MANY_IMAGES,
            entry.value.at,
            format!("`{name}` has {many} images; a stack takes {MOST_IMAGES}, those of all its registries together"),
        );
        return None;
    }
    let (mut images, mut seen) = (Vec::new(), BTreeSet::new());
    for (text, at) in items {
        match WarmImage::read(&text) {
            Err(fault) => notes.error(Code::BAD_IMAGE, at, format!("{} in `{name}` {fault}", shown(&text))),
            Ok(image) if !seen.insert((image.path.clone(), image.tag.clone())) => notes.error(
                Code::BAD_IMAGE,
                at,
                format!(
                    "{}:{} stands in `{name}` a second time; remove it",
                    image.path, image.tag
                ),
            ),
            Ok(image) => images.push(image),
        }
    }
    Some(Field {
        value: images,
        at: entry.value.at,
        key: entry.key.at,
    })
}

/// Warns of a repository of which more tags are to be warm than its lifecycle policy keeps.
pub(crate) fn warn_of_expiry(warm: &Field<Vec<WarmImage>>, policy: &LifecyclePolicy, notes: &mut Notes) {
    let mut by_path: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for image in &warm.value {
        by_path.entry(&image.path).or_default().push(&image.tag);
    }
    for (path, tags) in by_path {
        let beyond = policy.rules.iter().find_map(|rule| {
            let kept = usize::try_from(kept(rule)?).unwrap_or(usize::MAX);
            let many = tags.iter().filter(|tag| is_selected(rule, tag)).count();
            (many > kept).then_some((many, kept))
        });
        if let Some((many, kept)) = beyond {
            notes.warn(
                Code::WARM_EXPIRES,
                warm.at,
                format!(
                    "{many} tags of {path} are to be warm, and the lifecycle policy keeps {kept} images of a repository: ECR expires \
                     the others, and they are pulled again; name fewer, or keep more"
                ),
            );
        }
    }
}

/// How many images a rule keeps, if it expires by their number.
fn kept(rule: &Rule) -> Option<u32> {
    let counts = rule.selection.count_type == CountType::ImageCountMoreThan;
    let is_standard = rule.selection.storage_class != Some(StorageClass::Archive);
    (counts && is_standard && rule.action.kind == ActionType::Expire).then_some(rule.selection.count_number)
}

fn is_selected(rule: &Rule, tag: &str) -> bool {
    let selection = &rule.selection;
    match selection.tag_status {
        TagStatus::Any => true,
        TagStatus::Untagged => false,
        TagStatus::Tagged => {
            let patterns = selection.tag_pattern_list.iter().flatten();
            let prefixes = selection.tag_prefix_list.iter().flatten();
            patterns.into_iter().all(|pattern| WildMatch::new(pattern).matches(tag))
                && prefixes.into_iter().all(|prefix| tag.starts_with(prefix.as_str()))
        }
    }
}
