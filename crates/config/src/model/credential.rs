//! An upstream credential: the one value in this program that must never be seen.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::arn::Arn;

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

/// The same with whole numbers or booleans: Terraform's `jsonencode` writes one where a YAML file had no quotes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loose {
    username: Scalar,
    #[serde(rename = "accessToken")]
    access_token: Scalar,
}

/// What stands under a key of a secret's JSON: its text, that of a whole number or a boolean, or nothing that is a text.
/// Numbers with a fraction, or too large for 64 bits, have lost theirs.
#[derive(Clone)]
struct Scalar(Option<SecretString>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Takes a text straight into its place: what serde buffers of an untagged enum is not wiped.
struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar(Some(text.into())))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<Scalar, E> {
        Ok(Scalar(Some(boolean.to_string().into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(Scalar(Some(number.to_string().into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar(Some(number.to_string().into())))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar(None))
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

    /// Reads what [`Credential::from_secret_text`] reads, and the same with a whole number or a boolean for text.
    pub fn from_loose_text(text: &str) -> Option<Self> {
        let Loose { username, access_token } = serde_json::from_str(text).ok()?;
        Some(Self {
            username: username.0?,
            access_token: access_token.0?,
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
    /// Copied from another secret into one of our own.
    From(SecretFrom),
}

/// Another secret, and where in its value the credential stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFrom {
    /// Its name or full ARN, as the file has it.
    pub secret: String,
    /// What its value looks like.
    pub form: SourceForm,
}

/// What the value of a source looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceForm {
    /// A JSON object.
    Json {
        username: SourceUsername,
        /// The key whose text is the token.
        access_token_key: String,
    },
    /// The token alone, with or without a line end after it.
    Text {
        /// The user name that goes with it.
        username: String,
    },
}

/// Where the user name comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceUsername {
    /// The file has it.
    Text(String),
    /// It stands under this key of the JSON.
    Key(String),
}

/// Why a source's value holds no credential. No message repeats a part of the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    #[error("its value is binary; store it as text")]
    Binary,
    #[error("its value is not JSON with keys and values; for a value that is the token alone write `format: text`")]
    NotJson,
    #[error("its value has no key {0:?}; name the right one under `{1}`")]
    NoKey(String, &'static str),
    #[error("its value has the key {0:?} twice; keep one")]
    KeyTwice(String),
    #[error("its key {0:?} holds no text; name another under `{1}`")]
    NoText(String, &'static str),
    #[error("its key {0:?} {1}; store it as the upstream gave it out")]
    Value(String, ValueFault),
    #[error("its value {0}; store the token as the upstream gave it out")]
    WholeValue(ValueFault),
    #[error("its credential is longer than a copy of it could be (Secrets Manager allows {MOST_SECRET} bytes)")]
    TooLong,
}

/// What no user name or token can be, wherever it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    #[error("is empty")]
    Empty,
    #[error("begins or ends with a space or a line break")]
    Blanks,
    #[error("has a line break or another control character in it")]
    Control,
    #[error("is longer than a secret can be")]
    TooLong,
}

impl ValueFault {
    /// What is wrong with a user name or a token, if anything is.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if text.is_empty() {
            Some(Self::Empty)
        } else if text.trim() != text {
            Some(Self::Blanks)
        } else if text.chars().any(char::is_control) {
            Some(Self::Control)
        } else if text.len() > MOST_VALUE {
            Some(Self::TooLong)
        } else {
            None
        }
    }
}

impl CredentialSource {
    /// Whether the credential goes into a secret of our own, be it the file's or a copy.
    #[must_use]
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Given(_) | Self::From(_))
    }

    /// The secret that it is copied from.
    #[must_use]
    pub fn source(&self) -> Option<&SecretFrom> {
        match self {
            Self::From(from) => Some(from),
            _ => None,
        }
    }
}

impl SecretFrom {
    /// The secret's name, without Region and suffix.
    #[must_use]
    pub fn name(&self) -> &str {
        name_of_secret(&self.secret)
    }

