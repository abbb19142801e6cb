//! Operations on messages.

use serde_json::{Map, Value, json};

use super::content::{self, Attribute, md5_of_attributes, md5_of_body, read_attributes};
use super::errors::{invalid, invalid_value};
use super::queue::{Message, Queue, Receive, after};
use super::{Sqs, integer, name_of_arn, text, texts};
use crate::api::{Answer, ApiError, CallContext};

/// No message is in flight for longer than this, in seconds: twelve hours.
const LONGEST_TIMEOUT: i64 = 43_200;

/// Whoever sends, it is this principal: a role's id and the name of its session.
const SENDER: &str = "AROALOCALAWSEXAMPLE01:local-aws";

fn timeout(input: &Value) -> Result<Option<i64>, ApiError> {
    match integer(input, "VisibilityTimeout") {
        Some(seconds) if !(0..=LONGEST_TIMEOUT).contains(&seconds) => Err(invalid_value(
            seconds,
            "VisibilityTimeout",
            "Must be >= 0 and <= 43200, if provided.",
        )),
        fine => Ok(fine),
    }
}

impl Message {
    /// The attributes that SQS itself keeps, as `ReceiveMessage` and Lambda write them.
    pub(super) fn system_attributes(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut put = |name: &str, value: String| shown.insert(name.to_owned(), value.into());
        put("SenderId", SENDER.to_owned());
        put("SentTimestamp", self.sent.as_millisecond().to_string());
        put("ApproximateReceiveCount", self.receives.to_string());
        if let Some(first) = self.first_received {
            put("ApproximateFirstReceiveTimestamp", first.as_millisecond().to_string());
        }
        if let Some(source) = &self.source {
            put("DeadLetterQueueSourceArn", source.clone());
        }
        shown
    }

    fn show(&self, names: &[&str], system_names: &[&str]) -> Value {
        let mut shown = Map::new();
        shown.insert("MessageId".to_owned(), self.id.as_str().into());
        shown.insert("ReceiptHandle".to_owned(), self.handle.as_deref().into());
        shown.insert("Body".to_owned(), self.body.as_str().into());
        shown.insert("MD5OfBody".to_owned(), md5_of_body(&self.body).into());
        let mut system = self.system_attributes();
        if !system_names.contains(&"All") {
            system.retain(|name, _| system_names.contains(&name.as_str()));
        }
        if !system.is_empty() {
            shown.insert("Attributes".to_owned(), system.into());
        }
        // The sum is over what is sent along, so that the receiver can check it.
        let asked = content::asked(&self.attributes, names);
        if !asked.is_empty() {
            shown.insert(
                "MD5OfMessageAttributes".to_owned(),
                md5_of_attributes(asked.iter().copied()).into(),
            );
            shown.insert("MessageAttributes".to_owned(), content::shown(asked, Attribute::show));
        }
        shown.into()
    }
}

impl Queue {
    /// Takes one message; `says` is how a refusal of its size begins, which differs in a batch.
    pub(super) fn send(&mut self, cx: &CallContext, input: &Value, says: &str) -> Answer {
        let body = text(input, "MessageBody").unwrap_or_default();
        content::check_body(body)?;
        let attributes = read_attributes(input.get("MessageAttributes"))?;
        let most = self.settings.largest_message;
        if i64::try_from(content::size(body, &attributes)).is_ok_and(|size| size > most) {
            return Err(invalid(format!(
                "{says} Reason: Message must be shorter than {most} bytes."
            )));
        }
        let delay = integer(input, "DelaySeconds").unwrap_or(self.settings.delay);
        if !(0..=900).contains(&delay) {
            return Err(invalid_value(
                delay,
                "DelaySeconds",
                "DelaySeconds must be >= 0 and <= 900.",
            ));
        }
        let message = Message::new(body, attributes, cx.now, delay);
        let mut answer = json!({"MessageId": message.id, "MD5OfMessageBody": md5_of_body(body)});
        if let (Some(answer), false) = (answer.as_object_mut(), message.attributes.is_empty()) {
            answer.insert(
                "MD5OfMessageAttributes".to_owned(),
                md5_of_attributes(message.attributes.iter()).into(),
            );
        }
        self.put(message);
        Ok(answer)
    }

