//! What a registry's own secret is to hold, and over which versions that has the word. It comes from the file, or from a
//! secret that the file names as its source; the rules are the same.

use jiff::Timestamp;

use crate::account::{AwsError, CURRENT, SecretState, SourceState, SourceTrouble, View};
use crate::cause::{Cause, Reason};
use crate::ownership::UPSTREAM_TAG;
use config::{Credential, CredentialSource, Registry, SecretFrom};

/// What a registry's own secret is to hold.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub credential: Credential,
    /// Whose word it is, for people.
    pub words: String,
    /// When the file was uploaded.
    pub uploaded: Timestamp,
    /// What it has the word over.
    pub over: Over,
}

/// What a value has the word over that was not wanted before. What is current beyond that was put later, and stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Of the file's value: what is older than the upload.
    Older,
    /// Of a source's value: this version, the current one when the run first saw that value.
    Version(Option<String>),
}

/// When a run first saw the value of a source that it is at work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstSeen {
    /// The version of the source.
    source: String,
    /// The registry's own secret, and which version was current in it.
    own: Option<(String, Option<String>)>,
}

impl FirstSeen {
    /// As it is now, or, where this value was seen before, as it was then.
    pub(super) fn of(view: &View, before: Option<&Self>) -> Option<Self> {
        let source = view.source.as_ref()?.as_ref().ok()?.version.clone();
        let own = match &view.secret_state {
            SecretState::Found(secret) => Some((secret.arn.clone(), secret.holder(CURRENT).map(str::to_owned))),
            _ => None,
        };
        let arn = |seen: &Option<(String, _)>| seen.as_ref().map(|(arn, _)| arn.clone());
        // In a secret that was not there, whatever is there now was put later.
        let same =
            before.filter(|before| before.source == source && (before.own.is_none() || arn(&before.own) == arn(&own)));
        Some(same.cloned().unwrap_or(Self { source, own }))
    }

    fn current(&self) -> Option<String> {
        self.own.as_ref().and_then(|(_, current)| current.clone())
    }
}

impl Wanted {
    /// `None`: the registry has no secret of its own, or its source has no credential.
    pub(super) fn of(registry: &Registry, view: &View, seen: Option<&FirstSeen>, uploaded: Timestamp) -> Option<Self> {
        let credential = view.wanted(registry)?.clone();
        let over = seen.map_or(Over::Older, |seen| Over::Version(seen.current()));
        Some(Self {
            credential,
            words: words(view.source.as_ref()),
            uploaded,
            over,
        })
    }
}

/// Whose word a credential is.
pub fn words(source: Option<&SourceState>) -> String {
    match source {
        Some(Ok(source)) => format!(
            "the credential of the secret {}, version {}",
            source.name, source.version
        ),
        _ => "the credential of the file".to_owned(),
    }
}

/// Why a registry's credential cannot be copied, if it is to be.
pub fn trouble(registry: &Registry, source: Option<&SourceState>) -> Option<Cause> {
    match (&registry.credential, source) {
        (CredentialSource::From(from), Some(Err(trouble))) => Some(cause(from, &registry.upstream.host, trouble)),
        _ => None,
    }
}

fn cause(from: &SecretFrom, host: &str, trouble: &SourceTrouble) -> Cause {
    let name = from.name();
    let source = |message: String| {
        let message = format!("the secret {name} of `secret_from` {message}; what served until now goes on serving");
        Cause::new(Reason::SOURCE, message)
    };
    let denied = |error: &AwsError, what: String| {
        source(format!(
            "could not be read ({error}): whoever deploys the stack names {what}"
        ))
    };
    match trouble {
        SourceTrouble::Missing => source(
            "is not there in this account and Region, or has no current value: create it, or \
             correct the name"
                .to_owned(),
        ),
        SourceTrouble::ScheduledForDeletion => source(format!(
            "is scheduled for deletion: restore it with `aws secretsmanager restore-secret --secret-id {name}`, or name another"
        )),
        SourceTrouble::Owned(owner) => source(format!(
            "carries the tag of an owner, {owner:?}: a function keeps it, and copying from it could go round in circles. Name \
             the secret that its value comes from, or use it with `secret:`"
        )),
        SourceTrouble::OfThisFile => source(
            "has the name of a secret that this file writes: name the secret that the credential comes from".to_owned(),
        ),
        SourceTrouble::WrongHost(hosts) => {
            let mut all = hosts.clone();
            all.push(host.to_owned());
            let is_for = if hosts.is_empty() {
                format!("has no tag that says which host it is for, so its value is not sent to {host}")
            } else {
                format!("is for {}, and its value is not sent to {host}", hosts.join(", "))
            };
            let told = source(format!(
                "{is_for}. If it is for {host}: `aws secretsmanager tag-resource --secret-id {name} --tags \
                 'Key={UPSTREAM_TAG},Value={}'`",
                all.join(" ")
            ));
            Cause {
                reason: Reason::WRONG_HOST,
                ..told
            }
        }
        SourceTrouble::Denied { error, key: None } => {
            denied(error, format!("{name} in its parameter SourceSecretNames"))
        }
        SourceTrouble::Denied { error, key: Some(key) } if error.message.contains("KMS") => denied(
            error,
            format!(
                "the key {key} in its parameter SourceKmsKeys, and the key's own policy lets the function's role decrypt"
            ),
        ),
        SourceTrouble::Denied { error, key: Some(key) } => denied(
            error,
            format!("{name} in its parameter SourceSecretNames, and its key {key} in SourceKmsKeys"),
        ),
        SourceTrouble::Unusable(fault) => source(format!("cannot be copied: {fault}")),
        // Another try may go better, and goes by AWS's own word.
        SourceTrouble::Other(error) if error.is_transient() => Cause {
            message: source(format!("could not be read: {error}")).message,
            ..Cause::from(error)
        },
        SourceTrouble::Other(error) => source(format!("could not be read: {error}")),
    }
}
