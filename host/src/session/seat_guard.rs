//! The seat of an accepted session among its tenant's connections. It is counted in the metrics while it is held.

use std::rc::Rc;

use crate::shard::ShardTenant;
use registry::Seat;

/// A seat that is counted, given back when dropped.
pub(super) struct SeatGuard {
    tenant: Rc<ShardTenant>,
    _seat: Seat,
}

impl SeatGuard {
    pub(super) fn new(seat: Seat, tenant: Rc<ShardTenant>) -> Self {
        tenant.metrics.connections.inc();
        Self { tenant, _seat: seat }
    }
}

impl Drop for SeatGuard {
    fn drop(&mut self) {
        self.tenant.metrics.connections.dec();
    }
}