    pub(super) fn delete(&mut self, name: &str, input: &Value) -> Answer {
        let handle = text(input, "ReceiptHandle").unwrap_or_default();
        if let Some((at, _)) = self.of_handle(name, handle).map_err(|()| bad_handle(handle))? {
            self.messages.remove(&at);
        }
        Ok(json!({}))
    }

    pub(super) fn change_visibility(&mut self, cx: &CallContext, name: &str, input: &Value) -> Answer {
        let handle = text(input, "ReceiptHandle").unwrap_or_default();
        let seconds = timeout(input)?.unwrap_or(self.settings.visibility_timeout);
        let Some((_, message)) = self.of_handle(name, handle).map_err(|()| bad_handle(handle))? else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(invalid_value(handle, "ReceiptHandle", reason));
        };
        let until = after(cx.now, seconds);
        if message
            .received
            .is_some_and(|received| until > after(received, LONGEST_TIMEOUT))
        {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            return Err(invalid_value(seconds, "VisibilityTimeout", reason));
        }
        message.visible_at = until;
        Ok(json!({}))
    }
}

fn bad_handle(handle: &str) -> ApiError {
    let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    ApiError::client("ReceiptHandleIsInvalid", message)
}

impl Sqs {
    pub(super) fn send(&mut self, cx: &CallContext, input: &Value) -> Answer {
        self.queue(cx, input)?
            .1
            .send(cx, input, "One or more parameters are invalid.")
    }

    pub(super) fn delete(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        queue.delete(name, input)
    }

    pub(super) fn change_visibility(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        queue.change_visibility(cx, name, input)
    }

    pub(super) fn receive(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, _) = self.queue(cx, input)?;
        let most = integer(input, "MaxNumberOfMessages").unwrap_or(1);
        if !(1..=10).contains(&most) {
            return Err(invalid_value(
                most,
                "MaxNumberOfMessages",
                "Must be between 1 and 10, if provided.",
            ));
        }
        if let Some(wait) = integer(input, "WaitTimeSeconds").filter(|wait| !(0..=20).contains(wait)) {
            return Err(invalid_value(
                wait,
                "WaitTimeSeconds",
                "Must be >= 0 and <= 20, if provided.",
            ));
        }
        let most = usize::try_from(most).unwrap_or(1);
        let delivered = self.deliver(cx, name, most, timeout(input)?);
        if delivered.is_empty() {
            return Ok(json!({}));
        }
        let names = texts(input, "MessageAttributeNames");
        let mut system_names = texts(input, "MessageSystemAttributeNames");
        system_names.extend(texts(input, "AttributeNames"));
        let shown: Vec<Value> = delivered
            .iter()
            .map(|message| message.show(&names, &system_names))
            .collect();
        Ok(json!({"Messages": shown}))
    }

    /// Receives from a queue that exists, and moves its dead letters on.
    pub(super) fn deliver(&mut self, cx: &CallContext, name: &str, most: usize, timeout: Option<i64>) -> Vec<Message> {
        let redrive = self.queues.get(name).and_then(|queue| queue.settings.redrive.clone());
        // Where the dead-letter queue is gone, messages stay where they are.
        let target = redrive.and_then(|redrive| {
            let target = name_of_arn(cx, &redrive.dead_letter_target_arn)?.to_owned();
            self.queues
                .contains_key(&target)
                .then_some((target, redrive.max_receive_count))
        });
        let Some(queue) = self.queues.get_mut(name) else {
            return Vec::new();
        };
        let how = Receive {
            most,
            visibility_timeout: timeout.unwrap_or(queue.settings.visibility_timeout),
            duplicates: self.duplicates,
            newest_first: self.newest_first,
            max_receive_count: target.as_ref().map(|(_, count)| *count),
        };
        let taken = queue.receive(name, &how, cx.now);
        if let Some(queue) = target.and_then(|(target, _)| self.queues.get_mut(&target)) {
            let source = super::arn(cx, name);
            for message in taken.dead {
                queue.put(message.dead(&source, cx.now));
            }
        }
        taken.delivered
    }
}
