//! What only a whole registry, rule or file shows: which key goes with which.
//!
//! A key is "there" if it is not null. What is forbidden is said with a sentence of its own (`errorMessage`), since
//! editors have none for a key that may be absent only. What stands in a condition is nothing to complete
//! (`doNotSuggest`): the fields themselves are. Validators pass over both words.

use serde_json::{Value, json};

use super::set;
use crate::keys::describe::Key as _;
use crate::keys::file::REGISTRIES;
use crate::keys::file::{EncryptionKey, ExistingKey, FileKey, OnlyKey, RegistryKey, SourceKey};
use crate::keys::lifecycle::{ActionKey, RuleKey, SelectionKey};
use crate::model::encryption::EncryptionKind;
use crate::model::file::MAX_REGISTRIES;
use crate::model::lifecycle::{ActionType, CountType, CountUnit, StorageClass, TagStatus};
use crate::model::mutability::Word;
use crate::model::upstream::{self, CredentialNeed};

/// What an editor says of a name that ECR does not allow.
pub(super) const NAME: &str = "A name is an ECR repository prefix: lower case letters and digits, with `.`, `_`, `__` or `-` between them, `/` between parts and none at the end; or ROOT.";

const USERNAME: &str = RegistryKey::Username.as_str();
const TOKEN: &str = RegistryKey::AccessToken.as_str();
const SECRET: &str = RegistryKey::Secret.as_str();
const SECRET_FROM: &str = RegistryKey::SecretFrom.as_str();
const EXPIRES_AT: &str = RegistryKey::ExpiresAt.as_str();
const MUTABILITY: &str = RegistryKey::ImageTagMutability.as_str();
const FILTERS: &str = RegistryKey::ImageTagMutabilityExclusionFilters.as_str();
const UNLISTED: &str = RegistryKey::AllowUnlistedUpstream.as_str();
const HOST: &str = RegistryKey::Registry.as_str();
const PREFIX: &str = RegistryKey::UpstreamRepositoryPrefix.as_str();
const ROLE: &str = RegistryKey::CustomRoleArn.as_str();
const ONLY: &str = RegistryKey::Only.as_str();
const EXISTING: &str = RegistryKey::ExistingRepositories.as_str();

/// The key is there, and its value is like this.
pub(super) fn like(key: &str, value: Value) -> Value {
    json!({"required": [key], "properties": {key: quiet(value)}})
}

fn quiet(mut value: Value) -> Value {
    set(&mut value, "doNotSuggest", json!(true));
    value
}

/// The key is there.
pub(super) fn has(key: &str) -> Value {
    like(key, json!({"not": {"type": "null"}}))
}

/// The key has one of these values.
pub(super) fn is(key: &str, values: &[&str]) -> Value {
    like(key, json!({ "enum": values }))
}

/// The key is not there, and why.
fn lacks(key: &str, why: &str) -> Value {
    json!({"properties": {key: absent(why)}})
}

/// The value of a key that may not be there.
pub(super) fn absent(why: &str) -> Value {
    quiet(json!({"type": "null", "errorMessage": why}))
}

fn when(condition: Value, then: Value) -> Value {
    json!({"if": condition, "then": then})
}

fn unless(condition: Value, then: Value) -> Value {
    json!({"if": condition, "else": then})
}

fn with(mut schema: Value, rules: Vec<Value>) -> Value {
    set(&mut schema, "allOf", Value::Array(rules));
    schema
}

/// The rules of a registry that no default changes.
pub(super) fn registry(fields: Value) -> Value {
    use CredentialNeed::{Forbidden, RoleOptional};
    let no_credential = "This upstream takes no credential, and ECR refuses a rule that has one.";
    let only_ecr = "This is for an upstream that is another private ECR registry.";
    let no_credentials: Vec<Value> = [USERNAME, TOKEN, SECRET, SECRET_FROM, EXPIRES_AT]
        .map(|key| lacks(key, no_credential))
        .into();
    let rules = vec![
        either(),
        when(
            hosts(|need| matches!(need, Forbidden | RoleOptional)),
            json!({ "allOf": no_credentials }),
        ),
        unless(hosts(|need| need == RoleOptional), lacks(ROLE, only_ecr)),
        when(is(MUTABILITY, &words(|word| !word.takes_filters())), no_filters()),
        when(like(UNLISTED, json!({"const": false})), listed()),
    ];
    with(fields, rules)
}

