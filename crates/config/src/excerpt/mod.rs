//! The lines of a file, to be shown beside a message about them.
//!
//! A terminal is scrolled through, a pipeline's log is kept: what may be a token is covered with asterisks, character
//! by character, so that columns stay what they are. Comments are left out. What may be seen is for [`crate::excerpt::mask`] to say.

mod mask;

use std::ops::Range;

use crate::diagnostics::problem::is_invisible;
use crate::excerpt::mask::{Sight, is_known, sights};
use crate::yaml::source::MAX_BYTES;

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
        let (sights, read) = sights(text, &characters);
        let mut lines = vec![String::new()];
        let (mut comment, mut key) = (false, key_length(&characters));
        for (n, c) in characters.iter().enumerate() {
            let before = n
                .checked_sub(1)
                .and_then(|n| characters.get(n))
                .copied()
                .unwrap_or('\n');
            if matches!(c, '\n' | '\r') {
                comment = false;
                if !(*c == '\n' && before == '\r') {
                    lines.push(String::new());
                }
                // Behind a mistake nobody knows what is a key: only what stands at the beginning of a line is.
                key = if n >= read {
                    n + 1 + key_length(characters.get(n + 1..).unwrap_or_default())
                } else {
                    0
                };
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
        Self {
            lines: lines.iter().map(|line| line.trim_end().to_owned()).collect(),
        }
    }

    /// A line, by its number from 1.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<&str> {
        self.lines.get(number.checked_sub(1)?).map(String::as_str)
    }

    /// Which bytes of a line a message about this column (from 1, in characters) is about: the word that begins there.
    #[must_use]
    pub fn word(line: &str, column: usize) -> Range<usize> {
        let start = line
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(line.len(), |(at, _)| at);
        let rest = line.get(start..).unwrap_or_default();
        let quoted = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let end = match quoted {
            Some(quote) => rest.get(1..).and_then(|inner| inner.find(quote)).map(|at| at + 2),
            None => rest
                .char_indices()
                .find(|(_, c)| c.is_whitespace() || ",]}".contains(*c))
                .map(|(at, _)| at),
        };
        let word = rest
            .get(..end.unwrap_or(rest.len()))
            .unwrap_or_default()
            .trim_end_matches([':', ' ']);
        start..start + word.len()
    }
}

