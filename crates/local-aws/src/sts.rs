//! STS as far as somebody who asks "who am I?" needs it.

use serde_json::{Value, json};

use crate::api::{Answer, ApiError, CallContext};

/// One call. Every key belongs to the one user there is: the stand-in knows keys, not people.
pub(crate) fn call(context: &CallContext, operation: &str, input: &Value) -> Answer {
    if operation != "GetCallerIdentity" {
        return Err(ApiError {
            code: "InvalidAction".to_owned(),
            message: format!("local-aws serves GetCallerIdentity of sts alone; it has no {operation:?}"),
            status: 400,
        });
    }
    if let Some(name) = input.as_object().and_then(|members| members.keys().next()) {
        let message = format!("{name} is no member of GetCallerIdentity");
        return Err(ApiError::client("ValidationError", message));
    }
    Ok(json!({
        "Arn": format!("arn:{}:iam::{}:user/local-aws", context.partition, context.account),
        "UserId": "AIDALOCALAWS000000001",
        "Account": context.account,
    }))
}
