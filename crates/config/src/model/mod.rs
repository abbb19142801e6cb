//! What an accepted file is made of.

pub mod arn;
pub mod context;
pub mod credential;
pub mod encryption;
pub mod existing;
pub mod expiry;
pub mod file;
pub mod image;
pub mod lifecycle;
pub mod mutability;
pub(crate) mod only;
pub mod prefix;
pub mod registry;
pub mod tags;
pub mod upstream;
