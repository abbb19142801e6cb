//! The body of a PutObject: plain, or in `aws-chunked` pieces with checksums behind them; checked either way.
//!
//! SDKs send `aws-chunked` by default since 2025, with a CRC in a trailer:
//! `<hex size>[;chunk-signature=…]\r\n<bytes>\r\n … 0[;chunk-signature=…]\r\n<trailer>:<value>\r\n\r\n`.
//! Chunk signatures are read past, like all signatures here.

use super::checksum::{Algorithm, md5_base64, sha256_hex};
use super::fail;
use crate::api::ApiError;
use crate::http;

/// A body that came through whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) bytes: Vec<u8>,
    /// The checksum that S3 keeps with the object: the client's, or CRC-64/NVME.
    pub(super) checksum: (Algorithm, String),
}

/// Reads and checks the body of a request.
pub(super) fn read(http_request: &http::Request) -> Result<Payload, ApiError> {
    let presigned = http_request.query.contains("X-Amz-Signature=");
    let mode = http_request
        .header("x-amz-content-sha256")
        .or(presigned.then_some("UNSIGNED-PAYLOAD"));
    let (bytes, trailers) = match mode {
        None => {
            let message = "Missing required header for this request: x-amz-content-sha256";
            return Err(fail("InvalidRequest", message, 400));
        }
        Some(mode) if mode.starts_with("STREAMING-") => chunked(http_request, mode)?,
        Some("UNSIGNED-PAYLOAD") => (http_request.body.to_vec(), Vec::new()),
        Some(digest) if digest == sha256_hex(&http_request.body) => (http_request.body.to_vec(), Vec::new()),
        Some(_) => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(fail("XAmzContentSHA256Mismatch", message, 400));
        }
    };
    check_md5(http_request, &bytes)?;
    let checksum = check_checksum(http_request, &bytes, &trailers)?;
    Ok(Payload { bytes, checksum })
}

type Trailers = Vec<(String, String)>;

fn chunked(http_request: &http::Request, mode: &str) -> Result<(Vec<u8>, Trailers), ApiError> {
    let known = [
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    ];
    if !known.contains(&mode) {
        return Err(fail(
            "NotImplemented",
            &format!("local-aws does not implement the payload form {mode}"),
            501,
        ));
    }
    let length: usize = http_request
        .header("x-amz-decoded-content-length")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            fail(
                "MissingContentLength",
                "You must provide the Content-Length HTTP header.",
                411,
            )
        })?;
    let (bytes, trailers) = decode(&http_request.body).ok_or_else(incomplete)?;
    if bytes.len() != length {
        return Err(incomplete());
    }
    let missing = |name: &str| !trailers.iter().any(|(found, _)| found == name);
    let promised = http_request.header("x-amz-trailer").unwrap_or_default();
    if promised
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .any(|name| !name.is_empty() && missing(&name))
    {
        let message =
            "The request contained trailing data that was not well-formed or did not conform to our published schema.";
        return Err(fail("MalformedTrailerError", message, 400));
    }
    Ok((bytes, trailers))
}

fn incomplete() -> ApiError {
    fail("IncompleteBody", "The request body terminated unexpectedly", 400)
}

/// Takes the chunks apart; `None` when they are not well-formed.
fn decode(mut rest: &[u8]) -> Option<(Vec<u8>, Trailers)> {
    let mut bytes = Vec::new();
    loop {
        let head = take_line(&mut rest)?;
        let size = head.split(';').next()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        bytes.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Vec::new();
    while !rest.is_empty() {
        let line = take_line(&mut rest)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    rest.is_empty().then_some((bytes, trailers))
}

/// A line up to CRLF; the last one may lack it.
fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let whole: &'a [u8] = rest;
    let (line, left) = match whole.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => (whole.get(..end)?, whole.get(end + 2..)?),
        None => (whole, whole.get(whole.len()..)?),
    };
    *rest = left;
    std::str::from_utf8(line).ok()
}

fn check_md5(http_request: &http::Request, bytes: &[u8]) -> Result<(), ApiError> {
    match http_request.header("content-md5") {
        None => Ok(()),
        Some(digest) if digest == md5_base64(bytes) => Ok(()),
        Some(digest) if digest.len() != 24 => {
            Err(fail("InvalidDigest", "The Content-MD5 you specified was invalid.", 400))
        }
        Some(_) => Err(fail(
            "BadDigest",
            "The Content-MD5 you specified did not match what we received.",
            400,
        )),
    }
}

