//! The tables of the keys that may stand in the file.

pub(crate) mod describe;
pub(crate) mod file;
pub(crate) mod lifecycle;
