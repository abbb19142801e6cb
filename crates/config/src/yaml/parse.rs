//! YAML events become a tree, within bounds.
//!
//! The work is done with a stack of our own, and the depth of the tree is limited, aliases counted in: nothing that
//! walks or drops it later can run out of stack. Aliases are shared, not copied, and what they stand for is counted,
//! so that a "billion laughs" ends at its tenth line.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use zeroize::Zeroizing;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::diagnostics::tokens::holds_a_token;
use crate::diagnostics::tokens::looks_like_a_token;
use crate::yaml::node::{Entry, Node, Scalar, Value};
use crate::yaml::syntax;

/// Deeper than any field of the file is by far.
const MAX_DEPTH: usize = 32;

/// More values than the largest meaningful file has: fifty registries with fifty lifecycle rules each.
const MAX_WEIGHT: usize = 200_000;

/// What whoever knows the keys of the file tells the parser, for its messages.
#[derive(Clone, Copy)]
pub(crate) struct Hints {
    /// The registry that a path of keys leads through.
    pub registry_on: fn(&[&str]) -> Option<String>,
    /// The known key at the beginning of a text, where no space follows its colon.
    pub field_without_space: fn(&str) -> Option<&'static str>,
}

/// What a text holds.
pub(crate) enum Parsed {
    Root(Rc<Node>),
    /// Nothing: no document, or only comments or null.
    Empty,
    /// Nothing that can be used, after a note of why.
    Broken,
}

/// Reads the one document of a text.
pub(crate) fn parse(text: &str, hints: Hints, notes: &mut Notes) -> Parsed {
    let mut builder = Builder {
        hints,
        notes,
        frames: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0_usize;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                builder.note_syntax(&error, text);
                return Parsed::Broken;
            }
        };
        let at = position(span.start);
        let step = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents == 2 {
                    builder.notes.registry = None;
                    builder.notes.error(
                        Code::SEVERAL_DOCUMENTS,
                        at,
                        "a second YAML document starts here; the file must be a single one: remove the `---` between them",
                    );
                    break;
                }
                Ok(())
            }
            Event::Alias(anchor) => builder.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                // `into_owned` hands over the parser's own string, where it has one, so that it is wiped with ours.
                builder.scalar(Zeroizing::new(text.into_owned()), style, anchor, tag.as_deref(), at)
            }
            Event::SequenceStart(anchor, tag) => builder.open(Shape::List(Vec::new()), anchor, tag.as_deref(), at),
            Event::MappingStart(anchor, tag) => builder.open(
                Shape::Map {
                    entries: Vec::new(),
                    key: Pending::None,
                },
                anchor,
                tag.as_deref(),
                at,
            ),
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        };
        if step.is_err() {
            return Parsed::Broken;
        }
    }
    match builder.root.take() {
        Some(root) if !root.is_null() => Parsed::Root(root),
        _ => Parsed::Empty,
    }
}

/// The parser counts lines from 1 and columns from 0.
pub(crate) fn position(marker: Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

/// Reading cannot go on; the reason is noted.
struct Stop;

/// A list or a map that is not finished yet.
struct Frame {
    at: Position,
    anchor: usize,
    weight: usize,
    height: usize,
    shape: Shape,
}

enum Shape {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<Entry>, key: Pending },
}

/// The key whose value comes next.
enum Pending {
    None,
    Key(Rc<Node>),
    /// A key that was refused; its value is dropped.
    Refused,
}

struct Builder<'a> {
    hints: Hints,
    notes: &'a mut Notes,
    frames: Vec<Frame>,
    /// Finished values by anchor. An anchor that is still open is not in here.
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

