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
//! No step stops at the first mistake: each notes [`Problem`]s and goes on with what it could read.

mod across;
pub(crate) mod arn;
mod credential;
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
mod source;
mod suggest;
mod syntax;
mod tags;
mod upstream;
mod yaml;

use std::collections::BTreeMap;

use node::Position;
use problem::Notes;
use resolve::Above;
use yaml::Parsed;

pub use credential::Credential;
pub use encryption::{Encryption, EncryptionKind};
pub use excerpt::Excerpts;
pub use existing::{ExistingRepositories, Setting};
pub use lifecycle::{
    Action, ActionType, CountType, CountUnit, LifecyclePolicy, Rule, Selection, StorageClass, TagStatus,
};
pub use mutability::Mutability;
pub(crate) use prefix::{ROOT, is_repository_name};
pub use problem::{Problem, Rejected};
pub use reference::{reference, summary};
pub use registry::Registry;
pub use schema::schema;
pub use upstream::{CredentialNeed, Upstream, UpstreamKind};

/// The largest file that is read: 1 MiB.
pub const MAX_BYTES: usize = 1024 * 1024;

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
        self.account.as_deref().map_or_else(|| arn::is_account(account), |own| own == account)
    }

    /// Whether this may be the Region.
    fn is_region(&self, region: &str) -> bool {
        self.region.as_deref().map_or_else(|| arn::is_region(region), |own| own == region)
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
    let mut notes = Notes::default();
    let content = content(bytes, context, &mut notes);
    let (errors, warnings) = notes.finish();
    match content {
        Some((registries, max_deletions)) if errors.is_empty() => Ok(File { registries, max_deletions, warnings }),
        _ => Err(Rejected { errors, warnings }),
    }
}

fn content(bytes: &[u8], context: &Context, notes: &mut Notes) -> Option<(Vec<Registry>, Option<u32>)> {
    let text = source::text(bytes, notes)?;
    let root = match yaml::parse(text, notes) {
        Parsed::Root(root) => root,
        Parsed::Empty => {
            if notes.is_clean() {
                let start = Position { line: 1, column: 1 };
                notes.error(start, "the file is empty; an empty file is refused, so that a slip deletes nothing: write at least one registry");
            }
            return None;
        }
        Parsed::Broken => return None,
    };
    let parts = form::read(&root, context, notes)?;
    let above = Above { context, defaults: &parts.defaults, tags: parts.tags.as_ref(), flat: parts.flat };
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
