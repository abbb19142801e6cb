//! Which characters of a file may be seen by whoever reads a message about it.
//!
//! Only what is known to be harmless may: the keys that the file has, the names of registries, words that could be a
//! misspelt key, and the values of the keys in [`SHOWN`]. All that stands under any other key is covered, keys included:
//! `accessToken: {{ token }}` is a map whose key is the token. A credential is covered in every other place too, however it
//! is written there.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, Span};
use zeroize::Zeroizing;

use crate::diagnostics::redactor::Hidden;
use crate::diagnostics::tokens::holds_a_token;
use crate::diagnostics::tokens::looks_like_a_token;
use crate::keys::describe::Key as _;
use crate::keys::file::{EncryptionKey, ExistingKey, FileKey};
use crate::keys::lifecycle::{ActionKey, PolicyKey, RuleKey, SelectionKey};
use crate::model::credential::SECRET_PREFIX;

/// The keys whose values are shown. `secret` is not one of them: people put tokens there, and only what is a secret's
/// name is shown.
const SHOWN: [&str; 30] = [
    "registry",
    "repository_read_access_arns",
    "image_tag_mutability",
    "image_tag_mutability_exclusion_filters",
    "lifecycle_policy",
    "upstream_repository_prefix",
    "custom_role_arn",
    "encryption_configuration",
    "encryption_type",
    "kms_key",
    "take_over",
    "allow_unlisted_upstream",
    "existing_repositories",
    "apply",
    "max_expiring_images",
    "include",
    "exclude",
    "registries",
    "max_deletions",
    "rulePriority",
    "tagStatus",
    "tagPatternList",
    "tagPrefixList",
    "storageClass",
    "countType",
    "countUnit",
    "countNumber",
    "type",
    "targetStorageClass",
    "rules",
];

/// More than any value that is worth a look. What has been looked for in all of a file must not be long.
const MOST_SHOWN: usize = 1000;

/// Deeper than any file that is taken; what is further in is covered.
const MAX_DEPTH: usize = 64;

/// How a character is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It belongs to no scalar: punctuation, a comment, or what could not be read.
    Between,
    Shown,
    Covered,
}

/// How each character is seen, and how many of them could be read as YAML.
pub(crate) fn sights(text: &str, characters: &[char]) -> (Vec<Sight>, usize) {
    let mut walk = Walk {
        characters,
        frames: Vec::new(),
        scalars: Vec::new(),
        anchors: HashMap::new(),
        covered: Vec::new(),
    };
    let read = walk.read(text);
    let Walk {
        scalars, mut covered, ..
    } = walk;
    let tokens: Vec<Zeroizing<String>> = scalars.iter().filter(|s| s.is_token).map(|s| s.value.clone()).collect();
    let hidden = Hidden::new(&tokens);
    let mut sights = vec![Sight::Between; characters.len()];
    for scalar in scalars {
        // Written in another way, it is still the credential.
        let shown = scalar.shown && hidden.without(&scalar.value) == *scalar.value;
        let sight = if shown { Sight::Shown } else { Sight::Covered };
        fill(&mut sights, &scalar.range, sight);
        if shown && scalar.cut < scalar.range.end {
            covered.push(scalar.cut..scalar.range.end);
        }
    }
    for range in covered {
        let of_it = sights.get_mut(range).unwrap_or_default();
        of_it
            .iter_mut()
            .filter(|sight| **sight == Sight::Shown)
            .for_each(|sight| *sight = Sight::Covered);
    }
    (sights, read)
}

fn fill(sights: &mut [Sight], range: &Range<usize>, sight: Sight) {
    sights.get_mut(range.clone()).unwrap_or_default().fill(sight);
}

/// A key or a value.
struct Scalar {
    range: Range<usize>,
    /// Where what may be seen of it ends.
    cut: usize,
    /// Free of quotes, escapes, anchors.
    value: Zeroizing<String>,
    shown: bool,
    is_token: bool,
}

/// What a map or a list is, as far as it decides what may be seen in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// Its keys are names that somebody gave: the whole file, or `registries`.
    Names,
    /// Its keys are those of the file.
    Fields,
    /// Under a key that begins with `x-`: whatever somebody put there.
    Free,
    /// Nothing of it is seen.
    Closed,
}

