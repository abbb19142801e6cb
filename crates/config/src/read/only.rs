//! Reads `only`: for which stacks a registry is. It is read before all else, since it decides what else is checked.

use std::collections::BTreeSet;

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, shown};
use crate::diagnostics::suggest::did_you_mean;
use crate::keys::file::{OnlyKey, RegistryKey};
use crate::model::arn::{Arn, is_account, is_region};
use crate::model::context::Context;
use crate::model::only::{Only, Place, REGIONS};
use crate::read::fields::{self, Shape};
use crate::yaml::node::{Entry, Node};

const NAME: &str = RegistryKey::Only.as_str();

/// The word for every stack.
pub(crate) const ALL: &str = "all";

/// An `only` that has mistakes, which are told.
#[derive(Clone, Copy)]
struct Wrong;

/// Where each registry is, in the order of the file. Its own `only` replaces that of `defaults` whole.
pub(crate) fn places(
    registries: &[Entry],
    defaults: Option<&Node>,
    context: &Context,
    notes: &mut Notes,
) -> Vec<Place> {
    let default = defaults.map_or(Ok(None), |node| read(node, notes));
    let mut places = Vec::with_capacity(registries.len());
    for entry in registries {
        notes.registry = Some(entry.name().to_owned());
        let only = match read(&entry.value, notes) {
            Ok(None) => default.clone(),
            own => own,
        };
        places.push(match only {
            Ok(only) => only.unwrap_or_default().place(context),
            // Nobody knows where it is meant to be.
            Err(Wrong) => Place::Unknown,
        });
    }
    notes.registry = None;
    places
}

/// The `only` of a registry, or of `defaults`, where there is one.
fn read(fields: &Node, notes: &mut Notes) -> Result<Option<Only>, Wrong> {
    let Some(entry) = fields.get(NAME).filter(|entry| !entry.value.is_null()) else {
        return Ok(None);
    };
    let node = &entry.value;
    if node.scalar().is_some_and(|scalar| scalar.text.as_str() == ALL) {
        return Ok(Some(Only::default()));
    }
    if node.map().is_none() {
        let form = format!("`{NAME}` is `{ALL}` or a map with `accounts`, `regions` or both");
        notes.error(
            Code::WRONG_TYPE,
            node.at,
            format!("{form}, but {} stands here", node.kind()),
        );
        return Err(Wrong);
    }
    let shape = Shape {
        what: "`only`",
        missing_at: None,
    };
    let before = notes.error_count();
    let keys = fields::map::<OnlyKey>(node, &shape, notes).unwrap_or_default();
    if keys.is_empty() && notes.error_count() == before {
        let fault = format!("`{NAME}` names neither `accounts` nor `regions`; write one or both, or `{NAME}: {ALL}`");
        notes.error(Code::ONLY_OF_NONE, node.at, fault);
    }
    let mut only = Only::default();
    for (key, entry) in keys {
        match key {
            OnlyKey::Accounts => only.accounts = names(key, entry, notes),
            OnlyKey::Regions => only.regions = names(key, entry, notes),
        }
    }
    if notes.error_count() == before {
        Ok(Some(only))
    } else {
        Err(Wrong)
    }
}

/// A list of account ids or of Regions.
fn names(key: OnlyKey, entry: &Entry, notes: &mut Notes) -> BTreeSet<String> {
    let name = key.as_str();
    if entry.value.list().is_some_and(<[_]>::is_empty) {
        let fault = format!("`{name}` is empty, so the registry would be for no stack; name some, or remove `{name}`");
        notes.error(Code::ONLY_OF_NONE, entry.value.at, fault);
    }
    let items = fields::texts(name, &entry.value, notes).unwrap_or_default();
    for (text, at) in &items {
        match key {
            OnlyKey::Accounts if !is_account(text) => notes.error(Code::BAD_ACCOUNT, *at, account_fault(text)),
            OnlyKey::Regions if !REGIONS.contains(&text.as_str()) => {
                let near = if notes.is_flooded() {
                    None
                } else {
                    did_you_mean(text, REGIONS)
                };
                if is_region(text) {
                    // AWS may have opened it since.
                    let hint = near.map(|near| format!("; {near}")).unwrap_or_default();
                    let message = format!("this release knows no Region {}{hint}", shown(text));
                    notes.warn(Code::UNKNOWN_REGION, *at, message);
                } else {
                    notes.error(Code::BAD_REGION, *at, region_fault(text, near));
                }
            }
            _ => {}
        }
    }
    items.into_iter().map(|(text, _)| text).collect()
}

/// What is wrong with an account id.
fn account_fault(text: &str) -> String {
    let bare = text.replace('-', "");
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hint = if text == "*" {
        "for every account leave `accounts` out".to_owned()
    } else if is_number && text.len() < 12 {
        // Which it was cannot be told: where zeros are lost, digits may have been read as octal ones.
        "if a program took it for a number, write all digits as AWS shows them, in quotes".to_owned()
    } else if is_account(&bare) {
        format!("write {}, without hyphens", shown(&format!("\"{bare}\"")))
    } else if let Some(arn) = Arn::parse(text).filter(|arn| is_account(arn.account)) {
        // Of the rest of it nobody knows what it is.
        let account = shown(&format!("\"{}\"", arn.account));
        return format!("an ARN is no account id, which has 12 digits; write {account} alone");
    } else {
        "write those alone, in quotes".to_owned()
    };
    format!("{} is no account id, which has 12 digits; {hint}", shown(text))
}

/// What is wrong with the name of a Region.
fn region_fault(text: &str, near: Option<String>) -> String {
    let zone = text
        .strip_suffix(|c: char| c.is_ascii_lowercase())
        .filter(|region| is_region(region));
    let hint = match (zone, near) {
        _ if text == "*" => "for every Region leave `regions` out".to_owned(),
        _ if text.contains(['*', '?']) => "name each Region, since wildcards are not taken".to_owned(),
        (Some(region), _) => format!("it is a zone of {}: write that", shown(region)),
        (None, Some(near)) => near,
        (None, None) => "write one such as `eu-west-1`".to_owned(),
    };
    format!("{} is no Region; {hint}", shown(text))
}
