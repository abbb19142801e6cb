//! The lines of a file, to be shown beside a message about them.
//!
//! A terminal is scrolled through, a pipeline's log is kept: what may be a token is covered with asterisks, character
//! by character, so that columns stay what they are. A value is shown only where its key says that it is none; that of
//! a misspelt key is not. Comments are left out.

use std::ops::Range;

use saphyr_parser::{Event, Parser, Span};
use zeroize::Zeroizing;

use super::hidden::Hidden;
use super::problem::{is_invisible, looks_like_a_token};
use super::yaml::holds_a_token;
use super::{MAX_BYTES, raw};
use crate::ownership::SECRET_PREFIX;

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

/// Deeper than any file that is taken; what is further in is covered.
const MAX_DEPTH: usize = 64;

/// More than any key with its indentation.
const MOST_KEY: usize = 200;

const COVER: char = '*';

/// A file's lines, free of credentials. Empty where the bytes are no text.
#[derive(Debug, Default)]
pub struct Excerpts {
    lines: Vec<String>,
}

impl Excerpts {
    /// Covers what may not be shown.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES);
        let Some(text) = text else { return Self::default() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let characters: Vec<char> = text.chars().collect();
        let mut sights = vec![Sight::Between; characters.len()];
        let mut see = |range: &Range<usize>, sight| sights.get_mut(range.clone()).unwrap_or_default().fill(sight);
        let mut tokens = Vec::new();
        let read = scalars(text, |spot, key, value| match spot {
            Spot::Value if holds_a_token(key) => {
                let inside = inside_quotes(&characters, value);
                tokens.push(Zeroizing::new(text_of(&characters, &inside)));
                see(&inside, Sight::Covered);
            }
            Spot::Key => see(&key_range(&characters, value), Sight::Shown),
            Spot::Value if may_be_shown(key, &characters, value) => {
                see(&inside_quotes(&characters, value), Sight::Shown);
            }
            Spot::Value => see(&inside_quotes(&characters, value), Sight::Covered),
        });
        cover(text, &Hidden::new(&tokens), &mut sights);
        let mut lines = vec![String::new()];
        let (mut comment, mut key) = (false, key_length(&characters));
        for (n, c) in characters.iter().enumerate() {
            let before = n.checked_sub(1).and_then(|n| characters.get(n)).copied().unwrap_or('\n');
            if matches!(c, '\n' | '\r') {
                comment = false;
                if !(*c == '\n' && before == '\r') {
                    lines.push(String::new());
                }
                // Behind a mistake nobody knows what is a key: only what stands at the beginning of a line is.
                key = if n >= read { n + 1 + key_length(characters.get(n + 1..).unwrap_or_default()) } else { 0 };
                continue;
            }
            let sight = sights.get(n).copied().unwrap_or(Sight::Between);
            comment |= *c == '#' && sight == Sight::Between && before.is_whitespace();
            let open = sight == Sight::Shown || (n >= read && n < key);
            let covered = sight == Sight::Covered || (!open && c.is_alphanumeric());
            if let Some(line) = lines.last_mut().filter(|_| !comment) {
                line.push(match c {
                    _ if covered => COVER,
                    c if is_invisible(*c) => '\u{fffd}',
                    c => *c,
                });
            }
        }
        Self { lines: lines.iter().map(|line| line.trim_end().to_owned()).collect() }
    }

    /// A line, by its number from 1.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&str> {
        self.lines.get(number.checked_sub(1)?).map(String::as_str)
    }

    /// Which bytes of a line a message about this column (from 1, in characters) is about: the word that begins there.
    #[must_use]
    pub fn word(line: &str, column: usize) -> Range<usize> {
        let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let rest = line.get(start..).unwrap_or_default();
        let quoted = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let end = match quoted {
            Some(quote) => rest.get(1..).and_then(|inner| inner.find(quote)).map(|at| at + 2),
            None => rest.char_indices().find(|(_, c)| c.is_whitespace() || ",]}".contains(*c)).map(|(at, _)| at),
        };
        let word = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default().trim_end_matches([':', ' ']);
        start..start + word.len()
    }
}

