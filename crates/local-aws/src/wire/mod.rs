//! HTTP/1.1 on loopback: accepts connections, answers requests, and resets a connection when a fault says so.

mod admin;
mod auth;
mod pipeline;
mod query;
mod rest;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::aws::{LocalAws, WeakAws};
use crate::http::{self, Ending};
use crate::options::Options;

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

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        ready!(self.wait.as_mut().poll(context));
        let next = Instant::now() + self.every;
        self.wait.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(self.spaces.clone()))))
    }
}

pub type Body = Either<Full<Bytes>, Endless>;

impl LocalAws {
    /// Starts an account and its server, on a thread of its own, so that a blocked test cannot block the server.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        Self::start_blocking(options)
    }

    /// [`LocalAws::start`] for code without an async runtime.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start_blocking(options: Options) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", options.port))?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let address = listener.local_addr()?;
        let aws = Self::new(options, address, runtime.handle().clone(), stop);
        let weak = aws.downgrade();
        let thread = thread::Builder::new().name("local-aws".to_owned()).spawn(move || {
            runtime.block_on(serve(listener, weak, stopped));
            // Not a plain drop: that would wait for hooks that are still running.
            runtime.shutdown_background();
        })?;
        aws.served_by(thread);
        Ok(aws)
    }

    /// Answers one HTTP request without a socket, on the caller's runtime and by its clock. `None` is a connection that was
    /// reset; a call that hangs never comes back.
    pub async fn answer(&self, request: Request<Bytes>) -> Option<Response<Body>> {
        let (head, body) = request.into_parts();
        respond(http::Request::new(head, body), self.downgrade()).await.ok()
    }
}

/// Answers requests until the server is told to stop.
async fn serve(listener: std::net::TcpListener, aws: WeakAws, mut stopped: watch::Receiver<bool>) {
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
    respond(http::Request::read(request).await.ok_or(Hangup)?, aws).await
}

async fn respond(asked: http::Request, aws: WeakAws) -> Result<Response<Body>, Hangup> {
    // A task of its own: hyper drops this future when the client goes away, and whether a call was processed must not
    // depend on how fast that is noticed. The account is let go of before a call hangs, so that none keeps it alive.
    let run = tokio::spawn(async move {
        match aws.upgrade() {
            Some(aws) => pipeline::run(&aws, &asked).await,
            None => Ending::Reset,
        }
    });
    match run.await {
        Ok(Ending::Answered(response)) => Ok(response.into_hyper().map(Either::Left)),
        Ok(Ending::Endless { bytes, every }) => Ok(Endless::response(bytes, every)),
        Ok(Ending::Hangs) => pending().await,
        Ok(Ending::Reset) | Err(_) => Err(Hangup),
    }
}
