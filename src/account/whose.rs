//! Which secret is a registry's: by the rule that points to it, its name, its owner, and the hosts its values are for.

use std::collections::{BTreeMap, BTreeSet};

use super::details::with_details;
use super::secrets::{Binding, CONFIGURED, CURRENT, UNBOUND};
use super::{AwsError, ListedSecret, Reader, Rule, Secret, SecretState, Snapshot, SourceState, VersionValue};
use crate::ownership::{Owner, hosts_of_secret, registry_of_secret, secret_name, secret_name_at};
use crate::settings::Settings;
use config::{CredentialSource, File, Registry};

/// More names than a registry's secrets have, each made after the one before went along with another registry.
const MOST_NAMES: usize = 10;

/// Which secrets the file and the rules of the account speak for.
pub(super) struct Claims<'a> {
    rules: &'a BTreeMap<String, Rule>,
    /// Secrets with an owner tag, as they were listed some minutes ago.
    tagged: &'a [ListedSecret],
    /// Prefixes with our mark.
    marked: BTreeSet<&'a str>,
    /// Registries of the file, and their hosts.
    named: BTreeMap<&'a str, &'a str>,
    /// Names and ARNs under `secret:`.
    referenced: BTreeSet<&'a str>,
    /// Registries whose credential goes into a secret of our own, and their hosts.
    giving: BTreeMap<&'a str, &'a str>,
    settings: &'a Settings,
}

impl<'a> Claims<'a> {
    pub(super) fn of(file: &'a File, snapshot: &'a Snapshot, settings: &'a Settings) -> Self {
        let (mut referenced, mut giving, mut named) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for registry in &file.registries {
            let (name, host) = (registry.name.as_str(), registry.upstream.host.as_str());
            named.insert(name, host);
            match &registry.credential {
                CredentialSource::Secret(id) => _ = referenced.insert(id.as_str()),
                CredentialSource::Given(_) | CredentialSource::From(_) => _ = giving.insert(name, host),
                CredentialSource::None => {}
            }
        }
        let templates = snapshot.templates.values();
        let marked = templates.filter(|template| Owner::of_template(&template.spec.description, settings).is_ours());
        Self {
            rules: &snapshot.rules,
            tagged: &snapshot.tagged,
            marked: marked.map(|template| template.prefix.as_str()).collect(),
            named,
            referenced,
            giving,
            settings,
        }
    }

