//! What may stand under each key, by itself. Each says in JSON Schema what a reader beside it checks by hand, with the
//! reader's own limits and words; `tests/schema.rs` holds one against the other.

use serde_json::{Value, json};

use super::rules;
use super::{map, reference};
use crate::keys::describe::Key;
use crate::keys::file::{AccessKey, EncryptionKey, ExistingKey, OnlyKey, SourceKey};
use crate::keys::file::{FileKey, RegistryKey};
use crate::keys::lifecycle::RuleKey;
use crate::keys::lifecycle::{ActionKey, PolicyKey, SelectionKey};
use crate::model::arn::{ORGANIZATION, REGION, SERVICE};
use crate::model::credential::SECRET_PREFIX;
use crate::model::expiry;
use crate::model::image::MOST_IMAGES;
use crate::model::lifecycle::{ActionType, CountType, CountUnit, StorageClass, TagStatus};
use crate::model::lifecycle::{MOST_RULES, MOST_TAG, MOST_WILDCARDS};
use crate::model::mutability::{self, Word};
use crate::model::tags::{self, OUR_PREFIX};
use crate::model::{credential as secrets, encryption as kms, existing as repositories, prefix as name, upstream};
use crate::read::principal::MOST_SERVICE;
use crate::read::{lifecycle as lifecycle_read, only, raw};

/// What may stand under each key of a table.
pub(crate) trait Valued: Key {
    /// As a JSON Schema.
    fn value(self) -> Value;
}

impl Valued for FileKey {
    fn value(self) -> Value {
        match self {
            Self::Registries => registry_map(&reference(super::EACH)),
            Self::Tags => tags(),
            Self::Defaults => rules::defaults(super::defaults()),
            Self::MaxDeletions => whole(0),
        }
    }
}

impl Valued for RegistryKey {
    fn value(self) -> Value {
        match self {
            // Which hosts there are depends on `allow_unlisted_upstream`, and is among the rules.
            Self::Registry => upstream::any_host(),
            Self::Username | Self::AccessToken => credential(),
            Self::Secret => secret(),
            Self::SecretFrom => rules::source(map::<SourceKey>()),
            Self::ExpiresAt => instant(),
            Self::RepositoryReadAccessArns => principals(),
            Self::RepositoryReadAccess => map::<AccessKey>(),
            Self::ImageTagMutability => word(Word::WORDS),
            Self::ImageTagMutabilityExclusionFilters => filters(),
            Self::LifecyclePolicy => {
                json!({"anyOf": [{"type": "string", "enum": [lifecycle_read::NONE]}, map::<PolicyKey>()]})
            }
            Self::UpstreamRepositoryPrefix => prefix(),
            Self::CustomRoleArn => role(),
            Self::EncryptionConfiguration => rules::encryption(map::<EncryptionKey>()),
            Self::Tags => tags(),
            Self::Only => json!({"anyOf": [{"type": "string", "enum": [only::ALL]}, rules::only(map::<OnlyKey>())]}),
            Self::TakeOver | Self::AllowUnlistedUpstream => flag(),
            Self::ExistingRepositories => json!({"anyOf": [flag(), map::<ExistingKey>()]}),
            Self::Warm => images(),
        }
    }
}

impl Valued for AccessKey {
    fn value(self) -> Value {
        let (form, most, why) = match self {
            Self::Organizations => (ORGANIZATION, 34, "The id of an organization, such as `o-abcdefghij`."),
            Self::Services => (
                SERVICE,
                MOST_SERVICE,
                "A service principal, such as `omics.amazonaws.com`.",
            ),
        };
        let mut item = pattern(&format!("^{form}$"), most);
        explained(&mut item, why);
        list(&item, 0)
    }
}

impl Valued for EncryptionKey {
    fn value(self) -> Value {
        match self {
            Self::EncryptionType => word(kms::WORDS),
            Self::KmsKey => kms_key(),
        }
    }
}

impl Valued for SourceKey {
    fn value(self) -> Value {
        match self {
            Self::Secret => source(),
            Self::Username => credential(),
            Self::UsernameKey | Self::AccessTokenKey => key_of_json(),
            Self::Format => word(crate::read::source::FORMATS),
        }
    }
}

impl Valued for OnlyKey {
    fn value(self) -> Value {
        match self {
            Self::Accounts => list(&json!({"anyOf": account(), "examples": ["111122223333"]}), 1),
            Self::Regions => list(&json!({"type": "string", "pattern": format!("^{REGION}$")}), 1),
        }
    }
}

impl Valued for ExistingKey {
    fn value(self) -> Value {
        match self {
            Self::Apply => settings(),
            Self::MaxExpiringImages => whole(0),
            Self::Include | Self::Exclude => repositories(),
        }
    }
}

impl Valued for PolicyKey {
    fn value(self) -> Value {
        match self {
            Self::Rules => rules(),
        }
    }
}

impl Valued for RuleKey {
    fn value(self) -> Value {
        match self {
            Self::RulePriority => whole(1),
            Self::Description => text(),
            Self::Selection => rules::selection(map::<SelectionKey>()),
            Self::Action => rules::action(map::<ActionKey>()),
        }
    }
}

