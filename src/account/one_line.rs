//! Texts from outside, and errors with their causes, on one line.

use std::error::Error;

/// The longest chain of causes that is told.
const CAUSES_MAX: usize = 400;

/// An error and what caused it, in a line, as each says of itself. Not the SDK's `DisplayErrorContext`: that shows the `Debug`
/// form as well, in which an answer stands whole, secrets and all.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut said = String::new();
    for cause in std::iter::successors(Some(error), |&error| error.source()) {
        let cause = cause.to_string();
        // Some repeat what caused them.
        if !said.contains(&cause) {
            said.push_str(if said.is_empty() { "" } else { ": " });
            said.push_str(&cause);
        }
        if said.len() > CAUSES_MAX {
            break;
        }
    }
    one_line(&said, CAUSES_MAX)
}

/// Texts from outside on one line, without control characters, and no longer than `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(max)
        .collect();
    if text.chars().nth(max).is_some() {
        line.push('…');
    }
    line
}
