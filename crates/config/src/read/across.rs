//! What only all registries together show.

use std::collections::HashMap;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::model::context::Context;
use crate::model::credential::{CredentialSource, SECRET_PREFIX, name_of_secret};
use crate::model::file::MAX_REGISTRIES;
use crate::model::image::MOST_IMAGES;
use crate::model::prefix::ROOT;
use crate::read::resolve::Resolved;
use crate::yaml::node::Entry;

/// The Regions without pull-through cache rules ("Considerations for using pull through cache rules").
const REGIONS_WITHOUT: &[&str] = &["cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"];

/// Whether ECR has no pull-through cache in a Region.
#[must_use]
pub fn has_no_pull_through_cache(region: &str) -> bool {
    REGIONS_WITHOUT.contains(&region)
}

/// Checks that there are some, and that no two have one name. Equal names as such are duplicate keys, which were
/// refused before; here are those that ECR would take for equal.
pub(crate) fn check_names(registries: &[Entry], at: Position, notes: &mut Notes) {
    if registries.is_empty() {
        notes.error(Code::NO_REGISTRY, at, "the file has no registry; a file without any is refused, so that a slip deletes nothing: write at least one");
    }
    let mut first: HashMap<String, &Entry> = HashMap::new();
    for entry in registries {
        let name = entry.name().trim_end_matches('/').to_lowercase();
        if let Some(other) = first.get(&name) {
            let Position { line, column } = other.key.at;
            notes.registry = Some(entry.name().to_owned());
            notes.error(
                Code::NAME_TWICE,
                entry.key.at,
                format!(
                    "the name {} is the same as {} (line {line}, column {column}); keep one of the two",
                    shown(entry.name()),
                    shown(other.name())
                ),
            );
            notes.registry = None;
        } else {
            first.insert(name, entry);
        }
    }
}

/// Checks how many are for one stack.
pub(crate) fn check_count(here: &[&Entry], notes: &mut Notes) {
    if let Some(entry) = here.get(MAX_REGISTRIES) {
        notes.error(
            Code::TOO_MANY_REGISTRIES,
            entry.key.at,
            format!("this is registry {} of {}; ECR allows {MAX_REGISTRIES} pull-through cache rules in a Region, and does not raise that", MAX_REGISTRIES + 1, here.len()),
        );
    }
}

/// Checks that no registry references or copies from a secret that this file writes.
pub(crate) fn check_secrets(registries: &[&Resolved], notes: &mut Notes) {
    for resolved in registries {
        let (code, name) = match &resolved.registry.credential {
            CredentialSource::Secret(secret) => (Code::SECRET_OF_THIS_FILE, name_of_secret(secret)),
            CredentialSource::From(from) => (Code::SOURCE_OF_THIS_FILE, from.name()),
            CredentialSource::None | CredentialSource::Given(_) => continue,
        };
        let (Some(owner), Some(at)) = (name.strip_prefix(SECRET_PREFIX), resolved.secret_at) else {
            continue;
        };
        // The own secret of a registry whose host has changed has the new host behind an `@`.
        let (owner, host) = owner
            .split_once('@')
            .map_or((owner, None), |(owner, host)| (owner, Some(host)));
        let mut others = registries.iter().map(|other| &other.registry);
        if others.any(|other| {
            other.name == owner && other.credential.is_own() && host.is_none_or(|host| other.upstream.host == host)
        }) {
            let owner = shown(owner);
            let fault = match code {
                Code::SOURCE_OF_THIS_FILE => format!(
                    "`secret_from` names the secret that this file writes for the registry {owner}; name the secret that the credential comes from"
                ),
                _ => format!(
                    "`secret` names the secret that this file writes for the registry {owner}, and what is referenced is never written; give both registries the `secret`, or both the credential"
                ),
            };
            notes.registry = Some(resolved.registry.name.clone());
            notes.error(code, at, fault);
            notes.registry = None;
        }
    }
}

/// Checks that each image to be warm is served by its own registry, and how many there are.
pub(crate) fn check_warm(registries: &[&Resolved], notes: &mut Notes) {
    let names: Vec<&str> = registries
        .iter()
        .map(|resolved| resolved.registry.name.as_str())
        .collect();
    let mut many = 0;
    for Resolved { registry, warm_at, .. } in registries.iter().copied() {
        let own = if registry.name == ROOT { 0 } else { registry.name.len() };
        notes.registry = Some(registry.name.clone());
        for image in &registry.warm {
            let repository = image.repository(&registry.name);
            let is_longer = |name: &&&str| {
                name.len() > own
                    && **name != ROOT
                    && repository
                        .strip_prefix(**name)
                        .is_some_and(|rest| rest.starts_with('/'))
            };
            if let (Some(other), Some(at)) = (names.iter().filter(is_longer).max_by_key(|name| name.len()), *warm_at) {
                let (image, other) = (shown(&image.to_string()), shown(other));
                notes.error(Code::IMAGE_OF_OTHER_REGISTRY, at, format!("{image} is served by the registry {other}, whose prefix is longer; move it there, under its path below that prefix"));
            }
        }
        let before = many;
        many += registry.warm.len();
        if let (true, true, Some(at)) = (before <= MOST_IMAGES, many > MOST_IMAGES, *warm_at) {
            notes.error(Code::TOO_MANY_IMAGES, at, format!("with these there are {many} images to be warm; a stack takes {MOST_IMAGES}, those of all its registries together"));
        }
        notes.registry = None;
    }
}

/// Warns where ECR has no pull-through cache.
pub(crate) fn check_region(context: &Context, notes: &mut Notes) {
    let Context { region, partition, .. } = context;
    if region.as_deref().is_some_and(has_no_pull_through_cache) || partition != "aws" {
        let region = context.region_shown();
        notes.warn(
            Code::REGION_WITHOUT_CACHE,
            None,
            format!("AWS documents no pull-through cache for the Region {region} (partition {partition}); expect ECR to refuse the rules"),
        );
    }
}
