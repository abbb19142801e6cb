//! Which images a lifecycle policy acts on.
//!
//! As documented: all rules look at the repository as it is now. The rule with the lowest number that an image
//! belongs to decides about it, also by leaving it alone; rules with higher numbers still count it, but cannot act
//! on it. The images of a manifest list stay as long as the list does.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::lifecycle::{ActionKind, CountType, Policy, Rule, Selection, StorageClass, TagStatus};

/// An image of a repository, as lifecycle rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…`
    pub digest: String,
    /// Its tags; none for an image that was pulled by digest or lost its tag to a newer one.
    pub tags: Vec<String>,
    /// When it came into the repository.
    pub pushed_at: Timestamp,
    /// When it was pulled last; for an image that never was, the push counts.
    pub last_pulled_at: Option<Timestamp>,
    /// When ECR last compared its tag with the upstream; never, for an image that did not come from one.
    pub checked_at: Option<Timestamp>,
    /// Where it is stored.
    pub storage_class: StorageClass,
    /// When it was archived.
    pub transitioned_at: Option<Timestamp>,
    /// The digest of the manifest list it belongs to.
    pub part_of: Option<String>,
    /// What its manifest is.
    pub media_type: String,
    /// The manifest, of which `digest` is the digest. Images that were not pulled have none here.
    pub manifest: Option<String>,
}

/// A single image, as `docker push` makes it.
const SINGLE: &str = "application/vnd.docker.distribution.manifest.v2+json";

impl Image {
    /// A standard image that nobody has pulled.
    pub fn new(digest: &str, tags: &[&str], pushed_at: Timestamp) -> Self {
        Self {
            digest: digest.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            pushed_at,
            last_pulled_at: None,
            checked_at: None,
            storage_class: StorageClass::Standard,
            transitioned_at: None,
            part_of: None,
            media_type: SINGLE.to_owned(),
            manifest: None,
        }
    }
}

/// What a rule would do to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub image: Image,
    pub action: ActionKind,
    pub priority: u32,
}

/// Evaluates a policy over the images of a repository; outcomes in the order of the images given.
pub(super) fn evaluate(policy: &Policy, images: &[Image], now: Timestamp) -> Vec<Outcome> {
    let present: HashSet<&str> = images.iter().map(|image| image.digest.as_str()).collect();
    let held = |image: &Image| image.part_of.as_deref().is_some_and(|list| present.contains(list));
    let mut claimed: HashSet<&str> = HashSet::new();
    let mut outcomes = Vec::new();
    for rule in &policy.rules {
        let selected: Vec<&Image> = images.iter().filter(|image| rule.selection.covers(image)).collect();
        let doomed = rule.doomed(&selected, now);
        let acted_on = doomed
            .into_iter()
            .filter(|image| !claimed.contains(image.digest.as_str()) && !held(image));
        outcomes.extend(acted_on.map(|image| Outcome {
            image: image.clone(),
            action: rule.action.kind,
            priority: rule.rule_priority,
        }));
        claimed.extend(selected.iter().map(|image| image.digest.as_str()));
    }
    let positions: HashMap<&str, usize> = images.iter().map(|image| image.digest.as_str()).zip(0..).collect();
    outcomes.sort_by_key(|outcome| positions.get(outcome.image.digest.as_str()).copied());
    outcomes
}

impl Rule {
    /// Those of the selected images that are too many or too old.
    fn doomed<'a>(&self, selected: &[&'a Image], now: Timestamp) -> Vec<&'a Image> {
        let number = self.selection.count_number;
        let older = |time: fn(&Image) -> Timestamp| {
            let age = SignedDuration::from_hours(24 * i64::from(number));
            selected
                .iter()
                .copied()
                .filter(|image| now.duration_since(time(image)) > age)
                .collect()
        };
        match self.selection.count_type {
            CountType::ImageCountMoreThan => {
                let mut newest_first = selected.to_vec();
                newest_first.sort_by_key(|image| std::cmp::Reverse(image.pushed_at));
                newest_first.split_off(newest_first.len().min(usize::try_from(number).unwrap_or(usize::MAX)))
            }
            CountType::SinceImagePushed => older(|image| image.pushed_at),
            CountType::SinceImagePulled => older(|image| image.last_pulled_at.unwrap_or(image.pushed_at)),
            CountType::SinceImageTransitioned => older(|image| image.transitioned_at.unwrap_or(image.pushed_at)),
        }
    }
}

impl Selection {
    /// Whether the image belongs to the rule, by storage class and tags. Of several patterns, all must be met.
    fn covers(&self, image: &Image) -> bool {
        let any_tag = |fits: &dyn Fn(&str) -> bool| image.tags.iter().any(|tag| fits(tag));
        let tags = match self.tag_status {
            TagStatus::Any => true,
            TagStatus::Untagged => image.tags.is_empty(),
            TagStatus::Tagged => {
                let patterns = self.tag_pattern_list.iter().flatten();
                let prefixes = self.tag_prefix_list.iter().flatten();
                !image.tags.is_empty()
                    && patterns
                        .into_iter()
                        .all(|pattern| any_tag(&|tag| matches(pattern, tag)))
                    && prefixes
                        .into_iter()
                        .all(|prefix| any_tag(&|tag| tag.starts_with(prefix.as_str())))
            }
        };
        tags && image.storage_class == self.class()
    }
}

/// Whether a tag fits a pattern in which `*` stands for any text.
pub(super) fn matches(pattern: &str, tag: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == tag,
        Some((head, rest)) => tag.strip_prefix(head).is_some_and(|tail| {
            tail.char_indices()
                .map(|(at, _)| at)
                .chain([tail.len()])
                .any(|at| tail.get(at..).is_some_and(|tail| matches(rest, tail)))
        }),
    }
}