/// A map or a list that is being read.
struct Frame {
    level: Level,
    /// Of a list: the key it stands under. Of a map: the key whose value comes next.
    key: Option<String>,
    is_list: bool,
    /// A credential without a value came before: what follows may be that value, on the wrong line.
    after_token: bool,
    anchor: usize,
    start: usize,
}

struct Walk<'a> {
    characters: &'a [char],
    frames: Vec<Frame>,
    scalars: Vec<Scalar>,
    /// Where the value of an anchor stands, and which of the scalars are in it.
    anchors: HashMap<usize, (Range<usize>, Range<usize>)>,
    /// What an alias has turned into a credential.
    covered: Vec<Range<usize>>,
}

impl Walk<'_> {
    /// Reads as far as it goes, and says how far that was.
    fn read(&mut self, text: &str) -> usize {
        let (mut read, mut begun) = (0, Vec::new());
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { return read };
            if self.frames.len() > MAX_DEPTH {
                return read;
            }
            let range = range(span);
            read = read.max(range.end);
            match event {
                Event::Scalar(value, _, anchor, _) => {
                    let first = self.scalars.len();
                    self.scalar(Zeroizing::new(value.into_owned()), &range);
                    self.anchors.insert(anchor, (range, first..first + 1));
                }
                Event::Alias(anchor) => self.alias(anchor),
                Event::SequenceStart(anchor, _) => {
                    let (level, key) = self.inside();
                    begun.push(self.scalars.len());
                    self.frames.push(Frame {
                        level,
                        key: Some(key),
                        is_list: true,
                        after_token: false,
                        anchor,
                        start: range.start,
                    });
                }
                Event::MappingStart(anchor, _) => {
                    let (level, _) = self.inside();
                    begun.push(self.scalars.len());
                    self.frames.push(Frame {
                        level,
                        key: None,
                        is_list: false,
                        after_token: false,
                        anchor,
                        start: range.start,
                    });
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let (Some(frame), Some(first)) = (self.frames.pop(), begun.pop()) {
                        self.anchors
                            .insert(frame.anchor, (frame.start..range.end, first..self.scalars.len()));
                    }
                    self.value_has_ended();
                }
                _ => {}
            }
        }
        self.characters.len()
    }

    /// The level of what begins here, and the key it stands under.
    fn inside(&self) -> (Level, String) {
        let Some(frame) = self.frames.last() else {
            return (Level::Names, String::new());
        };
        let key = frame.key.clone().unwrap_or_default();
        let level = match frame.level {
            level if frame.is_list => level,
            Level::Closed => Level::Closed,
            _ if is_closed(&key) => Level::Closed,
            Level::Names if key == FileKey::Registries.name() => Level::Names,
            Level::Names if key.starts_with("x-") => Level::Free,
            Level::Names => Level::Fields,
            Level::Fields if is_known(&key) => Level::Fields,
            Level::Fields => Level::Closed,
            Level::Free => Level::Free,
        };
        (level, key)
    }

    fn scalar(&mut self, value: Zeroizing<String>, range: &Range<usize>) {
        let inside = inside_quotes(self.characters, range);
        let level = self.frames.last().map_or(Level::Closed, |frame| frame.level);
        let is_key = self
            .frames
            .last()
            .is_some_and(|frame| !frame.is_list && frame.key.is_none());
        let scalar = if is_key {
            let after_token = self.frames.last().is_some_and(|frame| frame.after_token);
            let shown = key_is_shown(&value, level) && (!after_token || is_known(&value));
            // What follows a colon in a key was meant to be a value.
            let length = value
                .chars()
                .position(|c| c == ':')
                .map_or(inside.len(), |colon| colon + 1);
            let cut = (inside.start + length).min(inside.end);
            if let Some(frame) = self.frames.last_mut() {
                frame.key = Some(value.to_string());
                frame.after_token = false;
            }
            Scalar {
                cut,
                range: inside,
                value,
                shown,
                is_token: false,
            }
        } else {
            let key = self
                .frames
                .last()
                .and_then(|frame| frame.key.clone())
                .unwrap_or_default();
            let shown = value_is_shown(&key, &value, level);
            let is_token = level == Level::Closed || holds_a_token(&key);
            self.value_has_ended();
            if let Some(frame) = self.frames.last_mut() {
                frame.after_token = holds_a_token(&key) && value.is_empty();
            }
            Scalar {
                cut: inside.end,
                range: inside,
                value,
                shown,
                is_token,
            }
        };
        self.scalars.push(scalar);
    }

    /// A value that stands elsewhere. Used as a credential, it is one.
    fn alias(&mut self, anchor: usize) {
        let is_key = self
            .frames
            .last()
            .is_some_and(|frame| !frame.is_list && frame.key.is_none());
        let (level, key) = self.inside();
        if let (true, Some((range, scalars))) = (level == Level::Closed || is_closed(&key), self.anchors.get(&anchor)) {
            self.covered.push(range.clone());
            let of_it = self.scalars.get_mut(scalars.clone()).unwrap_or_default();
            of_it.iter_mut().for_each(|scalar| scalar.is_token = true);
        }
        match self.frames.last_mut() {
            Some(frame) if is_key => frame.key = Some(String::new()),
            _ => self.value_has_ended(),
        }
    }

    /// In a map, a key comes next; or the value of one that is no scalar.
    fn value_has_ended(&mut self) {
        if let Some(frame) = self.frames.last_mut().filter(|frame| !frame.is_list) {
            frame.key = if frame.key.is_none() { Some(String::new()) } else { None };
        }
    }
}

