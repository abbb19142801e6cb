//! AWS KMS, as far as a file needs it that is encrypted with SOPS: Encrypt and Decrypt with symmetric keys.
//!
//! A ciphertext names its key and is authenticated with the encryption context, as KMS's are, so that whatever was
//! changed about either is refused as there. Keys come in by [`Kms::import`], with their material: a fixture that one
//! stand-in encrypted is decrypted by the next one.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::api::{Answer, ApiError, CallContext};
use crate::shape::{self, Service};

/// The only algorithm of symmetric keys.
const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

/// KMS encrypts no longer text itself.
const LONGEST: usize = 4096;

const NONCE: usize = 12;

/// The first byte of every ciphertext.
const FORMAT: u8 = 1;

/// All keys of the account, by id.
#[derive(Default)]
pub(crate) struct Kms {
    keys: BTreeMap<String, Key>,
}

struct Key {
    material: [u8; 32],
    enabled: bool,
}

impl Kms {
    /// Makes a key of this material, or changes the one that has this id, and answers its ARN.
    pub(crate) fn import(&mut self, cx: &CallContext, id: &str, material: [u8; 32], enabled: bool) -> String {
        self.keys.insert(id.to_owned(), Key { material, enabled });
        arn(cx, id)
    }

    /// Answers one operation.
    pub(crate) fn call(&self, cx: &CallContext, op: &str, input: &Value) -> Answer {
        shape::check(Service::Kms, op, input)?;
        refuse_unsupported(op, input)?;
        if input
            .get("EncryptionAlgorithm")
            .is_some_and(|algorithm| algorithm != ALGORITHM && !algorithm.is_null())
        {
            let message = "The key does not support the algorithm of the request: all keys here are symmetric.";
            return Err(ApiError::client("InvalidKeyUsageException", message));
        }
        match op {
            "Encrypt" => self.encrypt(cx, input),
            "Decrypt" => self.decrypt(cx, input),
            other => Err(shape::unknown_operation(Service::Kms, other)),
        }
    }

    /// The ARN of the key that a call is about: what its ciphertext says, else what it names.
    pub(crate) fn arn_of(&self, cx: &CallContext, input: &Value) -> String {
        let blob = bytes(input, "CiphertextBlob")
            .ok()
            .and_then(|blob| Blob::read(&blob).map(|blob| blob.key.to_owned()));
        match blob {
            Some(id) => arn(cx, &id),
            None => {
                let id = input.get("KeyId").and_then(Value::as_str).unwrap_or_default();
                if id.starts_with("arn:") {
                    id.to_owned()
                } else {
                    arn(cx, id)
                }
            }
        }
    }

    fn encrypt(&self, cx: &CallContext, input: &Value) -> Answer {
        let id = self.named(cx, input.get("KeyId").and_then(Value::as_str).unwrap_or_default())?;
        let key = self.usable(cx, &id)?;
        let plain = bytes(input, "Plaintext")?;
        if plain.is_empty() || plain.len() > LONGEST {
            let constraint = format!("Member must have length between 1 and {LONGEST}");
            return Err(ApiError::client(
                "ValidationException",
                format!("1 validation error detected: Value at 'plaintext' failed to satisfy constraint: {constraint}"),
            ));
        }
        let mut nonce = [0; NONCE];
        nonce
            .iter_mut()
            .zip(Uuid::new_v4().into_bytes())
            .for_each(|(byte, random)| *byte = random);
        let payload = Payload {
            msg: &plain,
            aad: &context(input),
        };
        let sealed = Aes256Gcm::new(&key.material.into())
            .encrypt(&nonce.into(), payload)
            .map_err(|_| internal())?;
        let length = u8::try_from(id.len()).map_err(|_| internal())?;
        let blob = [&[FORMAT, length], id.as_bytes(), &nonce, &sealed].concat();
        Ok(json!({
            "KeyId": arn(cx, &id), "CiphertextBlob": BASE64_STANDARD.encode(blob), "EncryptionAlgorithm": ALGORITHM,
        }))
    }

    fn decrypt(&self, cx: &CallContext, input: &Value) -> Answer {
        let blob = bytes(input, "CiphertextBlob")?;
        let blob = Blob::read(&blob).ok_or_else(invalid_ciphertext)?;
        if let Some(named) = input.get("KeyId").and_then(Value::as_str)
            && self.named(cx, named)? != blob.key
        {
            let message = "The key ID in the request does not identify a CMK that can perform this operation.";
            return Err(ApiError::client("IncorrectKeyException", message));
        }
        let key = self.usable(cx, blob.key)?;
        let payload = Payload {
            msg: blob.sealed,
            aad: &context(input),
        };
        let plain = Aes256Gcm::new(&key.material.into()).decrypt(&blob.nonce.into(), payload);
        let plain = plain.map_err(|_| invalid_ciphertext())?;
        Ok(json!({
            "KeyId": arn(cx, blob.key), "Plaintext": BASE64_STANDARD.encode(plain), "EncryptionAlgorithm": ALGORITHM,
        }))
    }

