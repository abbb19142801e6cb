//! A CloudFormation stack as it is deployed, and the function in it.

use aws_config::SdkConfig;
use aws_sdk_cloudformation::types::Stack;
use ecr_pull_through_sync::account::{AwsError, Calls, ErrorKind};

use crate::ui::Failure;

/// The name that the documentation deploys it under.
pub const DEFAULT_STACK: &str = "ecr-pull-through-sync";

/// The template's output with the function's name.
const FUNCTION_NAME: &str = "FunctionName";

/// What a look at a stack has found.
pub enum Found {
    Function(String),
    /// It is not, or not whole yet: why.
    NotDeployed(String),
}

pub fn stack_name(text: &str) -> Result<String, String> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let good = starts && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if good {
        Ok(text.to_owned())
    } else {
        Err("a stack's name is at most 128 letters, digits and hyphens, and begins with a letter".into())
    }
}

/// Looks a stack up. It asks for the stack's description, whose outputs have the function's name: the one call that tells as
/// well that there is no such stack, or that it was never made whole.
pub async fn find(config: &SdkConfig, name: &str) -> Result<Found, Failure> {
    let client = aws_sdk_cloudformation::config::Builder::from(config)
        .interceptor(Calls::default())
        .build();
    let client = aws_sdk_cloudformation::Client::from_conf(client);
    let call = client.describe_stacks().stack_name(name).send().await;
    let stacks = match call.map_err(|e| AwsError::new("DescribeStacks", &e)) {
        Ok(answer) => answer.stacks.unwrap_or_default(),
        Err(error) if error.is("ValidationError") && error.message.contains("does not exist") => Vec::new(),
        Err(error) if error.kind == ErrorKind::Denied => {
            return Err(Failure::Aws(format!(
                "{error}: looking the stack {name} up takes cloudformation:DescribeStacks on it. Or name its function with \
                 --function, or set CONFIG_BUCKET and the other variables of the function"
            )));
        }
        Err(error) => return Err(Failure::Aws(error.to_string())),
    };
    match stacks.into_iter().next() {
        Some(stack) => look_at(name, &stack),
        None => Ok(Found::NotDeployed("there is no such stack".into())),
    }
}

fn look_at(name: &str, stack: &Stack) -> Result<Found, Failure> {
    let status = stack.stack_status.as_ref().map_or("", |status| status.as_str());
    if status.starts_with("DELETE_") {
        return Ok(Found::NotDeployed(format!("its status is {status}")));
    }
    let mut outputs = stack.outputs.iter().flatten();
    let function = outputs.find_map(|output| {
        let is_it = output.output_key.as_deref() == Some(FUNCTION_NAME);
        output.output_value.clone().filter(|_| is_it)
    });
    // While a stack is made for the first time, and where that failed, it has no outputs. An update leaves the old ones.
    let is_made = status == "CREATE_COMPLETE"
        || !["CREATE_", "ROLLBACK_", "REVIEW_"]
            .iter()
            .any(|start| status.starts_with(start));
    match function {
        Some(function) => Ok(Found::Function(function)),
        None if is_made => Err(Failure::Usage(format!(
            "the stack {name} has no output {FUNCTION_NAME}: it is not an ecr-pull-through-sync"
        ))),
        None => Ok(Found::NotDeployed(format!("its status is {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_cloudformation_takes() {
        for good in ["ecr-pull-through-sync", "a", &"a".repeat(128)] {
            assert_eq!(stack_name(good).as_deref(), Ok(good));
        }
        for bad in ["", "-a", "1a", "a_b", "a b", "ä", &"a".repeat(129)] {
            assert!(stack_name(bad).is_err(), "{bad}");
        }
    }
}
