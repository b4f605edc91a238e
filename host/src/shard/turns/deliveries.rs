//! What has arrived for the subscribers of a shard, and whose turn it is to be delivered: the tenant's that has used the
//! least, sessions and deliveries taken together. Knows no hub: it lends out what is to be delivered, and takes back what
//! is left.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::ShardTurns;
use super::share::TenantShare;
use crate::hub::ClientConnection;
use backplane::Envelope;

/// How long a shard delivers until the sessions have their turn.
const ROUND: Duration = Duration::from_micros(250);
/// A tenant for which nothing waits keeps room for so many envelopes and connections, for the next that arrive.
const SPARE: usize = 64;

/// What has arrived and was not delivered.
#[derive(Default)]
pub(in crate::shard) struct Deliveries {
    /// One for each tenant for which something waits, and those that are free.
    tenants: Vec<TenantDeliveries>,
    free: Vec<usize>,
    by_name: HashMap<Arc<str>, usize, RandomState>,
    /// The tenants for which something waits, whoever used the least first; of equals, whoever came first.
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    next: u64,
}

/// What waits for the subscribers of one tenant.
#[derive(Default)]
pub(in crate::shard) struct TenantDeliveries {
    /// None while it is nobody's.
    of: Option<(Arc<str>, Rc<TenantShare>)>,
    /// In the order in which they arrived.
    pub(in crate::shard) envelopes: VecDeque<Envelope>,
    /// Connections that got something, which is not written yet.
    pub(in crate::shard) dirty: Vec<Rc<ClientConnection>>,
}

/// The time that is spent on deliveries until the sessions have theirs.
pub(in crate::shard) struct DeliveryRound<'a> {
    turns: &'a Rc<ShardTurns>,
    began: Instant,
    /// Until then it is counted.
    counted: Instant,
}

// === impl Deliveries ===

impl Deliveries {
    pub(in crate::shard) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Adds what arrived. What is for a tenant that `share` does not know is given back.
    pub(in crate::shard) fn add(
        &mut self,
        envelope: Envelope,
        share: impl Fn(&str) -> Option<Rc<TenantShare>>,
    ) -> Result<(), Envelope> {
        let tenant = &envelope.topic().tenant;
        let place = match self.by_name.get(tenant) {
            Some(place) => *place,
            None => match share(tenant) {
                Some(share) => self.place(tenant.clone(), share),
                None => return Err(envelope),
            },
        };
        self.tenants[place].envelopes.push_back(envelope);
        if let Some((_, share)) = &self.tenants[place].of {
            share.count_deliveries(1);
        }
        Ok(())
    }

    fn place(&mut self, tenant: Arc<str>, share: Rc<TenantShare>) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.tenants.push(TenantDeliveries::default());
            self.tenants.len() - 1
        });
        self.enqueue(&share, place);
        self.tenants[place].of = Some((tenant.clone(), share));
        self.by_name.insert(tenant, place);
        place
    }

    fn enqueue(&mut self, share: &TenantShare, place: usize) {
        self.order.push(Reverse((share.used.get(), self.next, place)));
        self.next += 1;
    }

    /// The place of the tenant that is next, with its share.
    fn first(&mut self) -> Option<(usize, Rc<TenantShare>)> {
        loop {
            let Reverse((key, _, place)) = *self.order.peek()?;
            let share = self.tenants[place].of.as_ref().map(|(_, share)| share.clone())?;
            // It may have used more since it was queued.
            if share.used.get() <= key {
                return Some((place, share));
            }
            self.order.pop();
            self.enqueue(&share, place);
        }
    }
}

impl TenantDeliveries {
    pub(in crate::shard) fn tenant(&self) -> Option<&Arc<str>> {
        self.of.as_ref().map(|(tenant, _)| tenant)
    }

    /// So many envelopes were delivered.
    pub(in crate::shard) fn count_delivered(&self, envelopes: usize) {
        if let Some((_, share)) = &self.of {
            share.count_deliveries(-i64::try_from(envelopes).unwrap_or(i64::MAX));
        }
    }

    fn is_done(&self) -> bool {
        self.envelopes.is_empty() && self.dirty.is_empty()
    }
}

// === impl DeliveryRound ===

impl<'a> DeliveryRound<'a> {
    pub(in crate::shard) fn begin(turns: &'a Rc<ShardTurns>) -> Self {
        let now = turns.clock.now();
        Self {
            turns,
            began: now,
            counted: now,
        }
    }

    /// Has the tenants' deliveries made in their turns, by `deliver`, until all are, or the time is over, or somebody else is
    /// next. `deliver` may end when [`DeliveryRound::is_over`].
    pub(in crate::shard) fn run(
        mut self,
        deliveries: &mut Deliveries,
        mut deliver: impl FnMut(&mut TenantDeliveries, &dyn Fn() -> bool),
    ) {
        while let Some((place, share)) = deliveries.first() {
            if !self.turns.may_deliver(&share) {
                break;
            }
            deliveries.order.pop();
            self.turns.begin(&share);
            let tenant = &mut deliveries.tenants[place];
            deliver(tenant, &|| self.is_over());
            let now = self.turns.clock.now();
            share.charge_delivery(now.saturating_duration_since(self.counted));
            self.counted = now;
            let tenant = &mut deliveries.tenants[place];
            if tenant.is_done() {
                tenant.envelopes.shrink_to(SPARE);
                tenant.dirty.shrink_to(SPARE);
                if let Some((name, _)) = tenant.of.take() {
                    deliveries.by_name.remove(&name);
                }
                deliveries.free.push(place);
            } else {
                deliveries.enqueue(&share, place);
            }
            if self.used() >= ROUND {
                break;
            }
        }
        self.turns.delivers.replace(deliveries.first().map(|(_, share)| share));
        self.turns.spend(self.used());
    }

    fn is_over(&self) -> bool {
        self.turns.clock.now().saturating_duration_since(self.began) >= ROUND
    }

    /// Up to the last look at the clock.
    fn used(&self) -> Duration {
        self.counted.saturating_duration_since(self.began)
    }
}

// === impl ShardTurns ===

impl ShardTurns {
    /// Whether deliveries of a tenant come now: no session of another one waits that has used less.
    fn may_deliver(&self, tenant: &Rc<TenantShare>) -> bool {
        if self.waiting.get() == 0 {
            return true;
        }
        tenant.catch_up(self.floor.get());
        let Some(first) = self.next_tenant() else { return true };
        let is_next = Rc::ptr_eq(&first, tenant) || tenant.used.get() < first.used.get();
        self.enqueue(&first);
        is_next
    }
}
