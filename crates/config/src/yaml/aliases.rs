//! Aliases and merge keys, where a file may have none.

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::Notes;
use crate::yaml::parse::position;

/// Notes the first one of a file that is encrypted with SOPS. SOPS writes values out, and what it authenticates is each
/// value at its own place: a value that stands for two was never encrypted so.
pub(crate) fn refuse(text: &str, notes: &mut Notes) {
    let mut parser = Parser::new_from_str(text);
    while let Some(Ok((event, span))) = parser.next_event() {
        let is_one = match &event {
            Event::Alias(_) => true,
            Event::Scalar(text, style, ..) => text == "<<" && *style == ScalarStyle::Plain,
            _ => false,
        };
        if is_one {
            let message = "an alias or merge key stands in a file that is encrypted with SOPS, which writes none; edit the file with `sops` only";
            notes.error(Code::SOPS_VALUE, position(span.start), message);
            return;
        }
    }
}
