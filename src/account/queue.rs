//! SQS: the work queue, and the dead-letter queue behind it.
//!
//! The SDK sends every request to the endpoint of its own Region (or to `AWS_ENDPOINT_URL_SQS`), whatever host a queue
//! URL names: the queue has to be in the function's Region.

use std::time::Duration;

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageAttributeValue, QueueAttributeName, SendMessageBatchRequestEntry,
};
use serde::Deserialize;

use super::answers::said;
use super::error::{kind_of, unbuilt};
use super::{AwsError, ErrorKind, Writer, one_line};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// Tells the answers to a batch apart: 1 to 80 letters, digits, `-` and `_`, unique among the messages of a call.
    pub id: String,
    /// The message, not empty.
    pub body: String,
}

/// Where a queue puts messages that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    pub dead_letter_arn: String,
    /// How often a message is received before it goes there.
    pub max_receive_count: u32,
}

/// The most messages of a SendMessageBatch.
const BATCH_LEN: usize = 10;

/// The most bytes of a SendMessageBatch. SQS takes 1 MiB by now, and this ever since.
const BATCH_BYTES: usize = 256 * 1024;

/// How often a batch is tried, if SQS takes some of it and not all; the waits in between double, from this.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest reason, in characters.
const REASON_MAX: usize = 1000;

impl Writer {
    /// Sends messages to a standard queue, at most ten and 256 KiB at a time. Those that SQS says it did not take are
    /// sent again, a few times. A message may arrive twice, as SQS's always may.
    ///
    /// # Errors
    /// As SendMessageBatch; the first batch that fails ends it. Messages not taken are named, with SQS's reasons.
    pub async fn send_messages(&self, queue_url: &str, messages: &[QueueMessage]) -> Result<(), AwsError> {
        for batch in batches(messages) {
            self.send_batch(queue_url, batch).await?;
        }
        Ok(())
    }

    async fn send_batch(&self, queue_url: &str, batch: &[QueueMessage]) -> Result<(), AwsError> {
        let mut left: Vec<&QueueMessage> = batch.iter().collect();
        let mut faulty = Vec::new();
        let mut refusals: Vec<BatchResultErrorEntry> = Vec::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(FIRST_WAIT * 2_u32.pow(attempt - 1)).await;
            }
            let entries = left.iter().map(|message| {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(&message.id)
                    .message_body(&message.body);
                entry.build().map_err(unbuilt("SendMessageBatch"))
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let call = self
                .queue
                .send_message_batch()
                .queue_url(queue_url)
                .set_entries(Some(entries))
                .send()
                .await;
            let answer = call.map_err(|e| AwsError::new("SendMessageBatch", &e))?;
            // What the answer does not name at all was not taken either.
            left.retain(|message| !answer.successful.iter().any(|taken| taken.id == message.id));
            // A message that is at fault itself is refused again; the others are not held up by it.
            refusals.retain(|refusal| refusal.sender_fault);
            refusals.extend(answer.failed);
            let is_faulty = |message: &mut &QueueMessage| refusals.iter().any(|r| r.sender_fault && r.id == message.id);
            faulty.extend(left.extract_if(.., is_faulty));
            if left.is_empty() {
                break;
            }
        }
        faulty.extend(left);
        if faulty.is_empty() {
            Ok(())
        } else {
            Err(not_taken(&faulty, &refusals))
        }
    }

    /// Puts a message into the dead-letter queue of a queue, with the reason as its attribute `reason`.
    ///
    /// # Errors
    /// As GetQueueAttributes, GetQueueUrl and SendMessage; `NoDeadLetterQueue` when the queue has none.
    pub async fn send_to_dead_letters(&self, queue_url: &str, body: &str, reason: &str) -> Result<(), AwsError> {
        let redrive = self.redrive(queue_url).await?.ok_or_else(|| {
            AwsError::of(
                "GetQueueAttributes",
                "NoDeadLetterQueue",
                "the queue has no dead-letter queue",
                ErrorKind::Refused,
            )
        })?;
        let dead_letters = self.queue_url(&redrive.dead_letter_arn).await?;
        let reason = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(attribute(reason))
            .build();
        let reason = reason.map_err(unbuilt("SendMessage"))?;
        let call = self.queue.send_message().queue_url(dead_letters).message_body(body);
        let call = call.message_attributes("reason", reason).send().await;
        let answer = call.map_err(|e| AwsError::new("SendMessage", &e))?;
        said("SendMessage", answer.message_id).map(drop)
    }

