//! Which rule serves an image, and under which repository.

use std::collections::BTreeSet;

use config::{ROOT, canonical_host};
use ecr_pull_through_sync::account::Rule;

use super::name::Place;

/// The way from a name to a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub repository: String,
    /// The rule that ECR takes: that of the longest prefix.
    pub rule: Option<Served>,
    /// How the name came to the repository.
    pub from: From,
}

/// What a rule serves a repository with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    pub rule: Rule,
    /// The path at the upstream.
    pub path: String,
}

/// How a name came to a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// It was given as one, with or without the registry's host.
    Cache,
    /// By the rule for the name's host and path. `rule` is its prefix, `others` those of further rules that serve the image too.
    Upstream {
        host: String,
        path: String,
        rule: String,
        others: Vec<String>,
    },
}

/// The repository for a name and what serves it; the host, where no rule is for it. `elsewhere` are the prefixes that the
/// file has for other stacks.
pub fn route(place: &Place, rules: &[Rule], elsewhere: &BTreeSet<String>) -> Result<Route, String> {
    match place {
        Place::Ecr(_, repository) => Ok(Route::cache(repository, rules)),
        Place::Bare(path) => {
            let in_cache = Route::cache(path, rules);
            // Docker Hub has no name of three parts. `ROOT` covers every name, which says nothing about what was meant.
            let prefix = path.split_once('/').map_or("", |(first, _)| first);
            let is_meant = path.matches('/').count() > 1
                || elsewhere.contains(prefix)
                || in_cache.rule.as_ref().is_some_and(|served| served.rule.prefix != ROOT);
            if is_meant {
                return Ok(in_cache);
            }
            upstream("docker.io", path, rules)
        }
        Place::Host(host, path) => upstream(host, path, rules),
    }
}

impl Route {
    /// A repository that was named itself.
    fn cache(repository: &str, rules: &[Rule]) -> Self {
        Self {
            repository: repository.to_owned(),
            rule: served(repository, rules),
            from: From::Cache,
        }
    }
}

/// An image by its own name: the rule for its host, of several the one for the narrowest part of the host.
fn upstream(host: &str, path: &str, rules: &[Rule]) -> Result<Route, String> {
    let host = canonical_host(host);
    // Docker adds this where there is no slash, ECR does not.
    let is_docker_hub = host == canonical_host("docker.io");
    let path = match path {
        path if is_docker_hub && !path.contains('/') => format!("library/{path}"),
        path => path.to_owned(),
    };
    let mut serving: Vec<(usize, &Rule, String)> = rules
        .iter()
        .filter(|rule| rule.upstream_url == host)
        .filter_map(|rule| {
            let part = rule.upstream_prefix.as_deref().map(trimmed);
            let rest = match part {
                None => path.as_str(),
                Some(part) => path.strip_prefix(part)?.strip_prefix('/')?,
            };
            let repository = match trimmed(&rule.prefix) {
                ROOT => rest.to_owned(),
                prefix => format!("{prefix}/{rest}"),
            };
            Some((part.map_or(0, str::len), rule, repository))
        })
        .collect();
    serving.sort_by_key(|(length, rule, _)| (std::cmp::Reverse(*length), rule.prefix.clone()));
    let mut serving = serving.into_iter();
    let (_, rule, repository) = serving.next().ok_or_else(|| host.clone())?;
    Ok(Route {
        rule: served(&repository, rules),
        repository,
        from: From::Upstream {
            host,
            path,
            rule: rule.prefix.clone(),
            others: serving.map(|(_, rule, _)| rule.prefix.clone()).collect(),
        },
    })
}

/// What ECR serves a repository with.
fn served(repository: &str, rules: &[Rule]) -> Option<Served> {
    let rule = most_specific(rules, |rule| &rule.prefix, repository)?;
    let rest = match trimmed(&rule.prefix) {
        ROOT => repository,
        prefix => repository.strip_prefix(prefix)?.strip_prefix('/')?,
    };
    let path = match rule.upstream_prefix.as_deref().map(trimmed) {
        None => rest.to_owned(),
        Some(part) => format!("{part}/{rest}"),
    };
    Some(Served {
        rule: rule.clone(),
        path,
    })
}

/// The entry whose prefix is the longest that ends at a slash of the name; `ROOT` covers what no other does.
pub fn most_specific<'a, T>(entries: &'a [T], prefix: impl Fn(&T) -> &str, name: &str) -> Option<&'a T> {
    let length = |entry: &T| match trimmed(prefix(entry)) {
        ROOT => Some(0),
        prefix => name.strip_prefix(prefix)?.starts_with('/').then_some(prefix.len()),
    };
    entries
        .iter()
        .filter_map(|entry| Some((length(entry)?, entry)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, entry)| entry)
}

/// A prefix as ECR takes it: it assumes the slash at the end anyway.
fn trimmed(prefix: &str) -> &str {
    prefix.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(prefix: &str, host: &str, part: Option<&str>) -> Rule {
        Rule {
            prefix: prefix.into(),
            upstream_url: host.into(),
            upstream_prefix: part.map(str::to_owned),
            credential_arn: None,
            custom_role_arn: None,
        }
    }

    #[test]
    fn a_name_comes_to_the_rule_that_serves_it() {
        let hub = "registry-1.docker.io";
        let other = "444455556666.dkr.ecr.eu-west-1.amazonaws.com";
        let rules = [
            rule("hub", hub, None),
            rule("hub2", hub, None),
            rule("hub/acme", "quay.io", None),
            rule("quay/", "quay.io", None),
            rule("team", other, Some("platform")),
            rule("all", other, None),
            rule("ROOT", "public.ecr.aws", None),
        ];
        let found = |text: &str| {
            let image = super::super::name::Image::read(text).map_err(|malformed| malformed.why)?;
            let route = route(&image.place, &rules, &BTreeSet::from(["k8s".to_owned()]))?;
            let served = route
                .rule
                .map(|served| format!("{}/{}", served.rule.upstream_url, served.path));
            Ok::<_, String>(format!("{} {}", route.repository, served.unwrap_or_default()))
        };
        for (text, expected) in [
            ("nginx", "hub/library/nginx registry-1.docker.io/library/nginx"),
            (
                "docker.io/grafana/grafana",
                "hub/grafana/grafana registry-1.docker.io/grafana/grafana",
            ),
            (
                "hub/library/nginx",
                "hub/library/nginx registry-1.docker.io/library/nginx",
            ),
            // Another rule is in the way.
            ("docker.io/acme/x", "hub/acme/x quay.io/x"),
            ("quay.io/a/b", "hub/acme/a/b quay.io/a/b"),
            ("quay/a/b", "quay/a/b quay.io/a/b"),
            ("k8s/pause", "k8s/pause public.ecr.aws/k8s/pause"),
            ("k8s-old/x", "hub/k8s-old/x registry-1.docker.io/k8s-old/x"),
            ("other/a/b", "other/a/b public.ecr.aws/other/a/b"),
            ("public.ecr.aws/x/y", "x/y public.ecr.aws/x/y"),
        ] {
            assert_eq!(found(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(found("ghcr.io/a/b"), Err("ghcr.io".to_owned()));
    }
}
