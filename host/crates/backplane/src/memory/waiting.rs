//! Publishes that wait for room in a shard's inbox: those of one channel in their order, whether or not anybody asks
//! for their answers yet.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{PublishOptions, Published, Unavailable};
use chain::Message;
use protocol::names::Topic;

/// Publishes of one channel that wait at most; one more is refused with 4504.
const WAITING: usize = 1024;

/// A publish that waits.
pub(super) struct WaitingPublish {
    pub message: Message,
    pub options: PublishOptions,
    pub since: Instant,
    pub answer: oneshot::Sender<Result<Published, Unavailable>>,
}

/// All that wait. A channel that is listed is being seen to.
#[derive(Default)]
pub(super) struct WaitingPublishes {
    channels: Mutex<HashMap<Topic, VecDeque<WaitingPublish>, RandomState>>,
    /// So that nobody takes the lock while nothing waits.
    count: AtomicUsize,
}

/// What became of a publish that was to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It waits, and somebody has to see to its channel from now on.
    First,
    /// It waits behind others.
    Behind,
    Refused,
}

impl WaitingPublishes {
    /// Whether publishes of this channel wait: then a new one goes behind them.
    pub(super) fn has(&self, topic: &Topic) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.channels.lock().contains_key(topic)
    }

    /// Adds one behind those of its channel.
    pub(super) fn add(&self, waiting: WaitingPublish) -> Added {
        let mut channels = self.channels.lock();
        let topic = &waiting.message.topic;
        if let Some(queue) = channels.get_mut(topic) {
            if queue.len() >= WAITING {
                return Added::Refused;
            }
            queue.push_back(waiting);
            return Added::Behind;
        }
        channels.insert(topic.clone(), VecDeque::from([waiting]));
        self.count.store(channels.len(), Ordering::Release);
        Added::First
    }

    /// The next of a channel, which stays listed until there is none.
    pub(super) fn next(&self, topic: &Topic) -> Option<WaitingPublish> {
        let mut channels = self.channels.lock();
        let next = channels.get_mut(topic)?.pop_front();
        if next.is_none() {
            channels.remove(topic);
            self.count.store(channels.len(), Ordering::Release);
        }
        next
    }
}
