//! What is said when a call fails without a word of AWS's: with whom, and what the connection or the answer was.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Credentials, Region};
use ecr_pull_through_sync::account::{self, AwsError, ErrorKind, Reader};

/// A server that gives every request the same answer; with an empty one it stays silent. Gives its address.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 16384];
            // One read is a whole request here, or enough of it to answer.
            _ = stream.read(&mut request);
            _ = stream.write_all(answer.as_bytes());
            if answer.is_empty() {
                kept.push(stream);
            }
        }
    });
    address
}

/// A reader of that endpoint, whose key and token must not show.
async fn reader(endpoint: &str) -> Reader {
    let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(account::http_client())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(
            "AKIDCANARY",
            "canary-key",
            Some("canary-session".into()),
            None,
            "test",
        ))
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(2)
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(Duration::from_millis(300))
                .build(),
        )
        .load()
        .await;
    account::connect(&config).0
}

async fn error(endpoint: &str) -> AwsError {
    let error = reader(endpoint).await.rules().await.unwrap_err();
    let said = format!("{error} {error:?}");
    for hidden in ["canary", "AKIDCANARY", "AWS4-HMAC", "Signature", "uthorization"] {
        assert!(!said.contains(hidden), "{said}");
    }
    assert!(said.chars().all(|c| !c.is_control()), "{said:?}");
    assert!(said.len() < 2000, "{said}");
    error
}

const HTML: &str = "<html>\u{1b}[2J canary AWS4-HMAC-SHA256 Signature=1 Authorization</html>";

#[tokio::test]
async fn a_connection_that_fails_is_told_with_its_host_and_its_own_error() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let refused = error(&format!("http://me:canary@{address}")).await;
    let said = format!(
        "DescribePullThroughCacheRules: Unreachable: could not connect to the endpoint URL \"http://{address}\", nor could the \
         retries: nothing listens there: "
    );
    assert!(refused.to_string().starts_with(&said), "{refused}");
    assert!(refused.to_string().contains("Connection refused"), "{refused}");
    // A name that nobody answers to: a mistyped Region, say.
    let unknown = error("http://ecr.nowhere.invalid").await;
    assert!(
        unknown
            .message
            .contains("the endpoint URL \"http://ecr.nowhere.invalid\", nor could the retries: no such host is known"),
        "{unknown}"
    );
    assert!(unknown.message.contains("is the Region right?"), "{unknown}");
    let plain = server("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    let no_tls = error(&format!("https://{plain}")).await;
    assert!(
        no_tls.message.contains(&format!("\"https://{plain}\"")) && no_tls.message.contains("InvalidContentType"),
        "{no_tls}"
    );
    assert!(no_tls.message.contains("no TLS connection can be made"), "{no_tls}");
    assert!([refused, unknown, no_tls].iter().all(AwsError::is_transient));
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_named() {
    let address = server("");
    let silent = error(&format!("http://{address}")).await;
    assert_eq!(silent.code, "Timeout");
    assert_eq!(
        silent.message,
        format!("no answer from {address} in time, nor to the retries")
    );
}

#[tokio::test]
async fn an_answer_that_is_not_awss_is_told_with_its_host_and_status() {
    let html = |status: &str| -> &'static str {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{HTML}",
            HTML.len()
        )
        .leak()
    };
    for (status, code, kind) in [
        ("404 Not Found", "Unknown", ErrorKind::Refused),
        ("403 Forbidden", "Unknown", ErrorKind::Denied),
        ("502 Bad Gateway", "Unknown", ErrorKind::Transient),
        ("200 OK", "Unknown", ErrorKind::Refused),
    ] {
        let address = server(html(status));
        let other = error(&format!("http://{address}")).await;
        assert_eq!((other.code.as_str(), other.kind), (code, kind), "{other}");
        let said = format!("{address} answered with HTTP status {}, ", &status[..3]);
        assert!(other.message.starts_with(&said), "{other}");
    }
    let cut = server("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{");
    let cut = error(&format!("http://{cut}")).await;
    assert!(
        cut.message.contains("could not be read: ") && cut.message.contains("end of file"),
        "{cut}"
    );
}
