//! A plan for people: each change with its fields as they are and as they are to be.

use std::collections::BTreeSet;

use ecr_pull_through_sync::plan::{Action, Difference};
use ecr_pull_through_sync::report::{Change, ChangeResult, Outcome, Report, State};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// How many lines around a change in a policy are shown.
const AROUND: usize = 3;

/// Longer documents are written over several lines.
const MOST_ON_A_LINE: usize = 100;

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It stays.
    Same,
    /// It comes.
    More,
    /// It goes.
    Less,
    /// It becomes another.
    Other,
    /// It needs somebody's attention.
    Stop,
}

impl Mark {
    /// As `diff` writes it, and its likes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::More => "+",
            Self::Less => "-",
            Self::Other => "~",
            Self::Stop => "!",
        }
    }

    /// In colours, if wanted.
    pub fn paint(self, text: &str, color: bool) -> String {
        let code = match self {
            Self::Same => return text.to_owned(),
            Self::More => "32",
            Self::Less | Self::Stop => "31",
            Self::Other => "33",
        };
        if color {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What becomes of the resource of a change.
pub fn mark(change: &Change) -> Mark {
    match (change.result, change.action) {
        (ChangeResult::Held | ChangeResult::Failed | ChangeResult::Skipped, _) => Mark::Stop,
        (_, Action::Create | Action::Restore) => Mark::More,
        (_, Action::Delete) => Mark::Less,
        _ => Mark::Other,
    }
}

/// A change in a few words: `update template dockerhub`.
pub fn words(change: &Change) -> String {
    let more = change.more.map(|n| format!("{n} more: ")).unwrap_or_default();
    format!(
        "{more}{} {} {}",
        word(&change.action),
        word(&change.resource).replace('_', " "),
        change.id
    )
}

/// The word of the JSON report.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// The lines of a difference, each with what becomes of it.
pub fn lines(difference: &Difference) -> Vec<(Mark, String)> {
    let Difference { field, old, new } = difference;
    let is_document = |value: &Value| value.is_object() || value.is_array();
    match (old, new) {
        (Value::Null, new) if !is_document(new) => vec![(Mark::More, format!("{field}: {new}"))],
        (old, Value::Null) if !is_document(old) => vec![(Mark::Less, format!("{field}: {old}"))],
        (old, new) if !is_document(old) && !is_document(new) => {
            vec![(Mark::Other, format!("{field}: {old} -> {new}"))]
        }
        (Value::Null, new) => whole(Mark::More, field, new),
        (old, Value::Null) => whole(Mark::Less, field, old),
        (old, new) => {
            let mut lines = vec![(Mark::Other, format!("{field}:"))];
            lines.extend(documents(&pretty(old), &pretty(new)));
            lines
        }
    }
}

/// A document that comes or goes, all of it.
fn whole(mark: Mark, field: &str, document: &Value) -> Vec<(Mark, String)> {
    let line = document.to_string();
    if line.len() <= MOST_ON_A_LINE {
        return vec![(mark, format!("{field}: {line}"))];
    }
    let text = pretty(document);
    let mut lines = text.lines();
    let first = (mark, format!("{field}: {}", lines.next().unwrap_or_default()));
    std::iter::once(first)
        .chain(lines.map(|line| (mark, line.to_owned())))
        .collect()
}

/// What differs between two documents, with a few lines around it.
fn documents(old: &str, new: &str) -> Vec<(Mark, String)> {
    let diff = TextDiff::from_lines(old, new);
    let mut lines = Vec::new();
    for (n, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if n > 0 {
            lines.push((Mark::Same, "...".to_owned()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Equal => Mark::Same,
                ChangeTag::Insert => Mark::More,
                ChangeTag::Delete => Mark::Less,
            };
            lines.push((mark, change.value().trim_end_matches('\n').to_owned()));
        }
    }
    lines
}

fn pretty(value: &Value) -> String {
    // A value that was read as JSON can be written as such.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// A plan in a sentence: `2 to create, 1 to update, 1 held`.
pub fn tally(report: &Report) -> String {
    let count = |of: &dyn Fn(&Change) -> bool| -> usize {
        report
            .changes
            .iter()
            .filter(|change| of(change))
            .map(|change| change.more.unwrap_or(1))
            .sum()
    };
    let planned = |mark_of: Mark| count(&|c| c.result == ChangeResult::Planned && mark(c) == mark_of);
    let counts = [
        (planned(Mark::More), "to create"),
        (planned(Mark::Other), "to change"),
        (planned(Mark::Less), "to delete"),
        (count(&|c| c.result == ChangeResult::Held), "held"),
        (count(&|c| c.result == ChangeResult::Failed), "failed"),
    ];
    let words: Vec<String> = counts
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    match report.outcome {
        _ if !words.is_empty() => words.join(", "),
        Outcome::Converged => "nothing to change".into(),
        _ => "no change could be planned".into(),
    }
}

/// A reason why something failed or is held, and all that it is the reason of; or what was not done, which has none.
pub struct Trouble<'a> {
    result: &'static str,
    why: Option<&'a str>,
    /// Since when.
    pub since: Option<&'a str>,
    changes: Vec<&'a Change>,
    /// In the order of the changes.
    registries: Vec<&'a str>,
}

/// Each reason of a report once.
pub fn troubles(report: &Report) -> Vec<Trouble<'_>> {
    let mut troubles: Vec<Trouble<'_>> = Vec::new();
    for change in &report.changes {
        let result = match change.result {
            ChangeResult::Failed => "failed",
            ChangeResult::Held => "held",
            ChangeResult::Skipped => "not done",
            ChangeResult::Applied | ChangeResult::Planned => continue,
        };
        let (why, since) = (change.error.as_deref(), change.since.as_deref());
        let trouble = Trouble {
            result,
            why,
            since,
            changes: vec![change],
            registries: vec![&change.registry],
        };
        put(&mut troubles, trouble);
    }
    // A registry of which a change tells waits, or failed, for that.
    let told: BTreeSet<&str> = troubles.iter().flat_map(|trouble| trouble.registries.clone()).collect();
    for (name, registry) in report
        .registries
        .iter()
        .filter(|(name, _)| !told.contains(name.as_str()))
    {
        if let (State::Held | State::Failed, Some(why)) = (registry.state, registry.message.as_deref()) {
            let (result, since) = (registry.state.as_str(), registry.since.as_deref());
            let trouble = Trouble {
                result,
                why: Some(why),
                since,
                changes: Vec::new(),
                registries: vec![name],
            };
            put(&mut troubles, trouble);
        }
    }
    troubles
}

/// ChangeList that need somebody's attention.
pub fn marked(lines: Vec<String>) -> impl Iterator<Item = String> {
    let mark = |(n, line)| if n == 0 { format!("! {line}") } else { line };
    lines.into_iter().enumerate().map(mark)
}

fn put<'a>(troubles: &mut Vec<Trouble<'a>>, trouble: Trouble<'a>) {
    let key = |trouble: &Trouble<'a>| (trouble.result, trouble.why, trouble.since);
    match troubles.iter_mut().find(|known| key(known) == key(&trouble)) {
        Some(known) => {
            known.changes.extend(trouble.changes);
            let new = |name: &&&str| !known.registries.contains(*name);
            let new: Vec<&str> = trouble.registries.iter().filter(new).copied().collect();
            known.registries.extend(new);
        }
        None => troubles.push(trouble),
    }
}

impl Trouble<'_> {
    /// Whether this is its reason.
    pub fn is_for(&self, why: &str) -> bool {
        self.why == Some(why)
    }

    /// Whose it is, what came of it and why, where its changes are shown elsewhere.
    pub fn line(&self) -> String {
        format!("{}: {}{}", self.registries.join(", "), self.result, self.because())
    }

    /// The same with its changes, each on a line where there are several.
    pub fn lines(&self) -> Vec<String> {
        let told = |change: &Change| format!("{}: {}", change.registry, words(change));
        match self.changes.as_slice() {
            [] => vec![self.line()],
            [change] => vec![format!("{}: {}{}", told(change), self.result, self.because())],
            changes => {
                let first = format!("{}{}", self.result, self.because());
                std::iter::once(first)
                    .chain(changes.iter().map(|change| format!("    {}", told(change))))
                    .collect()
            }
        }
    }

    /// Whether a change of the report is told of, and not a registry alone.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    fn because(&self) -> String {
        self.why.map(|why| format!(": {why}")).unwrap_or_default()
    }
}

