//! The frames that wait to be written to one client, bounded in bytes. Knows frames and overflow policies,
//! not where frames come from.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::transport::ClientStream;
use config::Overflow;
use wire;

/// Frames written by one system call at most.
const FRAMES_A_WRITE: usize = 64;
/// Bytes a frame costs beside its own: its entry in the queue.
const ENTRY_BYTES: usize = size_of::<OutboxEntry>();

#[derive(Debug)]
struct OutboxEntry {
    frame: Bytes,
    kind: Kind,
}

/// The kind of a frame, and its subscription. Only a message may be replaced by a newer one of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
    fn is_of(self, subscription: u32) -> bool {
        matches!(self, Self::Message(of) | Self::News(of) if of == subscription)
    }

    fn is_reply(self) -> bool {
        matches!(self, Self::Reply | Self::Rest)
    }

    /// Whether an entry of this kind may hold several frames.
    fn is_joined(self) -> bool {
        matches!(self, Self::Message(_))
    }
}

impl OutboxEntry {
    /// Bytes that it holds.
    fn cost(&self) -> usize {
        self.frame.len() + ENTRY_BYTES
    }
}

/// The result of queueing a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushResult {
    /// It will be written.
    Queued,
    /// It will not, as the channel's policy says.
    Dropped,
    /// It has no room, and the policy says that the connection ends.
    Overflow,
}

/// How a message is queued.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Which subscription of the connection it belongs to.
    pub subscription: u32,
    /// What happens when there is no room.
    pub overflow: Overflow,
    /// It may use only half of the outbox, and is dropped silently without room.
    pub ephemeral: bool,
    /// It is a join or leave, which no message replaces.
    pub news: bool,
}

/// The frames of one client in their order.
#[derive(Debug)]
pub struct Outbox {
    queue: VecDeque<OutboxEntry>,
    /// Bytes of the first frame that are written already.
    written: usize,
    bytes: usize,
    /// Those of replies among them.
    reply_bytes: usize,
    limit: usize,
}

/// Whether everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// The outbox is empty.
    All,
    /// The socket takes no more for now.
    Blocked,
}

// === impl Outbox ===