/// The rules of `defaults` by themselves.
pub(super) fn defaults(fields: Value) -> Value {
    with(fields, vec![either()])
}

/// `ROOT` is the whole registry.
pub(super) fn root() -> Value {
    json!({"properties": {
        EXISTING: quiet(json!({"anyOf": [{"type": "null"}, {"enum": [false]}, included()]})),
        PREFIX: absent("This does not go with the name ROOT."),
    }})
}

/// An `existing_repositories` that says which.
fn included() -> Value {
    let include = ExistingKey::Include.as_str();
    let mut included = like(include, json!({"type": "array", "minItems": 1}));
    set(&mut included, "type", json!("object"));
    included
}

/// One of the two, or both.
pub(super) fn only(mut keys: Value) -> Value {
    let either = OnlyKey::ALL.iter().map(|key| has(key.as_str()));
    set(&mut keys, "anyOf", either.collect());
    keys
}

/// `secret`, or the two others.
fn either() -> Value {
    let other = "`secret` does not go with `username` and `accessToken`.";
    let copied = "`secret_from` does not go with another credential, nor with `expires_at`.";
    let secret = when(
        has(SECRET),
        json!({"allOf": [lacks(USERNAME, other), lacks(TOKEN, other)]}),
    );
    let others: Vec<Value> = [USERNAME, TOKEN, SECRET, EXPIRES_AT]
        .map(|key| lacks(key, copied))
        .into();
    json!({"allOf": [secret, when(has(SECRET_FROM), json!({ "allOf": others }))]})
}

/// A host of ours whose credential is like this.
fn hosts(wanted: impl Fn(CredentialNeed) -> bool) -> Value {
    let hosts: Vec<Value> = upstream::hosts()
        .filter(|(.., need)| wanted(*need))
        .map(|(_, schema, _)| schema)
        .collect();
    like(HOST, json!({ "anyOf": hosts }))
}

/// A host of our list.
fn listed() -> Value {
    hosts(|_| true)
}

fn no_filters() -> Value {
    lacks(
        FILTERS,
        "This goes with MUTABLE_WITH_EXCLUSION and IMMUTABLE_WITH_EXCLUSION only.",
    )
}

fn words(wanted: impl Fn(Word) -> bool) -> Vec<&'static str> {
    Word::WORDS
        .iter()
        .filter(|(_, word)| wanted(*word))
        .map(|(name, _)| *name)
        .collect()
}

/// The rules that a default can satisfy or break. They are for files without defaults; `ptc check` has them for all.
pub(super) fn without_defaults() -> [Value; 6] {
    let required = hosts(|need| need == CredentialNeed::Required);
    let both = json!({"allOf": [has(USERNAME), has(TOKEN)]});
    [
        when(required, json!({"anyOf": [has(SECRET), has(SECRET_FROM), both]})),
        when(
            has(EXPIRES_AT),
            json!({"anyOf": [has(SECRET), has(USERNAME), has(TOKEN)]}),
        ),
        json!({"allOf": [when(has(USERNAME), has(TOKEN)), when(has(TOKEN), has(USERNAME))]}),
        unless(like(UNLISTED, json!({"const": true})), listed()),
        unless(has(MUTABILITY), no_filters()),
        when(is(MUTABILITY, &words(Word::takes_filters)), has(FILTERS)),
    ]
}

/// A wrapped file without defaults is held to the rules of a flat one.
pub(super) fn wrapped(rules_of_each: Value) -> Value {
    let defaults = like(
        FileKey::Defaults.as_str(),
        json!({"type": "object", "minProperties": 1}),
    );
    let each = quiet(json!({ "additionalProperties": rules_of_each }));
    let elsewhere = like(FileKey::Defaults.as_str(), has(ONLY));
    json!([
        unless(defaults, json!({"properties": {REGISTRIES: each}})),
        unless(elsewhere, json!({"properties": {REGISTRIES: quiet(count())}})),
    ])
}

