//! What an input may look like: one validator over tables of shapes, instead of checks by hand per operation.
//!
//! ```text
//! use local_aws::shape::{self, Service};
//! shape::check(Service::SecretsManager, "GetSecretValue", &input)?;   // first thing in every operation
//! ```
//!
//! [`check`] refuses what the service model refuses: a missing required member, a wrong JSON type, a length, range
//! or count out of bounds, a text that misses its pattern, a value outside an enumeration, at every depth. It also
//! refuses members it does not know, which AWS drops in silence; for a stand-in a typing error must be heard.
//! A JSON `null` counts as absent. After `check` the types of the members can be relied on. The meaning of a value
//! (does the secret exist, does the host take a credential) is the business of the service.
//!
//! Each service words its refusals in its own way: ECR answers `InvalidParameterException` with the first violation,
//! Secrets Manager and KMS `ValidationException` with all of them, CloudFormation
//! `ValidationError`, SQS has a code per kind of violation. Sensitive values are
//! never repeated.
//!
//! The tables are `shape/*.shapes`, one definition per line, a definition before its use:
//!
//! ```text
//! string Name [min..max] [sensitive] [says "CODE: sentence"] [/pattern to the end of the line]
//! integer Name [min..max]      long …      boolean Name      blob Name [min..max] [sensitive]
//! enum Name VALUE …            list Name [min..max] Item     struct Name member*:Shape …      (* = required)
//! map Name Key Value           op Operation member*:Shape …
//! ```

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::api::ApiError;

/// A service whose inputs are in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Ecr,
    SecretsManager,
    Sqs,
    Kms,
    /// AWS CloudFormation.
    CloudFormation,
}

const MISSING: &str = "Member must not be null";
const NOT_IN_SET: &str = "Member must satisfy enum value set";

static ECR: LazyLock<Result<Table, String>> = LazyLock::new(|| Table::parse(include_str!("shape/ecr.shapes")));
static SECRETS_MANAGER: LazyLock<Result<Table, String>> =
    LazyLock::new(|| Table::parse(include_str!("shape/secretsmanager.shapes")));
static SQS: LazyLock<Result<Table, String>> = LazyLock::new(|| Table::parse(include_str!("shape/sqs.shapes")));
static CLOUDFORMATION: LazyLock<Result<Table, String>> =
    LazyLock::new(|| Table::parse(include_str!("shape/cloudformation.shapes")));
static KMS: LazyLock<Result<Table, String>> = LazyLock::new(|| Table::parse(include_str!("shape/kms.shapes")));

/// Checks the input of an operation against the service model.
pub fn check(service: Service, op: &str, input: &Value) -> Result<(), ApiError> {
    let table = service.table()?;
    let Some(members) = table.ops.get(op) else {
        return Err(unknown_operation(service, op));
    };
    let mut found = Findings::default();
    table.check_members(members, input, "", &mut found);
    service.word(found)
}

/// Whether the operation is in the table, so that the stand-in may know it.
pub fn knows(service: Service, op: &str) -> bool {
    service.table().is_ok_and(|table| table.ops.contains_key(op))
}

/// The refusal of an operation that the stand-in does not have.
pub fn unknown_operation(service: Service, op: &str) -> ApiError {
    ApiError::client(
        "UnknownOperationException",
        format!("local-aws does not implement {op} of {service:?}"),
    )
}

