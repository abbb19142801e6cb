//! A file that was accepted.

use super::registry::Registry;
use crate::diagnostics::problem::Problem;

/// The quota of pull-through cache rules in a registry and Region, which AWS does not raise
/// ("Amazon ECR service quotas").
pub const MAX_REGISTRIES: usize = 50;

#[derive(Debug)]
pub struct File {
    /// The registries, in the order of the file.
    pub registries: Vec<Registry>,
    /// How many registries a run may delete, where the file says so.
    pub max_deletions: Option<u32>,
    /// What is legal but surprising.
    pub warnings: Vec<Problem>,
}
