//! Users who are refused for a while, by tenant.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};

/// Bans that are remembered at most; the one that ends first gives way.
const BANS: usize = 100_000;

type Who = (Arc<str>, Arc<str>);

/// Bans with their ends.
#[derive(Default)]
pub struct Bans(Mutex<HashMap<Who, Instant, RandomState>>);

impl Bans {
    /// Refuses `user` for so long from `now`, or longer if it is already.
    pub fn ban(&self, tenant: &Arc<str>, user: &Arc<str>, length: Duration, now: Instant) {
        let mut bans = self.with_room(now);
        let end = bans.entry((tenant.clone(), user.clone())).or_insert(now);
        *end = (*end).max(now + length);
    }

    /// Refuses `user` for so long from `now`, whatever was said before: the operator's word.
    pub fn set(&self, tenant: &Arc<str>, user: &Arc<str>, length: Duration, now: Instant) {
        self.with_room(now).insert((tenant.clone(), user.clone()), now + length);
    }

    /// Refuses `user` no longer. Whether it was refused.
    pub fn lift(&self, tenant: &Arc<str>, user: &Arc<str>, now: Instant) -> bool {
        let end = self.0.lock().remove(&(tenant.clone(), user.clone()));
        end.is_some_and(|end| now < end)
    }

    fn with_room(&self, now: Instant) -> MutexGuard<'_, HashMap<Who, Instant, RandomState>> {
        let mut bans = self.0.lock();
        if bans.len() >= BANS {
            bans.retain(|_, end| now < *end);
        }
        if bans.len() >= BANS
            && let Some(first) = bans.iter().min_by_key(|(_, end)| **end).map(|(who, _)| who.clone())
        {
            bans.remove(&first);
        }
        bans
    }

    /// How much longer `user` is refused, if it is.
    pub fn left(&self, tenant: &Arc<str>, user: &Arc<str>, now: Instant) -> Option<Duration> {
        let mut bans = self.0.lock();
        let who = (tenant.clone(), user.clone());
        let end = *bans.get(&who)?;
        if end <= now {
            bans.remove(&who);
            return None;
        }
        Some(end - now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_ends_by_itself_and_is_never_shortened() {
        let bans = Bans::default();
        let (tenant, user): (Arc<str>, Arc<str>) = ("acme".into(), "ann".into());
        let now = Instant::now();
        let second = Duration::from_secs(1);
        bans.ban(&tenant, &user, second * 10, now);
        bans.ban(&tenant, &user, second, now);
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
        bans.ban(&tenant, &user, second * 10, now);
        bans.set(&tenant, &user, second, now);
        assert_eq!(bans.left(&tenant, &user, now), Some(second));
        assert!(bans.lift(&tenant, &user, now));
        assert_eq!(bans.left(&tenant, &user, now), None);
        assert!(!bans.lift(&tenant, &user, now), "there is nothing left to lift");
    }
}
