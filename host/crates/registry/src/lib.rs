//! Who is connected, and who may not be. Counts connections by tenant and user and holds them to their
//! limits; remembers bans. Where many nodes are one broker, a [`Cluster`] decides on both. Knows no
//! socket: a shard that has to close one is told by the broker.

mod admission;
mod ban_list;
mod ban_order;
mod ban_subject;
mod bans;
mod cluster;
pub mod redis;
mod stamp;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

pub use admission::{AdmissionError, AdmissionRequest, LimitReached};
pub use ban_list::{BanEntry, BannedBy};
pub use ban_order::{BanChange, BanOrder, DELIVER_FOR, LONGEST_BAN};
pub use ban_subject::BanSubject;
pub use bans::BansFull;
pub use cluster::{Cluster, ClusterReply, NotRecorded};
pub use stamp::OrderStamp;

use bans::Bans;
use config::Limits;
use stamp::OrderClock;
use wall_clock::now_ms;

/// An order that is recorded within this time was given after all that is recorded already.
const FRESH: Duration = Duration::from_secs(1);

/// Connections by tenant and user: of this node, and where there is a cluster, of all.
#[derive(Default)]
pub struct Registry {
    tenants: Mutex<HashMap<Arc<str>, TenantCount, RandomState>>,
    /// Who is refused for now, as far as this node knows.
    bans: Bans,
    clock: OrderClock,
    cluster: Option<Arc<dyn Cluster>>,
}

#[derive(Default)]
struct TenantCount {
    connections: usize,
    users: HashMap<Arc<str>, usize, RandomState>,
}

/// A place among the tenant's connections, given back when dropped.
pub struct Seat {
    registry: Arc<Registry>,
    request: AdmissionRequest,
}

impl Registry {
    /// The registry of an instance, which leaves decisions to this cluster.
    pub fn of(instance: &str, cluster: Arc<dyn Cluster>) -> Self {
        Self {
            clock: OrderClock::new(instance),
            cluster: Some(cluster),
            ..Self::default()
        }
    }

    /// Takes a place for one more connection, if there is one for it.
    pub async fn admit(self: &Arc<Self>, request: AdmissionRequest, limits: &Limits) -> Result<Seat, AdmissionError> {
        self.check_ban(&request.tenant, &request.subject())?;
        // Here first: what is over the limit on this node alone need not be asked about.
        self.take(&request, limits).map_err(AdmissionError::Limit)?;
        let seat = Seat {
            registry: self.clone(),
            request: request.clone(),
        };
        if let Some(cluster) = &self.cluster {
            cluster.admit(request, limits).await?;
        }
        Ok(seat)
    }

    /// How many bans these tenants may have from now on: `limits.bans`.
    pub fn limit_bans(&self, limits: impl Iterator<Item = (Arc<str>, usize)>) {
        self.bans.set_limits(limits);
    }

    /// There is no such tenant any more.
    pub fn forget_limit(&self, tenant: &str) {
        self.bans.forget_limit(tenant);
    }

    /// Refuses who is banned, as far as this node knows.
    pub fn check_ban(&self, tenant: &str, subject: &BanSubject) -> Result<(), AdmissionError> {
        match self.bans.left(tenant, subject, Instant::now()) {
            Some(left) => Err(AdmissionError::Banned(left)),
            None => Ok(()),
        }
    }

    /// A plugin bans somebody: for so long, or longer if there is a longer ban already. This node refuses them from now on,
    /// if the tenant has room for another ban; the order is for all others.
    pub fn ban(&self, tenant: &Arc<str>, subject: BanSubject, length: Duration) -> (BanOrder, Result<bool, BansFull>) {
        let order = BanOrder {
            tenant: tenant.clone(),
            subject,
            stamp: self.stamp(),
            change: BanChange::Extend(length),
            given: Instant::now(),
        };
        let applied = self.apply(&order);
        (order, applied)
    }

    /// The first bans of a tenant that hold, after this one: of this node, and where there is a cluster, of all.
    pub async fn bans(
        &self,
        tenant: &str,
        after: Option<&BanEntry>,
        limit: usize,
    ) -> Result<Vec<BanEntry>, NotRecorded> {
        match &self.cluster {
            Some(cluster) => cluster.bans(tenant, after, limit).await,
            None => Ok(self.bans.list(tenant, after, limit, Instant::now())),
        }
    }

    /// A stamp for an order that is given now.
    pub fn stamp(&self) -> OrderStamp {
        self.clock.stamp(now_ms())
    }

    /// Carries out an order on this node. Gives whether the subject was refused before.
    pub fn apply(&self, order: &BanOrder) -> Result<bool, BansFull> {
        self.clock.see(order.stamp.time_ms, order.stamp.sequence);
        self.bans.apply(order, Instant::now())
    }

    /// Records an order where every node looks up bans.
    ///
    /// A clock that is ahead may have stamped an earlier order later. So an order that is recorded as soon as it is
    /// given gets a stamp after the one that it meets, if that is of the future.
    pub async fn record(&self, order: &mut BanOrder) -> Result<(), NotRecorded> {
        let Some(cluster) = &self.cluster else {
            return Ok(());
        };
        let at_most = self.bans.at_most(&order.tenant);
        let Some(newer) = cluster.record(order, at_most).await? else {
            return Ok(());
        };
        self.clock.see(newer.time_ms, newer.sequence);
        if order.given.elapsed() < FRESH && newer.time_ms > now_ms() {
            order.stamp = self.stamp();
            cluster.record(order, at_most).await?;
        }
        Ok(())
    }

    /// Whether others decide with this node.
    pub fn has_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// Lists this node among those that live, where there are others.
    pub fn announce(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.announce();
        }
    }

    /// The node ends: answers when the others know that everyone left it.
    pub async fn close(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.close().await;
        }
    }

    fn take(&self, request: &AdmissionRequest, limits: &Limits) -> Result<(), LimitReached> {
        let mut tenants = self.tenants.lock();
        let count = tenants.entry(request.tenant.clone()).or_default();
        if count.connections >= limits.connections {
            return Err(LimitReached::Tenant);
        }
        if let Some(user) = &request.user {
            let connections = count.users.entry(user.clone()).or_default();
            if *connections >= limits.connections_per_user {
                return Err(LimitReached::User);
            }
            *connections += 1;
        }
        count.connections += 1;
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(cluster) = &self.registry.cluster {
            cluster.release(&self.request.session);
        }
        let mut tenants = self.registry.tenants.lock();
        let Some(count) = tenants.get_mut(&self.request.tenant) else {
            return;
        };
        count.connections -= 1;
        if let Some(user) = &self.request.user
            && let Some(connections) = count.users.get_mut(user)
        {
            *connections -= 1;
            if *connections == 0 {
                count.users.remove(user);
            }
        }
        if count.connections == 0 {
            tenants.remove(&self.request.tenant);
        }
    }
}

#[cfg(test)]
mod tests;
