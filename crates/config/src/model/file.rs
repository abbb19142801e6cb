//! A file that was accepted.

use std::collections::BTreeSet;

use super::registry::Registry;
use crate::diagnostics::problem::Problem;

/// The quota of pull-through cache rules in a registry and Region, which AWS does not raise
/// ("Amazon ECR service quotas").
pub const MAX_REGISTRIES: usize = 50;

#[derive(Debug, Default)]
pub struct File {
    /// The registries for this stack, in the order of the file.
    pub registries: Vec<Registry>,
    /// The names of those among them that may be for other stacks: account or Region would tell, and are not known.
    pub unplaced: BTreeSet<String>,
    /// The names of those that are for other stacks (`only`).
    pub elsewhere: BTreeSet<String>,
    /// How many registries a run may delete, where the file says so.
    pub max_deletions: Option<u32>,
    /// What is legal but surprising.
    pub warnings: Vec<Problem>,
}
