//! Readers for the values of fields. Each notes what is wrong and gives back what could be read.

use std::rc::Rc;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, one_of, shown};
use crate::diagnostics::redactor::HIDDEN;
use crate::diagnostics::suggest::{did_you_mean, nearest};
use crate::diagnostics::tokens::holds_a_token;
use crate::diagnostics::tokens::is_mere_word;
use crate::keys::describe::Key;
use crate::keys::file::{AccessKey, EncryptionKey, ExistingKey, OnlyKey, SourceKey};
use crate::keys::lifecycle::{ActionKey, PolicyKey, RuleKey, SelectionKey};
use crate::yaml::node::{Entry, Node};

/// Longer than any number or boolean.
const MOST_TYPED: usize = 40;

/// A value that was read, where it stands and where its key stands.
#[derive(Debug, Clone)]
pub(crate) struct Field<T> {
    pub value: T,
    pub at: Position,
    pub key: Position,
}

/// How a map is spoken of. Its keys are those of a table.
pub(crate) struct Shape<'a> {
    /// What the map is, for messages: `a registry`.
    pub what: &'a str,
    /// Where to report a required key that is missing; nowhere, where all may be.
    pub missing_at: Option<Position>,
}

/// The entries of a map whose keys are known, nulls left out.
pub(crate) fn map<'n, K: Key>(node: &'n Node, shape: &Shape<'_>, notes: &mut Notes) -> Option<Vec<(K, &'n Entry)>> {
    let Some(entries) = node.map() else {
        notes.error(
            Code::WRONG_TYPE,
            node.at,
            format!(
                "{} is a map, but {} stands here; its keys are {}",
                shape.what,
                node.kind(),
                one_of(K::NAMES.iter().copied())
            ),
        );
        return None;
    };
    let (mut found, mut meant) = (Vec::new(), Vec::new());
    let mut after_token = false;
    for entry in entries {
        match K::named(entry.name()) {
            None => meant.extend(unknown_key::<K>(entry, after_token, shape, notes)),
            Some(_) if entry.value.is_null() => {}
            Some(key) => found.push((key, entry)),
        }
        after_token = holds_a_token(entry.name()) && entry.value.is_null();
    }
    for (required, at) in K::required().filter_map(|required| Some((required, shape.missing_at?))) {
        let name = required.name();
        // A misspelt key is one mistake, not two.
        if !found.iter().any(|(key, _)| *key == required) && !meant.contains(&name) {
            let hint = if name == "registry" {
                "; write the upstream's host, such as `registry-1.docker.io`"
            } else {
                ""
            };
            notes.error(
                Code::MISSING_FIELD,
                at,
                format!("`{name}` is missing in {}{hint}", shape.what),
            );
        }
    }
    Some(found)
}

/// Notes an unknown key, and gives back the known one that was meant.
fn unknown_key<K: Key>(entry: &Entry, after_token: bool, shape: &Shape<'_>, notes: &mut Notes) -> Option<&'static str> {
    let name = entry.name();
    if let Some(field) = crate::keys::file::field_without_space(name) {
        notes.error(
            Code::MISSING_SPACE,
            entry.key.at,
            format!("put a space after the colon of `{field}`"),
        );
        return Some(field);
    }
    // What follows a colon in a key was meant to be a value.
    let key = name.split(':').next().unwrap_or_default();
    let home = HOMES
        .iter()
        .find(|(keys, _)| keys.contains(&key))
        .map(|(_, home)| *home);
    // Nobody reads that many suggestions, and each takes its time.
    let meant = if notes.is_flooded() {
        None
    } else {
        nearest(key, K::NAMES)
    };
    let hint = match (meant, home) {
        (Some(meant), None) => format!("did you mean `{meant}`?"),
        (_, Some(home)) if K::NAMES.contains(&home) => format!("indent it under `{home}:`"),
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, _) if crate::keys::file::FIELDS.contains(&key) => {
            "it is a field of a registry: indent it less".to_owned()
        }
        (None, Some(home)) => format!("it belongs under `{home}:`"),
        (None, None) => format!("{} has {}", shape.what, one_of(K::NAMES.iter().copied())),
    };
    // No key of the file has a digit in it, but many a token that came to stand in front of a colon; and what follows an
    // `accessToken` without a value may be that value, on the wrong line.
    let is_word = !after_token && !key.bytes().any(|byte| byte.is_ascii_digit());
    let is_word = meant.is_some() || home.is_some() || is_word;
    let key = if is_word { shown(key) } else { format!("`{HIDDEN}`") };
    notes.error(Code::UNKNOWN_KEY, entry.key.at, format!("unknown key {key}; {hint}"));
    meant
}

/// Keys that are often one level off, and the key they belong under.
const HOMES: &[(&[&str], &str)] = &[
    (SelectionKey::NAMES, "selection"),
    (ActionKey::NAMES, "action"),
    // Not `description`: that may be meant for anything.
    (
        &[
            RuleKey::RulePriority.as_str(),
            RuleKey::Selection.as_str(),
            RuleKey::Action.as_str(),
        ],
        "rules",
    ),
    (PolicyKey::NAMES, "lifecycle_policy"),
    (AccessKey::NAMES, "repository_read_access"),
    (EncryptionKey::NAMES, "encryption_configuration"),
    (ExistingKey::NAMES, "existing_repositories"),
    // Not those that registries have too.
    (
        &[
            SourceKey::UsernameKey.as_str(),
            SourceKey::AccessTokenKey.as_str(),
            SourceKey::Format.as_str(),
        ],
        "secret_from",
    ),
    (OnlyKey::NAMES, "only"),
];

