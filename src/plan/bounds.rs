//! What the stack lets a file do, whoever has written it. Pure.
//!
//! Who may upload a file is trusted less than who deploys the stack. IAM holds the function to these bounds too where it
//! can; it knows no hosts of rules and no numbers of images, and ECR wants more of whoever writes a template.

use std::collections::BTreeSet;

use wildmatch::WildMatch;

use super::{Action, Resource, Scope, Verdict};
use crate::account::Rule;
use crate::cause::{Cause, Reason};
use crate::home::Home;
use crate::settings::{Bounds, Settings};
use config::arn::Arn;
use config::{Code, File, Problem, ROOT, Registry, Rejected, UpstreamKind};

/// How many accounts a message names.
const MOST_NAMED: usize = 5;

/// Why a registry goes beyond what the stack allows, if it does.
pub(super) fn refusal(
    registry: &Registry,
    rule: Option<&Rule>,
    has_template: bool,
    Scope { home, settings, .. }: Scope<'_>,
) -> Option<Verdict> {
    let refused = |resource, action, message: String| {
        let (id, cause) = (registry.name.clone(), Cause::new(Reason::NOT_ALLOWED, message));
        Some(Verdict::Refused {
            resource,
            action,
            id,
            cause,
        })
    };
    let host = &registry.upstream.host;
    let serves = rule.is_some_and(|rule| rule.upstream_url == *host);
    let is_allowed = settings
        .bounds
        .upstreams
        .as_ref()
        .is_none_or(|allowed| allowed.contains(host));
    if is_bounded(registry) && !is_allowed && !serves {
        let message = format!(
            "the stack does not allow the upstream {host}: whoever deploys it names the host in its parameter \
             AllowedUpstreams (ALLOWED_UPSTREAMS)"
        );
        return refused(
            Resource::Rule,
            if rule.is_some() {
                Action::Replace
            } else {
                Action::Create
            },
            message,
        );
    }
    let readers = settings.bounds.readers.as_ref()?;
    let beyond: BTreeSet<&str> = foreign(registry, home)
        .filter(|account| !readers.contains(*account))
        .collect();
    if beyond.is_empty() {
        return None;
    }
    let named: Vec<&str> = beyond.iter().copied().take(MOST_NAMED).collect();
    let more = if beyond.len() > MOST_NAMED { ", …" } else { "" };
    let message = format!(
        "the stack does not allow repository_read_access_arns to name {}{more}: take them out, or have whoever deploys the \
         stack name them in its parameter AllowedReaders (ALLOWED_READERS)",
        named.join(", ")
    );
    refused(
        Resource::Template,
        if has_template { Action::Update } else { Action::Create },
        message,
    )
}

/// Whether the upstream is a host that anybody could have made, and so has to be allowed.
fn is_bounded(registry: &Registry) -> bool {
    matches!(registry.upstream.kind, UpstreamKind::Azure | UpstreamKind::Unlisted)
}

/// The other accounts that a registry lets pull.
fn foreign<'a>(registry: &'a Registry, home: &'a Home) -> impl Iterator<Item = &'a str> {
    let account = |text: &'a String| Arn::parse(text).map_or(text.as_str(), |arn| arn.account);
    registry
        .read_access
        .iter()
        .map(account)
        .filter(|account| *account != home.account)
}

/// Which repositories may be changed.
pub struct Touchable(Vec<WildMatch>);

impl Touchable {
    /// Those that the stack names.
    pub fn of(bounds: &Bounds) -> Self {
        Self(
            bounds
                .repositories
                .iter()
                .map(|pattern| WildMatch::new(pattern))
                .collect(),
        )
    }

    /// Whether a repository of a registry may be changed.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, registry: &str, repository: &str) -> Result<(), Cause> {
        if self.0.iter().any(|pattern| pattern.matches(repository)) {
            return Ok(());
        }
        let pattern = if registry == ROOT {
            repository.to_owned()
        } else {
            format!("{registry}/*")
        };
        let message = format!(
            "the stack does not allow a file to change this repository: whoever deploys it names it, or a pattern such as \
             {pattern}, in its parameter ExistingRepositories (EXISTING_REPOSITORIES)"
        );
        Err(Cause::new(Reason::NOT_ALLOWED, message))
    }
}

/// Why a lifecycle policy is held that the file allows to take so many images, and the stack does not.
pub fn too_many_expire(would: &str, most: u32, bound: u32) -> Cause {
    let message = format!(
        "{would}; the file allows {most}, but the stack only {bound}: MaxExpiringImages (MAX_EXPIRING_IMAGES) is the \
         parameter for whoever deploys it"
    );
    Cause::new(Reason::NOT_ALLOWED, message)
}

/// What becomes of a file that is not encrypted.
///
/// # Errors
/// What is wrong with it, and that it is not encrypted where it must be.
pub fn plain(read: Result<File, Rejected>, settings: &Settings) -> Result<File, Rejected> {
    if !settings.bounds.require_sops {
        return read;
    }
    let (mut errors, warnings) = match read {
        Ok(file) => (Vec::new(), file.warnings),
        Err(rejected) => (rejected.errors, rejected.warnings),
    };
    let message = "the file is not encrypted, and the stack takes encrypted files alone: encrypt it with `sops encrypt \
                   --in-place registries.yaml`, or have whoever deploys the stack turn its parameter RequireSops \
                   (REQUIRE_SOPS) off";
    errors.insert(0, Problem::unplaced(Code::NOT_ENCRYPTED, None, message));
    Err(Rejected { errors, warnings })
}

/// Where the stack is not known: which of its bounds this file may go beyond.
pub fn unchecked(file: &File, is_sealed: bool, home: &Home, settings: &Settings) -> Option<Problem> {
    let any = |fits: &dyn Fn(&Registry) -> bool| file.registries.iter().any(fits);
    let expires = |registry: &Registry| registry.existing_repositories.as_ref().map(|e| e.max_expiring_images);
    let may = |variable: &&str| match *variable {
        "ALLOWED_UPSTREAMS" => any(&is_bounded),
        "ALLOWED_READERS" => any(&|registry| foreign(registry, home).next().is_some()),
        "EXISTING_REPOSITORIES" => any(&|registry| registry.existing_repositories.is_some()),
        "WARM_IMAGES" => any(&|registry| !registry.warm.is_empty()),
        "MAX_EXPIRING_IMAGES" => any(&|registry| expires(registry).is_some_and(|most| most > 0)),
        _ => !is_sealed,
    };
    let names: Vec<&str> = settings.bounds.unknown.iter().copied().filter(may).collect();
    (!names.is_empty()).then(|| {
        Problem::unplaced(Code::BOUNDS_NOT_CHECKED, None, format!(
            "the stack is not known, and so it was not checked whether it allows what the file does: {} (--stack names it)",
            names.join(", ")
        ))
    })
}
