//! What a secret holds: its policy, and the values that a plan needs.

use config::Credential;
use jiff::Timestamp;

use super::secrets::{CONFIGURED, CURRENT, FILE_PENDING};
use super::{AwsError, Reader, Secret, SecretState, VersionValue};
use crate::secret_version::is_ours;

/// Reads the policy and the values that the plan needs: the `CONFIGURED` one; where another is wanted, or none is known, the
/// current and the pending one too, and else the current one only where it may be a value of another file. A secret
/// that is scheduled for deletion lets none of it be read.
pub(super) async fn with_details(
    reader: &Reader,
    mut secret: Secret,
    wanted: Option<&Credential>,
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
    let unchanged = matches!(&value_of_file, Some((_, (VersionValue::Credential(value), _))) if Some(value) == wanted);
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
