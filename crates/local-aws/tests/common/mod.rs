//! A client that can do nothing but HTTP/1.1, so that the tests see bytes and not an SDK's idea of them.
#![allow(dead_code, reason = "each test program uses its part of it")]

use local_aws::{LocalAws, Options};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| value)
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

pub fn aws(options: Options) -> LocalAws {
    LocalAws::start_blocking(options).unwrap()
}

/// An `Authorization` header of the right form.
pub fn signed(key: &str, service: &str) -> String {
    let signature = "0".repeat(64);
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261123/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature={signature}"
    )
}

/// One request on a connection of its own.
pub fn send(aws: &LocalAws, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<Answer> {
    let address = aws.endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(&address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default();
    Ok(Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// One signed call of a JSON service.
pub fn call(aws: &LocalAws, service: &str, op: &str, input: &Value) -> std::io::Result<Answer> {
    let (target, kind) = match service {
        "ecr" => (
            format!("AmazonEC2ContainerRegistry_V20150921.{op}"),
            "application/x-amz-json-1.1",
        ),
        "sqs" => (format!("AmazonSQS.{op}"), "application/x-amz-json-1.0"),
        other => (format!("{other}.{op}"), "application/x-amz-json-1.1"),
    };
    let authorization = signed("AKIDTEST", service);
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-amz-target", &target),
        ("content-type", kind),
    ];
    send(aws, "POST", "/", &headers, &input.to_string())
}

/// One signed request to S3 with an unsigned payload.
pub fn s3(aws: &LocalAws, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let authorization = signed("AKIDTEST", "s3");
    let mut all = vec![
        ("authorization", authorization.as_str()),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ];
    all.extend(headers);
    send(aws, method, path, &all, body).unwrap()
}

/// A rule with a credential, and what it needs.
pub fn rule(aws: &LocalAws, prefix: &str, token: &str) -> Value {
    let value = json!({"username": "u", "accessToken": token}).to_string();
    let secret = json!({"Name": format!("ecr-pullthroughcache/{prefix}"), "SecretString": value});
    let secret = aws.call("secretsmanager", "CreateSecret", secret).unwrap();
    json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": secret["ARN"]})
}
