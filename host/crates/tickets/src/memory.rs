//! The tickets of a single node.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::store::{GIVE_WAY, IssueRefused, Opens, SealedTicket, TicketId, TicketReply, TicketStore};

/// How often it is looked for what is too old, of tenants that issue no tickets any more.
const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// Tickets in memory.
#[derive(Default)]
pub struct MemoryTicketStore(Mutex<AllTickets>);

#[derive(Default)]
struct AllTickets {
    tenants: HashMap<Box<str>, TenantTickets, RandomState>,
    swept: Option<Instant>,
}

#[derive(Default)]
struct TenantTickets {
    kept: HashMap<TicketId, KeptTicket, RandomState>,
    /// Those that were not redeemed, and those that resume a stream, by their ends.
    unused: BTreeSet<(Instant, TicketId)>,
    resuming: BTreeSet<(Instant, TicketId)>,
}

struct KeptTicket {
    sealed: Vec<u8>,
    redeemable_until: Instant,
    resumable_until: Instant,
    is_redeemed: bool,
}

// === impl MemoryTicketStore ===

impl TicketStore for MemoryTicketStore {
    fn keep<'a>(&'a self, tenant: &'a str, ticket: SealedTicket, at_most: usize) -> TicketReply<'a, (), IssueRefused> {
        Box::pin(async move {
            let now = Instant::now();
            let mut all = self.0.lock();
            all.sweep(now);
            let tickets = all.tenants.entry(tenant.into()).or_default();
            tickets.keep(ticket, at_most, now)
        })
    }

    fn take<'a>(&'a self, tenant: &'a str, id: TicketId, opens: Opens) -> TicketReply<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let mut all = self.0.lock();
            let tickets = all.tenants.get_mut(tenant);
            Ok(tickets.and_then(|tickets| tickets.take(id, opens, Instant::now())))
        })
    }

    fn find<'a>(&'a self, tenant: &'a str, id: TicketId) -> TicketReply<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let all = self.0.lock();
            let tickets = all.tenants.get(tenant);
            Ok(tickets.and_then(|tickets| tickets.find(id, Instant::now())))
        })
    }
}

// === impl AllTickets ===

impl AllTickets {
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| now < swept + SWEEP_EVERY) {
            return;
        }
        self.swept = Some(now);
        self.tenants.retain(|_, tickets| {
            tickets.forget_old(now);
            !tickets.kept.is_empty()
        });
    }
}

// === impl TenantTickets ===

impl TenantTickets {
    fn keep(&mut self, ticket: SealedTicket, at_most: usize, now: Instant) -> Result<(), IssueRefused> {
        self.forget_old(now);
        for _ in 0..GIVE_WAY {
            if self.kept.len() < at_most {
                break;
            }
            let Some((_, id)) = self.resuming.pop_first() else {
                let next = self.unused.first().map(|(end, _)| *end - now);
                return Err(IssueRefused::Full {
                    limit: at_most,
                    retry_after: next.unwrap_or_default(),
                });
            };
            self.kept.remove(&id);
        }
        let redeemable_until = now + ticket.redeemable;
        let kept = KeptTicket {
            sealed: ticket.sealed,
            redeemable_until,
            resumable_until: now + ticket.resumable,
            is_redeemed: false,
        };
        self.unused.insert((redeemable_until, ticket.id));
        self.kept.insert(ticket.id, kept);
        Ok(())
    }

    fn take(&mut self, id: TicketId, opens: Opens, now: Instant) -> Option<Vec<u8>> {
        let kept = self.kept.get_mut(&id)?;
        if kept.is_redeemed || kept.redeemable_until <= now {
            return None;
        }
        self.unused.remove(&(kept.redeemable_until, id));
        if opens == Opens::Stream && kept.resumable_until > now {
            kept.is_redeemed = true;
            self.resuming.insert((kept.resumable_until, id));
            return Some(kept.sealed.clone());
        }
        self.kept.remove(&id).map(|kept| kept.sealed)
    }

    fn find(&self, id: TicketId, now: Instant) -> Option<Vec<u8>> {
        let kept = self.kept.get(&id)?;
        (kept.is_redeemed && kept.resumable_until > now).then(|| kept.sealed.clone())
    }

    fn forget_old(&mut self, now: Instant) {
        for ends in [&mut self.unused, &mut self.resuming] {
            while let Some((end, id)) = ends.first().copied()
                && end <= now
            {
                ends.pop_first();
                self.kept.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{suite, ticket};

    #[tokio::test]
    async fn keeps_the_contract() {
        suite(async || MemoryTicketStore::default()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_ends_when_its_time_is_over_and_nothing_is_kept_of_it() {
        let store = MemoryTicketStore::default();
        for n in 1..=3 {
            store.keep("acme", ticket(n), 10).await.unwrap();
        }
        store.take("acme", ticket(1).id, Opens::Stream).await.unwrap().unwrap();
        tokio::time::advance(ticket(2).redeemable.mul_f64(0.9)).await;
        assert!(store.take("acme", ticket(2).id, Opens::Stream).await.unwrap().is_some());
        tokio::time::advance(ticket(3).redeemable.mul_f64(0.1)).await;
        assert_eq!(store.take("acme", ticket(3).id, Opens::Stream).await, Ok(None));
        assert!(store.find("acme", ticket(1).id).await.unwrap().is_some());
        tokio::time::advance(ticket(1).resumable).await;
        assert_eq!(store.find("acme", ticket(1).id).await, Ok(None));
        store.keep("other", ticket(4), 10).await.unwrap();
        let all = store.0.lock();
        assert_eq!(
            all.tenants.keys().map(|tenant| &**tenant).collect::<Vec<_>>(),
            ["other"]
        );
    }
}
