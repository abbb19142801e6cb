//! Mistakes in the YAML itself: the parser's words, and a guess at what was meant.

use crate::diagnostics::place::Position;

/// What is wrong with the syntax, and a guess at why. Nothing of the text is repeated.
pub(crate) fn message(info: &str, text: &str, at: Position, known: fn(&str) -> Option<&'static str>) -> String {
    // The parser names a character in one message; it may be part of a token.
    let info = if info.starts_with("unexpected character") {
        "unexpected character"
    } else {
        info
    };
    let hint = if let Some(field) = field_without_space(text, at, known) {
        format!("put a space after the colon of `{field}`")
    } else {
        let hint = match info {
            _ if info.contains("tab") => "indent with spaces, not with tabs",
            _ if info.contains("unknown anchor") => {
                "no `&` anchor of that name comes before this `*` alias; if the text itself begins with `*`, put it in quotes"
            }
            _ if info.contains("anchor or alias") => "a text that begins with `*` or `&` must be put in quotes",
            _ if info.contains("tag") || info.contains("handle") => "a text that begins with `!` must be put in quotes",
            "unexpected character" => {
                "a text that begins with a character like `@`, a backquote or `%` must be put in quotes"
            }
            _ if info.contains("directive") => "a text that begins with `%` must be put in quotes",
            _ if info.contains("escape") => "in double quotes a `\\` begins an escape; use single quotes",
            _ if info.contains("mapping values") || info.contains("simple key") || info.contains("':'") => {
                "check the indentation here and on the line before; a text with `: ` in it must be put in quotes"
            }
            _ if info.contains("quoted scalar") => "a quote is not closed, or text follows the closing one",
            _ if info.contains("flow") || info.contains("bracket") || info.contains("recursion") => {
                "check that each `[` and `{` is closed; a text that begins with one must be put in quotes"
            }
            _ => "check the indentation here and on the line before",
        };
        hint.to_owned()
    };
    format!("this is not valid YAML ({info}): {hint}")
}

/// The known field at the beginning of the line at fault, or the one before it, that has no space after its colon.
fn field_without_space(text: &str, at: Position, known: fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    let mut lines = text.lines().skip(at.line.saturating_sub(2));
    [lines.next(), lines.next()].into_iter().flatten().find_map(known)
}
