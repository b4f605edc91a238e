//! A subscriber that behaves like an application's: it comes back on another node, resumes where it was, and subscribes
//! again when the server ends a subscription. In the wild phase it also disconnects at random, and leaves channels.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::history::{Message, Position, Record, What};
use super::random::Random;
use super::{Phase, lasting};
use crate::support::dial::Dial;
use crate::support::envelope::{Envelope, now_ms};
use crate::support::link::{Heard, Link};
use crate::support::nodes::Doors;

/// Between two attempts at anything.
const PAUSE: Duration = Duration::from_millis(100);
/// A request that is not answered in this time never will be.
const REPLY_LIMIT: Duration = Duration::from_secs(15);

/// A channel that the subscriber wants.
struct Wish {
    channel: String,
    /// The newest that it has.
    position: Option<Position>,
    is_subscribed: bool,
}

/// One subscriber, connected or not.
pub(super) struct Subscriber {
    name: String,
    doors: Doors,
    door: usize,
    wishes: Vec<Wish>,
    random: Random,
    record: Record,
    phase: watch::Receiver<Phase>,
    /// Whether it polls; else it has a WebSocket.
    polls: bool,
}

/// Whether the subscriber of this name polls: every third does.
pub(crate) fn polls(name: &str) -> bool {
    let number = name
        .strip_prefix("sub-")
        .and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| number % 3 == 2)
}

/// Why a connection is over.
enum Over {
    /// The connection ended.
    Link,
    /// The run is over.
    Run,
}

impl Subscriber {
    /// A subscriber of these channels.
    pub(super) fn new(
        name: &str,
        doors: &Doors,
        channels: &[String],
        seed: u64,
        record: &Record,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let wish = |channel: &String| Wish {
            channel: channel.clone(),
            position: None,
            is_subscribed: false,
        };
        let mut random = Random::of(seed, name);
        Self {
            name: name.to_owned(),
            doors: doors.clone(),
            door: random.below(1000),
            wishes: channels.iter().map(wish).collect(),
            random,
            record: record.clone(),
            phase,
            polls: polls(name),
        }
    }

    /// Lives until the run is over.
    pub(super) async fn run(mut self) {
        while *self.phase.borrow() != Phase::Over {
            if let Some(link) = self.connect().await
                && let Over::Run = self.stay(link).await
            {
                break;
            }
            self.door += 1;
            lasting(PAUSE).await;
        }
    }

    async fn connect(&mut self) -> Option<Link> {
        let address = self.doors.nth(self.door)?;
        let dial = Dial::new(address, &self.name);
        let mut link = if self.polls {
            let open = format!("{}-{}-{}", self.name, self.door, now_ms());
            Link::polling(&self.doors, self.door, &open)
        } else {
            Link::open(&dial, address).await?
        };
        let ack = self.ask(&mut link, "connect", dial.payload()).await;
        ack.filter(|ack| ack.kind() == "ack").map(|_| link)
    }

    /// Sends a request and waits for its reply; pushes before it are recorded. None: the link ended.
    async fn ask(&mut self, link: &mut Link, kind: &str, payload: Value) -> Option<Envelope> {
        let deadline = Instant::now() + REPLY_LIMIT;
        let shown = format!("{kind} {payload}");
        let id = link.send(kind, payload).await;
        loop {
            match timeout_at(deadline, link.next()).await {
                Ok(Heard::Envelope(envelope)) if envelope.answers(&id) => return Some(envelope),
                Ok(Heard::Envelope(envelope)) => self.hear(&envelope),
                Ok(Heard::End(code)) => {
                    self.gone(code);
                    return None;
                }
                Err(_) => {
                    self.record.note(&self.name, What::Hung { request: shown });
                    self.gone(None);
                    return None;
                }
            }
        }
    }

