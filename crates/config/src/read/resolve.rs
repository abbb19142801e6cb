//! A registry and the defaults together: what only the whole of one registry shows.

use std::collections::BTreeMap;

use crate::diagnostics::code::Code;
use crate::diagnostics::place::Position;
use crate::diagnostics::problem::{Notes, shown};
use crate::keys::file::{FILE_KEYS, RegistryKey};
use crate::model::context::Context;
use crate::model::credential::{Credential, CredentialSource};
use crate::model::encryption::EncryptionKind;
use crate::model::existing::{ExistingRepositories, Setting};
use crate::model::lifecycle::LifecyclePolicy;
use crate::model::mutability::{Mutability, Word};
use crate::model::prefix::{self, ROOT};
use crate::model::registry::{ReadAccess, Registry};
use crate::model::tags::MOST as MOST_TAGS;
use crate::model::upstream::{self, CredentialNeed, Upstream, UpstreamKind};
use crate::read::fields::Field;
use crate::read::raw::{self, Raw};
use crate::read::tags::{self, Tags};
use crate::read::warm;
use crate::yaml::node::Entry;

const NEEDS_TEMPLATE_ROLE: &str = "need a role with which ECR creates repositories, or every first pull fails; set TEMPLATE_ROLE_ARN (a parameter of the stack), or remove them";

/// What is said of a credential, which is a mistake for an upstream that takes none.
const OF_CREDENTIAL: [&str; 5] = ["username", "accessToken", "secret", SECRET_FROM, EXPIRES_AT];

const SECRET_FROM: &str = RegistryKey::SecretFrom.as_str();

const EXPIRES_AT: &str = RegistryKey::ExpiresAt.as_str();

/// A registry, and where the secret that it names and its `warm` stand.
pub(crate) struct Resolved {
    pub registry: Registry,
    pub secret_at: Option<Position>,
    pub warm_at: Option<Position>,
}

/// What stands above every registry.
pub(crate) struct Above<'a> {
    pub context: &'a Context,
    pub defaults: &'a Raw,
    pub tags: Option<&'a Tags>,
    /// Whether the file is the flat form, where nothing does.
    pub flat: bool,
}

/// What is wrong with the defaults, whichever registry takes them.
pub(crate) fn check_above(above: &Above<'_>, notes: &mut Notes) {
    let Above {
        context,
        defaults,
        tags,
        ..
    } = above;
    tags::check_resource_tags(&context.resource_tags, notes);
    if !context.template_role && !context.resource_tags.is_empty() {
        notes.error(
            Code::TEMPLATE_ROLE_MISSING,
            None,
            format!("RESOURCE_TAGS: tags {NEEDS_TEMPLATE_ROLE}"),
        );
    }
    for tags in [*tags, defaults.tags.as_ref()].into_iter().flatten() {
        check_tags_role(tags, context, notes);
    }
    check_encryption_role(defaults, context, notes);
    check_either(defaults, notes);
}

