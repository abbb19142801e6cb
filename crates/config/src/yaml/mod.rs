//! YAML: bytes become a tree whose values know where they stand.

pub(crate) mod aliases;
pub(crate) mod node;
pub(crate) mod parse;
pub(crate) mod source;
pub(crate) mod syntax;
