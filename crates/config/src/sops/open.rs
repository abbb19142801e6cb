//! Opens a tree: every encrypted value is replaced by what it was, and all of them are held against the MAC.

use std::collections::HashMap;
use std::rc::Rc;

use super::mac::Mac;
use super::rules::MOST_KEY;
use super::value::{self, Fault, Kind, Plain, looks_encrypted};
use super::{DataKey, Metadata};
use crate::diagnostics::code::Code;
use crate::diagnostics::problem::Notes;
use crate::diagnostics::tokens::holds_a_token;
use crate::keys::file::registry_on;
use crate::yaml::node::{Entry, Node, Scalar, Value};

/// The tree without its map `sops`, decrypted; or nothing, after a note of what is wrong.
///
/// Nothing of a file whose MAC does not fit is looked at any further.
pub(crate) fn open(root: &Rc<Node>, metadata: &Metadata, key: &DataKey, notes: &mut Notes) -> Option<Rc<Node>> {
    let (line, column) = metadata.at;
    let at = crate::diagnostics::place::Position { line, column };
    let expected = match value::decrypt(&metadata.mac, key, &metadata.last_modified) {
        Ok(mac) => mac.text,
        Err(Fault::Broken) => {
            notes.error(Code::SOPS_MAC, at, "the MAC cannot be decrypted with the file's data key: `mac`, `lastmodified` or the data key was changed, or belongs to another file; restore the encrypted original");
            return None;
        }
        Err(fault) => {
            notes.error(
                Code::BAD_SOPS_MAP,
                at,
                format!("`mac` {fault}; restore the encrypted original"),
            );
            return None;
        }
    };
    let mut opener = Opener {
        metadata,
        key,
        notes,
        path: Vec::new(),
        ruled: 0,
        known: HashMap::new(),
        mac: Mac::new(metadata.mac_only_encrypted),
    };
    let entries = root
        .map()
        .unwrap_or_default()
        .iter()
        .filter(|entry| entry.name() != "sops");
    let entries: Vec<Entry> = entries.map(|entry| opener.entry(entry)).collect();
    let computed = opener.mac.finish();
    if !notes.is_clean() {
        return None;
    }
    // Both are out of the file and the key: whoever could measure this comparison has both.
    if !computed.eq_ignore_ascii_case(&expected) {
        notes.error(Code::SOPS_MAC, at, "the MAC does not fit the values: one of them was changed, added, removed or moved without SOPS; restore the encrypted original, and edit it with `sops`");
        return None;
    }
    Some(Rc::new(Node {
        at: root.at,
        weight: root.weight,
        height: root.height,
        value: Value::Map(entries),
    }))
}

struct Opener<'a, 'n> {
    metadata: &'a Metadata,
    key: &'a DataKey,
    notes: &'a mut Notes,
    /// The keys on the way; items of a list have none.
    path: Vec<&'n str>,
    /// How many of them the rule is of.
    ruled: usize,
    /// What the rule says of each key there is: a file has few, however many values.
    known: HashMap<&'n str, bool>,
    mac: Mac,
}

impl<'n> Opener<'_, 'n> {
    fn entry(&mut self, entry: &'n Entry) -> Entry {
        let key = entry.name();
        if key.len() > MOST_KEY {
            self.notes.error(
                Code::SOPS_VALUE,
                entry.key.at,
                format!("this key has more than {MOST_KEY} bytes, which no field needs"),
            );
            return entry.clone();
        }
        let rule = &self.metadata.rule;
        let is_of = *self.known.entry(key).or_insert_with(|| rule.is_of(key));
        self.path.push(key);
        self.ruled += usize::from(is_of);
        let value = self.node(&entry.value);
        self.ruled -= usize::from(is_of);
        self.path.pop();
        Entry {
            key: Rc::clone(&entry.key),
            value,
        }
    }

    /// No deeper than the tree, whose depth the parser has limited.
    fn node(&mut self, node: &'n Rc<Node>) -> Rc<Node> {
        let value = match &node.value {
            Value::Scalar(scalar) => match self.scalar(node, scalar) {
                Some(scalar) => Value::Scalar(scalar),
                None => return Rc::clone(node),
            },
            Value::List(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            Value::Map(entries) => Value::Map(entries.iter().map(|entry| self.entry(entry)).collect()),
        };
        Rc::new(Node {
            at: node.at,
            weight: node.weight,
            height: node.height,
            value,
        })
    }

    /// The scalar to put into this place; none, where the one that is there stays.
    fn scalar(&mut self, node: &Node, scalar: &Scalar) -> Option<Scalar> {
        let is_encrypted = looks_encrypted(&scalar.text);
        let should_be = self.metadata.rule.is_encrypted(self.ruled > 0);
        if !is_encrypted {
            // SOPS leaves these two as they are.
            let is_nothing = scalar.is_null() || scalar.text.is_empty();
            if should_be && !is_nothing {
                self.error(node, "stands here in plain text, where it should be encrypted");
            } else if !should_be {
                self.mac.add_plain(scalar);
            }
            return None;
        }
        if !should_be {
            self.error(node, "is encrypted, where it should stand in plain text");
            return None;
        }
        let place = self.path.iter().flat_map(|key| [key, ":"]).collect::<String>();
        let plain = match value::decrypt(&scalar.text, self.key, &place) {
            Ok(plain) => plain,
            Err(fault) => {
                self.notes.registry = registry_on(&self.path);
                self.notes.error(
                    Code::SOPS_VALUE,
                    node.at,
                    format!("the encrypted value {fault}; edit the file with `sops` only"),
                );
                self.notes.registry = None;
                return None;
            }
        };
        self.mac.add_decrypted(&plain);
        if self.path.last().is_some_and(|key| holds_a_token(key)) {
            self.notes.hide(&plain.text);
        }
        self.notes.decrypted(node.at);
        Some(into_scalar(plain))
    }

    fn error(&mut self, node: &Node, what: &str) {
        self.notes.registry = registry_on(&self.path);
        let rule = self.metadata.rule.name();
        self.notes.error(
            Code::SOPS_VALUE,
            node.at,
            format!("a value {what} by the file's own rule (`{rule}`); edit the file with `sops` only"),
        );
        self.notes.registry = None;
    }
}

/// Text stays text whatever it looks like; numbers and booleans are written as YAML has them.
fn into_scalar(plain: Plain) -> Scalar {
    let Plain { mut text, kind } = plain;
    if kind == Kind::Boolean {
        text.make_ascii_lowercase();
    }
    Scalar {
        text,
        plain: kind != Kind::Text,
    }
}
