//! What is under way: what, how long, how far, and what is waited for. A line that is rewritten on a terminal; elsewhere a line
//! now and then, free of control characters. All of it on standard error, and none where JSON is wanted.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ecr_pull_through_sync::report::Mark;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::view::terminal::paint;
use crate::view::visible::{one_line, visible};

/// How long work, or a wait, is silent.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// The time between two lines where no line can be rewritten.
const NEXT_WORD: Duration = Duration::from_secs(10);

/// How often the line of a terminal is written.
const FRAME: Duration = Duration::from_millis(100);

/// What is under way. All clones are one.
#[derive(Clone)]
pub struct Progress {
    work: Arc<Mutex<Work>>,
    how: How,
}

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// On a line that is rewritten.
    Status,
    /// On lines of their own.
    Lines,
    /// Not at all.
    Silent,
}

#[derive(Default)]
struct Work {
    what: String,
    began: Option<Instant>,
    /// Steps that were taken, of how many.
    done: usize,
    all: Option<usize>,
    /// Settings of repositories that were put. How many differ shows only when all have been read.
    settings: usize,
    /// What is waited for, since when, and whether a line has said so.
    waits: BTreeMap<u64, (String, Instant, bool)>,
    next_word: Duration,
    line: Option<ProgressBar>,
    color: bool,
}

impl Progress {
    /// Shows from now on what the function's library reports.
    pub fn new(json: bool, color: bool) -> Self {
        let how = if json {
            How::Silent
        } else if ProgressDrawTarget::stderr().is_hidden() {
            // No terminal, or one that cannot move its cursor.
            How::Lines
        } else {
            How::Status
        };
        let work = Work {
            color,
            ..Work::default()
        };
        let progress = Self {
            work: Arc::new(Mutex::new(work)),
            how,
        };
        // Fails only where it is shown already.
        _ = tracing_subscriber::registry().with(progress.clone()).try_init();
        progress
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does some work, and shows its progress meanwhile. `far` says how far it is where the steps do not.
    pub async fn during<T>(&self, what: &str, far: &dyn Fn() -> Option<String>, work: impl Future<Output = T>) -> T {
        {
            let mut state = self.work();
            *state = Work {
                what: one_line(what),
                began: Some(Instant::now()),
                next_word: FIRST_WORD,
                color: state.color,
                ..Work::default()
            };
        }
        let mut work = std::pin::pin!(work);
        let done = loop {
            if let Ok(done) = tokio::time::timeout(FRAME, &mut work).await {
                break done;
            }
            let lines = match self.how {
                How::Status => {
                    self.work().rewrite(far());
                    None
                }
                How::Lines => self.work().due(far()),
                How::Silent => None,
            };
            lines.iter().for_each(|line| print(line));
        };
        let mut state = self.work();
        state.began = None;
        if let Some(line) = state.line.take() {
            line.finish_and_clear();
        }
        done
    }

    /// Prints a line on standard error, above the one that is rewritten.
    pub fn print(&self, text: &str) {
        match &self.work().line {
            Some(line) => line.suspend(|| print(text)),
            None => print(text),
        }
    }
}

fn print(text: &str) {
    // Where standard error is closed nobody wants to know.
    _ = writeln!(io::stderr().lock(), "{text}");
}

impl Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("how", &self.how)
            .finish_non_exhaustive()
    }
}

impl Work {
    fn elapsed(&self) -> Duration {
        self.began.map(|began| began.elapsed()).unwrap_or_default()
    }

    /// Writes the line of a terminal anew, once there is something to tell.
    fn rewrite(&mut self, far: Option<String>) {
        let elapsed = self.elapsed();
        if elapsed < FIRST_WORD {
            return;
        }
        let text = self.text(far, elapsed);
        let line = self.line.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {wide_msg}");
            ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
        });
        line.set_message(text);
        line.tick();
    }

    /// A line, where it is time for one: after a second, every ten, and when something is waited for.
    fn due(&mut self, far: Option<String>) -> Option<String> {
        let elapsed = self.elapsed();
        let waits = self.waits.values_mut();
        let untold: Vec<&mut bool> = waits
            .filter(|(_, since, told)| !told && since.elapsed() >= FIRST_WORD)
            .map(|(_, _, told)| told)
            .collect();
        if elapsed < self.next_word && untold.is_empty() {
            return None;
        }
        untold.into_iter().for_each(|told| *told = true);
        self.next_word = elapsed + NEXT_WORD;
        Some(self.text(far, elapsed))
    }

    /// `still waiting for ECR to see the secret x (11 s); applying: 3 of 14 steps (12 s)`. What is waited for comes first: the
    /// line of a narrow terminal is cut.
    fn text(&self, far: Option<String>, elapsed: Duration) -> String {
        let steps = self
            .all
            .map(|all| format!("{} of {} steps", self.done, all.max(self.done)));
        let settings = (self.settings > 0).then(|| format!("{} settings of repositories", self.settings));
        let far = far.filter(|_| steps.is_none());
        let far: Vec<String> = steps.into_iter().chain(settings).chain(far).collect();
        let far = if far.is_empty() {
            String::new()
        } else {
            format!(": {}", far.join(", "))
        };
        let text = format!("{}{far} ({} s)", self.what, elapsed.as_secs());
        let long = self.waits.values().map(|(what, since, _)| (since.elapsed(), what));
        let mut long: Vec<_> = long.filter(|(waited, _)| *waited >= FIRST_WORD).collect();
        long.sort_by(|(a, _), (b, _)| b.cmp(a));
        let [(waited, what), others @ ..] = long.as_slice() else {
            return text;
        };
        let still = if *waited >= NEXT_WORD { "still " } else { "" };
        let others = match others.len() {
            0 => String::new(),
            n => format!(", and for {n} more"),
        };
        format!("{still}waiting for {what} ({} s){others}; {text}", waited.as_secs())
    }

    /// How far a step is, for its line.
    fn step(&mut self, of_repository: bool) -> String {
        let of = if of_repository {
            self.settings += 1;
            None
        } else {
            self.done += 1;
            self.all.map(|all| format!("{} of {}, ", self.done, all.max(self.done)))
        };
        format!("({}{} s)", of.unwrap_or_default(), self.elapsed().as_secs())
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("ecr_pull_through_sync") && *metadata.level() <= Level::INFO
}

