//! What happened in a run, as its clients saw it: the only thing that the checker looks at.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

/// A place in a channel's history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Position {
    /// The history that `offset` counts in.
    pub epoch: String,
    /// 1 is the first message.
    pub offset: u64,
}

impl Position {
    /// From an ack or a push that has one.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        Some(Self {
            epoch: value["epoch"].as_str()?.to_owned(),
            offset: value["offset"].as_u64()?,
        })
    }

    /// The form of `since`.
    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self).expect("two fields")
    }
}

/// A message as it was pushed, or as it is in a list of an ack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    /// Its id.
    pub id: String,
    /// Where it was published.
    pub channel: String,
    /// Absent in a channel without history.
    pub at: Option<Position>,
    /// The key with which it was published, which every payload of a run repeats.
    pub key: String,
}

impl Message {
    /// From a `message` push.
    pub(crate) fn of(push: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            id: text(&push["id"]),
            channel: text(&push["channel"]),
            at: Position::of(push),
            key: text(&push["payload"]["key"]),
        }
    }

    /// From a list of them.
    pub(crate) fn list(pushes: &Value) -> Vec<Self> {
        pushes.as_array().into_iter().flatten().map(Self::of).collect()
    }
}

/// One thing that a client did or saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub(crate) enum What {
    /// Sent a publish. The same key again is the same message again.
    Asked { channel: String, key: String },
    /// The publish was acknowledged.
    Acked {
        channel: String,
        key: String,
        id: String,
        at: Option<Position>,
    },
    /// The publish was refused; with 4504 it may have happened all the same.
    Refused { channel: String, key: String, code: u64 },
    /// The connection ended before the publish was answered.
    Unanswered { channel: String, key: String },
    /// A subscription was acknowledged.
    Subscribed {
        channel: String,
        at: Option<Position>,
        since: Option<Position>,
        recovered: Option<bool>,
        messages: Vec<Message>,
    },
    /// A message came.
    Received { message: Message },
    /// The server ended the subscription with a push.
    Dropped { channel: String, code: u64 },
    /// The end of the subscription was acknowledged, whether client or server ended it.
    Revoked { channel: String },
    /// The connection is gone, and every subscription with it.
    Away { code: Option<u16> },
    /// A request was not answered in time.
    Hung { request: String },
    /// The content of the history at the end of the run.
    Kept {
        channel: String,
        at: Option<Position>,
        messages: Vec<Message>,
    },
    /// A fault began or ended.
    Fault { fault: String },
}

/// One line of a history.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// Which client.
    pub who: String,
    /// What happened to it.
    #[serde(flatten)]
    pub what: What,
}

/// A history that is being written. Cheap to clone; all clones write the same.
#[derive(Clone)]
pub(crate) struct Record {
    began: Instant,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Record {
    /// An empty one; its clock starts now.
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            events: Arc::default(),
        }
    }

    /// Records an event with the present time.
    pub(crate) fn note(&self, who: &str, what: What) {
        let at_ms = u64::try_from(self.began.elapsed().as_millis()).expect("a run of less than an age");
        let who = who.to_owned();
        self.events.lock().unwrap().push(Event { at_ms, who, what });
    }

    /// How many of these clients received the message with this key.
    pub(crate) fn receivers(&self, key: &str) -> Vec<String> {
        let events = self.events.lock().unwrap();
        // Searched from the end, where the message is, and not further back than its own publish.
        let since = events.iter().rev().take_while(|event| !asks_first(event, key));
        let got = since.filter(|event| match &event.what {
            What::Received { message } => message.key == key,
            What::Subscribed { messages, .. } => messages.iter().any(|message| message.key == key),
            _ => false,
        });
        let mut receivers: Vec<String> = got.map(|event| event.who.clone()).collect();
        receivers.sort_unstable();
        receivers.dedup();
        receivers
    }

    /// Everything so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

/// A mark that `Run::canary` sets before the first attempt.
fn asks_first(event: &Event, key: &str) -> bool {
    matches!(&event.what, What::Fault { fault } if fault == key)
}

/// Writes a history as JSON lines.
pub(super) fn save(events: &[Event], path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for event in events {
        serde_json::to_writer(&mut file, event)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