/// How a character is seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// It belongs to no scalar: punctuation, a comment, or what could not be read.
    Between,
    Shown,
    Covered,
}

/// Covers credentials wherever else they stand.
fn cover(text: &str, hidden: &Hidden<'_>, sights: &mut [Sight]) {
    let mut covered = 0;
    for (n, (at, _)) in text.char_indices().enumerate() {
        let Some(sight) = sights.get_mut(n).filter(|sight| **sight == Sight::Shown) else { continue };
        covered = covered.max(at + hidden.begins(text.get(at..).unwrap_or_default()));
        if at < covered {
            *sight = Sight::Covered;
        }
    }
}

/// What a scalar is.
#[derive(Clone, Copy)]
enum Spot {
    Key,
    Value,
}

/// What the walk is in: a list under a key, or a map and the key whose value comes next.
enum Frame {
    List(String),
    Map(Option<String>),
}

/// Tells of every scalar, with the key it stands under, and gives how many characters could be read.
fn scalars(text: &str, mut tell: impl FnMut(Spot, &str, &Range<usize>)) -> usize {
    let mut frames: Vec<Frame> = Vec::new();
    let mut read = 0;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { return read };
        if frames.len() > MAX_DEPTH {
            return read;
        }
        let range = range(span);
        read = read.max(range.end);
        match event {
            Event::Scalar(value, ..) => match frames.last_mut() {
                Some(Frame::Map(key @ None)) => {
                    tell(Spot::Key, &value, &range);
                    *key = Some(value.into_owned());
                }
                Some(Frame::Map(key)) => tell(Spot::Value, &key.take().unwrap_or_default(), &range),
                Some(Frame::List(key)) => tell(Spot::Value, key, &range),
                None => tell(Spot::Value, "", &range),
            },
            Event::Alias(_) => next(&mut frames, String::new),
            Event::SequenceStart(..) => {
                let key = key_above(&frames);
                frames.push(Frame::List(key));
            }
            Event::MappingStart(..) => frames.push(Frame::Map(None)),
            Event::SequenceEnd | Event::MappingEnd => {
                frames.pop();
                next(&mut frames, String::new);
            }
            _ => {}
        }
    }
    text.chars().count()
}

/// A value that is no scalar has ended: a key comes next, or the value of one that is none.
fn next(frames: &mut [Frame], no_scalar: impl Fn() -> String) {
    if let Some(Frame::Map(key)) = frames.last_mut() {
        *key = if key.is_none() { Some(no_scalar()) } else { None };
    }
}

fn key_above(frames: &[Frame]) -> String {
    match frames.last() {
        Some(Frame::Map(Some(key)) | Frame::List(key)) => key.clone(),
        _ => String::new(),
    }
}

fn range(span: Span) -> Range<usize> {
    span.start.index()..span.end.index()
}