    /// One connection, from its `connect` to its end.
    async fn stay(&mut self, mut link: Link) -> Over {
        let mut deed = Instant::now() + self.until_next_deed();
        loop {
            if !self.subscribe_all(&mut link).await {
                return Over::Link;
            }
            let wakes = if self.has_all() {
                deed
            } else {
                deed.min(Instant::now() + PAUSE)
            };
            tokio::select! {
                heard = timeout_at(wakes, link.next()) => match heard {
                    Ok(Heard::Envelope(envelope)) => self.hear(&envelope),
                    Ok(Heard::End(code)) => {
                        self.gone(code);
                        return Over::Link;
                    }
                    Err(_) if Instant::now() < deed => {}
                    Err(_) => {
                        deed = Instant::now() + self.until_next_deed();
                        if !self.misbehave(&mut link).await {
                            return Over::Link;
                        }
                    }
                },
                _ = self.phase.changed() => {
                    if *self.phase.borrow() == Phase::Over {
                        self.gone(None);
                        return Over::Run;
                    }
                }
            }
        }
    }

    fn until_next_deed(&mut self) -> Duration {
        self.random.between(Duration::from_millis(200), Duration::from_secs(3))
    }

    fn has_all(&self) -> bool {
        self.wishes.iter().all(|wish| wish.is_subscribed)
    }

    /// Subscribes to the wanted channels that it lacks; false if the link ended. A refused one is tried again later.
    async fn subscribe_all(&mut self, link: &mut Link) -> bool {
        for n in 0..self.wishes.len() {
            if !self.wishes[n].is_subscribed && !self.subscribe(link, n).await {
                return false;
            }
        }
        true
    }

    async fn subscribe(&mut self, link: &mut Link, n: usize) -> bool {
        let Wish { channel, position, .. } = &self.wishes[n];
        let (channel, since) = (channel.clone(), position.clone());
        let mut payload = json!({ "channel": channel });
        if let Some(since) = &since {
            payload["since"] = since.json();
        }
        let Some(reply) = self.ask(link, "subscribe", payload).await else {
            return false;
        };
        if reply.kind() == "ack" {
            let ack = &reply["payload"];
            let at = Position::of(ack);
            let wish = &mut self.wishes[n];
            wish.position.clone_from(&at);
            wish.is_subscribed = true;
            let what = What::Subscribed {
                channel,
                at,
                since,
                recovered: ack["recovered"].as_bool(),
                messages: Message::list(&ack["messages"]),
            };
            self.record.note(&self.name, what);
        }
        true
    }

    /// What clients do; false if the link is gone after it.
    async fn misbehave(&mut self, link: &mut Link) -> bool {
        if *self.phase.borrow() != Phase::Wild {
            return true;
        }
        if self.random.one_in(2) {
            self.gone(None);
            return false;
        }
        let n = self.random.below(self.wishes.len());
        if !self.wishes[n].is_subscribed {
            return true;
        }
        let channel = self.wishes[n].channel.clone();
        let Some(reply) = self.ask(link, "unsubscribe", json!({ "channel": channel })).await else {
            return false;
        };
        // Else the server had ended it at the same moment, and its push came before this reply.
        if reply.kind() == "ack" {
            self.wishes[n].is_subscribed = false;
            self.record.note(&self.name, What::Revoked { channel });
        }
        true
    }

    fn hear(&mut self, envelope: &Envelope) {
        let channel = envelope["channel"].as_str().unwrap_or_default().to_owned();
        let wish = self.wishes.iter_mut().find(|wish| wish.channel == channel);
        match envelope.kind() {
            "message" => {
                let message = Message::of(envelope);
                if let Some(wish) = wish {
                    wish.position.clone_from(&message.at);
                }
                self.record.note(&self.name, What::Received { message });
            }
            "unsubscribed" => {
                if let Some(wish) = wish {
                    wish.is_subscribed = false;
                }
                let code = envelope["payload"]["code"].as_u64().unwrap_or_default();
                self.record.note(&self.name, What::Dropped { channel, code });
            }
            _ => {}
        }
    }

    fn gone(&mut self, code: Option<u16>) {
        for wish in &mut self.wishes {
            wish.is_subscribed = false;
        }
        self.record.note(&self.name, What::Away { code });
    }
}
