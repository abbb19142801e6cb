//! The upstream registries that ECR can cache ("Sync an upstream registry with an Amazon ECR private registry").
//!
//! What ECR knows is one table; a host that it learns is one line more.

use serde_json::{Value, json};

use crate::diagnostics::code::Code;
use crate::diagnostics::problem::shown;
use crate::diagnostics::suggest::nearest;
use crate::diagnostics::tokens::is_mere_word;
use crate::model::arn::{REGION, is_account, is_region};
use crate::model::context::Context;

enum Host {
    Exact(&'static str),
    /// A name in front of this.
    Under(&'static str),
    /// `<account>.dkr.ecr.<region>.amazonaws.com`.
    PrivateEcr,
}

/// Everything ECR knows: the host, what the ECR API calls it, and what credential it takes.
const TABLE: &[(Host, UpstreamKind, &str, CredentialNeed)] = {
    use CredentialNeed::{Forbidden, Required, RoleOptional};
    &[
        (
            Host::Exact("registry-1.docker.io"),
            UpstreamKind::DockerHub,
            "docker-hub",
            Required,
        ),
        (
            Host::Exact("ghcr.io"),
            UpstreamKind::GitHub,
            "github-container-registry",
            Required,
        ),
        (
            Host::Exact("registry.gitlab.com"),
            UpstreamKind::GitLab,
            "gitlab-container-registry",
            Required,
        ),
        (Host::Exact("cgr.dev"), UpstreamKind::Chainguard, "chainguard", Required),
        (
            Host::Under(".azurecr.io"),
            UpstreamKind::Azure,
            "azure-container-registry",
            Required,
        ),
        (
            Host::Exact("public.ecr.aws"),
            UpstreamKind::EcrPublic,
            "ecr-public",
            Forbidden,
        ),
        (
            Host::Exact("registry.k8s.io"),
            UpstreamKind::Kubernetes,
            "k8s",
            Forbidden,
        ),
        (Host::Exact("quay.io"), UpstreamKind::Quay, "quay", Forbidden),
        (Host::PrivateEcr, UpstreamKind::Ecr, "ecr", RoleOptional),
    ]
};

/// Names of hosts that mean another one. The first two are taken as they are meant; the others are errors that say so.
const OTHER_HOSTS: &[(&str, &str)] = &[
    ("docker.io", DOCKER_HUB),
    ("index.docker.io", DOCKER_HUB),
    ("registry.docker.io", DOCKER_HUB),
    ("hub.docker.com", DOCKER_HUB),
    ("docker.com", DOCKER_HUB),
    ("docker.pkg.github.com", "ghcr.io"),
    ("github.com", "ghcr.io"),
    ("gitlab.com", "registry.gitlab.com"),
    ("k8s.gcr.io", "registry.k8s.io"),
    ("gallery.ecr.aws", "public.ecr.aws"),
];

/// Hosts that are easily taken for one of the table, and what they are.
const UNSUPPORTED: &[(&str, &str)] = &[(
    "dhi.io",
    "Docker Hardened Images: a registry of its own, not Docker Hub",
)];

const DOCKER_HUB: &str = "registry-1.docker.io";

/// The two names under which Docker itself knows Docker Hub.
const ALSO_DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];

/// A host as ECR wants it: the names under which Docker knows Docker Hub are read as in the file.
#[must_use]
pub fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if ALSO_DOCKER_HUB.contains(&host.as_str()) {
        DOCKER_HUB.to_owned()
    } else {
        host
    }
}

/// What an upstream wants to know of who is pulling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialNeed {
    /// A secret, or ECR refuses the rule.
    Required,
    /// None, or ECR refuses the rule.
    Forbidden,
    /// Never a secret; a role, for another account's registry.
    RoleOptional,
    /// We do not know: the host is not in our list.
    Optional,
}

/// The upstream registries of the ECR API's `UpstreamRegistry`, and one for hosts that it may learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpstreamKind {
    DockerHub,
    GitHub,
    GitLab,
    Chainguard,
    Azure,
    EcrPublic,
    Kubernetes,
    Quay,
    /// Another private ECR registry.
    Ecr,
    /// A host that is not in our list.
    Unlisted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The host, as ECR wants it.
    pub host: String,
    pub kind: UpstreamKind,
}

