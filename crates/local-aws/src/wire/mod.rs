//! HTTP/1.1 on loopback: accepts connections, answers requests, and resets a connection when a fault says so.

mod admin;
mod auth;
mod pipeline;
mod query;
mod rest;

use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::aws::{LocalAws, WeakAws};

/// What the account's largest request may measure. S3 itself allows 5 GiB; nothing here needs more than this.
const LARGEST_BODY: usize = 32 * 1024 * 1024;

/// A request, read whole.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// As it came: percent-encoded.
    pub(crate) path: String,
    /// As it came; empty if there was none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    fn of(head: Parts, body: Bytes) -> Self {
        Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
        }
    }

    /// A header's text, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer, whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// AWS's error code, for the call log.
    pub(crate) error: Option<String>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_bytes(value.as_bytes()),
            ) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

/// How a request ends.
pub(crate) enum Ending {
    Answered(Reply),
    /// The connection is reset instead of an answer.
    Reset,
    /// Nothing is ever sent.
    Hangs,
    /// Spaces are sent, so many each time, and no end.
    Endless {
        bytes: usize,
        every: Duration,
    },
}

/// A body of spaces that never ends.
pub struct Endless {
    spaces: Bytes,
    every: Duration,
    wait: Pin<Box<Sleep>>,
}

impl Endless {
    fn response(bytes: usize, every: Duration) -> Response<Body> {
        let spaces = Bytes::from(vec![b' '; bytes.max(1)]);
        Response::new(Either::Right(Self {
            spaces,
            every,
            wait: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }))
    }
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.wait.as_mut().poll(cx));
        let next = Instant::now() + self.every;
        self.wait.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(self.spaces.clone()))))
    }
}

/// The body of an answer.
pub type Body = Either<Full<Bytes>, Endless>;

/// Answers one request without a socket. `None` is a connection that was reset; a call that hangs never comes back.
pub(crate) async fn answer_in_process(request: Request<Bytes>, aws: &LocalAws) -> Option<Response<Body>> {
    let (head, body) = request.into_parts();
    let asked = Asked::of(head, body);
    respond(asked, aws.downgrade()).await.ok()
}

/// Answers requests until the server is told to stop.
pub(crate) async fn serve(listener: std::net::TcpListener, aws: WeakAws, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    if let Some(aws) = aws.upgrade() {
                        aws.connected();
                    }
                    tokio::spawn(connection(stream, aws.clone()));
                }
            }
            // An error means that the account itself is gone.
            stop = stopped.wait_for(|stop| *stop) => { let _ = stop; return }
        }
    }
}

/// The reason why hyper has to drop a connection.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is reset by a fault")
    }
}

impl std::error::Error for Hangup {}

async fn connection(stream: TcpStream, aws: WeakAws) {
    let service = service_fn(|request| answer(request, aws.clone()));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if (&mut connection).await.is_err_and(|error| error.is_user()) {
        let stream = connection.into_parts().io.into_inner();
        // No lingering: the kernel sends RST instead of FIN, which is what a client sees of a lost connection.
        let _ = stream.set_zero_linger();
    }
}

async fn answer(request: Request<Incoming>, aws: WeakAws) -> Result<Response<Body>, Hangup> {
    respond(read(request).await.ok_or(Hangup)?, aws).await
}

async fn respond(asked: Asked, aws: WeakAws) -> Result<Response<Body>, Hangup> {
    // A task of its own: hyper drops this future when the client goes away, and whether a call was processed must not
    // depend on how fast that is noticed. The account is let go of before a call hangs, so that none keeps it alive.
    let run = tokio::spawn(async move {
        match aws.upgrade() {
            Some(aws) => pipeline::run(&aws, &asked).await,
            None => Ending::Reset,
        }
    });
    match run.await {
        Ok(Ending::Answered(reply)) => Ok(reply.into_response().map(Either::Left)),
        Ok(Ending::Endless { bytes, every }) => Ok(Endless::response(bytes, every)),
        Ok(Ending::Hangs) => pending().await,
        Ok(Ending::Reset) | Err(_) => Err(Hangup),
    }
}

/// Reads a request whole; `None` when the client broke off or sends too much.
pub(crate) async fn read(request: Request<Incoming>) -> Option<Asked> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await.ok()?.to_bytes();
    Some(Asked::of(head, body))
}
