//! Who is connected, and who may not be. Counts connections by tenant and user and holds them to their
//! limits; remembers bans. Where many nodes are one broker, a [`Cluster`] has the last word on both. Knows no
//! socket: a shard that has to close one is told by the broker.

mod bans;
pub mod redis;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use thiserror::Error;

use crate::config::Limits;
use bans::Bans;

/// An answer from the other nodes.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Connections by tenant and user: of this node, and where there is a cluster, of all.
#[derive(Default)]
pub struct Registry {
    tenants: Mutex<HashMap<Arc<str>, Seats, RandomState>>,
    /// Who is refused for now, as far as this node knows.
    bans: Bans,
    cluster: Option<Arc<dyn Cluster>>,
}

/// What the nodes of a cluster know together.
pub trait Cluster: Send + Sync {
    /// Takes a place for `guest`, if there is one in the cluster and it is not banned. While the cluster cannot be
    /// asked, this node's own count decides, and the others hear of it later.
    fn admit(&self, guest: Guest, limits: &Limits) -> Answer<'_, Result<(), Turned>>;

    /// Gives the place of a session back.
    fn release(&self, session: &Arc<str>);

    /// Refuses `user` on every node for so long.
    fn ban(&self, tenant: &Arc<str>, user: &Arc<str>, length: Duration);

    /// Refuses it no longer.
    fn unban(&self, tenant: &Arc<str>, user: &Arc<str>);

    /// The node ends: answers when the others know that everyone left it.
    fn close(&self) -> Answer<'_, ()>;
}

/// Who wants a place.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// The user, if it has a name.
    pub user: Option<Arc<str>>,
    /// The session's id, unique in the cluster.
    pub session: Arc<str>,
    /// `websocket`, `sse` or `poll`.
    pub transport: &'static str,
}

/// Why someone gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// There is none.
    Full(Full),
    /// Not for so long.
    Banned(Duration),
}

#[derive(Default)]
struct Seats {
    taken: usize,
    users: HashMap<Arc<str>, usize, RandomState>,
}

/// Which limit a connection would be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// `limits.connections`
    #[error("the tenant has as many connections as it may")]
    Tenant,
    /// `limits.connections_per_user`
    #[error("the user has as many connections as it may")]
    User,
}

/// A place among the tenant's connections, given back when dropped.
pub struct Seat {
    registry: Arc<Registry>,
    guest: Guest,
}

impl Registry {
    /// A registry whose last word is the cluster's.
    pub fn of(cluster: Option<Arc<dyn Cluster>>) -> Self {
        Self {
            cluster,
            ..Self::default()
        }
    }

    /// Takes a place for one more connection, if there is one for who wants it.
    pub async fn admit(self: &Arc<Self>, guest: Guest, limits: &Limits) -> Result<Seat, Turned> {
        self.check_ban(&guest.tenant, guest.user.as_ref())?;
        // Here first: what is over the limit on this node alone need not be asked about.
        self.take(&guest, limits).map_err(Turned::Full)?;
        let seat = Seat {
            registry: self.clone(),
            guest: guest.clone(),
        };
        if let Some(cluster) = &self.cluster {
            cluster.admit(guest, limits).await?;
        }
        Ok(seat)
    }

    /// Refuses who is banned, as far as this node knows.
    pub fn check_ban(&self, tenant: &Arc<str>, user: Option<&Arc<str>>) -> Result<(), Turned> {
        match user.and_then(|user| self.bans.left(tenant, user, Instant::now())) {
            Some(left) => Err(Turned::Banned(left)),
            None => Ok(()),
        }
    }

    /// Refuses `user` for so long, or longer if it is already.
    pub fn ban(&self, tenant: &Arc<str>, user: &Arc<str>, length: Duration) {
        let now = Instant::now();
        self.bans.ban(tenant, user, length, now);
        let left = self.bans.left(tenant, user, now).unwrap_or(length);
        self.tell(|cluster| cluster.ban(tenant, user, left));
    }

