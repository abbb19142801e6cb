//! The tree that a YAML file becomes: every value knows where it stands.

use std::fmt;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::diagnostics::place::Position;

/// A value and where it stands. Aliases share it, so that a small file stays a small tree.
pub(crate) struct Node {
    /// Where the value begins.
    pub at: Position,
    /// How many values it stands for, aliases expanded.
    pub weight: usize,
    /// How many levels are under it.
    pub height: usize,
    pub value: Value,
}

/// The three kinds of a value.
pub(crate) enum Value {
    /// Text, number, boolean or null.
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    /// A map; its keys are different scalars.
    Map(Vec<Entry>),
}

/// A scalar as it is written. Which type it has is up to the field that expects it: `007` is a text in one place.
pub(crate) struct Scalar {
    /// The text, wiped when the tree goes: it may be a token.
    pub text: Zeroizing<String>,
    /// Whether it could be something other than text: written without quotes, or with a tag that says so.
    pub plain: bool,
}

/// A key and its value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub key: Rc<Node>,
    pub value: Rc<Node>,
}

impl Node {
    /// The text under a key, where there is some.
    pub fn text(&self, key: &str) -> Option<&str> {
        let scalar = self.get(key)?.value.scalar()?;
        (!scalar.is_null() && !scalar.text.is_empty()).then_some(scalar.text.as_str())
    }

    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn list(&self) -> Option<&[Rc<Self>]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is null in one of the forms of YAML's core schema, or nothing at all.
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// What it is, for a message. The value itself may be a token, so it is never shown.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The value of a key, if it is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.map()?.iter().find(|entry| entry.name() == name)
    }
}

impl Scalar {
    /// Whether it is null in one of the forms of YAML's core schema, or nothing at all.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Entry {
    /// Whether its value is a map with something under a key; null is nothing.
    pub fn has(&self, name: &str) -> bool {
        self.value.get(name).is_some_and(|entry| !entry.value.is_null())
    }

    pub fn name(&self) -> &str {
        self.key.scalar().map_or("", |scalar| scalar.text.as_str())
    }
}

/// Shape and positions only: any value may be a token.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.at;
        match &self.value {
            Value::Scalar(_) => write!(f, "{line}:{column} [hidden]"),
            Value::List(items) => f.debug_list().entries(items).finish(),
            Value::Map(entries) => f
                .debug_map()
                .entries(entries.iter().map(|entry| (&entry.key, &entry.value)))
                .finish(),
        }
    }
}
