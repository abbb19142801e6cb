//! Why does this pull fail? From the image's name to its layers, fact by fact.
//!
//! [`name`] reads what was typed, [`look`] asks AWS (reads only, but for what `--pull` asks for), and [`facts`] are pure functions
//! of what was seen. [`page`] shows them.

mod client;
mod facts;
mod look;
mod name;
mod page;
mod policy;
mod role;
mod route;

use serde::Serialize;

pub use client::Client;
pub use look::{Question, look};
pub use name::{Image, Malformed};
pub use page::page;
pub use role::RoleArn;

use facts::Case;
use look::Seen;

/// What is to be said of a step; nothing where it does not come in.
type Judge = fn(&Case<'_>) -> Option<Fact>;

/// The steps of a pull, in their order, by their names on a page and in JSON. The first that fails is the one that explains.
const STEPS: &[(&str, Judge)] = &[
    ("name", facts::name::name),
    ("rule", facts::name::rule),
    ("template", facts::credential::template),
    ("secret", facts::credential::secret),
    ("credential", facts::credential::credential),
    ("expiry", facts::credential::expiry),
    ("last run", facts::credential::last_run),
    ("last pull failure", facts::credential::last_pull_failure),
    ("repository", facts::image::repository),
    ("rights", facts::rights::rights),
    ("repository policy", facts::rights::repository_policy),
    ("registry policy", facts::rights::registry_policy),
    ("image", facts::image::image),
    ("tag", facts::image::tag),
    ("platform", facts::image::platform),
    ("pull", facts::image::pull),
    ("puller", facts::image::puller),
];

/// The answer to the question that a step asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// As a pull needs it.
    Yes,
    /// Not so.
    No,
    /// Could not be seen, or was not asked.
    Unseen,
}

/// What a fact means for the pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It does not stand in the way.
    None,
    /// Not in the way of this pull, but worth knowing.
    Note,
    /// It may be the reason: what could not be seen decides.
    Doubt,
    /// It is a reason why pulls fail.
    Cause,
}

/// What was found about one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub step: &'static str,
    pub answer: Answer,
    pub effect: Effect,
    /// What was seen, in a sentence.
    pub text: String,
    /// What to do, where there is something to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Fact {
    fn new(answer: Answer, text: impl Into<String>) -> Self {
        Self {
            step: "",
            answer,
            effect: Effect::None,
            text: text.into(),
            next: None,
        }
    }

    fn yes(text: impl Into<String>) -> Self {
        Self::new(Answer::Yes, text)
    }

    fn no(text: impl Into<String>) -> Self {
        Self::new(Answer::No, text)
    }

    fn unseen(text: impl Into<String>) -> Self {
        Self::new(Answer::Unseen, text)
    }

    fn is(mut self, effect: Effect, next: impl Into<String>) -> Self {
        (self.effect, self.next) = (effect, Some(next.into()));
        self
    }

    fn note(self, next: impl Into<String>) -> Self {
        self.is(Effect::Note, next)
    }

    fn doubt(self, next: impl Into<String>) -> Self {
        self.is(Effect::Doubt, next)
    }

    fn cause(self, next: impl Into<String>) -> Self {
        self.is(Effect::Cause, next)
    }
}

/// All facts about one pull.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// What was typed.
    pub image: String,
    /// What to pull, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Whether the image is in the cache, so that a pull is served whatever became of its upstream.
    pub cached: bool,
    /// The step that explains the failure: the first cause, else the first doubt.
    pub explained_by: Option<&'static str>,
    pub facts: Vec<Fact>,
}

impl Diagnosis {
    /// Judges what was seen; nothing was for a name of another registry.
    pub fn of(asked: &Question, seen: Option<&Seen>) -> Self {
        let case = Case::of(asked, seen);
        let facts = STEPS
            .iter()
            .filter_map(|(step, judge)| Some(Fact { step, ..judge(&case)? }));
        Self::with(&asked.image.text, case.url(), case.is_cached(), facts.collect())
    }

    /// A name that no program can pull.
    pub fn of_malformed(text: &str, malformed: &Malformed) -> Self {
        let fact = Fact::no(malformed.why.clone()).cause(malformed.write.clone());
        Self::with(text, None, false, vec![Fact { step: "name", ..fact }])
    }

    fn with(image: &str, url: Option<String>, cached: bool, facts: Vec<Fact>) -> Self {
        let first = |effect: Effect| facts.iter().find(|fact| fact.effect == effect).map(|fact| fact.step);
        Self {
            image: image.to_owned(),
            url,
            cached,
            explained_by: first(Effect::Cause).or_else(|| first(Effect::Doubt)),
            facts,
        }
    }
}
