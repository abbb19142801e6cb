//! The roles of the account, and SimulatePrincipalPolicy over their policies: what IAM says a role may do, before it does it.
//!
//! Of the operation it has what a look at one role's rights needs: any actions, one resource, one value for each context key.
//! Members that would bring other policies into it are refused.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::policy::{Decision, Need, Policy, Statement};
use crate::api::{Answer, ApiError, CallContext};

/// The roles that can be looked at, by ARN.
#[derive(Default)]
pub(crate) struct Roles(BTreeMap<String, Policy>);

impl Roles {
    /// Makes a role with these policy documents, each with its name, or gives one that is there other documents; its ARN.
    pub(crate) fn put(
        &mut self,
        context: &CallContext,
        name: &str,
        documents: &[(String, Value)],
    ) -> Result<String, String> {
        let arn = format!("arn:{}:iam::{}:role/{name}", context.partition, context.account);
        self.0.insert(arn.clone(), Policy::read(name, documents)?);
        Ok(arn)
    }

    pub(crate) fn call(&self, context: &CallContext, operation: &str, input: &Value) -> Answer {
        if operation != "SimulatePrincipalPolicy" {
            let message = format!("local-aws serves SimulatePrincipalPolicy of iam alone; it has no {operation:?}");
            return Err(ApiError::client("InvalidAction", message));
        }
        self.simulate(context, &Simulation::read(input)?)
    }

    fn simulate(&self, context: &CallContext, asked: &Simulation) -> Answer {
        let policy = self.policy(context, &asked.source)?;
        let results = asked.actions.iter().map(|action| {
            let need = Need {
                action: action.clone(),
                resource: asked.resource.clone(),
                context: asked.context.clone(),
            };
            let (decision, matched) = match policy.decide(&need) {
                Decision::Allowed(grants) => ("allowed", grants.into_iter().map(|(sid, ..)| sid).collect()),
                Decision::Denied(sid) => ("explicitDeny", vec![sid]),
                Decision::NotAllowed => ("implicitDeny", Vec::new()),
            };
            let matched: Vec<Value> = matched
                .into_iter()
                .filter_map(|sid| policy.document_of(&sid))
                .map(|name| json!({"SourcePolicyId": name, "SourcePolicyType": "IAM Policy"}))
                .collect();
            let missing: Vec<String> = condition_keys(policy, &need)
                .into_iter()
                .filter(|key| !need.context.keys().any(|known| known.eq_ignore_ascii_case(key)))
                .collect();
            // Where a resource is named, what is missing is told with that resource.
            let (missing, of_resource) = match asked.resource.as_str() {
                "*" => (missing, Vec::new()),
                resource => {
                    let of_resource = json!({
                        "EvalResourceName": resource,
                        "EvalResourceDecision": decision,
                        "MissingContextValues": {"member": missing},
                    });
                    (Vec::new(), vec![of_resource])
                }
            };
            json!({
                "EvalActionName": action,
                "EvalResourceName": asked.resource,
                "EvalDecision": decision,
                "MatchedStatements": {"member": matched},
                "MissingContextValues": {"member": missing},
                "ResourceSpecificResults": {"member": of_resource},
            })
        });
        Ok(json!({"EvaluationResults": {"member": results.collect::<Vec<Value>>()}, "IsTruncated": false}))
    }

    fn policy(&self, context: &CallContext, source: &str) -> Result<&Policy, ApiError> {
        let parts: Vec<&str> = source.splitn(6, ':').collect();
        let (account, name) = match parts.as_slice() {
            ["arn", _, "iam", "", account, entity] => (*account, entity.strip_prefix("role/")),
            _ => ("", None),
        };
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let message = format!("Invalid Entity Arn: {source} does not clearly define entity type and name.");
            return Err(ApiError::client("InvalidInput", message));
        };
        self.0.get(source).ok_or_else(|| {
            let elsewhere = account != context.account;
            let (code, status) = if elsewhere {
                ("AccessDenied", 403)
            } else {
                ("NoSuchEntity", 404)
            };
            let message = if elsewhere {
                format!("local-aws has no roles of another account, which {source} is")
            } else {
                let name = name.rsplit('/').next().unwrap_or(name);
                format!("The role with name {name} cannot be found.")
            };
            ApiError {
                code: code.to_owned(),
                message,
                status,
            }
        })
    }
}

