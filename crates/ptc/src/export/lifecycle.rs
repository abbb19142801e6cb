//! A lifecycle policy of AWS as a value of the file.

use serde_json::Value as Json;
use serde_yaml::{Mapping, Value};

use config::LifecyclePolicy;
use ecr_pull_through_sync::policy::same_lifecycle;

/// The value for no policy.
const NONE: &str = "none";

/// The value of `lifecycle_policy`, or `None` for the default policy. A text that is no policy is written unchanged, and `config`
/// refuses it.
pub(super) fn value(text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some(NONE.into());
    }
    if same_lifecycle(text, &LifecyclePolicy::default_policy().to_json()) {
        return None;
    }
    let Ok(Json::Object(mut policy)) = serde_json::from_str(text) else {
        return Some(text.into());
    };
    if let Some(Json::Array(rules)) = policy.get_mut("rules") {
        rules.sort_by_key(|rule| rule.get("rulePriority").and_then(Json::as_i64));
    }
    Some(ordered(Json::Object(policy)))
}

/// Keys in the order in which AWS's documentation has them, which is the one that reads well.
const ORDER: [&str; 14] = [
    "rules",
    "rulePriority",
    "description",
    "selection",
    "action",
    "tagStatus",
    "tagPatternList",
    "tagPrefixList",
    "storageClass",
    "countType",
    "countUnit",
    "countNumber",
    "type",
    "targetStorageClass",
];

/// The same without what changes nothing: nulls, an empty description, empty lists, the default storage class.
fn ordered(value: Json) -> Value {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<(String, Json)> = map.into_iter().filter(|(key, value)| says(key, value)).collect();
            entries.sort_by_key(|(key, _)| ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()));
            let entries = entries
                .into_iter()
                .map(|(key, value)| (Value::from(key), ordered(value)));
            Value::Mapping(entries.collect::<Mapping>())
        }
        Json::Array(items) => items.into_iter().map(ordered).collect(),
        Json::String(text) => text.into(),
        // A number or a boolean that was JSON is YAML.
        scalar => serde_yaml::to_value(scalar).unwrap_or_default(),
    }
}

fn says(key: &str, value: &Json) -> bool {
    match key {
        "description" => *value != "" && !value.is_null(),
        "storageClass" => *value != "standard" && !value.is_null(),
        _ => !value.is_null() && *value != Json::Array(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        value(text).map_or_else(|| "-".to_owned(), |value| serde_yaml::to_string(&value).unwrap())
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        assert_eq!(written(""), "none\n");
        assert_eq!(written(&LifecyclePolicy::default_policy().to_json()), "-");
        let policy = r#"{"rules":[
            {"rulePriority":2,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":9,
             "storageClass":"standard","tagPrefixList":[]},"action":{"type":"expire"},"description":""},
            {"action":{"targetStorageClass":"archive","type":"transition"},"description":"keep: \"no\"","rulePriority":1,
             "selection":{"countNumber":1,"countUnit":"days","countType":"sinceImagePulled","tagStatus":"tagged",
             "tagPatternList":["*","1.0"]}}]}"#;
        let yaml = "\
rules:
- rulePriority: 1
  description: 'keep: \"no\"'
  selection:
    tagStatus: tagged
    tagPatternList:
    - '*'
    - '1.0'
    countType: sinceImagePulled
    countUnit: days
    countNumber: 1
  action:
    type: transition
    targetStorageClass: archive
- rulePriority: 2
  selection:
    tagStatus: any
    countType: imageCountMoreThan
    countNumber: 9
  action:
    type: expire
";
        assert_eq!(written(policy), yaml);
    }

    #[test]
    fn what_is_no_policy_is_left_to_the_reader_of_the_file() {
        assert_eq!(written("nothing"), "nothing\n");
        assert_eq!(written("{\"rules\":[],\"x\":1}"), "x: 1\n");
    }
}