    /// The secret that the registry's rule points to.
    pub(super) fn pointed_to(&self, registry: &Registry) -> Option<&'a str> {
        self.rules.get(&registry.name)?.credential_arn.as_deref()
    }

    fn users(&self, secret: &Secret) -> impl Iterator<Item = &'a Rule> {
        let arn = secret.arn.clone();
        self.rules
            .values()
            .filter(move |rule| rule.credential_arn.as_deref() == Some(arn.as_str()))
    }

    fn references(&self, secret: &Secret) -> bool {
        self.referenced.contains(secret.name.as_str()) || self.referenced.contains(secret.arn.as_str())
    }

    /// What shows that an own secret's values are for this host. `None`: they are for another.
    fn binding(&self, secret: &Secret, host: &str) -> Option<Binding> {
        let hosts: BTreeSet<&str> = self.users(secret).map(|rule| rule.upstream_url.as_str()).collect();
        if let Some(tagged) = hosts_of_secret(&secret.tags) {
            // The run that put the tag on came no further: nothing uses what the secret held before. Under a rule it is
            // somebody's choice.
            let is_unbound = |current| secret.carries(current, UNBOUND);
            let is_unfinished = hosts.is_empty() && secret.holder(CURRENT).is_some_and(is_unbound);
            let binding = if is_unfinished { Binding::Nothing } else { Binding::Tag };
            return tagged.contains(host).then_some(binding);
        }
        match (hosts.is_empty(), hosts.contains(host)) {
            (true, _) => Some(Binding::Nothing),
            (_, true) => Some(Binding::Rule),
            (_, false) => None,
        }
    }

    /// Somebody else's rule that points to an own secret of `registry`: what is written to it would be pulled with there.
    fn foreign_rule(&self, secret: &Secret, registry: &str) -> Option<String> {
        let prefixes = self.users(secret).map(|rule| rule.prefix.as_str());
        let mut foreign = prefixes
            .filter(|prefix| *prefix != registry && !self.named.contains_key(prefix) && !self.marked.contains(prefix));
        foreign.next().map(str::to_owned)
    }

    /// Whether an own secret is that of another registry of the file: two must not write one in turn. It is the one's whose
    /// rule points to it, at the host that the file gives; else the one's whose name it bears, if it is for that one's host.
    fn is_anothers(&self, secret: &Secret, registry: &str) -> bool {
        let keeps = |rule: &&Rule| self.giving.get(rule.prefix.as_str()) == Some(&rule.upstream_url.as_str());
        let mut keepers = self.users(secret).filter(keeps).peekable();
        if keepers.peek().is_some() {
            return !keepers.any(|rule| rule.prefix == registry);
        }
        let is_for = |name: &str| {
            self.giving
                .get(name)
                .is_some_and(|host| self.binding(secret, host).is_some())
        };
        !is_named_for(secret, registry)
            && registry_of_secret(&secret.name)
                .is_some_and(|made| is_for(made.registry) || made.legacy_registry.is_some_and(is_for))
    }

    /// The secrets that marked registries leave behind which are not at this host any more: the one that a rule for it points
    /// to. Where a run died that had taken the rule away, those of the registry's name, if it left the file; if it moved, those
    /// that were listed with the host in their tag.
    fn left_behind(&self, host: &str) -> Vec<String> {
        let moves = |prefix: &&&str| self.named.get(**prefix) != Some(&host);
        let mut ids: Vec<String> = Vec::new();
        for prefix in self.marked.iter().filter(moves) {
            match self.rules.get(*prefix) {
                Some(rule) if rule.upstream_url == host => ids.extend(rule.credential_arn.clone()),
                None if !self.named.contains_key(*prefix) => {
                    ids.extend([secret_name(prefix), secret_name_at(prefix, host)]);
                }
                _ => ids.extend(self.unused(prefix, host)),
            }
        }
        ids
    }

    fn unused(&self, prefix: &str, host: &str) -> impl Iterator<Item = String> {
        let is_used = |arn: &str| {
            let mut rules = self.rules.values();
            rules.any(|rule| rule.credential_arn.as_deref() == Some(arn))
        };
        let is_current = move |listed: &&ListedSecret| {
            registry_of_secret(&listed.name).is_some_and(|made| made.is_for(prefix))
                && hosts_of_secret(&listed.tags).is_some_and(|hosts| hosts.contains(host))
                && !is_used(&listed.arn)
        };
        self.tagged.iter().filter(is_current).map(|listed| listed.arn.clone())
    }
}

/// Whether a secret has the name that is made for a registry.
pub(super) fn is_named_for(secret: &Secret, registry: &str) -> bool {
    registry_of_secret(&secret.name).is_some_and(|made| made.is_for(registry))
}

/// The secret of one registry, and the source that its credential is copied from. `candidates` are the ARNs of secrets to
/// look at first.
pub(super) async fn secret_state(
    reader: &Reader,
    registry: &Registry,
    candidates: &[&str],
    claims: &Claims<'_>,
) -> (SecretState, Option<SourceState>) {
    let look = match &registry.credential {
        CredentialSource::None => return (SecretState::NotNeeded, None),
        CredentialSource::Secret(id) => reader
            .secret(id)
            .await
            .map(|secret| referenced(secret, id, registry, claims)),
        CredentialSource::Given(_) | CredentialSource::From(_) => own(reader, registry, candidates, claims).await,
    };
    match look {
        Ok(found) if registry.credential.is_own() => with_wanted(reader, registry, found, claims).await,
        look => (look.unwrap_or_else(SecretState::Unread), None),
    }
}

/// Reads what a registry's own secret is to hold, and then what it holds. Its labels have been read by now: a run that puts a
/// newer value of the source moves them after that, and then the guarded moves of this run fail.
async fn with_wanted(
    reader: &Reader,
    registry: &Registry,
    found: SecretState,
    claims: &Claims<'_>,
) -> (SecretState, Option<SourceState>) {
    let source = match &registry.credential {
        CredentialSource::From(from) => {
            let is_of_file = |secret: &Secret| claims.giving.keys().any(|name| is_named_for(secret, name));
            Some(reader.source(from, &registry.upstream.host, is_of_file).await)
        }
        _ => None,
    };
    let found = match found {
        SecretState::Found(secret) => {
            let wanted = super::state::wanted(registry, source.as_ref());
            let details = with_details(reader, *secret, wanted).await;
            details.unwrap_or_else(SecretState::Unread)
        }
        other => other,
    };
    (found, source)
}

