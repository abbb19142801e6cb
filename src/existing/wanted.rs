//! What the file wants of repositories that exist already, and what of one differs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::account::Repository;
use crate::cause::{Cause, Reason};
use crate::home::Home;
use crate::policy::{repository_policy, same_lifecycle, same_policy};
use config::{ExistingRepositories, Registry, Setting};

/// The most tags of a repository (ECR quotas; TooManyTagsException).
const MOST_TAGS: usize = 50;

/// What the repositories of a registry are to say, as far as the file wants it applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The text of the lifecycle policy. None also where the file says `none`: nothing tells who has put the one a
    /// repository has, so it is never taken away.
    pub lifecycle_policy: Option<String>,
    pub repository_policy: Option<String>,
    /// AWS's word for the mutability, and the wildcards that go with it.
    pub mutability: Option<(&'static str, BTreeSet<String>)>,
    /// The tags that are to be there; others may be there too.
    pub tags: BTreeMap<String, String>,
    /// How many images a lifecycle policy may expire or archive in one repository.
    pub max_expiring_images: u32,
    partition: String,
}

impl Wanted {
    /// What `registry` wants of its repositories.
    pub fn of(registry: &Registry, existing: &ExistingRepositories, home: &Home) -> Self {
        let applies = |setting| existing.apply.contains(&setting);
        let filters = || registry.mutability.filters().iter().cloned().collect();
        let lifecycle = registry
            .lifecycle
            .as_ref()
            .filter(|_| applies(Setting::LifecyclePolicy));
        Self {
            lifecycle_policy: lifecycle.map(|policy| policy.to_json()),
            repository_policy: applies(Setting::RepositoryPolicy)
                .then(|| repository_policy(home, &registry.read_access)),
            mutability: applies(Setting::ImageTagMutability).then(|| (registry.mutability.as_str(), filters())),
            tags: if applies(Setting::Tags) {
                registry.tags.clone()
            } else {
                BTreeMap::new()
            },
            max_expiring_images: existing.max_expiring_images,
            partition: home.partition.clone(),
        }
    }

    /// Whether a repository with this lifecycle policy is to get ours.
    pub fn differs_in_lifecycle(&self, have: Option<&str>) -> bool {
        self.lifecycle_policy
            .as_ref()
            .is_some_and(|want| have.is_none_or(|have| !same_lifecycle(want, have)))
    }

    /// Whether a repository with this policy is to get ours.
    pub fn differs_in_policy(&self, have: Option<&str>) -> bool {
        let same = |want: &str, have: &str| same_policy(want, have, &self.partition);
        self.repository_policy
            .as_ref()
            .is_some_and(|want| have.is_none_or(|have| !same(want, have)))
    }

    /// Whether the mutability of a repository is to be changed.
    pub fn differs_in_mutability(&self, have: &Repository) -> bool {
        let want = self.mutability.as_ref();
        want.is_some_and(|(word, filters)| *word != have.mutability || *filters != have.exclusion_filters)
    }

    /// The mutability that a repository has, to be shown, where it is to be changed.
    pub fn shown_mutability(have: &Repository) -> Value {
        mutability_in_form(&have.mutability, &have.exclusion_filters)
    }

    pub fn mutability_to_be(&self) -> Value {
        self.mutability
            .as_ref()
            .map_or(Value::Null, |(word, filters)| mutability_in_form(word, filters))
    }

    /// The tags that a repository lacks or has with another value.
    ///
    /// # Errors
    /// When they do not fit beside those it has.
    pub fn missing_tags(&self, have: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Cause> {
        let missing = self.tags.iter().filter(|(key, value)| have.get(*key) != Some(*value));
        let missing: BTreeMap<String, String> = missing.map(|(key, value)| (key.clone(), value.clone())).collect();
        let new = missing.keys().filter(|key| !have.contains_key(*key)).count();
        if have.len() + new > MOST_TAGS {
            let message = format!(
                "the repository has {} tags, and {new} more would make it more than the {MOST_TAGS} that ECR allows: \
                 remove some",
                have.len()
            );
            return Err(Cause::new(Reason::TOO_MANY_TAGS, message));
        }
        Ok(missing)
    }
}

fn mutability_in_form(word: &str, filters: &BTreeSet<String>) -> Value {
    if filters.is_empty() {
        word.into()
    } else {
        json!({"mutability": word, "exclusion_filters": filters})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::File;

    fn file(yaml: &str) -> File {
        config::read(
            yaml.as_bytes(),
            &crate::home::Home::of("123456789012", "eu-west-1").context(),
        )
        .unwrap_or_else(|e| unreachable!("{e}"))
    }

    fn home() -> Home {
        Home::of("123456789012", "eu-west-1")
    }

    #[test]
    fn only_what_the_file_wants_applied_can_differ() {
        let file = file(
            "
quay: {registry: quay.io, lifecycle_policy: none, existing_repositories: true}
k8s: {registry: registry.k8s.io, tags: {a: '1', b: '2'}, existing_repositories: {apply: [tags]}}
",
        );
        let [quay, k8s] = [0, 1].map(|n| {
            let registry = file.registries.get(n).unwrap_or_else(|| unreachable!());
            Wanted::of(
                registry,
                &registry.existing_repositories.clone().unwrap_or_default(),
                &home(),
            )
        });
        assert!(!quay.differs_in_lifecycle(None) && !quay.differs_in_lifecycle(Some("{}")));
        assert!(quay.differs_in_policy(None));
        let repository = |mutability: &str| Repository {
            name: "quay/a".into(),
            mutability: mutability.into(),
            exclusion_filters: BTreeSet::new(),
        };
        assert!(quay.differs_in_mutability(&repository("IMMUTABLE")));
        assert!(!quay.differs_in_mutability(&repository("MUTABLE")));
        assert!(!k8s.differs_in_policy(None) && !k8s.differs_in_mutability(&repository("IMMUTABLE")));
        let have = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(
            k8s.missing_tags(&have(&[("a", "1"), ("b", "3"), ("c", "4")])),
            Ok(have(&[("b", "2")]))
        );
        let many: BTreeMap<String, String> = (0..49).map(|n| (format!("t{n}"), String::new())).collect();
        assert!(
            k8s.missing_tags(&many)
                .is_err_and(|cause| cause.message.contains("49 tags"))
        );
    }
}
