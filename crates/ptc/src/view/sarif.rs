//! Problems as SARIF 2.1.0, which code scanning of GitHub and others takes ("Static Analysis Results Interchange
//! Format", OASIS).

use serde_json::{Value, json};

use crate::view::checked::{Checked, Level};
use crate::view::problems::said;

const ERROR: &str = "registries-file/error";
const WARNING: &str = "registries-file/warning";

/// One log over all files.
pub fn log(files: &[Checked]) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ptc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [
                    rule(ERROR, "The file is refused, and changes nothing until this is mended."),
                    rule(WARNING, "Legal, but it may surprise."),
                ],
            }},
            // The places count characters, as an editor does.
            "columnKind": "unicodeCodePoints",
            "results": files.iter().flat_map(results).collect::<Vec<_>>(),
        }],
    })
}

fn rule(id: &str, text: &str) -> Value {
    json!({"id": id, "shortDescription": {"text": text}})
}

fn results(file: &Checked) -> impl Iterator<Item = Value> {
    file.problems().map(|(level, problem)| {
        let rule = match level {
            Level::Error => ERROR,
            Level::Warning => WARNING,
        };
        let mut place = json!({"artifactLocation": {"uri": uri(&file.file)}});
        if let (Some(line), Some(column), Some(place)) = (problem.line, problem.column, place.as_object_mut()) {
            place.insert("region".into(), json!({"startLine": line, "startColumn": column}));
        }
        json!({
            "ruleId": rule,
            "level": level.as_str(),
            "message": {"text": said(problem)},
            "locations": [{"physicalLocation": place}],
        })
    })
}

/// A path as a URI reference: what a URI has no place for is written out.
fn uri(path: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const SET: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'\\')
        .add(b'^')
        .add(b'`');
    utf8_percent_encode(path, SET).to_string()
}