pub(crate) fn registry(entry: &Entry, above: &Above<'_>, notes: &mut Notes) -> Option<Resolved> {
    let Above { context, defaults, .. } = *above;
    let name = entry.name();
    let at = entry.key.at;
    if let Some((code, at, message)) = not_a_registry(entry, above.flat) {
        notes.error(code, at, message);
        return None;
    }
    if let Some(fault) = prefix::fault(name) {
        notes.error(Code::BAD_NAME, at, format!("the name {} {fault}", shown(name)));
    }
    let raw = raw::read_registry(entry, context, notes)?;
    let allow_unlisted = pick("allow_unlisted_upstream", &raw, defaults, |raw| {
        raw.allow_unlisted.as_ref()
    });
    let allow_unlisted = allow_unlisted.is_some_and(|field| field.value);
    let upstream = raw.registry.as_ref().and_then(|field| {
        upstream::parse(&field.value, allow_unlisted, context)
            .map_err(|(code, fault)| notes.error(code, field.at, fault))
            .ok()
    });
    check_either(&raw, notes);
    let credential = credential(&raw, defaults, upstream.as_ref(), at, notes);
    if let (Some(CredentialSource::From(_)), Some(at)) = (&credential, raw.key(EXPIRES_AT)) {
        notes.error(
            Code::EXPIRES_WITH_SOURCE,
            at,
            format!(
                "`{EXPIRES_AT}` does not go with `{SECRET_FROM}`, whose token is followed; put the day on the source, as the tag `ecr-pull-through-sync:expires-at`"
            ),
        );
    }
    if let (Some(CredentialSource::None), Some(at), Some(CredentialNeed::Optional)) =
        (&credential, raw.key(EXPIRES_AT), upstream.as_ref().map(Upstream::needs))
    {
        notes.error(
            Code::NOTHING_LAPSES,
            at,
            format!("`{EXPIRES_AT}` is there, but no credential that could lapse; remove it, or write one"),
        );
    }
    let upstream_repository_prefix = upstream_prefix(&raw, upstream.as_ref(), name, notes);
    let custom_role_arn = custom_role(&raw, defaults, upstream.as_ref(), context, notes);
    if let Some(tags) = &raw.tags {
        check_tags_role(tags, context, notes);
    }
    check_encryption_role(&raw, context, notes);
    let tags = merged_tags(&raw, above, at, notes);
    let mutability = mutability(&raw, defaults, notes);
    let existing = existing(&raw, defaults, name, notes);
    let lifecycle = pick("lifecycle_policy", &raw, defaults, |raw| raw.lifecycle.as_ref());
    warn_of_no_policy(lifecycle, existing.as_ref(), notes);
    let lifecycle = lifecycle.map_or_else(|| Some(LifecyclePolicy::default_policy()), |field| field.value.clone());
    if let (Some(warm), Some(lifecycle)) = (&raw.warm, &lifecycle) {
        warm::warn_of_expiry(warm, lifecycle, notes);
    }
    let registry = Registry {
        name: name.to_owned(),
        upstream: upstream?,
        credential: credential?,
        expires_at: raw.expires_at.as_ref().map(|field| field.value),
        read_access: read_access(&raw, defaults),
        mutability: mutability?,
        lifecycle,
        upstream_repository_prefix,
        custom_role_arn,
        encryption: pick("encryption_configuration", &raw, defaults, |raw| {
            raw.encryption.as_ref()
        })
        .map(|field| field.value.clone()),
        tags,
        take_over: pick("take_over", &raw, defaults, |raw| raw.take_over.as_ref()).is_some_and(|field| field.value),
        existing_repositories: existing,
        warm: raw.warm.as_ref().map(|field| field.value.clone()).unwrap_or_default(),
        line: at.line,
        column: at.column,
    };
    let named = |raw: &Raw| {
        let referenced = raw.secret.as_ref().map(|field| field.at);
        referenced.or_else(|| raw.secret_from.as_ref().map(|field| field.at))
    };
    let secret_at = named(&raw).or_else(|| named(defaults));
    let warm_at = raw.warm.as_ref().map(|field| field.at);
    Some(Resolved {
        registry,
        secret_at,
        warm_at,
    })
}

/// A registry's own field where it has one, right or wrong; else the default.
fn pick<'a, T>(
    name: &str,
    own: &'a Raw,
    defaults: &'a Raw,
    field: impl Fn(&'a Raw) -> Option<&'a Field<T>>,
) -> Option<&'a Field<T>> {
    if own.key(name).is_some() {
        field(own)
    } else {
        field(defaults)
    }
}

/// What somebody meant who wrote no registry here, and where to say so.
fn not_a_registry(entry: &Entry, flat: bool) -> Option<(Code, Position, String)> {
    let (name, key, node) = (entry.name(), entry.key.at, &entry.value);
    if let Some(field) = crate::keys::file::field_without_space(name) {
        return Some((
            Code::MISSING_SPACE,
            key,
            format!("put a space after the colon of `{field}`, and indent it under the name of its registry"),
        ));
    }
    if crate::keys::file::FIELDS.contains(&name) && node.get("registry").is_none() && (name != "tags" || !flat) {
        return Some((
            Code::WRONG_PLACE,
            key,
            format!("`{name}` is a field of a registry; indent it under the name of one, such as `dockerhub:`"),
        ));
    }
    if node.is_null() {
        let name = shown(name);
        return Some((
            Code::NOT_A_REGISTRY,
            key,
            format!("the registry {name} has no fields; write at least `registry: ` and the upstream's host under it"),
        ));
    }
    if flat && node.get("registry").is_none() && (FILE_KEYS.contains(&name) || name.starts_with("x-")) {
        let name = shown(name);
        return Some((
            Code::WRONG_PLACE,
            key,
            format!(
                "in this form of the file each key is a registry; to use {name}, put the registries under `registries:`"
            ),
        ));
    }
    if node.map().is_some() {
        return None;
    }
    if let Some(field) = node
        .scalar()
        .and_then(|scalar| crate::keys::file::field_without_space(&scalar.text))
    {
        return Some((
            Code::MISSING_SPACE,
            node.at,
            format!("put a space after the colon of `{field}`"),
        ));
    }
    Some((
        Code::NOT_A_REGISTRY,
        node.at,
        format!(
            "the registry {} is a map, but {} stands here; write `registry: ` and the upstream's host on a line under it",
            shown(name),
            node.kind()
        ),
    ))
}

