//! AWS Lambda's runtime API, and the compiled function that it drives.
//!
//! [`LambdaApi::spawn`] starts a `bootstrap` with the environment Lambda gives; [`LambdaApi::invoke`] hands it events. One
//! runtime API serves one process at a time, as one execution environment does; take another from
//! [`LocalAws::lambda`](crate::LocalAws::lambda) to run two side by side.

mod http;
mod invocation_queue;
mod process;

pub use process::Function;

use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::timeout as within;
use uuid::Uuid;

use crate::aws::LocalAws;
use crate::lambda_control::FUNCTION_NAME;
use invocation_queue::{Event, InvocationQueue};

/// An event waits this long for a function to ask for it. Lambda's own limit for a start is 10 s; debug builds on a
/// loaded machine need more.
const PICK_UP: Duration = Duration::from_secs(120);

/// One Lambda runtime API. Clones share it; its port closes with the last clone.
#[derive(Debug, Clone)]
pub struct LambdaApi {
    aws: LocalAws,
    queue: Arc<InvocationQueue>,
    listener: Arc<Listener>,
}

#[derive(Debug)]
struct Listener {
    address: Result<String, String>,
    task: Option<AbortHandle>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[derive(Debug, Clone)]
pub struct Invocation {
    /// The id that the function's log lines carry.
    pub request_id: String,
    /// The function's response, or Lambda's `{"errorType", "errorMessage"}`.
    pub result: Result<Value, Value>,
}

impl LocalAws {
    /// A new Lambda runtime API, on a port of its own, so that several functions run side by side on one account.
    #[must_use]
    pub fn lambda(&self) -> LambdaApi {
        LambdaApi::start(self)
    }
}

impl LambdaApi {
    fn start(aws: &LocalAws) -> Self {
        let options = aws.options();
        let arn = format!(
            "arn:{}:lambda:{}:{}:function:{FUNCTION_NAME}",
            options.partition, options.region, options.account
        );
        let queue = Arc::new(InvocationQueue::new(arn));
        let listener = match http::listen(aws.runtime(), Arc::clone(&queue)) {
            Ok((address, task)) => Listener {
                address: Ok(address.to_string()),
                task: Some(task),
            },
            // Told at the first use: a test that cannot get a port should not need a Result for every function.
            Err(why) => Listener {
                address: Err(why.to_string()),
                task: None,
            },
        };
        Self {
            aws: aws.clone(),
            queue,
            listener: Arc::new(listener),
        }
    }

    /// `host:port`, for `AWS_LAMBDA_RUNTIME_API`.
    #[must_use]
    pub fn address(&self) -> String {
        self.listener
            .address
            .clone()
            .unwrap_or_else(|why| format!("no port: {why}"))
    }

    /// Hands an event to the function and waits for what becomes of it. `timeout` is the function's, counted from when
    /// it takes the event; a function that overruns it is killed, as Lambda does.
    pub async fn invoke(&self, payload: Value, timeout: Duration) -> Invocation {
        let request_id = Uuid::new_v4().to_string();
        let queue = Arc::clone(&self.queue);
        let id = request_id.clone();
        // On the server's runtime, so that the caller's may have any clock or none.
        let running = self
            .aws
            .runtime()
            .spawn(async move { invoke(&queue, id, payload, timeout).await });
        let result = running
            .await
            .unwrap_or_else(|_| Err(error("LocalAws.Stopped", "the stand-in was shut down")));
        Invocation { request_id, result }
    }

    /// Starts a compiled function. Its environment is Lambda's (see [`Function`]) plus `env`, which wins.
    ///
    /// # Errors
    /// When the file cannot be started, or this runtime API has a running function already.
    pub fn spawn(&self, bootstrap: &Path, env: &[(&str, &str)]) -> std::io::Result<Function> {
        let address = self
            .listener
            .address
            .as_ref()
            .map_err(|why| std::io::Error::other(why.clone()))?;
        Function::start(&self.aws, &self.queue, address, bootstrap, env)
    }
}

async fn invoke(queue: &InvocationQueue, id: String, payload: Value, timeout: Duration) -> Result<Value, Value> {
    let (event, picked, finished) = Event::new(id.clone(), payload.to_string(), timeout);
    queue.hand_in(event);
    tokio::pin!(finished);
    let early = tokio::select! {
        biased;
        result = &mut finished => Some(result),
        waited = within(PICK_UP, picked) => match waited {
            Ok(_) => None,
            Err(_) => {
                queue.forget(&id);
                return Err(error("Runtime.NotPolled", &format!("RequestId: {id} Error: no function asked for the event within {} s", PICK_UP.as_secs())));
            }
        },
    };
    let result = match early {
        Some(result) => Ok(result),
        None => within(timeout, finished).await,
    };
    match result {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(error("LocalAws.Lost", "the event was dropped without an answer")),
        Err(_) => {
            let text = format!(
                "RequestId: {id} Error: Task timed out after {:.2} seconds",
                timeout.as_secs_f64()
            );
            queue.forget(&id);
            queue.kill();
            Err(error("Sandbox.Timedout", &text))
        }
    }
}

fn error(kind: &str, message: &str) -> Value {
    json!({"errorType": kind, "errorMessage": message})
}
