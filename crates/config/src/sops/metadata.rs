//! The map `sops`: who can decrypt the file, what is encrypted in it, and its MAC.

use jiff::Timestamp;

use super::kms::KmsRecipient;
use super::rules::Rule;
use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, one_of, shown};
use crate::yaml::node::{Node, Value};

/// More recipients of a kind than any team has. Each may cost a call.
const MOST_RECIPIENTS: usize = 20;

/// More than a key of SSH has, which is the longest name of a recipient.
const MOST_NAME: usize = 1000;

/// The one line of the format that is read. It has been the same since 3.0.0 (2018); what came since (age, rules by
/// regular expression, `mac_only_encrypted`) are fields of their own. Versions before it differ in what they take for
/// encrypted, and what follows it nobody knows.
const MAJOR: &str = "3";

/// Fields that say nothing which is needed here; the first is a warning to people, of the original in Python.
const UNUSED: [&str; 2] = ["attention", "shamir_threshold"];

/// Fields that are read.
const SCALARS: [&str; 10] = [
    "lastmodified",
    "mac",
    "version",
    "mac_only_encrypted",
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
];

/// How a file is encrypted, as its map `sops` says. Nothing in it is secret.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Where the map stands: line and column, from 1.
    pub at: (usize, usize),
    /// The KMS keys that can decrypt the data key.
    pub kms: Vec<KmsRecipient>,
    /// The age recipients that can.
    pub age: Vec<AgeRecipient>,
    /// The kinds of its other recipients (`pgp` and so on), which are not supported.
    pub others: Vec<String>,
    /// Goes into the authentication of the MAC.
    pub(super) last_modified: String,
    pub(super) mac: String,
    pub(super) mac_only_encrypted: bool,
    pub(super) rule: Rule,
}

/// A data key that was encrypted with age.
#[derive(Debug, Clone)]
pub struct AgeRecipient {
    /// The public key, such as `age1…`.
    pub recipient: String,
    /// The armoured age file around the data key.
    pub encrypted: String,
}

impl Metadata {
    /// The kinds of all recipients, for a message.
    #[must_use]
    pub fn kinds(&self) -> String {
        let own = [("kms", self.kms.is_empty()), ("age", self.age.is_empty())];
        let own = own.into_iter().filter(|(_, none)| !none).map(|(kind, _)| kind);
        one_of(own.chain(self.others.iter().map(String::as_str)))
    }
}

/// Whether the value of a top-level key `sops` is this map, and not a registry of that name.
pub(crate) fn is_metadata(node: &Node) -> bool {
    ["mac", "lastmodified"].iter().any(|name| node.get(name).is_some())
}

/// Reads the map, after a note of all that is wrong with it.
pub(crate) fn read(node: &Node, notes: &mut Notes) -> Option<Metadata> {
    let at = node.at;
    check_version(node, notes);
    check_fields(node, notes);
    let has_groups = node.get("key_groups").is_some_and(|entry| !is_nothing(&entry.value));
    if has_groups {
        notes.error(Code::SOPS_UNSUPPORTED, at, "the data key is split over several `key_groups`, which is not supported; encrypt the file with a single group: each of its recipients can then decrypt it alone");
    }
    let rule = Rule::read(node, at, notes);
    let mac = node.text("mac");
    if mac.is_none() {
        notes.error(
            Code::BAD_SOPS_MAP,
            at,
            "`mac` is missing, without which nobody knows whether the file was changed; restore the encrypted original",
        );
    }
    let last_modified = node.text("lastmodified");
    if last_modified.is_none_or(|time| time.parse::<Timestamp>().is_err()) {
        notes.error(Code::BAD_SOPS_MAP, at, "`lastmodified` is missing or no time such as `2026-01-31T12:00:00Z`, without which the MAC cannot be verified; restore the encrypted original");
    }
    let mac_only_encrypted = match node.text("mac_only_encrypted") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            notes.error(Code::BAD_SOPS_MAP, at, "`mac_only_encrypted` is `true` or `false`");
            false
        }
    };
    let kms = list(node, "kms", notes, KmsRecipient::read);
    let age = list(node, "age", notes, read_age);
    let others: Vec<String> = others(node).take(MOST_RECIPIENTS).map(str::to_owned).collect();
    if kms.len() + age.len() + others.len() == 0 && !has_groups && notes.is_clean() {
        notes.error(
            Code::BAD_SOPS_MAP,
            at,
            "the file has no recipient, so that nobody can decrypt it; restore the encrypted original",
        );
    }
    if !notes.is_clean() {
        return None;
    }
    Some(Metadata {
        at: (at.line, at.column),
        kms,
        age,
        others,
        last_modified: last_modified?.to_owned(),
        mac: mac?.to_owned(),
        mac_only_encrypted,
        rule: rule?,
    })
}

