//! Warnings that show only when file and account are seen together.

use super::RunRequest;
use crate::account::{Account, Binding, SecretState, SourceState};
use crate::ownership::UPSTREAM_TAG;
use config::{Code, File, Problem};

/// All of them.
pub(super) fn warnings(request: &RunRequest, file: &File, account: &Account) -> Vec<Problem> {
    let mut warnings = Vec::new();
    warnings.extend(rotation_failed(request, account));
    warnings.extend(customer_keys(account));
    warnings.extend(unbound(file, account));
    warnings.extend(unlisted(account));
    warnings
}

/// A rotation that failed left the secret as it was; the people who run it should look at their rotation function.
pub(super) fn rotation_failed(request: &RunRequest, account: &Account) -> Option<Problem> {
    let change = request.secret.as_ref()?;
    let said = change.failed.as_ref()?;
    let names = |secret_state: &SecretState| matches!(secret_state, SecretState::Found(secret) if change.refers_to(&secret.name));
    let using = account
        .secret_states
        .iter()
        .filter(|(_, secret_state)| names(secret_state));
    let names = |source: &SourceState| matches!(source, Ok(source) if change.refers_to(&source.name));
    let copying = account.sources.iter().filter(|(_, source)| names(source));
    let registry = using.map(|(name, _)| name).chain(copying.map(|(name, _)| name)).next();
    let message = format!(
        "the rotation of {} failed, and its value is the one before: {said}. Look at the log of the secret's rotation \
         function",
        change.name
    );
    Some(Problem::unplaced(
        Code::ROTATION_FAILED,
        registry.map(String::as_str),
        message,
    ))
}

/// Secrets that only their tag calls ours.
pub(super) fn strays(names: &[String]) -> impl Iterator<Item = Problem> {
    names.iter().map(|name| {
        let message = format!(
            "the secret {name} carries the tag of this stack, but no rule uses it, and neither a registry of the file nor a \
             template of this stack has its name. It may be somebody's copy, so it is not deleted. If nobody needs it: `aws \
             secretsmanager delete-secret --secret-id {name} --recovery-window-in-days 7`"
        );
        Problem::unplaced(Code::STRAY_SECRET, None, message)
    })
}

/// Secrets that could not be listed: nothing is cleaned up, and that is all.
fn unlisted(account: &Account) -> Option<Problem> {
    let error = account.snapshot.unlisted.as_ref()?;
    let message = format!("own secrets that no registry uses any more could not be looked for: {error}");
    Some(Problem::unplaced(Code::SECRETS_NOT_LISTED, None, message))
}

/// Secrets of others that nothing binds to a host: any registry of the file may send them to its own.
fn unbound(file: &File, account: &Account) -> Vec<Problem> {
    let referring = file
        .registries
        .iter()
        .filter(|r| matches!(r.credential, config::CredentialSource::Secret(_)));
    let unbound = referring.filter_map(|registry| match account.secret_states.get(&registry.name) {
        Some(SecretState::Found(secret)) if secret.binding == Binding::Nothing => Some((registry, secret)),
        _ => None,
    });
    unbound
        .map(|(registry, secret)| Problem {
            code: Code::SECRET_WITHOUT_HOST,
            registry: Some(registry.name.clone()),
            line: Some(registry.line),
            column: Some(registry.column),
            message: format!(
                "nothing says which host the secret {} is for, so any registry of the file may have it sent to its own. Say \
                 it: `aws secretsmanager tag-resource --secret-id {} --tags 'Key={UPSTREAM_TAG},Value={}'`",
                secret.name, secret.name, registry.upstream.host
            ),
        })
        .collect()
}

/// Secrets under a customer key: ECR's service-linked role has no permission for one.
fn customer_keys(account: &Account) -> Vec<Problem> {
    let under_key = account
        .secret_states
        .iter()
        .filter_map(|(registry, secret_state)| match secret_state {
            SecretState::Found(secret) => secret.customer_key.as_ref().map(|key| (registry, &secret.name, key)),
            _ => None,
        });
    under_key
        .map(|(registry, name, key)| {
            let message = format!(
                "the secret {name} is encrypted with the customer key {key}, and ECR documents only the default key \
                 aws/secretsmanager: if ECR cannot read it, set that key with `aws secretsmanager update-secret \
                 --secret-id {name} --kms-key-id alias/aws/secretsmanager`"
            );
            Problem::unplaced(Code::CUSTOMER_KEY, Some(registry), message)
        })
        .collect()
}
