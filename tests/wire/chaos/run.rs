//! A load of publishers and subscribers, and the record of what they saw.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::check::check;
use super::history::{self, Event, Message, Position, Record, What};
use super::publisher::Publisher;
use super::subscriber::Subscriber;
use super::{Phase, lasting};
use crate::support::dial::Dial;
use crate::support::link::Link;
use crate::support::nodes::Doors;
use crate::support::{PATIENCE, eventually};

/// The size of a load.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// The source of randomness.
    pub seed: u64,
    /// How many publish.
    pub publishers: usize,
    /// How many subscribe, each to all channels.
    pub subscribers: usize,
    /// How many channels there are.
    pub channels: usize,
    /// Between two messages of a publisher.
    pub pace: Duration,
    /// Whether subscribers come and go at random.
    pub wild: bool,
}

/// The load of most tests of one fault: enough that a loss shows.
pub(crate) const STEADY: Load = Load {
    seed: 1,
    publishers: 2,
    subscribers: 6,
    channels: 2,
    pace: Duration::from_millis(20),
    wild: false,
};

/// A canary that did not reach every subscriber in this time will not: a subscriber was not there yet.
const SONG: Duration = Duration::from_millis(400);

/// A running load.
pub(crate) struct Run {
    seed: u64,
    phase: watch::Sender<Phase>,
    wild: bool,
    channels: Vec<String>,
    subscribers: Vec<String>,
    tasks: Vec<JoinHandle<()>>,
    canaries: usize,
    canary: Publisher,
    doors: Doors,
    /// What they saw so far.
    pub record: Record,
}

impl Run {
    /// Starts the load in channels that the seed names; they have history.
    pub(crate) fn start(doors: &Doors, load: Load) -> Self {
        let record = Record::new();
        let channels: Vec<String> = (0..load.channels)
            .map(|n| format!("room:chaos-{}-{n}", load.seed))
            .collect();
        let first = if load.wild { Phase::Wild } else { Phase::Calm };
        let (phase, watching) = watch::channel(first);
        let mut tasks = Vec::new();
        let mut subscribers = Vec::new();
        for n in 0..load.subscribers {
            let name = format!("sub-{n}");
            let worker = Subscriber::new(&name, doors, &channels, load.seed, &record, watching.clone());
            tasks.push(tokio::spawn(worker.run()));
            subscribers.push(name);
        }
        for n in 0..load.publishers {
            let worker = Publisher::new(&format!("pub-{n}"), doors, &record);
            tasks.push(tokio::spawn(worker.run(
                channels.clone(),
                load.pace,
                load.seed,
                watching.clone(),
            )));
        }
        Self {
            seed: load.seed,
            phase,
            wild: load.wild,
            channels,
            subscribers,
            tasks,
            canaries: 0,
            canary: Publisher::new("canary", doors, &record),
            doors: doors.clone(),
            record,
        }
    }

    /// The channels of this run.
    pub(crate) fn channels(&self) -> &[String] {
        &self.channels
    }

    /// Records the begin or end of a fault.
    pub(crate) fn fault(&self, fault: &str) {
        self.record.note(
            "fault",
            What::Fault {
                fault: fault.to_owned(),
            },
        );
    }

    /// One attempt to publish; see [`Publisher::try_once`].
    pub(crate) async fn try_publish(&mut self) -> Result<(), Option<u64>> {
        self.canaries += 1;
        let key = format!("try-{}", self.canaries);
        self.canary.try_once(&self.channels[0], &key).await
    }

    /// Publishes into every channel, again until it is acknowledged, and waits until every subscriber has it. All of
    /// that within `limit`.
    pub(crate) async fn canary(&mut self, limit: Duration) {
        self.phase.send_replace(Phase::Calm);
        self.canaries += 1;
        let outcome = timeout(
            limit,
            sing(
                &mut self.canary,
                &self.record,
                self.canaries,
                &self.channels,
                &self.subscribers,
            ),
        );
        if outcome.await.is_err() {
            let events = self.record.events();
            let kept = keep(self.seed, &events);
            panic!(
                "after {limit:?} no canary-{} had reached everybody; seed {}; history: {}",
                self.canaries,
                self.seed,
                kept.display()
            );
        }
        let next = if self.wild { Phase::Wild } else { Phase::Calm };
        self.phase.send_replace(next);
    }

    /// Lets the load run on for a while.
    pub(crate) async fn goes_on(&self, duration: Duration) {
        lasting(duration).await;
    }

    /// Ends the load when every subscriber has everything, and fails if a promise was broken.
    pub(crate) async fn finish(mut self) -> Vec<Event> {
        self.wild = false;
        self.canary(PATIENCE).await;
        self.read_histories().await;
        self.phase.send_replace(Phase::Over);
        for task in self.tasks.drain(..) {
            task.await.expect("a worker does not panic");
        }
        let events = self.record.events();
        let violations = check(&events);
        if !violations.is_empty() {
            let file = keep(self.seed, &events);
            let shown: Vec<String> = violations.iter().take(20).map(ToString::to_string).collect();
            panic!(
                "{} violations; seed {}; history: {}\n{}",
                violations.len(),
                self.seed,
                file.display(),
                shown.join("\n")
            );
        }
        events
    }

    async fn read_histories(&self) {
        for channel in &self.channels {
            let (at, messages) = eventually(PATIENCE, "the history", async || self.history_of(channel).await).await;
            let channel = channel.clone();
            self.record.note("end", What::Kept { channel, at, messages });
        }
    }

    async fn history_of(&self, channel: &str) -> Option<(Option<Position>, Vec<Message>)> {
        let address = self.doors.nth(0)?;
        let dial = Dial::new(address, "end");
        let mut link = Link::open(&dial, address).await?;
        link.send("connect", dial.payload()).await;
        let id = link
            .send("history", json!({ "channel": channel, "reverse": true, "limit": 1000 }))
            .await;
        let reply = link.reply(&id, drop).await?;
        let payload = &reply["payload"];
        (reply.kind() == "ack").then(|| (Position::of(payload), Message::list(&payload["messages"])))
    }
}

/// Publishes canaries in every channel until one has reached every subscriber. A client that subscribes anew between two
/// canaries, or is told of a loss, gets the next one.
async fn sing(canary: &mut Publisher, record: &Record, number: usize, channels: &[String], subscribers: &[String]) {
    for channel in channels {
        for song in 0.. {
            let key = format!("canary-{number}-{song}");
            // The record is searched for receivers from this mark on.
            record.note("fault", What::Fault { fault: key.clone() });
            canary.insist(channel, &key).await;
            let heard = eventually(PATIENCE, "everybody", async || {
                (record.receivers(&key).len() == subscribers.len()).then_some(())
            });
            if timeout(SONG, heard).await.is_ok() {
                break;
            }
        }
    }
}

/// Keeps a history in a file.
fn keep(seed: u64, events: &[Event]) -> PathBuf {
    let test = thread::current().name().unwrap_or("run").replace("::", "-");
    let name = format!("history-{test}-{seed}.jsonl");
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    history::save(events, &path).expect("the history is written");
    path
}
