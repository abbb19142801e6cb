//! CloudFormation as far as somebody who looks a deployed stack up needs it: its status and its outputs.

use std::collections::BTreeMap;

use jiff::{Timestamp, Unit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Answer, ApiError, CallContext};
use crate::shape::{self, Service};

/// AWS's words for how a stack is (botocore 1.44.8, StackStatus).
const STATUSES: [&str; 23] = [
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "CREATE_IN_PROGRESS",
    "DELETE_COMPLETE",
    "DELETE_FAILED",
    "DELETE_IN_PROGRESS",
    "IMPORT_COMPLETE",
    "IMPORT_IN_PROGRESS",
    "IMPORT_ROLLBACK_COMPLETE",
    "IMPORT_ROLLBACK_FAILED",
    "IMPORT_ROLLBACK_IN_PROGRESS",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "ROLLBACK_IN_PROGRESS",
    "UPDATE_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_FAILED",
    "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS",
];

/// The stacks of the account, in the order of their registration.
#[derive(Debug, Default)]
pub(crate) struct Stacks(Vec<Stack>);

#[derive(Debug)]
struct Stack {
    name: String,
    id: String,
    status: String,
    outputs: BTreeMap<String, String>,
    created: Timestamp,
}

impl Stacks {
    /// Registers a stack; one of that name that is not deleted takes the new status and outputs. Gives its id.
    pub(crate) fn put(
        &mut self,
        context: &CallContext,
        name: &str,
        status: &str,
        outputs: BTreeMap<String, String>,
    ) -> Answer {
        shape::check(Service::CloudFormation, "DescribeStacks", &json!({ "StackName": name }))?;
        if !STATUSES.contains(&status) {
            let message = format!("local-aws: {status:?} is no status of a stack");
            return Err(ApiError::client("ValidationError", message));
        }
        if !self.0.iter().any(|stack| stack.is_named(name)) {
            self.0.push(Stack {
                name: name.to_owned(),
                id: format!("{}/{}", arn(context, name), Uuid::new_v4()),
                status: String::new(),
                outputs: BTreeMap::new(),
                created: context.now,
            });
        }
        let Some(stack) = self.0.iter_mut().find(|stack| stack.is_named(name)) else {
            return Ok(Value::Null);
        };
        (stack.status, stack.outputs) = (status.to_owned(), outputs);
        Ok(json!(stack.id))
    }

    pub(crate) fn call(&self, context: &CallContext, operation: &str, input: &Value) -> Answer {
        if !shape::knows(Service::CloudFormation, operation) {
            let message = format!("local-aws serves DescribeStacks of cloudformation alone; it has no {operation:?}");
            return Err(ApiError::client("InvalidAction", message));
        }
        shape::check(Service::CloudFormation, operation, input)?;
        let text = |member: &str| input.get(member).and_then(Value::as_str);
        let (Some(asked), None) = (text("StackName"), text("NextToken")) else {
            return Err(ApiError {
                code: "NotImplemented".to_owned(),
                message: "local-aws describes the stack that StackName names, and has no pages of all stacks"
                    .to_owned(),
                status: 501,
            });
        };
        match self.find(asked) {
            Some(stack) => Ok(json!({ "Stacks": { "member": [stack.describe(context)] } })),
            None => {
                let message = format!("Stack with id {asked} does not exist");
                Err(ApiError::client("ValidationError", message))
            }
        }
    }

    /// The resource that IAM is asked about. Of a stack that is not there nobody knows the end of the id.
    pub(crate) fn resource(&self, context: &CallContext, asked: &str) -> String {
        match self.find(asked) {
            Some(stack) => stack.id.clone(),
            None if asked.starts_with("arn:") => asked.to_owned(),
            None => format!("{}/*", arn(context, asked)),
        }
    }

    /// A stack by its name, or, deleted ones too, by its id.
    fn find(&self, asked: &str) -> Option<&Stack> {
        self.0.iter().find(|stack| stack.is_named(asked) || stack.id == asked)
    }
}

impl Stack {
    fn is_named(&self, name: &str) -> bool {
        self.name == name && self.status != "DELETE_COMPLETE"
    }

    /// Outputs are there once the stack has been made whole, and stay as they were while it is updated.
    fn shows_outputs(&self) -> bool {
        let (status, whole) = (self.status.as_str(), self.status != "CREATE_COMPLETE");
        !(whole
            && ["CREATE_", "ROLLBACK_", "REVIEW_"]
                .iter()
                .any(|start| status.starts_with(start)))
    }

    fn describe(&self, context: &CallContext) -> Value {
        let mut described = json!({
            "StackId": self.id,
            "StackName": self.name,
            "CreationTime": time(self.created),
            "StackStatus": self.status,
            "DisableRollback": "false",
            "EnableTerminationProtection": "false",
            "DriftInformation": { "StackDriftStatus": "NOT_CHECKED" },
            "Capabilities": { "member": ["CAPABILITY_IAM"] },
        });
        let Some(members) = described.as_object_mut() else {
            return described;
        };
        if self.status.starts_with("UPDATE_") {
            members.insert("LastUpdatedTime".to_owned(), time(context.now).into());
        }
        if self.shows_outputs() && !self.outputs.is_empty() {
            let outputs = self.outputs.iter();
            let outputs: Vec<Value> = outputs
                .map(|(key, value)| json!({ "OutputKey": key, "OutputValue": value }))
                .collect();
            members.insert("Outputs".to_owned(), json!({ "member": outputs }));
        }
        described
    }
}

