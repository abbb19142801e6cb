//! The file: bytes of `registries.yaml` become checked [`Registry`]s, or every error at once.
//!
//! The layers, each of which imports only from those before it:
//!
//! 1. `diagnostics`: problems, how texts of the file are shown in them, and what is hidden.
//! 2. `yaml`: the bytes become a tree that knows where each value stands. Everything hostile ends here: size, encoding, depth,
//!    aliases, duplicate keys. It knows nothing of registries.
//! 3. `model`: what an accepted file is made of, with the limits that AWS sets.
//! 4. `keys`: the tables of what may stand in the file, and the only place that describes it.
//! 5. `sops`: a file that is encrypted with SOPS ([`sealed`]) is opened between parsing and reading ([`read_sealed`]).
//! 6. `read`: `form` tells the flat form from the wrapped one, `only` which registries are for this stack, `raw` reads the fields of one registry, `resolve` puts a registry and the
//!    defaults together, `across` checks what only all registries together show.
//! 7. `schema`: the JSON Schema and the reference, made from the tables of keys.
//!
//! No step stops at the first mistake: each notes [`Problem`]s and goes on with what it could read.

mod diagnostics;
mod keys;
mod model;
mod read;
mod schema;
pub mod sops;
mod yaml;

use std::collections::BTreeSet;
use std::rc::Rc;

use diagnostics::place::Position;
use diagnostics::problem::Notes;
use keys::file::{HINTS, RegistryKey};
use model::only::Place;
use read::resolve::{self, Above, Resolved};
use read::{across, form, only, raw};
use sops::{DataKey, Metadata};
use yaml::node::{Entry, Node};
use yaml::parse::{self, Parsed};
use yaml::{aliases, source};

pub use diagnostics::code::{Code, NoCode};
pub use diagnostics::kinds::{Kind, Severity, kind, kind_named, kinds};
pub use diagnostics::problem::{Problem, Rejected, is_invisible};
pub use diagnostics::suggest::nearest;
pub use diagnostics::tokens::looks_like_a_token;
pub use keys::is_key;
pub use model::arn;
pub use model::context::Context;
pub use model::credential::{
    Credential, CredentialSource, SECRET_PREFIX, SecretFrom, SourceFault, SourceForm, SourceUsername, ValueFault,
};
pub use model::encryption::{Encryption, EncryptionKind};
pub use model::existing::{ExistingRepositories, Setting, is_repository_pattern};
pub use model::expiry;
pub use model::file::{File, MAX_REGISTRIES};
pub use model::image::{WarmImage, is_digest, is_tag};
pub use model::lifecycle::{
    Action, ActionType, CountType, CountUnit, LifecyclePolicy, Rule, Selection, StorageClass, TagStatus,
};
pub use model::mutability::Mutability;
pub use model::prefix::{ROOT, is_prefix, is_repository_name};
pub use model::registry::{ReadAccess, Registry};
pub use model::upstream::{
    CredentialNeed, Upstream, UpstreamKind, canonical_host, is_host, kind_of_host, listed, parse as parse_upstream,
    uncacheable,
};
pub use read::across::has_no_pull_through_cache;
pub use schema::markdown::reference;
pub use schema::problems::problems_page;
pub use schema::schema;
pub use yaml::source::MAX_BYTES;

/// The key of the map that SOPS adds to a file it encrypts.
const SOPS: &str = "sops";

/// Reads and checks a file.
///
/// # Errors
///
/// Everything that is wrong with the file, in the order of the file, each with its position and what to write instead.
pub fn read(bytes: &[u8], context: &Context) -> Result<File, Rejected> {
    reading(context, |notes| root(bytes, notes))
}

/// How a file is encrypted with SOPS; none, if it is not, or is no YAML. Cheap for a file without the word.
#[must_use]
pub fn sealed(bytes: &[u8]) -> Option<Result<Metadata, Rejected>> {
    let is_mentioned = bytes.windows(SOPS.len()).any(|word| word == SOPS.as_bytes());
    let mut notes = Notes::default();
    let text = if is_mentioned {
        source::text(bytes, &mut notes)?
    } else {
        return None;
    };
    let Parsed::Root(root) = parse::parse(text, HINTS, &mut notes) else {
        return None;
    };
    if !notes.is_clean() {
        return None;
    }
    let metadata = sops::read(sops_of(&root)?, &mut notes);
    let (errors, warnings) = notes.finish();
    Some(metadata.ok_or(Rejected { errors, warnings }))
}