    /// When a queue gives up on a message, and where it puts it; `None` for a queue without a dead-letter queue.
    ///
    /// # Errors
    /// As GetQueueAttributes.
    pub async fn redrive(&self, queue_url: &str) -> Result<Option<Redrive>, AwsError> {
        let call = self.queue.get_queue_attributes().queue_url(queue_url);
        let call = call.attribute_names(QueueAttributeName::RedrivePolicy).send().await;
        let answer = call.map_err(|e| AwsError::new("GetQueueAttributes", &e))?;
        let policy = answer
            .attributes
            .and_then(|mut all| all.remove(&QueueAttributeName::RedrivePolicy));
        policy
            .filter(|text| !text.is_empty())
            .map(|text| redrive(&text))
            .transpose()
    }

    /// GetQueueUrl, of a queue in this Region.
    async fn queue_url(&self, arn: &str) -> Result<String, AwsError> {
        let (account, name) = account_and_name(arn).ok_or_else(|| unreadable(&format!("no ARN of a queue: {arn}")))?;
        let call = self
            .queue
            .get_queue_url()
            .queue_name(name)
            .queue_owner_aws_account_id(account)
            .send()
            .await;
        let answer = call.map_err(|e| AwsError::new("GetQueueUrl", &e))?;
        said("GetQueueUrl", answer.queue_url)
    }
}

/// Cuts messages into batches that SQS takes. One that is too long for any goes alone, for SQS to judge.
fn batches(messages: &[QueueMessage]) -> Vec<&[QueueMessage]> {
    let mut batches = Vec::new();
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(BATCH_LEN).take_while(|message| {
            bytes += message.body.len();
            bytes <= BATCH_BYTES
        });
        let (batch, after) = rest.split_at(fits.count().max(1));
        batches.push(batch);
        rest = after;
    }
    batches
}

/// What became of the messages that SQS did not take.
fn not_taken(left: &[&QueueMessage], refusals: &[BatchResultErrorEntry]) -> AwsError {
    let why = |message: &&QueueMessage| {
        let refusal = refusals.iter().find(|refusal| refusal.id == message.id);
        let why = refusal.map_or("not in the answer".to_owned(), |refusal| {
            format!(
                "{}: {}",
                refusal.code,
                refusal.message.as_deref().unwrap_or("SQS gave no further text")
            )
        });
        format!("{} ({why})", message.id)
    };
    let all = left.iter().map(why).collect::<Vec<_>>().join(", ");
    let fault = refusals.iter().find(|refusal| refusal.sender_fault);
    let code = fault
        .or(refusals.first())
        .map_or("Unknown", |refusal| refusal.code.as_str());
    let kind = if fault.is_some() {
        kind_of(code, 400)
    } else {
        ErrorKind::Transient
    };
    let message = super::error::foreign_text(&format!("not taken: {all}"));
    AwsError::of("SendMessageBatch", code, message, kind)
}

/// A text that SQS takes as an attribute: not empty, bounded, and without the characters that it refuses. Those are
/// the control characters but tab and line breaks, U+FFFE and U+FFFF (SendMessage).
fn attribute(text: &str) -> String {
    let text = one_line(text.trim(), REASON_MAX - 1).replace(['\u{fffe}', '\u{ffff}'], " ");
    if text.is_empty() { "none was given".into() } else { text }
}

/// Reads the attribute RedrivePolicy. `maxReceiveCount` is a number, or one in quotes, as it was once set.
fn redrive(policy: &str) -> Result<Redrive, AwsError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Policy {
        dead_letter_target_arn: String,
        max_receive_count: Count,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Count {
        Number(u32),
        Text(String),
    }
    let policy: Policy = serde_json::from_str(policy).map_err(|e| unreadable(&format!("RedrivePolicy: {e}")))?;
    let max_receive_count = match policy.max_receive_count {
        Count::Number(number) => Ok(number),
        Count::Text(text) => text
            .parse()
            .map_err(|_| unreadable(&format!("RedrivePolicy: maxReceiveCount {text}"))),
    }?;
    Ok(Redrive {
        dead_letter_arn: policy.dead_letter_target_arn,
        max_receive_count,
    })
}

