//! Users who are refused for a while, by tenant, as far as this node knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::ban_order::{BanOrder, BanState};

/// Users whose bans are remembered at most; the one whose ban ends first, or ended longest ago, gives way.
const USERS: usize = 100_000;

/// A tenant and its user.
type UserKey = (Arc<str>, Arc<str>);

#[derive(Default)]
pub(super) struct Bans(Mutex<HashMap<UserKey, BanState, RandomState>>);

impl Bans {
    /// Carries out an order. Gives whether the user was refused before.
    pub(super) fn apply(&self, order: &BanOrder, now: Instant) -> bool {
        let mut bans = self.0.lock();
        let key = (order.tenant.clone(), order.user.clone());
        if bans.len() >= USERS && !bans.contains_key(&key) {
            bans.retain(|_, state| !state.is_forgotten(now));
            if bans.len() >= USERS
                && let Some(first) = bans
                    .iter()
                    .min_by_key(|(_, state)| state.end())
                    .map(|(key, _)| key.clone())
            {
                bans.remove(&first);
            }
        }
        let state = bans.entry(key).or_insert_with(|| BanState::new(now));
        let was_refused = state.end().is_some_and(|end| now < end);
        state.apply(order, now);
        was_refused
    }

    /// How much longer `user` is refused, if it is.
    pub(super) fn left(&self, tenant: &Arc<str>, user: &Arc<str>, now: Instant) -> Option<Duration> {
        let mut bans = self.0.lock();
        let key = (tenant.clone(), user.clone());
        let state = bans.get(&key)?;
        let left = state.end()?.saturating_duration_since(now);
        if left.is_zero() && state.is_forgotten(now) {
            bans.remove(&key);
        }
        Some(left).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ban_order::BanChange;
    use super::super::stamp::OrderStamp;
    use super::*;

    fn order(time_ms: u64, change: BanChange, given: Instant) -> BanOrder {
        BanOrder {
            tenant: "acme".into(),
            user: "ann".into(),
            stamp: OrderStamp {
                time_ms,
                ..OrderStamp::default()
            },
            change,
            given,
        }
    }

    #[test]
    fn a_ban_ends_by_itself_and_a_plugin_never_shortens_it() {
        let bans = Bans::default();
        let (tenant, user): (Arc<str>, Arc<str>) = ("acme".into(), "ann".into());
        let now = Instant::now();
        let second = Duration::from_secs(1);
        assert!(!bans.apply(&order(1, BanChange::Extend(second * 10), now), now));
        assert!(bans.apply(&order(2, BanChange::Extend(second), now), now));
        assert_eq!(bans.left(&tenant, &user, now + second), Some(second * 9));
        assert_eq!(bans.left(&"other".into(), &user, now), None);
        assert_eq!(bans.left(&tenant, &user, now + second * 10), None);
    }

    #[test]
    fn the_operator_shortens_and_lifts() {
        let bans = Bans::default();
        let (tenant, user): (Arc<str>, Arc<str>) = ("acme".into(), "ann".into());
        let now = Instant::now();
        let second = Duration::from_secs(1);
        bans.apply(&order(1, BanChange::Extend(second * 10), now), now);
        bans.apply(&order(2, BanChange::Replace(second), now), now);
        assert_eq!(bans.left(&tenant, &user, now), Some(second));
        assert!(bans.apply(&order(3, BanChange::Lift, now), now));
        assert_eq!(bans.left(&tenant, &user, now), None);
        assert!(
            !bans.apply(&order(4, BanChange::Lift, now), now),
            "there is nothing left to lift"
        );
        bans.apply(&order(2, BanChange::Replace(second), now), now);
        assert_eq!(bans.left(&tenant, &user, now), None, "what was lifted stays so");
    }
}