/// The input of SimulatePrincipalPolicy.
struct Simulation {
    source: String,
    actions: Vec<String>,
    resource: String,
    context: BTreeMap<String, String>,
}

impl Simulation {
    fn read(input: &Value) -> Result<Self, ApiError> {
        let mut members: BTreeMap<&str, &str> = input
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let source = members.remove("PolicySourceArn").unwrap_or_default().to_owned();
        if source.len() < 20 || source.len() > 2048 {
            return Err(violation(
                "policySourceArn",
                "Member must have length between 20 and 2048",
            ));
        }
        let actions = listed(&mut members, "ActionNames");
        if actions.is_empty() {
            return Err(violation("actionNames", "Member must not be null"));
        }
        if let Some(odd) = actions.iter().find(|action| !is_action(action)) {
            return Err(invalid(format!("Invalid Input Action: {odd}")));
        }
        let resources = listed(&mut members, "ResourceArns");
        let resource = match resources.as_slice() {
            [] => "*".to_owned(),
            [one] if one == "*" || (one.starts_with("arn:") && one.splitn(6, ':').count() == 6) => one.clone(),
            [odd] => return Err(invalid(format!("Invalid Entity Arn: {odd}"))),
            _ => return Err(not_implemented("more than one of ResourceArns")),
        };
        let mut context = BTreeMap::new();
        for n in 1.. {
            let at = format!("ContextEntries.member.{n}");
            let Some(key) = members.remove(format!("{at}.ContextKeyName").as_str()) else {
                break;
            };
            let kind = members.remove(format!("{at}.ContextKeyType").as_str());
            if !kind.is_some_and(|kind| TYPES.contains(&kind)) {
                return Err(violation("contextKeyType", "Member must satisfy enum value set"));
            }
            let mut values = listed(&mut members, &format!("{at}.ContextKeyValues"));
            let value = values.pop().filter(|_| values.is_empty());
            context.insert(
                key.to_owned(),
                value.ok_or_else(|| not_implemented("a context key without exactly one value"))?,
            );
        }
        if let Some(odd) = members.keys().next() {
            return Err(not_implemented(odd));
        }
        Ok(Self {
            source,
            actions,
            resource,
            context,
        })
    }
}

/// The types of context keys that have one value.
const TYPES: [&str; 6] = ["string", "numeric", "boolean", "ip", "binary", "date"];

/// Takes `<name>.member.1` and those after it out of a form.
fn listed(members: &mut BTreeMap<&str, &str>, name: &str) -> Vec<String> {
    (1..)
        .map_while(|n| members.remove(format!("{name}.member.{n}").as_str()))
        .map(str::to_owned)
        .collect()
}

fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty() && !name.is_empty() && !text.contains(['*', '?']) && text.len() <= 128
    })
}

fn invalid(message: String) -> ApiError {
    ApiError::client("InvalidInput", message)
}

fn violation(at: &str, constraint: &str) -> ApiError {
    let message = format!("1 validation error detected: Value at '{at}' failed to satisfy constraint: {constraint}");
    ApiError::client("ValidationError", message)
}

fn not_implemented(what: &str) -> ApiError {
    ApiError {
        code: "NotImplemented".to_owned(),
        message: format!("local-aws does not implement {what} of SimulatePrincipalPolicy"),
        status: 501,
    }
}

/// The condition keys that a policy asks for where it matches a need.
fn condition_keys(policy: &Policy, need: &Need) -> BTreeSet<String> {
    policy.speaking_about(need).flat_map(Statement::keys).collect()
}
