//! Seeing the account: all rules and templates by pages, and the one secret that each registry has or would have.
//!
//! Reads grow with pages and credentials, not with registries times resources, and run side by side.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::whose::{Claims, is_named_for, secret_state, taken_along};
use super::{Account, AwsError, ListedSecret, Reader, SecretState, Snapshot, SourceState, View};
use crate::ownership::Owner;
use crate::settings::Settings;
use config::{File, Registry};

/// How many secrets are read at a time, each by two calls at most. Describe and Get calls of Secrets Manager allow
/// thousands a second, those of policies 50.
const READS: usize = 32;

/// Reads all rules and all templates, side by side: what decides whose a repository is.
///
/// # Errors
/// The first read that failed.
pub async fn rules_and_templates(reader: &Reader) -> Result<Snapshot, AwsError> {
    let (rules, templates) = tokio::try_join!(reader.rules(), reader.templates())?;
    Ok(Snapshot {
        rules: rules.into_iter().map(|rule| (rule.prefix.clone(), rule)).collect(),
        templates: templates
            .into_iter()
            .map(|template| (template.prefix.clone(), template))
            .collect(),
        ..Snapshot::default()
    })
}

/// Reads all rules, all templates and the tagged secrets, side by side.
///
/// # Errors
/// The first read that failed.
pub async fn snapshot(reader: &Reader) -> Result<Snapshot, AwsError> {
    let (snapshot, tagged) = tokio::join!(rules_and_templates(reader), reader.tagged_secrets());
    let (tagged, unlisted) = tagged.map_or_else(|error| (Vec::new(), Some(error)), |tagged| (tagged, None));
    Ok(Snapshot {
        tagged,
        unlisted,
        ..snapshot?
    })
}

/// Looks up the secrets of the file's registries. A secret that cannot be read is that registry's trouble alone.
pub async fn observe(reader: &Reader, snapshot: Snapshot, file: &File, settings: &Settings) -> Account {
    let claims = Claims::of(file, &snapshot, settings);
    let looks = file.registries.iter().map(|registry| {
        let claims = &claims;
        async move {
            (
                registry.name.clone(),
                secret_state(reader, registry, claims.pointed_to(registry).as_slice(), claims).await,
            )
        }
    });
    let looked: Vec<(String, (SecretState, Option<SourceState>))> =
        stream::iter(looks).buffer_unordered(READS).collect().await;
    let (mut secret_states, mut sources) = (BTreeMap::new(), BTreeMap::new());
    let mut keep =
        |name: String, (secret_state, source): (SecretState, Option<SourceState>), states: &mut BTreeMap<_, _>| {
            sources.extend(source.map(|source| (name.clone(), source)));
            states.insert(name, secret_state);
        };
    for (name, seen) in looked {
        keep(name, seen, &mut secret_states);
    }
    for registry in sharing(file, &secret_states) {
        let seen = secret_state(reader, registry, &[], &claims).await;
        keep(registry.name.clone(), seen, &mut secret_states);
    }
    for (name, seen) in taken_along(reader, file, &secret_states, &claims).await {
        keep(name, seen, &mut secret_states);
    }
    let mut tagged = still_there(reader, &snapshot, &secret_states).await;
    tagged.extend(Box::pin(unlisted(reader, &snapshot, &secret_states, settings)).await);
    Account {
        snapshot: Snapshot { tagged, ..snapshot },
        secret_states,
        sources,
    }
}

/// Registries whose rule points to the secret that another registry of the file keeps: the one whose name it bears,
/// else the first by name, keeps it, and the others get their own. Two must not write one secret in turn.
fn sharing<'a>(file: &'a File, secret_states: &BTreeMap<String, SecretState>) -> Vec<&'a Registry> {
    let mut keepers: BTreeMap<&str, &Registry> = BTreeMap::new();
    let mut others = Vec::new();
    let mut giving: Vec<&Registry> = file
        .registries
        .iter()
        .filter(|registry| registry.credential.is_own())
        .collect();
    giving.sort_by(|a, b| a.name.cmp(&b.name));
    for registry in giving {
        let Some(SecretState::Found(secret)) = secret_states.get(&registry.name) else {
            continue;
        };
        match keepers.get(secret.arn.as_str()) {
            Some(first) if is_named_for(secret, &registry.name) => {
                others.push(*first);
                keepers.insert(&secret.arn, registry);
            }
            Some(_) => others.push(registry),
            None => _ = keepers.insert(&secret.arn, registry),
        }
    }
    others
}

