//! The penalty of a plugin's refusal: the connection is closed, or its user is banned; of a connection without a user, its
//! address.

use super::context::Context;
use super::ending::Ending;
use super::refusal::Refusal;
use crate::shard::{Kick, Whom};
use chain::Penalty;
use protocol::codes;
use registry::{BanOrder, BanSubject};

impl Context {
    /// Carries out the penalty of a refusal. Returns how the connection ends, if it ends.
    pub(super) fn penalise(&self, refusal: &Refusal) -> Option<Ending> {
        match refusal.penalty {
            Penalty::None => None,
            Penalty::Disconnect => {
                let own = codes::plugin_close(refusal.code);
                Some(Ending::close(own.unwrap_or(codes::KICKED)))
            }
            Penalty::Ban(length) => {
                let tenant = &self.caller.tenant;
                let user = self.caller.user().or_else(|| refusal.user.clone());
                let subject = BanSubject::of(user.as_ref(), self.caller.remote);
                tracing::info!(%tenant, %subject, ?length, plugin = refusal.plugin.as_deref(), "a plugin bans somebody");
                // One that finds no room here is spoken of there, and may find it in the cluster.
                let (order, _full) = self.shard.common.registry.ban(tenant, subject, length);
                self.kick_everywhere(&order);
                self.send_to_other_nodes(order);
                Some(Ending::close(codes::BANNED))
            }
        }
    }

    /// A ban ends all connections of who is banned, on whatever shard they are.
    fn kick_everywhere(&self, order: &BanOrder) {
        let (tenant, subject) = (&order.tenant, &order.subject);
        for kicks in &self.shard.common.kicks {
            let kick = Kick {
                tenant: tenant.clone(),
                whom: Whom::from(order),
            };
            if kicks.push(tenant, kick).is_err() {
                // The ban holds nevertheless: it refuses the next connect, and the plugin denies the next publish again.
                tracing::warn!(%tenant, %subject, "too many of the tenant's bans wait to end connections");
            }
        }
    }

    fn send_to_other_nodes(&self, order: BanOrder) {
        let Some(bans) = &self.shard.common.bans else {
            return;
        };
        let tenant = order.tenant.clone();
        if let Err(order) = bans.push(&tenant, order) {
            let subject = order.subject;
            tracing::error!(%tenant, %subject, "a plugin's ban holds on this node only: too many of the tenant wait");
        }
    }
}
