//! The keys of the file and of a registry, each with all that is said about it: the names the reader knows, the JSON
//! Schema and `docs/file.md` are made from this table. Those of a lifecycle policy are in `lifecycle_keys`.

use crate::keys::describe::Absent::{Json, Required, Words};
use crate::keys::describe::{Key as _, keys};
use crate::model::credential::SECRET_PREFIX;
use crate::model::existing::{MOST_CHARACTERS as MOST_REPOSITORY, MOST_PATTERNS};
use crate::model::file::MAX_REGISTRIES;
use crate::model::image::MOST_IMAGES;
use crate::model::mutability::{MOST_CHARACTERS as MOST_FILTER, MOST_FILTERS};
use crate::model::tags::{MOST as MOST_TAGS, MOST_KEY, MOST_VALUE, OUR_PREFIX};
use crate::yaml::parse::Hints;

keys! {
    /// The keys of the wrapped form.
    FileKey {
        Registries = "registries" {
            brief: "the registries, by name: 1 to {MAX_REGISTRIES}",
            absent: Required,
        }
        Tags = "tags" {
            brief: "tags for what every registry makes",
            absent: Json("{}"),
        }
        Defaults = "defaults" {
            brief: "any field of a registry but `registry`, `expires_at`, `warm` and `upstream_repository_prefix`; a registry's own value wins",
            absent: Words("none"),
        }
        MaxDeletions = "max_deletions" {
            brief: "how many registries that left the file one run may delete: a whole number from 0. If more left, the run deletes none. A call by hand may say another number",
            absent: Words("`MAX_DELETIONS`"),
        }
    }
}

