//! Problems as SARIF 2.1.0, which code scanning of GitHub and others takes ("Static Analysis Results Interchange
//! Format", OASIS).

use config::{Kind, kinds};
use serde_json::{Value, json};

use crate::view::checked::Checked;

/// One log over all files.
pub fn log(files: &[Checked]) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ptc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(files),
            }},
            // The places count characters, as an editor does.
            "columnKind": "unicodeCodePoints",
            "results": files.iter().flat_map(results).collect::<Vec<_>>(),
        }],
    })
}

/// One for each code that was found.
fn rules(files: &[Checked]) -> Vec<Value> {
    let problems = || files.iter().flat_map(Checked::problems);
    let is_found = |kind: &&Kind| problems().any(|(_, problem)| problem.code == kind.code);
    kinds().filter(is_found).map(rule).collect()
}

/// A kind of problem, with its page as help. Where the pages are on the web is known only to a package that says so.
fn rule(kind: &Kind) -> Value {
    let code = kind.code.to_string();
    let mut rule = json!({
        "id": code,
        "name": kind.slug(),
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": kind.why},
        "help": {"text": format!("{} {}", kind.why, kind.fix), "markdown": kind.markdown()},
        "defaultConfiguration": {"level": kind.severity.as_str()},
    });
    let repository = env!("CARGO_PKG_REPOSITORY");
    if let (false, Some(rule)) = (repository.is_empty(), rule.as_object_mut()) {
        let version = env!("CARGO_PKG_VERSION");
        let page = format!("{repository}/blob/v{version}/docs/problems.md#{}", code.to_lowercase());
        rule.insert("helpUri".into(), page.into());
    }
    rule
}

fn results(file: &Checked) -> impl Iterator<Item = Value> {
    file.problems().map(|(severity, problem)| {
        let mut place = json!({"artifactLocation": {"uri": uri(&file.file)}});
        if let (Some(line), Some(column), Some(place)) = (problem.line, problem.column, place.as_object_mut()) {
            place.insert("region".into(), json!({"startLine": line, "startColumn": column}));
        }
        json!({
            "ruleId": problem.code,
            "level": severity.as_str(),
            "message": {"text": problem.sentence()},
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
