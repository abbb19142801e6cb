//! EventBridge's event patterns, as far as the template uses them: exact strings, `prefix`, `exists`, `anything-but` one string, and `$or`. An
//! operator it does not know it refuses. (EventBridge user guide, "Event patterns" and "Comparison operators".)
//!
//! No kept port of AWS's event-ruler was to be found; its cousin Quamina knows no `$or`.

use serde_json::{Map, Value};

/// What a rule lets through.
#[derive(Debug, Clone)]
pub enum EventPattern {
    /// Every one of them.
    All(Vec<Self>),
    /// At least one of them.
    Any(Vec<Self>),
    /// What is under this field.
    In(String, Box<Self>),
    /// A value of this field passes one of these.
    Field(String, Vec<Matcher>),
}

/// What one value of a field has to be.
#[derive(Debug, Clone)]
pub enum Matcher {
    Is(String),
    Prefix(String),
    Exists(bool),
    IsNot(String),
}

impl EventPattern {
    /// Reads a rule's `EventPattern`.
    ///
    /// # Errors
    /// What is not understood in it.
    pub fn read(pattern: &Value) -> Result<Self, String> {
        let fields = pattern.as_object().filter(|fields| !fields.is_empty());
        let fields = fields.ok_or_else(|| format!("{pattern} is no object with fields"))?;
        let part = |(name, value): (&String, &Value)| match (name.as_str(), value) {
            ("$or", Value::Array(ways)) if ways.len() > 1 => {
                Ok(Self::Any(ways.iter().map(Self::read).collect::<Result<_, _>>()?))
            }
            ("$or", _) => Err(format!("$or wants two ways or more, not {value}")),
            (_, Value::Array(tests)) if !tests.is_empty() => Ok(Self::Field(
                name.clone(),
                tests.iter().map(Matcher::read).collect::<Result<_, _>>()?,
            )),
            (_, Value::Object(_)) => Ok(Self::In(name.clone(), Box::new(Self::read(value)?))),
            _ => Err(format!("{name}: {value} is neither a list of values nor an object")),
        };
        Ok(Self::All(fields.iter().map(part).collect::<Result<_, _>>()?))
    }

    /// Whether the rule lets an event through.
    #[must_use]
    pub fn matches(&self, event: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(event)),
            Self::Any(ways) => ways.iter().any(|way| way.matches(event)),
            Self::In(name, inner) => match event.get(name) {
                // Of a list of objects, one has to pass as a whole.
                Some(Value::Array(items)) => items.iter().any(|item| inner.matches(item)),
                other => inner.matches(other.unwrap_or(&Value::Null)),
            },
            Self::Field(name, tests) => {
                let found = event.get(name).map(leaves).unwrap_or_default();
                tests.iter().any(|test| test.passes(&found))
            }
        }
    }
}

impl Matcher {
    fn read(test: &Value) -> Result<Self, String> {
        let operator = |fields: &Map<String, Value>| match fields.iter().next().filter(|_| fields.len() == 1) {
            Some((name, Value::String(start))) if name == "prefix" => Some(Self::Prefix(start.clone())),
            Some((name, Value::Bool(exists))) if name == "exists" => Some(Self::Exists(*exists)),
            Some((name, Value::String(text))) if name == "anything-but" => Some(Self::IsNot(text.clone())),
            _ => None,
        };
        let known = match test {
            Value::String(text) => Some(Self::Is(text.clone())),
            Value::Object(fields) => operator(fields),
            _ => None,
        };
        known.ok_or_else(|| format!("this matcher does not know {test}"))
    }

    fn passes(&self, found: &[&Value]) -> bool {
        match self {
            Self::Is(text) => found.iter().any(|value| value.as_str() == Some(text)),
            Self::Prefix(start) => found
                .iter()
                .filter_map(|value| value.as_str())
                .any(|text| text.starts_with(start)),
            Self::Exists(exists) => found.is_empty() != *exists,
            // Whatever else is there; nothing is no value.
            Self::IsNot(text) => found.iter().any(|value| value.as_str() != Some(text)),
        }
    }
}