    /// Refuses `user` for so long, whatever was said before.
    pub fn set_ban(&self, tenant: &Arc<str>, user: &Arc<str>, length: Duration) {
        self.bans.set(tenant, user, length, Instant::now());
        self.tell(|cluster| cluster.ban(tenant, user, length));
    }

    /// Refuses `user` no longer. Whether this node refused it.
    pub fn unban(&self, tenant: &Arc<str>, user: &Arc<str>) -> bool {
        self.tell(|cluster| cluster.unban(tenant, user));
        self.bans.lift(tenant, user, Instant::now())
    }

    fn tell(&self, what: impl FnOnce(&dyn Cluster)) {
        if let Some(cluster) = &self.cluster {
            what(&**cluster);
        }
    }

    /// The node ends: answers when the others know that everyone left it.
    pub async fn close(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.close().await;
        }
    }

    fn take(&self, guest: &Guest, limits: &Limits) -> Result<(), Full> {
        let mut tenants = self.tenants.lock();
        let seats = tenants.entry(guest.tenant.clone()).or_default();
        if seats.taken >= limits.connections {
            return Err(Full::Tenant);
        }
        if let Some(user) = &guest.user {
            let taken = seats.users.entry(user.clone()).or_default();
            if *taken >= limits.connections_per_user {
                return Err(Full::User);
            }
            *taken += 1;
        }
        seats.taken += 1;
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(cluster) = &self.registry.cluster {
            cluster.release(&self.guest.session);
        }
        let mut tenants = self.registry.tenants.lock();
        let Some(seats) = tenants.get_mut(&self.guest.tenant) else {
            return;
        };
        seats.taken -= 1;
        if let Some(user) = &self.guest.user
            && let Some(taken) = seats.users.get_mut(user)
        {
            *taken -= 1;
            if *taken == 0 {
                seats.users.remove(user);
            }
        }
        if seats.taken == 0 {
            tenants.remove(&self.guest.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(tenant: &str, user: Option<&str>) -> Guest {
        Guest {
            tenant: tenant.into(),
            user: user.map(Arc::from),
            session: "s".into(),
            transport: "websocket",
        }
    }

    #[tokio::test]
    async fn holds_tenants_and_users_to_their_limits() {
        let registry = Arc::new(Registry::default());
        let limits = Limits {
            connections: 3,
            connections_per_user: 2,
            ..Limits::default()
        };
        let admit = |tenant, user| registry.admit(guest(tenant, user), &limits);
        let first = admit("acme", Some("ann")).await.unwrap();
        let _second = admit("acme", Some("ann")).await.unwrap();
        assert_eq!(admit("acme", Some("ann")).await.err(), Some(Turned::Full(Full::User)));
        let _third = admit("acme", None).await.unwrap();
        assert_eq!(admit("acme", None).await.err(), Some(Turned::Full(Full::Tenant)));
        assert!(admit("other", Some("ann")).await.is_ok(), "tenants do not share");
        drop(first);
        assert!(admit("acme", Some("ann")).await.is_ok());
    }

    #[tokio::test]
    async fn forgets_whom_nobody_needs() {
        let registry = Arc::new(Registry::default());
        let seat = registry.admit(guest("acme", Some("ann")), &Limits::default()).await;
        drop(seat);
        assert!(registry.tenants.lock().is_empty());
    }

    #[tokio::test]
    async fn who_is_banned_gets_no_place_until_it_is_lifted() {
        let registry = Arc::new(Registry::default());
        let (tenant, user): (Arc<str>, Arc<str>) = ("acme".into(), "ann".into());
        registry.ban(&tenant, &user, Duration::from_mins(1));
        let limits = Limits::default();
        let turned = registry.admit(guest("acme", Some("ann")), &limits).await.err();
        assert!(matches!(turned, Some(Turned::Banned(left)) if left > Duration::from_secs(50)));
        registry.unban(&tenant, &user);
        assert!(registry.admit(guest("acme", Some("ann")), &limits).await.is_ok());
    }
}
