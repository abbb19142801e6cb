//! The parts of `ptc` that do not need a terminal: [`kit`] makes what the pulling side needs from a file, [`export`] makes a file
//! from an account, [`init`] makes the first one, and [`age`] reads the identities that decrypt a file.

pub mod age;
pub mod export;
pub mod init;
pub mod kit;