/// A time as the query protocol writes it.
fn time(at: Timestamp) -> String {
    at.round(Unit::Millisecond).unwrap_or(at).to_string()
}

fn arn(context: &CallContext, name: &str) -> String {
    format!(
        "arn:{}:cloudformation:{}:{}:stack/{name}",
        context.partition, context.region, context.account
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::state::State;

    fn account(status: &str) -> (State, String) {
        let mut state = State::new(&Options::default(), "http://127.0.0.1:1");
        let context = state.context();
        let outputs = BTreeMap::from([("FunctionName".to_owned(), "sync-1".to_owned())]);
        let id = state.stacks.put(&context, "sync", status, outputs).unwrap();
        (state, id.as_str().unwrap().to_owned())
    }

    fn ask(state: &mut State, input: Value) -> Result<Value, String> {
        let answer = state.call("cloudformation", "DescribeStacks", &input);
        let answer = answer.map_err(|error| format!("{}: {}", error.code, error.message));
        answer.map(|answer| answer["Stacks"]["member"][0].clone())
    }

    #[test]
    fn a_stack_is_described_by_its_name_and_by_its_id() {
        let (mut state, id) = account("CREATE_COMPLETE");
        assert!(id.starts_with("arn:aws:cloudformation:eu-west-1:123456789012:stack/sync/"));
        for name in ["sync", &id] {
            let stack = ask(&mut state, json!({ "StackName": name })).unwrap();
            assert_eq!((&stack["StackName"], &stack["StackId"]), (&json!("sync"), &json!(id)));
            let output = json!({ "OutputKey": "FunctionName", "OutputValue": "sync-1" });
            assert_eq!(stack["Outputs"]["member"], json!([output]));
        }
    }

    #[test]
    fn what_is_not_made_whole_has_no_outputs_and_what_is_updated_keeps_them() {
        for (status, shown) in [
            ("REVIEW_IN_PROGRESS", false),
            ("CREATE_IN_PROGRESS", false),
            ("CREATE_FAILED", false),
            ("ROLLBACK_COMPLETE", false),
            ("UPDATE_IN_PROGRESS", true),
            ("UPDATE_ROLLBACK_FAILED", true),
            ("DELETE_IN_PROGRESS", true),
        ] {
            let (mut state, _) = account(status);
            let stack = ask(&mut state, json!({ "StackName": "sync" })).unwrap();
            assert_eq!(stack.get("Outputs").is_some(), shown, "{status}");
            assert_eq!(stack["StackStatus"], status);
        }
    }

    #[test]
    fn a_deleted_stack_is_known_by_its_id_alone_and_its_name_is_free() {
        let (mut state, id) = account("DELETE_COMPLETE");
        let gone = ask(&mut state, json!({ "StackName": "sync" }));
        assert_eq!(
            gone,
            Err("ValidationError: Stack with id sync does not exist".to_owned())
        );
        assert_eq!(
            ask(&mut state, json!({ "StackName": id })).unwrap()["StackStatus"],
            "DELETE_COMPLETE"
        );
        let context = state.context();
        let next = state.stacks.put(&context, "sync", "CREATE_COMPLETE", BTreeMap::new());
        assert!(next.unwrap() != id);
    }

    #[test]
    fn what_is_no_stack_is_refused() {
        let (mut state, _) = account("CREATE_COMPLETE");
        for (input, said) in [
            (
                json!({ "StackName": "other" }),
                "ValidationError: Stack with id other does not exist",
            ),
            (
                json!({ "StackName": "a_b" }),
                "ValidationError: 1 validation error detected: Value 'a_b' at 'stackName' failed to satisfy constraint: \
                 must satisfy regular expression",
            ),
            (json!({ "StackName": "" }), "ValidationError: "),
            (json!({ "StackName": "sync", "Nope": "1" }), "ValidationError: "),
            (json!({}), "NotImplemented: local-aws"),
            (
                json!({ "StackName": "sync", "NextToken": "x" }),
                "NotImplemented: local-aws",
            ),
        ] {
            let refused = ask(&mut state, input.clone()).unwrap_err();
            assert!(refused.starts_with(said), "{input}: {refused}");
        }
        let other = state.call("cloudformation", "DeleteStack", &json!({}));
        assert_eq!(other.unwrap_err().code, "InvalidAction");
        let context = state.context();
        for (name, status) in [("a b", "CREATE_COMPLETE"), ("sync", "SPLENDID")] {
            assert!(
                state.stacks.put(&context, name, status, BTreeMap::new()).is_err(),
                "{name} {status}"
            );
        }
    }
}
