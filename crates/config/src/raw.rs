//! The fields of one registry, or of `defaults`, each read by itself.

use secrecy::SecretString;

use super::Context;
use super::arn::{Arn, is_iam_name};
use super::credential_source;
use super::describe::Key as _;
use super::encryption::{self, Encryption};
use super::existing::{self, ExistingRepositories};
use super::fields::{self, Field, Shape};
use super::keys::RegistryKey;
use super::lifecycle::LifecyclePolicy;
use super::lifecycle_read;
use super::mutability::{self, Word};
use super::node::{Entry, Node, Position};
use super::prefix;
use super::principal;
use super::problem::{Notes, shown};
use super::tags::{self, Tags};

/// Every field of a registry.
pub(crate) const FIELDS: &[&str] = RegistryKey::NAMES;

/// The longest ARN of a role that ECR takes.
pub(crate) const MOST_ROLE: usize = 2048;

/// What could be read. A field that is absent, null or wrong is `None`; `named` tells the last from the others.
#[derive(Default)]
pub(crate) struct Raw {
    pub registry: Option<Field<String>>,
    pub username: Option<Field<SecretString>>,
    pub access_token: Option<Field<SecretString>>,
    pub secret: Option<Field<String>>,
    pub read_access: Option<Field<Vec<String>>>,
    pub mutability: Option<Field<Word>>,
    pub filters: Option<Field<Vec<String>>>,
    pub lifecycle: Option<Field<Option<LifecyclePolicy>>>,
    pub upstream_repository_prefix: Option<Field<String>>,
    pub custom_role_arn: Option<Field<String>>,
    pub encryption: Option<Field<Encryption>>,
    pub tags: Option<Tags>,
    pub take_over: Option<Field<bool>>,
    pub allow_unlisted: Option<Field<bool>>,
    pub existing: Option<Field<Option<ExistingRepositories>>>,
    /// The fields that are there, and where their keys stand.
    pub named: Vec<(&'static str, Position)>,
}

impl Raw {
    /// Where the key of a field stands, if the field is there, right or wrong.
    pub fn key(&self, name: &str) -> Option<Position> {
        self.named.iter().find(|(named, _)| *named == name).map(|(_, at)| *at)
    }
}

/// Reads the fields of the registry that an entry is.
pub(crate) fn read_registry(name: &Entry, context: &Context, notes: &mut Notes) -> Option<Raw> {
    let node = &name.value;
    let shape = Shape {
        what: "a registry",
        missing_at: Some(name.key.at),
    };
    read(node, &shape, Some(name.name()), context, notes)
}

/// Reads `defaults`.
pub(crate) fn read_defaults(node: &Node, context: &Context, notes: &mut Notes) -> Option<Raw> {
    let shape = Shape {
        what: "`defaults`",
        missing_at: None,
    };
    let mut raw = read(node, &shape, None, context, notes)?;
    if let Some(at) = raw.key("registry") {
        notes.error(
            at,
            "`registry` has no default: each registry has its own; move it there",
        );
        raw.registry = None;
    }
    Some(raw)
}

fn read(
    node: &Node,
    shape: &Shape<'_>,
    name_of_registry: Option<&str>,
    context: &Context,
    notes: &mut Notes,
) -> Option<Raw> {
    let mut raw = Raw::default();
    for (key, entry) in fields::map::<RegistryKey>(node, shape, notes)? {
        let name = key.as_str();
        raw.named.push((name, entry.key.at));
        let value = &entry.value;
        match key {
            RegistryKey::Registry => raw.registry = placed(entry, fields::text(name, value, notes)),
            RegistryKey::Username => raw.username = credential_source::read_value(name, entry, notes),
            RegistryKey::AccessToken => raw.access_token = credential_source::read_value(name, entry, notes),
            RegistryKey::Secret => raw.secret = credential_source::read_secret(entry, context, notes),
            RegistryKey::RepositoryReadAccessArns => raw.read_access = principal::read(entry, context, notes),
            RegistryKey::ImageTagMutability => {
                raw.mutability = placed(entry, fields::word(name, Word::WORDS, value, notes))
            }
            RegistryKey::ImageTagMutabilityExclusionFilters => raw.filters = mutability::read_filters(entry, notes),
            RegistryKey::LifecyclePolicy => raw.lifecycle = lifecycle_read::read(entry, notes),
            RegistryKey::UpstreamRepositoryPrefix => raw.upstream_repository_prefix = read_prefix(name, entry, notes),
            RegistryKey::CustomRoleArn => raw.custom_role_arn = read_role(name, entry, context, notes),
            RegistryKey::EncryptionConfiguration => raw.encryption = encryption::read(entry, context, notes),
            RegistryKey::Tags => raw.tags = tags::read(entry, notes),
            RegistryKey::TakeOver => raw.take_over = placed(entry, fields::flag(name, value, notes)),
            RegistryKey::AllowUnlistedUpstream => raw.allow_unlisted = placed(entry, fields::flag(name, value, notes)),
            RegistryKey::ExistingRepositories => raw.existing = existing::read(entry, name_of_registry, notes),
        }
    }
    Some(raw)
}

fn placed<T>(entry: &Entry, value: Option<T>) -> Option<Field<T>> {
    value.map(|value| Field {
        value,
        at: entry.value.at,
        key: entry.key.at,
    })
}

fn read_prefix(name: &str, entry: &Entry, notes: &mut Notes) -> Option<Field<String>> {
    let field = placed(entry, fields::text(name, &entry.value, notes))?;
    if let Some(fault) = prefix::fault(&field.value) {
        notes.error(field.at, format!("`{name}` {} {fault}", shown(&field.value)));
        return None;
    }
    Some(field)
}

/// A role of this account: IAM passes no other to a service ("Granting a user permissions to pass a role").
fn read_role(name: &str, entry: &Entry, context: &Context, notes: &mut Notes) -> Option<Field<String>> {
    let (partition, account) = (&context.partition, context.account_shown());
    let field = placed(entry, fields::text(name, &entry.value, notes))?;
    let example = format!("write `arn:{partition}:iam::{account}:role/...`");
    let fault = match Arn::parse(&field.value).map(|arn| (arn, arn.resource.strip_prefix("role/"))) {
        Some((arn, Some(role))) if arn.service == "iam" && arn.region.is_empty() && is_iam_name(role) => {
            (arn.partition != partition || !context.is_account(arn.account)).then(|| {
                format!("`{name}` must be a role of this account, {account}, since IAM passes no other; {example}")
            })
        }
        _ => Some(format!(
            "`{name}` {} is no ARN of a role; {example}",
            shown(&field.value)
        )),
    };
    let fault = fault
        .or_else(|| (field.value.len() > MOST_ROLE).then(|| format!("`{name}` has more than {MOST_ROLE} characters")));
    if let Some(fault) = fault {
        notes.error(field.at, fault);
        return None;
    }
    Some(field)
}

/// The known field that a text begins with, directly followed by a colon and something else: `accessToken:abc`.
pub(crate) fn field_without_space(text: &str) -> Option<&'static str> {
    let text = text.trim_start_matches([' ', '-', '{', ',']);
    FIELDS.iter().copied().find(|field| {
        text.strip_prefix(field)
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|rest| rest.chars().next().is_some_and(|c| !c.is_whitespace()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_space_is_seen() {
        assert_eq!(field_without_space("  accessToken:abc"), Some("accessToken"));
        assert_eq!(field_without_space("secret:abc"), Some("secret"));
        assert_eq!(field_without_space("accessToken: abc"), None);
        assert_eq!(field_without_space("accessToken:"), None);
        assert_eq!(field_without_space("other:abc"), None);
    }
}