/// Reads and checks a file that is encrypted with SOPS. Errors have their places in the encrypted file.
///
/// # Errors
/// As [`read`]; and if any value or the MAC is not what was encrypted, that alone.
pub fn read_sealed(bytes: &[u8], key: &DataKey, context: &Context) -> Result<File, Rejected> {
    reading(context, |notes| {
        let root = root(bytes, notes)?;
        aliases::refuse(source::text(bytes, notes)?, notes);
        let metadata = match sops_of(&root) {
            Some(node) => sops::read(node, notes)?,
            None => {
                notes.error(
                    Code::SOPS_MAP_MISSING,
                    root.at,
                    "the file has no map `sops` with a MAC: it is not encrypted with SOPS",
                );
                return None;
            }
        };
        sops::open(&root, &metadata, key, notes)
    })
}

/// The map that SOPS puts beside the registries.
fn sops_of(root: &Node) -> Option<&Node> {
    root.get(SOPS)
        .map(|entry| &*entry.value)
        .filter(|node| sops::is_metadata(node))
}

fn reading(context: &Context, root: impl FnOnce(&mut Notes) -> Option<Rc<Node>>) -> Result<File, Rejected> {
    let mut notes = Notes::default();
    let content = root(&mut notes).and_then(|root| content(&root, context, &mut notes));
    let (errors, warnings) = notes.finish();
    match content {
        Some(file) if errors.is_empty() => Ok(File { warnings, ..file }),
        _ => Err(Rejected { errors, warnings }),
    }
}

fn root(bytes: &[u8], notes: &mut Notes) -> Option<Rc<Node>> {
    let text = source::text(bytes, notes)?;
    match parse::parse(text, HINTS, notes) {
        Parsed::Root(root) => Some(root),
        Parsed::Empty => {
            if notes.is_clean() {
                let start = Position { line: 1, column: 1 };
                notes.error(Code::NO_REGISTRY, start, "the file is empty; an empty file is refused, so that a slip deletes nothing: write at least one registry");
            }
            None
        }
        Parsed::Broken => None,
    }
}

fn content(root: &Rc<Node>, context: &Context, notes: &mut Notes) -> Option<File> {
    let parts = form::read(root, notes)?;
    let places = only::places(parts.registries, parts.defaults, context, notes);
    let placed = || parts.registries.iter().zip(places.iter().copied());
    let here: Vec<&Entry> = placed()
        .filter(|(_, place)| *place == Place::Here)
        .map(|(entry, _)| entry)
        .collect();
    // What is for other stacks is held against nothing that is this one's. Nor is a default that only they take.
    let any_stack = Context::of_any_stack();
    let held_against = |is_here| if is_here { context } else { &any_stack };
    let is_taken = |key: RegistryKey| here.iter().any(|entry| !entry.has(key.as_str()));
    let defaults = parts
        .defaults
        .and_then(|node| raw::read_defaults(node, |key| held_against(is_taken(key)), notes))
        .unwrap_or_default();
    let above = Above {
        context: held_against(!here.is_empty()),
        defaults: &defaults,
        tags: parts.tags.as_ref(),
        flat: parts.flat,
    };
    resolve::check_above(&above, notes);
    if !here.is_empty() {
        across::check_region(context, notes);
    }
    across::check_names(parts.registries, parts.at, notes);
    across::check_count(&here, notes);
    let (mut resolved, mut elsewhere) = (Vec::new(), BTreeSet::new());
    for (entry, place) in placed() {
        notes.registry = Some(entry.name().to_owned());
        notes.is_elsewhere = place == Place::Elsewhere;
        let above = Above {
            context: held_against(place == Place::Here),
            ..above
        };
        let registry = resolve::registry(entry, &above, notes);
        match place {
            Place::Elsewhere => _ = elsewhere.insert(entry.name().to_owned()),
            Place::Here | Place::Unknown => resolved.extend(registry.map(|registry| (place, registry))),
        }
    }
    (notes.registry, notes.is_elsewhere) = (None, false);
    let neighbours = resolved.iter().filter(|(place, _)| *place == Place::Here);
    let neighbours: Vec<&Resolved> = neighbours.map(|(_, resolved)| resolved).collect();
    across::check_secrets(&neighbours, notes);
    across::check_warm(&neighbours, notes);
    let unplaced = resolved.iter().filter(|(place, _)| *place == Place::Unknown);
    Some(File {
        unplaced: unplaced.map(|(_, of)| of.registry.name.clone()).collect(),
        registries: resolved.into_iter().map(|(_, resolved)| resolved.registry).collect(),
        elsewhere,
        max_deletions: parts.max_deletions,
        warnings: Vec::new(),
    })
}