impl Upstream {
    /// What credential the upstream takes.
    #[must_use]
    pub fn needs(&self) -> CredentialNeed {
        self.kind.needs()
    }
}

impl UpstreamKind {
    /// What credential an upstream of this kind takes.
    #[must_use]
    pub fn needs(self) -> CredentialNeed {
        TABLE
            .iter()
            .find(|(_, kind, ..)| *kind == self)
            .map_or(CredentialNeed::Optional, |(.., need)| *need)
    }

    /// What the ECR API calls it (`UpstreamRegistry`); nothing for a host that is not in our list.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        TABLE
            .iter()
            .find(|(_, kind, ..)| *kind == self)
            .map(|(_, _, word, _)| *word)
    }
}

impl Upstream {
    /// The account and the Region of an upstream that is a private ECR registry.
    #[must_use]
    pub fn ecr_account_and_region(&self) -> Option<(&str, &str)> {
        private_ecr(&self.host)
    }
}

/// The hosts of the table, for the schema and the reference: how they are written, what that is as a schema, and what
/// credential they take.
pub(crate) fn hosts() -> impl Iterator<Item = (Vec<String>, Value, CredentialNeed)> {
    TABLE.iter().map(|(host, .., need)| {
        let names = match host {
            Host::Exact(name @ DOCKER_HUB) => [*name]
                .into_iter()
                .chain(ALSO_DOCKER_HUB)
                .map(ToOwned::to_owned)
                .collect(),
            Host::Exact(name) => vec![(*name).to_owned()],
            Host::Under(end) => vec![format!("<name>{end}")],
            Host::PrivateEcr => vec!["<account>.dkr.ecr.<region>.amazonaws.com".to_owned()],
        };
        let pattern = match host {
            Host::Exact(_) => None,
            Host::Under(end) => Some(format!("^{LABEL}{}$", end.replace('.', r"\."))),
            Host::PrivateEcr => Some(format!(r"^[0-9]{{12}}\.dkr\.ecr\.{REGION}\.amazonaws\.com$")),
        };
        let schema = match pattern {
            None => json!({ "enum": names }),
            Some(pattern) => json!({"type": "string", "maxLength": MOST_HOST, "pattern": pattern}),
        };
        (names, schema, *need)
    })
}

/// The hosts that ECR caches and that have no name of yours in them, for a question.
pub fn listed() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter_map(|(host, ..)| match host {
        Host::Exact(name) => Some(*name),
        _ => None,
    })
}

/// A part of a host name, as [`is_label`] checks it.
const LABEL: &str = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

/// Any host with a dot in it, as [`is_host`] checks it, as a schema.
pub(crate) fn any_host() -> Value {
    json!({"type": "string", "maxLength": MOST_HOST, "pattern": format!(r"^{LABEL}(\.{LABEL})+$")})
}

/// The longest name of a host (RFC 1123).
const MOST_HOST: usize = 253;

