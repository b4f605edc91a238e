//! The frames that wait to be written to one client, bounded in bytes. Knows frames and overflow policies,
//! not where frames come from.

mod entry;
mod unfinished;

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;

use crate::framing::Framing;
use crate::poll_answers::PollAnswers;
use crate::transport::ClientStream;
use entry::{ENTRY_BYTES, Kind, OutboxEntry};
use unfinished::UnfinishedReply;

use config::Overflow;

/// Frames written by one system call at most.
const FRAMES_A_WRITE: usize = 64;

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
    /// Boxed, because few replies are large.
    unfinished: Option<Box<UnfinishedReply>>,
    /// Bytes of the first frame that are written already.
    written: usize,
    bytes: usize,
    /// Those of replies among them.
    reply_bytes: usize,
    limit: usize,
    framing: Framing,
}

/// Whether everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// The outbox is empty, and what was in it has left.
    All,
    /// The socket takes no more for now.
    Blocked,
}

// === impl Outbox ===

impl Outbox {
    /// An empty outbox for at most `limit` bytes of messages, and as many of replies.
    pub fn new(limit: usize, framing: Framing) -> Self {
        Self {
            queue: VecDeque::new(),
            unfinished: None,
            written: 0,
            bytes: 0,
            reply_bytes: 0,
            limit,
            framing,
        }
    }

    /// Bytes that wait, entries included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the client has to read before further requests are served. Replies are always queued, and made so that they
    /// fit ([`Outbox::reply_room`]).
    pub fn is_backed_up(&self) -> bool {
        self.bytes > self.limit / 2
    }

    /// Whether a reply is not whole yet, and its rest waits for room.
    pub fn is_amid_reply(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Bytes of messages at most, and as many of replies.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of a reply at most that is queued now.
    pub fn reply_room(&self) -> usize {
        self.limit.saturating_sub(self.reply_bytes)
    }

    /// Queues a reply or a push about the connection itself. Amid a reply in parts, a control frame need not wait.
    pub fn push(&mut self, frame: Bytes) {
        if self.framing.is_control(&frame) {
            self.queue_pieces(Kind::Reply, [frame]);
        } else {
            self.enqueue(frame, Kind::Reply);
        }
    }

    /// Queues a reply whose frame is in parts: they are written one behind the other, and none is copied.
    pub fn push_parts(&mut self, parts: impl IntoIterator<Item = Bytes>) {
        let mut kind = Kind::Reply;
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            self.enqueue(part, kind);
            kind = Kind::Rest;
        }
    }

    /// Begins a reply, whose parts are queued by [`Outbox::push_part`] until [`Outbox::finish_reply`].
    pub fn begin_reply(&mut self) {
        self.unfinished = Some(Box::new(UnfinishedReply::behind(self.queue.len())));
    }

    /// Queues a part of the reply that was begun, in pieces that are not copied.
    pub fn push_part(&mut self, pieces: impl IntoIterator<Item = Bytes>) {
        let goes_on = self.unfinished.as_mut().is_some_and(|reply| reply.has_part());
        // Of a WebSocket each part is a frame.
        let is_frame = !goes_on || self.framing == Framing::WebSocket;
        self.queue_pieces(if is_frame { Kind::Reply } else { Kind::Rest }, pieces);
    }

