//! When credentials lapse, and what is to be said of it beforehand. Pure.
//!
//! Told by the first of these that there is: the token itself, if it is a JSON Web Token; the secret's tag [`EXPIRES_TAG`];
//! the file's `expires_at`. Token and field speak of the file's value, so they count while that one is current.

use jiff::{Timestamp, ToSpan as _};

use crate::account::{Secret, SecretState};
use crate::ownership::EXPIRES_TAG;
use crate::report::{Expires, ExpiresFrom};
use config::{Code, CredentialSource, Problem, Registry, expiry};

/// When the credential of a registry lapses, as of `now`. `is_of_file` says whether the version of the registry's own secret
/// that ECR reads holds what the file says.
pub fn expires(registry: &Registry, secret: Option<&Secret>, is_of_file: bool, now: Timestamp) -> Option<Expires> {
    let (token, speaks) = match &registry.credential {
        CredentialSource::None => return None,
        CredentialSource::Given(credential) => (Some(credential.expose().1).filter(|_| is_of_file), is_of_file),
        CredentialSource::From(_) => (None, is_of_file),
        CredentialSource::Secret(_) => (None, true),
    };
    let token = token.and_then(expiry::of_token).map(|at| (at, ExpiresFrom::Token));
    let tag = || Some((expiry::instant(tag(secret?)?)?, ExpiresFrom::Tag));
    let file = || Some((registry.expires_at.filter(|_| speaks)?, ExpiresFrom::File));
    let (at, from) = token.or_else(tag).or_else(file)?;
    let days = (at.as_second() - now.as_second()).div_euclid(24 * 60 * 60);
    Some(Expires {
        at: at.to_string(),
        from,
        days,
    })
}

fn tag(secret: &Secret) -> Option<&str> {
    secret.tags.get(EXPIRES_TAG).map(String::as_str)
}

/// What is to be said of a registry's credential before it lapses.
pub fn warnings(
    registry: &Registry,
    secret_state: Option<&SecretState>,
    expires: Option<&Expires>,
    within_days: u32,
    now: Timestamp,
) -> Vec<Problem> {
    let secret = match secret_state {
        Some(SecretState::Found(secret)) => Some(secret.as_ref()),
        _ => None,
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
    let no_date = secret.and_then(|secret| Some((secret, tag(secret)?)));
    let no_date = no_date
        .filter(|(_, text)| expiry::instant(text).is_none())
        .map(|(secret, _)| {
            format!(
                "the tag {EXPIRES_TAG} of the secret {} is no date; write {}",
                secret.name,
                expiry::FORM
            )
        });
    let overdue = secret.and_then(|secret| {
        let due = secret.next_rotation?;
        let is_overdue = due.checked_add(24.hours()).is_ok_and(|late| late < now);
        is_overdue.then(|| {
            let day = due.to_string();
            format!(
                "the secret {} was to be rotated by {}, and was not: look at its rotation in Secrets Manager, and at the log of \
                 its rotation function",
                secret.name,
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
