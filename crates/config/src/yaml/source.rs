//! The first look at the bytes: is this text that a YAML file may consist of?

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::Notes;

/// The largest file that is read: 1 MiB.
pub const MAX_BYTES: usize = 1024 * 1024;

const BOM: char = '\u{feff}';

/// The text of the file without its byte order mark, or nothing, after a note of what is wrong.
pub(crate) fn text<'a>(bytes: &'a [u8], notes: &mut Notes) -> Option<&'a str> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        notes.error(
            Code::FILE_TOO_LARGE,
            start,
            format!("the file has more than {MAX_BYTES} bytes (1 MiB), which is more than is read; make it smaller"),
        );
        return None;
    }
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            notes.error(
                Code::NOT_TEXT,
                start,
                "the file is UTF-16 text (it begins with that byte order mark); save it as UTF-8",
            );
            return None;
        }
        [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] => {
            notes.error(
                Code::NOT_TEXT,
                start,
                "the file is compressed; upload the YAML text itself",
            );
            return None;
        }
        _ => {}
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (good, rest) = bytes.split_at(error.valid_up_to());
            let good = std::str::from_utf8(good).unwrap_or_default();
            let byte = rest.first().copied().unwrap_or_default();
            let at = end_of(good.strip_prefix(BOM).unwrap_or(good));
            notes.error(
                Code::NOT_TEXT,
                at,
                format!(
                    "the byte 0x{byte:02X} here is not UTF-8; save the file as UTF-8 (an editor may have written Latin-1 or Windows-1252)"
                ),
            );
            return None;
        }
    };
    let text = text.strip_prefix(BOM).unwrap_or(text);
    if let Some((index, c)) = text.char_indices().find(|(_, c)| !is_allowed(*c)) {
        let at = end_of(text.get(..index).unwrap_or_default());
        notes.error(Code::NOT_TEXT, at, complaint(text, c));
        return None;
    }
    Some(text)
}

fn complaint(text: &str, c: char) -> String {
    match c {
        '\0' if text.bytes().filter(|byte| *byte == 0).count() * 3 > text.len() => {
            "a NUL byte stands here, and many more follow: the file looks like UTF-16; save it as UTF-8".to_owned()
        }
        '\0' => "a NUL byte stands here; a YAML file is text, remove it".to_owned(),
        BOM => "a byte order mark stands in the middle of the file (two files put together?); remove it".to_owned(),
        _ => format!("the control character U+{:04X} stands here; remove it", u32::from(c)),
    }
}

/// Whether YAML allows a character in a file (YAML 1.2.2, 5.1 "Character Set").
fn is_allowed(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        BOM | '\u{fffe}' | '\u{ffff}' => false,
        _ => !c.is_control(),
    }
}

/// The position right behind a text. ChangeList end with LF, CR LF or CR, as in the parser.
fn end_of(text: &str) -> Position {
    let (mut line, mut column, mut after_cr) = (1, 1, false);
    for c in text.chars() {
        match c {
            '\n' if after_cr => {}
            '\n' | '\r' => {
                line += 1;
                column = 1;
            }
            _ => column += 1,
        }
        after_cr = c == '\r';
    }
    Position { line, column }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    fn refused(bytes: &[u8]) -> (Option<usize>, Option<usize>, String) {
        let mut notes = Notes::default();
        assert!(text(bytes, &mut notes).is_none());
        let (errors, _) = notes.finish();
        (errors[0].line, errors[0].column, errors[0].message.clone())
    }

    #[test]
    fn a_bom_is_no_matter() {
        let mut notes = Notes::default();
        assert_eq!(text("\u{feff}a: b".as_bytes(), &mut notes), Some("a: b"));
        assert!(notes.is_clean());
    }

    #[test]
    fn a_bad_byte_has_a_position_in_characters() {
        let (line, column, message) = refused(b"a: b\r\n\xc3\xa9\xc3\xa9: \xe9\n");
        assert_eq!((line, column), (Some(2), Some(5)));
        assert!(message.starts_with("the byte 0xE9"), "{message}");
    }

    #[test]
    fn utf_16_is_told_with_and_without_a_mark() {
        assert!(refused(b"\xff\xfea\0").2.contains("UTF-16"));
        assert!(refused(b"a\0:\0 \0b\0").2.contains("UTF-16"));
    }

    #[test]
    fn control_characters_have_a_position() {
        assert_eq!(refused(b"a:\n  b\0").0, Some(2));
        assert_eq!(refused(b"a: \x07").1, Some(4));
        assert!(refused("a: b\u{feff}".as_bytes()).2.contains("byte order mark"));
        assert!(refused("a: \u{9b}".as_bytes()).2.contains("U+009B"));
    }

    #[test]
    fn too_large_is_refused_unread() {
        assert!(refused(&vec![0; MAX_BYTES + 1]).2.contains("1 MiB"));
    }
}
