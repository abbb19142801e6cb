//! When credentials lapse, and what is to be said of it beforehand. Pure.
//!
//! Told by the first of these that there is: the token itself, if it is a JSON Web Token; the secret's tag [`EXPIRES_TAG`], of
//! its source while the value of that is current; the file's `expires_at`. Token and field speak of the value of the file, or
//! of the source, so they count while that one is current.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};

use crate::account::{Secret, SecretState, SourceState};
use crate::ownership::EXPIRES_TAG;
use crate::report::{Expires, ExpiresFrom};
use config::{Code, CredentialSource, Problem, Registry, expiry};

/// When the credential of a registry lapses, as of `now`. `is_of_file` says whether the version of the registry's own secret
/// that ECR reads holds what the file says.
pub fn expires(
    registry: &Registry,
    secret: Option<&Secret>,
    source: Option<&SourceState>,
    is_of_file: bool,
    now: Timestamp,
) -> Option<Expires> {
    let source = source.and_then(|source| source.as_ref().ok()).filter(|_| is_of_file);
    let (token, speaks) = match &registry.credential {
        CredentialSource::None => return None,
        CredentialSource::Given(credential) => (Some(credential).filter(|_| is_of_file), is_of_file),
        CredentialSource::From(_) => (source.map(|source| &source.credential), is_of_file),
        CredentialSource::Secret(_) => (None, true),
    };
    let token = token.and_then(|credential| expiry::of_token(credential.expose().1));
    let token = token.map(|at| (at, ExpiresFrom::Token));
    let tags = source.map(|source| &source.tags).or(secret.map(|secret| &secret.tags));
    let tag = || Some((expiry::instant(tag(tags?)?)?, ExpiresFrom::Tag));
    let file = || Some((registry.expires_at.filter(|_| speaks)?, ExpiresFrom::File));
    let (at, from) = token.or_else(tag).or_else(file)?;
    let days = (at.as_second() - now.as_second()).div_euclid(24 * 60 * 60);
    Some(Expires {
        at: at.to_string(),
        from,
        days,
    })
}

fn tag(tags: &BTreeMap<String, String>) -> Option<&str> {
    tags.get(EXPIRES_TAG).map(String::as_str)
}

/// What is to be said of a registry's credential before it lapses.
pub fn warnings(
    registry: &Registry,
    secret_state: Option<&SecretState>,
    source: Option<&SourceState>,
    expires: Option<&Expires>,
    within_days: u32,
    now: Timestamp,
) -> Vec<Problem> {
    // A credential that is copied lives, and rotates, in its source.
    let (name, tags, due) = match (source, secret_state) {
        (Some(Ok(source)), _) => (source.name.as_str(), Some(&source.tags), source.next_rotation),
        (_, Some(SecretState::Found(secret))) => (secret.name.as_str(), Some(&secret.tags), secret.next_rotation),
        _ => ("", None, None),
    };
    let lapses = expires.filter(|expires| expires.days <= i64::from(within_days));
    let lapses = lapses.map(|expires| {
        let day = expires.at.get(..10).unwrap_or_default();
        let said = match expires.from {
            ExpiresFrom::Token => "the token itself".to_owned(),
            ExpiresFrom::Tag => format!("the tag {EXPIRES_TAG} of its secret"),
            ExpiresFrom::File => "`expires_at`".to_owned(),
        };
        match expires.days {
            ..0 => format!(
                "the credential lapsed on {day}, as {said} says: get a new one from the upstream; cached images are still served"
            ),
            0 => format!("the credential lapses on {day}, in less than a day, as {said} says: get a new one from the upstream"),
            days => {
                let days = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
                format!("the credential lapses on {day}, in {days}, as {said} says: get a new one from the upstream")
            }
        }
    });
    let no_date = tags.and_then(tag).filter(|text| expiry::instant(text).is_none());
    let no_date = no_date.map(|_| {
        format!(
            "the tag {EXPIRES_TAG} of the secret {name} is no date; write {}",
            expiry::FORM
        )
    });
    let overdue = due.and_then(|due| {
        let is_overdue = due.checked_add(24.hours()).is_ok_and(|late| late < now);
        is_overdue.then(|| {
            let day = due.to_string();
            format!(
                "the secret {name} was to be rotated by {}, and was not: look at its rotation in Secrets Manager, and at the log \
                 of its rotation function",
                day.get(..10).unwrap_or_default()
            )
        })
    });
    let problem = |(code, message)| Problem {
        code,
        registry: Some(registry.name.clone()),
        line: Some(registry.line),
        column: Some(registry.column),
        message,
    };
    [
        (Code::CREDENTIAL_LAPSES, lapses),
        (Code::BAD_EXPIRY_TAG, no_date),
        (Code::ROTATION_OVERDUE, overdue),
    ]
    .into_iter()
    .filter_map(|(code, message)| Some((code, message?)))
    .map(problem)
    .collect()
}
