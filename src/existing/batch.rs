//! What one invocation cannot finish, cut into messages for the queue.

use std::collections::BTreeMap;

use serde_json::json;

use super::Target;
use crate::account::Parcel;
use crate::trigger::Portion;

/// How many repositories a message names. Fifty are settled in seconds where ECR is quick, and in a minute or two where
/// it lets through ten calls in a second and each repository waits for a preview.
const REPOSITORIES: usize = 50;

/// Cuts what is open into portions.
pub fn portions(id: &str, targets: &[Target<'_>]) -> Vec<Portion> {
    let mut portions: Vec<Portion> = Vec::new();
    // The repositories of two registries may stand between each other: one prefix may contain another.
    let mut begun: BTreeMap<&str, usize> = BTreeMap::new();
    for target in targets.iter().filter(|target| target.outcome.is_open()) {
        let last = begun.get(target.registry).and_then(|n| portions.get_mut(*n));
        match last.filter(|portion| portion.repositories.len() < REPOSITORIES) {
            Some(portion) => portion.repositories.push(target.name.clone()),
            None => {
                begun.insert(target.registry, portions.len());
                portions.push(Portion {
                    id: id.to_owned(),
                    part: u32::try_from(portions.len()).unwrap_or(u32::MAX),
                    registry: target.registry.to_owned(),
                    repositories: vec![target.name.clone()],
                });
            }
        }
    }
    portions
}

/// The messages of portions.
pub fn parcels(portions: &[Portion]) -> Vec<Parcel> {
    let parcel = |portion: &Portion| Parcel {
        id: format!("part-{}", portion.part),
        body: json!({ "work": portion }).to_string(),
    };
    portions.iter().map(parcel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::existing::Outcome;
    use serde_json::Value;

    #[test]
    fn what_is_open_is_cut_by_registry_and_read_back() {
        let target = |registry, n: usize, outcome| Target {
            name: format!("{registry}/{n:03}"),
            registry,
            other_mutability: None,
            outcome,
            wrote: false,
        };
        let mut targets: Vec<Target<'_>> = (0..120).map(|n| target("hub", n, Outcome::Untried)).collect();
        targets.push(target("hub", 120, Outcome::Done));
        targets.push(target("quay", 0, Outcome::Untried));
        let portions = portions("run", &targets);
        let sizes: Vec<(u32, &str, usize)> = portions
            .iter()
            .map(|p| (p.part, p.registry.as_str(), p.repositories.len()))
            .collect();
        assert_eq!(sizes, [(0, "hub", 50), (1, "hub", 50), (2, "hub", 20), (3, "quay", 1)]);
        let back: Vec<Portion> = parcels(&portions)
            .iter()
            .map(|parcel| serde_json::from_str::<Value>(&parcel.body).unwrap_or_default())
            .map(|message| Portion::read(&message["work"]).unwrap_or_else(|e| unreachable!("{e}")))
            .collect();
        assert_eq!(back, portions);
    }
}