/// What a `secret:` of the file names. Whoever may write the file must not send it to a host of his own: it is for the hosts
/// in its tag, else for those of the rules that point to it; rules of other registries of this file exclude none.
fn referenced(secret: Option<Secret>, id: &str, registry: &Registry, claims: &Claims<'_>) -> SecretState {
    let Some(mut secret) = secret else {
        return SecretState::Absent(id.to_owned());
    };
    if let Owner::Other(owner) = Owner::of_secret(&secret.tags, claims.settings) {
        return SecretState::OthersTag {
            name: secret.name,
            owner,
        };
    }
    let host = registry.upstream.host.as_str();
    if let Some(hosts) = hosts_of_secret(&secret.tags) {
        if !hosts.contains(host) {
            return SecretState::WrongHost {
                name: secret.name,
                hosts: hosts.into_iter().collect(),
            };
        }
        secret.binding = Binding::Tag;
        return SecretState::Found(Box::new(secret));
    }
    if claims.users(&secret).any(|rule| rule.upstream_url == host) {
        secret.binding = Binding::Rule;
        return SecretState::Found(Box::new(secret));
    }
    let excluding = claims
        .users(&secret)
        .filter(|rule| rule.prefix == registry.name || !claims.named.contains_key(rule.prefix.as_str()));
    let hosts: BTreeSet<String> = excluding.map(|rule| rule.upstream_url.clone()).collect();
    if hosts.is_empty() {
        return SecretState::Found(Box::new(secret));
    }
    SecretState::WrongHost {
        name: secret.name,
        hosts: hosts.into_iter().collect(),
    }
}

/// The secret that a registry's credential goes into, without what it holds: the one its rule points to where that is ours to write
/// and for the registry's host, else one of the names that are made for the registry.
async fn own(
    reader: &Reader,
    registry: &Registry,
    candidates: &[&str],
    claims: &Claims<'_>,
) -> Result<SecretState, AwsError> {
    let (name, host) = (registry.name.as_str(), registry.upstream.host.as_str());
    for arn in candidates {
        let Some(secret) = reader.secret(arn).await?.filter(|secret| !claims.references(secret)) else {
            continue;
        };
        let is_ours_to_write = match Owner::of_secret(&secret.tags, claims.settings) {
            Owner::Other(owner) => {
                return Ok(SecretState::OthersTag {
                    name: secret.name,
                    owner,
                });
            }
            Owner::Us | Owner::Former => !claims.is_anothers(&secret, name),
            Owner::Nobody => is_named_for(&secret, name),
        };
        // Any other is somebody else's, another registry's of this file, or another host's: the rule moves to our own.
        if let Some(binding) = claims.binding(&secret, host).filter(|_| is_ours_to_write) {
            return Ok(found(secret, binding, registry, claims));
        }
    }
    let (plain, at_host) = (secret_name(name), secret_name_at(name, host));
    let there = tokio::try_join!(reader.secret(&plain), reader.secret(&at_host))?;
    // Of the registry's name, and in somebody else's use: whatever host it is for there, it is not ours to adopt.
    if let Some(secret) = &there.0
        && Owner::of_secret(&secret.tags, claims.settings) == Owner::Nobody
        && !claims.references(secret)
        && claims.foreign_rule(secret, name).is_some()
    {
        return Ok(found(secret.clone(), Binding::Nothing, registry, claims));
    }
    let mut named = vec![(plain, there.0), (at_host.clone(), there.1)];
    // A registry that has taken the last along keeps it.
    while let Some((_, Some(secret))) = named.last()
        && Owner::of_secret(&secret.tags, claims.settings).is_ours()
        && claims.is_anothers(secret, name)
        && named.len() < MOST_NAMES
    {
        let next = format!("{at_host}@{}", named.len());
        let there = reader.secret(&next).await?;
        named.push((next, there));
    }
    let mut usable: Vec<(Binding, &Secret)> = named
        .iter()
        .filter_map(|(_, secret)| secret.as_ref())
        .filter(|secret| !claims.references(secret))
        .filter(|secret| match Owner::of_secret(&secret.tags, claims.settings) {
            Owner::Other(_) => false,
            Owner::Us | Owner::Former => !claims.is_anothers(secret, name),
            Owner::Nobody => true,
        })
        .filter_map(|secret| Some((claims.binding(secret, host)?, secret)))
        .collect();
    // One that lives before one that is to be restored, one that is known to be for the host before one that is not.
    usable.sort_by_key(|(binding, secret)| (*binding == Binding::Nothing, secret.scheduled_for_deletion));
    if let Some((binding, secret)) = usable.into_iter().next() {
        return Ok(found(secret.clone(), binding, registry, claims));
    }
    let mut last = SecretState::NotNeeded;
    for (name, secret) in named {
        last = match secret {
            _ if claims.referenced.contains(name.as_str()) => return Ok(SecretState::AlsoReferenced(name)),
            None => return Ok(SecretState::Absent(name)),
            Some(secret) if claims.references(&secret) => return Ok(SecretState::AlsoReferenced(name)),
            Some(secret) => match Owner::of_secret(&secret.tags, claims.settings) {
                Owner::Other(owner) => return Ok(SecretState::OthersTag { name, owner }),
                // Another host's, or another registry's: it stays as it is, and the next name is tried.
                _ => SecretState::WrongHost {
                    name,
                    hosts: hosts_of_secret(&secret.tags).into_iter().flatten().collect(),
                },
            },
        };
    }
    Ok(last)
}