/// Reads the value of `registry`.
///
/// # Errors
///
/// What is wrong with it and what to write instead.
pub fn parse(text: &str, allow_unlisted: bool, context: &Context) -> Result<Upstream, (Code, String)> {
    let no_host = |fault: String| Err((Code::NOT_A_HOST, fault));
    // Who writes a user name into a URL writes a token there too: such a text is not repeated.
    if text.contains('@') {
        return no_host("`registry` is the host alone, but there is an `@` in it; write the credential under `username` and `accessToken`".to_owned());
    }
    let host = bare_host(text);
    if host.is_empty() {
        return no_host(format!(
            "`registry` is the host of the upstream, such as `{DOCKER_HUB}`, but it is empty"
        ));
    }
    let meant = OTHER_HOSTS
        .iter()
        .find(|(other, _)| *other == host)
        .map_or_else(|| host.clone(), |(_, meant)| (*meant).to_owned());
    if host != text && is_host(&host) {
        return no_host(format!(
            "`registry` is the host alone, {}; write {}",
            extra(text),
            shown(&meant)
        ));
    }
    let host = if ALSO_DOCKER_HUB.contains(&text) {
        meant.clone()
    } else {
        host
    };
    if let Some(kind) = kind_of_host(&host) {
        if private_ecr(&host).is_some_and(|(account, region)| {
            (Some(account), Some(region)) == (context.account.as_deref(), context.region.as_deref())
        }) {
            let fault = format!(
                "{} is this very registry; an upstream is another account's, or another Region's",
                shown(&host)
            );
            return Err((Code::OWN_REGISTRY, fault));
        }
        return Ok(Upstream { host, kind });
    }
    if !is_host(&host) {
        // Without a dot, it may be anything that was meant for another place.
        let is_shown = text.contains('.') || is_mere_word(text);
        let what = if is_shown {
            shown(text)
        } else {
            "what stands here".to_owned()
        };
        return no_host(format!("{what} is no host name; write one such as `{DOCKER_HUB}`"));
    }
    if allow_unlisted {
        return Ok(Upstream {
            host,
            kind: UpstreamKind::Unlisted,
        });
    }
    Err((Code::UNSUPPORTED_HOST, unsupported(&host, &meant)))
}

/// What a host is, if ECR can cache it.
#[must_use]
pub fn kind_of_host(host: &str) -> Option<UpstreamKind> {
    TABLE
        .iter()
        .find(|(known, ..)| known.is(host))
        .map(|(_, kind, ..)| *kind)
}

/// Why ECR cannot cache images of a host, and which hosts it can; `None` where it can.
#[must_use]
pub fn uncacheable(host: &str) -> Option<String> {
    let host = canonical_host(host);
    let meant = OTHER_HOSTS.iter().find(|(other, _)| *other == host);
    kind_of_host(&host)
        .is_none()
        .then(|| unsupported(&host, meant.map_or(&host, |(_, meant)| meant)))
}

/// The host in whatever somebody wrote: no scheme, path, port or space, lower case.
fn bare_host(text: &str) -> String {
    let text = text.trim();
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.trim_end_matches('.').to_lowercase()
}

/// What somebody wrote beside the host.
fn extra(text: &str) -> &'static str {
    if text.trim() != text {
        "without spaces around it"
    } else if text.contains("://") {
        "without a scheme or a path"
    } else if text.contains('/') {
        "without a `/` or a path"
    } else if text.contains(':') {
        "without a port"
    } else if text.ends_with('.') {
        "without a `.` at the end"
    } else {
        "in lower case"
    }
}

fn unsupported(host: &str, meant: &str) -> String {
    let exact: Vec<&str> = TABLE
        .iter()
        .filter_map(|(host, ..)| match host {
            Host::Exact(host) => Some(*host),
            _ => None,
        })
        .collect();
    let known: Vec<&str> = exact.iter().copied().chain(["docker.io"]).collect();
    let hint = match nearest(host, &known) {
        _ if meant != host => format!("did you mean `{meant}`? "),
        Some(near) => format!("did you mean `{near}`? "),
        None => String::new(),
    };
    let what = UNSUPPORTED.iter().find(|(other, _)| *other == host);
    let what = what.map_or_else(String::new, |(_, what)| format!(" ({what})"));
    format!(
        "ECR cannot cache {}{what}; {hint}it can cache {}, and of others `<name>.azurecr.io` and `<account>.dkr.ecr.<region>.amazonaws.com` \
         (if ECR has learned a new host since, write `allow_unlisted_upstream: true`)",
        shown(host),
        exact
            .iter()
            .map(|host| format!("`{host}`"))
            .collect::<Vec<_>>()
            .join(", "),
    )
}

impl Host {
    fn is(&self, host: &str) -> bool {
        match self {
            Self::Exact(known) => *known == host,
            Self::Under(end) => host
                .strip_suffix(end)
                .is_some_and(|name| !name.contains('.') && is_label(name)),
            Self::PrivateEcr => private_ecr(host).is_some(),
        }
    }
}