/// Account and name from `arn:aws:sqs:region:account:name`.
fn account_and_name(arn: &str) -> Option<(&str, &str)> {
    match *arn.split(':').collect::<Vec<_>>() {
        ["arn", _, "sqs", _, account, name] if !name.is_empty() => Some((account, name)),
        _ => None,
    }
}

fn unreadable(what: &str) -> AwsError {
    AwsError::of(
        "GetQueueAttributes",
        "BadResponse",
        super::error::foreign_text(what),
        ErrorKind::Refused,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:dead";

    fn messages(sizes: &[usize]) -> Vec<QueueMessage> {
        let message = |(n, size): (usize, &usize)| QueueMessage {
            id: format!("p{n}"),
            body: "x".repeat(*size),
        };
        sizes.iter().enumerate().map(message).collect()
    }

    fn lengths(sizes: &[usize]) -> Vec<usize> {
        batches(&messages(sizes)).iter().map(|batch| batch.len()).collect()
    }

    fn refusal(id: &str, sender_fault: bool, code: &str) -> BatchResultErrorEntry {
        let refusal = BatchResultErrorEntry::builder()
            .id(id)
            .sender_fault(sender_fault)
            .code(code)
            .message("no");
        refusal.build().unwrap_or_else(|e| unreachable!("{e}"))
    }

    #[test]
    fn a_batch_holds_ten_messages_and_256_kib_at_most() {
        const KIB: usize = 1024;
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[1; 25]), [10, 10, 5]);
        assert_eq!(lengths(&[128 * KIB, 128 * KIB, 1]), [2, 1]);
        assert_eq!(lengths(&[1, 300 * KIB, 1, 1]), [1, 1, 2]);
    }

    #[test]
    fn every_message_that_was_not_taken_is_named_with_its_reason() {
        let messages = messages(&[1, 1]);
        let left: Vec<&QueueMessage> = messages.iter().collect();
        let error = not_taken(&left, &[refusal("p1", false, "InternalError")]);
        assert_eq!(
            error.message,
            "not taken: p0 (not in the answer), p1 (InternalError: no)"
        );
        assert!(error.is("InternalError") && error.is_transient());
        let fault = [
            refusal("p0", false, "InternalError"),
            refusal("p1", true, "InvalidMessageContents"),
        ];
        let error = not_taken(&left, &fault);
        assert!(error.is("InvalidMessageContents") && !error.is_transient());
        assert!(not_taken(&left, &[]).is_transient());
    }

    #[test]
    fn a_reason_is_made_fit_for_sqs() {
        assert_eq!(attribute("a\u{0}b\u{fffe}c\nd ü€😀"), "a b c d ü€😀");
        assert_eq!(attribute(" \n"), "none was given");
        assert_eq!(attribute(&"é".repeat(5000)).chars().count(), REASON_MAX);
        assert_eq!(attribute(&"é".repeat(REASON_MAX - 1)), "é".repeat(REASON_MAX - 1));
    }

    #[test]
    fn a_redrive_policy_is_read_in_both_its_forms() {
        let expected = Redrive {
            dead_letter_arn: ARN.into(),
            max_receive_count: 3,
        };
        for count in ["3", "\"3\""] {
            let text = format!(r#"{{"deadLetterTargetArn":"{ARN}","maxReceiveCount":{count}}}"#);
            assert_eq!(redrive(&text), Ok(expected.clone()));
        }
        assert!(redrive("{}").is_err_and(|e| e.is("BadResponse")));
    }

    #[test]
    fn a_queue_is_found_by_its_arn() {
        assert_eq!(account_and_name(ARN), Some(("123456789012", "dead")));
        for arn in [
            "",
            "arn:aws:sns:eu-west-1:123456789012:dead",
            "arn:aws:sqs:eu-west-1:123456789012:",
        ] {
            assert_eq!(account_and_name(arn), None);
        }
    }
}
