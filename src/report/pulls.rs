//! Pulls through the cache that failed, as a status remembers them.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Report, written};
use crate::account::{foreign_text, one_line};
use crate::trigger::PullFailure;
use config::{is_repository_name, is_tag};

/// How long a failure is told after the last one.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How many events are known by their ids: as many as a batch has, since a batch comes again as a whole where an invocation dies after it
/// wrote the status. One that is delivered again after as many others counts twice.
const MOST_KNOWN: usize = 1000;

/// The length of such a digest.
const ID: usize = 8;

/// The longest code, in characters.
const LONGEST_CODE: usize = 100;

/// The longest text of ECR's or an upstream's, in characters.
const LONGEST: usize = 300;

/// The newest failure of a registry, and how many there were without a day in between.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastPullFailure {
    /// The newest event's time: RFC 3339, UTC.
    pub at: String,
    pub repository: String,
    pub tag: Option<String>,
    /// ECR's word for why.
    pub code: Option<String>,
    /// ECR's sentence.
    pub reason: Option<String>,
    /// Distinct events.
    pub count: u64,
}

/// What a status remembers of failed pulls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PullFailures {
    /// By registry.
    pub last: BTreeMap<String, LastPullFailure>,
    /// Digests of the ids of the newest events, so that one delivered twice counts once.
    known: VecDeque<String>,
}

impl LastPullFailure {
    fn of(failure: &PullFailure, now: Timestamp) -> Self {
        let last = Self {
            at: written(failure.at.min(now)),
            repository: failure.repository.clone(),
            tag: failure.tag.clone(),
            code: failure.code.clone(),
            reason: failure.reason.clone(),
            count: 0,
        };
        last.presentable()
    }

    /// With what has ECR's form as it is, and all else masked, on one line, and bounded: who may write the status may have
    /// written it, and an upstream may quote what it was given.
    fn presentable(self) -> Self {
        let foreign = |text: &String| one_line(&foreign_text(text), LONGEST);
        let unless = |fits: fn(&str) -> bool, text: String| if fits(&text) { text } else { foreign(&text) };
        Self {
            repository: unless(is_repository_name, self.repository),
            tag: self.tag.map(|tag| unless(is_tag, tag)),
            code: self.code.map(|code| unless(is_code, code)),
            reason: self.reason.as_ref().map(foreign),
            ..self
        }
    }

    fn time(&self) -> Option<Timestamp> {
        self.at.parse().ok()
    }

    fn is_told(&self, now: Timestamp) -> bool {
        self.time()
            .is_some_and(|at| at <= now && now.duration_since(at) < TOLD_FOR)
    }

    /// In a sentence: `hub/library/nginx:1.27 failed with UpstreamUnavailable: ...`.
    pub fn words(&self) -> String {
        let tag = self.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let code = self.code.as_deref().unwrap_or("no code");
        let reason = self
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let more = match self.count {
            0 | 1 => String::new(),
            n => format!(" (the newest of {n})"),
        };
        format!("{}{tag} failed with {code}{reason}{more}", self.repository)
    }
}

impl PullFailures {
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// Whether a failure is recent enough to be told.
    pub fn is_recent(failure: &PullFailure, now: Timestamp) -> bool {
        now.duration_since(failure.at) < TOLD_FOR
    }

    /// Adds a failure of a registry; says whether it was new.
    pub fn add(&mut self, registry: &str, failure: &PullFailure, now: Timestamp) -> bool {
        let id = digest(&failure.id);
        if self.known.contains(&id) {
            return false;
        }
        self.known.push_back(id);
        let new = LastPullFailure::of(failure, now);
        let last = self.last.entry(registry.to_owned()).or_default();
        let count = if last.is_told(now) { last.count } else { 0 };
        if count == 0 || last.time() <= new.time() {
            *last = new;
        }
        last.count = count.saturating_add(1);
        true
    }

    /// Without what is not told any more. The oldest ids go here and not one by one, so that a batch that comes again is known to its end.
    pub fn until(mut self, now: Timestamp) -> Self {
        let beyond = self.known.len().saturating_sub(MOST_KNOWN);
        self.known.drain(..beyond);
        self.last.retain(|_, last| last.is_told(now));
        if self.last.is_empty() {
            self.known.clear();
        }
        self
    }

    /// What can be believed of one that a status has.
    pub(super) fn believed(mut self) -> Self {
        self.last = self
            .last
            .into_iter()
            .map(|(name, last)| (name, last.presentable()))
            .collect();
        self.known.truncate(MOST_KNOWN);
        self.known.retain(|id| id.len() == ID);
        self
    }
}

