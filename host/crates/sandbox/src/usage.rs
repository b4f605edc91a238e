//! Memory that instances take, counted for each tenant and in all. To read it is to read a number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Tenants without instances are looked for when there are so many more.
const TENANTS_STEP: usize = 1_024;

/// Bytes of all instances of one tenant.
#[derive(Debug, Default)]
pub struct TenantMemory(AtomicUsize);

/// Bytes of all instances, and how many there may be.
#[derive(Debug)]
pub(super) struct MemoryUsage {
    bytes: AtomicUsize,
    most: AtomicUsize,
    tenants: Mutex<TenantTable>,
    pressure: Mutex<Pressure>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct TenantTable {
    tenants: HashMap<Arc<str>, Arc<TenantMemory>>,
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Pressure {
    /// There may be more than there should.
    is_over: bool,
    is_closed: bool,
}

/// What one instance is counted with, until it is dropped.
#[derive(Debug)]
pub(super) struct MemoryCharge {
    usage: Arc<MemoryUsage>,
    tenant: Arc<TenantMemory>,
    bytes: usize,
}

// === impl TenantMemory ===

impl TenantMemory {
    /// What there is now.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl MemoryUsage ===

impl MemoryUsage {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            tenants: Mutex::default(),
            pressure: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that there may be.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    pub(super) fn set_most(&self, bytes: usize) {
        self.most.store(bytes, Ordering::Relaxed);
        self.press();
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes() > self.most()
    }

    /// The count of a tenant, which stays the same as long as somebody has it.
    pub(super) fn tenant(&self, name: &Arc<str>) -> Arc<TenantMemory> {
        let TenantTable { tenants, sweep_at } = &mut *self.tenants.lock();
        if tenants.len() >= *sweep_at {
            tenants.retain(|_, memory| Arc::strong_count(memory) > 1);
            *sweep_at = tenants.len() * 2 + TENANTS_STEP;
        }
        Arc::clone(tenants.entry(Arc::clone(name)).or_default())
    }

    /// Waits until there may be more than there should. False: nobody will need to know any more.
    pub(super) fn wait_for_pressure(&self) -> bool {
        let mut pressure = self.pressure.lock();
        while !pressure.is_over && !pressure.is_closed {
            self.changed.wait(&mut pressure);
        }
        pressure.is_over = false;
        !pressure.is_closed
    }

    /// Waits for so long. False: nobody will need to know any more.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let mut pressure = self.pressure.lock();
        if !pressure.is_closed {
            self.changed.wait_for(&mut pressure, time);
        }
        !pressure.is_closed
    }

    /// Ends the waits for pressure.
    pub(super) fn close(&self) {
        self.pressure.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn press(&self) {
        if self.is_over() {
            self.pressure.lock().is_over = true;
            self.changed.notify_all();
        }
    }
}

// === impl MemoryCharge ===

impl MemoryCharge {
    pub(super) fn new(usage: &Arc<MemoryUsage>, tenant: &Arc<TenantMemory>) -> Self {
        Self {
            usage: Arc::clone(usage),
            tenant: Arc::clone(tenant),
            bytes: 0,
        }
    }

    /// So many more.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.tenant.0.fetch_add(bytes, Ordering::Relaxed);
        self.usage.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.usage.press();
    }

    /// So many in all.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.add(bytes - self.bytes);
        } else {
            self.give_back(self.bytes - bytes);
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.tenant.0.fetch_sub(bytes, Ordering::Relaxed);
        self.usage.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for MemoryCharge {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_counts_for_its_tenant_and_in_all_until_it_is_dropped() {
        let usage = MemoryUsage::new(100);
        let (acme, globex) = (usage.tenant(&"acme".into()), usage.tenant(&"globex".into()));
        let mut one = MemoryCharge::new(&usage, &acme);
        let mut two = MemoryCharge::new(&usage, &globex);
        one.add(60);
        two.add(30);
        one.set(50);
        assert_eq!((acme.bytes(), globex.bytes(), usage.bytes()), (50, 30, 80));
        two.set(51);
        assert!(usage.is_over() && usage.wait_for_pressure());
        drop(one);
        assert_eq!((acme.bytes(), usage.bytes()), (0, 51));
        assert_eq!(usage.tenant(&"acme".into()).bytes(), 0);
    }

    #[test]
    fn tenants_that_nobody_counts_for_are_forgotten() {
        let usage = MemoryUsage::new(0);
        let kept = usage.tenant(&"kept".into());
        for number in 0..10 * TENANTS_STEP {
            usage.tenant(&format!("t{number}").into());
        }
        assert!(usage.tenants.lock().tenants.len() <= 2 * TENANTS_STEP);
        assert!(Arc::ptr_eq(&kept, &usage.tenant(&"kept".into())));
    }
}
