//! A session that was accepted: its place among its tenant's connections, counted while it has it.

use std::rc::Rc;

use crate::registry::Seat;
use crate::shard::ShardTenant;

/// A place that is counted, given back when dropped.
pub(super) struct Seated {
    tenant: Rc<ShardTenant>,
    _seat: Seat,
}

impl Seated {
    pub fn new(seat: Seat, tenant: Rc<ShardTenant>) -> Self {
        tenant.metrics.connections.inc();
        Self { tenant, _seat: seat }
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.tenant.metrics.connections.dec();
    }
}