/// A value without its quotes, so that these stay, and without what the parser counts to it: space, and a comment.
fn inside_quotes(characters: &[char], range: &Range<usize>) -> Range<usize> {
    let text = characters.get(range.clone()).unwrap_or_default();
    let (Some(quote @ ('"' | '\'')), start) = (text.first(), range.start + 1) else {
        let is_block = matches!(text.first(), Some('|' | '>')) || text.contains(&'\n');
        let comment = text.windows(2).position(|two| matches!(two, [' ' | '\t', '#'])).filter(|_| !is_block);
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

fn text_of(characters: &[char], range: &Range<usize>) -> String {
    characters.get(range.clone()).unwrap_or_default().iter().collect()
}

/// A key is shown up to a colon in it: what follows was meant to be a value.
fn key_range(characters: &[char], range: &Range<usize>) -> Range<usize> {
    let text = text_of(characters, range);
    if looks_like_a_token(&text) || text.contains('\n') {
        return range.start..range.start;
    }
    let length = text.chars().position(|c| c == ':').unwrap_or(range.len());
    range.start..range.start + length
}

fn may_be_shown(key: &str, characters: &[char], range: &Range<usize>) -> bool {
    let bare = text_of(characters, &inside_quotes(characters, range));
    let bare = bare.as_str();
    let one_line = !bare.contains(['\n', '\r']);
    let harmless = one_line && !looks_like_a_token(bare) && raw::field_without_space(bare).is_none();
    let named = bare.starts_with(SECRET_PREFIX) || bare.starts_with("arn:");
    harmless && (named || (SHOWN.contains(&key) && !bare.contains('@')))
}

/// How many characters of a line, which goes to the next break, look like a key at its beginning: `  - name:`.
fn key_length(line: &[char]) -> usize {
    let line: String = line.iter().take(MOST_KEY).take_while(|c| !matches!(c, '\n' | '\r')).collect();
    let Some((key, rest)) = line.split_once(':') else { return 0 };
    let name = key.trim_start_matches([' ', '-', '\t']).trim_matches(['"', '\'']);
    let is_key = (rest.is_empty() || rest.starts_with(' '))
        && !looks_like_a_token(name)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if is_key { key.chars().count() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_token_is_covered_and_columns_stay() {
        for (text, shown) in [
            ("hub: {registry: ghcr.io, accessToken: hunter22}", "hub: {registry: ghcr.io, accessToken: ********}"),
            ("  accesTokn: 'hunter 22' # was hunter21", "  accesTokn: '*********'"),
            (
                "{token: hunter22, hunter22: a, registry: HUNTER22.io}",
                "{token: ********, ********: *, registry: ********.io}",
            ),
            ("  username: bot", "  username: ***"),
            ("  secret: hunter22", "  secret: ********"),
            ("  secret: ecr-pullthroughcache/hub", "  secret: ecr-pullthroughcache/hub"),
            ("  registry: bot:hunter22@ghcr.io", "  registry: ********************"),
            ("  registry: dckr_pat_abc", "  registry: ************"),
            ("  accessToken:hunter22: x", "  accessToken:********: *"),
            ("  accessToken:hunter22:", "  accessToken:********:"),
            ("  repository_read_access_arns: [\"111122223333\"]", "  repository_read_access_arns: [\"111122223333\"]"),
            ("  countNumber: 5", "  countNumber: 5"),
            ("  registry: größe\u{9b}", "  registry: größe\u{fffd}"),
        ] {
            assert_eq!(Excerpts::of(text.as_bytes()).line(1), Some(shown), "{text}");
        }
    }

    #[test]
    fn a_value_of_several_lines_and_what_an_anchor_names_are_covered() {
        let text =
            "a:\n  accessToken: |\n    hunter22\n  registry: quay.io\n    accessToken:hunter22\nx-t: &t hunter22\n";
        let lines = Excerpts::of(text.as_bytes()).lines.join("\n");
        assert!(!lines.contains("hunter") && lines.contains("registry: *******"), "{lines}");
    }

    #[test]
    fn behind_a_mistake_in_the_yaml_only_keys_are_shown() {
        let text = "hub:\n  registry: ghcr.io\n  accessToken: \"hunter22\n  username: bot\n  hunter22\n";
        let lines = Excerpts::of(text.as_bytes()).lines.join("\n");
        assert!(!lines.contains("hunter"), "{lines}");
        assert!(lines.contains("registry: ghcr.io") && lines.contains("username: ***"), "{lines}");
        let deep = "[".repeat(100_000) + "hunter22";
        assert!(!Excerpts::of(deep.as_bytes()).lines.concat().contains("hunter"));
    }

    #[test]
    fn bytes_that_are_no_text_have_no_lines_to_show() {
        assert_eq!(Excerpts::of(b"a: b\nc: \xff\n").line(1), None);
        assert_eq!(Excerpts::of(b"a: b\0\n").line(1), Some("a: *\u{fffd}"));
        assert_eq!(Excerpts::of(b"a: b\r\nregistry: quay.io\r\n").line(2), Some("registry: quay.io"));
    }

    #[test]
    fn a_message_is_about_a_word() {
        for (line, column, word) in [
            ("  usrname: bot", 3, "usrname"),
            ("  a: [b, c]", 7, "b"),
            ("  a: \"b c\" # d", 6, "\"b c\""),
            ("größe: x", 8, "x"),
            ("a", 9, ""),
        ] {
            assert_eq!(line.get(Excerpts::word(line, column)), Some(word), "{line}");
        }
    }
}
