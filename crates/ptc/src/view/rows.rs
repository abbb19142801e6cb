//! A plan's changes as the rows of a table. Changes of one registry that do the same to it share a row, and what most new
//! templates have is told once: a first plan of fifty registries has fifty rows.

use std::collections::BTreeMap;

use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::plan::{Action, Difference, Resource};
use ecr_pull_through_sync::report::{Change, ChangeResult, Mark, Report, word};

use crate::view::phrase;

#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub mark: Mark,
    pub registry: String,
    /// `create template, rule`.
    pub change: String,
    pub fields: String,
}

/// A plan's changes.
pub struct Rows {
    pub rows: Vec<Row>,
    /// What is the same in most new templates. Rows say what differs from it.
    pub common: Option<String>,
}

/// The changes of a row.
struct Group<'a> {
    changes: Vec<&'a Change>,
    fields: Vec<String>,
}

impl Rows {
    /// Of the changes in a plan.
    pub fn of(report: &Report, home: &Home) -> Self {
        let common = Common::of(&report.changes, home);
        let mut groups: Vec<Group<'_>> = Vec::new();
        for change in &report.changes {
            let fields = fields(change, &common, home);
            match groups.iter_mut().find(|group| group.takes(change, &fields)) {
                Some(group) => group.add(change, fields),
                None => groups.push(Group {
                    changes: vec![change],
                    fields,
                }),
            }
        }
        Self {
            rows: groups.iter().map(Group::row).collect(),
            common: common.words(),
        }
    }
}

impl Group<'_> {
    /// Repositories share a row that differ in the same; everything else that is made, or that goes.
    fn takes(&self, change: &Change, fields: &[String]) -> bool {
        let [first, ..] = self.changes.as_slice() else {
            return false;
        };
        let same = (&first.registry, first.action, first.result) == (&change.registry, change.action, change.result);
        same && match (first.resource, change.resource) {
            (Resource::Repository, Resource::Repository) => self.fields == fields,
            (Resource::Repository, _) | (_, Resource::Repository) => false,
            _ => matches!(change.action, Action::Create | Action::Delete),
        }
    }
}

impl<'a> Group<'a> {
    fn add(&mut self, change: &'a Change, fields: Vec<String>) {
        match change.resource {
            Resource::Repository => {}
            // Which upstream it is comes first.
            Resource::Rule => self.fields.splice(0..0, fields).for_each(drop),
            _ => self.fields.extend(fields),
        }
        self.changes.push(change);
    }

    fn row(&self) -> Row {
        let (mark, registry, action) = self.changes.first().map_or((Mark::Same, "", String::new()), |first| {
            (first.mark(), first.registry.as_str(), word(&first.action))
        });
        let result = match self.changes.first().map(|first| first.result) {
            Some(ChangeResult::Held) => Some("held".to_owned()),
            Some(ChangeResult::Failed) => Some("failed".to_owned()),
            Some(ChangeResult::Skipped) => Some("not done".to_owned()),
            _ => None,
        };
        let fields: Vec<String> = result.into_iter().chain(self.fields.iter().cloned()).collect();
        Row {
            mark,
            registry: registry.to_owned(),
            change: format!("{action} {}", self.resources()),
            fields: fields.join("; "),
        }
    }

