//! A template as it is deployed: the rules of `template.yaml`, and the samples of `events/` that go through them.

use std::collections::BTreeMap;
use std::path::Path;

use ecr_pull_through_sync::trigger::{FunctionContext, Trigger, UnknownEvent, classify};
use local_aws::iam::Stack;
use local_aws::{EventPattern, Options};
use serde_json::Value;

use crate::stack::{BUCKET, KEY};

// Samples that tests change.
pub const UPLOAD: &str = "s3-object-created-eventbridge";
pub const LABEL: &str = "secret-label-updated";
pub const ROTATION: &str = "secret-rotation-succeeded";
pub const PULL: &str = "pull-failed";
pub const CALL: &str = "secret-put-value-by-arn";

/// A template, and where it is.
pub struct Deployed {
    pub template: Stack,
    pub at: Options,
    pub rules: BTreeMap<&'static str, EventPattern>,
}

pub const RULES: [&str; 6] = [
    "Upload",
    "SecretLabel",
    "SourceLabel",
    "SecretRotation",
    "SecretCall",
    "PullFailuresRule",
];

impl Deployed {
    pub fn new(at: Options, parameters: &[(&str, &str)]) -> Self {
        let template = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("template.yaml")).unwrap();
        let template = Stack::read(&template, &at).unwrap().physical("ConfigBucket", BUCKET);
        let template = parameters
            .iter()
            .fold(template, |template, (name, value)| template.parameter(name, value));
        let rule =
            |name| EventPattern::read(&pattern_of(&template, name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        Self {
            rules: RULES.map(|name| (name, rule(name))).into(),
            template,
            at,
        }
    }

    /// With the bucket it makes, in the account of the samples.
    pub fn plain() -> Self {
        Self::new(Options::default(), &[])
    }

    /// The rules that an event passes.
    pub fn woken_by(&self, event: &Value) -> Vec<&'static str> {
        RULES
            .into_iter()
            .filter(|name| self.rules[name].matches(event))
            .collect()
    }

    pub fn classify(&self, event: &Value) -> Result<Trigger, UnknownEvent> {
        let Options {
            account,
            region,
            partition,
            ..
        } = &self.at;
        let place = FunctionContext {
            bucket: BUCKET,
            key: KEY,
            status_prefix: "status/",
            work_queue: "",
            account,
            region,
            partition,
        };
        classify(event, &place)
    }
}

fn pattern_of(template: &Stack, rule: &str) -> Value {
    let of_function = [
        "Resources",
        "SyncFunction",
        "Properties",
        "Events",
        rule,
        "Properties",
        "Pattern",
    ];
    let of_itself = ["Resources", rule, "Properties", "EventPattern"];
    let path: &[&str] = if rule.ends_with("Rule") {
        &of_itself
    } else {
        &of_function
    };
    template.value(path).unwrap_or_else(|why| panic!("{rule}: {why}"))
}

pub fn sample(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(format!("{file}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every sample that is an EventBridge event by itself.
pub fn samples() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("events")).unwrap();
    let names = files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let events = names.map(|name| (name.clone(), sample(&name)));
    events.filter(|(_, event)| event.get("detail-type").is_some()).collect()
}

/// A sample with some fields changed, by their JSON pointers. A field that is null is there, and null.
pub fn changed<const N: usize>(file: &str, changes: [(&str, Value); N]) -> Value {
    let mut event = sample(file);
    for (pointer, value) in changes {
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        event
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("{file} has no {parent}"))[field] = value;
    }
    event
}

/// A sample without a field.
pub fn without(file: &str, parent: &str, field: &str) -> Value {
    let mut event = sample(file);
    event
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove(field)
        .unwrap();
    event
}
