//! Problems, and what of a file may be shown in them.

pub(crate) mod code;
pub(crate) mod kinds;
pub(crate) mod place;
pub(crate) mod problem;
pub(crate) mod redactor;
pub(crate) mod suggest;
pub(crate) mod tokens;