impl Service {
    fn table(self) -> Result<&'static Table, ApiError> {
        let table = match self {
            Self::Ecr => &*ECR,
            Self::SecretsManager => &*SECRETS_MANAGER,
            Self::Sqs => &*SQS,
            Self::Kms => &*KMS,
            Self::CloudFormation => &*CLOUDFORMATION,
        };
        table.as_ref().map_err(|why| ApiError {
            code: "InternalFailure".into(),
            message: format!("local-aws: the table of shapes of {self:?} is broken: {why}"),
            status: 500,
        })
    }

    /// Member names as this service writes them in its errors.
    fn label(self, path: &str) -> String {
        match self {
            Self::Ecr | Self::Sqs => path.to_owned(),
            // Their members are upper case on the wire and lower case in their errors.
            Self::SecretsManager | Self::Kms | Self::CloudFormation => {
                path.split('.').map(lower_first).collect::<Vec<_>>().join(".")
            }
        }
    }

    fn word(self, found: Findings) -> Result<(), ApiError> {
        if let Some(message) = found.wrong_type {
            return Err(ApiError::client("SerializationException", message));
        }
        let Some(first) = found.violations.first() else {
            return Ok(());
        };
        if let Some((code, sentence)) = found.violations.iter().find_map(|violation| violation.says.clone()) {
            return Err(ApiError::client(code, sentence));
        }
        Err(match self {
            Self::Ecr => invalid_parameter(&first.path, &first.constraint),
            Self::SecretsManager | Self::Kms | Self::CloudFormation => {
                let code = if self == Self::CloudFormation {
                    "ValidationError"
                } else {
                    "ValidationException"
                };
                let count = found.violations.len();
                let noun = if count == 1 { "error" } else { "errors" };
                let list: Vec<String> = found
                    .violations
                    .iter()
                    .map(|violation| self.sentence(violation))
                    .collect();
                let message = format!("{count} validation {noun} detected: {}", list.join("; "));
                ApiError::client(code, message)
            }
            Self::Sqs => first.in_words_of_sqs(),
        })
    }

    fn sentence(self, violation: &Violation) -> String {
        let label = self.label(&violation.path);
        let value = violation
            .value
            .as_ref()
            .map(|value| format!(" '{value}'"))
            .unwrap_or_default();
        format!(
            "Value{value} at '{label}' failed to satisfy constraint: {}",
            violation.constraint
        )
    }
}

/// ECR's sentence for a parameter that breaks a constraint.
pub fn invalid_parameter(at: &str, constraint: &str) -> ApiError {
    ApiError::client(
        "InvalidParameterException",
        format!("Invalid parameter at '{at}' failed to satisfy constraint: '{constraint}'"),
    )
}

