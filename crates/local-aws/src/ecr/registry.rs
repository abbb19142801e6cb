//! What belongs to the registry as a whole: its policy, its scanning configuration, its login.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Ecr, policy, required, seconds};
use crate::api::{Answer, ApiError, CallContext};

/// How long a login lasts.
const TWELVE_HOURS: f64 = 12.0 * 3600.0;

/// What a registry has before anyone configures scanning.
pub(super) fn scanning(context: &CallContext) -> Value {
    json!({"registryId": context.account, "scanningConfiguration": {"scanType": "BASIC", "rules": []}})
}

/// A login that is good for nothing, in the form of a real one.
pub(super) fn authorization_token(context: &CallContext) -> Value {
    json!({"authorizationData": [{
        "authorizationToken": STANDARD.encode("AWS:local-aws"),
        "expiresAt": seconds(context.now) + TWELVE_HOURS,
        "proxyEndpoint": format!("https://{}.dkr.ecr.{}.amazonaws.com", context.account, context.region),
    }]})
}

fn not_found(context: &CallContext) -> ApiError {
    ApiError::client(
        "RegistryPolicyNotFoundException",
        format!(
            "Registry policy does not exist in the registry with id '{}'",
            context.account
        ),
    )
}

impl Ecr {
    pub(super) fn put_registry_policy(&mut self, context: &CallContext, input: &Value) -> Answer {
        let text = policy::registry(context, required(input, "policyText"), &self.unknown_principals)?;
        self.registry_policy = Some(text.clone());
        Ok(json!({"registryId": context.account, "policyText": text}))
    }

    pub(super) fn get_registry_policy(&self, context: &CallContext) -> Answer {
        let text = self.registry_policy.as_ref().ok_or_else(|| not_found(context))?;
        Ok(json!({"registryId": context.account, "policyText": text}))
    }

    pub(super) fn delete_registry_policy(&mut self, context: &CallContext) -> Answer {
        let text = self.registry_policy.take().ok_or_else(|| not_found(context))?;
        Ok(json!({"registryId": context.account, "policyText": text}))
    }
}
