//! The way to AWS: HTTPS by rustls over ring, with the machine's own root certificates.
//!
//! Not the SDK's own choice, AWS-LC: that is more than a megabyte of a binary of which every kilobyte is loaded at a cold
//! start, and gathers entropy for a tenth of a second before the first call.

use std::sync::OnceLock;

use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// The client that all services are asked through.
pub fn http_client() -> SharedHttpClient {
    SharedHttpClient::new(Late::default())
}

/// Made when the first call needs it: to read the machine's certificates takes longer than all else that a start does, and an
/// event that is not ours needs none.
#[derive(Debug, Default)]
struct Late(OnceLock<SharedHttpClient>);

impl HttpClient for Late {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let make =
            || aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        self.0.get_or_init(make).http_connector(settings, components)
    }
}
