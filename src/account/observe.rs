//! Seeing the account: all rules and templates by pages, and the one secret that each registry has or would have.
//!
//! Reads grow with pages and credentials, not with registries times resources, and run side by side.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use super::secrets::{CONFIGURED, CURRENT, FILE_PENDING};
use super::{AwsError, ListedSecret, Reader, Rule, Secret, Template, VersionValue};
use crate::config::{self, File, Registry};
use crate::credential::Credential;
use crate::ownership::{Owner, registry_of_secret, secret_name};
use crate::settings::Settings;

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
    pub sights: BTreeMap<String, Sight>,
}

/// The secret of one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
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
    pub sight: Sight,
}

impl Account {
    /// A registry's part.
    pub fn view(&self, registry: &str) -> View {
        View {
            rule: self.snapshot.rules.get(registry).cloned(),
            template: self.snapshot.templates.get(registry).cloned(),
            sight: self.sights.get(registry).cloned().unwrap_or(Sight::NotNeeded),
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
        templates: templates.into_iter().map(|template| (template.prefix.clone(), template)).collect(),
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
    Ok(Snapshot { tagged, unlisted, ..snapshot? })
}

/// Looks up the secrets of the file's registries. A secret that cannot be read is that registry's trouble alone.
pub async fn observe(reader: &Reader, snapshot: Snapshot, file: &File, settings: &Settings) -> Account {
    let claims = Claims::of(file);
    let looks = file.registries.iter().map(|registry| {
        let (claims, rule) = (&claims, snapshot.rules.get(&registry.name));
        async move { (registry.name.clone(), sight(reader, registry, rule, claims, settings).await) }
    });
    let sights = stream::iter(looks).buffer_unordered(READS).collect().await;
    let mut account = Account { snapshot, sights };
    for registry in sharing(file, &account) {
        let sight = sight(reader, registry, None, &claims, settings).await;
        account.sights.insert(registry.name.clone(), sight);
    }
    account.snapshot.tagged = still_there(reader, &account).await;
    account
}

/// Registries whose rule points to the secret that another registry of the file keeps: the one whose name it bears,
/// else the first, keeps it, and the others get their own. Two must not write one secret in turn.
fn sharing<'a>(file: &'a File, account: &Account) -> Vec<&'a Registry> {
    let mut keepers: BTreeMap<&str, &Registry> = BTreeMap::new();
    let mut others = Vec::new();
    for registry in file.registries.iter().filter(|r| matches!(r.credential, config::Credential::Given(_))) {
        let Some(Sight::Found(secret)) = account.sights.get(&registry.name) else { continue };
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
async fn still_there(reader: &Reader, account: &Account) -> Vec<ListedSecret> {
    let sights = account.sights.values().filter_map(|sight| match sight {
        Sight::Found(secret) => Some(secret.arn.as_str()),
        _ => None,
    });
    let rules = account.snapshot.rules.values().filter_map(|rule| rule.credential_arn.as_deref());
    let used: BTreeSet<&str> = sights.chain(rules).collect();
    let looks = account.snapshot.tagged.iter().map(|listed| {
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
    let mut there: Vec<_> = stream::iter(looks).buffer_unordered(READS).filter_map(std::future::ready).collect().await;
    there.sort_by(|a, b| a.name.cmp(&b.name));
    there
}

/// Reads one registry's part of the account afresh, after a race or a restore.
///
/// # Errors
/// The first read that failed.
pub async fn observe_again(
    reader: &Reader,
    registry: &Registry,
    file: &File,
    settings: &Settings,
) -> Result<View, AwsError> {
    let (rule, template) = tokio::try_join!(reader.rule(&registry.name), reader.template(&registry.name))?;
    let sight = sight(reader, registry, rule.as_ref(), &Claims::of(file), settings).await;
    Ok(View { rule, template, sight })
}

/// Which secrets the file speaks for.
struct Claims<'a> {
    /// Names and ARNs under `secret:`.
    referenced: BTreeSet<&'a str>,
    /// Registries that give their own credential.
    giving: BTreeSet<&'a str>,
}

impl<'a> Claims<'a> {
    fn of(file: &'a File) -> Self {
        let mut claims = Self { referenced: BTreeSet::new(), giving: BTreeSet::new() };
        for registry in &file.registries {
            match &registry.credential {
                config::Credential::Secret(id) => _ = claims.referenced.insert(id),
                config::Credential::Given(_) => _ = claims.giving.insert(&registry.name),
                config::Credential::None => {}
            }
        }
        claims
    }

    fn references(&self, secret: &Secret) -> bool {
        self.referenced.contains(secret.name.as_str()) || self.referenced.contains(secret.arn.as_str())
    }
}

async fn sight(
    reader: &Reader,
    registry: &Registry,
    rule: Option<&Rule>,
    claims: &Claims<'_>,
    settings: &Settings,
) -> Sight {
    let look = match &registry.credential {
        config::Credential::None => return Sight::NotNeeded,
        config::Credential::Secret(id) => reader.secret(id).await.map(|secret| found(secret, id)),
        config::Credential::Given(credential) => own(reader, &registry.name, credential, rule, claims, settings).await,
    };
    look.unwrap_or_else(Sight::Unread)
}

fn found(secret: Option<Secret>, id: &str) -> Sight {
    secret.map_or_else(|| Sight::Absent(id.to_owned()), |secret| Sight::Found(Box::new(secret)))
}

/// The secret that the file's credential of `registry` goes into: the one its rule points to where that is ours to
/// write, else the one named after the registry. DESIGN, section 4.
async fn own(
    reader: &Reader,
    registry: &str,
    credential: &Credential,
    rule: Option<&Rule>,
    claims: &Claims<'_>,
    settings: &Settings,
) -> Result<Sight, AwsError> {
    if let Some(arn) = rule.and_then(|rule| rule.credential_arn.as_deref())
        && let Some(secret) = reader.secret(arn).await?
        && !claims.references(&secret)
    {
        match Owner::of_secret(&secret.tags, settings) {
            Owner::Other(owner) => return Ok(Sight::OthersTag { name: secret.name, owner }),
            Owner::Us | Owner::Former if !is_anothers(&secret, registry, claims) => {
                return with_details(reader, secret, credential).await;
            }
            Owner::Nobody if is_named_for(&secret, registry) => {
                return with_details(reader, secret, credential).await;
            }
            // Somebody else's, or another registry's of this file: the rule moves to our own.
            Owner::Us | Owner::Former | Owner::Nobody => {}
        }
    }
    let name = secret_name(registry);
    match reader.secret(&name).await? {
        None if claims.referenced.contains(name.as_str()) => Ok(Sight::AlsoReferenced(name)),
        None => Ok(Sight::Absent(name)),
        Some(secret) if claims.references(&secret) => Ok(Sight::AlsoReferenced(name)),
        Some(secret) => match Owner::of_secret(&secret.tags, settings) {
            Owner::Other(owner) => Ok(Sight::OthersTag { name, owner }),
            _ => with_details(reader, secret, credential).await,
        },
    }
}

fn is_named_for(secret: &Secret, registry: &str) -> bool {
    registry_of_secret(&secret.name).is_some_and(|made| made.is_for(registry))
}

/// Two registries of the file must not write one secret in turn: it is the one's whose name it bears.
fn is_anothers(secret: &Secret, registry: &str, claims: &Claims<'_>) -> bool {
    !is_named_for(secret, registry)
        && registry_of_secret(&secret.name).is_some_and(|made| {
            claims.giving.contains(made.registry) || made.legacy_registry.is_some_and(|r| claims.giving.contains(r))
        })
}

/// Reads the policy and the values that the plan needs: the `CONFIGURED` one, and only if the file says something
/// else the current and the pending one too. A secret that is scheduled for deletion lets none of it be read.
async fn with_details(reader: &Reader, mut secret: Secret, credential: &Credential) -> Result<Sight, AwsError> {
    if secret.scheduled_for_deletion {
        return Ok(Sight::Found(Box::new(secret)));
    }
    let configured = secret.holder(CONFIGURED).map(str::to_owned);
    let value = async {
        match &configured {
            Some(version) => reader.secret_value(&secret.arn, version).await,
            None => Ok(None),
        }
    };
    let read = tokio::try_join!(reader.secret_policy(&secret.arn), value);
    let (policy, value) = read.map_err(|error| under_key(error, &secret))?;
    let unchanged = value == Some(VersionValue::Credential(credential.clone()));
    secret.policy = policy;
    if let (Some(version), Some(value)) = (configured, value) {
        secret.values.insert(version, value);
    }
    if !unchanged {
        for label in [CURRENT, FILE_PENDING] {
            if let Some(version) = secret.holder(label).map(str::to_owned)
                && !secret.values.contains_key(&version)
                && let Some(value) =
                    reader.secret_value(&secret.arn, &version).await.map_err(|error| under_key(error, &secret))?
            {
                secret.values.insert(version, value);
            }
        }
    }
    Ok(Sight::Found(Box::new(secret)))
}

/// A denial whose reason may be the secret's key says what ECR, which needs to read it too, asks for.
fn under_key(mut error: AwsError, secret: &Secret) -> AwsError {
    if let (true, Some(key)) = (error.is("AccessDeniedException"), &secret.customer_key) {
        error.message = format!(
            "{}. The secret {} is encrypted with the customer key {key}, and ECR reads only what the default key \
             aws/secretsmanager encrypts: set it with `aws secretsmanager update-secret --kms-key-id \
             alias/aws/secretsmanager`",
            error.message, secret.name
        );
    }
    error
}
