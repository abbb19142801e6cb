//! The lines of a file that are shown beside the messages about them.
//!
//! A terminal is scrolled through, a pipeline's log is kept, and any part of a file may be a token. So of a line only the keys are
//! shown that the file format has, and those that a message names anyway. All else is covered, comments too, character by
//! character, so that columns stay. This needs no YAML: a broken or hostile file is covered by the same rule.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use config::{MAX_BYTES, Problem, is_key};

const COVER: char = '·';

/// The lines that messages are about, by their numbers from 1, free of credentials.
#[derive(Default)]
pub struct Excerpts(BTreeMap<usize, String>);

impl Excerpts {
    /// None where the bytes are no text, or too many.
    pub fn of<'a>(bytes: &[u8], problems: impl IntoIterator<Item = &'a Problem>) -> Self {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_BYTES);
        let Some(text) = text else { return Self::default() };
        // As the parser counts them: a line ends with LF, CR LF or CR.
        let lines = text.strip_prefix('\u{feff}').unwrap_or(text).split('\n');
        let lines = lines.flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'));
        let (mut named, mut wanted) = (HashSet::new(), HashSet::new());
        for problem in problems {
            named.extend(names(problem));
            wanted.extend(problem.line);
        }
        let excerpts = (1..).zip(lines).filter(|(number, _)| wanted.contains(number));
        Self(excerpts.map(|(number, line)| (number, covered(line, &named))).collect())
    }

    pub fn line(&self, number: usize) -> Option<&str> {
        self.0.get(&number).map(String::as_str)
    }
}

/// What a message names: its registry, and what stands in backquotes. Messages are free of credentials.
fn names(problem: &Problem) -> impl Iterator<Item = &str> {
    let quoted = problem.message.split('`').skip(1).step_by(2);
    quoted.chain(problem.registry.as_deref())
}