    /// Queues pieces before what waits for the end of a reply.
    fn queue_pieces(&mut self, mut kind: Kind, pieces: impl IntoIterator<Item = Bytes>) {
        for frame in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            let entry = self.count(OutboxEntry { frame, kind });
            self.queue.push_back(entry);
            kind = Kind::Rest;
        }
    }

    /// Bytes that wait and are to be written next: not those that wait for the end of a reply.
    pub fn next_bytes(&self) -> usize {
        self.queue.iter().map(OutboxEntry::cost).sum()
    }

    /// The reply that was begun is whole: what came after it follows.
    pub fn finish_reply(&mut self) {
        if let Some(reply) = self.unfinished.take() {
            self.queue.extend(reply.waiting);
        }
    }

    /// Gives up the rest of an unfinished reply, and what came after it. Returns whether a part of it is on its way, so that
    /// only control frames may follow.
    pub fn give_up_reply(&mut self) -> bool {
        let Some(reply) = self.unfinished.take() else {
            return false;
        };
        self.recount();
        reply.is_on_its_way(self.queue.len())
    }

    /// Everything that waits.
    fn waiting(&self) -> impl Iterator<Item = &OutboxEntry> {
        let behind = self.unfinished.iter().flat_map(|reply| &reply.waiting);
        self.queue.iter().chain(behind)
    }

    /// Removes the first entry, which is written.
    fn pop_first(&mut self) {
        self.queue.pop_front();
        if let Some(reply) = &mut self.unfinished {
            reply.first_is_written();
        }
    }

    /// Queues a message, if there is room or room can be made.
    pub fn push_message(&mut self, frame: Bytes, policy: Policy) -> PushResult {
        let limit = if policy.ephemeral { self.limit / 2 } else { self.limit };
        let conflates = policy.overflow == Overflow::Conflate && !policy.ephemeral;
        // Replies do not count: a client that reads a large one as fast as it can is no slow client.
        let waiting = self.bytes - self.reply_bytes;
        if conflates && let Some(entry) = self.conflated(policy.subscription) {
            let before = entry.frame.len();
            let after = frame.len();
            if waiting - before + after > limit {
                return PushResult::Dropped;
            }
            entry.frame = frame;
            self.bytes = self.bytes - before + after;
            return PushResult::Queued;
        }
        if waiting + frame.len() + ENTRY_BYTES <= limit {
            let kind = if policy.news { Kind::News } else { Kind::Message };
            self.enqueue(frame, kind(policy.subscription));
            return PushResult::Queued;
        }
        match policy.overflow {
            Overflow::Disconnect if !policy.ephemeral => PushResult::Overflow,
            _ => PushResult::Dropped,
        }
    }

    /// The waiting message of a subscription that a newer one replaces.
    fn conflated(&mut self, subscription: u32) -> Option<&mut OutboxEntry> {
        // A half-written entry has to be completed.
        let movable = usize::from(self.written > 0);
        let behind = self.unfinished.iter_mut().flat_map(|reply| &mut reply.waiting);
        let waiting = self.queue.iter_mut().skip(movable).chain(behind);
        waiting.rev().find(|entry| entry.kind == Kind::Message(subscription))
    }

    /// Drops what is not on the wire yet, so that a closing frame to a slow client has room.
    pub fn clear(&mut self) {
        self.cut_first();
        let is_rest = |entry: &OutboxEntry| entry.kind == Kind::Rest;
        let rest = self.queue.iter().skip(1).take_while(|entry| is_rest(entry)).count();
        let is_begun = self.written > 0 || self.queue.front().is_some_and(is_rest);
        self.queue.truncate(if is_begun { 1 + rest } else { 0 });
        self.unfinished.take_if(|reply| !reply.clear());
        self.recount();
    }

    /// Drops what waits for one subscription. A half-written frame is completed.
    pub fn discard(&mut self, subscription: u32) {
        if self.queue.front().is_some_and(|entry| entry.kind.is_of(subscription)) {
            self.cut_first();
        }
        let mut begun = self.written > 0;
        let mut is_kept = |entry: &OutboxEntry| std::mem::take(&mut begun) || !entry.kind.is_of(subscription);
        match &mut self.unfinished {
            None => self.queue.retain(is_kept),
            Some(reply) => reply.retain(&mut self.queue, &mut is_kept),
        }
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
        first
            .frame
            .truncate(self.framing.frame_end(&first.frame, self.written - 1));
        if first.frame.len() == self.written {
            self.pop_first();
            self.written = 0;
        }
    }

    fn recount(&mut self) {
        self.bytes = self.waiting().map(OutboxEntry::cost).sum();
        let replies = self.waiting().filter(|entry| entry.kind.is_reply());
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
        // What the stream took may wait in it for the socket.
        Ok(if stream.try_flush()? {
            Flushed::All
        } else {
            Flushed::Blocked
        })
    }

    /// Adds what waits to the answer of a poll, as long as that takes more, and has it sent. Returns whether a poll waited,
    /// and does not any more.
    pub fn answer_poll(&mut self, answers: &mut PollAnswers) -> bool {
        let waited = answers.has_room();
        while let Some(first) = self.queue.front() {
            let goes_on = first.kind == Kind::Rest;
            if !goes_on && !answers.has_room() {
                break;
            }
            answers.add(&first.frame, goes_on);
            self.advance(first.frame.len());
        }
        let unfinished = self.unfinished.as_ref();
        answers.answer(unfinished.is_some_and(|reply| reply.is_on_its_way(self.queue.len())));
        waited && !answers.has_room()
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
                if let Some(reply) = self.unfinished.as_mut().filter(|_| self.written > 0) {
                    reply.first_is_begun();
                }
                return;
            }
            self.written -= length;
            self.bytes -= entry.cost();
            if entry.kind.is_reply() {
                self.reply_bytes -= entry.cost();
            }
            self.pop_first();
        }
    }

    /// Queues an entry behind all others.
    fn enqueue(&mut self, frame: Bytes, kind: Kind) {
        let entry = self.count(OutboxEntry { frame, kind });
        match &mut self.unfinished {
            Some(reply) => reply.waiting.push_back(entry),
            None => self.queue.push_back(entry),
        }
    }

    fn count(&mut self, entry: OutboxEntry) -> OutboxEntry {
        self.bytes += entry.cost();
        if entry.kind.is_reply() {
            self.reply_bytes += entry.cost();
        }
        entry
    }
}

#[cfg(test)]
mod tests;