keys! {
    /// The fields of a registry, and of `defaults`.
    RegistryKey {
        Registry = "registry" {
            brief: "the upstream's host: lower case, without scheme, path or port",
            absent: Required,
        }
        Username = "username" {
            brief: "the upstream credential, together with `accessToken`: both or neither",
            absent: Words("none"),
            rules: "One line, without spaces around it. An unquoted number or boolean is taken as it is written.",
        }
        AccessToken = "accessToken" {
            brief: "the token or password for `username`",
            absent: Words("none"),
            rules: "Written like `username`. It gets a warning, since it stands in the file in plain text: prefer `secret`.",
        }
        Secret = "secret" {
            brief: "instead of the two: the name or full ARN of a secret that exists already, under `{SECRET_PREFIX}`",
            absent: Words("none"),
            rules: "An ARN ends with the hyphen and six characters that Secrets Manager added. The secret is in this account and Region. It is never written ([secrets.md](secrets.md)), and not one that this file writes for another registry.",
        }
        SecretFrom = "secret_from" {
            brief: "instead of these: any other secret, whose credential is copied into one of our own and followed when it rotates",
            absent: Words("none"),
            rules: "In this account and Region; not one that this file writes, nor one with an owner's tag. It must carry the tag `ecr-pull-through-sync:upstream` with the registry's host, and the stack's `SourceSecretNames` must name it: **[gitlab-tokens.md](gitlab-tokens.md)**.",
        }
        ExpiresAt = "expires_at" {
            brief: "when the credential lapses: a warning and an alarm come before",
            absent: Words("none"),
            rules: "A day (`2027-05-01`: from 00:00 UTC on) or an instant (RFC 3339, `2027-05-01T12:00:00Z`). A registry's own, not in `defaults`, and only with a credential that is not copied (`secret_from`). What the token itself or a tag of the secret says goes first ([secrets.md](secrets.md#when-does-a-credential-lapse)).",
        }
        RepositoryReadAccessArns = "repository_read_access_arns" {
            brief: "who may pull cached images (the repository policy); the account's own root is always added",
            absent: Json("[]"),
            rules: "A list of account ids (12 digits, in quotes), or ARNs of an account's `root`, a `role/...`, a `user/...`, an assumed role or a federated user, of this partition. No `*`, no wildcards; organizations are for `repository_read_access`. All together must fit the policy's 10,240 characters.",
        }
        RepositoryReadAccess = "repository_read_access" {
            brief: "who else may pull cached images: whole organizations, and AWS services",
            absent: Words("nobody"),
        }
        ImageTagMutability = "image_tag_mutability" {
            brief: "whether the tags of cached images can move",
            absent: Json("\"MUTABLE\""),
            rules: "`IMMUTABLE` gets a warning: ECR never refreshes a tag that moved upstream. The last two want `image_tag_mutability_exclusion_filters`.",
        }
        ImageTagMutabilityExclusionFilters = "image_tag_mutability_exclusion_filters" {
            brief: "1 to {MOST_FILTERS} wildcards over tags, exactly with the two `_WITH_EXCLUSION` values",
            absent: Words("none"),
            rules: "Each has 1 to {MOST_FILTER} letters, digits and `._*-`.",
        }
        LifecyclePolicy = "lifecycle_policy" {
            brief: "which images are expired or archived: `rules:` as AWS writes them, or the word `none` for no policy",
            absent: Words("keep the last 3 images, as the Terraform module"),
        }
        UpstreamRepositoryPrefix = "upstream_repository_prefix" {
            brief: "the part of the upstream that is served: `<name>/x` is `<host>/<prefix>/x`",
            absent: Words("all of it"),
            rules: "By the same rule as a name. Not with the name `ROOT`, and not in `defaults`. AWS documents it for private ECR alone: with another host it gets a warning.",
        }
        CustomRoleArn = "custom_role_arn" {
            brief: "for an upstream that is another private ECR registry: the role ECR pulls with",
            absent: Words("none"),
            rules: "A role of **this** account, required where the upstream is another account's, and listed in the stack's `PassableRoles`.",
        }
        EncryptionConfiguration = "encryption_configuration" {
            brief: "how new repositories are encrypted",
            absent: Words("`AES256`, ECR's own"),
            rules: "KMS needs TEMPLATE_ROLE_ARN, which the stack sets, and the key in the stack's `TemplateKmsKeys`.",
        }
        Tags = "tags" {
            brief: "tags for the repositories and the own secret",
            absent: Json("{}"),
            rules: "At most {MOST_TAGS} after merging; keys to {MOST_KEY} characters, values to {MOST_VALUE}, of letters, digits, spaces and `_.:/=+-@`; not `aws:...`, not `{OUR_PREFIX}...`. Tags need TEMPLATE_ROLE_ARN.",
        }
        Only = "only" {
            brief: "the stacks that the registry is for: a map with `accounts`, `regions` or both, or the word `all`",
            absent: Json("\"all\""),
            rules: "Both must fit. For every other stack it is as if the file did not name the registry. A registry's own replaces that of `defaults` whole ([fleet.md](fleet.md)).",
        }
        TakeOver = "take_over" {
            brief: "`true`: replace a rule of this name that is not ours and points elsewhere",
            absent: Json("false"),
            rules: "Without it, such a registry is held.",
        }
        AllowUnlistedUpstream = "allow_unlisted_upstream" {
            brief: "`true`: let a host pass that is not in the list, should ECR have learned it since",
            absent: Json("false"),
            rules: "With or without a credential; ECR has the last word. The stack's `AllowedUpstreams` must name the host.",
        }
        ExistingRepositories = "existing_repositories" {
            brief: "`true` or a map: give repositories under the prefix that exist already what the template gives to new ones",
            absent: Json("false"),
            rules: "`true` is all four settings. `ROOT` must have an `include`. The stack's `ExistingRepositories` must name them. Which repositories, the preview, and thousands of them: **[existing-repositories.md](existing-repositories.md)**.",
        }
        Warm = "warm" {
            brief: "images to be in the cache before anybody pulls them: paths under the registry's name, each with a tag",
            absent: Json("[]"),
            rules: "`path:tag`, or `path:tag@sha256:...` to be told when the tag is another image. Each once, none that a longer prefix of the file serves, {MOST_IMAGES} for a stack. A registry's own, not in `defaults`. The stack's `WarmImages` must name the prefix: **[warm-images.md](warm-images.md)**.",
        }
    }
}

