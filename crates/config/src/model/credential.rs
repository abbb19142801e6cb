//! An upstream credential: the one value in this program that must never be seen.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use crate::diagnostics::tokens::SECRET_PREFIX;

/// User name and access token of an upstream registry. Wiped on drop; `Debug` shows neither.
#[derive(Clone)]
pub struct Credential {
    username: SecretString,
    access_token: SecretString,
}

/// The form ECR asks for: JSON with exactly these two keys (ECR user guide, "Storing your upstream registry
/// credentials in an AWS Secrets Manager secret").
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    username: Zeroizing<String>,
    #[serde(rename = "accessToken")]
    access_token: Zeroizing<String>,
}

/// The same with numbers or booleans: Terraform's `jsonencode` writes one where a YAML file had no quotes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loose {
    username: Scalar,
    #[serde(rename = "accessToken")]
    access_token: Scalar,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(Zeroizing<String>),
    Number(serde_json::Number),
    Boolean(bool),
}

impl Scalar {
    fn into_text(self) -> SecretString {
        match self {
            Self::Text(mut text) => std::mem::take(&mut *text).into(),
            Self::Number(number) => number.to_string().into(),
            Self::Boolean(boolean) => boolean.to_string().into(),
        }
    }
}

impl Credential {
    /// From its two halves.
    pub fn new(username: SecretString, access_token: SecretString) -> Self {
        Self { username, access_token }
    }

    /// User name and access token, to hand on to an upstream. Never to print.
    pub fn expose(&self) -> (&str, &str) {
        (self.username.expose_secret(), self.access_token.expose_secret())
    }

    /// Reads a secret's text; `None` when it is not the JSON that ECR asks for.
    pub fn from_secret_text(text: &str) -> Option<Self> {
        let mut stored: Stored = serde_json::from_str(text).ok()?;
        let username = std::mem::take(&mut *stored.username);
        let access_token = std::mem::take(&mut *stored.access_token);
        Some(Self {
            username: username.into(),
            access_token: access_token.into(),
        })
    }

    /// Reads what [`Credential::from_secret_text`] reads, and the same with a number or a boolean for text.
    pub fn from_loose_text(text: &str) -> Option<Self> {
        let Loose { username, access_token } = serde_json::from_str(text).ok()?;
        Some(Self {
            username: username.into_text(),
            access_token: access_token.into_text(),
        })
    }

    /// The secret's text, as ECR asks for it.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let (username, access_token) = self.expose();
        let stored = Stored {
            username: Zeroizing::new(username.to_owned()),
            access_token: Zeroizing::new(access_token.to_owned()),
        };
        // Two strings always serialise; an empty text would be refused by Secrets Manager, not stored.
        Zeroizing::new(serde_json::to_string(&stored).unwrap_or_default())
    }

    /// Replaces the token wherever it stands in `text`. Upstream error texts come to us through ECR, and nobody
    /// promises that they never quote what they were given.
    pub fn redact(&self, text: &str) -> String {
        match self.access_token.expose_secret() {
            // Too short to be a token: replacing it would only garble the sentence.
            token if token.len() < 4 => text.to_owned(),
            token => text.replace(token, "[redacted]"),
        }
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([redacted])")
    }
}

/// The credential for an upstream ("Storing your upstream repository credentials in an AWS Secrets Manager secret").
#[derive(Debug, Clone)]
pub enum CredentialSource {
    /// None: the upstream is open, or another private ECR registry.
    None,
    /// The values are in the file; they go into a secret of our own.
    Given(Credential),
    /// The name or full ARN of a secret that somebody else keeps: referenced, never written.
    Secret(String),
}

/// A secret has at most 65536 bytes; the JSON around the two values and its escapes take their part.
pub(crate) const MOST_VALUE: usize = 30_000;

/// The longest name of a secret (Secrets Manager API, CreateSecret).
pub(crate) const MOST_NAME: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn credential() -> Credential {
        Credential::new("bot".into(), "tok\"en".into())
    }

    #[test]
    fn the_secret_text_is_json_with_exactly_two_keys() {
        let text = credential().to_secret_text();
        assert_eq!(text.as_str(), r#"{"username":"bot","accessToken":"tok\"en"}"#);
        assert_eq!(Credential::from_secret_text(&text), Some(credential()));
        for other in [
            "",
            "x",
            "{}",
            r#"{"username":"a"}"#,
            r#"{"username":"a","accessToken":"b","more":1}"#,
            "[]",
        ] {
            assert_eq!(Credential::from_secret_text(other), None, "{other}");
        }
    }

    #[test]
    fn a_number_is_read_loosely_as_its_text() {
        let text = r#"{"username":true,"accessToken":12345678}"#;
        assert_eq!(Credential::from_secret_text(text), None, "it is not what ECR asks for");
        let read = Credential::from_loose_text(text);
        assert_eq!(read.as_ref().map(Credential::expose), Some(("true", "12345678")));
    }

    #[test]
    fn nothing_prints_it() {
        assert_eq!(format!("{:?}", credential()), "Credential([redacted])");
        assert_eq!(credential().redact("denied for tok\"en!"), "denied for [redacted]!");
    }
}
