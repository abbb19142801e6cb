//! Operations on queues themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::errors::{invalid, invalid_value, no_queue, not_implemented};
use super::queue::Queue;
use super::settings::{Redrive, Settings};
use super::{Sqs, arn, integer, name_of_arn, text, texts};
use crate::api::{Answer, ApiError, CallContext};

/// How long the name of a deleted queue is taken, and how long a purge goes on.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.ends_with(".fifo") {
        return Err(not_implemented("FIFO queues"));
    }
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match (1..=80).contains(&name.len()) && name.bytes().all(fine) {
        true => Ok(()),
        false => Err(invalid(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )),
    }
}

/// The member `Attributes`, if it is there.
fn given(input: &Value) -> Map<String, Value> {
    input
        .get("Attributes")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

impl Sqs {
    /// Whether a redrive policy may name this ARN.
    fn is_queue(&self, cx: &CallContext, arn: &str) -> bool {
        name_of_arn(cx, arn).is_some_and(|name| self.queues.contains_key(name))
    }

    pub(super) fn create_queue(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let name = text(input, "QueueName").unwrap_or_default();
        check_name(name)?;
        let given = given(input);
        let exists = |arn: &str| self.is_queue(cx, arn);
        if let Some(queue) = self.queues.get(name) {
            // The same queue again is no error, and attributes that are not mentioned do not count.
            let wanted = queue.settings.with(&given, exists)?.show();
            let present = queue.settings.show();
            if let Some(other) = given.keys().find(|name| wanted.get(*name) != present.get(*name)) {
                let message =
                    format!("A queue already exists with the same name and a different value for attribute {other}");
                return Err(ApiError::client("QueueNameExists", message));
            }
            return Ok(json!({"QueueUrl": self.url(cx, name)}));
        }
        if self
            .deleted
            .get(name)
            .is_some_and(|deleted| cx.now.duration_since(*deleted) < MINUTE)
        {
            let message =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(ApiError::client("QueueDeletedRecently", message));
        }
        let settings = Settings::default().with(&given, exists)?;
        self.queues.insert(name.to_owned(), Queue::new(settings, cx.now));
        Ok(json!({"QueueUrl": self.url(cx, name)}))
    }

    /// A queue and its dead-letter queue, `<name>-dlq`, made if need be: the URLs of both.
    pub(crate) fn create_pair(&mut self, cx: &CallContext, name: &str, max_receive_count: u64) -> (String, String) {
        let dead = format!("{name}-dlq");
        let redrive = Redrive {
            dead_letter_target_arn: arn(cx, &dead),
            max_receive_count,
        };
        self.queues
            .entry(dead.clone())
            .or_insert_with(|| Queue::new(Settings::default(), cx.now));
        let queue = self
            .queues
            .entry(name.to_owned())
            .or_insert_with(|| Queue::new(Settings::default(), cx.now));
        queue.settings.redrive = Some(redrive);
        (self.url(cx, name), self.url(cx, &dead))
    }

    pub(super) fn get_queue_url(&self, cx: &CallContext, input: &Value) -> Answer {
        let name = text(input, "QueueName").unwrap_or_default();
        let own = text(input, "QueueOwnerAWSAccountId").is_none_or(|owner| owner == cx.account);
        match own && self.queues.contains_key(name) {
            true => Ok(json!({"QueueUrl": self.url(cx, name)})),
            false => Err(no_queue()),
        }
    }

    pub(super) fn list_queues(&self, cx: &CallContext, input: &Value) -> Answer {
        let prefix = text(input, "QueueNamePrefix").unwrap_or_default();
        let asked = integer(input, "MaxResults");
        if let Some(most) = asked.filter(|most| !(1..=1000).contains(most)) {
            return Err(invalid_value(
                most,
                "MaxResults",
                "MaxResults must be an integer between 1 and 1000.",
            ));
        }
        let after = match text(input, "NextToken") {
            None => None,
            Some(token) => Some(open(token).ok_or_else(|| invalid("Invalid or expired next token."))?),
        };
        let names = self.queues.keys().filter(|name| name.starts_with(prefix));
        let mut rest = names.filter(|name| after.as_ref().is_none_or(|after| *name > after));
        let size = usize::try_from(asked.unwrap_or(1000)).unwrap_or(1000);
        let page: Vec<&String> = rest.by_ref().take(size).collect();
        let mut answer = Map::new();
        // An empty list is left out, as in all answers of SQS. Without MaxResults there are no pages, only an end.
        if !page.is_empty() {
            let urls: Vec<String> = page.iter().map(|name| self.url(cx, name)).collect();
            answer.insert("QueueUrls".to_owned(), json!(urls));
        }
        if let (Some(_), Some(_), Some(last)) = (asked, rest.next(), page.last()) {
            answer.insert(
                "NextToken".to_owned(),
                STANDARD.encode(format!("local-aws/queues/{last}")).into(),
            );
        }
        Ok(answer.into())
    }

    pub(super) fn get_attributes(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        let mut all = queue.settings.show();
        let counts = queue.counts(cx.now);
        let mut put = |name: &str, value: String| all.insert(name.to_owned(), value.into());
        put("QueueArn", arn(cx, name));
        put("CreatedTimestamp", queue.created.as_second().to_string());
        put("LastModifiedTimestamp", queue.changed.as_second().to_string());
        put("ApproximateNumberOfMessages", counts.visible.to_string());
        put("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string());
        put("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string());
        let asked = texts(input, "AttributeNames");
        if !asked.contains(&"All") {
            all.retain(|name, _| asked.contains(&name.as_str()));
        }
        Ok(if all.is_empty() {
            json!({})
        } else {
            json!({"Attributes": all})
        })
    }

    pub(super) fn set_attributes(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        let present = queue.settings.clone();
        let settings = present.with(&given(input), |arn| self.is_queue(cx, arn))?;
        let queue = self.queues.get_mut(name).ok_or_else(no_queue)?;
        (queue.settings, queue.changed) = (settings, cx.now);
        Ok(json!({}))
    }

    pub(super) fn purge(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, queue) = self.queue(cx, input)?;
        if queue
            .purged
            .is_some_and(|purged| cx.now.duration_since(purged) < MINUTE)
        {
            let message = format!("Only one PurgeQueue operation on {name} is allowed every 60 seconds.");
            return Err(ApiError::client("PurgeQueueInProgress", message));
        }
        queue.purged = Some(cx.now);
        queue.messages.clear();
        Ok(json!({}))
    }

    pub(super) fn delete_queue(&mut self, cx: &CallContext, input: &Value) -> Answer {
        let (name, _) = self.queue(cx, input)?;
        self.queues.remove(name);
        self.deleted.insert(name.to_owned(), cx.now);
        Ok(json!({}))
    }
}

fn open(token: &str) -> Option<String> {
    let plain = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    plain.strip_prefix("local-aws/queues/").map(str::to_owned)
}
