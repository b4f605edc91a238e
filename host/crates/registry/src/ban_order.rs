//! Orders about bans, and what several of them about one subject come to. Pure: the same orders come to the same state
//! in whatever sequence they arrive. `redis/ban.lua` does the same in Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ban_subject::BanSubject;
use super::stamp::OrderStamp;

/// How long a ban is at most: a year. What asks for a longer one gets this.
pub const LONGEST_BAN: Duration = Duration::from_hours(365 * 24);

/// For how long an order is remembered after it arrived, also when its ban is over: an earlier one that arrives later
/// must not win. Longer than [`DELIVER_FOR`] by more than clocks differ.
pub(super) const REMEMBER: Duration = Duration::from_mins(20);
/// For how long an order is kept for nodes, or a Redis, that cannot be reached.
pub const DELIVER_FOR: Duration = Duration::from_mins(10);
/// Extensions of one subject that are kept apart at most. Beyond, two are made one that ends with the longer.
pub(super) const EXTENSIONS: usize = 8;

/// An order to refuse somebody for a while, or no longer.
#[derive(Clone, Debug)]
pub struct BanOrder {
    pub tenant: Arc<str>,
    pub subject: BanSubject,
    /// Which of two orders is the later one.
    pub stamp: OrderStamp,
    /// What it does to the bans of earlier orders.
    pub change: BanChange,
    /// When this node got it: bans last from here on.
    pub given: Instant,
}

/// What an order does to the bans of earlier orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanChange {
    /// Puts a ban in place of all earlier ones, longer ones as well: the operator's.
    Replace(Duration),
    /// Bans for so long at least, and leaves a longer ban as it is: a plugin's.
    Extend(Duration),
    /// Ends all earlier bans.
    Lift,
}

impl BanOrder {
    /// How much of its ban is left; nothing of one that lifts.
    pub fn left(&self, now: Instant) -> Duration {
        let length = match self.change {
            BanChange::Replace(length) | BanChange::Extend(length) => length,
            BanChange::Lift => Duration::ZERO,
        };
        length
            .min(LONGEST_BAN)
            .saturating_sub(now.saturating_duration_since(self.given))
    }
}

/// What all orders about one subject came to.
pub(super) struct BanState {
    /// The latest order that stands in place of all before it, with the end of its ban.
    replaced: Option<(OrderStamp, Instant)>,
    /// The later orders that only extend: each is longer than those after it, else it would not matter any more.
    extensions: Vec<(OrderStamp, Instant)>,
    remember_until: Instant,
}