/// ListSecrets is minutes old: the few listed secrets that nothing uses, and that may be cleaned up, are looked at
/// afresh, so that a plan does not go on announcing what has been done.
async fn still_there(
    reader: &Reader,
    snapshot: &Snapshot,
    secret_states: &BTreeMap<String, SecretState>,
) -> Vec<ListedSecret> {
    let secret_states = secret_states.values().filter_map(|secret_state| match secret_state {
        SecretState::Found(secret) => Some(secret.arn.as_str()),
        _ => None,
    });
    let rules = snapshot
        .rules
        .values()
        .filter_map(|rule| rule.credential_arn.as_deref());
    let used: BTreeSet<&str> = secret_states.chain(rules).collect();
    let looks = snapshot.tagged.iter().map(|listed| {
        let used = used.contains(listed.arn.as_str());
        async move {
            // One that cannot be looked at is left as it was listed; before it is deleted it is looked at again.
            let there = used
                || match reader.secret(&listed.arn).await {
                    Ok(secret) => secret.is_some_and(|secret| !secret.scheduled_for_deletion),
                    Err(_) => true,
                };
            there.then(|| listed.clone())
        }
    });
    let mut there: Vec<_> = stream::iter(looks)
        .buffer_unordered(READS)
        .filter_map(std::future::ready)
        .collect()
        .await;
    there.sort_by(|a, b| a.name.cmp(&b.name));
    there
}

/// Secrets of ours that our rules point to and that the list does not know yet, or could not be read: without their rule
/// nothing would tell later that they are ours.
async fn unlisted(
    reader: &Reader,
    snapshot: &Snapshot,
    secret_states: &BTreeMap<String, SecretState>,
    settings: &Settings,
) -> Vec<ListedSecret> {
    let is_marked = |prefix: &str| {
        let template = snapshot.templates.get(prefix);
        template.is_some_and(|template| Owner::of_template(&template.spec.description, settings).is_ours())
    };
    let seen = secret_states.values().filter_map(|secret_state| match secret_state {
        SecretState::Found(secret) => Some(secret.arn.as_str()),
        _ => None,
    });
    let seen: BTreeSet<&str> = seen
        .chain(snapshot.tagged.iter().map(|listed| listed.arn.as_str()))
        .collect();
    let rules = snapshot.rules.values().filter(|rule| is_marked(&rule.prefix));
    let arns: BTreeSet<&str> = rules.filter_map(|rule| rule.credential_arn.as_deref()).collect();
    let looks = arns
        .into_iter()
        .filter(|arn| !seen.contains(arn))
        .map(|arn| reader.secret(arn));
    let looked: Vec<_> = stream::iter(looks).buffered(READS).collect().await;
    let there = looked.into_iter().filter_map(|secret| secret.ok().flatten());
    there
        .filter(|secret| !secret.scheduled_for_deletion && Owner::of_secret(&secret.tags, settings).is_ours())
        .map(|secret| ListedSecret {
            arn: secret.arn,
            name: secret.name,
            tags: secret.tags,
        })
        .collect()
}

/// Reads one registry's part of the account afresh, after a race or a restore. `held` is the secret that it was planned
/// with: a rename takes along one that no rule of its own points to yet.
///
/// # Errors
/// The first read that failed.
pub async fn observe_again(
    reader: &Reader,
    registry: &Registry,
    held: Option<&str>,
    file: &File,
    settings: &Settings,
) -> Result<View, AwsError> {
    let snapshot = rules_and_templates(reader).await?;
    let claims = Claims::of(file, &snapshot, settings);
    let pointed_to = claims.pointed_to(registry);
    let held = held.filter(|arn| Some(*arn) != pointed_to);
    let candidates: Vec<&str> = pointed_to.into_iter().chain(held).collect();
    let (secret_state, source) = secret_state(reader, registry, &candidates, &claims).await;
    let part = Account {
        snapshot,
        ..Account::default()
    };
    Ok(View {
        secret_state,
        source,
        ..part.view(&registry.name)
    })
}