/// The account and Region in `<account>.dkr.ecr.<region>.amazonaws.com`.
fn private_ecr(host: &str) -> Option<(&str, &str)> {
    let (account, region) = host.strip_suffix(".amazonaws.com")?.split_once(".dkr.ecr.")?;
    (is_account(account) && is_region(region)).then_some((account, region))
}

/// Whether a text is a host name with a dot in it (RFC 1123).
pub fn is_host(text: &str) -> bool {
    text.len() <= MOST_HOST && text.contains('.') && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            account: Some("111122223333".into()),
            region: Some("eu-central-1".into()),
            partition: "aws".into(),
            template_role: false,
            resource_tags: Default::default(),
        }
    }

    #[test]
    fn every_host_of_the_table_is_known() {
        for (host, kind, need) in [
            (
                "registry-1.docker.io",
                UpstreamKind::DockerHub,
                CredentialNeed::Required,
            ),
            ("ghcr.io", UpstreamKind::GitHub, CredentialNeed::Required),
            ("registry.gitlab.com", UpstreamKind::GitLab, CredentialNeed::Required),
            ("cgr.dev", UpstreamKind::Chainguard, CredentialNeed::Required),
            ("acme.azurecr.io", UpstreamKind::Azure, CredentialNeed::Required),
            ("public.ecr.aws", UpstreamKind::EcrPublic, CredentialNeed::Forbidden),
            ("registry.k8s.io", UpstreamKind::Kubernetes, CredentialNeed::Forbidden),
            ("quay.io", UpstreamKind::Quay, CredentialNeed::Forbidden),
            (
                "444455556666.dkr.ecr.us-east-1.amazonaws.com",
                UpstreamKind::Ecr,
                CredentialNeed::RoleOptional,
            ),
            (
                "111122223333.dkr.ecr.us-east-1.amazonaws.com",
                UpstreamKind::Ecr,
                CredentialNeed::RoleOptional,
            ),
        ] {
            let upstream = parse(host, false, &context()).unwrap();
            assert_eq!(
                (upstream.host.as_str(), upstream.kind, upstream.needs()),
                (host, kind, need)
            );
        }
    }

    #[test]
    fn docker_hub_has_two_more_names() {
        for name in ["docker.io", "index.docker.io"] {
            assert_eq!(parse(name, false, &context()).unwrap().host, "registry-1.docker.io");
        }
    }

    #[test]
    fn what_to_write_instead_is_said() {
        for (text, part) in [
            (
                "https://registry-1.docker.io/v2/",
                "without a scheme or a path; write `registry-1.docker.io`",
            ),
            ("https://docker.io", "write `registry-1.docker.io`"),
            ("ghcr.io/acme", "without a `/` or a path; write `ghcr.io`"),
            ("ghcr.io:443", "without a port; write `ghcr.io`"),
            ("GHCR.io", "in lower case; write `ghcr.io`"),
            ("gcr.io", "ECR cannot cache `gcr.io`; did you mean `ghcr.io`?"),
            ("hub.docker.com", "did you mean `registry-1.docker.io`?"),
            ("k8s.gcr.io", "did you mean `registry.k8s.io`?"),
            ("mcr.microsoft.com", "it can cache `registry-1.docker.io`"),
            ("111122223333.dkr.ecr.eu-central-1.amazonaws.com", "this very registry"),
            ("bob:hunter2@ghcr.io", "there is an `@` in it"),
            ("a b", "is no host name"),
            ("localhost", "is no host name"),
            ("a.b.azurecr.io", "ECR cannot cache"),
            ("444455556666.dkr.ecr.cn-north-1.amazonaws.com.cn", "ECR cannot cache"),
        ] {
            let (_, fault) = parse(text, false, &context()).unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
            assert!(!fault.contains("hunter2"));
        }
    }

    #[test]
    fn an_unlisted_host_can_be_let_pass() {
        assert_eq!(
            parse("new.example.com", true, &context()).unwrap().kind,
            UpstreamKind::Unlisted
        );
        assert_eq!(parse("quay.io", true, &context()).unwrap().kind, UpstreamKind::Quay);
        assert!(parse("https://new.example.com", true, &context()).is_err());
        assert!(parse("not a host", true, &context()).is_err());
    }
}