/// How many characters of a line, which goes to the next break, look like a key at its beginning: `  - name:`.
fn key_length(line: &[char]) -> usize {
    let line: String = line
        .iter()
        .take(MOST_KEY)
        .take_while(|c| !matches!(c, '\n' | '\r'))
        .collect();
    let Some((key, rest)) = line.split_once(':') else {
        return 0;
    };
    let name = key.trim_start_matches([' ', '-', '\t']).trim_matches(['"', '\'']);
    let is_key = (rest.is_empty() || rest.starts_with(' ')) && is_known(name);
    if is_key { key.chars().count() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_token_is_covered_and_columns_stay() {
        for (text, shown) in [
            (
                "hub: {registry: ghcr.io, accessToken: hunter22}",
                "hub: {registry: ghcr.io, accessToken: ********}",
            ),
            ("  accesTokn: 'hunter 22' # was hunter21", "  accesTokn: '*********'"),
            (
                "{token: hunter22, hunter22: a, registry: HUNTER22.io}",
                "{token: ********, ********: *, registry: ***********}",
            ),
            ("  username: bot", "  username: ***"),
            ("  secret: hunter22", "  secret: ********"),
            (
                "  secret: ecr-pullthroughcache/hub",
                "  secret: ecr-pullthroughcache/hub",
            ),
            ("  registry: bot:hunter22@ghcr.io", "  registry: ********************"),
            ("  registry: dckr_pat_abc", "  registry: ************"),
            ("  accessToken:hunter22: x", "  accessToken:********: *"),
            ("  accessToken:hunter22:", "  accessToken:********:"),
            (
                "  repository_read_access_arns: [\"111122223333\"]",
                "  repository_read_access_arns: [\"111122223333\"]",
            ),
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
        assert!(
            !lines.contains("hunter") && lines.contains("registry: *******"),
            "{lines}"
        );
    }

    /// What a hostile reader tried: a map where the token should be, the token again in another place and in another
    /// spelling, a token under a key that has a harmless look.
    #[test]
    fn no_way_of_writing_it_shows_a_token() {
        let file = "hub:\n  registry: docker.io\n  username: bot\n";
        for rest in [
            "  accessToken: {{ hunter22 }}\n",
            "  accessToken: {hunter22}\n",
            "  accessToken:\n    hunter22:\n",
            "  accessToken: [hunter22, {a: hunter22}]\n",
            "  password: {hunter22: hunter22}\n",
            "  secret: {hunter22}\n",
            "  accesTokn: {hunter22: {registry: hunter22}}\n",
            "  accessToken: &t hunter22\n  custom_role_arn: hunter22\n",
            "  accessToken: \"hunter\\x322\"\n  image_tag_mutability: hunter22\n",
            "  accessToken: hunter22\n  image_tag_mutability: \"hunter\\x322\"\n",
            "  accessToken: \"hunter2\\\n    2\"\n  image_tag_mutability: hunter22\n",
            "  accessT: ecr-pullthroughcache/hunter22\n",
            "  username: arn:aws:hunter22\n",
            "  image_tag_mutability: MUTABLE\n    accessToken hunter22\n",
            "  image_tag_mutability: MUTABLE hunter22\n",
            "  accessToken: |\n    abc\n  hunter22:\n",
            "  <<: {hunter22}\n",
            "  accessToken:\n  hunter: 1\n",
        ] {
            let lines = Excerpts::of(format!("{file}{rest}").as_bytes()).lines.join("\n");
            assert!(!lines.contains("hunter"), "{rest}: {lines}");
            assert!(lines.contains("registry: docker.io"), "{rest}: {lines}");
        }
        for above in [
            "x-t: &t hunter22\n",
            "x-t: &t {hunter22}\n",
            "x-a: {b: &t {registry: hunter22}}\n",
        ] {
            let text = format!("{above}registries:\n  hub: {{accessToken: *t, image_tag_mutability: hunter22}}\n");
            let lines = Excerpts::of(text.as_bytes()).lines.join("\n");
            assert!(!lines.contains("hunter"), "{lines}");
        }
        let free = "x-rules:\n  keep: {rulePriority: 1, readers: [\"arn:aws:iam::111122223333:root\"]}\n";
        assert_eq!(Excerpts::of(free.as_bytes()).lines.join("\n"), free);
    }

    #[test]
    fn behind_a_mistake_in_the_yaml_only_keys_are_shown() {
        let text = "hub:\n  registry: ghcr.io\n  accessToken: \"hunter22\n  username: bot\n  hunter22\n";
        let lines = Excerpts::of(text.as_bytes()).lines.join("\n");
        assert!(!lines.contains("hunter"), "{lines}");
        assert!(
            lines.contains("registry: ghcr.io") && lines.contains("username: ***"),
            "{lines}"
        );
        let open = "hub:\n  accessToken: [\n   - Qz-hunterTwo: \n";
        assert!(!Excerpts::of(open.as_bytes()).lines.concat().contains("hunter"));
        let deep = "[".repeat(100_000) + "hunter22";
        assert!(!Excerpts::of(deep.as_bytes()).lines.concat().contains("hunter"));
    }

    #[test]
    fn bytes_that_are_no_text_have_no_lines_to_show() {
        assert_eq!(Excerpts::of(b"a: b\nc: \xff\n").line(1), None);
        assert_eq!(Excerpts::of(b"a: b\0\n").line(1), Some("a: *\u{fffd}"));
        assert_eq!(
            Excerpts::of(b"a: b\r\nregistry: quay.io\r\n").line(2),
            Some("registry: quay.io")
        );
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
