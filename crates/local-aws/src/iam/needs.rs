//! What each call needs: IAM actions, the resources they are on, and the condition keys of the request.
//!
//! From the Service Authorization Reference, the ECR and S3 user guides, and the permissions that CloudFormation's own
//! handlers list. Where AWS does not publish what it evaluates, the stricter reading is taken, and the comment says so.

use serde_json::Value;
use std::collections::BTreeMap;

use super::context_keys::RESOURCE_TAG;
use super::policy::Need;
use crate::api::CallContext;
use crate::ecr::{PULLS, TEMPLATES};
use crate::lambda_control;
use crate::s3;
use crate::state::State;

/// Actions that have no resource types, so that `*` is the only resource a statement can give them.
pub const WITHOUT_RESOURCES: [&str; 19] = [
    "cloudwatch:PutMetricData",
    "ecr:CreatePullThroughCacheRule",
    "ecr:CreateRepositoryCreationTemplate",
    "ecr:DeletePullThroughCacheRule",
    "ecr:DeleteRegistryPolicy",
    "ecr:DeleteRepositoryCreationTemplate",
    "ecr:DescribePullThroughCacheRules",
    "ecr:DescribeRepositoryCreationTemplates",
    "ecr:GetAuthorizationToken",
    "ecr:GetRegistryPolicy",
    "ecr:GetRegistryScanningConfiguration",
    "ecr:PutRegistryPolicy",
    "ecr:UpdatePullThroughCacheRule",
    "ecr:UpdateRepositoryCreationTemplate",
    "ecr:ValidatePullThroughCacheRule",
    "secretsmanager:ListSecrets",
    "sqs:ListQueues",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// The input of a call, as far as its needs depend on it.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    Json(&'a Value),
    S3 { request: &'a s3::Request, if_match: bool },
}

/// What a call needs; `None` when that is not known here.
pub(crate) fn of(state: &State, service: &str, operation: &str, input: Input<'_>) -> Option<Vec<Need>> {
    let asking = Asking {
        state,
        context: state.context(),
    };
    match (service, input) {
        ("ecr", Input::Json(input)) => asking.ecr(operation, input),
        ("secretsmanager", Input::Json(input)) => asking.secrets(operation, input),
        ("sqs", Input::Json(input)) => asking.sqs(operation, input),
        ("lambda", Input::Json(input)) => asking.lambda(operation, input),
        ("cloudformation", Input::Json(input)) => asking.cloudformation(operation, input),
        // Everybody may learn who they are: IAM is not asked, and cannot deny it.
        ("sts", Input::Json(_)) if operation == "GetCallerIdentity" => Some(Vec::new()),
        ("iam", Input::Json(input)) if operation == "SimulatePrincipalPolicy" => {
            let role = given(input, "PolicySourceArn").unwrap_or_default();
            Some(vec![asking.need("iam:SimulatePrincipalPolicy", role)])
        }
        ("kms", Input::Json(input)) => asking.kms(operation, input),
        ("s3", Input::S3 { request, if_match }) => asking.s3(operation, request, if_match),
        _ => None,
    }
}

/// What S3 asks before it says that an object is not there.
pub(crate) fn of_a_missing_object(state: &State, bucket: &str) -> Need {
    let asking = Asking {
        state,
        context: state.context(),
    };
    asking.need(
        "s3:ListBucket",
        format!("arn:{}:s3:::{bucket}", asking.context.partition),
    )
}

struct Asking<'a> {
    state: &'a State,
    context: CallContext,
}