impl Outbox {
    /// An empty outbox for at most `limit` bytes of messages.
    pub fn new(limit: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            written: 0,
            bytes: 0,
            reply_bytes: 0,
            limit,
        }
    }

    /// Bytes that wait, entries included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the client has to read before further requests are served. Replies are always queued, so a client
    /// that sends requests and does not read has to wait.
    pub fn is_backed_up(&self) -> bool {
        self.bytes > self.limit / 2
    }

    /// Queues a reply or a push about the connection itself.
    pub fn push(&mut self, frame: Bytes) {
        self.enqueue(frame, Kind::Reply);
    }

    /// Queues a reply whose frame is in parts: they are written one behind the other, and none is copied.
    pub fn push_parts(&mut self, parts: impl IntoIterator<Item = Bytes>) {
        let mut kind = Kind::Reply;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            self.enqueue(part, kind);
            kind = Kind::Rest;
        }
    }

    /// Queues a message, if there is room or room can be made.
    pub fn push_message(&mut self, frame: Bytes, policy: Policy) -> PushResult {
        let limit = if policy.ephemeral { self.limit / 2 } else { self.limit };
        let conflates = policy.overflow == Overflow::Conflate && !policy.ephemeral;
        if conflates && self.replace(&frame, policy.subscription) {
            return PushResult::Queued;
        }
        // Replies do not count: a client that reads a large one as fast as it can is no slow client.
        if self.bytes - self.reply_bytes + frame.len() + ENTRY_BYTES <= limit {
            let kind = if policy.news { Kind::News } else { Kind::Message };
            self.enqueue(frame, kind(policy.subscription));
            return PushResult::Queued;
        }
        match policy.overflow {
            Overflow::Disconnect if !policy.ephemeral => PushResult::Overflow,
            _ => PushResult::Dropped,
        }
    }

    /// Replaces the waiting message of a subscription by the newest.
    fn replace(&mut self, frame: &Bytes, subscription: u32) -> bool {
        // A half-written entry has to be completed.
        let movable = usize::from(self.written > 0);
        let waiting = self.queue.iter_mut().skip(movable);
        let Some(entry) = waiting.rev().find(|entry| entry.kind == Kind::Message(subscription)) else {
            return false;
        };
        self.bytes = self.bytes - entry.frame.len() + frame.len();
        entry.frame = frame.clone();
        true
    }

    /// Drops what is not on the wire yet, so that a closing frame to a slow client has room.
    pub fn clear(&mut self) {
        self.cut_first();
        let is_rest = |entry: &OutboxEntry| entry.kind == Kind::Rest;
        let rest = self.queue.iter().skip(1).take_while(|entry| is_rest(entry)).count();
        let is_begun = self.written > 0 || self.queue.front().is_some_and(is_rest);
        self.queue.truncate(if is_begun { 1 + rest } else { 0 });
        self.recount();
    }

    /// Drops what waits for one subscription. A half-written frame is completed.
    pub fn discard(&mut self, subscription: u32) {
        if self.queue.front().is_some_and(|entry| entry.kind.is_of(subscription)) {
            self.cut_first();
        }
        let mut begun = self.written > 0;
        self.queue
            .retain(|entry| std::mem::take(&mut begun) || !entry.kind.is_of(subscription));
        self.recount();
    }

    /// Removes the joined frames that are not begun from the half-written entry.
    fn cut_first(&mut self) {
        let Some(first) = self
            .queue
            .front_mut()
            .filter(|first| self.written > 0 && first.kind.is_joined())
        else {
            return;
        };
        first.frame.truncate(wire::frame_end(&first.frame, self.written - 1));
        if first.frame.len() == self.written {
            self.queue.pop_front();
            self.written = 0;
        }
    }

    fn recount(&mut self) {
        self.bytes = self.queue.iter().map(OutboxEntry::cost).sum();
        let replies = self.queue.iter().filter(|entry| entry.kind.is_reply());
        self.reply_bytes = replies.map(OutboxEntry::cost).sum();
    }

    /// Releases the queue's memory if it is empty.
    pub fn rest(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    /// Writes as much as the socket takes, without waiting.
    pub fn write_to(&mut self, stream: &ClientStream) -> io::Result<Flushed> {
        while !self.queue.is_empty() {
            let result = match self.queue.len() {
                1 => stream.try_write(&self.queue[0].frame[self.written..]),
                _ => self.write_many(stream),
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Blocked),
                Err(error) => return Err(error),
            }
        }
        if self.queue.capacity() > FRAMES_A_WRITE {
            // After a burst, an idle connection keeps no memory for the next.
            self.queue = VecDeque::new();
        }
        Ok(Flushed::All)
    }

    fn write_many(&self, stream: &ClientStream) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); FRAMES_A_WRITE];
        let count = self.queue.len().min(FRAMES_A_WRITE);
        for (slice, entry) in slices.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&entry.frame);
        }
        slices[0].advance(self.written);
        stream.try_write_vectored(&slices[..count])
    }

    fn advance(&mut self, count: usize) {
        self.written += count;
        while let Some(entry) = self.queue.front() {
            let length = entry.frame.len();
            if self.written < length {
                return;
            }
            self.written -= length;
            self.bytes -= entry.cost();
            if entry.kind.is_reply() {
                self.reply_bytes -= entry.cost();
            }
            self.queue.pop_front();
        }
    }

    fn enqueue(&mut self, frame: Bytes, kind: Kind) {
        let entry = OutboxEntry { frame, kind };
        self.bytes += entry.cost();
        if kind.is_reply() {
            self.reply_bytes += entry.cost();
        }
        self.queue.push_back(entry);
    }
}

#[cfg(test)]
mod tests;