fn found(secret: Secret, binding: Binding, registry: &Registry, claims: &Claims<'_>) -> SecretState {
    let foreign_rule = claims.foreign_rule(&secret, &registry.name);
    SecretState::Found(Box::new(Secret {
        binding,
        foreign_rule,
        ..secret
    }))
}

/// Registries that take over host and value of one that leaves the file, or moves to another host, take its secret along,
/// with labels and rotation. A copied value counts as it is in the source now. By name, each gets the first that is not taken. An own secret that lives and is for the host
/// goes before.
pub(super) async fn taken_along(
    reader: &Reader,
    file: &File,
    secret_states: &BTreeMap<String, SecretState>,
    claims: &Claims<'_>,
) -> BTreeMap<String, (SecretState, Option<SourceState>)> {
    let mut arriving: Vec<&Registry> = file
        .registries
        .iter()
        .filter(|registry| match secret_states.get(&registry.name) {
            Some(SecretState::Absent(_)) => true,
            Some(SecretState::Found(secret)) => secret.scheduled_for_deletion || secret.binding == Binding::Nothing,
            _ => false,
        })
        .filter(|registry| registry.credential.is_own())
        .collect();
    arriving.sort_by_key(|registry| &registry.name);
    let mut taken = BTreeMap::new();
    let in_use = secret_states.values().filter_map(|secret_state| match secret_state {
        SecretState::Found(secret) => Some(secret.arn.clone()),
        _ => None,
    });
    let mut gone: BTreeSet<String> = in_use.collect();
    for registry in arriving {
        let host = registry.upstream.host.as_str();
        for id in claims.left_behind(host) {
            // One that cannot be read is not taken along: the registry gets its own.
            let Ok(Some(secret)) = reader.secret(&id).await else {
                continue;
            };
            let is_ours = Owner::of_secret(&secret.tags, claims.settings).is_ours();
            let Some(binding) = claims
                .binding(&secret, host)
                .filter(|binding| *binding != Binding::Nothing)
            else {
                continue;
            };
            if !is_ours || secret.scheduled_for_deletion || claims.references(&secret) || gone.contains(&secret.arn) {
                continue;
            }
            let found = found(secret, binding, registry, claims);
            let (SecretState::Found(secret), source) = with_wanted(reader, registry, found, claims).await else {
                continue;
            };
            let wanted = super::state::wanted(registry, source.as_ref())
                .cloned()
                .map(VersionValue::Credential);
            if wanted.is_some() && secret.labelled(CONFIGURED) == wanted.as_ref() {
                gone.insert(secret.arn.clone());
                taken.insert(registry.name.clone(), (SecretState::Found(secret), source));
                break;
            }
        }
    }
    taken
}
