//! The attributes of a queue that can be set, and what they may be.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::LARGEST_MESSAGE;
use super::errors::{invalid_value, not_implemented};
use crate::api::ApiError;

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Redrive {
    pub dead_letter_target_arn: String,
    pub max_receive_count: u64,
}

/// The attributes of a queue, with the defaults of AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub visibility_timeout: i64,
    pub retention: i64,
    pub delay: i64,
    pub wait: i64,
    pub largest_message: i64,
    pub managed_sse: bool,
    pub redrive: Option<Redrive>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            visibility_timeout: 30,
            retention: 345_600,
            delay: 0,
            wait: 0,
            largest_message: LARGEST_MESSAGE,
            managed_sse: true,
            redrive: None,
        }
    }
}

/// A redrive policy as it comes: the count is a number or, from older clients, a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GivenRedrive {
    dead_letter_target_arn: Option<String>,
    max_receive_count: Option<Value>,
}

impl Settings {
    /// Sets all of a map of attributes, or none. `exists` knows the ARNs that a redrive policy may name.
    pub(super) fn with(&self, given: &Map<String, Value>, exists: impl Fn(&str) -> bool) -> Result<Self, ApiError> {
        let mut settings = self.clone();
        for (name, value) in given {
            settings.set(name, value.as_str().unwrap_or_default(), &exists)?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &str, exists: &impl Fn(&str) -> bool) -> Result<(), ApiError> {
        let wrong = || {
            ApiError::client(
                "InvalidAttributeValue",
                format!("Invalid value for the parameter {name}."),
            )
        };
        let number = |least: i64, most: i64| {
            value
                .parse()
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(wrong)
        };
        match name {
            "VisibilityTimeout" => self.visibility_timeout = number(0, 43_200)?,
            "MessageRetentionPeriod" => self.retention = number(60, 1_209_600)?,
            "DelaySeconds" => self.delay = number(0, 900)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait = number(0, 20)?,
            "MaximumMessageSize" => self.largest_message = number(1024, LARGEST_MESSAGE)?,
            "SqsManagedSseEnabled" => self.managed_sse = value.parse().map_err(|_| wrong())?,
            "RedrivePolicy" => self.redrive = redrive(value, exists)?,
            "Policy"
            | "RedriveAllowPolicy"
            | "KmsMasterKeyId"
            | "KmsDataKeyReusePeriodSeconds"
            | "FifoQueue"
            | "ContentBasedDeduplication"
            | "DeduplicationScope"
            | "FifoThroughputLimit" => {
                return Err(not_implemented(&format!("the queue attribute {name}")));
            }
            _ => {
                return Err(ApiError::client(
                    "InvalidAttributeName",
                    format!("Unknown Attribute {name}."),
                ));
            }
        }
        Ok(())
    }

    /// The attributes as `GetQueueAttributes` writes them: all of them texts.
    pub(super) fn show(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        let mut put = |name: &str, value: String| shown.insert(name.to_owned(), value.into());
        put("VisibilityTimeout", self.visibility_timeout.to_string());
        put("MessageRetentionPeriod", self.retention.to_string());
        put("DelaySeconds", self.delay.to_string());
        put("ReceiveMessageWaitTimeSeconds", self.wait.to_string());
        put("MaximumMessageSize", self.largest_message.to_string());
        put("SqsManagedSseEnabled", self.managed_sse.to_string());
        if let Some(redrive) = &self.redrive {
            put("RedrivePolicy", json!(redrive).to_string());
        }
        shown
    }
}

/// Reads a redrive policy; an empty text takes it away.
fn redrive(text: &str, exists: &impl Fn(&str) -> bool) -> Result<Option<Redrive>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| Err(invalid_value(text, "RedrivePolicy", reason));
    let Ok(given) = serde_json::from_str::<GivenRedrive>(text) else {
        return refuse("Redrive policy is not a valid JSON map.");
    };
    let Some(dead_letter_target_arn) = given.dead_letter_target_arn else {
        return refuse("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.");
    };
    let Some(count) = given.max_receive_count else {
        return refuse("Redrive policy does not contain mandatory attribute: maxReceiveCount.");
    };
    let read = count.as_u64().or_else(|| count.as_str()?.parse().ok());
    let Some(max_receive_count) = read.filter(|count| (1..=1000).contains(count)) else {
        let reason =
            format!("Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive.");
        return refuse(&reason);
    };
    if !exists(&dead_letter_target_arn) {
        return refuse("Dead letter target does not exist.");
    }
    Ok(Some(Redrive {
        dead_letter_target_arn,
        max_receive_count,
    }))
}
