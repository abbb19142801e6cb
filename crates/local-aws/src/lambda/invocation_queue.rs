//! Where events wait for the function and invocations wait for its answers.

use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::process::Child;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

use crate::lock::lock;

/// What an invocation ends with: a response, or an error object.
type Outcome = Result<Value, Value>;

/// One event on its way to the function.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) payload: String,
    pub(super) timeout: Duration,
    picked: oneshot::Sender<()>,
    finish: oneshot::Sender<Outcome>,
}

impl Event {
    /// An event, and the two moments of its life: picked up, and finished.
    pub(super) fn new(
        id: String,
        payload: String,
        timeout: Duration,
    ) -> (Self, oneshot::Receiver<()>, oneshot::Receiver<Outcome>) {
        let (picked, was_picked) = oneshot::channel();
        let (finish, finished) = oneshot::channel();
        (
            Self {
                id,
                payload,
                timeout,
                picked,
                finish,
            },
            was_picked,
            finished,
        )
    }
}

/// What a poll for the next event gets.
pub(super) struct Handed {
    pub(super) id: String,
    pub(super) payload: String,
    pub(super) timeout: Duration,
}

/// The events that wait for the function, and those that it works on.
#[derive(Debug)]
pub(super) struct InvocationQueue {
    pub(super) function_arn: String,
    inside: Mutex<Inside>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<Event>,
    running: HashMap<String, oneshot::Sender<Outcome>>,
    process: Process,
    /// Counts the processes that died here: a poll left over from a dead one must not take an event.
    deaths: usize,
    init_error: Option<Value>,
    start: Option<Instant>,
    first_poll: Option<Duration>,
}

/// The process behind the queue.
#[derive(Debug, Default)]
enum Process {
    /// None was started by us; one may still poll.
    #[default]
    Unknown,
    Alive(Weak<Mutex<Child>>),
    Dead(String),
}

impl InvocationQueue {
    pub(super) fn new(function_arn: String) -> Self {
        Self {
            function_arn,
            inside: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Lays an event down, or finishes it at once when its process is known to be dead.
    pub(super) fn hand_in(&self, event: Event) {
        let mut inside = lock(&self.inside);
        if let Process::Dead(how) = &inside.process {
            let outcome = exit_error(&event.id, how);
            // Nobody waits any more if this fails.
            let _ = event.finish.send(Err(outcome));
            return;
        }
        inside.waiting.push_back(event);
        drop(inside);
        self.news.notify_waiters();
    }

    /// Waits for the next event. `None` when the process that asks is dead by now.
    pub(super) async fn next(&self) -> Option<Handed> {
        let deaths = {
            let mut inside = lock(&self.inside);
            if let (Some(start), None) = (inside.start, inside.first_poll) {
                inside.first_poll = Some(start.elapsed());
            }
            inside.deaths
        };
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Before looking, so that an event laid down right after the look is not missed.
            news.as_mut().enable();
            {
                let mut inside = lock(&self.inside);
                if inside.deaths != deaths {
                    return None;
                }
                if let Some(event) = inside.waiting.pop_front() {
                    let _ = event.picked.send(());
                    inside.running.insert(event.id.clone(), event.finish);
                    return Some(Handed {
                        id: event.id,
                        payload: event.payload,
                        timeout: event.timeout,
                    });
                }
            }
            news.await;
        }
    }

    /// Ends an invocation. False when there is none of that id.
    pub(super) fn finish(&self, id: &str, outcome: Outcome) -> bool {
        let finish = lock(&self.inside).running.remove(id);
        finish.is_some_and(|finish| finish.send(outcome).is_ok())
    }

    /// Drops an invocation that nobody waits for any more.
    pub(super) fn forget(&self, id: &str) {
        let mut inside = lock(&self.inside);
        inside.running.remove(id);
        inside.waiting.retain(|event| event.id != id);
    }

    /// Keeps what the function said about its failed start, for the invocations that this will fail.
    pub(super) fn init_failed(&self, error: Value) {
        lock(&self.inside).init_error = Some(error);
    }

    /// Is there a running process of ours?
    pub(super) fn is_taken(&self) -> bool {
        matches!(lock(&self.inside).process, Process::Alive(_))
    }

    /// A process is about to be started.
    pub(super) fn starts(&self) {
        let mut inside = lock(&self.inside);
        (inside.start, inside.first_poll) = (Some(Instant::now()), None);
    }

    /// How long the process took until it asked for its first event; `None` until it has.
    pub(super) fn first_poll(&self) -> Option<Duration> {
        lock(&self.inside).first_poll
    }

    pub(super) fn born(&self, child: &Arc<Mutex<Child>>) {
        let mut inside = lock(&self.inside);
        inside.process = Process::Alive(Arc::downgrade(child));
        inside.init_error = None;
    }

    /// The process ended: so do all invocations.
    pub(super) fn died(&self, how: String) {
        let mut inside = lock(&self.inside);
        inside.deaths += 1;
        let init_error = inside.init_error.take();
        let waiting = std::mem::take(&mut inside.waiting)
            .into_iter()
            .map(|event| (event.id, event.finish));
        let lost: Vec<_> = std::mem::take(&mut inside.running).into_iter().chain(waiting).collect();
        for (id, finish) in lost {
            let _ = finish.send(Err(init_error.clone().unwrap_or_else(|| exit_error(&id, &how))));
        }
        inside.process = Process::Dead(how);
        drop(inside);
        self.news.notify_waiters();
    }

    /// Kills the process; whoever watches it reports the death.
    pub(super) fn kill(&self) {
        let child = match &lock(&self.inside).process {
            Process::Alive(child) => child.upgrade(),
            _ => None,
        };
        if let Some(child) = child {
            // It fails only when the process has ended already.
            let _ = lock(&child).kill();
        }
    }
}

fn exit_error(id: &str, how: &str) -> Value {
    super::error(
        "Runtime.ExitError",
        &format!("RequestId: {id} Error: Runtime exited with error: {how}"),
    )
}