    /// The credential in the text of the source's current version.
    ///
    /// # Errors
    /// Why there is none in it, and what to do.
    pub fn credential(&self, text: &str) -> Result<Credential, SourceFault> {
        let credential = match &self.form {
            SourceForm::Text { username } => {
                let line = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n'));
                let token = line.unwrap_or(text);
                match ValueFault::of(token) {
                    None => Credential::new(username.as_str().into(), token.into()),
                    // A value of 64 KB is a good secret, but not here.
                    Some(ValueFault::TooLong) => return Err(SourceFault::TooLong),
                    Some(fault) => return Err(SourceFault::WholeValue(fault)),
                }
            }
            SourceForm::Json {
                username,
                access_token_key,
            } => {
                let username_key = match username {
                    SourceUsername::Key(key) => Some(key.as_str()),
                    SourceUsername::Text(_) => None,
                };
                let found = Found::read(text, username_key, access_token_key)?;
                let token = of_key(found.access_token, access_token_key, "access_token_key")?;
                let username = match username {
                    SourceUsername::Text(username) => username.as_str().into(),
                    SourceUsername::Key(key) => of_key(found.username, key, "username_key")?,
                };
                Credential::new(username, token)
            }
        };
        if credential.to_secret_text().len() > MOST_SECRET {
            return Err(SourceFault::TooLong);
        }
        Ok(credential)
    }
}

fn of_key(found: Option<Scalar>, key: &str, field: &'static str) -> Result<SecretString, SourceFault> {
    let Scalar(text) = found.ok_or_else(|| SourceFault::NoKey(key.to_owned(), field))?;
    let text = text.ok_or_else(|| SourceFault::NoText(key.to_owned(), field))?;
    match ValueFault::of(text.expose_secret()) {
        None => Ok(text),
        Some(ValueFault::TooLong) => Err(SourceFault::TooLong),
        Some(fault) => Err(SourceFault::Value(key.to_owned(), fault)),
    }
}

/// What stands under the two keys of a source's JSON. All else in it is skipped, and never kept.
#[derive(Default)]
struct Found {
    username: Option<Scalar>,
    access_token: Option<Scalar>,
}

impl Found {
    fn read(text: &str, username_key: Option<&str>, access_token_key: &str) -> Result<Self, SourceFault> {
        let mut json = serde_json::Deserializer::from_str(text);
        let keys = Keys {
            username: username_key,
            access_token: access_token_key,
        };
        let read = json.deserialize_map(keys).map_err(|_| SourceFault::NotJson)?;
        json.end().map_err(|_| SourceFault::NotJson)?;
        read
    }
}

struct Keys<'a> {
    username: Option<&'a str>,
    access_token: &'a str,
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = Result<Found, SourceFault>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found::default();
        let mut twice = None;
        while let Some(key) = map.next_key::<String>()? {
            let (is_username, is_token) = (self.username == Some(key.as_str()), self.access_token == key);
            if !is_username && !is_token {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let scalar: Scalar = map.next_value()?;
            let before = [
                is_username.then(|| found.username.replace(scalar.clone())).flatten(),
                is_token.then(|| found.access_token.replace(scalar)).flatten(),
            ];
            if before.iter().any(Option::is_some) {
                twice = Some(key);
            }
        }
        Ok(match twice {
            Some(key) => Err(SourceFault::KeyTwice(key)),
            None => Ok(found),
        })
    }
}

/// The characters that Secrets Manager adds to a name in an ARN: a hyphen and six more.
const SUFFIX: usize = 7;

/// The name in `name-AbCdEf`.
pub(crate) fn without_suffix(name: &str) -> Option<&str> {
    let cut = name.len().checked_sub(SUFFIX)?;
    let (name, suffix) = name.split_at_checked(cut)?;
    let random = suffix.strip_prefix('-')?;
    (random.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.is_empty()).then_some(name)
}

/// The name of a secret that is given by name or full ARN.
pub(crate) fn name_of_secret(secret: &str) -> &str {
    match Arn::parse(secret).and_then(|arn| arn.resource.strip_prefix("secret:")) {
        Some(name) => without_suffix(name).unwrap_or(name),
        None => secret,
    }
}

/// The most bytes in a secret's value (Secrets Manager, "Quotas").
const MOST_SECRET: usize = 65_536;

/// A user name or a token has its part of that; the JSON around the two and its escapes have theirs.
pub(crate) const MOST_VALUE: usize = 30_000;

