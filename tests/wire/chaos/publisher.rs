//! A publisher: one message after the other, each with a key, and again with the same key while no reply said what became
//! of it.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::history::{Position, Record, What};
use super::random::Random;
use super::{Phase, lasting};
use crate::support::dial::Dial;
use crate::support::link::Link;
use crate::support::nodes::Doors;

/// Between two attempts for one message.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than any promised time of an answer.
const REPLY_LIMIT: Duration = Duration::from_secs(20);
/// Attempts before a message is given up, so that unanswered keys are rare but happen.
const ATTEMPTS: usize = 4;
/// A message in so many is large enough that Redis cannot keep it in a connection's own small buffer.
const LARGE_ONE_IN: usize = 20;
const LARGE_BYTES: usize = 24 * 1024;

/// One publisher, connected or not.
pub(super) struct Publisher {
    name: String,
    doors: Doors,
    door: usize,
    link: Option<Link>,
    record: Record,
}

/// What became of an attempt.
enum Outcome {
    Acked,
    Refused(u64),
    Unanswered,
}

impl Publisher {
    /// One that is not connected yet.
    pub(super) fn new(name: &str, doors: &Doors, record: &Record) -> Self {
        Self {
            name: name.to_owned(),
            doors: doors.clone(),
            // Publishers begin at different nodes.
            door: name.bytes().map(usize::from).sum(),
            link: None,
            record: record.clone(),
        }
    }

    /// Publishes at random into these channels, `pace` apart, until the run is over.
    pub(super) async fn run(mut self, channels: Vec<String>, pace: Duration, seed: u64, phase: watch::Receiver<Phase>) {
        let mut random = Random::of(seed, &self.name);
        let mut number = 0;
        while *phase.borrow() != Phase::Over {
            number += 1;
            let channel = random.pick(&channels).clone();
            let key = format!("{}-{number}", self.name);
            let size = if random.one_in(LARGE_ONE_IN) { LARGE_BYTES } else { 0 };
            for _ in 0..ATTEMPTS {
                match self.attempt(&channel, &key, size).await {
                    Outcome::Acked => break,
                    _ if *phase.borrow() == Phase::Over => return,
                    _ => lasting(PAUSE).await,
                }
            }
            lasting(pace).await;
        }
    }

    /// Publishes one message until it is acknowledged.
    pub(super) async fn insist(&mut self, channel: &str, key: &str) {
        while !matches!(self.attempt(channel, key, 0).await, Outcome::Acked) {
            lasting(PAUSE).await;
        }
    }

    /// Publishes one message once: none if it was acknowledged, else the error's code, if there was one.
    pub(super) async fn try_once(&mut self, channel: &str, key: &str) -> Result<(), Option<u64>> {
        match self.attempt(channel, key, 0).await {
            Outcome::Acked => Ok(()),
            Outcome::Refused(code) => Err(Some(code)),
            Outcome::Unanswered => Err(None),
        }
    }

    async fn attempt(&mut self, channel: &str, key: &str, size: usize) -> Outcome {
        let Some(mut link) = self.link().await else {
            // Nothing was sent, so there is nothing to record.
            return Outcome::Unanswered;
        };
        let (channel, key) = (channel.to_owned(), key.to_owned());
        let data = json!({ "key": key, "ballast": "x".repeat(size) });
        self.note(What::Asked {
            channel: channel.clone(),
            key: key.clone(),
        });
        let id = link
            .send("publish", json!({ "channel": channel, "data": data, "key": key }))
            .await;
        let reply = timeout(REPLY_LIMIT, link.reply(&id, drop)).await.unwrap_or_else(|_| {
            self.note(What::Hung {
                request: format!("publish {key}"),
            });
            None
        });
        let Some(reply) = reply else {
            self.note(What::Unanswered { channel, key });
            return Outcome::Unanswered;
        };
        self.link = Some(link);
        let payload = &reply["payload"];
        if reply.kind() == "ack" {
            let id = payload["message"].as_str().unwrap_or_default().to_owned();
            let at = Position::of(payload);
            self.note(What::Acked { channel, key, id, at });
            return Outcome::Acked;
        }
        let code = payload["code"].as_u64().unwrap_or_default();
        self.note(What::Refused { channel, key, code });
        Outcome::Refused(code)
    }

    /// The present connection, or a new one.
    async fn link(&mut self) -> Option<Link> {
        if let Some(link) = self.link.take() {
            return Some(link);
        }
        self.door += 1;
        let address = self.doors.nth(self.door)?;
        let dial = Dial::new(address, &self.name);
        let mut link = Link::open(&dial, address).await?;
        let id = link.send("connect", dial.payload()).await;
        let reply = timeout(REPLY_LIMIT, link.reply(&id, drop)).await.ok()??;
        (reply.kind() == "ack").then_some(link)
    }

    fn note(&self, what: What) {
        self.record.note(&self.name, what);
    }
}
