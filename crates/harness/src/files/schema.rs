//! Holds files against the JSON Schema, as an editor does.

use config::{Context, read, schema};
use serde_json::{Map, Value};
use serde_yaml::Value as Yaml;

use super::context;

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
pub struct Validator {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

/// Of the file's own schema, which is held against its draft's schema here.
impl Default for Validator {
    fn default() -> Self {
        Self::of(schema())
    }
}

impl Validator {
    /// Reads any schema.
    pub fn of(schema: Value) -> Self {
        const PLACE: &str = "http://localhost/schema.json";
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.add_resource(PLACE, schema).unwrap();
        let index = compiler
            .compile(PLACE, &mut schemas)
            .unwrap_or_else(|error| panic!("{error:#}"));
        Self { schemas, index }
    }

    /// What the schema says of a file.
    pub fn file(&self, text: &str) -> Verdict {
        match as_json(text) {
            Ok(value) => self.value(&value),
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

/// Whether a file is accepted, on which the reader and the schema must agree: for an account, and for none, as `ptc` has it.
pub fn agree(validator: &Validator, file: &str) -> bool {
    let no_account = Context {
        account: None,
        region: None,
        ..context()
    };
    let without_account = read(file.as_bytes(), &no_account);
    let read = read(file.as_bytes(), &context());
    assert_eq!(
        read.is_ok(),
        without_account.is_ok(),
        "{file}\nfor an account: {read:?}\nwithout: {without_account:?}"
    );
    match (&read, validator.file(file)) {
        (Ok(_), Verdict::Accepted) => true,
        (Err(_), Verdict::Refused(_)) => false,
        (read, verdict) => panic!("{file}\nthe reader: {read:?}\nthe schema: {verdict:?}"),
    }
}

/// A file as JSON has it, merge keys applied.
pub fn as_json(text: &str) -> Result<Value, serde_yaml::Error> {
    let mut yaml = serde_yaml::from_str::<Yaml>(text)?;
    yaml.apply_merge()?;
    Ok(json(yaml))
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
