//! What a message may be made of: characters, attributes, sizes; and the MD5 sums by which a client checks that it
//! arrived as it was sent.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use super::errors::{invalid, missing};
use crate::api::ApiError;

const MOST_ATTRIBUTES: usize = 10;
const LONGEST_NAME: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    data_type: String,
    data: Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Data {
    Text(String),
    Bytes(Vec<u8>),
}

/// The attributes of a message, by name.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// Refuses an empty body, and characters outside of XML 1.0.
pub(super) fn check_body(body: &str) -> Result<(), ApiError> {
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    check_characters(body).map_err(|letter| {
        let message = format!(
            "Invalid binary character '#x{:X}' was found in the message body, the set of allowed characters is #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF].",
            u32::from(letter)
        );
        ApiError::client("InvalidMessageContents", message)
    })
}

fn check_characters(text: &str) -> Result<(), char> {
    let forbidden = |letter: char| match letter {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => letter < ' ',
    };
    text.chars().find(|letter| forbidden(*letter)).map_or(Ok(()), Err)
}

/// Reads the member `MessageAttributes` of a message.
pub(super) fn read_attributes(given: Option<&Value>) -> Result<Attributes, ApiError> {
    let Some(given) = given.and_then(Value::as_object) else {
        return Ok(Attributes::new());
    };
    if given.len() > MOST_ATTRIBUTES {
        let count = given.len();
        let message =
            format!("Number of message attributes [{count}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].");
        return Err(invalid(message));
    }
    given
        .iter()
        .map(|(name, value)| Ok((name.clone(), read_attribute(name, value)?)))
        .collect()
}

fn read_attribute(name: &str, value: &Value) -> Result<Attribute, ApiError> {
    check_name(name)?;
    let member = |member: &str| value.get(member).and_then(Value::as_str);
    let full = |list: &str| {
        value
            .get(list)
            .and_then(Value::as_array)
            .is_some_and(|items| !items.is_empty())
    };
    if full("StringListValues") || full("BinaryListValues") {
        let message = "Message attribute list values in SendMessage operation are not supported.";
        return Err(ApiError::client("UnsupportedOperation", message));
    }
    let data_type = member("DataType").unwrap_or_default();
    let (kind, label) = data_type.split_once('.').unwrap_or((data_type, "-"));
    if !["String", "Number", "Binary"].contains(&kind) || label.is_empty() {
        let message = format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
        );
        return Err(invalid(message));
    }
    if data_type.len() > LONGEST_NAME {
        return Err(invalid(format!(
            "The type of message (user) attribute '{name}' must be shorter than 256 bytes."
        )));
    }
    let (field, other) = if kind == "Binary" {
        ("BinaryValue", "StringValue")
    } else {
        ("StringValue", "BinaryValue")
    };
    let given = member(field).unwrap_or_default();
    if member(other).is_some() {
        return Err(invalid(format!(
            "Message (user) attribute '{name}' of type '{kind}' must use {field} only."
        )));
    }
    if given.is_empty() {
        let message = format!("Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.");
        return Err(invalid(message));
    }
    let data = match kind {
        "Binary" => Data::Bytes(STANDARD.decode(given).map_err(|_| {
            ApiError::client(
                "SerializationException",
                format!("BinaryValue of '{name}' is not base64"),
            )
        })?),
        "Number" if !is_number(given) => {
            return Err(invalid(format!(
                "Can't cast the value of message (user) attribute '{name}' to a number."
            )));
        }
        _ => {
            check_characters(given).map_err(|letter| {
                let code = u32::from(letter);
                invalid(format!(
                    "Invalid binary character '#x{code:X}' was found in the message attribute '{name}'."
                ))
            })?;
            Data::Text(given.to_owned())
        }
    };
    Ok(Attribute {
        data_type: data_type.to_owned(),
        data,
    })
}

/// A decimal number; SQS takes no `inf` and no `NaN`, which Rust would.
fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let lower = name.to_lowercase();
    if name.len() > LONGEST_NAME || name.is_empty() {
        return Err(invalid("Message (user) attribute names must be shorter than 256 Bytes"));
    }
    if !name
        .chars()
        .all(|letter| letter.is_alphanumeric() || "_-.".contains(letter))
    {
        return Err(invalid(format!(
            "Invalid message (user) attribute name '{name}'. It can only contain alphanumeric characters, hyphens, underscores and periods."
        )));
    }
    let reserved = lower.starts_with("aws.") || lower.starts_with("amazon.");
    if reserved || name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        return Err(invalid(format!(
            "You can't use the message attribute name '{name}'. Names beginning with 'AWS.' or 'Amazon.' are reserved, and periods stand between other characters only."
        )));
    }
    Ok(())
}

impl Attribute {
    fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Text(text) => text.as_bytes(),
            Data::Bytes(bytes) => bytes,
        }
    }

    /// As `ReceiveMessage` writes it.
    pub(super) fn show(&self) -> Value {
        match &self.data {
            Data::Text(text) => json!({"DataType": self.data_type, "StringValue": text}),
            Data::Bytes(bytes) => json!({"DataType": self.data_type, "BinaryValue": STANDARD.encode(bytes)}),
        }
    }

    /// As Lambda writes it: lower case, with the lists that SQS never fills.
    pub(super) fn for_lambda(&self) -> Value {
        let (field, value) = match &self.data {
            Data::Text(text) => ("stringValue", text.clone()),
            Data::Bytes(bytes) => ("binaryValue", STANDARD.encode(bytes)),
        };
        json!({"dataType": self.data_type, field: value, "stringListValues": [], "binaryListValues": []})
    }
}

/// What counts against the largest message: the body, and of each attribute name, type and value.
pub(super) fn size(body: &str, attributes: &Attributes) -> usize {
    let one =
        |(name, attribute): (&String, &Attribute)| name.len() + attribute.data_type.len() + attribute.bytes().len();
    body.len() + attributes.iter().map(one).sum::<usize>()
}

/// The MD5 of a body, in hexadecimal.
pub(super) fn md5_of_body(body: &str) -> String {
    hex(&Md5::digest(body.as_bytes()))
}

/// The MD5 of attributes, as AWS documents it: sorted by name, each part after its length.
pub(super) fn md5_of_attributes<'a>(attributes: impl Iterator<Item = (&'a String, &'a Attribute)>) -> String {
    let mut sum = Md5::new();
    for (name, attribute) in attributes {
        for part in [name.as_bytes(), attribute.data_type.as_bytes()] {
            update(&mut sum, part);
        }
        sum.update([if matches!(attribute.data, Data::Text(_)) { 1 } else { 2 }]);
        update(&mut sum, attribute.bytes());
    }
    hex(&sum.finalize())
}

fn update(sum: &mut Md5, part: &[u8]) {
    sum.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
    sum.update(part);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The attributes that a receiver asked for by `MessageAttributeNames`: names, `prefix.*`, `All`, `*` or `.*`.
pub(super) fn asked<'a>(attributes: &'a Attributes, names: &[&str]) -> Vec<(&'a String, &'a Attribute)> {
    let wanted = |name: &str| {
        names.iter().any(|asked| {
            ["All", "*", name].contains(asked)
                || asked.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
        })
    };
    attributes.iter().filter(|(name, _)| wanted(name)).collect()
}

/// Attributes as one JSON object.
pub(super) fn shown<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
    show: impl Fn(&Attribute) -> Value,
) -> Value {
    Value::Object(
        attributes
            .into_iter()
            .map(|(name, attribute)| (name.clone(), show(attribute)))
            .collect::<Map<_, _>>(),
    )
}
