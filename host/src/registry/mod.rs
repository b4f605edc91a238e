//! Who is connected, and who may not be. Counts connections by tenant and user and holds them to their
//! limits; remembers bans. Knows no socket: a shard that has to close one is told by the broker.

mod bans;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use thiserror::Error;

use crate::config::Limits;
pub use bans::Bans;

/// Connections of this node, by tenant and user.
#[derive(Default)]
pub struct Registry {
    tenants: Mutex<HashMap<Arc<str>, Seats, RandomState>>,
    /// Who is refused for now.
    pub bans: Bans,
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
    tenant: Arc<str>,
    user: Option<Arc<str>>,
}

impl Registry {
    /// Takes a place for one more connection, if there is one.
    pub fn admit(self: &Arc<Self>, tenant: &Arc<str>, user: Option<&Arc<str>>, limits: &Limits) -> Result<Seat, Full> {
        let mut tenants = self.tenants.lock();
        let seats = tenants.entry(tenant.clone()).or_default();
        if seats.taken >= limits.connections {
            return Err(Full::Tenant);
        }
        if let Some(user) = user {
            let taken = seats.users.entry(user.clone()).or_default();
            if *taken >= limits.connections_per_user {
                return Err(Full::User);
            }
            *taken += 1;
        }
        seats.taken += 1;
        Ok(Seat {
            registry: self.clone(),
            tenant: tenant.clone(),
            user: user.cloned(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut tenants = self.registry.tenants.lock();
        let Some(seats) = tenants.get_mut(&self.tenant) else {
            return;
        };
        seats.taken -= 1;
        if let Some(user) = &self.user
            && let Some(taken) = seats.users.get_mut(user)
        {
            *taken -= 1;
            if *taken == 0 {
                seats.users.remove(user);
            }
        }
        if seats.taken == 0 {
            tenants.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_tenants_and_users_to_their_limits() {
        let registry = Arc::new(Registry::default());
        let limits = Limits {
            connections: 3,
            connections_per_user: 2,
            ..Limits::default()
        };
        let (acme, other): (Arc<str>, Arc<str>) = ("acme".into(), "other".into());
        let ann: Arc<str> = "ann".into();
        let first = registry.admit(&acme, Some(&ann), &limits).unwrap();
        let _second = registry.admit(&acme, Some(&ann), &limits).unwrap();
        assert_eq!(registry.admit(&acme, Some(&ann), &limits).err(), Some(Full::User));
        let _third = registry.admit(&acme, None, &limits).unwrap();
        assert_eq!(registry.admit(&acme, None, &limits).err(), Some(Full::Tenant));
        assert!(
            registry.admit(&other, Some(&ann), &limits).is_ok(),
            "tenants do not share"
        );
        drop(first);
        assert!(registry.admit(&acme, Some(&ann), &limits).is_ok());
    }

    #[test]
    fn forgets_whom_nobody_needs() {
        let registry = Arc::new(Registry::default());
        let acme: Arc<str> = "acme".into();
        let seat = registry.admit(&acme, Some(&"ann".into()), &Limits::default()).unwrap();
        drop(seat);
        assert!(registry.tenants.lock().is_empty());
    }
}
