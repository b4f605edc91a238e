//! What is done with everything that a subscribed connection receives: messages go into the queue, confirmations to
//! whoever waits for them. Called by the task that reads, so it never waits.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::push_queue::{PushQueue, PushedMessage};
use crate::resp::RespReply;
use crate::slots::slot_of;

/// What became of a command that subscribes or unsubscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// All of its channels are as asked.
    Done,
    /// None of them is: their slot belongs to another server, or is on its way to one.
    Moved,
}

/// Answers a command; an error says why the connection is of no use.
pub(crate) type Confirm = oneshot::Sender<Result<Confirmed, String>>;

/// A command that was sent and not answered. The server answers in the order of the commands.
pub(crate) enum PendingCommand {
    /// Answered by one confirmation a channel, or by one error.
    Subscribe { left: usize, confirm: Confirm },
    /// Answered by the `PING` behind it: its confirmations look like those of a slot that moves away, and a slot that
    /// has moved gets an error instead.
    Unsubscribe { leaving: HashSet<Bytes>, confirm: Confirm },
}

pub(crate) struct Handler {
    queue: PushQueue,
    pending: Mutex<VecDeque<PendingCommand>>,
    lost_slots: Mutex<HashSet<u16>>,
    /// Where this node sends what it wants to receive itself, and what it received there last.
    liveness: Mutex<(Option<Box<str>>, Bytes)>,
    ended: AtomicBool,
    /// A slot was lost, or the connection ended.
    pub event: Notify,
}

impl Handler {
    pub(crate) fn new(queue: PushQueue, liveness: Option<&str>) -> Arc<Self> {
        Arc::new(Self {
            queue,
            pending: Mutex::default(),
            lost_slots: Mutex::default(),
            liveness: Mutex::new((liveness.map(Box::from), Bytes::new())),
            ended: AtomicBool::new(false),
            event: Notify::new(),
        })
    }

    /// Adds a command behind those that were sent, and has `send` put it on its way before another is added.
    pub(crate) fn add(&self, command: PendingCommand, send: impl FnOnce()) {
        let mut pending = self.pending.lock();
        pending.push_back(command);
        send();
    }

    pub(crate) fn handle(&self, reply: RespReply) {
        match reply {
            RespReply::Push(parts) => self.push(parts),
            RespReply::Error(error) => self.refused(error),
            RespReply::Answer(_) => {
                let mut pending = self.pending.lock();
                if let Some(PendingCommand::Unsubscribe { .. }) = pending.front()
                    && let Some(PendingCommand::Unsubscribe { confirm, .. }) = pending.pop_front()
                {
                    let _gone = confirm.send(Ok(Confirmed::Done));
                }
            }
        }
    }

    fn push(&self, parts: Vec<Bytes>) {
        let Ok([kind, channel, payload]) = <[Bytes; 3]>::try_from(parts) else {
            return;
        };
        match &*kind {
            b"message" | b"smessage" => self.message(&channel, payload),
            b"subscribe" | b"ssubscribe" => self.subscribed(),
            b"unsubscribe" | b"sunsubscribe" => self.unsubscribed(&channel),
            _ => {}
        }
    }

    fn message(&self, channel: &Bytes, payload: Bytes) {
        if self.is_ended() {
            return;
        }
        let Ok(channel) = std::str::from_utf8(channel) else {
            return;
        };
        let mut liveness = self.liveness.lock();
        if liveness.0.as_deref() == Some(channel) {
            liveness.1 = payload;
            return;
        }
        drop(liveness);
        let message = PushedMessage {
            channel: channel.to_owned(),
            payload,
        };
        // What does not fit leaves a gap, and gaps are recovered when a connection begins anew.
        if !self.queue.put(message) {
            tracing::warn!("more comes from Redis than can be passed on; subscribing anew");
            self.end();
        }
    }

    fn subscribed(&self) {
        let mut pending = self.pending.lock();
        let is_done = match pending.front_mut() {
            Some(PendingCommand::Subscribe { left, .. }) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            _ => false,
        };
        if is_done && let Some(PendingCommand::Subscribe { confirm, .. }) = pending.pop_front() {
            let _gone = confirm.send(Ok(Confirmed::Done));
        }
    }

    fn unsubscribed(&self, channel: &Bytes) {
        if let Some(PendingCommand::Unsubscribe { leaving, .. }) = self.pending.lock().front()
            && leaving.contains(channel)
        {
            return;
        }
        // Unasked: the slot of this channel belongs to another server now.
        self.lost_slots.lock().insert(slot_of(channel));
        self.event.notify_one();
    }

