//! The runtime API over HTTP: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::invocation_queue::{Handed, InvocationQueue};
use crate::http;

/// Listens on a port of its own.
pub(super) fn listen(runtime: &Handle, queue: Arc<InvocationQueue>) -> std::io::Result<(SocketAddr, AbortHandle)> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let task = runtime.spawn(async move {
        let Ok(listener) = TcpListener::from_std(listener) else {
            return;
        };
        while let Ok((stream, _)) = listener.accept().await {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let service = service_fn(|request| serve(request, Arc::clone(&queue)));
                // An error here is a function that went away, which its process tells better.
                let _ = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Ok((address, task.abort_handle()))
}

async fn serve(request: Request<Incoming>, queue: Arc<InvocationQueue>) -> Result<Response<Full<Bytes>>, Infallible> {
    let reply = match http::Request::read(request).await {
        Some(asked) => answer(&asked, &queue).await,
        None => refuse(413, "RequestTooLarge", "the request could not be read"),
    };
    Ok(reply.into_hyper())
}

async fn answer(asked: &http::Request, queue: &InvocationQueue) -> http::Response {
    let Some(path) = asked.path.strip_prefix("/2018-06-01/runtime/") else {
        return refuse(404, "UnknownPath", "local-aws has only /2018-06-01/runtime/ here");
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (&asked.method, parts.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => match queue.next().await {
            Some(event) => hand_out(event, &queue.function_arn),
            None => refuse(410, "Runtime.Dead", "this function was declared dead"),
        },
        (&Method::POST, ["invocation", id, "response"]) => {
            // Lambda refuses a response that is not JSON, and the caller sees this error.
            let outcome = serde_json::from_slice(&asked.body)
                .map_err(|why| super::error("Runtime.InvalidResponse", &why.to_string()));
            accept(queue.finish(id, outcome), id)
        }
        (&Method::POST, ["invocation", id, "error"]) => accept(queue.finish(id, Err(function_error(asked))), id),
        (&Method::POST, ["init", "error"]) => {
            queue.init_failed(function_error(asked));
            accept(true, "")
        }
        _ => refuse(
            404,
            "UnknownPath",
            &format!("local-aws does not serve {} {}", asked.method, asked.path),
        ),
    }
}

fn hand_out(event: Handed, function_arn: &str) -> http::Response {
    // Real time, not the account's clock: the function compares it with its own.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let trace = Uuid::new_v4().simple().to_string();
    let (root, parent) = (trace.get(..24).unwrap_or_default(), trace.get(16..).unwrap_or_default());
    http::Response::new(200)
        .header("lambda-runtime-aws-request-id", event.id)
        .header(
            "lambda-runtime-deadline-ms",
            (now + event.timeout).as_millis().to_string(),
        )
        .header("lambda-runtime-invoked-function-arn", function_arn)
        .header(
            "lambda-runtime-trace-id",
            format!("Root=1-{:08x}-{root};Parent={parent};Sampled=0", now.as_secs()),
        )
        .body("application/json", event.payload)
}

/// The error object of a function, cut to what Lambda hands on.
fn function_error(asked: &http::Request) -> Value {
    let told: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("errorType").or_else(|| asked.header("lambda-runtime-function-error-type").map(str::to_owned));
    super::error(
        &kind.unwrap_or_else(|| "Runtime.Unknown".to_owned()),
        &text("errorMessage").unwrap_or_default(),
    )
}

fn accept(known: bool, id: &str) -> http::Response {
    if known {
        http::Response::new(202).body("application/json", json!({"status": "OK"}).to_string())
    } else {
        refuse(400, "InvalidRequestID", &format!("no invocation {id} is running"))
    }
}

fn refuse(status: u16, kind: &str, message: &str) -> http::Response {
    http::Response::new(status).body("application/json", super::error(kind, message).to_string())
}
