//! What subscriptions receive, on its way to whoever reads it: bounded in messages and bytes, and never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that wait to be read at most.
const QUEUED: usize = 16_384;
/// Bytes of them at most.
const QUEUED_BYTES: usize = 64 * 1_048_576;

/// A message as it came.
#[derive(Debug)]
pub struct PushedMessage {
    pub channel: String,
    /// What was published there.
    pub payload: Bytes,
}

/// The way to the reader, from any number of subscriptions.
#[derive(Clone)]
pub struct PushQueue {
    sender: mpsc::Sender<PushedMessage>,
    bytes: Arc<AtomicUsize>,
}

impl PushQueue {
    /// A queue, and the end that it is read from.
    pub fn new() -> (Self, mpsc::Receiver<PushedMessage>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        let queue = Self {
            sender,
            bytes: Arc::default(),
        };
        (queue, receiver)
    }

    /// A message was taken from the queue.
    pub fn took(&self, message: &PushedMessage) {
        self.bytes.fetch_sub(message.payload.len(), Ordering::Relaxed);
    }

    /// Whether there was room.
    pub(crate) fn put(&self, message: PushedMessage) -> bool {
        let bytes = message.payload.len();
        let fits = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= QUEUED_BYTES;
        if fits && self.sender.try_send(message).is_ok() {
            return true;
        }
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> PushedMessage {
        PushedMessage {
            channel: "c".into(),
            payload: vec![0; bytes].into(),
        }
    }

    #[test]
    fn the_queue_is_bounded_in_bytes_and_in_messages() {
        let (queue, mut reader) = PushQueue::new();
        assert!(queue.put(message(QUEUED_BYTES - 10)));
        assert!(!queue.put(message(11)), "too many bytes");
        queue.took(&reader.try_recv().unwrap());
        for _ in 0..QUEUED {
            assert!(queue.put(message(1)));
        }
        assert!(!queue.put(message(1)), "too many messages");
    }
}