    fn resources(&self) -> String {
        let n: usize = self.changes.iter().map(|change| change.more.unwrap_or(1)).sum();
        let repositories = self
            .changes
            .iter()
            .all(|change| change.resource == Resource::Repository);
        if repositories && n > 1 {
            return format!("{n} repositories");
        }
        let is_made = |resource| self.changes.iter().any(|change| change.resource == resource);
        let both = is_made(Resource::Secret) && is_made(Resource::SecretPolicy);
        let names = self.changes.iter().filter_map(|change| match change.resource {
            Resource::SecretPolicy if both => None,
            Resource::Secret if both => Some(format!("{} with policy", named(change))),
            _ => Some(named(change)),
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

/// `rule`, and which where it is not named after the registry.
fn named(change: &Change) -> String {
    let resource = word(&change.resource).replace('_', " ");
    let usual = match change.resource {
        Resource::Secret | Resource::SecretPolicy => format!("ecr-pullthroughcache/{}", change.registry),
        _ => change.registry.clone(),
    };
    if change.id == usual {
        resource
    } else {
        format!("{resource} {}", change.id)
    }
}

/// The fields of a change that are not common.
fn fields(change: &Change, common: &Common, home: &Home) -> Vec<String> {
    if change.diff.is_empty() {
        return change.fields.iter().map(|field| field.clone().into_owned()).collect();
    }
    let made = change.action == Action::Create;
    let shown = change.diff.iter().filter(|of| match change.action {
        Action::Create => !phrase::goes_without_saying(of),
        // What it was like goes with it; which it was is of interest.
        Action::Delete => false,
        _ => true,
    });
    let told = |of: &Difference| {
        let phrase = phrase::of(of, home);
        match common.of_field(change.resource, &of.field) {
            Some(usual) if made => rest(&phrase, usual),
            _ => Some(phrase),
        }
    };
    let mut phrases: Vec<String> = shown.filter_map(told).collect();
    if change.action == Action::Delete {
        let was = change.diff.iter().find(|of| of.field == "registry");
        phrases.extend(was.and_then(|of| of.old.as_str()).map(str::to_owned));
    }
    if made {
        phrases.extend(common.missing(change).map(|field| format!("no {field}")));
    }
    phrases
}

/// What a phrase says else than the usual one: `3 principals`.
fn rest(phrase: &str, usual: &str) -> Option<String> {
    if phrase == usual {
        return None;
    }
    let other = match (phrase.rsplit_once(", "), usual.rsplit_once(", ")) {
        (Some((begin, end)), Some((usual, _))) if begin == usual && begin.starts_with("default") => end,
        _ => phrase,
    };
    Some(other.to_owned())
}

/// What more than half of the new resources of a kind have in a field, where there are several.
struct Common(BTreeMap<(String, String), String>);

impl Common {
    fn of(changes: &[Change], home: &Home) -> Self {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        let mut seen: BTreeMap<(String, String), BTreeMap<String, usize>> = BTreeMap::new();
        for change in changes.iter().filter(|change| is_shared(change)) {
            let kind = word(&change.resource);
            *kinds.entry(kind.clone()).or_default() += 1;
            for of in change.diff.iter().filter(|of| !phrase::goes_without_saying(of)) {
                let phrases = seen.entry((kind.clone(), of.field.to_string())).or_default();
                *phrases.entry(phrase::of(of, home)).or_default() += 1;
            }
        }
        let most = seen.into_iter().filter_map(|((kind, field), phrases)| {
            let all = kinds.get(&kind).copied().unwrap_or_default();
            let (phrase, n) = phrases.into_iter().max_by_key(|(_, n)| *n)?;
            (n > 1 && n * 2 > all).then_some(((kind, field), phrase))
        });
        Self(most.collect())
    }

    fn of_field(&self, resource: Resource, field: &str) -> Option<&String> {
        self.0.get(&(word(&resource), field.to_string()))
    }

    /// The common fields that a new resource does not have.
    fn missing(&self, change: &Change) -> impl Iterator<Item = &str> {
        let kind = word(&change.resource);
        let of_kind = self.0.keys().filter(move |(of, _)| *of == kind);
        let fields = of_kind.map(|(_, field)| field.as_str());
        fields.filter(|field| is_shared(change) && !change.diff.iter().any(|of| of.field == *field))
    }

    fn words(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for ((kind, _), phrase) in &self.0 {
            kinds.entry(kind).or_default().push(phrase);
        }
        let words: Vec<String> = kinds
            .iter()
            .rev()
            .map(|(kind, phrases)| format!("each new {} has {}", kind.replace('_', " "), phrases.join("; ")))
            .collect();
        Some(format!("Where a row says nothing else, {}.", words.join(", and ")))
    }
}

/// Whether a change is one of many that are alike.
fn is_shared(change: &Change) -> bool {
    change.action == Action::Create
        && matches!(
            change.resource,
            Resource::Template | Resource::SecretPolicy | Resource::Secret
        )
}
