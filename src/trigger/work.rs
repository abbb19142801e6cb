//! The function's own messages: which repositories one of its runs could not finish.
//!
//! A message only says what is to be looked at: what is done is the newest file's word when the message comes. So it
//! carries no secret, may come twice, late and in any order, and nobody gains by forging one.

use aws_lambda_events::event::sqs::SqsMessage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shown;
use config::is_repository_name;

/// What a message may name at most, whoever wrote it.
const MOST_REPOSITORIES: usize = 100;

/// The longest name of a repository (ECR API, RepositoryName).
const LONGEST_NAME: usize = 256;

/// Some repositories of one registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkBatch {
    /// The run that could not finish them.
    pub id: String,
    /// Which of that run's messages this is.
    pub part: u32,
    /// Whose repositories they are.
    pub registry: String,
    /// Their names.
    pub repositories: Vec<String>,
}

/// Why a message is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message is not work of this function: {0}; it is {{\"work\": {{\"id\", \"part\", \"registry\", \
     \"repositories\": [names]}}}}"
)]
pub struct Refusal(String);

impl WorkBatch {
    /// Reads the value of `work`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(work: &Value) -> Result<Self, Refusal> {
        let batch = Self::deserialize(work).map_err(|error| Refusal(shown(&error.to_string())))?;
        let all = batch.repositories.iter().chain([&batch.id, &batch.registry]);
        if batch.repositories.is_empty() || batch.repositories.len() > MOST_REPOSITORIES {
            return Err(Refusal(format!(
                "it names {} repositories, not 1 to 100",
                batch.repositories.len()
            )));
        }
        if all.into_iter().any(|text| text.is_empty() || text.len() > LONGEST_NAME) {
            return Err(Refusal("a name in it is empty or longer than 256 characters".into()));
        }
        if let Some(name) = batch.repositories.iter().find(|name| !is_repository_name(name)) {
            return Err(Refusal(format!("no repository can have the name {:?}", shown(name))));
        }
        Ok(batch)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct WorkMessage {
    /// As it came, to be put among the dead letters if need be.
    pub body: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
    /// What it asks for.
    pub batch: Result<WorkBatch, Refusal>,
}

impl WorkMessage {
    /// A message of the own queue that is no work and nothing else that the function knows.
    pub(super) fn without_sense(message: SqsMessage, why: &str) -> Self {
        Self {
            batch: Err(Refusal(why.to_owned())),
            ..Self::read(message, &Value::Null)
        }
    }

    /// Reads a message whose body has the value `work` under that key.
    pub(super) fn read(message: SqsMessage, work: &Value) -> Self {
        let count = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok());
        Self {
            body: message.body.unwrap_or_default(),
            receive_count: count.unwrap_or(1),
            batch: WorkBatch::read(work),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_that_is_none_says_why() {
        let good = json!({"id": "r", "part": 0, "registry": "hub", "repositories": ["hub/a"]});
        let with = |key: &str, value: Value| {
            let mut work = good.clone();
            work[key] = value;
            WorkBatch::read(&work)
        };
        assert!(with("part", json!(1)).is_ok());
        for (key, value, words) in [
            ("repositories", json!([]), "names 0 repositories"),
            ("repositories", json!(vec!["hub/a"; 101]), "names 101 repositories"),
            ("repositories", json!(["x".repeat(257)]), "longer than 256"),
            ("repositories", json!(["hub/A"]), "no repository can have the name"),
            ("repositories", json!(["hub/"]), "no repository can have the name"),
            ("registry", json!(""), "empty"),
            ("part", json!(-1), "-1"),
            ("token", json!("x"), "unknown field `token`"),
        ] {
            let refusal = with(key, value)
                .err()
                .map(|refusal| refusal.to_string())
                .unwrap_or_default();
            assert!(refusal.contains(words), "{key}: {refusal}");
        }
    }
}
