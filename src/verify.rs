//! Proof: ECR is asked to authenticate to the upstream with every credential. Creating a rule proves nothing, since
//! ECR takes any text for a credential then.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use crate::account::{AwsError, Proof, Reader};
use crate::pace::{Deadline, Pace};

/// How many proofs run at a time; each makes ECR call the upstream.
const PROOFS: usize = 8;

/// How often a credential that was written a moment ago is asked about: ECR may still see the one before.
const TRIES: usize = 5;

/// A rule whose credential is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The rule's prefix.
    pub prefix: String,
    /// Rule or secret were written by this run.
    pub fresh: bool,
}

/// Has ECR prove each candidate. A reader is enough: a proof writes nothing.
pub async fn prove(
    reader: &Reader,
    candidates: Vec<Candidate>,
    pace: &Pace,
    deadline: &Deadline,
) -> BTreeMap<String, Result<Proof, AwsError>> {
    let proofs = candidates.into_iter().map(|candidate| async move {
        let proof = deadline.bound(prove_one(reader, &candidate, pace, deadline)).await;
        let proof = proof.unwrap_or_else(|| Err(out_of_time()));
        (candidate.prefix, proof)
    });
    stream::iter(proofs).buffer_unordered(PROOFS).collect().await
}

async fn prove_one(
    reader: &Reader,
    candidate: &Candidate,
    pace: &Pace,
    deadline: &Deadline,
) -> Result<Proof, AwsError> {
    let mut waits = pace.waits().take(TRIES);
    loop {
        let proof = reader.prove(&candidate.prefix).await;
        let again = match &proof {
            Ok(proof) => !proof.valid,
            Err(error) => error.is("PullThroughCacheRuleNotFoundException"),
        };
        if !(again && candidate.fresh) {
            return proof;
        }
        match waits.next() {
            Some(wait) if deadline.wait(wait).await => {}
            _ => return proof,
        }
    }
}

fn out_of_time() -> AwsError {
    AwsError {
        operation: "ValidatePullThroughCacheRule",
        code: "OutOfTime".into(),
        message: "given up shortly before Lambda's deadline".into(),
        kind: crate::account::ErrorKind::Transient,
    }
}
