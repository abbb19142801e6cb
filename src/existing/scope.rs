//! Which registry a repository belongs to. Pure.
//!
//! ECR keeps no record of which rule made a repository, so the name alone decides: what stands under a registry's
//! prefix is the registry's, unless a longer prefix claims it or the file's patterns leave it out.

use std::collections::BTreeMap;

use wildmatch::WildMatch;

use crate::account::Snapshot;
use crate::plan::PULL_THROUGH_CACHE;
use config::{File, ROOT, Registry};

/// Which registry each repository belongs to.
#[derive(Debug)]
pub struct PrefixOwnership<'a> {
    /// By prefix; `None` is a prefix of somebody else, or of a registry whose repositories are left alone.
    prefixes: BTreeMap<&'a str, Option<OwnedPrefix<'a>>>,
}

/// The repositories of one registry.
#[derive(Debug)]
struct OwnedPrefix<'a> {
    registry: &'a Registry,
    include: Vec<WildMatch>,
    exclude: Vec<WildMatch>,
}

impl<'a> PrefixOwnership<'a> {
    /// From the file's registries that `open` lets in, and from the rules and templates of others, whose longer
    /// prefixes win too: ECR itself goes by them.
    pub fn new(file: &'a File, snapshot: &'a Snapshot, open: impl Fn(&str) -> bool) -> Self {
        let rules = snapshot.rules.keys();
        let cached = |t: &&crate::account::Template| t.spec.applied_for.contains(PULL_THROUGH_CACHE);
        let templates = snapshot
            .templates
            .values()
            .filter(cached)
            .map(|template| &template.prefix);
        // ECR assumes a trailing slash where there is none.
        let others = rules
            .chain(templates)
            .map(|prefix| (prefix.trim_end_matches('/'), None));
        let mut prefixes: BTreeMap<&str, Option<OwnedPrefix<'_>>> = others.collect();
        for registry in &file.registries {
            let owned = registry.existing_repositories.as_ref().filter(|_| open(&registry.name));
            let owned = owned.map(|existing| OwnedPrefix {
                registry,
                include: existing.include.iter().map(|pattern| WildMatch::new(pattern)).collect(),
                exclude: existing.exclude.iter().map(|pattern| WildMatch::new(pattern)).collect(),
            });
            prefixes.insert(&registry.name, owned);
        }
        Self { prefixes }
    }

    /// The registries that have repositories to look after.
    pub fn registries(&self) -> impl Iterator<Item = &'a Registry> {
        self.prefixes.values().flatten().map(|owned| owned.registry)
    }

    /// The registry that a repository belongs to, if any: the longest prefix wins, and `ROOT` has what no other
    /// prefix has.
    pub fn of(&self, repository: &str) -> Option<&'a Registry> {
        let parents = repository
            .rmatch_indices('/')
            .filter_map(|(at, _)| repository.get(..at));
        let claimed = parents.chain([ROOT]).find_map(|prefix| self.prefixes.get(prefix))?;
        claimed
            .as_ref()
            .filter(|owned| owned.holds(repository))
            .map(|owned| owned.registry)
    }
}

impl OwnedPrefix<'_> {
    fn holds(&self, repository: &str) -> bool {
        let any = |patterns: &[WildMatch]| patterns.iter().any(|pattern| pattern.matches(repository));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(yaml: &str) -> File {
        config::read(
            yaml.as_bytes(),
            &crate::home::Home::of("123456789012", "eu-west-1").context(),
        )
        .unwrap_or_else(|e| unreachable!("{e}"))
    }

    #[test]
    fn the_longest_prefix_wins_at_a_slash_and_the_root_has_the_rest() {
        let file = file(
            "
quay: {registry: quay.io, existing_repositories: {exclude: [quay/*/test]}}
quay/team: {registry: quay.io, existing_repositories: true}
quay/off: {registry: quay.io}
k8s: {registry: registry.k8s.io, existing_repositories: {include: [k8s/pause]}}
held: {registry: quay.io, existing_repositories: true}
ROOT: {registry: public.ecr.aws, existing_repositories: {include: ['app*', quay]}}
",
        );
        let mut snapshot = Snapshot::default();
        let foreign = crate::account::Rule {
            prefix: "quay/foreign/".into(),
            upstream_url: "quay.io".into(),
            upstream_prefix: None,
            credential_arn: None,
            custom_role_arn: None,
        };
        snapshot.rules.insert(foreign.prefix.clone(), foreign);
        let replication = crate::account::Template {
            prefix: "quay/copies".into(),
            spec: Default::default(),
        };
        snapshot.templates.insert(replication.prefix.clone(), replication);
        let ownership = PrefixOwnership::new(&file, &snapshot, |name| name != "held");
        for (repository, registry) in [
            ("quay/a", Some("quay")),
            ("quay/a/b", Some("quay")),
            ("quay/teams/b", Some("quay")),
            ("quay/team/b", Some("quay/team")),
            ("quay/team/b/c", Some("quay/team")),
            ("quay/off/b", None),
            ("quay/foreign/b", None),
            ("quay/copies/b", Some("quay")),
            ("quay/a/test", None),
            ("quayside/a", None),
            ("quay", Some("ROOT")),
            ("k8s/pause", Some("k8s")),
            ("k8s/pause/more", None),
            ("held/a", None),
            ("app", Some("ROOT")),
            ("apps/api", Some("ROOT")),
            ("other", None),
        ] {
            assert_eq!(
                ownership.of(repository).map(|r| r.name.as_str()),
                registry,
                "{repository}"
            );
        }
    }
}