/// `secret_from`, or `secret`, or the two others.
fn check_either(raw: &Raw, notes: &mut Notes) {
    if let Some(at) = raw.key(SECRET_FROM) {
        let others = ["secret", "username", "accessToken"];
        let others: Vec<String> = others
            .iter()
            .filter(|name| raw.key(name).is_some())
            .map(|name| format!("`{name}`"))
            .collect();
        if !others.is_empty() {
            let others = others.join(" and ");
            let fault = format!("`{SECRET_FROM}` does not go with {others}; keep the one that is meant");
            notes.error(Code::CREDENTIAL_TWICE, at, fault);
        }
    }
    if let Some(at) = raw.key("secret")
        && (raw.key("username").is_some() || raw.key("accessToken").is_some())
    {
        notes.error(
            Code::CREDENTIAL_TWICE,
            at,
            "`secret` does not go with `username` and `accessToken`; keep the secret, or the two others",
        );
    }
}

fn credential(
    raw: &Raw,
    defaults: &Raw,
    upstream: Option<&Upstream>,
    name_at: Position,
    notes: &mut Notes,
) -> Option<CredentialSource> {
    let need = upstream.map_or(CredentialNeed::Optional, Upstream::needs);
    if let (CredentialNeed::Forbidden | CredentialNeed::RoleOptional, Some(upstream)) = (need, upstream) {
        let own = OF_CREDENTIAL
            .iter()
            .filter_map(|name| Some((format!("`{name}`"), raw.key(name)?)));
        let (fields, places): (Vec<String>, Vec<Position>) = own.unzip();
        if let Some(at) = places.first().copied() {
            let fields = fields.join(" and ");
            let host = shown(&upstream.host);
            notes.error(
                Code::CREDENTIAL_NOT_TAKEN,
                at,
                if need == CredentialNeed::Forbidden {
                    format!("{host} takes no credential, and ECR refuses a rule that has one; remove {fields}")
                } else {
                    format!("{host} is a private ECR registry, which takes no secret; remove {fields}, and for another account write `custom_role_arn`")
                },
            );
        }
        return Some(CredentialSource::None);
    }
    let own_pair = raw.key("username").is_some() || raw.key("accessToken").is_some();
    let from = |raw: &Raw| {
        raw.secret_from
            .as_ref()
            .map(|field| CredentialSource::From(field.value.clone()))
    };
    if raw.key(SECRET_FROM).is_some() {
        return from(raw);
    }
    if raw.key("secret").is_some() {
        return raw
            .secret
            .as_ref()
            .map(|field| CredentialSource::Secret(field.value.clone()));
    }
    if !own_pair && defaults.key(SECRET_FROM).is_some() {
        return from(defaults);
    }
    if !own_pair && defaults.key("secret").is_some() {
        return defaults
            .secret
            .as_ref()
            .map(|field| CredentialSource::Secret(field.value.clone()));
    }
    let key = |name| raw.key(name).or_else(|| defaults.key(name));
    match (key("username"), key("accessToken")) {
        (None, None) => {
            if let (CredentialNeed::Required, Some(upstream)) = (need, upstream) {
                let at = raw.registry.as_ref().map_or(name_at, |field| field.at);
                notes.error(
                    Code::CREDENTIAL_MISSING,
                    at,
                    format!("{} needs a credential, and ECR refuses a rule without one; write `username` and `accessToken`, `secret` or `secret_from`", shown(&upstream.host)),
                );
                return None;
            }
            Some(CredentialSource::None)
        }
        (Some(at), None) => {
            let at = if own_pair { at } else { name_at };
            notes.error(Code::CREDENTIAL_HALF, at, "`username` is there but `accessToken` is missing or null; write both, or `secret`, or neither (a text that begins with `#` or `&` must be put in quotes)");
            None
        }
        (None, Some(at)) => {
            let at = if own_pair { at } else { name_at };
            notes.error(
                Code::CREDENTIAL_HALF,
                at,
                "`accessToken` is there but `username` is missing or null; write both, or `secret`, or neither",
            );
            None
        }
        (Some(_), Some(_)) => given(raw, defaults, notes),
    }
}

