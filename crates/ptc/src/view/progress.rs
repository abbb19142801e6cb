//! What a run is doing, as it does it: the lines that the function would log, for people.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;

use ecr_pull_through_sync::report::Mark;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::view::terminal::paint;
use crate::view::visible::visible;

/// Shows progress on standard error from now on.
pub fn show(color: bool) {
    // Fails only where it is shown already.
    _ = tracing_subscriber::registry().with(Progress { color }).try_init();
}

struct Progress {
    color: bool,
}

impl<S: Subscriber> Layer<S> for Progress {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let ours = event.metadata().target().starts_with("ecr_pull_through_sync");
        if !ours || *event.metadata().level() > Level::INFO {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(line) = line(&fields.0) {
            // Where standard error is closed nobody wants to know.
            _ = writeln!(
                std::io::stderr().lock(),
                "{}",
                paint(Mark::Added, &visible(&line), self.color)
            );
        }
    }
}

/// A step that was taken, in a line; the report tells of everything else.
fn line(fields: &BTreeMap<&'static str, String>) -> Option<String> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if field("message") != "applied" {
        return None;
    }
    Some(match fields.get("repository") {
        Some(repository) => format!(
            "  {}: {} of repository {repository}",
            field("registry"),
            field("setting")
        ),
        None => {
            format!(
                "  {}: {} {} {}",
                field("registry"),
                words(field("action")),
                words(field("resource")),
                field("id")
            )
        }
    })
}

/// `SecretPolicy` as people write it.
fn words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_line() {
        let fields = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let step = [
            ("message", "applied"),
            ("registry", "hub"),
            ("resource", "SecretPolicy"),
            ("action", "Create"),
            ("id", "x"),
        ];
        assert_eq!(line(&fields(&step)).as_deref(), Some("  hub: create secret policy x"));
        let repository = [
            ("message", "applied"),
            ("registry", "hub"),
            ("repository", "hub/a"),
            ("setting", "tags"),
        ];
        assert_eq!(
            line(&fields(&repository)).as_deref(),
            Some("  hub: tags of repository hub/a")
        );
        assert_eq!(line(&fields(&[("message", "run")])), None);
    }
}
