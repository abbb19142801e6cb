#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // a test may panic
//! One registry with a fake of Secrets Manager beside it; what it must do is in the modules below.

mod images;
mod lifecycle;
mod policies;
mod pulls;
mod repositories;
mod rules;
mod templates;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Ecr, Pulled};
use crate::api::{CallContext, SecretSource, SeenSecret};

const ACCOUNT: &str = "111122223333";
const HUB: &str = "registry-1.docker.io";

#[derive(Default)]
struct Secrets(BTreeMap<String, SeenSecret>);

impl SecretSource for Secrets {
    fn secret(&self, arn: &str, _now: Timestamp) -> Option<SeenSecret> {
        self.0.get(arn).cloned()
    }
}

struct World {
    ecr: Ecr,
    secrets: Secrets,
    context: CallContext,
}

fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:ecr-pullthroughcache/{name}-AbCdEf")
}

impl World {
    fn new() -> Self {
        let now = "2026-11-23T05:00:00Z".parse().unwrap();
        let context = CallContext {
            account: ACCOUNT.into(),
            region: "eu-west-1".into(),
            partition: "aws".into(),
            now,
        };
        Self {
            ecr: Ecr::new(50),
            secrets: Secrets::default(),
            context,
        }
    }

    fn call(&mut self, op: &str, input: &Value) -> Result<Value, String> {
        let answer = self.ecr.call(&self.context, &self.secrets, op, input);
        answer.map_err(|error| format!("{}: {}", error.code, error.message))
    }

    /// The answer of a call that must succeed.
    fn must(&mut self, op: &str, input: &Value) -> Value {
        self.call(op, input)
            .unwrap_or_else(|error| panic!("{op} {input}: {error}"))
    }

    /// A call that must be refused with a text that has this part.
    fn refused(&mut self, op: &str, input: &Value, part: &str) {
        match self.call(op, input) {
            Ok(answer) => panic!("{op} {input} was not refused: {answer}"),
            Err(error) => assert!(error.contains(part), "{op} {input}: {error}"),
        }
    }

    /// A secret with this value; its ARN.
    fn secret(&mut self, name: &str, current: Option<&str>) -> String {
        let seen = SeenSecret {
            deleted: false,
            current: current.map(str::to_owned),
            customer_key: false,
        };
        self.secrets.0.insert(arn(name), seen);
        arn(name)
    }

    /// A Docker Hub rule with a credential that works.
    fn hub(&mut self, prefix: &str) -> String {
        let secret = self.secret(prefix, Some(r#"{"username":"u","accessToken":"t"}"#));
        self.ecr.upstreams().accept(HUB, "u", "t");
        let input = json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": HUB, "credentialArn": secret});
        self.must("CreatePullThroughCacheRule", &input);
        secret
    }

    fn quay(&mut self, prefix: &str) {
        let input = json!({"ecrRepositoryPrefix": prefix, "upstreamRegistryUrl": "quay.io"});
        self.must("CreatePullThroughCacheRule", &input);
    }

    fn pull(&mut self, image: &str) -> Result<Pulled, String> {
        self.ecr
            .pull(&self.context, &self.secrets, image)
            .map_err(|error| format!("{}: {}", error.code, error.message))
    }

    fn later(&mut self, hours: i64) {
        self.context.now += SignedDuration::from_hours(hours);
    }
}

#[test]
fn operations_it_does_not_have_are_refused_in_its_own_name() {
    let mut world = World::new();
    for op in ["ListImages", "PutReplicationConfiguration", ""] {
        world.refused(
            op,
            &json!({}),
            "UnknownOperationException: local-aws does not implement",
        );
    }
}