impl Valued for SelectionKey {
    fn value(self) -> Value {
        match self {
            Self::TagStatus => word(TagStatus::WORDS),
            Self::TagPatternList => tag_patterns(),
            Self::TagPrefixList => list(&loose("^[A-Za-z0-9._-]+$", MOST_TAG), 1),
            Self::StorageClass => word(StorageClass::WORDS),
            Self::CountType => word(CountType::WORDS),
            Self::CountUnit => word(CountUnit::WORDS),
            Self::CountNumber => whole(1),
        }
    }
}

impl Valued for ActionKey {
    fn value(self) -> Value {
        match self {
            Self::Type => word(ActionType::WORDS),
            Self::TargetStorageClass => json!({"type": "string", "enum": [StorageClass::Archive.as_str()]}),
        }
    }
}

/// A text; a number or a boolean without quotes is taken as it is written.
fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// A text of a form.
fn pattern(pattern: &str, most: usize) -> Value {
    json!({"type": "string", "pattern": pattern, "maxLength": most})
}

/// A text of a form that a number can have too.
fn loose(pattern: &str, most: usize) -> Value {
    json!({"type": ["string", "number", "boolean"], "pattern": pattern, "maxLength": most})
}

/// What an editor says where the form is not kept, instead of showing the pattern.
fn explained(schema: &mut Value, why: &str) {
    super::set(schema, "patternErrorMessage", json!(why));
}

fn list(items: &Value, least: usize) -> Value {
    json!({"type": "array", "minItems": least, "items": items})
}

