//! Batches: what fails as a whole, and what fails entry by entry in an answer that succeeds.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::content::{read_attributes, size};
use super::errors::query_code;
use super::{LARGEST_MESSAGE, Sqs, text};
use crate::api::{Answer, ApiError, CallContext};

const MOST: usize = 10;

/// The entries of a batch that is well-formed as a whole.
fn entries(input: &Value) -> Result<&[Value], ApiError> {
    let refuse = |code: &str, message: String| Err(ApiError::client(code, message));
    let entries = input
        .get("Entries")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if entries.is_empty() {
        return refuse(
            "EmptyBatchRequest",
            "There should be at least one entry in the request.".to_owned(),
        );
    }
    if entries.len() > MOST {
        let sent = entries.len();
        let message = format!("Maximum number of entries per request are {MOST}. You have sent {sent}.");
        return refuse("TooManyEntriesInBatchRequest", message);
    }
    let mut ids = HashSet::new();
    for id in entries.iter().map(id) {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=80).contains(&id.len()) || !id.bytes().all(fine) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return refuse("InvalidBatchEntryId", message.to_owned());
        }
        if !ids.insert(id) {
            return refuse("BatchEntryIdsNotDistinct", format!("Id {id} repeated."));
        }
    }
    Ok(entries)
}

fn id(entry: &Value) -> &str {
    text(entry, "Id").unwrap_or_default()
}

/// Does one thing for each entry, and sorts the answers. Empty lists are left out, as AWS does.
fn each(entries: &[Value], mut act: impl FnMut(&Value) -> Answer) -> Answer {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match act(entry) {
            Ok(Value::Object(mut done)) => {
                done.insert("Id".to_owned(), id(entry).into());
                successful.push(Value::Object(done));
            }
            Ok(_) => successful.push(json!({"Id": id(entry)})),
            Err(error) if error.status == 501 => return Err(error),
            Err(error) => failed.push(json!({
                "Id": id(entry),
                "Code": query_code(&error.code),
                "Message": error.message,
                "SenderFault": error.status < 500,
            })),
        }
    }
    let lists = [("Successful", successful), ("Failed", failed)];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    Ok(Value::Object(
        lists
            .map(|(name, list)| (name.to_owned(), Value::Array(list)))
            .collect::<Map<_, _>>(),
    ))
}

impl Sqs {
    pub(super) fn send_batch(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (_, queue) = self.queue(cx, input)?;
        let entries = entries(input)?;
        let bytes = |entry: &Value| {
            let attributes = read_attributes(entry.get("MessageAttributes")).unwrap_or_default();
            size(text(entry, "MessageBody").unwrap_or_default(), &attributes)
        };
        let total: usize = entries.iter().map(bytes).sum();
        // The limit of a batch is that of the service, also where the queue's own is smaller.
        if i64::try_from(total).is_ok_and(|total| total > LARGEST_MESSAGE) {
            let message =
                format!("Batch requests cannot be longer than {LARGEST_MESSAGE} bytes. You have sent {total} bytes.");
            return Err(ApiError::client("BatchRequestTooLong", message));
        }
        each(entries, |entry| {
            queue.send(cx, entry, "One or more parameters cannot be validated.")
        })
    }

    pub(super) fn delete_batch(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        each(entries(input)?, |entry| queue.delete(name, entry))
    }

    pub(super) fn change_visibility_batch(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        each(entries(input)?, |entry| queue.change_visibility(cx, name, entry))
    }
}
