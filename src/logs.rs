//! Structured logs: one JSON object a line, our own lines at LOG_LEVEL.
//!
//! Libraries are kept at their warnings whatever LOG_LEVEL says: the SDK's wire logs would print request bodies, and
//! with them tokens.

use std::io::Write;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging to standard output. A second call changes nothing.
pub fn start(level: LevelFilter) {
    // Fails only when there is a subscriber already, which is then the one to use.
    _ = subscriber(level, std::io::stdout).try_init();
}

/// Prints a line as it is, between the lines of the log. Like theirs, its loss is nobody's failure.
pub fn print(line: &str) {
    _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// What [`start`] starts, writing to `writer`.
pub fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("ecr_pull_through_sync", level);
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(ours).with(json)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct ChangeList(Arc<Mutex<Vec<u8>>>);

    impl Write for ChangeList {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn at_no_level_do_libraries_log_what_they_send() {
        let lines = ChangeList::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(LevelFilter::TRACE, move || writer.clone()), || {
            tracing::trace!(target: "aws_smithy_runtime::client::http", "request body: a token");
            tracing::debug!(target: "hyper_util::client", "a token");
            tracing::info!(target: "lambda_runtime", "a token");
            tracing::info!(target: "ecr_pull_through_sync::run", "ours\nstays one line");
            tracing::warn!(target: "aws_config", "a warning");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("token"), "{text}");
        let messages: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(messages.len(), 2, "{text}");
        assert_eq!(messages[0]["message"], "ours\nstays one line");
    }
}
