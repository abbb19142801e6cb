//! The code of a problem: what people look up, allow and count, whatever words a message has.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kind of mistake or warning, such as `PT017`. The constants are in the tables of `kinds`; there is no other way to make
/// one here, so that no problem goes without.
///
/// A status that another release wrote may have codes that this one does not know, and an old one has none. Both are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Code(u16);

impl Code {
    pub(super) const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Whether there is none: the problem was written before there were codes.
    pub fn is_none(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return Ok(());
        }
        write!(f, "PT{:03}", self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Code {
    type Err = NoCode;

    /// `PT017`, in any letter case. Whether there is such a kind is not asked.
    fn from_str(text: &str) -> Result<Self, NoCode> {
        let digits = text
            .get(..2)
            .filter(|letters| letters.eq_ignore_ascii_case("pt"))
            .and_then(|_| text.get(2..))
            .filter(|digits| (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or(NoCode)?;
        match digits.parse() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(NoCode),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a code is `PT` and three digits, such as `PT017`")]
pub struct NoCode;

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    /// What is no code is none: a status tells more than its codes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_in_any_letter_case_and_nothing_else_is() {
        for text in ["PT017", "pt017", "Pt017"] {
            assert_eq!(text.parse::<Code>().unwrap(), Code(17), "{text}");
        }
        assert_eq!(Code(1017).to_string().parse::<Code>().unwrap(), Code(1017));
        for text in ["", "PT", "PT17", "PT000", "PT99999", "PT+17", "XX017", "PT01é", "é17"] {
            assert!(text.parse::<Code>().is_err(), "{text}");
        }
    }
}