    /// The id of a key that is named by id or ARN.
    fn named(&self, cx: &CallContext, name: &str) -> Result<String, ApiError> {
        let id = match name.split(':').collect::<Vec<_>>().as_slice() {
            [id] => (*id).to_owned(),
            ["arn", partition, "kms", region, account, resource] => {
                if *account != cx.account {
                    return Err(foreign(name));
                }
                if *partition != cx.partition || *region != cx.region {
                    return Err(ApiError::client("NotFoundException", format!("Invalid arn {region}")));
                }
                resource.strip_prefix("key/").unwrap_or(resource).to_owned()
            }
            _ => return Err(ApiError::client("NotFoundException", format!("Invalid keyId '{name}'"))),
        };
        if id.starts_with("alias/") {
            // No alias can be made here.
            let message = format!("Alias {} is not found.", arn(cx, &id).replacen("key/", "", 1));
            return Err(ApiError::client("NotFoundException", message));
        }
        if self.keys.contains_key(&id) {
            Ok(id)
        } else {
            Err(missing(cx, &id))
        }
    }

    fn usable(&self, cx: &CallContext, id: &str) -> Result<&Key, ApiError> {
        let key = self.keys.get(id).ok_or_else(|| missing(cx, id))?;
        if key.enabled {
            return Ok(key);
        }
        Err(ApiError::client(
            "DisabledException",
            format!("{} is disabled.", arn(cx, id)),
        ))
    }
}

/// A ciphertext, taken apart.
struct Blob<'a> {
    key: &'a str,
    nonce: [u8; NONCE],
    sealed: &'a [u8],
}

impl<'a> Blob<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let [FORMAT, length, rest @ ..] = bytes else {
            return None;
        };
        let (key, rest) = rest.split_at_checked((*length).into())?;
        let (nonce, sealed) = rest.split_at_checked(NONCE)?;
        Some(Self {
            key: std::str::from_utf8(key).ok()?,
            nonce: nonce.try_into().ok()?,
            sealed,
        })
    }
}

/// What the encryption context says, whatever the order it came in.
fn context(input: &Value) -> Vec<u8> {
    let context: BTreeMap<&String, &Value> = input
        .get("EncryptionContext")
        .and_then(Value::as_object)
        .map(Map::iter)
        .into_iter()
        .flatten()
        .collect();
    serde_json::to_vec(&context).unwrap_or_default()
}

fn bytes(input: &Value, name: &str) -> Result<Vec<u8>, ApiError> {
    let text = input.get(name).and_then(Value::as_str).unwrap_or_default();
    BASE64_STANDARD
        .decode(text)
        .map_err(|_| ApiError::client("SerializationException", format!("{name} is not base64")))
}

fn arn(cx: &CallContext, id: &str) -> String {
    format!("arn:{}:kms:{}:{}:key/{id}", cx.partition, cx.region, cx.account)
}

/// Members that are in the model but do nothing here.
fn refuse_unsupported(op: &str, input: &Value) -> Result<(), ApiError> {
    let unsupported = ["GrantTokens", "Recipient", "DryRun", "DryRunModifiers"];
    match unsupported
        .iter()
        .find(|name| input.get(**name).is_some_and(|value| !value.is_null()))
    {
        None => Ok(()),
        Some(name) => Err(ApiError {
            code: "NotImplemented".to_owned(),
            message: format!("local-aws does not implement {name} of {op}"),
            status: 501,
        }),
    }
}

/// KMS says nothing more about it.
fn invalid_ciphertext() -> ApiError {
    ApiError::client("InvalidCiphertextException", "")
}

fn missing(cx: &CallContext, id: &str) -> ApiError {
    ApiError::client("NotFoundException", format!("Key '{}' does not exist", arn(cx, id)))
}

/// Whether another account's key exists is not told.
fn foreign(name: &str) -> ApiError {
    let message = format!(
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access: {name}"
    );
    ApiError::client("AccessDeniedException", message)
}

fn internal() -> ApiError {
    ApiError {
        code: "KMSInternalException".into(),
        message: "local-aws could not encrypt".into(),
        status: 500,
    }
}

#[cfg(test)]
mod tests;
