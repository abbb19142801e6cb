//! Pulls that failed: folded into the status of the last run, whose word it stays otherwise. Nothing else is read or written, so a
//! storm of failures costs a few calls for each batch.

use std::collections::{BTreeMap, BTreeSet};

use super::results::{Proofs, refused};
use super::status::{MERGES, StatusSnapshot};
use super::{Run, RunRequest, ignored};
use crate::account::Writer;
use crate::cause::Cause;
use crate::failure::Failure;
use crate::report::{self, ConfigReport, CredentialState, Outcome, Past, PullFailures, Report, Results, State};
use crate::trigger::PullFailure;
use crate::verify::Candidate;

/// A status with failures added to it.
struct Folded {
    report: Report,
    /// New events, by registry.
    new: BTreeMap<String, u64>,
    /// Registries whose credential is refused.
    refused: BTreeSet<String>,
    /// The status of before, with what it remembers of failures by now.
    past: Past,
}

impl Run<'_> {
    /// Adds failures to the status, and has ECR prove the credentials of the registries that they are of.
    ///
    /// # Errors
    /// When the status cannot be read or written: the events are to come again.
    pub async fn pull_failures(
        &self,
        writer: &Writer,
        request: &RunRequest,
        failures: &[PullFailure],
    ) -> Result<Report, Failure> {
        let mut proofs: Option<Proofs> = None;
        for _ in 0..MERGES {
            let StatusSnapshot {
                condition,
                past,
                report,
            } = self.status().await?;
            let Some(status) = report else {
                return Ok(self.ignored(request, "there is no status that failed pulls could be added to".into()));
            };
            let now = (self.deps.timing.now)();
            let is_ours = |failure: &&PullFailure| PullFailures::is_recent(failure, now) && is_of(failure, &status);
            let ours: Vec<&PullFailure> = failures.iter().filter(is_ours).collect();
            if ours.is_empty() {
                let reason = "none of these failed pulls is of the last day, through a registry of the last run, and not told there already";
                return Ok(self.ignored(request, reason.into()));
            }
            if proofs.is_none() {
                proofs = Some(self.prove(candidates(&ours, &status)).await);
            }
            let proofs = proofs.as_ref().map_or_else(Proofs::new, Clone::clone);
            let folded = self.fold(status, &ours, &proofs, past);
            if folded.new.is_empty() {
                return Ok(self.ignored(request, "these failed pulls have been told before".into()));
            }
            if self.write(writer, &folded.report, &condition).await? {
                return Ok(self.told(request, folded));
            }
            let found = self.status().await?;
            if found
                .report
                .as_ref()
                .is_some_and(|found| is_same(found, &folded.report))
            {
                // Our own write, whose answer was lost. The page beside it was not written then.
                self.write(writer, &folded.report, &found.condition).await?;
                return Ok(self.told(request, folded));
            }
        }
        Err(self.again("others kept writing the status".into()))
    }

    fn fold(&self, mut report: Report, failures: &[&PullFailure], proofs: &Proofs, mut past: Past) -> Folded {
        let now = (self.deps.timing.now)();
        let mut new: BTreeMap<String, u64> = BTreeMap::new();
        for failure in failures {
            if past.memory.pulls.add(&failure.prefix, failure, now) {
                *new.entry(failure.prefix.clone()).or_default() += 1;
            }
        }
        report.memory = past.memory.clone();
        let mut of_refused = BTreeSet::new();
        for (name, registry) in &mut report.registries {
            let proof = proofs.get(name).and_then(|proof| proof.as_ref().ok());
            if let Some(proof) = proof.filter(|proof| !proof.valid) {
                let Cause { reason, message, .. } = refused(&registry.upstream, proof);
                (registry.state, registry.credential) = (State::Failed, CredentialState::Invalid);
                (registry.message, registry.reason) = (Some(message), Some(reason));
                of_refused.insert(name.clone());
            }
        }
        report.tell_pull_failures(now);
        report::redact(&mut report, &[]);
        past.mark_old_news(&mut report);
        Folded {
            report,
            new,
            refused: of_refused,
            past,
        }
    }

    /// The response, the log and the metrics: of what is new.
    fn told(&self, request: &RunRequest, folded: Folded) -> Report {
        let Folded {
            report,
            new,
            refused,
            past,
        } = folded;
        let say = |name: &String, registry: &report::RegistryReport| {
            let last = registry.last_pull_failure.as_ref()?;
            let verdict = match registry.credential {
                CredentialState::Invalid if refused.contains(name) => "; its credential is refused",
                _ => "",
            };
            Some(format!("{name}: {}{verdict}", last.words()))
        };
        let registries = report.registries.into_iter().filter(|(name, _)| new.contains_key(name));
        let registries: BTreeMap<_, _> = registries.collect();
        let is_news = |name: &&String| registries.get(*name).is_some_and(|registry| registry.since.is_none());
        let news = refused.iter().filter(is_news).count();
        let said: Vec<String> = registries
            .iter()
            .filter_map(|(name, registry)| say(name, registry))
            .collect();
        let outcome = if refused.is_empty() {
            Outcome::Converged
        } else {
            Outcome::Partial
        };
        let results = Results {
            message: format!("failed pulls: {}", said.join("; ")),
            outcome,
            registries,
            ..ignored(String::new())
        };
        let config: ConfigReport = report.config;
        let told = self.response(request, config, results, &past);
        let owner = &self.deps.settings.owner;
        report::metrics::pull_failures(&new, refused.len(), news, owner, (self.deps.timing.now)())
            .iter()
            .for_each(|line| (self.deps.metrics)(line));
        told
    }
}

/// Whether two reports say the same.
fn is_same(one: &Report, other: &Report) -> bool {
    serde_json::to_value(one).ok() == serde_json::to_value(other).ok()
}

/// Whether a failure is of a registry that a status has, and not told there as one of an image that is to be warm.
fn is_of(failure: &PullFailure, status: &Report) -> bool {
    let registry = status.registries.get(&failure.prefix);
    let is_warm = |registry: &report::RegistryReport| {
        let (warm, tag) = (registry.warm.as_ref(), failure.tag.as_deref().unwrap_or_default());
        warm.is_some_and(|warm| warm.has_failed(&failure.repository, tag, &failure.prefix))
    };
    registry.is_some_and(|registry| registry.upstream == failure.upstream && !is_warm(registry))
}

fn candidates(failures: &[&PullFailure], status: &Report) -> Vec<Candidate> {
    let names: BTreeSet<&str> = failures.iter().map(|failure| failure.prefix.as_str()).collect();
    let has_credential = |name: &&str| {
        let registry = status.registries.get(*name);
        registry.is_some_and(|registry| registry.credential != CredentialState::None)
    };
    names.into_iter().filter(has_credential).map(Candidate::once).collect()
}
