//! What `!Ref` and `!GetAtt` give for a resource, by its type.

use super::template::{Stack, text};

impl Stack {
    /// `!Ref` of a resource.
    pub(super) fn identity(&self, logical_id: &str) -> Result<String, String> {
        let (kind, name) = self.kind_and_name(logical_id)?;
        match kind {
            "AWS::S3::Bucket"
            | "AWS::IAM::Role"
            | "AWS::Logs::LogGroup"
            | "AWS::KMS::Key"
            | "AWS::Lambda::Function"
            | "AWS::Serverless::Function" => Ok(name),
            "AWS::SQS::Queue" => Ok(format!(
                "https://sqs.{}.{}/{}/{name}",
                self.region,
                self.url_suffix(),
                self.account
            )),
            "AWS::SNS::Topic" => self.attribute(logical_id, "TopicArn"),
            _ => Err(format!(
                "local-aws does not know what !Ref gives for {logical_id}, an {kind}"
            )),
        }
    }

    /// `!GetAtt` of a resource.
    pub(super) fn attribute(&self, logical_id: &str, attribute: &str) -> Result<String, String> {
        let (kind, name) = self.kind_and_name(logical_id)?;
        let regional =
            |service: &str, rest: &str| self.arn(&format!("{service}:{}:{}", self.region, self.account), rest);
        Ok(match (kind, attribute) {
            ("AWS::S3::Bucket", "Arn") => self.arn("s3::", &name),
            ("AWS::IAM::Role", "Arn") => self.arn(&format!("iam::{}", self.account), &format!("role/{name}")),
            // CloudFormation's ARN of a log group means its streams.
            ("AWS::Logs::LogGroup", "Arn") => regional("logs", &format!("log-group:{name}:*")),
            ("AWS::SQS::Queue", "Arn") => regional("sqs", &name),
            ("AWS::SQS::Queue", "QueueName") => name,
            ("AWS::Events::Rule", "Arn") => regional("events", &format!("rule/{name}")),
            ("AWS::SNS::Topic", "TopicArn") => regional("sns", &name),
            ("AWS::KMS::Key", "Arn") => regional("kms", &format!("key/{name}")),
            ("AWS::Lambda::Function" | "AWS::Serverless::Function", "Arn") => {
                regional("lambda", &format!("function:{name}"))
            }
            _ => {
                return Err(format!(
                    "local-aws does not know {attribute} of {logical_id}, an {kind}"
                ));
            }
        })
    }

    /// The domain of AWS's endpoints.
    pub(super) fn url_suffix(&self) -> &'static str {
        if self.partition == "aws-cn" {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        }
    }

    fn kind_and_name(&self, logical_id: &str) -> Result<(&str, String), String> {
        let resource = self.resource(logical_id)?;
        Ok((
            text(resource, "Type").unwrap_or_default(),
            self.name_of(logical_id, resource)?,
        ))
    }

    fn arn(&self, place: &str, resource: &str) -> String {
        format!("arn:{}:{place}:{resource}", self.partition)
    }
}
