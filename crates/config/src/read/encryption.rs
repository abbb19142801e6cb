//! Reads `encryption_configuration`.

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::{Notes, shown};
use crate::keys::file::EncryptionKey;
use crate::model::arn::{Arn, is_account};
use crate::model::context::Context;
use crate::model::encryption::{Encryption, EncryptionKind, WORDS};
use crate::read::fields::{self, Field, Shape};
use crate::yaml::node::Entry;

pub(crate) fn read(entry: &Entry, context: &Context, notes: &mut Notes) -> Option<Field<Encryption>> {
    let shape = Shape {
        what: "`encryption_configuration`",
        missing_at: Some(entry.value.at),
    };
    let (mut kind, mut kms_key) = (None, None);
    for (key, entry) in fields::map(&entry.value, &shape, notes)? {
        match key {
            EncryptionKey::EncryptionType => kind = fields::word(key.as_str(), WORDS, &entry.value, notes),
            EncryptionKey::KmsKey => {
                kms_key = fields::text(key.as_str(), &entry.value, notes).map(|value| Field {
                    value,
                    at: entry.value.at,
                    key: entry.key.at,
                });
            }
        }
    }
    if let Some(key) = &kms_key {
        let fault = if kind == Some(EncryptionKind::Aes256) {
            Some("`kms_key` does not go with `AES256`, where S3 keeps the keys; remove it, or write `encryption_type: KMS`".to_owned())
        } else {
            key_fault(&key.value, context)
        };
        if let Some(fault) = fault {
            notes.error(Code::BAD_KMS_KEY, key.at, fault);
        }
    }
    let value = Encryption {
        kind: kind?,
        kms_key: kms_key.map(|key| key.value),
    };
    Some(Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

/// What is wrong with a key; ECR's pattern is `arn:aws[a-z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key\/[a-z0-9-]+`.
fn key_fault(text: &str, context: &Context) -> Option<String> {
    let (partition, account, region) = (
        context.partition_shown(),
        context.account_shown(),
        context.region_shown(),
    );
    let example = format!("write the full ARN, `arn:{partition}:kms:{region}:{account}:key/...`");
    if text.contains("alias/") {
        return Some(format!(
            "`kms_key` is an alias, which ECR does not take here; {example} of the key it stands for"
        ));
    }
    let Some(arn) = Arn::parse(text).filter(|arn| arn.service == "kms") else {
        return Some(format!("`kms_key` {} is no ARN of a key; {example}", shown(text)));
    };
    if !context.is_partition(arn.partition) || !context.is_region(arn.region) {
        return Some(format!(
            "`kms_key` must be in the partition `{partition}` and the Region `{region}` of the registry; {example}"
        ));
    }
    let id = arn.resource.strip_prefix("key/").unwrap_or_default();
    let good = is_account(arn.account)
        && !id.is_empty()
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (!good).then(|| format!("`kms_key` {} is no ARN of a key; {example}", shown(text)))
}
