//! What is counted of each tenant: its open channels, the bytes that they keep, and their epochs. Locked under a
//! channel's lock, never around one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::epochs::Epochs;
use super::retention::{HistoryPlace, Retention, key_bytes};
use crate::BackplaneMetrics;
use crate::allowance::{Account, Allowance, ChannelLimit};
use crate::open_channels::OpenChannels;
use protocol::names::Topic;

pub(super) struct MemoryTenants {
    tenants: Mutex<HashMap<Arc<str>, Arc<MemoryTenant>, RandomState>>,
    nonce: u64,
    metrics: BackplaneMetrics,
}

pub(super) struct MemoryTenant {
    pub open: Arc<OpenChannels>,
    pub epochs: Mutex<Epochs>,
    retention: Mutex<Retention>,
    /// Whether something may have to be shortened.
    is_over: AtomicBool,
    /// What it may take in all, as was said last.
    ceiling: AtomicUsize,
}

/// The room that a remembered key takes, given back when it is dropped.
pub(super) struct KeyRoom {
    tenant: Arc<MemoryTenant>,
    account: Account,
    bytes: usize,
}

impl MemoryTenants {
    /// No tenants yet. `nonce` begins every epoch.
    pub(super) fn new(nonce: u64, metrics: BackplaneMetrics) -> Self {
        Self {
            tenants: Mutex::default(),
            nonce,
            metrics,
        }
    }

    pub(super) fn of(&self, name: &Arc<str>) -> Arc<MemoryTenant> {
        let mut tenants = self.tenants.lock();
        if let Some(tenant) = tenants.get(name) {
            return tenant.clone();
        }
        let footprint = self.metrics.footprints.of(name);
        let tenant = Arc::new(MemoryTenant {
            open: OpenChannels::new(footprint.clone()),
            epochs: Mutex::new(Epochs::new(self.nonce)),
            retention: Mutex::new(Retention::new(footprint)),
            is_over: AtomicBool::new(false),
            ceiling: AtomicUsize::new(usize::MAX),
        });
        tenants.insert(name.clone(), tenant.clone());
        tenant
    }

    #[cfg(test)]
    pub(super) fn metrics(&self) -> &BackplaneMetrics {
        &self.metrics
    }

    pub(super) fn all(&self) -> Vec<Arc<MemoryTenant>> {
        self.tenants.lock().values().cloned().collect()
    }
}

impl MemoryTenant {
    /// Whether it may have something further.
    pub(super) fn admit(&self, allowance: &Allowance) -> Result<(), ChannelLimit> {
        self.ceiling.store(allowance.memory_bytes, Ordering::Relaxed);
        self.open.footprint().admit(allowance)
    }

    /// A channel keeps so many bytes more, and so many less.
    pub(super) fn keep(
        &self,
        place: &mut Option<HistoryPlace>,
        topic: &Topic,
        allowance: &Allowance,
        (more, less): (usize, usize),
        now: Instant,
    ) {
        let mut retention = self.retention.lock();
        let is_over = retention.add(place, topic, allowance, more, now);
        if less > 0 {
            retention.remove(place, less);
        }
        if is_over {
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// A channel keeps so many bytes less.
    pub(super) fn release(&self, place: &mut Option<HistoryPlace>, less: usize) {
        if less > 0 && place.is_some() {
            self.retention.lock().remove(place, less);
        }
    }

    /// The channel whose oldest message is to go, if one is.
    pub(super) fn next_to_shorten(&self) -> Option<Topic> {
        // Over the ceiling it may come without a message: what waits for clients grows, and instances do.
        let ceiling = self.ceiling.load(Ordering::Relaxed);
        if !self.is_over.load(Ordering::Relaxed) && !self.open.footprint().is_over(ceiling) {
            return None;
        }
        let topic = self.retention.lock().next_to_shorten();
        self.is_over.store(topic.is_some(), Ordering::Relaxed);
        topic
    }

    /// Room to remember `key`, if the tenant and the account may have it.
    pub(super) fn room_for_key(self: &Arc<Self>, key: &str, allowance: &Allowance) -> Result<KeyRoom, ChannelLimit> {
        let bytes = key_bytes(key);
        self.retention.lock().take_key(allowance, bytes)?;
        Ok(KeyRoom {
            tenant: self.clone(),
            account: allowance.account.clone(),
            bytes,
        })
    }
}

#[cfg(test)]
impl KeyRoom {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for KeyRoom {
    fn drop(&mut self) {
        self.tenant.retention.lock().give_key(&self.account, self.bytes);
    }
}
