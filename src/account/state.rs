//! What AWS holds, as far as the file speaks about it.

use std::collections::BTreeMap;

use super::{AwsError, ListedSecret, Rule, Secret, SourceState, Template};
use config::{Credential, CredentialSource, Registry};

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
    /// By registry of the file that has its credential copied. Each was read after the labels of the registry's own secret.
    pub sources: BTreeMap<String, SourceState>,
}

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
        name: String,
        /// Who.
        owner: String,
    },
    /// The file tells this registry to write a secret that a `secret:` of the file only refers to.
    AlsoReferenced(String),
    /// Its values are for other hosts than the registry's.
    WrongHost {
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
    pub secret_state: SecretState,
    /// What its credential is copied from, if it is.
    pub source: Option<SourceState>,
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
            source: self.sources.get(registry).cloned(),
        }
    }

    /// What a registry's own secret is to hold. `None`: it has no secret of its own, or its source has no credential.
    pub fn wanted<'a>(&'a self, registry: &'a Registry) -> Option<&'a Credential> {
        wanted(registry, self.sources.get(&registry.name))
    }
}

impl View {
    /// As [`Account::wanted`].
    pub fn wanted<'a>(&'a self, registry: &'a Registry) -> Option<&'a Credential> {
        wanted(registry, self.source.as_ref())
    }
}

/// The one answer to what a registry's own secret is to hold, whoever says so: the file, or the source as it is now.
pub fn wanted<'a>(registry: &'a Registry, source: Option<&'a SourceState>) -> Option<&'a Credential> {
    match &registry.credential {
        CredentialSource::Given(credential) => Some(credential),
        CredentialSource::From(_) => Some(&source?.as_ref().ok()?.credential),
        CredentialSource::None | CredentialSource::Secret(_) => None,
    }
}
