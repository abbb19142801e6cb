//! The least that a Lambda function in Rust can be: it answers with what it is asked. `make bench` holds the start of ours
//! against it.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async {
        Ok::<Value, Error>(event.payload)
    }))
    .await
}
