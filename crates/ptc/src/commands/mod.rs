//! A file per command: it reads its arguments, asks the library, and prints.

pub mod apply;
pub mod check;
pub mod export;
pub mod kit;
pub mod plan;
pub mod schema;
pub mod status;
