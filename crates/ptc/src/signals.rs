//! How a person or a pipeline ends a command.

/// Ctrl-C, or what a pipeline sends to a step that is cancelled.
pub async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without the signal there is nothing to wait for, and the run goes on to its end.
        std::future::pending::<()>().await;
    }
}
