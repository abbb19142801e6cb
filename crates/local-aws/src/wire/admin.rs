//! `/_local-aws/…`: the levers of [`LocalAws`] for programs in other languages. Unsigned, and not in the call log.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use crate::aws::LocalAws;
use crate::fault::Fault;
use crate::http;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    host: String,
    username: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pull {
    image: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    name: String,
    #[serde(default)]
    versioned: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    name: String,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stack {
    name: String,
    #[serde(default = "complete")]
    status: String,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
}

fn complete() -> String {
    "CREATE_COMPLETE".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    /// Base64 of 32 bytes.
    material: String,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    name: String,
    policy: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u64,
}

/// Answers one request; `path` is what follows the prefix.
pub(super) fn answer(aws: &LocalAws, http_request: &http::Request, path: &str) -> http::Response {
    match act(aws, http_request, path) {
        Ok(output) => http::Response::new(200).body("application/json", output.to_string()),
        Err((status, message)) => {
            http::Response::new(status).body("application/json", json!({"error": message}).to_string())
        }
    }
}

fn act(aws: &LocalAws, http_request: &http::Request, path: &str) -> Result<Value, (u16, String)> {
    match (&http_request.method, path) {
        (&Method::GET, "calls") => return serde_json::to_value(aws.calls()).map_err(|why| (500, why.to_string())),
        (&Method::GET, "events") => return Ok(Value::Array(aws.events())),
        (&Method::DELETE, "calls") => aws.clear_calls(),
        (&Method::DELETE, "faults") => aws.clear_faults(),
        (&Method::POST, "reset") => aws.reset(),
        (&Method::POST, "faults") => aws.fault(body::<Fault>(http_request)?),
        (&Method::POST, "advance") => {
            aws.advance(std::time::Duration::from_secs(body::<Advance>(http_request)?.seconds))
        }
        (&Method::POST, "buckets") => {
            let bucket: Bucket = body(http_request)?;
            aws.create_bucket(&bucket.name, bucket.versioned);
        }
        (&Method::POST, "functions") => {
            let function: Function = body(http_request)?;
            let variables: Vec<(&str, &str)> = function
                .variables
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            return Ok(json!({"arn": aws.deploy_function(&function.name, &variables)}));
        }
        (&Method::POST, "stacks") => {
            let stack: Stack = body(http_request)?;
            let outputs: Vec<(&str, &str)> = stack.outputs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            return match aws.put_stack(&stack.name, &stack.status, &outputs) {
                Ok(id) => Ok(json!({ "id": id })),
                Err(error) => Err((error.status, format!("{}: {}", error.code, error.message))),
            };
        }
        (&Method::POST, "keys") => {
            let key: Key = body(http_request)?;
            let material = BASE64_STANDARD
                .decode(&key.material)
                .ok()
                .and_then(|bytes| bytes.try_into().ok());
            let material = material.ok_or_else(|| (400, "material is base64 of 32 bytes".to_owned()))?;
            return Ok(json!({"arn": aws.import_key(&key.id, material, key.enabled)}));
        }
        (&Method::POST, "roles") => {
            let role: Role = body(http_request)?;
            let made = aws.put_role(&role.name, &[("policy".to_owned(), role.policy)]);
            return made.map(|arn| json!({"arn": arn})).map_err(|why| (400, why));
        }
        (&Method::POST, "upstreams") => {
            let upstream: Upstream = body(http_request)?;
            aws.accept_upstream(&upstream.host, &upstream.username, &upstream.token);
        }
        (&Method::DELETE, "upstreams") => {
            let upstream: Upstream = body(http_request)?;
            aws.refuse_upstream(&upstream.host, &upstream.username, &upstream.token);
        }
        (&Method::POST, "pull") => {
            let pull: Pull = body(http_request)?;
            return match aws.pull(&pull.image) {
                Ok(pulled) => Ok(json!({
                    "repository": pulled.repository,
                    "created": pulled.created,
                    "template": pulled.template,
                    "upstream": pulled.upstream,
                })),
                Err(error) => Err((error.status, format!("{}: {}", error.code, error.message))),
            };
        }
        _ => {
            let known = "GET calls, GET events, DELETE calls, DELETE faults, POST reset, POST faults, POST advance, \
                         POST buckets, POST functions, POST stacks, POST keys, POST roles, POST upstreams, DELETE upstreams, POST pull";
            return Err((404, format!("local-aws has these under /_local-aws/: {known}")));
        }
    }
    Ok(json!({}))
}

fn body<T: DeserializeOwned>(http_request: &http::Request) -> Result<T, (u16, String)> {
    serde_json::from_slice(&http_request.body).map_err(|why| (400, why.to_string()))
}
