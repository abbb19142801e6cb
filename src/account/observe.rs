//! Seeing the account: all rules and templates by pages, and the one secret that each registry has or would have.
//!
//! Reads grow with pages and credentials, not with registries times resources, and run side by side.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::secrets::{CONFIGURED, CURRENT, FILE_PENDING};
use super::whose::{Claims, is_named_for, secret_state, taken_along};
use super::{AwsError, ListedSecret, Reader, Rule, Secret, Template, VersionValue};
use crate::ownership::Owner;
use crate::secret_version::is_ours;
use crate::settings::Settings;
use config::Credential;
use config::{File, Registry};

/// How many secrets are read at a time, each by two calls at most. Describe and Get calls of Secrets Manager allow
/// thousands a second, those of policies 50.
const READS: usize = 32;

/// What the account holds, whatever the file says.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// By prefix, foreign ones included.
    pub rules: BTreeMap<String, Rule>,
    /// By prefix.
    pub templates: BTreeMap<String, Template>,
    /// Secrets with an owner tag, as ListSecrets knew them some minutes ago.
    pub tagged: Vec<ListedSecret>,
    /// Why they could not be listed. They are for cleaning up only: everything else goes on without.
    pub unlisted: Option<AwsError>,
}

/// What the account holds, and which secret is whose.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Rules and templates.
    pub snapshot: Snapshot,
    /// By registry of the file.
    pub secret_states: BTreeMap<String, SecretState>,
}

/// The secret of one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretState {
    /// The registry has no credential.
    NotNeeded,
    /// There is none of this name.
    Absent(String),
    /// This is it.
    Found(Box<Secret>),
    /// It carries another owner's tag.
    OthersTag {
        /// The secret's name.
        name: String,
        /// Who.
        owner: String,
    },
    /// The file tells this registry to write a secret that a `secret:` of the file only refers to.
    AlsoReferenced(String),
    /// Its values are for other hosts than the registry's.
    WrongHost {
        /// The secret's name.
        name: String,
        /// What they are for.
        hosts: Vec<String>,
    },
    /// It could not be read.
    Unread(AwsError),
}

/// One registry's part of the account.
#[derive(Debug, Clone)]
pub struct View {
    /// The rule of the registry's prefix.
    pub rule: Option<Rule>,
    /// The template of the registry's prefix.
    pub template: Option<Template>,
    /// The registry's secret.
    pub secret_state: SecretState,
}

impl Account {
    /// A registry's part.
    pub fn view(&self, registry: &str) -> View {
        View {
            rule: self.snapshot.rules.get(registry).cloned(),
            template: self.snapshot.templates.get(registry).cloned(),
            secret_state: self
                .secret_states
                .get(registry)
                .cloned()
                .unwrap_or(SecretState::NotNeeded),
        }
    }
}

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
    let mut secret_states: BTreeMap<String, SecretState> = stream::iter(looks).buffer_unordered(READS).collect().await;
    for registry in sharing(file, &secret_states) {
        secret_states.insert(
            registry.name.clone(),
            secret_state(reader, registry, &[], &claims).await,
        );
    }
    secret_states.extend(taken_along(reader, file, &secret_states, &claims).await);
    let mut tagged = still_there(reader, &snapshot, &secret_states).await;
    tagged.extend(Box::pin(unlisted(reader, &snapshot, &secret_states, settings)).await);
    Account {
        snapshot: Snapshot { tagged, ..snapshot },
        secret_states,
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
        .filter(|r| matches!(r.credential, config::CredentialSource::Given(_)))
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
    let secret_state = secret_state(reader, registry, &candidates, &claims).await;
    let part = Account {
        secret_states: BTreeMap::from([(registry.name.clone(), secret_state)]),
        snapshot,
    };
    Ok(part.view(&registry.name))
}

/// Reads the policy and the values that the plan needs: the `CONFIGURED` one; where the file says something else, the
/// current and the pending one too, and else the current one only where it may be a value of another file. A secret
/// that is scheduled for deletion lets none of it be read.
pub(super) async fn with_details(
    reader: &Reader,
    mut secret: Secret,
    credential: &Credential,
) -> Result<SecretState, AwsError> {
    if secret.scheduled_for_deletion {
        return Ok(SecretState::Found(Box::new(secret)));
    }
    let holder = |secret: &Secret, label| secret.holder(label).map(str::to_owned);
    let configured = holder(&secret, CONFIGURED);
    let read = tokio::try_join!(
        reader.secret_policy(&secret.arn),
        value(reader, &secret, configured.as_deref())
    );
    let (policy, value_of_file) = read.map_err(|error| under_key(error, &secret))?;
    let unchanged = matches!(&value_of_file, Some((_, (VersionValue::Credential(value), _))) if value == credential);
    secret.policy = policy;
    secret.keep(value_of_file);
    let mut more = vec![holder(&secret, CURRENT), holder(&secret, FILE_PENDING)];
    if unchanged {
        more = vec![more.swap_remove(0).filter(|current| is_ours(current))];
    }
    for version in more
        .into_iter()
        .flatten()
        .filter(|version| Some(version) != configured.as_ref())
    {
        let read = value(reader, &secret, Some(&version))
            .await
            .map_err(|error| under_key(error, &secret))?;
        secret.keep(read);
    }
    Ok(SecretState::Found(Box::new(secret)))
}

/// A version's id, value and time.
type Read = (String, (VersionValue, Option<Timestamp>));

async fn value(reader: &Reader, secret: &Secret, version: Option<&str>) -> Result<Option<Read>, AwsError> {
    let Some(version) = version else { return Ok(None) };
    let read = reader.secret_value(&secret.arn, version).await?;
    Ok(read.map(|read| (version.to_owned(), read)))
}

/// A denial whose reason may be the secret's key says what ECR, which needs to read it too, asks for.
fn under_key(mut error: AwsError, secret: &Secret) -> AwsError {
    if let (true, Some(key)) = (error.is("AccessDeniedException"), &secret.customer_key) {
        error.message = format!(
            "{}. The secret {} is encrypted with the customer key {key}, and ECR reads only what the default key \
             aws/secretsmanager encrypts: set it with `aws secretsmanager update-secret --secret-id {} --kms-key-id \
             alias/aws/secretsmanager`",
            error.message, secret.name, secret.name
        );
    }
    error
}
