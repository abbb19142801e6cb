//! Text of somebody else's on a terminal.

use config::is_invisible;

/// Characters that nobody would see, or that would move a terminal's cursor or turn around what stands beside them, written
/// out.
pub fn visible(text: &str) -> String {
    // Spaces of other widths are seen, and written in names and descriptions.
    let stays = |c| matches!(c, '\n' | '\u{a0}' | '\u{3000}') || !is_invisible(c);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) {
            out.push(c)
        } else {
            out.extend(c.escape_unicode())
        }
    }
    out
}

/// The same without line ends: it begins no line of its own.
pub fn one_line(text: &str) -> String {
    visible(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_write_over_another() {
        assert_eq!(visible("a\u{1b}[2Jb\r\u{202e}c\nd"), "a\\u{1b}[2Jb\\u{d}\\u{202e}c\nd");
        assert_eq!(visible("東京\u{3000}支社\u{2028}"), "東京\u{3000}支社\\u{2028}");
    }
}
