//! Which values of a file are encrypted: one rule over the keys on the way to a value.

use regex_lite::{Regex, RegexBuilder};

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::Notes;
use crate::yaml::node::Node;

/// SOPS's own rule, where a file has none.
const USUAL_SUFFIX: &str = "_unencrypted";

/// Longer than any rule that a person writes.
const MOST_REGEX: usize = 1000;

/// How large a compiled expression may be, in bytes: it is tried on every key, and nothing vouches for it.
const MOST_COMPILED: usize = 1 << 14;

/// The longest key that is tried.
pub(super) const MOST_KEY: usize = 256;

/// The rule of a file. A key on the way decides, so that a rule on a map holds for all that is in it.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// All but what is under a key that ends so.
    UnencryptedSuffix(String),
    /// Only what is under a key that ends so.
    EncryptedSuffix(String),
    /// All but what is under a key that matches.
    UnencryptedRegex(Regex),
    /// Only what is under a key that matches.
    EncryptedRegex(Regex),
}

impl Rule {
    /// Reads the rule of the map `sops`, after a note of what is wrong with it.
    pub fn read(metadata: &Node, at: Position, notes: &mut Notes) -> Option<Self> {
        const RULES: [&str; 4] = [
            "unencrypted_suffix",
            "encrypted_suffix",
            "unencrypted_regex",
            "encrypted_regex",
        ];
        // Comments are no part of the tree that the file is read into.
        for name in ["unencrypted_comment_regex", "encrypted_comment_regex"] {
            if metadata.get(name).is_some_and(|entry| !entry.value.is_null()) {
                notes.error(Code::SOPS_UNSUPPORTED, at, format!("`{name}` lets comments decide what is encrypted, which is not supported; encrypt the file by another rule (`sops encrypt --encrypted-regex`)"));
                return None;
            }
        }
        let mut given = RULES.iter().filter_map(|name| {
            let scalar = metadata.get(name)?.value.scalar()?;
            (!scalar.is_null() && !scalar.text.is_empty()).then_some((*name, scalar.text.as_str()))
        });
        let Some((name, text)) = given.next() else {
            return Some(Self::UnencryptedSuffix(USUAL_SUFFIX.to_owned()));
        };
        if let Some((other, _)) = given.next() {
            notes.error(
                Code::BAD_SOPS_MAP,
                at,
                format!("the file has both `{name}` and `{other}`, of which SOPS allows one"),
            );
            return None;
        }
        match name {
            "unencrypted_suffix" => return Some(Self::UnencryptedSuffix(text.to_owned())),
            "encrypted_suffix" => return Some(Self::EncryptedSuffix(text.to_owned())),
            _ => {}
        }
        let regex = RegexBuilder::new(text)
            .size_limit(MOST_COMPILED)
            .build()
            .ok()
            .filter(|_| text.len() <= MOST_REGEX);
        let Some(regex) = regex else {
            notes.error(Code::SOPS_UNSUPPORTED, at, format!("`{name}` is no regular expression that is understood here; use a simpler one, without classes such as `\\p{{...}}`"));
            return None;
        };
        Some(if name == "encrypted_regex" {
            Self::EncryptedRegex(regex)
        } else {
            Self::UnencryptedRegex(regex)
        })
    }

    /// Whether it speaks of a key.
    pub fn is_of(&self, key: &str) -> bool {
        match self {
            Self::UnencryptedSuffix(suffix) | Self::EncryptedSuffix(suffix) => key.ends_with(suffix),
            Self::UnencryptedRegex(regex) | Self::EncryptedRegex(regex) => regex.is_match(key),
        }
    }

    /// Whether a value is encrypted, given whether the rule is of any key on the way to it.
    pub fn is_encrypted(&self, is_of_any: bool) -> bool {
        match self {
            Self::UnencryptedSuffix(_) | Self::UnencryptedRegex(_) => !is_of_any,
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) => is_of_any,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::UnencryptedSuffix(_) => "unencrypted_suffix",
            Self::EncryptedSuffix(_) => "encrypted_suffix",
            Self::UnencryptedRegex(_) => "unencrypted_regex",
            Self::EncryptedRegex(_) => "encrypted_regex",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_on_the_way_decides() {
        let regex = |text| Regex::new(text).unwrap();
        for (rule, path, encrypted) in [
            (Rule::UnencryptedSuffix("_unencrypted".into()), "hub accessToken", true),
            (
                Rule::UnencryptedSuffix("_unencrypted".into()),
                "hub note_unencrypted",
                false,
            ),
            (
                Rule::UnencryptedSuffix("_unencrypted".into()),
                "hub_unencrypted accessToken",
                false,
            ),
            (Rule::EncryptedSuffix("Token".into()), "hub accessToken", true),
            (Rule::EncryptedSuffix("Token".into()), "hub registry", false),
            (
                Rule::EncryptedRegex(regex("^(username|accessToken)$")),
                "hub username",
                true,
            ),
            (
                Rule::EncryptedRegex(regex("^(username|accessToken)$")),
                "hub registry",
                false,
            ),
            (Rule::EncryptedRegex(regex("oken")), "hub accessToken x", true),
            (Rule::UnencryptedRegex(regex("^registry$")), "hub registry", false),
            (Rule::UnencryptedRegex(regex("^registry$")), "hub username", true),
        ] {
            let any = path.split(' ').any(|key| rule.is_of(key));
            assert_eq!(rule.is_encrypted(any), encrypted, "{rule:?} {path:?}");
        }
    }
}
