//! The credential of a rule: may the rule have it, does ECR see it, does the upstream take it.

use serde_json::Value;

use super::upstream::{Takes, Upstream, private_ecr_account};
use super::{Ecr, Rule, invalid};
use crate::api::{ApiError, CallContext, SecretSource};

const NOT_FOUND: &str = "The ARN of the secret specified in the pull through cache rule was not found. Update the pull through cache rule with a valid secret ARN and try again.";
const NO_ACCESS: &str =
    "The secret is unable to be accessed. Verify the resource permissions for the secret and try again.";
const NOT_DECRYPTED: &str =
    "The secret is accessible but is unable to be decrypted. Verify the resource permissions and try again.";
const MALFORMED: &str = "The secret value is not in the expected format. It must be a JSON object with exactly the keys username and accessToken, both non-empty strings.";

/// Whether this kind of credential belongs to this kind of upstream.
pub(super) fn check_kind(upstream: Upstream, secret: Option<&str>, role: Option<&str>) -> Result<(), ApiError> {
    let mismatch = || {
        Err(invalid(
            "Upstream registry URL and provided credential type do not match",
        ))
    };
    match (upstream.takes, secret, role) {
        (Takes::Nothing, Some(_), _) => Err(invalid(
            "The specified upstream registry doesn't require authentication",
        )),
        (Takes::Nothing | Takes::Secret, _, Some(_)) | (Takes::Role, Some(_), _) => mismatch(),
        (Takes::Secret, None, None) => Err(ApiError::client(
            "UnsupportedUpstreamRegistryException",
            "The specified upstream registry requires authentication. Specify a valid Secrets Manager ARN and try again",
        )),
        (Takes::Nothing | Takes::Role, None, _) | (Takes::Secret, Some(_), None) => Ok(()),
    }
}

impl Ecr {
    /// Whether ECR can reach the secret. Its content is not looked at: AWS creates rules over secrets it cannot use.
    pub(super) fn check_secret(
        &self,
        context: &CallContext,
        secrets: &dyn SecretSource,
        arn: &str,
    ) -> Result<(), ApiError> {
        let mut parts = arn.split(':').skip(3);
        if parts.next() != Some(context.region.as_str()) || parts.next() != Some(context.account.as_str()) {
            return Err(invalid(
                "Please verify the secret exists in the same region and account that the pullthrough cache rule will be created in",
            ));
        }
        match secrets.secret(arn, context.now) {
            None => Err(ApiError::client("SecretNotFoundException", NOT_FOUND)),
            Some(secret) if secret.deleted => Err(ApiError::client("UnableToAccessSecretException", NO_ACCESS)),
            Some(secret) if secret.customer_key && self.decrypts_at_create => {
                Err(ApiError::client("UnableToDecryptSecretValueException", NOT_DECRYPTED))
            }
            Some(_) => Ok(()),
        }
    }

    /// Tries the rule's credential at its upstream; the error is the text of `ValidatePullThroughCacheRule.failure`.
    /// The texts of live AWS are not known; what they tell apart is.
    pub(super) fn prove(&self, context: &CallContext, secrets: &dyn SecretSource, rule: &Rule) -> Result<(), String> {
        let Some(arn) = &rule.credential_arn else {
            return match private_ecr_account(&rule.upstream_registry_url) {
                Some(account) if account != context.account && rule.custom_role_arn.is_none() => {
                    Err("The upstream registry belongs to another account and the rule has no role to read it.".into())
                }
                _ => Ok(()),
            };
        };
        let secret = secrets.secret(arn, context.now).ok_or(NOT_FOUND)?;
        if secret.deleted {
            return Err(NO_ACCESS.into());
        }
        if secret.customer_key {
            return Err(NOT_DECRYPTED.into());
        }
        let (user, token) = secret.current.as_deref().and_then(user_and_token).ok_or(MALFORMED)?;
        self.upstreams.sign_in(&rule.upstream_registry_url, &user, &token)
    }
}

fn user_and_token(text: &str) -> Option<(String, String)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object().filter(|object| object.len() == 2)?;
    let field = |name: &str| {
        object
            .get(name)?
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Some((field("username")?, field("accessToken")?))
}

#[cfg(test)]
mod tests {
    use super::user_and_token;

    #[test]
    fn the_secret_has_exactly_two_keys() {
        let table = [
            (r#"{"username":"u","accessToken":"t"}"#, true),
            (r#"{"username":"u","accessToken":"t","host":"x"}"#, false),
            (r#"{"username":"u","password":"t"}"#, false),
            (r#"{"username":"u","accessToken":""}"#, false),
            (r#"{"username":"u","accessToken":7}"#, false),
            (r#"["u","t"]"#, false),
            ("test", false),
            ("", false),
        ];
        for (text, good) in table {
            assert_eq!(user_and_token(text).is_some(), good, "{text}");
        }
    }
}