keys! {
    /// The keys of `repository_read_access`.
    AccessKey {
        Organizations = "organizations" {
            brief: "ids of organizations, such as `o-abcdefghij`: all their accounts may pull",
            absent: Json("[]"),
        }
        Services = "services" {
            brief: "service principals, such as `omics.amazonaws.com`, for this account's own use of the service",
            absent: Json("[]"),
        }
    }
}

keys! {
    /// The keys of `encryption_configuration`.
    EncryptionKey {
        EncryptionType = "encryption_type" {
            brief: "the kind of encryption",
            absent: Required,
        }
        KmsKey = "kms_key" {
            brief: "full ARN of a key in this Region, no alias; not with `AES256`",
            absent: Words("the key `aws/ecr`"),
        }
    }
}

keys! {
    /// The keys of `secret_from`.
    SourceKey {
        Secret = "secret" {
            brief: "its name or full ARN",
            absent: Required,
        }
        Username = "username" {
            brief: "the user name, where the secret has none; required with `format: text`",
            absent: Words("none"),
        }
        UsernameKey = "username_key" {
            brief: "the key of the user name in the secret's JSON; not with `username`",
            absent: Words("`username`"),
        }
        AccessTokenKey = "access_token_key" {
            brief: "the key of the token in the secret's JSON",
            absent: Words("`accessToken`"),
        }
        Format = "format" {
            brief: "`text`: the whole value is the token, but for a line end after it",
            absent: Json("\"json\""),
        }
    }
}

keys! {
    /// The keys of `only`.
    OnlyKey {
        Accounts = "accounts" {
            brief: "account ids, of 12 digits, in quotes",
            absent: Words("any"),
        }
        Regions = "regions" {
            brief: "names of Regions. One of the right form that this release does not know gets a warning",
            absent: Words("any"),
        }
    }
}

keys! {
    /// The keys of `existing_repositories`.
    ExistingKey {
        Apply = "apply" {
            brief: "what is applied",
            absent: Words("all four"),
        }
        MaxExpiringImages = "max_expiring_images" {
            brief: "hold a lifecycle policy that would expire or archive more than this in a repository",
            absent: Json("0"),
        }
        Include = "include" {
            brief: "at most {MOST_PATTERNS} wildcards over whole repository names, such as `dockerhub/library/*`, of at most {MOST_REPOSITORY} characters",
            absent: Words("all under the prefix"),
        }
        Exclude = "exclude" {
            brief: "the same, for repositories that are left alone",
            absent: Words("none"),
        }
    }
}

impl RegistryKey {
    /// The fields that each registry has for itself.
    pub(crate) const WITHOUT_DEFAULT: [Self; 4] = [
        Self::Registry,
        Self::ExpiresAt,
        Self::Warm,
        Self::UpstreamRepositoryPrefix,
    ];
}

pub(crate) const REGISTRIES: &str = "registries";

/// The keys of the wrapped form.
pub(crate) const FILE_KEYS: &[&str] = FileKey::NAMES;

/// Every field of a registry.
pub(crate) const FIELDS: &[&str] = RegistryKey::NAMES;

/// What the parser is told of the file, so that its messages name the registry and the field.
pub(crate) const HINTS: Hints = Hints {
    registry_on,
    field_without_space,
};

/// The registry that a path of keys leads through, as far as one can tell from the path alone.
pub(crate) fn registry_on(path: &[&str]) -> Option<String> {
    match path {
        ["registries", inner, ..] if !FIELDS.contains(inner) => Some((*inner).to_owned()),
        [name, ..] if !is_file_key(name) || *name == "registries" && path.len() > 1 => Some((*name).to_owned()),
        _ => None,
    }
}

/// Whether a top-level key is one of the wrapped form's own.
fn is_file_key(name: &str) -> bool {
    name.starts_with("x-") || FILE_KEYS.contains(&name)
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
