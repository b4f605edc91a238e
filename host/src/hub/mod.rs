//! Who listens to what on one shard, and the turn that brings them what arrived. Knows topics and
//! connections, not sessions: the session of a subscription that ends is signaled.
//!
//! A turn drains the inbox, queues each shared frame on every listener's outbox, and then writes once
//! to each connection that got something. So messages that arrive together leave together, and no task wakes
//! for a message.

mod batch;
mod client_connection;
mod connection_shape;
mod encoding;
mod event_stream;
mod forms;
mod held;
mod listener;
mod polled;
mod position;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use batch::JoinedMessages;
pub use client_connection::{ClientConnection, SessionSignals};
pub use connection_shape::ConnectionShape;
pub use encoding::{message_envelope, push_reply};
pub use event_stream::EventStream;
use listener::{DeliveryState, Listener, Queueing};
use position::drop_earlier_epochs;

use backplane::Envelope;
use config::ChannelSettings;
use protocol::Position;
use protocol::codes::CloseCode;
use protocol::names::Topic;
use wire::Deflater;

/// Listeners between two looks at the clock while the hub delivers, or writes …
const LOOK_AFTER: usize = 64;
/// … and bytes that it writes.
const LOOK_AFTER_BYTES: usize = 65_536;

/// The hub of one shard.
#[derive(Default)]
pub struct Hub {
    /// By place too, so that they can be looked at in parts ([`Hub::topics_at`]).
    topics: IndexMap<Topic, Listeners, RandomState>,
    deliveries: u64,
    /// Compresses for all listeners of the shard.
    deflater: Deflater,
}

struct Listeners {
    settings: Arc<ChannelSettings>,
    clients: IndexMap<u64, Listener, RandomState>,
}

// === impl Hub ===

impl Hub {
    /// Adds a listener that is held until [`Hub::release`].
    pub fn insert(
        &mut self,
        topic: &Topic,
        settings: &Arc<ChannelSettings>,
        client: &Rc<ClientConnection>,
        subscription: u32,
    ) {
        let listeners = self.topics.entry(topic.clone()).or_insert_with(|| Listeners {
            settings: settings.clone(),
            clients: IndexMap::default(),
        });
        // The newest subscriber has the newest settings.
        listeners.settings = settings.clone();
        let listener = Listener::held(client, subscription, topic);
        listeners.clients.insert(client.id, listener);
    }

    /// Lets a listener have what comes after `after`; of what was held, the same. Of joins and leaves, those that came
    /// after the snapshot of this version; without a snapshot, those that come from now on. What was held is written.
    pub fn release(&mut self, topic: &Topic, client: u64, after: Option<Position>, snapshot: Option<u64>) {
        let Some(listeners) = self.topics.get_mut(topic) else {
            return;
        };
        let Some(listener) = listeners.clients.get_mut(&client) else {
            return;
        };
        if let DeliveryState::Held(held) = &mut listener.delivery {
            let mut held = held.take();
            drop_earlier_epochs(&mut held, after.as_ref());
            if snapshot.is_none() {
                held.retain(|envelope| !matches!(envelope, Envelope::Presence(_)));
            }
            let presence = snapshot.unwrap_or(0);
            listener.delivery = DeliveryState::Live { after, presence };
            let mut own = Vec::new();
            let mut queueing = Queueing {
                overflow: listeners.settings.overflow,
                deflater: &mut self.deflater,
                dirty: &mut own,
            };
            for envelope in held {
                self.deliveries += u64::from(listener.take(&envelope, &mut queueing));
            }
            // Not with those of the turn, which may be many.
            for client in own {
                client.flush();
            }
        }
    }

    /// Removes a listener.
    pub fn remove(&mut self, topic: &Topic, client: u64) {
        if let Some(listeners) = self.topics.get_mut(topic) {
            listeners.clients.swap_remove(&client);
            if listeners.clients.is_empty() {
                self.topics.swap_remove(topic);
            }
        }
    }