    fn refused(&self, error: String) {
        let mut pending = self.pending.lock();
        if let Some(PendingCommand::Subscribe { .. }) = pending.front()
            && let Some(PendingCommand::Subscribe { confirm, .. }) = pending.pop_front()
        {
            let moved = ["MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN"];
            let is_moved = moved.iter().any(|kind| error.starts_with(kind));
            let _gone = confirm.send(if is_moved { Ok(Confirmed::Moved) } else { Err(error) });
        }
    }

    /// The slots that were taken away since this was asked last.
    pub(crate) fn take_lost_slots(&self) -> HashSet<u16> {
        std::mem::take(&mut *self.lost_slots.lock())
    }

    /// From now on this is the channel to which this node sends what it wants to receive itself.
    pub(crate) fn listen_for_liveness(&self, channel: &str) {
        *self.liveness.lock() = (Some(channel.into()), Bytes::new());
    }

    /// Whether `nonce` is what was received last in the liveness channel.
    pub(crate) fn received(&self, nonce: &str) -> bool {
        *self.liveness.lock().1 == *nonce.as_bytes()
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The connection is of no use any more; whoever waits for a confirmation is told so.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.pending.lock().clear();
        self.event.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(kind: &str, channel: &str) -> RespReply {
        let part = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        RespReply::Push(vec![part(kind), part(channel), Bytes::new()])
    }

    fn handler() -> Arc<Handler> {
        Handler::new(PushQueue::new().0, None)
    }

    fn subscribe(handler: &Handler, count: usize) -> oneshot::Receiver<Result<Confirmed, String>> {
        let (confirm, confirmed) = oneshot::channel();
        handler.add(PendingCommand::Subscribe { left: count, confirm }, || {});
        confirmed
    }

    fn unsubscribe(handler: &Handler, channel: &str) -> oneshot::Receiver<Result<Confirmed, String>> {
        let (confirm, confirmed) = oneshot::channel();
        let leaving = HashSet::from([Bytes::copy_from_slice(channel.as_bytes())]);
        handler.add(PendingCommand::Unsubscribe { leaving, confirm }, || {});
        confirmed
    }

    #[test]
    fn each_command_is_answered_by_its_own_confirmations() {
        let handler = handler();
        let (mut one, mut moved, mut two) = (subscribe(&handler, 2), subscribe(&handler, 3), subscribe(&handler, 1));
        handler.handle(push("ssubscribe", "a"));
        assert!(one.try_recv().is_err(), "one of two channels");
        handler.handle(push("ssubscribe", "b"));
        assert_eq!(one.try_recv().unwrap(), Ok(Confirmed::Done));
        handler.handle(RespReply::Error("MOVED 7 127.0.0.1:7000".into()));
        assert_eq!(moved.try_recv().unwrap(), Ok(Confirmed::Moved));
        handler.handle(push("ssubscribe", "f"));
        assert_eq!(two.try_recv().unwrap(), Ok(Confirmed::Done));
    }

    #[test]
    fn a_slot_that_is_taken_away_costs_that_slot_and_no_more() {
        let handler = handler();
        let mut leaves = unsubscribe(&handler, "{x}asked");
        let mut comes = subscribe(&handler, 1);
        handler.handle(push("sunsubscribe", "{y}unasked"));
        handler.handle(push("sunsubscribe", "{x}asked"));
        handler.handle(RespReply::Answer("PONG".into()));
        handler.handle(push("ssubscribe", "{z}new"));
        assert_eq!(leaves.try_recv().unwrap(), Ok(Confirmed::Done));
        assert_eq!(comes.try_recv().unwrap(), Ok(Confirmed::Done));
        assert_eq!(handler.take_lost_slots(), HashSet::from([slot_of(b"{y}")]));
        assert!(!handler.is_ended());
    }

    #[test]
    fn what_has_moved_before_it_was_unsubscribed_confuses_nobody() {
        let handler = handler();
        let mut leaves = unsubscribe(&handler, "{x}asked");
        let mut comes = subscribe(&handler, 1);
        // The slot went away first; then the command is refused, and the `PING` behind it answered.
        handler.handle(push("sunsubscribe", "{x}asked"));
        handler.handle(RespReply::Error("MOVED 7 127.0.0.1:7000".into()));
        assert!(leaves.try_recv().is_err() && comes.try_recv().is_err());
        handler.handle(RespReply::Answer("PONG".into()));
        assert_eq!(leaves.try_recv().unwrap(), Ok(Confirmed::Done));
        handler.handle(push("ssubscribe", "c"));
        assert_eq!(comes.try_recv().unwrap(), Ok(Confirmed::Done));
    }

    #[test]
    fn the_end_is_told_to_all_who_wait() {
        let handler = handler();
        let mut waits = subscribe(&handler, 1);
        handler.end();
        assert!(handler.is_ended());
        assert!(matches!(waits.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
}