fn check_checksum(
    http_request: &http::Request,
    bytes: &[u8],
    trailers: &Trailers,
) -> Result<(Algorithm, String), ApiError> {
    let in_headers = http_request
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let in_trailers = trailers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let sent: Vec<_> = in_headers
        .chain(in_trailers)
        .filter(|(name, _)| name.starts_with("x-amz-checksum-"))
        .collect();
    let (name, value) = match sent.as_slice() {
        [one] => *one,
        [] if http_request.headers.contains_key("x-amz-sdk-checksum-algorithm") => {
            let message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.";
            return Err(fail("InvalidRequest", message, 400));
        }
        [] => return Ok((Algorithm::Crc64Nvme, Algorithm::Crc64Nvme.of(bytes))),
        _ => {
            let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
            return Err(fail("InvalidRequest", message, 400));
        }
    };
    let Some(algorithm) = Algorithm::of_header(name) else {
        return Err(fail(
            "NotImplemented",
            &format!("local-aws does not implement {name}"),
            501,
        ));
    };
    let right = algorithm.of(bytes);
    if value == right {
        return Ok((algorithm, right));
    }
    let short = name.trim_start_matches("x-amz-checksum-").to_ascii_uppercase();
    Err(fail(
        "BadDigest",
        &format!("The {short} you specified did not match the calculated checksum."),
        400,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use hyper::{HeaderMap, Method};

    fn put(headers: &[(&'static str, &str)], body: &str) -> Result<Payload, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let body = body.to_owned().into();
        let http_request = http::Request {
            method: Method::PUT,
            path: "/b/k".into(),
            query: String::new(),
            headers: map,
            body,
        };
        read(&http_request).map_err(|error| error.code)
    }

    const TRAILER: (&str, &str) = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");

    #[test]
    fn chunks_with_a_trailing_checksum_are_joined_and_checked() {
        let headers = [
            TRAILER,
            ("x-amz-decoded-content-length", "9"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        let body = "4\r\n1234\r\n5;chunk-signature=0\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        let payload = put(&headers, body).unwrap();
        assert_eq!(payload.bytes, b"123456789");
        assert_eq!(payload.checksum, (Algorithm::Crc32, "y/Q5Jg==".to_owned()));

        assert_eq!(
            put(&headers, &body.replace("1234", "1235")),
            Err("BadDigest".to_owned())
        );
        assert_eq!(
            put(&headers, "9\r\n123456789\r\n0\r\n\r\n"),
            Err("MalformedTrailerError".to_owned())
        );
        assert_eq!(
            put(&headers, "4\r\n1234\r\n0\r\n\r\n"),
            Err("IncompleteBody".to_owned())
        );
        assert_eq!(put(&headers, "fff\r\n1234"), Err("IncompleteBody".to_owned()));
    }

    #[test]
    fn a_plain_body_is_checked_against_every_digest_it_came_with() {
        let digest = sha256_hex(b"a");
        assert!(put(&[("x-amz-content-sha256", &digest)], "a").is_ok());
        assert_eq!(
            put(&[("x-amz-content-sha256", &digest)], "b"),
            Err("XAmzContentSHA256Mismatch".to_owned())
        );
        let plain = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let md5 = md5_base64(b"a");
        assert_eq!(put(&[plain, ("content-md5", &md5)], "b"), Err("BadDigest".to_owned()));
        assert_eq!(
            put(&[plain, ("content-md5", "x")], "b"),
            Err("InvalidDigest".to_owned())
        );
        let sha = Algorithm::Sha256.of(b"a");
        assert!(put(&[plain, ("x-amz-checksum-sha256", &sha)], "a").is_ok());
        assert_eq!(
            put(&[plain, ("x-amz-checksum-sha256", &sha)], "b"),
            Err("BadDigest".to_owned())
        );
        assert_eq!(
            put(&[plain, ("x-amz-sdk-checksum-algorithm", "CRC32")], "b"),
            Err("InvalidRequest".to_owned())
        );
        assert_eq!(put(&[], "b"), Err("InvalidRequest".to_owned()));
    }
}
