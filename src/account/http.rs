//! The way to AWS: HTTPS by rustls over ring, with the machine's own root certificates.
//!
//! Not the SDK's own choice, AWS-LC: that is more than a megabyte of a binary of which every kilobyte is loaded at a cold
//! start, and gathers entropy for a tenth of a second before the first call.

use std::sync::OnceLock;

use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::Limited;

/// The longest answer that is read, in bytes: twice the largest object, and more than the greatest page. The SDK itself
/// reads whatever comes, as long as it comes.
const LONGEST_ANSWER: usize = 8 * 1024 * 1024;

/// The client that all services are asked through.
pub fn http_client() -> SharedHttpClient {
    bounded(Late::default())
}

/// Made when the first call needs it: to read the machine's certificates takes longer than all else that a start does, and an
/// event that is not ours needs none.
#[derive(Debug, Default)]
struct Late(OnceLock<SharedHttpClient>);

impl HttpClient for Late {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let make = || {
            aws_smithy_http_client::Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https()
        };
        self.0.get_or_init(make).http_connector(settings, components)
    }
}

/// A client whose answers may be no longer than those of [`http_client`].
pub fn bounded(client: impl HttpClient + 'static) -> SharedHttpClient {
    SharedHttpClient::new(BoundedClient(SharedHttpClient::new(client)))
}

#[derive(Debug)]
struct BoundedClient(SharedHttpClient);

impl HttpClient for BoundedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Bounded(self.0.http_connector(settings, components)))
    }
}

/// Ends an answer that is too long with an error.
#[derive(Debug)]
struct Bounded(SharedHttpConnector);

impl HttpConnector for Bounded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        let bound = |body: SdkBody| SdkBody::from_body_1_x(Limited::new(body, LONGEST_ANSWER));
        HttpConnectorFuture::new(async move { Ok(answer.await?.map(bound)) })
    }
}