fn lower_first(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// All that is wrong with one input.
#[derive(Default)]
struct Findings {
    wrong_type: Option<String>,
    violations: Vec<Violation>,
}

struct Violation {
    path: String,
    /// The offending text, unless it is sensitive or not a scalar.
    value: Option<String>,
    constraint: String,
    /// Code and sentence of a shape that has its own words.
    says: Option<(String, String)>,
}

impl Violation {
    fn in_words_of_sqs(&self) -> ApiError {
        let (path, value) = (&self.path, self.value.as_deref().unwrap_or_default());
        if self.constraint == MISSING {
            let message = format!("The request must contain the parameter {path}.");
            return ApiError::client("MissingRequiredParameterException", message);
        }
        // Its only enumerations are the names of attributes.
        if self.constraint.starts_with(NOT_IN_SET) {
            return ApiError::client("InvalidAttributeName", format!("Unknown Attribute {value}."));
        }
        let message = format!(
            "Value {value} for parameter {path} is invalid. Reason: {}.",
            self.constraint
        );
        ApiError::client("InvalidParameterValueException", message)
    }
}

impl Findings {
    fn add(&mut self, path: &str, value: Option<String>, constraint: impl Into<String>) {
        self.violations.push(Violation {
            path: path.to_owned(),
            value,
            constraint: constraint.into(),
            says: None,
        });
    }

    fn expected(&mut self, kind: &str, path: &str, got: &Value) {
        let got = match got {
            Value::Null => "NULL_VALUE",
            Value::Bool(_) => "TRUE_VALUE",
            Value::Number(_) => "NUMBER_VALUE",
            Value::String(_) => "STRING_VALUE",
            Value::Array(_) => "START_ARRAY",
            Value::Object(_) => "START_OBJECT",
        };
        self.wrong_type
            .get_or_insert_with(|| format!("{got} can not be converted to {kind} at '{path}'"));
    }
}

#[derive(Default)]
struct Table {
    shapes: Vec<Shape>,
    names: HashMap<String, usize>,
    ops: HashMap<String, Vec<Member>>,
}

struct Member {
    name: String,
    required: bool,
    shape: usize,
}

enum Shape {
    Text {
        bounds: Bounds,
        pattern: Option<Pattern>,
        sensitive: bool,
        says: Option<(String, String)>,
    },
    Integer(Bounds),
    Boolean,
    Enum(Vec<String>),
    List {
        bounds: Bounds,
        item: usize,
    },
    Map {
        key: usize,
        value: usize,
    },
    Struct(Vec<Member>),
}

struct Pattern {
    text: String,
    regex: Regex,
}

#[derive(Clone, Copy, Default)]
struct Bounds {
    min: Option<i64>,
    max: Option<i64>,
}

impl Bounds {
    /// Blobs travel as base64, four characters for three bytes, padding included.
    fn of_base64(self) -> Self {
        Self {
            min: self.min,
            max: self.max.map(|bytes| (bytes + 2) / 3 * 4),
        }
    }

    /// What is wrong with `n`, in the words of the service: "Member must have <measure> …".
    fn broken_by(self, n: i64, measure: &str) -> Option<String> {
        let complaint =
            |relation: &str, limit: i64| format!("Member must have {measure} {relation} or equal to {limit}");
        match (self.min, self.max) {
            (Some(min), _) if n < min => Some(complaint("greater than", min)),
            (_, Some(max)) if n > max => Some(complaint("less than", max)),
            _ => None,
        }
    }
}

impl Table {
    fn check_members(&self, members: &[Member], input: &Value, at: &str, found: &mut Findings) {
        let Value::Object(given) = input else {
            return found.expected("a structure", at, input);
        };
        let path = |name: &str| {
            if at.is_empty() {
                name.to_owned()
            } else {
                format!("{at}.{name}")
            }
        };
        for member in members {
            match given.get(&member.name) {
                None | Some(Value::Null) if member.required => {
                    found.add(&path(&member.name), None, MISSING);
                }
                None | Some(Value::Null) => {}
                Some(value) => self.check_value(member.shape, value, &path(&member.name), found),
            }
        }
        for name in given
            .keys()
            .filter(|name| members.iter().all(|member| member.name != **name))
        {
            found.add(
                &path(name),
                None,
                "Unknown member; local-aws refuses what AWS would silently drop",
            );
        }
    }

    fn check_value(&self, shape: usize, value: &Value, at: &str, found: &mut Findings) {
        match (self.shapes.get(shape), value) {
            (
                Some(Shape::Text {
                    bounds,
                    pattern,
                    sensitive,
                    says,
                }),
                Value::String(text),
            ) => {
                let shown = (!sensitive).then(|| text.clone());
                let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
                let before = found.violations.len();
                if let Some(complaint) = bounds.broken_by(length, "length") {
                    found.add(at, shown.clone(), complaint);
                }
                if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.regex.is_match(text)) {
                    found.add(at, shown, format!("must satisfy regular expression '{}'", pattern.text));
                }
                found
                    .violations
                    .iter_mut()
                    .skip(before)
                    .for_each(|violation| violation.says.clone_from(says));
            }
            (Some(Shape::Enum(values)), Value::String(text)) => {
                if !values.contains(text) {
                    let set = values.join(", ");
                    found.add(at, Some(text.clone()), format!("{NOT_IN_SET}: [{set}]"));
                }
            }
            (Some(Shape::Integer(bounds)), Value::Number(number)) => match number.as_i64() {
                Some(n) => {
                    if let Some(complaint) = bounds.broken_by(n, "value") {
                        found.add(at, Some(n.to_string()), complaint);
                    }
                }
                None => found.expected("an integer", at, value),
            },
            (Some(Shape::Boolean), Value::Bool(_)) => {}
            (Some(Shape::List { bounds, item }), Value::Array(items)) => {
                let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
                if let Some(complaint) = bounds.broken_by(count, "length") {
                    found.add(at, None, complaint);
                }
                for (index, each) in items.iter().enumerate() {
                    self.check_value(*item, each, &format!("{at}.{}.member", index + 1), found);
                }
            }
            (Some(Shape::Map { key, value: shape }), Value::Object(entries)) => {
                for (name, value) in entries {
                    self.check_value(*key, &Value::String(name.clone()), &format!("{at}.key"), found);
                    self.check_value(*shape, value, &format!("{at}.{name}"), found);
                }
            }
            (Some(Shape::Struct(members)), Value::Object(_)) => self.check_members(members, value, at, found),
            (Some(shape), _) => found.expected(shape.kind(), at, value),
            // The parser resolves every name, so an index without a shape does not happen.
            (None, _) => {}
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            table.define(line).map_err(|why| format!("{why} in `{line}`"))?;
        }
        Ok(table)
    }

    fn define(&mut self, line: &str) -> Result<(), String> {
        let (kind, rest) = line.split_once(' ').ok_or("no name")?;
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if kind == "op" {
            let members = self.members(rest)?;
            self.ops.insert(name.to_owned(), members);
            return Ok(());
        }
        let (bounds, rest) = take_bounds(rest)?;
        let shape = match kind {
            "string" => text_shape(bounds, rest)?,
            "blob" => text_shape(bounds.of_base64(), rest)?,
            "integer" | "long" => Shape::Integer(bounds),
            "boolean" => Shape::Boolean,
            "enum" => Shape::Enum(rest.split_whitespace().map(str::to_owned).collect()),
            "list" => Shape::List {
                bounds,
                item: self.named(rest.trim())?,
            },
            "map" => {
                let (key, value) = rest
                    .trim()
                    .split_once(' ')
                    .ok_or("a map needs the shapes of its keys and values")?;
                Shape::Map {
                    key: self.named(key)?,
                    value: self.named(value.trim())?,
                }
            }
            "struct" => Shape::Struct(self.members(rest)?),
            other => return Err(format!("unknown kind {other}")),
        };
        self.names.insert(name.to_owned(), self.shapes.len());
        self.shapes.push(shape);
        Ok(())
    }

    fn members(&self, text: &str) -> Result<Vec<Member>, String> {
        let member = |word: &str| {
            let (name, shape) = word.split_once(':').ok_or_else(|| format!("no shape in {word}"))?;
            let shape = self.named(shape)?;
            let required = name.ends_with('*');
            Ok(Member {
                name: name.trim_end_matches('*').to_owned(),
                required,
                shape,
            })
        };
        text.split_whitespace().map(member).collect()
    }

    fn named(&self, name: &str) -> Result<usize, String> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| format!("unknown shape {name}"))
    }
}

