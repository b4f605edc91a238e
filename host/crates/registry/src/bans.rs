//! Who is refused for a while, by tenant, as far as this node knows. Each tenant has a table, a lock and a quota of its
//! own, and no call looks at more than a few entries of it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::{Mutex, RwLock};
use thiserror::Error;

use super::ban_list::{BanEntry, BannedBy};
use super::ban_order::{BanChange, BanOrder, BanState};
use super::ban_subject::BanSubject;
use config::Limits;
use wall_clock::now_ms;

/// Entries that are over and no longer needed, taken out by one order at most.
const FORGOTTEN: usize = 2;
/// How often a full table is spoken of in the log.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The tenant has as many bans as it may, and none of them gives way to this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the tenant has as many {what} as limits.{what} allows ({limit}); lift some, or raise it", what = kind.setting())]
pub struct BansFull {
    pub kind: BanKind,
    pub limit: usize,
}

/// What is kept, counted and listed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanKind {
    /// Bans of users and of addresses.
    Bans,
    /// Bans of whoever brings a revoked token.
    Revocations,
}

pub(super) struct Bans {
    kind: BanKind,
    tenants: RwLock<HashMap<Arc<str>, Arc<Mutex<TenantBans>>, RandomState>>,
    /// How many the tenants in the config may have.
    limits: RwLock<HashMap<Arc<str>, usize, RandomState>>,
    /// The same moment by both clocks.
    epoch: (Instant, u64),
}

/// The bans of one tenant.
#[derive(Default)]
struct TenantBans {
    states: HashMap<BanSubject, ListedBan, RandomState>,
    /// All of them in the order of the list, so that the first to give way is found without a search.
    list: BTreeSet<BanEntry>,
    warned: Option<Instant>,
    /// Entries that were looked at to make room, ever.
    #[cfg(test)]
    visits: std::cell::Cell<usize>,
}

struct ListedBan {
    state: BanState,
    /// Its place in the list.
    by: BannedBy,
    until_ms: u64,
}

// === impl BanKind ===

impl BanKind {
    /// What kind of ban refuses this subject.
    pub(super) fn of(subject: &BanSubject) -> Self {
        match subject.is_revocation() {
            true => Self::Revocations,
            false => Self::Bans,
        }
    }

    /// Its key in `[tenants.limits]`.
    fn setting(self) -> &'static str {
        match self {
            Self::Bans => "bans",
            Self::Revocations => "revocations",
        }
    }

    /// How many a tenant has by default.
    fn default_limit(self) -> usize {
        let limits = Limits::default();
        match self {
            Self::Bans => limits.bans,
            Self::Revocations => limits.revocations,
        }
    }
}

// === impl Bans ===

impl Bans {
    pub(super) fn new(kind: BanKind) -> Self {
        Self {
            kind,
            tenants: RwLock::default(),
            limits: RwLock::default(),
            epoch: (Instant::now(), now_ms()),
        }
    }

    /// How many bans a tenant may have from now on.
    pub(super) fn set_limit(&self, tenant: Arc<str>, limit: usize) {
        self.limits.write().insert(tenant, limit);
    }

    /// There is no such tenant any more. Bans that were given stay, for one of the same name that comes again.
    pub(super) fn forget_limit(&self, tenant: &str) {
        self.limits.write().remove(tenant);
    }

    /// How many bans a tenant may have.
    pub(super) fn at_most(&self, tenant: &str) -> usize {
        let limits = self.limits.read();
        limits.get(tenant).copied().unwrap_or_else(|| self.kind.default_limit())
    }

    /// Carries out an order. Gives whether the subject was refused before.
    pub(super) fn apply(&self, order: &BanOrder, now: Instant) -> Result<bool, BansFull> {
        let at_most = BansFull {
            kind: self.kind,
            limit: self.at_most(&order.tenant),
        };
        let until_ms = |end: Instant| self.epoch_ms(end);
        self.table(&order.tenant).lock().apply(order, now, at_most, until_ms)
    }

    /// How much longer somebody is refused, if at all.
    pub(super) fn left(&self, tenant: &str, subject: &BanSubject, now: Instant) -> Option<Duration> {
        let table = self.tenants.read().get(tenant)?.clone();

        table.lock().left(subject, now)
    }

    /// Of a subject that is refused, when it was, by the stamp of the order.
    pub(super) fn refused_ms(&self, tenant: &str, subject: &BanSubject, now: Instant) -> Option<u64> {
        let table = self.tenants.read().get(tenant)?.clone();
        let mut table = table.lock();
        table.left(subject, now)?;
        table.states.get(subject)?.state.replaced_ms()
    }

    /// The first bans that hold, after this one.
    pub(super) fn list(&self, tenant: &str, after: Option<&BanEntry>, limit: usize, now: Instant) -> Vec<BanEntry> {
        let Some(table) = self.tenants.read().get(tenant).cloned() else {
            return Vec::new();
        };

        table.lock().list(after, limit, self.epoch_ms(now))
    }

    fn table(&self, tenant: &Arc<str>) -> Arc<Mutex<TenantBans>> {
        if let Some(table) = self.tenants.read().get(tenant) {
            return table.clone();
        }
        self.tenants.write().entry(tenant.clone()).or_default().clone()
    }

