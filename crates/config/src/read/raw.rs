//! The fields of one registry, or of `defaults`, each read by itself.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::keys::file::RegistryKey;
use crate::model::arn::{Arn, is_iam_name};
use crate::model::context::Context;
use crate::model::credential::SecretFrom;
use crate::model::encryption::Encryption;
use crate::model::existing::ExistingRepositories;
use crate::model::expiry;
use crate::model::image::WarmImage;
use crate::model::lifecycle::LifecyclePolicy;
use crate::model::mutability::Word;
use crate::model::prefix;
use crate::model::registry::ReadAccess;
use crate::read::credential::{self, Purpose};
use crate::read::encryption;
use crate::read::existing;
use crate::read::fields::{self, Field, Shape};
use crate::read::lifecycle;
use crate::read::mutability;
use crate::read::principal;
use crate::read::source;
use crate::read::tags::{self, Tags};
use crate::read::warm;
use crate::yaml::node::{Entry, Node};

/// The longest ARN of a role that ECR takes.
pub(crate) const MOST_ROLE: usize = 2048;

/// What could be read. A field that is absent, null or wrong is `None`; `named` tells the last from the others.
#[derive(Default)]
pub(crate) struct Raw {
    pub registry: Option<Field<String>>,
    pub username: Option<Field<SecretString>>,
    pub access_token: Option<Field<SecretString>>,
    pub secret: Option<Field<String>>,
    pub secret_from: Option<Field<SecretFrom>>,
    pub expires_at: Option<Field<Timestamp>>,
    pub read_access: Option<Field<Vec<String>>>,
    pub more_access: Option<Field<ReadAccess>>,
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
    pub warm: Option<Field<Vec<WarmImage>>>,
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
    read(node, &shape, Some(name.name()), |_| context, notes)
}

/// Reads `defaults`. What a field is held against depends on whether a registry takes it that is for this stack.
pub(crate) fn read_defaults<'c>(
    node: &Node,
    context: impl Fn(RegistryKey) -> &'c Context,
    notes: &mut Notes,
) -> Option<Raw> {
    let shape = Shape {
        what: "`defaults`",
        missing_at: None,
    };
    let mut raw = read(node, &shape, None, context, notes)?;
    for name in RegistryKey::WITHOUT_DEFAULT.map(RegistryKey::as_str) {
        if let Some(at) = raw.key(name) {
            notes.error(
                Code::WRONG_PLACE,
                at,
                format!("`{name}` has no default: each registry has its own; move it there"),
            );
        }
    }
    raw.upstream_repository_prefix = None;
    (raw.registry, raw.expires_at, raw.warm) = (None, None, None);
    Some(raw)
}

fn read<'c>(
    node: &Node,
    shape: &Shape<'_>,
    name_of_registry: Option<&str>,
    context: impl Fn(RegistryKey) -> &'c Context,
    notes: &mut Notes,
) -> Option<Raw> {
    let mut raw = Raw::default();
    for (key, entry) in fields::map::<RegistryKey>(node, shape, notes)? {
        let name = key.as_str();
        raw.named.push((name, entry.key.at));
        let (value, context) = (&entry.value, context(key));
        match key {
            RegistryKey::Registry => raw.registry = placed(entry, fields::text(name, value, notes)),
            RegistryKey::Username => raw.username = credential::read_value(name, entry, notes),
            RegistryKey::AccessToken => raw.access_token = credential::read_value(name, entry, notes),
            RegistryKey::Secret => {
                raw.secret = credential::read_secret(name, Purpose::Referenced, entry, context, notes);
            }
            RegistryKey::SecretFrom => raw.secret_from = source::read(entry, context, notes),
            RegistryKey::ExpiresAt => raw.expires_at = read_instant(name, entry, notes),
            RegistryKey::RepositoryReadAccessArns => raw.read_access = principal::read(entry, context, notes),
            RegistryKey::RepositoryReadAccess => raw.more_access = principal::read_more(entry, notes),
            RegistryKey::ImageTagMutability => {
                raw.mutability = placed(entry, fields::word(name, Word::WORDS, value, notes))
            }
            RegistryKey::ImageTagMutabilityExclusionFilters => raw.filters = mutability::read_filters(entry, notes),
            RegistryKey::LifecyclePolicy => raw.lifecycle = lifecycle::read(entry, notes),
            RegistryKey::UpstreamRepositoryPrefix => raw.upstream_repository_prefix = read_prefix(name, entry, notes),
            RegistryKey::CustomRoleArn => raw.custom_role_arn = read_role(name, entry, context, notes),
            RegistryKey::EncryptionConfiguration => raw.encryption = encryption::read(entry, context, notes),
            RegistryKey::Tags => raw.tags = tags::read(entry, notes),
            // Read before, by `only::places`.
            RegistryKey::Only => {}
            RegistryKey::TakeOver => raw.take_over = placed(entry, fields::flag(name, value, notes)),
            RegistryKey::AllowUnlistedUpstream => raw.allow_unlisted = placed(entry, fields::flag(name, value, notes)),
            RegistryKey::ExistingRepositories => raw.existing = existing::read(entry, name_of_registry, notes),
            RegistryKey::Warm => raw.warm = warm::read(name, entry, notes),
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

fn read_instant(name: &str, entry: &Entry, notes: &mut Notes) -> Option<Field<Timestamp>> {
    let text = fields::text(name, &entry.value, notes)?;
    let time = expiry::instant(&text);
    if time.is_none() {
        let fault = format!(
            "`{name}` {} is no day and no instant; write {}",
            shown(&text),
            expiry::FORM
        );
        notes.error(Code::BAD_DATE, entry.value.at, fault);
    }
    placed(entry, time)
}

fn read_prefix(name: &str, entry: &Entry, notes: &mut Notes) -> Option<Field<String>> {
    let field = placed(entry, fields::text(name, &entry.value, notes))?;
    if let Some(fault) = prefix::fault(&field.value) {
        notes.error(
            Code::BAD_NAME,
            field.at,
            format!("`{name}` {} {fault}", shown(&field.value)),
        );
        return None;
    }
    Some(field)
}

/// A role of this account: IAM passes no other to a service ("Granting a user permissions to pass a role").
fn read_role(name: &str, entry: &Entry, context: &Context, notes: &mut Notes) -> Option<Field<String>> {
    let (partition, account) = (context.partition_shown(), context.account_shown());
    let field = placed(entry, fields::text(name, &entry.value, notes))?;
    let example = format!("write `arn:{partition}:iam::{account}:role/...`");
    let fault = match Arn::parse(&field.value).map(|arn| (arn, arn.resource.strip_prefix("role/"))) {
        Some((arn, Some(role))) if arn.service == "iam" && arn.region.is_empty() && is_iam_name(role) => (!context
            .is_partition(arn.partition)
            || !context.is_account(arn.account))
        .then(|| format!("`{name}` must be a role of this account, {account}, since IAM passes no other; {example}")),
        _ => Some(format!(
            "`{name}` {} is no ARN of a role; {example}",
            shown(&field.value)
        )),
    };
    let fault = fault
        .or_else(|| (field.value.len() > MOST_ROLE).then(|| format!("`{name}` has more than {MOST_ROLE} characters")));
    if let Some(fault) = fault {
        notes.error(Code::BAD_ROLE, field.at, fault);
        return None;
    }
    Some(field)
}
