//! What each tenant takes of this node's memory, whoever counts it: the backplane its channels and histories, the shards its
//! outboxes and cached verdicts, the sandbox its instances. To read it is to read a few numbers.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::allowance::{Allowance, ChannelLimit};

/// The footprints of all tenants. Clones are the same ones.
#[derive(Clone, Default)]
pub struct Footprints {
    by_name: Arc<Mutex<FootprintsByName>>,
    instances: Arc<OnceLock<InstanceCounts>>,
}

/// Gives a reader of the bytes that the instances of a tenant take.
type InstanceCounts = Box<dyn Fn(&Arc<str>) -> InstanceBytes + Send + Sync>;
type InstanceBytes = Box<dyn Fn() -> usize + Send + Sync>;
type FootprintsByName = HashMap<Arc<str>, Arc<TenantFootprint>, RandomState>;

/// What one tenant takes of this node's memory. Each count is exact between two changes; their sum is not taken under a
/// lock, so what changes meanwhile may be in it or not.
#[derive(Default)]
pub struct TenantFootprint {
    counts: [Arc<AtomicUsize>; MemoryUse::COUNTED.len()],
    /// What the sandbox counts.
    instances: Option<InstanceBytes>,
    open_channels: AtomicUsize,
    /// What was refused at the ceiling.
    refused: AtomicU64,
}

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryUse {
    /// Open channels, and who subscribes to them.
    Channels,
    /// Messages of histories, where this node keeps them.
    Histories,
    /// Idempotency keys, likewise.
    Keys,
    /// What waits for clients to read it.
    Outboxes,
    /// Verdicts of plugins that may be reused.
    Caches,
    /// Plugin instances.
    Instances,
}

impl Footprints {
    /// That of `tenant`.
    pub fn of(&self, tenant: &Arc<str>) -> Arc<TenantFootprint> {
        let new = || TenantFootprint {
            instances: self.instances.get().map(|counts| counts(tenant)),
            ..TenantFootprint::default()
        };
        let mut footprints = self.by_name.lock();
        let footprint = footprints.entry(tenant.clone()).or_insert_with(|| Arc::new(new()));
        footprint.clone()
    }

    /// Says who counts the instances of tenants, before there are any: `counts` is asked once for each tenant, and what it gives
    /// whenever it matters how many bytes they take.
    pub fn count_instances(&self, counts: impl Fn(&Arc<str>) -> InstanceBytes + Send + Sync + 'static) {
        let _before = self.instances.set(Box::new(counts));
    }

    /// Forgets those that nobody counts for any more.
    pub fn sweep(&self) {
        self.by_name
            .lock()
            .retain(|_, footprint| Arc::strong_count(footprint) > 1);
    }
}

