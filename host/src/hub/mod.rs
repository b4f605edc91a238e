//! Who listens to what on one shard, and the turn that brings them what arrived. Knows topics and
//! connections, not sessions: the session of a subscription that ends is signaled.
//!
//! A turn drains the inbox, queues each shared frame on every listener's outbox, and then writes once
//! to each connection that got something. So messages that arrive together leave together, and no task wakes
//! for a message.

mod batch;
mod client_connection;
mod encoding;
mod held;
mod position;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use indexmap::IndexMap;

use batch::JoinedMessages;
pub use client_connection::{ClientConnection, SessionSignals};
use encoding::{message_frame, presence_frame};
pub use encoding::{message_json, push_reply};
use held::HeldEnvelopes;
use position::{PositionOrder, compare, drop_earlier_epochs};

use crate::outbox::{Policy, PushResult};
use backplane::{Envelope, Publication};
use config::{ChannelSettings, Overflow};
use protocol::codes::{self, CloseCode};
use protocol::names::Topic;
use protocol::{Codec, Position};

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
}

struct Listeners {
    settings: Arc<ChannelSettings>,
    clients: IndexMap<u64, Listener, RandomState>,
}

struct Listener {
    client: Rc<ClientConnection>,
    /// Identifies the subscription in the connection's outbox.
    subscription: u32,
    delivery: DeliveryState,
}

/// Which envelopes a listener gets.
enum DeliveryState {
    /// None yet: its history is being read, and arriving envelopes are held until then.
    Held(HeldEnvelopes),
    /// Those that are new to it.
    Live {
        /// The position up to which it has the history. None once a later message came.
        after: Option<Position>,
        /// Its presence snapshot has all changes up to this version.
        presence: u64,
    },
    /// None any more: the subscription has ended, and its session was signaled.
    Ended,
    /// The same, because the operator ended it: a session that is still subscribing refuses it.
    Revoked,
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
        let listener = Listener {
            client: client.clone(),
            subscription,
            delivery: DeliveryState::Held(HeldEnvelopes::new(client)),
        };
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
            for envelope in held {
                self.deliveries += u64::from(listener.take(&envelope, listeners.settings.overflow, &mut own));
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
            let overflow = listeners.settings.overflow;
            let batch = JoinedMessages::join(part);
            for listener in listeners.clients.values_mut() {
                self.deliveries += match &batch {
                    Some(batch) if listener.take_batch(batch, overflow, dirty) => batch.messages,
                    _ => {
                        let taken = part.iter().filter(|envelope| listener.take(envelope, overflow, dirty));
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

// === impl Listener ===

impl Listener {
    /// Queues joined messages, if this listener gets all of them and has room; else nothing, and they are to
    /// be taken one by one.
    fn take_batch(
        &mut self,
        batch: &JoinedMessages,
        overflow: Overflow,
        dirty: &mut Vec<Rc<ClientConnection>>,
    ) -> bool {
        let DeliveryState::Live { after, .. } = &self.delivery else {
            return false;
        };
        let all_new = compare(batch.first.as_ref(), after.as_ref()) == PositionOrder::After;
        if overflow == Overflow::Conflate || !all_new {
            return false;
        }
        let policy = Policy {
            subscription: self.subscription,
            overflow: Overflow::Drop,
            ephemeral: false,
            news: false,
        };
        let queued = self.client.push_message(batch.frames.clone(), policy) == PushResult::Queued;
        if queued {
            self.pass(batch.first.as_ref());
            mark_dirty(&self.client, dirty);
        }
        queued
    }

    /// Queues an envelope according to this listener's state. Returns whether a message was delivered.
    fn take(&mut self, envelope: &Envelope, overflow: Overflow, dirty: &mut Vec<Rc<ClientConnection>>) -> bool {
        let known = match &mut self.delivery {
            DeliveryState::Live { presence, .. } => *presence,
            DeliveryState::Held(held) => {
                if !held.push(envelope) {
                    self.end(envelope.topic());
                }
                return false;
            }
            DeliveryState::Ended | DeliveryState::Revoked => return false,
        };
        match envelope {
            Envelope::Message(publication) => self.take_message(publication, overflow, dirty),
            Envelope::Lost(topic) => {
                self.end(topic);
                false
            }
            Envelope::Presence(change) => {
                if change.version > known && *self.client.session != *change.member.session {
                    self.tell(presence_frame(change, Codec::Json), dirty);
                }
                false
            }
        }
    }

    fn take_message(
        &mut self,
        publication: &Publication,
        overflow: Overflow,
        dirty: &mut Vec<Rc<ClientConnection>>,
    ) -> bool {
        let position = publication.position.as_ref();
        if let DeliveryState::Live { after, .. } = &self.delivery {
            match compare(position, after.as_ref()) {
                PositionOrder::After => self.pass(position),
                // It came with the history.
                PositionOrder::Had => return false,
                PositionOrder::Unclear => {
                    self.end(&publication.topic);
                    return false;
                }
            }
        }
        if publication.skips(&self.client.session) {
            return false;
        }
        let policy = Policy {
            subscription: self.subscription,
            overflow,
            ephemeral: publication.ephemeral,
            news: false,
        };
        match self
            .client
            .push_message(message_frame(publication, Codec::Json).clone(), policy)
        {
            PushResult::Queued => {
                mark_dirty(&self.client, dirty);
                return true;
            }
            PushResult::Overflow => {
                self.delivery = DeliveryState::Ended;
                self.client.signal_close(codes::SLOW_CONSUMER, None);
            }
            // With offsets, their gap tells the client of the loss; without, the end of the subscription does. Who is kept
            // the newest message alone would wait for the gap without knowing the newest.
            PushResult::Dropped if !publication.ephemeral && (position.is_none() || overflow == Overflow::Conflate) => {
                self.end(&publication.topic);
            }
            PushResult::Dropped => {}
        }
        false
    }

    /// After the first message with a later position, every further one is new.
    fn pass(&mut self, position: Option<&Position>) {
        if let DeliveryState::Live { after, .. } = &mut self.delivery
            && position.is_some()
        {
            *after = None;
        }
    }

    /// Ends a subscription that missed something.
    fn end(&mut self, topic: &Topic) {
        self.delivery = DeliveryState::Ended;
        self.client.signal_end(topic.channel.clone(), codes::INSUFFICIENT_STATE);
    }

    /// Queues a join or leave; a slow reader is not cut off for it.
    fn tell(&self, frame: &Bytes, dirty: &mut Vec<Rc<ClientConnection>>) {
        let policy = Policy {
            subscription: self.subscription,
            overflow: Overflow::Drop,
            ephemeral: true,
            news: true,
        };
        if self.client.push_message(frame.clone(), policy) == PushResult::Queued {
            mark_dirty(&self.client, dirty);
        }
    }
}

fn mark_dirty(client: &Rc<ClientConnection>, dirty: &mut Vec<Rc<ClientConnection>>) {
    if client.mark_dirty() {
        dirty.push(client.clone());
    }
}
