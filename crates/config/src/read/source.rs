//! Reads `secret_from`.

use secrecy::ExposeSecret;

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::Notes;
use crate::keys::file::SourceKey;
use crate::model::context::Context;
use crate::model::credential::{MOST_KEY, SecretFrom, SourceForm, SourceUsername};
use crate::read::credential::{self, Purpose};
use crate::read::fields::{self, Field, Shape};
use crate::yaml::node::Entry;

/// The words of `format`.
pub(crate) const FORMATS: &[(&str, Format)] = &[("json", Format::Json), ("text", Format::Text)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Text,
}

/// What is read of the map before it is known to go together.
#[derive(Default)]
struct Parts {
    secret: Option<Field<String>>,
    username: Option<Field<String>>,
    username_key: Option<Field<String>>,
    access_token_key: Option<Field<String>>,
    format: Option<Format>,
}

pub(crate) fn read(entry: &Entry, context: &Context, notes: &mut Notes) -> Option<Field<SecretFrom>> {
    let shape = Shape {
        what: "`secret_from`",
        missing_at: Some(entry.key.at),
    };
    let mut parts = Parts::default();
    for (key, entry) in fields::map::<SourceKey>(&entry.value, &shape, notes)? {
        let name = key.as_str();
        match key {
            SourceKey::Secret => parts.secret = credential::read_secret(name, Purpose::Source, entry, context, notes),
            SourceKey::Username => {
                parts.username = credential::read_value(name, entry, notes).map(|field| Field {
                    value: field.value.expose_secret().to_owned(),
                    at: field.at,
                    key: field.key,
                });
            }
            SourceKey::UsernameKey => parts.username_key = read_key(name, entry, notes),
            SourceKey::AccessTokenKey => parts.access_token_key = read_key(name, entry, notes),
            SourceKey::Format => parts.format = fields::word(name, FORMATS, &entry.value, notes),
        }
    }
    let form = form(&parts, entry, notes);
    Some(Field {
        value: SecretFrom {
            secret: parts.secret?.value,
            form: form?,
        },
        at: entry.value.at,
        key: entry.key.at,
    })
}

fn form(parts: &Parts, entry: &Entry, notes: &mut Notes) -> Option<SourceForm> {
    if parts.format == Some(Format::Text) {
        let keys = [
            ("username_key", &parts.username_key),
            ("access_token_key", &parts.access_token_key),
        ];
        for (name, field) in keys.into_iter().filter_map(|(name, key)| Some((name, key.as_ref()?))) {
            let fault = format!(
                "`{name}` does not go with `format: text`, whose whole value is the token; remove one of the two"
            );
            notes.error(Code::BAD_SOURCE, field.key, fault);
        }
        if parts.username.is_none() && entry.value.get("username").is_none() {
            let fault =
                "`format: text` needs `username`: the value is the token alone; write the user name that goes with it";
            notes.error(Code::BAD_SOURCE, entry.key.at, fault);
        }
        let username = parts.username.as_ref()?.value.clone();
        return Some(SourceForm::Text { username });
    }
    let key = |field: &Option<Field<String>>, otherwise: &str| {
        field
            .as_ref()
            .map_or_else(|| otherwise.to_owned(), |field| field.value.clone())
    };
    let username = match (&parts.username, &parts.username_key) {
        (Some(_), Some(field)) => {
            let fault = "`username_key` does not go with `username`: the user name stands in the file or in the secret; keep one of the two";
            notes.error(Code::BAD_SOURCE, field.key, fault);
            return None;
        }
        (Some(username), None) => SourceUsername::Text(username.value.clone()),
        (None, username_key) => SourceUsername::Key(key(username_key, "username")),
    };
    Some(SourceForm::Json {
        username,
        access_token_key: key(&parts.access_token_key, "accessToken"),
    })
}

/// A key of the JSON in a secret. Not repeated: it may be a token in the wrong place.
fn read_key(name: &str, entry: &Entry, notes: &mut Notes) -> Option<Field<String>> {
    let value = fields::text(name, &entry.value, notes)?;
    if value.is_empty() || value.chars().count() > MOST_KEY || value.chars().any(char::is_control) {
        let fault = format!("`{name}` is a key of the JSON in the secret: 1 to {MOST_KEY} characters on one line");
        notes.error(Code::BAD_SOURCE, entry.value.at, fault);
        return None;
    }
    Some(Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}