/// A text. A number or a boolean without quotes is taken as it is written.
pub(crate) fn text(name: &str, node: &Node, notes: &mut Notes) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        notes.error(
            Code::WRONG_TYPE,
            node.at,
            format!("`{name}` is a text, but {} stands here", node.kind()),
        );
        return None;
    };
    if scalar.is_null() {
        notes.error(
            Code::WRONG_TYPE,
            node.at,
            format!("`{name}` is a text, but nothing stands here; write one or remove the line"),
        );
        return None;
    }
    Some(scalar.text.to_string())
}

/// `true` or `false`, as YAML's core schema has them.
pub(crate) fn flag(name: &str, node: &Node, notes: &mut Notes) -> Option<bool> {
    flag_or(name, "`true` or `false`", node, notes)
}

/// The same for a key that may be something else too: `what` names all that it can be.
pub(crate) fn flag_or(name: &str, what: &str, node: &Node, notes: &mut Notes) -> Option<bool> {
    let value = typed::<bool>(node);
    if value.is_none() {
        // The words of older YAML are texts in the one that is read here.
        const HINTS: [(&[&str], &str); 3] = [
            (&["true", "false"], "; remove the quotes"),
            (&["yes", "on"], "; did you mean `true`?"),
            (&["no", "off"], "; did you mean `false`?"),
        ];
        let is = |word: &&str| {
            node.scalar()
                .is_some_and(|scalar| scalar.text.eq_ignore_ascii_case(word))
        };
        let hint = HINTS
            .iter()
            .find(|(words, _)| words.iter().any(is))
            .map_or("", |(_, hint)| *hint);
        notes.error(Code::WRONG_TYPE, node.at, format!("`{name}` is {what}{hint}"));
    }
    value
}

/// A whole number from `least` on.
pub(crate) fn number(name: &str, least: u32, node: &Node, notes: &mut Notes) -> Option<u32> {
    let value = typed::<u64>(node)
        .and_then(|value| u32::try_from(value).ok())
        .filter(|value| *value >= least);
    if value.is_none() {
        let quoted = node
            .scalar()
            .is_some_and(|scalar| !scalar.plain && scalar.text.parse::<u32>().is_ok());
        let hint = if quoted { "; remove the quotes" } else { "" };
        notes.error(
            Code::WRONG_NUMBER,
            node.at,
            format!("`{name}` is a whole number from {least} to {}{hint}", u32::MAX),
        );
    }
    value
}

/// A plain scalar by the rules of YAML's core schema, as serde_yaml has them.
fn typed<T: serde::de::DeserializeOwned>(node: &Node) -> Option<T> {
    let scalar = node
        .scalar()
        .filter(|scalar| scalar.plain && scalar.text.len() <= MOST_TYPED)?;
    serde_yaml::from_str(&scalar.text).ok()
}

/// One of the words that AWS knows.
pub(crate) fn word<T: Copy>(name: &str, words: &[(&'static str, T)], node: &Node, notes: &mut Notes) -> Option<T> {
    let text = text(name, node, notes)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Some(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let all = one_of(known.iter().copied());
    let hint = if notes.is_flooded() {
        None
    } else {
        did_you_mean(&text, &known)
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    // Whatever follows the first word came from another line, where a colon or the indentation is missing.
    let word = text.split_whitespace().next().unwrap_or_default();
    let more = if word.len() < text.trim().len() {
        " and more"
    } else {
        ""
    };
    // Nor is repeated what is not like any of the words: it may be anything that was meant for another place.
    let is_shown = !hint.is_empty() || is_mere_word(word);
    let what = if is_shown {
        format!("{}{more}", shown(word))
    } else {
        "what stands here".to_owned()
    };
    notes.error(
        Code::UNKNOWN_VALUE,
        node.at,
        format!("{what} is no value of `{name}`: write {all}{hint}"),
    );
    None
}

/// A list of texts, each with its place; an item that is none is noted and left out.
pub(crate) fn texts(name: &str, node: &Node, notes: &mut Notes) -> Option<Vec<(String, Position)>> {
    let Some(items) = node.list() else {
        notes.error(
            Code::WRONG_TYPE,
            node.at,
            format!(
                "`{name}` is a list, but {} stands here; write `[...]` or lines that begin with `- `",
                node.kind()
            ),
        );
        return None;
    };
    let texts: Vec<(String, Position)> = items.iter().filter_map(|item| text_item(name, item, notes)).collect();
    Some(texts)
}

fn text_item(name: &str, item: &Rc<Node>, notes: &mut Notes) -> Option<(String, Position)> {
    match item.scalar() {
        Some(scalar) if !scalar.is_null() => Some((scalar.text.to_string(), item.at)),
        _ => {
            notes.error(
                Code::WRONG_TYPE,
                item.at,
                format!("an item of `{name}` is a text, but {} stands here", item.kind()),
            );
            None
        }
    }
}