impl Asking<'_> {
    fn need(&self, action: impl Into<String>, resource: impl Into<String>) -> Need {
        let context = BTreeMap::from([
            ("aws:PrincipalAccount", self.context.account.clone()),
            ("aws:RequestedRegion", self.context.region.clone()),
            ("aws:ResourceAccount", self.context.account.clone()),
            // The stand-in speaks plain HTTP; AWS's endpoints, for which it stands, do not.
            ("aws:SecureTransport", "true".to_owned()),
        ]);
        let context = context
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        Need {
            action: action.into(),
            resource: resource.into(),
            context,
        }
    }

    /// A need on a secret, which carries the secret's tags. One that does not exist yet has none.
    fn on_secret(&self, action: impl Into<String>, arn: String) -> Need {
        let mut need = self.need(action, arn);
        let tags = self.state.secrets.tags_of(&need.resource).into_iter().flatten();
        need.context
            .extend(tags.map(|(key, value)| (format!("{RESOURCE_TAG}{key}"), value.clone())));
        need
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:{}:{service}:{}:{}:{resource}",
            self.context.partition, self.context.region, self.context.account
        )
    }

    fn ecr(&self, operation: &str, input: &Value) -> Option<Vec<Need>> {
        let action = format!("ecr:{operation}");
        let repository = |name: &str| self.arn("ecr", &format!("repository/{name}"));
        let own = |resource: String| self.need(action.clone(), resource);
        Some(match operation {
            "CreatePullThroughCacheRule" | "UpdatePullThroughCacheRule" => {
                let mut needs = vec![own("*".into())];
                if let Some(secret) = given(input, "credentialArn") {
                    // Made by ECR with the caller's leave, once for the account.
                    needs.extend(self.linked_role(PULLS, "AWSServiceRoleForECRPullThroughCache"));
                    needs.extend(self.reading_of(secret));
                }
                needs.extend(given(input, "customRoleArn").map(|role| self.pass_role(role, PULLS)));
                needs
            }
            "CreateRepositoryCreationTemplate" | "UpdateRepositoryCreationTemplate" => {
                let mut needs = vec![own("*".into())];
                // On which resource ECR asks for these is not published; every repository is the widest there is.
                needs.push(self.need("ecr:CreateRepository", repository("*")));
                for (member, action) in [
                    ("lifecyclePolicy", "ecr:PutLifecyclePolicy"),
                    ("repositoryPolicy", "ecr:SetRepositoryPolicy"),
                ] {
                    // Present is used: whether ECR lets one be cleared without leave to write it is not known.
                    needs.extend(input.get(member).map(|_| self.need(action, repository("*"))));
                }
                needs.extend(self.linked_role(TEMPLATES, "AWSServiceRoleForECRTemplate"));
                needs.extend(given(input, "customRoleArn").map(|role| self.pass_role(role, TEMPLATES)));
                needs
            }
            "DescribeRepositories" => match input.get("repositoryNames").and_then(Value::as_array) {
                Some(names) => names
                    .iter()
                    .filter_map(Value::as_str)
                    .map(|name| own(repository(name)))
                    .collect(),
                None => vec![own(repository("*"))],
            },
            "CreateRepository" => {
                let arn = repository(given(input, "repositoryName").unwrap_or_default());
                let tags = has_items(input, "tags").then(|| self.need("ecr:TagResource", arn.clone()));
                [own(arn)].into_iter().chain(tags).collect()
            }
            "DeleteRepository"
            | "PutLifecyclePolicy"
            | "GetLifecyclePolicy"
            | "DeleteLifecyclePolicy"
            | "StartLifecyclePolicyPreview"
            | "GetLifecyclePolicyPreview"
            | "SetRepositoryPolicy"
            | "GetRepositoryPolicy"
            | "DeleteRepositoryPolicy"
            | "DescribeImages"
            | "PutImageTagMutability" => vec![own(repository(given(input, "repositoryName").unwrap_or_default()))],
            "BatchGetImage" => {
                let arn = repository(given(input, "repositoryName").unwrap_or_default());
                // What is not cached is imported, in the name of whoever asks for it.
                let first = self.state.ecr.first_pull(input);
                let more = [
                    ("ecr:BatchImportUpstreamImage", first.imports),
                    ("ecr:CreateRepository", first.creates),
                ];
                let more = more.into_iter().filter(|(_, needed)| *needed);
                std::iter::once(own(arn.clone()))
                    .chain(more.map(|(action, _)| self.need(action, arn.clone())))
                    .collect()
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => {
                vec![own(given(input, "resourceArn").unwrap_or_default().to_owned())]
            }
            _ if WITHOUT_RESOURCES.contains(&action.as_str()) => vec![own("*".into())],
            _ => return None,
        })
    }

    fn secrets(&self, operation: &str, input: &Value) -> Option<Vec<Need>> {
        let action = format!("secretsmanager:{operation}");
        let secret = || self.secret(given(input, "SecretId").unwrap_or_default());
        let writes_value = input.get("SecretString").is_some() || input.get("SecretBinary").is_some();
        Some(match operation {
            "CreateSecret" => {
                // It has no random suffix yet, so that it is asked about by its name.
                let arn = self.secret(given(input, "Name").unwrap_or_default());
                let mut needs = vec![self.need(action, arn.clone())];
                needs.extend(has_items(input, "Tags").then(|| self.need("secretsmanager:TagResource", arn)));
                needs.extend(
                    given(input, "KmsKeyId")
                        .into_iter()
                        .flat_map(|key| self.writing_under(key)),
                );
                needs
            }
            "GetSecretValue" => self.reading_of(given(input, "SecretId").unwrap_or_default()),
            "PutSecretValue" | "UpdateSecret" => {
                let arn = secret();
                let stored = self.state.secrets.customer_key(&arn).filter(|_| writes_value);
                let mut keys: Vec<&str> = stored.into_iter().chain(given(input, "KmsKeyId")).collect();
                keys.dedup();
                let under_keys: Vec<Need> = keys.into_iter().flat_map(|key| self.writing_under(key)).collect();
                [self.on_secret(action, arn)].into_iter().chain(under_keys).collect()
            }
            "DescribeSecret"
            | "UpdateSecretVersionStage"
            | "ListSecretVersionIds"
            | "TagResource"
            | "UntagResource"
            | "GetResourcePolicy"
            | "DeleteResourcePolicy"
            | "RestoreSecret" => vec![self.on_secret(action, secret())],
            // A key whose member the request leaves out is not there: whether AWS fills in a default is not published.
            "PutResourcePolicy" => vec![self.on_secret(action, secret()).with(input, "BlockPublicPolicy")],
            "DeleteSecret" => {
                let need = self.on_secret(action, secret());
                vec![
                    need.with(input, "RecoveryWindowInDays")
                        .with(input, "ForceDeleteWithoutRecovery"),
                ]
            }
            // It may go without a secret: the policy alone is looked at.
            "ValidateResourcePolicy" => match given(input, "SecretId") {
                Some(_) => vec![self.on_secret(action, secret())],
                None => vec![self.need(action, "*")],
            },
            "ListSecrets" => vec![self.need(action, "*")],
            _ => return None,
        })
    }

    fn sqs(&self, operation: &str, input: &Value) -> Option<Vec<Need>> {
        // The batches have no actions of their own.
        let action = match operation {
            "SendMessageBatch" => "SendMessage",
            "DeleteMessageBatch" => "DeleteMessage",
            "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
            "SendMessage"
            | "ReceiveMessage"
            | "DeleteMessage"
            | "ChangeMessageVisibility"
            | "GetQueueAttributes"
            | "SetQueueAttributes"
            | "GetQueueUrl"
            | "CreateQueue"
            | "DeleteQueue"
            | "PurgeQueue" => operation,
            "ListQueues" => return Some(vec![self.need("sqs:ListQueues", "*")]),
            _ => return None,
        };
        // A URL ends in the queue's account and name.
        let mut end = given(input, "QueueUrl").unwrap_or_default().rsplit('/');
        let name = end
            .next()
            .filter(|name| !name.is_empty())
            .or_else(|| given(input, "QueueName"));
        let account = end
            .next()
            .or_else(|| given(input, "QueueOwnerAWSAccountId"))
            .unwrap_or(&self.context.account);
        let place = format!("arn:{}:sqs:{}:{account}", self.context.partition, self.context.region);
        let arn = format!("{place}:{}", name.unwrap_or_default());
        Some(vec![self.need(format!("sqs:{action}"), arn)])
    }

    fn lambda(&self, operation: &str, input: &Value) -> Option<Vec<Need>> {
        (operation == "GetFunctionConfiguration").then(|| {
            let asked = given(input, "FunctionName").unwrap_or_default();
            let name = lambda_control::Name::read(&self.context, asked).map_or(asked, |name| name.name);
            vec![self.need(
                "lambda:GetFunctionConfiguration",
                lambda_control::arn(&self.context, name),
            )]
        })
    }

    fn cloudformation(&self, operation: &str, input: &Value) -> Option<Vec<Need>> {
        (operation == "DescribeStacks").then(|| {
            let asked = given(input, "StackName").unwrap_or("*");
            let stack = self.state.stacks.resource(&self.context, asked);
            vec![self.need("cloudformation:DescribeStacks", stack)]
        })
    }

    /// IAM is asked about the key itself, also where an alias names it.
    fn kms(&self, operation: &str, input: &Value) -> Option<Vec<Need>> {
        matches!(operation, "Encrypt" | "Decrypt")
            .then(|| vec![self.need(format!("kms:{operation}"), self.state.kms.arn_of(&self.context, input))])
    }

    fn s3(&self, operation: &str, request: &s3::Request, if_match: bool) -> Option<Vec<Need>> {
        let versioned = request.names_version();
        let actions: &[&str] = match operation {
            "GetObject" | "HeadObject" if versioned => &["s3:GetObjectVersion"],
            "GetObject" | "HeadObject" => &["s3:GetObject"],
            // Who may compare with what is there must be able to read it.
            "PutObject" if if_match => &["s3:PutObject", "s3:GetObject"],
            "PutObject" => &["s3:PutObject"],
            "DeleteObject" if versioned => &["s3:DeleteObjectVersion"],
            "DeleteObject" => &["s3:DeleteObject"],
            "ListObjectsV2" | "HeadBucket" => &["s3:ListBucket"],
            "ListObjectVersions" => &["s3:ListBucketVersions"],
            "GetBucketLocation" => &["s3:GetBucketLocation"],
            "GetBucketVersioning" => &["s3:GetBucketVersioning"],
            "PutBucketVersioning" => &["s3:PutBucketVersioning"],
            "CreateBucket" => &["s3:CreateBucket"],
            _ => return None,
        };
        let arn = format!("arn:{}:s3:::{}", self.context.partition, request.subject());
        Some(actions.iter().map(|action| self.need(*action, arn.clone())).collect())
    }

    /// Reading a secret's value, which is the caller's right also where ECR does it for a rule.
    fn reading_of(&self, id: &str) -> Vec<Need> {
        let arn = self.secret(id);
        let key = self
            .state
            .secrets
            .customer_key(&arn)
            .map(|key| self.under_key("kms:Decrypt", key));
        [self.on_secret("secretsmanager:GetSecretValue", arn)]
            .into_iter()
            .chain(key)
            .collect()
    }

    fn writing_under(&self, key: &str) -> Vec<Need> {
        ["kms:GenerateDataKey", "kms:Decrypt"]
            .map(|action| self.under_key(action, key))
            .into()
    }

    /// What Secrets Manager does with a key, in the name of whoever calls it.
    fn under_key(&self, action: &str, key: &str) -> Need {
        let mut need = self.need(action, self.key(key));
        let domain = match self.context.partition.as_str() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        let service = format!("secretsmanager.{}.{domain}", self.context.region);
        need.context.insert("kms:ViaService".into(), service);
        need
    }

    /// A secret's full ARN, whether it is named by its name or by all or part of its ARN; for one that does not exist
    /// the ARN of the name.
    fn secret(&self, id: &str) -> String {
        match self.state.secrets.arn_of(&self.context, id) {
            Some(arn) => arn,
            None if id.starts_with("arn:") => id.to_owned(),
            None => self.arn("secretsmanager", &format!("secret:{id}")),
        }
    }

    fn key(&self, id: &str) -> String {
        match id {
            arn if arn.starts_with("arn:") => arn.to_owned(),
            alias if alias.starts_with("alias/") => self.arn("kms", alias),
            id => self.arn("kms", &format!("key/{id}")),
        }
    }

    fn pass_role(&self, role: &str, service: &str) -> Need {
        let mut need = self.need("iam:PassRole", role);
        need.context.insert("iam:PassedToService".into(), service.to_owned());
        need
    }

    /// Nothing once the account has the role.
    fn linked_role(&self, service: &str, name: &str) -> Option<Need> {
        if self.state.ecr.has_linked_role(service) {
            return None;
        }
        let arn = format!(
            "arn:{}:iam::{}:role/aws-service-role/{service}/{name}",
            self.context.partition, self.context.account
        );
        let mut need = self.need("iam:CreateServiceLinkedRole", arn);
        need.context.insert("iam:AWSServiceName".into(), service.to_owned());
        // IAM is not in the caller's region; a condition on the region must not be what allows this.
        need.context.remove("aws:RequestedRegion");
        Some(need)
    }
}

impl Need {
    /// The same with the condition key of a member of Secrets Manager's, where the request has it.
    fn with(mut self, input: &Value, member: &str) -> Self {
        let value = input.get(member).filter(|value| !value.is_null());
        self.context
            .extend(value.map(|value| (format!("secretsmanager:{member}"), value.to_string())));
        self
    }
}

/// A member with a text in it; an empty one is how ECR clears.
fn given<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn has_items(input: &Value, name: &str) -> bool {
    input
        .get(name)
        .and_then(Value::as_array)
        .is_some_and(|items| !items.is_empty())
}

#[cfg(test)]
mod tests;