/// The most registries that there may be where all are for every stack. Else the reader counts.
pub(super) fn count() -> Value {
    let everywhere = json!({"additionalProperties": {"not": has(ONLY)}});
    when(everywhere, json!({"maxProperties": MAX_REGISTRIES}))
}

/// What goes together in a `secret_from`.
pub(super) fn source(keys: Value) -> Value {
    let [username, username_key, token_key, format] = [
        SourceKey::Username,
        SourceKey::UsernameKey,
        SourceKey::AccessTokenKey,
        SourceKey::Format,
    ]
    .map(SourceKey::as_str);
    let whole = "With `format: text` the whole value is the token.";
    let text = json!({"allOf": [lacks(username_key, whole), lacks(token_key, whole), has(username)]});
    let rules = vec![
        when(is(format, &["text"]), text),
        when(has(username), lacks(username_key, "This does not go with `username`.")),
    ];
    with(keys, rules)
}

/// No key with `AES256`.
pub(super) fn encryption(keys: Value) -> Value {
    let condition = is(
        EncryptionKey::EncryptionType.as_str(),
        &[EncryptionKind::Aes256.as_str()],
    );
    let why = "This does not go with AES256, where S3 keeps the keys.";
    with(keys, vec![when(condition, lacks(EncryptionKey::KmsKey.as_str(), why))])
}

/// What goes together in a selection.
pub(super) fn selection(keys: Value) -> Value {
    let (patterns, prefixes) = (
        SelectionKey::TagPatternList.as_str(),
        SelectionKey::TagPrefixList.as_str(),
    );
    let (count, unit) = (SelectionKey::CountType.as_str(), SelectionKey::CountUnit.as_str());
    let tagged = is(SelectionKey::TagStatus.as_str(), &[TagStatus::Tagged.as_str()]);
    let archive = is(SelectionKey::StorageClass.as_str(), &[StorageClass::Archive.as_str()]);
    let transitioned = [CountType::SinceImageTransitioned.as_str()];
    let others: Vec<&str> = CountType::WORDS
        .iter()
        .map(|(word, _)| *word)
        .filter(|word| !transitioned.contains(word))
        .collect();
    let only_tagged = "This goes with `tagStatus: tagged` only.";
    let images = is(count, &[CountType::ImageCountMoreThan.as_str()]);
    let rules = vec![
        json!({
            "if": tagged,
            "then": {"oneOf": [has(patterns), has(prefixes)]},
            "else": {"allOf": [lacks(patterns, only_tagged), lacks(prefixes, only_tagged)]},
        }),
        json!({
            "if": images,
            "then": lacks(unit, "This does not go with `imageCountMoreThan`, which counts images."),
            "else": is(unit, &[CountUnit::Days.as_str()]),
        }),
        json!({"if": archive, "then": is(count, &transitioned), "else": is(count, &others)}),
    ];
    with(keys, rules)
}

/// What goes together in an action.
pub(super) fn action(keys: Value) -> Value {
    let target = ActionKey::TargetStorageClass.as_str();
    let transition = is(ActionKey::Type.as_str(), &[ActionType::Transition.as_str()]);
    let rule = json!({
        "if": transition,
        "then": has(target),
        "else": lacks(target, "This goes with `type: transition` only."),
    });
    with(keys, vec![rule])
}

/// What goes together in a lifecycle rule.
pub(super) fn lifecycle_rule(keys: Value) -> Value {
    let counts = |count: CountType| {
        let counts = is(SelectionKey::CountType.as_str(), &[count.as_str()]);
        json!({"properties": {RuleKey::Selection.as_str(): quiet(counts)}})
    };
    let does = |action: ActionType| {
        let does = is(ActionKey::Type.as_str(), &[action.as_str()]);
        json!({"properties": {RuleKey::Action.as_str(): quiet(does)}})
    };
    let rules = vec![
        when(counts(CountType::SinceImagePulled), does(ActionType::Transition)),
        when(counts(CountType::SinceImageTransitioned), does(ActionType::Expire)),
    ];
    with(keys, rules)
}
