//! A report's lines about repositories: each, as long as there are not too many, and a line for the rest.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::repository::RepositoryResult;
use crate::account::AwsError;
use crate::plan::{Action, Resource};
use crate::report::{Change, ChangeResult};
use config::ROOT;

/// How many lines of trouble, and how many others, a report has. 100,000 of them would fit into no response of Lambda's
/// (6 MB), and nobody reads them.
pub const MOST_LINES: usize = 1000;

/// How many bytes of policies and tags a plan shows: the repositories of a registry mostly differ in the same.
const MOST_LISTED: usize = 512 * 1024;

/// ChangeList about repositories.
#[derive(Debug, Default)]
pub struct ChangeList {
    troubles: Vec<Change>,
    others: Vec<Change>,
    more: BTreeMap<(String, ChangeResult), More>,
    /// How much of what differs is listed, in bytes.
    listed: usize,
    /// Why repositories are still open: the first reason that was met.
    pub open: Option<AwsError>,
}

/// ChangeList that are not listed.
#[derive(Debug, Default)]
struct More {
    lines: usize,
    fields: BTreeSet<Cow<'static, str>>,
}

impl ChangeList {
    /// What came of a repository.
    pub(super) fn add(&mut self, found: RepositoryResult) {
        for change in found.changes {
            self.push(change);
        }
        if found.outcome.is_open() && self.open.is_none() {
            self.open = found.open;
        }
    }

    /// A line, or one of an earlier report that sums up.
    pub fn push(&mut self, mut change: Change) {
        let size = change
            .diff
            .iter()
            .map(|d| d.old.to_string().len() + d.new.to_string().len())
            .sum::<usize>();
        self.listed += size;
        if self.listed > MOST_LISTED {
            change.diff.clear();
        }
        let lines = match change.result {
            ChangeResult::Applied | ChangeResult::Planned => &mut self.others,
            ChangeResult::Failed | ChangeResult::Held | ChangeResult::Skipped => &mut self.troubles,
        };
        if lines.len() < MOST_LINES && change.more.is_none() {
            lines.push(change);
            return;
        }
        let more = self.more.entry((change.registry, change.result)).or_default();
        more.lines = more.lines.saturating_add(change.more.unwrap_or(1));
        more.fields.extend(change.fields);
    }

    /// Counts what is not listed anew: what a registry has of a result in all, less what is listed.
    pub fn recount(&mut self, all: impl Fn(&str, ChangeResult) -> u64) {
        for ((registry, result), more) in &mut self.more {
            let of_it = self.troubles.iter().chain(&self.others);
            let of_it = of_it.filter(|change| change.registry == *registry && change.result == *result);
            let listed: BTreeSet<&str> = of_it.map(|change| change.id.as_str()).collect();
            let rest = all(registry, *result).saturating_sub(listed.len() as u64);
            more.lines = usize::try_from(rest).unwrap_or(usize::MAX);
        }
        self.more.retain(|_, more| more.lines > 0);
    }

    /// All lines, by registry and repository, those that sum up last.
    pub fn into_changes(self) -> Vec<Change> {
        let mut changes = self.troubles;
        changes.extend(self.others);
        changes.sort_by(|a, b| (&a.registry, &a.id, a.result).cmp(&(&b.registry, &b.id, b.result)));
        changes.extend(self.more.into_iter().map(|((registry, result), more)| {
            let id = if registry == ROOT {
                "*".to_owned()
            } else {
                format!("{registry}/*")
            };
            let fields = more.fields.into_iter().collect();
            let change = Change::of(&registry, Resource::Repository, Action::Update, &id)
                .with(result)
                .in_fields(fields);
            Change {
                more: Some(more.lines),
                ..change.noting("as many repositories more".into())
            }
        }));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_to_list_is_summed_up_and_trouble_is_not_crowded_out() {
        let mut lines = ChangeList::default();
        let change = |n: usize, result| {
            let id = format!("hub/{n:05}");
            Change::of("hub", Resource::Repository, Action::Update, &id)
                .with(result)
                .in_fields(vec![Cow::Borrowed("tags")])
        };
        for n in 0..MOST_LINES + 7 {
            lines.push(change(n, ChangeResult::Planned));
        }
        lines.push(change(99_999, ChangeResult::Held));
        let changes = lines.into_changes();
        assert_eq!(changes.len(), MOST_LINES + 2);
        assert!(changes.iter().any(|change| change.result == ChangeResult::Held));
        let last = changes.last().unwrap_or_else(|| unreachable!());
        assert_eq!((last.id.as_str(), last.result), ("hub/*", ChangeResult::Planned));
        assert_eq!(last.more, Some(7));
        assert_eq!(last.fields, ["tags"]);
    }
}
