//! Who waits, whoever used the least first. Knows neither sessions nor clocks.

use std::collections::BTreeMap;

/// Start-time fair queueing: each entry has a key, the time that its owner has used when it begins to wait.
pub(super) struct FairQueue<T> {
    /// By key; entries of one key in the order in which they came.
    entries: BTreeMap<(u64, u64), T>,
    next: u64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn push(&mut self, key: u64, entry: T) {
        self.entries.insert((key, self.next), entry);
        self.next += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The least key.
    pub(super) fn first_key(&self) -> Option<u64> {
        self.entries.first_key_value().map(|((key, _), _)| *key)
    }

    pub(super) fn first(&self) -> Option<&T> {
        self.entries.first_key_value().map(|(_, entry)| entry)
    }

    pub(super) fn pop_first(&mut self) -> Option<T> {
        self.entries.pop_first().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_key_is_first_and_equal_keys_keep_their_order() {
        let mut queue = FairQueue::default();
        for (key, entry) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd'), (9, 'e')] {
            queue.push(key, entry);
        }
        assert_eq!((queue.first_key(), queue.first()), (Some(3), Some(&'b')));
        let order: String = std::iter::from_fn(|| queue.pop_first()).collect();
        assert_eq!(order, "bdace");
        assert!(queue.is_empty());
    }
}
