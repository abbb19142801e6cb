//! From the tree to checked registries.

pub(crate) mod across;
pub(crate) mod credential;
pub(crate) mod encryption;
pub(crate) mod existing;
pub(crate) mod fields;
pub(crate) mod form;
pub(crate) mod lifecycle;
pub(crate) mod lifecycle_check;
pub(crate) mod mutability;
pub(crate) mod only;
pub(crate) mod principal;
pub(crate) mod raw;
pub(crate) mod resolve;
pub(crate) mod source;
pub(crate) mod tags;
pub(crate) mod warm;
