//! SOPS: a file whose values are encrypted is opened in memory, and nowhere else.
//!
//! The format (<https://github.com/getsops/sops>): keys stay readable, each value is encrypted with one data key, and a
//! map `sops` beside them holds that data key, encrypted for each recipient, and a MAC over all values. The way through:
//!
//! 1. `metadata` reads the map `sops`: for whom, by which rule, with which MAC.
//! 2. The caller gets the [`DataKey`]: it asks KMS for what a [`KmsRecipient`] says, or decrypts with an age identity.
//! 3. `open` replaces every value of the tree by what was encrypted (`value`), if `rules` say that it is, and holds all
//!    of them against the MAC (`mac`). Places stay what they were, so that an error in a decrypted value points into the
//!    encrypted file.
//!
//! Why this is our own: the format is a page of rules over AES-GCM and SHA-512, which kept crates do. The one crate for
//! the whole of it, `rops`, decrypts a map into a new one: it knows no places, takes KMS from a second copy of the AWS
//! SDK with its default TLS, and accepts what the rules say is wrong.

mod key;
mod kms;
mod mac;
mod metadata;
mod open;
mod rules;
mod value;

pub use key::DataKey;
pub use kms::KmsRecipient;
pub use metadata::{AgeRecipient, Metadata};

pub(crate) use metadata::{is_metadata, read};
pub(crate) use open::open;
pub(crate) use value::looks_encrypted;
