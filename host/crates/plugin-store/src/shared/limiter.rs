//! Token buckets of one plugin in one tenant, kept for all nodes. A check spends a lease under one lock of 16, as
//! it would a bucket in memory; only a check that finds none waits for the store, within the call's budget.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::handle::StoreHandle;
use super::lease::{Lease, LeaseTerms, Step};
use super::store::{NoReply, OnReply, StoreReply, StoreRequest};
use crate::clock::Clock;
use crate::limiter::{BUCKETS, LOCKS, Limiter, SAMPLE, Take, check};
use crate::turns::Turns;
use crate::wait_budget::WaitBudget;

/// How often one check asks at most; other threads may have spent what came.
const ASKS: usize = 3;
/// Leases given back in one sweep at most; the others' turn is the next.
const GIVEN_BACK: usize = 256;
/// Leases under one lock that one sweep looks at.
const SWEPT: usize = 128;

type Leases = Turns<Lease>;

/// Token buckets by key.
pub struct SharedLimiter {
    handle: Arc<StoreHandle>,
    clock: Clock,
    hasher: RandomState,
    shards: [Arc<LockedLeases>; LOCKS],
}

#[derive(Default)]
struct LockedLeases {
    leases: Mutex<Leases>,
    answered: Condvar,
}

// === impl SharedLimiter ===

impl SharedLimiter {
    /// The buckets that are kept behind `handle`.
    pub fn new(handle: Arc<StoreHandle>, clock: Clock) -> Self {
        Self {
            handle,
            clock,
            hasher: RandomState::default(),
            shards: Default::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.leases.lock().len()).sum()
    }

    /// Waits until the bucket has answered. False: it has not, and there is no more time.
    fn wait(
        &self,
        shard: &LockedLeases,
        leases: &mut MutexGuard<'_, Leases>,
        key: &str,
        budget: &mut WaitBudget,
    ) -> bool {
        let (start, was_whole) = (Instant::now(), budget.is_whole());
        while leases.get(key).is_some_and(Lease::is_asking) {
            let left = budget.left().saturating_sub(start.elapsed());
            if left.is_zero() {
                if was_whole {
                    self.handle.stalled(start.elapsed());
                }
                budget.spend(start.elapsed());
                return false;
            }
            shard.answered.wait_for(leases, left);
        }
        budget.spend(start.elapsed());
        true
    }

    /// Asks the bucket, for somebody who can wait so long, or for nobody who does. False: it cannot be asked.
    fn send(&self, shard: &Arc<LockedLeases>, key: &str, terms: LeaseTerms, patience: Option<Duration>) -> bool {
        let request = StoreRequest::Lease { key: key.into(), terms };
        let on_reply: OnReply = {
            let (shard, key, clock) = (Arc::clone(shard), Box::<str>::from(key), self.clock.clone());
            Box::new(move |answer| shard.take_in(&key, &clock, answer))
        };
        let sent = match patience {
            Some(patience) => self.handle.send(request, patience, on_reply),
            None => self.handle.send_unattended(request, on_reply),
        };
        if !sent && let Some(lease) = shard.leases.lock().get_mut(key) {
            lease.unsent();
        }
        sent
    }

    fn shard(&self, key: &str) -> &Arc<LockedLeases> {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
        let shard = self.hasher.hash_one(key) as usize % LOCKS;
        &self.shards[shard]
    }
}

impl Limiter for SharedLimiter {
    fn take(&self, key: &str, per_second: f64, burst: u32, cost: u32, budget: &mut WaitBudget) -> Take {
        check(key, per_second)?;
        if cost > burst {
            return Ok(Err(u64::MAX));
        }
        let (burst, cost) = (f64::from(burst), f64::from(cost));
        let shard = self.shard(key);
        let mut leases = shard.leases.lock();
        let mut now = self.clock.now();
        let mut given_up = None;
        let lease = if let Some(lease) = leases.get_mut(key) {
            lease
        } else {
            given_up = make_room(&mut leases, now);
            leases.get_or_insert_with(key, || Lease::new(now, per_second, burst))
        };
        lease.offer(now, per_second, burst, cost);
        let mut step = lease.step(now, cost);
        if let Some((key, terms)) = given_up {
            MutexGuard::unlocked(&mut leases, || self.send(shard, &key, terms, None));
        }
        for _ in 0..ASKS {
            match step {
                Step::Taken(None) => return Ok(Ok(())),
                Step::Taken(Some(terms)) => {
                    drop(leases);
                    self.send(shard, key, terms, None);
                    return Ok(Ok(()));
                }
                Step::Refused(wait) => return Ok(Err(wait)),
                Step::Ask(terms) => {
                    if !MutexGuard::unlocked(&mut leases, || self.send(shard, key, terms, Some(budget.whole()))) {
                        break;
                    }
                }
                Step::Wait if self.handle.is_too_slow_for(budget.whole()) => break,
                Step::Wait => {}
            }
            if !self.wait(shard, &mut leases, key, budget) {
                break;
            }
            now = self.clock.now();
            // Gone, if others needed its room meanwhile.
            let Some(lease) = leases.get_mut(key) else { break };
            step = lease.step(now, cost);
        }
        let lease = leases.get_or_insert_with(key, || Lease::new(now, per_second, burst));
        Ok(lease.take_alone(now, cost))
    }

    fn sweep(&self) {
        let now = self.clock.now();
        let mut left = GIVEN_BACK;
        for shard in &self.shards {
            let mut given_back = Vec::new();
            shard.leases.lock().retain_next(SWEPT, |key, lease| {
                if left > 0
                    && let Some(terms) = lease.give_back(now)
                {
                    given_back.push((Box::<str>::from(key), terms));
                    left -= 1;
                }
                !lease.is_forgettable(now)
            });
            for (key, terms) in given_back {
                self.send(shard, &key, terms, None);
            }
        }
    }
}

impl LockedLeases {
    fn take_in(&self, key: &str, clock: &Clock, answer: Result<StoreReply, NoReply>) {
        let mut leases = self.leases.lock();
        // What comes for a lease that had to make room is lost; the bucket regains it.
        if let Some(lease) = leases.get_mut(key) {
            match answer {
                Ok(StoreReply::Lease { given, rest }) => lease.answered(clock.now(), given, rest),
                _ => lease.failed(),
            }
        }
        drop(leases);
        self.answered.notify_all();
    }
}

/// Makes room for one more, and says what its lease gives back: of a few that nobody waits for, the one whose
/// bucket is nearest to full.
fn make_room(leases: &mut Leases, now: Instant) -> Option<(Box<str>, LeaseTerms)> {
    if leases.len() < BUCKETS {
        return None;
    }
    let (key, fullest) = leases.remove_highest(SAMPLE, |lease| lease.fullness(now))?;
    Some((key, fullest.give_up()?))
}
