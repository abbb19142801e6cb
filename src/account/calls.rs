//! What is done around every request: it is counted, and where it went, and whether for the first time, is kept for what is to be
//! said of its end. The SDK's errors know what went wrong, but neither of these.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::OrchestratorError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::one_line::causes;

/// Goes with every client, as an interceptor.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<AtomicU64>);

impl Calls {
    /// How many requests have been sent, retries included.
    pub fn made(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stands beside an answer.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Whose answer it is.
    pub(super) host: Host,
    /// The SDK had sent the request before: what it is refused for may be the first one's success, whose answer was lost.
    pub(super) repeated: bool,
}

/// Where a request went: host and port.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{host}")]
pub(super) struct Host {
    scheme: String,
    host: String,
}

impl Storable for Host {
    type Storer = StoreReplace<Self>;
}

impl Host {
    /// Out of a URL. A user and password in it (of an endpoint that was set by hand) are left out.
    fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        Self {
            scheme: scheme.to_owned(),
            host: authority.rsplit('@').next().unwrap_or_default().to_owned(),
        }
    }
}

/// The connection, or the wait for an answer, came to nothing.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("no answer from {0} in time, nor to the retries")]
    Silent(Host),
    #[error("could not connect to the endpoint URL \"{}://{}\", nor could the retries: {why}", .to.scheme, .to.host)]
    Connection {
        /// Where to.
        to: Host,
        why: String,
    },
}

/// What a failed connection comes to for people. What the libraries say follows.
fn plain(why: &str) -> String {
    let why = why.strip_prefix("client error (Connect): ").unwrap_or(why);
    let told = [
        ("dns error", "no such host is known (is the Region right?)"),
        ("Connection refused", "nothing listens there"),
        (
            "TLS handshake",
            "no TLS connection can be made (does a proxy answer in its place?)",
        ),
    ];
    match told.iter().find(|(sign, _)| why.contains(sign)) {
        Some((_, told)) => format!("{told}: {why}"),
        None => why.to_owned(),
    }
}

#[dyn_dispatch_hint]
impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        state.interceptor_state().store_put(Host::of(context.request().uri()));
        Ok(())
    }

    // After the retries: what is put in the place of an error decides nothing any more.
    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(host) = state.load::<Host>().cloned() else {
            return Ok(());
        };
        if let Some(answer) = context.response_mut() {
            let repeated = state
                .load::<RequestAttempts>()
                .is_some_and(|attempts| attempts.attempts() > 1);
            answer.add_extension(Origin {
                host: host.clone(),
                repeated,
            });
        }
        let Some(Err(error)) = context.output_or_error_mut() else {
            return Ok(());
        };
        if error.is_timeout_error() {
            *error = OrchestratorError::timeout(Lost::Silent(host).into());
        } else if let Some(connector) = error.as_connector_error() {
            let make = if connector.is_timeout() {
                ConnectorError::timeout
            } else {
                ConnectorError::io
            };
            // Its own words are the kind alone.
            let why = plain(&connector.source().map(causes).unwrap_or_default());
            *error = OrchestratorError::connector(make(Lost::Connection { to: host, why }.into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_stands_in_the_url_without_a_password() {
        for (url, host) in [
            (
                "https://api.ecr.eu-west-1.amazonaws.com/",
                "api.ecr.eu-west-1.amazonaws.com",
            ),
            ("http://127.0.0.1:4566", "127.0.0.1:4566"),
            ("http://me:secret@proxy.example.com:81/a@b?c=d", "proxy.example.com:81"),
            ("/relative", ""),
        ] {
            assert_eq!(Host::of(url).to_string(), host);
        }
    }
}
