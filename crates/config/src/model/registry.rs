//! One registry of the file, checked.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::credential::CredentialSource;
use super::encryption::Encryption;
use super::existing::ExistingRepositories;
use super::image::WarmImage;
use super::lifecycle::LifecyclePolicy;
use super::mutability::Mutability;
use super::upstream::Upstream;

/// One registry of the file, with the defaults applied and every rule of the file checked.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The name, which is the ECR repository prefix (`ROOT`: the registry itself).
    pub name: String,
    /// Where images come from.
    pub upstream: Upstream,
    /// How to sign in there.
    pub credential: CredentialSource,
    /// When the credential lapses, as the file says.
    pub expires_at: Option<Timestamp>,
    /// The principals that may pull, as the file has them: ARNs or account ids.
    pub read_access: Vec<String>,
    /// Tag mutability of new repositories.
    pub mutability: Mutability,
    /// The lifecycle policy of new repositories. `None` is the word `none`: no policy at all.
    pub lifecycle: Option<LifecyclePolicy>,
    /// The prefix of repositories at an upstream that is another private ECR registry.
    pub upstream_repository_prefix: Option<String>,
    /// The role ECR takes to pull from another account's registry.
    pub custom_role_arn: Option<String>,
    /// Encryption of new repositories; `None` is ECR's own.
    pub encryption: Option<Encryption>,
    /// All tags: the registry's over `defaults.tags` over the file's `tags` over RESOURCE_TAGS.
    pub tags: BTreeMap<String, String>,
    /// Whether a rule that is not ours and points elsewhere may be replaced.
    pub take_over: bool,
    /// What goes to repositories that exist already; `None` is off.
    pub existing_repositories: Option<ExistingRepositories>,
    /// What is to be in the cache before anybody pulls it.
    pub warm: Vec<WarmImage>,
    /// The line of the name, from 1.
    pub line: usize,
    /// The column of the name, from 1.
    pub column: usize,
}
