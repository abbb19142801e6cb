//! Lambda as far as somebody who looks a deployed function up needs it: its ARN and its environment.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::api::{Answer, ApiError, CallContext};

/// The name under which every function runs.
pub(crate) const FUNCTION_NAME: &str = "ecr-pull-through-sync";

/// The functions of the account, by name, each with its environment's variables.
#[derive(Debug, Default)]
pub(crate) struct Functions(BTreeMap<String, BTreeMap<String, String>>);

impl Functions {
    /// Registers a function; one that exists takes the new variables.
    pub(crate) fn deploy(&mut self, context: &CallContext, name: &str, variables: BTreeMap<String, String>) -> String {
        self.0.insert(name.to_owned(), variables);
        arn(context, name)
    }

    pub(crate) fn call(&self, context: &CallContext, operation: &str, input: &Value) -> Answer {
        if operation != "GetFunctionConfiguration" {
            return Err(ApiError {
                code: "UnknownOperationException".to_owned(),
                message: format!("local-aws serves GetFunctionConfiguration of lambda alone; it has no {operation:?}"),
                status: 404,
            });
        }
        let text = |member: &str| input.get(member).and_then(Value::as_str);
        let asked = Name::read(context, text("FunctionName").unwrap_or_default())?;
        let qualifier = match (asked.qualifier, text("Qualifier")) {
            (Some(one), Some(other)) if one != other => {
                let message = "The derived qualifier from the function name does not match the specified qualifier.";
                return Err(ApiError::client("InvalidParameterValueException", message));
            }
            (one, other) => one.or(other),
        };
        let named = arn(context, asked.name);
        let full = qualifier.map_or_else(|| named.clone(), |qualifier| format!("{named}:{qualifier}"));
        // Nothing here publishes versions or makes aliases: the newest code is the only one.
        match self
            .0
            .get(asked.name)
            .filter(|_| qualifier.is_none_or(|qualifier| qualifier == "$LATEST"))
        {
            Some(variables) => Ok(configuration(context, asked.name, &full, variables)),
            None => Err(ApiError {
                code: "ResourceNotFoundException".to_owned(),
                message: format!("Function not found: {full}"),
                status: 404,
            }),
        }
    }
}

fn configuration(context: &CallContext, name: &str, arn: &str, variables: &BTreeMap<String, String>) -> Value {
    let mut answer = json!({
        "FunctionName": name,
        "FunctionArn": arn,
        "Runtime": "provided.al2023",
        "Role": format!("arn:{}:iam::{}:role/{name}", context.partition, context.account),
        "Handler": "bootstrap",
        "Timeout": 300,
        "MemorySize": 256,
        "Version": "$LATEST",
        "PackageType": "Zip",
        "Architectures": ["arm64"],
        "State": "Active",
    });
    // A function without variables has no such member.
    if let (false, Some(members)) = (variables.is_empty(), answer.as_object_mut()) {
        let variables: Map<String, Value> = variables
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        members.insert("Environment".to_owned(), json!({ "Variables": variables }));
    }
    answer
}

pub(crate) fn arn(context: &CallContext, name: &str) -> String {
    format!(
        "arn:{}:lambda:{}:{}:function:{name}",
        context.partition, context.region, context.account
    )
}

/// A function as it may be named: `name`, `<account>:function:name` or the whole ARN, each with or without a qualifier.
pub(crate) struct Name<'a> {
    pub(crate) name: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> Name<'a> {
    pub(crate) fn read(context: &CallContext, text: &'a str) -> Result<Self, ApiError> {
        let invalid = || {
            let message = format!(
                "1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: \
                 Member must satisfy regular expression pattern"
            );
            ApiError::client("ValidationException", message)
        };
        let elsewhere = || ApiError {
            code: "AccessDeniedException".to_owned(),
            message: format!("local-aws has no functions of another account or Region, which {text} is"),
            status: 403,
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (account, region, rest) = match parts.as_slice() {
            ["arn", _, "lambda", region, account, "function", rest @ ..] => (Some(*account), Some(*region), rest),
            [account, "function", rest @ ..] => (Some(*account), None, rest),
            rest => (None, None, rest),
        };
        let (name, qualifier) = match rest {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some(*qualifier)),
            _ => return Err(invalid()),
        };
        let word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !word(name) || name.len() > 64 || !qualifier.is_none_or(|q| q == "$LATEST" || word(q)) {
            return Err(invalid());
        }
        if account.is_some_and(|account| account != context.account)
            || region.is_some_and(|region| region != context.region)
        {
            return Err(elsewhere());
        }
        Ok(Self { name, qualifier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::state::State;

    fn ask(name: &str) -> Result<String, String> {
        let mut state = State::new(&Options::default(), "http://127.0.0.1:1");
        let context = state.context();
        state.functions.deploy(
            &context,
            "sync",
            BTreeMap::from([("OWNER".to_owned(), "stack".to_owned())]),
        );
        let answer = state.call("lambda", "GetFunctionConfiguration", &json!({ "FunctionName": name }));
        answer.map_err(|error| error.code).map(|answer| {
            assert_eq!(answer["Environment"], json!({"Variables": {"OWNER": "stack"}}));
            answer["FunctionArn"].as_str().unwrap().to_owned()
        })
    }

    #[test]
    fn a_function_has_several_names() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:sync";
        for name in ["sync", "123456789012:function:sync", arn] {
            assert_eq!(ask(name), Ok(arn.to_owned()), "{name}");
        }
        assert_eq!(ask("sync:$LATEST"), Ok(format!("{arn}:$LATEST")));
    }

    #[test]
    fn what_is_no_function_here_is_refused() {
        for (name, code) in [
            ("other", "ResourceNotFoundException"),
            ("sync:live", "ResourceNotFoundException"),
            ("", "ValidationException"),
            ("a b", "ValidationException"),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:sync",
                "AccessDeniedException",
            ),
            (
                "arn:aws:lambda:us-east-1:123456789012:function:sync",
                "AccessDeniedException",
            ),
        ] {
            assert_eq!(ask(name), Err(code.to_owned()), "{name}");
        }
    }
}
