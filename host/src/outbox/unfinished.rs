//! A reply that is queued in parts while its client reads it. What is queued after it waits until it is whole, because
//! nothing but control frames may stand between the fragments of a message (RFC 6455 5.4).

use std::collections::VecDeque;

use super::entry::OutboxEntry;

#[derive(Debug)]
pub(super) struct UnfinishedReply {
    /// What was queued after it.
    pub waiting: VecDeque<OutboxEntry>,
    /// How many entries of the queue came before it.
    ahead: usize,
    /// Whether some of it is with the client.
    is_begun: bool,
    /// Whether a part of it was queued.
    has_part: bool,
}

impl UnfinishedReply {
    /// A reply that begins behind so many entries of the queue.
    pub(super) fn behind(ahead: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            ahead,
            is_begun: false,
            has_part: false,
        }
    }

    /// Whether a part of it was queued before this one.
    pub(super) fn has_part(&mut self) -> bool {
        std::mem::replace(&mut self.has_part, true)
    }

    /// Whether a part of it is with the client, or in a queue of so many entries.
    pub(super) fn is_on_its_way(&self, queued: usize) -> bool {
        self.is_begun || queued > self.ahead
    }

    /// The first entry of the queue is written and removed.
    pub(super) fn first_is_written(&mut self) {
        self.first_is_begun();
        self.ahead = self.ahead.saturating_sub(1);
    }

    /// A part of the first entry of the queue is written.
    pub(super) fn first_is_begun(&mut self) {
        self.is_begun |= self.ahead == 0;
    }

    /// The queue was cleared, but for what is half on the wire. Returns whether the reply is begun: else nothing is left of it.
    pub(super) fn clear(&mut self) -> bool {
        self.waiting.clear();
        self.ahead = 0;
        self.is_begun
    }

    /// Drops what is not kept from the queue, and from what waits.
    pub(super) fn retain(&mut self, queue: &mut VecDeque<OutboxEntry>, is_kept: &mut impl FnMut(&OutboxEntry) -> bool) {
        let (mut place, mut ahead) = (0, 0);
        queue.retain(|entry| {
            let kept = is_kept(entry);
            ahead += usize::from(kept && place < self.ahead);
            place += 1;
            kept
        });
        self.ahead = ahead;
        self.waiting.retain(is_kept);
    }
}
