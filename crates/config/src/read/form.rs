//! The two forms of the file, and what stands beside the registries in the wrapped one.

use std::rc::Rc;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::diagnostics::suggest::{did_you_mean, nearest};
use crate::keys::describe::Key as _;
use crate::keys::file::{FILE_KEYS, FileKey, REGISTRIES};
use crate::read::fields;
use crate::read::tags::{self, Tags};
use crate::sops;
use crate::yaml::node::{Entry, Node};

/// The file, taken apart.
pub(crate) struct Parts<'n> {
    /// The registries, in the order of the file.
    pub registries: &'n [Entry],
    /// Where to report that there are none.
    pub at: Position,
    pub tags: Option<Tags>,
    pub defaults: Option<&'n Node>,
    pub max_deletions: Option<u32>,
    /// Whether the file is the flat form, where every key is a registry.
    pub flat: bool,
}

/// Takes the document apart.
pub(crate) fn read<'n>(root: &'n Rc<Node>, notes: &mut Notes) -> Option<Parts<'n>> {
    let Some(entries) = root.map() else {
        notes.error(
            Code::NO_MAP_OF_REGISTRIES,
            root.at,
            format!(
                "the file is a map of registries, but {} stands here; write `dockerhub:` and under it `registry: registry-1.docker.io`",
                root.kind()
            ),
        );
        return None;
    };
    if let Some((code, fault)) = encryption(entries) {
        notes.error(code, root.at, fault);
        return None;
    }
    let wrapper = entries
        .iter()
        .find(|entry| entry.name() == REGISTRIES)
        .filter(|entry| !is_registry(&entry.value));
    match wrapper {
        Some(wrapper) => wrapped(entries, wrapper, notes),
        None => flat(entries, root.at, notes),
    }
}

/// A value with a `registry` that is no list and no map is a registry, whatever its name.
fn is_registry(node: &Node) -> bool {
    node.get("registry")
        .is_some_and(|entry| entry.value.scalar().is_some() && !entry.value.is_null())
}

/// SOPS adds a map `sops` and turns each value into `ENC[...]`. What is opened by now has neither.
fn encryption(entries: &[Entry]) -> Option<(Code, &'static str)> {
    if entries
        .iter()
        .any(|entry| entry.name() == "sops" && sops::is_metadata(&entry.value))
    {
        return Some((
            Code::NOT_DECRYPTED,
            "the file is encrypted with SOPS, and was not decrypted; the function does that with KMS, `ptc check`, `ptc plan` and `ptc apply` with age or KMS",
        ));
    }
    let value = |entry: &Entry| {
        entry
            .value
            .scalar()
            .is_some_and(|scalar| sops::looks_encrypted(&scalar.text))
    };
    let inner = || entries.iter().filter_map(|entry| entry.value.map()).flatten();
    let innermost = || inner().filter_map(|entry| entry.value.map()).flatten();
    (entries.iter().any(value) || inner().any(value) || innermost().any(value)).then_some((
        Code::SOPS_MAP_MISSING,
        "values of the file are encrypted with SOPS, but its map `sops`, with `mac` and `lastmodified`, is missing; restore the encrypted original",
    ))
}

fn flat<'n>(entries: &'n [Entry], at: Position, notes: &mut Notes) -> Option<Parts<'n>> {
    // `Registries:` or `registrys:` above everything: one error for it, not one for each registry under it.
    let misspelt = entries.iter().find(|entry| {
        nearest(entry.name(), &[REGISTRIES]).is_some()
            && !is_registry(&entry.value)
            && entry
                .value
                .map()
                .is_some_and(|inner| !inner.is_empty() && inner.iter().all(|entry| entry.value.map().is_some()))
    });
    if let Some(entry) = misspelt {
        let hint = did_you_mean(entry.name(), &[REGISTRIES]).unwrap_or_default();
        notes.error(
            Code::UNKNOWN_KEY,
            entry.key.at,
            format!("{} has registries under it; {hint}", shown(entry.name())),
        );
        return None;
    }
    Some(Parts {
        registries: entries,
        at,
        tags: None,
        defaults: None,
        max_deletions: None,
        flat: true,
    })
}

fn wrapped<'n>(entries: &'n [Entry], wrapper: &'n Entry, notes: &mut Notes) -> Option<Parts<'n>> {
    let mut parts = Parts {
        registries: &[],
        at: wrapper.key.at,
        tags: None,
        defaults: None,
        max_deletions: None,
        flat: false,
    };
    for entry in entries {
        let null = entry.value.is_null();
        match FileKey::named(entry.name()) {
            Some(FileKey::Registries) => match entry.value.map() {
                Some(registries) => parts.registries = registries,
                None if null => {}
                None => notes.error(
                    Code::NO_MAP_OF_REGISTRIES,
                    entry.value.at,
                    format!("`registries` is a map from names to registries, but {} stands here; write `dockerhub:` and under it `registry: registry-1.docker.io`", entry.value.kind()),
                ),
            },
            Some(_) if null => {}
            Some(FileKey::Tags) => parts.tags = tags::read(entry, notes),
            Some(FileKey::Defaults) => parts.defaults = Some(&entry.value),
            Some(key @ FileKey::MaxDeletions) => {
                parts.max_deletions = fields::number(key.as_str(), 0, &entry.value, notes);
            }
            None if entry.name().starts_with("x-") => {}
            None => unknown_key(entry, notes),
        }
    }
    // A `registries` that is no map is reported already; an empty one is for the caller to report.
    (wrapper.value.map().is_some() || wrapper.value.is_null()).then_some(parts)
}

fn unknown_key(entry: &Entry, notes: &mut Notes) {
    let name = entry.name();
    let key = name.split(':').next().unwrap_or_default();
    let hint = if is_registry(&entry.value) {
        "it looks like a registry: move it under `registries:`".to_owned()
    } else if let Some(hint) = did_you_mean(key, FILE_KEYS) {
        hint
    } else if crate::keys::file::FIELDS.contains(&key) {
        "it is a field of a registry: move it there, or under `defaults:`".to_owned()
    } else {
        "beside `registries` there are `tags`, `defaults`, `max_deletions`, and whatever begins with `x-`".to_owned()
    };
    notes.error(
        Code::UNKNOWN_KEY,
        entry.key.at,
        format!("unknown key {}; {hint}", shown(key)),
    );
}