fn given(raw: &Raw, defaults: &Raw, notes: &mut Notes) -> Option<CredentialSource> {
    let username = pick("username", raw, defaults, |raw| raw.username.as_ref())?;
    let token = pick("accessToken", raw, defaults, |raw| raw.access_token.as_ref())?;
    let registry = notes.registry.take_if(|_| raw.access_token.is_none());
    if !notes.was_encrypted(token.at) {
        notes.warn(
            Code::PLAIN_TOKEN,
            token.key,
            "the token is in the file in plain text; better keep it in Secrets Manager and name it under `secret`",
        );
    }
    notes.registry = registry.or(notes.registry.take());
    // SOPS's MAC knows plain values by their text alone, not by their place: facts of the format, docs/sops.md.
    if let Some(host) = raw
        .registry
        .as_ref()
        .filter(|host| notes.was_encrypted(token.at) && !notes.was_encrypted(host.at))
    {
        notes.warn(
            Code::PLAIN_HOST,
            host.key,
            "the token is encrypted, but where it is sent is not: SOPS does not tie a plain `registry` to its place, so whoever may change the file may send the token elsewhere; encrypt `registry` too",
        );
    }
    Some(CredentialSource::Given(Credential::new(
        username.value.clone(),
        token.value.clone(),
    )))
}

fn read_access(raw: &Raw, defaults: &Raw) -> ReadAccess {
    let principals = pick("repository_read_access_arns", raw, defaults, |raw| {
        raw.read_access.as_ref()
    });
    let more = pick("repository_read_access", raw, defaults, |raw| raw.more_access.as_ref());
    ReadAccess {
        principals: principals.map(|field| field.value.clone()).unwrap_or_default(),
        ..more.map(|field| field.value.clone()).unwrap_or_default()
    }
}

fn upstream_prefix(raw: &Raw, upstream: Option<&Upstream>, name: &str, notes: &mut Notes) -> Option<String> {
    const NAME: &str = RegistryKey::UpstreamRepositoryPrefix.as_str();
    let at = raw.key(NAME)?;
    if name == ROOT {
        notes.error(
            Code::UPSTREAM_PREFIX,
            at,
            format!("`{NAME}` does not go with the name `{ROOT}`; remove it, or give the registry another name"),
        );
    } else if let (Some(upstream), Some(_)) = (
        upstream.filter(|upstream| upstream.kind != UpstreamKind::Ecr),
        raw.upstream_repository_prefix
            .as_ref()
            .filter(|part| part.value != ROOT),
    ) {
        notes.warn(
            Code::UPSTREAM_PREFIX_UNDOCUMENTED,
            at,
            format!(
                "AWS documents `{NAME}` for private ECR alone, and not for {}; ECR takes it, and vendors rely on it: pull one image to see that it works",
                shown(&upstream.host)
            ),
        );
    }
    raw.upstream_repository_prefix.as_ref().map(|field| field.value.clone())
}

fn custom_role(
    raw: &Raw,
    defaults: &Raw,
    upstream: Option<&Upstream>,
    context: &Context,
    notes: &mut Notes,
) -> Option<String> {
    const NAME: &str = "custom_role_arn";
    let upstream = upstream?;
    let own = raw.key(NAME);
    if upstream.kind != UpstreamKind::Ecr {
        if let Some(at) = own {
            notes.error(
                Code::ROLE_NOT_TAKEN,
                at,
                format!("`{NAME}` is for an upstream that is another private ECR registry; remove it"),
            );
        }
        return None;
    }
    let other_account = upstream
        .ecr_account_and_region()
        .is_some_and(|(account, _)| !context.is_account(account));
    if other_account && own.is_none() && defaults.key(NAME).is_none() {
        let at = raw.registry.as_ref().map(|field| field.at);
        notes.error(
            Code::ROLE_MISSING,
            at,
            format!(
                "{} is another account's registry; write a `{NAME}` that ECR can take to pull from there",
                shown(&upstream.host)
            ),
        );
    }
    pick(NAME, raw, defaults, |raw| raw.custom_role_arn.as_ref()).map(|field| field.value.clone())
}

fn check_tags_role(tags: &Tags, context: &Context, notes: &mut Notes) {
    if !context.template_role && !tags.tags.is_empty() {
        notes.error(
            Code::TEMPLATE_ROLE_MISSING,
            tags.key,
            format!("tags {NEEDS_TEMPLATE_ROLE}"),
        );
    }
}

fn check_encryption_role(raw: &Raw, context: &Context, notes: &mut Notes) {
    if let Some(encryption) = &raw.encryption
        && encryption.value.kind != EncryptionKind::Aes256
        && !context.template_role
    {
        notes.error(
            Code::TEMPLATE_ROLE_MISSING,
            encryption.key,
            format!("KMS keys {NEEDS_TEMPLATE_ROLE}"),
        );
    }
}