    /// Revokes a subscription: from now on nothing of it reaches its client, also not what waits in the outbox.
    /// Signals its session, which tells the client. Returns whether there was one.
    pub fn revoke(&mut self, topic: &Topic, client: u64, code: CloseCode) -> bool {
        let listeners = self.topics.get_mut(topic);
        let Some(listener) = listeners.and_then(|listeners| listeners.clients.get_mut(&client)) else {
            return false;
        };
        if matches!(listener.delivery, DeliveryState::Revoked) {
            return false;
        }
        listener.delivery = DeliveryState::Revoked;
        listener.client.discard(listener.subscription);
        listener.client.signal_end(topic.channel.clone(), code);
        true
    }

    /// Whether a subscription was revoked.
    pub fn is_revoked(&self, topic: &Topic, client: u64) -> bool {
        let listener = self
            .topics
            .get(topic)
            .and_then(|listeners| listeners.clients.get(&client));
        listener.is_some_and(|listener| matches!(listener.delivery, DeliveryState::Revoked))
    }

    /// The number of places for [`Hub::topics_at`].
    pub fn places(&self) -> usize {
        self.topics.len()
    }

    /// The topics at these places, with the number of their listeners. A topic that ends gives its place to the last one, so
    /// whoever looks from the last place down misses none that stays.
    pub fn topics_at(&self, places: Range<usize>) -> impl Iterator<Item = (&Topic, usize)> {
        let topics = self.topics.get_range(places).into_iter().flatten();
        let counted = topics.map(|(topic, listeners)| (topic, listeners.active().count()));
        counted.filter(|(_, listeners)| *listeners > 0)
    }

    /// The number of listeners of `topic`.
    #[cfg(test)]
    pub fn listeners(&self, topic: &Topic) -> usize {
        self.topics.get(topic).map_or(0, |listeners| listeners.active().count())
    }

    /// Queues arrived envelopes for their listeners, in order, until `is_over`. Returns how many of them it has queued.
    /// Connections that got something, and are not among those that are `dirty`, are added to them.
    pub fn deliver_until(
        &mut self,
        turn: &[Envelope],
        dirty: &mut Vec<Rc<ClientConnection>>,
        is_over: impl Fn() -> bool,
    ) -> usize {
        let mut queued = 0;
        let mut listeners_seen = 0;
        for part in batch::parts(turn) {
            if listeners_seen >= LOOK_AFTER {
                if is_over() {
                    break;
                }
                listeners_seen = 0;
            }
            queued += part.len();
            let Some(listeners) = self.topics.get_mut(part[0].topic()) else {
                continue;
            };
            listeners_seen += listeners.clients.len();
            let mut queueing = Queueing {
                overflow: listeners.settings.overflow,
                deflater: &mut self.deflater,
                dirty,
            };
            let batch = JoinedMessages::join(part);
            for listener in listeners.clients.values_mut() {
                self.deliveries += match &batch {
                    Some(batch) if listener.take_batch(batch, &mut queueing) => batch.messages,
                    _ => {
                        let taken = part.iter().filter(|envelope| listener.take(envelope, &mut queueing));
                        taken.count() as u64
                    }
                };
            }
        }
        queued
    }

    /// Messages queued for receivers since the last call.
    pub fn take_deliveries(&mut self) -> u64 {
        std::mem::take(&mut self.deliveries)
    }
}

/// Writes what was queued, one write a connection, until `is_over`. Returns whether all is written.
pub fn flush_until(dirty: &mut Vec<Rc<ClientConnection>>, is_over: impl Fn() -> bool) -> bool {
    let (mut connections, mut bytes) = (0, 0);
    while let Some(client) = dirty.pop() {
        bytes += client.flush();
        connections += 1;
        if connections >= LOOK_AFTER || bytes >= LOOK_AFTER_BYTES {
            if is_over() {
                break;
            }
            (connections, bytes) = (0, 0);
        }
    }
    dirty.is_empty()
}

impl Listeners {
    /// The listeners that still get messages.
    fn active(&self) -> impl Iterator<Item = &Listener> {
        let over = |listener: &&Listener| matches!(listener.delivery, DeliveryState::Ended | DeliveryState::Revoked);
        let clients = self.clients.values();
        clients.filter(move |listener| !over(listener) && !listener.client.is_closed())
    }
}
