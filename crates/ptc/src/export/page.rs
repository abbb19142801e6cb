//! The file as text: a comment about where it comes from, then the registries by name.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_yaml::{Mapping, Value};

use super::entry::Entry;
use ecr_pull_through_sync::account::one_line;
use ecr_pull_through_sync::home::Home;
use ecr_pull_through_sync::plan::{RegistryPlan, Step, Verdict};
use ecr_pull_through_sync::report::word;

/// Longer remarks are cut: AWS's own sentences are shorter.
const MOST: usize = 1000;

pub(super) struct Page<'a> {
    pub(super) entries: &'a BTreeMap<String, Entry>,
    pub(super) refused: &'a BTreeMap<String, (Mapping, String)>,
    pub(super) home: &'a Home,
}

impl Page<'_> {
    pub(super) fn write(&self) -> String {
        let mut page = String::new();
        // Writing into a String cannot fail.
        _ = self.write_to(&mut page);
        page
    }

    /// Without the time, so that the same account gives the same file.
    fn write_to(&self, page: &mut String) -> std::fmt::Result {
        let Home { account, region, .. } = self.home;
        writeln!(
            page,
            "# The pull-through cache rules and their templates of account {account} in {region}, as"
        )?;
        writeln!(
            page,
            "# `ptc export` found them. Credentials stay in Secrets Manager: no token is in this file."
        )?;
        if self.entries.is_empty() {
            writeln!(
                page,
                "#\n# There is no registry to write, and a file without any is refused."
            )?;
        }
        for (name, entry) in self.entries {
            writeln!(page)?;
            for remark in &entry.remarks {
                comment(page, remark)?;
            }
            page.push_str(&block(name, &entry.fields));
        }
        for (name, (fields, reason)) in self.refused {
            writeln!(page)?;
            comment(page, &format!("{name} cannot be in this file: {reason}"))?;
            for line in block(name, fields).lines() {
                writeln!(page, "# {line}")?;
            }
        }
        Ok(())
    }
}

/// Text from outside on a line of its own: nothing in it can end the comment.
fn comment(page: &mut String, text: &str) -> std::fmt::Result {
    let line = one_line(text, MOST);
    // These end a line of YAML too.
    writeln!(page, "# {}", line.replace(['\u{2028}', '\u{2029}'], " "))
}

pub(super) fn block(name: &str, fields: &Mapping) -> String {
    let registry: Mapping = [(Value::from(name), Value::Mapping(fields.clone()))]
        .into_iter()
        .collect();
    // Texts, lists and maps with texts as keys can always be written; nothing would be refused as an empty file.
    serde_yaml::to_string(&registry).unwrap_or_default()
}

/// What a plan of the file would change of a registry, in a line; `None` if nothing.
pub(super) fn remark(plan: &RegistryPlan) -> Option<String> {
    match &plan.verdict {
        Verdict::Refused { cause, .. } => Some(format!("a plan of this file would refuse it: {cause}")),
        Verdict::Held(reason) => Some(format!("a plan of this file would hold it: {reason}")),
        Verdict::Go if plan.steps.is_empty() => None,
        Verdict::Go => Some(format!("a plan of this file would: {}", steps(&plan.steps))),
    }
}

/// Steps in words: `adopt template hub (description, tags)`.
pub(super) fn steps(steps: &[Step]) -> String {
    let words = steps.iter().map(|step| {
        let fields = if step.fields.is_empty() {
            String::new()
        } else {
            format!(" ({})", step.fields.join(", "))
        };
        format!(
            "{} {} {}{fields}",
            word(&step.action),
            word(&step.resource).replace('_', " "),
            step.id
        )
    });
    words.collect::<Vec<_>>().join("; ")
}
