//! One subscription of a connection, as the hub sees it: which envelopes it gets, and how they are queued.

use std::rc::Rc;

use bytes::Bytes;

use super::batch::JoinedMessages;
use super::client_connection::ClientConnection;
use super::encoding::{bare, message_frame_for, presence_frame};
use super::held::HeldEnvelopes;
use super::position::{PositionOrder, compare};
use crate::framing::Framing;
use crate::outbox::{Policy, PushResult};
use backplane::{Envelope, Form, Publication};
use config::Overflow;
use protocol::Position;
use protocol::codes;
use protocol::names::Topic;
use wire::Deflater;

pub(super) struct Listener {
    pub(super) client: Rc<ClientConnection>,
    /// Identifies the subscription in the connection's outbox.
    pub(super) subscription: u32,
    /// In which form its client gets what arrives.
    form: Form,
    /// Which channel of its client's stream of events this is, where the stream tells of several.
    place: Option<u8>,
    pub(super) delivery: DeliveryState,
}

/// Which envelopes a listener gets.
pub(super) enum DeliveryState {
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

/// What listeners queue with, one after the other.
pub(super) struct Queueing<'a> {
    /// Of the channel.
    pub(super) overflow: Overflow,
    pub(super) deflater: &'a mut Deflater,
    /// The connections that got something.
    pub(super) dirty: &'a mut Vec<Rc<ClientConnection>>,
}

// === impl Listener ===

impl Listener {
    /// One that is held.
    pub(super) fn held(client: &Rc<ClientConnection>, subscription: u32, topic: &Topic) -> Self {
        Self {
            form: client.form_in(&topic.channel),
            place: client.place_of(&topic.channel),
            client: client.clone(),
            subscription,
            delivery: DeliveryState::Held(HeldEnvelopes::new(client)),
        }
    }

    /// Queues joined messages, if this listener gets all of them and has room; else nothing, and they are to
    /// be taken one by one.
    pub(super) fn take_batch(&mut self, batch: &JoinedMessages<'_>, queueing: &mut Queueing<'_>) -> bool {
        let DeliveryState::Live { after, .. } = &self.delivery else {
            return false;
        };
        let all_new = compare(batch.first.as_ref(), after.as_ref()) == PositionOrder::After;
        let is_bare = self.client.framing == Framing::Bare;
        if queueing.overflow == Overflow::Conflate || !all_new || is_bare {
            return false;
        }
        let policy = Policy {
            subscription: self.subscription,
            overflow: Overflow::Drop,
            ephemeral: false,
            news: false,
        };
        let frames = batch.frames(self.form, self.client.deflate, queueing.deflater);
        let queued = self.client.push_message(frames, policy) == PushResult::Queued;
        if queued {
            self.pass(batch.first.as_ref());
            self.note(batch.last.as_ref());
            queueing.mark_dirty(&self.client);
        }
        queued
    }

    /// Queues an envelope according to this listener's state. Returns whether a message was delivered.
    pub(super) fn take(&mut self, envelope: &Envelope, queueing: &mut Queueing<'_>) -> bool {
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
            Envelope::Message(publication) => self.take_message(publication, queueing),
            Envelope::Lost(topic) => {
                self.end(topic);
                false
            }
            Envelope::Presence(change) => {
                if change.version > known && *self.client.session != *change.member.session {
                    self.tell(presence_frame(change, self.form), queueing);
                }
                false
            }
        }
    }

    fn take_message(&mut self, publication: &Publication, queueing: &mut Queueing<'_>) -> bool {
        let overflow = queueing.overflow;
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
        let frame = message_frame_for(publication, self.form, self.client.deflate, queueing.deflater);
        match self.client.push_message(self.framed(frame), policy) {
            PushResult::Queued => {
                self.note(position);
                queueing.mark_dirty(&self.client);
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

    /// A stream that tells how far its client has this channel tells of this position from now on.
    fn note(&self, position: Option<&Position>) {
        if let (Some(place), Some(position)) = (self.place, position) {
            self.client.note_position(place, position);
        }
    }

    /// A shared frame as its client gets it.
    fn framed(&self, frame: &Bytes) -> Bytes {
        match self.client.framing {
            Framing::Bare => bare(frame),
            Framing::WebSocket | Framing::Events => frame.clone(),
        }
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
    fn tell(&self, frame: &Bytes, queueing: &mut Queueing<'_>) {
        let policy = Policy {
            subscription: self.subscription,
            overflow: Overflow::Drop,
            ephemeral: true,
            news: true,
        };
        if self.client.push_message(self.framed(frame), policy) == PushResult::Queued {
            queueing.mark_dirty(&self.client);
        }
    }
}

// === impl Queueing ===

impl Queueing<'_> {
    fn mark_dirty(&mut self, client: &Rc<ClientConnection>) {
        if client.mark_dirty() {
            self.dirty.push(client.clone());
        }
    }
}
