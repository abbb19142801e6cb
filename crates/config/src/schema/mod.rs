//! The JSON Schema of the file, for editors and pipelines.
//!
//! Made from the tables of keys: `value` says what may stand under each key, `rules` what only a whole registry shows,
//! and this page puts the two forms of the file together. Draft 7, since that is what the YAML language server of the
//! editors reads. What a schema cannot say is left to the reader, and listed in `tests/schema.rs`.
//!
//! A registry of the wrapped form may have a field from `defaults`. So a rule that a default can satisfy, or break, is
//! only for files without defaults.

pub(crate) mod markdown;
pub(crate) mod problems;
mod rules;
pub(crate) mod value;

use serde_json::{Map, Value, json};

use value::Valued;

use crate::keys::describe::{About, Absent, Key};
use crate::keys::file::REGISTRIES;
use crate::keys::file::{FileKey, RegistryKey};
use crate::keys::lifecycle::RuleKey;

/// The definition of a registry; those of its fields have their names.
const EACH: &str = "eachRegistry";

/// The definition of what a registry needs where there are no defaults.
const WITHOUT_DEFAULTS: &str = "registryWithoutDefaults";

/// The draft the schema is written in.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

const ABOUT: &str = "The upstream registries whose images an AWS account caches, as ecr-pull-through-sync keeps them: \
     a map from names to registries (flat), or the same map under `registries:` beside `tags`, `defaults` and \
     `max_deletions` (wrapped). A file that is encrypted with SOPS is not checked here.";

/// The JSON Schema of the file.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for key in RegistryKey::ALL {
        let mut about = key.about();
        if *key == RegistryKey::Registry {
            // In the reference this is a table.
            about.rules = markdown::hosts_in_words();
        }
        definitions.insert(about.name.to_owned(), property(&about, key.value()));
    }
    definitions.insert("lifecycleRule".to_owned(), rules::lifecycle_rule(map::<RuleKey>()));
    definitions.insert(EACH.to_owned(), rules::registry(registry()));
    definitions.insert(
        WITHOUT_DEFAULTS.to_owned(),
        json!({ "allOf": rules::without_defaults() }),
    );
    json!({
        "$schema": DRAFT,
        "title": "registries.yaml of ecr-pull-through-sync",
        "description": plain(ABOUT),
        "markdownDescription": ABOUT,
        "type": "object",
        "if": encrypted(),
        "else": {
            "if": wrapper(),
            "then": wrapped(),
            "else": flat(),
        },
        "definitions": definitions,
    })
}

/// A file with SOPS's metadata.
fn encrypted() -> Value {
    rules::like(
        "sops",
        json!({"type": "object", "anyOf": [rules::has("mac"), rules::has("lastmodified")]}),
    )
}

/// A `registries` that is no registry itself.
fn wrapper() -> Value {
    let mut registry = rules::like(
        RegistryKey::Registry.as_str(),
        json!({"type": ["string", "number", "boolean"]}),
    );
    set(&mut registry, "type", json!("object"));
    rules::like(REGISTRIES, json!({ "not": registry }))
}

/// The flat form: every key is a registry, and there are no defaults.
fn flat() -> Value {
    let mut map = value::registry_map(&json!({ "allOf": [reference(EACH), reference(WITHOUT_DEFAULTS)] }));
    set(&mut map, "allOf", json!([rules::count()]));
    map
}

fn wrapped() -> Value {
    let mut schema = map::<FileKey>();
    set(
        &mut schema,
        "patternProperties",
        json!({"^x-": {"description": "Ignored: a home for anchors."}}),
    );
    set(&mut schema, "allOf", rules::wrapped(reference(WITHOUT_DEFAULTS)));
    schema
}

/// A registry, each of its fields by itself.
fn registry() -> Value {
    object(
        RegistryKey::ALL.iter().map(|key| (key.name(), reference(key.name()))),
        RegistryKey::required().map(RegistryKey::name),
    )
}

/// `defaults`, each field by itself.
pub(crate) fn defaults() -> Value {
    let of = |key: &RegistryKey| match key {
        key if RegistryKey::WITHOUT_DEFAULT.contains(key) => {
            rules::absent(&format!("`{}` has no default: each registry has its own", key.name()))
        }
        key => reference(key.name()),
    };
    object(RegistryKey::ALL.iter().map(|key| (key.name(), of(key))), [])
}

/// A map with the keys of a table and no others.
pub(crate) fn map<K: Valued>() -> Value {
    object(
        K::ALL
            .iter()
            .map(|key| (key.name(), property(&key.about(), key.value()))),
        K::required().map(K::name),
    )
}

fn object<'a>(
    properties: impl IntoIterator<Item = (&'a str, Value)>,
    required: impl IntoIterator<Item = &'a str>,
) -> Value {
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let required: Vec<&str> = required.into_iter().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// What stands under a key, with its description.
fn property(about: &About, mut schema: Value) -> Value {
    let text = markdown::text(about, &schema);
    if about.absent != Absent::Required {
        or_null(&mut schema);
    }
    set(&mut schema, "title", json!(about.name));
    set(&mut schema, "description", json!(plain(&text)));
    set(&mut schema, "markdownDescription", json!(without_links(&text)));
    if let Absent::Json(default) = about.absent {
        set(
            &mut schema,
            "default",
            serde_json::from_str(default).unwrap_or_default(),
        );
    }
    schema
}

/// A null field is an absent field.
fn or_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(kinds) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        kinds.push(json!({"type": "null"}));
    }
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    match schema.get_mut("type") {
        Some(Value::Array(kinds)) => kinds.push(json!("null")),
        Some(kind) => *kind = json!([kind, "null"]),
        None => {}
    }
}

fn reference(definition: &str) -> Value {
    json!({"$ref": format!("#/definitions/{definition}")})
}

fn set(schema: &mut Value, key: &str, value: Value) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(key.to_owned(), value);
    }
}

/// Markdown's links lead nowhere from an editor.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (label, after))) = rest.split_once('[').and_then(|(before, after)| {
        let (label, target) = after.split_once("](")?;
        Some((before, (label, target.split_once(')')?.1)))
    }) {
        out.push_str(before);
        out.push_str(label);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A text without Markdown.
fn plain(text: &str) -> String {
    without_links(text).replace(['`'], "").replace("**", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_marks_are_taken_off() {
        assert_eq!(
            without_links("a [b](c.md), **[d](e.md#f)** and `[]`"),
            "a b, **d** and `[]`"
        );
        assert_eq!(plain("a [b](c.md), **d** and `[]`"), "a b, d and []");
    }
}
