//! The report is made, logged and counted here, and nowhere else.

use std::sync::PoisonError;

use super::{Run, RunRequest, Source};
use crate::account::{Account, Object, SecretState, SourceState, VersionValue};
use crate::failure::Failure;
use crate::report::{self, Change, ConfigReport, Outcome, Past, Report, Results, Stats, TriggerReport, written};
use crate::settings::Settings;
use crate::trigger::Mode;
use config::File;

impl Run<'_> {
    /// Which version of the file this is.
    pub(super) fn identity(&self, object: &Object) -> ConfigReport {
        ConfigReport {
            version_id: object.version_id.clone(),
            last_modified: object.last_modified.map(|time| time.to_string()),
            ..self.place()
        }
    }

    pub(super) fn place(&self) -> ConfigReport {
        let Settings {
            config_bucket,
            config_key,
            ..
        } = self.deps.settings;
        match self.source {
            Source::Uploaded => ConfigReport {
                bucket: config_bucket.clone(),
                key: config_key.clone(),
                ..ConfigReport::default()
            },
            Source::Local { name, .. } => ConfigReport {
                key: name.to_owned(),
                ..ConfigReport::default()
            },
        }
    }

    pub(super) fn remember(&self, file: &File, account: &Account) {
        let wanted = file.registries.iter().filter_map(|registry| account.wanted(registry));
        let held = account
            .secret_states
            .values()
            .filter_map(|secret_state| match secret_state {
                SecretState::Found(secret) => Some(secret.values.values()),
                _ => None,
            });
        let held = held.flatten().filter_map(|value| match value {
            VersionValue::Credential(credential) | VersionValue::Loose(credential) => Some(credential),
            VersionValue::Unusable => None,
        });
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(wanted.chain(held).cloned());
    }

    /// The same of sources that were read later.
    pub(super) fn remember_sources<'s>(&self, sources: impl Iterator<Item = &'s SourceState>) {
        let read = sources.filter_map(|source| source.as_ref().ok());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(read.map(|source| source.credential.clone()));
    }

    pub(super) fn no_file(&self, what: &str) -> String {
        let settings = self.deps.settings;
        format!(
            "there is no {what} yet: upload one with `aws s3 cp registries.yaml s3://{}/{}`, and this function follows it",
            settings.config_bucket, settings.config_key
        )
    }

    /// The only place that makes a report: results, who ran and when, and what the last status knew.
    pub(super) fn report(&self, request: &RunRequest, config: ConfigReport, results: Results, past: &Past) -> Report {
        let (finished_at, mode) = (written((self.deps.timing.now)()), self.access.mode());
        let success = matches!(results.outcome, Outcome::Converged | Outcome::Changed) && mode == Mode::Apply;
        // No success is yet to come, whatever the last status says: both are times in UTC.
        let last = past.last_success_at.as_ref().map(|time| time.min(&finished_at));
        let last_success_at = if success { Some(&finished_at) } else { last }.cloned();
        let Results {
            outcome,
            message,
            changes,
            registries,
            pull_through_cache_urls,
            elsewhere,
            errors,
            warnings,
            plan_checksum,
            existing_repositories,
            memory,
            blind,
            warmed,
        } = results;
        let mut report = Report {
            run_id: self.run_id.to_owned(),
            started_at: self.started_at.clone(),
            finished_at,
            last_success_at,
            outcome,
            mode,
            message,
            trigger: TriggerReport {
                kind: request.kind,
                source: request.source.clone(),
            },
            config,
            changes,
            registries,
            pull_through_cache_urls,
            elsewhere,
            errors,
            warnings,
            plan_checksum,
            existing_repositories,
            memory,
            stats: Stats {
                aws_calls: self.deps.reader.calls() - self.calls_before,
                duration_ms: u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            blind,
            warmed,
        };
        past.hand_on_warm(&mut report);
        report.memory.pulls.clone_from(&past.memory.pulls);
        report.tell_pull_failures((self.deps.timing.now)());
        report::redact(&mut report, &self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        past.mark_old_news(&mut report);
        report
    }

    /// A report that is the response alone.
    pub(super) fn response(&self, request: &RunRequest, config: ConfigReport, results: Results, past: &Past) -> Report {
        let report = self.report(request, config, results, past);
        report::log(&report);
        report
    }

    /// Logs a run whose status has been written, and prints its metrics: `own` is what this very run did, and `before`
    /// the status it started from.
    pub(super) fn tell(&self, report: &Report, own: &[Change], before: &Past) {
        report::log(report);
        report::metrics::lines(report, own, before, &self.deps.settings.owner)
            .iter()
            .for_each(|line| (self.deps.metrics)(line));
    }

    /// The same for a run whose status could not be written, so that what it did is told somewhere. It is no success: nobody
    /// reads of it in the status.
    pub(super) fn tell_unwritten(&self, report: &Report, own: &[Change], before: &Past, failure: &Failure) {
        let mut report = report.clone();
        if matches!(report.outcome, Outcome::Converged | Outcome::Changed) {
            report.outcome = Outcome::Partial;
        }
        report.message = format!("{}; {failure}", report.message);
        report.last_success_at.clone_from(&before.last_success_at);
        self.tell(&report, own, before);
    }

    /// The deadline came while file and account were being read.
    pub(super) fn late(&self) -> Failure {
        Failure::Incomplete {
            outcome: "partial",
            reason: format!(
                "{} came while file and account were being read; this run changed nothing",
                self.deadline.what()
            ),
            status: "the log".into(),
        }
    }
}