    /// In milliseconds since the Unix epoch. Grows with the moment, also when the wall clock is set back.
    fn epoch_ms(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.epoch.0).as_millis();
        self.epoch.1.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }
}

// === impl TenantBans ===

impl TenantBans {
    fn apply(
        &mut self,
        order: &BanOrder,
        now: Instant,
        at_most: BansFull,
        until_ms: impl Fn(Instant) -> u64,
    ) -> Result<bool, BansFull> {
        self.forget(now, until_ms(now));
        let was_refused = if let Some(listed) = self.states.get(&order.subject) {
            listed.state.end().is_some_and(|end| now < end)
        } else {
            if !self.make_room(order, now, at_most, &until_ms)? {
                return Ok(false);
            }
            false
        };
        let mut state = match self.remove(&order.subject) {
            Some(listed) => listed.state,
            None => BanState::new(now),
        };
        state.apply(order, now);
        let by = if state.is_operators(now) {
            BannedBy::Operator
        } else {
            BannedBy::Plugin
        };
        let until_ms = until_ms(state.end().unwrap_or(now));
        self.list.insert(BanEntry {
            by,
            until_ms,
            subject: order.subject.clone(),
        });
        let listed = ListedBan { state, by, until_ms };
        self.states.insert(order.subject.clone(), listed);
        Ok(was_refused)
    }

    fn left(&mut self, subject: &BanSubject, now: Instant) -> Option<Duration> {
        let state = &self.states.get(subject)?.state;
        let left = state.end()?.saturating_duration_since(now);
        if left.is_zero() && state.is_forgotten(now) {
            self.remove(subject);
        }
        Some(left).filter(|left| !left.is_zero())
    }

    fn list(&self, after: Option<&BanEntry>, limit: usize, now_ms: u64) -> Vec<BanEntry> {
        let mut listed = Vec::new();
        for by in [BannedBy::Plugin, BannedBy::Operator] {
            let first = first_of(by, now_ms + 1);
            let from = after.map_or(&first, |after| after.max(&first));
            let of_group = self.list.range(from..).take_while(|entry| entry.by == by);
            let following = of_group.filter(|entry| Some(*entry) != after);
            listed.extend(following.take(limit - listed.len()).cloned());
        }
        listed
    }

    fn remove(&mut self, subject: &BanSubject) -> Option<ListedBan> {
        let (subject, listed) = self.states.remove_entry(subject)?;
        self.list.remove(&BanEntry {
            by: listed.by,
            until_ms: listed.until_ms,
            subject,
        });
        Some(listed)
    }

    /// Takes out a few entries that nobody needs.
    fn forget(&mut self, now: Instant, now_ms: u64) {
        for _ in 0..FORGOTTEN {
            let Some(over) = self.first_over(now_ms) else { return };
            let is_forgotten = self
                .states
                .get(&over)
                .is_none_or(|listed| listed.state.is_forgotten(now));
            if !is_forgotten {
                return;
            }
            self.remove(&over);
        }
    }

    /// Makes room for one more. False: the order need not be remembered. What is over gives way first, then of the bans of
    /// plugins the one that ends first. The operator's never does.
    fn make_room(
        &mut self,
        order: &BanOrder,
        now: Instant,
        at_most: BansFull,
        until_ms: &impl Fn(Instant) -> u64,
    ) -> Result<bool, BansFull> {
        if self.states.len() < at_most.limit {
            return Ok(true);
        }
        if let Some(over) = self.first_over(until_ms(now)) {
            self.remove(&over);
            return Ok(true);
        }
        let first = self.first(BannedBy::Plugin).filter(|first| match order.change {
            BanChange::Replace(_) => true,
            BanChange::Extend(_) => first.until_ms < until_ms(now + order.left(now)),
            BanChange::Lift => false,
        });
        let gives_way = first.map(|first| first.subject.clone());
        if order.change == BanChange::Lift {
            // Nothing is known that it could lift.
            return Ok(false);
        }
        if self
            .warned
            .is_none_or(|at| now.saturating_duration_since(at) >= WARN_EVERY)
        {
            self.warned = Some(now);
            let (tenant, dropped) = (&*order.tenant, gives_way.as_ref().unwrap_or(&order.subject));
            let (setting, limit) = (at_most.kind.setting(), at_most.limit);
            tracing::warn!(tenant, %dropped, limit, "limits.{setting} is reached: a ban is dropped before its end");
        }
        let Some(gives_way) = gives_way else {
            return Err(at_most);
        };
        self.remove(&gives_way);
        Ok(true)
    }

    /// Somebody whose ban is over.
    fn first_over(&self, now_ms: u64) -> Option<BanSubject> {
        [BannedBy::Plugin, BannedBy::Operator].into_iter().find_map(|by| {
            let first = self.first(by).filter(|first| first.until_ms <= now_ms)?;
            Some(first.subject.clone())
        })
    }

    fn first(&self, by: BannedBy) -> Option<&BanEntry> {
        #[cfg(test)]
        {
            self.visits.set(self.visits.get() + 1);
        }
        self.list.range(first_of(by, 0)..).next().filter(|first| first.by == by)
    }
}

/// Before all bans of these that end from then on.
fn first_of(by: BannedBy, until_ms: u64) -> BanEntry {
    BanEntry {
        by,
        until_ms,
        subject: BanSubject::User("".into()),
    }
}

#[cfg(test)]
mod tests;