/// The values of a field: of a list, each. An object is none: operators look at leaves only, `exists` too.
fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::Object(_) => Vec::new(),
        leaf => vec![leaf],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The user guide's examples, and what it says beside them.
    #[test]
    fn the_matcher_matches_as_eventbridge_does() {
        let event = json!({
            "source": "aws.s3", "account": "123456789012", "resources": ["arn:a", "arn:b"], "none": null, "number": 300,
            "detail": {"state": "running", "inner": {"x": "1"}, "list": [{"k": "1", "v": "2"}, {"k": "3"}], "empty": ""},
        });
        for (pattern, expected) in [
            (json!({"source": ["aws.s3"]}), true),
            (json!({"source": ["aws.ec2", "aws.s3"]}), true),
            (json!({"source": ["aws.S3"]}), false),
            (json!({"source": ["aws.s3"], "account": ["1"]}), false),
            (json!({"resources": ["arn:b"]}), true),
            (json!({"resources": [{"prefix": "arn:"}]}), true),
            (json!({"detail": {"state": [{"prefix": "run"}]}}), true),
            (json!({"detail": {"state": [{"prefix": "unn"}]}}), false),
            (json!({"detail": {"empty": [""]}}), true),
            (json!({"source": [{"anything-but": "aws.s3"}]}), false),
            (json!({"source": [{"anything-but": "aws.ecr"}]}), true),
            (json!({"gone": [{"anything-but": "aws.ecr"}]}), false),
            (json!({"detail": {"inner": [{"anything-but": "x"}]}}), false),
            (json!({"number": ["300"]}), false),
            (json!({"number": [{"prefix": "3"}]}), false),
            // Only leaves exist, and null is one.
            (json!({"none": [{"exists": true}]}), true),
            (json!({"none": [{"exists": false}]}), false),
            (json!({"none": [{"prefix": ""}]}), false),
            (json!({"detail": {"inner": [{"exists": true}]}}), false),
            (json!({"detail": {"inner": [{"exists": false}]}}), true),
            (json!({"detail": {"gone": {"deeper": [{"exists": false}]}}}), true),
            (json!({"none": {"deeper": [{"exists": false}]}}), true),
            (json!({"none": {"deeper": ["x"]}}), false),
            // What is asked of one object of a list is asked of the same.
            (json!({"detail": {"list": {"k": ["1"], "v": ["2"]}}}), true),
            (json!({"detail": {"list": {"k": ["3"], "v": ["2"]}}}), false),
            (
                json!({"$or": [{"source": ["x"]}, {"account": [{"prefix": "123"}]}]}),
                true,
            ),
            (json!({"$or": [{"source": ["x"]}, {"account": ["x"]}]}), false),
            (
                json!({"source": ["x"], "$or": [{"account": [{"prefix": "1"}]}, {"account": ["x"]}]}),
                false,
            ),
            (
                json!({"detail": {"$or": [{"state": ["x"]}, {"inner": {"x": ["1"]}}]}}),
                true,
            ),
        ] {
            assert_eq!(
                EventPattern::read(&pattern).unwrap().matches(&event),
                expected,
                "{pattern}"
            );
        }
    }

    #[test]
    fn a_pattern_that_the_matcher_does_not_know_is_refused() {
        for pattern in [
            json!({"a": [{"suffix": "x"}]}),
            json!({"a": [{"anything-but": ["x"]}]}),
            json!({"a": [{"numeric": [">", 1]}]}),
            json!({"a": [{"wildcard": "*"}]}),
            json!({"a": [{"equals-ignore-case": "x"}]}),
            json!({"a": [{"prefix": {"equals-ignore-case": "x"}}]}),
            json!({"a": [{"prefix": "x", "exists": true}]}),
            json!({"a": [1]}),
            json!({"a": [null]}),
            json!({"a": "x"}),
            json!({"a": []}),
            json!({"a": {}}),
            json!({}),
            json!({"$or": [{"a": ["x"]}]}),
            json!({"$or": {"a": ["x"]}}),
        ] {
            assert!(EventPattern::read(&pattern).is_err(), "{pattern}");
        }
    }
}
