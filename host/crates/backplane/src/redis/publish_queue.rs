//! Messages that wait for one call. Tenants take turns, so that one that publishes more than Redis can take makes
//! its own messages wait; those of one tenant keep their order, and so those of each channel do.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use foldhash::fast::RandomState;
use redis_client::Value;
use tokio::sync::oneshot;

use crate::Unavailable;
use crate::pending_bytes::PendingRoom;

/// Messages in one call at most: Redis does nothing else meanwhile.
const TOGETHER: usize = 64;
/// The bytes of them at most, if it is more than one.
const BYTES_TOGETHER: usize = 1024 * 1024;

/// A message as the script takes it.
pub(super) struct QueuedMessage {
    pub tenant: Arc<str>,
    /// Its place, its stream, and its idempotency key or anything of the same slot.
    pub keys: [String; 3],
    pub channel: String,
    pub encoded: Vec<u8>,
    pub id: Arc<str>,
    /// Of the history: messages, 0 for none, and milliseconds.
    pub size: usize,
    pub ttl: u128,
    /// How many milliseconds the key is remembered, 0 without one.
    pub window: u128,
}

/// A message, since when it waits, and who waits for what the script says of it.
pub(super) struct QueuedPublish {
    pub message: QueuedMessage,
    pub since: Instant,
    pub answer: oneshot::Sender<Result<Value, Unavailable>>,
    /// Until it is answered.
    pub _bytes: PendingRoom,
}

#[derive(Default)]
pub(super) struct PublishQueue {
    of_tenants: HashMap<Arc<str>, VecDeque<QueuedPublish>, RandomState>,
    /// The tenants with a message that waits, the next one first.
    turns: VecDeque<Arc<str>>,
}

impl PublishQueue {
    /// Adds a message behind those of its tenant.
    pub(super) fn add(&mut self, waiting: QueuedPublish) {
        let tenant = &waiting.message.tenant;
        if let Some(queue) = self.of_tenants.get_mut(tenant) {
            queue.push_back(waiting);
            return;
        }
        self.turns.push_back(tenant.clone());
        self.of_tenants.insert(tenant.clone(), VecDeque::from([waiting]));
    }

    /// Takes what goes together in one call; nothing if nothing waits.
    pub(super) fn take(&mut self) -> Vec<QueuedPublish> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < TOGETHER
            && let Some(tenant) = self.turns.front()
        {
            let queue = self.of_tenants.get_mut(tenant).expect("who has a turn has a queue");
            let next = queue.front().expect("a queue is not empty");
            bytes += next.message.encoded.len();
            if bytes > BYTES_TOGETHER && !taken.is_empty() {
                break;
            }
            taken.extend(queue.pop_front());
            let is_empty = queue.is_empty();
            let tenant = self.turns.pop_front().expect("seen above");
            if is_empty {
                self.of_tenants.remove(&tenant);
            } else {
                self.turns.push_back(tenant);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pending_bytes::PendingBytes;

    fn waiting(tenant: &str, channel: usize, bytes: usize) -> QueuedPublish {
        QueuedPublish {
            message: QueuedMessage {
                tenant: tenant.into(),
                keys: Default::default(),
                channel: channel.to_string(),
                encoded: vec![0; bytes],
                id: "".into(),
                size: 0,
                ttl: 0,
                window: 0,
            },
            since: Instant::now(),
            answer: oneshot::channel().0,
            _bytes: PendingBytes::default()
                .reserve(&tenant.into(), 0)
                .expect("room for nothing"),
        }
    }

    fn names(taken: &[QueuedPublish]) -> Vec<String> {
        let name = |waiting: &QueuedPublish| format!("{}{}", waiting.message.tenant, waiting.message.channel);
        taken.iter().map(name).collect()
    }

    #[test]
    fn tenants_take_turns_and_keep_their_own_order() {
        let mut queue = PublishQueue::default();
        for n in 1..=100 {
            queue.add(waiting("a", n, 1));
        }
        for n in 1..=2 {
            queue.add(waiting("b", n, 1));
        }
        queue.add(waiting("c", 1, 1));
        let first = queue.take();
        assert_eq!(names(&first[..6]), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        assert_eq!(first.len(), TOGETHER);
        let second = queue.take();
        assert_eq!(
            (first.len() + second.len(), names(&second).pop().unwrap()),
            (103, "a100".into())
        );
        assert!(queue.take().is_empty());
        assert!(queue.of_tenants.is_empty() && queue.turns.is_empty(), "nothing is kept");
    }

    #[test]
    fn bytes_are_bounded_and_a_large_message_goes_alone() {
        let mut queue = PublishQueue::default();
        let half = BYTES_TOGETHER / 2;
        for bytes in [half, half, 1, 3 * half, 1] {
            queue.add(waiting("a", bytes, bytes));
        }
        let taken = std::iter::from_fn(|| Some(queue.take()).filter(|taken| !taken.is_empty()));
        let lengths: Vec<_> = taken.map(|taken| taken.len()).collect();
        assert_eq!(lengths, [2, 1, 1, 1]);
    }
}