/// One of the words that AWS knows.
fn word<T>(words: &[(&'static str, T)]) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({"type": "string", "enum": words})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A whole number from `least` on.
fn whole(least: u32) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": u32::MAX})
}

/// A map from names to registries, each of which is this.
pub(super) fn registry_map(registry: &Value) -> Value {
    let root = json!({"allOf": [registry, rules::root()]});
    json!({
        "type": "object",
        "minProperties": 1,
        "propertyNames": {
            "title": "name",
            "description": rules::NAME,
            "pattern": name::PATTERN,
            "maxLength": name::MOST,
            "minLength": name::LEAST,
            "patternErrorMessage": rules::NAME,
        },
        "properties": {name::ROOT: root},
        // Names that differ only in letter case.
        "dependencies": {name::ROOT: {"not": {"required": [name::ROOT.to_lowercase()]}}},
        "additionalProperties": registry,
    })
}

/// `username` and `accessToken`: one line, no space at either end. What SOPS left encrypted is none.
fn credential() -> Value {
    let mut value = loose(
        r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$",
        secrets::MOST_VALUE,
    );
    explained(&mut value, "One line, without spaces around it.");
    super::set(
        &mut value,
        "not",
        json!({"type": "string", "pattern": r"^ENC\[AES256_GCM,"}),
    );
    value
}

/// `secret`: a name, or a full ARN.
fn secret() -> Value {
    const REST: &str = "[A-Za-z0-9/_+=.@-]";
    let by_name = format!("^{SECRET_PREFIX}{REST}+$");
    let most = secrets::MOST_NAME - SECRET_PREFIX.len();
    let by_arn = format!(
        "^arn:aws[a-z0-9-]*:secretsmanager:{REGION}:[0-9]{{12}}:secret:{SECRET_PREFIX}{REST}{{1,{most}}}-[A-Za-z0-9]{{6}}$"
    );
    json!({
        "type": "string",
        "anyOf": [{"maxLength": secrets::MOST_NAME, "pattern": by_name}, {"pattern": by_arn}],
        "examples": [format!("{SECRET_PREFIX}docker-hub")],
    })
}

/// The secret of a `secret_from`.
fn source() -> Value {
    const ANY: &str = "[A-Za-z0-9/_+=.@-]";
    let most = secrets::MOST_NAME;
    let by_arn =
        format!("^arn:aws[a-z0-9-]*:secretsmanager:{REGION}:[0-9]{{12}}:secret:{ANY}{{1,{most}}}-[A-Za-z0-9]{{6}}$");
    let mut by_name = loose(&format!("^{ANY}+$"), most);
    super::set(&mut by_name, "minLength", json!(1));
    json!({"anyOf": [by_name, {"type": "string", "pattern": by_arn}], "examples": ["prod/gitlab-token"]})
}

fn key_of_json() -> Value {
    let mut key = loose(r"^[^\x00-\x1f\x7f-\x9f]+$", secrets::MOST_KEY);
    super::set(&mut key, "minLength", json!(1));
    key
}

fn principals() -> Value {
    const NAME: &str = "[A-Za-z0-9+=,.@_-]";
    let path = format!("{NAME}([A-Za-z0-9+=,.@_/-]*{NAME})?");
    let pair = format!("{NAME}[A-Za-z0-9+=,.@_/-]*/([A-Za-z0-9+=,.@_/-]*{NAME})");
    let arn = format!(
        "^arn:aws[a-z0-9-]*:(iam::[0-9]{{12}}:(root|(role|user)/{path})|sts::[0-9]{{12}}:(assumed-role/{pair}|federated-user/{path}))$"
    );
    let mut forms = account();
    forms.push(json!({"type": "string", "pattern": arn}));
    let item = json!({"anyOf": forms, "examples": ["111122223333", "arn:aws:iam::111122223333:root"]});
    list(&item, 0)
}

/// The forms of an account id: in quotes, or without, where it has no zero in front.
fn account() -> Vec<Value> {
    vec![
        json!({"type": "string", "pattern": "^[0-9]{12}$"}),
        json!({"type": "integer", "minimum": 100_000_000_000_u64, "maximum": 999_999_999_999_u64}),
    ]
}

fn instant() -> Value {
    let mut instant =
        json!({"type": "string", "pattern": expiry::PATTERN, "examples": ["2027-05-01", "2027-05-01T12:00:00Z"]});
    explained(
        &mut instant,
        "A day such as 2027-05-01, or an instant such as 2027-05-01T12:00:00Z.",
    );
    instant
}

fn filters() -> Value {
    let mut filters = list(&loose(r"^[A-Za-z0-9._*-]+$", mutability::MOST_CHARACTERS), 1);
    super::set(&mut filters, "maxItems", json!(mutability::MOST_FILTERS));
    filters
}

/// `upstream_repository_prefix`. A number without quotes can be one, if it has no sign and more than a digit.
fn prefix() -> Value {
    let mut prefix = loose(name::PATTERN, name::MOST);
    super::set(&mut prefix, "minLength", json!(name::LEAST));
    super::set(&mut prefix, "minimum", json!(0));
    super::set(&mut prefix, "not", json!({"type": "integer", "maximum": 9}));
    prefix
}

fn role() -> Value {
    let mut role = pattern(
        "^arn:aws[a-z0-9-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_-]([A-Za-z0-9+=,.@_/-]*[A-Za-z0-9+=,.@_-])?$",
        raw::MOST_ROLE,
    );
    explained(
        &mut role,
        "The ARN of a role of this account: `arn:aws:iam::<account>:role/...`.",
    );
    role
}

fn kms_key() -> Value {
    let arn = format!("^arn:aws[a-z0-9-]*:kms:{REGION}:[0-9]{{12}}:key/[a-z0-9-]+$");
    let mut key = json!({"type": "string", "pattern": arn});
    explained(
        &mut key,
        "The full ARN of a key, no alias: `arn:aws:kms:<region>:<account>:key/...`.",
    );
    key
}

fn tags() -> Value {
    // The classes that every engine knows. Letters of some scripts are written with marks; a mark alone is for the reader.
    const ALLOWED: &str = r"[\p{L}\p{M}\p{N} _.:/=+@-]";
    let ours: String = OUR_PREFIX.chars().map(in_any_case).collect();
    json!({
        "type": "object",
        "maxProperties": tags::MOST,
        "propertyNames": {
            "title": "tag",
            "minLength": 1,
            "maxLength": tags::MOST_KEY,
            "pattern": format!("^{ALLOWED}+$"),
            "not": {"pattern": format!("^({}|{ours})", "aws:".chars().map(in_any_case).collect::<String>())},
        },
        "additionalProperties": {
            "type": ["string", "number", "boolean", "null"],
            "maxLength": tags::MOST_VALUE,
            "pattern": format!("^{ALLOWED}*$"),
        },
    })
}

/// A character in either case, for a pattern.
fn in_any_case(c: char) -> String {
    if c.is_ascii_alphabetic() {
        format!("[{}{}]", c.to_ascii_uppercase(), c.to_ascii_lowercase())
    } else {
        c.to_string()
    }
}

fn settings() -> Value {
    let mut settings = list(&word(repositories::Setting::WORDS), 1);
    super::set(&mut settings, "uniqueItems", json!(true));
    settings
}

fn repositories() -> Value {
    let mut patterns = list(&loose("^[a-z0-9._/*-]+$", repositories::MOST_CHARACTERS), 0);
    super::set(&mut patterns, "maxItems", json!(repositories::MOST_PATTERNS));
    patterns
}

fn images() -> Value {
    const PART: &str = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*";
    let image = format!(r"^{PART}(/{PART})*:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}(@sha256:[0-9a-f]{{64}})?$");
    let mut item = pattern(&image, 512);
    explained(
        &mut item,
        "A path under the registry's name with a tag, such as `library/nginx:1.27`.",
    );
    let mut images = list(&item, 0);
    super::set(&mut images, "maxItems", json!(MOST_IMAGES));
    images
}

fn rules() -> Value {
    let mut rules = list(&reference("lifecycleRule"), 1);
    super::set(&mut rules, "maxItems", json!(MOST_RULES));
    rules
}

fn tag_patterns() -> Value {
    let mut item = loose("^[A-Za-z0-9._*-]+$", MOST_TAG);
    super::set(
        &mut item,
        "allOf",
        json!([{"pattern": format!(r"^[^*]*(\*[^*]*){{0,{MOST_WILDCARDS}}}$")}]),
    );
    list(&item, 1)
}
