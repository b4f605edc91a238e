//! What a subscribed connection says unasked: messages go into the queue, confirmations are counted. Called by
//! the connection's own task, so it never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, mpsc};

/// Messages that wait to be read at most.
pub(super) const QUEUED: usize = 16_384;
/// Bytes of them at most.
const QUEUED_BYTES: usize = 64 * 1_048_576;

/// A message as it came.
#[derive(Debug)]
pub(super) struct Heard {
    pub channel: String,
    pub payload: Bytes,
}

/// The way to the reader, bounded in messages and bytes.
#[derive(Clone)]
pub(super) struct Queue {
    sender: mpsc::Sender<Heard>,
    bytes: Arc<AtomicUsize>,
}

/// One connection's ear.
pub(super) struct Ear {
    queue: Queue,
    confirmed: AtomicUsize,
    /// What we asked to be taken off; anything else that is taken off means that a slot moved.
    leaving: AtomicUsize,
    ended: AtomicBool,
    /// Something changed: a confirmation, or the end.
    pub called: Notify,
}

impl Queue {
    pub fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        let queue = Self {
            sender,
            bytes: Arc::default(),
        };
        (queue, receiver)
    }

    /// A message was read.
    pub fn took(&self, heard: &Heard) {
        self.bytes.fetch_sub(heard.payload.len(), Ordering::Relaxed);
    }

    fn put(&self, heard: Heard) -> bool {
        let bytes = heard.payload.len();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > QUEUED_BYTES || self.sender.try_send(heard).is_err()
        {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        true
    }
}

impl Ear {
    pub fn new(queue: Queue) -> Arc<Self> {
        Arc::new(Self {
            queue,
            confirmed: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            called: Notify::new(),
        })
    }

    /// Takes what came.
    pub fn hear(&self, push: PushInfo) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => self.take(push.data),
            PushKind::Subscribe | PushKind::SSubscribe => self.confirm(),
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                let asked = self
                    .leaving
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                if asked.is_ok() {
                    self.confirm();
                } else {
                    self.end();
                }
            }
            PushKind::Disconnection => self.end(),
            _ => {}
        }
    }

    fn take(&self, data: Vec<Value>) {
        // What was not heard makes a hole, and the way to fill holes is to begin anew.
        if !self.is_ended() && !read(data).is_some_and(|heard| self.queue.put(heard)) {
            tracing::warn!("more comes from Redis than can be passed on; subscribing anew");
            self.end();
        }
    }

    /// Counts confirmations anew, for a command that gets so many; of channels that are `leaving`, or come.
    pub fn expect(&self, count: usize, leaving: bool) {
        self.confirmed.store(0, Ordering::Relaxed);
        self.leaving.store(if leaving { count } else { 0 }, Ordering::Relaxed);
    }

    /// Confirmations since then.
    pub fn confirmed(&self) -> usize {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// Whether the connection is of no use any more.
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn confirm(&self) {
        self.confirmed.fetch_add(1, Ordering::Relaxed);
        self.called.notify_one();
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.called.notify_one();
    }
}

fn read(data: Vec<Value>) -> Option<Heard> {
    let [Value::BulkString(channel), Value::BulkString(payload)] = <[Value; 2]>::try_from(data).ok()? else {
        return None;
    };
    Some(Heard {
        channel: String::from_utf8(channel).ok()?,
        payload: payload.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> PushInfo {
        let data = vec![Value::BulkString(b"c".to_vec()), Value::BulkString(vec![0; bytes])];
        PushInfo {
            kind: PushKind::Message,
            data,
        }
    }

    #[test]
    fn more_than_the_queue_holds_ends_the_connection() {
        let (queue, mut reader) = Queue::new();
        let ear = Ear::new(queue.clone());
        ear.hear(message(QUEUED_BYTES - 10));
        assert!(!ear.is_ended());
        ear.hear(message(11));
        assert!(ear.is_ended(), "too many bytes");
        queue.took(&reader.try_recv().unwrap());
        let ear = Ear::new(queue);
        for _ in 0..QUEUED {
            ear.hear(message(1));
        }
        assert!(!ear.is_ended());
        ear.hear(message(1));
        assert!(ear.is_ended(), "too many messages");
    }

    #[test]
    fn what_is_taken_off_unasked_ends_the_connection() {
        let ear = Ear::new(Queue::new().0);
        let off = || PushInfo {
            kind: PushKind::SUnsubscribe,
            data: Vec::new(),
        };
        ear.expect(1, true);
        ear.hear(off());
        assert_eq!((ear.confirmed(), ear.is_ended()), (1, false));
        ear.hear(off());
        assert!(ear.is_ended());
    }
}