fn merged_tags(raw: &Raw, above: &Above<'_>, at: Position, notes: &mut Notes) -> BTreeMap<String, String> {
    let own = raw.tags.as_ref();
    let layers = [above.tags, above.defaults.tags.as_ref(), own];
    let tags = tags::merged(
        std::iter::once(&above.context.resource_tags).chain(layers.into_iter().flatten().map(|layer| &layer.tags)),
    );
    if tags.len() > MOST_TAGS {
        notes.error(
            Code::TOO_MANY_TAGS,
            own.map_or(at, |tags| tags.key),
            format!("with the tags of `defaults`, the file and RESOURCE_TAGS this registry has {}; AWS allows 50, and one of them is ours: write at most {}", tags.len(), MOST_TAGS),
        );
    }
    tags
}

fn mutability(raw: &Raw, defaults: &Raw, notes: &mut Notes) -> Option<Mutability> {
    const NAME: &str = "image_tag_mutability";
    const FILTERS: &str = "image_tag_mutability_exclusion_filters";
    let field = pick(NAME, raw, defaults, |raw| raw.mutability.as_ref());
    if field.is_none() && (raw.key(NAME).is_some() || defaults.key(NAME).is_some()) {
        return None;
    }
    let word = field.map_or(Word::Mutable, |field| field.value);
    if let Some(field) = field.filter(|field| field.value == Word::Immutable) {
        let registry = notes.registry.take_if(|_| raw.mutability.is_none());
        notes.warn(
            Code::IMMUTABLE_TAGS,
            field.at,
            "with IMMUTABLE a cached tag is never refreshed when it moves upstream; write MUTABLE, or IMMUTABLE_WITH_EXCLUSION with filters such as `latest`",
        );
        notes.registry = registry.or(notes.registry.take());
    }
    if !word.takes_filters() {
        // Filters from the defaults are for the registries whose mutability takes some.
        if let Some(at) = raw.key(FILTERS) {
            let (name, _) = Word::WORDS
                .iter()
                .find(|(_, known)| *known == word)
                .unwrap_or(&("MUTABLE", Word::Mutable));
            notes.error(
                Code::EXCLUSION_FILTERS,
                at,
                format!("`{FILTERS}` does not go with `{name}`; remove it, or write `{NAME}: {name}_WITH_EXCLUSION`"),
            );
        }
        return Some(if word == Word::Immutable {
            Mutability::Immutable
        } else {
            Mutability::Mutable
        });
    }
    let filters = pick(FILTERS, raw, defaults, |raw| raw.filters.as_ref());
    let Some(filters) = filters else {
        if let Some(field) = field
            && raw.key(FILTERS).is_none()
            && defaults.key(FILTERS).is_none()
        {
            notes.error(
                Code::EXCLUSION_FILTERS,
                field.at,
                format!("this value needs `{FILTERS}`, a list of 1 to 5 wildcards such as `[\"latest\"]`; write one"),
            );
        }
        return None;
    };
    let filters = filters.value.clone();
    Some(if word == Word::MutableWithExclusion {
        Mutability::MutableWithExclusion(filters)
    } else {
        Mutability::ImmutableWithExclusion(filters)
    })
}

/// A policy that a repository has is never taken away, since nothing tells who has put it there.
fn warn_of_no_policy(
    lifecycle: Option<&Field<Option<LifecyclePolicy>>>,
    existing: Option<&ExistingRepositories>,
    notes: &mut Notes,
) {
    if let (Some(lifecycle), Some(existing)) = (lifecycle, existing)
        && lifecycle.value.is_none()
        && existing.apply.contains(&Setting::LifecyclePolicy)
    {
        notes.warn(
            Code::POLICY_STAYS,
            lifecycle.at,
            "with `none`, repositories that exist already keep the lifecycle policy they have",
        );
    }
}

fn existing(raw: &Raw, defaults: &Raw, name: &str, notes: &mut Notes) -> Option<ExistingRepositories> {
    let field = pick("existing_repositories", raw, defaults, |raw| raw.existing.as_ref())?;
    let existing = field.value.as_ref()?;
    if name == ROOT && existing.include.is_empty() {
        notes.error(
            Code::ROOT_WITHOUT_INCLUDE,
            field.at,
            format!("for `{ROOT}` every repository of the account would be meant; write an `include` with the patterns that are, or `existing_repositories: false`"),
        );
    }
    Some(existing.clone())
}