impl Builder<'_> {
    fn error(&mut self, code: Code, at: Position, message: impl Into<String>) {
        self.notes.registry = self.registry_here();
        self.notes.error(code, at, message);
        self.notes.registry = None;
    }

    fn scalar(
        &mut self,
        text: Zeroizing<String>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Position,
    ) -> Result<(), Stop> {
        let plain = match tag.map(kind_of_tag) {
            None => style == ScalarStyle::Plain,
            Some(TagKind::Text) => false,
            Some(TagKind::Typed) => true,
            Some(TagKind::Map | TagKind::List | TagKind::Unknown) => {
                self.error(Code::YAML_TAG, at, UNKNOWN_TAG);
                false
            }
        };
        // In letters of another case too, as a message may suggest them. What is shorter helps nobody.
        if text.len() >= 8 && looks_like_a_token(&text) {
            self.notes.hide(&text);
        }
        self.finish(
            Rc::new(Node {
                at,
                weight: 1,
                height: 0,
                value: Value::Scalar(Scalar { text, plain }),
            }),
            anchor,
        )
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Stop> {
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.place(node, at),
            None => {
                self.error(
                    Code::BAD_ALIAS,
                    at,
                    "this alias stands inside the value it refers to, which would never end; remove it",
                );
                Err(Stop)
            }
        }
    }

    fn open(&mut self, shape: Shape, anchor: usize, tag: Option<&Tag>, at: Position) -> Result<(), Stop> {
        let fits = match tag.map(kind_of_tag) {
            None => true,
            Some(kind) => matches!(
                (kind, &shape),
                (TagKind::Map, Shape::Map { .. }) | (TagKind::List, Shape::List(_))
            ),
        };
        if !fits {
            self.error(Code::YAML_TAG, at, UNKNOWN_TAG);
        }
        self.check_depth(0, at)?;
        self.frames.push(Frame {
            at,
            anchor,
            weight: 1,
            height: 0,
            shape,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(Frame {
            at,
            anchor,
            weight,
            height,
            shape,
        }) = self.frames.pop()
        else {
            return Ok(());
        };
        let value = match shape {
            Shape::List(items) => Value::List(items),
            Shape::Map { entries, .. } => Value::Map(self.merged(entries)),
        };
        self.finish(
            Rc::new(Node {
                at,
                weight,
                height: height + 1,
                value,
            }),
            anchor,
        )
    }

    fn finish(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let at = node.at;
        self.place(node, at)
    }

    /// Puts a finished value where it belongs. `at` is where it is used, which for an alias is not where it stands.
    fn place(&mut self, node: Rc<Node>, at: Position) -> Result<(), Stop> {
        self.check_depth(node.height, at)?;
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.weight = frame.weight.saturating_add(node.weight);
        frame.height = frame.height.max(node.height);
        if frame.weight > MAX_WEIGHT {
            self.error(
                Code::TOO_COMPLEX,
                at,
                format!(
                    "with its aliases expanded the file has more than {MAX_WEIGHT} values by here; use fewer aliases"
                ),
            );
            return Err(Stop);
        }
        match &mut frame.shape {
            Shape::List(items) => items.push(node),
            Shape::Map { entries, key } => match std::mem::replace(key, Pending::None) {
                Pending::None => {
                    let refused = match node.scalar() {
                        None => Some("a list or a map cannot be a key here; write a plain name in front of the `:`"),
                        Some(scalar) if scalar.plain && scalar.text.is_empty() => {
                            Some("there is no key in front of this `:`; write one")
                        }
                        Some(_) => None,
                    };
                    *key = if refused.is_some() {
                        Pending::Refused
                    } else {
                        Pending::Key(node)
                    };
                    if let Some(message) = refused {
                        self.error(Code::NOT_A_KEY, at, message);
                    }
                }
                Pending::Key(key) => {
                    let entry = Entry { key, value: node };
                    if holds_a_token(entry.name())
                        && let Some(scalar) = entry.value.scalar()
                        && !scalar.is_null()
                    {
                        self.notes.hide(&scalar.text);
                    }
                    entries.push(entry);
                }
                Pending::Refused => {}
            },
        }
        Ok(())
    }

    fn check_depth(&mut self, height: usize, at: Position) -> Result<(), Stop> {
        if self.frames.len() + height < MAX_DEPTH {
            return Ok(());
        }
        self.error(
            Code::TOO_COMPLEX,
            at,
            format!("lists and maps are nested more than {MAX_DEPTH} deep here; no field needs that"),
        );
        Err(Stop)
    }

    /// The entries of a map: duplicates refused, merge keys resolved. What the map says itself wins over what is
    /// merged into it, and of several maps the first one wins (<https://yaml.org/type/merge.html>).
    fn merged(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut first: HashMap<String, Position> = HashMap::new();
        let mut own = Vec::with_capacity(entries.len());
        let mut merges = None;
        for entry in entries {
            let at = entry.key.at;
            if let Some(before) = first.get(entry.name()) {
                let Position { line, column } = *before;
                let message = if is_merge(&entry) {
                    format!(
                        "there are two `<<` in this map (the first on line {line}, column {column}); write `<<: [*a, *b]`"
                    )
                } else {
                    format!(
                        "the key {} stands here a second time (the first is on line {line}, column {column}); keep one of the two",
                        shown(entry.name())
                    )
                };
                self.error_of_entry(at, entry.name(), message);
                continue;
            }
            first.insert(entry.name().to_owned(), at);
            if is_merge(&entry) {
                merges = Some(entry.value);
            } else {
                own.push(entry);
            }
        }
        let Some(merges) = merges else {
            return own;
        };
        let mut have: HashSet<String> = own.iter().map(|entry| entry.name().to_owned()).collect();
        for entry in self.sources(&merges).iter().filter_map(|map| map.map()).flatten() {
            if have.insert(entry.name().to_owned()) {
                own.push(entry.clone());
            }
        }
        own
    }

    /// The maps that a merge key names.
    fn sources(&mut self, merges: &Rc<Node>) -> Vec<Rc<Node>> {
        let maps = match &merges.value {
            Value::List(items) => items.clone(),
            _ => vec![Rc::clone(merges)],
        };
        maps.into_iter()
            .filter(|node| {
                let is_map = node.map().is_some();
                if !is_map && !node.is_null() {
                    self.error(
                        Code::BAD_ALIAS,
                        node.at,
                        format!(
                            "`<<` merges maps, but {} stands here; write `<<: *name` with the anchor of a map",
                            node.kind()
                        ),
                    );
                }
                is_map
            })
            .collect()
    }

    /// Notes what is wrong with an entry of the map that was just closed, which may be the map of registries.
    fn error_of_entry(&mut self, at: Position, name: &str, message: String) {
        let path: Vec<&str> = self.frames.iter().map_while(key_of).chain([name]).collect();
        self.notes.registry = (self.hints.registry_on)(&path);
        self.notes.error(Code::DUPLICATE_KEY, at, message);
        self.notes.registry = None;
    }

    /// The registry that the parser is in, as far as one can tell before the whole file is read.
    fn registry_here(&self) -> Option<String> {
        let path: Vec<&str> = self.frames.iter().map_while(key_of).collect();
        (self.hints.registry_on)(&path)
    }

    fn note_syntax(&mut self, error: &ScanError, text: &str) {
        let at = position(*error.marker());
        let message = syntax::message(error.info(), text, at, self.hints.field_without_space);
        self.error(Code::INVALID_YAML, at, message);
    }
}

fn key_of(frame: &Frame) -> Option<&str> {
    match &frame.shape {
        Shape::Map {
            key: Pending::Key(key), ..
        } => key.scalar().map(|scalar| scalar.text.as_str()),
        _ => None,
    }
}

fn is_merge(entry: &Entry) -> bool {
    entry.name() == "<<" && entry.key.scalar().is_some_and(|scalar| scalar.plain)
}

/// The tag itself is not shown: `accessToken: !abc` is a token that wants quotes.
const UNKNOWN_TAG: &str = "a tag (a word that begins with `!`) means nothing here; remove it, or, if it is the beginning of a text, put the text in quotes";

enum TagKind {
    Text,
    Typed,
    Map,
    List,
    Unknown,
}

/// What a tag says, of those of YAML's core schema (YAML 1.2.2, 10.3).
fn kind_of_tag(tag: &Tag) -> TagKind {
    if tag.is_yaml_core_schema() {
        return match tag.suffix.as_str() {
            "str" => TagKind::Text,
            "int" | "float" | "bool" | "null" | "merge" => TagKind::Typed,
            "map" => TagKind::Map,
            "seq" => TagKind::List,
            _ => TagKind::Unknown,
        };
    }
    // A lone `!` says "text".
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("" | "!", "" | "!") => TagKind::Text,
        _ => TagKind::Unknown,
    }
}
