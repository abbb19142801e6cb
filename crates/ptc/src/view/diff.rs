//! The fields of a change, as they are and as they are to be.

use ecr_pull_through_sync::plan::Difference;
use ecr_pull_through_sync::report::Mark;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// How many lines around a change in a policy are shown.
const AROUND: usize = 3;

/// Longer documents are written over several lines.
const MOST_ON_A_LINE: usize = 100;

/// The lines of a difference, each with its mark.
pub fn lines(difference: &Difference) -> Vec<(Mark, String)> {
    let Difference { field, old, new } = difference;
    let is_document = |value: &Value| value.is_object() || value.is_array();
    match (old, new) {
        (Value::Null, new) if !is_document(new) => vec![(Mark::Added, format!("{field}: {new}"))],
        (old, Value::Null) if !is_document(old) => vec![(Mark::Removed, format!("{field}: {old}"))],
        (old, new) if !is_document(old) && !is_document(new) => {
            vec![(Mark::Changed, format!("{field}: {old} -> {new}"))]
        }
        (Value::Null, new) => whole(Mark::Added, field, new),
        (old, Value::Null) => whole(Mark::Removed, field, old),
        (old, new) => {
            let mut lines = vec![(Mark::Changed, format!("{field}:"))];
            lines.extend(documents(&pretty(old), &pretty(new)));
            lines
        }
    }
}

/// A whole document that is added or removed.
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
                ChangeTag::Insert => Mark::Added,
                ChangeTag::Delete => Mark::Removed,
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
