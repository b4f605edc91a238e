//! When an order was given, in a form that puts the orders of all nodes in one sequence. A hybrid logical clock: the
//! node's wall clock, but never behind an order that the node has seen.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Stamps are compared field by field, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderStamp {
    /// In milliseconds since the Unix epoch, by the clock of the node that took the order, or by the clock of a node
    /// whose later order that node had seen.
    pub time_ms: u64,
    /// Counts the orders of one millisecond.
    pub sequence: u64,
    /// The instance that took the order.
    pub instance: Box<str>,
}

/// Makes the stamps of one instance.
#[derive(Default)]
pub(super) struct OrderClock {
    instance: Box<str>,
    newest: Mutex<(u64, u64)>,
}

impl OrderClock {
    pub(super) fn new(instance: &str) -> Self {
        Self {
            instance: instance.into(),
            newest: Mutex::default(),
        }
    }

    /// A stamp that is later than all that were made or seen here.
    pub(super) fn stamp(&self, now_ms: u64) -> OrderStamp {
        let mut newest = self.newest.lock();
        *newest = if now_ms > newest.0 {
            (now_ms, 0)
        } else {
            (newest.0, newest.1 + 1)
        };
        OrderStamp {
            time_ms: newest.0,
            sequence: newest.1,
            instance: self.instance.clone(),
        }
    }

    /// Stamps made from now on are later than this one.
    pub(super) fn see(&self, time_ms: u64, sequence: u64) {
        let mut newest = self.newest.lock();
        *newest = (*newest).max((time_ms, sequence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_also_when_the_clock_does_not() {
        let clock = OrderClock::new("a");
        let stamps = [5, 5, 3, 6].map(|now_ms| clock.stamp(now_ms));
        assert!(stamps.is_sorted_by(|one, next| one < next), "{stamps:?}");
        assert_eq!((stamps[3].time_ms, stamps[3].sequence), (6, 0));
    }

    #[test]
    fn an_order_is_later_than_one_that_its_node_had_seen_whatever_the_clocks_say() {
        let (ahead, behind) = (OrderClock::new("z"), OrderClock::new("a"));
        let first = ahead.stamp(9000);
        behind.see(first.time_ms, first.sequence);
        assert!(behind.stamp(5000) > first);
    }
}
