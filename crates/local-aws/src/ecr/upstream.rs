//! The upstream registries ECR supports, what each takes as a credential, and which credentials are good.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{LazyLock, Mutex};

use regex::Regex;

use crate::lock::lock;

/// What a host takes as proof of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Public images only; a credential is refused.
    Nothing,
    /// A Secrets Manager secret, always.
    Secret,
    /// Another private ECR: a role for another account, nothing for the own one.
    Role,
}

/// A supported upstream registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upstream {
    /// The value of AWS's `UpstreamRegistry` enumeration.
    pub name: &'static str,
    pub takes: Takes,
}

const FIXED: [(&str, &str, Takes); 7] = [
    ("public.ecr.aws", "ecr-public", Takes::Nothing),
    ("registry.k8s.io", "k8s", Takes::Nothing),
    ("quay.io", "quay", Takes::Nothing),
    ("registry-1.docker.io", "docker-hub", Takes::Secret),
    ("ghcr.io", "github-container-registry", Takes::Secret),
    ("registry.gitlab.com", "gitlab-container-registry", Takes::Secret),
    ("cgr.dev", "chainguard", Takes::Secret),
];

static AZURE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[a-z0-9]+(-[a-z0-9]+)*\.azurecr\.io$").ok());
static PRIVATE_ECR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com$").ok());

/// The upstream behind a host. Only the exact host counts: lower case, no scheme, no path, no slash at the end.
pub(super) fn of(host: &str) -> Option<Upstream> {
    if let Some((_, name, takes)) = FIXED.into_iter().find(|(fixed, ..)| *fixed == host) {
        return Some(Upstream { name, takes });
    }
    if AZURE.as_ref().is_some_and(|azure| azure.is_match(host)) {
        return Some(Upstream {
            name: "azure-container-registry",
            takes: Takes::Secret,
        });
    }
    private_ecr_account(host).map(|_| Upstream {
        name: "ecr",
        takes: Takes::Role,
    })
}

/// The account of a private ECR host.
pub(super) fn private_ecr_account(host: &str) -> Option<&str> {
    PRIVATE_ECR
        .as_ref()?
        .captures(host)?
        .get(1)
        .map(|account| account.as_str())
}

/// Which credentials the upstream registries accept. Empty at first: every credential is refused.
/// It has no `Debug` on purpose, so that no failed assertion prints a token.
#[derive(Default)]
pub struct Upstreams {
    good: HashSet<[String; 3]>,
    /// Hosts that judge no credential, and the text that ECR gives then.
    silent: BTreeMap<String, String>,
    /// Images that a host does not give, by host and path with tag, and ECR's code for why.
    failing: BTreeMap<[String; 2], String>,
    /// How often a tag has moved at a host, by host and path with tag.
    moves: BTreeMap<[String; 2], u32>,
    /// Every credential that a host was shown, by a proof or a pull: host, user, token.
    shown: Mutex<BTreeSet<[String; 3]>>,
}

impl Upstreams {
    /// From now on `host` accepts this user with this token.
    pub fn accept(&mut self, host: &str, user: &str, token: &str) {
        self.good.insert([host, user, token].map(str::to_owned));
    }

    /// From now on `host` refuses this user with this token, as after the token ran out.
    pub fn refuse(&mut self, host: &str, user: &str, token: &str) {
        self.good.remove(&[host, user, token].map(str::to_owned));
    }

    /// From now on every sign-in at `host` fails with this text, whatever the credential; with `None` no more.
    pub fn say(&mut self, host: &str, text: Option<&str>) {
        match text {
            Some(text) => _ = self.silent.insert(host.to_owned(), text.to_owned()),
            None => _ = self.silent.remove(host),
        }
    }

    /// From now on `host` does not give the image of this name; ECR's code for it is one of `ImageFailureCode`.
    pub fn fail(&mut self, host: &str, image: &str, code: &str) {
        self.failing.insert([host, image].map(str::to_owned), code.to_owned());
    }

    /// From now on `host` gives another image under this name with tag.
    pub fn move_tag(&mut self, host: &str, image: &str) {
        *self.moves.entry([host, image].map(str::to_owned)).or_default() += 1;
    }

    /// How often the tag of this image has moved.
    pub(super) fn moves(&self, host: &str, image: &str) -> u32 {
        self.moves
            .get(&[host, image].map(str::to_owned))
            .copied()
            .unwrap_or_default()
    }

    /// Why `host` does not give an image.
    pub(super) fn failure(&self, host: &str, image: &str) -> Option<&str> {
        self.failing.get(&[host, image].map(str::to_owned)).map(String::as_str)
    }

    /// Every credential that a host was shown: host, user, token.
    pub fn shown(&self) -> BTreeSet<[String; 3]> {
        lock(&self.shown).clone()
    }

    /// Signs in at a host, which sees the credential whether it accepts it or not.
    pub(super) fn sign_in(&self, host: &str, user: &str, token: &str) -> Result<(), String> {
        lock(&self.shown).insert([host, user, token].map(str::to_owned));
        if let Some(text) = self.silent.get(host) {
            return Err(text.clone());
        }
        if self.good.contains(&[host, user, token].map(str::to_owned)) {
            return Ok(());
        }
        // Never the token, and not the user either: the text ends up in logs.
        Err(format!(
            "The upstream registry {host} refused the credentials: 401 Unauthorized."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Takes, of};

    #[test]
    fn hosts() {
        let table = [
            ("public.ecr.aws", Some(("ecr-public", Takes::Nothing))),
            ("registry.k8s.io", Some(("k8s", Takes::Nothing))),
            ("quay.io", Some(("quay", Takes::Nothing))),
            ("registry-1.docker.io", Some(("docker-hub", Takes::Secret))),
            ("ghcr.io", Some(("github-container-registry", Takes::Secret))),
            (
                "registry.gitlab.com",
                Some(("gitlab-container-registry", Takes::Secret)),
            ),
            ("cgr.dev", Some(("chainguard", Takes::Secret))),
            ("corp.azurecr.io", Some(("azure-container-registry", Takes::Secret))),
            (
                "222233334444.dkr.ecr.us-east-1.amazonaws.com",
                Some(("ecr", Takes::Role)),
            ),
            ("docker.io", None),
            ("Registry-1.docker.io", None),
            ("https://quay.io", None),
            ("quay.io/", None),
            ("quay.io/org", None),
            ("gitlab.example.com", None),
            (".azurecr.io", None),
            ("a.b.azurecr.io", None),
            ("22223333444.dkr.ecr.us-east-1.amazonaws.com", None),
            ("gcr.io", None),
            ("mcr.microsoft.com", None),
            ("", None),
        ];
        for (host, expected) in table {
            assert_eq!(
                of(host).map(|upstream| (upstream.name, upstream.takes)),
                expected,
                "{host}"
            );
        }
    }
}