impl Shape {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } | Self::Enum(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Boolean => "a boolean",
            Self::List { .. } => "a list",
            Self::Map { .. } => "a map",
            Self::Struct(_) => "a structure",
        }
    }
}

/// Reads a leading `min..max`, either side of which may be missing.
fn take_bounds(text: &str) -> Result<(Bounds, &str), String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let Some((min, max)) = word.split_once("..").filter(|_| !word.starts_with('/')) else {
        return Ok((Bounds::default(), text));
    };
    let number = |side: &str| match side {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| format!("bad bound {digits}")),
    };
    Ok((
        Bounds {
            min: number(min)?,
            max: number(max)?,
        },
        rest,
    ))
}

fn text_shape(bounds: Bounds, text: &str) -> Result<Shape, String> {
    let text = text.trim();
    let (sensitive, text) = match text.strip_prefix("sensitive") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    };
    let (says, text) = match text.strip_prefix("says \"").and_then(|rest| rest.split_once('"')) {
        Some((words, rest)) => {
            let (code, sentence) = words.split_once(": ").ok_or("says needs `CODE: sentence`")?;
            (Some((code.to_owned(), sentence.to_owned())), rest.trim_start())
        }
        None => (None, text),
    };
    let pattern = match text.strip_prefix('/') {
        Some(pattern) => {
            // The services match whole texts, also where the model's pattern has no anchors; their \w is ASCII.
            let regex = Regex::new(&format!("^(?-u:{pattern})$")).map_err(|error| error.to_string())?;
            Some(Pattern {
                text: pattern.to_owned(),
                regex,
            })
        }
        None if text.is_empty() => None,
        None => return Err(format!("left over: {text}")),
    };
    Ok(Shape::Text {
        bounds,
        pattern,
        sensitive,
        says,
    })
}

#[cfg(test)]
#[path = "shape/tests.rs"]
mod tests;