impl<S: Subscriber> Layer<S> for Progress {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !is_ours(event.metadata()) || self.how == How::Silent {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.0.get("message").is_some_and(|message| message == "applying") {
            self.work().all = fields.0.get("steps").and_then(|steps| steps.parse().ok());
        } else if let Some(line) = line(&fields.0) {
            let (far, color) = {
                let mut work = self.work();
                (work.step(fields.0.contains_key("repository")), work.color)
            };
            self.print(&paint(Mark::Added, &format!("{} {far}", visible(&line)), color));
        }
    }

    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if !is_ours(span.metadata()) || span.metadata().name() != "waiting" {
            return;
        }
        let mut fields = Fields::default();
        span.record(&mut fields);
        if let Some(what) = fields.0.get("what") {
            let wait = (one_line(what), Instant::now(), false);
            self.work().waits.insert(id.into_u64(), wait);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.work().waits.remove(&id.into_u64());
    }
}

/// A step that was taken, in a line; the report has everything else.
fn line(fields: &BTreeMap<&'static str, String>) -> Option<String> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if field("message") != "applied" {
        return None;
    }
    Some(match fields.get("repository") {
        Some(repository) => format!(
            "  {}: {} of repository {repository}",
            field("registry"),
            field("setting")
        ),
        None => {
            format!(
                "  {}: {} {} {}",
                field("registry"),
                words(field("action")),
                words(field("resource")),
                field("id")
            )
        }
    })
}

/// `SecretPolicy` as people write it.
fn words(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

#[derive(Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_how_far_how_long_and_what_for() {
        let mut work = Work {
            what: "applying".to_owned(),
            ..Work::default()
        };
        let at = |seconds| Duration::from_secs(seconds);
        assert_eq!(work.text(None, at(1)), "applying (1 s)");
        assert_eq!(
            work.text(Some("34 calls".to_owned()), at(3)),
            "applying: 34 calls (3 s)"
        );
        (work.done, work.all) = (3, Some(14));
        let now = Instant::now();
        let mut wait = |n, what: &str, seconds| {
            let since = now.checked_sub(at(seconds)).unwrap_or(now);
            work.waits.insert(n, (what.to_owned(), since, false));
        };
        wait(1, "nothing that takes long", 0);
        wait(2, "ECR to see the secret b", 2);
        assert_eq!(
            work.text(None, at(4)),
            "waiting for ECR to see the secret b (2 s); applying: 3 of 14 steps (4 s)"
        );
        work.waits
            .insert(3, ("ECR to see the secret a".to_owned(), now - at(20), false));
        assert_eq!(
            work.text(None, at(22)),
            "still waiting for ECR to see the secret a (20 s), and for 1 more; applying: 3 of 14 steps (22 s)"
        );
        // More may come than was planned: a secret that is back needs more than was to be seen.
        work.done = 15;
        assert!(work.text(None, at(1)).ends_with("applying: 15 of 15 steps (1 s)"));
    }

    #[test]
    fn a_step_is_a_line() {
        let fields = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let step = [
            ("message", "applied"),
            ("registry", "hub"),
            ("resource", "SecretPolicy"),
            ("action", "Create"),
            ("id", "x"),
        ];
        assert_eq!(line(&fields(&step)).as_deref(), Some("  hub: create secret policy x"));
        let repository = [
            ("message", "applied"),
            ("registry", "hub"),
            ("repository", "hub/a"),
            ("setting", "tags"),
        ];
        assert_eq!(
            line(&fields(&repository)).as_deref(),
            Some("  hub: tags of repository hub/a")
        );
        assert_eq!(line(&fields(&[("message", "run")])), None);
    }
}
