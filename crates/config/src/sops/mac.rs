//! The MAC of a file: SHA-512 over its values, in their order.
//!
//! Of keys, comments, nulls and metadata nothing is in it. Each value goes in as text without a mark between two: an
//! encrypted value as what was encrypted, a plain one as Go's `strconv` writes it, since the original SOPS is in Go.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha512};

use super::value::{Kind, Plain};
use crate::yaml::node::Scalar;

/// With `mac_only_encrypted` the digest begins with this, SHA-256 of `sops`, so that a MAC of the one kind is never one
/// of the other.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// A MAC under way.
pub(super) struct Mac {
    digest: Sha512,
    only_encrypted: bool,
}

impl Mac {
    pub fn new(only_encrypted: bool) -> Self {
        let mut digest = Sha512::new();
        if only_encrypted {
            digest.update(ONLY_ENCRYPTED);
        }
        Self { digest, only_encrypted }
    }

    /// Adds what was encrypted.
    pub fn add_decrypted(&mut self, plain: &Plain) {
        match plain.kind {
            Kind::Boolean => self.digest.update(boolean(plain.text.eq_ignore_ascii_case("true"))),
            // Written by SOPS in just this form.
            _ => self.digest.update(plain.text.as_bytes()),
        }
    }

    /// Adds a value that is not encrypted.
    pub fn add_plain(&mut self, scalar: &Scalar) {
        if !self.only_encrypted && !scalar.is_null() {
            self.digest.update(canonical(scalar));
        }
    }

    /// In the form in which SOPS keeps it: hexadecimal, in capitals.
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(128);
        for byte in self.digest.finalize() {
            // Writing into a String cannot fail.
            _ = write!(text, "{byte:02X}");
        }
        text
    }
}

fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A scalar by its type in YAML's core schema, as the original writes it into the MAC.
fn canonical(scalar: &Scalar) -> String {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return text.to_owned();
    }
    if matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") {
        return boolean(text.eq_ignore_ascii_case("true")).to_owned();
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    // A zero in front makes an octal number too: so Go reads it, whatever YAML 1.2 says.
    let radix = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8)]
        .into_iter()
        .find_map(|(mark, radix)| {
            let number = i64::from_str_radix(unsigned.strip_prefix(mark)?, radix).ok()?;
            Some(if text.starts_with('-') { -number } else { number })
        });
    if let Some(number) = radix.or_else(|| text.parse::<i64>().ok()) {
        return number.to_string();
    }
    // Rust also reads `inf` and `nan`, which are words in YAML.
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(number) if is_number => number.to_string(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_written_as_go_writes_them() {
        for (written, canonical_form) in [
            ("abc", "abc"),
            ("true", "True"),
            ("False", "False"),
            ("yes", "yes"),
            ("12", "12"),
            ("+12", "12"),
            ("-7", "-7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("017", "15"),
            ("018", "18"),
            ("0", "0"),
            ("1.50", "1.5"),
            ("1e21", "1000000000000000000000"),
            ("1.0", "1"),
            (".5", "0.5"),
            ("inf", "inf"),
            ("nan", "nan"),
            ("1.2.3", "1.2.3"),
        ] {
            let scalar = |plain| Scalar {
                text: written.to_owned().into(),
                plain,
            };
            assert_eq!(canonical(&scalar(true)), canonical_form, "{written}");
            assert_eq!(canonical(&scalar(false)), written, "{written} in quotes");
        }
    }
}
