//! What `ptc` makes that is no text for a terminal: [`kit`] is what the pulling side needs of a file, [`export`] goes from the
//! account to a file, and [`age`] reads the identities of whoever can open an encrypted file.

pub mod age;
pub mod export;
pub mod kit;