impl Report {
    /// Tells of the failures that it remembers, each beside its registry.
    pub fn tell_pull_failures(&mut self, now: Timestamp) {
        self.memory.pulls = std::mem::take(&mut self.memory.pulls).until(now);
        for (name, registry) in &mut self.registries {
            registry.last_pull_failure = self.memory.pulls.last.get(name).cloned();
        }
    }
}

/// ECR's codes are words in letters.
fn is_code(text: &str) -> bool {
    (1..=LONGEST_CODE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Another compiler may hash otherwise, so an event from before a deploy that comes again after it counts twice.
fn digest(id: &str) -> String {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    format!("{:08x}", hasher.finish() & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn failure(id: usize, at: &str) -> PullFailure {
        PullFailure {
            id: id.to_string(),
            at: time(at),
            prefix: "hub".into(),
            upstream: "registry-1.docker.io".into(),
            repository: "hub/library/nginx".into(),
            tag: Some(format!("v{id}")),
            code: Some("UpstreamUnavailable".into()),
            reason: Some("down".into()),
        }
    }

    #[test]
    fn events_count_once_and_the_newest_is_told() {
        let now = time("2027-02-01T12:00:00Z");
        let mut pulls = PullFailures::default();
        assert!(pulls.add("hub", &failure(1, "2027-02-01T11:00:00Z"), now));
        assert!(pulls.add("hub", &failure(2, "2027-02-01T10:00:00Z"), now));
        assert!(!pulls.add("hub", &failure(1, "2027-02-01T11:00:00Z"), now));
        let told = &pulls.last["hub"];
        assert_eq!((told.tag.as_deref(), told.count), (Some("v1"), 2));
        // Of a clock that is ahead.
        assert!(pulls.add("hub", &failure(3, "2030-01-01T00:00:00Z"), now));
        assert_eq!(pulls.last["hub"].at, "2027-02-01T12:00:00Z");
        let words = "hub/library/nginx:v3 failed with UpstreamUnavailable: down (the newest of 3)";
        assert_eq!(pulls.last["hub"].words(), words);
        // A day later all is forgotten, and the count begins anew.
        let later = time("2027-02-02T12:00:00Z");
        assert!(pulls.clone().until(later).is_empty());
        assert!(pulls.add("hub", &failure(4, "2027-02-02T11:59:00Z"), later));
        assert_eq!(pulls.last["hub"].count, 1);
    }

    #[test]
    fn what_has_not_ecrs_form_is_masked_and_bounded() {
        let token = "glpat-canary0123456789abcd";
        let odd = PullFailure {
            repository: format!("hub/{token}|\u{1b}[31m"),
            tag: Some(format!("{token} {token}")),
            code: Some(token.into()),
            reason: Some(format!("401 for bot:{token}\n{}", "x ".repeat(9000))),
            ..failure(1, "2027-02-01T11:00:00Z")
        };
        let mut pulls = PullFailures::default();
        pulls.add("hub", &odd, time("2027-02-01T12:00:00Z"));
        let said = serde_json::to_string(&pulls).unwrap();
        assert!(!said.contains("canary") && said.len() < 2000, "{said}");
        assert!(!said.contains("\\u001b") && !said.contains("\\n"), "{said}");
    }

    #[test]
    fn no_part_of_a_token_is_left_where_a_text_is_cut() {
        for before in 280..300 {
            let odd = PullFailure {
                reason: Some(format!("{} Zk9xQ2vT3p7Lm4Rb8Wd1Ys6Hc0Jf5Gn", "x".repeat(before))),
                ..failure(1, "2027-02-01T11:00:00Z")
            };
            let mut pulls = PullFailures::default();
            pulls.add("hub", &odd, time("2027-02-01T12:00:00Z"));
            let reason = pulls.last["hub"].reason.clone().unwrap();
            assert!(!reason.contains("Zk9"), "{reason}");
        }
    }

    #[test]
    fn ids_are_remembered_up_to_a_number() {
        let now = time("2027-02-01T12:00:00Z");
        let mut pulls = PullFailures::default();
        for id in 0..10_000 {
            assert!(pulls.add("hub", &failure(id, "2027-02-01T11:00:00Z"), now));
        }
        let pulls = pulls.until(now);
        assert_eq!((pulls.last["hub"].count, pulls.known.len()), (10_000, MOST_KNOWN));
        assert!(serde_json::to_string(&pulls).unwrap().len() < 12_000);
    }
}
