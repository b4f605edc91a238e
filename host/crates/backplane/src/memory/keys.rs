//! The idempotency keys of one channel, and what was published under them.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::tenants::KeyRoom;
use crate::Published;

/// Keys a channel remembers at most; beyond it the oldest is forgotten before its window ends.
const KEYS: usize = 65_536;

#[derive(Default)]
pub(super) struct IdempotencyKeys {
    published: HashMap<Box<str>, (Published, KeyRoom), RandomState>,
    /// In the order of their coming, which is the order of their ending unless a reload changed the window.
    ends: VecDeque<(Instant, Box<str>)>,
}

impl IdempotencyKeys {
    /// Forgets keys whose window is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) || self.ends.len() > KEYS {
            if let Some((_, key)) = self.ends.pop_front() {
                self.published.remove(&key);
            }
        }
    }

    /// What was published first under `key`.
    pub(super) fn get(&self, key: &str) -> Option<Published> {
        self.published.get(key).map(|(published, _)| published.clone())
    }

    /// Remembers what was published under `key` until `end`.
    pub(super) fn insert(&mut self, key: Box<str>, published: Published, end: Instant, room: KeyRoom) {
        self.ends.push_back((end, key.clone()));
        self.published.insert(key, (published, room));
    }

    /// The room that they take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.published.values().map(|(_, room)| room.bytes()).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}
