//! The guard before the account: whose calls are held against which policy, what was refused, what allowed the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::needs::Input;
use super::policy::{Decision, Need, Policy};
use crate::api::ApiError;
use crate::lambda_control::FUNCTION_NAME;
use crate::options::Options;

/// What the guard knows and remembers.
#[derive(Default)]
pub(crate) struct Guard {
    /// By access key. A key that is not here may do anything.
    enforced: BTreeMap<String, Arc<Policy>>,
    denied: Vec<String>,
    used: BTreeSet<(String, String, String)>,
}

impl Guard {
    pub(crate) fn enforce(&mut self, access_key: &str, policy: Policy) {
        self.enforced.insert(access_key.to_owned(), Arc::new(policy));
    }

    pub(crate) fn denied(&self) -> Vec<String> {
        self.denied.clone()
    }

    pub(crate) fn used(&self) -> BTreeSet<(String, String, String)> {
        self.used.clone()
    }

    /// Forgets what happened. Who is enforced stays: a role is not made lawless by emptying its account.
    pub(crate) fn forget(&mut self) {
        self.denied.clear();
        self.used.clear();
    }

    /// Whether the calls of a key are held against a policy.
    pub(crate) fn holds(&self, access_key: &str) -> bool {
        self.enforced.contains_key(access_key)
    }

    /// Lets a call with these needs pass, or says how AWS refuses it. What the needs are is known before the guard is asked: it
    /// is never locked while the account's state is looked into.
    pub(crate) fn authorize(
        &mut self,
        options: &Options,
        call: Passing<'_>,
        needs: Option<Vec<Need>>,
    ) -> Result<(), ApiError> {
        let Some(policy) = self.enforced.get(call.access_key).cloned() else {
            return Ok(());
        };
        let Some(needs) = needs else {
            let message = format!(
                "local-aws does not know what {} of {} needs of IAM",
                call.operation, call.service
            );
            self.denied.push(message.clone());
            return Err(ApiError {
                code: "NotImplemented".into(),
                message,
                status: 501,
            });
        };
        needs.iter().try_for_each(|need| self.ask(options, &policy, call, need))
    }

    fn ask(&mut self, options: &Options, policy: &Policy, call: Passing<'_>, need: &Need) -> Result<(), ApiError> {
        let why = match policy.decide(need) {
            Decision::Allowed(grants) => {
                self.used.extend(grants);
                return Ok(());
            }
            Decision::Denied(_) => "with an explicit deny in an identity-based policy",
            Decision::NotAllowed => "because no identity-based policy allows",
        };
        let Need { action, resource, .. } = need;
        self.denied.push(format!(
            "{}:{} needs {action} on {resource}",
            call.service, call.operation
        ));
        Err(refusal(options, policy, call.service, need, why))
    }
}

/// A call as the guard sees it.
#[derive(Clone, Copy)]
pub(crate) struct Passing<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) service: &'a str,
    pub(crate) operation: &'a str,
    /// `None` for a call that is refused whatever the policy says, because it cannot be understood.
    pub(crate) input: Option<Input<'a>>,
}

/// The refusal in the words of its service.
fn refusal(options: &Options, policy: &Policy, service: &str, need: &Need, why: &str) -> ApiError {
    let user = format!(
        "arn:{}:sts::{}:assumed-role/{}/{FUNCTION_NAME}",
        options.partition, options.account, policy.role
    );
    // SQS writes actions in lower case, S3 puts the resource in quotes.
    let (action, resource) = match service {
        "sqs" => (need.action.to_lowercase(), need.resource.clone()),
        "s3" => (need.action.clone(), format!("\"{}\"", need.resource)),
        _ => (need.action.clone(), need.resource.clone()),
    };
    let why = if why.ends_with("allows") {
        format!("{why} the {action} action")
    } else {
        why.to_owned()
    };
    let message = format!("User: {user} is not authorized to perform: {action} on resource: {resource} {why}");
    match service {
        // Secrets Manager asks KMS in the caller's name, and does not pass on what KMS says.
        "secretsmanager" if need.action.starts_with("kms:") => {
            ApiError::client("AccessDeniedException", "Access to KMS is not allowed")
        }
        "s3" => ApiError {
            code: "AccessDenied".into(),
            message,
            status: 403,
        },
        "sqs" | "lambda" | "iam" | "cloudformation" => ApiError {
            code: "AccessDeniedException".into(),
            message,
            status: 403,
        },
        _ => ApiError::client("AccessDeniedException", message),
    }
}
