//! The bytes of messages that wait: for a busy shard in memory, for Redis between nodes. Each tenant has an eighth of all, so
//! that who floods leaves room for others.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Unavailable;

/// Bytes of messages that wait at most, of all tenants; beyond it a publish fails with 4504.
pub(crate) const PENDING_BYTES: usize = 64 * 1_048_576;
/// The same of one tenant.
pub(crate) const TENANT_PENDING_BYTES: usize = PENDING_BYTES / 8;

pub(crate) struct PendingBytes {
    /// What is left of [`PENDING_BYTES`].
    all: Arc<Semaphore>,
    /// What each tenant has left of [`TENANT_PENDING_BYTES`].
    tenants: Mutex<HashMap<Arc<str>, Arc<Semaphore>, RandomState>>,
}

/// The room of one message, given back when this is dropped.
pub(crate) struct PendingRoom {
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Default for PendingBytes {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(PENDING_BYTES)),
            tenants: Mutex::default(),
        }
    }
}

impl PendingBytes {
    /// Room for a message of so many bytes. One that is larger than a tenant's room takes all of it.
    pub(crate) fn reserve(&self, tenant: &Arc<str>, bytes: usize) -> Result<PendingRoom, Unavailable> {
        let bytes = u32::try_from(bytes.min(TENANT_PENDING_BYTES)).unwrap_or(u32::MAX);
        let own = self.of(tenant).try_acquire_many_owned(bytes);
        let all = self.all.clone().try_acquire_many_owned(bytes);
        match (own, all) {
            (Ok(own), Ok(all)) => Ok(PendingRoom { _own: own, _all: all }),
            (Err(_), _) => Err(Unavailable(format!(
                "messages of {TENANT_PENDING_BYTES} bytes of the tenant wait already"
            ))),
            (_, Err(_)) => Err(Unavailable(format!(
                "messages of {PENDING_BYTES} bytes of all tenants wait already"
            ))),
        }
    }

    fn of(&self, tenant: &Arc<str>) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock();
        tenants
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(TENANT_PENDING_BYTES)))
            .clone()
    }

    /// What is left of all.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.all.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_an_eighth_and_the_largest_message_fits_alone() {
        let pending = PendingBytes::default();
        let tenants: Vec<Arc<str>> = (0..9).map(|n| format!("tenant-{n}").into()).collect();
        let mut rooms: Vec<_> = tenants[..8]
            .iter()
            .map(|tenant| pending.reserve(tenant, 2 * TENANT_PENDING_BYTES))
            .collect();
        assert!(rooms.iter().all(Result::is_ok));
        assert!(pending.reserve(&tenants[0], 1).is_err(), "its own share is used up");
        assert!(pending.reserve(&tenants[8], 1).is_err(), "all is used up");
        rooms.pop();
        assert!(pending.reserve(&tenants[7], 1).is_ok(), "it was given back");
        drop(rooms);
        assert_eq!(pending.left(), PENDING_BYTES);
    }
}
