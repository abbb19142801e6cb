//! Proof: ECR is asked to authenticate to the upstream with every credential. Creating a rule proves nothing, since
//! ECR takes any text for a credential then.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use crate::account::{AwsError, Proof, Reader};
use crate::timing::{Deadline, Timing, waiting};

/// How many proofs run at a time; each makes ECR call the upstream. ECR documents no rate for them: what is throttled, the
/// SDK asks again.
pub const PROOFS: usize = 32;

/// A rule whose credential is to be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub prefix: String,
    /// How many refusals it takes to believe one.
    pub patience: Patience,
}

impl Candidate {
    /// One whose first refusal counts.
    pub fn once(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            patience: Patience::Once,
        }
    }
}

/// How many refusals it takes to believe one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    Once,
    /// Three, some seconds apart: the secret was rotated a moment ago, or a refusal would move labels.
    Thrice,
    /// Rule or secret were written a moment ago, and ECR may still see what was before.
    Fresh,
}

/// Has ECR prove each candidate. A reader is enough: a proof writes nothing.
pub async fn prove(
    reader: &Reader,
    candidates: Vec<Candidate>,
    timing: &Timing,
    deadline: &Deadline,
) -> BTreeMap<String, Result<Proof, AwsError>> {
    let proofs = candidates.into_iter().map(|candidate| async move {
        let proof = prove_rule(reader, &candidate.prefix, candidate.patience, timing, deadline).await;
        (candidate.prefix, proof)
    });
    stream::iter(proofs).buffer_unordered(PROOFS).collect().await
}

/// Has ECR prove one rule's credential.
///
/// # Errors
/// As ValidatePullThroughCacheRule, and when Lambda's deadline comes first.
pub async fn prove_rule(
    reader: &Reader,
    prefix: &str,
    patience: Patience,
    timing: &Timing,
    deadline: &Deadline,
) -> Result<Proof, AwsError> {
    let _told = waiting(&format!("ECR to prove the credential of {prefix}"));
    let proof = deadline.bound(ask(reader, prefix, patience, timing, deadline)).await;
    proof.unwrap_or_else(|| Err(AwsError::out_of_time("ValidatePullThroughCacheRule")))
}

async fn ask(
    reader: &Reader,
    prefix: &str,
    patience: Patience,
    timing: &Timing,
    deadline: &Deadline,
) -> Result<Proof, AwsError> {
    // Half a second doubled: after two waits skipped, two and four seconds; or five waits of 15 seconds in all.
    let (skip, take) = match patience {
        Patience::Once => (0, 0),
        Patience::Thrice => (2, 2),
        Patience::Fresh => (0, 5),
    };
    let mut waits = timing.waits().skip(skip).take(take);
    let mut outage = None;
    loop {
        let proof = reader.prove(prefix).await;
        let again = match &proof {
            Ok(proof) => !proof.valid,
            Err(error) => {
                let is_missing = error.is("PullThroughCacheRuleNotFoundException") && patience == Patience::Fresh;
                is_missing || error.is_outage_of_upstream()
            }
        };
        if !again {
            return proof;
        }
        if let Err(error) = &proof
            && error.is_outage_of_upstream()
        {
            outage = Some(error.clone());
        }
        match waits.next() {
            Some(wait) if deadline.wait(wait).await => {}
            // Refusals around an outage are fewer than it takes to believe one.
            _ => return outage.map_or(proof, Err),
        }
    }
}