fn check_version(node: &Node, notes: &mut Notes) {
    let Some(version) = node.text("version") else {
        notes.error(
            Code::BAD_SOPS_MAP,
            node.at,
            "`version` is missing, which says what wrote the file; restore the encrypted original",
        );
        return;
    };
    let mut numbers = version.split(['.', '-', '+']);
    let known = numbers.next() == Some(MAJOR) && numbers.next().is_some_and(|minor| minor.parse::<u32>().is_ok());
    if !known {
        notes.error(
            Code::SOPS_UNSUPPORTED,
            node.at,
            format!("the file was written by SOPS {}; the versions of the 3 line are understood: decrypt it with what wrote it, and encrypt it with one of those", shown(version)),
        );
    }
}

/// A field that is not known may change what another means.
fn check_fields(node: &Node, notes: &mut Notes) {
    for entry in node.map().unwrap_or_default() {
        let name = entry.name();
        let known = SCALARS.contains(&name) || UNUSED.contains(&name);
        let (code, fault) = match &entry.value.value {
            Value::Scalar(_) if known || entry.value.is_null() => continue,
            // A list is one of recipients, known or not.
            Value::List(_) if !known && is_kind(name) => continue,
            _ if known => (
                Code::BAD_SOPS_MAP,
                format!("`{name}` is a single value, but {} stands here", entry.value.kind()),
            ),
            _ => (
                Code::SOPS_UNSUPPORTED,
                format!(
                    "`sops` has the field {}, which is not known here and may change what is encrypted; use a newer release, or encrypt the file without it",
                    shown(name)
                ),
            ),
        };
        notes.error(code, entry.key.at, fault);
    }
}

/// Whether a key may be the name of a kind of recipients. Messages repeat it.
fn is_kind(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
}

/// The kinds of recipients that are there and not supported.
fn others(node: &Node) -> impl Iterator<Item = &str> {
    node.map().unwrap_or_default().iter().filter_map(|entry| {
        let is_other = !matches!(entry.name(), "kms" | "age" | "key_groups");
        let names_some = entry.value.list().is_some_and(|items| !items.is_empty());
        (is_other && names_some && is_kind(entry.name())).then(|| entry.name())
    })
}

fn list<T>(node: &Node, name: &str, notes: &mut Notes, read: fn(&Node) -> Result<T, String>) -> Vec<T> {
    let Some(entry) = node.get(name).filter(|entry| !is_nothing(&entry.value)) else {
        return Vec::new();
    };
    let items = entry.value.list().unwrap_or_default();
    if items.is_empty() || items.len() > MOST_RECIPIENTS {
        notes.error(
            Code::BAD_SOPS_MAP,
            entry.key.at,
            format!("`{name}` is a list of 1 to {MOST_RECIPIENTS} recipients"),
        );
        return Vec::new();
    }
    let mut found = Vec::with_capacity(items.len());
    for item in items {
        match read(item) {
            Ok(recipient) => found.push(recipient),
            Err(fault) => notes.error(
                Code::BAD_SOPS_MAP,
                item.at,
                format!("a recipient under `{name}` {fault}; restore the encrypted original, or run `sops updatekeys`"),
            ),
        }
    }
    found
}

fn read_age(node: &Node) -> Result<AgeRecipient, String> {
    let (Some(recipient), Some(encrypted)) = (node.text("recipient"), node.text("enc")) else {
        return Err("lacks `recipient` or `enc`".to_owned());
    };
    // Messages repeat it.
    if recipient.len() > MOST_NAME || recipient.contains(|c: char| !matches!(c, ' '..='~')) {
        return Err("has a `recipient` that is none of age".to_owned());
    }
    Ok(AgeRecipient {
        recipient: recipient.to_owned(),
        encrypted: encrypted.to_owned(),
    })
}

/// SOPS writes a list without items, or null, for what a file has not.
fn is_nothing(node: &Node) -> bool {
    node.is_null() || node.list().is_some_and(<[_]>::is_empty)
}
