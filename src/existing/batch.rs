//! What one invocation cannot finish, cut into messages for the queue.

use std::collections::BTreeMap;

use serde_json::json;

use super::RepositoryTarget;
use crate::account::QueueMessage;
use crate::trigger::WorkBatch;

/// How many repositories a message names. Fifty are settled in seconds where ECR is quick, and in a minute or two where
/// it lets through ten calls in a second and each repository waits for a preview.
const REPOSITORIES: usize = 50;

/// Cuts what is open into batches.
pub fn batches(id: &str, targets: &[RepositoryTarget<'_>]) -> Vec<WorkBatch> {
    let mut batches: Vec<WorkBatch> = Vec::new();
    // The repositories of two registries may stand between each other: one prefix may contain another.
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    for target in targets.iter().filter(|target| target.outcome.is_open()) {
        let last = begun.get(target.registry).and_then(|n| batches.get_mut(*n));
        match last.filter(|batch| batch.repositories.len() < REPOSITORIES) {
            Some(batch) => batch.repositories.push(target.name.clone()),
            None => {
                begun.insert(target.registry, batches.len());
                batches.push(WorkBatch {
                    id: id.to_owned(),
                    part: u32::try_from(batches.len()).unwrap_or(u32::MAX),
                    registry: target.registry.to_owned(),
                    repositories: vec![target.name.clone()],
                });
            }
        }
    }
    batches
}

pub fn messages(batches: &[WorkBatch]) -> Vec<QueueMessage> {
    let message = |batch: &WorkBatch| QueueMessage {
        id: format!("part-{}", batch.part),
        body: json!({ "work": batch }).to_string(),
    };
    batches.iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::existing::RepositoryOutcome;
    use serde_json::Value;

    #[test]
    fn what_is_open_is_cut_by_registry_and_read_back() {
        let target = |registry, n: usize, outcome| RepositoryTarget {
            name: format!("{registry}/{n:03}"),
            registry,
            other_mutability: None,
            outcome,
            wrote: false,
        };
        let mut targets: Vec<RepositoryTarget<'_>> =
            (0..120).map(|n| target("hub", n, RepositoryOutcome::Untried)).collect();
        targets.push(target("hub", 120, RepositoryOutcome::Done));
        targets.push(target("quay", 0, RepositoryOutcome::Untried));
        let batches = batches("run", &targets);
        let sizes: Vec<(u32, &str, usize)> = batches
            .iter()
            .map(|p| (p.part, p.registry.as_str(), p.repositories.len()))
            .collect();
        assert_eq!(sizes, [(0, "hub", 50), (1, "hub", 50), (2, "hub", 20), (3, "quay", 1)]);
        let back: Vec<WorkBatch> = messages(&batches)
            .iter()
            .map(|message| serde_json::from_str::<Value>(&message.body).unwrap_or_default())
            .map(|message| WorkBatch::read(&message["work"]).unwrap_or_else(|e| unreachable!("{e}")))
            .collect();
        assert_eq!(back, batches);
    }
}
