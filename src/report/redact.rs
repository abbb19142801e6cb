//! The last thing that happens to a report: every text that may quote AWS or an upstream loses every token that this run has
//! seen, and is cut to a readable length. Nobody promises that an upstream never quotes what it was given. Where such a text
//! came in it has lost all words that could be a token already ([`mask`](crate::mask::mask)): what is left for this is a token of
//! plain letters.

use super::Report;
use crate::account::one_line;
use config::Credential;

/// The longest text of somebody else's in a report, in characters. Cut here and not where a text comes in: half a
/// token could not be found any more.
const LONGEST: usize = 700;

/// Redacts every text of the report that may quote somebody else.
pub fn redact(report: &mut Report, seen: &[Credential]) {
    let clean = |text: &mut String| {
        for credential in seen {
            *text = credential.redact(text);
        }
        *text = one_line(text, LONGEST);
    };
    clean(&mut report.message);
    for change in &mut report.changes {
        change.error.iter_mut().chain(&mut change.note).for_each(clean);
    }
    report
        .registries
        .values_mut()
        .filter_map(|registry| registry.message.as_mut())
        .for_each(clean);
    for registry in report.registries.values_mut() {
        let images = registry.warm.iter_mut().flat_map(|warm| &mut warm.images);
        images.filter_map(|image| image.message.as_mut()).for_each(clean);
    }
    let work = report
        .existing_repositories
        .as_mut()
        .and_then(|existing| existing.work.as_mut());
    let bases = work.into_iter().flat_map(|work| work.base.values_mut());
    bases.filter_map(|base| base.message.as_mut()).for_each(clean);
    report
        .warnings
        .iter_mut()
        .map(|problem| &mut problem.message)
        .for_each(clean);
}
