//! One frame that waits, or several joined, and what it is.

use bytes::Bytes;

/// Bytes a frame costs beside its own: its entry in the queue.
pub(super) const ENTRY_BYTES: usize = size_of::<OutboxEntry>();

#[derive(Debug)]
pub(super) struct OutboxEntry {
    pub frame: Bytes,
    pub kind: Kind,
}

/// The kind of a frame, and its subscription. Only a message may be replaced by a newer one of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A reply, or a push about the connection itself.
    Reply,
    /// More of the frame that an entry before it began.
    Rest,
    /// A message of this subscription, or several joined.
    Message(u32),
    /// A join or a leave in this subscription's channel.
    News(u32),
}

impl Kind {
    pub(super) fn is_of(self, subscription: u32) -> bool {
        matches!(self, Self::Message(of) | Self::News(of) if of == subscription)
    }

    pub(super) fn is_reply(self) -> bool {
        matches!(self, Self::Reply | Self::Rest)
    }

    /// Whether an entry of this kind may hold several frames.
    pub(super) fn is_joined(self) -> bool {
        matches!(self, Self::Message(_))
    }
}

impl OutboxEntry {
    /// Bytes that it holds.
    pub(super) fn cost(&self) -> usize {
        self.frame.len() + ENTRY_BYTES
    }
}
