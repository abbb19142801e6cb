//! A file per command. `Args` are its arguments; `run` calls the library and prints, and gives the exit status.

pub mod apply;
pub mod check;
pub mod doctor;
pub mod export;
pub mod kit;
pub mod plan;
pub mod schema;
pub mod status;
