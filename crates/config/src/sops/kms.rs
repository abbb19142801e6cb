//! A data key that a KMS key has encrypted. Whoever opens the file asks KMS.

use std::collections::BTreeMap;

use aws_smithy_types::base64;

use crate::diagnostics::problem::shown;
use crate::model::arn::{Arn, is_region};
use crate::yaml::node::Node;

/// What KMS takes at most.
const MOST_BYTES: usize = 6144;

/// Longer than the ARN of any key or alias. Messages repeat it.
const MOST_ARN: usize = 400;

/// One entry under `kms`.
///
/// Its `role` and `aws_profile` are how a person reaches the key. They are not used: the call is made with the
/// credentials at hand, which need `kms:Decrypt` themselves. A file must not say whose role the function takes.
#[derive(Debug, Clone)]
pub struct KmsRecipient {
    /// The key, or an alias of it.
    pub arn: String,
    /// The Region of the key, out of its ARN: KMS answers nowhere else.
    pub region: String,
    /// The encryption context, without which KMS does not decrypt.
    pub context: BTreeMap<String, String>,
    /// The data key as KMS encrypted it.
    pub encrypted: Vec<u8>,
    /// Whether the file names a role to reach it with.
    pub has_role: bool,
}

impl KmsRecipient {
    pub(super) fn read(node: &Node) -> Result<Self, String> {
        let arn = node.text("arn").ok_or("lacks its `arn`")?;
        let parts = Arn::parse(arn).filter(|parts| {
            let named = parts.resource.starts_with("key/") || parts.resource.starts_with("alias/");
            let visible = arn.len() <= MOST_ARN && arn.bytes().all(|byte| byte.is_ascii_graphic());
            parts.service == "kms" && is_region(parts.region) && named && visible
        });
        let Some(parts) = parts else {
            return Err(format!("has the `arn` {}, which is none of a KMS key", shown(arn)));
        };
        let encrypted = node.text("enc").ok_or("lacks the encrypted data key, `enc`")?;
        let encrypted = base64::decode(encrypted.trim())
            .ok()
            .filter(|bytes| bytes.len() <= MOST_BYTES);
        let encrypted = encrypted.ok_or("has an `enc` that is no base64 of a data key")?;
        let mut context = BTreeMap::new();
        for entry in node
            .get("context")
            .and_then(|entry| entry.value.map())
            .unwrap_or_default()
        {
            let value = entry
                .value
                .scalar()
                .ok_or("has a `context` whose values are no texts")?;
            context.insert(entry.name().to_owned(), value.text.to_string());
        }
        let has_role = node.text("role").is_some();
        Ok(Self {
            arn: arn.to_owned(),
            region: parts.region.to_owned(),
            context,
            encrypted,
            has_role,
        })
    }
}