impl BanState {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            replaced: None,
            extensions: Vec::new(),
            remember_until: now,
        }
    }

    pub(super) fn apply(&mut self, order: &BanOrder, now: Instant) {
        let end = now + order.left(now);
        self.remember_until = self.remember_until.max(end).max(now + REMEMBER);
        let is_later = match &self.replaced {
            Some((replaced, _)) => *replaced < order.stamp,
            None => true,
        };
        if !is_later {
            return;
        }
        if let BanChange::Extend(_) = order.change {
            self.extend(order.stamp.clone(), end);
        } else {
            self.extensions.retain(|(stamp, _)| *stamp > order.stamp);
            self.replaced = Some((order.stamp.clone(), end));
        }
    }

    /// When the ban ends, or ended.
    pub(super) fn end(&self) -> Option<Instant> {
        let extended = self.extensions.first().map(|(_, end)| *end);
        extended.max(self.replaced.as_ref().map(|(_, end)| *end))
    }

    /// When the order was given that stands in place of all before it, by its stamp.
    pub(super) fn replaced_ms(&self) -> Option<u64> {
        self.replaced.as_ref().map(|(stamp, _)| stamp.time_ms)
    }

    /// Whether the ban of an operator holds.
    pub(super) fn is_operators(&self, now: Instant) -> bool {
        self.replaced.as_ref().is_some_and(|(_, end)| now < *end)
    }

    /// Whether no order that still may arrive needs it.
    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        self.remember_until <= now
    }

    fn extend(&mut self, stamp: OrderStamp, end: Instant) {
        self.extensions.push((stamp, end));
        self.extensions.sort();
        // From the latest to the earliest: what does not end after all later ones does not matter.
        let mut longest = None;
        let mut kept: Vec<_> = self.extensions.drain(..).rev().collect();
        kept.retain(|(_, end)| {
            let matters = longest.is_none_or(|longest| longest < *end);
            longest = longest.max(Some(*end));
            matters
        });
        kept.reverse();
        if kept.len() > EXTENSIONS {
            let (_, end) = kept.remove(0);
            kept[0].1 = end;
        }
        self.extensions = kept;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Orders with the second at which each was given, by two nodes.
    pub(crate) fn orders(given: Instant) -> Vec<BanOrder> {
        let (hour, minute) = (Duration::from_hours(1), Duration::from_mins(1));
        let changes = [
            (1, "b", BanChange::Replace(hour)),
            (2, "a", BanChange::Extend(minute * 30)),
            (2, "b", BanChange::Replace(minute)),
            (3, "a", BanChange::Extend(minute * 20)),
            (4, "b", BanChange::Extend(minute * 10)),
            (5, "a", BanChange::Lift),
            (6, "b", BanChange::Extend(minute * 5)),
        ];
        let order = |(time_ms, instance, change): (u64, &str, BanChange)| BanOrder {
            tenant: "acme".into(),
            subject: BanSubject::User("ann".into()),
            stamp: OrderStamp {
                time_ms,
                sequence: 0,
                instance: instance.into(),
            },
            change,
            given,
        };
        changes.into_iter().map(order).collect()
    }

    /// What is left of the ban when orders are carried out in the sequence in which they were given.
    pub(crate) fn as_ordered(orders: &[BanOrder]) -> Duration {
        let mut orders: Vec<_> = orders.iter().collect();
        orders.sort_by(|one, other| one.stamp.cmp(&other.stamp));
        orders.iter().fold(Duration::ZERO, |left, order| match order.change {
            BanChange::Replace(length) => length,
            BanChange::Extend(length) => left.max(length),
            BanChange::Lift => Duration::ZERO,
        })
    }

    /// Calls `check` with every permutation of every subset of `length` orders.
    pub(crate) fn permutations(orders: &[BanOrder], length: usize, check: &mut impl FnMut(&[BanOrder])) {
        fn grow(orders: &[BanOrder], length: usize, chosen: &mut Vec<BanOrder>, check: &mut impl FnMut(&[BanOrder])) {
            if chosen.len() == length {
                return check(chosen);
            }
            for order in orders {
                if chosen.iter().all(|other| other.stamp != order.stamp) {
                    chosen.push(order.clone());
                    grow(orders, length, chosen, check);
                    chosen.pop();
                }
            }
        }
        grow(orders, length, &mut Vec::new(), check);
    }

    #[test]
    fn whatever_the_sequence_of_arrival_bans_end_as_they_were_ordered() {
        let now = Instant::now();
        let orders = orders(now);
        for length in 1..=orders.len() {
            permutations(&orders, length, &mut |arrived| {
                let mut state = BanState::new(now);
                for order in arrived {
                    state.apply(order, now);
                }
                assert_eq!(state.end(), Some(now + as_ordered(arrived)), "{arrived:?}");
            });
        }
    }

    #[test]
    fn an_order_that_arrives_twice_counts_once() {
        let now = Instant::now();
        let mut state = BanState::new(now);
        for order in orders(now).iter().flat_map(|order| [order, order]) {
            state.apply(order, now);
        }
        assert_eq!(state.end(), Some(now + as_ordered(&orders(now))));
        assert_eq!(state.extensions.len(), 1);
    }

    #[test]
    fn a_ban_that_arrives_late_is_no_longer_for_it_and_still_replaces() {
        let now = Instant::now();
        let mut state = BanState::new(now);
        let orders = orders(now);
        state.apply(&orders[0], now);
        let late = now + Duration::from_mins(5);
        state.apply(&orders[2], late);
        assert_eq!(state.end(), Some(late), "a ban of a minute, given five minutes ago");
    }

    #[test]
    fn too_many_extensions_never_make_a_ban_shorter() {
        let now = Instant::now();
        let mut state = BanState::new(now);
        let template = orders(now).remove(1);
        for number in 0..20 {
            let mut order = template.clone();
            order.stamp.time_ms = 100 + number;
            order.change = BanChange::Extend(Duration::from_secs(1000 - number));
            state.apply(&order, now);
        }
        assert_eq!(state.extensions.len(), EXTENSIONS);
        assert_eq!(state.end(), Some(now + Duration::from_secs(1000)));
    }

    #[test]
    fn no_ban_is_longer_than_a_year() {
        let now = Instant::now();
        let mut order = orders(now).remove(0);
        for length in [Duration::from_secs(1 << 32), Duration::MAX] {
            for change in [BanChange::Replace(length), BanChange::Extend(length)] {
                order.change = change;
                assert_eq!(order.left(now), LONGEST_BAN);
            }
        }
    }

    #[test]
    fn an_order_is_remembered_after_its_ban() {
        let now = Instant::now();
        let mut state = BanState::new(now);
        state.apply(&orders(now)[5], now);
        assert!(!state.is_forgotten(now + DELIVER_FOR));
        assert!(state.is_forgotten(now + REMEMBER));
    }
}
