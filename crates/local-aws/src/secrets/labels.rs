//! Staging labels. A label is on one version at most; `AWSCURRENT` is never taken off, only moved, and what it leaves
//! behind becomes `AWSPREVIOUS`.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{CURRENT, PENDING, PREVIOUS, Secret, Secrets, Version, invalid_parameter, text, values};
use crate::api::{Answer, ApiError, CallContext};
use crate::s3::whole_seconds;

/// Labels that all versions of a secret may carry together.
const MOST_LABELS: usize = 20;

impl Secrets {
    /// UpdateSecretVersionStage: moves a label, or takes it off. Whoever takes a label from a version has to name that
    /// version, so that two writers cannot overwrite each other unseen.
    pub(super) fn update_stage(&mut self, cx: &CallContext, input: &Value, events: &mut Vec<Value>) -> Answer {
        let secret = self.find_active(cx, input)?;
        let label = text(input, "VersionStage").unwrap_or_default();
        let (to, from) = (text(input, "MoveToVersionId"), text(input, "RemoveFromVersionId"));
        for id in [to, from].into_iter().flatten() {
            if secret.version(id).is_none() {
                return Err(values::no_such_version(id));
            }
        }
        let holder = secret.holder(label).map(|version| version.id.clone());
        match (holder.as_deref(), from) {
            (_, None) if to.is_none() => {
                let message = "You must provide a value for MoveToVersionId, RemoveFromVersionId, or both.";
                return Err(invalid_parameter(message));
            }
            (Some(holder), None) if to != Some(holder) => {
                return Err(invalid_parameter(format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to \
                     version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                )));
            }
            (Some(holder), Some(from)) if from != holder => {
                return Err(invalid_parameter(format!(
                    "Not a valid RemoveFromVersionId. Staging label {label} is currently attached to version {holder}, \
                     so you must explicitly reference that version in RemoveFromVersionId."
                )));
            }
            (None, Some(from)) => {
                return Err(invalid_parameter(format!(
                    "Staging label {label} is not attached to version {from}."
                )));
            }
            _ => {}
        }
        match to {
            Some(to) => secret.change(events, |next, events| next.attach(cx, label, to, events))?,
            None if label == CURRENT => {
                let message = "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.";
                return Err(invalid_parameter(message));
            }
            None => secret.detach(label),
        }
        secret.changed = cx.now;
        Ok(secret.naming())
    }
}

impl Secret {
    /// The version that carries a label.
    pub(super) fn holder(&self, label: &str) -> Option<&Version> {
        self.versions
            .iter()
            .find(|version| version.labels.iter().any(|found| found == label))
    }

    pub(super) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// Puts a label onto a version, off whichever had it, and raises the event that AWS raises.
    pub(super) fn attach(&mut self, cx: &CallContext, label: &str, id: &str, events: &mut Vec<Value>) {
        let holder = self.holder(label).map(|version| version.id.clone());
        if holder.as_deref() == Some(id) {
            return;
        }
        self.detach(label);
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == id) {
            version.labels.push(label.to_owned());
        }
        if let (CURRENT, Some(left)) = (label, holder) {
            self.attach(cx, PREVIOUS, &left, events);
        }
        if ![PENDING, PREVIOUS].contains(&label) {
            events.push(self.label_event(cx, label, id));
        }
    }

    fn detach(&mut self, label: &str) {
        for version in &mut self.versions {
            version.labels.retain(|found| found != label);
        }
    }

    /// Makes a change, unless it puts on too many labels.
    pub(super) fn change(
        &mut self,
        events: &mut Vec<Value>,
        change: impl FnOnce(&mut Self, &mut Vec<Value>),
    ) -> Result<(), ApiError> {
        let (mut next, mut raised) = (self.clone(), Vec::new());
        change(&mut next, &mut raised);
        let labels: usize = next.versions.iter().map(|version| version.labels.len()).sum();
        if labels > MOST_LABELS {
            let message = format!(
                "You have exceeded the limit of {MOST_LABELS} staging labels attached to all versions of a secret."
            );
            return Err(ApiError::client("LimitExceededException", message));
        }
        *self = next;
        events.append(&mut raised);
        Ok(())
    }

    /// The versions that carry labels; absent where there is none.
    pub(super) fn labels_by_version(&self) -> Option<Value> {
        let labelled = self.versions.iter().filter(|version| !version.labels.is_empty());
        let map: Map<String, Value> = labelled
            .map(|version| (version.id.clone(), json!(version.labels)))
            .collect();
        (!map.is_empty()).then_some(Value::Object(map))
    }

    fn label_event(&self, cx: &CallContext, label: &str, id: &str) -> Value {
        json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": "Secret Label Updated",
            "source": "aws.secretsmanager",
            "account": cx.account,
            "time": whole_seconds(cx.now),
            "region": cx.region,
            "resources": [self.arn],
            "detail": {"name": self.name, "labelUpdated": label, "versionId": id},
        })
    }
}
