//! The penalty of a plugin's refusal: the connection is closed, or the user is banned.

use std::sync::Arc;

use super::context::Context;
use super::ending::Ending;
use super::refusal::Refusal;
use crate::shard::{Control, Whom};
use chain::Penalty;
use protocol::codes;
use registry::BanOrder;

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
                if let Some(user) = self.caller.user().or_else(|| refusal.user.clone()) {
                    let tenant = &self.caller.tenant;
                    tracing::info!(%tenant, %user, ?length, plugin = ?refusal.plugin, "a plugin banned a user");
                    let order = self.shard.common.registry.ban(tenant, &user, length);
                    self.kick_everywhere(&user);
                    self.send_to_other_nodes(order);
                }
                Some(Ending::close(codes::BANNED))
            }
        }
    }

    /// A ban ends all of the user's connections, on whatever shard they are.
    fn kick_everywhere(&self, user: &Arc<str>) {
        for control in &self.shard.common.controls {
            let kick = Control::CutOff {
                tenant: self.caller.tenant.clone(),
                whom: Whom::User(user.clone()),
                code: codes::BANNED,
                done: None,
            };
            if control.try_send(kick).is_err() {
                // The ban holds nevertheless: it refuses the next connect, and the plugin denies the next publish again.
                tracing::warn!(%user, "a shard was too busy to end a banned user's other connections");
            }
        }
    }

    fn send_to_other_nodes(&self, order: BanOrder) {
        let Some(bans) = &self.shard.common.bans else {
            return;
        };
        if bans.try_send(order).is_err() {
            tracing::error!("a plugin's ban holds on this node only: too many wait for the other nodes");
        }
    }
}
