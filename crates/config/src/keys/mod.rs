//! The tables of the keys that may stand in the file.

pub(crate) mod describe;
pub(crate) mod file;
pub(crate) mod lifecycle;

use describe::Key as _;

/// Whether a word is a key that the file, or a map in it, may have.
pub fn is_key(word: &str) -> bool {
    let tables: [&[&str]; 11] = [
        file::FileKey::NAMES,
        file::RegistryKey::NAMES,
        file::AccessKey::NAMES,
        file::EncryptionKey::NAMES,
        file::ExistingKey::NAMES,
        file::SourceKey::NAMES,
        file::OnlyKey::NAMES,
        lifecycle::PolicyKey::NAMES,
        lifecycle::RuleKey::NAMES,
        lifecycle::SelectionKey::NAMES,
        lifecycle::ActionKey::NAMES,
    ];
    tables.iter().any(|names| names.contains(&word))
}
