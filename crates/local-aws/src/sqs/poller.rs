//! What Lambda's poller does for a function: an event source mapping, pulled by hand.

use serde_json::{Map, Value, json};

use super::content::{self, Attribute, md5_of_attributes, md5_of_body};
use super::queue::Message;
use super::{Sqs, arn, name_of_arn, text};
use crate::api::CallContext;

impl Message {
    fn record(&self, cx: &CallContext, queue: &str) -> Value {
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| record.insert(name.to_owned(), value);
        put("messageId", self.id.as_str().into());
        put("receiptHandle", self.handle.as_deref().into());
        put("body", self.body.as_str().into());
        put("attributes", self.system_attributes().into());
        put(
            "messageAttributes",
            content::shown(&self.attributes, Attribute::for_lambda),
        );
        if !self.attributes.is_empty() {
            put(
                "md5OfMessageAttributes",
                md5_of_attributes(self.attributes.iter()).into(),
            );
        }
        put("md5OfBody", md5_of_body(&self.body).into());
        put("eventSource", "aws:sqs".into());
        put("eventSourceARN", arn(cx, queue).into());
        put("awsRegion", cx.region.as_str().into());
        record.into()
    }
}

impl Sqs {
    /// The event of up to `most` visible messages, which are received by that; nothing where there are none.
    pub(crate) fn take_work(&mut self, cx: &CallContext, url: &str, most: usize) -> Option<Value> {
        let name = self.name_of(cx, url).ok()?;
        self.queues.get_mut(name)?.forget_old(cx.now);
        let messages = self.deliver(cx, name, most, None);
        let records: Vec<Value> = messages.iter().map(|message| message.record(cx, name)).collect();
        (!records.is_empty()).then(|| json!({"Records": records}))
    }

    /// Deletes the messages of an event, or makes them visible again.
    pub(crate) fn finish_work(&mut self, cx: &CallContext, event: &Value, done: bool) {
        for record in event.get("Records").and_then(Value::as_array).into_iter().flatten() {
            let name = text(record, "eventSourceARN").and_then(|arn| name_of_arn(cx, arn));
            let handle = text(record, "receiptHandle").unwrap_or_default();
            let Some((name, queue)) = name.and_then(|name| Some((name, self.queues.get_mut(name)?))) else {
                continue;
            };
            let Ok(Some((at, message))) = queue.of_handle(name, handle) else {
                continue;
            };
            message.visible_at = cx.now;
            if done {
                queue.messages.remove(&at);
            }
        }
    }

    /// All messages of a queue, in the order in which they came, without receiving them.
    pub(crate) fn messages(&self, cx: &CallContext, url: &str) -> Vec<Value> {
        let queue = self.name_of(cx, url).ok().and_then(|name| self.queues.get(name));
        let show = |message: &Message| {
            json!({
                "messageId": message.id,
                "body": message.body,
                "attributes": message.system_attributes(),
                "messageAttributes": content::shown(&message.attributes, Attribute::for_lambda),
                "receiveCount": message.receives,
                "visible": message.visible_at <= cx.now,
            })
        };
        queue
            .into_iter()
            .flat_map(|queue| queue.messages.values())
            .map(show)
            .collect()
    }
}
