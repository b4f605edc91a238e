//! What all shards count of addresses.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use address_block::AddressBlock;
use door::{AddressDoor, AddressLimits, DoorRefusal};
use parking_lot::Mutex;

/// Shared by all shards. A handshake takes its lock, a message never.
pub(super) struct Addresses {
    door: Mutex<AddressDoor>,
    /// Whether there is any limit.
    is_on: AtomicBool,
}

/// A connection that is counted for its address, given back when dropped.
pub struct AddressPass {
    addresses: Arc<Addresses>,
    from: AddressBlock,
    /// Whether its handshake is over.
    is_settled: AtomicBool,
}

// === impl Addresses ===

impl Addresses {
    pub(super) fn new(limits: AddressLimits) -> Self {
        Self {
            door: Mutex::new(AddressDoor::new(limits)),
            is_on: AtomicBool::new(is_on(limits)),
        }
    }

    pub(super) fn set(&self, limits: AddressLimits) {
        self.door.lock().set(limits);
        self.is_on.store(is_on(limits), Ordering::Relaxed);
    }

    pub(super) fn arrive(self: &Arc<Self>, address: IpAddr) -> Result<Option<Arc<AddressPass>>, DoorRefusal> {
        if !self.is_on.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let from = address.into();
        self.door.lock().arrive(from, Instant::now())?;
        Ok(Some(Arc::new(AddressPass {
            addresses: self.clone(),
            from,
            is_settled: AtomicBool::new(false),
        })))
    }

    pub(super) fn fail(&self, address: IpAddr) {
        if self.is_on.load(Ordering::Relaxed) {
            self.door.lock().fail(address.into(), Instant::now());
        }
    }

    pub(super) fn penalty(&self, address: IpAddr) -> Option<Duration> {
        let is_on = self.is_on.load(Ordering::Relaxed);
        is_on.then(|| self.door.lock().penalty(address.into(), Instant::now()))?
    }
}

fn is_on(limits: AddressLimits) -> bool {
    limits != AddressLimits::default()
}

// === impl AddressPass ===

impl AddressPass {
    /// Its handshake is over: `connect` was accepted.
    pub fn settle(&self) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            self.addresses.door.lock().settle(self.from, Instant::now());
        }
    }
}

impl Drop for AddressPass {
    fn drop(&mut self) {
        self.settle();
        self.addresses.door.lock().leave(self.from, Instant::now());
    }
}
