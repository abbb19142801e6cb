//! Amazon SQS, standard queues: what a function needs that hands work to itself, and what Lambda's poller does with it
//! (`poller.rs`).
//!
//! Error codes and texts are AWS's as far as they are known: most were recorded on live AWS by LocalStack's test suite
//! (`tests/aws/services/sqs/test_sqs.snapshot.json`), the rest follows the API reference. Where AWS leaves a choice:
//!
//! - `ReceiveMessage` answers at once, whatever `WaitTimeSeconds` says (it is checked): time is the account's clock,
//!   which stands still until a test moves it, and a waiting call would only make tests slow.
//! - An old receipt handle, of a message that was received again since, deletes nothing although the call succeeds.
//!   AWS warns that it may be so; a client must be right also then. It cannot change a visibility timeout either.
//! - Messages come in the order in which they were sent, each once. Neither is promised by AWS, so
//!   [`Sqs::newest_first`] and [`Sqs::duplicates`] break it.
//! - A message moves to the dead-letter queue at the receive that would be one too many, not before; its receive count
//!   goes on counting there.
//!
//! FIFO queues, KMS keys, queue policies, tags, trace headers and message move tasks are refused in the stand-in's name.

mod batch;
mod content;
mod errors;
mod messages;
mod poller;
mod queue;
mod queues;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::{Answer, ApiError, CallContext};
use crate::shape::{self, Service};

pub(crate) use errors::{query_error, type_of};

use errors::{no_queue, not_implemented};
use queue::Queue;

/// The largest message, and the largest batch, in bytes: 1 MiB, which was 256 KiB once.
/// <https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb>
pub(crate) const LARGEST_MESSAGE: i64 = 1_048_576;

/// All queues of the account.
pub struct Sqs {
    /// Each message that is received stays visible for one more delivery, once: standard queues deliver at least once.
    /// The copy has the same message id and starts from the receive count before.
    pub duplicates: bool,
    /// Messages come in the opposite order: standard queues promise none.
    pub newest_first: bool,
    /// What queue URLs begin with.
    endpoint: String,
    queues: BTreeMap<String, Queue>,
    /// When queues of these names were deleted: for a minute nobody can make one anew.
    deleted: BTreeMap<String, Timestamp>,
}

impl Sqs {
    pub(crate) fn new(endpoint: &str) -> Self {
        Self {
            duplicates: false,
            newest_first: false,
            endpoint: endpoint.to_owned(),
            queues: BTreeMap::new(),
            deleted: BTreeMap::new(),
        }
    }

    /// Answers one operation; `op` and `input` as they are in AWS's JSON protocol.
    pub(crate) fn call(&mut self, cx: &CallContext, op: &str, input: &Value) -> Answer {
        shape::check(Service::Sqs, op, input)?;
        refuse_unsupported(input)?;
        for queue in self.queues.values_mut() {
            queue.forget_old(cx.now);
        }
        match op {
            "CreateQueue" => self.create_queue(cx, input),
            "GetQueueUrl" => self.get_queue_url(cx, input),
            "ListQueues" => self.list_queues(cx, input),
            "GetQueueAttributes" => self.get_attributes(cx, input),
            "SetQueueAttributes" => self.set_attributes(cx, input),
            "PurgeQueue" => self.purge(cx, input),
            "DeleteQueue" => self.delete_queue(cx, input),
            "SendMessage" => self.send(cx, input),
            "SendMessageBatch" => self.send_batch(cx, input),
            "ReceiveMessage" => self.receive(cx, input),
            "DeleteMessage" => self.delete(cx, input),
            "DeleteMessageBatch" => self.delete_batch(cx, input),
            "ChangeMessageVisibility" => self.change_visibility(cx, input),
            "ChangeMessageVisibilityBatch" => self.change_visibility_batch(cx, input),
            other => Err(shape::unknown_operation(Service::Sqs, other)),
        }
    }

    fn url(&self, cx: &CallContext, name: &str) -> String {
        format!("{}/{}/{name}", self.endpoint, cx.account)
    }

    /// The name in a queue URL, which must be one of this endpoint.
    fn name_of<'a>(&self, cx: &CallContext, url: &'a str) -> Result<&'a str, ApiError> {
        let path = url.strip_prefix(&self.endpoint).and_then(|rest| rest.strip_prefix('/'));
        let Some((account, name)) = path.and_then(|path| path.split_once('/')) else {
            let message = format!("The address {url} is not valid for this endpoint.");
            return Err(ApiError::client("InvalidAddress", message));
        };
        if account == cx.account {
            Ok(name)
        } else {
            Err(no_queue())
        }
    }

    /// The name and the queue that an input means.
    fn queue<'a>(&mut self, cx: &CallContext, input: &'a Value) -> Result<(&'a str, &mut Queue), ApiError> {
        let name = self.name_of(cx, text(input, "QueueUrl").unwrap_or_default())?;
        self.queues
            .get_mut(name)
            .map(|queue| (name, queue))
            .ok_or_else(no_queue)
    }
}

fn arn(cx: &CallContext, name: &str) -> String {
    format!("arn:{}:sqs:{}:{}:{name}", cx.partition, cx.region, cx.account)
}

/// The name of a queue of this account and Region.
fn name_of_arn<'a>(cx: &CallContext, of: &'a str) -> Option<&'a str> {
    of.strip_prefix(&arn(cx, ""))
}

/// Members that are in the model but do nothing here, in the input and in the entries of a batch.
fn refuse_unsupported(input: &Value) -> Result<(), ApiError> {
    const UNSUPPORTED: [&str; 5] = [
        "MessageSystemAttributes",
        "MessageDeduplicationId",
        "MessageGroupId",
        "ReceiveRequestAttemptId",
        "tags",
    ];
    let entries = input.get("Entries").and_then(Value::as_array).into_iter().flatten();
    let given = |value: &&Value, name: &str| match value.get(name) {
        None | Some(Value::Null) => false,
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
    };
    let found = std::iter::once(input)
        .chain(entries)
        .find_map(|value| UNSUPPORTED.iter().find(|name| given(&value, name)));
    found.map_or(Ok(()), |name| Err(not_implemented(name)))
}

fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str)
}

fn integer(input: &Value, name: &str) -> Option<i64> {
    input.get(name).and_then(Value::as_i64)
}

fn texts<'a>(input: &'a Value, name: &str) -> Vec<&'a str> {
    input
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
