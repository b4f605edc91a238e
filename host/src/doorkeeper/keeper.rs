//! The door of a node as its parts together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::address_pass::{AddressPass, Addresses};
use super::overload::{MemoryWatch, ShardLag};
use super::tenant_door::{TenantDoor, TenantPlace, TenantRefusal};
use crate::observe::{DoorRefusalKind, Metrics};
use config::{DoorSettings, Limits};
use door::{ArrivalRate, Arrivals, DoorRefusal};

/// One for the node.
pub struct Doorkeeper {
    settings: watch::Sender<DoorSettings>,
    addresses: Arc<Addresses>,
    /// New sessions of the node.
    connects: Mutex<Arrivals>,
    tenants: Mutex<HashMap<Arc<str>, Arc<TenantDoor>, RandomState>>,
    memory: Arc<MemoryWatch>,
    metrics: Metrics,
}

// === impl Doorkeeper ===

impl Doorkeeper {
    pub fn new(settings: DoorSettings, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            settings: watch::Sender::new(settings),
            addresses: Arc::new(Addresses::new(settings.of_address)),
            connects: Mutex::default(),
            tenants: Mutex::default(),
            memory: Arc::default(),
            metrics,
        })
    }

    /// Other limits for those who come from now on. What is counted stays.
    pub fn set(&self, settings: DoorSettings) {
        self.addresses.set(settings.of_address);
        self.settings.send_replace(settings);
    }

    /// Looks whether a shard is late, while that matters.
    pub fn watch_shard(&self, lag: Arc<ShardLag>) -> impl Future<Output = ()> + 'static {
        let settings = self.settings.subscribe();
        async move { lag.watch(settings).await }
    }

    /// Looks at the process's memory, while that matters.
    pub fn watch_memory(&self) -> impl Future<Output = ()> + Send + 'static {
        let (memory, settings) = (self.memory.clone(), self.settings.subscribe());
        async move { memory.watch(settings).await }
    }

    /// Counts a connection from `address`. No pass is needed where addresses have no limits.
    pub fn arrive(&self, address: IpAddr) -> Result<Option<Arc<AddressPass>>, DoorRefusal> {
        let arrived = self.addresses.arrive(address);
        if let Err(refusal) = &arrived {
            self.refused(match refusal {
                DoorRefusal::Connections => DoorRefusalKind::AddressConnections,
                DoorRefusal::UnderWay => DoorRefusalKind::AddressUnderWay,
                DoorRefusal::TooOften(_) => DoorRefusalKind::AddressRate,
                DoorRefusal::Failures(_) => DoorRefusalKind::FailedAuth,
            });
        }
        arrived
    }

    /// An authentication of somebody at `address` failed.
    pub fn failed(&self, address: IpAddr) {
        self.addresses.fail(address);
    }

    /// For how long nobody at `address` may authenticate.
    pub fn penalty(&self, address: IpAddr) -> Option<Duration> {
        let left = self.addresses.penalty(address);
        if left.is_some() {
            self.refused(DoorRefusalKind::FailedAuth);
        }
        left
    }

    /// Counts a new session of the node, or tells in how long one may come.
    pub fn connect(&self) -> Result<(), Duration> {
        let Some(rate) = self.rate() else {
            return Ok(());
        };
        let counted = self.connects.lock().count(rate, Instant::now());
        counted.inspect_err(|_| self.refused(DoorRefusalKind::NodeRate))
    }

    fn rate(&self) -> Option<ArrivalRate> {
        let rate = self.settings.borrow().connects_per_second;
        rate.and_then(ArrivalRate::per_second)
    }

    /// Whether the node has no time or no memory for more. `shard` is where they would be.
    pub fn is_overloaded(&self, shard: &ShardLag) -> bool {
        let overload = self.overload(shard);
        if let Some(reason) = overload {
            self.refused(reason);
        }
        overload.is_some()
    }

    /// Why a session that begins on `shard` now would be refused by the node, whoever wants it; nothing is counted.
    pub fn hindrance(&self, shard: &ShardLag) -> Option<DoorRefusalKind> {
        let is_too_often = || {
            let rate = self.rate()?;
            self.connects.lock().wait(rate, Instant::now())
        };
        let rate = || is_too_often().map(|_| DoorRefusalKind::NodeRate);
        self.overload(shard).or_else(rate)
    }

    fn overload(&self, shard: &ShardLag) -> Option<DoorRefusalKind> {
        if shard.is_late() {
            Some(DoorRefusalKind::Lag)
        } else if self.memory.is_short() && self.settings.borrow().shed_memory_bytes.is_some() {
            // Looked at last with a bound that may be gone.
            Some(DoorRefusalKind::Memory)
        } else {
            None
        }
    }

    /// A place among the connections that `tenant` has of a node with `max_connections`.
    pub fn enter(
        &self,
        tenant: &Arc<str>,
        limits: &Limits,
        max_connections: usize,
    ) -> Result<TenantPlace, TenantRefusal> {
        let door = self.tenants.lock().entry(tenant.clone()).or_default().clone();
        let entered = door.enter(limits, max_connections);
        if let Err(refusal) = &entered {
            let metrics = self.metrics.tenant(tenant);
            match refusal {
                TenantRefusal::Share => metrics.throttled_by_share.inc(),
                TenantRefusal::TooOften(_) => metrics.throttled_by_connects.inc(),
            }
        }
        entered
    }

    /// There is no such tenant any more.
    pub fn forget(&self, tenant: &str) {
        self.tenants.lock().remove(tenant);
    }

    /// Counts somebody whom the door sends away.
    pub fn refused(&self, kind: DoorRefusalKind) {
        self.metrics.refused_at_door(kind);
    }
}
