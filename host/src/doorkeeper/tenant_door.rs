//! What all shards count of one tenant's new connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use config::Limits;
use door::{ArrivalRate, Arrivals, UserDoor};
use parking_lot::Mutex;

/// Of one tenant on this node.
#[derive(Default)]
pub(super) struct TenantDoor {
    /// From the upgrade to the end, whether they are authenticated or not.
    connections: AtomicUsize,
    connects: Mutex<Arrivals>,
    /// None until the connects of a user are counted.
    users: Mutex<Option<Box<UserDoor>>>,
}

/// Why a tenant's client may not come in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantRefusal {
    /// The tenant has its share of the node's connections.
    Share,
    /// The tenant's clients come too often.
    TooOften(Duration),
}

/// One of a tenant's connections on this node, given back when dropped.
pub struct TenantPlace(Arc<TenantDoor>);

// === impl TenantDoor ===

impl TenantDoor {
    /// Counts a connection. The share is of `max_connections`.
    pub(super) fn enter(
        self: &Arc<Self>,
        limits: &Limits,
        max_connections: usize,
    ) -> Result<TenantPlace, TenantRefusal> {
        let place = TenantPlace(self.clone());
        // Counted first, so that two shards cannot both take the last one; what was not granted is given back.
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        if before >= limits.share_of_connections.of(max_connections) {
            return Err(TenantRefusal::Share);
        }
        if let Some(rate) = limits.connects_per_second.and_then(ArrivalRate::per_second) {
            let counted = self.connects.lock().count(rate, Instant::now());
            counted.map_err(TenantRefusal::TooOften)?;
        }
        Ok(place)
    }
}

// === impl TenantPlace ===

impl TenantPlace {
    /// Counts a connect of a user, or tells in how long one may come.
    pub fn connect(&self, user: &Arc<str>, limits: &Limits) -> Result<(), Duration> {
        let rate = limits.connects_per_second_per_user.and_then(ArrivalRate::per_second);
        let Some(rate) = rate else { return Ok(()) };
        let mut users = self.0.users.lock();
        users.get_or_insert_default().connect(user, rate, Instant::now())
    }
}

impl Drop for TenantPlace {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
