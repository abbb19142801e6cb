//! The reference of the fields, in Markdown, from the same tables as the schema. `docs/file.md` has it between
//! two marks.

use serde_json::Value;

use super::value::Valued;
use crate::keys::describe::{About, Absent, Key};
use crate::keys::file::{AccessKey, EncryptionKey, ExistingKey, FileKey, OnlyKey, RegistryKey, SourceKey};
use crate::keys::lifecycle::{ActionKey, PolicyKey, RuleKey, SelectionKey};
use crate::model::prefix::{LEAST, MOST, ROOT};
use crate::model::upstream::{self, CredentialNeed};

/// Where a line of prose ends.
const WIDTH: usize = 120;

/// Every field of the file with its rules, as the chapters of `docs/file.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = String::from("## Beside `registries`\n\n");
    out.push_str(&table::<FileKey>(""));
    out.push_str("| `x-...` | ignored: a home for anchors | |\n\n## The name\n\n");
    out.push_str(&paragraph(&format!(
        "The ECR repository prefix: {LEAST} to {MOST} characters of `a-z`, `0-9`, with `.`, `_`, `__` or any number of \
         `-` between them, and `/` between parts. No `/` at the end. `{ROOT}` is the registry itself. Two names that \
         differ only in letter case are an error."
    )));
    out.push_str("\n## Fields of a registry\n");
    for key in RegistryKey::ALL {
        let about = key.about();
        out.push_str(&format!(
            "\n### `{}`\n\n{}",
            about.name,
            paragraph(&text(&about, &key.value()))
        ));
        let more = under(*key);
        if !more.is_empty() {
            out.push('\n');
            out.push_str(&more);
        }
    }
    out
}

/// What stands under a field, in tables.
fn under(key: RegistryKey) -> String {
    match key {
        RegistryKey::Registry => hosts(),
        RegistryKey::LifecyclePolicy => {
            let rules = [
                table::<PolicyKey>(""),
                rows::<RuleKey>("rules[]."),
                rows::<SelectionKey>("rules[].selection."),
                rows::<ActionKey>("rules[].action."),
            ];
            let notes = "Warnings: an `untagged` rule that expires (an image deployed by its digest has no tag), and less \
                 than 90 days in the archive. A count is per repository, and the parts of a multi-architecture image count. \
                 So do signatures and SBOMs that came through the cache: referrers, and the tags that cosign makes.";
            format!("{}\n{}", rules.concat(), paragraph(notes))
        }
        RegistryKey::RepositoryReadAccess => table::<AccessKey>(""),
        RegistryKey::EncryptionConfiguration => table::<EncryptionKey>(""),
        RegistryKey::ExistingRepositories => table::<ExistingKey>(""),
        RegistryKey::SecretFrom => table::<SourceKey>(""),
        RegistryKey::Only => table::<OnlyKey>(""),
        RegistryKey::Username
        | RegistryKey::AccessToken
        | RegistryKey::Secret
        | RegistryKey::ExpiresAt
        | RegistryKey::RepositoryReadAccessArns
        | RegistryKey::ImageTagMutability
        | RegistryKey::ImageTagMutabilityExclusionFilters
        | RegistryKey::UpstreamRepositoryPrefix
        | RegistryKey::CustomRoleArn
        | RegistryKey::Tags
        | RegistryKey::TakeOver
        | RegistryKey::AllowUnlistedUpstream
        | RegistryKey::Warm => String::new(),
    }
}

/// The hosts, by what credential they take.
pub(super) fn hosts_in_words() -> String {
    let of = |wanted: CredentialNeed| {
        let names = upstream::hosts()
            .filter(|(.., need)| *need == wanted)
            .flat_map(|(names, ..)| names);
        names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    };
    format!(
        "With a credential: {}. Without: {}. With `custom_role_arn`, if it is another account's: {}.",
        of(CredentialNeed::Required),
        of(CredentialNeed::Forbidden),
        of(CredentialNeed::RoleOptional)
    )
}

/// The hosts, and what credential each takes.
fn hosts() -> String {
    let mut out = String::from("| host | credential |\n| --- | --- |\n");
    for (names, _, need) in upstream::hosts() {
        let need = match need {
            CredentialNeed::Required => "required",
            CredentialNeed::Forbidden => "forbidden",
            CredentialNeed::RoleOptional => {
                "never a secret; `custom_role_arn` for another account. Not this registry itself"
            }
            CredentialNeed::Optional => "with or without",
        };
        let mut names = names.iter();
        let name = names.next().map(|name| format!("`{name}`")).unwrap_or_default();
        let others: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let others = if others.is_empty() {
            others.concat()
        } else {
            format!(", also written {}", others.join(" or "))
        };
        out.push_str(&format!("| {name}{others} | {need} |\n"));
    }
    out
}

/// Everything about a key, as prose.
pub(super) fn text(about: &About, value: &Value) -> String {
    let mut text = sentence(&about.brief);
    if let Some(words) = choice(value) {
        text.push_str(&format!(" One of {words}."));
    }
    match about.absent {
        Absent::Required => text.push_str(" Required."),
        Absent::Words(_) | Absent::Json(_) => text.push_str(&format!(" Default: {}.", absent(about))),
    }
    if !about.rules.is_empty() {
        text.push(' ');
        text.push_str(&about.rules);
    }
    text
}

fn sentence(brief: &str) -> String {
    let mut chars = brief.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).chain(['.']).collect())
        .unwrap_or_default()
}

/// The words of which one may stand there, where there are several.
fn choice(value: &Value) -> Option<String> {
    let words = value.get("enum").or_else(|| value.pointer("/items/enum"))?.as_array()?;
    let words: Vec<String> = words
        .iter()
        .filter_map(|word| Some(format!("`{}`", word.as_str()?)))
        .collect();
    let (last, first) = words.split_last()?;
    Some(if first.is_empty() {
        last.clone()
    } else {
        format!("{} or {last}", first.join(", "))
    })
}

/// What holds without a key.
fn absent(about: &About) -> String {
    match about.absent {
        Absent::Required => "required".to_owned(),
        Absent::Words(words) => words.to_owned(),
        Absent::Json(value) => format!("`{}`", value.trim_matches('"')),
    }
}

fn table<K: Valued>(within: &str) -> String {
    let head = "| key | meaning | default |\n| --- | --- | --- |\n";
    format!("{head}{}", rows::<K>(within))
}

fn rows<K: Valued>(within: &str) -> String {
    let row = |key: K| {
        let about = key.about();
        let words = choice(&key.value())
            .map(|words| format!(": {words}"))
            .unwrap_or_default();
        let rules = if about.rules.is_empty() {
            String::new()
        } else {
            format!(". {}", about.rules)
        };
        let rules = rules.trim_end_matches('.');
        format!(
            "| `{within}{}` | {}{words}{rules} | {} |\n",
            about.name,
            about.brief,
            absent(&about)
        )
    };
    K::ALL.iter().map(|key| row(*key)).collect()
}

/// A text in lines.
fn paragraph(text: &str) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out.push('\n');
    out
}
