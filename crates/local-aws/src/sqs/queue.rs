//! A queue and its messages: who sees which message when.
//!
//! A message is *delayed* until it may be seen for the first time, then *visible*, then, each time it is received,
//! *in flight* until its visibility timeout is over. It leaves by being deleted, by growing older than the retention
//! period, or, received often enough, to the dead-letter queue: at the receive that would be one too many, and not
//! before, as on AWS.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::content::Attributes;
use super::settings::Settings;

#[derive(Clone)]
pub(super) struct Message {
    pub id: String,
    pub body: String,
    pub attributes: Attributes,
    pub sent: Timestamp,
    pub visible_at: Timestamp,
    pub receives: u64,
    pub first_received: Option<Timestamp>,
    /// When it was received last: twelve hours later no extension helps.
    pub received: Option<Timestamp>,
    /// The handle of the latest receive; older ones are void.
    pub handle: Option<String>,
    /// The ARN of the queue that a dead letter comes from.
    pub source: Option<String>,
    /// It has left a copy behind, or is one.
    copied: bool,
}

impl Message {
    pub(super) fn new(body: &str, attributes: Attributes, sent: Timestamp, delay: i64) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            body: body.to_owned(),
            attributes,
            sent,
            visible_at: after(sent, delay),
            receives: 0,
            first_received: None,
            received: None,
            handle: None,
            source: None,
            copied: false,
        }
    }

    /// The message as it comes into a dead-letter queue: with its id, its age and its receive count.
    pub(super) fn dead(self, source: &str, now: Timestamp) -> Self {
        Self {
            visible_at: now,
            handle: None,
            source: Some(source.to_owned()),
            ..self
        }
    }
}

pub(super) struct Queue {
    pub settings: Settings,
    pub created: Timestamp,
    pub changed: Timestamp,
    pub purged: Option<Timestamp>,
    /// By the order in which they came.
    pub messages: BTreeMap<u64, Message>,
    next: u64,
    /// No message was sent before this; so that the retention period costs nothing while nothing is old enough.
    oldest: Option<Timestamp>,
}

/// How a receive picks and hides messages.
#[derive(Clone, Copy)]
pub(super) struct Receive {
    pub most: usize,
    pub visibility_timeout: i64,
    /// Received messages leave a visible copy behind, once.
    pub duplicates: bool,
    pub newest_first: bool,
    /// After so many receives a message is a dead letter.
    pub max_receive_count: Option<u64>,
}

/// How many messages are in which state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub visible: usize,
    pub in_flight: usize,
    pub delayed: usize,
}

/// What a receive took out of the queue: copies of what was delivered, and what has to go to the dead-letter queue.
pub(super) struct Taken {
    pub delivered: Vec<Message>,
    pub dead: Vec<Message>,
}

impl Queue {
    pub(super) fn new(settings: Settings, now: Timestamp) -> Self {
        Self {
            settings,
            created: now,
            changed: now,
            purged: None,
            messages: BTreeMap::new(),
            next: 0,
            oldest: None,
        }
    }

    pub(super) fn put(&mut self, message: Message) {
        self.oldest = Some(self.oldest.map_or(message.sent, |oldest| oldest.min(message.sent)));
        self.messages.insert(self.next, message);
        self.next += 1;
    }

    /// Drops what is older than the retention period.
    pub(super) fn forget_old(&mut self, now: Timestamp) {
        let retention = SignedDuration::from_secs(self.settings.retention);
        let old = |sent: Timestamp| now.duration_since(sent) >= retention;
        if self.oldest.is_some_and(old) {
            self.messages.retain(|_, message| !old(message.sent));
            self.oldest = self.messages.values().map(|message| message.sent).min();
        }
    }

    pub(super) fn counts(&self, now: Timestamp) -> Counts {
        let mut counts = Counts::default();
        for message in self.messages.values() {
            match (message.visible_at <= now, message.received) {
                (true, _) => counts.visible += 1,
                (false, Some(_)) => counts.in_flight += 1,
                (false, None) => counts.delayed += 1,
            }
        }
        counts
    }

    /// Receives messages.
    pub(super) fn receive(&mut self, name: &str, how: &Receive, now: Timestamp) -> Taken {
        let (picked, dead) = self.pick(how, now);
        let dead = dead.iter().filter_map(|at| self.messages.remove(at)).collect();
        let mut delivered = Vec::new();
        for at in picked {
            let Some(message) = self.messages.get_mut(&at) else {
                continue;
            };
            let copy = (how.duplicates && !message.copied).then(|| {
                message.copied = true;
                message.clone()
            });
            message.receives += 1;
            message.first_received.get_or_insert(now);
            message.received = Some(now);
            message.visible_at = after(now, how.visibility_timeout);
            message.handle = Some(seal(name, at));
            delivered.push(message.clone());
            if let Some(copy) = copy {
                self.put(copy);
            }
        }
        Taken { delivered, dead }
    }

    fn pick(&self, how: &Receive, now: Timestamp) -> (Vec<u64>, Vec<u64>) {
        let (mut picked, mut dead) = (Vec::new(), Vec::new());
        let mut all: Box<dyn Iterator<Item = (&u64, &Message)>> = Box::new(self.messages.iter());
        if how.newest_first {
            all = Box::new(self.messages.iter().rev());
        }
        let mut ids = Vec::new();
        for (at, message) in all.filter(|(_, message)| message.visible_at <= now) {
            if picked.len() == how.most {
                break;
            }
            if how.max_receive_count.is_some_and(|most| message.receives >= most) {
                dead.push(*at);
            } else if !ids.contains(&message.id.as_str()) {
                // The same message twice in one answer would be a duplicate that AWS is not known for.
                ids.push(&message.id);
                picked.push(*at);
            }
        }
        (picked, dead)
    }

    /// The message of a receipt handle, as long as the handle is its latest; `Err` for what is no handle of this queue.
    pub(super) fn of_handle(&mut self, name: &str, handle: &str) -> Result<Option<(u64, &mut Message)>, ()> {
        let at = open(name, handle).ok_or(())?;
        let message = self
            .messages
            .get_mut(&at)
            .filter(|message| message.handle.as_deref() == Some(handle));
        Ok(message.map(|message| (at, message)))
    }
}

/// A time so many seconds later.
pub(super) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds))
        .unwrap_or(Timestamp::MAX)
}

// A handle names queue and message for the stand-in, and is new with each receive.
fn seal(name: &str, at: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("local-aws/sqs/{name}/{at}/{}", Uuid::new_v4()))
}

fn open(name: &str, handle: &str) -> Option<u64> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(handle).ok()?).ok()?;
    let rest = plain
        .strip_prefix("local-aws/sqs/")?
        .strip_prefix(name)?
        .strip_prefix('/')?;
    rest.split_once('/')?.0.parse().ok()
}
