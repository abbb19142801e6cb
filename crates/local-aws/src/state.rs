//! Everything an account holds, behind one lock: S3, Secrets Manager, ECR, SQS, KMS, roles, deployed stacks and functions, the clock, and the
//! events they raise.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

use crate::api::{Answer, ApiError, CallContext};
use crate::cloudformation::Stacks;
use crate::ecr::{Ecr, Pulled};
use crate::iam::Roles;
use crate::kms::Kms;
use crate::lambda_control::Functions;
use crate::options::Options;
use crate::s3::S3;
use crate::secrets::Secrets;
use crate::sqs::Sqs;
use crate::sts;

pub(crate) struct State {
    options: Options,
    /// Where time began, by the wall and by tokio's clock, which tests may stop.
    began: (Timestamp, Instant),
    offset: SignedDuration,
    pub(crate) s3: S3,
    pub(crate) secrets: Secrets,
    pub(crate) ecr: Ecr,
    pub(crate) sqs: Sqs,
    pub(crate) functions: Functions,
    pub(crate) stacks: Stacks,
    pub(crate) kms: Kms,
    pub(crate) roles: Roles,
    pub(crate) events: Vec<Value>,
}

impl State {
    /// An empty account that is served at `endpoint`.
    pub(crate) fn new(options: &Options, endpoint: &str) -> Self {
        let mut ecr = Ecr::new(options.rule_quota);
        ecr.set_page_cap(options.page_size);
        Self {
            options: options.clone(),
            began: (Timestamp::now(), Instant::now()),
            offset: SignedDuration::ZERO,
            s3: S3::new(options.page_size),
            secrets: Secrets::new(options),
            ecr,
            sqs: Sqs::new(endpoint),
            functions: Functions::default(),
            stacks: Stacks::default(),
            kms: Kms::default(),
            roles: Roles::default(),
            events: Vec::new(),
        }
    }

    /// The surroundings of a call made now.
    pub(crate) fn context(&self) -> CallContext {
        CallContext {
            account: self.options.account.clone(),
            region: self.options.region.clone(),
            partition: self.options.partition.clone(),
            now: self.now(),
        }
    }

    /// Time by tokio's clock, plus what [`State::advance`] has added.
    pub(crate) fn now(&self) -> Timestamp {
        let (began, instant) = self.began;
        let passed = SignedDuration::try_from(instant.elapsed()).unwrap_or_default();
        began.checked_add(passed.saturating_add(self.offset)).unwrap_or(began)
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.offset = self.offset.saturating_add(by);
    }

    /// One call of any service but S3.
    pub(crate) fn call(&mut self, service: &str, operation: &str, input: &Value) -> Answer {
        let context = self.context();
        match service {
            "ecr" => {
                let answer = self.ecr.call(&context, &self.secrets, operation, input);
                self.events.extend(self.ecr.take_events());
                answer
            }
            "secretsmanager" => self.secrets.call(&context, operation, input, &mut self.events),
            "sqs" => self.sqs.call(&context, operation, input),
            "kms" => self.kms.call(&context, operation, input),
            "iam" => self.roles.call(&context, operation, input),
            "sts" => sts::call(&context, operation, input),
            "cloudformation" => self.stacks.call(&context, operation, input),
            "lambda" => self.functions.call(&context, operation, input),
            other => Err(ApiError {
                code: "UnknownOperationException".to_owned(),
                message: format!("local-aws serves {}; it has no service {other:?}", crate::api::SERVICES),
                status: 404,
            }),
        }
    }

    /// One image pull through the account's rules.
    pub(crate) fn pull(&mut self, image: &str) -> Result<Pulled, ApiError> {
        let context = self.context();
        let pulled = self.ecr.pull(&context, &self.secrets, image);
        self.events.extend(self.ecr.take_events());
        pulled
    }
}