/// The longest key of the JSON in a source.
pub(crate) const MOST_KEY: usize = 256;

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

    fn json(username: SourceUsername) -> SecretFrom {
        SecretFrom {
            secret: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:team/gitlab-mirror-AbCdEf".into(),
            form: SourceForm::Json {
                username,
                access_token_key: "token".into(),
            },
        }
    }

    fn key() -> SecretFrom {
        json(SourceUsername::Key("user".into()))
    }

    fn text() -> SecretFrom {
        SecretFrom {
            secret: "team/gitlab-mirror".into(),
            form: SourceForm::Text { username: "bot".into() },
        }
    }

    #[test]
    fn a_source_has_the_credential_under_its_keys_or_is_the_token() {
        assert_eq!(
            (key().name(), text().name()),
            ("team/gitlab-mirror", "team/gitlab-mirror")
        );
        let named = json(SourceUsername::Text("bot".into()));
        let same = json(SourceUsername::Key("token".into()));
        for (source, value, expected) in [
            (key(), r#"{"token":"t0k","user":"me"}"#, ("me", "t0k")),
            (
                key(),
                r#"{"deep":[[{"a":null}]],"token":12,"x":1.5,"user":true}"#,
                ("true", "12"),
            ),
            (
                key(),
                r#" {"token":"a\u0022b","user":"me","username":"no"} "#,
                ("me", "a\"b"),
            ),
            (named, r#"{"token":"t0k","tokenId":4}"#, ("bot", "t0k")),
            (same, r#"{"token":"both"}"#, ("both", "both")),
            (text(), "t0k", ("bot", "t0k")),
            (text(), "t0k\n", ("bot", "t0k")),
            (text(), "t0k\r\n", ("bot", "t0k")),
            (text(), r#"{"token":"x"}"#, ("bot", r#"{"token":"x"}"#)),
        ] {
            let read = source.credential(value);
            assert_eq!(read.as_ref().map(Credential::expose), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_credential_is_refused_without_a_word_of_it() {
        let long = "s3cr3t-x".repeat(8000);
        let quotes = r#"\""#.repeat(MOST_VALUE);
        let bound = r#"\""#.repeat(MOST_VALUE / 2);
        for (source, value, fault) in [
            (key(), "s3cr3t".into(), SourceFault::NotJson),
            (key(), r#"["s3cr3t"]"#.into(), SourceFault::NotJson),
            (
                key(),
                r#"{"token":"s3cr3t","user":"me"} x"#.into(),
                SourceFault::NotJson,
            ),
            (key(), String::new(), SourceFault::NotJson),
            (
                key(),
                format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000)),
                SourceFault::NotJson,
            ),
            (
                key(),
                r#"{"user":"s3cr3t"}"#.into(),
                SourceFault::NoKey("token".into(), "access_token_key"),
            ),
            (
                key(),
                r#"{"token":"s3cr3t"}"#.into(),
                SourceFault::NoKey("user".into(), "username_key"),
            ),
            (
                key(),
                r#"{"token":"s3cr3t","user":"me","token":"b"}"#.into(),
                SourceFault::KeyTwice("token".into()),
            ),
            (
                key(),
                r#"{"token":{"a":"s3cr3t"},"user":"me"}"#.into(),
                SourceFault::NoText("token".into(), "access_token_key"),
            ),
            (
                key(),
                r#"{"token":["s3cr3t"],"user":"me"}"#.into(),
                SourceFault::NoText("token".into(), "access_token_key"),
            ),
            (
                key(),
                r#"{"token":"s3cr3t","user":null}"#.into(),
                SourceFault::NoText("user".into(), "username_key"),
            ),
            (
                key(),
                r#"{"token":12345678901234567890123,"user":"me"}"#.into(),
                SourceFault::NoText("token".into(), "access_token_key"),
            ),
            (
                key(),
                r#"{"token":"s3cr3t\n","user":"me"}"#.into(),
                SourceFault::Value("token".into(), ValueFault::Blanks),
            ),
            (
                key(),
                r#"{"token":"","user":"me"}"#.into(),
                SourceFault::Value("token".into(), ValueFault::Empty),
            ),
            (
                key(),
                r#"{"token":"s3cr3t","user":"m\u0000e"}"#.into(),
                SourceFault::Value("user".into(), ValueFault::Control),
            ),
            (
                key(),
                format!(r#"{{"token":"{long}","user":"me"}}"#),
                SourceFault::TooLong,
            ),
            (
                key(),
                format!(r#"{{"token":"{quotes}","user":"{bound}"}}"#),
                SourceFault::TooLong,
            ),
            (text(), String::new(), SourceFault::WholeValue(ValueFault::Empty)),
            (text(), "\n".into(), SourceFault::WholeValue(ValueFault::Empty)),
            (text(), "s3cr3t\n\n".into(), SourceFault::WholeValue(ValueFault::Blanks)),
            (text(), "s3c\r3t".into(), SourceFault::WholeValue(ValueFault::Control)),
            (text(), long.clone(), SourceFault::TooLong),
        ] {
            let read = source.credential(&value);
            assert_eq!(read.as_ref().err(), Some(&fault), "{:.60}", value);
            let (said, debug) = (fault.to_string(), format!("{fault:?}"));
            assert!(!said.contains("s3c") && !debug.contains("s3c"), "{said}");
        }
    }

    #[test]
    fn nothing_prints_it() {
        assert_eq!(format!("{:?}", credential()), "Credential([redacted])");
        assert_eq!(credential().redact("denied for tok\"en!"), "denied for [redacted]!");
    }
}