/// Whether everything under a key is covered.
fn is_closed(key: &str) -> bool {
    holds_a_token(key) || matches!(key, "username" | "secret")
}

/// Whether a key is one of the file's own.
pub(crate) fn is_known(key: &str) -> bool {
    let tables: [&[&str]; 7] = [
        crate::keys::file::FIELDS,
        FileKey::NAMES,
        PolicyKey::NAMES,
        RuleKey::NAMES,
        SelectionKey::NAMES,
        ActionKey::NAMES,
        ExistingKey::NAMES,
    ];
    key == "<<" || EncryptionKey::NAMES.contains(&key) || tables.iter().any(|names| names.contains(&key))
}

/// A name may be seen, and a word that may be a misspelt key: those have no digits, and tokens mostly do.
fn key_is_shown(key: &str, level: Level) -> bool {
    let word = key.split(':').next().unwrap_or_default();
    let is_word = word.len() <= 60 && !word.chars().any(|c| c.is_ascii_digit() || c.is_whitespace());
    let harmless = !looks_like_a_token(key) && !key.contains('\n');
    match level {
        Level::Closed => false,
        Level::Names => harmless,
        Level::Fields | Level::Free => harmless && (is_known(key) || is_word),
    }
}

fn value_is_shown(key: &str, value: &str, level: Level) -> bool {
    let one_line = !value.contains(['\n', '\r']);
    let harmless = one_line && !looks_like_a_token(value) && crate::keys::file::field_without_space(value).is_none();
    let one_word = !value.contains(char::is_whitespace) && value.len() <= MOST_SHOWN;
    let by_key = match key {
        "secret" => value.starts_with(SECRET_PREFIX) || value.starts_with("arn:"),
        key => SHOWN.contains(&key) && !value.contains('@'),
    };
    let by_value = level == Level::Free && !is_closed(key) && value.starts_with("arn:");
    level != Level::Closed && harmless && one_word && (by_key || by_value)
}

fn range(span: Span) -> Range<usize> {
    span.start.index()..span.end.index()
}

/// A value without its quotes, so that these stay, and without what the parser counts to it: space, and a comment.
fn inside_quotes(characters: &[char], range: &Range<usize>) -> Range<usize> {
    let text = characters.get(range.clone()).unwrap_or_default();
    let (Some(quote @ ('"' | '\'')), start) = (text.first(), range.start + 1) else {
        let is_block = matches!(text.first(), Some('|' | '>')) || text.contains(&'\n');
        let comment = text
            .windows(2)
            .position(|two| matches!(two, [' ' | '\t', '#']))
            .filter(|_| !is_block);
        let text = text.get(..comment.unwrap_or(text.len())).unwrap_or_default();
        let end = text.iter().rposition(|c| !c.is_whitespace()).map_or(0, |n| n + 1);
        return range.start..range.start + end;
    };
    let mut escaped = false;
    let length = text.iter().skip(1).position(|c| {
        let ends = !escaped && c == quote;
        escaped = !escaped && *quote == '"' && *c == '\\';
        ends
    });
    start..length.map_or(range.end, |length| start + length)
}
