//! The tenants of a shard change under its sessions: some come, some are other than they were, some go. What does not change
//! is not touched, and the sessions have their turn in between.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use super::time_slice::TimeSlice;
use super::{NewTenant, Shard, ShardTenant};
use crate::hub::ClientConnection;
use protocol::codes;

impl Shard {
    /// Puts tenants in place of what they were, and takes others away, whose clients are cut off.
    pub(super) async fn change_tenants(&self, put: Vec<NewTenant>, removed: Vec<Arc<str>>) {
        let mut slice = TimeSlice::begin();
        let mut closed = HashSet::new();
        for new in put {
            let name = new.settings.name.clone();
            if let Some(tenant) = self.tenant(&name) {
                let was_open = tenant.is_open();
                tenant.replace(new);
                if was_open && !tenant.is_open() {
                    closed.insert(name);
                }
            } else {
                let tenant = self.new_tenant(new);
                self.tenants.borrow_mut().insert(name, tenant);
            }
            slice.pause().await;
        }
        // Before their clients are looked for: who comes meanwhile finds no tenant.
        let removed: HashSet<Arc<str>> = removed.into_iter().collect();
        for name in &removed {
            let tenant = self.tenants.borrow_mut().remove(name);
            drop(tenant);
            slice.pause().await;
        }
        for client in self.clients_of(&closed) {
            let retry_after = self.tenant(&client.tenant).and_then(|tenant| tenant.sends_away());
            // It has no rules any more, so nothing that it has begun is finished.
            client.connection.cut_off(codes::SERVER_ERROR, retry_after);
            slice.pause().await;
        }
        for client in self.clients_of(&removed) {
            client.connection.cut_off(codes::TENANT_DISABLED, None);
            slice.pause().await;
        }
        if !removed.is_empty() {
            // Idle sessions end in this turn, so that their presence and seats are released too.
            tokio::task::yield_now().await;
        }
    }

    fn clients_of(&self, tenants: &HashSet<Arc<str>>) -> Vec<ClientOfTenant> {
        if tenants.is_empty() {
            return Vec::new();
        }
        let clients = self.clients.borrow();
        let theirs = clients
            .values()
            .filter(|listed| tenants.contains(&listed.caller.tenant));
        let client = theirs.map(|listed| ClientOfTenant {
            tenant: listed.caller.tenant.clone(),
            connection: listed.client.clone(),
        });
        client.collect()
    }

    pub(super) fn new_tenant(&self, new: NewTenant) -> Rc<ShardTenant> {
        let metrics = self.common.metrics.tenant(&new.settings.name);
        ShardTenant::new(new, metrics)
    }

    pub(super) async fn evict_idle(&self) {
        let tenants: Vec<_> = self.tenants.borrow().values().cloned().collect();
        let mut slice = TimeSlice::begin();
        for tenant in tenants {
            tenant.evict_idle();
            slice.pause().await;
        }
    }
}

struct ClientOfTenant {
    tenant: Arc<str>,
    connection: Rc<ClientConnection>,
}
