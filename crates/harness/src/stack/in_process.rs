//! The SDK's way to `local-aws` without a socket: on the test's own runtime, so that a stopped clock (`start_paused`) makes
//! every wait of the function, the SDK and the account pass at once.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use ecr_pull_through_sync::account;
use http_body_util::BodyExt;
use local_aws::LocalAws;

/// The client that the function's own is replaced by.
pub fn client(aws: &LocalAws) -> SharedHttpClient {
    account::bounded(InProcess(aws.clone()))
}

#[derive(Debug, Clone)]
struct InProcess(LocalAws);

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.0.clone();
        HttpConnectorFuture::new(async move {
            let (head, body) = request.try_into_http1x().expect("a request").into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            match aws.answer(http::Request::from_parts(head, body)).await {
                Some(answer) => Ok(HttpResponse::try_from(answer.map(SdkBody::from_body_1_x)).expect("an answer")),
                None => Err(ConnectorError::io("the connection was reset".into())),
            }
        })
    }
}
