//! Structured logs: one JSON object a line, our own lines at LOG_LEVEL.
//!
//! Libraries are kept at their warnings whatever LOG_LEVEL says: the SDK's wire logs would print request bodies, and
//! with them tokens.

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

/// What [`start`] starts, writing to `writer`.
pub fn subscriber<W>(level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("ecr_pull_through_sync", level);
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(ours).with(json)
}
