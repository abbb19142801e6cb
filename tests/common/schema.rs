//! Holds files against the JSON Schema, as an editor does.

use ecr_pull_through_sync::config::schema;
use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

/// What a schema has to say about a file.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// Nothing: there is no one YAML document to look at.
    NoYaml(String),
    /// The file is good.
    Accepted,
    /// It is not, and this is why.
    Refused(String),
}

/// The schema, ready for use.
pub struct Judge {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Judge {
    /// Reads the schema. It is held against its own draft's schema here.
    pub fn new() -> Self {
        Self::of(schema())
    }

    /// Reads any schema.
    pub fn of(schema: Value) -> Self {
        const PLACE: &str = "http://localhost/schema.json";
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource(PLACE, schema).unwrap();
        let index = compiler.compile(PLACE, &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    /// What the schema says of a file.
    pub fn file(&self, text: &str) -> Verdict {
        let parsed = serde_yaml::from_str::<Yaml>(text).and_then(|mut yaml| yaml.apply_merge().map(|()| yaml));
        match parsed {
            Ok(yaml) => self.value(&json(yaml)),
            Err(error) => Verdict::NoYaml(error.to_string()),
        }
    }

    /// What the schema says of a value.
    pub fn value(&self, value: &Value) -> Verdict {
        match self.schemas.validate(value, self.index) {
            Ok(()) => Verdict::Accepted,
            Err(error) => Verdict::Refused(format!("{error:#}")),
        }
    }
}

/// YAML as JSON has it: keys are texts, and tags say nothing.
fn json(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Mapping(map) => {
            let entries = map.into_iter().map(|(key, value)| (text(json(key)), json(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Sequence(items) => items.into_iter().map(json).collect(),
        Yaml::Tagged(tagged) => json(tagged.value),
        // JSON has no word for `.inf` and `.nan`; what counts is that they are no text.
        Yaml::Number(number) if number.as_f64().is_some_and(|number| !number.is_finite()) => Value::from(0),
        scalar => serde_json::to_value(scalar).unwrap(),
    }
}

fn text(key: Value) -> String {
    match key {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
