//! One encrypted value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.
//!
//! The path of the value in the file goes into its authentication, so that a value cannot be moved to another place.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, KeyInit as _};
use aws_smithy_types::base64;
use zeroize::Zeroizing;

use super::DataKey;

/// SOPS has a nonce of 32 bytes where GCM usually has 12.
type Cipher = AesGcm<Aes256, U32>;

const NONCE: usize = 32;
const TAG: usize = 16;
const BEGINNING: &str = "ENC[AES256_GCM,";

/// Whether a text is meant to be an encrypted value, well formed or not.
pub(crate) fn looks_encrypted(text: &str) -> bool {
    text.trim_start().starts_with(BEGINNING)
}

/// What a value was before it was encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
}

/// What was encrypted.
pub(super) struct Plain {
    pub text: Zeroizing<String>,
    pub kind: Kind,
}

/// Why a value cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("is not a whole encrypted value; it was cut off or edited")]
    Form,
    #[error("was encrypted by another key or for another place, or was changed since")]
    Broken,
    #[error("has a type of SOPS that no field of this file has; write the value as text, in quotes")]
    Kind,
    #[error("is not of the type that stands beside it, which was changed")]
    NotOfKind,
    #[error("is not UTF-8 text once it is decrypted")]
    NotText,
}

/// Decrypts a value. `place` is what SOPS authenticates with it: the path of a value, the time beside a MAC.
pub(super) fn decrypt(text: &str, key: &DataKey, place: &str) -> Result<Plain, Fault> {
    let parts = Parts::read(text).ok_or(Fault::Form)?;
    let nonce = base64::decode(parts.iv).map_err(|_| Fault::Form)?;
    let tag = base64::decode(parts.tag).map_err(|_| Fault::Form)?;
    let mut message = base64::decode(parts.data).map_err(|_| Fault::Form)?;
    let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| Fault::Form)?;
    if tag.len() != TAG {
        return Err(Fault::Form);
    }
    message.extend_from_slice(&tag);
    let payload = Payload {
        msg: &message,
        aad: place.as_bytes(),
    };
    let plain = Cipher::new(key.bytes().into())
        .decrypt(&nonce.into(), payload)
        .map_err(|_| Fault::Broken)?;
    let kind = match parts.kind {
        "str" => Kind::Text,
        "int" => Kind::Integer,
        "float" => Kind::Float,
        "bool" => Kind::Boolean,
        _ => return Err(Fault::Kind),
    };
    let text = match String::from_utf8(plain) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            return Err(Fault::NotText);
        }
    };
    let fits = match kind {
        Kind::Text => true,
        Kind::Integer => text.parse::<i64>().is_ok(),
        Kind::Float => text.parse::<f64>().is_ok_and(f64::is_finite),
        Kind::Boolean => matches!(text.to_ascii_lowercase().as_str(), "true" | "false"),
    };
    if fits {
        Ok(Plain { text, kind })
    } else {
        Err(Fault::NotOfKind)
    }
}

/// The four parts as they are written.
struct Parts<'a> {
    data: &'a str,
    iv: &'a str,
    tag: &'a str,
    kind: &'a str,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        // A block scalar ends with a line break.
        let inner = text.trim().strip_prefix(BEGINNING)?.strip_suffix(']')?;
        let mut parts = inner.split(',');
        let mut part = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix(':');
        let found = Self {
            data: part("data")?,
            iv: part("iv")?,
            tag: part("tag")?,
            kind: part("type")?,
        };
        parts.next().is_none().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encrypts as SOPS does, with a nonce that a test can do with.
    fn encrypted(plain: &str, kind: &str, place: &str) -> String {
        let payload = Payload {
            msg: plain.as_bytes(),
            aad: place.as_bytes(),
        };
        let both = Cipher::new(&[7; 32].into())
            .encrypt(&[9; NONCE].into(), payload)
            .unwrap();
        let (data, tag) = both.split_at(both.len() - TAG);
        let [data, iv, tag] = [data, &[9; NONCE], tag].map(base64::encode);
        format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]")
    }

    fn fault(text: &str, place: &str) -> Option<Fault> {
        decrypt(text, &DataKey::new(&[7; 32]).unwrap(), place).err()
    }

    #[test]
    fn a_value_comes_back_at_its_place_only() {
        let value = encrypted("hunter22", "str", "hub:accessToken:");
        let plain = decrypt(&value, &DataKey::new(&[7; 32]).unwrap(), "hub:accessToken:").unwrap();
        assert_eq!((plain.text.as_str(), plain.kind), ("hunter22", Kind::Text));
        assert_eq!(fault(&format!("{value}\n"), "hub:accessToken:"), None);
        assert_eq!(fault(&value, "hub:username:"), Some(Fault::Broken));
        assert_eq!(
            decrypt(&value, &DataKey::new(&[8; 32]).unwrap(), "hub:accessToken:").err(),
            Some(Fault::Broken)
        );
    }

    #[test]
    fn every_part_must_be_there_and_whole() {
        let value = encrypted("hunter22", "str", "a:");
        for (from, to, expected) in [
            ("ENC[", "ENC(", Fault::Form),
            (",type:str]", "]", Fault::Form),
            (",type:str]", ",type:str", Fault::Form),
            (",type:str]", ",type:str,more:x]", Fault::Form),
            ("data:", "data:!", Fault::Form),
            (",iv:", ",iv:AAAA", Fault::Form),
            (",tag:", ",tag:AAAA", Fault::Form),
            ("AES256_GCM", "AES128_GCM", Fault::Form),
            ("data:", "data:AAAA", Fault::Broken),
            ("type:str", "type:int", Fault::NotOfKind),
            ("type:str", "type:float", Fault::NotOfKind),
            ("type:str", "type:bool", Fault::NotOfKind),
            ("type:str", "type:comment", Fault::Kind),
            ("type:str", "type:bytes", Fault::Kind),
            ("type:str", "type:", Fault::Kind),
        ] {
            assert_eq!(
                fault(&value.replacen(from, to, 1), "a:"),
                Some(expected),
                "{from} -> {to}"
            );
        }
        assert_eq!(
            fault("ENC[AES256_GCM,data:,iv:,tag:,type:str]", "a:"),
            Some(Fault::Form)
        );
    }

    #[test]
    fn types_are_what_they_say() {
        for (plain, kind) in [
            ("-12", "int"),
            ("1.5", "float"),
            ("True", "bool"),
            ("false", "bool"),
            ("", "str"),
        ] {
            assert_eq!(fault(&encrypted(plain, kind, "a:"), "a:"), None, "{plain}");
        }
        for (plain, kind) in [("1.5", "int"), ("inf", "float"), ("yes", "bool")] {
            assert_eq!(
                fault(&encrypted(plain, kind, "a:"), "a:"),
                Some(Fault::NotOfKind),
                "{plain}"
            );
        }
    }
}