/// Whether something is wrong, whatever else there is to do.
pub fn is_wrong(report: &Report) -> bool {
    let failed = report
        .registries
        .values()
        .any(|registry| registry.state == State::Failed)
        || report
            .changes
            .iter()
            .any(|change| change.result == ChangeResult::Failed);
    failed || !matches!(report.outcome, Outcome::Converged | Outcome::Pending)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(old: Value, new: Value) -> String {
        let lines = lines(&Difference::new("field", old, new));
        lines
            .iter()
            .map(|(mark, text)| format!("{}{text}\n", mark.as_str()))
            .collect()
    }

    #[test]
    fn a_field_is_shown_as_it_is_and_as_it_is_to_be() {
        for (old, new, text) in [
            (json!("A"), json!("B"), "~field: \"A\" -> \"B\"\n"),
            (Value::Null, json!("B"), "+field: \"B\"\n"),
            (json!("A"), Value::Null, "-field: \"A\"\n"),
            (Value::Null, json!({"a": "1"}), "+field: {\"a\":\"1\"}\n"),
            (json!(["a"]), Value::Null, "-field: [\"a\"]\n"),
            (
                json!({"a": 1, "b": 1}),
                json!({"a": 1, "b": 2}),
                "~field:\n {\n   \"a\": 1,\n-  \"b\": 1\n+  \"b\": 2\n }\n",
            ),
        ] {
            assert_eq!(shown(old, new), text);
        }
    }

    #[test]
    fn of_a_long_document_only_what_is_around_a_change_is_shown() {
        let old: Vec<usize> = (0..100).collect();
        let mut new = old.clone();
        new[10] = 1000;
        new[90] = 9000;
        let text = shown(json!(old), json!(new));
        assert_eq!(text.lines().count(), 1 + 8 + 1 + 8, "{text}");
        assert!(text.contains("\n ...\n"), "{text}");
    }
}
