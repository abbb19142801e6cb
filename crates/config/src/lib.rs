//! The file: bytes of `registries.yaml` become checked [`Registry`]s, or every error at once.
//!
//! The way through, one module a step:
//!
//! 1. `yaml` reads the bytes into a `node` tree that knows where each value stands. Everything hostile ends here:
//!    size, encoding, depth, aliases, duplicate keys.
//! 2. `form` tells the flat form (the Terraform module's) from the wrapped one and finds the registries.
//! 3. `raw` reads the fields of one registry, or of `defaults`, each by itself: types and single values.
//! 4. `resolve` puts a registry and the defaults together and checks what only the whole shows, such as whether
//!    that host takes a credential.
//! 5. `across` checks what only all the registries together show: duplicate names, who writes which secret.
//!
//! `keys` and `lifecycle_keys` are the tables of what may stand in the file, and the only place that describes it. From
//! them come the names the readers match on, the JSON Schema (`schema`) and the reference (`reference`).
//!
//! A file that is encrypted with SOPS ([`sealed`]) is opened between the first two ([`read_sealed`]).
//!
//! No step stops at the first mistake: each notes [`Problem`]s and goes on with what it could read.

mod across;
mod aliases;
pub mod arn;
mod credential;
mod credential_source;
mod describe;
mod encryption;
mod excerpt;
mod existing;
mod fields;
mod form;
mod hidden;
mod keys;
mod lifecycle;
mod lifecycle_check;
mod lifecycle_keys;
mod lifecycle_read;
mod mutability;
mod node;
mod prefix;
mod principal;
mod problem;
mod raw;
mod reference;
mod registry;
mod resolve;
mod schema;
mod sights;
pub mod sops;
mod source;
mod suggest;
mod syntax;
mod tags;
mod tokens;
mod upstream;
mod yaml;

use std::collections::BTreeMap;
use std::rc::Rc;

use node::{Node, Position};
use problem::Notes;
use resolve::Above;
use yaml::Parsed;

use sops::{DataKey, Metadata};

pub use credential::Credential;
pub use credential_source::CredentialSource;
pub use encryption::{Encryption, EncryptionKind};
pub use excerpt::Excerpts;
pub use existing::is_repository_pattern;
pub use existing::{ExistingRepositories, Setting};
pub use lifecycle::{
    Action, ActionType, CountType, CountUnit, LifecyclePolicy, Rule, Selection, StorageClass, TagStatus,
};
pub use mutability::Mutability;
pub use prefix::{ROOT, is_repository_name};
pub use problem::{Problem, Rejected, is_invisible};
pub use reference::{reference, summary};
pub use registry::Registry;
pub use schema::schema;
pub use tokens::looks_like_a_token;
pub use upstream::{CredentialNeed, Upstream, UpstreamKind, canonical_host, is_host};

/// The largest file that is read: 1 MiB.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The only prefix of secret names that ECR's service-linked role may read.
pub const SECRET_PREFIX: &str = "ecr-pullthroughcache/";

/// The key of the map that SOPS adds to a file it encrypts.
const SOPS: &str = "sops";

/// The quota of pull-through cache rules in a registry and Region, which AWS does not raise
/// ("Amazon ECR service quotas").
pub const MAX_REGISTRIES: usize = 50;

/// What the checks need to know of the account the file is for. Where it is not known, as on somebody's desk, the checks
/// that need it are left out.
#[derive(Debug, Clone)]
pub struct Context {
    /// The account's 12 digits.
    pub account: Option<String>,
    /// The Region the Lambda works in.
    pub region: Option<String>,
    /// The partition, such as `aws`.
    pub partition: String,
    /// Whether TEMPLATE_ROLE_ARN is set. Without it, neither tags nor KMS can be used: ECR would fail each first
    /// pull ("Repository creation templates", aws/containers-roadmap#2398).
    pub template_role: bool,
    /// RESOURCE_TAGS, the tags that every resource gets.
    pub resource_tags: BTreeMap<String, String>,
}

impl Context {
    /// Whether this may be the account.
    fn is_account(&self, account: &str) -> bool {
        self.account
            .as_deref()
            .map_or_else(|| arn::is_account(account), |own| own == account)
    }

    /// Whether this may be the Region.
    fn is_region(&self, region: &str) -> bool {
        self.region
            .as_deref()
            .map_or_else(|| arn::is_region(region), |own| own == region)
    }

    /// The account, for an example in a message.
    fn account_shown(&self) -> &str {
        self.account.as_deref().unwrap_or("<account>")
    }

    /// The Region, for an example in a message.
    fn region_shown(&self) -> &str {
        self.region.as_deref().unwrap_or("<region>")
    }
}

/// A file that was accepted.
#[derive(Debug)]
pub struct File {
    /// The registries, in the order of the file.
    pub registries: Vec<Registry>,
    /// How many registries a run may delete, where the file says so.
    pub max_deletions: Option<u32>,
    /// What is legal but surprising.
    pub warnings: Vec<Problem>,
}

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
    let Parsed::Root(root) = yaml::parse(text, &mut notes) else {
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
        Some((registries, max_deletions)) if errors.is_empty() => Ok(File {
            registries,
            max_deletions,
            warnings,
        }),
        _ => Err(Rejected { errors, warnings }),
    }
}

fn root(bytes: &[u8], notes: &mut Notes) -> Option<Rc<Node>> {
    let text = source::text(bytes, notes)?;
    match yaml::parse(text, notes) {
        Parsed::Root(root) => Some(root),
        Parsed::Empty => {
            if notes.is_clean() {
                let start = Position { line: 1, column: 1 };
                notes.error(start, "the file is empty; an empty file is refused, so that a slip deletes nothing: write at least one registry");
            }
            None
        }
        Parsed::Broken => None,
    }
}

fn content(root: &Rc<Node>, context: &Context, notes: &mut Notes) -> Option<(Vec<Registry>, Option<u32>)> {
    let parts = form::read(root, context, notes)?;
    let above = Above {
        context,
        defaults: &parts.defaults,
        tags: parts.tags.as_ref(),
        flat: parts.flat,
    };
    resolve::check_above(&above, notes);
    across::check_region(context, notes);
    across::check_names(parts.registries, parts.at, notes);
    let mut resolved = Vec::new();
    for entry in parts.registries {
        notes.registry = Some(entry.name().to_owned());
        resolved.extend(resolve::registry(entry, &above, notes));
    }
    notes.registry = None;
    across::check_secrets(&resolved, notes);
    let registries = resolved.into_iter().map(|resolved| resolved.registry).collect();
    Some((registries, parts.max_deletions))
}
