//! Credentials are taken out of whatever is said about a file, however they got in.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};

use zeroize::Zeroizing;

/// What stands where a credential would.
pub(crate) const HIDDEN: &str = "[hidden]";

/// Texts shorter than this are not hidden: they are in any sentence, and no token is so short.
const SHORTEST: usize = 4;

/// So much of a token is telling: a message may show only the beginning of a text.
const TELLING: usize = 16;

/// So many credentials that begin alike are told apart. Where there are more, what begins like them is hidden to the end of
/// its word.
const MOST_ALIKE: usize = 64;

/// The credentials of a file, by how they begin. Found through a hash of the beginning, so that even a file that is
/// nothing but tokens is dealt with at once.
pub(crate) struct Hidden<'a> {
    by_length: BTreeMap<usize, HashMap<u64, Vec<&'a str>>>,
}

impl<'a> Hidden<'a> {
    /// Indexes credentials.
    pub fn new(tokens: &'a [Zeroizing<String>]) -> Self {
        let mut by_length: BTreeMap<usize, HashMap<u64, Vec<&str>>> = BTreeMap::new();
        for token in tokens.iter().filter(|token| token.len() >= SHORTEST) {
            let beginning = token.get(..TELLING).unwrap_or(token).as_bytes();
            let same_hash = by_length
                .entry(beginning.len())
                .or_default()
                .entry(hash(beginning))
                .or_default();
            if same_hash.len() <= MOST_ALIKE {
                same_hash.push(token.as_str());
            }
        }
        Self { by_length }
    }

    /// A text without them: in any letter case, since a message may suggest a value in lower case, and where only the
    /// beginning of one is left.
    pub fn without(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let found = self.begins(rest);
            if found > 0 {
                out.push_str(HIDDEN);
            } else {
                out.push(c);
            }
            rest = rest.get(found.max(c.len_utf8())..).unwrap_or_default();
        }
        out
    }

    /// How many bytes of a credential a text begins with; none, if it is not telling.
    pub fn begins(&self, text: &str) -> usize {
        let found = self.by_length.iter().filter_map(|(length, tokens)| {
            let tokens = tokens.get(&hash(text.as_bytes().get(..*length)?))?;
            if tokens.len() > MOST_ALIKE {
                let begins = tokens.first().is_some_and(|token| common(text, token) >= *length);
                return begins.then(|| text.find(char::is_whitespace).unwrap_or(text.len()));
            }
            tokens
                .iter()
                .map(|token| common(text, token))
                .filter(|common| common >= length)
                .max()
        });
        found.max().unwrap_or_default()
    }
}

fn hash(beginning: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    beginning
        .iter()
        .for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
    hasher.finish()
}

/// How many bytes of a text are those of a token.
fn common(text: &str, token: &str) -> usize {
    let same = text
        .chars()
        .zip(token.chars())
        .take_while(|(a, b)| a.eq_ignore_ascii_case(b));
    same.map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(tokens: &[&str], text: &str) -> String {
        let tokens: Vec<_> = tokens.iter().map(|token| Zeroizing::new((*token).to_owned())).collect();
        Hidden::new(&tokens).without(text)
    }

    #[test]
    fn the_longest_credential_is_hidden() {
        assert_eq!(
            without(&["abcd", "abcdef"], "abcdef, abcd-abc"),
            "[hidden], [hidden]-abc"
        );
    }

    #[test]
    fn letter_case_does_not_matter_nor_where_it_is_cut() {
        let token = "S3cr3t".repeat(20);
        let cut: String = token.to_lowercase().chars().take(60).collect();
        assert_eq!(
            without(&[&token, "éclair-ö"], &format!("`{cut}…` ü éCLAIR-ö.")),
            "`[hidden]…` ü [hidden]."
        );
    }

    #[test]
    fn of_many_that_begin_alike_the_beginning_is_enough() {
        let tokens: Vec<String> = (0..2000).map(|n| format!("{}{n}", "A".repeat(16))).collect();
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let text = format!("a {}1999! b {}", "A".repeat(16), "A".repeat(15));
        assert_eq!(without(&tokens, &text), format!("a [hidden] b {}", "A".repeat(15)));
        assert_eq!(without(&tokens, &"A".repeat(400_000)), "[hidden]");
    }

    #[test]
    fn other_text_stays() {
        assert_eq!(
            without(&["abc", "", "zürich"], "abc zürIch zu"),
            "abc zürIch zu".replace("zürIch", "[hidden]")
        );
        assert_eq!(without(&[], "ünï"), "ünï");
    }
}