fn covered(line: &str, named: &HashSet<&str>) -> String {
    let mut rest = line.trim_start_matches([' ', '-']);
    let mut out = line.strip_suffix(rest).unwrap_or_default().to_owned();
    let mut may_be_key = true;
    while let Some(c) = rest.chars().next() {
        let begins = c == '{' || (may_be_key && c != ' ');
        let key = if begins { key_length(rest, named) } else { None };
        if let Some((key, next)) = key.and_then(|length| rest.split_at_checked(length)) {
            out.push_str(key);
            (rest, may_be_key) = (next, false);
        } else {
            out.push(if c == ' ' { ' ' } else { COVER });
            may_be_key = matches!(c, '{' | ',') || (may_be_key && c == ' ');
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// How many bytes a text's beginning has that is a key to be shown, with its brace, quotes and colon.
fn key_length(text: &str, named: &HashSet<&str>) -> Option<usize> {
    let unbraced = text.strip_prefix('{').unwrap_or(text);
    let unquoted = unbraced.strip_prefix(['"', '\'']).unwrap_or(unbraced);
    // The search ends where another key may begin, so that each line is read once.
    let end = unquoted.find([':', '"', '\'', '{', ','])?;
    let (key, rest) = unquoted.split_at_checked(end)?;
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest).strip_prefix(':')?;
    (is_key(key) || named.contains(key)).then(|| text.len() - rest.len())
}

/// Which bytes of an excerpt a message about this column (from 1, in characters) is about: up to the next space.
pub fn word(line: &str, column: usize) -> Range<usize> {
    let start = line.char_indices().nth(column.saturating_sub(1));
    let start = start.map_or(line.len(), |(at, _)| at);
    let rest = line.get(start..).unwrap_or_default();
    let word = rest.split(' ').next().unwrap_or_default().trim_end_matches(':');
    start..start + word.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first line, where the only message is one of registry `hub` about the key `accesTokn`.
    fn first(text: &str) -> String {
        all(text).lines().next().unwrap_or_default().to_owned()
    }

    fn all(text: &str) -> String {
        let message = "unknown key `accesTokn`; did you mean `accessToken`?";
        let problem = |line| Problem {
            line: Some(line),
            ..Problem::unplaced(config::Code::UNKNOWN_KEY, Some("hub"), message)
        };
        let problems: Vec<Problem> = (1..=text.matches(['\n', '\r']).count() + 1).map(problem).collect();
        let excerpts = Excerpts::of(text.as_bytes(), &problems);
        excerpts.0.into_values().collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn keys_are_shown_and_all_else_is_covered() {
        for (text, shown) in [
            ("hub: {registry: ghcr.io}", "hub: {registry: ········"),
            (
                "{\"hub\":{\"registry\":\"ghcr.io\"}}",
                "{\"hub\":{\"registry\":···········",
            ),
            (
                "  accesTokn: 'hunter 22' # was x: y",
                "  accesTokn: ······· ··· · ··· ·· ·",
            ),
            ("  accesToken: hunter22", "  ··········· ········"),
            ("  - rulePriority: 1", "  - rulePriority: ·"),
            ("  registry: bot:hunter22@ghcr.io", "  registry: ····················"),
            (
                "  accessToken:hunter22: registry: x",
                "  accessToken:········· ········· ·",
            ),
            ("  accessToken: hunter22: registry", "  accessToken: ········· ········"),
            ("  \taccessToken: x\u{9b}", "  ············· ··"),
            ("  accessToken", "  ···········"),
            ("größe: ü ", "······ ·"),
            ("\u{feff}hub:", "hub:"),
        ] {
            assert_eq!(first(text), shown, "{text}");
        }
    }

    /// What a hostile reader tried: a map where the token should be, the token again in another place and in another
    /// spelling, a token under a key that has a harmless look, mistakes in the YAML.
    #[test]
    fn no_way_of_writing_it_shows_a_token() {
        for text in [
            "  accessToken: {{ hunter22 }}",
            "  accessToken: {hunter22}",
            "  accessToken:\n    hunter22:",
            "  accessToken:\nhunter22: 1",
            "  accessToken: |\n    abc\n  hunter22:",
            "  accessToken: [hunter22, {a: hunter22}]",
            "  password: {hunter22: hunter22}",
            "  secret: ecr-pullthroughcache/hunter22",
            "  username: arn:aws:hunter22",
            "  accessToken: &hunter22 x",
            "x-t: &t {registry: hunter22}",
            "  image_tag_mutability: \"hunter\\x322\"",
            "  image_tag_mutability: MUTABLE hunter22",
            "  <<: {hunter22}",
            "  accessToken: \"hunter22\n  hunter22\n  username: bot",
            "  accessToken: [\n   - Qz-hunterTwo: ",
            "# hub: hunter22",
            "? hunter22\n: hunter22",
            "  !hunter22 registry: quay.io",
        ] {
            let lines = all(&format!("hub:\n  registry: docker.io\n{text}\n"));
            assert!(!lines.contains("hunter"), "{text}: {lines}");
            assert!(lines.starts_with("hub:\n  registry: ·········\n"), "{text}: {lines}");
        }
    }

    /// Read more than once, such a line would take minutes.
    #[test]
    fn a_line_as_long_as_a_file_is_covered_at_once() {
        for part in ["{", " ", "[", "{ ", ", ", "'", "a", "{a", "- "] {
            let text = format!("{{{}hunter22", part.repeat(MAX_BYTES / 4));
            assert!(!first(&text).contains("hunter"), "{part}");
        }
    }

    #[test]
    fn only_lines_of_text_are_shown_and_counted_as_the_parser_counts() {
        assert_eq!(all("hub: \r\ntags:\rrules:\n\ntype:"), "hub:\ntags:\nrules:\n\ntype:");
        let problem = Problem {
            line: Some(1),
            ..Problem::unplaced(config::Code::NOT_TEXT, None, "x")
        };
        assert_eq!(Excerpts::of(b"a: b\nc: \xff\n", [&problem]).line(1), None);
        assert_eq!(Excerpts::of(&[b'a'; MAX_BYTES + 1], [&problem]).line(1), None);
    }

    #[test]
    fn a_message_is_about_a_word() {
        for (line, column, word) in [
            ("  usrname: ···", 3, "usrname"),
            ("größe: ·", 8, "·"),
            ("  type: ·· ··", 9, "··"),
            ("a", 9, ""),
        ] {
            assert_eq!(line.get(super::word(line, column)), Some(word), "{line}");
        }
    }
}
