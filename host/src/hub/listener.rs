//! One subscription of a connection, as the hub sees it: which envelopes it gets, and how they are queued.

use std::rc::Rc;

use bytes::Bytes;

use super::batch::JoinedMessages;
use super::client_connection::ClientConnection;
use super::encoding::{message_frame_for, presence_frame};
use super::held::HeldEnvelopes;
use super::position::{PositionOrder, compare};
use crate::outbox::{Policy, PushResult};
use backplane::{Envelope, Publication};
use config::Overflow;
use protocol::codes;
use protocol::names::Topic;
use protocol::{Codec, Position};
use wire::Deflater;

pub(super) struct Listener {
    pub(super) client: Rc<ClientConnection>,
    /// Identifies the subscription in the connection's outbox.
    pub(super) subscription: u32,
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
    /// Queues joined messages, if this listener gets all of them and has room; else nothing, and they are to
    /// be taken one by one.
    pub(super) fn take_batch(&mut self, batch: &JoinedMessages<'_>, queueing: &mut Queueing<'_>) -> bool {
        let DeliveryState::Live { after, .. } = &self.delivery else {
            return false;
        };
        let all_new = compare(batch.first.as_ref(), after.as_ref()) == PositionOrder::After;
        if queueing.overflow == Overflow::Conflate || !all_new {
            return false;
        }
        let policy = Policy {
            subscription: self.subscription,
            overflow: Overflow::Drop,
            ephemeral: false,
            news: false,
        };
        let frames = batch.frames(self.client.deflate, queueing.deflater);
        let queued = self.client.push_message(frames, policy) == PushResult::Queued;
        if queued {
            self.pass(batch.first.as_ref());
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
                    self.tell(presence_frame(change, Codec::Json), queueing);
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
        let frame = message_frame_for(publication, Codec::Json, self.client.deflate, queueing.deflater);
        match self.client.push_message(frame.clone(), policy) {
            PushResult::Queued => {
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
        if self.client.push_message(frame.clone(), policy) == PushResult::Queued {
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
