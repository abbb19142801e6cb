//! What ECR and this product allow of tags.

/// A resource has at most 50 tags; one is ours, on secrets: the mark of the owner.
pub(crate) const MOST: usize = 49;

pub(crate) const MOST_KEY: usize = 128;
pub(crate) const MOST_VALUE: usize = 256;

/// The tags that mark what is ours.
pub(crate) const OUR_PREFIX: &str = "ecr-pull-through-sync:";
