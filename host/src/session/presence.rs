//! `presence`: who is in a channel.

use super::Session;
use super::refusal::Refusal;
use super::subscribe::check_presence;
use crate::chain::Grant;
use crate::protocol::names::Channel;
use crate::protocol::{RequestId, write};
use crate::wall_clock::now_ms;

impl Session {
    pub(super) async fn presence(&mut self, id: &RequestId, channel: &Channel) -> Result<(), Refusal> {
        let grant = self.grant(channel)?;
        check_presence(self.tenant.settings().channel(channel), grant)?;
        let topic = self.topic(channel);
        let members = self.shard.common.backplane.members(&topic).await?.members;
        self.send(&write::presence(id, now_ms(), channel.as_str(), &members));
        Ok(())
    }

    /// What this session may do in a channel: as its subscription was granted, else as one would be.
    pub(super) fn grant(&self, channel: &Channel) -> Result<Grant, Refusal> {
        match self.subscriptions.get(channel) {
            Some(subscription) => Ok(subscription.grant),
            None => Ok(self.tenant.chain().subscribe(&self.caller, channel)?),
        }
    }
}