impl TenantFootprint {
    /// So many bytes more.
    pub fn add(&self, what: MemoryUse, bytes: usize) {
        if let Some(count) = self.counts.get(what as usize) {
            count.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// So many bytes less.
    pub fn sub(&self, what: MemoryUse, bytes: usize) {
        if let Some(count) = self.counts.get(what as usize) {
            count.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// There were `before` bytes, and are `after`.
    pub fn change(&self, what: MemoryUse, before: usize, after: usize) {
        if after >= before {
            self.add(what, after - before);
        } else {
            self.sub(what, before - after);
        }
    }

    /// The count itself, for whoever keeps what is counted and knows no tenant.
    pub fn count(&self, what: MemoryUse) -> Option<Arc<AtomicUsize>> {
        self.counts.get(what as usize).cloned()
    }

    /// Bytes that there are now.
    pub fn bytes(&self, what: MemoryUse) -> usize {
        match self.counts.get(what as usize) {
            Some(count) => count.load(Ordering::Relaxed),
            None => self.instances.as_ref().map_or(0, |bytes| bytes()),
        }
    }

    /// Open channels.
    pub fn open_channels(&self) -> usize {
        self.open_channels.load(Ordering::Relaxed)
    }

    /// Subscriptions and messages that were refused at the ceiling.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// All that does not give way for anything else.
    fn fixed_bytes(&self) -> usize {
        let fixed = MemoryUse::ALL.iter().filter(|what| **what != MemoryUse::Histories);
        fixed.map(|what| self.bytes(*what)).sum()
    }

    /// Bytes that messages of histories and keys may take together below a ceiling.
    pub(crate) fn left_for_histories(&self, ceiling: usize) -> usize {
        if ceiling == usize::MAX {
            return ceiling;
        }
        let keys = self.bytes(MemoryUse::Keys);
        ceiling.saturating_sub(self.fixed_bytes() - keys)
    }

    /// Whether there is more than a ceiling allows.
    pub(crate) fn is_over(&self, ceiling: usize) -> bool {
        ceiling != usize::MAX && self.fixed_bytes() + self.bytes(MemoryUse::Histories) > ceiling
    }

    /// Whether something further may be begun: not where that what gives way for nothing takes all that there may be.
    pub(crate) fn admit(&self, allowance: &Allowance) -> Result<(), ChannelLimit> {
        let ceiling = allowance.memory_bytes;
        if ceiling == usize::MAX || self.fixed_bytes() < ceiling {
            return Ok(());
        }
        self.refuse();
        Err(ChannelLimit::MemoryOfTenant(ceiling))
    }

    /// Something was refused at the ceiling.
    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_open(&self, bytes: usize) {
        self.open_channels.fetch_add(1, Ordering::Relaxed);
        self.add(MemoryUse::Channels, bytes);
    }

    pub(crate) fn count_closed(&self, bytes: usize) {
        self.open_channels.fetch_sub(1, Ordering::Relaxed);
        self.sub(MemoryUse::Channels, bytes);
    }
}

impl fmt::Debug for TenantFootprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uses = MemoryUse::ALL.iter().map(|what| (what.name(), self.bytes(*what)));
        f.debug_map().entries(uses).finish()
    }
}

impl MemoryUse {
    /// Those that are counted here.
    const COUNTED: [Self; 5] = [
        Self::Channels,
        Self::Histories,
        Self::Keys,
        Self::Outboxes,
        Self::Caches,
    ];
    /// In the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Channels,
        Self::Histories,
        Self::Keys,
        Self::Outboxes,
        Self::Caches,
        Self::Instances,
    ];

    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Channels => "channels",
            Self::Histories => "histories",
            Self::Keys => "keys",
            Self::Outboxes => "outboxes",
            Self::Caches => "caches",
            Self::Instances => "instances",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Account;

    fn below(memory_bytes: usize) -> Allowance {
        Allowance {
            account: Account::Operator,
            memory_bytes,
            ..Allowance::UNLIMITED
        }
    }

    #[test]
    fn all_that_is_counted_is_under_one_ceiling_and_histories_alone_give_way() {
        let footprints = Footprints::default();
        footprints.count_instances(|tenant| {
            let bytes = if **tenant == *"acme" { 100 } else { 1_000_000 };
            Box::new(move || bytes)
        });
        let footprint = footprints.of(&"acme".into());
        for what in MemoryUse::COUNTED {
            footprint.add(what, 100);
        }
        assert!(!footprint.is_over(600) && footprint.is_over(599));
        assert!(footprint.admit(&below(501)).is_ok(), "histories make room");
        assert_eq!(footprint.admit(&below(500)), Err(ChannelLimit::MemoryOfTenant(500)));
        assert_eq!(footprint.left_for_histories(700), 300, "with keys");
        assert_eq!(
            (footprint.left_for_histories(400), footprint.left_for_histories(1)),
            (0, 0)
        );
        footprint.change(MemoryUse::Outboxes, 100, 20);
        footprint
            .count(MemoryUse::Caches)
            .unwrap()
            .fetch_sub(100, Ordering::Relaxed);
        assert!(footprint.admit(&below(321)).is_ok() && footprint.admit(&below(320)).is_err());
        assert_eq!(footprint.refused(), 2);
        assert!(footprint.admit(&Allowance::UNLIMITED).is_ok());
    }

    #[test]
    fn tenants_that_nobody_counts_for_are_forgotten() {
        let footprints = Footprints::default();
        let kept = footprints.of(&"kept".into());
        kept.add(MemoryUse::Keys, 5);
        footprints.of(&"gone".into()).add(MemoryUse::Keys, 5);
        footprints.sweep();
        assert_eq!(footprints.of(&"kept".into()).bytes(MemoryUse::Keys), 5);
        assert_eq!(footprints.of(&"gone".into()).bytes(MemoryUse::Keys), 0);
    }
}
