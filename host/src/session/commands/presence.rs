//! `presence`: who is in a channel.

use std::rc::Rc;

use crate::session::context::Context;
use crate::session::outcome::{CommandResult, Outcome};
use crate::session::refusal::Refusal;
use crate::session::reply_room::ReplyRoom;
use chain::Grant;
use config::ChannelSettings;
use protocol::names::Channel;
use protocol::{RequestId, codes, write};
use wall_clock::now_ms;

pub(super) struct PresenceCommand {
    pub id: RequestId,
    pub channel: Channel,
}

impl PresenceCommand {
    pub(super) fn apply(self, context: &Rc<Context>) -> Outcome {
        let context = context.clone();
        Outcome::pending(async move { self.read(&context).await })
    }

    async fn read(self, context: &Context) -> CommandResult {
        let grant = context.grant(&self.channel).await?;
        check_presence(context.tenant.settings().channel(&self.channel), grant)?;
        let topic = context.topic(&self.channel);
        let members = context.shard.common.backplane.members(&topic).await?.members;
        let reply = write::presence(&self.id, now_ms(), self.channel.as_str(), &members);
        ReplyRoom::of(&context.client, &self.id).take_list(reply.len())?;
        Ok(reply.into())
    }
}

/// The right to see who is there, in a channel that knows it.
pub(super) fn check_presence(settings: &ChannelSettings, grant: Grant) -> Result<(), Refusal> {
    if !settings.presence {
        return Err(Refusal::new(codes::BAD_REQUEST, "this channel keeps no presence"));
    }
    if !grant.presence {
        return Err(Refusal::new(
            codes::PERMISSION_DENIED,
            "no right to this channel's presence",
        ));
    }
    Ok(())
}
